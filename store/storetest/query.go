package storetest

import (
	"fmt"
	"testing"
	"time"

	"cmkd/rotator"
)

func keyChecks() []check {
	return []check{
		{"are one whatever the case of their identifier", func(t *testing.T, s rotator.Store) {
			k := key("a")
			commit(t, s, &rotator.Change{Keys: []rotator.KeyState{k}})
			k.ID, k.Name = keyID("A"), "renamed"
			commit(t, s, &rotator.Change{Keys: []rotator.KeyState{k}})
			same(t, "keys", keys(t, s), []rotator.KeyState{k})
		}},
		{"come by identifier", func(t *testing.T, s rotator.Store) {
			for _, name := range []string{"b", "a", "C", "a-1"} {
				commit(t, s, &rotator.Change{Keys: []rotator.KeyState{key(name)}})
			}
			same(t, "keys", keys(t, s), []rotator.KeyState{key("a"), key("a-1"), key("b"), key("C")})
		}},
		{"are replaced", func(t *testing.T, s rotator.Store) {
			k := key("a")
			commit(t, s, &rotator.Change{Keys: []rotator.KeyState{k}})
			k.NextRotation, k.Problem = at(5), nil
			commit(t, s, &rotator.Change{Keys: []rotator.KeyState{k}})
			same(t, "keys", keys(t, s), []rotator.KeyState{k})
		}},
	}
}

func operationChecks() []check {
	return []check{
		{"are filtered and paged", operationsFiltered},
		{"leave the live ones when they end", operationsEnd},
	}
}

// operationsFiltered stores ten operations: odd ones of key a, even ones of ab,
// of which each third is final.
func operationsFiltered(t *testing.T, s rotator.Store) {
	c := &rotator.Change{}
	for id := rotator.OperationID(1); id <= 10; id++ {
		o := operation(id, []string{"ab", "a"}[id%2])
		if id%3 == 0 {
			o.State = rotator.StateCancelled
		}
		c.Operations = append(c.Operations, o)
	}
	commit(t, s, c)
	for name, test := range map[string]struct {
		filter rotator.OperationFilter
		want   []rotator.OperationID
	}{
		"all":                   {rotator.OperationFilter{}, []rotator.OperationID{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}},
		"limit":                 {rotator.OperationFilter{Limit: 2}, []rotator.OperationID{10, 9}},
		"before":                {rotator.OperationFilter{Before: 3}, []rotator.OperationID{2, 1}},
		"before all":            {rotator.OperationFilter{Before: 1}, nil},
		"before one not there":  {rotator.OperationFilter{Before: 99, Limit: 1}, []rotator.OperationID{10}},
		"id":                    {rotator.OperationFilter{ID: 4}, []rotator.OperationID{4}},
		"unknown id":            {rotator.OperationFilter{ID: 44}, nil},
		"id of another key":     {rotator.OperationFilter{ID: 4, KeyID: keyID("a")}, nil},
		"final id":              {rotator.OperationFilter{ID: 3, Live: true}, nil},
		"key":                   {rotator.OperationFilter{KeyID: keyID("a")}, []rotator.OperationID{9, 7, 5, 3, 1}},
		"key with prefix":       {rotator.OperationFilter{KeyID: keyID("ab")}, []rotator.OperationID{10, 8, 6, 4, 2}},
		"unknown key":           {rotator.OperationFilter{KeyID: keyID("abc")}, nil},
		"key, page":             {rotator.OperationFilter{KeyID: keyID("a"), Before: 7, Limit: 2}, []rotator.OperationID{5, 3}},
		"live":                  {rotator.OperationFilter{Live: true}, []rotator.OperationID{10, 8, 7, 5, 4, 2, 1}},
		"live, page":            {rotator.OperationFilter{Live: true, Before: 8, Limit: 2}, []rotator.OperationID{7, 5}},
		"live of a key":         {rotator.OperationFilter{Live: true, KeyID: keyID("ab")}, []rotator.OperationID{10, 8, 4, 2}},
		"live of a key, paging": {rotator.OperationFilter{Live: true, KeyID: keyID("ab"), Before: 10, Limit: 2}, []rotator.OperationID{8, 4}},
	} {
		var got []rotator.OperationID
		for _, o := range operations(t, s, test.filter) {
			got = append(got, o.ID)
		}
		same(t, name, got, test.want)
	}
}

func operationsEnd(t *testing.T, s rotator.Store) {
	o := operation(1, "a")
	commit(t, s, &rotator.Change{Operations: []rotator.Operation{o}})
	same(t, "live", operations(t, s, rotator.OperationFilter{Live: true}), []rotator.Operation{o})
	o = next(o, true)
	commit(t, s, &rotator.Change{Operations: []rotator.Operation{o}})
	same(t, "live", operations(t, s, rotator.OperationFilter{Live: true}), []rotator.Operation(nil))
	same(t, "of the key", operations(t, s, rotator.OperationFilter{KeyID: keyID("a")}), []rotator.Operation{o})
	same(t, "due", due(t, s, 1e6, 0), []rotator.DueItem(nil))
}

func trackerChecks() []check {
	return []check{
		{"keep the detail that a change leaves out", trackersKeepDetail},
		{"replace the detail that a change brings", trackersReplaceDetail},
		{"may come without detail in the change that brings it", trackersDetailInSameChange},
		{"come by number, paged, of one operation only", trackersPaged},
		{"keep every state and evidence", trackersStates},
	}
}

