package engine

import (
	"slices"
	"time"

	"cmkd/rotator"
)

// key reads the versions of a key, unless its operation reads them itself.
func (c watch) key(id string) {
	key := c.byID[id]
	if key == nil {
		return
	}
	c.agenda.add(agendaItem{key: id, watch: true, at: c.now.Add(watchEvery).UnixNano()})
	if state := c.stateOf(key.ID); state != nil {
		using(c).usedNow(key, state)
	}
	alerts(c).judgeKey(id)
	c.ahead(key)
	standings(c).turn(key)
	if l := c.liveOf(key); c.observes(key) && !watchedBeside(&l.op) && c.steady.Sub(c.heard[id]) < watchEvery/5 {
		return // it lists them itself
	}
	c.ask(key)
}

// ask has the versions of a key listed. A list that is out already is waited for; one
// that stays out for long says that cmkd does not keep up.
func (c watch) ask(key *rotator.Key) {
	since, out := c.asking[canonical(key.ID)]
	switch waited := c.steady.Sub(since); {
	case !out || waited >= 4*blindAfter: // or the answer was lost
		c.asking[canonical(key.ID)] = c.steady
		c.draft.intendedApart(task{kind: taskVersions, key: key.Name, keyID: key.ID})
	case waited >= 2*watchEvery:
		c.problem(c.stateOf(key.ID), &rotator.Problem{
			Code: rotator.ReasonWatchBehind, Message: "its versions were to be listed at " + c.now.Add(-waited).UTC().Format(time.RFC3339) + ", and the call has not ended yet",
			Hint: "raise limits.calls, or see with cmkd status whether Azure throttles",
		})
	}
}

func watchedBeside(op *rotator.Operation) bool {
	return op.Kind == rotator.KindRotation && slices.Contains([]rotator.OperationState{rotator.StatePropagating, rotator.StateSoaking, rotator.StateRetiring, rotator.StateProbation}, op.State)
}

// observes reports whether the operation under way on a key observes its dependents: not
// one that does nothing until a person says something, or its turn comes, nor one that has no
// target for long, because something is in its way.
func (c watch) observes(key *rotator.Key) bool {
	l := c.liveOf(key).atWork()
	switch {
	case l == nil:
		return false
	case l.op.State == rotator.StatePropagating: // also while an update is frozen
		return true
	case l.op.State == rotator.StatePending, l.op.State == rotator.StateCreating:
		return l.op.Waiting.For != rotator.WaitFreeze && !c.over(l.op.Since, watchEvery)
	default:
		return l.op.Waiting.For != rotator.WaitFreeze
	}
}

// watched handles a list of versions that no operation asked for.
func (c watch) watched(r *result) {
	delete(c.asking, canonical(r.keyID))
	key, state := c.byID[canonical(r.keyID)], c.stateOf(r.keyID)
	if key == nil {
		return
	}
	if r.err != nil {
		c.unwatched(state, r.err)
		return
	}
	c.sawKey(state)
	tampering(c).listed(r.keyID, r.versions)
	l := c.liveOf(key).atWork()
	if l != nil && l.op.State == rotator.StateCreating {
		return // what is new may be its own, whose answer is not here yet
	}
	var ours []string
	if l != nil {
		ours = append(ours, l.op.Target.ID)
		ours = append(ours, l.op.Versions...)
	}
	candidates := foreign(c).candidates(state, r.versions, ours)
	newest, ok := rotator.Newest(candidates, func(v rotator.Version) bool { return v.ID == state.Current.ID })
	if !ok {
		return
	}
	c.problem(state, currentProblem(key, newest))
	switch {
	case l != nil && watchedBeside(&l.op):
		rotation(c).outside(l, candidates, r.versions)
		if l.op.AwaitsRetirement() && c.load(l) == nil {
			c.advance(l, false) // what holds it may be over
		}
	case l != nil: // it looks for itself
	case state.Current.ID == "":
		c.draft.changedKey(r.keyID).Current = newest
	case newest.ID != state.Current.ID && newest.Created.Before(state.Current.Created):
		// An old answer, or the newest version is gone, which is told apart.
	case newest.ID != state.Current.ID:
		c.rotatedOutside(key, state, newest, r.versions)
	case newest.With(state.Current) != state.Current && !newest.Updated.Before(state.Current.Updated):
		c.draft.changedKey(r.keyID).Current = newest.With(state.Current)
	}
	foreign(c).reenable(key, state)
}

