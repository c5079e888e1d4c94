package engine

import (
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// all takes in the configured keys: schedules, dependents added to live
// operations, keys that are new or gone.
func (c configuring) all(keys []rotator.Key) {
	before := c.byID
	c.keys, c.byID = make(map[string]*rotator.Key, len(keys)), make(map[string]*rotator.Key, len(keys))
	for i := range keys {
		key := &keys[i]
		c.keys[key.Name], c.byID[canonical(key.ID)] = key, key
		state := c.stateOf(key.ID)
		if state == nil {
			state = &rotator.KeyState{Name: key.Name, ID: key.ID}
			c.states[canonical(key.ID)] = state
			c.draft.changedKey(key.ID)
		}
		if state.Name != key.Name {
			c.rename(key, state)
		}
		drifts(c).reconsider(key, state)
		schedule(c).reschedule(key, state)
		c.agenda.add(agendaItem{
			key: canonical(key.ID), watch: true, at: c.now.Add(rotator.Spread(key.Name, watchSpread(len(keys)))).UnixNano(),
		})
	}
	for id, state := range c.states {
		if c.byID[id] == nil && (state.Spec != "" || !state.NextRotation.IsZero()) {
			// Whoever puts it back begins anew.
			state = c.draft.changedKey(state.ID)
			state.Spec, state.NextRotation = "", time.Time{}
		}
	}
	for id := range before {
		if c.byID[id] == nil {
			delete(c.rounds, id) // what is out of it is nobody's
		}
	}
	for _, id := range c.liveIDs() {
		c.join(c.live[id], before)
	}
	for id, state := range c.states {
		c.overview.seeKey(id, state, c.byID[id] != nil)
	}
}

// rename gives a key the short name that it has now. Whatever is known of it goes by
// its identifier, and stays.
func (c configuring) rename(key *rotator.Key, state *rotator.KeyState) {
	c.draft.notedOfKey(key.Name, rotator.EventConfigLoaded, "key %s, which was called %s, is called %s now", key.ID, state.Name, key.Name)
	c.draft.changedKey(key.ID).Name = key.Name
	alerts(c).renamed(key)
	freezing(c).renamed(key)
}

// watchSpread is the time over which the first looks at so many keys are spread.
func watchSpread(keys int) time.Duration {
	return min(time.Duration(keys)*100*time.Millisecond, watchEvery)
}

// join lets a live operation go by what is configured now: the key's name and policy,
// dependents added since it began, and those that the operator excluded since.
//
// Whoever is configured no longer leaves, unless only a search found it.
func (c configuring) join(l *live, before map[string]*rotator.Key) {
	key := c.keyOf(l)
	if key == nil || c.load(l) != nil {
		return
	}
	if l.op.Key != key.Name {
		l.op.Key = key.Name
		c.draft.changed(l)
	}
	c.refresh(l, key)
	c.resoak(l, key, before[canonical(l.op.KeyID)])
	if was := before[canonical(l.op.KeyID)]; was == nil || was.Undiscovered != key.Undiscovered || !slices.Equal(was.Discover, key.Discover) {
		searching(c).void(l)
	}
	listed := make(map[string]bool, len(key.Dependents))
	for i := range key.Dependents {
		listed[strings.ToLower(key.Dependents[i].ID)] = true
	}
	for i := range l.trackers {
		if d := l.trackers[i].Detail; !d.Dependent.Discovered && !d.Removed && !listed[strings.ToLower(d.Dependent.ID)] {
			c.remove(l, l.trackers[i])
		}
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
			if !d.Unseen() {
				c.awaited(l, &d, "was added to the configuration")
			}
		case l.trackers[n].Detail.Removed, changedDependent(&l.trackers[n].Detail.Dependent, &d):
			c.reconfigure(l, l.trackers[n], d)
		default:
			// The same, but with the configuration's strings: one copy is enough.
			shared := *l.trackers[n].Detail
			shared.Dependent = d
			l.trackers[n].Detail = &shared
		}
	}
}

// refresh lets an operation go by what the key's policy says now.
func (c configuring) refresh(l *live, key *rotator.Key) {
	if l.op.Kind != rotator.KindRotation || l.op.Retire == key.Retire {
		return
	}
	c.draft.noted(l, rotator.EventConfigLoaded, actorDaemon, "retire is %s now, it was %s", key.Retire, l.op.Retire)
	l.op.Retire = key.Retire
	if l.op.State == rotator.StateRetiring && l.op.Retirer == "" {
		l.op.Waiting, l.op.Wake = rotator.Wait{}, time.Time{}
		l.guarding, l.stale = false, nil // what was seen will be old
	}
	c.draft.changed(l)
}

