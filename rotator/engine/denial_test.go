package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestDenial_ByAnotherKeyRollsNothingBack has cmkd revoke the other key of a dependent during the probation of this one.
func TestDenial_ByAnotherKeyRollsNothingBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
		s.azure.AddKey(second)
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 10 * time.Minute},
			More: []*rotatortest.Use{{Path: "scope", Key: second, Delay: 10 * time.Minute}}})
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		other := s.key
		other.Name, other.ID = "orders", second
		s.also = []rotator.Key{other}
		op := s.untilDisabled()
		s.pass(time.Second)
		s.want(op, rotator.StateProbation)
		if _, err := s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{Request: rotator.Request{Key: "orders", Actor: "alice", Reason: "offboarding"}, Confirm: "orders"}); err != nil {
			t.Fatal(err)
		}
		s.pass(30 * time.Minute)
		if v := s.enabled(); v[0] != '-' || len(s.events(rotator.EventRetirementRolledBack)) > 0 {
			t.Errorf("vault %s: rolled back although it is the other key that it lacks; freezes %v\n%s", v, s.firing(), s.log())
		}
	})
}

// TestDenial_ByTheTargetRollsNothingBack has somebody disable the target in the probation.
func TestDenial_ByTheTargetRollsNothingBack(t *testing.T) {
	t.Parallel()
	for name, delay := range map[string]time.Duration{"after a list": 10 * time.Minute, "before a list": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.retires(func(r *rotatortest.Resource) { r.Delay = delay })
				s.azure.Enable(keyID, s.azure.List(keyID)[1].ID, false)
				s.pass(20 * time.Minute)
				if v := s.enabled(); v[0] != '-' || len(s.events(rotator.EventRetirementRolledBack)) > 0 {
					t.Errorf("vault %s: it is the new version that it lacks; firing %q\n%s", v, s.firing(), s.log())
				}
			})
		})
	}
}

// TestDenial_OfOneThatMovedRollsNothingBack has a dependent go to another key in the probation, which is disabled.
func TestDenial_OfOneThatMovedRollsNothingBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
		v := s.azure.AddKey(second)
		op := s.retires(func(r *rotatortest.Resource) { r.Delay = 10 * time.Minute })
		s.azure.Enable(second, v.ID, false)
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.Key, r.Binding, r.Pinned, r.Delay = second, rotator.BindingPinned, v.ID, time.Minute
		})
		s.pass(20 * time.Minute)
		if v := s.enabled(); v[0] != '-' || len(s.events(rotator.EventRetirementRolledBack)) > 0 {
			t.Errorf("%s vault %s; firing %q\n%s", s.operation(op).State, v, s.firing(), s.log())
		}
	})
}

// TestDenial_ByAnotherKeyFreezesNothing has cmkd revoke the other key of a dependent while this one is rotated.
func TestDenial_ByAnotherKeyFreezesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
		s.azure.AddKey(second)
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 10 * time.Minute},
			More: []*rotatortest.Use{{Path: "scope", Key: second, Delay: 10 * time.Minute}}})
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 5*time.Hour
		other := s.key
		other.Name, other.ID = "orders", second
		s.also = []rotator.Key{other}
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		s.want(op, rotator.StateSoaking)
		if _, err := s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{Request: rotator.Request{Key: "orders", Actor: "alice", Reason: "offboarding"}, Confirm: "orders"}); err != nil {
			t.Fatal(err)
		}
		s.pass(30 * time.Minute)
		f, _ := s.engine.Freezes(s.t.Context())
		if len(f) > 0 {
			t.Errorf("freezes %+v; op %s\n%s", f, s.operation(op).State, s.log())
		}
	})
}

// TestDenial_WhatWasSoBeforeExplainsNothing has a dependent be under another key that expired long ago, with access.
func TestDenial_WhatWasSoBeforeExplainsNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *estate, second rotator.KeyID){
		"expired": func(s *estate, second rotator.KeyID) { s.azure.Expire(second, s.azure.Clock.Now().Add(-time.Minute)) },
		"newest disabled": func(s *estate, second rotator.KeyID) {
			s.azure.Enable(second, s.azure.Outside(second).ID, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
				v := s.azure.AddKey(second)
				more := &rotatortest.Use{Path: "scope", Key: second, Delay: 10 * time.Minute}
				if name == "newest disabled" {
					more.Binding, more.Pinned, more.Hidden = rotator.BindingPinned, v.ID, true
				}
				s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Needs: firstVersion, Use: rotatortest.Use{Key: keyID, Delay: 10 * time.Minute},
					More: []*rotatortest.Use{more}})
				change(s, second)
				s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
				other := s.key
				other.Name, other.ID = "orders", second
				s.also = []rotator.Key{other}
				s.start()
				op := s.rotate()
				for i := 0; s.enabled()[0] == '+'; i++ {
					if i > 200000 {
						t.Fatalf("never disabled: %s %v %v\n%s", s.operation(op).State, s.operation(op).Held, s.tracker(op, storageID).Detail.Problem, s.log())
					}
					s.pass(time.Second)
				}
				s.pass(time.Hour)
				if s.enabled() != "++" {
					t.Errorf("%s vault %s: it lacks the first, nothing else changed\n%s", s.operation(op).State, s.enabled(), s.log())
				}
			})
		})
	}
}

// TestDenial_ByAKeyThatExpiredLongAgoAndIsDisabledNow has a dependent use another key after it expired, until somebody disables that.
func TestDenial_ByAKeyThatExpiredLongAgoAndIsDisabledNow(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
		v := s.azure.AddKey(second)
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 10 * time.Minute},
			More: []*rotatortest.Use{{Path: "scope", Key: second, Delay: 10 * time.Minute}}})
		s.azure.Expire(second, s.azure.Clock.Now().Add(-time.Minute))
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		other := s.key
		other.Name, other.ID = "orders", second
		s.also = []rotator.Key{other}
		op := s.untilDisabled()
		s.pass(time.Second)
		s.want(op, rotator.StateProbation)
		s.azure.Enable(second, v.ID, false)
		s.pass(30 * time.Minute)
		if v := s.enabled(); v[0] != '-' || len(s.events(rotator.EventRetirementRolledBack)) > 0 {
			t.Errorf("vault %s: rolled back although it is the other key that it lacks\n%s", v, s.log())
		}
	})
}
