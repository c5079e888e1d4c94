package engine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

const (
	// soonEvery is how often the dependents of a key are observed between operations for
	// soonFor after a change, seldomEvery afterwards.
	soonEvery, seldomEvery, soonFor = time.Hour, 6 * time.Hour, 24 * time.Hour
	// soakEvery is how often a dependent is observed while its rotation soaks.
	soakEvery = 15 * time.Minute
	// observeAgain is how often a dependent is observed once more that could not be read or
	// did not tell, before that is told of.
	observeAgain = 2
)

// round is one look at all dependents of a key.
type round struct {
	// before are the standings, by resource id in lower case. They are in memory only as
	// long as the round lasts.
	before map[string]*rotator.Standing
	// out are the observations asked for that have not come, tries how often one came to
	// nothing.
	out   map[string]bool
	tries map[string]int
}

// turn observes the dependents of a key, if it is time and no operation does.
func (c standings) turn(key *rotator.Key) {
	id, state := canonical(key.ID), c.stateOf(key.ID)
	if state == nil || watch(c).observes(key) {
		delete(c.rounds, id) // the operation observes them
		return
	}
	if s := c.rounds[id]; s != nil {
		c.again(key, s)
		return
	}
	every := seldomEvery
	if !state.Changed.IsZero() && !c.over(state.Changed, soonFor) {
		every = soonEvery
	}
	if len(key.Dependents) > 0 && c.over(state.Observed, every-watchEvery/2) {
		c.begin(key, state)
	}
}

// begin asks for an observation of each dependent of a key.
func (c standings) begin(key *rotator.Key, state *rotator.KeyState) {
	before, err := c.standingsOf(key.ID)
	if err != nil {
		return // with the next turn
	}
	s := &round{before: before, out: map[string]bool{}, tries: map[string]int{}}
	id := canonical(key.ID)
	c.rounds[id], c.drifting[id] = s, map[string][]rotator.Drift{}
	c.draft.changedKey(key.ID).Observed = c.now
	for i := range key.Dependents {
		d := &key.Dependents[i]
		if d.Unseen() {
			continue
		}
		if st := before[strings.ToLower(d.ID)]; st != nil && len(st.Drift) > 0 {
			c.drifting[id][strings.ToLower(d.ID)] = st.Drift
		}
		c.observe(key, s, d)
	}
	drifts(c).sum(key, state)
}

func (c standings) observe(key *rotator.Key, s *round, d *rotator.Dependent) {
	s.out[strings.ToLower(d.ID)] = true
	c.draft.intendedApart(task{
		kind: taskObserve, key: key.Name, keyID: key.ID, dependent: d, access: c.traits[d.Kind].CheapAccess,
	})
}

// again asks once more for what came to nothing.
func (c standings) again(key *rotator.Key, s *round) {
	for i := range key.Dependents {
		d := &key.Dependents[i]
		if id := strings.ToLower(d.ID); !d.Unseen() && s.tries[id] > 0 && !s.out[id] {
			c.observe(key, s, d)
		}
	}
	if len(s.out) == 0 {
		delete(c.rounds, canonical(key.ID))
	}
}

// standingsOf reads what is known of the dependents of a key: from the store, and of what
// the last operation saw since.
func (c standings) standingsOf(key rotator.KeyID) (map[string]*rotator.Standing, error) {
	ctx := context.Background()
	all, err := stored(c.store, key)
	if err != nil {
		return nil, err
	}
	ops, err := c.store.Operations(ctx, rotator.OperationFilter{KeyID: key, Limit: 1})
	if err != nil || len(ops) == 0 {
		return all, err
	}
	trackers, err := c.store.Trackers(ctx, ops[0].ID, 0, 0)
	for i := range trackers {
		seenBy(&ops[0], &trackers[i], all)
	}
	return all, err
}

// stored reads the standings that the store has, by resource id in lower case.
func stored(store rotator.Store, key rotator.KeyID) (map[string]*rotator.Standing, error) {
	stored, err := store.Standings(context.Background(), key)
	all := make(map[string]*rotator.Standing, len(stored))
	for i := range stored {
		all[strings.ToLower(stored[i].Dependent)] = &stored[i]
	}
	return all, err
}

