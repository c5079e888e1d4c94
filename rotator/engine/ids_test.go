package engine_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
)

// TestIDs_CannotBeHad: nothing begins without an id, everybody is told why, and it goes on
// by itself.
func TestIDs_CannotBeHad(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.store.LoseIDs(rotator.ErrStoreFull)
		_, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
		if rotator.CodeOf(err) != rotator.CodeUnavailable || !strings.Contains(err.Error(), rotator.ErrStoreFull.Error()) {
			t.Errorf("rotate: %v, want CodeUnavailable with the reason", err)
		}
		if _, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", Actor: "alice", For: time.Hour}); err == nil {
			t.Error("a silence began without an id")
		}
		s.store.LoseIDs(nil)
		s.pass(time.Minute)
		s.wantVersions("+")
		op := s.rotate()
		s.pass(time.Minute)
		s.want(op, rotator.StatePropagating)
	})
}

// TestSilences_IDsStay: an id is not used again when its silence was forgotten.
func TestSilences_IDsStay(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		for _, want := range []string{"s-1", "s-2"} {
			silence, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", Actor: "alice", For: time.Hour})
			if err != nil || silence.ID != want {
				t.Errorf("silence %s, %v, want %s", silence.ID, err, want)
			}
			s.pass(48 * time.Hour)
			if all, _ := s.engine.Silences(s.t.Context()); len(all) != 0 {
				t.Errorf("%d silences are still kept", len(all))
			}
			s.restart(time.Minute)
		}
	})
}
