package engine_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

const year = 365 * 24 * time.Hour

// TestClock_AYearAheadForAWhileStopsNoSchedule: times that a wrong clock served do not
// keep the right one from serving its own.
func TestClock_AYearAheadForAWhileStopsNoSchedule(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]func(s *estate){
		"set back while the daemon runs": func(s *estate) { s.clock.jump(-year) },
		"set back while it is down": func(s *estate) {
			s.stop()
			s.clock.jump(-year)
			s.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Schedule = schedule(t, "0 3 * * *", rotator.MisfireCatchUp)
				s.key.Retire, s.key.Dependents = rotator.RetireOff, s.key.Dependents[:1]
				s.start()
				s.clock.jump(year)
				s.pass(49 * time.Hour)
				back(s)
				s.pass(time.Minute)
				made := len(s.azure.List(keyID))
				s.pass(73 * time.Hour)
				if got := len(s.azure.List(keyID)); got < made+2 {
					t.Errorf("%d rotations within three days, want at least 2; the next is at %s", got-made, s.status("payments").NextRotation)
				}
			})
		})
	}
}

// TestClock_SetBackWhileDownHoldsNoOperation: what an operation waits for was written
// down by a clock that was ahead.
func TestClock_SetBackWhileDownHoldsNoOperation(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"an hour": time.Hour, "a year": year} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				s.clock.jump(ahead)
				s.pass(time.Minute)
				op := s.rotate()
				s.pass(5 * time.Minute)
				s.want(op, rotator.StatePropagating)
				s.stop()
				s.clock.jump(-ahead)
				s.start()
				s.pass(26 * time.Hour)
				s.completes(op)
				s.wantVersions("-+")
			})
		})
	}
}

// TestClock_SetAheadEndsNoSoak, also if there is no dependent whose answers would tell
// Azure's time.
func TestClock_SetAheadEndsNoSoak(t *testing.T) {
	t.Parallel()
	azure, store := rotatortest.NewAzure(), rotatortest.NewStore()
	azure.AddKey(keyID)
	key := rotator.Key{Name: "payments", ID: keyID, Retire: rotator.RetireAuto, Soak: 24 * time.Hour}
	r, step := drive(t, azure, store, key)
	r.Command(engine.Command{Verb: engine.VerbRotate, Key: "payments", Actor: "alice"})
	want := func(state rotator.OperationState) {
		t.Helper()
		if ops, err := store.Operations(t.Context(), rotator.OperationFilter{}); err != nil || len(ops) != 1 || ops[0].State != state {
			t.Fatalf("operations are %+v (%v), want one that is %s", ops, err, state)
		}
	}
	step(2*time.Hour, 0)
	want(rotator.StateSoaking)
	step(time.Minute, year)
	step(time.Hour, 0)
	want(rotator.StateSoaking)
	step(24*time.Hour, 0)
	step(time.Minute, 0)
	want(rotator.StateCompleted)
}

// TestReload_AShorterSoakEndsEarlier, and a longer one later.
func TestReload_AShorterSoakEndsEarlier(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Soak, s.key.Dependents = 30*24*time.Hour, s.key.Dependents[:1]
		s.start()
		op := s.rotate()
		s.pass(2 * time.Hour)
		s.want(op, rotator.StateSoaking)
		s.key.Soak = 3 * time.Hour
		s.reload(s.key)
		s.pass(time.Hour)
		s.want(op, rotator.StateSoaking)
		s.pass(2 * time.Hour)
		s.completes(op)
	})
}

// TestRevocation_ADependentThatComesLaterIsWaitedFor: effective is what all of them are.
func TestRevocation_ADependentThatComesLaterIsWaitedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 48 * time.Hour}})
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		op := s.revoke("alice")
		s.pass(2 * time.Hour)
		s.want(op, rotator.StateEffective)
		s.key.Dependents = append(slices.Clone(s.key.Dependents), rotator.Dependent{ID: otherKeys, Kind: "follower"})
		s.reload(s.key)
		s.pass(time.Hour)
		s.want(op, rotator.StateTakingEffect)
		if n := len(s.events(rotator.EventVersionReenabled)); n != 0 {
			t.Errorf("%d events of a version that was enabled again", n)
		}
		s.pass(48 * time.Hour)
		s.want(op, rotator.StateEffective)
	})
}

