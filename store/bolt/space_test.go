package bolt

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"cmkd/rotator"
)

func TestSpace(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 500))
	got, err := s.Space()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.Path())
	if err != nil || got.Used != uint64(info.Size()) {
		t.Errorf("used %d, want the %d bytes of the file, %v", got.Used, info.Size(), err)
	}
	if got.Free > got.Total || got.Used > got.Total {
		t.Errorf("space %+v: the file system has less than is used or free", got)
	}
	checkAndClose(t, s)
	if got, err := s.Space(); rotator.CodeOf(err) != rotator.CodeUnavailable || got != (rotator.Space{}) {
		t.Errorf("closed store: %+v, %v", got, err)
	}
}

// TestSpace_CountsWhatADaemonMayUse is in fragments, and leaves out what is kept
// for root.
func TestSpace_CountsWhatADaemonMayUse(t *testing.T) {
	t.Parallel()
	fs := &unix.Statfs_t{Bsize: 1 << 20, Frsize: 512, Blocks: 1000, Bfree: 300, Bavail: 200}
	want := rotator.Space{Used: 7, Free: 200 * 512, Total: 1000 * 512}
	if got := spaceOf(7, fs); got != want {
		t.Errorf("space %+v, want %+v", got, want)
	}
}
