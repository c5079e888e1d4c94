package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
)

// TestStoreBlocked_HalfASecondOfErrorsHeals within seconds and without a restart:
// requests are taken again, operations go on, and everybody hears both.
func TestStoreBlocked_HalfASecondOfErrorsHeals(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.start()
		op := s.rotateNow()
		broken := time.Now().Add(500 * time.Millisecond)
		s.store.Hook(func(*rotator.Change) error {
			if time.Now().Before(broken) {
				return errIO
			}
			return nil
		}, nil)
		if _, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", For: time.Hour, Actor: "alice"}); err == nil {
			t.Fatal("the commit did not fail")
		}
		s.wantFiring(blockedID)
		s.pass(5 * time.Second)
		s.wantFiring("")
		if blocked := s.engine.Summary().Blocked; blocked != "" {
			t.Errorf("still blocked: %s", blocked)
		}
		s.pass(time.Minute)
		s.wantHeard(receiver, "firing "+blockedID, "resolved "+blockedID)
		s.pass(26 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.wantVersions("-+")
	})
}
