package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// h5RefusesAt has the n-th call that sets a version refused, and all after it.
func (s *estate) h5RefusesAt(n int32) {
	var calls atomic.Int32
	s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
		if call == "set-enabled" && calls.Add(1) == n {
			return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
		}
		return nil
	})
}

// 4. manual to auto while a person is waited for, with retire_after set (default 3 days).
func TestFifthLook_ManualToAutoStandsStill(t *testing.T) {
	t.Parallel()
	for _, how := range []rotator.Retire{rotator.RetireAuto, rotator.RetireOff} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.alerting.RetireAfter = 72 * time.Hour
				s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
				s.start()
				op := s.rotate()
				s.pass(3 * time.Hour)
				s.want(op, rotator.StateRetiring)
				s.retireFromNowOn(how)
				s.pass(24 * time.Hour)
				if o := s.operation(op); !o.State.Final() {
					t.Errorf("%s a day after; waiting %q wake in %s needs you %v\n", o.State, o.WaitingText(), o.Wake.Sub(s.clock.Now()), o.NeedsYou())
				}
			})
		})
	}
}

// 6. A dependent that is listed, or excluded no more, at the end of the soak.
func TestFifthLook_SoakOfOneThatCameLate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"added", "included"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				const late = storageID + "2"
				s.azure.AddResource(rotatortest.Resource{ID: late, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 22*time.Hour + 30*time.Minute}})
				s.azure.Remove(cosmosID)
				s.key.Dependents, s.key.Soak = s.key.Dependents[:1:1], 24*time.Hour
				with := s.key
				with.Dependents = append(s.key.Dependents, rotator.Dependent{ID: late, Kind: "follower"})
				if name == "included" {
					s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: late, Kind: "follower", Excluded: "for now"})
				} else {
					s.azure.Change(late, func(r *rotatortest.Resource) { r.Shown = rotatortest.BlankNull })
				}
				s.start()
				op := s.rotate()
				s.pass(23 * time.Hour)
				s.want(op, rotator.StateSoaking)
				s.azure.Change(late, func(r *rotatortest.Resource) { r.Shown = "" })
				s.reload(with)
				s.pass(4 * time.Hour)
				if s.enabled() != "++" {
					t.Errorf("retired %s, with a soak of 24h, 4h after the last came to the new version\n%s", s.enabled(), s.log())
				}
			})
		})
	}
}

// 7b. The same with retire: off.
func TestFifthLook_OffAfterOneOfTwoHasNoProbation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireAuto)
		second := s.azure.List(keyID)[1].ID
		op := s.rotate()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 10*time.Minute })
		s.h5RefusesAt(2)
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

// 8. Whoever waits for a retirement is never answered if it is rolled back.
func TestFifthLook_RetirerOfARollbackIsNotAnswered(t *testing.T) {
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
		var answered atomic.Bool
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Hour)
		defer cancel()
		go func() {
			_, err := s.engine.Retire(ctx, rotator.Request{Key: "payments", Actor: "carol"})
			t.Logf("retire: %v", err)
			answered.Store(true)
		}()
		s.pass(24 * time.Hour)
		if len(s.events(rotator.EventRetirementRolledBack)) == 0 {
			t.Fatalf("not rolled back\n%s", s.log())
		}
		if !answered.Load() {
			t.Errorf("cmkd retire was not answered for a day\n%s", s.log())
		}
	})
}

// 9. A version that somebody disabled and enabled again is never retired.
func TestFifthLook_DroppedVersionIsForgotten(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 2*time.Hour
		s.start()
		op := s.rotate()
		s.pass(90 * time.Minute)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.Enable(keyID, firstVersion, true)
		s.pass(3 * time.Hour)
		next := s.rotate()
		s.pass(8 * time.Hour)
		s.ends(next)
		if v := s.enabled(); v[0] == '+' {
			t.Errorf("vault %s: the first is enabled, is nobody's to retire; unretired %v firing %q\n%s", v, s.status("payments").Unretired, s.firing(), s.log())
		}
	})
}