func trackersKeepDetail(t *testing.T, s rotator.Store) {
	commit(t, s, change(1, "a", 0, 1))
	hot := rotator.Tracker{Operation: 1, Number: 1, State: rotator.TrackerDone, Evidence: rotator.EvidenceConfirmed, Looks: 9, Seen: at(7)}
	o := next(operation(1, "a"), false)
	o.Trackers = map[rotator.TrackerState]int{rotator.TrackerDone: 1, rotator.TrackerPropagating: 1}
	commit(t, s, &rotator.Change{Operations: []rotator.Operation{o}, Trackers: []rotator.Tracker{hot}})
	hot.Detail = detail(1)
	same(t, "trackers", trackers(t, s, 1), []rotator.Tracker{tracker(1, 0), hot})
}

func trackersReplaceDetail(t *testing.T, s rotator.Store) {
	commit(t, s, change(1, "a", 0, 1))
	changed := tracker(1, 0)
	changed.Detail.Version, changed.Detail.Last = "v2", nil
	commit(t, s, &rotator.Change{Trackers: []rotator.Tracker{changed}})
	same(t, "trackers", trackers(t, s, 1), []rotator.Tracker{changed, tracker(1, 1)})
}

func trackersDetailInSameChange(t *testing.T, s rotator.Store) {
	c := change(1, "a", 0)
	later := tracker(1, 0)
	later.Detail, later.Looks = nil, 50
	c.Trackers = append(c.Trackers, later)
	c.Operations[0].Trackers = nil
	commit(t, s, c)
	later.Detail = detail(0)
	same(t, "trackers", trackers(t, s, 1), []rotator.Tracker{later})
}

func trackersPaged(t *testing.T, s rotator.Store) {
	for id := rotator.OperationID(1); id <= 3; id++ {
		// Out of order, and past one byte.
		commit(t, s, change(id, "a", 300, 0, 2, 1))
	}
	for name, test := range map[string]struct {
		from  uint32
		limit int
		want  []uint32
	}{
		"all":            {0, 0, []uint32{0, 1, 2, 300}},
		"from":           {1, 0, []uint32{1, 2, 300}},
		"from a gap":     {3, 0, []uint32{300}},
		"from past all":  {301, 0, nil},
		"limit":          {0, 3, []uint32{0, 1, 2}},
		"from and limit": {1, 1, []uint32{1}},
	} {
		var want []rotator.Tracker
		for _, n := range test.want {
			want = append(want, tracker(2, n))
		}
		same(t, name, must[[]rotator.Tracker](t)(s.Trackers(t.Context(), 2, test.from, test.limit)), want)
	}
	same(t, "of no operation", trackers(t, s, 9), []rotator.Tracker(nil))
}

func trackersStates(t *testing.T, s rotator.Store) {
	c := change(1, "a")
	for i, state := range rotator.TrackerStates() {
		for j, evidence := range []rotator.Evidence{
			rotator.EvidenceNone, rotator.EvidenceInferred, rotator.EvidenceObserved, rotator.EvidenceConfirmed,
		} {
			tr := tracker(1, uint32(4*i+j))
			tr.State, tr.Evidence = state, evidence
			c.Trackers = append(c.Trackers, tr)
		}
	}
	c.Operations[0].Trackers = count(c.Trackers)
	commit(t, s, c)
	same(t, "trackers", trackers(t, s, 1), c.Trackers)
}

func dueChecks() []check {
	return []check{
		{"come earliest first, ties in a fixed order", dueOrder},
		{"move with their record", dueMove},
	}
}

func dueOrder(t *testing.T, s rotator.Store) {
	c := &rotator.Change{}
	for i, hours := range []float64{3, 1, 2, 1, 0, 3} {
		k, o := key(fmt.Sprint("k", i)), operation(rotator.OperationID(i+1), "a")
		k.NextRotation, o.Due = at(hours), at(hours)
		c.Keys, c.Operations = append(c.Keys, k), append(c.Operations, o)
	}
	c.Keys[4].NextRotation, c.Operations[4].Due = time.Time{}, time.Time{}
	commit(t, s, c)
	want := []rotator.DueItem{
		{At: at(1), Key: string(keyID("k1"))}, {At: at(1), Key: string(keyID("k3"))}, {At: at(1), Operation: 2}, {At: at(1), Operation: 4},
		{At: at(2), Key: string(keyID("k2"))}, {At: at(2), Operation: 3},
		{At: at(3), Key: string(keyID("k0"))}, {At: at(3), Key: string(keyID("k5"))}, {At: at(3), Operation: 1}, {At: at(3), Operation: 6},
	}
	same(t, "all", due(t, s, 100, 0), want)
	same(t, "until a moment, which counts", due(t, s, 2, 0), want[:6])
	same(t, "limit", due(t, s, 100, 3), want[:3])
	same(t, "before all", due(t, s, 0.9, 0), []rotator.DueItem(nil))
	forever := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	same(t, "until the end of time", must[[]rotator.DueItem](t)(s.Due(t.Context(), forever, 0)), want)
}

func dueMove(t *testing.T, s rotator.Store) {
	c := change(1, "a")
	commit(t, s, c)
	k, o := c.Keys[0], next(c.Operations[0], false)
	k.NextRotation, o.Due = at(50), at(60)
	commit(t, s, &rotator.Change{Keys: []rotator.KeyState{k}, Operations: []rotator.Operation{o}})
	same(t, "moved", due(t, s, 1e6, 0), []rotator.DueItem{{At: at(50), Key: string(keyID("a"))}, {At: at(60), Operation: 1}})
	k.NextRotation, o = time.Time{}, next(o, false)
	o.Due = time.Time{}
	commit(t, s, &rotator.Change{Keys: []rotator.KeyState{k}, Operations: []rotator.Operation{o}})
	same(t, "removed", due(t, s, 1e6, 0), []rotator.DueItem(nil))
}
