package bolt

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"cmkd/rotator"
)

// TestBackup takes backups while others commit; each is a whole store of some
// moment, with the operations up to one number and nothing of the later ones.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 200))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for id := rotator.OperationID(2); ; id++ {
			select {
			case <-done:
				return
			default:
			}
			if err := rotator.Commit(t.Context(), s, operationWith(id, 20)); err != nil {
				t.Errorf("commit: %v", err)
				return
			}
		}
	})
	for _, name := range []string{"a", "b", "c"} {
		path := filepath.Join(t.TempDir(), name)
		size, err := s.Backup(t.Context(), path)
		if err != nil {
			t.Errorf("backup: %v", err)
			break
		}
		checkBackup(t, s, path, size)
	}
	close(done)
	wg.Wait()
}

func checkBackup(t *testing.T, s *Store, path string, size int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Size() != size || info.Mode().Perm() != 0o600 {
		t.Errorf("backup of %d bytes: %v, %v", size, info, err)
	}
	report, err := VerifyFile(t.Context(), path, Options{})
	if err != nil || report.Instance != s.Instance() {
		t.Errorf("verify backup: %+v, %v", report, err)
	}
	restored := mustOpen(t, path)
	defer checkAndClose(t, restored)
	ops, err := restored.Operations(t.Context(), rotator.OperationFilter{})
	if err != nil || len(ops) == 0 || int(ops[0].ID) != len(ops) || report.Events != uint64(len(ops)) {
		t.Errorf("restored %d operations, %d events, %v", len(ops), report.Events, err)
	}
}

func TestBackup_Refuses(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	dir := filepath.Dir(s.Path())
	_, err := s.Backup(t.Context(), s.Path())
	wantError(t, err, rotator.CodeConflict, s.Path()+" exists", "never replaces")
	_, err = s.Backup(t.Context(), filepath.Join(dir, "none", "b"))
	wantError(t, err, rotator.CodeNotFound, "directory", "mkdir")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Backup(ctx, filepath.Join(dir, "b")); !errors.Is(err, context.Canceled) {
		t.Errorf("backup: %v, want context.Canceled", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestVerifyFile_ChangesNothing checks a file that may only be read.
func TestVerifyFile_ChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 20))
	checkAndClose(t, s)
	if err := os.Chmod(s.Path(), 0o444); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyFile(t.Context(), s.Path(), Options{}); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(s.Path())
	if err != nil || !bytes.Equal(before, after) || modeOf(t, s.Path()) != 0o444 {
		t.Errorf("the file was changed, %v", err)
	}
}

func TestVerifyFile_Missing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none")
	_, err := VerifyFile(t.Context(), path, Options{})
	wantError(t, err, rotator.CodeNotFound, "store "+path+" does not exist", "--store")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("a store was made")
	}
}
