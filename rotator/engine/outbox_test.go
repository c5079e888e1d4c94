package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

const stalledID = "propagation-stalled/op-1/follower"

// stall lets the follower never switch, and waits until its window is over.
func (s *estate) stall() rotator.OperationID {
	s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
	s.start()
	id := s.rotate()
	s.pass(time.Hour + 2*time.Minute)
	s.wantFiring(stalledID)
	return id
}

func (s *estate) unstall() {
	s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = time.Minute })
	s.pass(2 * time.Minute)
	s.wantFiring("")
}

var unreachable = &rotator.Error{Code: rotator.CodeUnavailable, Message: "connection refused"}

func TestOutbox_NothingIsLostWhileAReceiverIsDown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		receiver.Down(unreachable)
		s.stall()
		s.pass(time.Minute)
		if got := s.engine.Receivers()[0]; got.Pending != 1 || got.Failures == 0 || got.Problem != "connection refused" {
			t.Errorf("status of a receiver that is down: %+v", got)
		}
		s.restart(time.Hour)
		s.unstall()
		s.restart(time.Hour)
		receiver.Down(nil)
		s.pass(3 * time.Minute)
		s.wantHeard(receiver, "resolved "+stalledID)
		if alerts, _ := s.engine.Alerts(s.t.Context()); len(alerts) != 0 {
			t.Errorf("%d alerts are kept though everybody was told", len(alerts))
		}
	})
}

func TestOutbox_ToldAfterAnOutage(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		receiver.Down(unreachable)
		s.stall()
		s.pass(10 * time.Minute)
		receiver.Down(nil)
		s.pass(2 * time.Minute)
		s.wantHeard(receiver, "firing "+stalledID)
		s.unstall()
		s.pass(time.Minute)
		s.wantHeard(receiver, "resolved "+stalledID)
	})
}

func TestOutbox_AReceiverThatHangsDelaysNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		hanging := s.listen()
		release := hanging.Hang()
		other := &rotatortest.Receiver{}
		s.alerting.Receivers = append(s.alerting.Receivers, rotator.Receiver{Name: "other", Notifier: other})
		id := s.stall()
		s.pass(time.Minute)
		s.wantHeard(other, "firing "+stalledID)
		s.unstall()
		s.pass(time.Minute)
		s.wantHeard(other, "resolved "+stalledID)
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Delay = time.Minute })
		s.pass(26 * time.Hour)
		s.retire()
		s.completes(id)
		release()
		s.pass(3 * time.Minute)
		s.wantHeard(hanging, "resolved "+stalledID)
	})
}

func TestOutbox_TellsAgainAsOftenAsConfigured(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.alerting.Receivers[0].Repeat = 4 * time.Hour
		s.stall()
		s.pass(9 * time.Hour)
		s.wantHeard(receiver, "firing "+stalledID, "firing "+stalledID, "firing "+stalledID)
		s.restart(time.Minute)
		s.pass(2 * time.Hour)
		s.wantHeard(receiver)
	})
}

func TestOutbox_TellsOnlyWhatAReceiverWants(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]rotator.Receiver{
		"severity": {Severity: rotator.SeverityCritical},
		"rule":     {Rules: []rotator.Rule{rotator.RuleClockJumped}},
		"key":      {Keys: []string{"another"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *estate) {
				receiver := &rotatortest.Receiver{}
				r.Name, r.Notifier = "picky", receiver
				s.alerting.Receivers = []rotator.Receiver{r}
				s.stall()
				s.pass(time.Minute)
				s.wantHeard(receiver)
				s.unstall()
				if alerts, _ := s.engine.Alerts(s.t.Context()); len(alerts) != 0 {
					t.Errorf("%d alerts are kept for nobody", len(alerts))
				}
			})
		})
	}
}

func TestAlert_OneForAThousandDependentsOfOneCause(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.key.Dependents = nil
		for i := range 1000 {
			id := fmt.Sprintf("%s%04d", storageID, i)
			s.azure.AddResource(rotatortest.Resource{ID: id, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: -1}})
			s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: id, Kind: "follower"})
		}
		s.start()
		s.rotate()
		s.pass(2 * time.Hour)
		s.wantHeard(receiver, "firing "+stalledID)
		alerts, _ := s.engine.Alerts(s.t.Context())
		a := alerts[0]
		if a.Count != 1000 || len(a.Affected) != rotator.AffectedMost || !strings.HasPrefix(a.Summary, "1000 dependents have not taken") {
			t.Errorf("the alert is %d dependents, names %d: %s", a.Count, len(a.Affected), a.Summary)
		}
		if got := s.engine.Summary().Alerts; got[rotator.SeverityWarning] != 1 {
			t.Errorf("the summary counts %v", got)
		}
	})
}

