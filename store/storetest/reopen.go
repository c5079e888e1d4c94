package storetest

import (
	"context"
	"testing"

	"cmkd/rotator"
)

type reopenCheck struct {
	claim string
	run   func(t *testing.T, b Backend)
}

func reopenChecks() []reopenCheck {
	return []reopenCheck{
		{"keeps everything", reopenKeeps},
		{"keeps the book as it was left", reopenBook},
		{"continues revisions and the log", reopenContinues},
		{"gives each store its own instance", reopenInstances},
		{"hands out no id again, also after a crash", reopenIDs},
		{"leaves out no id after a clean end", reopenNoGaps},
		{"is refused to whoever has the closed one", reopenClosed},
	}
}

func reopenKeeps(t *testing.T, b Backend) {
	dir := t.TempDir()
	s := b.Open(t, dir)
	commit(t, s, change(1, "a", 0, 1, 2))
	commit(t, s, change(2, "b", 0))
	before := read(t, s)
	b.close(t, s)
	s = b.Open(t, dir)
	defer b.close(t, s)
	same(t, "store", read(t, s), before)
}

func reopenBook(t *testing.T, b Backend) {
	dir := t.TempDir()
	s := b.Open(t, dir)
	kept := pages("kept")
	commit(t, s, pages("kept"))
	commit(t, s, pages("forgotten"))
	kept.Alerts[0].Summary, kept.Silences[0].Reason, kept.Timings[0].Histogram = "replaced", "replaced", []byte{8}
	kept.Forget = rotator.Forget{
		Alerts: []string{"forgotten"}, Silences: []string{"forgotten"}, Attestations: []string{"forgotten"}, Freezes: []string{"forgotten"},
	}
	commit(t, s, kept)
	b.close(t, s)
	s = b.Open(t, dir)
	defer b.close(t, s)
	same(t, "book", book(t, s), rotator.Book{
		Alerts: kept.Alerts, Silences: kept.Silences,
		Timings:      []rotator.Timing{timing("forgotten", "westeurope", rotator.KindRotation), kept.Timings[0]},
		Attestations: kept.Attestations, Freezes: kept.Freezes,
	})
}

func reopenContinues(t *testing.T, b Backend) {
	dir := t.TempDir()
	s := b.Open(t, dir)
	o := operation(1, "a")
	for range 3 {
		commit(t, s, &rotator.Change{Operations: []rotator.Operation{o}, Events: []rotator.Event{event("x")}})
		o = next(o, false)
		b.close(t, s)
		s = b.Open(t, dir)
	}
	defer b.close(t, s)
	chained(t, s.Instance(), events(t, s, rotator.EventFilter{}))
	if n := len(events(t, s, rotator.EventFilter{})); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func reopenInstances(t *testing.T, b Backend) {
	first, second := b.Open(t, t.TempDir()), b.Open(t, t.TempDir())
	defer b.close(t, first)
	defer b.close(t, second)
	if first.Instance() == second.Instance() {
		t.Errorf("two stores share the instance %s", first.Instance())
	}
}

func reopenClosed(t *testing.T, b Backend) {
	s := b.Open(t, t.TempDir())
	staged := must[func(context.Context) error](t)(s.Stage(change(1, "a", 0)))
	b.close(t, s)
	_, keysErr := s.Keys(t.Context())
	_, spaceErr := s.Space()
	_, idsErr := s.NextIDs(t.Context(), rotator.SequenceOperations, 1)
	for what, err := range map[string]error{"commit": staged(t.Context()), "keys": keysErr, "space": spaceErr, "ids": idsErr} {
		if rotator.CodeOf(err) != rotator.CodeUnavailable {
			t.Errorf("%s: %v, want CodeUnavailable", what, err)
		}
	}
}
