package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// lostDisables has the first n calls that disable a version take effect, and their answers be lost.
func (s *estate) lostDisables(n int, then *rotator.Error) {
	var calls atomic.Int32
	s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
		if call != "set-enabled" {
			return nil
		}
		if int(calls.Add(1)) <= n {
			return &rotatortest.Fault{AfterEffect: true, Err: refused(rotator.CodeUnavailable, false)}
		}
		if then != nil {
			return &rotatortest.Fault{Err: then}
		}
		return nil
	})
}

// leavesOne has a first rotation leave its previous version enabled, for the next one to retire.
func (s *estate) leavesOne() {
	s.t.Helper()
	s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
	s.start()
	op := s.rotate()
	s.pass(3 * time.Hour)
	s.want(op, rotator.StateCompleted)
}

// refusesDisable has the n-th call refused that enables or disables a version.
func (s *estate) refusesDisable(n int32) {
	var calls atomic.Int32
	s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
		if call == "set-enabled" && calls.Add(1) == n {
			return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
		}
		return nil
	})
}

// retireFromNowOn reloads payments with what becomes of its previous versions.
func (s *estate) retireFromNowOn(how rotator.Retire) {
	s.t.Helper()
	s.key.Retire = how
	s.reload(s.key)
}

// untilDisabled rotates until the vault has disabled the previous version.
func (s *estate) untilDisabled() rotator.OperationID {
	s.t.Helper()
	s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
	s.start()
	op := s.rotate()
	for i := 0; s.enabled()[0] == '+'; i++ {
		if i > 40000 {
			s.t.Fatalf("never disabled\n%s", s.log())
		}
		s.pass(time.Second)
	}
	return op
}

// TestRollback_OfADisableWhoseAnswerWasLost as the list tells of it.
func TestRollback_OfADisableWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 10*time.Minute })
		s.lostDisables(1, refused(rotator.CodeUnavailable, true))
		op := s.untilDisabled()
		s.pass(12 * time.Minute)
		s.azure.FailWith(nil)
		s.pass(3 * time.Hour)
		got := s.operation(op)
		if s.enabled() != "++" {
			t.Errorf("%s: held %v problem %v retired %v; vault %s; firing %q\n%s", got.State, got.Held, got.Problem, got.Retired, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestRollback_WhileNotAllIsRetired that is to be.
func TestRollback_WhileNotAllIsRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireAuto)
		second := s.azure.List(keyID)[1].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 10*time.Minute })
		s.refusesDisable(2)
		op := s.rotate()
		s.pass(24 * time.Hour)
		got := s.operation(op)
		if v := s.enabled(); v[1] != '+' {
			t.Errorf("%s: held %v retired %v rollback %v; vault %s; firing %q\n%s", got.State, got.Held, got.Retired, got.Rollback, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestRollback_OfADisableThatCouldNotBeStored likewise.
func TestRollback_OfADisableThatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 10*time.Minute })
		done := false
		s.store.Hook(func(c *rotator.Change) error {
			if !done && s.enabled() == "-+" {
				if s.clock.Now().Minute() >= 20 {
					done = true
				}
				return errors.New("disk full")
			}
			return nil
		}, nil)
		op := s.untilDisabled()
		s.pass(5 * time.Hour)
		got := s.operation(op)
		if s.enabled() != "++" {
			t.Errorf("%s: held %v retired %v; vault %s; firing %q\n%s", got.State, got.Held, got.Retired, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestRollback_OfADisableWhoseAnswerCameLate has the dependent be seen to lack the version before
// anybody knows that it is disabled: there is a probation all the same.
func TestRollback_OfADisableWhoseAnswerCameLate(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 10*time.Minute })
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		var out, back atomic.Bool
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			switch {
			case call == "set-enabled" && !out.Swap(true):
				s.azure.Enable(keyID, firstVersion, false) // it took effect at once
				<-time.After(3 * time.Hour)
				back.Store(true)
			case call == "versions" && out.Load() && !back.Load():
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		s.start()
		op := s.rotate()
		s.pass(12 * time.Hour)
		if s.enabled() != "++" || len(s.events(rotator.EventRetirementRolledBack)) == 0 {
			t.Errorf("%s: vault %s; firing %q\n%s", s.operation(op).State, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestRollback_IsNotStoppedByWhatOthersDid to another version.
func TestRollback_IsNotStoppedByWhatOthersDid(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		v1, v2 := s.azure.List(keyID)[0].ID, s.azure.List(keyID)[1].ID
		s.azure.Enable(keyID, v1, false) // by somebody, who had a reason
		s.pass(30 * time.Minute)
		s.retireFromNowOn(rotator.RetireAuto)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = v2, 10*time.Minute })
		s.azure.Outside(keyID)
		s.pass(6 * time.Hour)
		if v := s.enabled(); v != "-++" {
			t.Errorf("vault %s, want v1 as somebody left it, v2 rolled back; firing %q\n%s", v, s.firing(), s.log())
		}
	})
}

