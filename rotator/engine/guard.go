package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// guardView is all that the retirement guard looks at.
type guardView struct {
	op       *rotator.Operation
	trackers []rotator.Tracker
	stale    map[uint32]bool
	// versions is a fresh list, listErr why there is none.
	versions  []rotator.Version
	listErr   *rotator.Error
	searchErr *rotator.Error
	// configured is false if the key was taken out of the configuration: then
	// nobody knows its dependents any more.
	configured bool
	// seen is the last look at any dependent, as far as that is not among trackers.
	seen    time.Time
	soak    time.Duration
	require rotator.Evidence
}

// check is one condition of the guard; it returns its objections.
type check func(g *guardView) []rotator.Objection

// guardChecks returns the conditions in the order in which they are reported. A
// version is retired only if none of them objects.
func guardChecks() []check {
	return []check{
		keyConfigured, dependentsSettled, dependentsSeenAfresh, targetStillCurrent, soakOver, inventoryComplete,
	}
}

// objections returns everything that speaks against retiring the previous
// versions of a rotation.
func objections(g *guardView) (all []rotator.Objection) {
	for _, c := range guardChecks() {
		all = append(all, c(g)...)
	}
	return all
}

// keyConfigured objects if the key is not under management any more.
func keyConfigured(g *guardView) []rotator.Objection {
	if g.configured {
		return nil
	}
	return []rotator.Objection{{
		Check: rotator.ReasonKeyNotConfigured, Message: "key " + g.op.Key + " is not in the configuration any more",
		Hint: "add it again, or cmkd cancel " + g.op.ID.String(),
	}}
}

// settled reports whether a dependent is where it should be, with the evidence
// demanded, or is none of ours to wait for.
func settled(t *rotator.Tracker, require rotator.Evidence) bool {
	return t.State.Settled() && (t.State != rotator.TrackerDone || t.Evidence.AtLeast(require))
}

// dependentsSettled objects to every dependent that is not on the target with
// the evidence demanded, whatever the reason.
func dependentsSettled(g *guardView) (all []rotator.Objection) {
	for i := range g.trackers {
		t := &g.trackers[i]
		if settled(t, g.require) {
			continue
		}
		o := rotator.Objection{Check: rotator.ReasonDependentNotSettled, Dependent: t.Detail.Dependent.ID}
		name := t.Detail.Dependent.Kind + " " + t.Detail.Dependent.DisplayName()
		switch {
		case t.State == rotator.TrackerUnreachable:
			o.Check, o.Message = rotator.ReasonDependentUnreachable, name+" cannot be read"
		case t.Detail.Version == "":
			o.Check, o.Message = rotator.ReasonDependentUnknown, name+" is not known to have left the previous version"
		default:
			o.Message = fmt.Sprintf("%s uses version %s, not %s", name, t.Detail.Version, g.op.Target.ID)
		}
		if t.Detail.Dependent.Discovered {
			o.Check, o.Message = rotator.ReasonDependentDiscovered, o.Message+"; nobody listed it, a search found it"
		}
		if p := t.Detail.Problem; p != nil {
			o.Message, o.Hint = o.Message+": "+p.Message, p.Hint
		}
		all = append(all, o)
	}
	return all
}

// dependentsSeenAfresh objects as long as a dependent was not looked at since
// the guard began.
func dependentsSeenAfresh(g *guardView) (all []rotator.Objection) {
	for i := range g.trackers {
		t := &g.trackers[i]
		if g.stale[t.Number] && t.State.Settled() {
			all = append(all, rotator.Objection{
				Check: rotator.ReasonDependentNotSeenAfresh, Dependent: t.Detail.Dependent.ID,
				Message: t.Detail.Dependent.DisplayName() + " was not observed again yet",
			})
		}
	}
	return all
}

// targetStillCurrent objects if the target is not the enabled newest version.
func targetStillCurrent(g *guardView) []rotator.Objection {
	if g.listErr != nil {
		return []rotator.Objection{{Check: rotator.ReasonVersionsUnknown, Message: "the versions of the key cannot be read: " + g.listErr.Error(), Hint: g.listErr.Hint}}
	}
	if g.versions == nil {
		return nil // not asked yet: a preview
	}
	v, ok := rotator.FindVersion(g.versions, g.op.Target.ID)
	switch newest, _ := rotator.Newest(g.versions, func(v rotator.Version) bool { return v.ID == g.op.Target.ID }); {
	case !ok:
		return []rotator.Objection{{Check: rotator.ReasonTargetMissing, Message: "the vault does not list the new version " + g.op.Target.ID}}
	case newest.ID != v.ID:
		return []rotator.Objection{{Check: rotator.ReasonTargetSuperseded, Message: "version " + newest.ID + " is newer than " + v.ID}}
	case !v.Enabled:
		return []rotator.Objection{{Check: rotator.ReasonCurrentVersionDisabled, Message: "the new version " + v.ID + " is disabled", Hint: "enable it, then retire again"}}
	}
	return nil
}

