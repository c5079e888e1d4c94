package rotator

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// horizon is how much of the due index is held in memory.
	horizon = 10 * time.Minute
	// watchEvery is how often the versions of a key are read while nothing is
	// under way, so that a version made by someone else is found.
	watchEvery = 10 * time.Minute
)

// core is the engine without its loop: it turns results, requests and the
// passing of time into a change to commit and tasks to carry out afterwards. It
// does no I/O but read the store, starts no goroutine and knows the time only as
// a value, so that whoever drives it decides what happens in which order.
type core struct {
	store  Store
	traits map[string]Traits
	limits Limits

	now    time.Time
	keys   map[string]*Key
	states map[string]*KeyState
	live   map[OperationID]*live
	// fault is why nothing can be committed, as far as was seen before it is tried.
	fault  error
	agenda agenda
	// filled is up to when the agenda holds the store's due index.
	filled time.Time

	// alarm keeps alerts, silences and what was learned.
	alarm alarm
	// kinds counts the trackers of live operations.
	kinds kindCounts
	// took hears how long a dependent took; see [Options].
	took func(kind string, change OperationKind, took time.Duration)
	// readsPolicy is true if the vault can tell its rotation policy.
	readsPolicy bool
	// rehearsing counts the rehearsals under way, see [core.watchAhead].
	rehearsing int
	// blind is since when the versions of a key could not be read, by its name. It is
	// begun anew by each daemon: what the one before has not seen is no evidence.
	blind map[string]time.Time

	// room is where the look at hand makes a tracker's large part.
	room TrackerDetail
	// spare are slices that a commit has given back.
	spare Change

	// What the next commit takes.
	change Change
	tasks  []task
	dirty  map[OperationID]*live
	keysTo map[string]bool
	// soft is since when there are changes that may wait, zero if there are
	// none; hard is true if there is one that may not.
	soft time.Time
	hard bool
	// pendingTrackers counts the trackers to commit.
	pendingTrackers int
	replies         []func(error)

	// out are the vault tasks under way, which survive a reset.
	out map[OperationID]int
}

// mark says what of a tracker is to be committed.
type mark uint8

const (
	markState  mark = 1 << iota // the small part
	markDetail                  // the large part
)

// live is an operation under way.
type live struct {
	op Operation
	// trackers are read from the store when first needed.
	trackers []Tracker
	loaded   bool
	// changed lists the trackers to commit; marks says for each tracker whether it
	// is listed, and whether its large part is to be committed too.
	changed []uint32
	marks   []mark
	asked   []bool // a task for the tracker is under way
	askedN  int
	// dues counts the trackers by due time, for the earliest, but those that are
	// being looked at; dueN is their sum.
	dues map[int64]int
	dueN int
	// planned is for when the agenda has the operation.
	planned time.Time
	// suspect is true if something changed that may be worth an alert, or end one.
	suspect bool

	// Of the phase under way, and begun anew after a restart:
	versions  []Version // as last read in this phase
	listed    time.Time // when versions was asked for
	listErr   *Error
	guarding  bool            // the guard waits for fresh looks
	stale     map[uint32]bool // trackers not looked at since the guard began
	searchErr *Error
	retirers  []func(Operation, error) // requests that wait for the guard
}

func newCore(store Store, services []Service, limits Limits) *core {
	c := &core{
		store: store, traits: map[string]Traits{}, limits: limits,
		out: map[OperationID]int{}, kinds: newKindCounts(), blind: map[string]time.Time{},
	}
	c.alarm = newAlarm()
	for _, s := range services {
		c.traits[s.Kind()] = s.Traits()
	}
	return c
}

// event notes what happened to an operation.
func (c *core) event(l *live, t EventType, actor, format string, args ...any) *Event {
	c.hard = true
	c.change.Events = append(c.change.Events, Event{
		At: c.now, Type: t, Key: l.op.Key, Operation: l.op.ID, Actor: actor,
		Message: fmt.Sprintf(format, args...),
	})
	return &c.change.Events[len(c.change.Events)-1]
}

// keyEvent notes what happened to a key outside an operation.
func (c *core) keyEvent(key string, t EventType, format string, args ...any) *Event {
	c.hard = true
	c.change.Events = append(c.change.Events, Event{
		At: c.now, Type: t, Key: key, Actor: actorDaemon, Message: fmt.Sprintf(format, args...),
	})
	return &c.change.Events[len(c.change.Events)-1]
}

// daemonEvent notes what happened to the daemon.
func (c *core) daemonEvent(t EventType, message string) {
	c.hard = true
	c.change.Events = append(c.change.Events, Event{At: c.now, Type: t, Actor: actorDaemon, Message: message})
}

// actorDaemon is the actor of what nobody asked for.
const actorDaemon = "cmkd"