// resoak lets a soak end by what the key's policy says now; was is the key before, nil if
// nobody knows.
func (c configuring) resoak(l *live, key, was *rotator.Key) {
	if l.op.State != rotator.StateSoaking || l.op.Wake.IsZero() {
		return
	}
	ends := l.op.Wake
	if was != nil {
		ends = ends.Add(key.Soak - was.Soak)
	}
	if most := c.now.Add(key.Soak); ends.After(most) {
		ends = most
	}
	if !ends.Equal(l.op.Wake) {
		c.draft.noted(l, rotator.EventConfigLoaded, actorDaemon, "the soak time is %s now", key.Soak)
		c.draft.waits(l, ends)
	}
}

// changedDependent reports whether the operator configured the dependent otherwise.
func changedDependent(d *rotator.Dependent, to *rotator.Dependent) bool {
	return d.Name != to.Name || d.Nudge != to.Nudge || d.Recreate != to.Recreate || d.Window != to.Window ||
		d.Poll != to.Poll || d.Discovered != to.Discovered || d.Excluded != to.Excluded || !maps.Equal(d.Settings, to.Settings)
}

// reconfigure gives a tracker its dependent's new settings and looks at it
// again.
func (c configuring) reconfigure(l *live, t rotator.Tracker, d rotator.Dependent) {
	if t.Detail.Dependent.Discovered && !d.Discovered {
		defer c.awaited(l, &d, "is listed now")
	}
	detail := c.whole(l, &t)
	detail.Dependent, detail.Removed, t.Detail = d, false, detail
	switch {
	case d.Unseen():
		why := unseen(&d)
		c.draft.noted(l, rotator.EventTrackerChanged, actorDaemon, "%s %s is excluded: %s", d.Kind, d.DisplayName(), why.Message).Dependent = d.ID
		c.exclude(l, t, why)
		return
	case t.State == rotator.TrackerExcluded:
		defer c.awaited(l, &d, "is not excluded any more")
		t = enterTracker(t, rotator.TrackerWaiting, c.now, c.now)
		detail.Problem = nil
	case !t.State.Settled():
		t.Due = c.now
	}
	c.draft.observed(l, t, true)
}

// awaited has a rotation wait for a dependent that it did not wait for before, as for any
// other: it is followed, and then soaks.
func (c configuring) awaited(l *live, d *rotator.Dependent, why string) {
	if l.op.Kind != rotator.KindRotation || l.op.State != rotator.StateSoaking && l.op.State != rotator.StateRetiring {
		return
	}
	l.op.NobodyRetires()
	c.answerRetirers(l, rotator.Errorf(rotator.CodeConflict, "%s %s %s", d.Kind, d.DisplayName(), why).
		WithHint("cmkd status %s shows how far it is", l.op.ID))
	c.draft.entered(l, rotator.StatePropagating, actorDaemon, d.DisplayName()+" "+why)
}

// remove lets a dependent leave that is not configured any more. A rotation goes on looking
// at one that was seen to use the key: that nobody lists it does not say that it needs no
// old version.
func (c configuring) remove(l *live, t rotator.Tracker) {
	searching(c).void(l)
	const why = "was taken out of the configuration"
	if l.op.Kind != rotator.KindRotation || len(t.Detail.Known) == 0 || t.State == rotator.TrackerLeft {
		c.leaves(l, t, why)
		return
	}
	c.tracked(l, &t.Detail.Dependent, why)
	delete(l.stale, t.Number)
	searching(c).unlist(l, t)
}

// leaves has an operation wait for a dependent no more.
func (c configuring) leaves(l *live, t rotator.Tracker, why string) {
	detail := c.whole(l, &t)
	detail.Removed, t.Detail = true, detail
	c.tracked(l, &detail.Dependent, why)
	c.exclude(l, t, &rotator.Problem{Code: rotator.ReasonRemoved, Message: why})
	if len(detail.Via) > 0 {
		l.sweep.begun = time.Time{} // what it was looked at through was no find of that search
	}
}

func (c configuring) tracked(l *live, d *rotator.Dependent, what string) {
	c.draft.noted(l, rotator.EventTrackerChanged, actorDaemon, "%s %s %s", d.Kind, d.DisplayName(), what).Dependent = d.ID
}

// exclude has nobody look at a dependent any more, nor wait for it.
func (c configuring) exclude(l *live, t rotator.Tracker, why *rotator.Problem) {
	t = enterTracker(t, rotator.TrackerExcluded, c.now, time.Time{})
	t.Detail.Problem = why
	delete(l.stale, t.Number)
	c.draft.observed(l, t, true)
}

// whole returns a copy of the large part of a tracker, with the last observation, which
// memory does not hold.
func (c configuring) whole(l *live, t *rotator.Tracker) *rotator.TrackerDetail {
	detail := *t.Detail
	if detail.Last == nil {
		detail.Last = c.lastSeen(l, t.Number)
	}
	return &detail
}
