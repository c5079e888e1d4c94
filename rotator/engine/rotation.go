package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

const (
	// readLag is how long a list of versions may lag a write, with something to
	// spare (azure/facts.md section 2: up to 60 s).
	readLag = 65 * time.Second
	// heldRetry is how often a rotation is tried again that nothing but a
	// person's action lets go on.
	heldRetry = 15 * time.Minute
)

// begin begins a rotation of a key that has no live operation.
func (c rotation) begin(key *rotator.Key, cause rotator.Cause, actor, reason string) *live {
	return c.newOperation(key, rotator.Operation{
		Kind: rotator.KindRotation, State: rotator.StatePending, Cause: cause, Actor: actor, Reason: reason, Retire: key.Retire,
	})
}

func (c rotation) newOperation(key *rotator.Key, op rotator.Operation) *live {
	id, err := c.store.NextIDs(context.Background(), rotator.SequenceOperations, 1)
	if err != nil {
		c.fault = fmt.Errorf("begin an operation: %w", err)
	}
	op.ID, op.Key, op.KeyID = rotator.OperationID(id), key.Name, key.ID
	op.Created, op.Since, op.Trackers = c.now, c.now, map[rotator.TrackerState]int{}
	l := &live{op: op, loaded: true, dues: map[int64]int{}}
	c.live[op.ID] = l
	state := c.draft.changedKey(key.ID)
	if c.live[state.Operation] == nil {
		state.Operation = op.ID // else it is only asked for, beside the one under way
	}
	state.Failed = 0
	if op.Kind == rotator.KindRotation {
		state.Missed = time.Time{}
	}
	state.Preflight, state.Ahead, state.PreflightAt = nil, nil, time.Time{}
	e := c.draft.noted(l, rotator.EventOperationCreated, op.Actor, "%s of %s", op.Kind, key.Name)
	e.Data = map[string]string{"cause": string(op.Cause), "state": string(op.State)}
	if op.Reason != "" {
		e.Data["reason"] = op.Reason
	}
	n := len(key.Dependents)
	l.trackers, l.asked = make([]rotator.Tracker, 0, n), make([]bool, 0, n)
	l.marks, l.changed, l.shown = make([]mark, 0, n), make([]uint32, 0, n), make([]uint64, 0, n)
	look := c.now
	if op.State == rotator.StatePending {
		look = time.Time{} // when its turn to look comes
	}
	for _, d := range key.Dependents {
		c.draft.joined(l, d, look)
	}
	standings(c).seed(l)
	c.draft.changed(l)
	return l
}

// pending looks at everything before anything is changed.
func (c rotation) pending(l *live) {
	switch {
	case c.keyOf(l) == nil:
		c.draft.entered(l, rotator.StateCancelled, actorDaemon, "the key is not in the configuration any more; nothing was changed")
		return
	case freezing(c).stops(l) != nil:
		freezing(c).shelve(l)
		return
	case !l.op.Wake.IsZero():
		return // tried before, and waits to try again
	case l.listed.IsZero():
		making(c).stand(l)
		return
	}
	blocked := l.op.Trackers[rotator.TrackerNeedsAction] + l.op.Trackers[rotator.TrackerUnreachable]
	if c.busy(l) || l.askedN > 0 || l.dueN > blocked {
		return
	}
	if l.listErr.Passes() {
		l.op.Failures++
		c.pace.give(l.op.ID, false, c.steady)
		c.pace.leave(l.op.ID)
		c.draft.held(l, rotator.ProblemOf(l.listErr), max(backoff(l.op.Failures), l.listErr.RetryAfter))
		return
	}
	r := l.rehearse(c)
	if v := r.material; c.readsVersions && v.ID != "" && v.Type == "" && !c.unread[v.ID] { // a list does not tell its type
		c.draft.intended(l, task{kind: taskInspect, effect: &effect{inspect: []string{v.ID}}})
		return
	}
	if all := r.objections(); len(all) > 0 {
		c.preflightFailed(l, &all[0])
		return
	}
	if !c.pace.calls(l.op.ID) {
		making(c).ready(l)
		return
	}
	c.intend(l, r)
}

