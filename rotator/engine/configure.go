package engine

import (
	"context"
	"maps"
	"strings"
	"time"

	"cmkd/rotator"
)

// all takes in the configured keys: schedules, dependents added to live
// operations, keys that are new or gone.
func (c configuring) all(keys []rotator.Key) {
	c.keys = map[string]*rotator.Key{}
	for i := range keys {
		key := &keys[i]
		c.keys[key.Name] = key
		state := c.states[key.Name]
		if state == nil || !state.ID.Same(key.ID) {
			state = &rotator.KeyState{Name: key.Name, ID: key.ID}
			c.states[key.Name] = state
			c.draft.changedKey(key.Name)
		}
		schedule(c).reschedule(key, state)
		c.agenda.add(agendaItem{key: key.Name, watch: true, at: c.now.Add(rotator.Spread(key.Name, watchSpread(len(keys)))).UnixNano()})
	}
	for name, state := range c.states {
		if c.keys[name] == nil && !state.NextRotation.IsZero() {
			c.draft.changedKey(name).NextRotation = time.Time{}
		}
	}
	for _, id := range c.liveIDs() {
		c.join(c.live[id])
	}
}

// watchSpread is the time over which the first looks at so many keys are spread.
func watchSpread(keys int) time.Duration {
	return min(time.Duration(keys)*100*time.Millisecond, watchEvery)
}

// join adds dependents that were configured since a live operation began, and
// excludes those that the operator excluded since.
func (c configuring) join(l *live) {
	key := c.keys[l.op.Key]
	if key == nil || c.load(l) != nil {
		return
	}
	known := make(map[string]uint32, len(l.trackers))
	for i := range l.trackers {
		known[strings.ToLower(l.trackers[i].Detail.Dependent.ID)] = uint32(i)
	}
	for _, d := range key.Dependents {
		switch n, ok := known[strings.ToLower(d.ID)]; {
		case !ok:
			c.draft.noted(l, rotator.EventDependentFound, actorDaemon, "%s %s was added to the configuration", d.Kind, d.DisplayName()).Dependent = d.ID
			c.draft.joined(l, d, c.now)
		case changedDependent(&l.trackers[n].Detail.Dependent, &d):
			c.reconfigure(l, l.trackers[n], d)
		default:
			// The same, but with the configuration's strings: one copy is enough.
			shared := *l.trackers[n].Detail
			shared.Dependent = d
			l.trackers[n].Detail = &shared
		}
	}
}

// changedDependent reports whether the operator configured the dependent otherwise.
func changedDependent(d *rotator.Dependent, to *rotator.Dependent) bool {
	return d.Name != to.Name || d.Nudge != to.Nudge || d.Recreate != to.Recreate || d.Window != to.Window ||
		d.Poll != to.Poll || d.Excluded != to.Excluded || !maps.Equal(d.Settings, to.Settings)
}

// reconfigure gives a tracker its dependent's new settings and looks at it
// again.
func (c configuring) reconfigure(l *live, t rotator.Tracker, d rotator.Dependent) {
	detail := *t.Detail
	if stored, err := c.store.Trackers(context.Background(), l.op.ID, t.Number, 1); err == nil && len(stored) == 1 {
		detail.Last = stored[0].Detail.Last
	}
	detail.Dependent = d
	t.Detail = &detail
	switch {
	case d.Excluded != "":
		t = enterTracker(t, rotator.TrackerExcluded, c.now, time.Time{})
		detail.Problem = &rotator.Problem{Code: "excluded", Message: d.Excluded}
		c.draft.noted(l, rotator.EventTrackerChanged, actorDaemon, "%s %s is excluded: %s", d.Kind, d.DisplayName(), d.Excluded).Dependent = d.ID
		delete(l.stale, t.Number)
	case t.State == rotator.TrackerExcluded:
		t = enterTracker(t, rotator.TrackerWaiting, c.now, c.now)
		detail.Problem = nil
	case t.State != rotator.TrackerDone:
		t.Due = c.now
	}
	c.draft.observed(l, t, true)
}
