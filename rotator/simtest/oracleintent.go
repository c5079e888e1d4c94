package simtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
)

// intended looks at each effect on a version when it is decided.
func (o *oracle) intended() {
	for _, i := range o.s.reactor.Intended() {
		if o.decided[i] {
			continue
		}
		o.decided[i] = true
		op, ok := o.operation(i.Operation)
		if !ok || op.Kind != rotator.KindRotation {
			continue
		}
		o.thawed(&i, op)
		if i.Dependent != "" {
			o.writes(&i)
			continue
		}
		key, configured := o.s.estate.configured(i.KeyID)
		switch {
		case i.Enable: // a retirement is rolled back
		case !configured && i.Tag != "":
			o.violated("policy", "a version is made"+o.standing(op), string(i.KeyID))
		case !configured:
			o.violated("policy", "retired"+o.standing(op), string(i.KeyID)+" "+i.Version)
		case i.Tag == "":
			o.retires(op, &key, i.Version)
		}
	}
}

// frozen reports whether a freeze stops what somebody asked for, or nobody did, on a key.
func (o *oracle) frozen(key rotator.KeyID, asked bool) bool {
	return slices.ContainsFunc(o.s.reactor.Freezes(), func(f rotator.Freeze) bool { return f.Stops(key, asked, o.s.told) })
}

// thawing reports whether a freeze of a key goes on over its end, for a while after the clock
// has jumped.
func (o *oracle) thawing(key rotator.KeyID) bool {
	concerns := func(f rotator.Freeze) bool { return f.Concerns(key, false) }
	return o.s.w.now.Sub(o.s.jumped) < 20*time.Minute && slices.ContainsFunc(o.s.reactor.Freezes(), concerns)
}

// thawed checks that a rotation decides on no write that a freeze stops; what was disabled
// may be enabled again.
func (o *oracle) thawed(i *engine.Intent, op *rotator.Operation) {
	asked := op.Cause == rotator.CauseOperator
	if op.State == rotator.StateRetiring {
		asked = op.Retirer != ""
	}
	if !i.Enable && o.frozen(op.KeyID, asked) {
		o.violated("frozen", i.Kind+" of a rotation "+string(op.State), fmt.Sprintf("%s on %s %s", op.ID, i.KeyID, i.Dependent))
	}
}

// retired checks that no version is said to be retired that was never disabled: one that
// vanished was not.
func (o *oracle) retired(op *rotator.Operation) {
	for _, id := range op.Retired {
		if !o.s.w.disabled[string(op.KeyID)+id] {
			o.violated("retired", "never disabled"+o.standing(op), fmt.Sprintf("%s of %s, by %s", id, op.KeyID, op.ID))
		}
	}
}

// each calls f for each dependent of the keys that are or were called so.
func (o *oracle) each(key string, f func(*rotator.Dependent)) {
	for _, s := range o.s.estate.slots {
		for i := range s.deps[s.uri] {
			if s.names[s.name] == key {
				f(&s.deps[s.uri][i])
			}
		}
	}
}

// told notes what the audit trail says.
func (o *oracle) told(e *rotator.Event) {
	if e.Type == rotator.EventStateChanged && e.Data["to"] == string(rotator.StateCompleted) {
		o.each(e.Key, func(d *rotator.Dependent) { delete(o.s.w.basis, d.ID) })
	}
	if e.Type == rotator.EventOperationCreated || e.Type == rotator.EventCancelRequested {
		o.each(e.Key, func(d *rotator.Dependent) { delete(o.s.w.repinned, d.ID) }) // an operation begins with what is, and may be left with that
	}
	if e.Type == rotator.EventVersionTampered || e.Type == rotator.EventVersionReenabled || e.Type == rotator.EventVersionBack {
		for _, v := range e.Data {
			for id := range strings.FieldsSeq(v) {
				o.noticed[id] = true
			}
		}
	}
}

// retires checks the policy and the world when a version is to be disabled by a
// rotation.
func (o *oracle) retires(op *rotator.Operation, key *rotator.Key, version string) {
	switch {
	case key.Retire == rotator.RetireOff:
		o.violated("policy", "retired, although retire is off", key.Name)
	case key.Retire == rotator.RetireManual && op.Retirer == "":
		o.violated("policy", "retired, although retire is manual", key.Name)
	}
	for _, d := range o.s.estate.resources(op.KeyID) {
		o.leaves(op, key, &d, version)
	}
	if key.Undiscovered {
		o.violated("policy", "retired, although nobody searches for what is not listed", key.Name)
	}
}

// writes checks that nobody is written to without consent: an update is decided on only
// for what is listed.
func (o *oracle) writes(i *engine.Intent) {
	key, ok := o.s.estate.configured(i.KeyID)
	if ok && !lists(&key, i.Dependent) {
		o.violated("consent", "an update of what nobody lists", fmt.Sprintf("%s is to write to %s", i.Operation, i.Dependent))
	}
}

// leaves checks that a resource does not need a version that is being retired, or that a
// person said so where nobody can see it.
func (o *oracle) leaves(op *rotator.Operation, key *rotator.Key, d *rotator.Dependent, version string) {
	listed := slices.ContainsFunc(key.Dependents, func(k rotator.Dependent) bool { return k.Same(d.ID) })
	how := o.mixed(op) + o.standing(op)
	switch attested := o.attested(op, d.ID, version); {
	case o.s.w.now.Sub(o.s.w.pinned[d.ID]) < 2*time.Minute: // since the guard looked
		return
	case o.s.w.lies[d.ID] == version: // nobody can know, until it is disabled
		return
	case attested || !listed && (o.s.w.gone(d.ID) || o.s.w.empty(d.ID)):
		return
	case listed && (d.Unseen() || len(o.s.w.blind(d.ID)) > 0):
		o.violated("retired unseen", d.Kind+how, fmt.Sprintf("%s of %s, and nobody can say of %s whether it needs it", version, key.ID, d.ID))
	}
	if !listed {
		how = ", unlisted" + how
	}
	if o.s.w.silent(d.ID) {
		if op.Retirer != "" {
			return // on the word of a person
		}
		o.violated("retired on inference", d.Kind+how, fmt.Sprintf("%s of %s, which %s does not tell", version, key.ID, d.ID))
	}
	if slices.Contains(o.s.w.Needs(d.ID), version) {
		o.violated("retired in use", d.Kind+how, fmt.Sprintf("%s of %s is needed by %s", version, key.ID, d.ID))
	}
}

// attested reports whether another person than the one who retires said that a dependent
// does not need a version, as far as that counts.
func (o *oracle) attested(op *rotator.Operation, dependent, version string) bool {
	return slices.ContainsFunc(o.s.reactor.Attestations(), func(a rotator.Attestation) bool {
		return a.Covers(op.KeyID, dependent, version) && a.Holds(o.s.clock()) && a.Actor != op.Retirer
	})
}

// mixed says so if an operation is to retire versions that its key does not have.
func (o *oracle) mixed(op *rotator.Operation) string {
	all := o.s.w.List(op.KeyID)
	if slices.ContainsFunc(op.Previous, func(id string) bool { _, ok := rotator.FindVersion(all, id); return !ok }) {
		return ", with another key's versions"
	}
	return ""
}
