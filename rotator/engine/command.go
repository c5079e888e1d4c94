package engine

import (
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

func underWay(key string, op *rotator.Operation) *rotator.Error {
	err := rotator.Errorf(rotator.CodeConflict, "%s %s of %s is under way (%s)", op.Kind, op.ID, key, op.State)
	if op.Kind == rotator.KindRevocation {
		return err.WithHint("the key is revoked: cmkd reinstate %s first", key)
	}
	return err.WithHint("cmkd status %s shows it, cmkd cancel %s ends it", op.ID, op.ID)
}

func (c commands) rotate(r rotator.Request) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	if !schedule(c).makeWay(r.Key) {
		return nil, underWay(r.Key, &c.liveOf(key).op)
	}
	return rotation(c).begin(key, rotator.CauseOperator, r.Actor, r.Reason), nil
}

func (c commands) revoke(r rotator.RevokeRequest) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	if r.Confirm != r.Key {
		return nil, rotator.Errorf(rotator.CodeInvalid, "a revocation must be confirmed by the name of the key").WithHint("--confirm %s", r.Key)
	}
	if l := c.liveOf(key); l != nil {
		if l.op.Kind == rotator.KindRevocation {
			return nil, underWay(r.Key, &l.op)
		}
		if err := c.load(l); err != nil {
			return nil, err
		}
		revocation(c).giveWay(l, r.Actor)
	}
	return revocation(c).begin(key, r.Actor, r.Reason), nil
}

func (c commands) reinstate(r rotator.Request) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	l := c.liveOf(key)
	switch {
	case l == nil || l.op.Kind != rotator.KindRevocation:
		return nil, rotator.Errorf(rotator.CodeConflict, "key %s is not revoked by cmkd", r.Key).WithHint("cmkd history %s shows what happened", r.Key)
	case l.op.State == rotator.StateAwaitingApproval:
		return nil, rotator.Errorf(rotator.CodeConflict, "the revocation of %s is not approved yet", r.Key).WithHint("cmkd cancel %s ends it", l.op.ID)
	case c.busy(l) && l.op.State == rotator.StateDisabling:
		// It might disable a version after it was enabled again.
		return nil, rotator.Errorf(rotator.CodeUnavailable, "a call of %s is under way", l.op.ID).WithHint("try again in a moment")
	}
	if err := c.load(l); err != nil {
		return nil, err
	}
	return revocation(c).beginReinstatement(key, l, r.Actor, r.Reason), nil
}

// retire starts the guard; answer is called when it has spoken.
func (c commands) retire(r rotator.Request, answer func(rotator.Operation, error)) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	l := c.liveOf(key)
	if l == nil || l.op.Kind != rotator.KindRotation {
		return nil, rotator.Errorf(rotator.CodeConflict, "no rotation of %s is under way, so there is nothing to retire", r.Key).
			WithHint("cmkd history %s shows the past ones", r.Key)
	}
	if err := c.load(l); err != nil {
		return nil, err
	}
	if l.op.State != rotator.StateRetiring {
		if objs := objections(c.guardView(l)); len(objs) > 0 {
			return nil, refusal(r.Key, objs)
		}
		return nil, rotator.Errorf(rotator.CodeRefused, "rotation %s is %s", l.op.ID, l.op.State).WithHint("cmkd status %s shows how far it is", l.op.ID)
	}
	l.op.Retirer, l.op.Waiting, l.op.Problem = r.Actor, "", nil
	l.op.Wake, l.guarding = time.Time{}, false
	c.draft.changed(l)
	e := c.draft.noted(l, rotator.EventRetireRequested, r.Actor, "retire version %s", strings.Join(l.op.Previous, ", "))
	if r.Reason != "" {
		e.Data = map[string]string{"reason": r.Reason}
	}
	l.retirers = append(l.retirers, answer)
	return l, nil
}

func (c commands) approve(r rotator.OperationRequest) (*live, error) {
	l, err := c.liveOperation(r.Operation)
	if err != nil {
		return nil, err
	}
	switch {
	case l.op.State != rotator.StateAwaitingApproval:
		return nil, rotator.Errorf(rotator.CodeConflict, "%s does not wait for an approval, it is %s", r.Operation, l.op.State)
	case r.Actor == l.op.Actor:
		return nil, rotator.Errorf(rotator.CodeRefused, "%s was asked for by %s, another person must approve it", r.Operation, r.Actor)
	}
	l.op.Approvals = append(slices.Clone(l.op.Approvals), rotator.Approval{Actor: r.Actor, At: c.now})
	c.draft.noted(l, rotator.EventApproved, r.Actor, "%s of %s is approved", l.op.Kind, l.op.Key)
	c.draft.entered(l, rotator.StateDisabling, r.Actor, "approved")
	return l, nil
}

func (c commands) cancel(r rotator.OperationRequest) (*live, error) {
	l, err := c.liveOperation(r.Operation)
	if err != nil {
		return nil, err
	}
	switch l.op.State {
	case rotator.StatePending, rotator.StateAwaitingApproval, rotator.StateRecovering:
		c.draft.entered(l, rotator.StateCancelled, r.Actor, r.Reason)
	case rotator.StateCreating:
		l.op.CancelledBy = r.Actor
		l.op.Waiting = "to know whether the vault made a version, then it is cancelled"
		c.draft.changed(l)
	case rotator.StatePropagating, rotator.StateSoaking, rotator.StateRetiring:
		if c.busy(l) && l.op.State == rotator.StateRetiring {
			return nil, rotator.Errorf(rotator.CodeUnavailable, "a call of %s is under way", l.op.ID).WithHint("try again in a moment")
		}
		c.leaveUnretired(l)
		c.draft.entered(l, rotator.StateCancelled, r.Actor, "the previous version stays enabled")
	case rotator.StateEnabling:
		return nil, rotator.Errorf(rotator.CodeRefused, "a reinstatement cannot be cancelled while it enables versions").WithHint("cmkd revoke %s revokes the key again", l.op.Key)
	default:
		return nil, rotator.Errorf(rotator.CodeRefused, "a revocation is undone, not cancelled").WithHint("cmkd reinstate %s", l.op.Key)
	}
	return l, nil
}
