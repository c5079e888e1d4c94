package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// runner is the shell around the core: it owns the goroutines, the clock and the
// store. It turns channels into inputs of the core, and tasks into calls.
type runner struct {
	*board
	o     Options
	world *world
	core  *core
	// commits are the changes on their way into the store. Meanwhile the core
	// decides what the next one takes.
	commits   *pipeline
	crew      *crew
	waiting   [priorities][][]task // in the portions in which they came
	out       int
	emergency emergency
	// late are results that came while nothing could be stored.
	late []*result
	// last is when the core was last told the time, bookAt when the book was last
	// published.
	last, bookAt time.Time
}

func newRunner(o Options, b *board, w *world) *runner {
	r := &runner{
		board: b, o: o, world: w, core: newCore(o.Store, o.Services, o.Limits),
		commits: newPipeline(o.Store), crew: newCrew(w, o.Limits.Calls+revocationReserve),
	}
	_, r.core.readsPolicy = o.Vault.(rotator.PolicyReader)
	_, r.core.readsVersions = o.Vault.(rotator.VersionReader)
	r.core.took = o.Took
	return r
}

// run works until ctx is done, then finishes the transaction under way, waits
// for the calls that are out, commits what came of them and returns nil. It
// returns an error only if the store cannot be read at the start.
func (r *runner) run(ctx context.Context) error {
	defer close(r.stopped)
	callCtx, stopCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer r.crew.all.Wait()
	defer r.crew.dismiss()
	defer stopCalls()
	r.last = r.o.Clock.Now()
	if err := r.core.reset(ctx, r.o.Keys, r.last); err != nil {
		return err
	}
	r.publishAllKeys(r.core.states)
	r.publish()
	r.core.draft.notedOfDaemon(rotator.EventDaemonStarted, "cmkd started")
	for failures := 0; ctx.Err() == nil; {
		err := r.step(ctx, callCtx)
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() != nil {
			break
		}
		failures++
		if !r.recover(ctx, err, backoff(failures)) {
			break
		}
	}
	return r.drain(callCtx, stopCalls)
}

// step commits what is to be committed, lets go what waited for that, and takes
// in what comes next.
func (r *runner) step(ctx, callCtx context.Context) error {
	r.begin()
	if err := r.core.tick(ctx); err != nil {
		return err
	}
	if r.core.fault != nil {
		return r.core.fault
	}
	r.commit(ctx)
	r.start(callCtx)
	if !r.core.alarm.published && !r.core.draft.hard && r.commits.idle() {
		r.publish() // what was left out before
	}
	if r.o.Stepped != nil {
		r.o.Stepped(r.o.Clock.Now().Sub(r.last))
	}
	return r.gather(ctx)
}

// begin tells the core the time, and by how much the clock was set since the
// last time: the difference between what the wall clock and the monotonic clock
// say.
func (r *runner) begin() {
	now := r.o.Clock.Now()
	jump := now.Round(0).Sub(r.last.Round(0)) - now.Sub(r.last)
	if now.Before(r.last) {
		jump = now.Sub(r.last) // no monotonic reading tells how much passed
	}
	r.last = now
	r.beat.Store(&now)
	r.core.begin(now, jump)
}

// commit begins to make the changes durable, unless they wait for a commit that
// is under way.
func (r *runner) commit(ctx context.Context) {
	c := r.core
	r.enqueue(c.draft.free())
	if c.draft.due() && r.commits.takes(c.draft.pendingTrackers) {
		r.commits.add(context.WithoutCancel(ctx), c.draft.take())
	}
}

// settle takes in a commit that is over: when it is durable, and only then, the
// tasks and answers that rest on it may go.
func (r *runner) settle(b *batch) error {
	r.commits.remove(b)
	if b.err != nil {
		r.core.withdraw(b.tasks)
		r.core.draft.unanswered(b.replies)
		return fmt.Errorf("commit: %w", b.err)
	}
	r.enqueue(b.tasks)
	r.publishKeys(b.change.Keys)
	r.calm(r.last)
	r.publish() // whoever gets an answer may look at once
	for _, reply := range b.replies {
		reply(nil)
	}
	r.tell(b.change.Events)
	r.core.draft.giveBack(b.change)
	return nil
}

// tell hands committed events to the observer.
func (r *runner) tell(events []rotator.Event) {
	if r.o.Observe == nil {
		return
	}
	for _, event := range events {
		r.o.Observe(event)
	}
}

