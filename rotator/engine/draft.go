package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"cmkd/rotator"
)

// draft is all that the next commit takes: records and events to store, and, once
// they are durable, tasks to carry out and people to answer. Its verbs say what
// happened. No other file writes its fields.
type draft struct {
	of     *state
	change rotator.Change
	tasks  []task
	// dirty are the operations to commit, keysTo the keys.
	dirty map[rotator.OperationID]*live
	// moved are the operations that entered a state and may go on from there.
	moved    []*live
	keysTo   map[string]bool
	alertsTo map[string]*rotator.Alert
	silences map[string]*rotator.Silence
	// attestations are those to commit.
	attestations map[string]*rotator.Attestation
	freezes      map[string]*rotator.Freeze
	forget       rotator.Forget
	// softSince is since when there are changes that may wait, zero if there are
	// none; hard is true if there is one that may not.
	softSince time.Time
	hard      bool
	// pendingTrackers counts the trackers to commit.
	pendingTrackers int
	replies         []func(error)
	// spare are slices that a commit has given back.
	spare rotator.Change
}

// mark says what of a tracker is to be committed.
type mark uint8

const (
	markState  mark = 1 << iota // the small part
	markDetail                  // the large part
)

// actorDaemon is the actor of what nobody asked for.
const actorDaemon = "cmkd"

// noted notes what happened to an operation.
func (d *draft) noted(l *live, t rotator.EventType, actor, format string, args ...any) *rotator.Event {
	d.hard = true
	d.change.Events = append(d.change.Events, rotator.Event{
		At: d.of.now, Type: t, Key: l.op.Key, Operation: l.op.ID, Actor: actor,
		Message: fmt.Sprintf(format, args...),
	})
	return &d.change.Events[len(d.change.Events)-1]
}

// notedOfKey notes what happened to a key outside an operation.
func (d *draft) notedOfKey(key string, t rotator.EventType, format string, args ...any) *rotator.Event {
	d.hard = true
	d.change.Events = append(d.change.Events, rotator.Event{
		At: d.of.now, Type: t, Key: key, Actor: actorDaemon, Message: fmt.Sprintf(format, args...),
	})
	return &d.change.Events[len(d.change.Events)-1]
}

// notedOfDaemon notes what happened to the daemon.
func (d *draft) notedOfDaemon(t rotator.EventType, message string) {
	d.hard = true
	d.change.Events = append(d.change.Events, rotator.Event{At: d.of.now, Type: t, Actor: actorDaemon, Message: message})
}

func (d *draft) notedOfAlert(a *rotator.Alert, t rotator.EventType) {
	d.hard = true
	message := a.Summary
	if t == rotator.EventAlertResolved {
		message = "over: " + message
	}
	d.change.Events = append(d.change.Events, rotator.Event{
		At: d.of.now, Type: t, Key: a.Key, Operation: a.Operation, Actor: actorDaemon, Message: message,
		Data: map[string]string{"alert": a.ID, "rule": string(a.Rule), "severity": string(a.Severity)},
	})
	posting{d.of}.soon(d.of.now.Add(groupWait))
}

func (d *draft) notedOfSilence(s *rotator.Silence, t rotator.EventType, actor, reason, message string) {
	d.silences[s.ID] = s
	d.of.alarm.published = false
	d.hard = true
	d.change.Events = append(d.change.Events, rotator.Event{
		At: d.of.now, Type: t, Key: s.Key, Actor: actor, Message: message,
		Data: map[string]string{"silence": s.ID, "reason": reason},
	})
	posting{d.of}.soon(d.of.now)
}

// statements is the part of the draft that takes what people said: attestations and
// freezes.
type statements struct{ d *draft }

func (s statements) notedOfAttestation(a *rotator.Attestation, t rotator.EventType, actor, message string) *rotator.Event {
	s.d.attestations[a.ID] = a
	s.d.hard = true
	s.d.change.Events = append(s.d.change.Events, rotator.Event{
		At: s.d.of.now, Type: t, Key: a.Key, Actor: actor, Dependent: a.Dependent, Message: message,
		Data: map[string]string{"attestation": a.ID, "reason": a.Reason},
	})
	return &s.d.change.Events[len(s.d.change.Events)-1]
}

