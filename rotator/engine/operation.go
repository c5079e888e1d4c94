package engine

import (
	"cmp"
	"context"
	"slices"

	"cmkd/rotator"
)

// Operation returns one operation with its trackers, what needs somebody first, and at
// most so many of them; limit 0 means all.
func (e *Engine) Operation(ctx context.Context, id rotator.OperationID, limit int) (rotator.OperationStatus, error) {
	ops, err := e.o.Store.Operations(ctx, rotator.OperationFilter{ID: id})
	if err != nil {
		return rotator.OperationStatus{}, err
	}
	if len(ops) == 0 {
		return rotator.OperationStatus{}, rotator.Errorf(rotator.CodeNotFound, "there is no operation %s", id).WithHint("cmkd history lists the operations")
	}
	v := operationView{e: e, op: &ops[0], limit: limit, read: map[uint32]rotator.Tracker{}}
	if err := v.load(ctx); err != nil {
		return rotator.OperationStatus{}, err
	}
	if v.guard, err = v.stored(ctx); err != nil {
		return rotator.OperationStatus{}, err
	}
	s := rotator.OperationStatus{Operation: ops[0], Total: len(v.all), Trackers: []rotator.TrackerStatus{}}
	for _, n := range v.first(func(*rotator.Tracker) bool { return true }) {
		t, err := v.tracker(ctx, n)
		if err != nil {
			return rotator.OperationStatus{}, err
		}
		status := e.trackerStatus(v.op, t)
		status.Attested = v.guard.attested(&t)
		s.Trackers = append(s.Trackers, status)
	}
	s.Blockers, err = v.blockers(ctx)
	return s, err
}

// operationView reads as much of an operation as is shown: of a hundred thousand
// trackers all the small parts, but only few of the large ones.
type operationView struct {
	e     *Engine
	op    *rotator.Operation
	limit int
	all   []rotator.Tracker // the small parts
	read  map[uint32]rotator.Tracker
	guard *guardView
}

// fewOfMany is how many times as many trackers there must be as are shown for them to
// be read one by one.
const fewOfMany = 8

func (v *operationView) load(ctx context.Context) (err error) {
	if v.limit > 0 {
		if v.all, err = v.e.o.Store.Progress(ctx, v.op.ID); err != nil || len(v.all)/fewOfMany > v.limit {
			return err
		}
	}
	if v.all, err = v.e.o.Store.Trackers(ctx, v.op.ID, 0, 0); err != nil {
		return err
	}
	for _, t := range v.all {
		v.read[t.Number] = t
	}
	return nil
}

// first returns the numbers of the first trackers that are wanted, in the order in
// which people want to see them.
func (v *operationView) first(wanted func(*rotator.Tracker) bool) (numbers []uint32) {
	var ranked [len(stateCounts{})][]uint32
	for i := range v.all {
		if t := &v.all[i]; wanted(t) {
			r := stateIndex(t.State)
			if v.limit <= 0 || len(ranked[r]) < v.limit {
				ranked[r] = append(ranked[r], t.Number)
			}
		}
	}
	numbers = slices.Concat(ranked[:]...)
	if v.limit > 0 {
		numbers = numbers[:min(v.limit, len(numbers))]
	}
	return numbers
}

// tracker returns a tracker with its large part.
func (v *operationView) tracker(ctx context.Context, number uint32) (rotator.Tracker, error) {
	if t, ok := v.read[number]; ok {
		return t, nil
	}
	one, err := v.e.o.Store.Trackers(ctx, v.op.ID, number, 1)
	if err != nil {
		return rotator.Tracker{}, err
	}
	if len(one) == 0 || one[0].Number != number {
		return rotator.Tracker{}, rotator.Errorf(rotator.CodeInternal, "%s has no tracker %d", v.op.ID, number)
	}
	v.read[number] = one[0]
	return one[0], nil
}