// enqueue sorts tasks by how much they matter: a revocation first, then the
// vault and what a person waits for, then the rest.
func (r *runner) enqueue(tasks []task) {
	for len(tasks) > 0 {
		p, n := r.priority(&tasks[0]), 1
		for n < len(tasks) && tasks[n].operation == tasks[0].operation && tasks[n].kind == tasks[0].kind {
			n++
		}
		r.waiting[p] = append(r.waiting[p], tasks[:n])
		tasks = tasks[n:]
	}
}

func (r *runner) priority(t *task) Priority {
	l := r.core.live[t.operation]
	switch {
	case l != nil && l.op.Kind != rotator.KindRotation, t.kind == taskNotify:
		return PriorityRevocation
	case t.kind == taskFind && l != nil && len(l.retirers) == 0:
		return PriorityGrid // nobody waits for it
	case t.dependent == nil && t.operation != 0, t.kind == taskSetEnabled, l != nil && l.op.Cause == rotator.CauseOperator:
		return PriorityPerson
	case t.operation == 0 && t.kind == taskObserve:
		return PriorityWatch
	default:
		return PriorityGrid
	}
}

// start carries out tasks as far as the limit on calls allows; a revocation has
// some calls in reserve. What may take long does not count.
func (r *runner) start(ctx context.Context) {
	for p := range priorities {
		limit := r.o.Limits.Calls
		if p == PriorityRevocation {
			limit += revocationReserve
		}
		callCtx := ctx
		if r.o.Prioritize != nil {
			callCtx = r.o.Prioritize(ctx, p)
		}
		for len(r.waiting[p]) > 0 && r.out < limit {
			tasks := r.next(p, limit-r.out)
			for i := range tasks {
				gate(r.core.state, &tasks[i])
			}
			if tasks[0].kind.counts() {
				r.out += len(tasks)
			}
			r.crew.carryOut(callCtx, tasks)
		}
	}
}

// next takes the first tasks of a priority, at most so many, all of one kind.
func (r *runner) next(p Priority, most int) []task {
	portion := r.waiting[p][0]
	n := 1
	for n < min(most, len(portion)) && portion[n].kind == portion[0].kind {
		n++
	}
	if n == len(portion) {
		r.waiting[p][0] = nil // or the array would keep it in memory
		r.waiting[p] = r.waiting[p][1:]
	} else {
		r.waiting[p][0] = portion[n:]
	}
	return portion[:n]
}

// gather waits for something to happen and takes in all of it that is there.
func (r *runner) gather(ctx context.Context) error {
	ready := r.crew.ready
	if !r.commits.idle() && r.core.draft.pendingTrackers >= aheadMost {
		ready = nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-ready:
		r.begin()
		return r.takeAll()
	case q := <-r.requests:
		r.begin()
		r.serve(q)
		return nil
	case b := <-r.commits.over:
		return r.settle(b)
	case <-r.o.Clock.After(r.sleep(r.last)):
		return nil
	}
}

// takeAll takes in the results that are there. All of them are over, also those
// that come after one which cannot be taken in.
func (r *runner) takeAll() (err error) {
	late := r.late
	r.late = nil
	for _, q := range append(late, r.crew.take(gatherMost)...) {
		if q.kind.counts() {
			r.out--
		}
		if err != nil {
			r.core.withdraw([]task{*q.task})
			continue
		}
		err = r.core.handle(q)
	}
	return err
}

// sleep returns how long nothing is due.
func (r *runner) sleep(now time.Time) time.Duration {
	next := r.core.agenda.next()
	if !r.core.draft.softSince.IsZero() && r.commits.idle() {
		next = sooner(next, r.core.draft.softSince.Add(softDelay))
	}
	if next.IsZero() {
		return longestSleep
	}
	return min(max(next.Sub(now), 0), longestSleep)
}

// serve runs a request. Its answer waits for the commit.
func (r *runner) serve(q request) {
	l, err := q.run(r.core, q.answer)
	switch {
	case err != nil:
		q.answer(rotator.Operation{}, err)
	case l != nil:
		r.core.advance(l, false)
		r.core.draft.answered(func(err error) { q.answer(l.snapshot(), err) })
	}
}

