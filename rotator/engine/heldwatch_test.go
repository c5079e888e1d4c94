package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestHeld_TamperingIsTold has somebody disable and enable a version again and again while a scheduled rotation is
// held in its preflight: each is told within minutes.
func TestHeld_TamperingIsTold(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Schedule = schedule(t, "0 4 * * *", rotator.MisfireCatchUp)
		s.start()
		s.pass(2 * time.Hour) // 03:00
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(3 * time.Hour)
		s.want(s.last(), rotator.StatePending)
		worst := time.Duration(0)
		for range 12 {
			for _, enable := range []bool{false, true} {
				before := len(s.events(rotator.EventVersionTampered)) + len(s.events(rotator.EventVersionBack))
				s.azure.Enable(keyID, firstVersion, enable)
				took := time.Duration(0)
				for len(s.events(rotator.EventVersionTampered))+len(s.events(rotator.EventVersionBack)) == before && took < time.Hour {
					s.pass(20 * time.Second)
					took += 20 * time.Second
				}
				worst = max(worst, took)
				s.pass(97 * time.Second)
			}
		}
		if worst > 6*time.Minute {
			t.Errorf("told after %s\n", worst)
		}
	})
}

// TestHeld_DriftIsOver mends what drifted while a scheduled rotation is held in its preflight.
func TestHeld_DriftIsOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Schedule = schedule(t, "0 23 * * *", rotator.MisfireCatchUp)
		s.start()
		s.pass(7 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(90 * time.Minute)
		for n := 0; !contains(s.firing(), "access-lost"); n++ {
			s.pass(time.Minute)
			if n > 800 {
				t.Fatalf("%q\n%s", s.firing(), s.log())
			}
		}
		t.Log(s.clock.Now(), s.firing())
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(10 * time.Hour)
		op := s.want(s.last(), rotator.StatePending)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = false })
		s.pass(48 * time.Hour)
		if f := s.firing(); contains(f, "access-lost") {
			t.Errorf("%s; two days after it was mended: firing %q", op.State, f)
		}
	})
}

// TestHeld_DriftIsTold has somebody re-pin a dependent while a scheduled rotation is held in its preflight.
func TestHeld_DriftIsTold(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]bool{"held": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
				s.key.Soak, s.key.Retire = 0, rotator.RetireOff
				s.start()
				op := s.rotate()
				s.pass(30 * time.Hour)
				s.want(op, rotator.StateCompleted)
				if held {
					s.key.Schedule = schedule(t, "0 12 * * *", rotator.MisfireCatchUp)
					s.reload(s.key)
				}
				s.pass(time.Hour)
				s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Forbidden = true })
				s.pass(24 * time.Hour)
				if held {
					s.want(s.last(), rotator.StatePending)
				}
				before := s.firing()
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = firstVersion })
				s.pass(48 * time.Hour)
				if !contains(s.log(), "without an operation") {
					t.Errorf("two days after: firing %q, before %q", s.firing(), before)
				}
			})
		})
	}
}

// TestHeld_DriftIsOverWhileAPersonIsAwaited mends what drifted while a rotation waits for a person.
func TestHeld_DriftIsOverWhileAPersonIsAwaited(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		s.pass(7 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
		s.pass(8 * time.Hour)
		before := s.firing()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Delay = rotator.BindingFollows, 20*time.Minute })
		s.pass(10 * 24 * time.Hour)
		if f := s.firing(); contains(f, "drift") || contains(f, "binding-changed") {
			t.Errorf("%s before %q; ten days after it was mended: firing %q", s.operation(op).State, before, f)
		}
		t.Log(before, s.firing())
	})
}

// TestHeld_DriftIsOverWhileRevoked makes one readable again while its key is revoked.
func TestHeld_DriftIsOverWhileRevoked(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(7 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(8 * time.Hour)
		before := s.firing()
		op := s.revoke("alice")
		s.pass(10 * time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = false })
		s.pass(48 * time.Hour)
		if f := s.firing(); f != "" {
			t.Errorf("%s before %q; two days after it was mended: firing %q", s.operation(op).State, before, f)
		}
	})
}

