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
