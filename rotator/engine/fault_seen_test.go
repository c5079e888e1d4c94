package engine_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// two is a key with a dependent that never follows it, and one that does.
func (s *estate) two() []rotator.Dependent {
	s.unlisted = true
	s.azure.Remove(cosmosID)
	s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
	s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Minute}})
	s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}, {ID: otherKeys, Kind: "follower"}}
	return s.key.Dependents
}

// TestPrevious_IsTheOneThatItWasSeenOn: what an etcd was on before it was told the target is what it needs, whichever
// versions were made meanwhile.
func TestPrevious_IsTheOneThatItWasSeenOn(t *testing.T) {
	t.Parallel()
	for name, outside := range map[string]int{"a second target while it soaks": 1, "two outside versions": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned, Previous: true}})
				s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireManual
				s.start()
				if outside == 1 {
					s.rotate()
				}
				s.pass(30 * time.Minute)
				before := s.azure.Needs(storageID)[0]
				for range outside {
					s.azure.Outside(keyID)
					s.pass(time.Second)
				}
				s.pass(8 * time.Hour)
				s.retire()
				s.pass(time.Hour)
				if v, _ := rotator.FindVersion(s.azure.List(keyID), before); !v.Enabled {
					t.Errorf("%s was told %s when it was on %s, which it needs until it is told another: disabled; %s", storageID, s.azure.Needs(storageID)[0], before, s.enabled())
				}
			})
		})
	}
}

// TestTakenOut_IsKnownStill: a line that is taken out of the configuration, and put back or not, takes
// nothing back of what was seen.
func TestTakenOut_IsKnownStill(t *testing.T) {
	t.Parallel()
	t.Run("line taken out and put back", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			second := &rotatortest.Use{Delay: -1} // stays on the old version
			s.uses(second)
			s.start()
			op := s.rotate()
			s.pass(10 * time.Minute)
			s.azure.Change(storageID, func(*rotatortest.Resource) { second.Shown = rotatortest.BlankCut })
			s.pass(2 * time.Hour)
			s.wantTracker(op, storageID, rotator.TrackerNeedsAction, "") // "does not show uses.1"
			all := s.key.Dependents
			s.key.Dependents = nil
			s.reload(s.key)
			s.key.Dependents = all
			s.reload(s.key)
			s.pass(8 * time.Hour)
			s.wantVersions("++")
		})
	})
	for name, during := range map[string]bool{"taken out during": true, "taken out between": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.two()
				s.start()
				s.pass(8 * time.Hour)
				if during {
					s.rotate()
					s.pass(time.Hour)
				}
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Shown = rotatortest.BlankNull })
				s.without(storageID)
				s.reload(s.key)
				if !during {
					s.rotate()
				}
				s.pass(48 * time.Hour)
				s.wantVersions("++")
			})
		})
	}
}

// TestTakenOut_IsRememberedOverOperations: also over those that know nothing of it.
func TestTakenOut_IsRememberedOverOperations(t *testing.T) {
	t.Parallel()
	t.Run("over a revocation", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.key.Dependents = s.two()[1:]
			s.start()
			op := s.rotate()
			s.pass(2 * time.Hour) // a search found storage
			hidden(s)
			s.cancel(op)
			s.pass(8 * time.Hour)
			s.revoke("alice")
			s.pass(8 * time.Hour)
			if _, err := s.engine.Reinstate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"}); err != nil {
				t.Fatal(err)
			}
			s.pass(8 * time.Hour)
			s.rotate()
			s.pass(24 * time.Hour)
			s.wantVersions("+++") // without revoke and reinstate it holds
		})
	})
	t.Run("not to be read when the operation ended", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			both := s.two()
			s.key.Dependents = both[1:]
			s.start()
			op := s.rotate()
			s.pass(10 * time.Minute)
			s.key.Dependents = both
			s.reload(s.key)
			s.pass(10 * time.Minute) // seen, on the old version
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden, r.Shown = true, rotatortest.BlankCut })
			s.pass(2 * time.Hour)
			s.cancel(op)
			s.key.Dependents = both[1:]
			s.reload(s.key)
			s.pass(8 * time.Hour)
			s.rotate()
			s.pass(24 * time.Hour)
			s.wantVersions("+++")
		})
	})
}