// blindAfter is how long every try to read the versions of a key may fail before
// that is a problem of its own.
const blindAfter = 20 * time.Minute

// sawKey notes that the versions of a key were read.
func (c watch) sawKey(state *rotator.KeyState) {
	state.Seen = c.now
	c.heard[canonical(state.ID)] = c.steady
	delete(c.blind, canonical(state.ID))
}

// unwatched handles a list of versions that could not be read.
func (c watch) unwatched(state *rotator.KeyState, err *rotator.Error) {
	since, known := c.blind[canonical(state.ID)]
	if !known {
		since = c.steady
		c.blind[canonical(state.ID)] = since
	}
	switch blind := c.steady.Sub(since); {
	case !err.Passes():
		c.problem(state, rotator.ProblemOf(err))
	case c.saidBy(state, err):
	case blind >= blindAfter && state.Problem == nil:
		c.problem(state, &rotator.Problem{
			Code: rotator.ReasonVaultUnreachable, Message: "its versions could not be read since " + c.now.Add(-blind).UTC().Format(time.RFC3339),
			Hint: "can this machine reach https://" + state.ID.Host() + "? The last answer: " + err.Error(),
		})
	}
}

// saidBy reports whether the operation under way on a key says already that the vault does not
// answer.
func (c watch) saidBy(state *rotator.KeyState, err *rotator.Error) bool {
	l := c.live[state.Operation].atWork()
	return l != nil && l.op.Problem != nil && l.op.Problem.Message == rotator.ProblemOf(err).Message
}

func currentProblem(key *rotator.Key, v rotator.Version) *rotator.Problem {
	if v.Enabled {
		return nil
	}
	return &rotator.Problem{
		Code: rotator.ReasonCurrentVersionDisabled, Message: "the current version " + v.ID + " of " + string(key.ID) + " is disabled",
		Hint: "if it was revoked with cmkd: cmkd reinstate " + key.Name + "; else find out who disabled it",
	}
}

// problem notes what is wrong with a key, or that nothing is any more.
func (c watch) problem(state *rotator.KeyState, p *rotator.Problem) {
	if l := c.live[state.Operation].atWork(); l != nil && l.op.Kind != rotator.KindRotation {
		p = nil // a revoked key is meant to be disabled
	}
	switch {
	case p == nil && state.Problem != nil:
		c.draft.changedKey(state.ID).Problem = nil
		c.draft.notedOfKey(state.Name, rotator.EventKeyProblemResolved, "the problem with the key is over")
	case p != nil && (state.Problem == nil || *state.Problem != *p):
		c.draft.changedKey(state.ID).Problem = p
		c.draft.notedOfKey(state.Name, rotator.EventKeyProblem, "%s", p)
	}
}

// rotatedOutside follows a version that someone else made: from the making on,
// it is a rotation like any other.
func (c watch) rotatedOutside(key *rotator.Key, state *rotator.KeyState, v rotator.Version, versions []rotator.Version) {
	before := state.Current.ID
	l := rotation(c).begin(key, rotator.CauseVault, actorDaemon, "a new version was found in the vault")
	l.op.Base = make([]string, 0, len(versions)+1)
	for _, other := range versions {
		if other.ID != v.ID {
			l.op.Base = append(l.op.Base, other.ID)
		}
	}
	l.op.Previous = previousTo(before, versions, state)
	for _, other := range between(versions, v, state.Current) {
		l.op.Previous = newestFirst(other.ID, l.op.Previous)
	}
	rotation(c).adopt(l, v, false)
}

// between returns the enabled versions that were made after one and before another, oldest
// first: dependents may have gone to each of them.
func between(versions []rotator.Version, before, after rotator.Version) (all []rotator.Version) {
	for _, v := range versions {
		if v.Enabled && v.ID != before.ID && v.ID != after.ID && v.Created.After(after.Created) && !v.Created.After(before.Created) {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b rotator.Version) int { return a.Created.Compare(b.Created) })
	return all
}

// strange reports whether a dependent uses a version of the key that the operation
// has never heard of: then somebody made one.
func strange(op *rotator.Operation, o *rotator.Observation) bool {
	if op.Kind != rotator.KindRotation || op.Target.ID == "" {
		return false
	}
	for u := range o.UsesOf(op.KeyID) {
		if u.Version != "" && !slices.Contains(op.Base, u.Version) {
			return true
		}
	}
	return false
}
