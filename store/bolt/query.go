package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// checkEvery is how many records a scan passes between two looks at ctx.
const checkEvery = 512

// ticker looks at ctx now and then.
type ticker struct {
	ctx context.Context
	n   int
}

func (t *ticker) tick() error {
	if t.n++; t.n%checkEvery == 0 {
		return t.ctx.Err()
	}
	return nil
}

// Keys returns the state of all keys, by identifier.
func (s *Store) Keys(ctx context.Context) (keys []rotator.KeyState, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		t := ticker{ctx: ctx}
		return bucket(tx, bucketKeys).ForEach(func(name, value []byte) error {
			k, err := store.DecodeKey(value)
			if err != nil {
				return fmt.Errorf("key %s: %w", name, err)
			}
			keys = append(keys, k)
			return t.tick()
		})
	})
	return result(keys, "read keys", err)
}

// result drops what was read before an error and says what was being read.
func result[T any](records []T, doing string, err error) ([]T, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return records, nil
}

// Operations returns operations, newest first.
func (s *Store) Operations(ctx context.Context, f rotator.OperationFilter) (ops []rotator.Operation, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		ops, err = operations(ctx, tx, f)
		return err
	})
	return result(ops, "read operations", err)
}

func operations(ctx context.Context, tx *bbolt.Tx, f rotator.OperationFilter) (ops []rotator.Operation, err error) {
	records := bucket(tx, bucketOperations)
	t := ticker{ctx: ctx}
	for id := range candidates(tx, f) {
		value := records.Get(id)
		if value == nil {
			return nil, damagef("an index names operation %x, which does not exist", id)
		}
		ok, err := matches(value, f)
		if err != nil {
			return nil, fmt.Errorf("operation %x: %w", id, err)
		}
		if !ok {
			continue
		}
		o, err := store.DecodeOperation(value)
		if err != nil {
			return nil, fmt.Errorf("operation %x: %w", id, err)
		}
		if ops = append(ops, o); len(ops) == f.Limit {
			break
		}
		if err := t.tick(); err != nil {
			return nil, err
		}
	}
	return ops, nil
}

// matches looks at what the index used may not have looked at.
func matches(value []byte, f rotator.OperationFilter) (bool, error) {
	if f.KeyID == "" && !f.Live {
		return true, nil
	}
	head, err := store.DecodeOperationHead(value)
	return (f.KeyID == "" || string(head.Key) == store.KeyName(f.KeyID)) && (!f.Live || head.Live), err
}

// candidates yields the ids that the most selective index knows, newest first.
func candidates(tx *bbolt.Tx, f rotator.OperationFilter) func(yield func(id []byte) bool) {
	before := store.OperationKey(f.Before)
	if f.Before == 0 {
		before = bytes.Repeat([]byte{0xff}, 9) // above every id
	}
	switch {
	case f.ID != 0:
		return one(tx, f)
	case f.Live:
		return descend(bucket(tx, bucketLive), nil, before)
	case f.KeyID != "":
		return descend(bucket(tx, bucketByKey), store.KeyPrefix([]byte(store.KeyName(f.KeyID))), before)
	default:
		return descend(bucket(tx, bucketOperations), nil, before)
	}
}

func one(tx *bbolt.Tx, f rotator.OperationFilter) func(yield func(id []byte) bool) {
	return func(yield func(id []byte) bool) {
		id := store.OperationKey(f.ID)
		if (f.Before == 0 || f.ID < f.Before) && bucket(tx, bucketOperations).Get(id) != nil {
			yield(id)
		}
	}
}

// descend yields what follows prefix in the keys of b that begin with it, from
// the last one below before.
func descend(b *bbolt.Bucket, prefix, before []byte) func(yield func(id []byte) bool) {
	return func(yield func(id []byte) bool) {
		c := b.Cursor()
		k, _ := c.Seek(append(slices.Clone(prefix), before...))
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		for ; k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
			if !yield(k[len(prefix):]) {
				return
			}
		}
	}
}

// Trackers returns the trackers of one operation by number.
func (s *Store) Trackers(ctx context.Context, op rotator.OperationID, from uint32, limit int) (ts []rotator.Tracker, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		ts, err = trackers(ctx, tx, op, from, limit)
		return err
	})
	return result(ts, "read trackers of "+op.String(), err)
}

