package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

const (
	// horizon is how much of the due index is held in memory.
	horizon = 10 * time.Minute
	// watchEvery is how often the versions of a key are read, so that what somebody else
	// does to one is found.
	watchEvery = 5 * time.Minute
)

// core is the engine without its loop: it turns results, requests and the
// passing of time into a draft of the next commit and tasks to carry out after it.
// It does no I/O but read the store, starts no goroutine and knows the time only as
// a value, so that whoever drives it decides what happens in which order.
type core struct{ *state }

func newCore(store rotator.Store, services []rotator.Service, limits Limits) *core {
	c := &core{&state{
		store: store, traits: map[string]rotator.Traits{}, limits: limits,
		out: map[rotator.OperationID]int{}, kinds: newKindCounts(), blind: map[string]time.Time{},
		heard:  map[string]time.Time{},
		asking: map[string]time.Time{}, fresh: map[string]time.Time{}, older: map[string]time.Time{}, unread: map[string]bool{},
	}}
	c.thaws = map[string]time.Time{}
	c.rounds, c.drifting = map[string]*round{}, map[string]map[string][]rotator.Drift{}
	c.draft = &draft{of: c.state}
	c.pace, c.overview = newPace(limits), newOverview()
	c.draft.clear()
	c.alarm = newAlarm()
	for _, s := range services {
		c.traits[s.Kind()] = s.Traits()
	}
	return c
}

func withDue(t rotator.Tracker, due time.Time) rotator.Tracker {
	t.Due = due
	return t
}

// withdraw takes back tasks that will not be carried out.
func (c *core) withdraw(tasks []task) {
	for i := range tasks {
		switch t := &tasks[i]; t.kind {
		case taskNotify:
			c.alarm.outbox.end(t.notify.receiver.Name)
		case taskRehearse:
			c.rehearsing--
		case taskCreate:
			c.pace.give(t.operation, false, c.steady)
		case taskVersions:
			if t.operation == 0 {
				delete(c.asking, canonical(t.keyID))
			}
		default: // its operation is read anew
		}
	}
}

// reset reads the state from the store and forgets what was not committed.
func (c *core) reset(ctx context.Context, keys []rotator.Key, now time.Time) error {
	first := c.steady.IsZero()
	if first {
		c.steady = now
	}
	c.now = now
	c.live = map[rotator.OperationID]*live{}
	c.agenda, c.filled = nil, time.Time{}
	clear(c.rounds) // what is out is asked for again
	clear(c.drifting)
	c.withdraw(c.draft.tasks)
	c.kinds, c.alarm.outbox.planned = newKindCounts(), time.Time{}
	c.draft.clear()
	c.pace.disperse()
	book, err := c.store.Book(ctx)
	if err == nil {
		err = c.alarm.restore(book)
		c.attestations = map[string]*rotator.Attestation{}
		for i := range book.Attestations {
			c.attestations[book.Attestations[i].ID] = &book.Attestations[i]
		}
		freezing{c.state}.restore(book)
	}
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	states, err := c.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	c.states = map[string]*rotator.KeyState{}
	for i := range states {
		s := &states[i]
		if s.Problem != nil && s.Problem.Code == rotator.ReasonScheduleMissed {
			s.Missed, s.Problem = s.LastFired, nil // as it was kept once
		}
		c.states[canonical(s.ID)] = s
		for n := range s.Tampered {
			s.Tampered[n].Mended = time.Time{} // nobody knows whether the call was made
		}
	}
	alerts{c.state}.identify()
	c.fault = nil
	ops, err := c.store.Operations(ctx, rotator.OperationFilter{Live: true})
	if err != nil {
		return fmt.Errorf("read live operations: %w", err)
	}
	for _, op := range ops {
		if op.Trackers == nil {
			op.Trackers = map[rotator.TrackerState]int{}
		}
		c.live[op.ID] = &live{op: op}
	}
	c.occupy()
	if first {
		making{c.state}.remember()
	}
	c.overview = newOverview()
	for _, l := range c.live {
		c.overview.see(&l.op)
	}
	for id, state := range c.states {
		c.overview.next.see(id, state.NextRotation)
	}
	if err := c.fill(ctx); err != nil {
		return err
	}
	configuring{c.state}.all(keys)
	if err := c.resume(); err != nil {
		return err
	}
	freezing{c.state}.expire()
	for _, id := range c.liveIDs() {
		c.planOperation(c.live[id])
	}
	alerts{c.state}.judgeAll()
	alerts{c.state}.chores()
	if first {
		return c.wake(ctx)
	}
	return nil
}

