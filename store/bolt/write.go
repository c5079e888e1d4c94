package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// writer puts records into the buckets of one transaction.
type writer struct {
	keys, operations, live, byKey, trackers, details, due, events *bbolt.Bucket

	tx    *bbolt.Tx
	head  logHead
	moved bool // head

	// ids are up to where ids are wanted; newest are the largest ids of new records.
	// reserved is what the transaction changes of that in the file.
	ids, newest, reserved map[rotator.Sequence]uint64
}

func newWriter(tx *bbolt.Tx) *writer {
	w := &writer{
		ids: map[rotator.Sequence]uint64{}, newest: map[rotator.Sequence]uint64{}, reserved: map[rotator.Sequence]uint64{},
		tx: tx, keys: bucket(tx, bucketKeys), operations: bucket(tx, bucketOperations),
		live: bucket(tx, bucketLive), byKey: bucket(tx, bucketByKey), trackers: bucket(tx, bucketTrackers),
		details: bucket(tx, bucketDetails), due: bucket(tx, bucketDue), events: bucket(tx, bucketEvents),
	}
	// These grow at the end: a page that is left behind half empty, as bbolt
	// does by default, stays so. Hot trackers never change their size either.
	w.trackers.FillPercent, w.events.FillPercent, w.details.FillPercent = 1, 1, 0.9
	return w
}

func (w *writer) put(p *prepared) error {
	for i := range p.keys {
		if err := w.putKey(&p.keys[i]); err != nil {
			return err
		}
	}
	for i := range p.operations {
		if err := w.putOperation(&p.operations[i]); err != nil {
			return err
		}
	}
	for _, e := range p.hot {
		if err := w.trackers.Put(e.key, e.value); err != nil {
			return err
		}
	}
	for _, e := range p.cold {
		if err := w.details.Put(e.key, e.value); err != nil {
			return err
		}
	}
	if err := w.putShelved(p.shelved); err != nil {
		return err
	}
	for seq, id := range p.ids {
		want(w.ids, seq, id)
	}
	return w.putEvents(p)
}

func (w *writer) putKey(k *keyRecord) error {
	name := []byte(k.name)
	var old uint64
	if v := w.keys.Get(name); v != nil {
		var err error
		if old, err = store.KeyDue(v); err != nil {
			return fmt.Errorf("key %s: %w", k.name, err)
		}
	}
	if old != k.due {
		if err := w.move(old, k.due, func(at uint64) []byte { return store.DueOfKey(at, k.name) }); err != nil {
			return err
		}
	}
	return w.keys.Put(name, k.value)
}

// move replaces a due entry; zero stands for none.
func (w *writer) move(from, to uint64, entry func(at uint64) []byte) error {
	if from != 0 {
		if err := w.due.Delete(entry(from)); err != nil {
			return err
		}
	}
	if to == 0 {
		return nil
	}
	return w.due.Put(entry(to), nil)
}

func (w *writer) putOperation(o *operationRecord) error {
	id := store.OperationKey(o.id)
	var old store.OperationHead
	stored := w.operations.Get(id)
	if stored != nil {
		var err error
		if old, err = store.DecodeOperationHead(stored); err != nil {
			return fmt.Errorf("%s: %w", o.id, err)
		}
	}
	if old.Due != o.head.Due {
		entry := func(at uint64) []byte { return store.DueOfOperation(at, o.id) }
		if err := w.move(old.Due, o.head.Due, entry); err != nil {
			return err
		}
	}
	if stored == nil {
		want(w.newest, rotator.SequenceOperations, uint64(o.id))
		if err := w.byKey.Put(store.ByKey(o.head.Key, o.id), nil); err != nil {
			return err
		}
	}
	if err := w.putLive(id, old.Live, o.head.Live); err != nil {
		return err
	}
	return w.operations.Put(id, o.value)
}

func (w *writer) putLive(id []byte, was, is bool) error {
	switch {
	case is && !was:
		return w.live.Put(id, nil)
	case was && !is:
		return w.live.Delete(id)
	default:
		return nil
	}
}

// putEvents gives the events their place in the chain and appends them.
func (w *writer) putEvents(p *prepared) error {
	if len(p.events) == 0 {
		return nil
	}
	if !w.moved {
		head, err := readHead(w.tx)
		if err != nil {
			return err
		}
		w.head, w.moved = head, true
	}
	var values slab
	prev := w.head.hash.String()
	for i := range p.events {
		e := &p.events[i]
		e.Seq, e.Prev = w.head.seq+1, prev
		hash := store.LinkCanonical(w.head.hash, e.Seq, p.canonical[i])
		e.Hash = hash.String()
		value, err := values.add(func(dst []byte) ([]byte, error) { return store.AppendEvent(dst, e) })
		if err != nil {
			return err
		}
		if err := w.events.Put(store.EventKey(e.Seq), value); err != nil {
			return err
		}
		w.head, prev = logHead{seq: e.Seq, hash: hash}, e.Hash
	}
	return nil
}

func (w *writer) finish() error {
	if err := w.reserve(); err != nil || !w.moved {
		return err
	}
	return putHead(w.tx, w.head)
}
