package engine

import (
	"time"

	"cmkd/rotator"
)

// nudgeOrWait lets a dependent that follows its key take its time, or makes it
// re-read the key where the operator allows that.
func (t tracker) nudgeOrWait(l look) (tracker, rotator.Action) {
	t = t.pending(l)
	if !l.traits.CanNudge || t.told(rotator.ActionNudge, l) || l.seen.Updating || !l.behind(rotator.BindingFollows) {
		return t, ""
	}
	nudge := t.Detail.Dependent.Nudge
	if nudge == rotator.NudgeAlways || nudge == rotator.NudgeWhenStalled && t.State == rotator.TrackerStalled {
		return t.tell(rotator.ActionNudge, l)
	}
	return t, ""
}

// tell intends an update of the dependent, unless the same one was accepted
// already: to do it again and again would restart a container group every few
// minutes. One that does not show stalls, and is a person's.
func (t tracker) tell(a rotator.Action, l look) (tracker, rotator.Action) {
	switch {
	case t.told(a, l):
		return t.pending(l), ""
	case l.freeze != nil:
		return t.frozen(a, l), ""
	}
	if l.shut {
		return t.block(rotator.TrackerNeedsAction, &rotator.Problem{
			Code: rotator.ReasonCurrentVersionDisabled, Message: "is not told to use version " + l.op.Target.ID + ", which is disabled",
			Hint: "enable it in the vault, or cancel and rotate anew",
		}, l), ""
	}
	if t.Detail.Refusal == nil {
		return t.enter(rotator.TrackerApplying, l.now, l.now), a
	}
	t.Detail.Problem = t.Detail.Refusal // that it is tried again mends nothing
	t.Due = l.now
	return t, a
}

// frozen has an update wait for the end of a freeze. A dependent that waits for its
// update is not late. One that follows by itself and was only to be told sooner has its
// window as ever. What an update before was refused for stands: nobody has tried since.
func (t tracker) frozen(a rotator.Action, l look) tracker {
	switch {
	case a == rotator.ActionNudge:
		return t
	case t.State == rotator.TrackerNeedsAction && l.was != nil && l.was.Class != "":
		return t.block(t.State, l.was, l)
	}
	p := l.freeze.Problem()
	p.Message = "its update to version " + l.op.Target.ID + " waits for the end of a freeze: " + p.Message
	t.Detail.Problem = p
	return t.enter(rotator.TrackerWaiting, l.now, nextOnGrid(l.now, t.poll(l)))
}

// told reports whether the update was accepted for the target already, or one whose
// turn comes after it: none is done twice. Of one that was stored without its name
// nobody knows, so that it counts for all.
func (t *tracker) told(a rotator.Action, l look) bool {
	d := t.Detail
	if a == rotator.ActionRepin && l.anew(rotator.BindingPinned, d.AppliedTo) {
		return false
	}
	return d.AppliedVersion == l.op.Target.ID && (d.AppliedAction == "" || turn[d.AppliedAction] >= turn[a])
}

// fixed handles a dependent that must be re-created.
func (t tracker) fixed(l look) (tracker, rotator.Action) {
	if t.Detail.Dependent.Recreate {
		return t.tell(rotator.ActionRecreate, l)
	}
	return t.block(rotator.TrackerNeedsAction, &rotator.Problem{
		Code: rotator.ReasonMustBeRecreated, Message: "names its key version for good and has to be deployed anew",
		Hint: "deploy it with key version " + l.op.Target.ID + ", or set recreate: true for it",
	}, l), ""
}

// applyFailed handles an update that was refused or went wrong; it is repeated
// after another look. What is refused is counted apart from the looks, which go well
// all the while.
func (t tracker) applyFailed(l look) tracker {
	d := t.Detail
	if l.applyErr.Code == rotator.CodeThrottled {
		return t.enter(rotator.TrackerPropagating, l.now, l.now.Add(max(l.applyErr.RetryAfter, time.Second)))
	}
	d.Refused, d.Refusal = d.Refused+1, rotator.ProblemOf(l.applyErr)
	switch l.applyErr.Code {
	case rotator.CodeForbidden, rotator.CodeInvalid, rotator.CodeRefused:
		return t.block(rotator.TrackerNeedsAction, d.Refusal, l)
	default:
	}
	t = t.pending(l)
	d.Problem = d.Refusal
	t.Due = l.now.Add(max(refusedAgain(d.Refused), l.applyErr.RetryAfter))
	return t
}
