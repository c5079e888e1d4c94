package bolt

import (
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// transact applies the requests that fit what is stored and sets the error of
// those that do not. An error of its own means that nothing was stored, unless it is
// ErrUncertain: then stored tells once the file was opened anew.
func (s *Store) transact(batch []*request, stored *atomic.Bool) error {
	if f := s.failed.Load(); f != nil {
		return f.err
	}
	if err := s.inPlace(); err != nil {
		return err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return s.fail(err, failure{unreadable: true})
	}
	// Not db.Update: on a panic it would scan the file, in a goroutine where a
	// second panic ends the process.
	w, applied, err := s.apply(tx, batch)
	if err != nil || applied == 0 {
		_ = tx.Rollback()
		return err
	}
	s.ids.used(w.newest)
	if err := s.commit(tx, applied, stored); err != nil {
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
func (s *Store) commit(tx *bbolt.Tx, changes int, stored *atomic.Bool) error {
	id := tx.ID()
	returned := false
	err := guard(func() error {
		err := s.commitFunc(tx)
		returned = true
		return err
	})
	switch {
	case err == nil:
		s.counts.add(changes)
		return nil
	case !returned:
		// bbolt is left in the middle of it, with its locks held.
		return s.fail(err, failure{tx: id, changes: changes, stored: stored, stuck: true, unreadable: true})
	}
	switch seen, readErr := s.seen(); {
	case readErr != nil: // bbolt could not map the file anew
		return s.fail(err, failure{tx: id, changes: changes, stored: stored, unreadable: true})
	case seen >= id:
		// The header page was written and could not be synced: whether the change
		// would survive a power cut is not known, and to sync again would not tell,
		// for Linux forgets what it could not write.
		return s.fail(err, failure{tx: id, changes: changes, stored: stored})
	case isFull(err):
		return err // bbolt goes on as before
	default:
		return s.fail(err, failure{})
	}
}

// seen returns the transaction that readers see now.
func (s *Store) seen() (id int, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			id = tx.ID()
			return nil
		})
	})
	return id, err
}
