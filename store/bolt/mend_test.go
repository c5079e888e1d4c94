package bolt

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"cmkd/rotator"
)

// The ways in which a commit can fail.
var failures = map[string]func(*bbolt.Tx) error{
	"before anything is written": func(tx *bbolt.Tx) error { return errors.Join(tx.Rollback(), unix.EIO) },
	"after everything is":        func(tx *bbolt.Tx) error { return errors.Join(tx.Commit(), unix.EIO) },
	"by a panic before":          func(*bbolt.Tx) error { panic("on purpose") },
	"by a panic after":           func(tx *bbolt.Tx) error { _ = tx.Commit(); panic("on purpose") },
}

// failOnce lets the next commit fail.
func (s *Store) failOnce(how func(*bbolt.Tx) error) {
	s.commitFunc = func(tx *bbolt.Tx) error {
		s.commitFunc = (*bbolt.Tx).Commit
		return how(tx)
	}
}

// TestMend lets a commit fail in each way. It is stored or it is not, as the answer says,
// and the next one goes through, in the same process.
func TestMend(t *testing.T) {
	t.Parallel()
	for name, how := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var notices []string
			path := filepath.Join(t.TempDir(), "cmkd.db")
			s, err := Open(path, Options{Notice: func(m string) { notices = append(notices, m) }})
			if err != nil {
				t.Fatal(err)
			}
			mustCommit(t, s, operationWith(1, 5))
			instance := s.Instance()
			s.failOnce(how)
			c := operationWith(2, 5)
			err = rotator.Commit(t.Context(), s, c)
			if stored := strings.Contains(name, "after"); stored != (err == nil) {
				t.Fatalf("commit: %v, stored is %t", err, stored)
			}
			if err == nil {
				if ops, err := s.Operations(t.Context(), rotator.OperationFilter{ID: 2}); err != nil || len(ops) != 1 || c.Events[0].Seq != 2 {
					t.Errorf("%d operations, %v, event %d", len(ops), err, c.Events[0].Seq)
				}
			} else {
				wantError(t, err, rotator.CodeOf(err), path, "")
				if err := wantAbsent(s, c); err != nil {
					t.Error(err)
				}
				mustCommit(t, s, c)
			}
			mustCommit(t, s, operationWith(3, 5))
			if s.Instance() != instance || len(notices) != 1 || !strings.Contains(notices[0], "was opened anew after") {
				t.Errorf("instance %s, want %s; notices %q", s.Instance(), instance, notices)
			}
			checkAndClose(t, s)
			checkAndClose(t, mustOpen(t, path))
		})
	}
}

// TestMend_Descriptor puts something else under the open file's descriptor, so that
// bbolt's own writes fail.
func TestMend_Descriptor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		broken func(t *testing.T, path string) *os.File
		errno  unix.Errno
	}{
		"that may not be written": {readOnly, unix.EBADF},
		"that answers with EIO":   {failing, unix.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			for revision := range uint64(4) { // leaves free pages, so that the file need not grow
				c := operationWith(1, 300)
				c.Operations[0].Revision = revision + 1
				mustCommit(t, s, c)
			}
			for id := rotator.OperationID(2); id < 6; id++ {
				broken := test.broken(t, s.Path())
				if err := unix.Dup3(int(broken.Fd()), int(s.file.Fd()), unix.O_CLOEXEC); err != nil {
					t.Fatal(err)
				}
				broken.Close()
				c := operationWith(id, 1)
				err := rotator.Commit(t.Context(), s, c)
				wantError(t, err, rotator.CodeUnavailable, "cannot be written: ", "goes on by itself")
				if errors.Is(err, rotator.ErrUncertain) || !errors.Is(err, test.errno) {
					t.Errorf("commit: %v, want %v, and that nothing was stored", err, test.errno)
				}
				if err := wantAbsent(s, c); err != nil {
					t.Error(err)
				}
				mustCommit(t, s, c)
			}
		})
	}
}

func readOnly(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// failing returns the memory of a process that waits: where it has none, Linux answers
// with EIO.
func failing(t *testing.T, _ string) *os.File {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", cmd.Process.Pid), os.O_RDWR, 0)
	if err != nil {
		t.Skipf("open the memory of a child: %v", err)
	}
	return f
}

// TestMend_Reads: also a read opens the file anew if nothing else would help.
func TestMend_Reads(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 1))
	_ = s.fail(errors.New("cannot be mapped"), failure{unreadable: true})
	if ops, err := s.Operations(t.Context(), rotator.OperationFilter{}); err != nil || len(ops) != 1 || s.failed.Load() != nil {
		t.Errorf("%d operations, %v", len(ops), err)
	}
}

