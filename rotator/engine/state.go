package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// state is what the concerns of the engine share: what is known, and the draft of
// what is to be stored next. Each concern is a type of its own around it, in a file
// of its own.
type state struct {
	store  rotator.Store
	traits map[string]rotator.Traits
	limits Limits

	now time.Time
	// steady is a clock that is never set: it goes on with the time that really
	// passed since the daemon started. Waits are measured on it.
	steady time.Time
	// defect hears of what can only be a defect of the engine, if it is not nil.
	defect func(string)
	// keys are the configured keys by name, byID the same by their canonical id.
	keys map[string]*rotator.Key
	byID map[string]*rotator.Key
	// states are what is known of keys, configured or not, by canonical id.
	states map[string]*rotator.KeyState
	live   map[rotator.OperationID]*live
	// fault is why nothing can be committed, as far as was seen before it is tried.
	fault  error
	agenda agenda
	// filled is up to when the agenda holds the store's due index.
	filled time.Time
	// draft is what the next commit takes.
	draft *draft

	// attestations are what persons attested, by id.
	attestations map[string]*rotator.Attestation

	// alarm keeps alerts, silences and what was learned.
	alarm alarm
	// freezes are in the order in which they were made.
	freezes []*rotator.Freeze
	// kinds counts the trackers of live operations.
	kinds kindCounts
	// took hears how long a dependent took; see [Options].
	took func(kind string, change rotator.OperationKind, took time.Duration)
	// readsPolicy is true if the vault can tell its rotation policy.
	readsPolicy bool
	// readsVersions is true if the vault can tell of one version what a list does not.
	readsVersions bool
	// rehearsing counts the rehearsals under way, see [watch.ahead].
	rehearsing int
	// blind is since when the versions of a key could not be read, by its canonical id and
	// the steady clock. It is found anew after a restart.
	blind map[string]time.Time
	// heard is when the versions of a key were read last, by its canonical id and the steady
	// clock.
	heard map[string]time.Time
	// asking is since when a list of the versions of a key is out that no operation asked
	// for, by its canonical id and the steady clock.
	asking map[string]time.Time
	// fresh is since when a version is listed, by the steady clock, for as long as a list
	// may lag.
	fresh map[string]time.Time
	// older is since when a version is listed as it was before, by key and version and the
	// steady clock.
	older map[string]time.Time
	// unread are the versions of which the vault did not tell type and size.
	unread map[string]bool
	// rounds observe the dependents of keys between operations, by the key's canonical id;
	// drifting is what of them drifted, by that and by dependent.
	rounds   map[string]*round
	drifting map[string]map[string][]rotator.Drift
	// out are the vault tasks under way, which survive a reset.
	out map[rotator.OperationID]int
	// sweeps counts the searches begun since the daemon started.
	sweeps int
	// thaws is when each freeze that was met with an end may end at the soonest, by the
	// steady clock.
	thaws map[string]time.Time
	// jumped is when the clock jumped last, by the steady clock.
	jumped time.Time
	// overview is the engine in numbers.
	overview overview
	// pace keeps the making of versions within what vaults allow.
	pace *pace

	// room is where the look at hand makes a tracker's large part.
	room rotator.TrackerDetail
}

// The concerns of the engine.
type (
	rotation    struct{ *state } // rotation.go
	making      struct{ *state } // pace.go
	revocation  struct{ *state } // revocation.go
	undoing     struct{ *state } // undoing.go
	retirement  struct{ *state } // guard.go
	probation   struct{ *state } // probation.go
	searching   struct{ *state } // search.go
	observing   struct{ *state } // observe.go
	watch       struct{ *state } // watch.go, ahead.go
	tampering   struct{ *state } // tamper.go
	foreign     struct{ *state } // foreign.go
	standings   struct{ *state } // standing.go
	drifts      struct{ *state } // drift.go
	using       struct{ *state } // inuse.go
	schedule    struct{ *state } // schedule.go
	freezing    struct{ *state } // freeze.go
	alerts      struct{ *state } // alarm.go, silence.go, learn.go
	posting     struct{ *state } // outbox.go
	commands    struct{ *state } // command.go
	attesting   struct{ *state } // attest.go
	configuring struct{ *state } // configure.go
)

func (c *state) knownKey(name string) (*rotator.Key, error) {
	key := c.keys[name]
	if key == nil {
		return nil, rotator.Errorf(rotator.CodeNotFound, "no key %q is configured", name).WithHint("cmkd status lists the keys")
	}
	return key, nil
}

// stateOf returns what is known of a key, nil if nothing is.
func (c *state) stateOf(id rotator.KeyID) *rotator.KeyState { return c.states[canonical(id)] }

// liveOf returns the operation under way on a key, nil if there is none. A
// revocation that is only asked for is under way if there is nothing else.
func (c *state) liveOf(key *rotator.Key) *live {
	state := c.stateOf(key.ID)
	if state == nil {
		return nil
	}
	return c.live[state.Operation]
}

// requestOn returns the revocation of a key that waits for a second person, zero if
// there is none.
func (c *state) requestOn(id rotator.KeyID) rotator.OperationID {
	for _, l := range c.live {
		if l.op.State == rotator.StateAwaitingApproval && l.op.KeyID.Same(id) {
			return l.op.ID // there is no other
		}
	}
	return 0
}

// keyOf returns the configured key of an operation, nil if it is not configured
// any more: its name may be another key's now.
func (c *state) keyOf(l *live) *rotator.Key { return c.byID[canonical(l.op.KeyID)] }

// canonical is a key's identifier as it is compared: without regard to case.
func canonical(id rotator.KeyID) string {
	return strings.ToLower(string(id))
}

