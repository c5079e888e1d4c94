package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"cmkd/rotator"
)

func commitChecks() []check {
	return []check{
		{"returns everything as it was given", commitRoundTrip},
		{"accepts an empty change", commitEmpty},
		{"refuses a revision that does not follow", commitConflict},
		{"refuses a first revision other than 1", commitFirstRevision},
		{"takes several revisions in one change", commitSeveralRevisions},
		{"stores nothing of a change that conflicts", commitAtomic},
		{"stores nothing of a change that it cannot encode", commitUnencodable},
		{"keeps no reference to what it is given", commitNoAliasIn},
		{"hands out nothing shared", commitNoAliasOut},
		{"takes a large batch", commitLarge},
		{"keeps zero times and times before 1970", commitTimes},
		{"stores what was staged in the order of the commits", commitStaged},
		{"stores nothing of what was staged if it is done by then", commitStagedLate},
		{"gives an instance", commitInstance},
		{"knows how much room there is", commitSpace},
	}
}

func commitRoundTrip(t *testing.T, s rotator.Store) {
	c := change(1, "payments", 0, 1, 2)
	commit(t, s, c)
	same(t, "keys", keys(t, s), c.Keys)
	same(t, "operations", operations(t, s, rotator.OperationFilter{}), c.Operations)
	same(t, "trackers", trackers(t, s, 1), c.Trackers)
	same(t, "events", events(t, s, rotator.EventFilter{}), c.Events)
}

func commitEmpty(t *testing.T, s rotator.Store) {
	before := read(t, s)
	commit(t, s, &rotator.Change{})
	same(t, "store", read(t, s), before)
}

func commitConflict(t *testing.T, s rotator.Store) {
	first := operation(1, "payments")
	commit(t, s, &rotator.Change{Operations: []rotator.Operation{first}})
	commit(t, s, &rotator.Change{Operations: []rotator.Operation{next(first, false)}})
	for _, revision := range []uint64{0, 1, 2, 4, 1 << 40} {
		o := first
		o.Revision = revision
		err := rotator.Commit(t.Context(), s, &rotator.Change{Operations: []rotator.Operation{o}})
		if !errors.Is(err, rotator.ErrConflict) || rotator.CodeOf(err) != rotator.CodeConflict {
			t.Errorf("revision %d over 2: %v (%s), want ErrConflict of CodeConflict", revision, err, rotator.CodeOf(err))
		}
	}
}

func commitFirstRevision(t *testing.T, s rotator.Store) {
	for _, revision := range []uint64{0, 2} {
		o := operation(1, "payments")
		o.Revision = revision
		if err := rotator.Commit(t.Context(), s, &rotator.Change{Operations: []rotator.Operation{o}}); !errors.Is(err, rotator.ErrConflict) {
			t.Errorf("first revision %d: %v, want ErrConflict", revision, err)
		}
	}
	same(t, "operations", operations(t, s, rotator.OperationFilter{}), []rotator.Operation(nil))
}

func commitSeveralRevisions(t *testing.T, s rotator.Store) {
	first := operation(1, "payments")
	second := next(first, true)
	commit(t, s, &rotator.Change{Operations: []rotator.Operation{first, second}})
	same(t, "operations", operations(t, s, rotator.OperationFilter{}), []rotator.Operation{second})
	same(t, "live operations", operations(t, s, rotator.OperationFilter{Live: true}), []rotator.Operation(nil))
}

func commitAtomic(t *testing.T, s rotator.Store) {
	commit(t, s, change(1, "payments", 0, 1))
	before := read(t, s)
	bad := change(2, "orders", 0, 1)
	bad.Trackers = append(bad.Trackers, tracker(1, 0))
	bad.Operations = append(bad.Operations, operation(1, "payments")) // revision 1 again
	given := bad.Events[0]
	if err := rotator.Commit(t.Context(), s, bad); !errors.Is(err, rotator.ErrConflict) {
		t.Fatalf("commit: %v, want ErrConflict", err)
	}
	same(t, "store", read(t, s), before)
	same(t, "the event given", bad.Events[0], given)
}

