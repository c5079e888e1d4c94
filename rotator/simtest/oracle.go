package simtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
)

// Violation is something that must not happen. The invariant and the shape say what
// kind of thing it is.
type Violation struct {
	Invariant, Shape string
	Detail           string
}

func (v *Violation) String() string { return v.Invariant + ": " + v.Shape + ": " + v.Detail }

// fault is a kind of violation.
type fault struct{ invariant, shape string }

// oracle knows the truth, and compares with it what the reactor says and does.
type oracle struct {
	s *sim
	// found is the first violation, passed counts those that a survey passes over.
	found  *Violation
	passed map[fault]int
	// decided are the effects that were looked at already.
	decided map[engine.Intent]bool
	// waited are the operations that have to end once the world is healthy.
	waited map[rotator.OperationID]bool
	// overdue are the things that are due, by name, and since when.
	overdue map[string]time.Time
	// unsure are the operations of which a call may have made a version, and since when,
	// by Azure's clock.
	unsure map[rotator.OperationID]time.Time
	// served are the operations by key and the time that they were scheduled for.
	served map[string]rotator.OperationID
	// noticed are the versions of which cmkd said that somebody else did something to them.
	noticed map[string]bool
	// lenient is true if a run goes on after a violation.
	lenient bool
}

func newOracle(s *sim) *oracle {
	return &oracle{s: s, passed: map[fault]int{}, decided: map[engine.Intent]bool{}, waited: map[rotator.OperationID]bool{}, overdue: map[string]time.Time{}, served: map[string]rotator.OperationID{}, unsure: map[rotator.OperationID]time.Time{}, noticed: map[string]bool{}}
}

func (o *oracle) violated(invariant, shape, detail string) {
	f := fault{invariant, shape}
	if o.lenient {
		o.passed[f]++
		return
	}
	if o.found == nil {
		o.found = &Violation{invariant, shape, detail}
		o.s.tell("VIOLATION %s", o.found)
	}
}

// check looks at everything that must hold whenever all is committed.
func (o *oracle) check() {
	o.onlyOneVersion()
	if o.found != nil || o.s.change != nil || !o.s.reactor.Settled() {
		return
	}
	live, err := o.s.reactor.Live()
	if err != nil {
		o.s.must(err)
		return
	}
	for i := range live {
		o.moves(&live[i])
		o.belongs(&live[i])
		o.once(&live[i].Operation)
	}
	o.scheduled()
}

// lateMost is how late something may be served: the reactor holds the near future in
// memory, and what is stored meanwhile may be nearer.
const lateMost = 6 * time.Minute

// moves checks that a live operation can move.
func (o *oracle) moves(p *engine.Progress) {
	if !p.CanMove() {
		o.violated("stuck", o.shape(p), fmt.Sprintf("%s of %s: nothing will ever move it", p.Operation.ID, p.Operation.KeyID))
	}
	if p.Operation.Problem != nil && p.Operation.Problem.Code == rotator.ReasonDefect {
		o.violated("stuck", o.shape(p)+": defect", p.Operation.Problem.Message)
	}
	if o.late(p.Operation.ID.String(), p.Due) {
		o.violated("late", o.shape(p), fmt.Sprintf("%s of %s was due at %s", p.Operation.ID, p.Operation.KeyID, p.Due))
	}
}

// patient checks that an operation of which a call may have made a version waits for as
// long as a list may lag before it calls again, whatever somebody does to the clock.
func (o *oracle) patient(id rotator.OperationID) {
	since, unsure := o.unsure[id]
	if waited := o.s.w.now.Sub(since); unsure && waited < lagMost {
		o.violated("impatient", "within the read lag", fmt.Sprintf("%s calls again %s after a call of which nobody knows what it did", id, waited))
	}
}

// creating reports whether an operation waits for its version.
func (o *oracle) creating(id rotator.OperationID) bool {
	p := o.progress(id)
	return p != nil && p.Operation.State == rotator.StateCreating
}

// knows checks that a success is one whenever it arrives: an operation that waited for
// its version knows the one that the vault says it made.
func (o *oracle) knows(id rotator.OperationID, version string) {
	if p := o.progress(id); p != nil && !slices.Contains(p.Operation.Base, version) {
		o.violated("success", "thrown away", fmt.Sprintf("%s knows nothing of %s, which its call made", id, version))
	}
}