// 11. Overdue is for good.
func TestFifthLook_OverdueAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.alerting.RetireAfter = 48 * time.Hour
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], time.Hour, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(72 * time.Hour)
		s.wantFiring("retirement-blocked/op-1/awaits-retirement")
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(24 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = false })
		for o := s.operation(op); o.State != rotator.StateRetiring; o = s.operation(op) {
			s.pass(time.Minute)
		}
		s.pass(5 * time.Minute)
		if f := s.firing(); strings.Contains(f, "awaits-retirement") {
			t.Errorf("fires %q since %s", f, s.clock.Now().Sub(s.operation(op).Since))
		}
	})
}

// 14. A clock that is ahead of Azure's.
func TestFifthLook_RollbackWithAClockAhead(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireAuto)
		s.clock.jump(3 * time.Hour)
		s.pass(time.Hour)
		second := s.azure.List(keyID)[1].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 10*time.Minute })
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "set-enabled" && of == firstVersion {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		op := s.rotate()
		s.pass(24 * time.Hour)
		got := s.operation(op)
		if v := s.enabled(); v[1] != '+' {
			t.Errorf("%s: held %v retired %v rollback %v; vault %s; firing %q\n%s", got.State, got.Held, got.Retired, got.Rollback, s.enabled(), s.firing(), s.log())
		}
	})
}

// 15. A dependent that is listed while the version is disabled.
func TestFifthLook_ListedWhileItIsDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = []rotator.Dependent{{ID: storageID, Kind: "follower", Excluded: "for now"}}, 0
		s.key.Retire = rotator.RetireManual
		with := s.key
		with.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}}
		s.azure.Remove(cosmosID)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		s.attests("storage", "bob")
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" {
				return &rotatortest.Fault{Late: func() { <-time.After(10 * time.Second) }}
			}
			if call == "observe" {
				<-time.After(20 * time.Second)
			}
			return nil
		})
		go func() { _ = s.retiresAs("carol") }()
		for s.enabled() == "++" {
			s.pass(time.Second)
		}
		s.reload(with)
		s.pass(2 * time.Hour)
		if o := s.operation(op); o.State == rotator.StateCompleted && o.Operation.Trackers[rotator.TrackerWaiting] > 0 {
			t.Errorf("%s trackers %v vault %s firing %q\n%s", o.State, o.Operation.Trackers, s.enabled(), s.firing(), s.log())
		}
	})
}

// E. A rollback that cannot be made cannot be ended either.
func TestFifthLook_ARollbackThatCannotBeMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(needsFirst)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		s.pass(12 * time.Minute)
		s.azure.Vanish(keyID, firstVersion)
		s.azure.FailWith(nil)
		s.pass(24 * time.Hour)
		_, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "alice"})
		if err != nil {
			t.Errorf("%v; %s restoring %v problem %v", err, s.operation(op).State, s.operation(op).Restoring, s.operation(op).Problem)
		}
	})
}

// J. A pinned dependent that is listed while the version is being made.
func TestFifthLook_ListedWhileAVersionIsMade(t *testing.T) {
	t.Parallel()
	for name, hidden := range map[string]bool{"pinned": false, "hidden": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				const late = storageID + "2"
				s.azure.Remove(cosmosID)
				if hidden {
					s.azure.AddResource(rotatortest.Resource{ID: late, Kind: "silent", Use: rotatortest.Use{Key: keyID, Hidden: true, Delay: time.Hour}})
				} else {
					s.azure.AddResource(rotatortest.Resource{ID: late, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned}})
				}
				s.azure.Change(late, func(r *rotatortest.Resource) { r.Shown = rotatortest.BlankNull })
				s.key.Dependents = s.key.Dependents[:1:1]
				s.start()
				s.azure.FailWith(func(call, of string) *rotatortest.Fault {
					if call == "create" {
						return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
					}
					return nil
				})
				op := s.rotate()
				s.pass(10 * time.Minute)
				s.want(op, rotator.StateCreating)
				s.azure.Change(late, func(r *rotatortest.Resource) { r.Shown = "" })
				s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: late, Kind: map[bool]string{true: "silent", false: "follower"}[hidden]})
				s.reload(s.key)
				s.pass(time.Hour)
				tr := s.tracker(op, late)
				if s.azure.Calls("apply") > 0 || tr.State == rotator.TrackerDone {
					t.Errorf("%s: %s %s, %d updates, needs %q\n%s", s.operation(op).State, tr.State, tr.Evidence, s.azure.Calls("apply"), s.azure.Needs(late), s.log())
				}
			})
		})
	}
}
