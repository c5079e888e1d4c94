package engine

import (
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

func underWay(key string, op *rotator.Operation) *rotator.Error {
	err := rotator.Errorf(rotator.CodeConflict, "%s %s of %s is under way (%s)", op.Kind, op.ID, key, op.State)
	switch {
	case op.State == rotator.StateAwaitingApproval:
		return err.WithHint("a second person says: cmkd approve %s, or anybody: cmkd cancel %s", op.ID, op.ID)
	case op.Kind == rotator.KindRevocation:
		return err.WithHint("the key is revoked: cmkd reinstate %s first", key)
	}
	return err.WithHint("cmkd status %s shows it, cmkd cancel %s ends it", op.ID, op.ID)
}

func (c commands) rotate(r rotator.Request) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	if f := freezing(c).of(key.ID, true); f != nil {
		return nil, frozen(r.Key, f)
	}
	if !schedule(c).makeWay(key, true) {
		return nil, underWay(r.Key, &c.liveOf(key).op)
	}
	l := rotation(c).begin(key, rotator.CauseOperator, r.Actor, r.Reason)
	l.op.Accepted = r.Accept
	return l, nil
}

func (c commands) revoke(r rotator.RevokeRequest) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	if r.Confirm != r.Key {
		return nil, rotator.Errorf(rotator.CodeInvalid, "a revocation must be confirmed by the name of the key").WithHint("--confirm %s", r.Key)
	}
	if l := c.live[c.requestOn(key.ID)]; l != nil {
		return nil, underWay(r.Key, &l.op)
	}
	var disabled []string
	if l := c.liveOf(key); l != nil {
		if l.op.Kind == rotator.KindRevocation {
			return nil, underWay(r.Key, &l.op)
		}
		if !key.TwoPerson { // else it goes on until the revocation is approved
			if err := revocation(c).giveWay(l, r.Actor); err != nil {
				return nil, err
			}
			disabled = l.op.Versions
		}
	}
	return revocation(c).begin(key, r.Actor, r.Reason, disabled), nil
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
		early := l.op.State == rotator.StatePropagating || l.op.State == rotator.StateSoaking
		if objs := objections(c.guardView(l)); early && len(objs) > 0 {
			return nil, refusal(r.Key, objs)
		}
		return nil, rotator.Errorf(rotator.CodeRefused, "rotation %s is %s", l.op.ID, l.op.State).WithHint("cmkd status %s shows how far it is", l.op.ID)
	}
	if f := freezing(c).of(key.ID, true); f != nil {
		return nil, frozen(r.Key, f)
	}
	l.op.Retirer, l.op.Waiting, l.op.Problem, l.op.Compromised = r.Actor, rotator.Wait{}, nil, r.Compromised
	l.op.Wake, l.guarding = time.Time{}, false
	c.draft.changed(l)
	c.reasoned(l, rotator.EventRetireRequested, r.Actor, r.Reason, "retire version %s", strings.Join(l.op.Previous, ", "))
	l.retirers = append(l.retirers, answer)
	return l, nil
}

// previousNow says how the previous versions are of a rotation that is cancelled.
func (c commands) previousNow(l *live) string {
	var unsure []string
	if state := c.stateOf(l.op.KeyID); state != nil {
		for _, e := range state.Effects {
			if !e.Enable && slices.Contains(l.op.Previous, e.Version) && !slices.Contains(l.op.Retired, e.Version) {
				unsure = append(unsure, e.Version)
			}
		}
	}
	switch {
	case len(unsure) > 0:
		return "whether version " + strings.Join(unsure, ", ") + " was disabled is not known: look into the vault"
	case len(l.op.Retired) > 0:
		return "version " + strings.Join(l.op.Retired, ", ") + " is disabled; whether anybody lacks it is not watched any longer"
	default:
		return "the previous version stays enabled"
	}
}

func (c commands) approve(r rotator.OperationRequest) (*live, error) {
	l, err := c.liveOperation(r.Operation)
	if err != nil {
		return nil, err
	}
	switch {
	case l.op.State != rotator.StateAwaitingApproval:
		return nil, rotator.Errorf(rotator.CodeConflict, "%s does not wait for an approval, it is %s", r.Operation, l.op.State)
	case rotator.SamePerson(r.Actor, l.op.Actor):
		return nil, rotator.Errorf(rotator.CodeRefused, "%s was asked for by %s, another person must approve it", r.Operation, r.Actor)
	}
	l.op.Approvals = append(slices.Clone(l.op.Approvals), rotator.Approval{Actor: r.Actor, At: c.now, Reason: r.Reason})
	c.reasoned(l, rotator.EventApproved, r.Actor, r.Reason, "%s of %s is approved", l.op.Kind, l.op.Key)
	if err := revocation(c).approved(l, r.Actor); err != nil {
		return nil, err
	}
	return l, nil
}

func (c commands) cancel(r rotator.OperationRequest) (*live, error) {
	l, err := c.liveOperation(r.Operation)
	if err != nil {
		return nil, err
	}
	if err := c.mayCancel(l); err != nil {
		return nil, err
	}
	c.reasoned(l, rotator.EventCancelRequested, r.Actor, r.Reason, "cancel the %s of %s", l.op.Kind, l.op.Key)
	switch l.op.State {
	case rotator.StateCreating:
		l.op.CancelledBy = r.Actor
		if freezing(c).holds(l) && l.op.Attempt.Uncertain.IsZero() {
			rotation(c).attempt(l, l.op.Attempt.Method) // no call is out: it ends
			break
		}
		l.op.Waiting = rotator.Wait{For: rotator.WaitCancel}
		c.draft.changed(l)
	case rotator.StatePropagating, rotator.StateSoaking, rotator.StateRetiring:
		c.leaveUnretired(l)
		c.draft.entered(l, rotator.StateCancelled, r.Actor, c.previousNow(l))
	case rotator.StateProbation:
		c.leaveUnretired(l)
		c.draft.entered(l, rotator.StateCompleted, r.Actor, "the previous version is disabled; whether anybody lacks it is not watched any longer")
	default:
		c.draft.entered(l, rotator.StateCancelled, r.Actor, "")
	}
	return l, nil
}

// mayCancel returns why an operation cannot be cancelled, nil if it can.
func (c commands) mayCancel(l *live) error {
	if l.op.Restoring && c.busy(l) {
		return rotator.Errorf(rotator.CodeUnavailable, "%s enables a version again", l.op.ID).WithHint("try again in a moment")
	}
	switch l.op.State {
	case rotator.StateRetiring, rotator.StateProbation:
		if c.busy(l) {
			return rotator.Errorf(rotator.CodeUnavailable, "a call of %s is under way", l.op.ID).WithHint("try again in a moment")
		}
	case rotator.StateEnabling:
		return rotator.Errorf(rotator.CodeRefused, "a reinstatement cannot be cancelled while it enables versions").WithHint("cmkd revoke %s revokes the key again", l.op.Key)
	case rotator.StateDisabling, rotator.StateTakingEffect, rotator.StateEffective:
		return rotator.Errorf(rotator.CodeRefused, "a revocation is undone, not cancelled").WithHint("cmkd reinstate %s", l.op.Key)
	default:
	}
	return nil
}

// reasoned notes what a person asked for, with the reason given.
func (c commands) reasoned(l *live, t rotator.EventType, actor, reason, format string, args ...any) {
	if e := c.draft.noted(l, t, actor, format, args...); reason != "" {
		e.Data = map[string]string{"reason": reason}
	}
}
