package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"cmkd/rotator"
)

// What becomes of a bbolt database when the disk fails it:
//
//   - a page could not be written or synced, or the file not be made larger: the
//     transaction is rolled back, which walks the file for its free pages;
//   - the file could not be mapped anew where it grew: nothing can be read or written
//     any more;
//   - the header was written and could not be synced: readers see the transaction,
//     and nobody knows what is on the disk;
//   - it panicked on what it read: its locks are left held.
//
// A full disk is of the first kind and harmless. After everything else the file is
// closed, and opened and checked anew before the next commit, by whoever comes first.
// The first transaction after that has nothing in it: once it is synced, so is
// everything that it rests on.

// failure is an error after which the file is opened anew.
type failure struct {
	err error
	// stuck is true if bbolt's own locks were left held by a panic.
	stuck bool
	// unreadable is true if nothing can be read either.
	unreadable bool
	// tx is the transaction of which it is not known whether it was stored, with so
	// many changes; zero if there is none.
	tx, changes int
	// stored is set once it is known that it was. Whoever comes first finds out.
	stored *atomic.Bool
}

// fail notes that the file is to be opened anew, and returns the error for those whose
// changes were under way.
func (s *Store) fail(cause error, f failure) error {
	if f.stored == nil {
		f.stored = &atomic.Bool{}
	}
	if cause = withoutPath(cause); f.tx != 0 {
		cause = fmt.Errorf("%w: %w", rotator.ErrUncertain, cause)
	}
	f.err = s.broken(cause)
	s.failed.Store(&f)
	return f.err
}

// broken explains an error of the disk. What is damaged, in use or replaced says so
// itself.
func (s *Store) broken(cause error) error {
	explained := explain(s.path, cause)
	if e, ok := errors.AsType[*rotator.Error](explained); ok && e.Hint != "" {
		return explained
	}
	e := rotator.Errorf(rotator.CodeUnavailable, "store %s cannot be written", s.path).
		WithHint("look at the disk and its file system: journalctl -k; cmkd opens and checks the file anew, and goes on by itself")
	e.Err = cause
	return e
}

// mend opens the file anew if that is needed.
func (s *Store) mend() error {
	if s.failed.Load() == nil {
		return nil
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	f := s.failed.Load()
	switch {
	case s.closed:
		return s.errClosed()
	case f == nil:
		return nil // somebody else did
	}
	seen, err := s.reopen()
	if err != nil {
		again := *f
		again.unreadable, again.stuck = s.db == nil || f.unreadable, s.db != nil && f.stuck
		return s.fail(err, again)
	}
	s.failed.Store(nil)
	s.options.Notice(fmt.Sprintf("store %s was opened anew after: %s", s.path, f.err))
	if f.tx != 0 && seen == f.tx {
		s.counts.add(f.changes)
		f.stored.Store(true)
	}
	return nil
}

// reopen closes the file and opens it, and returns the last transaction that it has.
// closing is held.
func (s *Store) reopen() (seen int, err error) {
	if err := s.inPlace(); err != nil {
		return 0, err // to close it would be to lose it
	}
	_ = s.shut() // what it could not write is found out next
	next, err := openFile(s.path, s.options, false)
	if err != nil {
		return 0, err
	}
	if err := guard(func() error { return s.adopt(next) }); err != nil {
		return 0, errors.Join(err, next.shut())
	}
	if seen, err = next.seen(); err == nil {
		err = next.confirm()
	}
	if err != nil {
		return 0, errors.Join(err, next.shut())
	}
	s.db, s.file = next.db, next.file
	return seen, nil
}

// adopt makes sure that what was opened is the same store, and takes over its ids.
func (s *Store) adopt(next *Store) error {
	if !os.SameFile(s.info, next.info) {
		return s.replaced()
	}
	return next.db.View(func(tx *bbolt.Tx) error {
		instance, err := quickCheck(tx)
		if err != nil {
			return err
		}
		if instance != s.instance {
			return s.replaced()
		}
		return s.ids.load(tx)
	})
}

// confirm makes durable what readers see.
func (s *Store) confirm() error {
	return guard(func() error {
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		return tx.Commit()
	})
}

// shut closes what is open.
func (s *Store) shut() error {
	db, f := s.db, s.failed.Load()
	s.db = nil
	switch {
	case db == nil:
		return nil
	case f != nil && f.stuck:
		// bbolt would wait for a transaction that will never end. Its mapping of the
		// file stays, and would keep the lock.
		return errors.Join(unix.Flock(int(s.file.Fd()), unix.LOCK_UN), s.file.Close())
	default:
		return db.Close()
	}
}

// inPlace makes sure that the file is still where it was opened: what is written into
// one that is not will not be found again.
func (s *Store) inPlace() error {
	now, err := os.Stat(s.path)
	if err == nil && !os.SameFile(now, s.info) || errors.Is(err, fs.ErrNotExist) {
		return s.replaced()
	}
	return nil // an error of another kind is for those who read and write to find
}

func (s *Store) replaced() error {
	e := rotator.Errorf(rotator.CodeUnavailable, "store %s", s.path).
		WithHint("put the file back, and cmkd goes on by itself; if it is gone: `cmkd backup FILE` saves what cmkd still has of it, "+
			"then stop cmkd, move FILE to %s, start cmkd", s.path)
	e.Err = rotator.ErrStoreReplaced
	return e
}
