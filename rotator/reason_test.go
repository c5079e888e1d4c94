package rotator_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// reasonOf returns the reason that the last event of a type has.
func reasonOf(s *estate, t rotator.EventType) string {
	s.t.Helper()
	events, err := s.engine.Events(s.t.Context(), rotator.EventFilter{Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	reason := "there is no such event"
	for _, e := range events {
		if e.Type == t {
			reason = e.Data["reason"]
		}
	}
	return reason
}

// TestReasons holds that the reason of whoever consents or cancels is kept.
func TestReasons(t *testing.T) {
	t.Parallel()
	t.Run("approve", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.key.TwoPerson = true
			s.start()
			id := s.revoke("alice")
			op, err := s.engine.Approve(s.t.Context(), rotator.OperationRequest{Operation: id, Actor: "bob", Reason: "confirmed by phone"})
			if err != nil || len(op.Approvals) != 1 || op.Approvals[0].Reason != "confirmed by phone" {
				s.t.Errorf("approved as %+v (%v)", op.Approvals, err)
			}
			if got := reasonOf(s, rotator.EventApproved); got != "confirmed by phone" {
				s.t.Errorf("the event has the reason %q", got)
			}
		})
	})
	cancel := func(s *estate, id rotator.OperationID) {
		s.t.Helper()
		if _, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: id, Actor: "bob", Reason: "not now"}); err != nil {
			s.t.Fatal(err)
		}
		if got := reasonOf(s, rotator.EventStateChanged); got != "not now" {
			s.t.Errorf("the event has the reason %q", got)
		}
	}
	t.Run("cancel what waits", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.key.TwoPerson = true
			s.start()
			cancel(s, s.revoke("alice"))
		})
	})
	t.Run("cancel what goes on", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.start()
			id := s.rotate()
			s.pass(time.Minute)
			cancel(s, id)
		})
	})
	t.Run("cancel while a version is made", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(s *estate) {
			s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
				if call == "create" {
					return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false)}
				}
				return nil
			})
			s.start()
			id := s.rotate()
			s.pass(5 * time.Second)
			if _, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: id, Actor: "bob", Reason: "not now"}); err != nil {
				s.t.Fatal(err)
			}
			if got := reasonOf(s, rotator.EventCancelRequested); got != "not now" {
				s.t.Errorf("the event has the reason %q", got)
			}
		})
	})
}
