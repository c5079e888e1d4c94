package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// likeNewest makes versions as a vault does: like the newest.
type likeNewest struct{ *rotatortest.Azure }

func (v likeNewest) Create(_ context.Context, key rotator.KeyID, method rotator.Method, tag string) (rotator.Version, error) {
	newest, _ := rotator.Newest(v.List(key), nil)
	return v.OutsideAs(key, func(n *rotator.Version) {
		n.Size = newest.Size
		if method != rotator.MethodRotate {
			n.Operation = tag
		}
	}), nil
}

// TestWeaker_IsNotInherited by the version that a rotation makes after that of a stranger.
func TestWeaker_IsNotInherited(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Slow(storageID, 40*time.Minute)
		s.vault = likeNewest{s.azure}
		s.start()
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(10 * time.Minute)
		op := s.rotate()
		s.pass(12 * time.Hour)
		all := s.azure.List(keyID)
		if got := s.operation(op); got.State == rotator.StateCompleted && all[len(all)-1].Size < all[0].Size {
			t.Errorf("%s; versions %s, sizes %d %d %d; firing %q\n%s", got.State, s.enabled(), all[0].Size, all[1].Size, all[2].Size, s.firing(), s.log())
		}
	})
}

// TestWeaker_IsInThePlan of a rotation.
func TestWeaker_IsInThePlan(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(time.Hour)
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Problems) == 0 && len(p.Warnings) == 0 {
			t.Errorf("nothing stands in the way: %+v", p.Steps)
		}
	})
}

// TestWeaker_ADisabledOneIsNotTheCurrent version because it is the newest.
func TestWeaker_ADisabledOneIsNotTheCurrent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Hour)
		v := s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Enabled = false })
		s.pass(time.Hour)
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil {
			t.Fatal(err)
		}
		st := s.status("payments")
		for _, o := range p.Problems {
			if strings.Contains(o.Message, "the current version "+v.ID) {
				t.Errorf("plan: %s; status says current is %s", o.String(), st.Current.ID)
			}
		}
	})
}

// TestWeaker_ADisabledOneHoldsNothingUp that nobody uses.
func TestWeaker_ADisabledOneHoldsNothingUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.onlyPinned()
		s.key.Soak = 24 * time.Hour
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateSoaking)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Enabled = false })
		s.pass(72 * time.Hour)
		if got := s.operation(op); !got.State.Final() || len(got.Retired) == 0 {
			t.Errorf("%s: %v\n%s", got.State, got.Problem, s.log())
		}
	})
}

// TestPlan_NamesAllThatIsToBeRetired by the rotation.
func TestPlan_NamesAllThatIsToBeRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Retire = rotator.RetireManual
		s.start()
		s.rotate()
		s.pass(5 * time.Hour)
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(p.Steps, "; ")
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.retire()
		s.ends(op)
		s.wantVersions("--+")
		for _, v := range s.azure.List(keyID)[:2] {
			if !strings.Contains(said, v.ID) {
				t.Errorf("version %s is disabled, and the plan said: %s", v.ID, said)
			}
		}
	})
}

// TestWeaker_OnPurpose goes on once a person says so.
func TestWeaker_OnPurpose(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.vault = likeNewest{s.azure}
		s.start()
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(30 * 24 * time.Hour)
		weak := s.azure.List(keyID)[1].ID
		o, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice", Reason: "x"})
		s.pass(time.Hour)
		if p := s.operation(o.ID).Problem; s.operation(o.ID).State != rotator.StateFailed || !strings.Contains(p.Hint, "cmkd rotate payments --accept "+weak) {
			t.Errorf("%v; %s %v", err, s.operation(o.ID).State, p)
		}
		o, err = s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice", Reason: "x", Accept: weak})
		s.pass(time.Hour)
		if s.operation(o.ID).State == rotator.StateFailed {
			t.Errorf("%v; %s %v", err, s.operation(o.ID).State, s.operation(o.ID).Problem)
		}
	})
}

