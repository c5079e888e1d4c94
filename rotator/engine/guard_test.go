package engine_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestGuard holds that the previous version stays enabled as long as anything
// speaks against it, and that status and event say which and why.
func TestGuard(t *testing.T) {
	t.Parallel()
	const late = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/followers/late"
	tests := []struct {
		name  string
		spoil func(s *estate, old string)
		check rotator.Reason
		says  string
	}{
		{"a dependent that fell back to the old version", func(s *estate, old string) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingFixed, old })
		}, rotator.ReasonDependentNotSettled, "storage"},
		{"a dependent that became unreadable", func(s *estate, _ string) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		}, rotator.ReasonDependentUnreachable, "storage"},
		{"a dependent that is gone", func(s *estate, _ string) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true })
		}, rotator.ReasonDependentUnreachable, "storage"},
		{"a dependent that nobody listed", func(s *estate, old string) {
			s.azure.AddResource(rotatortest.Resource{ID: late, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingFixed, Pinned: old}})
		}, rotator.ReasonDependentDiscovered, "late"},
		{"a search that is not permitted", func(s *estate, _ string) {
			s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
				if call == "find" {
					return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true).WithHint("grant Reader")}
				}
				return nil
			})
		}, rotator.ReasonInventoryIncomplete, "went wrong"},
		{"a target that was disabled", func(s *estate, _ string) {
			s.azure.Enable(keyID, s.azure.List(keyID)[1].ID, false)
		}, rotator.ReasonCurrentVersionDisabled, "disabled"},
		{"a vault that cannot be read", func(s *estate, _ string) {
			s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
				if call == "versions" {
					return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
				}
				return nil
			})
		}, rotator.ReasonVersionsUnknown, "went wrong"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Discover = []string{subscription}
				s.start()
				op := s.rotate()
				s.pass(24*time.Hour + 30*time.Minute)
				s.pass(time.Until(s.want(op, rotator.StateSoaking).Wake) - time.Second) // later than anybody looks but the guard
				tt.spoil(s, s.azure.List(keyID)[0].ID)
				s.pass(3 * time.Hour)
				if v := s.azure.List(keyID)[0]; !v.Enabled {
					t.Fatalf("the old version was retired\n%s", s.log())
				}
				held := s.events(rotator.EventRetirementHeld)
				if !slices.ContainsFunc(held, func(e rotator.Event) bool { return e.Data["check"] == string(tt.check) && contains(e.Message, tt.says) }) {
					t.Fatalf("events of the guard: %+v, want check %s that says %q\n%s", held, tt.check, tt.says, s.log())
				}
				if got := s.operation(op); got.NeedsYou() == nil && len(got.Blockers) == 0 {
					t.Errorf("status does not say that somebody is needed: %+v", got)
				}
			})
		})
	}
}

func TestGuard_RetiresOnceTheReasonIsGone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(24*time.Hour + 30*time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(3 * time.Hour)
		s.wantVersions("++")
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = false })
		s.pass(2 * time.Hour)
		s.completes(op)
		s.wantVersions("-+")
	})
}

// TestGuard_ExcludedDependentIsNotWaitedFor: but for a person who attests.
func TestGuard_ExcludedDependentIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.start()
		op := s.rotate()
		s.pass(24*time.Hour + 30*time.Minute)
		s.want(op, rotator.StatePropagating)
		s.key.Dependents = append([]rotator.Dependent{}, s.key.Dependents...)
		s.key.Dependents[0].Excluded = "decommissioned next week"
		if err := s.engine.Reload(s.t.Context(), []rotator.Key{s.key}, s.alerting); err != nil {
			t.Fatal(err)
		}
		s.pass(2 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.attests("storage", "bob")
		s.pass(time.Minute)
		s.completes(op)
	})
}

// TestGuard_SoakEndsWithoutThoseLeftOut: nobody looks at them any more, so what was seen of
// them last says nothing of how long the others did well.
func TestGuard_SoakEndsWithoutThoseLeftOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		op := s.rotate()
		for s.operation(op).State != rotator.StateSoaking {
			s.pass(time.Minute)
		}
		s.want(op, rotator.StateSoaking)
		s.key.Dependents = slices.Clone(s.key.Dependents)
		s.key.Dependents[0].Excluded = "decommissioned next week"
		s.reload(s.key)
		s.attests("storage", "bob")
		s.pass(2 * time.Hour)
		s.completes(op)
		s.wantVersions("-+")
	})
}

func TestGuard_DemandsTheEvidenceConfigured(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Require = rotator.EvidenceConfirmed
		s.start()
		op := s.rotate()
		s.pass(48 * time.Hour)
		s.want(op, rotator.StatePropagating)
		s.wantTracker(op, cosmosID, rotator.TrackerStalled, "")
		s.wantVersions("++")
	})
}

func TestReload_AddsDependentsToALiveRotation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		all := s.key.Dependents
		s.key.Dependents, s.unlisted = all[1:], true
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		s.key.Dependents = all
		if err := s.engine.Reload(s.t.Context(), []rotator.Key{s.key}, s.alerting); err != nil {
			t.Fatal(err)
		}
		s.pass(30 * time.Hour)
		s.want(op, rotator.StatePropagating)
		s.wantTracker(op, storageID, rotator.TrackerStalled, "")
		s.wantVersions("++")
	})
}

