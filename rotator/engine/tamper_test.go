package engine_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

const tamperedAlert = "version-tampered/contoso.vault.azure.net/payments/"

// TestTamper_WithinFiveMinutes: whatever somebody else does to a version is said, once,
// and taken back once it is as it was.
func TestTamper_WithinFiveMinutes(t *testing.T) {
	t.Parallel()
	const v1, v2 = firstVersion, "00000000000000000000000000000002"
	var gone rotator.Version
	for name, c := range map[string]struct {
		do, undo func(s *estate)
		says     string
		version  string
	}{
		"an old version is disabled": {
			func(s *estate) { s.azure.Enable(keyID, v1, false) }, func(s *estate) { s.azure.Enable(keyID, v1, true) }, "somebody disabled version", v1,
		},
		"a version vanishes": {
			func(s *estate) { gone = s.azure.Vanish(keyID, v1) }, func(s *estate) { s.azure.PutBack(keyID, gone) },
			"restored, purged, or another vault behind the name", v1,
		},
		"a retired version is enabled again": {
			func(s *estate) { s.azure.Enable(keyID, v2, true) }, func(s *estate) { s.azure.Enable(keyID, v2, false) }, "somebody enabled version", v2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Dependents = nil
				s.azure.Outside(keyID)
				s.start()
				s.pass(time.Minute)
				s.rotate() // retires the second one
				s.pass(2 * time.Hour)
				s.wantVersions("+-+")
				s.wantFiring("")
				c.do(s)
				s.pass(5*time.Minute + settlingTime)
				s.wantFiring(tamperedAlert + c.version)
				events := s.events(rotator.EventVersionTampered)
				if len(events) != 1 || !strings.Contains(events[0].Message, c.says) || events[0].Data["version"] != c.version {
					t.Fatalf("events %+v", events)
				}
				s.restart(time.Minute)
				s.pass(time.Hour)
				s.wantFiring(tamperedAlert + c.version)
				c.undo(s)
				s.pass(5*time.Minute + settlingTime)
				s.wantFiring("")
				if n := len(s.events(rotator.EventAlertFiring)); n != 1 {
					t.Errorf("fired %d times\n%s", n, s.log())
				}
				if n := len(s.events(rotator.EventVersionBack)); n != 1 {
					t.Errorf("taken back %d times\n%s", n, s.log())
				}
			})
		})
	}
}

// TestTamper_WhileTheDaemonWasStopped is found when it starts.
func TestTamper_WhileTheDaemonWasStopped(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Outside(keyID)
		s.pass(time.Hour)
		s.start()
		s.pass(time.Minute)
		s.stop()
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(3 * time.Hour)
		s.start()
		s.pass(5 * time.Second)
		s.wantFiring(tamperedAlert + firstVersion)
	})
}

// TestTamper_OurOwnChangesAreNone, also those whose answers are lost, late or wrong.
func TestTamper_OurOwnChangesAreNone(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]*rotatortest.Fault{
		"answered": nil, "lost": {Err: refused(rotator.CodeUnavailable, false), AfterEffect: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Dependents = s.key.Dependents[:1]
				s.key.Soak = 0
				failed := 0
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call == "set-enabled" && failed < 2 {
						failed++
						return fault
					}
					return nil
				})
				s.start()
				op := s.rotate()
				s.pass(3 * time.Hour)
				s.ends(op)
				s.revoke("alice")
				s.pass(3 * time.Hour)
				s.reinstate()
				s.pass(3 * time.Hour)
				s.wantVersions("-+")
				s.wantFiring("")
				if events := s.events(rotator.EventVersionTampered); len(events) > 0 {
					t.Errorf("%+v\n%s", events, s.log())
				}
			})
		})
	}
}

// TestTamper_AcknowledgedByARotation that began after it.
func TestTamper_AcknowledgedByARotation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Outside(keyID)
		s.pass(time.Hour)
		s.start()
		s.pass(time.Minute)
		s.azure.Vanish(keyID, firstVersion)
		s.pass(6 * time.Minute)
		s.wantFiring(tamperedAlert + firstVersion)
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.ends(op)
		s.wantFiring("")
	})
}

// TestTamper_AVanishedVersionIsNotRetired: what is not there was not disabled, and is
// retired once it is back.
func TestTamper_AVanishedVersionIsNotRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		op := s.rotate()
		s.pass(40 * time.Minute)
		gone := s.azure.Vanish(keyID, firstVersion)
		s.pass(3 * time.Hour)
		got := s.want(op, rotator.StateRetiring)
		if p := got.NeedsYou(); p == nil || p.Code != rotator.ReasonVersionVanished || len(got.Retired) != 0 {
			t.Errorf("retired %v, needs you: %v\n%s", got.Retired, p, s.log())
		}
		s.azure.PutBack(keyID, gone)
		s.pass(time.Hour)
		s.completes(op)
		s.wantVersions("-+")
	})
}

