package engine_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

var errIO = errors.New("write: input/output error")

// failOnce lets one commit fail.
func (s *estate) failOnce() {
	var failed atomic.Bool
	s.store.Hook(func(*rotator.Change) error {
		if failed.Swap(true) {
			return nil
		}
		return errIO
	}, nil)
	_, _ = s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", For: time.Hour, Actor: "alice"})
	if !failed.Load() {
		s.t.Fatal("no commit failed")
	}
}

// TestCreate_SuccessThatArrivesAfterAFailedCommitIsOne: what the call said is known,
// whatever happened to the store meanwhile; no second version is made.
func TestCreate_SuccessThatArrivesAfterAFailedCommitIsOne(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.ReadLag = time.Minute
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				<-time.After(50 * time.Second)
			}
			return nil
		})
		s.start()
		op := s.rotateNow()
		s.want(op, rotator.StateCreating)
		s.failOnce()
		s.pass(52 * time.Second)
		if state := s.operation(op).State; state != rotator.StatePropagating {
			t.Errorf("%s is %s after the vault said that it made a version, want %s", op, state, rotator.StatePropagating)
		}
		s.pass(5 * time.Minute)
		s.wantVersions("++")
		if n := s.azure.Calls("create"); n != 1 {
			t.Errorf("%d calls to make a version, want 1\n%s", n, s.log())
		}
	})
}

// TestCreate_AClockSetBackWhileTheListIsOutMakesNoSecondVersion: the read lag is waited
// for by a clock that nobody sets.
func TestCreate_AClockSetBackWhileTheListIsOutMakesNoSecondVersion(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-time.Hour, -2 * time.Minute, 0} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.ReadLag = time.Minute
				s.start()
				s.pass(time.Second)
				var created atomic.Bool
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					switch {
					case call == "create" && !created.Swap(true):
						return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false), AfterEffect: true}
					case call == "versions" && created.Load():
						<-time.After(5 * time.Second)
					}
					return nil
				})
				op := s.rotate()
				s.pass(3 * time.Second) // the list is out
				s.clock.jump(jump)
				s.pass(5 * time.Minute)
				s.wantVersions("++")
				s.want(op, rotator.StatePropagating)
				if n := s.azure.Calls("create"); n != 1 {
					t.Errorf("%d calls to make a version, want 1\n%s", n, s.log())
				}
			})
		})
	}
}

// TestCreate_FailureThatArrivesAfterAFailedCommit may have had its effect just before:
// the read lag runs from the answer, and no second version is made meanwhile.
func TestCreate_FailureThatArrivesAfterAFailedCommit(t *testing.T) {
	t.Parallel()
	for _, out := range []time.Duration{30 * time.Second, 90 * time.Second} {
		t.Run(out.String(), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.ReadLag = time.Minute
				var created atomic.Bool
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call != "create" || created.Swap(true) {
						return nil
					}
					<-time.After(out)
					return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false), AfterEffect: true}
				})
				s.start()
				op := s.rotateNow()
				s.want(op, rotator.StateCreating)
				s.failOnce()
				s.pass(5 * time.Minute)
				s.wantVersions("++")
				s.want(op, rotator.StatePropagating)
				if n := s.azure.Calls("create"); n != 1 {
					t.Errorf("%d calls to make a version, want 1\n%s", n, s.log())
				}
			})
		})
	}
}