// blocked tells that nothing can be committed.
func (r *runner) blocked(err error) {
	s := *r.summary.Load()
	s.Blocked = err.Error()
	r.summary.Store(&s)
	alert := r.emergency.declare(s.Blocked, mend(err), r.blockedBefore(), r.o.Clock.Now())
	r.blockedSince.Store(&alert)
	if r.o.Observe != nil {
		r.o.Observe(rotator.Event{At: r.o.Clock.Now(), Type: rotator.EventStoreBlocked, Actor: actorDaemon, Message: err.Error()})
	}
}

// blockedBefore returns the emergency before, of whose end not everybody has heard.
func (r *runner) blockedBefore() *rotator.Alert {
	return r.core.alarm.alerts[alerting.ScopeDaemon][alerting.ID(rotator.RuleStoreBlocked, alerting.ScopeDaemon, "")]
}

// takeNotices takes in what came of telling receivers; other results wait until the
// state was read anew.
func (r *runner) takeNotices() {
	for _, q := range r.crew.take(gatherMost) {
		if q.kind != taskNotify {
			r.late = append(r.late, q)
			continue
		}
		r.core.alarm.outbox.end(q.notify.receiver.Name)
		for i := range q.notify.Alerts {
			r.emergency.heard(q.notify.receiver.Name, &q.notify.Alerts[i], q.err)
		}
	}
}

// recover forgets what could not be committed and reads the state anew, again
// and again with growing pauses; requests are refused meanwhile. It reports
// false if the engine is to stop.
func (r *runner) recover(ctx context.Context, why error, pause time.Duration) bool {
	for !r.commits.idle() {
		if err := r.settle(<-r.commits.over); err != nil && !errors.Is(err, errNotTried) {
			why = err
		}
	}
	r.blocked(why) // even if a change that was under way is stored
	refuse := rotator.Errorf(rotator.CodeUnavailable, "the store cannot be written: %s", r.summary.Load().Blocked).
		WithHint("%s", mend(why))
	for _, l := range r.core.live {
		r.core.answerRetirers(l, refuse)
	}
	for _, reply := range r.core.draft.replies {
		reply(refuse)
	}
	for again := r.o.Clock.After(pause); ; {
		r.cryOut(ctx)
		select {
		case <-ctx.Done():
			return false
		case q := <-r.requests:
			q.answer(rotator.Operation{}, refuse)
			continue
		case <-r.crew.ready:
			r.takeNotices()
			continue
		case <-again:
		}
		now := r.o.Clock.Now()
		r.beat.Store(&now)
		if err := r.reread(ctx, now); err == nil {
			r.core.draft.notedOfDaemon(rotator.EventStoreRecovered, "trying again to store changes after: "+r.summary.Load().Blocked)
			if len(r.late) > 0 {
				r.crew.signal() // or nobody would take them in, and their calls count as out
			}
			return true
		}
		again = r.o.Clock.After(max(pause, time.Second))
	}
}

// mend says what to do about a store that cannot be written: it knows best.
func mend(why error) string {
	return cmp.Or(rotator.AsError(why).Hint, "mend the disk of the store; cmkd goes on by itself")
}

// drain waits for the calls that are out, for a while, and commits what came of
// them: what a call did is better known now than found out later.
func (r *runner) drain(ctx context.Context, stopCalls func()) error {
	if r.blockedSince.Load() != nil {
		// What could not be stored must not spoil the last commit. If the store still
		// fails, that commit says so.
		_ = r.reread(ctx, r.o.Clock.Now())
	}
	grace := r.o.Clock.After(stopGrace)
	done := make(chan struct{})
	r.crew.dismiss()
	go func() { r.crew.all.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-r.crew.ready:
			r.begin()
			if err := r.takeAll(); err != nil {
				return err
			}
		case q := <-r.requests:
			q.answer(rotator.Operation{}, errStopping)
		case <-grace:
			stopCalls()
		case <-done:
			running = false
		}
	}
	if err := r.takeAll(); err != nil {
		return err
	}
	var failed error
	for !r.commits.idle() {
		failed = errors.Join(failed, r.settle(<-r.commits.over))
	}
	if failed != nil {
		return failed
	}
	r.core.draft.notedOfDaemon(rotator.EventDaemonStopped, "cmkd stopped")
	r.calm(r.o.Clock.Now()) // if that is stored, it is true
	last := r.core.draft.take()
	last.tasks = nil
	for i := range last.replies {
		reply := last.replies[i]
		last.replies[i] = func(err error) { reply(errors.Join(err, errStopping)) }
	}
	r.commits.add(context.WithoutCancel(ctx), last)
	return r.settle(<-r.commits.over)
}
