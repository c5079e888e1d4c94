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

// TestRetire_CompromisedEndsWithWhatItWasFor and a retirement after it has its probation.
func TestRetire_CompromisedEndsWithWhatItWasFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.blind()
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateRetiring)
		var slow atomic.Bool
		slow.Store(true)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" && slow.Load() {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 10 * time.Minute}}
			}
			return nil
		})
		go func() {
			_, err := s.engine.Retire(context.Background(), rotator.Request{Key: "payments", Actor: "carol", Compromised: true})
			t.Logf("retire: %v", err)
		}()
		s.pass(time.Minute)
		s.azure.Outside(keyID)
		s.pass(7 * time.Minute)
		slow.Store(false)
		s.pass(30 * time.Minute)
		s.attests("storage", "bob")
		s.pass(12 * time.Hour)
		if o := s.operation(op); o.Compromised || len(s.events(rotator.EventVersionDisabled)) > 0 && !strings.Contains(s.log(), "probation") {
			t.Errorf("%s compromised %v %s\n%s", o.State, o.Compromised, s.enabled(), s.log())
		}
	})
}

// TestRetire_RefusedAsCompromised has no effect on the retirement after it.
func TestRetire_RefusedAsCompromised(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.blind()
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "carol", Compromised: true})
		wantError(t, err, rotator.CodeRefused, "backups")
		s.attests("storage", "bob")
		s.pass(time.Minute)
		if got := s.operation(op); got.State != rotator.StateProbation {
			t.Errorf("%s, compromised %v\n%s", got.State, got.Compromised, s.log())
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

// TestCancel_WhileNotAllIsRetired says what is disabled.
func TestCancel_WhileNotAllIsRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireAuto)
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

// TestReload_AfterADisableWhoseAnswerWasLost has nobody wait for what is done.
func TestReload_AfterADisableWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.lostDisables(1, refused(rotator.CodeUnavailable, true))
		op := s.untilDisabled()
		s.retireFromNowOn(rotator.RetireManual)
		s.pass(2 * time.Hour)
		got := s.operation(op)
		if s.enabled() == "-+" && got.AwaitsRetirement() {
			t.Errorf("%s waiting %s retired %v; vault %s; firing %q\n%s", got.State, got.WaitingText(), got.Retired, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestRetire_WhatSomebodyElseDisabledAndEnabledAgain is retired by the next rotation.
func TestRetire_WhatSomebodyElseDisabledAndEnabledAgain(t *testing.T) {
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

// TestRetire_OverdueIsOfOneWait, and not of the next.
func TestRetire_OverdueIsOfOneWait(t *testing.T) {
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

// TestRetire_ADoubtThatIsOver has the dependent leave the key that a person was to decide about.
func TestRetire_ADoubtThatIsOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
		s.azure.AddKey(second)
		s.start()
		op := s.rotate()
		s.pass(30 * time.Hour)
		if o := s.operation(op); o.Doubt == nil {
			t.Fatalf("%s\n%s", o.State, s.log())
		}
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Key = second })
		s.pass(48 * time.Hour)
		o := s.operation(op)
		if o.State == rotator.StateRetiring && o.Doubt != nil {
			t.Errorf("%s says %v; tracker %s\n%s", o.State, o.NeedsYou(), s.tracker(op, cosmosID).State, s.log())
		}
	})
}

// TestRetire_WhatHeldItIsOver has a person attest what a retirement was refused for.
func TestRetire_WhatHeldItIsOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.blind()
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		if err := s.retiresAs("carol"); err == nil {
			t.Fatal("not refused")
		}
		s.attests("storage", "bob")
		s.pass(24 * time.Hour)
		if o := s.operation(op); o.NeedsYou() == nil || o.NeedsYou().Code == rotator.ReasonBlindSpot {
			t.Errorf("%s needs you: %v; firing %q; blockers %v", o.State, o.NeedsYou(), s.firing(), o.Blockers)
		}
	})
}

// TestRetire_WhatCouldNotBeSearchedIs has subscriptions be readable again for which a retirement was refused.
func TestRetire_WhatCouldNotBeSearchedIs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "find" {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		s.pass(2 * time.Hour)
		if err := s.retiresAs("carol"); err == nil {
			t.Fatal("not refused")
		}
		s.azure.FailWith(nil)
		s.pass(72 * time.Hour)
		if o := s.operation(op); o.NeedsYou() == nil || o.NeedsYou().Code == rotator.ReasonInventoryIncomplete {
			t.Errorf("%s needs you: %v; firing %q", o.State, o.NeedsYou(), s.firing())
		}
	})
}

// TestRetire_AnOldListDropsNothing has somebody enable a version just before it is to be retired, of which no
// list tells yet.
func TestRetire_AnOldListDropsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.azure.Lags = func(v rotator.Version) bool { return s.azure.Clock.Now().Sub(v.Updated) < 60*time.Second }
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(20 * time.Minute)
		s.azure.Enable(keyID, firstVersion, true)
		s.pass(20 * time.Second)
		err := s.retiresAs("carol")
		s.pass(10 * time.Minute)
		if o := s.operation(op); o.State == rotator.StateCompleted && s.enabled() == "++" {
			t.Errorf("%v: %s, vault %s\n%s", err, o.State, s.enabled(), s.log())
		}
	})
}

// TestRetire_WhatGivesWaySaysWhatIsDisabled has a rotation give way to the next that has retired one of two.
func TestRetire_WhatGivesWaySaysWhatIsDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne()
		s.retireFromNowOn(rotator.RetireManual)
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.refusesDisable(2)
		go func() {
			_, _ = s.engine.Retire(context.Background(), rotator.Request{Key: "payments", Actor: "carol"})
		}()
		s.pass(time.Minute)
		s.blind()
		s.pass(20 * time.Minute)
		o := s.operation(op)
		t.Logf("%s retired %v held %v awaits %v vault %s", o.State, o.Retired, o.Held, o.AwaitsRetirement(), s.enabled())
		s.rotate()
		s.pass(time.Second)
		for _, e := range s.events(rotator.EventStateChanged) {
			if e.Operation == op && strings.Contains(e.Message, "stays enabled") {
				t.Errorf("says %q, vault %s", e.Message, s.enabled())
			}
		}
	})
}
