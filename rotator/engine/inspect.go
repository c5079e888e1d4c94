package engine

import (
	"maps"
	"slices"
	"time"

	"cmkd/rotator"
)

// Progress is how a live operation stands, for whoever checks that it can move.
type Progress struct {
	Operation rotator.Operation
	Trackers  []rotator.Tracker
	// Due is when the operation or one of its trackers wants attention, zero if never.
	Due time.Time
	// Calls are those intended, waiting to begin or out.
	Calls int
	// Next is true if it waits in line, and whoever has the place that it waits for can
	// move, or the place is free at a time.
	Next bool
	// Person is for whom it waits, empty if for nobody.
	Person Person
}

// Person is what a person has to say before an operation goes on.
type Person string

// What persons say.
const (
	PersonApproves Person = "approves"
	PersonRetires  Person = "retires"
	PersonThaws    Person = "thaws"
)

// CanMove reports whether something will move the operation.
func (p *Progress) CanMove() bool { return !p.Due.IsZero() || p.Calls > 0 || p.Next || p.Person != "" }

// Intent is an effect that the reactor has decided on, and that is not carried out
// before it is committed.
type Intent struct {
	Kind      string
	Operation rotator.OperationID
	KeyID     rotator.KeyID
	Tag       string
	Version   string
	Enable    bool
	Attempt   int
	// Dependent is the resource to be written to, empty if it is the vault.
	Dependent string
}

// Settled reports whether everything that was decided is committed.
func (r *Reactor) Settled() bool {
	return r.under == nil && !r.core.draft.hard && r.core.draft.softSince.IsZero()
}

// Keys returns the state of each configured key, by name.
func (r *Reactor) Keys() map[string]rotator.KeyState {
	all := map[string]rotator.KeyState{}
	for name, key := range r.core.keys {
		for _, s := range r.core.states {
			if s.Name == name && s.ID.Same(key.ID) {
				state := *s
				state.Unretired = slices.Clone(s.Unretired)
				all[name] = state
			}
		}
	}
	return all
}

// Attestations returns what persons attested, by id.
func (r *Reactor) Attestations() (all []rotator.Attestation) {
	for _, id := range slices.Sorted(maps.Keys(r.core.attestations)) {
		all = append(all, *r.core.attestations[id])
	}
	return all
}

// Freezes returns the freezes that hold, oldest first.
func (r *Reactor) Freezes() (all []rotator.Freeze) {
	for _, f := range r.core.freezes {
		all = append(all, *f)
	}
	return all
}

// Live returns how the live operations stand, in the order in which they began.
func (r *Reactor) Live() ([]Progress, error) {
	calls := map[rotator.OperationID]int{}
	for _, call := range slices.Concat(r.waiting, r.out) {
		calls[call.task.operation]++
	}
	for _, t := range r.core.draft.tasks {
		calls[t.operation]++
	}
	var all []Progress
	for _, id := range r.core.liveIDs() {
		l := r.core.live[id]
		if err := r.core.load(l); err != nil {
			return nil, err
		}
		p := Progress{
			Next: r.core.queued(l) && r.comesFree(calls), Operation: l.snapshot(), Trackers: slices.Clone(l.trackers), Due: l.due(), Calls: calls[id],
		}
		switch {
		case l.op.State == rotator.StateAwaitingApproval:
			p.Person = PersonApproves
		case l.op.AwaitsRetirement():
			p.Person = PersonRetires
		case freezing{r.core.state}.holds(l):
			p.Person = PersonThaws
		}
		all = append(all, p)
	}
	return all, nil
}

// comesFree reports whether the line that an operation waits in can go on: when the
// time has come that is planned for that, or when somebody ahead goes on who has a place
// or looks whether it can use one.
func (r *Reactor) comesFree(calls map[rotator.OperationID]int) bool {
	p := r.core.pace
	if !p.planned.IsZero() || p.moved {
		return true
	}
	ahead := slices.Collect(maps.Keys(p.held))
	for id, w := range p.waiters {
		if w.stage == stageLooking {
			ahead = append(ahead, id)
		}
	}
	return slices.ContainsFunc(ahead, func(id rotator.OperationID) bool {
		l := r.core.live[id]
		return calls[id] > 0 || l != nil && (!l.due().IsZero() || l.askedN > 0)
	})
}

// Intended returns the effects that were decided since the last commit.
func (r *Reactor) Intended() []Intent {
	var all []Intent
	for _, t := range r.core.draft.tasks {
		if t.effect == nil || t.kind != taskCreate && t.kind != taskSetEnabled && t.kind != taskApply {
			continue
		}
		i := Intent{Kind: string(t.kind), Operation: t.operation, KeyID: t.keyID, Tag: t.tag, Enable: t.enable, Attempt: t.attempt}
		if t.version != nil {
			i.Version = t.version.ID
		}
		if t.dependent != nil {
			i.Dependent = t.dependent.ID
		}
		all = append(all, i)
	}
	return all
}
