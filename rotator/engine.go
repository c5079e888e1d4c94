package rotator

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Options are what an engine is made of.
type Options struct {
	Store    Store
	Vault    Vault
	Services []Service
	Clock    Clock
	Keys     []Key
	// Limits bound how much happens at once; zero fields take defaults.
	Limits Limits
	// Observe, if set, hears each committed event, in order, from one goroutine.
	Observe func(Event)
	// Alerting says when to raise alerts, and whom to tell.
	Alerting Alerting
	// Took, if set, hears how long a dependent of a kind took to follow a change,
	// whenever that was seen and not only inferred.
	Took func(kind string, change OperationKind, took time.Duration)
	// Stepped, if set, hears how long each step took, but for the waiting.
	Stepped func(time.Duration)
	// Prioritize, if set, marks the context of calls by how much they matter,
	// for whoever paces them.
	Prioritize func(context.Context, Priority) context.Context
}

// Priority is how much a call matters.
type Priority int

// The priorities, first things first.
const (
	PriorityRevocation Priority = iota // revocations and reinstatements
	PriorityPerson                     // what a person waits for, and the vault
	PriorityGrid                       // everything else
	priorities
)

// Limits bound how much happens at once.
type Limits struct {
	// Calls is the number of calls out at a time; by default 16.
	Calls int
	// RotationsPerVault is the number of versions in the making per vault; by
	// default 4 (azure/facts.md section 2: a vault makes 10 software keys or 5
	// HSM keys in 10 s).
	RotationsPerVault int
}

const (
	// longestSleep bounds how long the loop trusts its timer, so that a clock
	// that was set is noticed.
	longestSleep = 10 * time.Second
	// softDelay is how long changes wait to be committed that only say that a
	// dependent was looked at: losing them costs another look.
	softDelay = time.Second
	// gatherMost bounds how many results are taken in at once.
	gatherMost = 4096
	// aheadMost bounds how many trackers may be decided on while a commit is
	// under way, so that a slow disk slows the engine down.
	aheadMost = 8192
	// stopGrace is how long calls that are out may go on when the engine stops.
	stopGrace = 5 * time.Second
	// revocationReserve is the number of calls that only revocations may make.
	revocationReserve = 16
)

// Engine runs the operations. Its state is owned by the goroutine of
// [Engine.Run]; the other methods ask it, or read the store.
type Engine struct {
	o     Options
	world world
	core  *core

	requests chan request
	// commits are the changes on their way into the store. Meanwhile the core
	// decides what the next one takes.
	commits *pipeline
	crew    *crew
	waiting [priorities][][]task // in the portions in which they came
	out     int

	summary atomic.Pointer[Summary]
	beat    atomic.Pointer[time.Time]
	keys    atomic.Pointer[map[string]Key]
	book    atomic.Pointer[bookView]
	// receivers are those configured; blockedSince is the alert that nothing can be
	// stored, which can be kept nowhere else.
	receivers    atomic.Pointer[[]Receiver]
	blockedSince atomic.Pointer[Alert]
	emergency    emergency
	// last is when the core was last told the time, bookAt when the book was last
	// published.
	last, bookAt time.Time
	// stopped is closed when Run returns.
	stopped chan struct{}
}

// request is something that a person wants.
type request struct {
	// run changes the core. It returns the operation to answer with, or nil if
	// it took answer to be called later.
	run func(c *core, answer func(Operation, error)) (*live, error)
	// answer is called once the change is committed, or could not be.
	answer func(Operation, error)
}

