package simtest

import (
	"fmt"
	"slices"
	"strings"

	"cmkd/rotator"
	"cmkd/rotator/engine"
)

// derived is what follows of a configuration and what happened, by key and not by
// name.
type derived map[rotator.KeyID]derivedKey

// derivedKey is what is known of one key.
type derivedKey struct {
	next, spec, current string
	unretired           []string
	// overdue is true if the next time waits for the end of a freeze: a key that is taken
	// out meanwhile begins anew.
	overdue   bool
	operation rotator.OperationID
	live      []derivedOperation
}

// derivedOperation is a live operation, but for its audit trail.
type derivedOperation struct {
	id                rotator.OperationID
	kind              rotator.OperationKind
	state             rotator.OperationState
	target            string
	previous, retired []string
	waitsFor          []string
	// left is true if somebody is not on the target any more, which a retirement notices
	// when it is asked for or goes on.
	left bool
	// standing says how the configuration has its key, if not plainly.
	standing string
}

// derive reads what is known of the configured keys now.
func (o *oracle) derive() derived {
	states := o.s.reactor.Keys()
	live, err := o.s.reactor.Live()
	o.s.must(err)
	all := derived{}
	for _, s := range o.s.estate.slots {
		state := states[s.names[s.name]]
		if !s.in {
			continue
		}
		k := derivedKey{spec: state.Spec, current: state.Current.ID, unretired: state.Unretired, operation: state.Operation}
		slices.Sort(k.unretired)
		if !state.NextRotation.IsZero() {
			k.next, k.overdue = state.NextRotation.String(), !state.NextRotation.After(o.s.told)
		}
		for i := range live {
			if live[i].Operation.KeyID.Same(s.id()) {
				op := deriveOperation(&live[i])
				op.standing = o.standing(&live[i].Operation)
				k.live = append(k.live, op)
			}
		}
		all[s.id()] = k
	}
	return all
}

func deriveOperation(p *engine.Progress) derivedOperation {
	op := derivedOperation{
		id: p.Operation.ID, kind: p.Operation.Kind, state: p.Operation.State, target: p.Operation.Target.ID,
		previous: p.Operation.Previous, retired: p.Operation.Retired,
	}
	for i := range p.Trackers {
		if t := &p.Trackers[i]; t.State != rotator.TrackerExcluded {
			op.left = op.left || !t.State.Settled()
			op.waitsFor = append(op.waitsFor, strings.ToLower(t.Detail.Dependent.ID))
		}
	}
	slices.Sort(op.waitsFor)
	return op
}

// compare checks that a detour left nothing behind. A rotation that changed nothing
// yet may have ended with its key's absence.
func (o *oracle) compare(detour string, before, after derived) {
	for _, s := range o.s.estate.slots {
		a, ok := before[s.id()]
		b, still := after[s.id()]
		if !ok || !still {
			continue
		}
		pending := func(op derivedOperation) bool { return op.state == rotator.StatePending }
		if len(b.live) < len(a.live) && slices.ContainsFunc(a.live, pending) {
			continue
		}
		for _, f := range differences(&a, &b) {
			o.violated("residue", detour+": "+f, fmt.Sprintf("%s was %+v and is %+v", s.id(), a, b))
		}
	}
}

// differences names what of a key differs.
func differences(a, b *derivedKey) (all []string) {
	note := func(differs bool, field string) {
		if differs {
			all = append(all, field)
		}
	}
	note(a.next != b.next && b.next == "", "no next time")
	note(a.next != b.next && b.next != "" && !a.overdue, "another next time")
	note(a.spec != b.spec, "schedule")
	note(a.current != b.current, "current version")
	note(!slices.Equal(a.unretired, b.unretired), "unretired")
	ended := false
	for i := range a.live {
		x := &a.live[i]
		n := slices.IndexFunc(b.live, func(y derivedOperation) bool { return y.id == x.id })
		if n < 0 {
			ended = true
			note(true, x.name()+": ended")
			continue
		}
		y := &b.live[n]
		note(x.state != y.state && (!x.left || x.state != rotator.StateRetiring || y.state != rotator.StatePropagating), x.name()+": another state")
		note(x.target != y.target, x.name()+": another target")
		note(!slices.Equal(x.previous, y.previous) || !slices.Equal(x.retired, y.retired), x.name()+": what is retired")
		note(!slices.Equal(x.waitsFor, y.waitsFor), x.name()+": dependents")
	}
	note(len(b.live) > len(a.live), "another operation")
	note(a.operation != b.operation && !ended, "operation")
	return all
}

// name says of what kind an operation is.
func (op *derivedOperation) name() string {
	name := string(op.kind) + " " + string(op.state)
	if len(op.waitsFor) == 0 {
		name += ", nobody to wait for"
	}
	return name + op.standing
}