// seenBy adds what an operation saw of a dependent to what was known before. Whoever was not
// seen by a rotation that disabled all that was to be disabled was attested for.
func seenBy(op *rotator.Operation, t *rotator.Tracker, all map[string]*rotator.Standing) {
	d, key := t.Detail, op.KeyID
	id := strings.ToLower(d.Dependent.ID)
	st := all[id]
	if st == nil {
		st = &rotator.Standing{KeyID: key, Dependent: d.Dependent.ID, Kind: d.Dependent.Kind}
	}
	switch unlisted := d.Dependent.Discovered; {
	case d.Removed, unlisted && t.State == rotator.TrackerLeft, retired(op) && t.State == rotator.TrackerExcluded:
		st.Known, st.Unlisted = nil, false // it needs nothing, as far as anybody can see
		if len(d.Needs) == 0 {
			st.Held = nil
			return
		}
	case !unlisted && d.Last == nil && len(d.Known) == 0 && len(d.Needs) == 0:
		return
	default:
		st.Kind, st.Known, st.Unlisted = d.Dependent.Kind, remembered(st.Known, d.Known), unlisted
	}
	all[id] = st
	// What somebody did meanwhile is nothing that a revocation or its end was to do.
	// One that brought it nowhere is no reason either.
	brought := op.Kind == rotator.KindRotation && op.Target.ID != "" && (t.State == rotator.TrackerDone || t.State == rotator.TrackerLeft)
	if d.Last != nil && (st.Last == nil || brought && d.Last.At.After(st.Last.At)) {
		st.Last, st.Since, st.Drift = d.Last, d.DoneAt, nil
	}
	if brought || len(st.Held) == 0 {
		st.Held = nil
		for _, version := range d.Needs {
			st.Held = append(st.Held, rotator.Held{Key: key, Version: version})
		}
	}
}

// retired reports whether a rotation disabled all that it was to disable.
func retired(op *rotator.Operation) bool {
	return op.Kind == rotator.KindRotation && op.State == rotator.StateCompleted && len(op.Retired) > 0 && len(op.Retired) == len(op.Previous)
}

// observed takes in an observation that no operation asked for.
func (c standings) observed(r *result) {
	key, state := c.byID[canonical(r.keyID)], c.stateOf(r.keyID)
	s := c.rounds[canonical(r.keyID)]
	id := strings.ToLower(r.dependent.ID)
	if key == nil || state == nil || s == nil || !s.out[id] {
		return
	}
	delete(s.out, id)
	defer c.ended(key, s)
	if watch(c).observes(key) || !slices.ContainsFunc(key.Dependents, func(d rotator.Dependent) bool { return d.Same(r.dependent.ID) }) {
		delete(s.tries, id)
		return
	}
	st := rotator.Standing{KeyID: key.ID, Dependent: r.dependent.ID, Kind: r.dependent.Kind}
	if old := s.before[id]; old != nil {
		st = *old
	}
	v := &driftView{key: key.ID, current: state.Current.ID, now: c.now}
	if r.err != nil {
		if s.tries[id]++; s.tries[id] <= observeAgain {
			return
		}
		delete(s.tries, id)
		c.stood(key, s, &st, r.dependent, st.Last, v.unobserved(&st, r.err))
		return
	}
	o, unknown := r.observation, r.observation.Unknown(st.Known)
	if unknown != nil || unheard(state, o) {
		if s.tries[id]++; s.tries[id] <= observeAgain {
			watch(c).ask(key) // somebody may have made a version
			return
		}
	}
	delete(s.tries, id)
	drift := v.drift(&st, o, unknown)
	nameless := unheard(state, o) && c.mayBeOurs(key)
	if nameless {
		drift = slices.DeleteFunc(drift, func(d rotator.Drift) bool { return d.Change == rotator.ReasonVersionChanged })
		for _, d := range st.Drift { // nobody knows that it is over
			if d.Change == rotator.ReasonVersionChanged {
				drift = append(drift, d)
			}
		}
	}
	if unknown == nil {
		st.Known = remembered(st.Known, o.KnownUses())
	}
	if unknown != nil || nameless || leftKey(drift) {
		o = st.Last // the last one that told, or that there was something to tell of
	}
	c.stood(key, s, &st, r.dependent, o, drift)
}

// leftKey reports whether a dependent that used the key uses it no more.
func leftKey(drift []rotator.Drift) bool {
	return slices.ContainsFunc(drift, func(d rotator.Drift) bool { return d.Change == rotator.ReasonKeyLeft })
}

