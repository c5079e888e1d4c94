package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
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
		_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob"})
		if err != nil && strings.Contains(err.Error(), "stays enabled") {
			t.Errorf("retire says %q; vault %s", err, s.enabled())
		}
	})
}

// TestRetire_RefusedAsCompromised has no effect on the retirement after it.
func TestRetire_RefusedAsCompromised(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Blind = []string{"backups"} })
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "carol", Compromised: true})
		wantError(t, err, rotator.CodeRefused, "backups")
		if _, err := s.attest("storage", "bob"); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		if got := s.operation(op); got.State != rotator.StateProbation {
			t.Errorf("%s, compromised %v\n%s", got.State, got.Compromised, s.log())
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
		t.Logf("%s prob %v firing %q", s.operation(op).State, s.operation(op).Problem, s.firing())
	})
}

// TestProbation_OfALongWindow calls nobody, either.
func TestProbation_OfALongWindow(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = []rotator.Dependent{{ID: storageID, Kind: "slow"}}, 0
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "slow", Use: rotatortest.Use{Key: keyID}})
		s.azure.Remove(cosmosID)
		all := append(s.azure.Services(), s.azure.Service("slow", rotator.Traits{Window: time.Hour, Revocation: 24 * time.Hour, Best: rotator.EvidenceConfirmed}))
		e := engine.New(engine.Options{Store: s.store, Vault: s.azure, Services: all, Lister: s.azure, Clock: s.clock, Keys: []rotator.Key{s.key}})
		s.engine = e
		ctx, cancel := context.WithCancel(s.t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		s.stop = func() { cancel(); <-done; s.stop = nil }
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
		t.Logf("%s firing %q", s.operation(op).State, s.firing())
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

// TestProbation_OfOneThatIsDeleted ends when it is taken out.
func TestProbation_OfOneThatIsDeleted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.retires(func(*rotatortest.Resource) {})
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true })
		s.pass(10 * 24 * time.Hour)
		o := s.operation(op)
		t.Logf("%s problem %v needs %v firing %q", o.State, o.Problem, o.NeedsYou(), s.firing())
		k := s.key
		k.Dependents = nil
		s.reload(k)
		s.pass(time.Hour)
		o = s.operation(op)
		t.Logf("%s problem %v trackers %v firing %q", o.State, o.Problem, o.Operation.Trackers, s.firing())
		if !o.State.Final() {
			t.Errorf("stands still\n%s", s.log())
		}
	})
}
