package engine

import (
	"context"
	"fmt"
	"slices"
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
	if none && (state.Preflight != nil || len(state.Ahead) > 0) { // it was put off, or is not looked into any more
		state = c.draft.changedKey(key.ID)
		state.Preflight, state.Ahead = nil, nil
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
	first := state.NextRotation.Sub(state.PreflightAt) > c.alarm.preflightAhead
	c.draft.intendedApart(task{kind: taskRehearse, key: key.Name, keyID: key.ID, effect: &effect{searches: first}})
}

// outlook is what a rehearsal found.
type outlook struct {
	// problem is what would stop the rotation, nil if nothing that was looked at.
	problem *rotator.Problem
	// warnings are what is wrong without stopping it.
	warnings []rotator.Problem
}

// rehearse looks at everything as a rotation would before it changes anything, and
// searches for dependents that nobody listed, which takes many calls, if it is to.
func (w *world) rehearse(ctx context.Context, t *task) (o outlook, err error) {
	p, err := w.plan(ctx, t.key, t.searches)
	if err != nil {
		return o, err
	}
	o.warnings = p.Warnings
	if t.searches {
		o.warnings = append(o.warnings, ofSearch(&p)...)
	}
	if len(p.Problems) == 0 {
		return o, nil
	}
	first := p.Problems[0]
	if first.Class.Passes() {
		return o, rotator.Errorf(first.Class, "%s", first.Message)
	}
	if n := len(p.Problems) - 1; n > 0 {
		first.Message += fmt.Sprintf(" (and %d more)", n)
	}
	o.problem = &first
	return o, nil
}

// ofSearch warns of what holds the retirement: dependents that nobody listed, and that
// nobody looked everywhere.
func ofSearch(p *rotator.Plan) (all []rotator.Problem) {
	if n := len(p.Unlisted); n > 0 {
		first := p.Unlisted[0]
		problem := *first.Problem
		problem.Message = first.Dependent.Kind + " " + first.Dependent.DisplayName() + " " + problem.Message
		if n > 1 {
			problem.Message += fmt.Sprintf(" (and %d more)", n-1)
		}
		all = append(all, problem)
	}
	if p.Inventory.Off || p.Inventory.Complete() {
		return all // that it is off is no news
	}
	u := &p.Inventory.Unchecked[0]
	problem := rotator.Problem{Code: rotator.ReasonInventoryIncomplete, Message: "not checked for unlisted dependents: " + u.String(), Hint: u.Problem.Hint}
	if n := len(p.Inventory.Unchecked) - 1 + p.Inventory.More; n > 0 {
		problem.Message += fmt.Sprintf(" (and %d more)", n)
	}
	return append(all, problem)
}

// bySearch reports whether a warning came of a search.
func bySearch(p rotator.Problem) bool {
	return p.Code == rotator.ReasonInventoryIncomplete || p.Code == rotator.ReasonDependentDiscovered
}

// rehearsed takes in what came of a rehearsal. One at which Azure did not answer
// says nothing.
func (c watch) rehearsed(r *result) {
	c.rehearsing--
	key, state := c.byID[canonical(r.keyID)], c.stateOf(r.keyID)
	if key == nil || state == nil || r.err != nil || c.liveOf(key) != nil {
		return
	}
	warnings := r.outlook.warnings
	if !r.searches {
		for _, old := range state.Ahead {
			if bySearch(old) {
				warnings = append(warnings, old)
			}
		}
	}
	if f := c.freezeAt(key.ID, state.NextRotation); f != nil {
		warnings = append(warnings, *f.Problem())
	}
	state = c.draft.changedKey(r.keyID)
	state.Preflight, state.PreflightAt = r.outlook.problem, c.now
	for _, w := range warnings {
		if !slices.ContainsFunc(state.Ahead, func(old rotator.Problem) bool { return old.String() == w.String() }) {
			c.draft.notedOfKey(key.Name, rotator.EventPreflightWarned, "before the rotation of %s: %s", state.NextRotation.UTC().Format(time.RFC3339), &w)
		}
	}
	state.Ahead = warnings
}

// freezeAt returns a freeze that will stop a scheduled rotation at a time, nil if none is
// known.
func (c watch) freezeAt(key rotator.KeyID, at time.Time) *rotator.Freeze {
	for _, f := range c.freezes {
		if f.Stops(key, false, at) {
			return f
		}
	}
	return nil
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
