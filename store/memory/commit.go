package memory

import (
	"context"
	"fmt"

	"cmkd/rotator"
	"cmkd/store"
)

// Stage implements [rotator.Store]: it puts the change into bytes.
func (s *Store) Stage(c *rotator.Change) (commit func(context.Context) error, err error) {
	e, err := encode(c)
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return func(ctx context.Context) error {
		if err := s.commit(ctx, e); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		// In place only now: nothing of the caller's changes when the commit fails.
		for i := range e.events {
			made := &e.events[i]
			c.Events[i].Seq, c.Events[i].Prev, c.Events[i].Hash = made.Seq, made.Prev, made.Hash
		}
		return nil
	}, nil
}

func (s *Store) commit(ctx context.Context, e *encoded) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	if err := s.state.admit(e); err != nil {
		return err
	}
	log, last, err := s.state.chain(e.events)
	if err != nil {
		return err
	}
	s.state.put(e)
	s.state.events, s.state.last = append(s.state.events, log...), last
	return nil
}

// encoded is a change in bytes.
type encoded struct {
	keys       []keyRecord
	operations []operationRecord
	trackers   []trackerRecord
	// events are cleaned copies, which get their place in the chain at the commit.
	events  []rotator.Event
	shelved []store.Shelved
}

type keyRecord struct {
	name  string
	due   uint64
	value []byte
}

type operationRecord struct {
	id rotator.OperationID
	operation
}

type trackerRecord struct {
	operation rotator.OperationID
	number    uint32
	tracker
}

func encode(c *rotator.Change) (*encoded, error) {
	e := &encoded{}
	for i := range c.Keys {
		value, due, err := store.EncodeKey(&c.Keys[i])
		if err != nil {
			return nil, err
		}
		e.keys = append(e.keys, keyRecord{store.KeyName(c.Keys[i].ID), due, value})
	}
	for i := range c.Operations {
		value, head, err := store.EncodeOperation(&c.Operations[i])
		if err != nil {
			return nil, err
		}
		e.operations = append(e.operations, operationRecord{c.Operations[i].ID, operation{head, value}})
	}
	for i := range c.Trackers {
		if err := e.tracker(&c.Trackers[i]); err != nil {
			return nil, err
		}
	}
	for i := range c.Events {
		e.events = append(e.events, store.CleanEvent(&c.Events[i]))
		if err := store.CheckEvent(&e.events[i]); err != nil {
			return nil, err
		}
	}
	var err error
	e.shelved, err = store.Shelve(c)
	return e, err
}

func (e *encoded) tracker(t *rotator.Tracker) error {
	r := trackerRecord{operation: t.Operation, number: t.Number}
	var err error
	if r.hot, err = store.AppendTracker(nil, t); err != nil {
		return err
	}
	if t.Detail != nil {
		if r.cold, err = store.EncodeDetail(t.Detail); err != nil {
			return fmt.Errorf("tracker %d of %s: %w", t.Number, t.Operation, err)
		}
	}
	e.trackers = append(e.trackers, r)
	return nil
}

// chain gives events their place in the log.
func (s *state) chain(events []rotator.Event) (log []event, last store.Hash, err error) {
	last = s.last
	for i := range events {
		e := &events[i]
		e.Seq, e.Prev = uint64(len(s.events)+i+1), last.String()
		last = store.Link(last, e)
		e.Hash = last.String()
		value, err := store.EncodeEvent(e)
		if err != nil {
			return nil, last, err
		}
		head, err := store.DecodeEventHead(value)
		if err != nil {
			return nil, last, err
		}
		log = append(log, event{head, value})
	}
	return log, last, nil
}

// put stores what was admitted.
func (s *state) put(e *encoded) {
	for _, k := range e.keys {
		s.putKey(k)
	}
	for _, o := range e.operations {
		old, _ := s.operations.get(o.id)
		s.move(old.head.Due, o.head.Due, func(at uint64) []byte { return store.DueOfOperation(at, o.id) })
		s.operations.put(o.id, o.operation)
		s.used(rotator.SequenceOperations, uint64(o.id))
	}
	for _, t := range e.trackers {
		all := s.trackers[t.operation]
		if all == nil {
			all = &table[uint32, tracker]{}
			s.trackers[t.operation] = all
		}
		if t.cold == nil {
			old, _ := all.get(t.number)
			t.cold = old.cold
		}
		all.put(t.number, t.tracker)
	}
	for i := range e.shelved {
		s.putShelved(&e.shelved[i])
	}
}

func (s *state) putKey(k keyRecord) {
	var old uint64
	if value, ok := s.keys.get(k.name); ok {
		old, _ = store.KeyDue(value) // it was encoded here
	}
	s.move(old, k.due, func(at uint64) []byte { return store.DueOfKey(at, k.name) })
	s.keys.put(k.name, k.value)
}

// move replaces a due entry; zero stands for none.
func (s *state) move(from, to uint64, entry func(at uint64) []byte) {
	if from != 0 {
		s.due.delete(string(entry(from)))
	}
	if to != 0 {
		s.due.put(string(entry(to)), struct{}{})
	}
}

func (s *state) putShelved(r *store.Shelved) {
	shelf := s.shelves[r.Shelf]
	if shelf == nil {
		shelf = &table[string, []byte]{}
		s.shelves[r.Shelf] = shelf
	}
	if r.Value == nil {
		shelf.delete(string(r.Key))
		return
	}
	if seq, n := r.Numbered(); seq != "" {
		s.used(seq, n)
	}
	shelf.put(string(r.Key), r.Value)
}