// TestAlert_ThatComesBackIsTheSame until its end was told.
func TestAlert_ThatComesBackIsTheSame(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.stall()
		s.pass(time.Minute)
		s.wantHeard(receiver, "firing "+stalledID)
		receiver.Down(unreachable)
		s.unstall()
		alerts, _ := s.engine.Alerts(s.t.Context())
		began := alerts[0].Starts
		s.azure.Outside(keyID)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.pass(2 * time.Hour)
		s.wantFiring(stalledID)
		receiver.Down(nil)
		s.pass(10 * time.Minute)
		s.wantHeard(receiver)
		if alerts, _ = s.engine.Alerts(s.t.Context()); !alerts[0].Starts.Equal(began) {
			t.Errorf("it began at %s, and now at %s", began, alerts[0].Starts)
		}
	})
}

func TestSilence_HoldsBackAndIsShown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.start()
		made, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{
			Rule: rotator.RulePropagationStalled, Key: "payments", For: 3 * time.Hour, Actor: "alice", Reason: "planned",
		})
		if err != nil {
			t.Fatal(err)
		}
		s.rotate()
		s.pass(2 * time.Hour)
		s.wantFiring(stalledID)
		s.wantHeard(receiver)
		if alerts, _ := s.engine.Alerts(s.t.Context()); alerts[0].Silence != made.ID {
			t.Errorf("the alert does not say that %s silences it: %q", made.ID, alerts[0].Silence)
		}
		if sum := s.engine.Summary(); sum.Silenced != 1 || len(sum.Alerts) != 0 {
			t.Errorf("the summary counts %v and %d silenced", sum.Alerts, sum.Silenced)
		}
		s.restart(time.Minute)
		s.pass(30 * time.Minute)
		s.wantHeard(receiver)
		s.pass(time.Hour)
		s.wantHeard(receiver, "firing "+stalledID)
		if e := s.events(rotator.EventSilenced); len(e) != 1 || e[0].Actor != "alice" || e[0].Data["reason"] != "planned" {
			t.Errorf("the audit trail has %+v", e)
		}
	})
}

func TestSilence_EndedEarly(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.stall()
		s.pass(time.Minute)
		s.wantHeard(receiver, "firing "+stalledID)
		made, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Alert: stalledID, For: time.Hour, Actor: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		s.unstall()
		s.pass(time.Minute)
		s.wantHeard(receiver, "resolved "+stalledID) // whoever was told of its beginning is told of its end
		if _, err := s.engine.EndSilence(s.t.Context(), made.ID, "bob", ticket); err != nil {
			t.Fatal(err)
		}
		_, err = s.engine.EndSilence(s.t.Context(), made.ID, "bob", ticket)
		wantError(t, err, rotator.CodeConflict, made.ID)
		s.pass(26 * time.Hour)
		if silences, _ := s.engine.Silences(s.t.Context()); len(silences) != 0 {
			t.Errorf("%d silences are kept for ever", len(silences))
		}
	})
}

func TestSilence_BadInput(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		for _, c := range []struct {
			r        rotator.SilenceRequest
			code     rotator.Code
			mentions string
		}{
			{rotator.SilenceRequest{For: time.Hour}, rotator.CodeInvalid, "name an alert"},
			{rotator.SilenceRequest{Key: "payments"}, rotator.CodeInvalid, "--for"},
			{rotator.SilenceRequest{Key: "payments", For: 1000 * time.Hour}, rotator.CodeInvalid, "31 days"},
			{rotator.SilenceRequest{Key: "other", For: time.Hour}, rotator.CodeNotFound, "other"},
			{rotator.SilenceRequest{Rule: "nonsense", For: time.Hour}, rotator.CodeInvalid, "cmkd alert rules"},
			{rotator.SilenceRequest{Alert: "nonsense", For: time.Hour}, rotator.CodeNotFound, "cmkd alert list"},
		} {
			_, err := s.engine.Silence(s.t.Context(), c.r)
			wantError(t, err, c.code, c.mentions)
		}
		_, err := s.engine.EndSilence(s.t.Context(), "s-7", "alice", "")
		wantError(t, err, rotator.CodeNotFound, "s-7")
	})
}

func TestTestReceivers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver, broken := s.listen(), &rotatortest.Receiver{}
		s.alerting.Receivers = append(s.alerting.Receivers, rotator.Receiver{Name: "broken", Notifier: broken})
		broken.Down(unreachable)
		s.start()
		results, err := s.engine.TestReceivers(s.t.Context(), "", "alice")
		if err != nil || len(results) != 2 || results[0].Problem != nil || results[1].Problem == nil {
			t.Fatalf("results %+v (%v)", results, err)
		}
		s.wantHeard(receiver, "resolved test/daemon") // over from the start: nobody has to end it
		_, err = s.engine.TestReceivers(s.t.Context(), "nobody", "alice")
		wantError(t, err, rotator.CodeNotFound, "nobody")
	})
}

