package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cmkd/rotator"
	"cmkd/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.ExerciseBackend(t, storetest.Backend{
		Open: func(tb testing.TB, dir string) rotator.Store {
			tb.Helper()
			return mustOpen(tb, filepath.Join(dir, "cmkd.db"))
		},
		Close: func(tb testing.TB, s rotator.Store) {
			tb.Helper()
			checkAndClose(tb, s.(*Store))
		},
		Crash: func(tb testing.TB, s rotator.Store, dir string) (rotator.Store, string) {
			tb.Helper()
			b, err := os.ReadFile(filepath.Join(dir, "cmkd.db"))
			if err != nil {
				tb.Fatal(err)
			}
			checkAndClose(tb, s.(*Store))
			survivor := tb.TempDir()
			if err := os.WriteFile(filepath.Join(survivor, "cmkd.db"), b, 0o600); err != nil {
				tb.Fatal(err)
			}
			return mustOpen(tb, filepath.Join(survivor, "cmkd.db")), survivor
		},
	})
}

func mustOpen(tb testing.TB, path string) *Store {
	tb.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// checkAndClose ends a test's store: every test leaves a consistent one. The
// test's own context is done by then.
func checkAndClose(tb testing.TB, s *Store) {
	tb.Helper()
	if s.closed {
		return
	}
	if err := s.Check(context.WithoutCancel(tb.Context())); err != nil {
		tb.Errorf("check: %v", err)
	}
	if err := s.Close(); err != nil {
		tb.Errorf("close: %v", err)
	}
}

// newStore opens an empty store for the duration of a test.
func newStore(tb testing.TB) *Store {
	tb.Helper()
	s := mustOpen(tb, filepath.Join(tb.TempDir(), "cmkd.db"))
	tb.Cleanup(func() { checkAndClose(tb, s) })
	return s
}

func start() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }

// operationWith is an operation at its first revision with n trackers, its key
// and an event.
const paymentsID = rotator.KeyID("https://contoso.vault.azure.net/keys/payments")

func operationWith(id rotator.OperationID, n int) *rotator.Change {
	o := rotator.Operation{
		ID: id, Kind: rotator.KindRotation, Key: "payments", KeyID: paymentsID, State: rotator.StatePropagating,
		Created: start(), Due: start().Add(time.Hour), Revision: 1,
	}
	c := &rotator.Change{
		Keys:   []rotator.KeyState{{Name: "payments", ID: paymentsID, NextRotation: start().Add(24 * time.Hour)}},
		Events: []rotator.Event{{At: start(), Type: rotator.EventOperationCreated, Key: "payments", Operation: id, Message: "began"}},
	}
	for i := range n {
		c.Trackers = append(c.Trackers, rotator.Tracker{
			Operation: id, Number: uint32(i), State: rotator.TrackerPropagating, Due: start().Add(time.Minute),
			Since: start(), Detail: &rotator.TrackerDetail{
				Dependent: rotator.Dependent{ID: fmt.Sprintf("/subscriptions/s/storageAccounts/account%d", i), Kind: "storage"},
				Binding:   rotator.BindingFollows, Before: strings.Repeat("0", 32), Version: strings.Repeat("1", 32),
				Last: &rotator.Observation{At: start(), Uses: []rotator.Use{{Version: strings.Repeat("1", 32)}}, Facts: map[string]string{"state": "on"}},
			},
		})
	}
	if n > 0 {
		o.Trackers = map[rotator.TrackerState]int{rotator.TrackerPropagating: n}
	}
	c.Operations = []rotator.Operation{o}
	return c
}

func mustCommit(tb testing.TB, s *Store, c *rotator.Change) {
	tb.Helper()
	if err := rotator.Commit(tb.Context(), s, c); err != nil {
		tb.Fatal(err)
	}
}

// wantError checks class, text and hint of an error for a person: one line that
// names the file, and a next step.
func wantError(tb testing.TB, err error, code rotator.Code, text, hint string) {
	tb.Helper()
	var e *rotator.Error
	if !errors.As(err, &e) || e.Code != code {
		tb.Fatalf("error %v is %s, want %s", err, rotator.CodeOf(err), code)
	}
	if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
		tb.Errorf("error %q, want one line with %q", err, text)
	}
	if !strings.Contains(e.Hint, hint) || e.Hint == "" {
		tb.Errorf("hint %q, want one with %q", e.Hint, hint)
	}
}

func TestOpen_RefusesASecondTime(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	_, err := Open(s.Path(), Options{Timeout: time.Millisecond})
	wantError(t, err, rotator.CodeConflict, s.Path()+" is in use by another cmkd", "in this process")
	_, err = VerifyFile(t.Context(), s.Path(), Options{Timeout: time.Millisecond})
	wantError(t, err, rotator.CodeConflict, "in use", "stop")
	mustCommit(t, s, operationWith(1, 1))
}

func TestOpen_WaitsForTheLock(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	opened := make(chan error)
	go func() {
		second, err := Open(s.Path(), Options{Timeout: time.Minute})
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	checkAndClose(t, s)
	if err := <-opened; err != nil {
		t.Errorf("open after the first was closed: %v", err)
	}
}

func TestOpen_MissingDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "none")
	_, err := Open(filepath.Join(dir, "cmkd.db"), Options{})
	wantError(t, err, rotator.CodeNotFound, "directory "+dir, "install -d")
}