// TestReload_ADependentThatIsListedAtLastIsListed: nobody says any more that only a
// search found it.
func TestReload_ADependentThatIsListedAtLastIsListed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: -1}})
		s.key.Dependents, s.key.Discover, s.key.Soak = s.key.Dependents[:1], []string{subscription}, 0
		s.start()
		op := s.rotate()
		s.pass(2 * time.Hour)
		if !s.tracker(op, otherKeys).Detail.Dependent.Discovered {
			t.Fatal("the search found nothing")
		}
		s.key.Dependents = append(slices.Clone(s.key.Dependents), rotator.Dependent{ID: otherKeys, Kind: "follower"})
		s.reload(s.key)
		s.pass(time.Minute)
		if s.tracker(op, otherKeys).Detail.Dependent.Discovered {
			t.Error("it is said to be found by a search only")
		}
		for _, b := range s.operation(op).Blockers {
			if b.Dependent == otherKeys && contains(b.Message, "nobody listed it") {
				t.Errorf("a blocker says: %s", b.Message)
			}
		}
	})
}

// TestClock_SetBackWhileAVaultDoesNotAnswer delays no alert by as much.
func TestClock_SetBackWhileAVaultDoesNotAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "versions" {
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		s.start()
		s.pass(11 * time.Minute)
		s.clock.jump(-24 * time.Hour)
		s.pass(45 * time.Minute)
		s.wantFiring("clock-jumped/daemon dependent-unreachable/contoso.vault.azure.net/payments/vault-unreachable")
	})
}

// TestClock_SetWhileAVersionAppears: a version that was made just before a revocation, and
// that the vault lists late, is disabled, whatever somebody does to the clock meanwhile.
func TestClock_SetWhileAVersionAppears(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 0} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			azure, store := rotatortest.NewAzure(), rotatortest.NewStore()
			azure.AddKey(keyID)
			azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Hour}})
			r, step := drive(t, azure, store, rotator.Key{
				Name: "payments", ID: keyID, Dependents: []rotator.Dependent{{ID: storageID, Kind: "follower"}},
			})
			r.Command(engine.Command{Verb: engine.VerbRevoke, Key: "payments", Confirm: "payments", Actor: "alice"})
			step(time.Second, 0)
			late := azure.Outside(keyID)
			step(time.Second, jump)
			for range 3 {
				step(40*time.Second, 0)
			}
			if v, ok := rotator.FindVersion(azure.List(keyID), late.ID); !ok || v.Enabled {
				t.Errorf("version %s is still enabled", late.ID)
			}
		})
	}
}

// TestSilence_OfAKeyFollowsIt to another name: it is the key that is silent, not
// whatever has its name.
func TestSilence_OfAKeyFollowsIt(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(s *estate, keys ...rotator.Key){
		"by a reload": (*estate).reload,
		"while the daemon was down": func(s *estate, keys ...rotator.Key) {
			s.stop()
			s.key, s.also = keys[0], keys[1:]
			s.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				ops := s.listen()
				other := s.moved()
				other.Name = "other"
				s.start()
				s.reload(s.key, other)
				s.pass(11 * time.Minute)
				if _, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", For: 48 * time.Hour, Actor: "alice"}); err != nil {
					t.Fatal(err)
				}
				swapped, was := s.key, other
				swapped.Name, was.Name = "other", "payments"
				take(s, swapped, was)
				s.azure.Enable(keyID, firstVersion, false)
				s.pass(time.Hour)
				if heard := ops.Heard(); len(heard) != 0 {
					t.Errorf("somebody was told of a key that is silenced: %v", heard)
				}
				s.azure.Enable(otherKey, s.azure.List(otherKey)[0].ID, false)
				s.pass(time.Hour)
				if heard := ops.Heard(); len(heard) != 1 {
					t.Errorf("told was %v, want the problem of the key that nobody silenced", heard)
				}
			})
		})
	}
}

// TestAlert_OfAStoreThatKnewKeysByName goes on under its new id: nobody is told again.
func TestAlert_OfAStoreThatKnewKeysByName(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		ops := s.listen()
		s.start()
		s.pass(11 * time.Minute)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(30 * time.Minute)
		s.stop()
		book, err := s.store.Book(t.Context())
		if err != nil || len(book.Alerts) != 1 || len(ops.Heard()) != 1 {
			t.Fatalf("%+v, %v", book, err)
		}
		now, old := book.Alerts[0], book.Alerts[0]
		old.ID, old.KeyID = "key-unusable/payments/current-version-disabled", ""
		if err := rotator.Commit(t.Context(), s.store, &rotator.Change{Alerts: []rotator.Alert{old}, Forget: rotator.Forget{Alerts: []string{now.ID}}}); err != nil {
			t.Fatal(err)
		}
		s.start()
		s.pass(30 * time.Minute)
		s.wantFiring(now.ID)
		if heard := ops.Heard(); len(heard) != 0 {
			t.Errorf("told was %v", heard)
		}
		if book, err = s.store.Book(t.Context()); err != nil || len(book.Alerts) != 1 {
			t.Errorf("kept are %+v, %v", book.Alerts, err)
		}
	})
}

