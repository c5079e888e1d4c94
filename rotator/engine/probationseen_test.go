package engine_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestProbation_GoesOnUntilSomebodyLooked at the dependents since the version was disabled.
func TestProbation_GoesOnUntilSomebodyLooked(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(needsFirst)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 10 * time.Minute}}
			}
			return nil
		})
		s.pass(3 * time.Hour)
		if got := s.operation(op); got.State == rotator.StateCompleted {
			t.Errorf("completed without a look since the version was disabled\n%s", s.log())
		}
		s.azure.FailWith(nil)
		s.pass(3 * time.Hour)
		s.wantVersions("++")
	})
}

// TestProbation_RetireDoesNotSayThatItStays enabled what is disabled.
func TestProbation_RetireDoesNotSayThatItStays(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.retires(func(r *rotatortest.Resource) {})
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(3 * time.Minute)
		err := s.retiresAs("bob")
		if err != nil && strings.Contains(err.Error(), "stays enabled") {
			t.Errorf("retire says %q; vault %s", err, s.enabled())
		}
	})
}

// TestProbation_OfOneThatIsSeldomLookedAt calls nobody: it is looked at once more at the end.
func TestProbation_OfOneThatIsSeldomLookedAt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents[0].Poll = time.Hour + 7*time.Minute
		op := s.retires(func(*rotatortest.Resource) {})
		for i := range 60 * 6 {
			s.pass(time.Minute)
			o := s.operation(op)
			if o.Problem != nil {
				t.Errorf("after %d min %s: problem %q hint %q; needs you %v; firing %q", i, o.State, o.Problem.Message, o.Problem.Hint, o.NeedsYou(), s.firing())
				break
			}
			if o.State.Final() {
				break
			}
		}
		s.pass(6 * time.Hour)
	})
}

// TestProbation_OfALongWindow calls nobody, either.
func TestProbation_OfALongWindow(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = []rotator.Dependent{{ID: storageID, Kind: "slow"}}, 0
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "slow", Use: rotatortest.Use{Key: keyID}})
		s.azure.Remove(cosmosID)
		s.services = []rotator.Service{s.azure.Service("slow", rotator.Traits{Window: time.Hour, Revocation: 24 * time.Hour, Best: rotator.EvidenceConfirmed})}
		s.start()
		s.pass(4*time.Minute + 20*time.Second)
		op := s.rotate()
		for range 30 * 60 {
			s.pass(time.Minute)
			if o := s.operation(op); o.Problem != nil {
				t.Errorf("%s needs you: %v; firing %q", o.State, o.NeedsYou(), s.firing())
				break
			}
		}
		s.pass(10 * time.Minute)
	})
}

// TestProbation_SaysNoLongerThatNobodyLooked once somebody did.
func TestProbation_SaysNoLongerThatNobodyLooked(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(func(*rotatortest.Resource) {})
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 10 * time.Minute}}
			}
			return nil
		})
		s.pass(3 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.azure.FailWith(nil)
		s.pass(3 * time.Hour)
		o := s.operation(op)
		if o.Problem != nil {
			t.Errorf("%s: %v; tracker %s seen %v; firing %q", o.State, o.Problem, s.tracker(op, storageID).State, s.tracker(op, storageID).Seen, s.firing())
		}
	})
}

// TestProbation_OfOneThatIsDeleted needs a person, and ends when it is taken out.
func TestProbation_OfOneThatIsDeleted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(func(*rotatortest.Resource) {})
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true })
		s.pass(10 * 24 * time.Hour)
		if o := s.operation(op); o.State.Final() || o.NeedsYou() == nil {
			t.Errorf("%s, and needs nobody", o.State)
		}
		k := s.key
		k.Dependents = nil
		s.reload(k)
		s.pass(time.Hour)
		s.ends(op)
	})
}

// TestProbation_TheSecondHasALastLookToo of its own.
func TestProbation_TheSecondHasALastLookToo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents[0].Poll = 67 * time.Minute
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 20 * time.Minute })
		op := s.untilDisabled()
		for range 600 { // until the last look is over
			s.pass(time.Second * 10)
			if s.operation(op).State == rotator.StateCompleted {
				break
			}
			if p := s.operation(op).Probation; s.clock.Now().After(p.Add(-20 * time.Second)) {
				// the last look shows a denial: it is rolled back
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 10*time.Minute })
			}
		}
		s.wantVersions("++")
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs = "" })
		s.pass(4 * time.Hour)
		s.retire()
		start := s.clock.Now()
		for s.operation(op).State != rotator.StateCompleted && s.clock.Now().Sub(start) < 6*time.Hour {
			s.pass(10 * time.Second)
			if p := s.operation(op).Problem; p != nil {
				t.Errorf("after %s: %s %s (%s)\n%s", s.clock.Now().Sub(start), s.operation(op).State, p.Message, p.Hint, s.log())
				break
			}
		}
	})
}

// TestProbation_OfAKeyThatIsTakenOutAndPutBack is rolled back in time.
func TestProbation_OfAKeyThatIsTakenOutAndPutBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(needsFirst)
		s.reload()
		s.pass(15 * time.Minute)
		s.reload(s.key)
		s.pass(2 * time.Hour)
		if s.enabled() != "++" {
			t.Errorf("%s vault %s firing %q\n%s", s.operation(op).State, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestProbation_OfOneThatIsListedWhileItIsDisabled watches it.
func TestProbation_OfOneThatIsListedWhileItIsDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = []rotator.Dependent{{ID: storageID, Kind: "follower", Excluded: "for now"}}, 0
		s.key.Retire = rotator.RetireManual
		with := s.key
		with.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}}
		s.azure.Remove(cosmosID)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		s.attests("storage", "bob")
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" {
				return &rotatortest.Fault{Late: func() { <-time.After(10 * time.Second) }}
			}
			if call == "observe" {
				<-time.After(20 * time.Second)
			}
			return nil
		})
		go func() { _ = s.retiresAs("carol") }()
		for s.enabled() == "++" {
			s.pass(time.Second)
		}
		s.reload(with)
		s.pass(2 * time.Hour)
		if o := s.operation(op); o.State == rotator.StateCompleted && o.Operation.Trackers[rotator.TrackerWaiting] > 0 {
			t.Errorf("%s trackers %v vault %s firing %q\n%s", o.State, o.Operation.Trackers, s.enabled(), s.firing(), s.log())
		}
	})
}

// TestProbation_MoreIsRequiredMeanwhile of what is retired next: this one is watched to its end.
func TestProbation_MoreIsRequiredMeanwhile(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Soak, s.key.Retire = 0, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(30 * time.Hour)
		s.retire()
		s.want(op, rotator.StateProbation)
		s.key.Require = rotator.EvidenceConfirmed
		s.reload(s.key)
		s.pass(96 * time.Hour)
		if o := s.operation(op); !o.State.Final() {
			t.Errorf("%s for 4 days: needs you %v firing %q", o.State, o.NeedsYou(), s.firing())
		}
	})
}
