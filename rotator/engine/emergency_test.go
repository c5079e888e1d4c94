package engine_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"cmkd/rotator"
)

var (
	full  = rotator.Space{Used: 1 << 20, Free: 1 << 20, Total: 1 << 40}
	roomy = rotator.Space{Used: 1 << 20, Free: 1 << 39, Total: 1 << 40}
)

const nearFullID, blockedID = "store-near-full/daemon", "store-blocked/daemon"

// slow is a receiver whose first call takes until it is released.
type slow struct {
	release chan struct{}
	mu      sync.Mutex
	calls   []string
}

func (r *slow) Notify(ctx context.Context, n rotator.Notification) error {
	r.mu.Lock()
	first := len(r.calls) == 0
	for _, a := range n.Alerts {
		r.calls = append(r.calls, map[bool]string{true: "firing ", false: "resolved "}[a.Firing()]+a.ID)
	}
	r.mu.Unlock()
	if !first {
		return nil
	}
	select {
	case <-r.release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// want checks what the receiver was called with. What could not be stored it may hear
// twice in a row.
func (r *slow) want(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(slices.Compact(slices.Clone(r.calls)), want) {
		t.Fatalf("the receiver was called with %q, want %q", r.calls, want)
	}
}

// block lets nothing be stored any more, and has the engine notice.
func (s *estate) block() {
	s.store.Hook(func(*rotator.Change) error { return rotator.ErrStoreFull }, nil)
	_, _ = s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
}

// TestStoreBlocked_TheEndComesAfterTheBeginning, also for a receiver that was still
// being told of the beginning when the store could be written again.
func TestStoreBlocked_TheEndComesAfterTheBeginning(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		hanging := &slow{release: make(chan struct{})}
		other := s.listen()
		s.alerting.Receivers = append(s.alerting.Receivers, rotator.Receiver{Name: "slow", Notifier: hanging})
		s.start()
		s.block()
		s.pass(time.Second)
		s.store.Hook(nil, nil)
		s.pass(2 * time.Minute)
		s.wantHeard(other, "firing "+blockedID, "resolved "+blockedID)
		hanging.want(t, "firing "+blockedID)
		close(hanging.release)
		s.pass(10 * time.Second)
		hanging.want(t, "firing "+blockedID, "resolved "+blockedID)
		s.wantFiring("")
		if alerts, _ := s.engine.Alerts(s.t.Context()); len(alerts) != 0 {
			t.Errorf("%s is kept though everybody was told", alerts[0].ID)
		}
	})
}

// TestStoreBlocked_AgainAndAgain while a receiver is still being told of the first
// time: it is told of the rest once it has answered.
func TestStoreBlocked_AgainAndAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		hanging := &slow{release: make(chan struct{})}
		s.alerting.Receivers = []rotator.Receiver{{Name: "slow", Notifier: hanging}}
		s.start()
		for range 2 {
			s.block()
			s.pass(time.Second)
			s.store.Hook(nil, nil)
			s.pass(time.Minute)
		}
		close(hanging.release)
		s.pass(time.Minute)
		s.store.SetSpace(full)
		s.pass(2 * time.Minute)
		hanging.want(t, "firing "+blockedID, "resolved "+blockedID, "firing "+nearFullID)
	})
}

// TestStoreBlocked_AgainWhileAReceiverIsStillTold of the first time.
func TestStoreBlocked_AgainWhileAReceiverIsStillTold(t *testing.T) {
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
		s.pass(time.Minute)
		hanging.want(t, "firing "+blockedID)
		close(hanging.release)
		s.pass(3 * time.Minute)
		hanging.want(t, "firing "+blockedID, "resolved "+blockedID, "firing "+blockedID)
		s.store.Hook(nil, nil)
		s.pass(5 * time.Minute)
		hanging.want(t, "firing "+blockedID, "resolved "+blockedID, "firing "+blockedID, "resolved "+blockedID)
	})
}

// TestStoreBlocked_MendedAndStopped: whoever frees the disk starts the daemon anew
// before it has noticed, and still everybody is told of the end.
func TestStoreBlocked_MendedAndStopped(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.start()
		s.rotateNow() // looks are out
		s.block()
		s.pass(10 * time.Minute)
		s.wantHeard(receiver, "firing "+blockedID)
		s.store.Hook(nil, nil)
		s.restart(time.Second)
		s.pass(time.Minute)
		s.wantHeard(receiver, "resolved "+blockedID)
	})
}

// TestStoreBlocked_StopsWhileAReceiverHangs.
func TestStoreBlocked_StopsWhileAReceiverHangs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.alerting.Receivers = []rotator.Receiver{{Name: "slow", Notifier: &slow{release: make(chan struct{})}}}
		s.start()
		s.block()
		s.pass(time.Second)
		s.store.Hook(nil, nil)
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s to stop", took)
		}
	})
}

// TestStoreBlocked_OneReceiverHangsAnotherIsTold.
func TestStoreBlocked_OneReceiverHangsAnotherIsTold(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.alerting.Receivers = append([]rotator.Receiver{{Name: "slow", Notifier: &slow{release: make(chan struct{})}}}, s.alerting.Receivers...)
		s.start()
		s.block()
		s.pass(time.Second)
		s.wantHeard(receiver, "firing "+blockedID)
		s.store.Hook(nil, nil)
	})
}

