package memory_test

import (
	"sync"
	"testing"

	"cmkd/rotator"
	"cmkd/store/memory"
	"cmkd/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	var kept sync.Map // by directory
	storetest.ExerciseBackend(t, storetest.Backend{
		Open: func(tb testing.TB, dir string) rotator.Store {
			tb.Helper()
			s := memory.New(memory.Options{})
			if old, ok := kept.Load(dir); ok {
				s = old.(*memory.Store).Reopen()
			}
			kept.Store(dir, s)
			return s
		},
		Crash: func(tb testing.TB, s rotator.Store, dir string) (rotator.Store, string) {
			tb.Helper()
			survivor := s.(*memory.Store).Reopen()
			kept.Store(dir, survivor)
			return survivor, dir
		},
	})
}

func TestStore_Closed(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_, err := s.Keys(t.Context())
	_, spaceErr := s.Space()
	commitErr := rotator.Commit(t.Context(), s, &rotator.Change{Events: []rotator.Event{{Message: "late"}}})
	for what, err := range map[string]error{"keys": err, "space": spaceErr, "commit": commitErr} {
		if rotator.CodeOf(err) != rotator.CodeUnavailable {
			t.Errorf("%s of a closed store: %v, want CodeUnavailable", what, err)
		}
	}
}

// TestStore_Reopen: what was staged before a crash is not stored after it.
func TestStore_Reopen(t *testing.T) {
	t.Parallel()
	before := memory.New(memory.Options{Instance: "0123456789abcdef"})
	commit, err := before.Stage(&rotator.Change{Events: []rotator.Event{{Message: "late"}}})
	if err != nil {
		t.Fatal(err)
	}
	after := before.Reopen()
	if err := commit(t.Context()); rotator.CodeOf(err) != rotator.CodeUnavailable {
		t.Errorf("commit into the store before: %v, want CodeUnavailable", err)
	}
	if events, err := after.Events(t.Context(), rotator.EventFilter{}); err != nil || len(events) != 0 {
		t.Errorf("%d events, %v, want none", len(events), err)
	}
	if got := after.Instance(); got != "0123456789abcdef" {
		t.Errorf("instance %s", got)
	}
}

func TestStore_Space(t *testing.T) {
	t.Parallel()
	if got, err := memory.New(memory.Options{}).Space(); err != nil || got.Free == 0 || got.Free > got.Total {
		t.Errorf("space %+v, %v, want plenty", got, err)
	}
	want := rotator.Space{Used: 1, Free: 2, Total: 3}
	told := memory.New(memory.Options{Space: func() (rotator.Space, error) { return want, nil }})
	if got, err := told.Space(); err != nil || got != want {
		t.Errorf("space %+v, %v, want %+v", got, err, want)
	}
}
