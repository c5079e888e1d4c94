package engine_test

import (
	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
	"testing"
	"time"
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
