package rotator

import (
	"fmt"
	"slices"
	"time"
)

// look is one look at a dependent: what was asked for and what came of it.
type look struct {
	now    time.Time
	op     *Operation
	traits Traits
	// require is the weakest evidence that counts as done.
	require Evidence
	seen    *Observation
	// err is why nothing was seen; seen is then nil.
	err *Error
	// room, if given, is where the new large part is made; the caller copies it if
	// it keeps it. Most looks show nothing new.
	room *TrackerDetail
	// applied is the update that was carried out before the look, if any, and
	// applyErr what came of it.
	applied  Action
	applyErr *Error
}

// settling is how long after an update of ours a 404 or an old answer proves
// nothing (azure/facts.md section 2: reads may lag, a GET may answer 404 for
// some seconds).
const settling = 2 * time.Minute

// decide is the whole tracker state machine: from a tracker and a look at its
// dependent it makes the new tracker and, if an update of the dependent is
// called for, names it. It is pure. The tracker is then in TrackerApplying, and
// the update may be carried out once that is committed.
func (t Tracker) decide(l look) (Tracker, Action) {
	d := l.room
	if d == nil {
		d = &TrackerDetail{}
	}
	*d = *t.Detail
	t.Detail = d
	t.Looks++
	if l.err != nil {
		return t.unseen(l), ""
	}
	t.Failures = 0
	t.Seen = l.seen.At
	d.Last, d.Version, d.Via, d.Problem = l.seen, l.seen.Version, l.seen.Via, nil
	if l.seen.Region != "" {
		d.Region = l.seen.Region
	}
	if l.seen.Binding != "" {
		d.Binding = l.seen.Binding
	}
	if l.applied != "" && l.applyErr == nil {
		d.Applied, d.AppliedVersion = l.seen.At, l.op.Target.ID
	}
	switch {
	case l.op.Kind == KindRevocation:
		return t.accessLook(l, AccessDenied), ""
	case l.op.Kind == KindReinstatement:
		return t.accessLook(l, AccessAllowed), ""
	case l.op.State == StatePending:
		return t.preflightLook(l), ""
	default:
		return t.versionLook(l)
	}
}

// enter puts the tracker into a state and schedules its next look.
func (t Tracker) enter(s TrackerState, now, due time.Time) Tracker {
	if t.State != s {
		t.State, t.Since = s, now
	}
	if s != TrackerDone {
		t.Evidence = EvidenceNone
	}
	t.Due = due
	return t
}

// block puts the tracker into a state that waits for a person.
func (t Tracker) block(s TrackerState, p *Problem, l look) Tracker {
	t.Detail.Problem = p
	return t.enter(s, l.now, nextOnGrid(l.now, max(unreachablePoll, t.poll(l))))
}

func (t Tracker) poll(l look) time.Duration {
	d := &t.Detail.Dependent
	if l.op.Kind != KindRotation {
		return pollOf(d, accessWindow(d, l.traits))
	}
	return pollOf(d, windowOf(d, l.traits))
}

// done puts the tracker into its end state with evidence; the moment of the
// first evidence stands.
func (t Tracker) done(e Evidence, l look) Tracker {
	if t.State != TrackerDone || t.Detail.DoneAt.IsZero() {
		t.Detail.DoneAt = l.seen.At
	}
	t = t.enter(TrackerDone, l.now, time.Time{})
	t.Evidence = e
	return t
}

// unseen handles a look at which nothing was seen.
func (t Tracker) unseen(l look) Tracker {
	t.Failures++
	own := !t.Detail.Applied.IsZero() && l.now.Sub(t.Detail.Applied) < settling
	switch {
	case l.err.Code == CodeForbidden, l.err.Code == CodeInvalid, l.err.Code == CodeNotFound && !own:
		t.Detail.Last = nil
		return t.block(TrackerUnreachable, problemOf(l.err), l)
	case l.err.Code == CodeThrottled:
		t.Failures--
		t.Due = l.now.Add(max(l.err.RetryAfter, time.Second))
	default:
		t.Due = l.now.Add(max(backoff(t.Failures), l.err.RetryAfter))
		if t.Failures >= 3 && !t.blocked() {
			t.Detail.Problem = problemOf(l.err)
		}
	}
	if t.missed() && !t.deadline(l).IsZero() && l.now.After(t.deadline(l)) {
		return t.enter(TrackerStalled, l.now, t.Due)
	}
	return t
}

// blocked reports whether the tracker waits for a person, for a reason that stands
// until the dependent is seen again.
func (t *Tracker) blocked() bool {
	return t.State == TrackerNeedsAction || t.State == TrackerUnreachable
}

