package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// searchFresh is how long what a search found stands, by the clock that nobody sets. The
// guard alone searches again before it retires, however fresh the last search is.
const searchFresh = time.Hour

// sweep is one search of all subscriptions for dependents of a key that nobody listed,
// one subscription after the other. It is begun anew after a restart.
type sweep struct {
	// number tells it from others, of which answers may still come.
	number int
	// begun is when it began, by the steady clock; zero if there was none yet, or none
	// that still counts.
	begun time.Time
	// out is true until the last answer has come.
	out bool
	// left are the subscriptions that are still to be searched, searched counts the others.
	left     []string
	searched int
	gaps     []gap
	// passing is an error that passes by itself, if any was met.
	passing *rotator.Error
	// within are the subscriptions that were asked, found the resources found there, in lower
	// case.
	within, found map[string]bool
}

// gap is what a search could not look at: a kind, or every kind if it is empty, in a
// subscription, or where no list says if that is empty.
type gap struct {
	kind, subscription string
	err                *rotator.Error
}

// finder is a kind that can be searched for.
type finder struct {
	rotator.Finder
	kind string
}

// find searches a subscription for each kind. One that cannot be seen keeps nobody from
// looking for the others.
func (w *world) find(ctx context.Context, subscription string, key rotator.KeyID) (all []rotator.Found, gaps []gap) {
	for _, f := range w.finders {
		found, err := f.Find(ctx, subscription, key)
		all = append(all, found...)
		if err != nil {
			gaps = append(gaps, gap{f.kind, subscription, rotator.AsError(err)})
		}
	}
	return all, together(gaps, len(w.finders))
}

// together makes one gap of those of a subscription in which no kind can be seen, all for
// the same reason.
func together(gaps []gap, kinds int) []gap {
	other := func(g gap) bool { return g.err.Code != gaps[0].err.Code || g.err.Reason != gaps[0].err.Reason }
	if len(gaps) < 2 || len(gaps) < kinds || slices.ContainsFunc(gaps, other) {
		return gaps
	}
	return []gap{{subscription: gaps[0].subscription, err: gaps[0].err}}
}

// where lists the subscriptions to search; nil if there is nothing to list them with.
func (w *world) where(ctx context.Context) ([]string, error) {
	if w.lister == nil {
		return nil, nil
	}
	all, err := w.lister.Subscriptions(ctx)
	if err == nil && all == nil {
		all = []string{}
	}
	return all, err
}

// inventory sums up what a search of so many subscriptions saw.
func inventory(subscriptions int, gaps []gap) rotator.Inventory {
	i := rotator.Inventory{Subscriptions: subscriptions, More: max(len(gaps)-rotator.UncheckedMost, 0)}
	for _, g := range gaps[:len(gaps)-i.More] {
		i.Unchecked = append(i.Unchecked, rotator.Unchecked{Kind: g.kind, Subscription: g.subscription, Problem: *rotator.ProblemOf(g.err)})
	}
	return i
}

