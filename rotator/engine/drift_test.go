package engine_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestDrift_NoneToAVersionThatTheVaultDoesNotShow has somebody make a version, and no list
// come for a day: whose it is shows when the versions can be read again.
func TestDrift_NoneToAVersionThatTheVaultDoesNotShow(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(2 * time.Hour)
		s.failing("versions")
		s.azure.Outside(keyID)
		s.pass(24 * time.Hour)
		s.azure.FailWith(nil)
		s.pass(24 * time.Hour)
		for _, e := range s.events(rotator.EventDependentDrifted) {
			t.Errorf("said %q; firing %q\n%s", e.Message, s.firing(), s.log())
		}
		if op := s.operation(1); op.Cause != rotator.CauseVault {
			t.Errorf("%v", op)
		}
	})
}

// TestDrift_NoneToOurOwnVersion has the answer to the making of a version be lost, and no list come for a day.
func TestDrift_NoneToOurOwnVersion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(2 * time.Hour)
		var made atomic.Bool
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			switch {
			case call == "create" && !made.Swap(true):
				return &rotatortest.Fault{AfterEffect: true, Err: refused(rotator.CodeUnavailable, false)}
			case call == "versions" && made.Load():
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		op := s.rotate()
		s.pass(14 * time.Hour)
		s.want(op, rotator.StateCreating)
		for _, e := range s.events(rotator.EventDependentDrifted) {
			t.Errorf("said %q; firing %q\n%s", e.Message, s.firing(), s.log())
		}
	})
}

// TestDrift_FurtherIsNotOver has one that drifted go on to a version that no list could show.
func TestDrift_FurtherIsNotOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
		s.start()
		op := s.rotate()
		s.pass(30 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = firstVersion })
		s.pass(14 * time.Hour)
		before := s.firing()
		if !strings.Contains(s.log(), "without an operation") {
			t.Fatalf("not told: %q", before)
		}
		s.failing("versions")
		s.pass(time.Hour)
		third := s.azure.Outside(keyID)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = third.ID })
		s.pass(14 * time.Hour)
		if n := s.events(rotator.EventDriftOver); len(n) > 0 {
			t.Errorf("said %q; before %q, after %q", n[0].Message, before, s.firing())
		}
	})
}

// TestDrift_WhileNothingIsMade has the vault throttle the making of a version for days, and a dependent go to a version that is not listed.
func TestDrift_WhileNothingIsMade(t *testing.T) {
	t.Parallel()
	for name, idle := range map[string]bool{"idle": true, "creating": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
				s.key.Dependents = s.key.Dependents[:1]
				s.start()
				s.pass(8 * time.Hour)
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call == "create" {
						return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 7 * time.Minute}}
					}
					return nil
				})
				if !idle {
					op := s.rotate()
					s.pass(10 * time.Minute)
					s.want(op, rotator.StateCreating)
				}
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.NoAccess, r.Pinned = true, "00000000000000000000000000000099" })
				s.pass(72 * time.Hour)
				if n := s.events(rotator.EventDependentDrifted); len(n) == 0 {
					t.Errorf("three days after: firing %q\n%s", s.firing(), s.log())
				}
			})
		})
	}
}

// TestDrift_OfWhoIsTakenOut has a dependent be deleted, and be taken out of the configuration as cmkd says.
func TestDrift_OfWhoIsTakenOut(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"one of two": true, "the only one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				if !keep {
					s.key.Dependents = s.key.Dependents[:1]
				}
				s.start()
				s.pass(12 * time.Hour)
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true })
				s.pass(13 * time.Hour)
				if s.firing() == "" {
					t.Fatal("nothing fires")
				}
				if keep {
					s.key.Dependents = s.key.Dependents[1:]
				} else {
					s.key.Dependents = nil
				}
				s.reload(s.key)
				s.pass(30 * time.Minute)
				if got := s.firing(); got != "" {
					t.Errorf("fires still after 30m: %s", got)
				}
				s.pass(48 * time.Hour)
				if got := s.firing(); got != "" {
					t.Errorf("fires still after two days: %s", got)
				}
			})
		})
	}
}

// TestDrift_AutoRotationOffWhileAPersonIsWaitedFor is told as between operations.
func TestDrift_AutoRotationOffWhileAPersonIsWaitedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.Problem = &rotator.Problem{Code: "KeyVaultAccessError", Message: "auto-rotation is off", Class: rotator.ClassAutoRotation}
		})
		s.pass(48 * time.Hour)
		if !strings.Contains(s.firing(), "auto-rotation") {
			t.Errorf("%s firing %q", s.operation(op).State, s.firing())
		}
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Problem = nil })
		s.pass(7 * time.Hour)
		if got := s.firing(); strings.Contains(got, "auto-rotation") {
			t.Errorf("fires still: %s", got)
		}
	})
}
