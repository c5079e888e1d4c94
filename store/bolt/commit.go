package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
)

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
	w, applied, err := s.apply(tx, batch)
	if err != nil || applied == 0 {
		_ = tx.Rollback()
		return err
	}
	s.ids.used(w.newest)
	if err := s.commit(tx, applied); err != nil {
		return err
	}
	s.ids.reserved(w.reserved)
	return nil
}

func (s *Store) apply(tx *bbolt.Tx, batch []*request) (w *writer, applied int, err error) {
	err = guard(func() error {
		v := newValidator(tx)
		w = newWriter(tx)
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
	return w, applied, err
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
