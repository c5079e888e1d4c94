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
	// probationEvery is how often at most a dependent is observed in probation.
	probationEvery = time.Minute
	// probationLonger is how much longer a probation lasts while a dependent is in
	// trouble, or cannot be read.
	probationLonger = 15 * time.Minute
)

// begin watches what the previous version was disabled for: whoever needed it after all
// shows that within the time in which its kind loses access.
func (c probation) begin(l *live) {
	state := c.draft.changedKey(l.op.KeyID)
	state.Unretired = slices.DeleteFunc(slices.Clone(state.Unretired), func(v string) bool { return slices.Contains(l.op.Retired, v) })
	done := "the previous version is disabled; on " + l.op.Target.ID + ": " + l.evidence()
	l.closing = time.Time{}
	lasts := longest(l.trackers, c.traits)
	if lasts <= 0 || l.op.Compromised {
		c.draft.entered(l, rotator.StateCompleted, l.retirer(), done)
		c.answerRetirers(l, nil)
		return
	}
	c.draft.entered(l, rotator.StateProbation, l.retirer(), done+"; whether anybody lacks it is watched for "+lasting(lasts)+c.late(l))
	l.op.Probation, l.guarding, l.stale = c.now.Add(lasts), false, nil
	c.draft.waits(l, l.op.Probation)
	c.answerRetirers(l, nil)
	observing(c).all(l)
}

// longest returns the longest time in which a dependent loses access, zero if there is
// none to lose it. One that is in trouble may be so because it lacks the version already.
func longest(trackers []rotator.Tracker, traits map[string]rotator.Traits) (lasts time.Duration) {
	for i := range trackers {
		if t := &trackers[i]; t.State != rotator.TrackerExcluded && t.State != rotator.TrackerLeft {
			lasts = max(lasts, losesAccess(t, traits))
		}
	}
	return lasts
}

// losesAccess is the time in which a dependent shows that it lacks a version.
func losesAccess(t *rotator.Tracker, traits map[string]rotator.Traits) time.Duration {
	return accessWindow(t.Detail, traits[t.Detail.Dependent.Kind])
}

// late says of which dependents it does not show in time that they lack a version.
func (c probation) late(l *live) string {
	all := lateOf(l.trackers, c.traits)
	if len(all) == 0 {
		return ""
	}
	return "; it does not show in that time of " + few(all)
}

// lateOf names the dependents of which it does not show in time that they lack a version,
// and when it does.
func lateOf(trackers []rotator.Tracker, traits map[string]rotator.Traits) (all []string) {
	for i := range trackers {
		d := &trackers[i].Detail.Dependent
		if when := traits[d.Kind].Late; when != "" && trackers[i].State == rotator.TrackerDone {
			all = append(all, fmt.Sprintf("%s %s (%s)", d.Kind, d.DisplayName(), when))
		}
	}
	return all
}

// advance ends a probation when its time is over, and goes on with a rollback.
func (c probation) advance(l *live, due bool) {
	switch {
	case c.busy(l) || l.op.Restoring && !l.op.Wake.IsZero():
	case l.op.Restoring:
		c.restore(l)
	case !due:
	case l.askedN > 0: // what is out may show it
		c.draft.waits(l, c.now.Add(probationEvery/6))
	case l.open() > 0:
		l.closing = time.Time{}
		if p := l.op.Problem; p != nil && p.Code == rotator.ReasonDependentNotSeenAfresh {
			l.op.Problem = nil // it is known by now
			c.draft.changed(l)
		}
		c.draft.waits(l, c.now.Add(probationLonger))
	case l.closing.IsZero(): // the last look is at its end
		l.closing = c.steady
		observing(c).all(l)
		c.draft.waits(l, c.now.Add(probationEvery/6))
	case c.unseen(l) != "" && c.steady.Sub(l.closing) < probationLonger:
		c.draft.waits(l, c.now.Add(probationEvery))
	case c.unseen(l) != "":
		c.draft.held(l, &rotator.Problem{
			Code: rotator.ReasonDependentNotSeenAfresh, Message: "whether it lacks the version that was disabled is not known: " + c.unseen(l),
			Hint: "the probation goes on until it is: see why nothing answers",
		}, probationEvery)
	default:
		c.draft.entered(l, rotator.StateCompleted, actorDaemon, "nobody was seen to lack the version that was disabled: "+c.seen(l))
	}
}

// unseen names the dependents that were not looked at since they could have shown that they
// lack what was disabled.
func (c probation) unseen(l *live) string {
	var names []string
	for i := range l.trackers {
		t := &l.trackers[i]
		if d := &t.Detail.Dependent; t.State == rotator.TrackerDone && t.Seen.Before(l.op.RetiredAt.Add(losesAccess(t, c.traits)-probationEvery)) {
			names = append(names, d.Kind+" "+d.DisplayName()+" was last seen at "+t.Seen.UTC().Format("2006-01-02 15:04 MST"))
		}
	}
	return few(names)
}

// seen says of how many dependents it was seen that they have access.
func (c probation) seen(l *live) string {
	allowed, silent := 0, 0
	for i := range l.trackers {
		t := &l.trackers[i]
		if t.State != rotator.TrackerDone {
			continue
		}
		if o := c.lastSeen(l, t.Number); o != nil && o.Access == rotator.AccessAllowed && o.AccessEvidence != rotator.EvidenceNone {
			allowed++
		} else {
			silent++
		}
	}
	if silent == 0 {
		return fmt.Sprintf("%d seen with access", allowed)
	}
	return fmt.Sprintf("%d seen with access, %d do not show it", allowed, silent)
}

