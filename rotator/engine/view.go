package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// ask runs a request in the engine's own goroutine and waits for the answer,
// which comes after the commit.
func (e *Engine) ask(ctx context.Context, run func(c *core, answer func(rotator.Operation, error)) (*live, error)) (rotator.Operation, error) {
	type outcome struct {
		op  rotator.Operation
		err error
	}
	answers := make(chan outcome, 1)
	r := request{run: run, answer: func(op rotator.Operation, err error) { answers <- outcome{op, err} }}
	select {
	case e.requests <- r:
	case <-e.stopped:
		return rotator.Operation{}, errStopping
	case <-ctx.Done():
		return rotator.Operation{}, ctx.Err()
	}
	select {
	case a := <-answers:
		return a.op, a.err
	case <-e.stopped:
		return rotator.Operation{}, errStopping
	case <-ctx.Done():
		return rotator.Operation{}, ctx.Err()
	}
}

// now adapts a command that is answered as soon as it is committed.
func now(run func(c *core) (*live, error)) func(*core, func(rotator.Operation, error)) (*live, error) {
	return func(c *core, _ func(rotator.Operation, error)) (*live, error) { return run(c) }
}

// Reload replaces the configured keys and receivers. Live operations go on;
// dependents added to their keys join them, and those excluded leave them.
func (e *Engine) Reload(ctx context.Context, keys []rotator.Key, alerting Alerting) error {
	_, err := e.ask(ctx, func(c *core, answer func(rotator.Operation, error)) (*live, error) {
		e.setKeys(keys)
		e.receivers.Store(&alerting.Receivers)
		c.reload(keys, alerting)
		c.draft.answered(func(err error) { answer(rotator.Operation{}, err) })
		return nil, nil
	})
	return err
}

// Rotate begins a rotation.
func (e *Engine) Rotate(ctx context.Context, r rotator.Request) (rotator.Operation, error) {
	return e.ask(ctx, now(func(c *core) (*live, error) { return commands{c.state}.rotate(r) }))
}

// Revoke begins a revocation; a rotation of the key gives way to it.
func (e *Engine) Revoke(ctx context.Context, r rotator.RevokeRequest) (rotator.Operation, error) {
	return e.ask(ctx, now(func(c *core) (*live, error) { return commands{c.state}.revoke(r) }))
}

// Reinstate begins a reinstatement of a revoked key.
func (e *Engine) Reinstate(ctx context.Context, r rotator.Request) (rotator.Operation, error) {
	return e.ask(ctx, now(func(c *core) (*live, error) { return commands{c.state}.reinstate(r) }))
}

// Retire asks for the retirement of the previous versions of a key whose
// rotation waits for it. It looks at everything afresh and returns when the
// guard has spoken: the completed operation, or CodeRefused with the guard's
// first objection.
func (e *Engine) Retire(ctx context.Context, r rotator.Request) (rotator.Operation, error) {
	return e.ask(ctx, func(c *core, answer func(rotator.Operation, error)) (*live, error) {
		l, err := commands{c.state}.retire(r, answer)
		if err != nil {
			return nil, err
		}
		c.advance(l, false)
		return nil, nil
	})
}

// Approve consents to an operation that waits for a second person.
func (e *Engine) Approve(ctx context.Context, r rotator.OperationRequest) (rotator.Operation, error) {
	return e.ask(ctx, now(func(c *core) (*live, error) { return commands{c.state}.approve(r) }))
}

// Cancel ends an operation; what it did is not undone.
func (e *Engine) Cancel(ctx context.Context, r rotator.OperationRequest) (rotator.Operation, error) {
	return e.ask(ctx, now(func(c *core) (*live, error) { return commands{c.state}.cancel(r) }))
}

