package rotator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// readLag is how long a list of versions may lag a write, with something to
	// spare (azure/facts.md section 2: up to 60 s).
	readLag = 65 * time.Second
	// heldRetry is how often a rotation is tried again that nothing but a
	// person's action lets go on.
	heldRetry = 15 * time.Minute
)

// newRotation begins a rotation of a key that has no live operation.
func (c *core) newRotation(key *Key, cause Cause, actor, reason string) *live {
	if p := c.states[key.Name].Problem; p != nil && p.Code == scheduleMissed {
		c.keyProblem(c.states[key.Name], nil)
	}
	return c.newOperation(key, Operation{
		Kind: KindRotation, State: StatePending, Cause: cause, Actor: actor, Reason: reason, Retire: key.Retire,
	})
}

func (c *core) newOperation(key *Key, op Operation) *live {
	id, err := c.store.NextIDs(context.Background(), SequenceOperations, 1)
	if err != nil {
		c.fault = fmt.Errorf("begin an operation: %w", err)
	}
	op.ID, op.Key, op.KeyID = OperationID(id), key.Name, key.ID
	op.Created, op.Since, op.Trackers = c.now, c.now, map[TrackerState]int{}
	l := &live{op: op, loaded: true, dues: map[int64]int{}}
	c.live[op.ID] = l
	state := c.touchKey(key.Name)
	state.Operation, state.Failed, state.Missed = op.ID, 0, time.Time{}
	state.Preflight, state.PreflightAt = nil, time.Time{}
	e := c.event(l, EventOperationCreated, op.Actor, "%s of %s", op.Kind, key.Name)
	e.Data = map[string]string{"cause": string(op.Cause), "state": string(op.State)}
	if op.Reason != "" {
		e.Data["reason"] = op.Reason
	}
	n := len(key.Dependents)
	l.trackers, l.asked = make([]Tracker, 0, n), make([]bool, 0, n)
	l.marks, l.changed = make([]mark, 0, n), make([]uint32, 0, n)
	for _, d := range key.Dependents {
		c.addTracker(l, d, c.now)
	}
	c.touch(l)
	return l
}

// pending looks at everything before anything is changed.
func (c *core) pending(l *live) {
	switch {
	case !l.op.Wake.IsZero():
		return // tried before, and waits to try again
	case l.listed.IsZero():
		l.listed = c.now
		c.do(l, task{kind: taskVersions})
		return
	}
	blocked := l.op.Trackers[TrackerNeedsAction] + l.op.Trackers[TrackerUnreachable]
	if c.busy(l) || l.askedN > 0 || l.dueN > blocked {
		return
	}
	if retryable(l.listErr) {
		l.op.Failures++
		c.hold(l, problemOf(l.listErr), max(backoff(l.op.Failures), l.listErr.RetryAfter))
		return
	}
	if p := c.preflight(l); p != nil {
		c.preflightFailed(l, p)
		return
	}
	if c.vaultFull(l) {
		l.op.Waiting = "another rotation in vault " + l.op.KeyID.Host()
		c.wait(l, c.now.Add(minPoll))
		return
	}
	c.intend(l)
}

// retryable reports whether an error may pass by itself.
func retryable(err *Error) bool {
	if err == nil {
		return false
	}
	return err.Code == CodeThrottled || err.Code == CodeUnavailable || err.Code == CodeConflict
}

// preflight returns what stands in the way of a rotation, nil if nothing does.
func (c *core) preflight(l *live) *Problem {
	if l.listErr != nil {
		return problemOf(l.listErr)
	}
	newest, ok := Newest(l.versions, nil)
	switch {
	case !ok:
		return &Problem{Code: "no-version", Message: "key " + string(l.op.KeyID) + " has no version"}
	case !newest.Enabled:
		return &Problem{
			Code: "version-disabled", Message: "the current version " + newest.ID + " is disabled",
			Hint: "enable it, or if it was revoked: cmkd reinstate " + l.op.Key,
		}
	case !newest.PurgeProtected:
		return &Problem{
			Code: "no-purge-protection", Message: "vault " + l.op.KeyID.Host() + " has no purge protection, which every service demands of it",
			Hint: "az keyvault update --name VAULT --enable-purge-protection true",
		}
	}
	for i := range l.trackers {
		if t := &l.trackers[i]; t.State == TrackerNeedsAction || t.State == TrackerUnreachable {
			p := *t.Detail.Problem
			p.Message = t.Detail.Dependent.Kind + " " + t.Detail.Dependent.DisplayName() + ": " + p.Message
			return &p
		}
	}
	return nil
}

