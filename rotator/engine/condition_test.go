package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// failing lets one call to the vault fail with an answer that may pass by itself,
// and is the same each time.
func (s *estate) failing(call string) {
	s.azure.FailWith(func(name, _ string) *rotatortest.Fault {
		if name == call {
			return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
		}
		return nil
	})
}

// TestAlert_TheSameAnswerAgainAndAgain: an operation that a vault keeps from going on
// is worth an alert, though each failure looks like the one before.
func TestAlert_TheSameAnswerAgainAndAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call  string
		begin func(s *estate)
		after time.Duration
		id    string
	}{
		"a revocation cannot disable":      {"set-enabled", func(s *estate) { s.revoke("alice") }, 0, "revocation-stalled/op-1/unavailable"},
		"a revocation cannot list":         {"versions", func(s *estate) { s.revoke("alice") }, 0, "revocation-stalled/op-1/unavailable"},
		"a rotation cannot list":           {"versions", func(s *estate) { s.rotate() }, 0, "preflight-failing/op-1/unavailable"},
		"a rotation cannot make a version": {"create", func(s *estate) { s.rotate() }, 0, "needs-action/op-1/unavailable"},
		"a guard cannot search":            {"find", func(s *estate) { s.rotate() }, 26 * time.Hour, "retirement-blocked/op-1/unavailable"},
		"a guard cannot disable": {"set-enabled", func(s *estate) {
			s.rotate()
			s.pass(time.Minute)
			if _, err := s.attest("cosmos", "bob"); err != nil { // or it would wait for a person
				s.t.Fatal(err)
			}
		}, 26 * time.Hour, "retirement-blocked/op-1/unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				receiver := s.listen()
				s.key.Discover = []string{subscription}
				s.start()
				s.failing(c.call)
				c.begin(s)
				s.pass(c.after)
				receiver.Heard()
				s.pass(5 * time.Minute)
				s.wantFiring(c.id)
				s.pass(2 * time.Hour)
				s.wantFiring(c.id)
				if n := len(s.events(rotator.EventAlertFiring)); n != 1 {
					t.Errorf("it fired %d times\n%s", n, s.log())
				}
				s.azure.FailWith(nil)
				s.pass(5 * time.Minute)
				s.wantFiring("")
			})
		})
	}
}

// TestAlert_NobodyKnowsWhetherAVersionWasMade, again and again.
func TestAlert_NobodyKnowsWhetherAVersionWasMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false)}
			}
			return nil
		})
		id := s.rotate()
		s.pass(10 * time.Minute)
		s.wantFiring("needs-action/op-1/unavailable")
		s.pass(time.Hour)
		s.azure.FailWith(nil)
		s.pass(3 * time.Minute)
		s.want(id, rotator.StatePropagating)
		s.wantFiring("")
		if n := len(s.events(rotator.EventAlertFiring)); n != 1 {
			t.Errorf("it fired %d times\n%s", n, s.log())
		}
	})
}

// TestAlert_AVersionRefused is tried again, and somebody is told once.
func TestAlert_AVersionRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.key.Schedule = schedule(t, "30 1 1 1 *", rotator.MisfireCatchUp)
		s.start()
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				<-time.After(20 * time.Second)
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		s.pass(2 * time.Hour)
		s.wantFiring("preflight-failing/op-1/forbidden")
		s.wantHeard(receiver, "firing preflight-failing/op-1/forbidden")
		s.azure.FailWith(nil)
		s.pass(16 * time.Minute)
		s.want(1, rotator.StatePropagating)
		s.wantHeard(receiver, "resolved preflight-failing/op-1/forbidden")
	})
}