func (c *state) liveOperation(id rotator.OperationID) (*live, error) {
	l := c.live[id]
	if l == nil {
		return nil, rotator.Errorf(rotator.CodeNotFound, "no operation %s is under way", id).WithHint("cmkd history lists the operations")
	}
	return l, c.load(l)
}

func (c *state) liveIDs() []rotator.OperationID {
	ids := make([]rotator.OperationID, 0, len(c.live))
	for id := range c.live {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// load reads the trackers of an operation.
func (c *state) load(l *live) error {
	if l.loaded {
		return nil
	}
	trackers, err := c.store.Trackers(context.Background(), l.op.ID, 0, 0)
	if err != nil {
		return fmt.Errorf("read trackers of %s: %w", l.op.ID, err)
	}
	l.trackers, l.asked, l.askedN = trackers, make([]bool, len(trackers)), 0
	l.changed, l.marks, l.dues, l.dueN = nil, make([]mark, len(trackers)), map[int64]int{}, 0
	l.shown = make([]uint64, len(trackers))
	unlisted := 0
	for i := range trackers {
		if last := trackers[i].Detail.Last; last != nil {
			l.shown[i] = shows(last)
		}
		slim := *trackers[i].Detail
		slim.Last = nil
		trackers[i].Detail = &slim
		l.redue(time.Time{}, trackers[i].Due)
		if slim.Dependent.Discovered {
			unlisted++
		}
		c.kinds.count(&trackers[i], 1)
	}
	l.loaded, l.op.Unlisted = true, unlisted // a daemon before did not count them
	return nil
}

// lastSeen reads what was seen last of a dependent, which memory does not keep; nil if
// nothing was, or if it cannot be read.
func (c *state) lastSeen(l *live, number uint32) *rotator.Observation {
	stored, err := c.store.Trackers(context.Background(), l.op.ID, number, 1)
	if err != nil || len(stored) != 1 {
		return nil
	}
	return stored[0].Detail.Last
}

// fill puts the near future of the store's due index on the agenda.
func (c *state) fill(ctx context.Context) error {
	c.filled = c.now.Add(horizon)
	items, err := c.store.Due(ctx, c.filled, 0)
	if err != nil {
		return fmt.Errorf("read due index: %w", err)
	}
	for _, i := range items {
		c.agenda.add(agendaItem{at: i.At.UnixNano(), key: i.Key, operation: i.Operation})
	}
	// What is on its way into the store was not read.
	for _, l := range c.live {
		if l.loaded {
			l.planned = time.Time{}
			c.planOperation(l)
		}
	}
	for id, s := range c.states {
		c.plan(agendaItem{key: id}, s.NextRotation)
	}
	return nil
}

// advance takes an operation as far as it goes on what is known; due is true if
// its own time has come.
func (c *state) advance(l *live, due bool) {
	if l.op.Restoring { // whatever else is to be done waits
		probation{c}.advance(l, due)
		return
	}
	switch l.op.State {
	case rotator.StatePending:
		rotation{c}.pending(l)
	case rotator.StateCreating:
		rotation{c}.creating(l, due)
	case rotator.StatePropagating:
		rotation{c}.propagating(l)
	case rotator.StateSoaking:
		if due {
			rotation{c}.soaked(l)
			return
		}
		searching{c}.freshen(l) // after a restart
	case rotator.StateRetiring:
		if l.op.Wake.IsZero() {
			retirement{c}.advance(l)
		}
	case rotator.StateProbation:
		probation{c}.advance(l, due)
	case rotator.StateDisabling:
		revocation{c}.disabling(l)
	case rotator.StateTakingEffect:
		revocation{c}.takingEffect(l)
		undoing{c}.look(l)
	case rotator.StateEffective:
		revocation{c}.reopen(l)
		undoing{c}.look(l)
	case rotator.StateEnabling:
		revocation{c}.enabling(l)
	case rotator.StateRecovering:
		revocation{c}.takingEffect(l)
	case rotator.StateAwaitingApproval, rotator.StateRecovered, rotator.StateCompleted, rotator.StateFailed, rotator.StateCancelled:
	}
}

// busy reports whether a vault task or a search of the operation is under way.
func (c *state) busy(l *live) bool { return c.out[l.op.ID] > 0 }

// planOperation puts the next due time of an operation on the agenda.
func (c *state) planOperation(l *live) {
	if due := l.due(); !due.IsZero() && !due.Equal(l.planned) && !due.After(c.filled) {
		l.planned = due
		c.plan(agendaItem{operation: l.op.ID}, due)
	}
}

// plan puts a time on the agenda if it is near enough to be held in memory.
func (c *state) plan(item agendaItem, at time.Time) {
	if !at.IsZero() && !at.After(c.filled) {
		item.at = at.UnixNano()
		c.agenda.add(item)
	}
}

func (c *state) keyMethod(l *live) rotator.Method {
	if key := c.keyOf(l); key != nil && key.Method != "" {
		return key.Method
	}
	return rotator.MethodAuto
}

func (c *state) soak(l *live) time.Duration {
	if key := c.keyOf(l); key != nil {
		return key.Soak
	}
	return 0
}

// tag is what marks a version as made by an operation of this store.
func (c *state) tag(op *rotator.Operation) string { return c.store.Instance() + "/" + op.ID.String() }

// lasts returns for how long an operation has been in its state: by the clock that nobody
// sets, but for what was before the daemon began.
func (c *state) lasts(l *live) time.Duration {
	if l.since.IsZero() {
		l.since = c.steady.Add(-max(c.now.Sub(l.op.Since), 0))
	}
	return c.steady.Sub(l.since)
}

// over reports whether so much time has passed since; also if the clock was set back
// behind that: nothing is put off by as much as the clock jumped.
func (c *state) over(since time.Time, d time.Duration) bool {
	return c.now.Sub(since) >= d || since.After(c.now)
}