// subscriptions returns where to search for dependents of a key: where it says, or else
// in those listed and where its dependents are, each once and in order. If that is
// nowhere, it is a gap.
func subscriptions(key *rotator.Key, listed []string) (all []string, gaps []gap) {
	all = key.Discover
	if len(all) == 0 {
		all = slices.Clone(listed)
		for i := range key.Dependents {
			if s := key.Dependents[i].Subscription(); s != "" {
				all = append(all, s)
			}
		}
	}
	all = slices.SortedFunc(slices.Values(all), func(a, b string) int {
		return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	all = slices.CompactFunc(all, strings.EqualFold)
	if len(all) == 0 {
		gaps = []gap{{err: rotator.Errorf(rotator.CodeForbidden, "no subscription can be seen").
			WithHint("grant \"Reader\" on the subscriptions that may use the key to the daemon's identity, or name them in discover")}}
	}
	return all, gaps
}

// notListed are the gaps of subscriptions that are not listed any more.
func notListed(subscriptions []string) (gaps []gap) {
	for _, s := range subscriptions {
		gaps = append(gaps, gap{subscription: s, err: rotator.Errorf(rotator.CodeForbidden, "it was searched before, and is not listed any more").
			WithHint("give the daemon's identity back what it may read there; if it is gone, name the others under discover")})
	}
	return gaps
}

// fresh reports whether the last search stands.
func (c searching) fresh(l *live) bool {
	return !l.sweep.begun.IsZero() && c.steady.Sub(l.sweep.begun) < searchFresh
}

// freshen searches unless the last search stands.
func (c searching) freshen(l *live) {
	if !c.fresh(l) {
		c.begin(l)
	}
}

// again searches unless the last search stands and saw everything.
func (c searching) again(l *live) {
	if !c.fresh(l) || !l.op.Inventory.Complete() {
		c.begin(l)
	}
}

// begin searches anew, unless a search is under way.
func (c searching) begin(l *live) {
	key := c.keyOf(l)
	if l.sweep.out || key == nil { // without a key the guard objects
		return
	}
	c.sweeps++
	l.sweep = sweep{number: c.sweeps, begun: c.steady, out: true, within: map[string]bool{}, found: map[string]bool{}}
	switch {
	case key.Undiscovered:
		c.ended(l, rotator.Inventory{Off: true})
	case len(key.Discover) > 0:
		c.in(l, key, nil)
	default:
		c.ask(l, taskWhere, "")
	}
}

// void has the last search, or the one under way, not count any more: what it passed over
// as listed is listed no longer, or it was to look elsewhere.
func (c searching) void(l *live) { l.sweep = sweep{} }

// ask hands out a call of a search.
func (c searching) ask(l *live, kind taskKind, subscription string) {
	c.draft.intendedApart(task{
		kind: kind, operation: l.op.ID, key: l.op.Key, keyID: l.op.KeyID,
		effect: &effect{subscription: subscription, attempt: l.sweep.number},
	})
}

// in begins to search the subscriptions, of which these are listed; nil if nobody listed any.
func (c searching) in(l *live, key *rotator.Key, listed []string) {
	all, gaps := subscriptions(key, listed)
	if state := c.stateOf(key.ID); state != nil && listed != nil {
		lost := state.NotListed(all)
		all, gaps = append(all, lost...), append(gaps, notListed(lost)...)
		if len(all) > len(state.Searched) {
			c.draft.changedKey(key.ID).Searched = all
		}
	}
	l.sweep.left, l.sweep.gaps = all, append(l.sweep.gaps, gaps...)
	c.next(l)
}

// next searches the next subscription. They are not all searched at once: nothing waits.
func (c searching) next(l *live) {
	if len(l.sweep.left) == 0 {
		c.ended(l, inventory(l.sweep.searched, l.sweep.gaps))
		return
	}
	subscription := l.sweep.left[0]
	l.sweep.left = l.sweep.left[1:]
	l.sweep.within[strings.ToLower(subscription)] = true
	c.ask(l, taskFind, subscription)
}

// answered takes in what came of a call of a search. What an older search found is
// so all the same.
func (c searching) answered(l *live, r *result) {
	if l.op.Kind != rotator.KindRotation {
		return
	}
	for i := range r.found {
		c.found(l, &r.found[i])
	}
	if !l.sweep.out || r.attempt != l.sweep.number {
		return
	}
	s := &l.sweep
	for i := range r.found {
		s.found[strings.ToLower(r.found[i].ID)] = true
	}
	s.gaps = append(s.gaps, r.gaps...)
	if r.err != nil {
		s.gaps = append(s.gaps, gap{subscription: r.subscription, err: r.err})
	}
	for _, g := range s.gaps {
		if s.passing == nil && g.err.Passes() {
			s.passing = g.err
		}
	}
	switch key := c.keyOf(l); {
	case key == nil:
		c.void(l)
	case r.kind == taskWhere:
		c.in(l, key, r.where)
	default:
		s.searched++
		c.next(l)
	}
}

// ended takes in what a search saw.
func (c searching) ended(l *live, saw rotator.Inventory) {
	l.sweep.out = false
	l.op.Searched = c.now
	if saw.Complete() {
		c.missed(l)
	}
	if l.op.Inventory.Same(&saw) {
		c.draft.changedSoon(l)
		return
	}
	l.op.Inventory = saw
	c.draft.changed(l)
	if saw.Complete() {
		return
	}
	if saw.Off {
		c.draft.noted(l, rotator.EventSearchIncomplete, actorDaemon, "nobody searches for dependents that are not listed: discover is off, and nothing is retired")
		return
	}
	e := c.draft.noted(l, rotator.EventSearchIncomplete, actorDaemon, "dependents that nobody listed may be hidden; not checked: %s", saw.Unchecked[0].String())
	if n := len(saw.Unchecked) - 1 + saw.More; n > 0 {
		e.Message += fmt.Sprintf(" (and %d more)", n)
	}
	e.Data = map[string]string{"check": string(rotator.ReasonInventoryIncomplete)}
}

// found takes in a resource that a search found.
func (c searching) found(l *live, f *rotator.Found) {
	d := f.Dependent
	if c.through(l, d.ID) != nil {
		return
	}
	n := slices.IndexFunc(l.trackers, func(t rotator.Tracker) bool { return t.Detail.Dependent.Same(d.ID) })
	if n < 0 {
		what := "uses the key"
		if f.Unknown != nil {
			what = "may use the key (" + f.Unknown.Message + ")"
		}
		c.draft.noted(l, rotator.EventDependentFound, actorDaemon, "%s %s %s, and nobody listed it", d.Kind, d.DisplayName(), what).Dependent = d.ID
		d.Discovered = true
		c.draft.joined(l, d, c.look(l))
		return
	}
	switch t := l.trackers[n]; {
	case t.Detail.Removed: // it was listed once; now it is one that nobody listed
		c.unlist(l, t)
	case t.Detail.Dependent.Discovered && t.State == rotator.TrackerLeft: // it came back
		c.draft.observed(l, enterTracker(t, rotator.TrackerWaiting, c.now, c.look(l)), false)
	}
}

// unlist has a dependent that was listed be one that nobody lists.
func (c searching) unlist(l *live, t rotator.Tracker) {
	detail := configuring(c).whole(l, &t)
	t = enterTracker(t, rotator.TrackerWaiting, c.now, c.look(l))
	detail.Dependent = rotator.Dependent{ID: detail.Dependent.ID, Kind: detail.Dependent.Kind, Name: detail.Dependent.Name, Discovered: true}
	detail.Removed, detail.Problem, t.Detail = false, nil, detail
	c.draft.observed(l, t, true)
}

// missed lets those go that are not there any more: nobody lists them, they are not to be
// found, and a search of their subscription that saw everything did not find them either.
func (c searching) missed(l *live) {
	for _, t := range l.trackers {
		d, p := &t.Detail.Dependent, t.Detail.Problem
		gone := t.State == rotator.TrackerUnreachable && p != nil && p.Class == rotator.CodeNotFound
		if d.Discovered && gone && l.sweep.within[strings.ToLower(d.Subscription())] && !l.sweep.found[strings.ToLower(d.ID)] {
			detail := *t.Detail
			detail.Needs = nil // what is gone needs nothing
			t.Detail = &detail
			configuring(c).leaves(l, t, "is not there any more, and no search finds it")
		}
	}
}

// look is when to look at what was found: when the others are looked at, if the rotation
// has not made its version yet. Nothing that is not listed is to hold it up.
func (c searching) look(l *live) time.Time {
	if early(l) {
		return time.Time{}
	}
	return c.now
}

// early reports whether a rotation has no version yet for its dependents to be on.
func early(l *live) bool {
	return l.op.State == rotator.StatePending || l.op.State == rotator.StateCreating
}

// through returns the tracker that looks at a resource in the place of its own, nil if
// none does.
func (c searching) through(l *live, id string) *rotator.Tracker {
	for i := range l.trackers {
		t := &l.trackers[i]
		if t.State != rotator.TrackerExcluded && slices.ContainsFunc(t.Detail.Via, func(via string) bool { return strings.EqualFold(via, id) }) {
			return t
		}
	}
	return nil
}

// covered takes leave of what a search had found before it was known that a dependent is
// looked at through it.
func (c searching) covered(l *live, by *rotator.Tracker) {
	if len(by.Detail.Via) == 0 || l.op.Unlisted == 0 {
		return
	}
	for i := range l.trackers {
		t := l.trackers[i]
		if !t.Detail.Dependent.Discovered || t.Detail.Removed || t.Number == by.Number || c.through(l, t.Detail.Dependent.ID) == nil {
			continue
		}
		configuring(c).leaves(l, t, "is looked at through "+by.Detail.Dependent.Kind+" "+by.Detail.Dependent.DisplayName())
	}
}

// unlistedLook compares the versions in use with the target, of a dependent that only a
// search found. Nobody consented to write to it, so that it is only seen: unless it comes
// by itself, a person has to list it.
func (t tracker) unlistedLook(l look) tracker {
	if t, _ = t.versionLook(l); t.State.Settled() {
		return t
	}
	return t.block(rotator.TrackerNeedsAction, unlisted(l.op.Key, &t.Detail.Dependent), l)
}

// unlisted is the problem of a dependent that only a search found.
func unlisted(key string, d *rotator.Dependent) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonDependentDiscovered, Message: "uses the key, and nobody listed it: cmkd does not write to it",
		Hint: "add id: " + d.ID + " to the dependents of " + key + " in the configuration, with exclude and a reason if it is not to be waited for",
	}
}