// TestAlert_UndoneStaysUndone while the vault does not answer.
func TestAlert_UndoneStaysUndone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.revoke("alice")
		s.pass(2 * time.Hour)
		version := s.azure.List(keyID)[0].ID
		s.azure.Enable(keyID, version, true)
		s.pass(2 * time.Minute)
		const undone = "revocation-undone/op-1/revocation-undone"
		s.wantFiring(undone)
		s.failing("versions")
		s.pass(3 * time.Minute)
		s.wantFiring(undone)
		s.azure.FailWith(nil)
		s.pass(3 * time.Minute)
		s.wantFiring(undone)
		s.azure.Enable(keyID, version, false)
		s.pass(2 * time.Minute)
		s.wantFiring("")
		if n := len(s.events(rotator.EventAlertFiring)); n != 1 {
			t.Errorf("it fired %d times\n%s", n, s.log())
		}
	})
}

// TestAlert_AMissedAnswerIsNoNews: one look that is not answered does not turn what
// is known of a dependent into something else.
func TestAlert_AMissedAnswerIsNoNews(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble func(*rotatortest.Resource)
		id      string
	}{
		"needs action": {func(r *rotatortest.Resource) { r.Problem, r.Delay = broken, -1 }, "needs-action/op-1/KeyVaultAccessError"},
		"forbidden":    {func(r *rotatortest.Resource) { r.Forbidden, r.Delay = true, -1 }, "permission-lost/op-1/forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				s.rotateNow()
				s.azure.Change(storageID, c.trouble)
				s.pass(2 * time.Hour) // past the window
				s.wantFiring(c.id)
				s.failing("observe")
				s.pass(time.Hour)
				s.wantFiring(c.id)
				s.azure.FailWith(nil)
				s.pass(time.Hour)
				s.wantFiring(c.id)
				if n := len(s.events(rotator.EventAlertFiring)); n != 1 {
					t.Errorf("%d alerts fired\n%s", n, s.log())
				}
			})
		})
	}
}

// TestAlert_AGuardMayMissAnAnswer without anybody being told that a dependent that
// has switched long ago has not.
func TestAlert_AGuardMayMissAnAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Key += "-other" })
		s.start()
		id := s.rotateNow()
		s.pass(40 * time.Minute)
		s.want(id, rotator.StateSoaking)
		missed := 0
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" && missed < 3 {
				missed++
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		s.pass(2 * time.Hour)
		s.completes(id)
		if missed != 3 {
			t.Errorf("%d looks were missed, want 3", missed)
		}
		if fired := s.events(rotator.EventAlertFiring); len(fired) != 0 {
			t.Errorf("an alert fired: %s", fired[0].Message)
		}
	})
}

// TestAlert_ASoakThatRunsIsNone, even if the clock made the daemon look too early.
func TestAlert_ASoakThatRunsIsNone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 24*time.Hour
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Key += "-other" })
		s.start()
		id := s.rotateNow()
		s.pass(40 * time.Minute)
		s.want(id, rotator.StateSoaking)
		s.clock.jump(24 * time.Hour)
		s.pass(time.Hour)
		s.want(id, rotator.StateRetiring)
		s.wantFiring("")
	})
}

// TestAlert_PreflightEndsWithTheRotationAhead: whoever takes the schedule away, or
// puts it off, has nothing left to mend.
func TestAlert_PreflightEndsWithTheRotationAhead(t *testing.T) {
	t.Parallel()
	for name, reconfigure := range map[string]func(*estate){
		"no schedule":     func(s *estate) { s.key.Schedule = rotator.Schedule{} },
		"later":           func(s *estate) { s.key.Schedule = schedule(s.t, "0 3 1 6 *", rotator.MisfireCatchUp) },
		"not looked into": func(s *estate) { s.alerting.PreflightAhead = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Schedule = schedule(t, "0 3 5 1 *", rotator.MisfireCatchUp)
				s.alerting.PreflightAhead = 7 * 24 * time.Hour
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true })
				s.start()
				s.pass(time.Hour)
				s.wantFiring("dependent-unreachable/contoso.vault.azure.net/payments/not-found preflight-failing/contoso.vault.azure.net/payments/not-found")
				reconfigure(s)
				if err := s.engine.Reload(s.t.Context(), []rotator.Key{s.key}, s.alerting); err != nil {
					t.Fatal(err)
				}
				s.pass(11 * time.Minute)
				s.wantFiring("dependent-unreachable/contoso.vault.azure.net/payments/not-found") // that it is gone goes on
			})
		})
	}
}