// NewEngine prepares the engine; [Engine.Run] starts it.
func NewEngine(o Options) *Engine {
	if o.Limits.Calls <= 0 {
		o.Limits.Calls = 16
	}
	if o.Limits.RotationsPerVault <= 0 {
		o.Limits.RotationsPerVault = 4
	}
	e := &Engine{
		o: o, core: newCore(o.Store, o.Services, o.Limits),
		world:    world{vault: o.Vault, services: map[string]Service{}},
		requests: make(chan request), commits: newPipeline(o.Store), stopped: make(chan struct{}),
	}
	e.crew = newCrew(&e.world, o.Limits.Calls+revocationReserve)
	for _, s := range o.Services {
		e.world.services[s.Kind()] = s
		if f, ok := s.(Finder); ok {
			e.world.finders = append(e.world.finders, f)
		}
	}
	e.world.plan = e.PlanRotation
	e.setAlerting(o.Alerting)
	_, e.core.readsPolicy = o.Vault.(PolicyReader)
	e.core.took = o.Took
	e.summary.Store(&Summary{})
	e.book.Store(&bookView{})
	e.setKeys(o.Keys)
	return e
}

func (e *Engine) setAlerting(a Alerting) {
	e.core.setAlerting(a)
	e.receivers.Store(&a.Receivers)
}

func (e *Engine) setKeys(keys []Key) {
	byName := make(map[string]Key, len(keys))
	for _, k := range keys {
		byName[k.Name] = k
	}
	e.o.Keys = keys
	e.keys.Store(&byName)
}

// Run works until ctx is done, then finishes the transaction under way, waits
// for the calls that are out, commits what came of them and returns nil. It
// returns an error only if the store cannot be read at the start.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.stopped)
	callCtx, stopCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer e.crew.all.Wait()
	defer e.crew.dismiss()
	defer stopCalls()
	e.last = e.o.Clock.Now()
	if err := e.core.reset(ctx, e.o.Keys, e.last); err != nil {
		return err
	}
	e.publish()
	e.core.daemonEvent(EventDaemonStarted, "cmkd started")
	for failures := 0; ctx.Err() == nil; {
		err := e.step(ctx, callCtx)
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() != nil {
			break
		}
		failures++
		if !e.recover(ctx, err, backoff(failures)) {
			break
		}
	}
	return e.drain(callCtx, stopCalls)
}

// step commits what is to be committed, lets go what waited for that, and takes
// in what comes next.
func (e *Engine) step(ctx, callCtx context.Context) error {
	e.begin()
	if err := e.core.tick(ctx); err != nil {
		return err
	}
	if e.core.fault != nil {
		return e.core.fault
	}
	e.commit(ctx)
	e.start(callCtx)
	if !e.core.alarm.published && !e.core.hard && e.commits.idle() {
		e.publish() // what was left out before
	}
	if e.o.Stepped != nil {
		e.o.Stepped(e.o.Clock.Now().Sub(e.last))
	}
	return e.gather(ctx)
}

// begin tells the core the time, and by how much the clock was set since the
// last time: the difference between what the wall clock and the monotonic clock
// say.
func (e *Engine) begin() {
	now := e.o.Clock.Now()
	jump := now.Round(0).Sub(e.last.Round(0)) - now.Sub(e.last)
	if now.Before(e.last) {
		jump = now.Sub(e.last) // no monotonic reading tells how much passed
	}
	e.last = now
	e.beat.Store(&now)
	e.core.begin(now, jump)
}

// commit begins to make the changes durable, unless they wait for a commit that
// is under way.
func (e *Engine) commit(ctx context.Context) {
	c := e.core
	if !c.hard {
		e.enqueue(c.tasks) // looks, which rest on nothing
		c.tasks = nil
	}
	due := c.hard || !c.soft.IsZero() && c.now.Sub(c.soft) >= softDelay
	if due && e.commits.takes(c.pendingTrackers) {
		e.commits.add(context.WithoutCancel(ctx), c.take())
	}
}

// settle takes in a commit that is over: when it is durable, and only then, the
// tasks and answers that rest on it may go.
func (e *Engine) settle(b *batch) error {
	e.commits.remove(b)
	if b.err != nil {
		e.core.withdraw(b.tasks)
		e.core.replies = append(b.replies, e.core.replies...) // to be refused
		return fmt.Errorf("commit: %w", b.err)
	}
	e.enqueue(b.tasks)
	e.calm(e.last)
	e.publish() // whoever gets an answer may look at once
	for _, reply := range b.replies {
		reply(nil)
	}
	e.tell(b.change.Events)
	e.core.giveBack(b.change)
	return nil
}

