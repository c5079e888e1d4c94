package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// Check reads the whole store and compares everything with everything: bbolt's
// pages, each record, indexes and records both ways, trackers and the counts of
// their operations, the book, and the event log. It returns the first thing that is
// wrong.
func (s *Store) Check(ctx context.Context) error {
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		if _, err := verifyLog(ctx, tx); err != nil {
			return err
		}
		return s.check(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("check store: %w", err)
	}
	return nil
}

func (s *Store) check(ctx context.Context, tx *bbolt.Tx) error {
	// bbolt checks in a goroutine of its own, where a read beyond the end of the
	// file could not be recovered from.
	if info, err := s.file.Stat(); err != nil || info.Size() < tx.Size() {
		return errors.Join(damagef("it is shorter than the %d bytes in use", tx.Size()), err)
	}
	if err := checkTree(tx); err != nil {
		return err
	}
	schema, err := readSchema(tx)
	if err != nil {
		return err
	}
	c := checker{
		tx: tx, tick: ticker{ctx: ctx}, counts: make(map[rotator.OperationID]map[rotator.TrackerState]int),
		byName: schema < schemaKeyID,
	}
	for _, step := range []func() error{c.trackers, c.keys, c.operations, c.indexes, c.shelved, c.sequences} {
		if err := step(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// checkTree runs bbolt's own check. It must be drained, or its goroutine stays.
func checkTree(tx *bbolt.Tx) error {
	var first error
	for err := range tx.Check() {
		if first == nil {
			first = damagef("%s", err)
		}
	}
	return first
}

// checker counts what the records should have put into the indexes.
type checker struct {
	tx     *bbolt.Tx
	tick   ticker
	counts map[rotator.OperationID]map[rotator.TrackerState]int

	// byName is true for a file that keeps keys by their short names.
	byName bool

	due, live, byKey int
}

// keptAs returns what a key is kept under.
func (c *checker) keptAs(name string, id rotator.KeyID) string {
	if c.byName {
		return name
	}
	return store.KeyName(id)
}

func (c *checker) trackers() error {
	details := bucket(c.tx, bucketDetails).Cursor()
	dk, dv := details.First()
	err := bucket(c.tx, bucketTrackers).ForEach(func(k, v []byte) error {
		if !bytes.Equal(k, dk) {
			return damagef("trackers and details disagree at %x and %x", k, dk)
		}
		t, err := decodeTracker(k, v, dv)
		if err != nil {
			return fmt.Errorf("tracker %x: %w", k, err)
		}
		c.count(&t)
		dk, dv = details.Next()
		return c.tick.tick()
	})
	if err == nil && dk != nil {
		return damagef("the detail of tracker %x has no tracker", dk)
	}
	return err
}

func (c *checker) count(t *rotator.Tracker) {
	if c.counts[t.Operation] == nil {
		c.counts[t.Operation] = make(map[rotator.TrackerState]int)
	}
	c.counts[t.Operation][t.State]++
}

func (c *checker) keys() error {
	return bucket(c.tx, bucketKeys).ForEach(func(name, value []byte) error {
		k, err := store.DecodeKey(value)
		if err != nil {
			return fmt.Errorf("key %s: %w", name, err)
		}
		if c.keptAs(k.Name, k.ID) != string(name) {
			return damagef("key %s is stored as %s", k.ID, name)
		}
		due, err := store.EncodeTime(k.NextRotation)
		if err != nil {
			return err
		}
		if head, err := store.KeyDue(value); err != nil || head != due {
			return damagef("key %s: head and body disagree", name)
		}
		if due == 0 {
			return c.tick.tick()
		}
		c.due++
		return c.indexed(bucketDue, store.DueOfKey(due, string(name)), "key "+k.Name)
	})
}

func (c *checker) indexed(index string, entry []byte, what string) error {
	// Get gives nil for what is absent and something empty for what is there.
	if bucket(c.tx, index).Get(entry) == nil {
		return damagef("%s is not in the index %s", what, index)
	}
	return c.tick.tick()
}

func (c *checker) operations() error {
	err := bucket(c.tx, bucketOperations).ForEach(func(id, value []byte) error {
		o, err := store.DecodeOperation(value)
		if err != nil {
			return fmt.Errorf("operation %x: %w", id, err)
		}
		if !bytes.Equal(store.OperationKey(o.ID), id) {
			return damagef("%s is stored under %x", o.ID, id)
		}
		head, err := store.DecodeOperationHead(value)
		if err != nil {
			return err
		}
		if err := c.sameHead(&o, head); err != nil {
			return err
		}
		return c.operation(&o, head)
	})
	if err != nil {
		return err
	}
	for op := range c.counts {
		return damagef("%s has trackers and does not exist", op)
	}
	return nil
}

func (c *checker) sameHead(o *rotator.Operation, head store.OperationHead) error {
	due, err := store.EncodeTime(o.Due)
	if err != nil {
		return err
	}
	if head.Revision != o.Revision || head.Live == o.State.Final() || head.Due != due || string(head.Key) != c.keptAs(o.Key, o.KeyID) {
		return damagef("%s: head and body disagree", o.ID)
	}
	return nil
}

func (c *checker) operation(o *rotator.Operation, head store.OperationHead) error {
	c.byKey++
	if err := c.indexed(bucketByKey, store.ByKey(head.Key, o.ID), o.ID.String()); err != nil {
		return err
	}
	if head.Live {
		c.live++
		if err := c.indexed(bucketLive, store.OperationKey(o.ID), o.ID.String()); err != nil {
			return err
		}
	}
	if head.Due != 0 {
		c.due++
		if err := c.indexed(bucketDue, store.DueOfOperation(head.Due, o.ID), o.ID.String()); err != nil {
			return err
		}
	}
	return c.sameCounts(o)
}

// sameCounts compares an operation's counts, where it has some, with its
// trackers.
func (c *checker) sameCounts(o *rotator.Operation) error {
	counted := c.counts[o.ID]
	delete(c.counts, o.ID)
	claimed := maps.Clone(o.Trackers)
	maps.DeleteFunc(claimed, func(_ rotator.TrackerState, n int) bool { return n == 0 })
	if len(claimed) > 0 && !maps.Equal(claimed, counted) {
		return damagef("%s counts its trackers as %v, they are %v", o.ID, claimed, counted)
	}
	return nil
}

// indexes makes sure that the indexes hold nothing else: every record was found
// in them, so the numbers tell.
func (c *checker) indexes() error {
	for _, index := range []struct {
		name string
		want int
	}{{bucketDue, c.due}, {bucketLive, c.live}, {bucketByKey, c.byKey}} {
		if got := bucket(c.tx, index.name).Stats().KeyN; got != index.want {
			return damagef("the index %s has %d entries, the records make %d", index.name, got, index.want)
		}
	}
	return nil
}
