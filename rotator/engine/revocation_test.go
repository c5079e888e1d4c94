package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

func (s *estate) revoke(actor string) rotator.OperationID {
	s.t.Helper()
	op, err := s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{
		Request: rotator.Request{Key: "payments", Actor: actor, Reason: "incident 42"}, Confirm: "payments",
	})
	if err != nil {
		s.t.Fatalf("revoke: %v", err)
	}
	return op.ID
}

func (s *estate) reinstate() rotator.OperationID {
	s.t.Helper()
	op, err := s.engine.Reinstate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
	if err != nil {
		s.t.Fatalf("reinstate: %v", err)
	}
	return op.ID
}

// TestRevocation_OfWhatNoPageDocuments is not proven by time, unless the operator says how
// long it takes.
func TestRevocation_OfWhatNoPageDocuments(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		window time.Duration
		want   rotator.OperationState
	}{
		"time says nothing":          {0, rotator.StateTakingEffect},
		"the operator says how long": {2 * time.Hour, rotator.StateEffective},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Kind, r.NoAccess = "undocumented", true })
				s.services = []rotator.Service{s.azure.Service("undocumented", rotator.Traits{Window: time.Hour, Best: rotator.EvidenceInferred})}
				s.key.Dependents = []rotator.Dependent{{ID: cosmosID, Kind: "undocumented", Window: tt.window}}
				s.start()
				op := s.revoke("alice")
				s.pass(7 * 24 * time.Hour)
				s.want(op, tt.want)
			})
		})
	}
}

func TestRevocation_UntilAccessIsSeenDeniedAndBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.NoAccess = true })
		s.azure.Outside(keyID)
		s.azure.Outside(keyID)
		s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, false)
		s.pass(time.Hour)
		s.start()
		op := s.revoke("alice")
		s.pass(5 * time.Minute)
		s.wantVersions("---")
		s.want(op, rotator.StateTakingEffect)
		s.pass(20 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		s.wantTracker(op, cosmosID, rotator.TrackerPropagating, "")
		s.pass(40 * time.Minute)
		s.wantTracker(op, cosmosID, rotator.TrackerDone, rotator.EvidenceInferred)
		s.want(op, rotator.StateEffective)
		s.pass(24 * time.Hour)

		back := s.reinstate()
		s.pass(5 * time.Minute)
		s.wantVersions("-++")
		s.want(back, rotator.StateRecovering)
		s.pass(time.Hour)
		s.want(back, rotator.StateRecovered)
		s.completes(op)
	})
}

func TestRevocation_DisablesNewestFirst(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.pass(time.Hour)
		s.azure.Outside(keyID)
		var order []string
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "set-enabled" {
				order = append(order, of)
			}
			return nil
		})
		s.start()
		s.revoke("alice")
		s.pass(time.Minute)
		made := s.azure.List(keyID)
		if want := []string{made[1].ID, made[0].ID}; !slices.Equal(order, want) {
			t.Errorf("disabled in order %v, want %v", order, want)
		}
	})
}

func TestRevocation_DoesNotGiveUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		n := 0
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" && n < 5 {
				n++
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		s.start()
		op := s.revoke("alice")
		s.pass(10 * time.Second)
		if got := s.want(op, rotator.StateDisabling); got.Problem == nil {
			t.Error("nobody is told")
		}
		s.pass(2 * time.Minute)
		s.wantVersions("-")
	})
}

func TestRevocation_Undone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.revoke("alice")
		s.pass(2 * time.Hour)
		s.want(op, rotator.StateEffective)
		s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, true)
		s.pass(2 * time.Minute)
		if got := s.operation(op); got.Problem == nil || got.Problem.Code != "revocation-undone" {
			t.Fatalf("problem is %v\n%s", got.Problem, s.log())
		}
		if n := len(s.events(rotator.EventVersionReenabled)); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
		s.want(op, rotator.StateTakingEffect)
		s.pass(time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "") // it has access again
		s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, false)
		s.pass(2 * time.Minute)
		if got := s.operation(op); got.Problem != nil {
			t.Errorf("problem stays: %v", got.Problem)
		}
	})
}

func TestRevocation_StallsWhenAccessStays(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.start()
		op := s.revoke("alice")
		s.pass(59 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
		s.pass(3 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerStalled, "")
		s.want(op, rotator.StateTakingEffect)
	})
}

func TestRevocation_InterruptsARotation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		rotation := s.rotate()
		s.pass(10 * time.Minute)
		revocation := s.revoke("alice")
		s.pass(3 * time.Minute)
		s.want(rotation, rotator.StateCancelled)
		s.want(revocation, rotator.StateTakingEffect)
		s.wantVersions("--")
	})
}