// rehearse is what the preflight of a rotation has looked at.
func (l *live) rehearse(c rotation) *rehearsal {
	newest, _ := rotator.Newest(l.versions, nil)
	return &rehearsal{
		key: l.op.Key, id: l.op.KeyID, versions: l.versions, listErr: l.listErr, material: c.stateOf(l.op.KeyID).Known(newest), current: c.stateOf(l.op.KeyID).Known(c.stateOf(l.op.KeyID).Current), accepted: l.op.Accepted,
		trackers: l.trackers, seen: func(t *rotator.Tracker) *rotator.Observation { return c.lastSeen(l, t.Number) }, traits: c.traits, now: c.now,
	}
}

// preflightFailed ends a rotation that a person asked for, who is there to
// mend it; a scheduled one stays and is tried again.
func (c rotation) preflightFailed(l *live, p *rotator.Problem) {
	c.pace.give(l.op.ID, false, c.steady)
	c.pace.leave(l.op.ID)
	if l.op.Problem == nil || *l.op.Problem != *p {
		c.draft.noted(l, rotator.EventPreflightFailed, actorDaemon, "nothing was changed: %s", p)
	}
	if l.op.Cause == rotator.CauseOperator {
		c.draft.entered(l, rotator.StateFailed, actorDaemon, p.String())
		l.op.Problem = p
		return
	}
	c.draft.held(l, p, heldRetry)
}

// intend commits to making a version: from here on, whatever is not in Base is
// new.
func (c rotation) intend(l *live, r *rehearsal) {
	newest, _ := rotator.Newest(l.versions, nil)
	base := make([]string, len(l.versions))
	for i, v := range l.versions {
		base[i] = v.ID
	}
	versions := l.versions
	c.draft.entered(l, rotator.StateCreating, actorDaemon, "nothing that could be checked stands in the way; not checked: "+brief(r.unchecked()))
	l.op.Base = base
	l.op.Previous = previousTo(newest.ID, versions, c.stateOf(l.op.KeyID))
	c.attempt(l, c.keyMethod(l))
}

// previousTo returns the versions that a rotation is to retire which makes one after the
// newest: that one, the one in use if the newest is somebody else's where nobody was to go,
// and those that rotations before left enabled.
func previousTo(newest string, versions []rotator.Version, state *rotator.KeyState) []string {
	all := []string{newest}
	for _, old := range append([]string{state.Current.ID}, state.Unretired...) {
		if v, ok := rotator.FindVersion(versions, old); ok && v.Enabled && !slices.Contains(all, old) {
			all = append(all, old)
		}
	}
	return all
}

// attempt commits the intent of one call that makes a version.
func (c rotation) attempt(l *live, method rotator.Method) {
	switch {
	case l.op.CancelledBy != "":
		c.draft.entered(l, rotator.StateCancelled, l.op.CancelledBy, "no version was made")
		return
	case c.keyOf(l) == nil:
		c.draft.entered(l, rotator.StateCancelled, actorDaemon, "the key is not in the configuration any more; no version was made")
		return
	}
	if f := freezing(c).stops(l); f != nil {
		freezing(c).hold(l, f)
		return
	}
	if now := c.keyMethod(l); now != rotator.MethodAuto {
		method = now
	}
	if method == rotator.MethodAuto {
		method = rotator.MethodRotate
	}
	l.op.Attempt = rotator.Attempt{Number: l.op.Attempt.Number + 1, Method: method, At: c.now}
	if l.op.Waiting.For == rotator.WaitFreeze {
		l.op.Waiting = rotator.Wait{}
	}
	c.draft.changed(l)
	c.draft.noted(l, rotator.EventVersionIntended, actorDaemon, "attempt %d to %s a version", l.op.Attempt.Number, method).
		Data = map[string]string{"base": l.op.Previous[0], "method": string(method)}
	c.pace.take(l, making(c).placeOf(l))
	c.draft.intended(l, task{kind: taskCreate, effect: &effect{method: method, attempt: l.op.Attempt.Number, tag: c.tag(&l.op)}})
}

// creating waits for the version, or finds out whether there is one. It is
// called with no Wake and nothing under way when its time has come, and also when
// the daemon was stopped in the middle.
func (c rotation) creating(l *live, due bool) {
	a := &l.op.Attempt
	switch {
	case c.busy(l) || !l.op.Wake.IsZero() || freezing(c).holds(l):
	case !a.Uncertain.IsZero():
		if l.uncertain.IsZero() {
			l.uncertain = c.steady
		}
		l.listed = c.steady
		c.draft.intended(l, task{kind: taskVersions})
	case due, l.op.Waiting.For == rotator.WaitFreeze: // no call is out
		c.attempt(l, a.Method)
	default:
		c.uncertain(l, &rotator.Problem{Code: rotator.ReasonDaemonStopped, Message: "the daemon was stopped during the call"})
	}
}