// TestKeys_SwappedNamesMoveNothing but the names: what fires, is under way and comes
// next stays with its key.
func TestKeys_SwappedNamesMoveNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		other := s.moved()
		other.Name, other.Retire, s.key.Retire = "other", rotator.RetireOff, rotator.RetireOff
		other.Schedule = schedule(t, "0 5 * * *", rotator.MisfireCatchUp)
		s.key.Schedule = schedule(t, "0 3 * * *", rotator.MisfireCatchUp)
		s.start()
		s.reload(s.key, other)
		s.pass(11 * time.Minute)
		op := s.rotate()
		s.pass(time.Minute)
		a, b := s.key, other
		a.Name, b.Name = "other", "payments"
		s.reload(a, b)
		s.pass(time.Minute)
		if st := s.status("other"); st.Operation != op || st.ID != keyID || st.NextRotation.Format("15:04") != "03:00" {
			t.Errorf("status of other is %+v", st)
		}
		if st := s.status("payments"); st.Operation != 0 || st.ID != otherKey || st.NextRotation.Format("15:04") != "05:00" {
			t.Errorf("status of payments is %+v", st)
		}
		if s.operation(op).Key != "other" {
			t.Errorf("the operation is of %s", s.operation(op).Key)
		}
	})
}

// TestReload_TheMethodIsReadAgainBeforeItIsUsed when a call is repeated.
func TestReload_TheMethodIsReadAgainBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Method = rotator.MethodCreate
		var by atomic.Value
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "create" {
				if by.Swap(of) == nil {
					return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "busy", NoEffect: true, RetryAfter: time.Minute}}
				}
			}
			return nil
		})
		s.start()
		s.rotate()
		s.pass(10 * time.Second)
		s.key.Method = rotator.MethodRotate
		s.reload(s.key)
		s.pass(2 * time.Minute)
		s.wantVersions("++")
		if got := by.Load(); got != string(rotator.MethodRotate) {
			t.Errorf("the version was made by %v, want %s", got, rotator.MethodRotate)
		}
	})
}

// TestAlert_OfAKeyThatIsRenamedIsNotOver: nobody is told that a problem ended which did
// not, nor twice that it began.
func TestAlert_OfAKeyThatIsRenamedIsNotOver(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		ops := s.listen()
		s.start()
		s.pass(11 * time.Minute)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(30 * time.Minute)
		before := len(ops.Heard())
		s.reload(s.under(renamed))
		s.pass(30 * time.Minute)
		if heard := ops.Heard(); before != 1 || len(heard) > 0 {
			t.Errorf("%d before, then told was %v", before, heard)
		}
	})
}

// TestSilence_OfAnAlertOfAStoreThatKnewKeysByName goes on: it names the alert, whose id
// is another one now.
func TestSilence_OfAnAlertOfAStoreThatKnewKeysByName(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.pass(11 * time.Minute)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(30 * time.Minute)
		s.stop()
		book, err := s.store.Book(t.Context())
		if err != nil || len(book.Alerts) != 1 {
			t.Fatalf("%+v, %v", book, err)
		}
		now, old := book.Alerts[0], book.Alerts[0]
		old.ID, old.KeyID = "key-unusable/payments/current-version-disabled", ""
		silence := rotator.Silence{ID: "s-1", Alert: old.ID, Actor: "alice", Created: s.clock.Now(), Until: s.clock.Now().Add(24 * time.Hour)}
		if err := rotator.Commit(t.Context(), s.store, &rotator.Change{
			Alerts: []rotator.Alert{old}, Silences: []rotator.Silence{silence}, Forget: rotator.Forget{Alerts: []string{now.ID}},
		}); err != nil {
			t.Fatal(err)
		}
		ops := s.listen()
		s.start()
		s.pass(30 * time.Minute)
		if heard := ops.Heard(); len(heard) != 0 {
			t.Errorf("told was %v of an alert that is silenced", heard)
		}
	})
}
