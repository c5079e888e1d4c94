package rotator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// reset reads the state from the store and forgets what was not committed.
func (c *core) reset(ctx context.Context, keys []Key, now time.Time) error {
	c.now = now
	c.live = map[OperationID]*live{}
	c.agenda, c.filled = nil, time.Time{}
	c.withdraw(c.tasks)
	c.kinds, c.alarm.outbox.planned = newKindCounts(), time.Time{}
	c.clear()
	book, err := c.store.Book(ctx)
	if err == nil {
		err = c.alarm.restore(book)
	}
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	states, err := c.store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	c.states = map[string]*KeyState{}
	for i := range states {
		c.states[states[i].Name] = &states[i]
	}
	c.fault = nil
	ops, err := c.store.Operations(ctx, OperationFilter{Live: true})
	if err != nil {
		return fmt.Errorf("read live operations: %w", err)
	}
	for _, op := range ops {
		if op.Trackers == nil {
			op.Trackers = map[TrackerState]int{}
		}
		c.live[op.ID] = &live{op: op}
	}
	if err := c.fill(ctx); err != nil {
		return err
	}
	c.configure(keys)
	if err := c.resume(); err != nil {
		return err
	}
	for _, id := range c.liveIDs() {
		c.planOperation(c.live[id])
	}
	c.judgeAll()
	c.chores()
	return nil
}

