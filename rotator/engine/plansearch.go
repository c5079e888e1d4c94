package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cmkd/rotator"
)

// searchesAtOnce bounds the subscriptions that a plan searches at a time: a person waits
// for it, but others need the quota too.
const searchesAtOnce = 4

// planSearch is how long a plan searches: a person waits for it. A revocation is not to be
// kept waiting at all.
func planSearch(kind rotator.OperationKind) time.Duration {
	if kind == rotator.KindRevocation {
		return 10 * time.Second
	}
	return time.Minute
}

// search adds to a plan what a search for unlisted dependents finds, and what it cannot
// look at.
func (p planner) search(ctx context.Context, plan *rotator.Plan) {
	key, ok := (*p.e.keys.Load())[plan.Key]
	if !ok {
		return // a reload came in between
	}
	if key.Undiscovered {
		plan.Inventory = rotator.Inventory{Off: true}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, planSearch(plan.Kind))
	defer cancel()
	var where *result
	if len(key.Discover) == 0 {
		where = p.plainly(ctx, &task{kind: taskWhere, keyID: key.ID})
	} else {
		where = &result{}
	}
	all, gaps := subscriptions(&key, where.where)
	if state := p.e.stateOf(key.ID); len(where.where) > 0 {
		lost := state.NotListed(all)
		all, gaps = append(all, lost...), append(gaps, notListed(lost)...)
	}
	if where.err != nil {
		gaps = append(gaps, gap{err: where.err})
	}
	results := make([]*result, len(all))
	var g errgroup.Group
	g.SetLimit(searchesAtOnce)
	for i, s := range all {
		g.Go(func() error {
			results[i] = p.plainly(ctx, &task{kind: taskFind, keyID: key.ID, effect: &effect{subscription: s}})
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each is in its place
	for _, r := range results {
		gaps = append(gaps, r.gaps...)
		for i := range r.found {
			if f := &r.found[i]; !p.known(&key, plan, f.ID) {
				plan.Unlisted = append(plan.Unlisted, planUnlisted(plan, f))
			}
		}
	}
	plan.Inventory = inventory(len(all), gaps)
}

// known reports whether a dependent is listed, or looked at in the place of one that is,
// or was found already.
func (p planner) known(key *rotator.Key, plan *rotator.Plan, id string) bool {
	return slices.ContainsFunc(key.Dependents, func(d rotator.Dependent) bool { return d.Same(id) }) ||
		slices.ContainsFunc(plan.Unlisted, func(u rotator.PlannedDependent) bool { return u.Dependent.Same(id) }) ||
		slices.ContainsFunc(plan.Dependents, func(u rotator.PlannedDependent) bool {
			return slices.ContainsFunc(u.Via, func(via string) bool { return strings.EqualFold(via, id) })
		})
}

// planUnlisted says what becomes of a dependent that only a search found.
func planUnlisted(plan *rotator.Plan, f *rotator.Found) rotator.PlannedDependent {
	d := rotator.PlannedDependent{Dependent: f.Dependent, Problem: unlisted(plan.Key, &f.Dependent)}
	d.Dependent.Discovered = true
	d.Effect = "nobody listed it: nothing is written to it, and it holds the retirement until it is listed"
	if plan.Kind == rotator.KindRevocation {
		d.Effect = "nobody listed it: it breaks too, and nobody watches it"
	}
	if f.Unknown != nil {
		d.Problem.Message = "may use the key, and nobody listed it: " + f.Unknown.Message
	}
	return d
}
