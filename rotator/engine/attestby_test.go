package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestAttestation_OfTwoPersons lets either of them retire: the word of the other one stands.
func TestAttestation_OfTwoPersons(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Blind = []string{"backups"} })
		s.key.Retire = rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		for _, who := range []string{"bob", "carol"} {
			if _, err := s.attest("storage", who); err != nil {
				t.Fatal(err)
			}
		}
		s.pass(time.Minute)
		if _, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob"}); err != nil {
			t.Errorf("bob retires on carol's word: %v", err)
		}
		s.ends(op)
	})
}

// TestAttestation_ThatNothingRestsOn keeps nobody from retiring: the dependent is confirmed.
func TestAttestation_ThatNothingRestsOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Retire = rotator.RetireManual
		s.start()
		s.rotate()
		s.pass(5 * time.Hour)
		if _, err := s.attest("storage", "bob"); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		if _, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob"}); err != nil {
			t.Errorf("bob: %v", err)
		}
	})
}

// TestAttestation_ByOnePersonOfTwoNames is by one person: the system did not know the name for a moment.
func TestAttestation_ByOnePersonOfTwoNames(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Blind = []string{"backups"} })
		s.key.Retire = rotator.RetireManual
		s.start()
		s.rotate()
		s.pass(5 * time.Hour)
		if _, err := s.attest("storage", "bob (uid 1000)"); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		if _, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "uid 1000"}); err == nil {
			t.Errorf("uid 1000 retired on the word of bob (uid 1000): %s", s.enabled())
		}
	})
}

// TestAttestation_OfOneThatWasTakenOut keeps nobody from retiring.
func TestAttestation_OfOneThatWasTakenOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Retire = rotator.RetireManual
		s.key.Dependents[1].Excluded = "read by hand"
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Microsoft = true })
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		if _, err := s.attest("cosmos", "bob"); err != nil {
			t.Fatal(err)
		}
		k := s.key
		k.Dependents = k.Dependents[:1]
		s.reload(k)
		s.pass(time.Hour)
		_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob"})
		if err != nil {
			t.Errorf("%v; %s\n%s", err, s.operation(op).State, s.log())
		}
	})
}

// TestRetire_CompromisedEndsWithWhatItWasFor and a retirement after it has its probation.
func TestRetire_CompromisedEndsWithWhatItWasFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Blind = []string{"backups"} })
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateRetiring)
		var slow atomic.Bool
		slow.Store(true)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" && slow.Load() {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 10 * time.Minute}}
			}
			return nil
		})
		go func() {
			_, err := s.engine.Retire(context.Background(), rotator.Request{Key: "payments", Actor: "carol", Compromised: true})
			t.Logf("retire: %v", err)
		}()
		s.pass(time.Minute)
		s.azure.Outside(keyID)
		s.pass(7 * time.Minute)
		slow.Store(false)
		s.pass(30 * time.Minute)
		if _, err := s.attest("storage", "bob"); err != nil {
			t.Fatal(err)
		}
		s.pass(12 * time.Hour)
		if o := s.operation(op); o.Compromised || len(s.events(rotator.EventVersionDisabled)) > 0 && !strings.Contains(s.log(), "probation") {
			t.Errorf("%s compromised %v %s\n%s", o.State, o.Compromised, s.enabled(), s.log())
		}
	})
}