// unheard reports whether a use is on a version of the key that the vault has not listed.
func unheard(state *rotator.KeyState, o *rotator.Observation) bool {
	for u := range o.UsesOf(state.ID) {
		if _, known := rotator.FindVersion(state.Versions, u.Version); !known && u.Version != "" {
			return true
		}
	}
	return false
}

// mayBeOurs reports whether a version that the vault has not listed may be one of an operation: of
// a call that is out, or of which nobody knows what came of it, or as long as the versions cannot
// be read.
func (c standings) mayBeOurs(key *rotator.Key) bool {
	_, blind := c.blind[canonical(key.ID)]
	l := c.liveOf(key).atWork()
	return blind || l != nil && l.op.State == rotator.StateCreating && (!l.op.Attempt.Uncertain.IsZero() || c.busy(l))
}

// stood keeps what is known of a dependent, if that is news, and tells of drift.
func (c standings) stood(key *rotator.Key, s *round, st *rotator.Standing, d *rotator.Dependent, o *rotator.Observation, drift []rotator.Drift) {
	id := strings.ToLower(d.ID)
	old := s.before[id]
	news := old == nil || len(old.Known) != len(st.Known) || !slices.Equal(old.Drift, drift)
	if st.Last == nil || o != nil && shows(o) != shows(st.Last) {
		st.Since, news = c.now, true
	}
	is := func(d rotator.Drift) func(rotator.Drift) bool {
		return func(o rotator.Drift) bool { return o.Change == d.Change && o.Use == d.Use && o.To == d.To }
	}
	for _, x := range drift {
		if !slices.ContainsFunc(st.Drift, is(x)) {
			drifts(c).told(key, d, rotator.EventDependentDrifted, x)
		}
	}
	for _, x := range st.Drift {
		if !slices.ContainsFunc(drift, is(x)) {
			drifts(c).told(key, d, rotator.EventDriftOver, x)
		}
	}
	if was := needsOf(st, key.ID); o != nil && st.Last != o && len(was) > 0 {
		if now := previousOf(o, key.ID); len(now) > 0 && !slices.Contains(now, was[len(was)-1]) {
			st.Held = []rotator.Held{{Key: key.ID, Version: was[len(was)-1]}}
		}
	}
	st.Last, st.Drift = o, drift
	kept := *st
	s.before[id] = &kept
	if news {
		c.draft.stood(kept)
	}
	all := c.drifting[canonical(key.ID)]
	if len(drift) == 0 && all[id] == nil {
		return
	}
	if all[id] = drift; len(drift) == 0 {
		delete(all, id)
	}
	drifts(c).sum(key, c.stateOf(key.ID))
}

// ended takes leave of a round at which everything was seen, and forgets those who are not
// configured any more.
func (c standings) ended(key *rotator.Key, s *round) {
	if len(s.out) > 0 || len(s.tries) > 0 {
		return
	}
	delete(c.rounds, canonical(key.ID))
	using(c).usedBetween(key, s)
	for _, d := range key.Dependents {
		delete(s.before, strings.ToLower(d.ID))
	}
	for _, id := range slices.Sorted(maps.Keys(s.before)) {
		if lookedAt(s.before[id]) {
			continue // by the next rotation
		}
		c.draft.stoodNoMore(rotator.StandingID{KeyID: key.ID, Dependent: s.before[id].Dependent})
	}
}

// after forgets what drifted before an operation that brought everybody where they belong,
// and has them observed more often for a while.
func (c standings) after(l *live) {
	op, state := &l.op, c.stateOf(l.op.KeyID)
	if state == nil {
		return
	}
	if op.Kind == rotator.KindRotation {
		for _, v := range op.Retired {
			using(c).neededNoMore(l, v)
		}
	}
	using(c).usedIn(l)
	if op.Kind == rotator.KindRotation {
		c.keepUnseen(l)
	}
	state = c.draft.changedKey(op.KeyID)
	state.Changed = c.now
	if op.State == rotator.StateCompleted && op.Kind == rotator.KindRotation && len(state.Drift) > 0 {
		state.Drift = nil
		c.draft.notedOfKey(state.Name, rotator.EventDriftOver, "over: what drifted before %s", op.ID)
	}
}

