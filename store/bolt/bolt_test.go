package bolt

import (
	"context"
	"path/filepath"
	"testing"

	"cmkd/rotator"
	"cmkd/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.ExerciseBackend(t, storetest.Backend{
		Open: func(tb testing.TB, dir string) rotator.Store {
			tb.Helper()
			s, err := Open(filepath.Join(dir, "cmkd.db"), Options{})
			if err != nil {
				tb.Fatal(err)
			}
			return s
		},
		Close: func(tb testing.TB, s rotator.Store) { checkAndClose(tb, s.(*Store)) },
	})
}

// checkAndClose ends a test's store: every test leaves a consistent one.
func checkAndClose(tb testing.TB, s *Store) {
	tb.Helper()
	// The test's own context is done by now.
	if err := s.Check(context.Background()); err != nil {
		tb.Errorf("check: %v", err)
	}
	if err := s.Close(); err != nil {
		tb.Errorf("close: %v", err)
	}
}
