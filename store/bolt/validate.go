package bolt

import (
	"bytes"
	"fmt"
	"maps"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

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
	maps.Copy(v.revisions, own)
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
