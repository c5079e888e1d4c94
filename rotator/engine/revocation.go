package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

const (
	// revokedWatch is how often the versions of a revoked key are read, so that
	// one enabled by hand is found soon.
	revokedWatch = time.Minute
)

// begin begins a revocation; what was under way has given way to it. If that was a
// reinstatement, disabled are the versions that it was to enable: whether it did so or
// not, they are revoked, and come back with the next reinstatement.
func (c revocation) begin(key *rotator.Key, actor, reason string, disabled []string) *live {
	watch(c).problem(c.stateOf(key.ID), nil) // from here on it is the operation that watches the key
	state := rotator.StateDisabling
	if key.TwoPerson {
		state = rotator.StateAwaitingApproval
	}
	l := rotation(c).newOperation(key, rotator.Operation{
		Kind: rotator.KindRevocation, State: state, Cause: rotator.CauseOperator, Actor: actor, Reason: reason,
		Versions: slices.Clone(disabled),
	})
	for _, t := range l.trackers {
		c.draft.observed(l, withDue(t, time.Time{}), true)
	}
	if state == rotator.StateAwaitingApproval {
		l.op.Waiting.For = rotator.WaitApproval
	}
	return l
}

// giveWay ends what is under way on a key so that it can be revoked at once.
func (c revocation) giveWay(l *live, actor string) error {
	if err := c.load(l); err != nil {
		return err
	}
	if l.op.Kind == rotator.KindRotation && len(l.op.Previous) > 0 {
		c.leaveUnretired(l)
	}
	c.draft.entered(l, rotator.StateCancelled, actor, "the key is revoked")
	return nil
}

// approved begins a revocation that waited for a second person; what is under way
// on the key gives way to it.
func (c revocation) approved(l *live, actor string) error {
	if other := c.live[c.stateOf(l.op.KeyID).Operation]; other != nil && other != l {
		if err := c.giveWay(other, actor); err != nil {
			return err
		}
		l.op.Versions = slices.Clone(other.op.Versions) // see begin
	}
	c.draft.changedKey(l.op.KeyID).Operation = l.op.ID
	c.draft.entered(l, rotator.StateDisabling, actor, "approved")
	return nil
}

// disabling reads which versions are enabled, and disables them newest first,
// until a list shows none.
func (c revocation) disabling(l *live) {
	if c.busy(l) || !l.op.Wake.IsZero() {
		return
	}
	if v, ok := l.unchanged(); ok {
		c.draft.intended(l, task{kind: taskSetEnabled, effect: &effect{version: &rotator.Version{ID: v}, enable: false}})
		return
	}
	l.listed = c.steady
	c.draft.intended(l, task{kind: taskVersions})
}

// listedToDisable handles a list of versions while disabling.
func (c revocation) listedToDisable(l *live, versions []rotator.Version) {
	found := false
	if !undone(&l.op) { // else what is new may be somebody else's
		for _, v := range versions {
			l.op.Base = remembered(l.op.Base, []string{v.ID})
		}
		found = c.record(l, versions)
	}
	if _, more := l.unchanged(); more || found {
		return // disabling goes on
	}
	if len(l.op.Versions) == 0 && len(versions) > 0 {
		l.op.Waiting = rotator.Wait{} // nothing was enabled: revoked already, from our side
	}
	c.goesOn(l, rotator.StateTakingEffect, fmt.Sprintf("%d versions are disabled", len(l.op.Versions)))
	if l.op.Effect = cmp.Or(l.op.Effect, c.now); undone(&l.op) {
		l.op.Effect = time.Time{} // no time has begun
	}
	c.draft.waits(l, c.now.Add(revokedWatch))
	observing(c).all(l)
}

