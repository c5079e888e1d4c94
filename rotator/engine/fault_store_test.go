package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
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
		s.completes(op)
		s.wantVersions("-+")
	})
}

// TestStoreBlocked_TheFirstEndsBeforeTheSecondBegins, also for a receiver that was
// told of the first all the time in between: else it takes the second to be over.
// (A request while nothing can be stored has the receivers looked at again, which
// makes the order of goroutines in TestStoreBlocked_AgainWhileAReceiverIsStillTold
// a certain one.)
func TestStoreBlocked_TheFirstEndsBeforeTheSecondBegins(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		hanging := &slow{release: make(chan struct{})}
		s.alerting.Receivers = []rotator.Receiver{{Name: "slow", Notifier: hanging}}
		s.start()
		s.block()
		s.pass(time.Second)
		s.store.Hook(nil, nil)
		s.pass(time.Minute)
		s.block()
		s.pass(time.Millisecond)
		close(hanging.release)
		s.pass(time.Millisecond)
		_, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
		wantError(t, err, rotator.CodeUnavailable, "cannot be written")
		s.pass(3 * time.Minute)
		hanging.want(t, "firing "+blockedID, "resolved "+blockedID, "firing "+blockedID)
		s.store.Hook(nil, nil)
		s.pass(5 * time.Minute)
		hanging.want(t, "firing "+blockedID, "resolved "+blockedID, "firing "+blockedID, "resolved "+blockedID)
	})
}

// TestStoreBlocked_WhileEveryCallIsOut: what is answered while nothing can be stored counts
// as answered afterwards, or no call could ever be made again.
func TestStoreBlocked_WhileEveryCallIsOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.limits.Calls = 2
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" {
				<-time.After(5 * time.Second)
			}
			return nil
		})
		s.start()
		op := s.rotate()
		s.pass(time.Second)
		s.store.Hook(func(*rotator.Change) error { return errIO }, nil)
		_, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", Actor: "alice", For: time.Hour})
		if err == nil {
			t.Fatal("the commit did not fail")
		}
		s.pass(10 * time.Second) // both are answered meanwhile
		s.store.Hook(nil, nil)
		s.pass(5 * time.Minute)
		s.want(op, rotator.StatePropagating)
	})
}
