package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cmkd/rotator"
)

// Options are what an engine is made of.
type Options struct {
	Store    rotator.Store
	Vault    rotator.Vault
	Services []rotator.Service
	// Lister, if set, says where to search for dependents that nobody listed; without
	// it that is in the subscriptions of those that are listed.
	Lister rotator.Lister
	Clock  rotator.Clock
	Keys   []rotator.Key
	// Limits bound how much happens at once; zero fields take defaults.
	Limits Limits
	// Observe, if set, hears each committed event, in order, from one goroutine.
	Observe func(rotator.Event)
	// Alerting says when to raise alerts, and whom to tell.
	Alerting Alerting
	// Took, if set, hears how long a dependent of a kind took to follow a change,
	// whenever that was seen and not only inferred.
	Took func(kind string, change rotator.OperationKind, took time.Duration)
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
	PriorityGrid                       // what follows a change
	PriorityWatch                      // what is observed between operations
	priorities
)

// Limits bound how much happens at once.
type Limits struct {
	// Calls is the number of calls out at a time; by default 16.
	Calls int
	// RotationsPerVault is the number of calls that make a version out at a time per
	// vault; by default 4.
	RotationsPerVault int
	// Making is the number of versions that a vault makes in ten seconds, of which a
	// key in an HSM counts as two; by default the documented 10, see pace.go.
	Making int
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

// Engine is what people and surfaces have of the operations under way. Its methods
// ask the runner, or read the store or what the runner published.
type Engine struct {
	*board
	o      Options
	world  *world
	traits map[string]rotator.Traits
	runner *runner
}

// board is what the runner and everybody else share.
type board struct {
	requests chan request
	// stopped is closed when the runner has stopped.
	stopped chan struct{}

	summary atomic.Pointer[rotator.Summary]
	beat    atomic.Pointer[time.Time]
	keys    atomic.Pointer[map[string]rotator.Key]
	book    atomic.Pointer[bookView]
	// names are those of the configured keys, in order; states are what is known of
	// keys, by canonical id, as far as it is durable.
	names  atomic.Pointer[[]string]
	states atomic.Pointer[sync.Map]
	// receivers are those configured; blockedSince is the alert that nothing can be
	// stored, which can be kept nowhere else.
	receivers    atomic.Pointer[[]rotator.Receiver]
	blockedSince atomic.Pointer[rotator.Alert]
}

// request is something that a person wants.
type request struct {
	// run changes the core. It returns the operation to answer with, or nil if
	// it took answer to be called later.
	run func(c *core, answer func(rotator.Operation, error)) (*live, error)
	// answer is called once the change is committed, or could not be.
	answer func(rotator.Operation, error)
}

// New prepares the engine; [Engine.Run] starts it.
func New(o Options) *Engine {
	if o.Limits.Calls <= 0 {
		o.Limits.Calls = 16
	}
	if o.Limits.RotationsPerVault <= 0 {
		o.Limits.RotationsPerVault = 4
	}
	w := newWorld(&o)
	e := &Engine{board: newBoard(), o: o, world: w}
	e.runner = newRunner(o, e.board, w)
	e.traits = e.runner.core.traits
	w.plan = planner{e}.ahead
	e.setAlerting(o.Alerting)
	e.setKeys(o.Keys)
	return e
}

func newBoard() *board {
	b := &board{requests: make(chan request), stopped: make(chan struct{})}
	b.summary.Store(&rotator.Summary{})
	b.book.Store(&bookView{})
	b.states.Store(&sync.Map{})
	return b
}

// Run works until ctx is done, then finishes the transaction under way, waits
// for the calls that are out, commits what came of them and returns nil. It
// returns an error only if the store cannot be read at the start.
func (e *Engine) Run(ctx context.Context) error { return e.runner.run(ctx) }

func (e *Engine) setAlerting(a Alerting) {
	alerts{e.runner.core.state}.configure(a)
	e.receivers.Store(&a.Receivers)
}

func (e *Engine) setKeys(keys []rotator.Key) {
	byName := make(map[string]rotator.Key, len(keys))
	for _, k := range keys {
		byName[k.Name] = k
	}
	e.runner.o.Keys = keys
	e.keys.Store(&byName)
	names := slices.Sorted(maps.Keys(byName))
	e.names.Store(&names)
}

var errStopping = rotator.Errorf(rotator.CodeUnavailable, "cmkd is stopping").WithHint("try again when it is back")
