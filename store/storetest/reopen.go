package storetest

import (
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
		{"continues revisions and the log", reopenContinues},
		{"gives each store its own instance", reopenInstances},
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
