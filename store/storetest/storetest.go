package storetest

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cmkd/rotator"
)

// Backend is a kind of store that can be closed and opened again.
type Backend struct {
	// Open opens the store kept in dir, and makes it the first time. It fails
	// the test if it cannot.
	Open func(tb testing.TB, dir string) rotator.Store
	// Close closes it, so that Open may be called for dir again. Nil stands for
	// the store's own Close.
	Close func(tb testing.TB, s rotator.Store)
	// Crash returns the store that a process finds after another one, which had s
	// open in dir, was killed, and where it is. Nothing more becomes of s. Nil stands
	// for Close and Open.
	Crash func(tb testing.TB, s rotator.Store, dir string) (survivor rotator.Store, in string)
}

func (b Backend) close(tb testing.TB, s rotator.Store) {
	tb.Helper()
	if b.Close != nil {
		b.Close(tb, s)
		return
	}
	if c, ok := s.(io.Closer); ok {
		if err := c.Close(); err != nil {
			tb.Fatalf("close store: %v", err)
		}
	}
}

// check is one claim about every store.
type check struct {
	claim string
	run   func(t *testing.T, s rotator.Store)
}

// Exercise checks the contract of [rotator.Store]. Each call of open gives a
// new, empty store, which open itself disposes of when the test ends.
func Exercise(t *testing.T, open func(t *testing.T) rotator.Store) {
	t.Helper()
	for _, group := range []struct {
		name   string
		checks []check
	}{
		{"Commit", commitChecks()},
		{"Keys", keyChecks()},
		{"Operations", operationChecks()},
		{"Trackers", trackerChecks()},
		{"Events", eventChecks()},
		{"Due", dueChecks()},
		{"Book", bookChecks()},
		{"Standings", standingChecks()},
		{"IDs", idChecks()},
		{"Context", contextChecks()},
		{"Concurrency", concurrencyChecks()},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range group.checks {
				t.Run(c.claim, func(t *testing.T) {
					t.Parallel()
					c.run(t, open(t))
				})
			}
		})
	}
}

// ExerciseBackend runs [Exercise] and checks what must survive a restart.
func ExerciseBackend(t *testing.T, b Backend) {
	t.Helper()
	Exercise(t, func(t *testing.T) rotator.Store {
		s := b.Open(t, t.TempDir())
		t.Cleanup(func() { b.close(t, s) })
		return s
	})
	t.Run("Reopen", func(t *testing.T) {
		t.Parallel()
		for _, c := range reopenChecks() {
			t.Run(c.claim, func(t *testing.T) {
				t.Parallel()
				c.run(t, b)
			})
		}
	})
}

func commit(t *testing.T, s rotator.Store, c *rotator.Change) {
	t.Helper()
	if err := rotator.Commit(t.Context(), s, c); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// same compares records as a store may return them: times as moments, empty as
// absent.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// must unwraps the answer of a query.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("query: %v", err)
		}
		return v
	}
}

func keys(t *testing.T, s rotator.Store) []rotator.KeyState {
	t.Helper()
	return must[[]rotator.KeyState](t)(s.Keys(t.Context()))
}

func operations(t *testing.T, s rotator.Store, f rotator.OperationFilter) []rotator.Operation {
	t.Helper()
	return must[[]rotator.Operation](t)(s.Operations(t.Context(), f))
}

func trackers(t *testing.T, s rotator.Store, op rotator.OperationID) []rotator.Tracker {
	t.Helper()
	all := must[[]rotator.Tracker](t)(s.Trackers(t.Context(), op, 0, 0))
	small := slices.Clone(all)
	for i := range small {
		small[i].Detail = nil
	}
	same(t, "progress", must[[]rotator.Tracker](t)(s.Progress(t.Context(), op)), small)
	return all
}

func events(t *testing.T, s rotator.Store, f rotator.EventFilter) []rotator.Event {
	t.Helper()
	return must[[]rotator.Event](t)(s.Events(t.Context(), f))
}

func due(t *testing.T, s rotator.Store, hours float64, limit int) []rotator.DueItem {
	t.Helper()
	return must[[]rotator.DueItem](t)(s.Due(t.Context(), at(hours), limit))
}

func book(t *testing.T, s rotator.Store) rotator.Book {
	t.Helper()
	return must[rotator.Book](t)(s.Book(t.Context()))
}

// everything is all that a store can be asked for.
type everything struct {
	Instance   string
	Keys       []rotator.KeyState
	Operations []rotator.Operation
	Trackers   map[rotator.OperationID][]rotator.Tracker
	Events     []rotator.Event
	Due        []rotator.DueItem
	Book       rotator.Book
	Standings  []rotator.Standing // of the keys that there are
}

func read(t *testing.T, s rotator.Store) everything {
	t.Helper()
	e := everything{
		Instance: s.Instance(), Keys: keys(t, s), Operations: operations(t, s, rotator.OperationFilter{}),
		Trackers: make(map[rotator.OperationID][]rotator.Tracker), Events: events(t, s, rotator.EventFilter{}),
		Due: due(t, s, 1e6, 0), Book: book(t, s),
	}
	for _, k := range e.Keys {
		e.Standings = append(e.Standings, must[[]rotator.Standing](t)(s.Standings(t.Context(), k.ID))...)
	}
	for _, o := range e.Operations {
		e.Trackers[o.ID] = trackers(t, s, o.ID)
	}
	return e
}

func cancelled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
