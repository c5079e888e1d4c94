package engine_test

import (
	"fmt"
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
		s.store.LoseSpace(fmt.Errorf("store: %w", rotator.ErrStoreReplaced))
		s.pass(2 * time.Minute)
		s.wantFiring("store-blocked/daemon")
		if _, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"}); rotator.CodeOf(err) != rotator.CodeUnavailable {
			t.Errorf("rotate: %v, want CodeUnavailable", err)
		}
		s.store.LoseSpace(nil)
		s.pass(5 * time.Minute)
		s.wantFiring("")
		s.want(s.rotate(), rotator.StatePending)
	})
}