// TestWeaker_BetweenIsRetired with the version before it: dependents may have gone there.
func TestWeaker_BetweenIsRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) {})
		s.pass(30 * time.Hour)
		op := s.rotate()
		s.pass(30 * time.Hour)
		o := s.operation(op)
		if strings.Contains(s.enabled()[1:2], "+") {
			t.Errorf("%s: versions %s, previous %v, unretired %v firing %q\n%s", o.State, s.enabled(), o.Previous, s.status("payments").Unretired, s.firing(), s.log())
		}
	})
}

// TestWeaker_DuringARotationIsRetired likewise.
func TestWeaker_DuringARotationIsRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(10 * time.Minute)
		weak := s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(3 * time.Hour)
		s.azure.Outside(keyID)
		s.pass(3 * time.Hour)
		if p, err := s.engine.PlanRetirement(s.t.Context(), "payments", "carol"); err != nil || !slices.Contains(p.Previous, weak.ID) {
			t.Errorf("the plan disables %v, %v", p.Previous, err)
		}
		s.retire()
		s.ends(op)
		if s.enabled()[2] == '+' {
			t.Errorf("%s stays enabled: %s; previous %v; unretired %v; firing %q", weak.ID, s.enabled(), s.operation(op).Previous, s.status("payments").Unretired, s.firing())
		}
	})
}

// TestWeaker_NotBecauseAListDoesNotTell of an HSM.
func TestWeaker_NotBecauseAListDoesNotTell(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Type, v.HSM = "RSA-HSM", true })
		s.vault = hsmHidden{s.azure}
		s.start()
		s.pass(time.Hour)
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Type, v.HSM = "RSA-HSM", true })
		s.pass(time.Hour)
		if f := s.firing(); f != "" {
			t.Errorf("%q\n%s", f, s.log())
		}
	})
}

// hsmHidden is a vault whose list does not tell that versions are in an HSM.
type hsmHidden struct{ *rotatortest.Azure }

func (v hsmHidden) Versions(ctx context.Context, key rotator.KeyID) ([]rotator.Version, error) {
	all, err := v.Azure.Versions(ctx, key)
	for i := range all {
		all[i].HSM = false
	}
	return all, err
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

// TestTamper_WhatOurCallMadeIsNotAStrangers before its answer says whose it is: here a
// list that the watch asked for tells of the version first.
func TestTamper_WhatOurCallMadeIsNotAStrangers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.onlyPinned()
		s.start()
		s.pass(time.Minute)
		var lists atomic.Int32
		made, answer := make(chan struct{}), make(chan struct{})
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			switch {
			case call == "versions" && lists.Add(1) == 1:
				<-made
			case call == "create":
				return &rotatortest.Fault{Late: func() { close(made); <-answer }}
			}
			return nil
		})
		s.pass(5 * time.Minute)
		reads := s.azure.Calls("version") + 1 // the preflight's, of the newest
		op := s.rotate()
		s.pass(10 * time.Second)
		s.want(op, rotator.StateCreating)
		close(answer)
		s.pass(10 * time.Second)
		s.want(op, rotator.StateSoaking)
		if n := s.azure.Calls("version") - reads; n != 0 || lists.Load() < 2 {
			t.Errorf("asked %d times how fit the version is that cmkd made itself, after %d lists", n, lists.Load())
		}
	})
}

