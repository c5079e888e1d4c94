package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
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
	// rolledBack are versions whose retirement was rolled back.
	rolledBack []string
	// last reads what was seen last of a dependent.
	last func(*rotator.Tracker) *rotator.Observation
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

// lastOf is what was seen last of a dependent by its tracker, which is whole.
func lastOf(t *rotator.Tracker) *rotator.Observation { return t.Detail.Last }

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
		case t.State == rotator.TrackerDone:
			o.Message = fmt.Sprintf("that %s left the previous version is only %s, and %s is demanded", name, t.Evidence, g.require)
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
		strings.Join(g.op.Previous, ", "), g.op.Key, t.Detail.Dependent.ShellName())
}

// attestedByAnother objects if whoever retires attested what the retirement rests on.
func attestedByAnother(g *guardView) (all []rotator.Objection) {
	for i := range g.trackers {
		t := &g.trackers[i]
		if g.op.Retirer == "" {
			continue
		}
		by := g.attestedAll(t)
		others := slices.ContainsFunc(by, func(a *rotator.Attestation) bool { return !rotator.SamePerson(a.Actor, g.op.Retirer) })
		if len(by) == 0 || others || !g.restsOnWord(t) {
			continue
		}
		a := by[0]
		all = append(all, rotator.Objection{
			Check: rotator.ReasonAttestedByRetirer, Dependent: a.Dependent,
			Message: fmt.Sprintf("%s attested for %s (%s), and wants to retire", a.Actor, g.trackers[i].Detail.Dependent.DisplayName(), a.ID),
			Hint:    "it takes two persons: have another one retire, or attest",
		})
	}
	return all
}

// restsOnWord reports whether a retirement needs a person's word for a dependent.
func (g *guardView) restsOnWord(t *rotator.Tracker) bool {
	if t.State == rotator.TrackerExcluded && !t.Detail.Removed {
		return true
	}
	return t.State != rotator.TrackerExcluded && len(t.Detail.Blind) > 0 || len(g.needs(t)) > 0
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
	// Nobody goes to one that is disabled, and it cannot be deleted.
	able := slices.DeleteFunc(slices.Clone(g.versions), func(v rotator.Version) bool { return !v.Enabled && v.ID != g.op.Target.ID })
	switch newest, _ := rotator.Newest(able, func(v rotator.Version) bool { return v.ID == g.op.Target.ID }); {
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

// dependentsListed objects to every dependent that only a search found, whatever its
// state: nobody has said yet what is to become of it.
func dependentsListed(g *guardView) (all []rotator.Objection) {
	for i := range g.trackers {
		t := &g.trackers[i]
		d := &t.Detail.Dependent
		if !d.Discovered || t.State == rotator.TrackerLeft || t.State == rotator.TrackerExcluded {
			continue
		}
		o := rotator.Objection{
			Check: rotator.ReasonDependentDiscovered, Dependent: d.ID, Hint: unlisted(g.op.Key, d).Hint,
			Message: d.Kind + " " + d.DisplayName() + ": nobody listed it, a search found it",
		}
		if p := t.Detail.Problem; p != nil && p.Code != rotator.ReasonDependentDiscovered {
			o.Message += "; " + p.Message
		}
		all = append(all, o)
	}
	return all
}

// inventoryComplete objects to whatever the search for unlisted dependents did not see.
func inventoryComplete(g *guardView) (all []rotator.Objection) {
	if g.undiscovered {
		return []rotator.Objection{{
			Check: rotator.ReasonDiscoveryOff, Message: "nobody searches for dependents that are not listed: discover is off for " + g.op.Key,
			Hint: "take discover: off out of the configuration",
		}}
	}
	for i := range g.op.Inventory.Unchecked {
		u := &g.op.Inventory.Unchecked[i]
		all = append(all, rotator.Objection{
			Check: rotator.ReasonInventoryIncomplete, Message: "not checked for unlisted dependents: " + u.String(), Hint: u.Problem.Hint,
		})
	}
	if n := g.op.Inventory.More; n > 0 {
		all = append(all, rotator.Objection{
			Check: rotator.ReasonInventoryIncomplete, Message: fmt.Sprintf("not checked for unlisted dependents: %d more", n),
		})
	}
	return all
}

// notRolledBack objects, where nobody asked for it, to retiring again what was rolled
// back.
func notRolledBack(g *guardView) (all []rotator.Objection) {
	if g.op.Retirer != "" {
		return nil
	}
	if g.op.Rollback != nil {
		return []rotator.Objection{{Check: rotator.ReasonRolledBack, Message: g.op.Rollback.Message, Hint: g.op.Rollback.Hint}}
	}
	for _, v := range g.op.Previous {
		if slices.Contains(g.rolledBack, v) {
			all = append(all, rotator.Objection{
				Check: rotator.ReasonRolledBack, Message: "version " + v + " was retired once, and that was rolled back",
				Hint: "make sure that nobody needs it, then: cmkd retire " + g.op.Key,
			})
		}
	}
	return all
}

// attested returns the attestation that stands in for evidence that a dependent needs
// none of the previous versions of an operation; nil if there is none.
func (g *guardView) attested(t *rotator.Tracker) *rotator.Attestation {
	if all := g.attestedAll(t); len(all) > 0 {
		return all[0]
	}
	return nil
}

func (g *guardView) attestedAll(t *rotator.Tracker) (all []*rotator.Attestation) {
	for _, a := range g.attestations {
		covers := a.Holds(g.now) && (a.Binding == "" || t.Detail.Binding == "" || a.Binding == t.Detail.Binding)
		for _, version := range g.op.Previous {
			covers = covers && a.Covers(g.op.KeyID, t.Detail.Dependent.ID, version)
		}
		for _, what := range t.Detail.Blind {
			covers = covers && slices.Contains(a.BlindSpots, what)
		}
		if covers {
			all = append(all, a)
		}
	}
	return all
}

func (c *state) guardView(l *live) *guardView {
	g := &guardView{
		op: &l.op, trackers: l.trackers, stale: l.stale, versions: l.versions, listErr: l.listErr,
		require: rotator.EvidenceInferred, attestations: attesting{c}.of(l.op.KeyID), rolledBack: c.stateOf(l.op.KeyID).RolledBack, now: c.now,
		last: func(t *rotator.Tracker) *rotator.Observation { return c.lastSeen(l, t.Number) },
	}
	if key := c.keyOf(l); key != nil {
		g.configured, g.soak, g.undiscovered = true, key.Soak, key.Undiscovered
		if key.Require != rotator.EvidenceNone {
			g.require = key.Require
		}
	}
	return g
}
