package engine_test

import (
	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
	"strings"
	"testing"
	"time"
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
