package engine_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestRevocation_OfAVersionThatARollbackEnables has the call of a rollback be under way when the key is
// revoked: what it enables nobody else did, and it is disabled.
func TestRevocation_OfAVersionThatARollbackEnables(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.retires(needsFirst)
		s.hangs("set-enabled", 4*time.Minute, nil)()
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
		untilOut := s.hangs("create", 4*time.Minute, nil)
		s.rotate()
		untilOut()
		op := s.revoke("alice")
		s.pass(30 * time.Minute)
		o := s.operation(op)
		if s.enabled() != "--" || o.Problem != nil {
			t.Errorf("%s vault %s problem %v\n%s", o.State, s.enabled(), o.Problem, s.log())
		}
	})
}

// TestRevocation_UndoneIsNotOverByALateVersion has a version come late to a revocation of which somebody enabled another one.
func TestRevocation_UndoneIsNotOverByALateVersion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.azure.Outside(keyID)
		s.start()
		var out, back atomic.Bool
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "create" && !out.Swap(true) {
				<-time.After(10 * time.Minute)
				back.Store(true)
			}
			return nil
		})
		s.rotate()
		for !out.Load() {
			s.pass(time.Second)
		}
		op := s.revoke("alice")
		s.pass(4 * time.Minute)
		s.want(op, rotator.StateEffective)
		s.azure.Enable(keyID, firstVersion, true)
		s.pass(3 * time.Minute)
		if p := s.operation(op).Problem; p == nil || p.Code != rotator.ReasonRevocationUndone {
			t.Fatalf("not told: %v", p)
		}
		for range 600 {
			s.pass(time.Second)
			if o := s.operation(op); back.Load() && o.State == rotator.StateEffective && strings.Contains(s.enabled(), "+") {
				t.Fatalf("says %s, problem %v; vault %s\n%s", o.State, o.Problem, s.enabled(), s.log())
			}
		}
	})
}

// TestRevocation_OfAVersionThatIsBeingEnabledAgain has cmkd enable a version again as its key is revoked: that was nobody else.
func TestRevocation_OfAVersionThatIsBeingEnabledAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.OnTamper = rotator.OnTamperReenable
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.start()
		s.pass(10 * time.Minute)
		untilOut := s.hangs("set-enabled", 4*time.Minute+30*time.Second, nil)
		s.azure.Enable(keyID, firstVersion, false)
		untilOut()
		op := s.revoke("alice")
		s.pass(60 * time.Minute)
		o := s.operation(op)
		if s.enabled() != "-" || o.Problem != nil {
			t.Errorf("%s vault %s problem %v\n%s", o.State, s.enabled(), o.Problem, s.log())
		}
	})
}

// TestRevocation_OfAVersionWhoseAnswerWasLost comes after the revocation took effect.
func TestRevocation_OfAVersionWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Method = s.key.Dependents[:1], rotator.MethodCreate
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.start()
		untilOut := s.hangs("create", 9*time.Minute, &rotatortest.Fault{AfterEffect: true, Err: refused(rotator.CodeUnavailable, false)})
		s.rotate()
		untilOut()
		op := s.revoke("alice")
		s.pass(60 * time.Minute)
		o := s.operation(op)
		if s.enabled() != "--" || o.Problem != nil {
			t.Errorf("%s vault %s problem %v\n%s", o.State, s.enabled(), o.Problem, s.log())
		}
	})
}