// TestCreate_TakesNobodysUnfitVersion: for the one that its call may have made.
func TestCreate_TakesNobodysUnfitVersion(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(v *rotator.Version){
		"expired": func(v *rotator.Version) { v.Expires = v.Created.Add(-time.Hour) },
		"weaker":  func(v *rotator.Version) { v.Size = 2048 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.onlyPinned()
				var once sync.Once
				var made string // before anybody asks for it
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					var fault *rotatortest.Fault
					if call == "create" {
						once.Do(func() {
							made = s.azure.OutsideAs(keyID, f).ID // somebody else's; our call had no effect, and does not say so
							fault = &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false)}
						})
					}
					return fault
				})
				s.start()
				s.rotate()
				s.pass(10 * time.Hour)
				if s.azure.Needs(storageID)[0] == made {
					t.Errorf("re-pinned to it, %s, firing %q", s.enabled(), s.firing())
				}
			})
		})
	}
}

// TestInferred_NotWhileTheTargetIsDisabled: nobody can have gone there, and the documented time begins when it
// is enabled.
func TestInferred_NotWhileTheTargetIsDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[1:]
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.NoAccess, r.Delay = true, -1 })
		s.start()
		op := s.rotate()
		s.pass(time.Minute)
		target := s.operation(op).Target.ID
		s.azure.Enable(keyID, target, false)
		s.pass(25 * time.Hour) // nobody can have gone there
		if tr := s.tracker(op, cosmosID); tr.State == rotator.TrackerDone {
			t.Errorf("%s, %s on a version that is disabled", tr.State, tr.Evidence)
		}
		s.azure.Enable(keyID, target, true)
		s.pass(23 * time.Hour)
		s.want(op, rotator.StatePropagating)
		s.wantVersions("++")
	})
}

// TestWatch_GoesOnInEveryOperation: whatever an operation waits for, what befalls its dependents is told of.
func TestWatch_GoesOnInEveryOperation(t *testing.T) {
	t.Parallel()
	denied := func(s *estate, _ rotator.OperationID) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
	}
	gone := func(s *estate, _ rotator.OperationID) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.Problem = &rotator.Problem{Code: rotator.ReasonIdentityGone, Message: "gone"}
		})
	}
	fail := func(s *estate, call string, r rotator.Error) {
		s.azure.FailWith(func(c, of string) *rotatortest.Fault {
			if c == call && of != otherKeys {
				return &rotatortest.Fault{Err: &r}
			}
			return nil
		})
	}
	waiting := func(s *estate) rotator.OperationID {
		s.key.Retire = rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateRetiring)
		return op
	}
	for name, tt := range map[string]struct {
		begin func(s *estate) rotator.OperationID
		spoil func(s *estate, op rotator.OperationID)
	}{
		"identity gone while a person is waited for": {waiting, gone},
		"pinned to the target while a person is waited for": {waiting, func(s *estate, op rotator.OperationID) {
			target := s.operation(op).Target.ID
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, target })
		}},
		"denied while a retirement is frozen": {func(s *estate) rotator.OperationID {
			s.start()
			op := s.rotate()
			s.pass(40 * time.Minute)
			s.freeze(rotator.FreezeRequest{})
			s.pass(3 * time.Hour)
			s.want(op, rotator.StateRetiring)
			return op
		}, denied},
		"denied while another dependent blocks": {func(s *estate) rotator.OperationID {
			s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: otherKeys, Kind: "follower"})
			s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingFixed}})
			s.start()
			op := s.rotate()
			s.pass(5 * time.Hour)
			s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
			return op
		}, denied},
		"denied, and a version disabled, while the making is frozen": {func(s *estate) rotator.OperationID {
			s.azure.AddKey(keyID)
			s.start()
			s.pass(time.Hour)
			fail(s, "create", *refused(rotator.CodeUnavailable, true))
			op := s.rotate()
			s.pass(2 * time.Minute)
			s.freeze(rotator.FreezeRequest{})
			s.pass(time.Hour)
			s.want(op, rotator.StateCreating)
			return op
		}, func(s *estate, op rotator.OperationID) {
			denied(s, op)
			s.azure.Enable(keyID, firstVersion, false)
		}},
		"a pinned one whose answers are another's": {func(s *estate) rotator.OperationID {
			s.onlyPinned()
			s.start()
			var made atomic.Bool
			s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
				if call == "create" {
					made.Store(true)
				}
				if made.Load() && call == "observe" {
					return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeUnavailable, Reason: rotator.ReasonForeignAnswer, Message: "of another"}}
				}
				return nil
			})
			return s.rotate()
		}, func(*estate, rotator.OperationID) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.Remove(cosmosID)
				s.azure.AddResource(rotatortest.Resource{ID: cosmosID, Kind: "silent", Use: rotatortest.Use{Key: keyID, Microsoft: true}})
				s.key.Dependents = s.key.Dependents[:1]
				op := tt.begin(s)
				before, looks := s.firing(), s.azure.Calls("observe")
				tt.spoil(s, op)
				s.pass(72 * time.Hour)
				if s.firing() == before {
					t.Errorf("three days, and no alert beside %q; %d looks", before, s.azure.Calls("observe")-looks)
				}
			})
		})
	}
}

