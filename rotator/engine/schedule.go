package engine

import (
	"fmt"
	"time"

	"cmkd/rotator"
)

// servedFor is by how much a time that was served may be ahead of the clock and still
// be one of several not to come again: a clock that was set back by more was wrong.
const servedFor = 24 * time.Hour

// next returns the next time of a key. A time that was served does not come again
// after the clock was set back, but times that a clock served which was far ahead do
// not stop the schedule: of these only the next one is left out.
func (c schedule) next(key *rotator.Key, state *rotator.KeyState) time.Time {
	next := key.Schedule.Next(c.now)
	switch served := state.LastFired; {
	case next.IsZero() || served.Before(next), served.After(next) && served.Sub(c.now) > servedFor:
		return next
	default:
		return key.Schedule.Next(served)
	}
}

// reschedule computes the next time of a key whose schedule is new or changed;
// one that is the same keeps its time, even if that has passed.
func (c schedule) reschedule(key *rotator.Key, state *rotator.KeyState) {
	if state.Spec == key.Schedule.Spec() {
		return
	}
	state = c.draft.changedKey(key.ID)
	state.Spec = key.Schedule.Spec()
	state.NextRotation = c.next(key, state)
	c.plan(agendaItem{key: canonical(key.ID)}, state.NextRotation)
}

// setBack computes the next times anew after the clock was set back: one that it
// passed over comes again, unless it was served.
func (c schedule) setBack() {
	for id, key := range c.byID {
		state := c.states[id]
		next := c.next(key, state)
		if state.NextRotation.After(next) && !next.IsZero() {
			c.draft.changedKey(key.ID).NextRotation = next
			c.plan(agendaItem{key: id}, next)
		}
	}
}

// fire serves the schedule of a key.
func (c schedule) fire(id string) {
	key, state := c.byID[id], c.states[id]
	if key == nil || state.NextRotation.IsZero() || state.NextRotation.After(c.now) {
		return
	}
	if freezing(c).of(key.ID, false) != nil {
		return // it comes again when the freeze ends, as late as it is then
	}
	due := state.NextRotation
	state = c.draft.changedKey(key.ID)
	state.LastFired = due
	state.NextRotation = key.Schedule.Next(later(c.now, due))
	c.plan(agendaItem{key: id}, state.NextRotation)
	late := c.now.Sub(due)
	switch {
	case late > rotator.MisfireGrace && key.Schedule.Misfire != rotator.MisfireCatchUp && key.Schedule.Misfire != "":
		e := c.draft.notedOfKey(key.Name, rotator.EventScheduleMissed, "the rotation of %s was missed by %s; the next is %s",
			due.Format(time.RFC3339), late.Round(time.Second), state.NextRotation.Format(time.RFC3339))
		e.Data = map[string]string{"misfire": string(key.Schedule.Misfire)}
		if key.Schedule.Misfire == rotator.MisfireAlert {
			state.Missed = due
		}
	case !c.makeWay(key, false):
		e := c.draft.notedOfKey(key.Name, rotator.EventScheduleMissed, "no rotation at %s: %s is under way", due.Format(time.RFC3339), state.Operation)
		e.Operation = state.Operation
		state.Missed = due
	default:
		reason := "scheduled for " + due.Format(time.RFC3339)
		if late > rotator.MisfireGrace {
			reason += fmt.Sprintf(", %s late", late.Round(time.Second))
		}
		c.advance(rotation(c).begin(key, rotator.CauseSchedule, actorDaemon, reason), false)
	}
}

// makeWay reports whether a key is free for a new rotation; a rotation that only
// waits for somebody to retire its previous version gives way; nobody who asked for one is told
// that it has to be watched whether anybody lacks what it retired.
func (c schedule) makeWay(key *rotator.Key, asked bool) bool {
	l := c.liveOf(key)
	if l == nil {
		return true
	}
	if !l.op.AwaitsRetirement() {
		return false
	}
	if c.load(l) != nil {
		return false // the next step meets the same error and reports it
	}
	if !asked && probation(c).watches(l, c.now) {
		return false
	}
	rotation(c).supersede(l, actorDaemon)
	return true
}