func enabledNewestFirst(versions []rotator.Version) []rotator.Version {
	enabled := slices.DeleteFunc(slices.Clone(versions), func(v rotator.Version) bool { return !v.Enabled })
	slices.SortFunc(enabled, func(a, b rotator.Version) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	return enabled
}

// record adds the versions found enabled to those that are revoked. One that
// was disabled already and is listed as enabled may be an old answer.
func (c revocation) record(l *live, versions []rotator.Version) (found bool) {
	for _, v := range enabledNewestFirst(versions) {
		if slices.Contains(l.op.Versions, v.ID) {
			continue
		}
		found = true
		l.op.Versions = append(l.op.Versions, v.ID)
		c.draft.changed(l)
	}
	return found
}

// setEnabled handles the answer to a call of a revocation or reinstatement that
// disables or enables a version.
func (c revocation) setEnabled(l *live, r *result) {
	id := r.task.version.ID
	if l.op.State != rotator.StateDisabling && l.op.State != rotator.StateEnabling {
		return
	}
	done := r.err == nil && r.version.Enabled == r.enable || r.err != nil && r.err.Code == rotator.CodeNotFound && !r.enable
	if !done {
		c.changeFailed(l, r)
		return
	}
	l.op.Changed = append(slices.Clone(l.op.Changed), id)
	if l.op.Failures = 0; !undone(&l.op) {
		l.op.Problem = nil
	}
	l.op.Effect = later(l.op.Effect, r.version.Updated)
	c.draft.changed(l)
	t, what := rotator.EventVersionDisabled, "disabled"
	if r.enable {
		t, what = rotator.EventVersionEnabled, "enabled"
	}
	c.draft.noted(l, t, l.op.Actor, "version %s is %s", id, what).Data = map[string]string{"version": id}
}

// changeFailed tries again, soon if that may help: a revocation does not give
// up.
func (c revocation) changeFailed(l *live, r *result) {
	l.op.Failures++
	if r.err == nil {
		r.err = rotator.Errorf(rotator.CodeUnavailable, "version %s did not change", r.task.version.ID)
		r.err.Reason = rotator.ReasonVersionUnchanged
	}
	p := rotator.ProblemOf(r.err)
	if undone(&l.op) {
		p = l.op.Problem
	}
	c.draft.held(l, p, max(backoff(l.op.Failures), r.err.RetryAfter))
}

// takingEffect waits until every dependent was seen denied.
func (c revocation) takingEffect(l *live) {
	if !l.settled() || l.askedN > 0 || undone(&l.op) || l.op.Kind == rotator.KindRevocation && undoing(c).enabledStill(l.op.KeyID) {
		return
	}
	if l.op.Kind == rotator.KindReinstatement {
		c.draft.entered(l, rotator.StateRecovered, actorDaemon, "every dependent has access again: "+l.evidence())
		return
	}
	problem := l.op.Problem
	c.draft.entered(l, rotator.StateEffective, actorDaemon, "no dependent has access any more: "+l.evidence())
	l.op.Problem = problem
	c.draft.waits(l, c.now.Add(revokedWatch))
}

// goesOn enters the next state of a revocation. That somebody undid it is not over by that.
func (c revocation) goesOn(l *live, to rotator.OperationState, why string) {
	problem, was := l.op.Problem, undone(&l.op)
	if c.draft.entered(l, to, actorDaemon, why); was {
		l.op.Problem = problem
	}
}

// appeared has a revocation disable one more version.
func (c revocation) appeared(l *live, version string) {
	if !slices.Contains(l.op.Versions, version) {
		l.op.Versions = append(slices.Clone(l.op.Versions), version)
	}
	l.op.Changed = slices.DeleteFunc(slices.Clone(l.op.Changed), func(v string) bool { return v == version })
	if l.op.State == rotator.StateDisabling {
		c.draft.changed(l)
		return
	}
	c.goesOn(l, rotator.StateDisabling, "version "+version+" appeared")
}

// reopen waits again if a dependent came that was not there, or was excluded, when the
// revocation took effect.
func (c revocation) reopen(l *live) {
	if l.settled() {
		return
	}
	problem, wake := l.op.Problem, l.op.Wake
	c.draft.entered(l, rotator.StateTakingEffect, actorDaemon, "a dependent came")
	l.op.Problem = problem
	c.draft.waits(l, wake)
}

// beginReinstatement undoes a revocation: it enables exactly the versions that the
// revocation disabled.
func (c revocation) beginReinstatement(key *rotator.Key, rev *live, actor, reason string) *live {
	versions := slices.Clone(rev.op.Versions)
	c.draft.entered(rev, rotator.StateCompleted, actor, "the key is reinstated")
	l := rotation(c).newOperation(key, rotator.Operation{
		Kind: rotator.KindReinstatement, State: rotator.StateEnabling, Cause: rotator.CauseOperator, Actor: actor, Reason: reason,
		Versions: versions, Revocation: rev.op.ID,
	})
	for _, t := range l.trackers {
		c.draft.observed(l, withDue(t, time.Time{}), true)
	}
	undoing(c).servesAgain(l)
	return l
}

// enabling enables the recorded versions, newest first, so that what is in use
// works soonest.
func (c revocation) enabling(l *live) {
	if c.busy(l) || !l.op.Wake.IsZero() {
		return
	}
	if v, ok := l.unchanged(); ok {
		c.draft.intended(l, task{kind: taskSetEnabled, effect: &effect{version: &rotator.Version{ID: v}, enable: true}})
		return
	}
	c.draft.entered(l, rotator.StateRecovering, actorDaemon, fmt.Sprintf("%d versions are enabled", len(l.op.Versions)))
	l.op.Effect = cmp.Or(l.op.Effect, c.now)
	observing(c).all(l)
}
