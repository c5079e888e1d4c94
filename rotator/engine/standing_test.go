package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

const keyScope = "/contoso.vault.azure.net/payments/"

// TestDrift_WithinAnHour: whatever changes of a dependent after an operation is said
// within an hour, once, over a restart too, and taken back once it is as it was.
func TestDrift_WithinAnHour(t *testing.T) {
	t.Parallel()
	const other = keyID + "-other"
	for name, c := range map[string]struct {
		do, undo func(r *rotatortest.Resource)
		firing   string
		says     string
	}{
		"pinned to the version before": {
			func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion },
			func(r *rotatortest.Resource) { r.Binding = rotator.BindingFollows },
			"drift" + keyScope + "binding-changed drift" + keyScope + "version-changed", "went from version 00000000000000000000000000000003 to " + firstVersion,
		},
		"pinned to the current version": {
			func(r *rotatortest.Resource) {
				r.Binding, r.Pinned = rotator.BindingPinned, "00000000000000000000000000000003"
			},
			func(r *rotatortest.Resource) { r.Binding = rotator.BindingFollows },
			"drift" + keyScope + "binding-changed", "is pinned, and was follows",
		},
		"given another key": {
			func(r *rotatortest.Resource) { r.Key = other }, func(r *rotatortest.Resource) { r.Key = keyID },
			"drift" + keyScope + "key-left", "does not use the key any more",
		},
		"given a key of Microsoft's": {
			func(r *rotatortest.Resource) { r.Microsoft = true }, func(r *rotatortest.Resource) { r.Microsoft = false },
			"drift" + keyScope + "key-left", "does not use the key any more",
		},
		"does not show its key": {
			func(r *rotatortest.Resource) { r.Shown = rotatortest.BlankNull }, func(r *rotatortest.Resource) { r.Shown = "" },
			"drift" + keyScope + "key-not-shown", "is missing",
		},
		"gone": {
			func(r *rotatortest.Resource) { r.Gone = true }, func(r *rotatortest.Resource) { r.Gone = false },
			"dependent-unreachable" + keyScope + "not-found", "does not exist",
		},
		"not to be read": {
			func(r *rotatortest.Resource) { r.Forbidden = true }, func(r *rotatortest.Resource) { r.Forbidden = false },
			"permission-lost" + keyScope + "forbidden", "may not be read",
		},
		"without access": {
			func(r *rotatortest.Resource) { r.Denied = true }, func(r *rotatortest.Resource) { r.Denied = false },
			"access-lost" + keyScope + "access-denied", "has no access to its key now",
		},
		"auto-rotation failed": {
			func(r *rotatortest.Resource) {
				r.Problem = &rotator.Problem{Code: "KeyVaultAccessError", Message: "auto-rotation is off", Class: rotator.ClassAutoRotation}
			},
			func(r *rotatortest.Resource) { r.Problem = nil },
			"auto-rotation-error" + keyScope + "KeyVaultAccessError", "auto-rotation is off",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.AddKey(other)
				s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireOff
				s.start()
				op := s.rotate()
				s.pass(3 * time.Hour)
				s.ends(op)
				s.pass(10 * time.Hour)
				s.wantFiring("")
				s.azure.Change(storageID, c.do)
				s.pass(time.Hour + 10*time.Minute + settlingTime)
				s.wantFiring(c.firing)
				if status := s.status("payments"); status.Trouble() == nil {
					t.Error("the key needs nobody")
				}
				events := s.events(rotator.EventDependentDrifted)
				if n := strings.Count(c.firing, " ") + 1; len(events) != n || !strings.Contains(events[n-1].Message, c.says) || events[0].Dependent != storageID {
					t.Errorf("events %+v", events)
				}
				s.restart(time.Minute)
				s.pass(3 * time.Hour)
				s.wantFiring(c.firing)
				s.azure.Change(storageID, c.undo)
				s.pass(time.Hour + settlingTime)
				s.wantFiring("")
				if n, back := len(s.events(rotator.EventDependentDrifted)), len(s.events(rotator.EventDriftOver)); n != len(events) || back != n {
					t.Errorf("told %d times, taken back %d times\n%s", n, back, s.log())
				}
			})
		})
	}
}

// TestStanding_ObservesNoMoreThanNeeded: hourly for a day after a change, then every six
// hours.
func TestStanding_ObservesNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireOff
		s.start()
		s.rotate()
		s.pass(3 * time.Hour)
		for _, c := range []struct {
			for_        time.Duration
			least, most int
		}{{20 * time.Hour, 19, 21}, {8 * time.Hour, 2, 6}, {48 * time.Hour, 7, 9}} {
			before := s.azure.Calls("observe")
			s.pass(c.for_)
			if n := s.azure.Calls("observe") - before; n < c.least || n > c.most {
				t.Errorf("%d observations in %s, want %d to %d", n, c.for_, c.least, c.most)
			}
		}
	})
}

