package bolt

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

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
	// transaction.
	events []rotator.Event
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

func prepare(c *rotator.Change) (*prepared, error) {
	p := &prepared{}
	for i := range c.Keys {
		value, due, err := store.EncodeKey(&c.Keys[i])
		if err != nil {
			return nil, err
		}
		p.keys = append(p.keys, keyRecord{name: c.Keys[i].Name, due: due, value: value})
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
	return p, p.prepareEvents(c.Events)
}

func (p *prepared) prepareTrackers(trackers []rotator.Tracker) error {
	p.hot = make([]entry, 0, len(trackers))
	// One allocation for all: bbolt keeps the values until the commit.
	slab := make([]byte, 0, len(trackers)*(store.TrackerKeySize+store.TrackerValueSize))
	for i := range trackers {
		t := &trackers[i]
		start := len(slab)
		slab = store.AppendTrackerKey(slab, t.Operation, t.Number)
		middle := len(slab)
		var err error
		if slab, err = store.AppendTracker(slab, t); err != nil {
			return err
		}
		e := entry{key: slab[start:middle:middle], value: slab[middle:len(slab):len(slab)]}
		p.hot = append(p.hot, e)
		if t.Detail != nil {
			value, err := store.EncodeDetail(t.Detail)
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

// prepareEvents encodes the events once in vain: what cannot be encoded has to
// be found before the transaction.
func (p *prepared) prepareEvents(events []rotator.Event) error {
	p.events = make([]rotator.Event, len(events))
	for i := range events {
		p.events[i] = store.CleanEvent(&events[i])
		if err := store.CheckEvent(&p.events[i]); err != nil {
			return err
		}
	}
	return nil
}

// transact applies the requests that fit what is stored and sets the error of
// those that do not. An error of its own means that nothing was stored.
func (s *Store) transact(batch []*request) error {
	if f := s.failed.Load(); f != nil {
		return f.err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	// Not db.Update: on a panic it would scan the file, in a goroutine where a
	// second panic ends the process.
	applied, err := s.apply(tx, batch)
	if err != nil || applied == 0 {
		_ = tx.Rollback()
		return err
	}
	return s.commit(tx, applied)
}

func (s *Store) apply(tx *bbolt.Tx, batch []*request) (applied int, err error) {
	err = guard(func() error {
		v := newValidator(tx)
		w := newWriter(tx)
		for _, r := range batch {
			if r.err = explain(s.path, v.admit(r.change)); r.err != nil {
				continue
			}
			if err := w.put(r.change); err != nil {
				return err
			}
			applied++
		}
		return w.finish()
	})
	return applied, err
}

// commit makes the transaction durable.
func (s *Store) commit(tx *bbolt.Tx, changes int) error {
	id := tx.ID()
	returned := false
	err := guard(func() error {
		err := tx.Commit()
		returned = true
		return err
	})
	switch {
	case err == nil:
		s.counts.add(changes)
		return nil
	case !returned:
		// bbolt is left in the middle of it, with its locks held.
		return s.fail(err, true)
	case s.visible(id):
		// The header page was written and could not be synced: whether the
		// change survives is not known, and asking again would not tell, for
		// Linux forgets what it could not write.
		return s.fail(fmt.Errorf("whether the last commit was stored is unknown: %w", err), false)
	default:
		return err
	}
}

// visible reports whether transaction id is what readers see now.
func (s *Store) visible(id int) bool {
	seen := true
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			seen = tx.ID() >= id
			return nil
		})
	})
	return err != nil || seen
}

// fail makes every later commit fail and returns the error for this one.
func (s *Store) fail(err error, stuck bool) error {
	e := rotator.Errorf(rotator.CodeInternal, "store %s can no longer be written", s.path).
		WithHint("restart cmkd: it checks the store; if it is damaged, %s", RestoreHint(s.path))
	e.Err = err
	s.failed.Store(&failure{err: e, stuck: stuck})
	return e
}

// writer puts records into the buckets of one transaction.
type writer struct {
	keys, operations, live, byKey, trackers, details, due, events *bbolt.Bucket

	tx    *bbolt.Tx
	head  logHead
	moved bool // head
}

func newWriter(tx *bbolt.Tx) *writer {
	w := &writer{
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
	return w.putEvents(p.events)
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
func (w *writer) putEvents(events []rotator.Event) error {
	if len(events) == 0 {
		return nil
	}
	if !w.moved {
		head, err := readHead(w.tx)
		if err != nil {
			return err
		}
		w.head, w.moved = head, true
	}
	for i := range events {
		e := &events[i]
		e.Seq, e.Prev = w.head.seq+1, w.head.hash.String()
		hash := store.Link(w.head.hash, e)
		e.Hash = hash.String()
		value, err := store.EncodeEvent(e)
		if err != nil {
			return err
		}
		if err := w.events.Put(store.OperationKey(rotator.OperationID(e.Seq)), value); err != nil {
			return err
		}
		w.head = logHead{seq: e.Seq, hash: hash}
	}
	return nil
}

func (w *writer) finish() error {
	if !w.moved {
		return nil
	}
	return putHead(w.tx, w.head)
}

// validator checks changes against what is stored and what others in the same
// transaction are about to store.
type validator struct {
	operations, details *bbolt.Bucket

	revisions map[rotator.OperationID]revision
	detailed  map[rotator.OperationID]uint64
}

// revision is an operation as far as conflicts go; n is zero if there is none.
type revision struct {
	n   uint64
	key []byte
}

func newValidator(tx *bbolt.Tx) *validator {
	return &validator{
		operations: bucket(tx, bucketOperations), details: bucket(tx, bucketDetails),
		revisions: make(map[rotator.OperationID]revision), detailed: make(map[rotator.OperationID]uint64),
	}
}

// admit accepts a change, or says why it cannot be stored and forgets it.
func (v *validator) admit(p *prepared) error {
	own := make(map[rotator.OperationID]revision, len(p.operations))
	for i := range p.operations {
		if err := v.follows(&p.operations[i], own); err != nil {
			return err
		}
	}
	if err := v.admitTrackers(p.runs, own); err != nil {
		return err
	}
	for id, r := range own {
		v.revisions[id] = r
	}
	for _, run := range p.runs {
		if run.detailed > 0 {
			v.detailed[run.op] = max(v.detailed[run.op], run.detailed)
		}
	}
	return nil
}

// follows checks one operation's revision and adds it to own.
func (v *validator) follows(o *operationRecord, own map[rotator.OperationID]revision) error {
	last, err := v.revision(o.id, own)
	if err != nil {
		return err
	}
	if o.head.Revision != last.n+1 {
		e := rotator.Errorf(rotator.CodeConflict, "%s is at revision %d, %d does not follow", o.id, last.n, o.head.Revision)
		e.Err = rotator.ErrConflict
		return e
	}
	if last.n > 0 && !bytes.Equal(last.key, o.head.Key) {
		return rotator.Errorf(rotator.CodeInvalid, "%s belongs to key %q, not %q", o.id, last.key, o.head.Key)
	}
	own[o.id] = revision{n: o.head.Revision, key: o.head.Key}
	return nil
}

func (v *validator) revision(id rotator.OperationID, own map[rotator.OperationID]revision) (revision, error) {
	if r, ok := own[id]; ok {
		return r, nil
	}
	if r, ok := v.revisions[id]; ok {
		return r, nil
	}
	value := v.operations.Get(store.OperationKey(id))
	if value == nil {
		return revision{}, nil
	}
	head, err := store.DecodeOperationHead(value)
	if err != nil {
		return revision{}, fmt.Errorf("%s: %w", id, err)
	}
	return revision{n: head.Revision, key: head.Key}, nil
}

// admitTrackers refuses what could not be read back whole: trackers of no
// operation, and trackers whose detail nobody has stored. Numbers run from 0
// without gaps, so the last detail tells of all.
func (v *validator) admitTrackers(runs []trackerRun, own map[rotator.OperationID]revision) error {
	detailed := make(map[rotator.OperationID]uint64, 1)
	for _, run := range runs {
		if r, err := v.revision(run.op, own); err != nil || r.n == 0 {
			return orNoOperation(run.op, err)
		}
		detailed[run.op] = max(detailed[run.op], run.detailed)
	}
	for _, run := range runs {
		if run.bare == 0 || run.bare <= detailed[run.op] || run.bare <= v.detailed[run.op] {
			continue
		}
		stored, err := v.storedDetails(run.op)
		if err != nil {
			return err
		}
		if run.bare > stored {
			return rotator.Errorf(rotator.CodeInvalid, "tracker %d of %s is new and has no detail", run.bare-1, run.op)
		}
	}
	return nil
}

func orNoOperation(op rotator.OperationID, err error) error {
	if err != nil {
		return err
	}
	return rotator.Errorf(rotator.CodeInvalid, "%s does not exist, so it has no trackers", op)
}

// storedDetails returns one more than the number of the last stored detail.
func (v *validator) storedDetails(op rotator.OperationID) (uint64, error) {
	c := v.details.Cursor()
	k, _ := c.Seek(store.AppendTrackerKey(nil, op+1, 0))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if k == nil {
		return 0, nil
	}
	last, number, err := store.DecodeTrackerKey(k)
	if err != nil || last != op {
		return 0, err
	}
	return uint64(number) + 1, nil
}