// tell hands committed events to the observer.
func (e *Engine) tell(events []Event) {
	if e.o.Observe == nil {
		return
	}
	for _, event := range events {
		e.o.Observe(event)
	}
}

// enqueue sorts tasks by how much they matter: a revocation first, then the
// vault and what a person waits for, then the rest.
func (e *Engine) enqueue(tasks []task) {
	for len(tasks) > 0 {
		p, n := e.priority(&tasks[0]), 1
		for n < len(tasks) && tasks[n].operation == tasks[0].operation && tasks[n].kind == tasks[0].kind {
			n++
		}
		e.waiting[p] = append(e.waiting[p], tasks[:n])
		tasks = tasks[n:]
	}
}

func (e *Engine) priority(t *task) Priority {
	l := e.core.live[t.operation]
	switch {
	case l != nil && l.op.Kind != KindRotation, t.kind == taskNotify:
		return PriorityRevocation
	case t.dependent == nil && t.operation != 0, l != nil && l.op.Cause == CauseOperator:
		return PriorityPerson
	default:
		return PriorityGrid
	}
}

// start carries out tasks as far as the limit on calls allows; a revocation has
// some calls in reserve. What may take long does not count.
func (e *Engine) start(ctx context.Context) {
	for p := range priorities {
		limit := e.o.Limits.Calls
		if p == PriorityRevocation {
			limit += revocationReserve
		}
		callCtx := ctx
		if e.o.Prioritize != nil {
			callCtx = e.o.Prioritize(ctx, p)
		}
		for len(e.waiting[p]) > 0 && e.out < limit {
			tasks := e.next(p, limit-e.out)
			if tasks[0].kind.counts() {
				e.out += len(tasks)
			}
			e.crew.carryOut(callCtx, tasks)
		}
	}
}

// next takes the first tasks of a priority, at most so many, all of one kind.
func (e *Engine) next(p Priority, most int) []task {
	portion := e.waiting[p][0]
	n := 1
	for n < min(most, len(portion)) && portion[n].kind == portion[0].kind {
		n++
	}
	if n == len(portion) {
		e.waiting[p][0] = nil // or the array would keep it in memory
		e.waiting[p] = e.waiting[p][1:]
	} else {
		e.waiting[p][0] = portion[n:]
	}
	return portion[:n]
}

// gather waits for something to happen and takes in all of it that is there.
func (e *Engine) gather(ctx context.Context) error {
	ready := e.crew.ready
	if !e.commits.idle() && e.core.pendingTrackers >= aheadMost {
		ready = nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-ready:
		e.begin()
		return e.takeAll()
	case r := <-e.requests:
		e.begin()
		e.serve(r)
		return nil
	case b := <-e.commits.over:
		return e.settle(b)
	case <-e.o.Clock.After(e.sleep(e.last)):
		return nil
	}
}

// takeAll takes in the results that are there. All of them are over, also those
// that come after one which cannot be taken in.
func (e *Engine) takeAll() (err error) {
	for _, r := range e.crew.take(gatherMost) {
		if r.kind.counts() {
			e.out--
		}
		if err != nil {
			e.core.withdraw([]task{*r.task})
			continue
		}
		err = e.core.handle(r)
	}
	return err
}

// sleep returns how long nothing is due.
func (e *Engine) sleep(now time.Time) time.Duration {
	next := e.core.agenda.next()
	if !e.core.soft.IsZero() && e.commits.idle() {
		next = sooner(next, e.core.soft.Add(softDelay))
	}
	if next.IsZero() {
		return longestSleep
	}
	return min(max(next.Sub(now), 0), longestSleep)
}