// occupy finds out which operation is under way on each key.
func (c *core) occupy() {
	for _, state := range c.states {
		state.Operation = 0
	}
	for _, id := range c.liveIDs() {
		l := c.live[id]
		if state := c.stateOf(l.op.KeyID); state != nil && (state.Operation == 0 || l.op.State != rotator.StateAwaitingApproval) {
			state.Operation = id
		}
	}
}

// judgeAll judges everything anew: the rules may be others than those of the
// daemon before.
func (c alerts) judgeAll() {
	scopes := map[string]bool{alerting.ScopeDaemon: true}
	for _, id := range c.liveIDs() {
		scopes[id.String()] = true
		c.judge(c.live[id])
	}
	for _, name := range slices.Sorted(maps.Keys(c.keys)) {
		scopes[alerting.ScopeOfKey(c.keys[name].ID)] = true
		c.judgeKey(canonical(c.keys[name].ID))
	}
	for _, scope := range slices.Sorted(maps.Keys(c.alarm.alerts)) {
		if !scopes[scope] {
			c.reconcile(scope, nil)
		}
	}
}

// resume goes on with every operation as far as what is known allows: one that
// was waiting for an answer when the daemon stopped looks whether its call had an
// effect.
func (c *core) resume() error {
	for _, id := range c.liveIDs() {
		l := c.live[id]
		if err := c.load(l); err != nil {
			return err
		}
		if l.op.Wake.IsZero() {
			c.advance(l, false)
		}
	}
	return nil
}

// tick serves everything that is due.
func (c *core) tick(ctx context.Context) error {
	if c.filled.Sub(c.now) < horizon/2 {
		if err := c.fill(ctx); err != nil {
			return err
		}
	}
	for _, item := range c.agenda.take(c.now) {
		switch {
		case item.watch:
			watch{c.state}.key(item.key)
		case item.chores:
			alerts{c.state}.chores()
		case item.post:
			posting{c.state}.all()
		case item.thaw:
			freezing{c.state}.expire()
		case item.room:
			c.pace.planned = time.Time{}
			making{c.state}.room()
		case item.operation == 0:
			schedule{c.state}.fire(item.key)
		default:
			if err := (observing{c.state}).due(c.live[item.operation]); err != nil {
				return err
			}
		}
	}
	return nil
}

// handle takes in the result of a task.
func (c *core) handle(r *result) error {
	switch {
	case r.kind == taskNotify:
		posting{c.state}.notified(r)
		return nil
	case r.kind == taskRehearse:
		watch{c.state}.rehearsed(r)
		return nil
	case r.kind == taskPolicy:
		watch{c.state}.policyRead(r)
		return nil
	case r.kind == taskInspect && r.operation == 0:
		foreign{c.state}.inspected(r)
		return nil
	case r.kind == taskSetEnabled && r.operation == 0:
		foreign{c.state}.reenabled(r)
		if r.err == nil {
			c.overtaken(r)
		}
		return nil
	case r.kind == taskObserve && r.operation == 0:
		standings{c.state}.observed(r)
		return nil
	case r.operation == 0:
		watch{c.state}.watched(r)
		return nil
	case r.kind == taskSetEnabled:
		tampering{c.state}.answered(r)
	}
	if r.kind == taskCreate {
		tampering{c.state}.made(r)
		c.pace.give(r.operation, true, c.steady)
		defer making{c.state}.room()
	}
	l := c.live[r.operation]
	if r.kind.holds() {
		if c.out[r.operation]--; c.out[r.operation] <= 0 {
			delete(c.out, r.operation)
		}
	}
	if l == nil { // it has ended meanwhile
		if c.out[r.operation] == 0 {
			c.pace.give(r.operation, false, c.steady)
			making{c.state}.room()
		}
		c.tooLate(r)
		return nil
	}
	if err := c.load(l); err != nil {
		return err
	}
	switch r.kind {
	case taskObserve, taskApply:
		observing{c.state}.looked(l, r)
	case taskVersions:
		c.listed(l, r)
	case taskCreate:
		rotation{c.state}.created(l, r)
	case taskWhere, taskFind:
		searching{c.state}.answered(l, r)
	case taskSetEnabled:
		switch {
		case l.op.Kind != rotator.KindRotation:
			revocation{c.state}.setEnabled(l, r)
		case r.enable:
			probation{c.state}.enabled(l, r)
		default:
			retirement{c.state}.disabledPrevious(l, r)
		}
	case taskInspect:
		foreign{c.state}.read(r)
		if r.err.Passes() {
			l.listErr = r.err // the preflight is tried again
		}
	case taskPolicy, taskRehearse, taskNotify: // of no operation
	}
	c.advance(l, false)
	return nil
}