// TestCrash_AlertsAtEveryMoment kills the engine before and after every commit and
// call while a dependent stalls and recovers: the receiver hears of both, and the
// audit trail has each once.
func TestCrash_AlertsAtEveryMoment(t *testing.T) {
	t.Parallel()
	for moment, came := 1, true; came; moment++ {
		if moment > 1000 {
			t.Fatal("the operation never gets past the crashes")
		}
		t.Run(fmt.Sprint(moment), func(t *testing.T) {
			inBubble(t, func(s *estate) {
				receiver := s.listen()
				s.alerting.Receivers[0].Keys = []string{"payments"} // not that the store is blocked by the crash
				s.key.Dependents = s.key.Dependents[:1]
				s.key.Dependents[0].Poll = 10 * time.Minute
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 90 * time.Minute })
				s.key.Schedule = schedule(t, "30 1 1 1 *", rotator.MisfireCatchUp)
				c := newCrasher(s, moment)
				came = c.runThroughCrash(func() {}, 3*time.Hour)
				s.pass(4 * time.Hour)
				s.completes(s.last())
				s.wantFiring("")
				heard := receiver.Heard()
				if n := len(heard); n == 0 || heard[n-1] != "resolved "+strings.Replace(stalledID, "op-1", s.last().String(), 1) {
					t.Errorf("the receiver heard %q\n%s", heard, s.log())
				}
				if n := len(s.events(rotator.EventAlertFiring)); n != 1 {
					t.Errorf("%d alerts fired, want 1\n%s", n, s.log())
				}
			})
		})
	}
}

func TestStoreBlocked_TellsPastTheStore(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		receiver.Down(unreachable)
		s.start()
		s.pass(time.Minute)
		s.store.Hook(func(*rotator.Change) error { return errors.New("no space left on device") }, nil)
		_, _ = s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
		s.pass(time.Minute)
		s.wantHeard(receiver)
		receiver.Down(nil)
		s.pass(5 * time.Minute)
		s.wantHeard(receiver, "firing store-blocked/daemon")
		s.pass(time.Hour)
		s.wantHeard(receiver)
		s.store.Hook(nil, nil)
		s.pass(5 * time.Minute)
		s.wantHeard(receiver, "resolved store-blocked/daemon")
	})
}

// TestOutbox_BeginningAfterwards: a receiver that needs to see an alert begin is told
// of both after an outage, one after the other.
func TestOutbox_BeginningAfterwards(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.alerting.Receivers[0].Beginning = time.Minute
		receiver.Down(unreachable)
		s.stall()
		s.pass(time.Minute)
		s.unstall()
		receiver.Down(nil)
		s.pass(2*time.Minute + 2*time.Second)
		s.wantHeard(receiver, "firing "+stalledID)
		s.restart(time.Second)
		s.pass(2 * time.Minute)
		s.wantHeard(receiver, "resolved "+stalledID)
	})
}

// TestSilence_DoesNotLetAReceiverForget: one that keeps alerts by itself would take
// an alert that is not repeated to be over.
func TestSilence_DoesNotLetAReceiverForget(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.alerting.Receivers[0].Beginning, s.alerting.Receivers[0].Repeat = time.Minute, 10*time.Minute
		s.stall()
		s.pass(time.Minute)
		s.wantHeard(receiver, "firing "+stalledID)
		if _, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", For: time.Hour, Actor: "alice"}); err != nil {
			t.Fatal(err)
		}
		s.pass(25 * time.Minute)
		s.wantHeard(receiver, "firing "+stalledID, "firing "+stalledID)
	})
}

// TestOutbox_AClockSetBackDelaysNothing by as much as it was set back.
func TestOutbox_AClockSetBackDelaysNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		receiver.Down(unreachable)
		s.alerting.Receivers[0].Rules = []rotator.Rule{rotator.RulePropagationStalled}
		s.stall()
		s.pass(5 * time.Minute)
		s.clock.jump(-5 * time.Hour)
		s.pass(time.Minute)
		receiver.Down(nil)
		s.pass(3 * time.Minute)
		s.wantHeard(receiver, "firing "+stalledID)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = time.Minute })
		s.pass(15 * time.Minute)
		s.wantHeard(receiver, "resolved "+stalledID)
	})
}

// TestAlert_WhateverCodeAServiceAnswers is part of an id that can be typed and stored.
func TestAlert_WhateverCodeAServiceAnswers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		code := "Odd code/\xff\n" + strings.Repeat("x", 5000)
		s.start()
		s.rotate()
		s.pass(time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.Delay, r.Problem = -1, &rotator.Problem{Code: rotator.Reason(code), Message: "odd"}
		})
		s.pass(2 * time.Minute)
		s.wantFiring("needs-action/op-1/Odd-code---" + strings.Repeat("x", 64-len("Odd-code---")))
	})
}