// TestHeld_TamperingIsToldWhileNoVersionIsMade has a vault that throttles make no version for a day.
func TestHeld_TamperingIsToldWhileNoVersionIsMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne() // two versions
		s.pass(time.Hour)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 10 * time.Minute}}
			}
			return nil
		})
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.want(op, rotator.StateCreating)
		calls := s.azure.Calls("versions")
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(24 * time.Hour)
		if len(s.events(rotator.EventVersionTampered)) == 0 {
			t.Errorf("%s: a day after: firing %q, %d lists since", s.operation(op).State, s.firing(), s.azure.Calls("versions")-calls)
		}
	})
}

// TestHeld_LostAccessIsToldWhileNoVersionIsMade has a dependent lose access meanwhile.
func TestHeld_LostAccessIsToldWhileNoVersionIsMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 10 * time.Minute}}
			}
			return nil
		})
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.want(op, rotator.StateCreating)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(24 * time.Hour)
		if f := s.firing(); !contains(f, "access") {
			t.Errorf("%s: a day after it lost access: firing %q", s.operation(op).State, f)
		}
	})
}

// refusedByTheTarget has a retirement be refused because somebody disabled the target of the
// rotation, which waits for a person.
func (s *estate) refusedByTheTarget() (op rotator.OperationID, target string) {
	s.t.Helper()
	s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
	s.azure.Change(storageID, func(r *rotatortest.Resource) { r.NoAccess = true })
	s.start()
	op = s.rotate()
	s.pass(3 * time.Hour)
	s.want(op, rotator.StateRetiring)
	target = s.azure.List(keyID)[1].ID
	s.azure.Enable(keyID, target, false)
	s.pass(time.Minute)
	if err := s.retiresAs("carol"); err == nil {
		s.t.Fatal("not refused")
	}
	return op, target
}

// TestRetire_WhatHeldItInTheVaultIsOver has somebody disable the target, and enable it again after the refusal.
func TestRetire_WhatHeldItInTheVaultIsOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op, second := s.refusedByTheTarget()
		s.pass(10 * time.Minute)
		s.azure.Enable(keyID, second, true)
		s.pass(72 * time.Hour)
		if o := s.operation(op); o.NeedsYou() == nil || o.NeedsYou().Code != rotator.ReasonAwaitsRetirement {
			t.Errorf("%s three days after it is enabled: needs you %v (held %v); firing %q", o.State, o.NeedsYou(), o.Held, s.firing())
		}
	})
}

// TestRetire_WhatHeldItIsNotOverByARestart has a target that is disabled still, and no list of the versions after the restart.
func TestRetire_WhatHeldItIsNotOverByARestart(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op, _ := s.refusedByTheTarget()
		was := s.operation(op)
		before := was.NeedsYou()
		s.pass(10 * time.Minute)
		s.failing("versions")
		s.restart(time.Minute)
		s.pass(2 * time.Hour)
		if o := s.operation(op); o.Held == nil {
			t.Errorf("before %v, after %v; firing %q", before, o.NeedsYou(), s.firing())
		}
	})
}

// TestRetire_SoakNeedsNobody has what held a retirement be over while a soak time, which was made longer, is not.
func TestRetire_SoakNeedsNobody(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op, second := s.refusedByTheTarget()
		s.key.Soak = 200 * time.Hour
		s.reload(s.key)
		s.pass(10 * time.Minute)
		s.azure.Enable(keyID, second, true)
		for range 20 {
			s.pass(time.Hour)
			o := s.operation(op)
			if o.Held != nil {
				t.Fatalf("%s held %v needs you %v firing %q", o.State, o.Held, o.NeedsYou(), s.firing())
			}
		}
	})
}