// progress returns how a live operation stands, nil if it is not live.
func (o *oracle) progress(id rotator.OperationID) *engine.Progress {
	live, err := o.s.reactor.Live()
	o.s.must(err)
	i := slices.IndexFunc(live, func(p engine.Progress) bool { return p.Operation.ID == id })
	if i < 0 {
		return nil
	}
	return &live[i]
}

// once checks that a time of a schedule is served once, unless the clock was set by so
// much that it is another day's.
func (o *oracle) once(op *rotator.Operation) {
	if op.Cause != rotator.CauseSchedule || o.s.skew.Abs() > 12*time.Hour {
		return
	}
	due, _, _ := strings.Cut(op.Reason, ",")
	what := string(op.KeyID) + " " + due
	if first, ok := o.served[what]; ok && first != op.ID {
		o.violated("schedule", "served twice", fmt.Sprintf("%s by %s and %s", what, first, op.ID))
	}
	o.served[what] = op.ID
}

// late reports whether something has been overdue for too long, whatever the daemon's
// clock says.
func (o *oracle) late(what string, due time.Time) bool {
	if due.IsZero() || due.After(o.s.told) {
		delete(o.overdue, what)
		return false
	}
	since, ok := o.overdue[what]
	if !ok {
		o.overdue[what] = o.s.w.now
	}
	return ok && o.s.w.now.Sub(since) > lateMost
}

// shape says of what kind an operation is, and what is special about it.
func (o *oracle) shape(p *engine.Progress) string {
	shape := string(p.Operation.Kind) + " " + string(p.Operation.State)
	if len(p.Trackers) == p.Operation.Trackers[rotator.TrackerExcluded] {
		shape += ", nobody to wait for"
	}
	if twice(p.Operation.Previous) {
		shape += ", a version twice"
	}
	return shape + o.standing(&p.Operation)
}

func twice(versions []string) bool {
	return len(slices.Compact(slices.Sorted(slices.Values(versions)))) < len(versions)
}

// standing says how the configuration has the key of an operation, if not plainly.
func (o *oracle) standing(op *rotator.Operation) string {
	key, ok := o.s.estate.configured(op.KeyID)
	switch {
	case ok && key.Name != op.Key:
		return ", renamed"
	case ok:
		return ""
	case slices.ContainsFunc(o.s.estate.slots, func(s *slot) bool { return s.in && s.names[s.name] == op.Key }):
		return ", another key under its name"
	default:
		return ", not configured"
	}
}

// belongs checks that an operation waits only for dependents of its key: those that
// are configured for it, or that a search found.
func (o *oracle) belongs(p *engine.Progress) {
	key, ok := o.s.estate.configured(p.Operation.KeyID)
	for i := range p.Trackers {
		t := &p.Trackers[i]
		if !open(t) || t.Detail.Dependent.Discovered {
			continue
		}
		id := t.Detail.Dependent.ID
		switch {
		case !o.s.estate.known[p.Operation.KeyID][id]:
			o.violated("foreign", string(p.Operation.Kind)+o.standing(&p.Operation), fmt.Sprintf("%s of %s waits for %s of another key", p.Operation.ID, p.Operation.KeyID, id))
		case ok && !lists(&key, id):
			o.violated("left", o.how(p, id)+o.standing(&p.Operation), fmt.Sprintf("%s of %s waits for %s, which is not configured any more", p.Operation.ID, p.Operation.KeyID, id))
		}
	}
}

// how says in which way a dependent is not listed.
func (o *oracle) how(p *engine.Progress, id string) string {
	key, _ := o.s.estate.configured(p.Operation.KeyID)
	if slices.ContainsFunc(key.Dependents, func(d rotator.Dependent) bool { return d.Same(id) }) {
		return "excluded"
	}
	return "removed"
}

// open reports whether an operation waits for a tracker.
func open(t *rotator.Tracker) bool {
	return t.State == rotator.TrackerWaiting || t.State == rotator.TrackerApplying || t.State == rotator.TrackerPropagating || t.State.Troubled()
}