func TestRevocation_CatchesAVersionInTheMaking(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		late := make(chan struct{})
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				<-late
			}
			return nil
		})
		s.start()
		s.rotate()
		s.pass(time.Second)
		revocation := s.revoke("alice")
		s.pass(10 * time.Second)
		close(late)
		s.pass(3 * time.Minute)
		s.wantVersions("--")
		if got := s.operation(revocation); got.Problem != nil {
			t.Errorf("problem: %v", got.Problem)
		}
	})
}

func TestRevocation_NeedsASecondPerson(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.TwoPerson = true
		s.start()
		op := s.revoke("alice")
		s.pass(time.Hour)
		s.want(op, rotator.StateAwaitingApproval)
		s.wantVersions("+")
		_, err := s.engine.Approve(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "alice"})
		wantError(t, err, rotator.CodeRefused, "another person")
		if _, err := s.engine.Approve(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "bob"}); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		s.wantVersions("-")
	})
}

func TestRevocation_Refusals(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		_, err := s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{Request: rotator.Request{Key: "payments", Actor: "a"}, Confirm: "payment"})
		wantError(t, err, rotator.CodeInvalid, "--confirm payments")
		_, err = s.engine.Reinstate(s.t.Context(), rotator.Request{Key: "payments", Actor: "a"})
		wantError(t, err, rotator.CodeConflict, "not revoked")
		op := s.revoke("alice")
		s.pass(time.Minute)
		_, err = s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "a"})
		wantError(t, err, rotator.CodeConflict, "cmkd reinstate payments")
		_, err = s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "a"})
		wantError(t, err, rotator.CodeRefused, "cmkd reinstate payments")
	})
}

// TestRevocation_OfOneOfSeveralKeys ends nothing for a dependent that has a list of keys of
// which any one serves (azure/facts-services.md A7): that time has passed does not tell that
// it stopped.
func TestRevocation_OfOneOfSeveralKeys(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = "https://contoso.vault.azure.net/keys/other"
		s.azure.AddKey(other)
		s.azure.AddResource(rotatortest.Resource{
			ID: storageID, Kind: "follower", NoAccess: true, Use: rotatortest.Use{Path: "keys[payments]", Key: keyID},
			More: []*rotatortest.Use{{Path: "keys[other]", Key: other}},
		})
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		op := s.revoke("alice")
		s.pass(24 * time.Hour)
		s.want(op, rotator.StateTakingEffect)
		s.wantTracker(op, storageID, rotator.TrackerNeedsAction, "")
		if p := s.tracker(op, storageID).Detail.Problem; p == nil || p.Code != rotator.ReasonOtherKeyServes || !strings.Contains(p.Message, other) {
			t.Errorf("says %v", p)
		}
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.More = nil }) // taken out of the list
		s.pass(24 * time.Hour)
		s.want(op, rotator.StateEffective)
	})
}

// TestRevocation_OfEachOfSeveralKeys has each of the keys of a list be revoked, as the hint says.
func TestRevocation_OfEachOfSeveralKeys(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = "https://contoso.vault.azure.net/keys/other"
		s.azure.AddKey(other)
		s.azure.AddResource(rotatortest.Resource{
			ID: storageID, Kind: "follower", NoAccess: true, Use: rotatortest.Use{Path: "keys[payments]", Key: keyID},
			More: []*rotatortest.Use{{Path: "keys[other]", Key: other}},
		})
		s.key.Dependents = s.key.Dependents[:1]
		s.also = []rotator.Key{{Name: "other", ID: other, Retire: rotator.RetireManual, Dependents: s.key.Dependents}}
		s.start()
		op := s.revoke("alice")
		two, err := s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{Request: rotator.Request{Key: "other", Actor: "alice", Reason: "x"}, Confirm: "other"})
		if err != nil {
			t.Fatal(err)
		}
		s.pass(24 * time.Hour)
		for _, id := range []rotator.OperationID{op, two.ID} {
			p := s.tracker(id, storageID).Detail.Problem
			if p != nil && strings.Contains(p.Message, "goes on under") {
				t.Errorf("%s %s: says %v", id, s.operation(id).State, p)
			}
		}
		if t.Failed() {
			return
		}
		if _, err := s.engine.Reinstate(s.t.Context(), rotator.Request{Key: "other", Actor: "alice"}); err != nil {
			t.Fatal(err)
		}
		s.pass(24 * time.Hour)
		s.want(op, rotator.StateTakingEffect)
		s.wantTracker(op, storageID, rotator.TrackerNeedsAction, "")
	})
}
