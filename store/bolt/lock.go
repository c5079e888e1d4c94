package bolt

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cmkd/rotator"
)

// lockPoll is how often a busy lock is tried again.
const lockPoll = 20 * time.Millisecond

// openLocked opens the file at path and locks it, for everyone or only against
// writers. bbolt would lock it too late: the file has to be checked before
// bbolt maps it, and while nobody else writes.
func openLocked(path string, readOnly bool, timeout time.Duration) (*os.File, error) {
	flag, how := os.O_RDWR, unix.LOCK_EX
	if readOnly {
		flag, how = os.O_RDONLY, unix.LOCK_SH
	}
	deadline := time.NewTimer(timeout) //nolint:forbidigo // waits for another process, which lives by the real clock
	defer deadline.Stop()
	for {
		f, err := os.OpenFile(path, flag, 0)
		if err != nil {
			return nil, err
		}
		if err := lock(f, how, deadline.C); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		// Whoever held the lock may have put another file in place meanwhile.
		if same(f, path) {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

func lock(f *os.File, how int, deadline <-chan time.Time) error {
	poll := time.NewTicker(lockPoll) //nolint:forbidigo // as above
	defer poll.Stop()
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock: %w", err)
		}
		select {
		case <-deadline:
			return inUse(f)
		case <-poll.C:
		}
	}
}

func same(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func inUse(f *os.File) error {
	e := rotator.Errorf(rotator.CodeConflict, "store %s is in use by another cmkd", f.Name()).
		WithHint("stop the other cmkd first, or give this one a store of its own")
	if pid := lockHolder(f); pid != 0 {
		_ = e.WithHint("stop %s first, or give this one a store of its own", processName(pid))
	}
	return e
}

// lockHolder returns the process that holds the lock on f, zero if that cannot
// be told.
func lockHolder(f *os.File) int {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	dev := uint64(stat.Dev) //nolint:unconvert // other architectures have a narrower one
	id := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), stat.Ino)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 1234 fe:00:131 0 EOF
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != id {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

func processName(pid int) string {
	if pid == os.Getpid() {
		return "the other user of it in this process"
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(comm)))
}