// scheduled checks that each configured schedule has a next time.
func (o *oracle) scheduled() {
	states := o.s.reactor.Keys()
	for _, s := range o.s.estate.slots {
		key := s.key()
		if !s.in || key.Schedule.IsZero() {
			continue
		}
		state, ok := states[key.Name]
		switch {
		case !ok:
			o.violated("schedule", "no state", key.Name)
		case o.frozen(key.ID, false), o.thawing(key.ID):
			delete(o.overdue, key.Name)
		case state.NextRotation.IsZero():
			o.violated("schedule", "no next time", key.Name)
		case o.late(key.Name, state.NextRotation):
			o.violated("schedule", "not served", fmt.Sprintf("%s at %s", key.Name, state.NextRotation))
		}
	}
}

// onlyOneVersion checks that no second version is made for an operation as long as a
// list may not show the first one.
func (o *oracle) onlyOneVersion() {
	for tag, made := range o.s.w.made {
		for i := 1; i < len(made); i++ {
			if made[i].Sub(made[i-1]) <= lagMost {
				o.violated("second version", "within the read lag", fmt.Sprintf("%s: at %s and %s", tag, made[i-1], made[i]))
			} else {
				o.violated("second version", "beyond the read lag", fmt.Sprintf("%s: at %s and %s", tag, made[i-1], made[i]))
			}
		}
	}
}

// operation returns a live operation.
func (o *oracle) operation(id rotator.OperationID) (*rotator.Operation, bool) {
	live, err := o.s.reactor.Live()
	if err != nil {
		return nil, false
	}
	n := slices.IndexFunc(live, func(p engine.Progress) bool { return p.Operation.ID == id })
	if n < 0 {
		return nil, false
	}
	return &live[n].Operation, true
}

// healed notes which operations have to end from now on.
func (o *oracle) healed() {
	live, err := o.s.reactor.Live()
	o.s.must(err)
	for i := range live {
		o.waited[live[i].Operation.ID] = true
	}
}

// ended checks that what was under way has ended, unless it waits for a person.
func (o *oracle) ended() {
	live, err := o.s.reactor.Live()
	o.s.must(err)
	for i := range live {
		if p := &live[i]; o.waited[p.Operation.ID] && !o.waits(p) {
			o.violated("bound", o.shape(p)+why(&p.Operation), fmt.Sprintf("%s of %s is not over %s after the world healed: waiting %q, problem %v, trackers %v",
				p.Operation.ID, p.Operation.KeyID, bound, p.Operation.WaitingText(), p.Operation.Problem, unsettled(p)))
		}
	}
	o.known()
	for _, number := range slices.Sorted(maps.Keys(o.s.open)) {
		o.violated("answer", "none to "+string(o.s.open[number].Verb), fmt.Sprintf("to command %d", number))
	}
}

// known checks that cmkd knows how the versions of each key are, what somebody else did to
// them, and who is in trouble.
func (o *oracle) known() {
	states := o.s.reactor.Keys()
	for _, s := range o.s.estate.slots {
		state, ok := states[s.names[s.name]]
		if !s.in || !ok {
			continue
		}
		for _, v := range o.s.w.List(s.id()) {
			was, listed := rotator.FindVersion(state.Versions, v.ID)
			switch t, done := o.s.w.tampered[string(s.id())+v.ID]; {
			case o.s.w.now.Sub(v.Updated) < 2*lateMost: // it is listed every five minutes
			case !listed || was.Enabled != v.Enabled:
				o.violated("versions", "not as they are", fmt.Sprintf("%s of %s is enabled: %t, known: %t, %t", v.ID, s.id(), v.Enabled, listed, was.Enabled))
			case done && t.seen && !o.noticed[v.ID]:
				o.violated("tampering", "not told", fmt.Sprintf("%s of %s, enabled: %t at %s", v.ID, s.id(), t.enabled, t.at))
			}
		}
		o.drifted(s, &state)
	}
}

