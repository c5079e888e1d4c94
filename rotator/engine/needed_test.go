package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// etcd makes the only dependent of payments one that goes on to need the version before
// until it is told yet another one (azure/facts-services.md A2).
func (s *estate) etcd() {
	s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned, Previous: true}})
	s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireManual
}

// wantEnabled checks that nobody disabled a version, which is needed for a reason.
func (s *estate) wantEnabled(version, why string) {
	s.t.Helper()
	if v, _ := rotator.FindVersion(s.azure.List(keyID), version); !v.Enabled {
		s.t.Errorf("version %s is disabled: %s; versions %s\n%s", version, why, s.enabled(), s.log())
	}
}

// TestNeeded_ByOneThatWasOutpaced has a person make a version, and tell the etcd of it
// before the next list: it needs the target of the rotation.
func TestNeeded_ByOneThatWasOutpaced(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.etcd()
		s.start()
		op := s.rotate()
		s.pass(30 * time.Minute)
		s.want(op, rotator.StateSoaking)
		second := s.azure.Needs(storageID)[0]
		third := s.azure.Outside(keyID)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = third.ID })
		s.pass(8 * time.Hour)
		s.retire()
		s.pass(time.Hour)
		s.wantEnabled(second, "the etcd is on the third, and was on this one before")
	})
}

// TestNeeded_ByOneThatLeft does not end when its service is told to use no key, or
// another one: the secrets are under the old one until somebody rewrites them.
func TestNeeded_ByOneThatLeft(t *testing.T) {
	t.Parallel()
	const other = "https://contoso.vault.azure.net/keys/other"
	for name, change := range map[string]func(r *rotatortest.Resource){
		"switched off": func(r *rotatortest.Resource) { r.Microsoft = true },
		"given another key": func(r *rotatortest.Resource) {
			r.Key, r.Pinned, r.NoAccess = other, "00000000000000000000000000000009", true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.etcd()
				s.azure.AddKey(other)
				s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 3 * time.Hour}})
				s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: otherKeys, Kind: "follower"})
				s.start()
				first := s.azure.Needs(storageID)[0]
				s.rotate()
				s.pass(time.Hour)
				s.azure.Change(storageID, change)
				s.pass(12 * time.Hour)
				s.retire()
				s.pass(time.Hour)
				s.wantEnabled(first, "the secrets of the etcd are under it until they are rewritten")
			})
		})
	}
}

// TestNeeded_IsInUse when somebody disables it, also after a revocation and its end.
func TestNeeded_IsInUse(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]bool{"after a rotation": false, "after a revocation and its end": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.etcd()
				s.start()
				s.pass(90 * time.Minute)
				first := s.azure.Needs(storageID)[0]
				op := s.rotate()
				s.pass(5 * time.Hour)
				s.retire()
				s.pass(2 * time.Hour)
				s.want(op, rotator.StateCompleted)
				if revoke {
					s.revoke("alice")
					s.pass(2 * time.Hour)
					if _, err := s.engine.Reinstate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"}); err != nil {
						s.t.Fatal(err)
					}
					s.pass(4 * time.Hour)
				}
				s.azure.Enable(keyID, first, false)
				s.pass(10 * time.Minute)
				if got := s.firing(); !contains(got, "used-version-tampered") {
					s.t.Errorf("firing %q; in use %v", got, s.status("payments").InUse)
				}
			})
		})
	}
}

// TestNeeded_IsInThePlan of a retirement: nothing would be disabled, and why.
func TestNeeded_IsInThePlan(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.etcd()
		s.start()
		first := s.azure.Needs(storageID)[0]
		s.rotate()
		s.pass(5 * time.Hour)
		p, err := s.engine.PlanRetirement(s.t.Context(), "payments", "carol")
		is := func(n rotator.NeededVersion) bool { return n.Version == first && n.Dependent == storageID }
		if err != nil || len(p.Previous) != 0 || !slices.ContainsFunc(p.Needed, is) {
			t.Errorf("would disable %v, needed %+v, %v", p.Previous, p.Needed, err)
		}
	})
}

// TestNeeded_IsWhatItWasOnLast has a person pin the etcd to another version between the
// preflight and the update.
func TestNeeded_IsWhatItWasOnLast(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.etcd()
		first := s.azure.Needs(storageID)[0]
		second := s.azure.Outside(keyID)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = second.ID })
		s.start()
		made := make(chan struct{})
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				<-made
			}
			return nil
		})
		op := s.rotate()
		s.pass(10 * time.Second)
		s.want(op, rotator.StateCreating)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = first })
		close(made)
		s.pass(5 * time.Hour)
		s.retire()
		s.pass(time.Hour)
		s.azure.Enable(keyID, first, false)
		s.pass(10 * time.Minute)
		if got := s.firing(); !contains(got, "used-version-tampered") {
			s.t.Errorf("firing %q; in use %v\n%s", got, s.status("payments").InUse, s.log())
		}
	})
}