// blockers returns what would speak against retiring the previous versions as far as
// is known without asking; of dependents only the first are looked at.
func (v *operationView) blockers(ctx context.Context) ([]rotator.Objection, error) {
	if v.op.Kind != rotator.KindRotation || v.op.Target.ID == "" || v.op.State.Final() {
		return nil, nil
	}
	g := v.guard
	for i := range v.all {
		if v.all[i].State != rotator.TrackerExcluded {
			g.seen = later(g.seen, v.all[i].Seen)
		}
	}
	// Else what cannot be seen of one that is done is not looked up.
	all := len(v.read) == len(v.all) && (v.limit <= 0 || v.limit >= len(v.all))
	may := func(t *rotator.Tracker) bool { return !settled(t, g.require) || t.State == rotator.TrackerExcluded }
	for _, n := range v.first(func(t *rotator.Tracker) bool { return all || may(t) }) {
		t, err := v.tracker(ctx, n)
		if err != nil {
			return nil, err
		}
		g.trackers = append(g.trackers, t)
	}
	if all {
		return objections(g), nil
	}
	settled, err := v.unlistedSettled(ctx, g.require)
	g.trackers = append(g.trackers, settled...)
	return objections(g), err
}

// stored is the guard of the operation as the configuration and the store have it, with the
// attestations about the key and without what is to be looked at.
func (v *operationView) stored(ctx context.Context) (*guardView, error) {
	e, op := v.e, v.op
	g := &guardView{op: op, require: rotator.EvidenceInferred, now: e.o.Clock.Now(), last: lastOf}
	if key, ok := (*e.keys.Load())[op.Key]; ok && key.ID.Same(op.KeyID) {
		g.configured, g.soak, g.require = true, key.Soak, cmp.Or(key.Require, rotator.EvidenceInferred)
		g.undiscovered = key.Undiscovered
	}
	book, err := e.o.Store.Book(ctx)
	for i := range book.Attestations {
		if a := &book.Attestations[i]; a.KeyID.Same(op.KeyID) {
			g.attestations = append(g.attestations, a)
		}
	}
	states, failed := e.o.Store.Keys(ctx)
	for i := range states {
		if states[i].ID.Same(op.KeyID) {
			g.rolledBack = states[i].RolledBack
		}
	}
	return g, cmp.Or(err, failed)
}

// unlistedSettled returns the trackers of dependents that nobody listed and that are where
// they should be: they speak against retiring all the same. The small parts do not tell
// them, but there are seldom any.
func (v *operationView) unlistedSettled(ctx context.Context, require rotator.Evidence) (all []rotator.Tracker, err error) {
	if v.op.Unlisted == 0 {
		return nil, nil
	}
	trackers, err := v.e.o.Store.Trackers(ctx, v.op.ID, 0, 0)
	for i := range trackers {
		if t := &trackers[i]; t.Detail.Dependent.Discovered && settled(t, require) && (v.limit <= 0 || len(all) < v.limit) {
			all = append(all, *t)
		}
	}
	return all, err
}

func (e *Engine) trackerStatus(op *rotator.Operation, t rotator.Tracker) rotator.TrackerStatus {
	d := &t.Detail.Dependent
	l := look{op: op, traits: e.traits[d.Kind]}
	s := rotator.TrackerStatus{Tracker: t, Window: windowOf(t.Detail, l.traits)}
	if op.Kind != rotator.KindRotation {
		s.Window = accessWindow(t.Detail, l.traits)
	}
	if t.State.Settled() || op.State.Final() {
		return s
	}
	s.Deadline = tracker(t).deadline(l)
	if t.State == rotator.TrackerPropagating || t.State == rotator.TrackerApplying {
		s.Expected, s.Latest = e.book.Load().expectation(&t, op.Kind, s.Deadline.Add(-s.Window))
		if s.Expected.IsZero() {
			s.Expected, s.Latest = s.Deadline, s.Deadline
		}
	}
	return s
}
