package bolt

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// idsAhead is how many ids are reserved beyond those asked for: so many are handed
// out for one transaction, and at most so many are left out after a crash.
const idsAhead = 32

// ids are handed out from memory. The file has up to where they may have been.
type ids struct {
	// asking is held by whoever wants some.
	asking sync.Mutex

	mu    sync.Mutex
	marks map[rotator.Sequence]idMark
}

// idMark is the last id handed out, or used by a record, and up to where the file
// reserves them.
type idMark struct{ last, reserved uint64 }

// NextIDs hands out ids; see [rotator.Store].
func (s *Store) NextIDs(ctx context.Context, seq rotator.Sequence, n int) (first uint64, err error) {
	if err := rotator.CheckIDs(seq, n); err != nil {
		return 0, err
	}
	if first, err = s.nextIDs(ctx, seq, uint64(n)); err != nil {
		return 0, fmt.Errorf("hand out ids: %w", err)
	}
	return first, nil
}

func (s *Store) nextIDs(ctx context.Context, seq rotator.Sequence, n uint64) (uint64, error) {
	s.ids.asking.Lock()
	defer s.ids.asking.Unlock()
	if err := s.view(ctx, func(*bbolt.Tx) error { return nil }); err != nil {
		return 0, err // it is closed, or nobody waits for them any more
	}
	for {
		first, reserve := s.ids.take(seq, n)
		if reserve == 0 {
			return first, nil
		}
		p := &prepared{ids: map[rotator.Sequence]uint64{seq: reserve}}
		if err := s.wait(ctx, &request{change: p, done: make(chan struct{})}); err != nil {
			return 0, err
		}
	}
}

// take returns the first of n ids, or up to where they are to be reserved before they
// can be taken.
func (d *ids) take(seq rotator.Sequence, n uint64) (first, reserve uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.marks[seq]
	if m.last+n > m.reserved {
		return 0, m.last + n + idsAhead
	}
	first = m.last + 1
	m.last += n
	d.marks[seq] = m
	return first, 0
}

// used notes the ids of records: none of them is handed out any more, even if they are
// not stored after all.
func (d *ids) used(newest map[rotator.Sequence]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for seq, id := range newest {
		m := d.marks[seq]
		m.last = max(m.last, id)
		d.marks[seq] = m
	}
}

// reserved notes what the file has.
func (d *ids) reserved(upTo map[rotator.Sequence]uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for seq, id := range upTo {
		m := d.marks[seq]
		m.reserved = id
		d.marks[seq] = m
	}
}

// load takes over what a file has that was opened: what was reserved may have been
// handed out.
func (d *ids) load(tx *bbolt.Tx) error {
	found, err := readSequences(tx)
	if err != nil {
		return err
	}
	if d.marks == nil {
		d.marks = map[rotator.Sequence]idMark{}
		d.used(found)
	}
	d.reserved(found)
	return nil
}

// unused returns up to where ids were handed out, for those of which more are
// reserved.
func (d *ids) unused() map[rotator.Sequence]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := map[rotator.Sequence]uint64{}
	for seq, m := range d.marks {
		if m.last < m.reserved {
			last[seq] = m.last
		}
	}
	return last
}

// release gives back what was reserved and not handed out. If it fails these ids are
// left out.
func (s *Store) release() {
	last := s.ids.unused()
	if len(last) == 0 || s.failed.Load() != nil || s.inPlace() != nil {
		return
	}
	_ = guard(func() error {
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		if err := putSequences(tx, last); err != nil {
			_ = tx.Rollback()
			return err
		}
		return tx.Commit()
	})
}

func putSequences(tx *bbolt.Tx, last map[rotator.Sequence]uint64) error {
	for seq, id := range last {
		if err := bucket(tx, bucketSequences).Put(store.SequenceKey(seq), store.EncodeSequence(id)); err != nil {
			return err
		}
	}
	return nil
}

func readSequences(tx *bbolt.Tx) (map[rotator.Sequence]uint64, error) {
	last := map[rotator.Sequence]uint64{}
	err := bucket(tx, bucketSequences).ForEach(func(seq, value []byte) (err error) {
		if last[rotator.Sequence(seq)], err = store.DecodeSequence(value); err != nil {
			return fmt.Errorf("ids of %s: %w", seq, err)
		}
		return nil
	})
	return last, err
}

// reserve puts up to where ids are reserved, and where records have larger ones, them.
func (w *writer) reserve() error {
	if len(w.newest) == 0 && len(w.ids) == 0 {
		return nil
	}
	stored, err := readSequences(w.tx)
	if err != nil {
		return err
	}
	for _, wanted := range []map[rotator.Sequence]uint64{w.ids, w.newest} {
		for seq, id := range wanted {
			if id > max(stored[seq], w.reserved[seq]) {
				w.reserved[seq] = id
			}
		}
	}
	return putSequences(w.tx, w.reserved)
}

// want reserves ids up to id.
func want(ids map[rotator.Sequence]uint64, seq rotator.Sequence, id uint64) {
	ids[seq] = max(ids[seq], id)
}

// addSequences leads to schema 3: ids count on from the largest one that a record has
// or that the event log tells of.
func addSequences(tx *bbolt.Tx) error {
	last := map[string]uint64{}
	count := func(seq string, id uint64) { last[seq] = max(last[seq], id) }
	if k, _ := tx.Bucket([]byte("operations")).Cursor().Last(); k != nil {
		id, err := store.DecodeOperationKey(k)
		if err != nil {
			return err
		}
		count("operations", uint64(id))
	}
	_ = tx.Bucket([]byte("silences")).ForEach(func(k, _ []byte) error {
		count("silences", rotator.SequenceSilences.Number(string(k)))
		return nil
	})
	c := tx.Bucket([]byte("events")).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		head, err := store.DecodeEventHead(v)
		if err != nil {
			continue // a migration is no check: what is damaged is found by others
		}
		count("operations", uint64(head.Operation))
		if bytes.Contains(v, []byte("silence")) {
			if e, err := store.DecodeEvent(v); err == nil {
				count("silences", rotator.SequenceSilences.Number(e.Data["silence"]))
			}
		}
	}
	b, err := tx.CreateBucket([]byte("sequences"))
	if err != nil {
		return fmt.Errorf("create bucket sequences: %w", err)
	}
	for seq, id := range last {
		if err := b.Put([]byte(seq), store.EncodeSequence(id)); err != nil {
			return err
		}
	}
	return nil
}

// sequences makes sure that no record has an id that could be handed out again.
func (c *checker) sequences() error {
	schema, err := readSchema(c.tx)
	if err != nil || schema < schemaSequences {
		return err
	}
	last, err := readSequences(c.tx)
	if err != nil {
		return err
	}
	if k, _ := bucket(c.tx, bucketOperations).Cursor().Last(); k != nil {
		if id, err := store.DecodeOperationKey(k); err != nil || uint64(id) > last[rotator.SequenceOperations] {
			return damagef("%s has an id that is to be handed out", id)
		}
	}
	for _, shelf := range store.Shelves() {
		b := bucket(c.tx, string(shelf))
		if b == nil {
			continue // a file of an older schema
		}
		err := b.ForEach(func(k, _ []byte) error {
			if seq, n := (&store.Shelved{Shelf: shelf, Key: k}).Numbered(); seq != "" && n > last[seq] {
				return damagef("%s %s has an id that is to be handed out", shelf, k)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