// TestForeign_AdoptedOnlyIfFit: a version that somebody else made is followed only if it
// can be used and is not weaker; otherwise it is noted and told of.
func TestForeign_AdoptedOnlyIfFit(t *testing.T) {
	t.Parallel()
	soon := func(d time.Duration) time.Time { return time.Now().Add(d).UTC() }
	for name, c := range map[string]struct {
		as  func(v *rotator.Version)
		why string // empty if it is adopted
	}{
		"like the current one": {func(*rotator.Version) {}, ""},
		"stronger":             {func(v *rotator.Version) { v.Size, v.HSM, v.Type = 4096, true, "RSA-HSM" }, ""},
		"disabled":             {func(v *rotator.Version) { v.Enabled = false }, "is disabled"},
		"expired":              {func(v *rotator.Version) { v.Expires = soon(-time.Hour) }, "has expired"},
		"not valid yet":        {func(v *rotator.Version) { v.NotBefore = soon(24 * time.Hour) }, "is not valid before"},
		"smaller":              {func(v *rotator.Version) { v.Size = 2048 }, "has 2048 bits"},
		"of another type":      {func(v *rotator.Version) { v.Type = "EC" }, "is of type EC"},
		"for less":             {func(v *rotator.Version) { v.Ops = "wrapKey" }, "may not be used for unwrapKey"},
		"exportable":           {func(v *rotator.Version) { v.Exportable = true }, "may be exported"},
	} {
		for _, during := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(s *estate) {
					s.key.Retire = rotator.RetireManual
					s.start()
					s.pass(time.Minute)
					var op rotator.OperationID
					if during {
						op = s.rotate()
						s.pass(10 * time.Minute)
					}
					s.pass(time.Second)
					v := s.azure.OutsideAs(keyID, c.as)
					s.pass(5*time.Minute + settlingTime)
					adopted := len(s.events(rotator.EventVersionAdopted)) > 0
					if adopted != (c.why == "") {
						t.Fatalf("adopted: %t\n%s", adopted, s.log())
					}
					if c.why == "" {
						if got := s.operation(s.last()); got.Target.ID != v.ID {
							t.Errorf("the target is %s\n%s", got.Target.ID, s.log())
						}
						s.wantFiring("")
						return
					}
					s.wantFiring(tamperedAlert + v.ID)
					events := s.events(rotator.EventVersionTampered)
					if len(events) != 1 || !strings.Contains(events[0].Message, c.why) {
						t.Errorf("events %+v", events)
					}
					if during && s.operation(op).Target.ID == v.ID {
						t.Errorf("the rotation goes to it")
					}
				})
			})
		}
	}
}

// TestForeign_AdoptedOnceItIsFit, and the alert is taken back.
func TestForeign_AdoptedOnceItIsFit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Minute)
		v := s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Enabled = false })
		s.pass(10 * time.Minute)
		s.wantFiring(tamperedAlert + v.ID)
		s.azure.Enable(keyID, v.ID, true)
		s.pass(6 * time.Minute)
		s.wantFiring("")
		if got := s.operation(s.last()); got.Target.ID != v.ID || got.Cause != rotator.CauseVault {
			t.Errorf("no rotation follows it: %+v\n%s", got.Operation, s.log())
		}
	})
}

// TestForeign_TwoBetweenTwoLists: both are accounted for, the older one is to be retired.
func TestForeign_TwoBetweenTwoLists(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Minute)
		first := s.azure.Outside(keyID)
		s.pass(time.Second)
		second := s.azure.Outside(keyID)
		s.pass(5 * time.Minute)
		op := s.operation(s.last())
		if op.Target.ID != second.ID || !slices.Equal(op.Previous, []string{first.ID, firstVersion}) {
			t.Fatalf("target %s, previous %v", op.Target.ID, op.Previous)
		}
		s.pass(3 * time.Hour)
		s.wantVersions("--+")
		s.wantFiring("")
	})
}

// TestForeign_NobodyIsSentToADisabledVersion.
func TestForeign_NobodyIsSentToADisabledVersion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
		busy := true
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "apply" && busy {
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		s.start()
		op := s.rotateNow()
		s.pass(10 * time.Second)
		s.azure.Enable(keyID, s.operation(op).Target.ID, false)
		s.pass(10 * time.Minute)
		busy = false
		s.pass(30 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerNeedsAction, rotator.EvidenceNone)
		if needs := s.azure.Needs(storageID); !slices.Equal(needs, []string{firstVersion}) {
			t.Errorf("it was sent to %v", needs)
		}
	})
}