// tooLate notes what a call did to a version for an operation that had ended before its
// answer came.
func (c *core) tooLate(r *result) {
	if r.err != nil || r.kind != taskCreate && r.kind != taskSetEnabled {
		return
	}
	t, what := rotator.EventVersionCreated, "made"
	switch {
	case r.kind == taskSetEnabled && r.version.Enabled:
		t, what = rotator.EventVersionEnabled, "enabled"
	case r.kind == taskSetEnabled:
		t, what = rotator.EventVersionDisabled, "disabled"
	}
	e := c.draft.notedOfKey(r.key, t, "version %s was %s for %s, which had ended before", r.version.ID, what, r.operation)
	e.Operation, e.Data = r.operation, map[string]string{"version": r.version.ID}
	if r.version.Enabled {
		c.overtaken(r)
	}
}

// overtaken has a revocation disable a version, too, that a call made or enabled which was under
// way when the key was revoked.
func (c *core) overtaken(r *result) {
	state := c.stateOf(r.keyID)
	if state == nil {
		return
	}
	if l := c.live[state.Operation]; l.revokes() && c.load(l) == nil {
		revocation{c.state}.appeared(l, r.version.ID)
		c.advance(l, false)
	}
}

// listed hands a list of versions to the phase that asked for it.
func (c *core) listed(l *live, r *result) {
	if r.err == nil {
		tampering{c.state}.listed(l.op.KeyID, r.versions)
		l.versions, l.listErr = r.versions, nil
		if state := c.stateOf(l.op.KeyID); state != nil {
			watch{c.state}.sawKey(state)
		}
	} else {
		l.versions, l.listErr = nil, r.err
	}
	c.draft.changedSoon(l)
	switch l.op.State {
	case rotator.StateCreating:
		if !l.op.Attempt.Uncertain.IsZero() {
			rotation{c.state}.searched(l, r)
		}
	case rotator.StatePropagating, rotator.StateSoaking, rotator.StateRetiring, rotator.StateProbation:
		if r.err == nil {
			rotation{c.state}.outside(l, c.candidates(l, r.versions), r.versions)
		}
	case rotator.StateDisabling:
		c.changeListed(l, r, revocation{c.state}.listedToDisable)
	case rotator.StateTakingEffect, rotator.StateEffective:
		c.changeListed(l, r, undoing{c.state}.listed)
	default: // pending looks at l.versions itself
	}
}

// candidates returns the versions of a list that an operation may follow.
func (c *core) candidates(l *live, versions []rotator.Version) []rotator.Version {
	state := c.stateOf(l.op.KeyID)
	if state == nil {
		return versions
	}
	return foreign{c.state}.candidates(state, versions, []string{l.op.Target.ID})
}

// changeListed handles a list of versions of a revocation, or tries again.
func (c *core) changeListed(l *live, r *result, use func(*live, []rotator.Version)) {
	if r.err != nil {
		l.op.Failures++
		p := rotator.ProblemOf(r.err)
		if undone(&l.op) {
			p = l.op.Problem // not to see it is not to see it mended
		}
		c.draft.held(l, p, max(backoff(l.op.Failures), r.err.RetryAfter))
		return
	}
	if l.op.Problem != nil && !undone(&l.op) {
		l.op.Problem = nil
		c.draft.changed(l)
	}
	l.op.Failures = 0
	use(l, r.versions)
}
