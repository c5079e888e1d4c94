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

// Reactor is the engine without its shell. Whoever drives it owns the clock, the
// store's commits and the calls, and decides in which order things happen: all that
// comes in is a value, and all that goes out waits until it is taken. It starts no
// goroutine and is not to be used by several.
//
// A round of it: [Reactor.Pass] tells the time, one input follows, and then
// [Reactor.Take] returns what is to be committed, if anything. Its calls and answers
// come free with [Reactor.Committed].
//
// It does not rehearse rotations, for which a plan from fresh reads would be needed.
type Reactor struct {
	core  *core
	world *world
	keys  []rotator.Key
	// under is the change being committed, nil if there is none.
	under *batch
	// waiting are the calls that may begin, out those that have begun.
	waiting, out []*Call
	answers      []Reply
	asked        int
}

// Call is something to ask of the vault, of a service or of a receiver. It is handed
// out only after the change that intends it was committed.
type Call struct {
	task task
}

// Answer is what came of a call.
type Answer struct {
	call *Call
	of   *result
}

// Reply is what a person is told about the command of a number.
type Reply struct {
	Command   int
	Operation rotator.Operation
	Err       error
}

// NewReactor reads the state from the store, as an engine does that begins.
func NewReactor(o Options, now time.Time) (*Reactor, error) {
	o.Limits.RotationsPerVault = cmp.Or(o.Limits.RotationsPerVault, 4)
	r := &Reactor{core: newCore(o.Store, o.Services, o.Limits), world: newWorld(&o), keys: o.Keys}
	_, r.core.readsPolicy = o.Vault.(rotator.PolicyReader)
	_, r.core.readsVersions = o.Vault.(rotator.VersionReader)
	r.core.took = o.Took
	o.Alerting.PreflightAhead = 0
	alerts{r.core.state}.configure(o.Alerting)
	if err := r.core.reset(context.Background(), r.keys, now); err != nil {
		return nil, err
	}
	r.core.draft.notedOfDaemon(rotator.EventDaemonStarted, "cmkd started")
	r.free()
	return r, nil
}

// Pass tells the time and serves what is due. jump is by how much the clock was set
// since the last time, beyond the time that passed.
func (r *Reactor) Pass(now time.Time, jump time.Duration) error {
	r.core.begin(now, jump)
	err := r.core.tick(context.Background())
	r.free()
	return err
}

// Wake returns when something is due next if nothing else happens.
func (r *Reactor) Wake() time.Time {
	next := sooner(r.core.agenda.next(), r.core.filled.Add(-horizon/2+1))
	if since := r.core.draft.softSince; !since.IsZero() && r.under == nil {
		next = sooner(next, since.Add(softDelay))
	}
	return next
}

// Configure takes in a configuration.
func (r *Reactor) Configure(keys []rotator.Key, a Alerting) {
	r.keys, a.PreflightAhead = keys, 0
	r.core.reload(keys, a)
	r.free()
}

// reload takes in a configuration. Live operations go on; dependents added to their
// keys join them, and those excluded leave them.
func (c *core) reload(keys []rotator.Key, a Alerting) {
	alerts{c.state}.configure(a)
	c.agenda = c.agenda.only(func(i *agendaItem) bool { return !i.watch }) // they are planned anew
	configuring{c.state}.all(keys)
	c.draft.notedOfDaemon(rotator.EventConfigLoaded, "configuration loaded")
	for _, id := range c.liveIDs() {
		c.advance(c.live[id], false)
	}
	alerts{c.state}.judgeAll()
	posting{c.state}.all()
}

// Verb is what a person wants to be done.
type Verb string

// The verbs.
const (
	VerbRotate    Verb = "rotate"
	VerbRevoke    Verb = "revoke"
	VerbReinstate Verb = "reinstate"
	VerbRetire    Verb = "retire"
	VerbApprove   Verb = "approve"
	VerbCancel    Verb = "cancel"
	VerbSilence   Verb = "silence"
	VerbAttest    Verb = "attest"
	VerbWithdraw  Verb = "withdraw" // an attestation
	VerbFreeze    Verb = "freeze"
	VerbUnfreeze  Verb = "unfreeze"
)