// Keys returns the status of all configured keys, by name.
func (e *Engine) Keys(ctx context.Context) ([]rotator.KeyStatus, error) {
	states, err := e.o.Store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]rotator.KeyState{}
	for _, s := range states {
		byName[s.Name] = s
	}
	keys := *e.keys.Load()
	all := make([]rotator.KeyStatus, 0, len(keys))
	for name, key := range keys {
		status, err := e.keyStatus(ctx, key, byName[name])
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	slices.SortFunc(all, func(a, b rotator.KeyStatus) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Key returns the status of one key.
func (e *Engine) Key(ctx context.Context, name string) (rotator.KeyStatus, error) {
	key, ok := (*e.keys.Load())[name]
	if !ok {
		return rotator.KeyStatus{}, rotator.Errorf(rotator.CodeNotFound, "no key %q is configured", name).WithHint("cmkd status lists the keys")
	}
	states, err := e.o.Store.Keys(ctx)
	if err != nil {
		return rotator.KeyStatus{}, err
	}
	i := slices.IndexFunc(states, func(s rotator.KeyState) bool { return s.Name == name })
	if i < 0 {
		return e.keyStatus(ctx, key, rotator.KeyState{})
	}
	return e.keyStatus(ctx, key, states[i])
}

func (e *Engine) keyStatus(ctx context.Context, key rotator.Key, state rotator.KeyState) (rotator.KeyStatus, error) {
	state.Name, state.ID = key.Name, key.ID
	s := rotator.KeyStatus{KeyState: state, Schedule: key.Schedule.Spec(), Retire: key.Retire, Dependents: key.Dependents}
	last, err := e.o.Store.Operations(ctx, rotator.OperationFilter{Key: key.Name, Limit: 1})
	if err != nil {
		return rotator.KeyStatus{}, err
	}
	if len(last) > 0 {
		s.Last = &last[0]
	}
	return s, nil
}

// Operations returns operations, newest first.
func (e *Engine) Operations(ctx context.Context, f rotator.OperationFilter) ([]rotator.Operation, error) {
	return e.o.Store.Operations(ctx, f)
}

// Events returns events of the audit trail.
func (e *Engine) Events(ctx context.Context, f rotator.EventFilter) ([]rotator.Event, error) {
	return e.o.Store.Events(ctx, f)
}

// Operation returns one operation with its trackers, what needs somebody first.
func (e *Engine) Operation(ctx context.Context, id rotator.OperationID) (rotator.OperationStatus, error) {
	ops, err := e.o.Store.Operations(ctx, rotator.OperationFilter{ID: id})
	if err != nil {
		return rotator.OperationStatus{}, err
	}
	if len(ops) == 0 {
		return rotator.OperationStatus{}, rotator.Errorf(rotator.CodeNotFound, "there is no operation %s", id).WithHint("cmkd history lists the operations")
	}
	trackers, err := e.o.Store.Trackers(ctx, id, 0, 0)
	if err != nil {
		return rotator.OperationStatus{}, err
	}
	s := rotator.OperationStatus{Operation: ops[0], Trackers: make([]rotator.TrackerStatus, len(trackers)), Total: len(trackers)}
	for i, t := range trackers {
		s.Trackers[i] = e.trackerStatus(&s.Operation, t)
	}
	s.Blockers = e.blockers(&s.Operation, trackers)
	rank := map[rotator.TrackerState]int{}
	for i, state := range rotator.TrackerStates() {
		rank[state] = i
	}
	slices.SortStableFunc(s.Trackers, func(a, b rotator.TrackerStatus) int { return cmp.Compare(rank[a.State], rank[b.State]) })
	return s, nil
}

func (e *Engine) trackerStatus(op *rotator.Operation, t rotator.Tracker) rotator.TrackerStatus {
	d := &t.Detail.Dependent
	l := look{op: op, traits: e.traits[d.Kind]}
	s := rotator.TrackerStatus{Tracker: t, Window: windowOf(d, l.traits)}
	if op.Kind != rotator.KindRotation {
		s.Window = accessWindow(d, l.traits)
	}
	if t.State == rotator.TrackerDone || t.State == rotator.TrackerExcluded || op.State.Final() {
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

// blockers returns what would speak against retiring the previous versions as
// far as is known without asking.
func (e *Engine) blockers(op *rotator.Operation, trackers []rotator.Tracker) []rotator.Objection {
	if op.Kind != rotator.KindRotation || op.Target.ID == "" || op.State.Final() {
		return nil
	}
	g := &guardView{op: op, trackers: trackers, require: rotator.EvidenceInferred}
	if key, ok := (*e.keys.Load())[op.Key]; ok {
		g.configured, g.soak, g.require = true, key.Soak, cmp.Or(key.Require, rotator.EvidenceInferred)
	}
	return objections(g)
}

// Summary returns the engine in numbers.
func (e *Engine) Summary() rotator.Summary { return *e.summary.Load() }

// Heartbeat returns when the engine last began a step, by its clock; zero before
// the first. It is never older than some seconds while all is well.
func (e *Engine) Heartbeat() time.Time {
	if beat := e.beat.Load(); beat != nil {
		return *beat
	}
	return time.Time{}
}
