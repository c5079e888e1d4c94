package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// advance disables the previous versions, one after the other, as soon as the
// guard has nothing against it on fresh looks at everything.
func (c retirement) advance(l *live) {
	switch {
	case len(l.op.Previous) == 0:
		if !c.busy(l) {
			c.draft.entered(l, rotator.StateCompleted, l.retirer(), "there is nothing to retire: what the previous version was is needed still, or somebody else disabled it")
			c.answerRetirers(l, nil)
		}
	case len(l.op.Retired) == len(l.op.Previous):
		probation(c).begin(l)
	case l.op.Retire == rotator.RetireOff && l.op.Retirer == "":
		switch {
		case c.busy(l):
		case len(l.op.Retired) > 0: // that is watched all the same
			c.leaveUnretired(l)
			l.op.Previous = slices.Clone(l.op.Retired)
			probation(c).begin(l)
		default:
			c.leaveUnretired(l)
			c.draft.entered(l, rotator.StateCompleted, actorDaemon, "what is not retired stays enabled")
		}
	case l.op.AwaitsRetirement():
		if c.reconsider(l); l.op.AwaitsRetirement() {
			c.awaitPerson(l)
			return
		}
		c.advance(l)
	case freezing(c).stops(l) != nil:
		c.frozen(l, freezing(c).stops(l))
	case !l.guarding:
		c.beginGuard(l)
	case c.busy(l) || l.sweep.out || (len(l.stale) > 0 || l.askedN > 0) && c.steady.Sub(later(l.verify, l.renewed)) < guardWait:
	case l.listErr.Passes(), l.sweep.passing.Passes():
		l.op.Failures++
		l.guarding = false
		c.holdRetirement(l, rotator.ProblemOf(cmp.Or(l.listErr, l.sweep.passing)))
		c.answerLasting(l, cmp.Or(l.listErr, l.sweep.passing))
		c.draft.waits(l, c.now.Add(max(backoff(l.op.Failures), retryAfter(l.listErr), retryAfter(l.sweep.passing))))
	default:
		if c.dropDisabled(l); !l.guarding {
			return
		}
		if c.keep(l); len(l.op.Previous) == 0 || len(l.op.Retired) == len(l.op.Previous) {
			c.advance(l)
			return
		}
		switch objs := objections(c.guardView(l)); {
		case len(objs) == 0 && l.sweep.begun.Before(l.verify): // nothing is retired on an old search
			searching(c).begin(l)
			c.advance(l)
		case len(objs) == 0 && c.grownOld(l): // nor on old looks
			c.advance(l)
		case len(objs) == 0:
			c.retireNext(l)
		case doubtful(objs):
			c.doubted(l, objs)
		default:
			c.heldBack(l, objs)
		}
	}
}

// keep leaves those of the previous versions enabled that a dependent is known to need
// until it is told yet another one, or a person attests that it does not. The next rotation offers them again.
func (c retirement) keep(l *live) {
	for _, n := range needed(c.guardView(l)) {
		c.leaveUnretired(l)
		l.op.Previous = slices.DeleteFunc(slices.Clone(l.op.Previous), func(v string) bool { return v == n.Version })
		c.draft.changed(l)
		e := c.draft.noted(l, rotator.EventVersionKept, actorDaemon, "version %s stays enabled: %s", n.Version, n.Message)
		e.Dependent, e.Data = n.Dependent, map[string]string{"version": n.Version}
	}
}

// needed returns those of the previous versions that dependents need beside the target until
// they are told yet another one, and nobody attests that they do not.
func needed(g *guardView) (all []rotator.NeededVersion) {
	for i := range g.trackers {
		t := &g.trackers[i]
		for _, version := range g.needs(t) {
			is := func(n rotator.NeededVersion) bool { return n.Version == version }
			if slices.Contains(g.op.Retired, version) || slices.ContainsFunc(all, is) || g.attested(t) != nil {
				continue
			}
			d := &t.Detail.Dependent
			all = append(all, rotator.NeededVersion{
				Version: version, Dependent: d.ID,
				Message: d.Kind + " " + d.DisplayName() + " needs it until it is told yet another one, or somebody attests that it does not",
			})
		}
	}
	return all
}

