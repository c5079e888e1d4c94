package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

func TestRotation_FollowsEveryDependentThenRetires(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(time.Minute)
		s.want(op, rotator.StatePropagating)
		s.wantVersions("++")
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "")

		s.pass(25 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		s.wantTracker(op, cosmosID, rotator.TrackerPropagating, "")

		s.pass(23 * time.Hour)
		s.wantTracker(op, cosmosID, rotator.TrackerPropagating, "")
		s.pass(time.Hour)
		s.wantTracker(op, cosmosID, rotator.TrackerDone, rotator.EvidenceInferred)
		s.want(op, rotator.StateSoaking)
		s.wantVersions("++")

		s.pass(time.Hour)
		s.want(op, rotator.StateRetiring) // what is only inferred waits for a person
		s.wantVersions("++")
		s.retire()
		done := s.completes(op)
		s.wantVersions("-+")
		if v := s.azure.List(keyID); v[1].Operation == "" || done.Target.ID != v[1].ID {
			t.Errorf("version %+v is not tagged as ours, or target %s is another", v[1], done.Target.ID)
		}
	})
}

func TestRotation_CostsThreeVaultCallsMoreThanTheBareAPI(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		s.start()
		s.pass(time.Second) // the first look at the key
		before := s.azure.Calls("versions")
		op := s.rotate()
		s.pass(time.Minute)
		s.want(op, rotator.StateProbation)
		extra := s.azure.Calls("versions") - before + s.azure.Calls("tag")
		if bare := s.azure.Calls("create") + s.azure.Calls("set-enabled"); bare != 2 || extra > 3 {
			t.Errorf("a rotation took %d calls that the bare API needs too and %d more, want 2 and at most 3", bare, extra)
		}
	})
}

func TestRotation_RetireModes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		retire rotator.Retire
		state  rotator.OperationState
	}{
		{rotator.RetireOff, rotator.StateCompleted},
		{rotator.RetireManual, rotator.StateRetiring},
	}
	for _, tt := range tests {
		t.Run(string(tt.retire), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Retire = tt.retire
				s.start()
				op := s.rotate()
				s.pass(27 * time.Hour)
				s.want(op, tt.state)
				s.wantVersions("++")
			})
		})
	}
}

func TestRotation_ManualRetirement(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Retire = rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		err := s.retiresAs("bob")
		wantError(t, err, rotator.CodeRefused, "cosmos")
		s.pass(26 * time.Hour)
		done, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob"})
		if err != nil || done.State != rotator.StateProbation {
			t.Fatalf("retire: %v, state %s", err, done.State)
		}
		s.completes(op)
		s.wantVersions("-+")
	})
}

func TestRotation_NextOneOffersWhatWasNotRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Retire = rotator.RetireManual
		s.start()
		first := s.rotate()
		s.pass(27 * time.Hour)
		second := s.rotate()
		s.completes(first)
		s.pass(27 * time.Hour)
		if err := s.retiresAs("bob"); err != nil {
			t.Fatal(err)
		}
		s.completes(second)
		s.wantVersions("--+")
	})
}

func TestRotation_Bindings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		resource rotatortest.Resource
		dep      rotator.Dependent
		state    rotator.TrackerState
		evidence rotator.Evidence
	}{
		{"tells a pinned one the new version", rotatortest.Resource{Use: rotatortest.Use{Binding: rotator.BindingPinned}}, rotator.Dependent{}, rotator.TrackerDone, rotator.EvidenceConfirmed},
		{"leaves a fixed one to a person", rotatortest.Resource{Use: rotatortest.Use{Binding: rotator.BindingFixed}}, rotator.Dependent{}, rotator.TrackerNeedsAction, ""},
		{"re-creates a fixed one with consent", rotatortest.Resource{Use: rotatortest.Use{Binding: rotator.BindingFixed}}, rotator.Dependent{Recreate: true}, rotator.TrackerDone, rotator.EvidenceConfirmed},
		{"nudges one that may be nudged", rotatortest.Resource{Use: rotatortest.Use{Delay: -1}}, rotator.Dependent{Nudge: rotator.NudgeAlways}, rotator.TrackerDone, rotator.EvidenceConfirmed},
		{"does not nudge by default", rotatortest.Resource{Use: rotatortest.Use{Delay: 50 * time.Minute}}, rotator.Dependent{}, rotator.TrackerPropagating, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				tt.resource.ID, tt.resource.Kind, tt.resource.Key = storageID, "follower", keyID
				s.azure.AddResource(tt.resource)
				tt.dep.ID, tt.dep.Kind = storageID, "follower"
				s.key.Dependents = []rotator.Dependent{tt.dep}
				s.start()
				op := s.rotate()
				s.pass(10 * time.Minute)
				s.wantTracker(op, storageID, tt.state, tt.evidence)
			})
		})
	}
}