// preflightFailed ends a rotation that a person asked for, who is there to
// mend it; a scheduled one stays and is tried again.
func (c *core) preflightFailed(l *live, p *Problem) {
	if l.op.Problem == nil || *l.op.Problem != *p {
		c.event(l, EventPreflightFailed, actorDaemon, "nothing was changed: %s", p)
	}
	if l.op.Cause == CauseOperator {
		c.enter(l, StateFailed, actorDaemon, p.String())
		l.op.Problem = p
		return
	}
	c.hold(l, p, heldRetry)
}

// vaultFull reports whether the vault has as many versions being made as it
// should.
func (c *core) vaultFull(l *live) bool {
	n := 0
	for _, other := range c.live {
		if other.op.State == StateCreating && other.op.KeyID.Host() == l.op.KeyID.Host() {
			n++
		}
	}
	return n >= c.limits.RotationsPerVault
}

// intend commits to making a version: from here on, whatever is not in Base is
// new.
func (c *core) intend(l *live) {
	newest, _ := Newest(l.versions, nil)
	base := make([]string, len(l.versions))
	for i, v := range l.versions {
		base[i] = v.ID
	}
	versions := l.versions
	c.enter(l, StateCreating, actorDaemon, "preflight passed")
	l.op.Base = base
	l.op.Previous = []string{newest.ID}
	for _, old := range c.states[l.op.Key].Unretired {
		if v, ok := findVersion(versions, old); ok && v.Enabled && old != newest.ID {
			l.op.Previous = append(l.op.Previous, old)
		}
	}
	c.attempt(l, c.keyMethod(l))
}

func (c *core) keyMethod(l *live) Method {
	if key := c.keys[l.op.Key]; key != nil && key.Method != "" {
		return key.Method
	}
	return MethodAuto
}

// attempt commits the intent of one call that makes a version.
func (c *core) attempt(l *live, method Method) {
	if l.op.CancelledBy != "" {
		c.enter(l, StateCancelled, l.op.CancelledBy, "no version was made")
		return
	}
	if method == MethodAuto {
		method = MethodRotate
	}
	l.op.Attempt = Attempt{Number: l.op.Attempt.Number + 1, Method: method, At: c.now}
	c.touch(l)
	c.event(l, EventVersionIntended, actorDaemon, "attempt %d to %s a version", l.op.Attempt.Number, method).
		Data = map[string]string{"base": l.op.Previous[0], "method": string(method)}
	c.do(l, task{kind: taskCreate, effect: &effect{method: method, attempt: l.op.Attempt.Number, tag: c.tag(&l.op)}})
}

// tag is what marks a version as made by an operation of this store.
func (c *core) tag(op *Operation) string { return c.store.Instance() + "/" + op.ID.String() }

// creating waits for the version, or finds out whether there is one. It is
// called with no Wake and nothing under way when its time has come, and also when
// the daemon was stopped in the middle.
func (c *core) creating(l *live, due bool) {
	a := &l.op.Attempt
	switch {
	case c.busy(l) || !l.op.Wake.IsZero():
	case !a.Uncertain.IsZero():
		l.listed = c.now
		c.do(l, task{kind: taskVersions})
	case due:
		c.attempt(l, a.Method)
	default:
		c.uncertain(l, "the daemon was stopped during the call")
	}
}