// TestAlert_AVaultNeverReached is one that a person has to hear of, too.
func TestAlert_AVaultNeverReached(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.failing("versions")
		s.start()
		s.pass(19 * time.Minute)
		s.wantFiring("")
		s.pass(2 * time.Minute)
		s.wantFiring("dependent-unreachable/contoso.vault.azure.net/payments/vault-unreachable")
		s.azure.FailWith(nil)
		s.pass(11 * time.Minute)
		s.wantFiring("")
	})
}

// TestAlert_OneMissedAnswerAfterAPause says nothing of the time in which nobody asked.
func TestAlert_OneMissedAnswerAfterAPause(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.rotateNow()
		s.pass(30 * time.Minute)
		s.stop()
		s.pass(5 * time.Hour)
		s.failing("versions")
		s.start()
		s.pass(5 * time.Minute)
		s.wantFiring("")
	})
}

// TestAlert_AKeyRevokedIsMeantToBeDisabled.
func TestAlert_AKeyRevokedIsMeantToBeDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, false)
		s.pass(11 * time.Minute)
		s.wantFiring("key-unusable/contoso.vault.azure.net/payments/current-version-disabled")
		s.revoke("alice")
		s.pass(time.Minute)
		s.wantFiring("")
	})
}

// TestAlert_KeysOfAnyName have alerts of their own.
func TestAlert_KeysOfAnyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"daemon", "op-1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Name = name
				s.start()
				s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, false)
				s.store.SetSpace(rotator.Space{Used: 1 << 20, Free: 1 << 20, Total: 1 << 40})
				s.azure.AddKey(keyID + "-other")
				other := rotator.Key{Name: "other", ID: keyID + "-other"}
				if err := s.engine.Reload(s.t.Context(), []rotator.Key{s.key, other}, s.alerting); err != nil {
					t.Fatal(err)
				}
				if _, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "other", Actor: "alice"}); err != nil {
					t.Fatal(err)
				}
				s.pass(time.Hour)
				s.wantFiring("key-unusable/contoso.vault.azure.net/payments/current-version-disabled store-near-full/daemon")
				if n := len(s.events(rotator.EventAlertFiring)); n != 2 {
					t.Errorf("%d alerts fired, want 2\n%s", n, s.log())
				}
			})
		})
	}
}

// TestAlert_AClockThatWasWrong when it jumped, and was right at the next start, is no
// news for long.
func TestAlert_AClockThatWasWrong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.clock.jump(1000 * time.Hour)
		s.start()
		s.clock.jump(-5 * time.Minute)
		s.pass(time.Minute)
		s.wantFiring("clock-jumped/daemon")
		s.stop()
		s.clock.jump(-1000 * time.Hour)
		s.start()
		s.pass(2 * time.Hour)
		s.wantFiring("")
	})
}

// TestRevocation_WaitingForASecondPersonIsAnAlert: the one who has to approve of it is
// somebody else, and data is readable meanwhile.
func TestRevocation_WaitingForASecondPersonIsAnAlert(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.key.TwoPerson = true
		s.start()
		id := s.revoke("alice")
		s.pass(10 * time.Second)
		s.wantFiring("revocation-stalled/op-1/awaiting-approval")
		s.wantHeard(receiver, "firing revocation-stalled/op-1/awaiting-approval")
		if _, err := s.engine.Approve(s.t.Context(), rotator.OperationRequest{Operation: id, Actor: "bob"}); err != nil {
			t.Fatal(err)
		}
		s.pass(10 * time.Second)
		s.wantFiring("")
		s.wantHeard(receiver, "resolved revocation-stalled/op-1/awaiting-approval")
	})
}