// TestTamper_ReenablesWhatIsInUse, once for each time, and nothing else.
func TestTamper_ReenablesWhatIsInUse(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.OnTamper = rotator.OnTamperReenable
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Dependents[0].Window = 24 * time.Hour
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.start()
		s.rotate()
		s.pass(10 * time.Minute)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(6 * time.Minute)
		s.wantVersions("++")
		s.wantFiring("")
		if n := len(s.events(rotator.EventVersionEnabled)); n != 1 {
			t.Errorf("enabled %d times\n%s", n, s.log())
		}
		s.azure.Enable(keyID, firstVersion, false) // once more
		s.pass(6 * time.Minute)
		s.wantVersions("++")
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		calls := s.azure.Calls("set-enabled")
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(time.Hour)
		s.wantFiring("used-" + tamperedAlert + firstVersion)
		if n := s.azure.Calls("set-enabled") - calls; n != 1 {
			t.Errorf("tried %d times, want once", n)
		}
	})
}

// TestTamper_ReenablesOnlyWhatIsInUse, and not what was enabled.
func TestTamper_ReenablesOnlyWhatIsInUse(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.OnTamper = rotator.OnTamperReenable
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Outside(keyID)
		s.start()
		s.pass(8 * time.Hour)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(time.Hour)
		s.wantVersions("-+")
		s.wantFiring(tamperedAlert + firstVersion)
		if n := s.azure.Calls("set-enabled"); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestTamper_AnOldListIsNotWhatIs: a list that still shows a version as it was before we
// retired it says nothing of anybody else.
func TestTamper_AnOldListIsNotWhatIs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Lags = func(v rotator.Version) bool { return s.clock.Now().Sub(v.Updated) < 6*time.Minute }
		s.start()
		s.rotate()
		s.pass(3 * time.Hour)
		s.wantVersions("-+")
		if events := s.events(rotator.EventVersionTampered); len(events) > 0 {
			t.Errorf("said %q of what was ours", events[0].Message)
		}
		s.wantFiring("")
	})
}

// TestTamper_NeverReenablesWhatWeDisabled: what a revocation or a retirement of ours
// disabled stays so.
func TestTamper_NeverReenablesWhatWeDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.OnTamper = rotator.OnTamperReenable
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.rotate()
		s.pass(3 * time.Hour)
		s.wantVersions("-+")
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
		s.pass(12 * time.Hour)
		s.revoke("alice")
		s.pass(3 * time.Hour)
		s.wantVersions("--")
	})
}

// TestWatch_AListThatIsOutIsNotAskedForAgain, and one that stays out is told of.
func TestWatch_AListThatIsOutIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.pass(time.Minute)
		calls := s.azure.Calls("versions")
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "versions" {
				<-time.After(30 * time.Minute)
			}
			return nil
		})
		s.pass(20 * time.Minute)
		s.wantFiring("dependent-unreachable/contoso.vault.azure.net/payments/watch-behind")
		s.azure.FailWith(nil)
		s.pass(20 * time.Minute)
		if n := s.azure.Calls("versions") - calls; n > 2 {
			t.Errorf("%d lists, want no second one while the first is out", n)
		}
		s.wantFiring("")
	})
}

// TestWatch_GoesOnBesideWhatWaits: an operation that waits for a person, or for the end of a
// freeze, is no reason not to look at its key.
func TestWatch_GoesOnBesideWhatWaits(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(s *estate){
		"a revocation that nobody approves": func(s *estate) {
			s.key.TwoPerson = true
			s.start()
			s.pass(8 * time.Hour)
			s.revoke("alice")
		},
		"a rotation that is frozen": func(s *estate) {
			s.key.Schedule = schedule(t, "0 9 * * *", rotator.MisfireCatchUp)
			s.start()
			s.pass(7 * time.Hour)
			denying("observe")(s) // it does not begin
			s.pass(time.Hour + time.Minute)
			s.freeze(rotator.FreezeRequest{})
			s.azure.FailWith(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				old := s.azure.List(keyID)[0].ID
				s.uses()
				s.azure.Outside(keyID)
				wait(s)
				s.pass(time.Minute)
				s.azure.Enable(keyID, old, false)
				s.pass(5*time.Minute + settlingTime)
				if n := len(s.events(rotator.EventVersionTampered)); n != 1 {
					t.Errorf("%d events that somebody disabled it\n%s", n, s.log())
				}
				s.azure.Enable(keyID, old, true)
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, old })
				s.pass(6*time.Hour + 10*time.Minute)
				if len(s.status("payments").Drift) == 0 {
					t.Errorf("nobody says that it drifted\n%s", s.log())
				}
			})
		})
	}
}