// soakOver objects while the soak time runs, by Azure's clock.
func soakOver(g *guardView) []rotator.Objection {
	if g.op.Settled.IsZero() {
		return nil // dependentsSettled objects
	}
	seen := g.seen
	for i := range g.trackers {
		if g.trackers[i].State != rotator.TrackerExcluded { // nobody looks at these
			seen = later(seen, g.trackers[i].Seen)
		}
	}
	if left := g.soak - seen.Sub(g.op.Settled); !seen.IsZero() && left > 0 {
		return []rotator.Objection{{Check: rotator.ReasonSoak, Message: fmt.Sprintf("the soak time of %s runs for another %s", g.soak, left.Round(time.Second))}}
	}
	return nil
}

// inventoryComplete objects if the search for unlisted dependents failed.
func inventoryComplete(g *guardView) []rotator.Objection {
	if g.searchErr == nil {
		return nil
	}
	return []rotator.Objection{{Check: rotator.ReasonInventoryIncomplete, Message: "the search for unlisted dependents failed: " + g.searchErr.Error(), Hint: g.searchErr.Hint}}
}

func (c *state) guardView(l *live) *guardView {
	g := &guardView{
		op: &l.op, trackers: l.trackers, stale: l.stale, versions: l.versions, listErr: l.listErr,
		searchErr: l.searchErr, require: rotator.EvidenceInferred,
	}
	if key := c.keyOf(l); key != nil {
		g.configured, g.soak = true, key.Soak
		if key.Require != rotator.EvidenceNone {
			g.require = key.Require
		}
	}
	return g
}

// advance disables the previous versions, one after the other, as soon as the
// guard has nothing against it on fresh looks at everything.
func (c retirement) advance(l *live) {
	switch {
	case len(l.op.Retired) == len(l.op.Previous):
		c.retired(l)
	case l.op.Retire == rotator.RetireOff && l.op.Retirer == "":
		if !c.busy(l) {
			c.leaveUnretired(l)
			c.draft.entered(l, rotator.StateCompleted, actorDaemon, "what is not retired stays enabled")
		}
	case awaitsRetirement(&l.op):
		if l.op.Waiting.For == "" {
			l.op.Waiting.For = rotator.WaitRetire
			c.draft.changed(l)
		}
	case freezing(c).stops(l) != nil:
		c.frozen(l, freezing(c).stops(l))
	case !l.guarding:
		c.beginGuard(l)
	case c.busy(l) || len(l.stale) > 0 || l.askedN > 0:
	case l.listErr.Passes(), l.searchErr.Passes():
		l.op.Failures++
		l.guarding = false
		c.holdRetirement(l, rotator.ProblemOf(cmp.Or(l.listErr, l.searchErr)))
		c.draft.waits(l, c.now.Add(max(backoff(l.op.Failures), retryAfter(l.listErr), retryAfter(l.searchErr))))
	default:
		if objs := objections(c.guardView(l)); len(objs) > 0 {
			c.heldBack(l, objs)
			return
		}
		c.retireNext(l)
	}
}

func retryAfter(err *rotator.Error) time.Duration {
	if err == nil {
		return 0
	}
	return err.RetryAfter
}

// beginGuard asks for a fresh look at everything.
func (c retirement) beginGuard(l *live) {
	l.guarding, l.stale = true, map[uint32]bool{}
	for i := range l.trackers {
		if l.trackers[i].State != rotator.TrackerExcluded {
			l.stale[uint32(i)] = true
		}
	}
	l.op.Verify, l.op.Waiting, l.op.Problem = c.now, rotator.Wait{For: rotator.WaitObservations}, nil
	l.versions, l.listErr, l.searchErr, l.listed, l.verify = nil, nil, nil, c.steady, c.steady
	c.draft.changed(l)
	observing(c).all(l)
	c.draft.intended(l, task{kind: taskVersions})
	if key := c.keyOf(l); key != nil {
		for _, s := range key.Discover {
			c.draft.intended(l, task{kind: taskFind, effect: &effect{subscription: s}})
		}
	}
}