// drifted checks that cmkd says so if a dependent that nobody rotated since was pinned to
// another version, or lacks one that was disabled.
func (o *oracle) drifted(s *slot, state *rotator.KeyState) {
	live, err := o.s.reactor.Live()
	o.s.must(err)
	key := s.key()
	said := len(state.Drift) > 0 || state.Problem != nil ||
		slices.ContainsFunc(live, func(p engine.Progress) bool { return p.Operation.KeyID.Same(key.ID) })
	for i := range key.Dependents {
		d := &key.Dependents[i]
		at, repinned := o.s.w.repinned[d.ID]
		if said || d.Unseen() || o.s.w.silent(d.ID) || o.s.w.now.Sub(at) < 7*time.Hour {
			continue
		}
		if is := o.s.w.Needs(d.ID)[0]; repinned && is != state.Current.ID && is != o.s.w.basis[d.ID] {
			o.violated("drift", "not told: "+d.Kind, fmt.Sprintf("%s was pinned at %s", d.ID, at))
		}
	}
}

// unsettled says of those that an operation waits for how they are.
func unsettled(p *engine.Progress) (all []string) {
	for i := range p.Trackers {
		if t := &p.Trackers[i]; !t.State.Settled() {
			all = append(all, fmt.Sprintf("%s %s: %v", t.Detail.Dependent.DisplayName(), t.State, t.Detail.Problem))
		}
	}
	return all
}

// why names the problem that an operation says it has.
func why(op *rotator.Operation) string {
	if op.Problem == nil {
		return ""
	}
	return ": " + string(op.Problem.Code)
}

// waits reports whether an operation waits for a person, or is where it stays.
func (o *oracle) waits(p *engine.Progress) bool {
	_, configured := o.s.estate.configured(p.Operation.KeyID)
	problem := cmp.Or(p.Operation.Problem, p.Operation.Held) // which is looked at anew now and then
	switch {
	case p.Person != "", p.Operation.State == rotator.StateEffective:
		return true
	case p.Operation.Problem != nil && p.Operation.Problem.Code == rotator.ReasonRevocationUndone:
		return true // somebody made a version that is not revoked
	case problem != nil && slices.Contains([]rotator.Reason{
		rotator.ReasonNotAttested, rotator.ReasonBlindSpot, rotator.ReasonAttestedByRetirer, // to attest
		rotator.ReasonDependentDiscovered, rotator.ReasonDiscoveryOff, // to list, or to search for
	}, problem.Code):
		return true
	case !configured && p.Operation.Kind == rotator.KindRotation:
		return true // to be put back, or cancelled
	}
	return slices.ContainsFunc(p.Trackers, func(t rotator.Tracker) bool {
		d := t.Detail
		moves := p.Operation.Kind == rotator.KindRotation && p.Operation.Target.ID != "" // by itself, from a version that is disabled
		if t.State.Troubled() && (!moves || o.s.w.lies[d.Dependent.ID] != "") && o.shut(p.Operation.KeyID, d.Dependent.ID) {
			return true
		}
		if t.State == rotator.TrackerStalled && d.Binding != rotator.BindingFollows {
			// cmkd tells it a version once only, and does not enable another one.
			return !o.s.w.pinned[d.Dependent.ID].IsZero() || o.shut(p.Operation.KeyID, d.Dependent.ID)
		}
		if p.Operation.State == rotator.StateProbation && t.State == rotator.TrackerNeedsAction {
			return true // it lacks what nobody gives back
		}
		if t.State != rotator.TrackerNeedsAction || d.Binding == rotator.BindingFollows {
			return false
		}
		// To be deployed anew, or on a version that was retired while nobody listed it.
		if d.Problem != nil && (d.Problem.Code == rotator.ReasonBindingChanged || d.Problem.Code == rotator.ReasonVersionChanged) {
			return true // somebody pinned it meanwhile
		}
		return d.Binding == rotator.BindingFixed && !d.Dependent.Recreate || d.Problem != nil && d.Problem.Code == rotator.ReasonAccessDenied
	})
}

// shut reports whether a dependent needs a version that is disabled.
func (o *oracle) shut(key rotator.KeyID, dependent string) bool {
	needs := append(o.s.w.Needs(dependent), o.s.w.lies[dependent])
	return slices.ContainsFunc(o.s.w.List(key), func(v rotator.Version) bool { return !v.Enabled && slices.Contains(needs, v.ID) })
}
