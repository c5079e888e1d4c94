package bolt

import (
	"fmt"

	"cmkd/rotator"
	"cmkd/store"
)

// prepared is a change in bytes. It is made outside the transaction, by the
// caller, who thereby learns of what cannot be stored before it can harm anyone
// else's commit.
type prepared struct {
	keys       []keyRecord
	operations []operationRecord
	hot, cold  []entry
	runs       []trackerRun
	// events are cleaned copies, which get their place in the chain within the
	// transaction; canonical is what their hashes are made of.
	events    []rotator.Event
	canonical [][]byte
	shelved   []store.Shelved
	// ids are up to where ids are to be reserved.
	ids map[rotator.Sequence]uint64
}

type entry struct{ key, value []byte }

type keyRecord struct {
	name  string
	due   uint64
	value []byte
}

type operationRecord struct {
	id    rotator.OperationID
	head  store.OperationHead
	value []byte
}

// trackerRun is what has to be checked of one operation's trackers.
type trackerRun struct {
	op rotator.OperationID
	// bare is one more than the highest number that came without detail,
	// detailed the same for those with one; zero if there is none.
	bare, detailed uint64
}

// slab is where values are made, many to an allocation: one for each would keep
// the garbage collector busy. bbolt keeps them until the commit.
type slab struct{ b []byte }

const (
	slabSize = 64 << 10
	slabRoom = 2 << 10
)

// add returns the value that appendFunc appends.
func (s *slab) add(appendFunc func(dst []byte) ([]byte, error)) ([]byte, error) {
	if cap(s.b)-len(s.b) < slabRoom {
		s.b = make([]byte, 0, slabSize) // the values made so far stay where they are
	}
	from := len(s.b)
	b, err := appendFunc(s.b)
	if err != nil {
		return nil, err
	}
	s.b = b
	return b[from:len(b):len(b)], nil
}

func prepare(c *rotator.Change) (*prepared, error) {
	p := &prepared{}
	for i := range c.Keys {
		value, due, err := store.EncodeKey(&c.Keys[i])
		if err != nil {
			return nil, err
		}
		p.keys = append(p.keys, keyRecord{name: store.KeyName(c.Keys[i].ID), due: due, value: value})
	}
	for i := range c.Operations {
		value, head, err := store.EncodeOperation(&c.Operations[i])
		if err != nil {
			return nil, err
		}
		p.operations = append(p.operations, operationRecord{id: c.Operations[i].ID, head: head, value: value})
	}
	if err := p.prepareTrackers(c.Trackers); err != nil {
		return nil, err
	}
	if err := p.prepareEvents(c.Events); err != nil {
		return nil, err
	}
	var err error
	p.shelved, err = store.Shelve(c)
	return p, err
}

func (p *prepared) prepareTrackers(trackers []rotator.Tracker) error {
	p.hot = make([]entry, 0, len(trackers))
	// One allocation for all: bbolt keeps the values until the commit.
	states := make([]byte, 0, len(trackers)*(store.TrackerKeySize+store.TrackerValueSize))
	var cold slab
	for i := range trackers {
		t := &trackers[i]
		start := len(states)
		states = store.AppendTrackerKey(states, t.Operation, t.Number)
		middle := len(states)
		var err error
		if states, err = store.AppendTracker(states, t); err != nil {
			return err
		}
		e := entry{key: states[start:middle:middle], value: states[middle:len(states):len(states)]}
		p.hot = append(p.hot, e)
		if t.Detail != nil {
			value, err := cold.add(func(dst []byte) ([]byte, error) { return store.AppendDetail(dst, t.Detail) })
			if err != nil {
				return fmt.Errorf("tracker %d of %s: %w", t.Number, t.Operation, err)
			}
			p.cold = append(p.cold, entry{key: e.key, value: value})
		}
		p.note(t)
	}
	return nil
}

// note adds a tracker to the run of its operation.
func (p *prepared) note(t *rotator.Tracker) {
	if n := len(p.runs); n == 0 || p.runs[n-1].op != t.Operation {
		p.runs = append(p.runs, trackerRun{op: t.Operation})
	}
	r := &p.runs[len(p.runs)-1]
	if next := uint64(t.Number) + 1; t.Detail == nil {
		r.bare = max(r.bare, next)
	} else {
		r.detailed = max(r.detailed, next)
	}
}

// prepareEvents finds what cannot be encoded before the transaction.
func (p *prepared) prepareEvents(events []rotator.Event) error {
	p.events, p.canonical = make([]rotator.Event, len(events)), make([][]byte, len(events))
	var room slab
	for i := range events {
		p.events[i] = store.CleanEvent(&events[i])
		e := &p.events[i]
		if err := store.CheckEvent(e); err != nil {
			return err
		}
		p.canonical[i], _ = room.add(func(dst []byte) ([]byte, error) { return store.AppendCanonical(dst, e), nil })
	}
	return nil
}