// Command is what a person asks for. Each verb reads what it needs of it.
type Command struct {
	Verb Verb
	// Key and Confirm are short names of keys.
	Key, Confirm string
	Operation    rotator.OperationID
	// Dependent is a resource id, Attestation an id such as a-1.
	Dependent, Attestation string
	Actor, Reason          string
	For                    time.Duration
	// Vault is one to freeze, Freeze the id of a freeze.
	Vault, Freeze string
}

// Command takes in what a person asks for and returns its number. It is answered
// once, by [Reactor.Replies], when the change that came of it is committed, could not
// be, or is refused.
func (r *Reactor) Command(m Command) int {
	r.asked++
	number := r.asked
	answer := func(op rotator.Operation, err error) {
		r.answers = append(r.answers, Reply{Command: number, Operation: op, Err: err})
	}
	l, err := r.core.command(m, answer)
	switch {
	case err != nil:
		answer(rotator.Operation{}, err)
	case l != nil:
		r.core.advance(l, false)
		if m.Verb != VerbRetire { // the guard answers
			r.core.draft.answered(func(err error) { answer(l.snapshot(), err) })
		}
	}
	r.free()
	return number
}

// command carries out what a person asks for. It returns the operation to answer with,
// nil if there is none.
func (c *core) command(m Command, answer func(rotator.Operation, error)) (*live, error) {
	ask := rotator.Request{Key: m.Key, Actor: m.Actor, Reason: m.Reason}
	of := rotator.OperationRequest{Operation: m.Operation, Actor: m.Actor, Reason: m.Reason}
	switch m.Verb {
	case VerbRotate:
		return commands{c.state}.rotate(ask)
	case VerbRevoke:
		return commands{c.state}.revoke(rotator.RevokeRequest{Request: ask, Confirm: m.Confirm})
	case VerbReinstate:
		return commands{c.state}.reinstate(ask)
	case VerbRetire:
		return commands{c.state}.retire(ask, answer)
	case VerbApprove:
		return commands{c.state}.approve(of)
	case VerbCancel:
		return commands{c.state}.cancel(of)
	case VerbSilence:
		_, err := alerts{c.state}.silence(rotator.SilenceRequest{Key: m.Key, For: m.For, Actor: m.Actor, Reason: m.Reason})
		if err == nil {
			c.draft.answered(func(err error) { answer(rotator.Operation{}, err) })
		}
		return nil, err
	case VerbAttest:
		a, err := attesting{c.state}.attest(rotator.AttestRequest{Key: m.Key, Dependent: m.Dependent, For: m.For, Actor: m.Actor, Reason: m.Reason})
		if err != nil {
			return nil, err
		}
		return attesting{c.state}.answered(a, answer), nil
	case VerbWithdraw:
		a, err := attesting{c.state}.withdraw(m.Attestation, m.Actor, m.Reason)
		if err != nil {
			return nil, err
		}
		return attesting{c.state}.answered(a, answer), nil
	case VerbFreeze:
		_, err := commands{c.state}.freeze(rotator.FreezeRequest{Key: m.Key, Vault: m.Vault, For: m.For, Actor: m.Actor, Reason: m.Reason})
		if err == nil {
			c.draft.answered(func(err error) { answer(rotator.Operation{}, err) })
		}
		return nil, err
	case VerbUnfreeze:
		_, err := commands{c.state}.unfreeze(m.Freeze, m.Actor, m.Reason)
		if err == nil {
			c.draft.answered(func(err error) { answer(rotator.Operation{}, err) })
		}
		return nil, err
	default:
		return nil, rotator.Errorf(rotator.CodeInvalid, "there is no command %q", m.Verb)
	}
}

// Replies returns who is to be answered since the last time.
func (r *Reactor) Replies() []Reply {
	all := r.answers
	r.answers = nil
	return all
}

// Take returns the change to commit now, nil if there is none or one is under way.
// Its outcome is to be told with [Reactor.Committed].
func (r *Reactor) Take() *rotator.Change {
	if r.under != nil || !r.core.draft.due() {
		return nil
	}
	r.under = r.core.draft.take()
	return &r.under.change
}

