package rotator

import (
	"slices"
	"strings"
	"time"
)

func (c *core) knownKey(name string) (*Key, error) {
	key := c.keys[name]
	if key == nil {
		return nil, Errorf(CodeNotFound, "no key %q is configured", name).WithHint("cmkd status lists the keys")
	}
	return key, nil
}

// liveOf returns the operation under way on a key, nil if there is none. Under
// another name in the configuration it is still the same key.
func (c *core) liveOf(key *Key) *live {
	if l := c.live[c.states[key.Name].Operation]; l != nil {
		return l
	}
	for _, l := range c.live {
		if l.op.KeyID.Same(key.ID) {
			return l // there is no other: each asks here before it begins
		}
	}
	return nil
}

func (c *core) liveOperation(id OperationID) (*live, error) {
	l := c.live[id]
	if l == nil {
		return nil, Errorf(CodeNotFound, "no operation %s is under way", id).WithHint("cmkd history lists the operations")
	}
	return l, c.load(l)
}

func underWay(key string, op *Operation) *Error {
	err := Errorf(CodeConflict, "%s %s of %s is under way (%s)", op.Kind, op.ID, key, op.State)
	if op.Kind == KindRevocation {
		return err.WithHint("the key is revoked: cmkd reinstate %s first", key)
	}
	return err.WithHint("cmkd status %s shows it, cmkd cancel %s ends it", op.ID, op.ID)
}

func (c *core) rotate(r Request) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	if !c.makeWay(r.Key) {
		return nil, underWay(r.Key, &c.liveOf(key).op)
	}
	return c.newRotation(key, CauseOperator, r.Actor, r.Reason), nil
}

func (c *core) revoke(r RevokeRequest) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	if r.Confirm != r.Key {
		return nil, Errorf(CodeInvalid, "a revocation must be confirmed by the name of the key").WithHint("--confirm %s", r.Key)
	}
	if l := c.liveOf(key); l != nil {
		if l.op.Kind == KindRevocation {
			return nil, underWay(r.Key, &l.op)
		}
		if err := c.load(l); err != nil {
			return nil, err
		}
		c.giveWay(l, r.Actor)
	}
	return c.newRevocation(key, r.Actor, r.Reason), nil
}

func (c *core) reinstate(r Request) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	l := c.liveOf(key)
	switch {
	case l == nil || l.op.Kind != KindRevocation:
		return nil, Errorf(CodeConflict, "key %s is not revoked by cmkd", r.Key).WithHint("cmkd history %s shows what happened", r.Key)
	case l.op.State == StateAwaitingApproval:
		return nil, Errorf(CodeConflict, "the revocation of %s is not approved yet", r.Key).WithHint("cmkd cancel %s ends it", l.op.ID)
	case c.busy(l) && l.op.State == StateDisabling:
		// It might disable a version after it was enabled again.
		return nil, Errorf(CodeUnavailable, "a call of %s is under way", l.op.ID).WithHint("try again in a moment")
	}
	if err := c.load(l); err != nil {
		return nil, err
	}
	return c.newReinstatement(key, l, r.Actor, r.Reason), nil
}

// retire starts the guard; answer is called when it has spoken.
func (c *core) retire(r Request, answer func(Operation, error)) (*live, error) {
	key, err := c.knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	l := c.liveOf(key)
	if l == nil || l.op.Kind != KindRotation {
		return nil, Errorf(CodeConflict, "no rotation of %s is under way, so there is nothing to retire", r.Key).
			WithHint("cmkd history %s shows the past ones", r.Key)
	}
	if err := c.load(l); err != nil {
		return nil, err
	}
	if l.op.State != StateRetiring {
		if objs := objections(c.guardView(l)); len(objs) > 0 {
			return nil, refusal(r.Key, objs)
		}
		return nil, Errorf(CodeRefused, "rotation %s is %s", l.op.ID, l.op.State).WithHint("cmkd status %s shows how far it is", l.op.ID)
	}
	l.op.Retirer, l.op.Waiting, l.op.Problem = r.Actor, "", nil
	l.op.Wake, l.guarding = time.Time{}, false
	c.touch(l)
	c.event(l, EventRetireRequested, r.Actor, "retire version %s", strings.Join(l.op.Previous, ", ")).because(r.Reason)
	l.retirers = append(l.retirers, answer)
	return l, nil
}

func (c *core) approve(r OperationRequest) (*live, error) {
	l, err := c.liveOperation(r.Operation)
	if err != nil {
		return nil, err
	}
	switch {
	case l.op.State != StateAwaitingApproval:
		return nil, Errorf(CodeConflict, "%s does not wait for an approval, it is %s", r.Operation, l.op.State)
	case r.Actor == l.op.Actor:
		return nil, Errorf(CodeRefused, "%s was asked for by %s, another person must approve it", r.Operation, r.Actor)
	}
	l.op.Approvals = append(slices.Clone(l.op.Approvals), Approval{Actor: r.Actor, At: c.now, Reason: r.Reason})
	c.event(l, EventApproved, r.Actor, "%s of %s is approved", l.op.Kind, l.op.Key).because(r.Reason)
	c.enter(l, StateDisabling, r.Actor, "approved")
	return l, nil
}

func (c *core) cancel(r OperationRequest) (*live, error) {
	l, err := c.liveOperation(r.Operation)
	if err != nil {
		return nil, err
	}
	switch l.op.State {
	case StatePending, StateAwaitingApproval, StateRecovering:
		c.cancelled(l, r, "")
	case StateCreating:
		l.op.CancelledBy = r.Actor
		l.op.Waiting = "to know whether the vault made a version, then it is cancelled"
		c.event(l, EventCancelRequested, r.Actor, "cancel once it is known whether a version was made").because(r.Reason)
		c.touch(l)
	case StatePropagating, StateSoaking, StateRetiring:
		if c.busy(l) && l.op.State == StateRetiring {
			return nil, Errorf(CodeUnavailable, "a call of %s is under way", l.op.ID).WithHint("try again in a moment")
		}
		c.leaveUnretired(l)
		c.cancelled(l, r, "the previous version stays enabled")
	case StateEnabling:
		return nil, Errorf(CodeRefused, "a reinstatement cannot be cancelled while it enables versions").WithHint("cmkd revoke %s revokes the key again", l.op.Key)
	default:
		return nil, Errorf(CodeRefused, "a revocation is undone, not cancelled").WithHint("cmkd reinstate %s", l.op.Key)
	}
	return l, nil
}

// EventCancelRequested is the type of the event that keeps who asked to cancel an
// operation while a call of it was out, and why.
const EventCancelRequested EventType = "cancel-requested"

// cancelled ends an operation at a person's request.
func (c *core) cancelled(l *live, r OperationRequest, why string) {
	first := len(c.change.Events)
	c.enter(l, StateCancelled, r.Actor, why)
	c.change.Events[first].because(r.Reason)
}

// because adds a person's own words to what happened.
func (e *Event) because(reason string) {
	if reason == "" {
		return
	}
	if e.Data == nil {
		e.Data = map[string]string{}
	}
	e.Data["reason"] = reason
}
