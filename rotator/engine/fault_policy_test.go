package engine_test

import (
	"encoding/json"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestReload_RetireIsReadAgainBeforeItHappens: what the configuration says when the
// soak is over counts, not what it said when the rotation began.
func TestReload_RetireIsReadAgainBeforeItHappens(t *testing.T) {
	t.Parallel()
	for retire, state := range map[rotator.Retire]rotator.OperationState{
		rotator.RetireOff:    rotator.StateCompleted,
		rotator.RetireManual: rotator.StateRetiring,
	} {
		t.Run(string(retire), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				op := s.rotate()
				s.pass(24*time.Hour + 30*time.Minute)
				s.want(op, rotator.StateSoaking)
				s.key.Retire = retire
				s.reload(s.key)
				s.pass(3 * time.Hour)
				s.wantVersions("++")
				s.want(op, state)
			})
		})
	}
}

// TestReload_AKeyTakenOutWhilePendingIsNotRotated: it is not ours any more.
func TestReload_AKeyTakenOutWhilePendingIsNotRotated(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(s *estate) (release func()){
		"while a dependent keeps it": func(s *estate) func() {
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true })
			return func() { s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = false }) }
		},
		"while its versions are read": func(s *estate) func() {
			answer := make(chan struct{})
			s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
				if call == "versions" {
					<-answer
				}
				return nil
			})
			return func() { close(answer) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Schedule = schedule(t, "25 1 1 1 *", rotator.MisfireCatchUp)
				s.start()
				s.pass(24 * time.Minute)
				release := hold(s)
				s.pass(2 * time.Minute)
				s.want(1, rotator.StatePending)
				s.reload()
				release()
				s.pass(time.Hour)
				s.wantVersions("+")
			})
		})
	}
}

// requestRevocation begins a rotation, and asks for a revocation that a second person
// has to approve.
func (s *estate) requestRevocation() (rotation, revocation rotator.OperationID) {
	s.key.TwoPerson = true
	s.start()
	rotation = s.rotate()
	s.pass(10 * time.Minute)
	s.want(rotation, rotator.StatePropagating)
	revocation = s.revoke("alice")
	s.pass(time.Minute)
	return rotation, revocation
}

// TestRevocation_ARequestCancelsNothing: one person alone cannot end a rotation by
// asking for a revocation and withdrawing it.
func TestRevocation_ARequestCancelsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		rotation, revocation := s.requestRevocation()
		s.want(revocation, rotator.StateAwaitingApproval)
		s.want(rotation, rotator.StatePropagating)
		s.cancel(revocation)
		s.pass(27 * time.Hour)
		s.completes(rotation)
		s.wantVersions("-+")
	})
}

// TestRevocation_AnApprovalCancelsTheRotation, and not the request.
func TestRevocation_AnApprovalCancelsTheRotation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		rotation, revocation := s.requestRevocation()
		s.want(rotation, rotator.StatePropagating)
		if _, err := s.engine.Approve(s.t.Context(), rotator.OperationRequest{Operation: revocation, Actor: "bob"}); err != nil {
			t.Fatal(err)
		}
		s.pass(3 * time.Minute)
		s.want(rotation, rotator.StateCancelled)
		s.want(revocation, rotator.StateTakingEffect)
		s.wantVersions("--")
	})
}

const ticket = "ticket 4711"

// reasoned are the commands that take a reason, each with what leads up to it.
var reasoned = map[string]func(s *estate) error{
	"rotate": func(s *estate) error {
		_, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob", Reason: ticket})
		return err
	},
	"revoke": func(s *estate) error {
		_, err := s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{
			Request: rotator.Request{Key: "payments", Actor: "bob", Reason: ticket}, Confirm: "payments",
		})
		return err
	},
	"reinstate": func(s *estate) error {
		s.revoke("alice")
		s.pass(5 * time.Minute)
		_, err := s.engine.Reinstate(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob", Reason: ticket})
		return err
	},
	"approve": func(s *estate) error {
		s.key.TwoPerson = true
		s.reload(s.key)
		_, err := s.engine.Approve(s.t.Context(), rotator.OperationRequest{Operation: s.revoke("alice"), Actor: "bob", Reason: ticket})
		return err
	},
	"cancel, before a version is made": func(s *estate) error {
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" {
				<-time.After(10 * time.Second)
			}
			return nil
		})
		_, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: s.rotate(), Actor: "bob", Reason: ticket})
		return err
	},
	"cancel, while a version is made": func(s *estate) error {
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				<-time.After(10 * time.Second)
			}
			return nil
		})
		_, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: s.rotateNow(), Actor: "bob", Reason: ticket})
		return err
	},
	"cancel, after a version was made": func(s *estate) error {
		_, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: s.rotateNow(), Actor: "bob", Reason: ticket})
		return err
	},
	"retire": func(s *estate) error {
		s.rotate()
		s.pass(27 * time.Hour)
		_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob", Reason: ticket})
		return err
	},
	"silence end": func(s *estate) error {
		made, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", For: time.Hour, Actor: "alice"})
		if err == nil {
			_, err = s.engine.EndSilence(s.t.Context(), made.ID, "bob", ticket)
		}
		return err
	},
	"silence": func(s *estate) error {
		_, err := s.engine.Silence(s.t.Context(), rotator.SilenceRequest{Key: "payments", For: time.Hour, Actor: "bob", Reason: ticket})
		return err
	},
}

// TestReason_OfEveryCommandIsInTheAuditTrail, as a fact of an event by who gave it.
func TestReason_OfEveryCommandIsInTheAuditTrail(t *testing.T) {
	t.Parallel()
	for name, command := range reasoned {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Retire = rotator.RetireManual
				s.start()
				if err := command(s); err != nil {
					t.Fatal(err)
				}
				s.pass(30 * time.Second)
				all, err := s.store.Events(s.t.Context(), rotator.EventFilter{})
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range all {
					if e.Actor == "bob" && e.Data["reason"] == ticket {
						return
					}
				}
				t.Errorf("no event has the reason\n%s", s.log())
			})
		})
	}
}

// TestApproval_KeepsItsReason with the operation, as programs read it.
func TestApproval_KeepsItsReason(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		if err := reasoned["approve"](s); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(s.operation(1))
		if err != nil {
			t.Fatal(err)
		}
		var op struct {
			Approvals []struct{ Actor, Reason string }
		}
		if err := json.Unmarshal(data, &op); err != nil {
			t.Fatal(err)
		}
		if len(op.Approvals) != 1 || op.Approvals[0].Actor != "bob" || op.Approvals[0].Reason != ticket {
			t.Errorf("approvals are %+v, want one by bob with the reason %q", op.Approvals, ticket)
		}
	})
}