// TestRollback_EnablesNothingThatAPersonDisabled before.
func TestRollback_EnablesNothingThatAPersonDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		v1 := s.azure.List(keyID)[0].ID
		s.azure.Enable(keyID, v1, false) // by somebody, who had a reason
		s.pass(30 * time.Minute)
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.retireFromNowOn(rotator.RetireAuto)
		v3 := s.azure.List(keyID)[2].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = v3, 10*time.Minute })
		s.azure.Outside(keyID)
		s.pass(6 * time.Hour)
		if v := s.enabled(); v[0] != '-' {
			t.Errorf("vault %s, and a person disabled the first; firing %q\n%s", v, s.firing(), s.log())
		}
	})
}

// losesFirst makes versions like the newest; the answer to the first call is lost.
type losesFirst struct {
	likeNewest
	calls int
}

func (v *losesFirst) Create(ctx context.Context, key rotator.KeyID, method rotator.Method, tag string) (rotator.Version, error) {
	made, err := v.likeNewest.Create(ctx, key, method, tag)
	if v.calls++; v.calls == 1 {
		return rotator.Version{}, refused(rotator.CodeUnavailable, false)
	}
	return made, err
}

// TestRollback_WhileAnotherVersionCameIn between.
func TestRollback_WhileAnotherVersionCameIn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(needsFirst)
		s.azure.Outside(keyID)
		s.pass(5 * time.Hour)
		if v := s.enabled(); v[0] != '+' {
			got := s.operation(op)
			t.Errorf("%s retired %v previous %v; vault %s; firing %q\n%s", got.State, got.Retired, got.Previous, v, s.firing(), s.log())
		}
	})
}

// TestRollback_AfterRetireIsOff, when one of two was disabled: that one is watched all the same.
func TestRollback_AfterRetireIsOff(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireAuto)
		second := s.azure.List(keyID)[1].ID
		op := s.rotate()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 10*time.Minute })
		s.refusesDisable(2)
		for s.enabled()[1] == '+' {
			s.pass(time.Second)
		}
		s.pass(time.Minute)
		s.retireFromNowOn(rotator.RetireOff)
		s.pass(5 * time.Hour)
		if s.enabled()[1] != '+' {
			t.Errorf("%s: one that was disabled a minute ago is not watched; vault %s firing %q\n%s", s.operation(op).State, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestRollback_AfterRetireIsOffInBetween, while dependents go to a version that came in: there is
// a probation of what was disabled before.
func TestRollback_AfterRetireIsOffInBetween(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireAuto)
		op := s.rotate()
		s.refusesDisable(2)
		for s.enabled()[1] == '+' {
			s.pass(time.Second)
		}
		s.azure.Outside(keyID)
		s.pass(10 * time.Minute)
		s.retireFromNowOn(rotator.RetireOff)
		s.pass(12 * time.Hour)
		s.want(op, rotator.StateCompleted)
		if log := s.log(); s.enabled() != "+-++" || !strings.Contains(log, "watched for") {
			t.Errorf("vault %s, without a probation of the second\n%s", s.enabled(), log)
		}
	})
}