// trackers walks the hot and the cold bucket side by side: they have the same
// keys.
func trackers(ctx context.Context, tx *bbolt.Tx, op rotator.OperationID, from uint32, limit int) ([]rotator.Tracker, error) {
	start, prefix := store.AppendTrackerKey(nil, op, from), store.OperationKey(op)
	hot, cold := bucket(tx, bucketTrackers).Cursor(), bucket(tx, bucketDetails).Cursor()
	tick := ticker{ctx: ctx}
	var ts []rotator.Tracker
	dk, dv := cold.Seek(start)
	for k, v := hot.Seek(start); bytes.HasPrefix(k, prefix); k, v = hot.Next() {
		if !bytes.Equal(k, dk) {
			return nil, damagef("tracker %x has no detail", k)
		}
		t, err := decodeTracker(k, v, dv)
		if err != nil {
			return nil, fmt.Errorf("tracker %x: %w", k, err)
		}
		if ts = append(ts, t); len(ts) == limit {
			break
		}
		if err := tick.tick(); err != nil {
			return nil, err
		}
		dk, dv = cold.Next()
	}
	return ts, nil
}

// Progress returns the small parts of one operation's trackers by number.
func (s *Store) Progress(ctx context.Context, op rotator.OperationID) (ts []rotator.Tracker, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		ts, err = progress(ctx, tx, op)
		return err
	})
	return result(ts, "read progress of "+op.String(), err)
}

func progress(ctx context.Context, tx *bbolt.Tx, op rotator.OperationID) (ts []rotator.Tracker, err error) {
	prefix := store.OperationKey(op)
	hot := bucket(tx, bucketTrackers).Cursor()
	tick := ticker{ctx: ctx}
	for k, v := hot.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = hot.Next() {
		var t rotator.Tracker
		if t.Operation, t.Number, err = store.DecodeTrackerKey(k); err != nil {
			return nil, err
		}
		if err := store.DecodeTracker(v, &t); err != nil {
			return nil, fmt.Errorf("tracker %x: %w", k, err)
		}
		ts = append(ts, t)
		if err := tick.tick(); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

func decodeTracker(key, hot, cold []byte) (t rotator.Tracker, err error) {
	if t.Operation, t.Number, err = store.DecodeTrackerKey(key); err != nil {
		return t, err
	}
	if err = store.DecodeTracker(hot, &t); err != nil {
		return t, err
	}
	t.Detail, err = store.DecodeDetail(cold)
	return t, err
}

// Due returns the keys and operations that are due, earliest first; of one
// moment the keys by identifier, then the operations by id.
func (s *Store) Due(ctx context.Context, until time.Time, limit int) (items []rotator.DueItem, err error) {
	last := store.EncodeBound(until)
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		items, err = due(ctx, tx, last, limit)
		return err
	})
	return result(items, "read due index", err)
}

func due(ctx context.Context, tx *bbolt.Tx, last uint64, limit int) ([]rotator.DueItem, error) {
	c := bucket(tx, bucketDue).Cursor()
	t := ticker{ctx: ctx}
	var items []rotator.DueItem
	for k, _ := c.First(); k != nil && store.DueAt(k) <= last; k, _ = c.Next() {
		item, err := store.DecodeDue(k)
		if err != nil {
			return nil, err
		}
		if items = append(items, item); len(items) == limit {
			break
		}
		if err := t.tick(); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// Events returns events by sequence number.
func (s *Store) Events(ctx context.Context, f rotator.EventFilter) (events []rotator.Event, err error) {
	since := store.EncodeBound(f.Since)
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		events, err = scanEvents(ctx, tx, f, since)
		return err
	})
	return result(events, "read events", err)
}

func scanEvents(ctx context.Context, tx *bbolt.Tx, f rotator.EventFilter, since uint64) (events []rotator.Event, err error) {
	c := bucket(tx, bucketEvents).Cursor()
	after := store.EventKey(f.After)
	k, v := c.Seek(store.EventKey(f.After + 1))
	next := c.Next
	if f.Last {
		k, v = c.Last()
		next = c.Prev
	}
	t := ticker{ctx: ctx}
	for ; k != nil && bytes.Compare(k, after) > 0; k, v = next() {
		ok, err := selected(v, f, since)
		if err != nil {
			return nil, fmt.Errorf("event %x: %w", k, err)
		}
		if ok {
			e, err := store.DecodeEvent(v)
			if err != nil {
				return nil, fmt.Errorf("event %x: %w", k, err)
			}
			if events = append(events, e); len(events) == f.Limit {
				break
			}
		}
		if err := t.tick(); err != nil {
			return nil, err
		}
	}
	if f.Last {
		slices.Reverse(events)
	}
	return events, nil
}

func selected(value []byte, f rotator.EventFilter, since uint64) (bool, error) {
	head, err := store.DecodeEventHead(value)
	return (f.Key == "" || string(head.Key) == f.Key) &&
		(f.Operation == 0 || head.Operation == f.Operation) && head.At >= since, err
}
