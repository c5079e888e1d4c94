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

// TestCancel_AfterADisableWhoseAnswerWasLost does not say that the version stays enabled.
func TestCancel_AfterADisableWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.lostDisables(1, refused(rotator.CodeUnavailable, true))
		op := s.untilDisabled()
		s.pass(20 * time.Second)
		s.cancel(op)
		s.pass(30 * time.Minute)
		s.wantVersions("-+")
		for _, e := range s.events(rotator.EventStateChanged) {
			if strings.Contains(e.Message, "previous version stays enabled") {
				t.Errorf("said %q; the vault has %s; firing %q\n%s", e.Message, s.enabled(), s.firing(), s.log())
			}
		}
	})
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
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
		s.start()
		op := s.rotate()
		s.pass(2 * time.Hour)
		s.want(op, rotator.StateCompleted)
		key := s.key
		key.Retire = rotator.RetireAuto
		s.reload(key)
		second := s.azure.List(keyID)[1].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 10*time.Minute })
		var n atomic.Int32
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call != "set-enabled" {
				return nil
			}
			if n.Add(1) == 2 {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		op = s.rotate()
		s.pass(24 * time.Hour)
		got := s.operation(op)
		if v := s.enabled(); v[1] != '+' {
			t.Errorf("%s: held %v retired %v rollback %v; vault %s; firing %q\n%s", got.State, got.Held, got.Retired, got.Rollback, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestSuperseded_NotWhatIsEnabledStill by a rotation after it.
func TestSuperseded_NotWhatIsEnabledStill(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.untilDisabled()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, true)
		s.pass(20 * time.Minute)
		before := s.firing()
		op = s.rotate()
		s.pass(10 * time.Hour)
		s.want(op, rotator.StateCompleted)
		if after := s.firing(); s.enabled()[0] == '+' && before != after {
			t.Errorf("firing %q, now %q; vault %s\n%s", before, after, s.enabled(), s.log())
		}
	})
}

// TestProbation_TheSecondHasALastLookToo of its own.
func TestProbation_TheSecondHasALastLookToo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents[0].Poll = 67 * time.Minute
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 20 * time.Minute })
		op := s.untilDisabled()
		for range 600 { // until the last look is over
			s.pass(time.Second * 10)
			if s.operation(op).State == rotator.StateCompleted {
				break
			}
			if p := s.operation(op).Probation; s.clock.Now().After(p.Add(-20 * time.Second)) {
				// the last look shows a denial: it is rolled back
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 10*time.Minute })
			}
		}
		s.wantVersions("++")
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs = "" })
		s.pass(4 * time.Hour)
		s.retire()
		start := s.clock.Now()
		for s.operation(op).State != rotator.StateCompleted && s.clock.Now().Sub(start) < 6*time.Hour {
			s.pass(10 * time.Second)
			if p := s.operation(op).Problem; p != nil {
				t.Errorf("after %s: %s %s (%s)\n%s", s.clock.Now().Sub(start), s.operation(op).State, p.Message, p.Hint, s.log())
				break
			}
		}
	})
}

// TestSuperseded_NotWhatIsUsedStill by somebody whom nobody listed.
func TestSuperseded_NotWhatIsUsedStill(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/followers/other"
		first := s.azure.List(keyID)[0].ID
		s.azure.AddResource(rotatortest.Resource{ID: other, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned, Pinned: first}})
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
		s.unlisted = true
		s.azure.Remove(cosmosID)
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.Enable(keyID, first, false)
		s.pass(30 * time.Minute)
		before := s.firing()
		op = s.rotate()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateCompleted)
		if after := s.firing(); before != after {
			t.Errorf("firing %q, now %q; needs %v; vault %s\n%s", before, after, s.status("payments").InUse, s.enabled(), s.log())
		}
	})
}

// TestRetire_IsAnsweredWhenTheVaultRefuses to disable.
func TestRetire_IsAnsweredWhenTheVaultRefuses(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(s.t.Context(), 24*time.Hour)
		defer cancel()
		begun := s.clock.Now()
		_, err := s.engine.Retire(ctx, rotator.Request{Key: "payments", Actor: "carol", Reason: "looked"})
		if took := s.clock.Now().Sub(begun); took > 30*time.Minute {
			t.Errorf("answered after %s: %v", took, err)
		}
	})
}

// TestUntouched_ProbationWithoutKey holds what was right already.
func TestUntouched_ProbationWithoutKey(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(needsFirst)
		s.reload()
		s.pass(15 * time.Minute)
		s.reload(s.key)
		s.pass(2 * time.Hour)
		if s.enabled() != "++" {
			t.Errorf("%s vault %s firing %q\n%s", s.operation(op).State, s.enabled(), s.firing(), s.log())
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

// TestRollback_IsNotStoppedByWhatOthersDid to another version.
func TestRollback_IsNotStoppedByWhatOthersDid(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		v1, v2 := s.azure.List(keyID)[0].ID, s.azure.List(keyID)[1].ID
		s.azure.Enable(keyID, v1, false) // by somebody, who had a reason
		s.pass(30 * time.Minute)
		key := s.key
		key.Retire = rotator.RetireAuto
		s.reload(key)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = v2, 10*time.Minute })
		s.azure.Outside(keyID)
		s.pass(6 * time.Hour)
		if v := s.enabled(); v != "-++" {
			t.Errorf("vault %s, want v1 as somebody left it, v2 rolled back; firing %q\n%s", v, s.firing(), s.log())
		}
	})
}

