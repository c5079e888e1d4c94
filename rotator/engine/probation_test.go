package engine_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// retires lets a rotation of one dependent pass until its previous version is disabled.
func (s *estate) retires(change func(r *rotatortest.Resource)) rotator.OperationID {
	s.t.Helper()
	s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
	s.start()
	s.azure.Change(storageID, change)
	op := s.rotate()
	for s.enabled()[0] == '+' {
		s.pass(time.Second)
	}
	s.pass(time.Second)
	s.want(op, rotator.StateProbation)
	return op
}

func needsFirst(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 10*time.Minute }

// TestProbation_RollsBack enables the version again, once, that a service itself says it
// lacks; then a person decides.
func TestProbation_RollsBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(needsFirst)
		s.pass(12 * time.Minute)
		s.wantVersions("++")
		if got := s.operation(op); got.Rollback == nil || !strings.Contains(got.Rollback.Message, "KeyDisabled") {
			t.Errorf("rollback %v\n%s", got.Rollback, s.log())
		}
		s.pass(30 * time.Hour)
		s.wantVersions("++") // never by itself again
		if got := s.want(op, rotator.StateRetiring); got.NeedsYou() == nil || !got.AwaitsRetirement() {
			t.Errorf("nobody is asked for: %+v", got.NeedsYou())
		}
		s.retire()
		s.wantVersions("-+")
		s.pass(2 * time.Hour) // it is lacked still, but somebody has said so
		s.wantVersions("-+")
		if n := len(s.events(rotator.EventRetirementRolledBack)); n != 1 {
			t.Errorf("rolled back %d times\n%s", n, s.log())
		}
		if n := len(s.events(rotator.EventRollbackRefused)); n != 1 {
			t.Errorf("refused %d times\n%s", n, s.log())
		}
		s.want(op, rotator.StateProbation) // as long as somebody is in trouble
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs = "" })
		s.pass(time.Hour)
		s.want(op, rotator.StateCompleted)
	})
}

// TestProbation_KeepsDisabled what is none of its own to enable: only alerts tell.
func TestProbation_KeepsDisabled(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change  func(r *rotatortest.Resource)
		during  func(s *estate)
		refused int
		firing  string
	}{
		"another cause": {change: func(r *rotatortest.Resource) {}, during: func(s *estate) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		}, firing: "access-lost/op-1/access-denied"},
		"a revocation asked for": {change: needsFirst, during: func(s *estate) { s.revoke("alice") }, refused: 1, firing: "access-lost"},
		"touched by somebody else": {change: needsFirst, during: func(s *estate) {
			for _, enable := range []bool{true, false} {
				s.azure.Enable(keyID, firstVersion, enable)
				s.pass(time.Second)
			}
		}, refused: 1, firing: "access-lost/op-1/access-denied"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.TwoPerson = true
				s.retires(tt.change)
				tt.during(s)
				s.pass(30 * time.Minute)
				if s.enabled()[0] == '+' || len(s.events(rotator.EventRetirementRolledBack)) > 0 || len(s.events(rotator.EventRollbackRefused)) != tt.refused {
					t.Errorf("rolled back\n%s", s.log())
				}
				if !strings.Contains(s.firing(), tt.firing) {
					t.Errorf("firing %q\n%s", s.firing(), s.log())
				}
			})
		})
	}
}

// TestProbation_NoneForTheCompromised, nor where nobody could lack a version.
func TestProbation_NoneForTheCompromised(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		s.azure.Change(storageID, needsFirst)
		op := s.rotate()
		s.pass(3 * time.Hour)
		done, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob", Compromised: true})
		if err != nil || done.State != rotator.StateCompleted {
			t.Fatalf("%v, %s", err, done.State)
		}
		s.pass(3 * time.Hour)
		s.wantVersions("-+")
		s.want(op, rotator.StateCompleted)
	})
}

// TestProbation_RollsBackOverCrashesAndErrors until it is done.
func TestProbation_RollsBackOverCrashesAndErrors(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.retires(needsFirst)
		var mended atomic.Bool
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" && !mended.Load() {
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		s.freeze(rotator.FreezeRequest{}) // which stops no rollback
		s.pass(12 * time.Minute)
		s.wantVersions("-+")
		s.restart(time.Minute)
		mended.Store(true)
		s.pass(3 * time.Minute)
		s.wantVersions("++")
	})
}
