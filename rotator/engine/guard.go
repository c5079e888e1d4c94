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
	versions []rotator.Version
	listErr  *rotator.Error
	// undiscovered is true if the configuration says not to search.
	undiscovered bool
	// configured is false if the key was taken out of the configuration: then
	// nobody knows its dependents any more.
	configured bool
	// seen is the last look at any dependent, as far as that is not among trackers.
	seen    time.Time
	soak    time.Duration
	require rotator.Evidence
	// attestations are those about the key, now is when they have to hold.
	attestations []*rotator.Attestation
	now          time.Time
}

// check is one condition of the guard; it returns its objections.
type check func(g *guardView) []rotator.Objection

// guardChecks returns the conditions in the order in which they are reported. A
// version is retired only if none of them objects.
func guardChecks() []check {
	return []check{
		keyConfigured, dependentsSettled, dependentsListed, dependentsSeenAfresh, blindSpotsAttested, unseenAttested, attestedByAnother,
		targetStillCurrent, soakOver, inventoryComplete, notOnlyInferred, notRolledBack,
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
		if settled(t, g.require) || t.Detail.Dependent.Discovered { // dependentsListed objects
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

// blindSpotsAttested objects to each dependent of which something cannot be seen, unless
// a person says that it does not need the previous version.
func blindSpotsAttested(g *guardView) (all []rotator.Objection) {
	for i := range g.trackers {
		t := &g.trackers[i]
		if len(t.Detail.Blind) == 0 || t.State == rotator.TrackerExcluded || g.attested(t) != nil {
			continue
		}
		all = append(all, rotator.Objection{
			Check: rotator.ReasonBlindSpot, Dependent: t.Detail.Dependent.ID, Hint: attestHint(g, t),
			Message: fmt.Sprintf("%s %s cannot be seen whole: %s", t.Detail.Dependent.Kind, t.Detail.Dependent.DisplayName(), strings.Join(t.Detail.Blind, ", ")),
		})
	}
	return all
}

// unseenAttested objects to each dependent that nobody looks at, unless a person says that
// it does not need the previous version.
func unseenAttested(g *guardView) (all []rotator.Objection) {
	for i := range g.trackers {
		t := &g.trackers[i]
		if t.State != rotator.TrackerExcluded || t.Detail.Removed || g.attested(t) != nil {
			continue
		}
		o := rotator.Objection{Check: rotator.ReasonNotAttested, Dependent: t.Detail.Dependent.ID, Hint: attestHint(g, t)}
		o.Message = fmt.Sprintf("nobody looks at %s %s", t.Detail.Dependent.Kind, t.Detail.Dependent.DisplayName())
		if p := t.Detail.Problem; p != nil {
			o.Message += ": " + p.Message
		}
		all = append(all, o)
	}
	return all
}

func attestHint(g *guardView, t *rotator.Tracker) string {
	return fmt.Sprintf("if it does not need version %s any more: cmkd attest %s %s --reason … --until …",
		strings.Join(g.op.Previous, ", "), g.op.Key, t.Detail.Dependent.DisplayName())
}

// attestedByAnother objects if whoever retires attested what the retirement rests on.
func attestedByAnother(g *guardView) (all []rotator.Objection) {
	for i := range g.trackers {
		a := g.attested(&g.trackers[i])
		if a == nil || g.op.Retirer == "" || a.Actor != g.op.Retirer {
			continue
		}
		all = append(all, rotator.Objection{
			Check: rotator.ReasonAttestedByRetirer, Dependent: a.Dependent,
			Message: fmt.Sprintf("%s attested for %s (%s), and wants to retire", a.Actor, g.trackers[i].Detail.Dependent.DisplayName(), a.ID),
			Hint:    "it takes two persons: have another one retire, or attest",
		})
	}
	return all
}

// notOnlyInferred objects, where nobody asked for the retirement, to each dependent of
// which the documented time has passed and nothing more is known.
func notOnlyInferred(g *guardView) (all []rotator.Objection) {
	if g.op.Retirer != "" {
		return nil
	}
	for i := range g.trackers {
		t := &g.trackers[i]
		if t.State != rotator.TrackerDone || t.Evidence != rotator.EvidenceInferred || g.attested(t) != nil {
			continue
		}
		all = append(all, rotator.Objection{
			Check: rotator.ReasonDependentInferred, Dependent: t.Detail.Dependent.ID,
			Message: fmt.Sprintf("%s %s is only inferred to have left the previous version", t.Detail.Dependent.Kind, t.Detail.Dependent.DisplayName()),
			Hint:    "make sure of it, then: cmkd retire " + g.op.Key,
		})
	}
	return all
}

// doubtful reports whether all that there is to object to is what a person may decide:
// what is only inferred, and what was rolled back.
func doubtful(objs []rotator.Objection) bool {
	return !slices.ContainsFunc(objs, func(o rotator.Objection) bool {
		return o.Check != rotator.ReasonDependentInferred && o.Check != rotator.ReasonRolledBack
	})
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

func (c *state) guardView(l *live) *guardView {
	g := &guardView{
		op: &l.op, trackers: l.trackers, stale: l.stale, versions: l.versions, listErr: l.listErr,
		require: rotator.EvidenceInferred, attestations: attesting{c}.of(l.op.KeyID), now: c.now,
	}
	if key := c.keyOf(l); key != nil {
		g.configured, g.soak, g.undiscovered = true, key.Soak, key.Undiscovered
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
	case len(l.op.Previous) == 0:
		if !c.busy(l) {
			c.draft.entered(l, rotator.StateCompleted, l.retirer(), "what the previous version was is needed still, and stays enabled")
			c.answerRetirers(l, nil)
		}
	case len(l.op.Retired) == len(l.op.Previous):
		probation(c).begin(l)
	case l.op.Retire == rotator.RetireOff && l.op.Retirer == "":
		if !c.busy(l) {
			c.leaveUnretired(l)
			c.draft.entered(l, rotator.StateCompleted, actorDaemon, "what is not retired stays enabled")
		}
	case l.op.AwaitsRetirement():
		c.awaitPerson(l)
	case freezing(c).stops(l) != nil:
		c.frozen(l, freezing(c).stops(l))
	case !l.guarding:
		c.beginGuard(l)
	case c.busy(l) || l.sweep.out || len(l.stale) > 0 || l.askedN > 0:
	case l.listErr.Passes(), l.sweep.passing.Passes():
		l.op.Failures++
		l.guarding = false
		c.holdRetirement(l, rotator.ProblemOf(cmp.Or(l.listErr, l.sweep.passing)))
		c.draft.waits(l, c.now.Add(max(backoff(l.op.Failures), retryAfter(l.listErr), retryAfter(l.sweep.passing))))
	default:
		c.keep(l)
		switch objs := objections(c.guardView(l)); {
		case len(objs) == 0 && l.sweep.begun.Before(l.verify): // nothing is retired on an old search
			searching(c).begin(l)
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
// until it is told yet another one. The next rotation offers them again.
func (c retirement) keep(l *live) {
	for i := range l.trackers {
		t := &l.trackers[i]
		if t.State != rotator.TrackerDone {
			continue // it objects for itself
		}
		needs := t.Detail.Needs
		if o := c.lastSeen(l, t.Number); len(needs) == 0 && o != nil && len(previousOf(o, l.op.KeyID)) > 0 {
			needs = l.op.Previous[:1] // it was on the new one when it was first seen
		}
		for _, version := range needs {
			n := slices.Index(l.op.Previous, version)
			if n < 0 || slices.Contains(l.op.Retired, version) {
				continue
			}
			c.leaveUnretired(l)
			l.op.Previous = slices.Delete(slices.Clone(l.op.Previous), n, n+1)
			c.draft.changed(l)
			e := c.draft.noted(l, rotator.EventVersionKept, actorDaemon, "version %s stays enabled: %s %s needs it until it is told yet another one",
				version, t.Detail.Dependent.Kind, t.Detail.Dependent.DisplayName())
			e.Dependent, e.Data = t.Detail.Dependent.ID, map[string]string{"version": version}
			if len(l.op.Previous) == 0 {
				return
			}
		}
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
		if t := &l.trackers[i]; t.State != rotator.TrackerExcluded && !t.Detail.Dependent.Discovered {
			l.stale[t.Number] = true
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
	l.op.Retirer = ""
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
	first := objs[0]
	l.op.Doubt = &rotator.Problem{Code: first.Check, Message: first.Message, Hint: first.Hint}
	if n := len(objs) - 1; n > 0 {
		l.op.Doubt.Message += fmt.Sprintf(" (and %d more)", n)
	}
	l.op.Waiting, l.op.Problem, l.op.Held, l.guarding, l.stale = rotator.Wait{For: rotator.WaitRetire, Problem: l.op.Doubt}, nil, nil, false, nil
	for _, o := range objs {
		c.draft.noted(l, rotator.EventRetirementHeld, actorDaemon, "the previous version waits for a person: %s", o.Message).Dependent = o.Dependent
	}
	c.draft.changed(l)
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
		l.op.RetiredAt = later(l.op.RetiredAt, r.version.Updated)
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
