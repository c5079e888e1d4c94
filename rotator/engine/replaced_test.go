package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
)

// TestStoreReplaced: an idle engine notices within a minute that nothing can be stored any
// more, and goes on by itself when it can.
func TestStoreReplaced(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		const hint = "put the file back"
		s.store.LoseSpace(&rotator.Error{Code: rotator.CodeUnavailable, Message: "store", Hint: hint, Err: rotator.ErrStoreReplaced})
		s.pass(2 * time.Minute)
		s.wantFiring("store-blocked/daemon")
		if _, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"}); rotator.CodeOf(err) != rotator.CodeUnavailable || rotator.AsError(err).Hint != hint {
			t.Errorf("rotate: %v, want CodeUnavailable and the store's own hint", err)
		}
		if all, err := s.engine.Alerts(t.Context()); err != nil || len(all) != 1 || all[0].Hint != hint {
			t.Errorf("alerts are %+v, %v, want the store's own hint", all, err)
		}
		s.store.LoseSpace(nil)
		s.pass(5 * time.Minute)
		s.wantFiring("")
		op := s.rotate()
		s.pass(time.Minute)
		s.want(op, rotator.StatePropagating)
	})
}
