package engine

import (
	"slices"
	"time"

	"cmkd/rotator"
)

// accessLook compares what was seen of the dependent's access with what a
// revocation or reinstatement wants.
func (t tracker) accessLook(l look, want rotator.Access) tracker {
	o := l.seen
	spare, since := l.spare()
	lasts := accessWindow(t.Detail, l.traits)
	passed := !l.op.Effect.IsZero() && !o.At.Before(later(t.deadline(l), since.Add(lasts))) && t.timed(l)
	switch {
	case !o.Names(l.op.KeyID) && !o.Holds(l.op.KeyID, ""):
		return t.left(l)
	case o.Access == want && o.AccessEvidence != rotator.EvidenceNone:
		return t.done(o.AccessEvidence, l)
	case o.Access == rotator.AccessUnknown && want == rotator.AccessDenied && spare != "":
		return t.block(rotator.TrackerNeedsAction, otherServes(spare), l)
	case o.Access == rotator.AccessUnknown && passed:
		return t.done(rotator.EvidenceInferred, l)
	default:
		return t.pending(l)
	}
}

// spare returns another key under which a dependent goes on, empty if there is none; since is when
// the last of those that would serve was revoked.
func (l *look) spare() (key rotator.KeyID, since time.Time) {
	o := *l.seen
	for {
		key = o.Spare(l.op.KeyID)
		if key == "" || l.revoked == nil {
			return key, since
		}
		at, is := l.revoked(key)
		if !is {
			return key, since
		}
		since = later(since, at)
		o.Uses = slices.DeleteFunc(slices.Clone(o.Uses), func(u rotator.Use) bool { return u.Key.Same(key) })
	}
}

// otherServes is the problem of a dependent that needs but one of its keys.
func otherServes(other rotator.KeyID) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonOtherKeyServes, Message: "goes on under " + string(other) + ": any one of its keys serves",
		Hint: "revoke that one, too, or take it out of the list; then exclude this dependent with a reason, as nothing tells that it stopped",
	}
}

// timed reports whether time can tell that access ended or came back: where that is
// documented, or where the operator says how long it takes.
func (t tracker) timed(l look) bool {
	return l.traits.Revocation > 0 || t.Detail.Dependent.Window > 0
}

// asksAccess reports whether an observation is to see if a dependent can use its key:
// always for a revocation and in probation; of a rotation before it changes anything and
// before it retires, where that takes no more than a call. In between only the version is
// waited for.
func asksAccess(op *rotator.Operation, traits rotator.Traits) bool {
	switch {
	case op.Kind != rotator.KindRotation, op.State == rotator.StateProbation:
		return true
	case op.State == rotator.StatePending, op.State == rotator.StateSoaking, op.State == rotator.StateRetiring:
		return traits.CheapAccess
	default:
		return false
	}
}

// deniedLast reports whether a dependent was seen denied last: it has its access back when that is
// seen.
func deniedLast(t *rotator.Tracker) bool {
	p := t.Detail.Problem
	return p != nil && p.Code == rotator.ReasonAccessDenied
}