// TestWatch_GoesOnWhileAKeyRecovers: also for as long as somebody does not get its access back.
func TestWatch_GoesOnWhileAKeyRecovers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		old := s.azure.List(keyID)[0].ID
		s.uses()
		s.azure.Outside(keyID)
		s.start()
		s.pass(time.Hour)
		s.revoke("alice")
		s.pass(3 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		back := s.reinstate()
		s.pass(3 * time.Hour)
		s.want(back, rotator.StateRecovering)
		s.azure.Enable(keyID, old, false)
		s.pass(5*time.Minute + settlingTime)
		if n := len(s.events(rotator.EventVersionTampered)); n != 1 {
			t.Errorf("%d events that somebody disabled it\n%s", n, s.log())
		}
	})
}

// TestTamper_OldAnswersNowAndThen: that a list was old once, long ago, does not say that what
// it shows now is there to stay.
func TestTamper_OldAnswersNowAndThen(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.OnTamper = s.key.Dependents[:1], rotator.OnTamperAlert
		s.azure.Outside(keyID)
		var old atomic.Bool
		s.azure.Lags = func(rotator.Version) bool { return old.Load() }
		s.start()
		s.pass(8 * time.Hour)
		for range 2 {
			for _, enabled := range []bool{false, true} { // seen at once, and in the next list as it was
				old.Store(false)
				s.azure.Enable(keyID, firstVersion, enabled)
				s.pass(5 * time.Minute)
				old.Store(true)
				s.pass(5 * time.Minute)
			}
		}
		if n := len(s.events(rotator.EventVersionTampered)); n != 2 {
			t.Errorf("%d events of two times that %s was disabled\n%s", n, firstVersion, s.log())
		}
	})
}

// TestTamper_NotExplainedByWhatWeDidLongAgo has a call of ours fail, and a person do the same a day later.
func TestTamper_NotExplainedByWhatWeDidLongAgo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" {
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false)}
			}
			return nil
		})
		go func() { _ = s.retiresAs("carol") }()
		s.pass(time.Second)
		s.blind()
		s.pass(20 * time.Minute)
		s.azure.FailWith(nil)
		s.pass(26 * time.Hour)
		o := s.operation(op)
		t.Logf("%s retirer %q retired %v vault %s", o.State, o.Retirer, o.Retired, s.enabled())
		s.azure.Enable(keyID, firstVersion, false) // by a person
		s.pass(10 * time.Minute)
		if len(s.events(rotator.EventVersionTampered)) == 0 {
			t.Errorf("retired %v, firing %q\n%s", s.operation(op).Retired, s.firing(), s.log())
		}
	})
}

// TestTamper_OutageAfterADisable has the answer of a disable be lost, and the vault not answer for longer than an hour then.
func TestTamper_OutageAfterADisable(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]bool{"vault": false, "restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
				s.start()
				var out, back atomic.Bool
				s.azure.FailWith(func(call, of string) *rotatortest.Fault {
					if call == "set-enabled" && !out.Swap(true) {
						return &rotatortest.Fault{AfterEffect: true, Err: refused(rotator.CodeUnavailable, false)}
					}
					if (call == "versions" || call == "set-enabled") && out.Load() && !back.Load() {
						return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
					}
					return nil
				})
				op := s.rotate()
				for !out.Load() {
					s.pass(time.Second)
				}
				if crash {
					s.restart(2 * time.Hour)
				} else {
					s.pass(2 * time.Hour)
				}
				back.Store(true)
				s.pass(20 * time.Minute)
				o := s.operation(op)
				if len(s.events(rotator.EventVersionTampered)) > 0 || o.State != rotator.StateProbation {
					t.Errorf("%s vault %s firing %s\n%s", o.State, s.enabled(), s.firing(), s.log())
				}
			})
		})
	}
}

// TestTamper_OutageAfterAnEnable is the same of a reinstatement.
func TestTamper_OutageAfterAnEnable(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		s.start()
		s.revoke("alice")
		s.pass(3 * time.Hour)
		var out, back atomic.Bool
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "set-enabled" && !out.Swap(true) {
				return &rotatortest.Fault{AfterEffect: true, Err: refused(rotator.CodeUnavailable, false)}
			}
			if (call == "versions" || call == "set-enabled") && out.Load() && !back.Load() {
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		op := s.reinstate()
		s.pass(2 * time.Hour)
		back.Store(true)
		s.pass(30 * time.Minute)
		o := s.operation(op)
		if len(s.events(rotator.EventVersionTampered)) > 0 {
			t.Errorf("%s vault %s firing %s\n%s", o.State, s.enabled(), s.firing(), s.log())
		}
	})
}