// found handles the result of a search for unlisted dependents.
func (c retirement) found(l *live, r *result) {
	l.op.Searched = c.now
	if r.err != nil {
		l.searchErr = r.err
		return
	}
	for _, f := range r.found {
		d := f.Dependent
		known := slices.IndexFunc(l.trackers, func(t rotator.Tracker) bool { return covers(&t, d.ID) })
		if known >= 0 && !l.trackers[known].Detail.Removed {
			continue
		}
		d.Discovered = true
		if known >= 0 { // it was listed once; now it is one that nobody listed
			configuring(c).reconfigure(l, l.trackers[known], d)
			if l.guarding {
				l.stale[uint32(known)] = true
			}
			continue
		}
		what := "uses the key"
		if f.Unknown != nil {
			what = "may use the key (" + f.Unknown.Message + ")"
		}
		c.draft.noted(l, rotator.EventDependentFound, actorDaemon, "%s %s %s, and nobody listed it", d.Kind, d.DisplayName(), what).Dependent = d.ID
		c.draft.joined(l, d, c.now)
	}
}

// covers reports whether the tracker is of a resource, or looks at it in the
// place of its own.
func covers(t *rotator.Tracker, id string) bool {
	return t.Detail.Dependent.Same(id) ||
		slices.ContainsFunc(t.Detail.Via, func(via string) bool { return strings.EqualFold(via, id) })
}

// heldBack handles the objections of the guard: the previous version stays
// enabled.
func (c retirement) heldBack(l *live, objs []rotator.Objection) {
	first := objs[0]
	for _, o := range objs {
		e := c.draft.noted(l, rotator.EventRetirementHeld, actorDaemon, "the previous version stays enabled: %s", o.Message)
		e.Dependent, e.Data = o.Dependent, map[string]string{"check": string(o.Check), "version": l.op.Previous[0]}
	}
	c.answerRetirers(l, refusal(l.op.Key, objs))
	l.op.Retirer = ""
	p := &rotator.Problem{Code: first.Check, Message: first.Message, Hint: first.Hint}
	if l.op.Held = p; first.Check == rotator.ReasonSoak {
		l.op.Held = nil // that passes by itself
	}
	if l.op.Open() > 0 {
		c.draft.entered(l, rotator.StatePropagating, actorDaemon, first.Message)
		return
	}
	l.guarding, l.stale, l.op.Waiting = false, nil, rotator.Wait{}
	c.draft.held(l, p, heldRetry)
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
	case r.err == nil && !r.version.Enabled: // whatever happened to the rotation meanwhile
		l.op.Retired, l.op.Held = append(slices.Clone(l.op.Retired), r.task.version.ID), nil
		c.draft.changed(l)
		c.draft.noted(l, rotator.EventVersionDisabled, l.retirer(), "version %s is retired", r.task.version.ID).
			Data = map[string]string{"version": r.task.version.ID}
	case l.op.State != rotator.StateRetiring:
	case r.err != nil && r.err.Reason == rotator.ReasonFrozen:
		l.guarding = false // it was not called; the freeze is met again, or the guard begins anew
	case r.err == nil:
		c.notRetired(l, &rotator.Error{
			Code: rotator.CodeRefused, Reason: rotator.ReasonVersionUnchanged, Message: "version " + r.task.version.ID + " is still enabled after it was disabled",
		})
	case r.err.Code == rotator.CodeNotFound:
		// A version that is gone cannot be used; nothing is left to disable.
		l.op.Retired, l.op.Held = append(slices.Clone(l.op.Retired), r.task.version.ID), nil
		c.draft.changed(l)
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
	l.guarding = false
}

// holdRetirement keeps in mind what holds a retirement up, also while the guard looks
// again: nobody is to be told each time that it is over.
func (c retirement) holdRetirement(l *live, p *rotator.Problem) {
	if alerting.Lasting(p, l.op.Failures) {
		l.op.Held = p
		c.draft.changed(l)
	}
}

func (c retirement) retired(l *live) {
	state := c.draft.changedKey(l.op.KeyID)
	state.Unretired = slices.DeleteFunc(slices.Clone(state.Unretired), func(v string) bool { return slices.Contains(l.op.Retired, v) })
	c.draft.entered(l, rotator.StateCompleted, l.retirer(), "every dependent left the previous version and it is disabled")
	c.answerRetirers(l, nil)
}