// TestMend_IDs: no id is handed out again after the file was opened anew.
func TestMend_IDs(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var last uint64
	for round := range 3 * idsAhead {
		if round%10 == 0 {
			_ = s.fail(errors.New("on purpose"), failure{})
			mustCommit(t, s, &rotator.Change{Keys: operationWith(1, 0).Keys})
		}
		id, err := s.NextIDs(t.Context(), rotator.SequenceOperations, 1)
		if err != nil || id != last+1 {
			t.Fatalf("id %d, %v, want %d", id, err, last+1)
		}
		last = id
	}
}

// TestMend_Uncertain: while the file cannot be opened anew either, nobody knows whether
// the change was stored; once it can, what is read tells.
func TestMend_Uncertain(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 5))
	aside := s.Path() + ".aside"
	s.failOnce(func(tx *bbolt.Tx) error { return errors.Join(tx.Commit(), os.Rename(s.Path(), aside), unix.EIO) })
	for range 2 {
		if err := rotator.Commit(t.Context(), s, operationWith(2, 5)); !errors.Is(err, rotator.ErrUncertain) {
			t.Errorf("commit: %v, want ErrUncertain", err)
		}
	}
	if err := os.Rename(aside, s.Path()); err != nil {
		t.Fatal(err)
	}
	if err := rotator.Commit(t.Context(), s, operationWith(2, 5)); !errors.Is(err, rotator.ErrConflict) {
		t.Errorf("commit again: %v, want ErrConflict: it was stored", err)
	}
	mustCommit(t, s, operationWith(3, 5))
}

// TestMend_UnderLoad fails every third commit in some way while others write and read:
// what was acknowledged is there, what was refused is not.
func TestMend_UnderLoad(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ways := []string{"before anything is written", "after everything is", "by a panic before", "by a panic after"}
	n := 0
	s.commitFunc = func(tx *bbolt.Tx) error { // the writer alone comes here
		if n++; n%3 == 0 {
			return failures[ways[n/3%len(ways)]](tx)
		}
		return tx.Commit()
	}
	const writers, each = 4, 25
	errs := make([]error, writers*each)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := w*each + i
				errs[id] = rotator.Commit(t.Context(), s, operationWith(rotator.OperationID(id+1), 2))
				if _, err := s.Trackers(t.Context(), rotator.OperationID(id+1), 0, 0); err != nil {
					t.Errorf("read: %v", err)
				}
			}
		})
	}
	wg.Wait()
	s.commitFunc = (*bbolt.Tx).Commit
	failed := 0
	for i, err := range errs {
		ops, readErr := s.Operations(t.Context(), rotator.OperationFilter{ID: rotator.OperationID(i + 1)})
		if readErr != nil || (len(ops) == 1) != (err == nil) {
			t.Errorf("commit %d answered %v, %d are stored, %v", i+1, err, len(ops), readErr)
		}
		if err != nil {
			failed++
		}
	}
	if failed == 0 || failed == len(errs) {
		t.Errorf("%d of %d commits failed", failed, len(errs))
	}
}

// TestReplaced moves the file away, puts another one in its place, and puts it back.
func TestReplaced(t *testing.T) {
	t.Parallel()
	s, other := newStore(t), newStore(t)
	mustCommit(t, s, operationWith(1, 5))
	mustCommit(t, other, operationWith(1, 1))
	checkAndClose(t, other)
	aside := s.Path() + ".aside"
	wantReplaced := func(what string) {
		t.Helper()
		c := operationWith(2, 5)
		_, spaceErr := s.Space()
		for _, err := range []error{rotator.Commit(t.Context(), s, c), spaceErr} {
			if !errors.Is(err, rotator.ErrStoreReplaced) {
				t.Fatalf("%s: %v, want ErrStoreReplaced", what, err)
			}
			wantError(t, err, rotator.CodeUnavailable, s.Path()+": its file was deleted or replaced", "cmkd backup")
		}
		if err := wantAbsent(s, c); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.Rename(s.Path(), aside); err != nil {
		t.Fatal(err)
	}
	wantReplaced("deleted")
	if _, err := os.Lstat(s.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made in its place: %v", err)
	}
	_ = s.fail(errors.New("an error of the disk"), failure{})
	wantReplaced("deleted, after an error")
	if err := os.Rename(other.Path(), s.Path()); err != nil {
		t.Fatal(err)
	}
	wantReplaced("replaced")

	saved := filepath.Join(t.TempDir(), "saved")
	if _, err := s.Backup(t.Context(), saved); err != nil {
		t.Fatal(err)
	}
	copied := mustOpen(t, saved)
	wantChanges(t, copied, operationWith(1, 5))
	checkAndClose(t, copied)

	if err := os.Rename(aside, s.Path()); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, operationWith(2, 5))
}