// uncertain notes that nobody knows whether the call had an effect.
func (c rotation) uncertain(l *live, why *rotator.Problem) {
	l.op.Attempt.Uncertain, l.uncertain = c.now, c.steady
	l.op.Waiting = rotator.Wait{For: rotator.WaitOutcome, Problem: why}
	c.draft.changed(l)
	c.draft.noted(l, rotator.EventCallUncertain, actorDaemon, "attempt %d may have made a version: %s", l.op.Attempt.Number, why.Message)
	c.draft.waits(l, c.now.Add(time.Second))
}

// created handles the answer to the call that makes a version.
func (c rotation) created(l *live, r *result) {
	switch {
	case r.err == nil:
		c.succeeded(l, r)
		return
	case l.op.State != rotator.StateCreating || r.attempt != l.op.Attempt.Number:
		return // it was done without this call
	case !l.op.Attempt.Uncertain.IsZero():
		if !r.err.NoEffect {
			l.uncertain = c.steady // it may have made one just now
		}
		return // the world was looked at meanwhile, and will be again
	}
	switch {
	case r.err.Reason == rotator.ReasonFrozen:
		c.attempt(l, r.method)
	case !r.err.NoEffect:
		if l.op.Failures++; l.op.Failures >= alerting.Patience {
			l.op.Problem = rotator.ProblemOf(r.err)
		}
		c.uncertain(l, rotator.ProblemOf(r.err))
	case r.err.Code == rotator.CodeForbidden && r.err.Reason != rotator.ReasonKeyDisabled && r.method == rotator.MethodRotate && c.keyMethod(l) == rotator.MethodAuto:
		c.attempt(l, rotator.MethodCreate)
	case r.err.Passes():
		l.op.Failures++
		l.op.Waiting = rotator.Wait{For: rotator.WaitRetry, Problem: rotator.ProblemOf(r.err)}
		c.draft.changed(l)
		again := max(backoff(l.op.Failures), r.err.RetryAfter)
		if l.op.Failures >= alerting.Patience {
			c.draft.held(l, rotator.ProblemOf(r.err), again)
			return
		}
		c.draft.waits(l, c.now.Add(again))
	default:
		c.createRefused(l, rotator.ProblemOf(r.err))
	}
}

// succeeded takes in a version that a call of ours made. A success is one whenever
// it arrives: also after the call was given up as lost.
func (c rotation) succeeded(l *live, r *result) {
	switch {
	case slices.Contains(l.op.Base, r.version.ID): // a list has shown it already
	case l.op.State == rotator.StateCreating:
		c.adopt(l, r.version, true)
	case !c.busy(l):
		c.draft.intended(l, task{kind: taskVersions}) // another one was adopted meanwhile
	}
}

// createRefused handles a definite no: nothing was changed.
func (c rotation) createRefused(l *live, p *rotator.Problem) {
	if l.op.Cause == rotator.CauseOperator || l.op.CancelledBy != "" {
		c.draft.entered(l, rotator.StateFailed, actorDaemon, p.String())
		l.op.Problem = p
		return
	}
	c.draft.entered(l, rotator.StatePending, actorDaemon, p.String())
	l.op.Held = p
	c.draft.held(l, p, heldRetry)
}

// searched handles a list of versions read to find out whether a call had an
// effect.
func (c rotation) searched(l *live, r *result) {
	a := &l.op.Attempt
	if r.err != nil {
		l.op.Failures++
		c.draft.held(l, rotator.ProblemOf(r.err), max(backoff(l.op.Failures), r.err.RetryAfter))
		return
	}
	if l.op.Failures < alerting.Patience {
		l.op.Problem = nil
	}
	tag := c.tag(&l.op)
	known := func(v rotator.Version) bool { return slices.Contains(l.op.Base, v.ID) }
	fresh, open := foreign(c).eligible(l, slices.DeleteFunc(slices.Clone(r.versions), known), tag)
	if v, ok := rotator.Newest(fresh, func(v rotator.Version) bool { return v.Operation == tag }); ok {
		l.passed(v, r.versions)
		c.adopt(l, v, v.Operation == tag || len(fresh) == 1 && v.Operation == "")
		return
	}
	waited := l.listed.Sub(l.uncertain)
	if open && waited >= readLag { // somebody's version, of which is to be read whether it is fit
		c.draft.waits(l, c.now.Add(readLag/4))
		return
	}
	if waited < readLag || c.pace.calls(l.op.ID) {
		c.draft.waits(l, c.now.Add(max(min(waited, readLag-waited), time.Second)))
		return
	}
	c.attempt(l, a.Method)
}

