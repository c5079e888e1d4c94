package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
)

// The mode of the file: it names every key and dependent.
const fileMode = 0o600

// mapSize is how much address space is reserved at once. bbolt cannot enlarge
// its mapping while somebody reads, so that a backup would hold up the commits;
// address space costs nothing.
const mapSize = 1 << 30

// Options are how a store is opened. The zero value is good.
type Options struct {
	// Timeout is how long to wait for the file's lock; zero means 1 s.
	Timeout time.Duration
	// Notice, if set, hears what a person should know although the store could
	// be opened: a permission that was corrected, a migration.
	Notice func(message string)
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return o
}

// Store is a store in a bbolt file. It implements [rotator.Store].
type Store struct {
	path     string
	options  Options
	instance string

	// closing is held for reading by whoever uses db, file and info.
	closing sync.RWMutex
	closed  bool
	// db is nil after it was closed to be opened anew, and could not be.
	db   *bbolt.DB
	file *os.File
	info os.FileInfo // of file, for what does not change of it

	queue *queue
	// failed is why the file is to be opened anew before the next commit, if so.
	failed atomic.Pointer[failure]
	// commitFunc makes a transaction durable. Tests let it fail.
	commitFunc func(*bbolt.Tx) error
	counts     counters
	ids        ids
}

var _ rotator.Store = (*Store)(nil)

// Open opens the store at path, which is made if it does not exist; its
// directory has to exist. It fails with CodeConflict if another process has it
// open, with CodeInternal if it is damaged or of a later version of cmkd, and
// with [rotator.ErrStoreFull] if a migration finds no room.
func Open(path string, o Options) (*Store, error) {
	return open(path, o, migrations())
}

func open(path string, o Options, steps []migration) (*Store, error) {
	o = o.withDefaults()
	if err := ensure(path, len(steps)+1); err != nil {
		return nil, fmt.Errorf("open store: %w", explain(path, err))
	}
	s, err := openFile(path, o, false)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", explain(path, err))
	}
	if err := guard(func() error { return s.prepare(o, steps) }); err != nil {
		return nil, fmt.Errorf("open store: %w", errors.Join(explain(path, err), s.Close()))
	}
	return s, nil
}

// prepare brings the file to the current schema and looks at what every later
// step relies on.
func (s *Store) prepare(o Options, steps []migration) error {
	if err := s.migrate(o, steps); err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		instance, err := quickCheck(tx)
		if err != nil {
			return err
		}
		s.instance = instance
		return s.ids.load(tx)
	})
}

// openFile locks, checks and maps an existing file.
func openFile(path string, o Options, readOnly bool) (*Store, error) {
	f, err := openLocked(path, readOnly, o.Timeout)
	if err != nil {
		return nil, err
	}
	if err := checkFile(f, o, readOnly); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s := &Store{path: path, options: o, file: f, queue: newQueue(), commitFunc: (*bbolt.Tx).Commit}
	if s.info, err = f.Stat(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	err = guard(func() error {
		s.db, err = bbolt.Open(path, fileMode, &bbolt.Options{
			ReadOnly: readOnly,
			// bbolt locks the file again, which succeeds: it is the same open file.
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return f, nil },
			// The free list is found by walking the tree at start, which is done
			// anyway, and costs nothing at each commit. A stored one grows with
			// the largest operation ever deleted and is rewritten every time.
			NoFreelistSync:  true,
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: mapSize,
		})
		return err
	})
	if err != nil {
		_ = f.Close() // bbolt closed it, unless it panicked
		return nil, err
	}
	return s, nil
}

// checkFile looks at the file's mode and at all its pages.
func checkFile(f *os.File, o Options, readOnly bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return rotator.Errorf(rotator.CodeInvalid, "store %s is not a regular file", f.Name())
	}
	if !readOnly && info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(info.Mode().Perm() & fileMode); err != nil {
			return err
		}
		o.Notice(fmt.Sprintf("store %s was open to other users (mode %04o): closed it", f.Name(), info.Mode().Perm()))
	}
	if info.Size() == 0 {
		return damagef("it is empty")
	}
	h, err := checkPages(f, info.Size())
	if err == nil && !h.spare {
		// The usual reason is a power cut during a commit, which nobody was told
		// had succeeded.
		o.Notice(fmt.Sprintf("store %s: one of its two header pages is unreadable, using the other", f.Name()))
	}
	return err
}

// ensure makes the store if there is none. It is made beside and moved into
// place whole, so that an empty or half-made file is never one of ours.
func ensure(path string, schema int) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return rotator.Errorf(rotator.CodeNotFound, "directory %s of the store does not exist", dir).
			WithHint("make it for the user of cmkd: install -d -m 0700 -o USER %s", dir)
	}
	_, err := writeBeside(path, func(temp *os.File) error { return create(temp.Name(), schema) })
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody else made it meanwhile
	}
	return err
}

// create writes an empty store.
func create(path string, schema int) error {
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	return errors.Join(db.Update(func(tx *bbolt.Tx) error { return initialise(tx, schema) }), db.Close())
}

// writeBeside makes a file for path: write fills a temporary one in the same
// directory, which then appears under the name all at once. It fails with
// fs.ErrExist if the name is taken.
func writeBeside(path string, write func(temp *os.File) error) (size int64, err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = temp.Close()
		_ = os.Remove(temp.Name())
	}()
	if err := write(temp); err != nil {
		return 0, err
	}
	if err := temp.Sync(); err != nil {
		return 0, err
	}
	info, err := temp.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), publish(temp.Name(), path)
}

// publish gives a finished file its name, never replacing another file.
func publish(temp, path string) error {
	err := os.Link(temp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// Some file systems have no links. The race between the look and the
		// move is with a person who writes there by hand.
		if _, statErr := os.Lstat(path); statErr == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		err = os.Rename(temp, path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close waits for what is under way and releases the file. Closing twice is
// harmless.
func (s *Store) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.release()
	return s.shut()
}

// Path returns the file's name.
func (s *Store) Path() string { return s.path }

// Instance returns the store's identifier, eight random bytes in hex, made when
// it was created.
func (s *Store) Instance() string { return s.instance }

// use calls f while the store is open.
func (s *Store) use(f func() error) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return s.errClosed()
	}
	if s.db == nil {
		return s.failed.Load().err
	}
	return explain(s.path, guard(f))
}

func (s *Store) errClosed() error {
	return rotator.Errorf(rotator.CodeUnavailable, "store %s is closed", s.path)
}

// view runs f in a read transaction.
func (s *Store) view(ctx context.Context, f func(tx *bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f := s.failed.Load(); f != nil && f.unreadable {
		if err := s.mend(); err != nil {
			return err
		}
	}
	return s.use(func() error { return s.db.View(f) })
}