// missed reports whether a look at which nothing was seen counts against the
// dependent. One that is done was seen there: it takes more than a missed answer to
// doubt that.
func (t *Tracker) missed() bool {
	switch t.State {
	case TrackerWaiting, TrackerNeedsAction, TrackerUnreachable:
		return false
	case TrackerDone:
		return t.Failures >= patience
	default:
		return true
	}
}

func problemOf(err *Error) *Problem {
	code := err.Reason
	if code == "" {
		code = string(err.Code)
	}
	return &Problem{Code: code, Message: err.Error(), Hint: err.Hint, Class: err.Code}
}

// preflightLook checks, before anything is changed, that the dependent is as
// the configuration says and healthy.
func (t Tracker) preflightLook(l look) Tracker {
	o := l.seen
	t.Detail.Before = o.Version
	switch {
	case o.Problem != nil:
		return t.block(TrackerNeedsAction, o.Problem, l)
	case !o.Key.Same(l.op.KeyID):
		return t.block(TrackerNeedsAction, otherKey(o.Key, l.op), l)
	case o.Access == AccessDenied:
		return t.block(TrackerNeedsAction, deniedNow(o), l)
	default:
		return t.enter(TrackerWaiting, l.now, time.Time{})
	}
}

func otherKey(key KeyID, op *Operation) *Problem {
	uses := "no customer-managed key"
	if key != "" {
		uses = string(key)
	}
	return &Problem{
		Code: "other-key", Message: fmt.Sprintf("uses %s, not %s", uses, op.KeyID),
		Hint: "correct the dependents of key " + op.Key + " in the configuration, or exclude this one with a reason",
	}
}

func deniedNow(o *Observation) *Problem {
	return &Problem{
		Code: "access-denied", Message: "has no access to its key now (" + o.AccessCode + ")",
		Hint: "restore the dependent's access to the key first",
	}
}

// versionLook compares the version in use with the target of a rotation.
func (t Tracker) versionLook(l look) (Tracker, Action) {
	o := l.seen
	switch {
	case l.applyErr != nil && !t.onTarget(l):
		return t.applyFailed(l), ""
	case t.onTarget(l):
		return t.done(EvidenceConfirmed, l), ""
	case !o.Key.Same(l.op.KeyID) && !holdsOther(o, l.op):
		t.Detail.Problem = otherKey(o.Key, l.op)
		return t.done(EvidenceConfirmed, l), ""
	case o.Problem != nil:
		return t.block(TrackerNeedsAction, o.Problem, l), ""
	case o.Version == "" && o.Binding == BindingFollows:
		return t.inferLook(l)
	case o.Updating:
		return t.pending(l), ""
	case o.Binding == BindingPinned:
		return t.tell(ActionRepin, l)
	case o.Binding == BindingFixed:
		return t.fixed(l)
	default:
		return t.nudgeOrWait(l)
	}
}

// onTarget reports whether the service itself says that it uses the target, and
// nothing but the target, of this key.
func (t Tracker) onTarget(l look) bool {
	o := l.seen
	return o.Version != "" && o.Version == l.op.Target.ID && o.Key.Same(l.op.KeyID) && !holdsOther(o, l.op)
}

// holdsOther reports whether some of the dependent's data is still wrapped by a
// version other than the target.
func holdsOther(o *Observation, op *Operation) bool {
	return slices.ContainsFunc(o.Previous, func(v string) bool { return v != op.Target.ID })
}

// inferLook handles a service that does not tell which version it uses: the
// documented time passes, by Azure's own clock, with nothing that contradicts.
func (t Tracker) inferLook(l look) (Tracker, Action) {
	o := l.seen
	switch {
	case o.Access == AccessDenied:
		return t.block(TrackerNeedsAction, deniedNow(o), l), ""
	case o.At.Before(t.windowEnd(l)), o.Updating:
		return t.nudgeOrWait(l)
	case EvidenceInferred.AtLeast(l.require):
		return t.done(EvidenceInferred, l), ""
	default:
		return t.pending(l), ""
	}
}

// windowEnd is when the documented time has passed, by Azure's clock.
func (t Tracker) windowEnd(l look) time.Time {
	start := l.op.Target.Created
	if t.Detail.AppliedVersion == l.op.Target.ID {
		start = later(start, t.Detail.Applied)
	}
	return start.Add(windowOf(&t.Detail.Dependent, l.traits))
}