func TestRotation_NudgesWhenStalled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.key.Dependents[0].Nudge = rotator.NudgeWhenStalled
		s.start()
		op := s.rotate()
		s.pass(59 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
		s.pass(2 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
	})
}

func TestRotation_StallIsSeenWithinOnePollAndClearsItself(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 2 * time.Hour })
		s.start()
		op := s.rotate()
		s.pass(59 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
		s.pass(2 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerStalled, "")
		if got := s.operation(op); got.Trackers[0].State != rotator.TrackerStalled {
			t.Error("the operation is not stalled")
		}
		s.pass(time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
	})
}

func TestRotation_PreflightChangesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		spoil    func(s *estate)
		mentions string
	}{
		{"a dependent that is gone", func(s *estate) { s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true }) }, "does not exist"},
		{"a dependent that may not be read", func(s *estate) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		}, "may not be read"},
		{"a dependent on another key", func(s *estate) {
			s.azure.AddKey(keyID + "2")
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Key = keyID + "2" })
		}, "payments2"},
		{"a dependent that complains", func(s *estate) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) {
				r.Problem = &rotator.Problem{Code: "ManagedServiceIdentityNotFound", Message: "no identity"}
			})
		}, "no identity"},
		{"a disabled current version", func(s *estate) { s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, false) }, "disabled"},
		{"a key that does not exist", func(s *estate) { s.key.ID = "https://contoso.vault.azure.net/keys/nosuch" }, "does not exist"},
		{"a vault that may not be read", func(s *estate) {
			s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
				if call == "versions" {
					return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
				}
				return nil
			})
		}, "went wrong"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				tt.spoil(s)
				s.start()
				op := s.rotate()
				s.pass(5 * time.Second)
				got := s.want(op, rotator.StateFailed)
				if got.Problem == nil || !contains(got.Problem.String(), tt.mentions) {
					t.Errorf("problem is %v, want one that mentions %q", got.Problem, tt.mentions)
				}
				if s.azure.Calls("create") != 0 {
					t.Error("a version was made")
				}
			})
		})
	}
}

func TestRotation_ScheduledOneWaitsForTheProblemToEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.key.Schedule = schedule(t, "@every 1h", rotator.MisfireCatchUp)
		s.start()
		s.pass(61 * time.Minute)
		op := s.want(1, rotator.StatePending)
		if op.NeedsYou() == nil {
			t.Error("nobody is told")
		}
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = false })
		s.pass(16 * time.Minute)
		s.want(1, rotator.StatePropagating)
	})
}

func TestRotation_CreatesWhereRotateIsForbidden(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "create" && of == "rotate" {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		s.start()
		op := s.rotate()
		s.pass(time.Minute)
		s.want(op, rotator.StatePropagating)
		s.wantVersions("++")
		if v := s.azure.List(keyID)[1]; v.Operation == "" {
			t.Error("the created version has no tag")
		}
	})
}

func TestRotation_UncertainCalls(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		faults []rotatortest.Fault
	}{
		{"a time-out after the effect", []rotatortest.Fault{{Err: refused(rotator.CodeUnavailable, false), AfterEffect: true}}},
		{"a time-out before the effect", []rotatortest.Fault{{Err: refused(rotator.CodeUnavailable, false)}}},
		{"several time-outs before the effect, then one after", []rotatortest.Fault{
			{Err: refused(rotator.CodeUnavailable, false)},
			{Err: refused(rotator.CodeUnavailable, false)},
			{Err: refused(rotator.CodeUnavailable, false), AfterEffect: true},
		}},
		{"throttling", []rotatortest.Fault{{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "slow down", NoEffect: true, RetryAfter: 10 * time.Second}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				n := 0
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call != "create" || n == len(tt.faults) {
						return nil
					}
					n++
					return &tt.faults[n-1]
				})
				s.azure.ReadLag = time.Minute
				s.start()
				op := s.rotate()
				s.pass(10 * time.Minute)
				s.want(op, rotator.StatePropagating)
				s.wantVersions("++")
			})
		})
	}
}