// touch marks an operation as changed, to be committed at once.
func (c *core) touch(l *live) {
	c.dirty[l.op.ID] = l
	c.hard, l.suspect = true, true
}

// mark marks an operation as changed, to be committed soon: nothing is lost if
// it is not.
func (c *core) mark(l *live) {
	c.dirty[l.op.ID] = l
	c.waitSoft()
}

// waitSoft lets the next commit come soon.
func (c *core) waitSoft() {
	if c.soft.IsZero() {
		c.soft = c.now
	}
}

// touchKey marks a key's state as changed.
func (c *core) touchKey(name string) *KeyState {
	c.keysTo[name] = true
	c.hard = true
	return c.states[name]
}

// enter puts an operation into a state.
func (c *core) enter(l *live, s OperationState, actor, why string) {
	from := l.op.State
	l.op.State, l.op.Since, l.op.Waiting, l.op.Problem, l.op.Failures = s, c.now, "", nil, 0
	l.op.Wake = time.Time{}
	l.versions, l.listed, l.listErr, l.searchErr = nil, time.Time{}, nil, nil
	l.guarding, l.stale = false, nil
	c.touch(l)
	e := c.event(l, EventStateChanged, actor, "%s %s: %s", l.op.Kind, l.op.Key, s)
	if why != "" {
		e.Message += ", " + why
	}
	e.Data = map[string]string{"from": string(from), "to": string(s), "kind": string(l.op.Kind)}
	if s.Final() {
		c.finish(l)
	}
}

// finish takes leave of an operation that has ended.
func (c *core) finish(l *live) {
	l.op.Finished = c.now
	if l.op.State != StateCompleted {
		c.answerRetirers(l, Errorf(CodeConflict, "%s is %s", l.op.ID, l.op.State))
	}
	if state := c.states[l.op.Key]; state != nil && state.Operation == l.op.ID {
		c.touchKey(l.op.Key).Operation = 0
		if l.op.State == StateFailed {
			state.Failed = l.op.ID
		}
	}
	for i := range l.trackers {
		if !l.trackers[i].Due.IsZero() {
			c.setTracker(l, l.trackers[i].withDue(time.Time{}), false)
		}
	}
}

func (t Tracker) withDue(due time.Time) Tracker {
	t.Due = due
	return t
}

// wait schedules the operation itself.
func (c *core) wait(l *live, until time.Time) {
	l.op.Wake = until
	c.mark(l)
}

// hold makes an operation wait for something that does not come by itself, or
// for another try later.
func (c *core) hold(l *live, p *Problem, again time.Duration) {
	if l.op.Problem == nil || *l.op.Problem != *p {
		l.op.Problem = p
		c.touch(l)
	}
	l.suspect = true // one that lasts is worth an alert
	if again > 0 {
		c.wait(l, c.now.Add(again))
	}
}

// setTracker stores a tracker's new value; detail is true if its large part
// changed.
func (c *core) setTracker(l *live, t Tracker, detail bool) {
	old := &l.trackers[t.Number]
	if old.State != t.State {
		l.op.Trackers[old.State]--
		if l.op.Trackers[old.State] <= 0 {
			delete(l.op.Trackers, old.State)
		}
		l.op.Trackers[t.State]++
		c.hard = true
		counts := c.kinds.of(t.Detail.Dependent.Kind)
		counts[stateIndex(old.State)]--
		counts[stateIndex(t.State)]++
	}
	if detail || old.State != t.State {
		l.suspect = l.suspect || old.State.troubled() || t.State.troubled()
	}
	if !l.asked[t.Number] {
		l.redue(old.Due, t.Due)
	}
	*old = t
	c.changeTracker(l, t.Number, detail)
	c.mark(l)
}

// changeTracker lists a tracker to be committed.
func (c *core) changeTracker(l *live, number uint32, detail bool) {
	if l.marks[number] == 0 {
		l.changed = append(l.changed, number)
		c.pendingTrackers++
	}
	l.marks[number] |= markState
	if detail {
		l.marks[number] |= markDetail
	}
}

func (l *live) redue(from, to time.Time) {
	if !from.IsZero() {
		l.dueN--
		if l.dues[from.UnixNano()]--; l.dues[from.UnixNano()] <= 0 {
			delete(l.dues, from.UnixNano())
		}
	}
	if !to.IsZero() {
		l.dueN++
		l.dues[to.UnixNano()]++
	}
}

// due returns when the operation or one of its trackers wants attention.
func (l *live) due() time.Time {
	due := l.op.Wake
	for at := range l.dues {
		due = sooner(due, time.Unix(0, at).UTC())
	}
	return due
}