// uncertain notes that nobody knows whether the call had an effect.
func (c *core) uncertain(l *live, why string) {
	l.op.Attempt.Uncertain = c.now
	l.op.Waiting = "to see whether the vault made a version: " + why
	c.touch(l)
	c.event(l, EventCallUncertain, actorDaemon, "attempt %d may have made a version: %s", l.op.Attempt.Number, why)
	c.wait(l, c.now.Add(time.Second))
}

// reasonKeyDisabled is the vault's code for a call on a disabled version; making
// one in another way would not help (azure/facts.md section 2).
const reasonKeyDisabled = "KeyDisabled"

// created handles the answer to the call that makes a version.
func (c *core) created(l *live, r *result) {
	if l.op.State != StateCreating || r.attempt != l.op.Attempt.Number || !l.op.Attempt.Uncertain.IsZero() {
		return // the world was looked at meanwhile, and will be again
	}
	switch {
	case r.err == nil:
		c.adopt(l, r.version, true)
	case !r.err.NoEffect:
		if l.op.Failures++; l.op.Failures >= patience {
			l.op.Problem = problemOf(r.err)
		}
		c.uncertain(l, r.err.Error())
	case r.err.Code == CodeForbidden && r.err.Reason != reasonKeyDisabled && r.method == MethodRotate && c.keyMethod(l) == MethodAuto:
		c.attempt(l, MethodCreate)
	case retryable(r.err):
		l.op.Failures++
		l.op.Waiting = "to try again: " + r.err.Error()
		c.touch(l)
		again := max(backoff(l.op.Failures), r.err.RetryAfter)
		if l.op.Failures >= patience {
			c.hold(l, problemOf(r.err), again)
			return
		}
		c.wait(l, c.now.Add(again))
	default:
		c.createRefused(l, problemOf(r.err))
	}
}

// createRefused handles a definite no: nothing was changed.
func (c *core) createRefused(l *live, p *Problem) {
	if l.op.Cause == CauseOperator || l.op.CancelledBy != "" {
		c.enter(l, StateFailed, actorDaemon, p.String())
		l.op.Problem = p
		return
	}
	c.enter(l, StatePending, actorDaemon, p.String())
	l.op.Held = p
	c.hold(l, p, heldRetry)
}

// searched handles a list of versions read to find out whether a call had an
// effect.
func (c *core) searched(l *live, r *result) {
	a := &l.op.Attempt
	if r.err != nil {
		l.op.Failures++
		c.hold(l, problemOf(r.err), max(backoff(l.op.Failures), r.err.RetryAfter))
		return
	}
	if l.op.Failures < patience {
		l.op.Problem = nil
	}
	tag := c.tag(&l.op)
	fresh := slices.DeleteFunc(slices.Clone(r.versions), func(v Version) bool { return slices.Contains(l.op.Base, v.ID) })
	if v, ok := Newest(fresh, func(v Version) bool { return v.Operation == tag }); ok {
		for _, other := range fresh {
			if other.ID != v.ID {
				l.op.Base, l.op.Previous = append(l.op.Base, other.ID), append([]string{other.ID}, l.op.Previous...)
			}
		}
		c.adopt(l, v, v.Operation == tag || len(fresh) == 1 && v.Operation == "")
		return
	}
	waited := l.listed.Sub(a.Uncertain)
	if waited < readLag {
		c.wait(l, c.now.Add(min(max(waited, time.Second), readLag-waited)))
		return
	}
	c.attempt(l, a.Method)
}

