package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// LogReport describes an event log that was found intact.
type LogReport struct {
	// Instance is the store that the log belongs to.
	Instance string `json:"instance"`
	Events   uint64 `json:"events"`
	// Head is the hash of the last event. Kept elsewhere, it shows later whether
	// somebody rewrote the whole log, which no check of the file alone can.
	Head string `json:"head"`
	// First and Last are the times of the first and the last event; zero in an
	// empty log.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
}

// VerifyLog recomputes the hash chain of the event log. If something was edited,
// removed, added or reordered it returns a *[DamageError] with the first event
// that is wrong.
func (s *Store) VerifyLog(ctx context.Context) (LogReport, error) {
	var r LogReport
	err := s.view(ctx, func(tx *bbolt.Tx) (err error) {
		r, err = verifyLog(ctx, tx)
		return err
	})
	if err != nil {
		return LogReport{}, fmt.Errorf("verify event log: %w", err)
	}
	return r, nil
}

// VerifyFile checks a store that is not open, for instance a backup, without
// changing it: everything that [Store.Check] and [Store.VerifyLog] look at. It
// fails with CodeConflict while a daemon has the file open.
func VerifyFile(ctx context.Context, path string, o Options) (LogReport, error) {
	r, err := verifyFile(ctx, path, o.withDefaults())
	if err != nil {
		return LogReport{}, fmt.Errorf("verify store: %w", explain(path, err))
	}
	return r, nil
}

func verifyFile(ctx context.Context, path string, o Options) (r LogReport, err error) {
	s, err := openFile(path, o, true)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		schema, err := readSchema(tx)
		if err != nil {
			return err
		}
		if newest := len(migrations()) + 1; schema > newest {
			return tooNew(path, schema, newest)
		}
		if _, err := quickCheck(tx); err != nil {
			return err
		}
		if r, err = verifyLog(ctx, tx); err != nil {
			return err
		}
		return s.check(ctx, tx)
	})
	return r, err
}

func verifyLog(ctx context.Context, tx *bbolt.Tx) (r LogReport, err error) {
	if r.Instance, err = readInstance(tx); err != nil {
		return r, err
	}
	last, err := readHead(tx)
	if err != nil {
		return r, err
	}
	at := logHead{hash: store.Genesis(r.Instance)}
	t := ticker{ctx: ctx}
	c := bucket(tx, bucketEvents).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		e, err := nextEvent(at, k, v)
		if err != nil {
			return r, err
		}
		if at.hash, err = store.ParseHash(e.Hash); err != nil {
			return r, err
		}
		if at.seq = e.Seq; r.First.IsZero() {
			r.First = e.At
		}
		r.Last = e.At
		if err := t.tick(); err != nil {
			return r, err
		}
	}
	r.Events, r.Head = at.seq, at.hash.String()
	return r, checkHead(at, last)
}

// nextEvent reads the event at k and checks that it follows at.
func nextEvent(at logHead, k, v []byte) (rotator.Event, error) {
	want := at.seq + 1
	if len(k) != 8 {
		return rotator.Event{}, damagedEvent(want, "is stored under %x", k)
	}
	if seq := binary.BigEndian.Uint64(k); seq != want {
		return rotator.Event{}, damagedEvent(want, "is missing: event %d comes after event %d", seq, at.seq)
	}
	e, err := store.DecodeEvent(v)
	switch {
	case err != nil:
		return e, damagedEvent(want, "cannot be read: %s", err)
	case e.Seq != want:
		return e, damagedEvent(want, "is out of order: event %d is in its place", e.Seq)
	case e.Prev != at.hash.String():
		return e, damagedEvent(want, "does not follow event %d: one of them was replaced", at.seq)
	case e.Hash != store.Link(at.hash, &e).String():
		return e, damagedEvent(want, "was edited: its content does not give its hash")
	default:
		return e, nil
	}
}

// checkHead compares where the log ends with where its head says.
func checkHead(end, head logHead) error {
	if end.seq != head.seq {
		return endDiffers(end.seq, head.seq)
	}
	if end.hash != head.hash {
		return damagedEvent(max(end.seq, 1), "was replaced: its hash is not the one in the log's head")
	}
	return nil
}