// TestTamper_IsNeitherForgottenNorInvented: whatever the vault was restored to, and however many versions there are.
func TestTamper_IsNeitherForgottenNorInvented(t *testing.T) {
	t.Parallel()
	const scope = "version-tampered"
	pinnedTo := func(s *estate, version string) {
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", NoAccess: true, Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned, Pinned: version}})
	}
	many := func(s *estate, n int) []rotator.Version {
		s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireOff
		for range n {
			s.azure.Outside(keyID)
			s.pass(5 * time.Minute)
		}
		return s.azure.List(keyID)
	}
	t.Run("back, but disabled", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			first := many(s, 3)[1]
			pinnedTo(s, first.ID)
			s.start()
			s.pass(8 * time.Hour)
			s.azure.Vanish(keyID, first.ID)
			s.pass(15 * time.Minute)
			first.Enabled = false
			s.azure.PutBack(keyID, first)
			s.pass(24 * time.Hour)
			if !contains(s.firing(), scope) {
				t.Error("the version in use is disabled, and the alert is over: ", s.firing())
			}
		})
	})
	t.Run("restored, enabled again", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.key.Dependents = s.key.Dependents[:1]
			s.start()
			v := s.azure.List(keyID)[0]
			op := s.rotate()
			s.pass(10 * time.Hour)
			s.ends(op)
			s.azure.Vanish(keyID, v.ID)
			s.azure.PutBack(keyID, v) // enabled, last changed when it was made
			s.pass(24 * time.Hour)
			if !contains(s.firing(), scope) {
				t.Error("the retired version is enabled: ", s.enabled())
			}
		})
	})
	t.Run("the 33rd", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			all := many(s, 40)
			pinnedTo(s, all[39].ID)
			s.start()
			s.pass(8 * time.Hour)
			for _, v := range all[:34] {
				s.azure.Enable(keyID, v.ID, false)
			}
			s.pass(10 * time.Minute)
			if n := len(s.events(rotator.EventVersionTampered)); n != 34 {
				t.Errorf("%d events of 34 versions", n) // whether or not each is kept in mind
			}
			s.azure.Enable(keyID, all[39].ID, false)
			s.pass(24 * time.Hour)
			if !contains(s.firing(), all[39].ID) {
				t.Error("the version in use was disabled: no alert")
			}
		})
	})
	t.Run("70 versions, nothing happened", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			many(s, 69)
			s.start()
			s.pass(2 * time.Hour)
			if n := len(s.events(rotator.EventVersionTampered)); n > 0 {
				t.Error(n, "times: somebody enabled …")
			}
		})
	})
}

// TestForeign_IsFollowedBesideARequest: a revocation that waits for its second person stops
// no rotation, nor what somebody else began.
func TestForeign_IsFollowedBesideARequest(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.onlyPinned()
		s.key.TwoPerson = true
		s.start()
		s.revoke("alice")
		s.pass(2 * time.Hour)
		made := s.azure.Outside(keyID)
		s.pass(10 * time.Minute)
		if got := s.status("payments").Current.ID; got != made.ID {
			t.Errorf("the current version is %s, want %s\n%s", got, made.ID, s.log())
		}
	})
}