// addTracker adds a dependent to an operation.
func (c *core) addTracker(l *live, d Dependent, due time.Time) {
	t := Tracker{
		Operation: l.op.ID, Number: uint32(len(l.trackers)), State: TrackerWaiting, Since: c.now, Due: due,
		Detail: &TrackerDetail{Dependent: d},
	}
	if d.Excluded != "" {
		t.State, t.Due = TrackerExcluded, time.Time{}
		t.Detail.Problem = &Problem{Code: "excluded", Message: d.Excluded}
	}
	l.trackers = append(l.trackers, t)
	l.asked, l.marks = append(l.asked, false), append(l.marks, 0)
	if l.guarding && t.State != TrackerExcluded {
		l.stale[t.Number] = true
	}
	l.op.Trackers[t.State]++
	c.kinds.count(&t, 1)
	l.redue(time.Time{}, t.Due)
	c.changeTracker(l, t.Number, true)
	c.touch(l)
}

// lookAtAll makes every tracker that is not excluded due now.
func (c *core) lookAtAll(l *live) {
	for _, t := range l.trackers {
		if t.State != TrackerExcluded {
			c.setTracker(l, t.withDue(c.now), false)
		}
	}
}

// do hands out a task once the change under way is committed. Vault tasks of one
// operation are carried out one at a time.
func (c *core) do(l *live, t task) {
	t.operation, t.key, t.keyID = l.op.ID, l.op.Key, l.op.KeyID
	c.out[l.op.ID]++
	c.tasks = append(c.tasks, t)
}

// busy reports whether a vault task or a search of the operation is under way.
func (c *core) busy(l *live) bool { return c.out[l.op.ID] > 0 }

// take returns what is to be committed, with what is to be carried out and
// answered after that, and starts afresh.
func (c *core) take() *batch {
	for _, id := range slices.Sorted(maps.Keys(c.dirty)) {
		if c.dirty[id].suspect {
			c.judge(c.dirty[id])
		}
		c.takeOperation(c.dirty[id])
	}
	for _, name := range slices.Sorted(maps.Keys(c.keysTo)) {
		c.judgeKey(name)
		c.change.Keys = append(c.change.Keys, *c.states[name])
	}
	c.takeBook()
	b := &batch{change: c.change, tasks: c.tasks, replies: c.replies}
	c.clear()
	return b
}

func (c *core) takeOperation(l *live) {
	l.op.Due = l.due()
	c.planOperation(l)
	l.op.Revision++
	c.change.Operations = append(c.change.Operations, l.snapshot())
	slices.Sort(l.changed) // neighbours in the store
	c.change.Trackers = slices.Grow(c.change.Trackers, len(l.changed))
	for _, n := range l.changed {
		t := l.trackers[n]
		if l.marks[n]&markDetail == 0 {
			t.Detail = nil
		} else if t.Detail.Last != nil {
			// Memory keeps the small part: the last look is in the store.
			slim := *t.Detail
			slim.Last = nil
			l.trackers[n].Detail = &slim
		}
		l.marks[n] = 0
		c.change.Trackers = append(c.change.Trackers, t)
	}
	l.changed = l.changed[:0]
	if l.op.State.Final() {
		delete(c.live, l.op.ID)
		for i := range l.trackers {
			c.kinds.count(&l.trackers[i], -1)
		}
	}
}

// snapshot returns the operation as a value that will not change.
func (l *live) snapshot() Operation {
	op := l.op
	op.Trackers = maps.Clone(op.Trackers)
	return op
}

// giveBack lets the core use the slices of a change that was committed again.
func (c *core) giveBack(change Change) {
	if len(change.Trackers) > 2*aheadMost || len(change.Events) > 2*aheadMost {
		return // of a size that does not come again soon
	}
	clear(change.Trackers) // or they would keep in memory what they point to
	clear(change.Events)
	c.spare = Change{Trackers: change.Trackers[:0], Events: change.Events[:0]}
}

// withdraw takes back tasks that will not be carried out.
func (c *core) withdraw(tasks []task) {
	for i := range tasks {
		switch t := &tasks[i]; t.kind {
		case taskNotify:
			c.alarm.outbox.end(t.notify.receiver.Name)
		case taskRehearse:
			c.rehearsing--
		default: // its operation is read anew
		}
	}
}

func (c *core) clear() {
	c.change, c.spare = c.spare, Change{}
	c.tasks, c.replies = nil, nil
	c.dirty, c.keysTo = map[OperationID]*live{}, map[string]bool{}
	c.soft, c.hard, c.pendingTrackers = time.Time{}, false, 0
}

// planOperation puts the next due time of an operation on the agenda.
func (c *core) planOperation(l *live) {
	if due := l.due(); !due.IsZero() && !due.Equal(l.planned) {
		l.planned = due
		c.plan(agendaItem{operation: l.op.ID}, due)
	}
}

// plan puts a time on the agenda if it is near enough to be held in memory.
func (c *core) plan(item agendaItem, at time.Time) {
	if !at.IsZero() && !at.After(c.filled) {
		item.at = at.UnixNano()
		c.agenda.add(item)
	}
}
