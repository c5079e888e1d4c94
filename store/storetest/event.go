package storetest

import (
	"fmt"
	"testing"

	"cmkd/rotator"
	"cmkd/store"
)

func eventChecks() []check {
	return []check{
		{"are numbered and chained in place", eventsChained},
		{"are filtered and paged", eventsFiltered},
		{"keep their hash whatever the text", eventsText},
	}
}

func eventsChained(t *testing.T, s rotator.Store) {
	a := &rotator.Change{Events: []rotator.Event{event("one"), event("two")}}
	b := &rotator.Change{Events: []rotator.Event{event("three")}}
	commit(t, s, a)
	commit(t, s, b)
	given := append(a.Events, b.Events...)
	same(t, "events", events(t, s, rotator.EventFilter{}), given)
	chained(t, s.Instance(), given)
}

// chained fails the test unless events are the whole log of the instance.
func chained(t *testing.T, instance string, es []rotator.Event) {
	t.Helper()
	prev := store.Genesis(instance)
	for i := range es {
		e := &es[i]
		hash := store.Link(prev, e)
		if e.Seq != uint64(i+1) || e.Prev != prev.String() || e.Hash != hash.String() {
			t.Fatalf("event %d is %d, prev %s, hash %s; want prev %s, hash %s", i+1, e.Seq, e.Prev, e.Hash, prev, hash)
		}
		prev = hash
	}
}

// eventsFiltered stores twelve events: key by parity, operation by thirds, a
// time that once goes back.
func eventsFiltered(t *testing.T, s rotator.Store) {
	c := &rotator.Change{}
	for i := range 12 {
		e := event(fmt.Sprint("event ", i+1))
		e.At, e.Key, e.Operation = at(float64(i+1)), []string{"ab", "a"}[(i+1)%2], rotator.OperationID((i+1)%3)
		c.Events = append(c.Events, e)
	}
	c.Events[6].At = at(1.5)
	commit(t, s, c)
	for name, test := range map[string]struct {
		filter rotator.EventFilter
		want   []uint64
	}{
		"all":                {rotator.EventFilter{}, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		"limit":              {rotator.EventFilter{Limit: 2}, []uint64{1, 2}},
		"after":              {rotator.EventFilter{After: 10}, []uint64{11, 12}},
		"after all":          {rotator.EventFilter{After: 12}, nil},
		"after the last id":  {rotator.EventFilter{After: 1<<64 - 1}, nil},
		"page":               {rotator.EventFilter{After: 4, Limit: 2}, []uint64{5, 6}},
		"last":               {rotator.EventFilter{Last: true, Limit: 2}, []uint64{11, 12}},
		"last after":         {rotator.EventFilter{Last: true, Limit: 5, After: 10}, []uint64{11, 12}},
		"last, no limit":     {rotator.EventFilter{Last: true, After: 9}, []uint64{10, 11, 12}},
		"key":                {rotator.EventFilter{Key: "a"}, []uint64{1, 3, 5, 7, 9, 11}},
		"last of a key":      {rotator.EventFilter{Key: "a", Last: true, Limit: 2}, []uint64{9, 11}},
		"operation":          {rotator.EventFilter{Operation: 2}, []uint64{2, 5, 8, 11}},
		"key and operation":  {rotator.EventFilter{Key: "ab", Operation: 2, Limit: 1}, []uint64{2}},
		"since":              {rotator.EventFilter{Since: at(10)}, []uint64{10, 11, 12}},
		"since, clock back":  {rotator.EventFilter{Since: at(5)}, []uint64{5, 6, 8, 9, 10, 11, 12}},
		"since and last one": {rotator.EventFilter{Since: at(5), Last: true, Limit: 1}, []uint64{12}},
		"unknown key":        {rotator.EventFilter{Key: "abc"}, nil},
	} {
		var got []uint64
		for _, e := range events(t, s, test.filter) {
			got = append(got, e.Seq)
		}
		same(t, name, got, test.want)
	}
}

func eventsText(t *testing.T, s rotator.Store) {
	c := &rotator.Change{}
	for _, text := range []string{"", "<&>\u2028\u0000", "broken \xff\xfe end", "\xed\xa0\x80", "日本"} {
		e := event(text)
		e.Data = map[string]string{text: text, "other": text}
		c.Events = append(c.Events, e)
	}
	c.Events = append(c.Events, rotator.Event{Type: rotator.EventDaemonStarted})
	commit(t, s, c)
	chained(t, s.Instance(), events(t, s, rotator.EventFilter{}))
}