// TestNeeded_ByOneThatMovedBetweenRotations has an etcd given another key between two rotations:
// it goes on to need the last version of this one.
func TestNeeded_ByOneThatMovedBetweenRotations(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]bool{"listed": false, "taken out": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				const other = "https://contoso.vault.azure.net/keys/other"
				s.etcd()
				s.azure.AddKey(other)
				s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute}})
				s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: otherKeys, Kind: "follower"})
				s.start()
				op := s.rotate()
				s.pass(8 * time.Hour)
				s.retire()
				s.pass(3 * time.Hour)
				s.want(op, rotator.StateCompleted)
				s.pass(9 * time.Hour)
				second := s.azure.List(keyID)[1].ID
				s.azure.Change(storageID, func(r *rotatortest.Resource) {
					r.Key, r.Pinned, r.NoAccess = other, "00000000000000000000000000000009", true
				})
				s.pass(9 * time.Hour)
				if remove {
					s.key.Dependents = s.key.Dependents[1:]
					s.reload(s.key)
					s.pass(time.Hour)
				}
				if remove {
					s.rotate()
				} else {
					s.azure.Outside(keyID)
				}
				s.pass(12 * time.Hour)
				last := s.last()
				if o := s.operation(last); !o.AwaitsRetirement() {
					t.Logf("%s %s held %v problem %v\n%s", o.ID, o.State, o.Held, o.Problem, s.log())
					return
				}
				if err := s.retiresAs("carol"); err != nil {
					t.Log(err)
				}
				s.pass(time.Hour)
				s.wantEnabled(second, "the secrets of the etcd are under it until they are rewritten")
			})
		})
	}
}

// TestNeeded_ByOneThatLeftInTheNextRotation has an etcd leave the key in the middle of a rotation,
// and the one after it ask again.
func TestNeeded_ByOneThatLeftInTheNextRotation(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *rotatortest.Resource){
		"switched off": func(r *rotatortest.Resource) { r.Microsoft = true },
		"given another key": func(r *rotatortest.Resource) {
			r.Key, r.Pinned, r.NoAccess = "https://contoso.vault.azure.net/keys/other", "00000000000000000000000000000009", true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.etcd()
				s.azure.AddKey("https://contoso.vault.azure.net/keys/other")
				s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 3 * time.Hour}})
				s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: otherKeys, Kind: "follower"})
				s.start()
				first := s.azure.Needs(storageID)[0]
				s.rotate()
				s.pass(time.Hour)
				s.azure.Change(storageID, change)
				s.pass(12 * time.Hour)
				s.retire()
				s.pass(3 * time.Hour)
				s.wantEnabled(first, "kept in the first rotation")
				s.key.Dependents = s.key.Dependents[1:]
				s.reload(s.key)
				s.pass(time.Hour)
				op := s.rotate()
				s.pass(12 * time.Hour)
				s.want(op, rotator.StateRetiring)
				if err := s.retiresAs("carol"); err != nil {
					t.Log(err)
				}
				s.pass(time.Hour)
				s.wantEnabled(first, "the secrets of the etcd are under it until they are rewritten")
			})
		})
	}
}

// rotatedBesideAFollower completes a rotation of the etcd and of one that follows.
func (s *estate) rotatedBesideAFollower() rotator.OperationID {
	s.t.Helper()
	s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute}})
	s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: otherKeys, Kind: "follower"})
	s.start()
	op := s.rotate()
	s.pass(8 * time.Hour)
	s.retire()
	s.pass(3 * time.Hour)
	s.want(op, rotator.StateCompleted)
	return op
}

// TestNeeded_ByOneThatIsGone has the etcd be deleted, and be taken out of the configuration.
func TestNeeded_ByOneThatIsGone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.etcd()
		op := s.rotatedBesideAFollower()
		s.azure.Remove(storageID)
		s.key.Dependents = s.key.Dependents[1:]
		s.reload(s.key)
		for range 3 {
			s.pass(12 * time.Hour)
			op = s.rotate()
			s.pass(12 * time.Hour)
			if err := s.retiresAs("carol"); err != nil {
				t.Log(err)
			}
			s.pass(12 * time.Hour)
		}
		if v := s.enabled(); v[0] == '+' {
			t.Errorf("%s vault %s: kept for a cluster that is gone\n%s", s.operation(op).State, v, s.log())
		}
	})
}

// TestNeeded_UntilSomebodyElseAttests has an etcd go to another key, and on to the next version of that: cmkd
// does not follow it there, and takes a person's word that it needs the first no more.
func TestNeeded_UntilSomebodyElseAttests(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = "https://contoso.vault.azure.net/keys/other"
		s.etcd()
		a := s.azure.AddKey(other)
		op := s.rotatedBesideAFollower()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Key, r.Pinned = other, a.ID })
		s.pass(24 * time.Hour)
		b := s.azure.Outside(other)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = b.ID })
		s.pass(24 * time.Hour)
		s.azure.Enable(other, a.ID, false)
		s.key.Dependents[0].Excluded = "moved to another key"
		s.reload(s.key)
		for range 2 {
			s.pass(12 * time.Hour)
			op = s.rotate()
			s.pass(12 * time.Hour)
			s.attests("storage", "bob")
			if err := s.retiresAs("carol"); err != nil {
				t.Fatal(err)
			}
			s.pass(12 * time.Hour)
		}
		if v := s.enabled(); v[0] == '+' {
			t.Errorf("%s vault %s: kept for one that needs none of them\n%s", s.operation(op).State, v, s.log())
		}
	})
}

// TestNeeded_AfterARollback as it was before somebody attested that it is not.
func TestNeeded_AfterARollback(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]bool{"wrong word": true, "no word": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.etcd()
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 5*time.Minute })
				s.start()
				op := s.rotate()
				s.pass(8 * time.Hour)
				if word {
					s.attests("storage", "bob")
					if err := s.retiresAs("carol"); err != nil {
						t.Fatal(err)
					}
					s.pass(4 * time.Hour)
					s.want(op, rotator.StateRetiring)
					s.wantVersions("++")
				}
				s.cancel(op)
				s.pass(time.Hour)
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs = "" }) // not to be told of by its access
				s.azure.Enable(keyID, firstVersion, false)
				s.pass(10 * time.Minute)
				if f := s.firing(); !strings.Contains(f, "used-version-tampered") {
					t.Errorf("firing %q; in use %v: the service said that it lacks the first", f, s.status("payments").InUse)
				}
			})
		})
	}
}