// keepUnseen keeps what a rotation knew of those that are not observed between operations, or
// that were not to be seen at its end: the operations after it may know nothing of that.
func (c standings) keepUnseen(l *live) {
	all, err := stored(c.store, l.op.KeyID)
	if err != nil {
		c.fault = err
		return
	}
	for _, t := range l.trackers {
		d, id := t.Detail, strings.ToLower(t.Detail.Dependent.ID)
		unseen := d.Dependent.Discovered || t.State == rotator.TrackerExcluded || t.State == rotator.TrackerUnreachable
		if known := all[id] != nil || len(d.Known) > 0; !unseen || !known {
			continue
		}
		t.Detail = configuring(c).whole(l, &t)
		seenBy(&l.op, &t, all)
		if st := all[id]; st != nil {
			c.draft.stood(*st)
		}
	}
}

// remember has a rotation look at those that were seen to use its key and that the
// configuration has no more: that nobody lists them does not say that they need no old
// version. A search need not find them, where it is not to look or is not shown all.
func (c standings) remember(l *live, stood map[string]*rotator.Standing) {
	if l.op.Kind != rotator.KindRotation {
		return
	}
	for i := range l.trackers {
		delete(stood, strings.ToLower(l.trackers[i].Detail.Dependent.ID))
	}
	for _, id := range slices.Sorted(maps.Keys(stood)) {
		st := stood[id]
		if _, kind := c.traits[st.Kind]; !kind || !lookedAt(st) {
			continue
		}
		d := rotator.Dependent{ID: st.Dependent, Kind: st.Kind, Discovered: true}
		c.draft.noted(l, rotator.EventDependentFound, actorDaemon, "%s %s used the key, and nobody lists it", d.Kind, d.DisplayName()).Dependent = d.ID
		c.draft.joined(l, d, searching(c).look(l))
	}
}

// lookedAt reports whether a rotation looks at a dependent though nobody lists it.
func lookedAt(st *rotator.Standing) bool { return len(st.Known) > 0 || st.Unlisted || len(st.Held) > 0 }

// needsOf returns the versions of a key that a dependent needs once it is told another one:
// those it goes on to need, oldest first, and last the one it was seen on.
func needsOf(st *rotator.Standing, key rotator.KeyID) (versions []string) {
	for _, h := range st.Held {
		if h.Key.Same(key) {
			versions = remembered(versions, []string{h.Version})
		}
	}
	if st.Last == nil {
		return versions
	}
	last := previousOf(st.Last, key)
	return append(slices.DeleteFunc(versions, func(v string) bool { return slices.Contains(last, v) }), last...)
}

// seed lets an operation know what was known of its dependents before: a use that was
// known once and is not shown any more is unknown, and not gone; a version that it went on to
// need is needed until it is seen to be told yet another one.
func (c standings) seed(l *live) {
	stood, err := c.standingsOf(l.op.KeyID)
	if err != nil {
		c.fault = err
		return
	}
	c.remember(l, maps.Clone(stood))
	for i := range l.trackers {
		if st := stood[strings.ToLower(l.trackers[i].Detail.Dependent.ID)]; st != nil && lookedAt(st) {
			d := *l.trackers[i].Detail
			d.Known, d.Needs = st.Known, needsOf(st, l.op.KeyID)
			l.trackers[i].Detail = &d // it is new, and to be committed whole
		}
	}
}

// next is when a dependent that is where it should be is observed again: while it soaks
// every [soakEvery]; in probation as often as for a revocation, but for
// [probationEvery], and so if a revocation is undone; while a person is waited for as often as
// between operations. Zero if nobody asks.
func (c standings) next(l *live, t *rotator.Tracker) time.Time {
	switch {
	case l.op.Kind != rotator.KindRotation && !undone(&l.op):
		return time.Time{}
	case l.op.State == rotator.StateSoaking:
		return nextOnGrid(c.now, soakEvery)
	case l.op.State == rotator.StateProbation, undone(&l.op):
		return nextOnGrid(c.now, max(pollOf(&t.Detail.Dependent, accessWindow(t.Detail, c.traits[t.Detail.Dependent.Kind])), probationEvery))
	case l.op.State != rotator.StatePropagating && l.op.State != rotator.StateRetiring:
		return time.Time{}
	case !c.over(l.op.Since, soonFor): // others, or a person, are waited for
		return nextOnGrid(c.now, soonEvery)
	default:
		return nextOnGrid(c.now, seldomEvery)
	}
}