// TestRollback_WithAClockAhead of Azure's goes by Azure's.
func TestRollback_WithAClockAhead(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireAuto)
		s.clock.jump(3 * time.Hour)
		s.pass(time.Hour)
		second := s.azure.List(keyID)[1].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 10*time.Minute })
		s.refusesDisable(2)
		op := s.rotate()
		s.pass(24 * time.Hour)
		got := s.operation(op)
		if v := s.enabled(); v[1] != '+' {
			t.Errorf("%s: held %v retired %v rollback %v; vault %s; firing %q\n%s", got.State, got.Held, got.Retired, got.Rollback, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestRollback_AnswersWhoeverRetired that it was rolled back.
func TestRollback_AnswersWhoeverRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireManual)
		second := s.azure.List(keyID)[1].ID
		s.rotate()
		s.pass(3 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 10*time.Second })
		var calls atomic.Int32
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" && calls.Add(1) == 2 {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 30 * time.Second}}
			}
			return nil
		})
		answer := make(chan error, 1)
		go func() { answer <- s.retiresAs("carol") }()
		s.pass(24 * time.Hour)
		if len(s.events(rotator.EventRetirementRolledBack)) == 0 {
			t.Fatalf("not rolled back\n%s", s.log())
		}
		select {
		case err := <-answer:
			if rotator.CodeOf(err) != rotator.CodeConflict {
				t.Errorf("answered %v", err)
			}
		default:
			t.Errorf("cmkd retire was not answered for a day\n%s", s.log())
		}
	})
}

// TestRollback_ThatCannotBeMade can be ended.
func TestRollback_ThatCannotBeMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(needsFirst)
		s.failing("set-enabled")
		s.pass(12 * time.Minute)
		s.azure.Vanish(keyID, firstVersion)
		s.azure.FailWith(nil)
		s.pass(24 * time.Hour)
		if o := s.operation(op); !o.Restoring {
			t.Fatalf("%s, not restoring", o.State)
		}
		if _, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "alice"}); err != nil {
			t.Errorf("%v; problem %v", err, s.operation(op).Problem)
		}
		s.want(op, rotator.StateCompleted)
	})
}

// TestRollback_NotOfTheCompromised has somebody retire two versions as compromised, of which one cannot be
// disabled yet: whoever lacks the other one does not get it back.
func TestRollback_NotOfTheCompromised(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireManual)
		second := s.azure.List(keyID)[1].ID
		s.rotate()
		s.pass(3 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 10*time.Minute })
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "set-enabled" && of == firstVersion {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		go func() {
			_, _ = s.engine.Retire(context.Background(), rotator.Request{Key: "payments", Actor: "carol", Compromised: true})
		}()
		s.pass(2 * time.Hour)
		if v := s.enabled(); v[1] != '-' || len(s.events(rotator.EventRetirementRolledBack)) > 0 {
			t.Errorf("vault %s, compromised version enabled again\n%s", v, s.log())
		}
	})
}

// TestRollback_TheNextRotationAsksToo has the rotation after a rollback retire nothing by itself that was
// rolled back.
func TestRollback_TheNextRotationAsksToo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(needsFirst)
		s.pass(12 * time.Minute)
		s.wantVersions("++")
		s.pass(30 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.unfreeze("f-1") // everybody has access
		s.rotate()
		n := len(s.events(rotator.EventVersionDisabled))
		for range 6 * 60 {
			s.pass(time.Minute)
			if s.enabled()[0] == '-' {
				t.Errorf("disabled again, and nobody said so: vault %s, %d\n%s", s.enabled(), n, s.log())
				return
			}
		}
	})
}
