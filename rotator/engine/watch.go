package engine

import (
	"cmkd/rotator"
	"fmt"
	"slices"
	"time"
)

// watchKey reads the versions of a key that nothing is under way for, or whose
// dependents are being followed.
func (c *core) watchKey(name string) {
	key := c.keys[name]
	if key == nil {
		return
	}
	c.agenda.add(agendaItem{key: name, watch: true, at: c.now.Add(watchEvery).UnixNano()})
	c.judgeKey(name)
	c.watchAhead(key)
	if l := c.liveOf(key); l != nil && !watchedBeside(&l.op) {
		return // the operation reads the versions itself
	}
	c.tasks = append(c.tasks, task{kind: taskVersions, key: name, keyID: key.ID})
}

func watchedBeside(op *rotator.Operation) bool {
	return op.Kind == rotator.KindRotation && slices.Contains([]rotator.OperationState{rotator.StatePropagating, rotator.StateSoaking, rotator.StateRetiring}, op.State)
}

// watched handles a list of versions that no operation asked for.
func (c *core) watched(r *result) {
	key, state := c.keys[r.key], c.states[r.key]
	if key == nil {
		return
	}
	if r.err != nil {
		c.unwatched(state, r.err)
		return
	}
	c.sawKey(state)
	newest, ok := rotator.Newest(r.versions, func(v rotator.Version) bool { return v.ID == state.Current.ID })
	if !ok {
		return
	}
	if p := currentProblem(key, newest); p != nil || state.Problem == nil || state.Problem.Code != rotator.ReasonScheduleMissed {
		c.keyProblem(state, p)
	}
	l := c.liveOf(key)
	switch {
	case l != nil && watchedBeside(&l.op):
		c.outside(l, r.versions)
	case l != nil: // it looks for itself
	case state.Current.ID == "":
		c.touchKey(r.key).Current = newest
	case newest.ID != state.Current.ID && newest.Created.Before(state.Current.Created):
		// An old answer, or the newest version was deleted.
	case newest.ID != state.Current.ID:
		c.rotatedOutside(key, state, newest, r.versions)
	case newest != state.Current:
		c.touchKey(r.key).Current = newest
	}
}

// blindAfter is how long every try to read the versions of a key may fail before
// that is a problem of its own.
const blindAfter = 2 * watchEvery

// sawKey notes that the versions of a key were read.
func (c *core) sawKey(state *rotator.KeyState) {
	state.Seen = c.now
	delete(c.blind, state.Name)
}

// unwatched handles a list of versions that could not be read.
func (c *core) unwatched(state *rotator.KeyState, err *rotator.Error) {
	since, known := c.blind[state.Name]
	if !known {
		since = c.now
		c.blind[state.Name] = since
	}
	switch {
	case !err.Passes():
		c.keyProblem(state, rotator.ProblemOf(err))
	case c.now.Sub(since) >= blindAfter && state.Problem == nil:
		c.keyProblem(state, &rotator.Problem{
			Code: rotator.ReasonVaultUnreachable, Message: "its versions could not be read since " + since.UTC().Format(time.RFC3339),
			Hint: "can this machine reach https://" + state.ID.Host() + "? The last answer: " + err.Error(),
		})
	}
}

func currentProblem(key *rotator.Key, v rotator.Version) *rotator.Problem {
	if v.Enabled {
		return nil
	}
	return &rotator.Problem{
		Code: "current-version-disabled", Message: "the current version " + v.ID + " of " + string(key.ID) + " is disabled",
		Hint: "if it was revoked with cmkd: cmkd reinstate " + key.Name + "; else find out who disabled it",
	}
}

// keyProblem notes what is wrong with a key, or that nothing is any more.
func (c *core) keyProblem(state *rotator.KeyState, p *rotator.Problem) {
	if l := c.liveOf(c.keys[state.Name]); l != nil && l.op.Kind != rotator.KindRotation {
		p = nil // a revoked key is meant to be disabled
	}
	switch {
	case p == nil && state.Problem != nil:
		c.touchKey(state.Name).Problem = nil
		c.keyEvent(state.Name, rotator.EventKeyProblemResolved, "the problem with the key is over")
	case p != nil && (state.Problem == nil || *state.Problem != *p):
		c.touchKey(state.Name).Problem = p
		c.keyEvent(state.Name, rotator.EventKeyProblem, "%s", p)
	}
}