// frozen notes that a freeze began.
func (s statements) frozen(f *rotator.Freeze) {
	s.d.freezes[f.ID] = f
	e := s.notedOfFreeze(f, rotator.EventFrozen, f.Actor, "frozen "+f.Ends()+": "+f.Subject())
	e.Data["reason"] = f.Reason
	if !f.Until.IsZero() {
		e.Data["until"] = f.Until.UTC().Format(time.RFC3339)
	}
}

// thawed notes that a freeze ended, and forgets it.
func (s statements) thawed(f *rotator.Freeze, actor, reason string) {
	delete(s.d.freezes, f.ID)
	s.d.forget.Freezes = append(s.d.forget.Freezes, f.ID)
	s.notedOfFreeze(f, rotator.EventFreezeEnded, actor, "the freeze of "+f.Subject()+" by "+f.Actor+" is over").Data["reason"] = reason
}

func (s statements) notedOfFreeze(f *rotator.Freeze, t rotator.EventType, actor, message string) *rotator.Event {
	s.d.of.alarm.published = false
	s.d.hard = true
	s.d.change.Events = append(s.d.change.Events, rotator.Event{
		At: s.d.of.now, Type: t, Key: f.Key, Actor: actor, Message: message, Data: map[string]string{"freeze": f.ID},
	})
	return &s.d.change.Events[len(s.d.change.Events)-1]
}

// freezeChanged has a freeze kept as it is now.
func (s statements) freezeChanged(f *rotator.Freeze) {
	s.d.freezes[f.ID] = f
	s.d.of.alarm.published = false
	s.d.soon()
}

// silenceChanged has a silence kept as it is now.
func (d *draft) silenceChanged(s *rotator.Silence) {
	d.silences[s.ID] = s
	d.of.alarm.published = false
	d.soon()
}

// alertChanged has an alert kept as it is when the change is taken.
func (d *draft) alertChanged(a *rotator.Alert) {
	d.alertsTo[a.ID] = a
	d.of.alarm.published = false
	d.soon()
}

// alertDropped forgets an alert that is over and told to everybody.
func (d *draft) alertDropped(a *rotator.Alert) {
	d.of.alarm.drop(a)
	delete(d.alertsTo, a.ID)
	d.forget.Alerts = append(d.forget.Alerts, a.ID)
	d.of.alarm.published = false
	d.soon()
}

// silenceDropped forgets a silence that ended long ago.
func (d *draft) silenceDropped(id string) {
	d.forget.Silences = append(d.forget.Silences, id)
	d.of.alarm.published = false
	d.soon()
}

// changed marks an operation as changed, to be committed at once.
func (d *draft) changed(l *live) {
	d.dirty[l.op.ID] = l
	d.hard, l.suspect = true, true
}

// changedSoon marks an operation as changed, to be committed soon: nothing is lost if
// it is not.
func (d *draft) changedSoon(l *live) {
	d.dirty[l.op.ID] = l
	d.soon()
}

// soon lets the next commit come soon.
func (d *draft) soon() {
	if d.softSince.IsZero() {
		d.softSince = d.of.now
	}
}

// changedKey marks a key's state as changed.
func (d *draft) changedKey(id rotator.KeyID) *rotator.KeyState {
	d.keysTo[canonical(id)] = true
	d.hard = true
	return d.of.stateOf(id)
}

// entered puts an operation into a state.
func (d *draft) entered(l *live, s rotator.OperationState, actor, why string) {
	from := l.op.State
	l.op.State, l.op.Since, l.op.Waiting, l.op.Problem, l.op.Failures = s, d.of.now, rotator.Wait{}, nil, 0
	l.op.Wake, l.since = time.Time{}, d.of.steady
	l.versions, l.listed, l.listErr = nil, time.Time{}, nil
	l.guarding, l.stale = false, nil
	d.changed(l)
	d.moved = append(d.moved, l)
	e := d.noted(l, rotator.EventStateChanged, actor, "%s %s: %s", l.op.Kind, l.op.Key, s)
	if why != "" {
		e.Message += ", " + why
	}
	e.Data = map[string]string{"from": string(from), "to": string(s), "kind": string(l.op.Kind)}
	if s.Final() {
		d.finished(l)
	}
}

