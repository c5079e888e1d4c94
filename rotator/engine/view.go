package engine

import (
	"context"
	"slices"
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

// Attest takes a person's word for a dependent of a key whose rotation is under way.
func (e *Engine) Attest(ctx context.Context, r rotator.AttestRequest) (rotator.Attestation, error) {
	var a rotator.Attestation
	_, err := e.ask(ctx, func(c *core, answer func(rotator.Operation, error)) (*live, error) {
		made, err := attesting{c.state}.attest(r)
		if err != nil {
			return nil, err
		}
		a = *made
		return attesting{c.state}.answered(made, answer), nil
	})
	return a, err
}

// WithdrawAttestation takes an attestation back.
func (e *Engine) WithdrawAttestation(ctx context.Context, id, actor, reason string) (rotator.Attestation, error) {
	var a rotator.Attestation
	_, err := e.ask(ctx, func(c *core, answer func(rotator.Operation, error)) (*live, error) {
		taken, err := attesting{c.state}.withdraw(id, actor, reason)
		if err != nil {
			return nil, err
		}
		a = *taken
		return attesting{c.state}.answered(taken, answer), nil
	})
	return a, err
}

// Attestations returns the attestations about a key, of all keys if it is empty, by id.
func (e *Engine) Attestations(ctx context.Context, key string) ([]rotator.Attestation, error) {
	book, err := e.o.Store.Book(ctx)
	if err != nil || key == "" {
		return book.Attestations, err
	}
	configured, ok := (*e.keys.Load())[key]
	if !ok {
		return nil, rotator.Errorf(rotator.CodeNotFound, "no key %q is configured", key).WithHint("cmkd status lists the keys")
	}
	return slices.DeleteFunc(book.Attestations, func(a rotator.Attestation) bool { return !a.KeyID.Same(configured.ID) }), nil
}

// Approve consents to an operation that waits for a second person.
func (e *Engine) Approve(ctx context.Context, r rotator.OperationRequest) (rotator.Operation, error) {
	return e.ask(ctx, now(func(c *core) (*live, error) { return commands{c.state}.approve(r) }))
}

// Cancel ends an operation; what it did is not undone.
func (e *Engine) Cancel(ctx context.Context, r rotator.OperationRequest) (rotator.Operation, error) {
	return e.ask(ctx, now(func(c *core) (*live, error) { return commands{c.state}.cancel(r) }))
}

// Keys returns the status of configured keys, by name.
func (e *Engine) Keys(ctx context.Context, q rotator.KeyQuery) ([]rotator.KeyStatus, error) {
	keys, names := *e.keys.Load(), *e.names.Load()
	from, _ := slices.BinarySearch(names, q.After)
	if q.After != "" && from < len(names) && names[from] == q.After {
		from++
	}
	names = names[from:]
	if q.Limit > 0 {
		names = names[:min(q.Limit, len(names))]
	}
	all := make([]rotator.KeyStatus, 0, len(names))
	for _, name := range names {
		key, ok := keys[name]
		if !ok {
			continue // a reload came in between
		}
		status, err := e.keyStatus(ctx, key)
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

// Key returns the status of one key.
func (e *Engine) Key(ctx context.Context, name string) (rotator.KeyStatus, error) {
	key, ok := (*e.keys.Load())[name]
	if !ok {
		return rotator.KeyStatus{}, rotator.Errorf(rotator.CodeNotFound, "no key %q is configured", name).WithHint("cmkd status lists the keys")
	}
	return e.keyStatus(ctx, key)
}

func (e *Engine) keyStatus(ctx context.Context, key rotator.Key) (rotator.KeyStatus, error) {
	state := e.stateOf(key.ID)
	state.Name, state.ID = key.Name, key.ID
	s := rotator.KeyStatus{KeyState: state, Schedule: key.Schedule.Spec(), Retire: key.Retire, Dependents: key.Dependents}
	s.Freezes = freezesOf(e.book.Load(), key.ID)
	last, err := e.o.Store.Operations(ctx, rotator.OperationFilter{KeyID: key.ID, Limit: 1})
	if err != nil {
		return rotator.KeyStatus{}, err
	}
	if len(last) > 0 {
		s.Last = &last[0]
	}
	return s, nil
}

// Operations returns operations, newest first.
func (e *Engine) Operations(ctx context.Context, q rotator.OperationQuery) ([]rotator.Operation, error) {
	f := rotator.OperationFilter{Live: q.Live, Before: q.Before, Limit: q.Limit}
	if q.Key != "" {
		id, err := e.identify(ctx, q.Key)
		if err != nil || id == "" {
			return nil, err
		}
		f.KeyID = id
	}
	return e.o.Store.Operations(ctx, f)
}

// identify returns the key of a short name, also of one that is not configured any
// more; empty if there was none.
func (e *Engine) identify(ctx context.Context, name string) (rotator.KeyID, error) {
	if key, ok := (*e.keys.Load())[name]; ok {
		return key.ID, nil
	}
	states, err := e.o.Store.Keys(ctx)
	for _, s := range states {
		if s.Name == name {
			return s.ID, err
		}
	}
	return "", err
}

// Events returns events of the audit trail.
func (e *Engine) Events(ctx context.Context, f rotator.EventFilter) ([]rotator.Event, error) {
	return e.o.Store.Events(ctx, f)
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