// adopt makes a version the target: our own, or one that someone else made.
func (c rotation) adopt(l *live, v rotator.Version, ours bool) {
	op, outpaced := &l.op, l.op.Target.ID
	if outpaced == v.ID {
		outpaced = ""
	}
	if outpaced != "" {
		op.Previous = newestFirst(outpaced, op.Previous)
	}
	op.Target, op.Adopted, op.Attempt.Uncertain, l.uncertain = v, !ours, time.Time{}, time.Time{}
	op.Base = append(op.Base, v.ID)
	op.Previous = slices.DeleteFunc(slices.Clone(op.Previous), func(old string) bool { return old == v.ID })
	op.NobodyRetires()
	op.Settled, op.Held, op.Doubt, op.Overdue = time.Time{}, nil, nil, false
	c.answerRetirers(l, rotator.Errorf(rotator.CodeConflict, "version %s was made meanwhile", v.ID).WithHint("cmkd status %s shows how far its dependents are", op.ID))
	tampering(c).settle(c.draft.changedKey(op.KeyID), unnamed)
	c.draft.changedKey(op.KeyID).Current = v
	t, who := rotator.EventVersionCreated, actorDaemon
	if !ours {
		t, who = rotator.EventVersionAdopted, "unknown"
	}
	c.draft.noted(l, t, who, "version %s", v.ID).Data = map[string]string{
		"version": v.ID, "created": v.Created.UTC().Format(time.RFC3339), "tag": v.Operation,
	}
	if op.CancelledBy != "" {
		c.leaveUnretired(l)
		c.draft.entered(l, rotator.StateCancelled, op.CancelledBy, "its version is in place; "+commands(c).previousNow(l))
		return
	}
	c.draft.entered(l, rotator.StatePropagating, actorDaemon, "")
	for _, t := range l.trackers {
		if t.State != rotator.TrackerExcluded {
			anew, leaves := !t.Detail.DoneAt.IsZero(), outpaced != "" && len(t.Detail.Needs) > 0 // on another target
			if anew || leaves {
				t.Detail = configuring(c).whole(l, &t)
				t.Detail.DoneAt = time.Time{}
			}
			if leaves { // it may have been told of that one, and of the one that is adopted now
				t.Detail.Needs = remembered(t.Detail.Needs, []string{outpaced})
			}
			c.draft.observed(l, follow(t, c.now), anew || leaves)
		}
	}
}

// newestFirst puts a version before those that are older, each only once.
func newestFirst(version string, older []string) []string {
	return append([]string{version}, slices.DeleteFunc(slices.Clone(older), func(v string) bool { return v == version })...)
}

// follow lets a tracker begin to follow a new target. What follows by itself is
// given a moment: a look at once would cost a call and show nothing.
func follow(tr rotator.Tracker, now time.Time) rotator.Tracker {
	t, d := tracker(tr), tr.Detail
	if d.Binding == rotator.BindingFollows && d.Dependent.Nudge != rotator.NudgeAlways {
		first := minPoll
		if d.Dependent.Poll > 0 {
			first = min(first, d.Dependent.Poll)
		}
		return rotator.Tracker(t.enter(rotator.TrackerPropagating, now, nextOnGrid(now, first)))
	}
	return rotator.Tracker(t.enter(rotator.TrackerWaiting, now, now))
}