// finished takes leave of an operation that has ended.
func (d *draft) finished(l *live) {
	l.op.Finished = d.of.now
	if d.of.out[l.op.ID] == 0 {
		d.of.pace.give(l.op.ID, false, d.of.steady)
	}
	d.of.pace.leave(l.op.ID)
	if l.op.State != rotator.StateCompleted {
		d.of.answerRetirers(l, rotator.Errorf(rotator.CodeConflict, "%s is %s", l.op.ID, l.op.State))
	}
	if state := d.of.stateOf(l.op.KeyID); state != nil && state.Operation == l.op.ID {
		d.changedKey(l.op.KeyID).Operation = d.of.requestOn(l.op.KeyID)
		if l.op.State == rotator.StateFailed {
			state.Failed = l.op.ID
		}
	}
	tampering{d.of}.superseded(l)
	standings{d.of}.after(l)
	for i := range l.trackers {
		if !l.trackers[i].Due.IsZero() {
			d.observed(l, withDue(l.trackers[i], time.Time{}), false)
		}
	}
}

// waits schedules the operation itself.
func (d *draft) waits(l *live, until time.Time) {
	l.op.Wake = until
	d.changedSoon(l)
}

// held makes an operation wait for something that does not come by itself, or
// for another try later.
func (d *draft) held(l *live, p *rotator.Problem, again time.Duration) {
	if l.op.Problem == nil || *l.op.Problem != *p {
		l.op.Problem = p
		d.changed(l)
	}
	l.suspect = true // one that lasts is worth an alert
	if again > 0 {
		d.waits(l, d.of.now.Add(again))
	}
}

// joined adds a dependent to an operation.
func (d *draft) joined(l *live, dependent rotator.Dependent, due time.Time) {
	t := rotator.Tracker{
		Operation: l.op.ID, Number: uint32(len(l.trackers)), State: rotator.TrackerWaiting, Since: d.of.now, Due: due,
		Detail: &rotator.TrackerDetail{Dependent: dependent},
	}
	if dependent.Unseen() {
		t.State, t.Due = rotator.TrackerExcluded, time.Time{}
		t.Detail.Problem = unseen(&dependent)
	}
	l.trackers = append(l.trackers, t)
	l.asked, l.marks, l.shown = append(l.asked, false), append(l.marks, 0), append(l.shown, 0)
	if l.guarding && t.State != rotator.TrackerExcluded && !dependent.Discovered {
		l.stale[t.Number] = true
	}
	if dependent.Discovered {
		l.op.Unlisted++
	}
	l.op.Trackers[t.State]++
	d.of.kinds.count(&t, 1)
	l.redue(time.Time{}, t.Due)
	d.listed(l, t.Number, true)
	d.changed(l)
}

// unseen says why nobody looks at a dependent.
func unseen(d *rotator.Dependent) *rotator.Problem {
	if d.Excluded != "" {
		return &rotator.Problem{Code: rotator.ReasonExcluded, Message: d.Excluded}
	}
	return &rotator.Problem{Code: rotator.ReasonManual, Message: "cmkd cannot read it; a person attests for it"}
}

// observed stores a tracker's new value; detail is true if its large part
// changed.
func (d *draft) observed(l *live, t rotator.Tracker, detail bool) {
	old := &l.trackers[t.Number]
	if old.State != t.State {
		l.op.Trackers[old.State]--
		if l.op.Trackers[old.State] <= 0 {
			delete(l.op.Trackers, old.State)
		}
		l.op.Trackers[t.State]++
		d.hard = true
		counts := d.of.kinds.of(t.Detail.Dependent.Kind)
		counts[stateIndex(old.State)]--
		counts[stateIndex(t.State)]++
	}
	if detail || old.State != t.State {
		l.suspect = l.suspect || old.State.Troubled() || t.State.Troubled()
	}
	if !l.asked[t.Number] {
		l.redue(old.Due, t.Due)
	}
	if was, is := old.Detail.Dependent.Discovered, t.Detail.Dependent.Discovered; was != is {
		l.op.Unlisted--
		if is {
			l.op.Unlisted += 2
		}
	}
	*old = t
	d.listed(l, t.Number, detail)
	d.changedSoon(l)
}