// TestReload_AfterADisableWhoseAnswerWasLost has nobody wait for what is done.
func TestReload_AfterADisableWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.lostDisables(1, refused(rotator.CodeUnavailable, true))
		op := s.untilDisabled()
		key := s.key
		key.Retire = rotator.RetireManual
		s.reload(key)
		s.pass(2 * time.Hour)
		got := s.operation(op)
		if s.enabled() == "-+" && got.AwaitsRetirement() {
			t.Errorf("%s waiting %s retired %v; vault %s; firing %q\n%s", got.State, got.WaitingText(), got.Retired, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestUntouched_Twice holds what was right already.
func TestUntouched_Twice(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		key := s.key
		key.Dependents = key.Dependents[:1]
		d := key.Dependents[0]
		d.ID = "/SUBSCRIPTIONS" + d.ID[len("/subscriptions"):]
		key.Dependents = append(key.Dependents[:1:1], d)
		s.key = key
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		t.Logf("%s %d trackers; vault %s", s.operation(op).State, len(s.operation(op).Trackers), s.enabled())
		s.reload(key)
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateCompleted)
	})
}

// TestRollback_EnablesNothingThatAPersonDisabled before.
func TestRollback_EnablesNothingThatAPersonDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		v1 := s.azure.List(keyID)[0].ID
		s.azure.Enable(keyID, v1, false) // by somebody, who had a reason
		s.pass(30 * time.Minute)
		op = s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		key := s.key
		key.Retire = rotator.RetireAuto
		s.reload(key)
		v3 := s.azure.List(keyID)[2].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = v3, 10*time.Minute })
		s.azure.Outside(keyID)
		s.pass(6 * time.Hour)
		if v := s.enabled(); v[0] != '-' {
			t.Errorf("vault %s, and a person disabled the first; firing %q\n%s", v, s.firing(), s.log())
		}
	})
}

// TestUntouched_RenamedInRetiring holds what was right already.
func TestUntouched_RenamedInRetiring(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.reload()
		s.pass(2 * time.Hour)
		first := s.azure.List(keyID)[0].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, first })
		s.pass(2 * time.Hour)
		key := s.key
		key.Name = "other"
		s.reload(key)
		s.pass(2 * time.Hour)
		_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "other", Actor: "carol"})
		t.Logf("%s %v vault %s firing %q", s.operation(op).State, err, s.enabled(), s.firing())
		if s.enabled() != "++" {
			t.Errorf("%s", s.log())
		}
	})
}

// TestWeaker_AcceptedAndTheAnswerLost makes no second version.
func TestWeaker_AcceptedAndTheAnswerLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.vault = &losesFirst{likeNewest: likeNewest{s.azure}}
		s.start()
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(30 * 24 * time.Hour)
		weak := s.azure.List(keyID)[1].ID
		o, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice", Reason: "x", Accept: weak})
		if err != nil {
			t.Fatal(err)
		}
		s.pass(24 * time.Hour)
		if got := s.operation(o.ID); len(s.azure.List(keyID)) != 3 || len(s.events(rotator.EventVersionTampered)) > 1 {
			t.Errorf("%s target %s, versions %s, firing %q\n%s", got.State, got.Target.ID, s.enabled(), s.firing(), s.log())
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

// TestCancel_WhileNotAllIsRetired says what is disabled.
func TestCancel_WhileNotAllIsRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
		s.start()
		s.rotate()
		s.pass(2 * time.Hour)
		key := s.key
		key.Retire = rotator.RetireAuto
		s.reload(key)
		second := s.azure.List(keyID)[1].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = second, 40*time.Minute })
		var n atomic.Int32
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" {
				if n.Add(1) >= 2 {
					return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
				}
			}
			return nil
		})
		op := s.rotate()
		s.pass(50 * time.Minute)
		s.want(op, rotator.StateRetiring)
		s.cancel(op)
		s.pass(5 * time.Hour)
		for _, e := range s.events(rotator.EventStateChanged) {
			if strings.Contains(e.Message, "cancelled, the previous version stays enabled") && s.enabled() != "+++" {
				t.Errorf("said %q; vault %s; firing %q\n%s", e.Message, s.enabled(), s.firing(), s.log())
			}
		}
	})
}

// TestUntouched_RequireProbation holds what was right already.
func TestUntouched_RequireProbation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Soak = 0
		s.start()
		op := s.rotate()
		s.pass(40 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.retire()
		s.pass(time.Minute)
		s.want(op, rotator.StateProbation)
		key := s.key
		key.Require = rotator.EvidenceConfirmed
		s.reload(key)
		s.pass(100 * time.Hour)
		got := s.operation(op)
		t.Logf("%s problem %v firing %q needs %v", got.State, got.Problem, s.firing(), got.NeedsYou())
	})
}

// TestUntouched_SharedTwoKeys holds what was right already.
func TestUntouched_SharedTwoKeys(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
		s.azure.AddKey(second)
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute},
			More: []*rotatortest.Use{{Path: "scope", Key: second, Delay: 30 * time.Minute}}})
		s.key.Dependents = s.key.Dependents[:1]
		other := s.key
		other.Name, other.ID = "orders", second
		s.also = []rotator.Key{other}
		s.start()
		a, b := s.rotate(), s.rotateKey("orders")
		s.pass(12 * time.Hour)
		if x, y := s.operation(a), s.operation(b); x.State != rotator.StateCompleted || y.State != rotator.StateCompleted {
			t.Errorf("%s %s firing %q\n%s", x.State, y.State, s.firing(), s.log())
		}
	})
}
