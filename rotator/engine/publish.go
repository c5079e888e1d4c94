package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"cmkd/rotator"
)

// publish makes the numbers of the moment available to other goroutines.
func (r *runner) publish() {
	c := r.core
	r.publishBook()
	s := c.overview.summary(c.states)
	s.Keys, s.Kinds = len(c.keys), c.kinds.summary()
	if next := c.overview.next.first(c.states); next != nil {
		s.NextFrozen = freezing{c.state}.of(next.ID, false) != nil
	}
	r.book.Load().summarize(&s)
	r.summary.Store(&s)
}

// publishBook makes the book available to other goroutines.
func (r *runner) publishBook() {
	c := r.core
	if c.alarm.published || len(r.book.Load().alerts) > manyAlerts && r.last.Sub(r.bookAt).Abs() < manyAlertsEvery {
		return
	}
	c.alarm.published, r.bookAt = true, r.last
	v := &bookView{expected: map[timingKey]rotator.TimingStatus{}}
	for _, a := range c.alarm.all() {
		v.alerts = append(v.alerts, statusOf(a, alerts{c.state}.silenced(a)))
	}
	slices.SortStableFunc(v.alerts, func(a, b rotator.AlertStatus) int { return worstFirst(a.Alert, b.Alert) })
	for _, id := range slices.Sorted(maps.Keys(c.alarm.silences)) {
		v.silences = append(v.silences, *c.alarm.silences[id])
	}
	slices.SortFunc(v.silences, func(a, b rotator.Silence) int {
		return cmp.Compare(rotator.SequenceSilences.Number(a.ID), rotator.SequenceSilences.Number(b.ID))
	})
	for _, f := range c.freezes {
		v.freezes = append(v.freezes, *f)
	}
	v.receivers = posting{c.state}.receiverStatus()
	for key, t := range c.alarm.timings {
		s := t.status(c.traits[key.kind])
		v.timings = append(v.timings, s)
		v.expected[key] = s
	}
	slices.SortFunc(v.timings, func(a, b rotator.TimingStatus) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Region, b.Region), strings.Compare(string(a.Change), string(b.Change)))
	})
	r.book.Store(v)
}

// publishKeys makes what is known of keys available, once it is durable.
func (b *board) publishKeys(states []rotator.KeyState) {
	known := b.states.Load()
	for i := range states {
		known.Store(canonical(states[i].ID), &states[i])
	}
}

// publishAllKeys makes what is known of all keys available, anew.
func (b *board) publishAllKeys(states map[string]*rotator.KeyState) {
	known := &sync.Map{}
	for id, state := range states {
		s := *state
		known.Store(id, &s)
	}
	b.states.Store(known)
}

// stateOf returns what is known of a key.
func (b *board) stateOf(id rotator.KeyID) rotator.KeyState {
	if s, ok := b.states.Load().Load(canonical(id)); ok {
		return *s.(*rotator.KeyState)
	}
	return rotator.KeyState{}
}