// listed lists a tracker to be committed.
func (d *draft) listed(l *live, number uint32, detail bool) {
	if l.marks[number] == 0 {
		l.changed = append(l.changed, number)
		d.pendingTrackers++
	}
	l.marks[number] |= markState
	if detail {
		l.marks[number] |= markDetail
	}
}

// intended hands out a task once the change under way is committed. Vault tasks of one
// operation are carried out one at a time.
func (d *draft) intended(l *live, t task) {
	t.operation, t.key, t.keyID = l.op.ID, l.op.Key, l.op.KeyID
	d.of.out[l.op.ID]++
	switch t.kind {
	case taskSetEnabled:
		tampering{d.of}.intends(l.op.KeyID, t.version.ID, t.enable)
	case taskCreate:
		if t.method != rotator.MethodCreate { // which gives it our tag
			tampering{d.of}.intends(l.op.KeyID, unnamed, true)
		}
	default: // it changes no version
	}
	d.tasks = append(d.tasks, t)
}

// asked hands out a task for a tracker.
func (d *draft) asked(l *live, t *rotator.Tracker, kind taskKind, a rotator.Action) {
	l.asked[t.Number] = true
	l.askedN++
	l.redue(t.Due, time.Time{})
	k := task{
		kind: kind, operation: l.op.ID, key: l.op.Key, keyID: l.op.KeyID, tracker: t.Number,
		dependent: &t.Detail.Dependent, access: asksAccess(&l.op, d.of.traits[t.Detail.Dependent.Kind]) || deniedLast(t),
	}
	if l.op.Kind == rotator.KindRotation {
		k.target = l.op.Target.ID
	}
	if kind == taskApply {
		target := l.op.Target
		k.effect = &effect{action: a, version: &target}
	}
	d.tasks = append(d.tasks, k)
}

// intendedApart hands out a task of no operation once the change under way is
// committed.
func (d *draft) intendedApart(t task) { d.tasks = append(d.tasks, t) }

// expect makes room for so many tasks.
func (d *draft) expect(tasks int) { d.tasks = slices.Grow(d.tasks, tasks) }

// answered has somebody answered once the change under way is committed, or could
// not be.
func (d *draft) answered(reply func(error)) {
	d.hard = true
	d.replies = append(d.replies, reply)
}

// unanswered takes back the answers of a change that could not be committed: they
// are to be refused with those that wait here.
func (d *draft) unanswered(replies []func(error)) { d.replies = append(replies, d.replies...) }

// learned has what was learned of how long changes take kept.
func (d *draft) learned(t rotator.Timing) {
	d.change.Timings = append(d.change.Timings, t)
	d.soon()
}

// stood has what is known of a dependent between operations kept.
func (d *draft) stood(st rotator.Standing) {
	d.change.Standings = append(d.change.Standings, st)
	d.soon()
}

// stoodNoMore forgets what was known of a dependent.
func (d *draft) stoodNoMore(id rotator.StandingID) {
	d.forget.Standings = append(d.forget.Standings, id)
	d.soon()
}

// free returns the tasks that need not wait for a commit: looks, which rest on
// nothing.
func (d *draft) free() []task {
	if d.hard {
		return nil
	}
	tasks := d.tasks
	d.tasks = nil
	return tasks
}

// due reports whether it is time to commit.
func (d *draft) due() bool {
	return d.hard || !d.softSince.IsZero() && d.of.now.Sub(d.softSince) >= softDelay
}

// settle takes every operation that moved as far as it goes on what is known, and
// sees to it that it can go on from there.
func (d *draft) settle() {
	for len(d.moved) > 0 || d.of.pace.moved {
		if len(d.moved) == 0 {
			making{d.of}.room()
			continue
		}
		l := d.moved[0]
		d.moved = d.moved[1:]
		if !l.op.State.Final() {
			d.of.advance(l, false)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.dirty)) {
		if l := d.dirty[id]; l.stuck() && !d.of.busy(l) && !d.of.queued(l) && !(freezing{d.of}).holds(l) {
			d.stuck(l)
		}
	}
}

// stuckRetry is how often an operation is advanced that nothing would move.
const stuckRetry = time.Minute