// judgeAll judges everything anew: the rules may be others than those of the
// daemon before.
func (c *core) judgeAll() {
	scopes := map[string]bool{scopeDaemon: true}
	for _, id := range c.liveIDs() {
		scopes[id.String()] = true
		c.judge(c.live[id])
	}
	for _, name := range slices.Sorted(maps.Keys(c.keys)) {
		scopes[scopeOfKey(name)] = true
		c.judgeKey(name)
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

func (c *core) liveIDs() []OperationID {
	ids := make([]OperationID, 0, len(c.live))
	for id := range c.live {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// load reads the trackers of an operation.
func (c *core) load(l *live) error {
	if l.loaded {
		return nil
	}
	trackers, err := c.store.Trackers(context.Background(), l.op.ID, 0, 0)
	if err != nil {
		return fmt.Errorf("read trackers of %s: %w", l.op.ID, err)
	}
	l.trackers, l.asked, l.askedN = trackers, make([]bool, len(trackers)), 0
	l.changed, l.marks, l.dues, l.dueN = nil, make([]mark, len(trackers)), map[int64]int{}, 0
	for i := range trackers {
		slim := *trackers[i].Detail
		slim.Last = nil
		trackers[i].Detail = &slim
		l.redue(time.Time{}, trackers[i].Due)
		c.kinds.count(&trackers[i], 1)
	}
	l.loaded = true
	return nil
}

// fill puts the near future of the store's due index on the agenda.
func (c *core) fill(ctx context.Context) error {
	c.filled = c.now.Add(horizon)
	items, err := c.store.Due(ctx, c.filled, 0)
	if err != nil {
		return fmt.Errorf("read due index: %w", err)
	}
	for _, i := range items {
		c.agenda.add(agendaItem{at: i.At.UnixNano(), key: i.Key, operation: i.Operation})
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
			c.watchKey(item.key)
		case item.chores:
			c.chores()
		case item.post:
			c.post()
		case item.operation == 0:
			c.fire(item.key)
		default:
			if err := c.dueOperation(c.live[item.operation]); err != nil {
				return err
			}
		}
	}
	return nil
}

// dueOperation looks at the trackers of an operation that are due, and at the
// operation itself if it is.
func (c *core) dueOperation(l *live) error {
	if l == nil {
		return nil
	}
	if err := c.load(l); err != nil {
		return err
	}
	l.planned = time.Time{}
	c.tasks = slices.Grow(c.tasks, l.dues[l.due().UnixNano()])
	for i := range l.trackers {
		if t := &l.trackers[i]; !t.Due.IsZero() && !t.Due.After(c.now) && !l.asked[i] {
			c.ask(l, t, taskObserve, "")
		}
	}
	if !l.op.Wake.IsZero() && !l.op.Wake.After(c.now) {
		l.op.Wake, l.listed = time.Time{}, time.Time{}
		c.mark(l)
		c.advance(l, true)
	}
	c.planOperation(l)
	return nil
}

// ask hands out a task for a tracker.
func (c *core) ask(l *live, t *Tracker, kind taskKind, a Action) {
	l.asked[t.Number] = true
	l.askedN++
	l.redue(t.Due, time.Time{})
	k := task{
		kind: kind, asked: c.now, operation: l.op.ID, key: l.op.Key, keyID: l.op.KeyID, tracker: t.Number,
		dependent: &t.Detail.Dependent, access: l.op.Kind != KindRotation,
	}
	if kind == taskApply {
		target := l.op.Target
		k.effect = &effect{action: a, version: &target}
	}
	c.tasks = append(c.tasks, k)
}

// advance takes an operation as far as it goes on what is known; due is true if
// its own time has come.
func (c *core) advance(l *live, due bool) {
	switch l.op.State {
	case StatePending:
		c.pending(l)
	case StateCreating:
		c.creating(l, due)
	case StatePropagating:
		c.propagating(l)
	case StateSoaking:
		if due {
			c.soaked(l)
		}
	case StateRetiring:
		if l.op.Wake.IsZero() {
			c.retiring(l)
		}
	case StateDisabling:
		c.disabling(l)
	case StateTakingEffect:
		c.takingEffect(l)
		c.watchRevoked(l)
	case StateEffective:
		c.watchRevoked(l)
	case StateEnabling:
		c.enabling(l)
	case StateRecovering:
		c.takingEffect(l)
	case StateAwaitingApproval, StateRecovered, StateCompleted, StateFailed, StateCancelled:
	}
}

// handle takes in the result of a task.
func (c *core) handle(r *result) error {
	switch {
	case r.kind == taskNotify:
		c.notified(r)
		return nil
	case r.kind == taskRehearse:
		c.rehearsed(r)
		return nil
	case r.kind == taskPolicy:
		c.policyRead(r)
		return nil
	case r.operation == 0:
		c.watched(r)
		return nil
	}
	l := c.live[r.operation]
	if r.kind != taskObserve && r.kind != taskApply {
		if c.out[r.operation]--; c.out[r.operation] <= 0 {
			delete(c.out, r.operation)
		}
	}
	if l == nil {
		return nil // it has ended meanwhile
	}
	if err := c.load(l); err != nil {
		return err
	}
	switch r.kind {
	case taskObserve, taskApply:
		c.looked(l, r)
	case taskVersions:
		c.listed(l, r)
	case taskCreate:
		c.created(l, r)
	case taskFind:
		c.found(l, r)
	case taskSetEnabled:
		if l.op.Kind == KindRotation {
			c.disabledPrevious(l, r)
		} else {
			c.setEnabled(l, r)
		}
	case taskPolicy, taskRehearse, taskNotify: // of no operation
	}
	c.advance(l, false)
	return nil
}

// listed hands a list of versions to the phase that asked for it.
func (c *core) listed(l *live, r *result) {
	if r.err == nil {
		l.versions, l.listErr = r.versions, nil
		if state := c.states[l.op.Key]; state != nil {
			c.sawKey(state)
		}
	} else {
		l.versions, l.listErr = nil, r.err
	}
	c.mark(l)
	switch l.op.State {
	case StateCreating:
		if !l.op.Attempt.Uncertain.IsZero() {
			c.searched(l, r)
		}
	case StatePropagating, StateSoaking, StateRetiring:
		if r.err == nil {
			c.outside(l, r.versions)
		}
	case StateDisabling:
		c.changeListed(l, r, c.listedToDisable)
	case StateTakingEffect, StateEffective:
		c.changeListed(l, r, c.listedRevoked)
	default: // pending looks at l.versions itself
	}
}

// changeListed handles a list of versions of a revocation, or tries again.
func (c *core) changeListed(l *live, r *result, use func(*live, []Version)) {
	if r.err != nil {
		l.op.Failures++
		p := problemOf(r.err)
		if l.op.Problem != nil && l.op.Problem.Code == codeRevocationUndone {
			p = l.op.Problem // not to see it is not to see it mended
		}
		c.hold(l, p, max(backoff(l.op.Failures), r.err.RetryAfter))
		return
	}
	if l.op.Problem != nil && l.op.Problem.Code != codeRevocationUndone {
		l.op.Problem = nil
		c.touch(l)
	}
	l.op.Failures = 0
	use(l, r.versions)
}

// looked takes in a look at a dependent.
func (c *core) looked(l *live, r *result) {
	if int(r.tracker) >= len(l.trackers) {
		return
	}
	old := l.trackers[r.tracker]
	if l.asked[r.tracker] {
		l.asked[r.tracker] = false
		l.askedN--
		old.Due = time.Time{} // it was taken out when the look began
		l.trackers[r.tracker].Due = old.Due
	}
	if old.State == TrackerExcluded || l.op.State.Final() {
		return
	}
	lk := look{
		now: c.now, room: &c.room, op: &l.op, traits: c.traits[old.Detail.Dependent.Kind], seen: r.observation, err: r.err,
		applyErr: r.applyErr, require: c.guardView(l).require,
	}
	if r.kind == taskApply && r.task.version.ID == l.op.Target.ID {
		lk.applied = r.action
	}
	t, action := old.decide(lk)
	t = c.storeLook(l, &old, t)
	switch {
	case l.stale[t.Number] && r.asked.Before(l.op.Verify):
		c.setTracker(l, l.trackers[t.Number].withDue(c.now), false) // looked at before the guard began
	case r.err == nil || t.State == TrackerUnreachable:
		delete(l.stale, t.Number)
	}
	if action != "" {
		e := c.event(l, EventDependentUpdated, actorDaemon, "%s %s: %s to version %s is intended",
			t.Detail.Dependent.Kind, t.Detail.Dependent.DisplayName(), action, l.op.Target.ID)
		e.Dependent = t.Detail.Dependent.ID
		c.ask(l, &t, taskApply, action)
	}
	if r.err == nil && strange(&l.op, r.observation.Version) && r.observation.Key.Same(l.op.KeyID) && !c.busy(l) {
		c.do(l, task{kind: taskVersions})
	}
	if l.op.State == StateSoaking && t.State != TrackerDone {
		c.enter(l, StatePropagating, actorDaemon, t.Detail.Dependent.DisplayName()+" left the target")
	}
}

// storeLook stores the tracker after a look, notes what changed, and returns what
// it stored.
func (c *core) storeLook(l *live, old *Tracker, t Tracker) Tracker {
	changed := t.changedFrom(old)
	if changed {
		kept := *t.Detail // out of the room that the next look will use
		t.Detail = &kept
	} else {
		t.Detail = old.Detail // without the look, which shows nothing new
	}
	c.setTracker(l, t, changed)
	begins := old.State == TrackerWaiting && t.State == TrackerPropagating // goes without saying
	if begins || t.State == old.State && t.Evidence == old.Evidence {
		return t
	}
	d := t.Detail
	what := string(t.State)
	if t.Evidence != EvidenceNone {
		what += ", " + string(t.Evidence)
	}
	if d.Problem != nil {
		what += ": " + d.Problem.Message
	}
	e := c.event(l, EventTrackerChanged, actorDaemon, "%s %s: %s", d.Dependent.Kind, d.Dependent.DisplayName(), what)
	e.Dependent = d.Dependent.ID
	e.Data = map[string]string{"from": string(old.State), "to": string(t.State)}
	if t.Evidence != EvidenceNone {
		e.Data["evidence"] = string(t.Evidence)
	}
	if t.State == TrackerDone && old.State != TrackerDone {
		c.learn(l, &t)
	}
	if d.Version != "" {
		e.Data["version"] = d.Version
	}
	if d.Last != nil && d.Last.AccessCode != "" {
		e.Data["access_code"] = d.Last.AccessCode
	}
	return t
}