// adopt makes a version the target: our own, or one that someone else made.
func (c *core) adopt(l *live, v Version, ours bool) {
	op := &l.op
	if op.Target.ID != "" && op.Target.ID != v.ID {
		op.Previous = append([]string{op.Target.ID}, op.Previous...)
	}
	op.Target, op.Adopted, op.Attempt.Uncertain = v, !ours, time.Time{}
	op.Base = append(op.Base, v.ID)
	op.Settled, op.Retirer, op.Held = time.Time{}, "", nil
	c.touchKey(op.Key).Current = v
	t, who := EventVersionCreated, actorDaemon
	if !ours {
		t, who = EventVersionAdopted, "unknown"
	}
	c.event(l, t, who, "version %s", v.ID).Data = map[string]string{
		"version": v.ID, "created": v.Created.UTC().Format(time.RFC3339), "tag": v.Operation,
	}
	if op.CancelledBy != "" {
		c.leaveUnretired(l)
		c.enter(l, StateCancelled, op.CancelledBy, "its version is in place, the previous one stays enabled")
		return
	}
	c.enter(l, StatePropagating, actorDaemon, "")
	for _, t := range l.trackers {
		if t.State != TrackerExcluded {
			c.setTracker(l, t.follow(c.now), false)
		}
	}
}

// follow lets a tracker begin to follow a new target. What follows by itself is
// given a moment: a look at once would cost a call and show nothing.
func (t Tracker) follow(now time.Time) Tracker {
	d := t.Detail
	if d.Binding == BindingFollows && d.Dependent.Nudge != NudgeAlways {
		first := minPoll
		if d.Dependent.Poll > 0 {
			first = min(first, d.Dependent.Poll)
		}
		return t.enter(TrackerPropagating, now, nextOnGrid(now, first))
	}
	return t.enter(TrackerWaiting, now, now)
}

// propagating waits until every dependent is on the target.
func (c *core) propagating(l *live) {
	open := len(l.trackers) - l.op.Trackers[TrackerDone] - l.op.Trackers[TrackerExcluded]
	if open > 0 || l.askedN > 0 {
		return
	}
	settled := l.op.Target.Created
	for i := range l.trackers {
		settled = later(settled, l.trackers[i].Detail.DoneAt)
	}
	soak := c.soak(l)
	c.enter(l, StateSoaking, actorDaemon, fmt.Sprintf("every dependent is on %s: %s", l.op.Target.ID, l.evidence()))
	l.op.Settled, l.op.Held = settled, nil
	if soak <= 0 {
		c.soaked(l)
		return
	}
	c.wait(l, c.now.Add(soak))
}

// evidence says how much of what is said of the dependents was seen.
func (l *live) evidence() string {
	counts := map[Evidence]int{}
	for i := range l.trackers {
		if l.trackers[i].State == TrackerDone {
			counts[l.trackers[i].Evidence]++
		}
	}
	var parts []string
	for _, e := range []Evidence{EvidenceConfirmed, EvidenceObserved, EvidenceInferred} {
		if counts[e] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[e], e))
		}
	}
	if n := l.op.Trackers[TrackerExcluded]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d excluded", n))
	}
	if len(parts) == 0 {
		return "there are none"
	}
	return strings.Join(parts, ", ")
}

func (c *core) soak(l *live) time.Duration {
	if key := c.keys[l.op.Key]; key != nil {
		return key.Soak
	}
	return 0
}

// soaked goes on to retirement.
func (c *core) soaked(l *live) {
	if l.op.Retire == RetireOff {
		c.enter(l, StateCompleted, actorDaemon, "the previous version stays enabled")
		return
	}
	c.enter(l, StateRetiring, actorDaemon, "")
	c.retiring(l)
}

// leaveUnretired hands the versions not retired to the next rotation.
func (c *core) leaveUnretired(l *live) {
	state := c.touchKey(l.op.Key)
	for _, v := range l.op.Previous {
		if !slices.Contains(l.op.Retired, v) && !slices.Contains(state.Unretired, v) {
			state.Unretired = append(slices.Clone(state.Unretired), v)
		}
	}
}

// supersede ends a rotation that only waits for somebody to retire the previous
// version, so that the next one can begin.
func (c *core) supersede(l *live, actor string) {
	c.leaveUnretired(l)
	c.enter(l, StateCompleted, actor, "the previous version stays enabled; the next rotation will offer it again")
}

// awaitsRetirement reports whether a rotation waits for `cmkd retire`.
func awaitsRetirement(op *Operation) bool {
	return op.State == StateRetiring && op.Retire == RetireManual && op.Retirer == ""
}
