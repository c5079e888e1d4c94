package engine

import (
	"time"

	"cmkd/rotator"
)

// due looks at the trackers of an operation that are due, and at the
// operation itself if it is.
func (c observing) due(l *live) error {
	if l == nil {
		return nil
	}
	if err := c.load(l); err != nil {
		return err
	}
	l.planned = time.Time{}
	c.draft.expect(l.dues[l.due().UnixNano()])
	for i := range l.trackers {
		if t := &l.trackers[i]; !t.Due.IsZero() && !t.Due.After(c.now) && !l.asked[i] {
			c.draft.asked(l, t, taskObserve, "")
		}
	}
	if !l.op.Wake.IsZero() && !l.op.Wake.After(c.now) {
		l.op.Wake, l.listed = time.Time{}, time.Time{}
		c.draft.changedSoon(l)
		c.advance(l, true)
	}
	c.planOperation(l)
	return nil
}

// all makes every tracker that is not excluded due now. Before a rotation changes
// anything, nobody waits for what is not listed.
func (c observing) all(l *live) {
	for _, t := range l.trackers {
		if t.State != rotator.TrackerExcluded && (!t.Detail.Dependent.Discovered || !early(l)) {
			c.draft.observed(l, withDue(t, c.now), false)
		}
	}
}

// looked takes in a look at a dependent.
func (c observing) looked(l *live, r *result) {
	if int(r.tracker) >= len(l.trackers) {
		return
	}
	old := l.trackers[r.tracker]
	if l.asked[r.tracker] {
		l.asked[r.tracker] = false
		l.askedN--
		old.Due = time.Time{} // it was taken out when the look began
		l.trackers[r.tracker].Due = old.Due
	}
	if old.State == rotator.TrackerExcluded || l.op.State.Final() {
		return
	}
	lk := look{
		now: c.now, room: &c.room, op: &l.op, traits: c.traits[old.Detail.Dependent.Kind], seen: r.observation, err: r.err,
		applyErr: r.applyErr, require: c.guardView(l).require,
	}
	if l.op.State == rotator.StateProbation {
		lk.require = rotator.EvidenceNone // what is demanded is demanded of what is retired next
	}
	if state := c.stateOf(l.op.KeyID); state != nil {
		target, known := rotator.FindVersion(state.Versions, l.op.Target.ID)
		lk.shut, lk.opened = known && !target.Enabled, target.Updated
	}
	lk.revoked = undoing(c).revokedSince
	if r.kind == taskApply && r.task.version.ID == l.op.Target.ID {
		lk.applied = r.action
	}
	if r.err == nil {
		freezing(c).lostAccess(l, &old, r.observation)
	}
	lk.freeze = freezing(c).stops(l)
	if r.effect != nil && r.refused != nil {
		lk.applied, lk.applyErr = "", nil // nothing was done
	}
	t, action := decide(old, lk)
	if settledNow := t.State == rotator.TrackerDone || t.State == rotator.TrackerLeft; settledNow && t.Due.IsZero() {
		t.Due = standings(c).next(l, &t)
	}
	t = c.store(l, &old, t)
	switch {
	case l.stale[t.Number] && l.older[t.Number]:
		delete(l.older, t.Number)
		c.draft.observed(l, withDue(l.trackers[t.Number], c.now), false) // looked at before the guard began
	case r.err == nil && t.Failures == 0, t.State == rotator.TrackerUnreachable, t.State == rotator.TrackerNeedsAction:
		delete(l.stale, t.Number)
		if l.guarding && l.afresh != nil && t.State.Settled() {
			l.afresh[t.Number] = c.steady
		}
	}
	// One that is only throttled does not fail, and may be so for long.
	if l.op.State == rotator.StatePending && (t.Failures >= unanswered || r.err != nil && c.steady.Sub(l.lookedAt) > freshFor) {
		making(c).aside(l)
	}
	if lk.freeze != nil && rotator.IsFrozen(t.Detail.Problem) {
		freezing(c).hold(l, lk.freeze)
	}
	if action != "" {
		e := c.draft.noted(l, rotator.EventDependentUpdated, actorDaemon, "%s %s: %s to version %s is intended",
			t.Detail.Dependent.Kind, t.Detail.Dependent.DisplayName(), action, l.op.Target.ID)
		e.Dependent = t.Detail.Dependent.ID
		c.draft.asked(l, &t, taskApply, action)
	}
	if r.err == nil {
		attesting(c).observed(l, &t, r.observation)
		probation(c).observed(l, &t, r.observation)
		drifts(c).relieved(l, &t, r.observation)
		drifts(c).complains(l, &t, r.observation)
		searching(c).covered(l, &t)
	}
	if r.err == nil && strange(&l.op, r.observation) && !c.busy(l) {
		c.draft.intended(l, task{kind: taskVersions})
	}
	if (l.op.State == rotator.StateSoaking || l.op.AwaitsRetirement()) && !t.State.Settled() && !t.Detail.Dependent.Discovered {
		why := " left the target"
		if p := t.Detail.Problem; p != nil {
			why = ": " + p.Message
		}
		c.draft.entered(l, rotator.StatePropagating, actorDaemon, t.Detail.Dependent.DisplayName()+why)
	}
}