// Committed tells the outcome of the change taken last. If it was stored, its calls
// may begin and its answers go. If not, everything that is not stored is forgotten
// and read anew, as is what waited to begin; what is out stays out.
func (r *Reactor) Committed(err error) error {
	b := r.under
	r.under = nil
	if err != nil {
		return r.forget(b, err)
	}
	r.ready(b.tasks)
	for _, reply := range b.replies {
		reply(nil)
	}
	r.free()
	return nil
}

// forget reads the state anew after a change could not be stored.
func (r *Reactor) forget(b *batch, why error) error {
	c := r.core
	c.withdraw(b.tasks)
	refuse := rotator.Errorf(rotator.CodeUnavailable, "the store cannot be written: %s", why)
	for _, id := range c.liveIDs() {
		c.answerRetirers(c.live[id], refuse)
	}
	for _, reply := range slices.Concat(b.replies, c.draft.replies) {
		reply(refuse)
	}
	for _, call := range r.waiting {
		c.withdraw([]task{call.task})
	}
	r.waiting = nil
	clear(c.out)
	if err := c.reset(context.Background(), r.keys, c.now); err != nil {
		return err
	}
	c.draft.notedOfDaemon(rotator.EventStoreRecovered, "trying again to store changes after: "+why.Error())
	r.free()
	return nil
}

// free lets go the calls that rest on no change.
func (r *Reactor) free() { r.ready(r.core.draft.free()) }

func (r *Reactor) ready(tasks []task) {
	for i := range tasks {
		r.waiting = append(r.waiting, &Call{task: tasks[i]})
	}
}

// Waiting returns how many calls may begin.
func (r *Reactor) Waiting() int { return len(r.waiting) }

// Begin takes one of the calls that may begin, by its place among them. It counts as
// out until it is answered.
func (r *Reactor) Begin(n int) *Call {
	call := r.waiting[n]
	gate(r.core.state, &call.task)
	r.waiting = slices.Delete(r.waiting, n, n+1)
	r.out = append(r.out, call)
	return call
}

// Do carries out a call. It may be called at any time, also when the reactor that
// handed it out is gone, as an answer may be late or never arrive.
func (r *Reactor) Do(ctx context.Context, call *Call) Answer {
	return Answer{call, r.world.do(ctx, &call.task)}
}

// Lost returns the answer to a call of which nobody knows what it did.
func (call *Call) Lost(why *rotator.Error) Answer {
	res := &result{task: &call.task, err: why}
	if call.task.kind == taskApply {
		res.applyErr = why
	}
	return Answer{call, res}
}

// Answered takes in what came of a call that is out.
func (r *Reactor) Answered(a Answer) error {
	n := slices.Index(r.out, a.call)
	if n < 0 {
		return fmt.Errorf("%s is not out", a.call)
	}
	r.out = slices.Delete(r.out, n, n+1)
	err := r.core.handle(a.of)
	r.free()
	return err
}

// Err returns why a call failed, nil if it did not.
func (a Answer) Err() *rotator.Error {
	if a.of.err != nil {
		return a.of.err
	}
	return a.of.applyErr
}

// Made returns the version that a call made, empty if it made none as far as the answer
// tells.
func (a Answer) Made() string {
	if a.of.kind != taskCreate || a.of.err != nil {
		return ""
	}
	return a.of.version.ID
}

// Operation returns the operation that a call is for, zero if it is for none.
func (call *Call) Operation() rotator.OperationID { return call.task.operation }

// CallCreates is the kind of the call that makes a version.
const CallCreates = string(taskCreate)

// Kind says what a call does, in two or three words.
func (call *Call) Kind() string { return string(call.task.kind) }

// String says what a call does to what.
func (call *Call) String() string { return call.task.String() }

// String says what a task does to what.
func (t *task) String() string {
	parts := []string{string(t.kind)}
	if t.operation != 0 {
		parts = append(parts, t.operation.String())
	}
	if t.key != "" {
		parts = append(parts, "of "+t.key)
	}
	if t.dependent != nil {
		parts = append(parts, t.dependent.DisplayName())
	}
	if t.effect != nil && t.version != nil {
		parts = append(parts, fmt.Sprintf("%s%s enable=%t", t.action, t.version.ID, t.enable))
	}
	return strings.Join(parts, " ")
}
