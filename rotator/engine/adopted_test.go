package engine_test

import (
	"slices"
	"testing"
	"time"

	"cmkd/rotator"
)

// TestForeign_TheNewestThatIsEnabledAgain is followed: it was disabled when a rotation adopted
// the one before it.
func TestForeign_TheNewestThatIsEnabledAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		s.start()
		s.pass(time.Hour)
		s.azure.Outside(keyID)
		s.pass(2 * time.Second)
		newest := s.azure.Outside(keyID).ID
		s.azure.Enable(keyID, newest, false)
		s.pass(10 * time.Minute)
		op := s.last()
		if got := s.operation(op); got.Target.ID == newest || !slices.Contains(got.Base, newest) {
			t.Fatalf("target %s, base %v", got.Target.ID, got.Base)
		}
		s.azure.Enable(keyID, newest, true)
		s.pass(time.Hour)
		s.unfreeze("f-1") // it went to the disabled one, and lost access
		s.pass(3 * time.Hour)
		if got := s.operation(s.last()); got.Target.ID != newest || got.State != rotator.StateCompleted {
			t.Errorf("%s %s target %s held %v\n%s", got.ID, got.State, got.Target.ID, got.Held, s.log())
		}
	})
}