// TestStanding_OnceKnownIsUnknownWhenAbsent, also in the next operation.
func TestStanding_OnceKnownIsUnknownWhenAbsent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		second := &rotatortest.Use{Delay: time.Minute}
		s.uses(second)
		s.start()
		s.pass(time.Minute) // seen by nothing but the standing watch
		s.azure.Change(storageID, func(*rotatortest.Resource) { second.Shown = rotatortest.BlankCut })
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.want(op, rotator.StateFailed)
		if p := s.operation(op).Problem; p == nil || p.Code != rotator.ReasonKeyNotShown {
			t.Errorf("problem %v", p)
		}
	})
}

// TestStanding_LateFollowersAreNoDrift: whoever goes to the current version does what is
// expected.
func TestStanding_LateFollowersAreNoDrift(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 5 * time.Hour })
		s.start()
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.cancel(op)
		s.pass(30 * time.Hour)
		s.wantFiring("")
	})
}

// TestStanding_ARepinBreaksTheSoak, also while a person is waited for, within an hour.
func TestStanding_ARepinBreaksTheSoak(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		soak, after time.Duration
		state       rotator.OperationState
	}{
		"soaking":              {6 * time.Hour, 2 * time.Hour, rotator.StateSoaking},
		"waiting for a person": {time.Hour, 5 * time.Hour, rotator.StateRetiring},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], c.soak, rotator.RetireManual
				s.start()
				op := s.rotate()
				s.pass(c.after)
				s.want(op, c.state)
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
				s.pass(time.Hour + settlingTime)
				s.want(op, rotator.StatePropagating)
				s.wantTracker(op, storageID, rotator.TrackerNeedsAction, rotator.EvidenceNone)
				s.wantFiring("needs-action/op-1/binding-changed")
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding = rotator.BindingFollows })
				s.pass(2 * time.Hour)
				s.wantFiring("")
				s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
			})
		})
	}
}

// soaksPinned rotates the key of one that names its version, and was told the new one.
func (s *estate) soaksPinned() rotator.OperationID {
	s.t.Helper()
	s.onlyPinned()
	s.key.Soak, s.key.Retire = 6*time.Hour, rotator.RetireManual
	s.start()
	op := s.rotate()
	s.pass(2 * time.Hour)
	s.want(op, rotator.StateSoaking)
	return op
}

// TestStanding_PinnedAgainNeedsSomebody: whom cmkd told the new version, and who was on it,
// is not told again if somebody tells it another one; nor is that left to a window.
func TestStanding_PinnedAgainNeedsSomebody(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.soaksPinned()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = firstVersion })
		s.pass(time.Hour + settlingTime)
		s.wantTracker(op, storageID, rotator.TrackerNeedsAction, rotator.EvidenceNone)
		s.wantFiring("needs-action/op-1/version-changed")
		if n := s.azure.Calls("apply"); n != 1 {
			t.Errorf("%d updates, want the first one only", n)
		}
		target := s.azure.List(keyID)[1].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = target })
		s.pass(time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		s.wantFiring("")
	})
}

// TestStanding_WhatIsNotShownIsNotOver: that a dependent that drifted cannot be read for a
// while does not say that it went back.
func TestStanding_WhatIsNotShownIsNotOver(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]func(r *rotatortest.Resource, hide bool){
		"garbage": func(r *rotatortest.Resource, hide bool) {
			r.Shown = map[bool]rotatortest.Blank{true: rotatortest.BlankGarbage}[hide]
		},
		"nothing": func(r *rotatortest.Resource, hide bool) {
			r.Shown = map[bool]rotatortest.Blank{true: rotatortest.BlankNull}[hide]
		},
		"forbidden": func(r *rotatortest.Resource, hide bool) { r.Forbidden = hide },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.uses()
				s.azure.Outside(keyID)
				s.start()
				s.pass(7 * time.Hour)
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
				s.pass(7 * time.Hour)
				for _, hidden := range []bool{true, false} {
					s.azure.Change(storageID, func(r *rotatortest.Resource) { hide(r, hidden) })
					s.pass(7 * time.Hour)
					if !slices.ContainsFunc(s.status("payments").Drift, func(d rotator.Drifted) bool {
						return strings.Contains(fmt.Sprint(d), string(rotator.ReasonVersionChanged))
					}) {
						t.Fatalf("hidden: %t, and it is not said that it drifted: %+v\n%s", hidden, s.status("payments").Drift, s.log())
					}
				}
				for _, e := range s.events(rotator.EventDriftOver) {
					if strings.Contains(e.Message, "version") || strings.Contains(e.Message, "pinned") {
						t.Errorf("%s", e.Message)
					}
				}
			})
		})
	}
}

