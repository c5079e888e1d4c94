package engine

import (
	"context"
	"fmt"
	"time"

	"cmkd/rotator"
)

const (
	// rehearseEvery is how often it is looked at whether a rotation that is due
	// soon could begin, and rehearseAgain the same once it could not.
	rehearseEvery, rehearseAgain = time.Hour, 10 * time.Minute
	// rehearseMost bounds the rehearsals under way: each looks at every dependent.
	rehearseMost = 4
	// policyEvery is how often the vault's own rotation policy is read.
	policyEvery = 6 * time.Hour
)

// ahead looks at what may be in the way of the next scheduled rotation while
// there is time to mend it.
func (c watch) ahead(key *rotator.Key) {
	state := c.stateOf(key.ID)
	if state == nil {
		return
	}
	ahead := state.NextRotation.Sub(c.now)
	none := state.NextRotation.IsZero() || ahead > c.alarm.preflightAhead
	if none && state.Preflight != nil {
		c.draft.changedKey(key.ID).Preflight = nil // it was put off, or is not looked into any more
	}
	if key.Schedule.Spec() == "" {
		return
	}
	if c.readsPolicy && c.over(state.PolicyAt, policyEvery) {
		c.draft.intendedApart(task{kind: taskPolicy, key: key.Name, keyID: key.ID})
	}
	every := rehearseEvery
	if state.Preflight != nil {
		every = rehearseAgain
	}
	if c.liveOf(key) != nil || none || ahead <= 0 || !c.over(state.PreflightAt, every) || c.rehearsing >= rehearseMost {
		return
	}
	c.rehearsing++
	c.draft.intendedApart(task{kind: taskRehearse, key: key.Name, keyID: key.ID})
}

// rehearse looks at everything as a rotation would before it changes anything, and
// returns the first problem.
func (w *world) rehearse(ctx context.Context, key string) (*rotator.Problem, error) {
	p, err := w.plan(ctx, key)
	if err != nil || len(p.Problems) == 0 {
		return nil, err
	}
	first := p.Problems[0]
	if first.Class.Passes() {
		return nil, rotator.Errorf(first.Class, "%s", first.Message)
	}
	if n := len(p.Problems) - 1; n > 0 {
		first.Message += fmt.Sprintf(" (and %d more)", n)
	}
	return &first, nil
}

// rehearsed takes in what came of a rehearsal. One at which Azure did not answer
// says nothing.
func (c watch) rehearsed(r *result) {
	c.rehearsing--
	key, state := c.byID[canonical(r.keyID)], c.stateOf(r.keyID)
	if key == nil || state == nil || r.err != nil || c.liveOf(key) != nil {
		return
	}
	state = c.draft.changedKey(r.keyID)
	state.Preflight, state.PreflightAt = r.problem, c.now
}

// policyRead takes in the vault's rotation policy of a key. That it may not be read
// is no problem: it is only read to warn.
func (c watch) policyRead(r *result) {
	if c.byID[canonical(r.keyID)] == nil || c.stateOf(r.keyID) == nil {
		return
	}
	state := c.draft.changedKey(r.keyID)
	state.PolicyAt = c.now
	if r.err == nil {
		state.Policy = r.policy
	}
}