// observed rolls the retirement back if a service itself says that a version of the key
// is what it lacks.
func (c probation) observed(l *live, t *rotator.Tracker, o *rotator.Observation) {
	d := &t.Detail.Dependent
	if !c.watches(l, o.At) || l.op.Restoring || o.Access != rotator.AccessDenied ||
		!slices.Contains(c.traits[d.Kind].Missing, o.AccessCode) {
		delete(l.denied, t.Number)
		return
	}
	denial, again := c.denied(l, t)
	if again {
		return
	}
	says := fmt.Sprintf("%s %s says %s", d.Kind, d.DisplayName(), o.AccessCode)
	// What was so when it was retired, and is felt only now, may explain it as well: to enable a
	// version again that nobody needs is the smaller fault.
	since := l.op.RetiredAt
	if why := cmp.Or(c.keeps(l), c.otherKeyDown(l.op.KeyID, o, since), c.targetDown(&l.op, o, since)); why != "" {
		if !denial.told {
			denial.told = true
			c.draft.noted(l, rotator.EventRollbackRefused, actorDaemon, "%s, but the version stays disabled: %s", says, why).Dependent = d.ID
		}
		return
	}
	l.op.Restoring, l.op.RolledBack, l.op.Wake = true, c.now, time.Time{}
	l.op.Rollback = &rotator.Problem{
		Code: rotator.ReasonRolledBack, Message: "retirement rolled back: " + says,
		Hint: "find out why it was taken to have left the version, then: cmkd retire " + l.op.Key,
	}
	l.suspect = true
	attesting(c).refuted(l, d, says)
	state := c.draft.changedKey(l.op.KeyID)
	state.RolledBack = remembered(state.RolledBack, l.op.Retired)
	e := c.draft.noted(l, rotator.EventRetirementRolledBack, actorDaemon, "%s; version %s is to be enabled again", says, strings.Join(l.op.Retired, ", "))
	e.Dependent, e.Data = d.ID, map[string]string{"access_code": o.AccessCode, "version": l.op.Retired[0]}
}

// watches reports whether a dependent may lack what was retired: in a probation, and likewise
// while not all is retired that is to be, or another version came in between. The moment is
// one of Azure's.
func (c probation) watches(l *live, at time.Time) bool {
	switch l.op.State {
	case rotator.StateProbation:
		return true
	case rotator.StatePropagating, rotator.StateSoaking, rotator.StateRetiring:
		lasts := time.Duration(0)
		for i := range l.trackers { // also of whoever lacks it by now
			lasts = max(lasts, losesAccess(&l.trackers[i], c.traits))
		}
		return len(l.op.Retired) > 0 && at.Sub(l.op.RetiredAt) < lasts+probationLonger
	default:
		return false
	}
}

// keeps returns why the versions stay disabled that an operation retired, empty if they
// may be enabled again: once, if nobody else had a hand in it.
func (c probation) keeps(l *live) string {
	state := c.stateOf(l.op.KeyID)
	switch {
	case !l.op.RolledBack.IsZero():
		return "it was rolled back once already"
	case c.requestOn(l.op.KeyID) != 0:
		return "a revocation was asked for"
	case state == nil:
		return "the key is not known any more"
	}
	for _, id := range l.op.Retired {
		if v, ok := rotator.FindVersion(state.Versions, id); !ok || v.Updated.After(l.op.RetiredAt) || find(state.Tampered, id) >= 0 {
			return "somebody else changed it since"
		}
		if slices.Contains(state.Compromised, id) {
			return "version " + id + " was retired as compromised"
		}
	}
	return ""
}

// restore enables the next of the versions that were retired.
func (c probation) restore(l *live) {
	if len(l.op.Retired) == 0 {
		c.restored(l)
		return
	}
	v := l.op.Retired[0]
	l.op.Waiting = rotator.Wait{For: rotator.WaitEnabled, Version: v}
	c.draft.changed(l)
	c.draft.intended(l, task{kind: taskSetEnabled, effect: &effect{version: &rotator.Version{ID: v}, enable: true}})
}

// enabled takes in what came of enabling a version again.
func (c probation) enabled(l *live, r *result) {
	id := r.task.version.ID
	switch {
	case r.err == nil && r.version.Enabled:
		l.op.Retired = slices.DeleteFunc(slices.Clone(l.op.Retired), func(v string) bool { return v == id })
		l.op.Failures, l.op.Problem = 0, nil
		c.draft.changed(l)
		c.draft.noted(l, rotator.EventVersionEnabled, actorDaemon, "version %s is enabled again", id).Data = map[string]string{"version": id}
	case !l.op.Restoring:
	default:
		if r.err == nil {
			r.err = rotator.Errorf(rotator.CodeUnavailable, "version %s is still disabled after it was enabled", id)
			r.err.Reason = rotator.ReasonVersionUnchanged
		}
		l.op.Failures++
		c.draft.held(l, rotator.ProblemOf(r.err), max(min(backoff(l.op.Failures), time.Minute), r.err.RetryAfter))
	}
}

// restored leaves it to a person to retire the versions again.
func (c probation) restored(l *live) {
	l.op.NobodyRetires()
	c.answerRetirers(l, rotator.Errorf(rotator.CodeConflict, "%s", l.op.Rollback.Message).WithHint("%s", l.op.Rollback.Hint))
	l.op.Restoring, l.op.Probation = false, time.Time{}
	next := rotator.StateRetiring
	if l.open() > 0 {
		next = rotator.StatePropagating
	}
	c.draft.entered(l, next, actorDaemon, l.op.Rollback.Message)
	l.op.Doubt = l.op.Rollback
	c.draft.changed(l)
}