// TestStanding_PinnedAgainIsOfOneTarget: whoever was on the target before was never on this one.
func TestStanding_PinnedAgainIsOfOneTarget(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.soaksPinned()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Deaf = true }) // accepts, and takes its time
		s.azure.Outside(keyID)
		s.pass(10 * time.Minute)
		if p := s.tracker(op, storageID).Detail.Problem; p != nil && p.Code == rotator.ReasonVersionChanged {
			t.Error(p.Message)
		}
	})
}

// TestStanding_TakenOutAndPutBack while an observation of the key's dependents is out.
func TestStanding_TakenOutAndPutBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		gate, hold, out := make(chan struct{}), atomic.Bool{}, atomic.Bool{}
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "observe" && hold.Load() {
				out.Store(true)
				<-gate
			}
			return nil
		})
		s.start()
		s.pass(time.Minute)
		hold.Store(true)
		for !out.Load() {
			s.pass(time.Minute)
		}
		s.reload()
		hold.Store(false)
		close(gate)
		s.pass(time.Minute)
		s.reload(s.key)
		before := s.azure.Calls("observe")
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(72 * time.Hour)
		if s.azure.Calls("observe") == before || s.firing() == "" {
			t.Errorf("observed %d times since, firing %q", s.azure.Calls("observe")-before, s.firing())
		}
	})
}

// TestStanding_ManualIsNoDrift as nobody can observe it.
func TestStanding_ManualIsNoDrift(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = append(s.key.Dependents[:1:1], rotator.Dependent{ID: "manual:tape", Kind: rotator.KindManual, Name: "tape"})
		s.start()
		s.pass(24 * time.Hour)
		st := s.status("payments")
		if s.firing() != "" || st.NeedsYou() != nil {
			t.Errorf("firing %q; needs you: %v\n%s", s.firing(), st.NeedsYou(), s.log())
		}
	})
}

// TestStanding_NeverOnTheKey is of one that was on another key before anybody looked.
func TestStanding_NeverOnTheKey(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		const other = "https://contoso.vault.azure.net/keys/other"
		s.azure.AddKey(other)
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: other}})
		s.start()
		s.pass(72 * time.Hour)
		if st := s.status("payments"); st.NeedsYou() == nil && s.firing() == "" {
			t.Errorf("the only dependent is seen to use another key, and nobody is told")
		}
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Key = keyID })
		s.pass(7 * time.Hour)
		if st := s.status("payments"); st.NeedsYou() != nil || len(s.events(rotator.EventDriftOver)) == 0 {
			t.Errorf("it uses the key now: %v\n%s", st.NeedsYou(), s.log())
		}
	})
}

// TestStanding_AFailedRotationEndsNoDrift as it changed nothing.
func TestStanding_AFailedRotationEndsNoDrift(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *estate){
		"left": func(s *estate) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Microsoft = true })
		},
		"pinned": func(s *estate) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) {
				r.Binding, r.Pinned = rotator.BindingPinned, firstVersion
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *estate) {
				s.key.Dependents = s.key.Dependents[:1]
				s.start()
				s.pass(30 * time.Hour)
				change(s)
				s.pass(12 * time.Hour)
				before := s.firing()
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call == "create" {
						return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
					}
					return nil
				})
				op := s.rotate()
				s.pass(24 * time.Hour)
				if now := s.firing(); !strings.Contains(now, "binding-changed") && !strings.Contains(now, "other-key") && !strings.Contains(now, "key-left") {
					t.Errorf("before %q, after %q, op %s; nothing changed\n%s", before, now, s.operation(op).State, s.log())
				}
			})
		})
	}
}

// TestStanding_LookedAtWhileADoubtWaits hurts a dependent while a person is to say whether the old
// version may go.
func TestStanding_LookedAtWhileADoubtWaits(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]func(r *rotatortest.Resource){
		"denied":    func(r *rotatortest.Resource) { r.Denied = true },
		"re-pinned": func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				op := s.rotate()
				s.pass(30 * time.Hour)
				if o := s.operation(op); o.Doubt == nil {
					t.Fatalf("%s\n%s", o.State, s.log())
				}
				s.azure.Change(storageID, hurt)
				s.pass(48 * time.Hour)
				if tr := s.tracker(op, storageID); tr.State == rotator.TrackerDone {
					t.Errorf("two days after: %s, last seen %s ago, firing %q", tr.State, s.clock.Now().Sub(tr.Seen), s.firing())
				}
			})
		})
	}
}

// TestStanding_LookedAtAfterARefusal hurts a dependent after a retirement was refused.
func TestStanding_LookedAtAfterARefusal(t *testing.T) {
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
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(48 * time.Hour)
		if tr := s.tracker(op, storageID); tr.State == rotator.TrackerDone {
			t.Errorf("two days after: %s, last seen %s ago, firing %q", tr.State, s.clock.Now().Sub(tr.Seen), s.firing())
		}
	})
}