// rotatedOutside follows a version that someone else made: from the making on,
// it is a rotation like any other.
func (c *core) rotatedOutside(key *rotator.Key, state *rotator.KeyState, v rotator.Version, versions []rotator.Version) {
	before := state.Current.ID
	l := c.newRotation(key, rotator.CauseVault, actorDaemon, "a new version was found in the vault")
	l.op.Base = make([]string, 0, len(versions)+1)
	for _, other := range versions {
		if other.ID != v.ID {
			l.op.Base = append(l.op.Base, other.ID)
		}
	}
	l.op.Previous = append([]string{before}, slices.DeleteFunc(slices.Clone(state.Unretired), func(u string) bool { return u == before })...)
	c.adopt(l, v, false)
}

// outside compares a list of versions with what a rotation knows: a version made
// by someone else meanwhile becomes the target.
func (c *core) outside(l *live, versions []rotator.Version) {
	newest, ok := rotator.Newest(versions, func(v rotator.Version) bool { return v.ID == l.op.Target.ID })
	if !ok || newest.ID == l.op.Target.ID || slices.Contains(l.op.Base, newest.ID) || newest.Created.Before(l.op.Target.Created) {
		return
	}
	for _, v := range versions {
		if v.ID != newest.ID && !slices.Contains(l.op.Base, v.ID) {
			l.op.Base, l.op.Previous = append(l.op.Base, v.ID), append([]string{v.ID}, l.op.Previous...)
		}
	}
	c.adopt(l, newest, false)
}

// strange reports whether a dependent uses a version that the operation has
// never heard of: then somebody made one.
func strange(op *rotator.Operation, version string) bool {
	return op.Kind == rotator.KindRotation && op.Target.ID != "" && version != "" && !slices.Contains(op.Base, version)
}

// fire serves the schedule of a key.
func (c *core) fire(name string) {
	key, state := c.keys[name], c.states[name]
	if key == nil || state.NextRotation.IsZero() || state.NextRotation.After(c.now) {
		return
	}
	due := state.NextRotation
	state = c.touchKey(name)
	state.LastFired = due
	state.NextRotation = key.Schedule.Next(later(c.now, due))
	c.plan(agendaItem{key: name}, state.NextRotation)
	late := c.now.Sub(due)
	switch {
	case late > rotator.MisfireGrace && key.Schedule.Misfire != rotator.MisfireCatchUp && key.Schedule.Misfire != "":
		e := c.keyEvent(name, rotator.EventScheduleMissed, "the rotation of %s was missed by %s; the next is %s",
			due.Format(time.RFC3339), late.Round(time.Second), state.NextRotation.Format(time.RFC3339))
		e.Data = map[string]string{"misfire": string(key.Schedule.Misfire)}
		if key.Schedule.Misfire == rotator.MisfireAlert {
			c.keyProblem(state, &rotator.Problem{
				Code: rotator.ReasonScheduleMissed, Message: e.Message, Hint: "cmkd rotate " + name + ", or wait for the next",
			})
		}
	case !c.makeWay(name):
		e := c.keyEvent(name, rotator.EventScheduleMissed, "no rotation at %s: %s is under way", due.Format(time.RFC3339), state.Operation)
		e.Operation = state.Operation
		state.Missed = due
	default:
		reason := "scheduled for " + due.Format(time.RFC3339)
		if late > rotator.MisfireGrace {
			reason += fmt.Sprintf(", %s late", late.Round(time.Second))
		}
		c.advance(c.newRotation(key, rotator.CauseSchedule, actorDaemon, reason), false)
	}
}

// makeWay reports whether a key is free for a new rotation; a rotation that only
// waits for somebody to retire its previous version gives way.
func (c *core) makeWay(name string) bool {
	l := c.liveOf(c.keys[name])
	if l == nil {
		return true
	}
	if !awaitsRetirement(&l.op) {
		return false
	}
	if c.load(l) != nil {
		return false // the next step meets the same error and reports it
	}
	c.supersede(l, actorDaemon)
	return true
}
