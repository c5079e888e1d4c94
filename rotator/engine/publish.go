package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"cmkd/rotator"
)

// publish makes the numbers of the moment available to other goroutines.
func (r *runner) publish() {
	c := r.core
	r.publishBook()
	s := rotator.Summary{Keys: len(c.keys), Live: map[rotator.OperationKind]int{}, Trackers: map[rotator.TrackerState]int{}, Kinds: c.kinds.summary()}
	r.book.Load().summarize(&s)
	for _, l := range c.live {
		s.Live[l.op.Kind]++
		for state, n := range l.op.Trackers {
			s.Trackers[state] += n
		}
		if l.op.NeedsAction() || l.op.Stalled() {
			s.NeedsAction++
		}
	}
	for _, state := range c.states {
		if next := sooner(s.Next, state.NextRotation); !next.Equal(s.Next) {
			s.Next, s.NextKey = next, state.Name
		}
	}
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
	slices.SortFunc(v.silences, func(a, b rotator.Silence) int { return cmp.Compare(silenceNumber(a.ID), silenceNumber(b.ID)) })
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