func TestOpen_Directory(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.TempDir(), Options{}); err == nil {
		t.Error("a directory was opened as a store")
	}
}

func TestOpen_Modes(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if mode := modeOf(t, s.Path()); mode != 0o600 {
		t.Errorf("new store has mode %04o", mode)
	}
	checkAndClose(t, s)
	if err := os.Chmod(s.Path(), 0o644); err != nil {
		t.Fatal(err)
	}
	var notices []string
	again, err := Open(s.Path(), Options{Notice: func(m string) { notices = append(notices, m) }})
	if err != nil {
		t.Fatal(err)
	}
	defer checkAndClose(t, again)
	if mode := modeOf(t, s.Path()); mode != 0o600 {
		t.Errorf("opened store has mode %04o", mode)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "mode 0644") {
		t.Errorf("notices %q, want one of mode 0644", notices)
	}
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestOpen_NoPermission(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	checkAndClose(t, s)
	if err := os.Chmod(s.Path(), 0); err != nil {
		t.Fatal(err)
	}
	err := asNobody(func() error {
		_, err := Open(s.Path(), Options{})
		return err
	})
	wantError(t, err, rotator.CodeForbidden, s.Path(), "chown")
}

// asNobody runs f as somebody who is not root: root may read everything. Only the thread
// that f runs on is another user, and it ends with f.
func asNobody(f func() error) error {
	if os.Getuid() != 0 {
		return f()
	}
	const nobody = 65534
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is thrown away
		if _, err := unix.SetfsuidRetUid(nobody); err != nil {
			failed <- err
			return
		}
		failed <- f()
	}()
	return <-failed
}

func TestExplain_Permission(t *testing.T) {
	t.Parallel()
	err := explain("/s", &os.PathError{Op: "open", Path: "/s", Err: os.ErrPermission})
	wantError(t, err, rotator.CodeForbidden, "store /s: open: permission denied", "chown")
}

func TestOpen_LeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	entries, err := os.ReadDir(filepath.Dir(s.Path()))
	if err != nil || len(entries) != 1 {
		t.Errorf("directory of a new store holds %v, %v", entries, err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	checkAndClose(t, s)
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := rotator.Commit(t.Context(), s, operationWith(1, 0)); rotator.CodeOf(err) != rotator.CodeUnavailable {
		t.Errorf("commit: %v", err)
	}
	if _, err := s.Keys(t.Context()); rotator.CodeOf(err) != rotator.CodeUnavailable {
		t.Errorf("keys: %v", err)
	}
	if got := s.Stats(); got.Size != 0 {
		t.Errorf("stats: %+v", got)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for i := range rotator.OperationID(5) {
		mustCommit(t, s, operationWith(i+1, 3))
	}
	got := s.Stats()
	if got.Commits != 5 || got.Changes != 5 || got.Fsyncs != 10 || got.Written == 0 || got.Size == 0 || got.Used > got.Size {
		t.Errorf("stats %+v", got)
	}
}

// TestCommit_Group holds the writer while callers queue up: they share one
// transaction, the one that conflicts fails alone.
func TestCommit_Group(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 0))
	s.queue.writer <- struct{}{}
	const callers = 20
	errs := make(chan error, callers)
	for i := range rotator.OperationID(callers) {
		go func() { errs <- rotator.Commit(t.Context(), s, operationWith(i+1, 1)) }()
	}
	waitQueued(s, callers)
	<-s.queue.writer
	var conflicts int
	for range callers {
		switch err := <-errs; {
		case errors.Is(err, rotator.ErrConflict):
			conflicts++
		case err != nil:
			t.Errorf("commit: %v", err)
		}
	}
	if got := s.Stats(); got.Commits != 2 || got.Changes != callers || conflicts != 1 {
		t.Errorf("stats %+v, %d conflicts", got, conflicts)
	}
}

// waitQueued waits until n callers queue.
func waitQueued(s *Store, n int) {
	for queued := 0; queued < n; runtime.Gosched() {
		s.queue.mu.Lock()
		queued = len(s.queue.waiting)
		s.queue.mu.Unlock()
	}
}

// TestCommit_Chained queues revisions of one operation: each follows the one
// before it in the same transaction.
func TestCommit_Chained(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	first := operationWith(1, 1)
	second := &rotator.Change{Operations: slices.Clone(first.Operations), Trackers: slices.Clone(first.Trackers)}
	second.Operations[0].Revision, second.Trackers[0].Detail = 2, nil
	batch := make([]*request, 0, 2)
	for _, c := range []*rotator.Change{first, second} {
		p, err := prepare(c)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, &request{change: p, done: make(chan struct{})})
	}
	s.write(batch)
	if batch[0].err != nil || batch[1].err != nil {
		t.Errorf("errors %v, %v", batch[0].err, batch[1].err)
	}
}

// TestCommit_Withdrawn cancels a caller that still queues.
func TestCommit_Withdrawn(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.queue.writer <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	go func() { errs <- rotator.Commit(ctx, s, operationWith(1, 1)) }()
	waitQueued(s, 1)
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	<-s.queue.writer
	mustCommit(t, s, operationWith(1, 1))
}
