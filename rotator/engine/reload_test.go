package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestReload_OfOneThatIsListedTwice in two spellings.
func TestReload_OfOneThatIsListedTwice(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		key := s.key
		key.Dependents = key.Dependents[:1]
		d := key.Dependents[0]
		d.ID = "/SUBSCRIPTIONS" + d.ID[len("/subscriptions"):]
		key.Dependents = append(key.Dependents[:1:1], d)
		s.key = key
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.reload(key)
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateCompleted)
	})
}

// TestReload_OfAKeyThatIsRenamedWhileItRetires has the guard look anew.
func TestReload_OfAKeyThatIsRenamedWhileItRetires(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.reload()
		s.pass(2 * time.Hour)
		first := s.azure.List(keyID)[0].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, first })
		s.pass(2 * time.Hour)
		key := s.key
		key.Name = "other"
		s.reload(key)
		s.pass(2 * time.Hour)
		_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "other", Actor: "carol"})
		if err == nil || s.enabled() != "++" {
			t.Errorf("retire: %v, versions %s\n%s", err, s.enabled(), s.log())
		}
	})
}

// TestRotation_OfTwoKeysOfOneDependent brings both to their ends.
func TestRotation_OfTwoKeysOfOneDependent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
		s.azure.AddKey(second)
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute},
			More: []*rotatortest.Use{{Path: "scope", Key: second, Delay: 30 * time.Minute}}})
		s.key.Dependents = s.key.Dependents[:1]
		other := s.key
		other.Name, other.ID = "orders", second
		s.also = []rotator.Key{other}
		s.start()
		a, b := s.rotate(), s.rotateKey("orders")
		s.pass(12 * time.Hour)
		if x, y := s.operation(a), s.operation(b); x.State != rotator.StateCompleted || y.State != rotator.StateCompleted {
			t.Errorf("%s %s firing %q\n%s", x.State, y.State, s.firing(), s.log())
		}
	})
}

// TestReload_OfHowItRetiresWhileAPersonIsAwaited goes on at once, and not when the wait is
// overdue.
func TestReload_OfHowItRetiresWhileAPersonIsAwaited(t *testing.T) {
	t.Parallel()
	for how, want := range map[rotator.Retire]string{rotator.RetireAuto: "-+", rotator.RetireOff: "++"} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.alerting.RetireAfter = 72 * time.Hour
				s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
				s.start()
				op := s.rotate()
				s.pass(3 * time.Hour)
				s.want(op, rotator.StateRetiring)
				s.retireFromNowOn(how)
				s.pass(24 * time.Hour)
				s.want(op, rotator.StateCompleted)
				if s.enabled() != want {
					t.Errorf("vault %s, want %s\n%s", s.enabled(), want, s.log())
				}
			})
		})
	}
}

// TestReload_WhoeverComesLateSoaks as the others did: one that is listed, or excluded no more,
// at the end of the soak.
func TestReload_WhoeverComesLateSoaks(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"added", "included"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				const late = storageID + "2"
				s.azure.AddResource(rotatortest.Resource{ID: late, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 22*time.Hour + 30*time.Minute}})
				s.azure.Remove(cosmosID)
				s.key.Dependents, s.key.Soak = s.key.Dependents[:1:1], 24*time.Hour
				with := s.key
				with.Dependents = append(s.key.Dependents, rotator.Dependent{ID: late, Kind: "follower"})
				if name == "included" {
					s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: late, Kind: "follower", Excluded: "for now"})
				} else {
					s.azure.Change(late, func(r *rotatortest.Resource) { r.Shown = rotatortest.BlankNull })
				}
				s.start()
				op := s.rotate()
				s.pass(23 * time.Hour)
				s.want(op, rotator.StateSoaking)
				s.azure.Change(late, func(r *rotatortest.Resource) { r.Shown = "" })
				s.reload(with)
				s.pass(4 * time.Hour)
				if s.enabled() != "++" {
					t.Errorf("retired %s, with a soak of 24h, 4h after the last came to the new version\n%s", s.enabled(), s.log())
				}
				s.pass(30 * time.Hour)
				s.want(op, rotator.StateCompleted)
				if s.enabled() != "-+" {
					t.Errorf("vault %s after its soak\n%s", s.enabled(), s.log())
				}
			})
		})
	}
}

// TestReload_OfOneThatIsListedWhileAVersionIsMade does not have it done before there is a target.
func TestReload_OfOneThatIsListedWhileAVersionIsMade(t *testing.T) {
	t.Parallel()
	for name, hidden := range map[string]bool{"pinned": false, "hidden": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				const late = storageID + "2"
				s.azure.Remove(cosmosID)
				if hidden {
					s.azure.AddResource(rotatortest.Resource{ID: late, Kind: "silent", Use: rotatortest.Use{Key: keyID, Hidden: true, Delay: time.Hour}})
				} else {
					s.azure.AddResource(rotatortest.Resource{ID: late, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned}})
				}
				s.azure.Change(late, func(r *rotatortest.Resource) { r.Shown = rotatortest.BlankNull })
				s.key.Dependents = s.key.Dependents[:1:1]
				s.start()
				s.azure.FailWith(func(call, of string) *rotatortest.Fault {
					if call == "create" {
						return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
					}
					return nil
				})
				op := s.rotate()
				s.pass(10 * time.Minute)
				s.want(op, rotator.StateCreating)
				s.azure.Change(late, func(r *rotatortest.Resource) { r.Shown = "" })
				s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: late, Kind: map[bool]string{true: "silent", false: "follower"}[hidden]})
				s.reload(s.key)
				s.pass(time.Hour)
				tr := s.tracker(op, late)
				if s.azure.Calls("apply") > 0 || tr.State == rotator.TrackerDone {
					t.Errorf("%s: %s %s, %d updates, needs %q\n%s", s.operation(op).State, tr.State, tr.Evidence, s.azure.Calls("apply"), s.azure.Needs(late), s.log())
				}
			})
		})
	}
}