// TestStoreBlocked_Silenced is shown, and nobody is told.
func TestStoreBlocked_Silenced(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.start()
		if _, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Rule: rotator.RuleStoreBlocked, For: time.Hour, Actor: "alice"}); err != nil {
			t.Fatal(err)
		}
		s.block()
		s.pass(30 * time.Minute)
		s.wantFiring(blockedID)
		s.wantHeard(receiver)
		s.pass(time.Hour)
		s.wantHeard(receiver, "firing "+blockedID)
		s.store.Hook(nil, nil)
		s.pass(5 * time.Minute)
		s.wantHeard(receiver, "resolved "+blockedID)
	})
}

// TestOutbox_WorstFirst, also if there is more than is told at once.
func TestOutbox_WorstFirst(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		receiver.Down(unreachable)
		keys := []rotator.Key{s.key}
		for i := range 510 {
			id := rotator.KeyID(fmt.Sprintf("%s%03d", keyID, i))
			s.azure.AddKey(id)
			s.azure.SetPolicy(id, rotator.RotationPolicy{Rotate: "P90D after creation"})
			keys = append(keys, rotator.Key{Name: fmt.Sprintf("key%03d", i), ID: id, Schedule: schedule(t, "0 3 1 6 *", rotator.MisfireCatchUp)})
		}
		s.start()
		if err := s.engine.Reload(s.t.Context(), keys, s.alerting); err != nil {
			t.Fatal(err)
		}
		s.revoke("alice")
		s.pass(5 * time.Minute)
		s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, true)
		s.pass(5 * time.Minute)
		receiver.Down(nil)
		s.pass(5 * time.Minute)
		if heard := receiver.Heard(); len(heard) != 511 || heard[0] != "firing revocation-undone/op-1/revocation-undone" {
			t.Errorf("heard %d, the first is %q", len(heard), heard[0])
		}
	})
}

// TestOutbox_ThatComesBackWhileItsEndIsTold is told again.
func TestOutbox_ThatComesBackWhileItsEndIsTold(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.store.SetSpace(full)
		s.start()
		s.pass(10 * time.Second)
		s.wantHeard(receiver, "firing "+nearFullID)
		release := receiver.Hang()
		s.store.SetSpace(roomy)
		s.pass(time.Minute)
		s.wantFiring("")
		s.store.SetSpace(full)
		s.pass(time.Minute)
		s.wantFiring(nearFullID)
		release()
		s.pass(time.Minute)
		s.wantHeard(receiver, "resolved "+nearFullID, "firing "+nearFullID)
	})
}

// TestAlert_ForgottenAndBackAtOnce is in the store.
func TestAlert_ForgottenAndBackAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.store.SetSpace(full)
		s.start()
		s.pass(10 * time.Second)
		release := receiver.Hang()
		s.store.SetSpace(roomy)
		s.pass(time.Minute)
		s.wantFiring("")
		s.store.SetSpace(full)
		s.pass(49*time.Second + 500*time.Millisecond)
		release() // half a second before the disk is looked at again
		s.pass(2 * time.Second)
		s.wantFiring(nearFullID)
		book, err := s.store.Book(s.t.Context())
		if err != nil || len(book.Alerts) != 1 {
			t.Fatalf("the store has alerts %+v (%v)", book.Alerts, err)
		}
		s.pass(10 * time.Second)
		s.wantHeard(receiver, "firing "+nearFullID, "resolved "+nearFullID, "firing "+nearFullID)
	})
}

// TestAlert_ADiskThatCannotBeAsked is as full as it was.
func TestAlert_ADiskThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.store.SetSpace(full)
		s.start()
		s.wantFiring(nearFullID)
		s.store.LoseSpace(refused(rotator.CodeUnavailable, true))
		s.pass(5 * time.Minute)
		s.wantFiring(nearFullID)
		s.store.LoseSpace(nil)
		s.store.SetSpace(roomy)
		s.pass(2 * time.Minute)
		s.wantFiring("")
	})
}

// TestSilence_ThatEndedHoldsNothing, and nothing else says that it does.
func TestSilence_ThatEndedHoldsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.stall()
		s.pass(time.Minute)
		s.wantHeard(receiver, "firing "+stalledID)
		if _, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Alert: stalledID, For: time.Hour, Actor: "alice"}); err != nil {
			t.Fatal(err)
		}
		if sum := s.engine.Summary(); sum.Silenced != 1 {
			t.Errorf("%d alerts are silenced, want 1", sum.Silenced)
		}
		s.pass(time.Hour + time.Minute + time.Second)
		alerts, _ := s.engine.Alerts(s.t.Context())
		if sum := s.engine.Summary(); alerts[0].Silence != "" || sum.Silenced != 0 || sum.Alerts[rotator.SeverityWarning] != 1 {
			t.Errorf("silenced by %q; the summary counts %v and %d silenced", alerts[0].Silence, sum.Alerts, sum.Silenced)
		}
	})
}