func commitUnencodable(t *testing.T, s rotator.Store) {
	commit(t, s, change(1, "payments", 0))
	before := read(t, s)
	for name, spoil := range map[string]func(c *rotator.Change){
		"a key without name":        func(c *rotator.Change) { c.Keys[0].Name = "" },
		"an operation without id":   func(c *rotator.Change) { c.Operations[0].ID = 0 },
		"an unknown tracker state":  func(c *rotator.Change) { c.Trackers[0].State = "dancing" },
		"an unknown evidence":       func(c *rotator.Change) { c.Trackers[0].Evidence = "hearsay" },
		"a new tracker, no detail":  func(c *rotator.Change) { c.Trackers[0].Detail = nil },
		"a tracker of no operation": func(c *rotator.Change) { c.Trackers[0].Operation = 99 },
		"a time in the year 9999":   func(c *rotator.Change) { c.Operations[0].Due = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		c := change(2, "orders", 0)
		spoil(c)
		if err := rotator.Commit(t.Context(), s, c); rotator.CodeOf(err) != rotator.CodeInvalid {
			t.Errorf("%s: %v (%s), want CodeInvalid", name, err, rotator.CodeOf(err))
		}
		same(t, "store after "+name, read(t, s), before)
	}
}

func commitNoAliasIn(t *testing.T, s rotator.Store) {
	c := change(1, "payments", 0)
	commit(t, s, c)
	before := read(t, s)
	scribble(c.Keys, c.Operations, c.Trackers, c.Events)
	same(t, "store", read(t, s), before)
}

func commitNoAliasOut(t *testing.T, s rotator.Store) {
	commit(t, s, change(1, "payments", 0))
	before, after := read(t, s), read(t, s)
	scribble(after.Keys, after.Operations, after.Trackers[1], after.Events)
	same(t, "store", read(t, s), before)
}

// scribble changes whatever could be shared.
func scribble(ks []rotator.KeyState, os []rotator.Operation, ts []rotator.Tracker, es []rotator.Event) {
	ks[0].Unretired[0], ks[0].Problem.Code = "x", "x"
	os[0].Base[0], os[0].Approvals[0].Actor, os[0].Problem.Code = "x", "x", "x"
	os[0].Trackers[rotator.TrackerDone] = 77
	ts[0].Detail.Dependent.Settings["container"] = "x"
	ts[0].Detail.Last.Facts["k"], ts[0].Detail.Last.BlindSpots[0].Why, ts[0].Detail.Via[0] = "x", "x", "x"
	ts[0].Detail.Last.Uses[0].Version, ts[0].Detail.Last.Uses[0].Held[0].Version = "x", "x"
	maps.Copy(es[0].Data, map[string]string{"from": "x", "new": "x"})
}

func commitLarge(t *testing.T, s rotator.Store) {
	const n = 5000
	c := change(1, "payments")
	for i := range uint32(n) {
		c.Trackers = append(c.Trackers, tracker(1, i))
		c.Events = append(c.Events, event(fmt.Sprintf("looked at %d", i)))
	}
	c.Operations[0].Trackers = count(c.Trackers)
	commit(t, s, c)
	same(t, "trackers", trackers(t, s, 1), c.Trackers)
	same(t, "events", events(t, s, rotator.EventFilter{}), c.Events)
}

func commitTimes(t *testing.T, s rotator.Store) {
	early := time.Date(1969, 7, 20, 20, 17, 40, 999999999, time.UTC)
	c := change(1, "payments", 0, 1)
	c.Keys[0].NextRotation, c.Keys[0].LastFired = early, time.Time{}
	c.Operations[0].Due, c.Operations[0].Settled = time.Time{}, early
	c.Trackers[0].Due, c.Trackers[0].Since, c.Trackers[0].Seen = time.Time{}, time.Time{}, time.Time{}
	c.Trackers[1].Due, c.Trackers[1].Since = early, time.Unix(0, 0).UTC()
	c.Events[0].At = time.Time{}
	commit(t, s, c)
	same(t, "keys", keys(t, s), c.Keys)
	same(t, "trackers", trackers(t, s, 1), c.Trackers)
	same(t, "operations", operations(t, s, rotator.OperationFilter{}), c.Operations)
	same(t, "events", events(t, s, rotator.EventFilter{}), c.Events)
	same(t, "due", due(t, s, 0, 0), []rotator.DueItem{{At: early, Key: string(keyID("payments"))}})
}

func commitInstance(t *testing.T, s rotator.Store) {
	if s.Instance() == "" {
		t.Error("instance is empty")
	}
}

// wantUnstageable checks that a change is refused before its commit.
func wantUnstageable(t *testing.T, s rotator.Store, what string, c *rotator.Change) {
	t.Helper()
	if _, err := s.Stage(c); rotator.CodeOf(err) != rotator.CodeInvalid {
		t.Errorf("%s: %v, want CodeInvalid", what, err)
	}
}

func commitStaged(t *testing.T, s rotator.Store) {
	before := read(t, s)
	second := must[func(context.Context) error](t)(s.Stage(change(2, "orders", 0)))
	first := must[func(context.Context) error](t)(s.Stage(change(1, "payments", 0)))
	same(t, "store while nothing is committed", read(t, s), before)
	for i, staged := range []func(context.Context) error{first, second} {
		if err := staged(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := operations(t, s, rotator.OperationFilter{}); len(got) != i+1 {
			t.Errorf("%d operations after %d commits", len(got), i+1)
		}
	}
	wantUnstageable(t, s, "a key without name", &rotator.Change{Keys: []rotator.KeyState{{}}})
}

func commitStagedLate(t *testing.T, s rotator.Store) {
	before := read(t, s)
	c := change(1, "payments", 0)
	given := c.Events[0]
	if err := must[func(context.Context) error](t)(s.Stage(c))(cancelled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v, want context.Canceled", err)
	}
	same(t, "store", read(t, s), before)
	same(t, "the event given", c.Events[0], given)
}

func commitSpace(t *testing.T, s rotator.Store) {
	commit(t, s, change(1, "payments", 0))
	if got := must[rotator.Space](t)(s.Space()); got.Total == 0 || got.Free > got.Total || got.Used > got.Total {
		t.Errorf("space %+v", got)
	}
}
