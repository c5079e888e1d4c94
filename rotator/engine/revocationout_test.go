package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator/rotatortest"
)

// TestRevocation_OfAVersionThatARollbackEnables has the call of a rollback be under way when the key is
// revoked: what it enables nobody else did, and it is disabled.
func TestRevocation_OfAVersionThatARollbackEnables(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.retires(needsFirst)
		var out atomic.Bool
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "set-enabled" && of == firstVersion && !out.Swap(true) {
				<-time.After(4 * time.Minute)
			}
			return nil
		})
		for !out.Load() {
			s.pass(time.Second)
		}
		op := s.revoke("alice")
		s.pass(30 * time.Minute)
		o := s.operation(op)
		if s.enabled() != "--" || o.Problem != nil {
			t.Errorf("%s vault %s problem %v\n%s", o.State, s.enabled(), o.Problem, s.log())
		}
	})
}

// TestRevocation_OfAVersionThatIsBeingMade has a version be made that comes after the revocation took effect.
func TestRevocation_OfAVersionThatIsBeingMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.start()
		var out atomic.Bool
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "create" && !out.Swap(true) {
				<-time.After(4 * time.Minute)
			}
			return nil
		})
		s.rotate()
		for !out.Load() {
			s.pass(time.Second)
		}
		op := s.revoke("alice")
		s.pass(30 * time.Minute)
		o := s.operation(op)
		if s.enabled() != "--" || o.Problem != nil {
			t.Errorf("%s vault %s problem %v\n%s", o.State, s.enabled(), o.Problem, s.log())
		}
	})
}