// propagating waits until every dependent is on the target.
func (c rotation) propagating(l *live) {
	if l.open() > 0 || l.askedN > 0 {
		return
	}
	settled := l.op.Target.Created
	for i := range l.trackers {
		settled = later(settled, l.trackers[i].Detail.DoneAt)
	}
	soak := c.soak(l)
	c.draft.entered(l, rotator.StateSoaking, actorDaemon, fmt.Sprintf("every dependent is on %s: %s", l.op.Target.ID, l.evidence()))
	l.op.Settled, l.op.Held = settled, nil
	for i := range l.trackers {
		if t := &l.trackers[i]; t.State == rotator.TrackerDone || t.State == rotator.TrackerLeft {
			c.draft.observed(l, withDue(*t, standings(c).next(l, t)), false)
		}
	}
	if soak <= 0 {
		c.soaked(l)
		return
	}
	c.draft.waits(l, c.now.Add(soak))
}

// soaked goes on to retirement.
func (c rotation) soaked(l *live) {
	if l.op.Retire == rotator.RetireOff && len(l.op.Retired) == 0 {
		c.leaveUnretired(l)
		c.draft.entered(l, rotator.StateCompleted, actorDaemon, "the previous version stays enabled")
		return
	}
	l.op.Overdue = false // this wait is another one
	c.draft.entered(l, rotator.StateRetiring, actorDaemon, "")
	retirement(c).advance(l)
}

// leaveUnretired hands the versions not retired to the next rotation.
func (c *state) leaveUnretired(l *live) {
	state := c.draft.changedKey(l.op.KeyID)
	state.Unretired = unretired(state.Unretired, &l.op)
}

// unretired adds what a rotation left enabled to what those before it did.
func unretired(before []string, op *rotator.Operation) []string {
	left := slices.DeleteFunc(slices.Clone(before), func(v string) bool { return slices.Contains(op.Retired, v) })
	for _, v := range op.Previous {
		if !slices.Contains(op.Retired, v) && !slices.Contains(left, v) {
			left = append(left, v)
		}
	}
	return left
}

// supersede ends a rotation that only waits for somebody to retire the previous
// version, so that the next one can begin.
func (c rotation) supersede(l *live, actor string) {
	c.leaveUnretired(l)
	c.draft.entered(l, rotator.StateCompleted, actor, commands(c).previousNow(l)+"; the next rotation will offer again what is enabled")
}

// outside compares a list of versions with what a rotation knows: a version made
// by someone else meanwhile becomes the target.
//
// Of all that were made until then, also those where nobody was to go, each is to be retired.
func (c rotation) outside(l *live, versions, all []rotator.Version) {
	if v, ok := followed(l, versions, c.tag(&l.op)); ok {
		c.adopt(l, v, slices.Contains(l.op.Base, v.ID)) // what was the target before
		return
	}
	newest, ok := rotator.Newest(versions, func(v rotator.Version) bool { return v.ID == l.op.Target.ID })
	// One that was there when the rotation began is newer only if another was adopted while this
	// one was disabled.
	known := slices.Contains(l.op.Base, newest.ID) && !newest.Created.After(l.op.Target.Created)
	if !ok || newest.ID == l.op.Target.ID || known || newest.Created.Before(l.op.Target.Created) {
		return
	}
	l.passed(newest, all)
	c.adopt(l, newest, false)
}

// passed takes those for previous versions that were made between the target and the next one:
// dependents may have gone to each.
func (l *live) passed(next rotator.Version, all []rotator.Version) {
	for _, v := range all {
		if v.ID != next.ID && v.Enabled && !v.Created.After(next.Created) && !slices.Contains(l.op.Base, v.ID) {
			l.op.Base, l.op.Previous = append(l.op.Base, v.ID), newestFirst(v.ID, l.op.Previous)
		}
	}
}

// followed returns the version that those who follow the key by themselves went to
// though it is not the target, if it was made within the same second: the vault's
// times do not tell which of the two is the newer one, and the services know. They
// only go forward, so this ends. What was there before the operation, without its
// tag, is none of them.
func followed(l *live, versions []rotator.Version, tag string) (found rotator.Version, ok bool) {
	for i := range l.trackers {
		d := l.trackers[i].Detail
		if d.Binding != rotator.BindingFollows || d.Version == "" {
			continue
		}
		if d.Version == l.op.Target.ID {
			return rotator.Version{}, false
		}
		v, listed := rotator.FindVersion(versions, d.Version)
		fresh := !slices.Contains(l.op.Base, v.ID) || v.Operation == tag
		if listed && fresh && v.Enabled && v.Created.Equal(l.op.Target.Created) {
			found, ok = v, true
		}
	}
	return found, ok
}