// stuck tells of an operation that nothing would ever move again, which is a defect
// of the engine: loudly, and with the state kept.
func (d *draft) stuck(l *live) {
	why := fmt.Sprintf("%s %s is %s and nothing would move it", l.op.Kind, l.op.ID, l.op.State)
	if d.of.defect != nil {
		d.of.defect(why)
	}
	d.held(l, &rotator.Problem{
		Code: rotator.ReasonDefect, Message: why + ": a defect of cmkd, which tries again every minute",
		Hint: "please report it with the output of cmkd events --operation " + l.op.ID.String(),
	}, stuckRetry)
}

// take returns what is to be committed, with what is to be carried out and
// answered after that, and starts afresh.
func (d *draft) take() *batch {
	d.settle()
	for _, id := range slices.Sorted(maps.Keys(d.dirty)) {
		if d.dirty[id].suspect {
			alerts{d.of}.judge(d.dirty[id])
		}
		d.takeOperation(d.dirty[id])
	}
	for _, id := range slices.Sorted(maps.Keys(d.keysTo)) {
		alerts{d.of}.judgeKey(id)
		d.of.overview.next.see(id, d.of.states[id].NextRotation)
		d.of.overview.seeKey(id, d.of.states[id], d.of.byID[id] != nil)
		d.change.Keys = append(d.change.Keys, *d.of.states[id])
	}
	d.takeBook()
	b := &batch{change: d.change, tasks: d.tasks, replies: d.replies}
	d.clear()
	return b
}

func (d *draft) takeOperation(l *live) {
	l.op.Due = l.due()
	d.of.planOperation(l)
	l.op.Revision++
	d.of.overview.see(&l.op)
	d.change.Operations = append(d.change.Operations, l.snapshot())
	slices.Sort(l.changed) // neighbours in the store
	d.change.Trackers = slices.Grow(d.change.Trackers, len(l.changed))
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
		d.change.Trackers = append(d.change.Trackers, t)
	}
	l.changed = l.changed[:0]
	if l.op.State.Final() {
		delete(d.of.live, l.op.ID)
		for i := range l.trackers {
			d.of.kinds.count(&l.trackers[i], -1)
		}
	}
}

// takeBook moves the changes to the book into the change to commit.
func (d *draft) takeBook() {
	for _, id := range slices.Sorted(maps.Keys(d.alertsTo)) {
		alert := *d.alertsTo[id]
		alert.Told = maps.Clone(alert.Told)
		alert.Affected = slices.Clone(alert.Affected)
		d.change.Alerts = append(d.change.Alerts, alert)
	}
	for _, id := range slices.Sorted(maps.Keys(d.silences)) {
		d.change.Silences = append(d.change.Silences, *d.silences[id])
	}
	for _, id := range slices.Sorted(maps.Keys(d.attestations)) {
		d.change.Attestations = append(d.change.Attestations, *d.attestations[id])
	}
	for _, id := range slices.Sorted(maps.Keys(d.freezes)) {
		d.change.Freezes = append(d.change.Freezes, *d.freezes[id])
	}
	// What is forgotten and comes back at once is kept.
	back := func(id string) bool { return d.alertsTo[id] != nil || d.silences[id] != nil }
	d.change.Forget = rotator.Forget{
		Alerts: slices.DeleteFunc(d.forget.Alerts, back), Silences: slices.DeleteFunc(d.forget.Silences, back),
		Standings: d.forget.Standings, Freezes: d.forget.Freezes,
	}
}

// giveBack lets the core use the slices of a change that was committed again.
func (d *draft) giveBack(change rotator.Change) {
	if len(change.Trackers) > 2*aheadMost || len(change.Events) > 2*aheadMost {
		return // of a size that does not come again soon
	}
	clear(change.Trackers) // or they would keep in memory what they point to
	clear(change.Events)
	d.spare = rotator.Change{Trackers: change.Trackers[:0], Events: change.Events[:0]}
}

func (d *draft) clear() {
	d.change, d.spare = d.spare, rotator.Change{}
	d.tasks, d.replies, d.moved = nil, nil, nil
	d.alertsTo, d.silences, d.forget = map[string]*rotator.Alert{}, map[string]*rotator.Silence{}, rotator.Forget{}
	d.attestations = map[string]*rotator.Attestation{}
	d.freezes = map[string]*rotator.Freeze{}
	d.dirty, d.keysTo = map[rotator.OperationID]*live{}, map[string]bool{}
	d.softSince, d.hard, d.pendingTrackers = time.Time{}, false, 0
}