func TestRotation_AdoptsWhatSomeoneElseMade(t *testing.T) {
	t.Parallel()
	t.Run("during propagation", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.start()
			op := s.rotate()
			s.pass(25 * time.Minute)
			s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
			outside := s.azure.Outside(keyID)
			s.pass(11 * time.Minute)
			got := s.want(op, rotator.StatePropagating)
			if got.Target.ID != outside.ID || !got.Adopted || len(s.events(rotator.EventVersionAdopted)) != 1 {
				t.Fatalf("target is %s (adopted %v), want %s\n%s", got.Target.ID, got.Adopted, outside.ID, s.log())
			}
			s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
			s.pass(27 * time.Hour)
			s.completes(op)
			s.wantVersions("--+")
		})
	})
	t.Run("while nothing is under way", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.start()
			s.pass(time.Minute)
			s.azure.Outside(keyID)
			s.pass(11 * time.Minute)
			if op := s.want(1, rotator.StatePropagating); op.Cause != rotator.CauseVault {
				t.Errorf("cause is %s", op.Cause)
			}
			s.pass(27 * time.Hour)
			s.completes(1)
			s.wantVersions("-+")
			if s.azure.Calls("create") != 0 {
				t.Error("cmkd made a version of its own")
			}
		})
	})
	t.Run("while the daemon was stopped", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.start()
			s.pass(time.Minute)
			s.stop()
			s.azure.Outside(keyID)
			s.start()
			s.pass(time.Minute)
			s.want(1, rotator.StatePropagating)
		})
	})
}

func TestRotation_Cancel(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(time.Minute)
		if _, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "bob", Reason: "not now"}); err != nil {
			t.Fatal(err)
		}
		s.pass(48 * time.Hour)
		s.want(op, rotator.StateCancelled)
		s.wantVersions("++")
	})
}

func TestRotation_OneAtATime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.rotate()
		_, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob"})
		wantError(t, err, rotator.CodeConflict, "op-1")
		_, err = s.engine.Rotate(s.t.Context(), rotator.Request{Key: "nosuch", Actor: "bob"})
		wantError(t, err, rotator.CodeNotFound, "nosuch")
	})
}

func schedule(tb testing.TB, spec string, m rotator.Misfire) rotator.Schedule {
	tb.Helper()
	s, err := rotator.ParseSchedule(spec, "", 0, m, "payments")
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestRotation_CancelMakesNoFurtherAttempt cancels while the call that makes a
// version is only waiting to be repeated.
func TestRotation_CancelMakesNoFurtherAttempt(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*rotator.Error{
		"after a refusal":               {Code: rotator.CodeThrottled, Message: "slow down", NoEffect: true, RetryAfter: time.Minute},
		"after an answer that was lost": refused(rotator.CodeUnavailable, false),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				n := 0
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call == "create" && n == 0 {
						n++
						return &rotatortest.Fault{Err: err}
					}
					return nil
				})
				s.start()
				op := s.rotate()
				s.pass(5 * time.Second)
				if _, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "bob"}); err != nil {
					t.Fatal(err)
				}
				s.pass(10 * time.Minute)
				s.want(op, rotator.StateCancelled)
				s.wantVersions("+")
			})
		})
	}
}

// TestRotation_RetireOffAndThenAuto offers what was left enabled to the next rotation.
func TestRotation_RetireOffAndThenAuto(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireOff
		s.start()
		op := s.rotate()
		s.pass(4 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.key.Retire = rotator.RetireAuto
		s.reload(s.key)
		op = s.rotate()
		s.pass(8 * time.Hour)
		s.ends(op)
		if got := s.enabled(); got != "--+" {
			t.Errorf("versions %s\n%s", got, s.log())
		}
	})
}