// deadline is when the tracker counts as stalled; zero if it never does.
func (t Tracker) deadline(l look) time.Time {
	switch {
	case l.op.Kind == KindRotation && l.op.Target.ID != "":
		return t.windowEnd(l)
	case l.op.Kind != KindRotation && !l.op.Effect.IsZero():
		return l.op.Effect.Add(accessWindow(&t.Detail.Dependent, l.traits))
	default:
		return time.Time{}
	}
}

// pending keeps the tracker waiting, stalled once its window is over.
func (t Tracker) pending(l look) Tracker {
	state := TrackerPropagating
	if end := t.deadline(l); !end.IsZero() && !l.seen.At.Before(end) {
		state = TrackerStalled
	}
	due := nextOnGrid(l.now, t.poll(l))
	if end := t.deadline(l); state == TrackerPropagating && end.After(l.now) && end.Before(due) {
		due = end // so that the end of the window is seen when it comes
	}
	return t.enter(state, l.now, due)
}

// nudgeOrWait lets a dependent that follows its key take its time, or makes it
// re-read the key where the operator allows that.
func (t Tracker) nudgeOrWait(l look) (Tracker, Action) {
	t = t.pending(l)
	told := t.Detail.AppliedVersion == l.op.Target.ID
	if !l.traits.CanNudge || told || l.seen.Updating {
		return t, ""
	}
	nudge := t.Detail.Dependent.Nudge
	if nudge == NudgeAlways || nudge == NudgeWhenStalled && t.State == TrackerStalled {
		return t.tell(ActionNudge, l)
	}
	return t, ""
}

// tell intends an update of the dependent, unless the same one was accepted
// already: to do it again and again would restart a container group every few
// minutes. One that does not show stalls, and is a person's.
func (t Tracker) tell(a Action, l look) (Tracker, Action) {
	if t.Detail.AppliedVersion == l.op.Target.ID {
		return t.pending(l), ""
	}
	return t.enter(TrackerApplying, l.now, l.now), a
}

// fixed handles a dependent that must be re-created.
func (t Tracker) fixed(l look) (Tracker, Action) {
	if t.Detail.Dependent.Recreate {
		return t.tell(ActionRecreate, l)
	}
	return t.block(TrackerNeedsAction, &Problem{
		Code: "must-be-recreated", Message: "names its key version for good and has to be deployed anew",
		Hint: "deploy it with key version " + l.op.Target.ID + ", or set recreate: true for it",
	}, l), ""
}

// applyFailed handles an update that was refused or went wrong; it is repeated
// after another look.
func (t Tracker) applyFailed(l look) Tracker {
	t.Failures++
	switch l.applyErr.Code {
	case CodeThrottled:
		return t.enter(TrackerPropagating, l.now, l.now.Add(max(l.applyErr.RetryAfter, time.Second)))
	case CodeForbidden, CodeInvalid, CodeRefused:
		return t.block(TrackerNeedsAction, problemOf(l.applyErr), l)
	default:
	}
	if t.Failures >= 3 {
		t.Detail.Problem = problemOf(l.applyErr)
	}
	t = t.pending(l)
	t.Due = l.now.Add(max(backoff(t.Failures), l.applyErr.RetryAfter))
	return t
}

// accessLook compares what was seen of the dependent's access with what a
// revocation or reinstatement wants.
func (t Tracker) accessLook(l look, want Access) Tracker {
	o := l.seen
	passed := !o.At.Before(t.deadline(l))
	switch {
	case !o.Key.Same(l.op.KeyID):
		t.Detail.Problem = otherKey(o.Key, l.op)
		return t.done(EvidenceConfirmed, l)
	case o.Access == want && o.AccessEvidence != EvidenceNone:
		return t.done(o.AccessEvidence, l)
	case o.Access == AccessUnknown && passed:
		return t.done(EvidenceInferred, l)
	default:
		return t.pending(l)
	}
}

// changedFrom reports whether the large part of the tracker differs from the
// one before in anything but the moment of the last look.
func (t *Tracker) changedFrom(old *Tracker) bool {
	a, b := t.Detail, old.Detail
	if t.Evidence != old.Evidence || a.Version != b.Version || a.Via != b.Via || a.Binding != b.Binding || a.Region != b.Region ||
		a.Before != b.Before || a.AppliedVersion != b.AppliedVersion || !a.Applied.Equal(b.Applied) ||
		!a.DoneAt.Equal(b.DoneAt) || (a.Problem == nil) != (b.Problem == nil) {
		return true
	}
	return a.Problem != nil && *a.Problem != *b.Problem
}
