package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cmkd/rotator"
)

// childVar names what this binary does instead of testing, when a test runs it
// as a process of its own.
const childVar = "CMKD_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "":
		os.Exit(m.Run())
	case "count":
		exit(countChild(os.Args[1]))
	case "full":
		exit(fullChild(os.Args[1]))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, what, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, path)
	cmd.Env = append(os.Environ(), childVar+"="+what)
	return cmd
}

// countChild lets four callers commit revisions of an operation each, and
// prints "operation revision" after each acknowledged one, for ever.
func countChild(path string) error {
	s, err := Open(path, Options{Timeout: time.Minute})
	if err != nil {
		return err
	}
	ctx := context.Background()
	ops, err := s.Operations(ctx, rotator.OperationFilter{})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	var wg sync.WaitGroup
	errs := make([]error, len(ops))
	for i, o := range ops {
		wg.Go(func() { errs[i] = count(ctx, s, o) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func count(ctx context.Context, s *Store, o rotator.Operation) error {
	for {
		c := operationWith(o.ID, 5)
		for i := range c.Trackers {
			c.Trackers[i].Looks = int(o.Revision + 1)
		}
		o.Revision++
		o.Due = start().Add(time.Duration(o.Revision) * time.Second)
		c.Operations[0] = o
		if err := rotator.Commit(ctx, s, c); err != nil {
			return err
		}
		fmt.Println(uint64(o.ID), o.Revision)
	}
}

// TestKill kills a process with SIGKILL while it commits: nothing that it
// acknowledged is lost, nothing is there by half.
func TestKill(t *testing.T) {
	t.Parallel()
	const operations, kills = 4, 20
	s := newStore(t)
	for i := range rotator.OperationID(operations) {
		mustCommit(t, s, operationWith(i+1, 5))
	}
	checkAndClose(t, s)
	seed := uint64(os.Getpid())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	acknowledged := make(map[rotator.OperationID]uint64)
	for round := range kills {
		runAndKill(t, s.Path(), time.Duration(random.IntN(30_000))*time.Microsecond, acknowledged)
		checkSurvivor(t, s.Path(), round, acknowledged)
	}
	if len(acknowledged) != operations {
		t.Errorf("only %d operations were ever committed", len(acknowledged))
	}
}

// runAndKill kills the child some time after it began to commit and notes what
// it acknowledged.
func runAndKill(t *testing.T, path string, after time.Duration, acknowledged map[rotator.OperationID]uint64) {
	t.Helper()
	cmd := child(t, "count", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // a line cut short was not acknowledged
			break
		}
		var op rotator.OperationID
		var revision uint64
		if _, err := fmt.Sscan(line, &op, &revision); err != nil {
			t.Fatalf("child said %q: %v", line, err)
		}
		acknowledged[op] = revision
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("child ended by itself: %v", err)
	}
}

func checkSurvivor(t *testing.T, path string, round int, acknowledged map[rotator.OperationID]uint64) {
	t.Helper()
	s := mustOpen(t, path)
	defer checkAndClose(t, s)
	ops, err := s.Operations(t.Context(), rotator.OperationFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range ops {
		// One more may have been stored and not yet been acknowledged.
		if last := max(acknowledged[o.ID], 1); o.Revision < last || o.Revision > last+1 {
			t.Errorf("round %d: %s is at revision %d, %d was acknowledged", round, o.ID, o.Revision, last)
		}
		acknowledged[o.ID] = o.Revision
		ts, err := s.Trackers(t.Context(), o.ID, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range ts {
			if o.Revision > 1 && tr.Looks != int(o.Revision) {
				t.Errorf("round %d: %s is at revision %d, its tracker at %d", round, o.ID, o.Revision, tr.Looks)
			}
		}
	}
}

// TestFull_Limit runs out of room by RLIMIT_FSIZE, in a process of its own,
// within the allocated file and where the file must grow.
func TestFull_Limit(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 10))
	checkAndClose(t, s)
	out, err := child(t, "full", s.Path()).CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	checkAndClose(t, mustOpen(t, s.Path()))
}

func fullChild(path string) error {
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	if err := fillUp(s, uint64(s.Stats().Size), "resize"); err != nil {
		return fmt.Errorf("where the file must grow: %w", err)
	}
	if err := fillUp(s, uint64(s.Stats().Used+64<<10), "write"); err != nil {
		return fmt.Errorf("within the file: %w", err)
	}
	return s.Close()
}

// fillUp commits under a limit of the file's size until that fails, and checks
// that it fails where it should, that nothing of the failed change is stored and that it can be stored when
// there is room again.
func fillUp(s *Store, limit uint64, where string) error {
	if err := setLimit(limit); err != nil {
		return err
	}
	failed, err := commitUntilFull(s, where)
	if err != nil {
		return err
	}
	if err := setLimit(unix.RLIM_INFINITY); err != nil {
		return err
	}
	ctx := context.Background()
	if err := errors.Join(wantAbsent(s, failed), s.Check(ctx)); err != nil {
		return fmt.Errorf("after the failure: %w", err)
	}
	if err := rotator.Commit(ctx, s, failed); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	return s.Check(ctx)
}

func setLimit(n uint64) error {
	return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: unix.RLIM_INFINITY})
}

// commitUntilFull returns the change that did not fit. It fails if the error is
// not what it should be, more than once in a row.
func commitUntilFull(s *Store, where string) (*rotator.Change, error) {
	ctx := context.Background()
	ops, err := s.Operations(ctx, rotator.OperationFilter{Limit: 1})
	if err != nil {
		return nil, err
	}
	id := rotator.OperationID(1)
	if len(ops) > 0 {
		id = ops[0].ID + 1
	}
	for range 10_000 {
		c := operationWith(id, 500)
		err := rotator.Commit(ctx, s, c)
		if err == nil {
			id++
			continue
		}
		again := rotator.Commit(ctx, s, operationWith(id, 500))
		for _, err := range []error{err, again} {
			if !errors.Is(err, rotator.ErrStoreFull) || rotator.AsError(err).Hint == "" {
				return nil, fmt.Errorf("commit: %w, want ErrStoreFull with a hint", err)
			}
			if !strings.Contains(err.Error(), where) {
				return nil, fmt.Errorf("commit: %w, want it to fail in %s", err, where)
			}
		}
		if c.Events[0].Seq != 0 {
			return nil, errors.New("the event of a failed change was numbered")
		}
		return c, nil
	}
	return nil, errors.New("it never got full")
}

func wantAbsent(s *Store, c *rotator.Change) error {
	ctx, id := context.Background(), c.Operations[0].ID
	ops, err := s.Operations(ctx, rotator.OperationFilter{ID: id})
	if err != nil || len(ops) != 0 {
		return fmt.Errorf("%d operations of the failed change, %w", len(ops), err)
	}
	ts, err := s.Trackers(ctx, id, 0, 0)
	if err != nil || len(ts) != 0 {
		return fmt.Errorf("%d trackers of the failed change, %w", len(ts), err)
	}
	events, err := s.Events(ctx, rotator.EventFilter{Operation: id})
	if err != nil || len(events) != 0 {
		return fmt.Errorf("%d events of the failed change, %w", len(events), err)
	}
	return nil
}

// TestFull_Disk fills a small file system, where it may mount one.
func TestFull_Disk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, filepath.Join(dir, "cmkd.db"))
	failed, err := commitUntilFull(s, "write")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Backup(t.Context(), filepath.Join(dir, "backup"))
	if !errors.Is(err, rotator.ErrStoreFull) {
		t.Errorf("backup to a full disk: %v, want ErrStoreFull", err)
	}
	if _, err := Open(filepath.Join(dir, "other.db"), Options{}); !errors.Is(err, rotator.ErrStoreFull) {
		t.Errorf("new store on a full disk: %v, want ErrStoreFull", err)
	}
	if err := errors.Join(wantAbsent(s, failed), os.Remove(ballast)); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, failed)
	checkAndClose(t, s)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestOpen_NamesTheHolder has another process hold the lock.
func TestOpen_NamesTheHolder(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 0))
	checkAndClose(t, s)
	cmd := child(t, "count", s.Path())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	_, err = Open(s.Path(), Options{Timeout: time.Millisecond})
	wantError(t, err, rotator.CodeConflict, "in use by another cmkd", "process "+strconv.Itoa(cmd.Process.Pid))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