// wanted reports whether an update that was intended is still to be made: not if its
// operation has ended or has another target by now, nor of whom somebody excluded or nobody
// lists any more.
func (c observing) wanted(t *task) bool {
	l := c.live[t.operation]
	if l == nil || l.op.State.Final() || l.op.Target.ID != t.version.ID || c.load(l) != nil || int(t.tracker) >= len(l.trackers) {
		return false
	}
	of := &l.trackers[t.tracker]
	return of.State != rotator.TrackerExcluded && !of.Detail.Dependent.Discovered
}

// goesWithoutSaying reports whether a change of a tracker's state is no news: it begins,
// or an update is intended, of which there is an event already.
func goesWithoutSaying(old, t *rotator.Tracker) bool {
	return old.State == rotator.TrackerWaiting && t.State == rotator.TrackerPropagating || t.State == rotator.TrackerApplying
}

// store stores the tracker after a look, notes what changed, and returns what
// it stored.
func (c observing) store(l *live, old *rotator.Tracker, t rotator.Tracker) rotator.Tracker {
	changed := changedFrom(&t, old)
	if t.Detail.Last != nil {
		now := shows(t.Detail.Last)
		changed, l.shown[t.Number] = changed || now != l.shown[t.Number], now
	}
	if changed {
		kept := *t.Detail // out of the room that the next look will use
		if kept.Last == nil && t.State != rotator.TrackerUnreachable {
			kept.Last = c.lastSeen(l, t.Number)
		}
		t.Detail = &kept
	} else {
		t.Detail = old.Detail // without the look, which shows nothing new
	}
	c.draft.observed(l, t, changed)
	d := t.Detail
	if t.State == old.State && t.Evidence == old.Evidence && (d.Refusal == nil || sameProblem(d.Refusal, old.Detail.Refusal)) || goesWithoutSaying(old, &t) {
		return t
	}
	what := string(t.State)
	if t.Evidence != rotator.EvidenceNone {
		what += ", " + string(t.Evidence)
	}
	if d.Problem != nil {
		what += ": " + d.Problem.Message
	}
	e := c.draft.noted(l, rotator.EventTrackerChanged, actorDaemon, "%s %s: %s", d.Dependent.Kind, d.Dependent.DisplayName(), what)
	e.Dependent = d.Dependent.ID
	e.Data = map[string]string{"from": string(old.State), "to": string(t.State)}
	if t.Evidence != rotator.EvidenceNone {
		e.Data["evidence"] = string(t.Evidence)
	}
	if t.State == rotator.TrackerDone && old.State != rotator.TrackerDone {
		alerts(c).learn(l, &t)
	}
	if d.Version != "" {
		e.Data["version"] = d.Version
	}
	if d.Last != nil && d.Last.AccessCode != "" {
		e.Data["access_code"] = d.Last.AccessCode
	}
	return t
}