// needs returns those of the previous versions that a dependent needs until it is told yet
// another one.
func (g *guardView) needs(t *rotator.Tracker) []string {
	all := t.Detail.Needs
	if t.State == rotator.TrackerDone && len(all) == 0 {
		if o := g.last(t); o != nil && len(previousOf(o, g.op.KeyID)) > 0 {
			all = g.op.Previous // it was on the new one when it was first seen: nobody knows
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(v string) bool { return !slices.Contains(g.op.Previous, v) })
}

func retryAfter(err *rotator.Error) time.Duration {
	if err == nil {
		return 0
	}
	return err.RetryAfter
}

// guardWait is how long a fresh look at every dependent may take, until that holds a
// retirement up for somebody to see: one that is throttled is no failure, and may be so for
// days.
const guardWait = time.Hour

// guardFresh is how long a look of the guard stands while others, or a search, are waited for.
const guardFresh = 10 * time.Minute

// grownOld asks for another look at whoever was looked at too long ago, and reports whether there is
// somebody: what was waited for took long. Of an estate at which it takes longer to look at all,
// once is enough.
func (c retirement) grownOld(l *live) (any bool) {
	if !l.renewed.IsZero() && c.steady.Sub(l.renewed) < 2*guardFresh {
		return false
	}
	for i := range l.trackers {
		t := &l.trackers[i]
		if at, seen := l.afresh[t.Number]; !seen || c.steady.Sub(at) <= guardFresh || t.State == rotator.TrackerExcluded {
			continue
		}
		delete(l.afresh, t.Number)
		any, l.stale[t.Number], l.older[t.Number] = true, true, l.asked[t.Number]
		c.draft.observed(l, withDue(*t, c.now), false)
	}
	if any {
		l.renewed = c.steady
	}
	return any
}

// beginGuard asks for a fresh look at everything.
func (c retirement) beginGuard(l *live) {
	l.guarding, l.stale, l.older = true, map[uint32]bool{}, map[uint32]bool{}
	l.afresh, l.renewed = map[uint32]time.Time{}, time.Time{}
	for i := range l.trackers {
		if t := &l.trackers[i]; t.State != rotator.TrackerExcluded && !t.Detail.Dependent.Discovered {
			l.stale[t.Number], l.older[t.Number] = true, l.asked[t.Number]
		}
	}
	l.op.Verify, l.op.Waiting, l.op.Problem = c.now, rotator.Wait{For: rotator.WaitObservations}, nil
	l.versions, l.listErr, l.listed, l.verify = nil, nil, c.steady, c.steady
	c.draft.changed(l)
	observing(c).all(l)
	c.draft.intended(l, task{kind: taskVersions})
	searching(c).again(l)
}

// heldBack handles the objections of the guard: the previous version stays
// enabled.
func (c retirement) heldBack(l *live, objs []rotator.Objection) {
	first := objs[0]
	for _, o := range objs {
		if slices.Contains(l.objected, o) {
			continue // nothing new
		}
		e := c.draft.noted(l, rotator.EventRetirementHeld, actorDaemon, "the previous version stays enabled: %s", o.Message)
		e.Dependent, e.Data = o.Dependent, map[string]string{"check": string(o.Check), "version": l.op.Previous[0]}
	}
	l.objected = objs
	c.answerRetirers(l, refusal(l.op.Key, objs))
	l.op.NobodyRetires()
	p := &rotator.Problem{Code: first.Check, Message: first.Message, Hint: first.Hint}
	if l.op.Held = p; first.Check == rotator.ReasonSoak {
		l.op.Held = nil // that passes by itself
	}
	if l.open() > 0 {
		c.draft.entered(l, rotator.StatePropagating, actorDaemon, first.Message)
		return
	}
	l.guarding, l.stale, l.op.Waiting = false, nil, rotator.Wait{}
	c.draft.held(l, p, heldRetry)
}

// doubted lets a retirement wait for a person, because what is known of some dependents
// is only inferred.
func (c retirement) doubted(l *live, objs []rotator.Objection) {
	l.op.Doubt = doubtOf(objs)
	l.op.Waiting, l.op.Problem, l.op.Held, l.guarding, l.stale = rotator.Wait{For: rotator.WaitRetire, Problem: l.op.Doubt}, nil, nil, false, nil
	for _, o := range objs {
		c.draft.noted(l, rotator.EventRetirementHeld, actorDaemon, "the previous version waits for a person: %s", o.Message).Dependent = o.Dependent
	}
	c.draft.changed(l)
}

// doubtOf sums up what a person is to decide.
func doubtOf(objs []rotator.Objection) *rotator.Problem {
	p := &rotator.Problem{Code: objs[0].Check, Message: objs[0].Message, Hint: objs[0].Hint}
	if n := len(objs) - 1; n > 0 {
		p.Message += fmt.Sprintf(" (and %d more)", n)
	}
	return p
}

// reconsider ends a doubt, or what held a retirement back, by what was seen since a person is
// waited for.
func (c retirement) reconsider(l *live) {
	held := l.op.Held != nil && l.op.Held.Class == ""
	if l.askedN > 0 || l.sweep.out || !held && l.op.Doubt == nil {
		return
	}
	if !l.op.Inventory.Complete() {
		searching(c).freshen(l)
	}
	g, known := c.viewNow(l)
	objs := objections(g)
	said := func(p *rotator.Problem) bool {
		return !known && ofVersions(p.Code) || slices.ContainsFunc(objs, func(o rotator.Objection) bool { return o.Check == p.Code && o.Message == p.Message })
	}
	decides := func(o rotator.Objection) bool { return doubtful([]rotator.Objection{o}) }
	doubts := slices.DeleteFunc(slices.Clone(objs), func(o rotator.Objection) bool { return !decides(o) })
	if objs = slices.DeleteFunc(objs, decides); held && !said(l.op.Held) {
		if l.op.Held = nil; len(objs) > 0 && objs[0].Check != rotator.ReasonSoak {
			l.op.Held = &rotator.Problem{Code: objs[0].Check, Message: objs[0].Message, Hint: objs[0].Hint}
		}
		l.op.Problem, l.suspect = nil, true
		c.draft.changed(l)
	}
	switch {
	case l.op.Doubt == nil:
	case len(doubts) == 0:
		l.op.Doubt, l.op.Waiting, l.guarding, l.suspect = nil, rotator.Wait{}, false, true
		c.draft.changed(l)
	case *l.op.Doubt != *doubtOf(doubts):
		l.op.Doubt, l.suspect = doubtOf(doubts), true
		c.draft.changed(l)
	}
}

// viewNow is what the guard looks at while a person is waited for: the versions are those that the
// watch listed. known is false if it could not of late: then nobody knows how they are now.
func (c retirement) viewNow(l *live) (g *guardView, known bool) {
	g, id := c.guardView(l), canonical(l.op.KeyID)
	_, heard := c.heard[id]
	_, blind := c.blind[id]
	if g.versions, g.listErr = nil, nil; heard && !blind {
		g.versions = c.stateOf(l.op.KeyID).Versions
	}
	return g, g.versions != nil
}

// ofVersions reports whether an objection is about what a list of the versions shows.
func ofVersions(code rotator.Reason) bool {
	switch code {
	case rotator.ReasonVersionsUnknown, rotator.ReasonTargetMissing, rotator.ReasonTargetSuperseded, rotator.ReasonCurrentVersionDisabled:
		return true
	default:
		return false
	}
}

// refusal is the answer to somebody who asked for a retirement.
func refusal(key string, objs []rotator.Objection) *rotator.Error {
	err := rotator.Errorf(rotator.CodeRefused, "the previous version of %s stays enabled: %s", key, objs[0].Message)
	if len(objs) > 1 {
		err.Message += fmt.Sprintf(" (and %d more)", len(objs)-1)
	}
	err.Reason, err.Hint = objs[0].Check, objs[0].Hint
	if err.Hint == "" {
		err.Hint = "cmkd status " + key + " shows what blocks it"
	}
	return err
}

func (c *state) answerRetirers(l *live, err error) {
	for _, answer := range l.retirers {
		op := l.snapshot()
		c.draft.answered(func(failed error) {
			if failed == nil {
				failed = err
			}
			answer(op, failed)
		})
	}
	l.retirers = nil
}

// awaitPerson waits for somebody to say that the previous version may go, and notices
// when that takes long.
func (c retirement) awaitPerson(l *live) {
	if l.op.Waiting.For == "" {
		l.op.Waiting.For = rotator.WaitRetire
		c.draft.changed(l)
	}
	due := l.op.Since.Add(c.alarm.retireAfter)
	switch {
	case l.op.Overdue || c.alarm.retireAfter <= 0:
	case c.now.Before(due):
		c.draft.waits(l, due)
	default:
		l.op.Overdue, l.suspect = true, true
		c.draft.changed(l)
	}
}

// seen takes a version for retired that a list shows disabled after we were to disable it: the
// answer was lost, or is still on its way.
func (c retirement) seen(state *rotator.KeyState, v rotator.Version) {
	l := c.live[state.Operation]
	if v.Enabled || l == nil || l.op.Kind != rotator.KindRotation || !slices.Contains(l.op.Previous, v.ID) || slices.Contains(l.op.Retired, v.ID) {
		return
	}
	c.retired(l, v)
	if l.op.State == rotator.StateRetiring {
		c.draft.waits(l, c.now)
	}
}

// retired notes that one of the previous versions is disabled.
func (c retirement) retired(l *live, v rotator.Version) {
	l.op.Retired, l.op.Held, l.op.RetiredAt = append(slices.Clone(l.op.Retired), v.ID), nil, later(l.op.RetiredAt, v.Updated)
	c.draft.changed(l)
	state := c.draft.changedKey(l.op.KeyID)
	state.RolledBack = slices.DeleteFunc(slices.Clone(state.RolledBack), func(r string) bool { return r == v.ID })
	if l.op.Compromised {
		state.Compromised = remembered(state.Compromised, []string{v.ID})
	}
	c.draft.noted(l, rotator.EventVersionDisabled, l.retirer(), "version %s is retired", v.ID).Data = map[string]string{"version": v.ID}
}

// dropDisabled leaves what somebody else disabled out of what is to be retired: a rollback is
// not to enable it. A list may lag, and somebody have enabled it just before: the guard begins
// once more when a list shows what was when it began.
func (c retirement) dropDisabled(l *live) {
	var all []string
	for _, id := range l.op.Previous {
		v, listed := rotator.FindVersion(l.versions, id)
		if listed && !v.Enabled && !slices.Contains(l.op.Retired, id) {
			all = append(all, id)
		}
	}
	switch {
	case len(all) == 0:
		l.dropping = time.Time{}
		return
	case l.dropping.IsZero():
		l.dropping = l.verify
	}
	if left := readLag - l.listed.Sub(l.dropping); left > 0 {
		l.guarding = false
		c.draft.waits(l, c.now.Add(left))
		return
	}
	for _, id := range all {
		c.leaveUnretired(l) // should somebody enable it again
		l.op.Previous = slices.DeleteFunc(slices.Clone(l.op.Previous), func(p string) bool { return p == id })
		c.draft.changed(l)
		c.draft.noted(l, rotator.EventVersionKept, actorDaemon, "version %s is not retired: somebody else disabled it", id).Data = map[string]string{"version": id}
	}
}

// retireNext disables the next of the previous versions.
func (c retirement) retireNext(l *live) {
	for _, v := range l.op.Previous {
		if !slices.Contains(l.op.Retired, v) {
			l.op.Waiting = rotator.Wait{For: rotator.WaitDisabled, Version: v}
			if l.op.Held != nil && l.op.Held.Class == "" {
				l.op.Held = nil // an objection; what the vault refused may go on
			}
			c.draft.changed(l)
			c.draft.intended(l, task{kind: taskSetEnabled, effect: &effect{version: &rotator.Version{ID: v}, enable: false}})
			return
		}
	}
}

// disabledPrevious handles the answer to the call that disables a version.
func (c retirement) disabledPrevious(l *live, r *result) {
	switch {
	case r.err == nil && !r.version.Enabled && slices.Contains(l.op.Retired, r.task.version.ID): // a list told of it before
	case r.err == nil && !r.version.Enabled: // whatever happened to the rotation meanwhile
		c.retired(l, rotator.Version{ID: r.task.version.ID, Updated: r.version.Updated})
	case l.op.State != rotator.StateRetiring:
	case r.err != nil && r.err.Reason == rotator.ReasonFrozen:
		l.guarding = false // it was not called; the freeze is met again, or the guard begins anew
	case r.err == nil:
		c.notRetired(l, &rotator.Error{
			Code: rotator.CodeRefused, Reason: rotator.ReasonVersionUnchanged, Message: "version " + r.task.version.ID + " is still enabled after it was disabled",
		})
	case r.err.Code == rotator.CodeNotFound:
		// A single version cannot be deleted: somebody did something to the whole key, and
		// what is not there may be again tomorrow, enabled.
		c.notRetired(l, &rotator.Error{
			Code: rotator.CodeRefused, Reason: rotator.ReasonVersionVanished,
			Message: "version " + r.task.version.ID + " was not disabled: the vault says that it is not there",
			Hint:    "find out who deleted or restored the key; when the version is back it is retired; cmkd cancel " + l.op.ID.String() + " leaves it alone",
		})
	default:
		c.notRetired(l, r.err)
	}
}

// notRetired tries again, after the guard.
func (c retirement) notRetired(l *live, err *rotator.Error) {
	again := heldRetry
	if err.Passes() {
		l.op.Failures++
		again = max(backoff(l.op.Failures), err.RetryAfter)
	}
	c.draft.held(l, rotator.ProblemOf(err), again)
	c.holdRetirement(l, rotator.ProblemOf(err))
	c.answerLasting(l, err)
	l.guarding = false
}

// answerLasting tells whoever waits for a retirement what holds it up, once that lasts. It is
// tried again all the same.
func (c retirement) answerLasting(l *live, err *rotator.Error) {
	if alerting.Lasting(rotator.ProblemOf(err), l.op.Failures) {
		c.answerRetirers(l, err)
	}
}

// holdRetirement keeps in mind what holds a retirement up, also while the guard looks
// again: nobody is to be told each time that it is over.
func (c retirement) holdRetirement(l *live, p *rotator.Problem) {
	if alerting.Lasting(p, l.op.Failures) {
		l.op.Held = p
		c.draft.changed(l)
	}
}