// serve runs a request. Its answer waits for the commit.
func (e *Engine) serve(r request) {
	l, err := r.run(e.core, r.answer)
	switch {
	case err != nil:
		r.answer(Operation{}, err)
	case l != nil:
		e.core.advance(l, false)
		e.core.replies = append(e.core.replies, func(err error) { r.answer(l.snapshot(), err) })
		e.core.hard = true
	}
}

// blocked tells that nothing can be committed.
func (e *Engine) blocked(err error) {
	s := *e.summary.Load()
	s.Blocked = err.Error()
	e.summary.Store(&s)
	alert := e.emergency.declare(s.Blocked, e.o.Clock.Now())
	e.blockedSince.Store(&alert)
	if e.o.Observe != nil {
		e.o.Observe(Event{At: e.o.Clock.Now(), Type: EventStoreBlocked, Actor: actorDaemon, Message: err.Error()})
	}
}

// recover forgets what could not be committed and reads the state anew, again
// and again with growing pauses; requests are refused meanwhile. It reports
// false if the engine is to stop.
func (e *Engine) recover(ctx context.Context, why error, pause time.Duration) bool {
	for !e.commits.idle() {
		if err := e.settle(<-e.commits.over); err != nil && !errors.Is(err, errNotTried) {
			why = err
		}
	}
	e.blocked(why) // even if a change that was under way is stored
	refuse := Errorf(CodeUnavailable, "the store cannot be written: %s", e.summary.Load().Blocked).
		WithHint("mend it (is the disk full?); cmkd goes on by itself")
	for _, l := range e.core.live {
		e.core.answerRetirers(l, refuse)
	}
	for _, reply := range e.core.replies {
		reply(refuse)
	}
	for again := e.o.Clock.After(pause); ; {
		e.cryOut(ctx)
		select {
		case <-ctx.Done():
			return false
		case r := <-e.requests:
			r.answer(Operation{}, refuse)
			continue
		case <-again:
		}
		now := e.o.Clock.Now()
		e.beat.Store(&now)
		if err := e.reread(ctx, now); err == nil {
			e.core.daemonEvent(EventStoreRecovered, "trying again to store changes after: "+e.summary.Load().Blocked)
			return true
		}
		again = e.o.Clock.After(max(pause, time.Second))
	}
}

// drain waits for the calls that are out, for a while, and commits what came of
// them: what a call did is better known now than found out later.
func (e *Engine) drain(ctx context.Context, stopCalls func()) error {
	if e.blockedSince.Load() != nil {
		// What could not be stored must not spoil the last commit. If the store still
		// fails, that commit says so.
		_ = e.reread(ctx, e.o.Clock.Now())
	}
	grace := e.o.Clock.After(stopGrace)
	done := make(chan struct{})
	e.crew.dismiss()
	go func() { e.crew.all.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-e.crew.ready:
			e.begin()
			if err := e.takeAll(); err != nil {
				return err
			}
		case r := <-e.requests:
			r.answer(Operation{}, errStopping)
		case <-grace:
			stopCalls()
		case <-done:
			running = false
		}
	}
	if err := e.takeAll(); err != nil {
		return err
	}
	var failed error
	for !e.commits.idle() {
		failed = errors.Join(failed, e.settle(<-e.commits.over))
	}
	if failed != nil {
		return failed
	}
	e.core.daemonEvent(EventDaemonStopped, "cmkd stopped")
	e.calm(e.o.Clock.Now()) // if that is stored, it is true
	last := e.core.take()
	last.tasks = nil
	for i := range last.replies {
		reply := last.replies[i]
		last.replies[i] = func(err error) { reply(errors.Join(err, errStopping)) }
	}
	e.commits.add(context.WithoutCancel(ctx), last)
	return e.settle(<-e.commits.over)
}

var errStopping = Errorf(CodeUnavailable, "cmkd is stopping").WithHint("try again when it is back")