func TestGuard_HoldsForAKeyThatIsNotConfiguredAnyMore(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		if err := s.engine.Reload(s.t.Context(), nil, s.alerting); err != nil {
			t.Fatal(err)
		}
		s.pass(48 * time.Hour)
		s.wantVersions("++")
		if held := s.events(rotator.EventRetirementHeld); len(held) == 0 || held[0].Data["check"] != string(rotator.ReasonKeyNotConfigured) {
			t.Fatalf("events of the guard: %+v\n%s", held, s.log())
		}
		if err := s.engine.Reload(s.t.Context(), []rotator.Key{s.key}, s.alerting); err != nil {
			t.Fatal(err)
		}
		s.pass(2 * time.Hour)
		s.completes(op)
		s.wantVersions("-+")
	})
}

// TestGuard_KeepsWhatIsNeededUntilTheNextRotation retires what is not: the etcd of a
// cluster needs the version before its own, and nobody shows it (azure/facts-services.md
// A2).
func TestGuard_KeepsWhatIsNeededUntilTheNextRotation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.Binding, r.Pinned, r.Previous = rotator.BindingPinned, firstVersion, true
		})
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.ends(op)
		s.wantVersions("++")
		s.restart(time.Minute)
		op = s.rotate()
		s.pass(3 * time.Hour)
		s.ends(op)
		s.wantVersions("-++")
	})
}

// TestGuard_AnOldAnswerIsNoFreshLook: one that was asked for before the guard began, and
// comes while it looks, says what was.
func TestGuard_AnOldAnswerIsNoFreshLook(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.key.Retire, s.key.Soak = rotator.RetireManual, 0
		s.start()
		op := s.rotate()
		s.pass(2 * time.Hour)
		old := s.azure.List(keyID)[0].ID
		answer := make(chan struct{})
		var asked atomic.Bool
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call != "observe" || !asked.CompareAndSwap(false, true) {
				return nil
			}
			return &rotatortest.Fault{Late: func() { <-answer }}
		})
		for !asked.Load() {
			s.pass(10 * time.Second)
		}
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, old })
		retired := make(chan error, 1)
		go func() {
			_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "carol", Reason: "looked"})
			retired <- err
		}()
		s.pass(time.Second)
		close(answer)
		if err := <-retired; err == nil || !strings.Contains(err.Error(), "uses version "+old) {
			t.Errorf("retired: %v\n%s", err, s.log())
		}
		s.wantVersions("++")
		s.want(op, rotator.StatePropagating)
	})
}

// TestGuard_UnansweredForDays tells somebody, also if that is by throttling, which is no failure.
func TestGuard_UnansweredForDays(t *testing.T) {
	t.Parallel()
	for _, code := range []rotator.Code{rotator.CodeThrottled, rotator.CodeUnavailable} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Dependents = s.key.Dependents[:1]
				s.start()
				op := s.rotate()
				s.pass(50 * time.Minute)
				s.want(op, rotator.StateSoaking)
				s.azure.FailWith(func(call, of string) *rotatortest.Fault {
					if call == "observe" {
						return &rotatortest.Fault{Err: &rotator.Error{Code: code, Message: "too many requests", RetryAfter: time.Minute, NoEffect: true}}
					}
					return nil
				})
				s.pass(72 * time.Hour)
				o := s.operation(op)
				if st := s.status("payments"); st.NeedsYou() == nil && s.firing() == "" && !o.State.Final() {
					t.Errorf("nobody is told: %s, waiting %s", o.State, o.WaitingText())
				}
			})
		})
	}
}

// TestGuard_OnOldLooks has the search of a retirement take long, and a person pin a dependent back meanwhile.
func TestGuard_OnOldLooks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.onlyPinned()
		s.key.Soak = 3 * time.Hour
		for _, n := range []string{"1", "2", "3", "4"} {
			s.azure.AddKey("https://contoso.vault.azure.net/keys/x")
			s.azure.AddResource(rotatortest.Resource{ID: "/subscriptions/" + n + "/resourceGroups/rg/providers/Test/followers/f", Kind: "follower", Use: rotatortest.Use{Key: "https://contoso.vault.azure.net/keys/x"}})
		}
		s.start()
		op := s.rotate()
		s.pass(30 * time.Minute)
		s.want(op, rotator.StateSoaking)
		s.pass(90 * time.Minute)
		var slow atomic.Bool
		slow.Store(true)
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "find" && slow.Load() {
				<-time.After(4 * time.Minute)
			}
			return nil
		})
		for s.operation(op).State != rotator.StateRetiring {
			s.pass(time.Minute)
		}
		s.pass(4 * time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = firstVersion })
		s.pass(3 * time.Hour)
		for _, e := range s.events(rotator.EventVersionDisabled) {
			t.Errorf("%s at %s though it was in use for long\n%s", e.Message, e.At, s.log())
		}
	})
}

// TestGuard_WaitsForOneThatIsThrottled has one of two dependents be throttled while the guard looks, and the other be pinned back.
func TestGuard_WaitsForOneThatIsThrottled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.onlyPinned()
		s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 5 * time.Minute}})
		s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: otherKeys, Kind: "follower"})
		s.key.Soak = 3*time.Hour + 4*time.Minute
		s.start()
		op := s.rotate()
		s.pass(3*time.Hour + 7*time.Minute)
		s.want(op, rotator.StateSoaking)
		var on atomic.Bool
		on.Store(true)
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "observe" && of == otherKeys && on.Load() {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "too many", RetryAfter: 5 * time.Minute}}
			}
			return nil
		})
		for s.operation(op).State != rotator.StateRetiring {
			s.pass(time.Minute)
		}
		s.pass(2 * time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = firstVersion })
		s.pass(40 * time.Minute)
		on.Store(false)
		s.pass(3 * time.Hour)
		for _, e := range s.events(rotator.EventVersionDisabled) {
			t.Errorf("%s at %s though it was in use for long\n%s", e.Message, e.At, s.log())
		}
	})
}
