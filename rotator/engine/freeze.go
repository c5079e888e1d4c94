package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// freezeMost is how long a freeze with an end may last.
const freezeMost = 366 * 24 * time.Hour

// restore takes over what the store has.
func (c freezing) restore(b rotator.Book) {
	c.freezes = c.freezes[:0:0]
	for i := range b.Freezes {
		c.freezes = append(c.freezes, &b.Freezes[i])
	}
	slices.SortFunc(c.freezes, func(a, b *rotator.Freeze) int {
		return int(rotator.SequenceFreezes.Number(a.ID)) - int(rotator.SequenceFreezes.Number(b.ID))
	})
}

// freeze begins a freeze that a person asks for.
func (c commands) freeze(r rotator.FreezeRequest) (*rotator.Freeze, error) {
	f, err := c.freezeOf(&r)
	if err != nil {
		return nil, err
	}
	return f, freezing(c).add(f)
}

// freezeOf checks what is asked for and makes a freeze of it, still without an id.
func (c commands) freezeOf(r *rotator.FreezeRequest) (*rotator.Freeze, error) {
	f := &rotator.Freeze{Actor: r.Actor, Reason: strings.TrimSpace(r.Reason), Made: c.now, Until: r.Until}
	switch {
	case f.Reason == "":
		return nil, rotator.Errorf(rotator.CodeInvalid, "a freeze needs a reason").WithHint("--reason REASON: whoever is stopped by it reads it")
	case r.Vault != "" && r.Key != "":
		return nil, rotator.Errorf(rotator.CodeInvalid, "a freeze is of one vault or of one key").WithHint("leave one of them out, or both to freeze everything")
	case !r.Until.IsZero() && r.For != 0:
		return nil, rotator.Errorf(rotator.CodeInvalid, "a freeze ends at a time or after a while, not both").WithHint("leave out --until or --for")
	case r.For < 0, !r.Until.IsZero() && !r.Until.After(c.now):
		return nil, rotator.Errorf(rotator.CodeInvalid, "a freeze that ends in the past stops nothing").WithHint("it is %s now", c.now.UTC().Format(time.RFC3339))
	}
	if r.For > 0 {
		f.Until = c.now.Add(r.For)
	}
	if f.Until.Sub(c.now) > freezeMost {
		return nil, rotator.Errorf(rotator.CodeInvalid, "a freeze lasts at most %d days", int(freezeMost.Hours()/24)).
			WithHint("leave out its end: then it lasts until somebody ends it")
	}
	return f, c.aim(f, r)
}

// aim says what is frozen.
func (c commands) aim(f *rotator.Freeze, r *rotator.FreezeRequest) error {
	switch {
	case r.Key != "":
		key := c.keys[r.Key]
		if key == nil {
			return rotator.Errorf(rotator.CodeNotFound, "no key %q is configured", r.Key).WithHint("the keys are %s", few(slices.Sorted(maps.Keys(c.keys))))
		}
		f.Key, f.KeyID = key.Name, key.ID
	case r.Vault != "":
		hosts, meant := map[string]bool{}, map[string]bool{}
		for _, key := range c.keys {
			host := key.ID.Host()
			hosts[host] = true
			if first, _, _ := strings.Cut(host, "."); strings.EqualFold(r.Vault, host) || strings.EqualFold(r.Vault, first) {
				meant[host] = true
			}
		}
		if len(meant) > 1 {
			return rotator.Errorf(rotator.CodeInvalid, "%q may be any of %d vaults", r.Vault, len(meant)).WithHint("give one of %s", few(slices.Sorted(maps.Keys(meant))))
		}
		for host := range meant {
			f.Vault = host
		}
		if f.Vault == "" {
			return rotator.Errorf(rotator.CodeNotFound, "no key of a vault %q is configured", r.Vault).WithHint("the vaults are %s", few(slices.Sorted(maps.Keys(hosts))))
		}
	}
	return nil
}

// few lists names, of many only the first.
func few(names []string) string {
	const most = 10
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// add lets a freeze hold from now on: what it stops waits.
func (c freezing) add(f *rotator.Freeze) error {
	id, err := c.store.NextIDs(context.Background(), rotator.SequenceFreezes, 1)
	if err != nil {
		return err
	}
	f.ID = rotator.SequenceFreezes.ID(id)
	c.freezes = append(c.freezes, f)
	statements{c.draft}.frozen(f)
	for _, alert := range alerting.OfFreeze(f, c.now) {
		alerts(c).raise(&alert)
	}
	c.plan(f)
	c.reconsider()
	return nil
}

// unfreeze ends a freeze because a person says so.
func (c commands) unfreeze(id, actor, reason string) (*rotator.Freeze, error) {
	n := slices.IndexFunc(c.freezes, func(f *rotator.Freeze) bool { return strings.EqualFold(f.ID, id) })
	switch {
	case n < 0 && len(c.freezes) == 0:
		return nil, rotator.Errorf(rotator.CodeNotFound, "there is no freeze %q, nor another", id).WithHint("cmkd events shows those that are over")
	case n < 0:
		ids := make([]string, len(c.freezes))
		for i, f := range c.freezes {
			ids[i] = f.ID
		}
		return nil, rotator.Errorf(rotator.CodeNotFound, "there is no freeze %q", id).WithHint("the freezes are %s; cmkd freeze list shows them", few(ids))
	case strings.TrimSpace(reason) == "":
		return nil, rotator.Errorf(rotator.CodeInvalid, "the end of a freeze needs a reason").WithHint("--reason REASON: whoever began the freeze reads it")
	}
	f := c.freezes[n]
	freezing(c).end(f, actor, strings.TrimSpace(reason))
	freezing(c).reconsider()
	return f, nil
}

func (c freezing) end(f *rotator.Freeze, actor, reason string) {
	c.freezes = slices.DeleteFunc(slices.Clone(c.freezes), func(other *rotator.Freeze) bool { return other == f })
	statements{c.draft}.thawed(f, actor, reason)
	for _, rule := range []rotator.Rule{rotator.RuleFrozenByDaemon, rotator.RuleFreezeLasting} {
		if alert := c.alarm.alerts[alerting.ScopeDaemon][alerting.ID(rule, alerting.ScopeDaemon, f.ID)]; alert != nil && alert.Firing() {
			alerts(c).resolve(alert)
		}
	}
}

// lostAccess freezes what nobody asks for, everywhere, if a dependent is seen denied by
// its key during a rotation and had access before: whatever took it away may meet others.
// One such freeze is enough, until a person ends it. A key of ours that is revoked has no
// rotation under way.
func (c freezing) lostAccess(l *live, t *rotator.Tracker, o *rotator.Observation) {
	if o.Access != rotator.AccessDenied || l.op.Kind != rotator.KindRotation || l.op.Target.ID == "" ||
		slices.ContainsFunc(c.freezes, func(f *rotator.Freeze) bool { return f.Scheduled }) {
		return
	}
	before := c.lastSeen(l, t.Number)
	if before == nil || before.Access == rotator.AccessDenied || before.Access == rotator.AccessUnknown && !t.Detail.Allowed { // not every look asks
		return
	}
	if since := before.At.Add(-losesAccess(t, c.traits)); probation(c).otherKeyDown(l.op.KeyID, o, since) != "" { // felt only now
		return
	}
	d := &t.Detail.Dependent
	reason := fmt.Sprintf("%s %s lost access to key %s while %s was %s (%s)", d.Kind, d.DisplayName(), l.op.Key, l.op.ID, l.op.State, cmp.Or(o.AccessCode, "without a code"))
	if err := c.add(&rotator.Freeze{Actor: actorDaemon, Reason: reason, Made: c.now, Scheduled: true}); err != nil {
		c.fault = err
	}
}

// thawAfter is how long a clock that jumped past the end of a freeze must have gone on from
// there to be believed.
const thawAfter = 15 * time.Minute

// expire ends the freezes whose time is over, and plans for the others. A clock that is ahead
// for a moment ends none: either as long has passed, or the clock did not jump for a while.
func (c freezing) expire() {
	for _, f := range slices.Clone(c.freezes) {
		switch {
		case f.Until.IsZero():
		case c.left(f) > 0:
			c.plan(f)
		default:
			c.end(f, actorDaemon, "its time is over")
		}
	}
	c.reconsider()
}

// left is how long a freeze with an end has to go.
func (c freezing) left(f *rotator.Freeze) time.Duration {
	thaws, met := c.thaws[f.ID]
	if !met {
		thaws = c.steady.Add(f.Until.Sub(c.now))
		c.thaws[f.ID] = thaws
	}
	left := thaws.Sub(c.steady)
	if !c.jumped.IsZero() {
		left = min(left, c.jumped.Add(thawAfter).Sub(c.steady))
	}
	return max(f.Until.Sub(c.now), left)
}

func (c freezing) plan(f *rotator.Freeze) {
	if !f.Until.IsZero() {
		c.agenda.add(agendaItem{thaw: true, at: c.now.Add(c.left(f)).UnixNano()})
	}
}

// renamed lets freezes of a key go on that is called otherwise now.
func (c freezing) renamed(key *rotator.Key) {
	for i, old := range c.freezes {
		if f := *old; f.KeyID.Same(key.ID) {
			f.Key, c.freezes[i] = key.Name, &f
			statements{c.draft}.freezeChanged(&f)
		}
	}
}

// of returns the freeze of a key that stops what somebody asked for, or nobody did; nil
// if there is none.
func (c freezing) of(key rotator.KeyID, asked bool) *rotator.Freeze {
	for _, f := range c.freezes {
		if f.Concerns(key, asked) { // see expire
			return f
		}
	}
	return nil
}

// stops returns the freeze that stops the writes of an operation as it stands, nil if
// none does. What is retired because the key's policy says so is what nobody asked for,
// whoever began the rotation.
func (c freezing) stops(l *live) *rotator.Freeze {
	if len(c.freezes) == 0 || l.op.Kind != rotator.KindRotation {
		return nil
	}
	asked := l.op.Cause == rotator.CauseOperator
	if l.op.State == rotator.StateRetiring {
		asked = l.op.Retirer != ""
	}
	return c.of(l.op.KeyID, asked)
}

// holds reports whether an operation waits for a freeze that holds.
func (c freezing) holds(l *live) bool {
	return l.op.Waiting.For == rotator.WaitFreeze && c.stops(l) != nil
}

// hold has an operation say that it waits for the end of a freeze.
func (c freezing) hold(l *live, f *rotator.Freeze) {
	w := rotator.Wait{For: rotator.WaitFreeze, Problem: f.Problem()}
	if was := l.op.Waiting; was.For == w.For && was.Problem != nil && *was.Problem == *w.Problem {
		return
	}
	l.op.Waiting = w
	c.draft.changed(l)
}

// shelve has an operation wait that has not changed anything yet: it leaves the line of
// its vault, and looks at everything afresh when the freeze is over.
func (c freezing) shelve(l *live) {
	c.pace.give(l.op.ID, false, c.steady)
	c.pace.leave(l.op.ID)
	l.listed, l.lookedAt, l.op.Wake = time.Time{}, time.Time{}, time.Time{}
	c.hold(l, c.stops(l))
}

// frozen has a retirement wait. A person who waits for it is told.
func (c retirement) frozen(l *live, f *rotator.Freeze) {
	if len(l.retirers) > 0 {
		c.answerRetirers(l, frozen(l.op.Key, f))
	}
	l.guarding, l.stale, l.op.Wake = false, nil, time.Time{}
	l.op.NobodyRetires()
	c.draft.changed(l)
	if l.op.AwaitsRetirement() { // it is for somebody to say again
		l.op.Waiting = rotator.Wait{For: rotator.WaitRetire}
		return
	}
	freezing(c).hold(l, f)
}

// frozen is the answer to somebody who asks for what a freeze stops.
func frozen(key string, f *rotator.Freeze) *rotator.Error {
	p := f.Problem()
	err := rotator.Errorf(rotator.CodeRefused, "key %s is %s", key, p.Message)
	err.Reason, err.Hint, err.NoEffect = rotator.ReasonFrozen, p.Hint, true
	return err
}

// reconsider has what freezes stop wait, and what none stops any more go on.
func (c freezing) reconsider() {
	for _, id := range c.liveIDs() {
		l := c.live[id]
		if l.op.Kind == rotator.KindRotation && (c.stops(l) != nil || l.op.Waiting.For == rotator.WaitFreeze) {
			if err := c.load(l); err != nil {
				c.fault = err // nothing can be committed either
				return
			}
			c.reconsiderOne(l)
		}
	}
	for id, key := range c.byID {
		if state := c.states[id]; state != nil && !state.NextRotation.IsZero() && !state.NextRotation.After(c.now) && c.of(key.ID, false) == nil {
			c.state.plan(agendaItem{key: id}, state.NextRotation)
		}
	}
}

func (c freezing) reconsiderOne(l *live) {
	f := c.stops(l)
	if f != nil && l.op.Waiting.For == rotator.WaitFreeze {
		c.hold(l, f) // which may be another one now
		return
	}
	switch l.op.State {
	case rotator.StatePropagating:
		c.thaw(l, f)
	case rotator.StatePending, rotator.StateRetiring:
		if l.op.Waiting.For == rotator.WaitFreeze {
			l.op.Waiting = rotator.Wait{}
			c.draft.changed(l)
		}
		if f != nil && !l.op.AwaitsRetirement() {
			l.op.Wake = time.Time{}
		}
	default:
	}
	c.advance(l, false)
}

// thaw has the dependents looked at again whose updates waited.
func (c freezing) thaw(l *live, f *rotator.Freeze) {
	if f != nil || l.op.Waiting.For != rotator.WaitFreeze {
		return
	}
	l.op.Waiting = rotator.Wait{}
	c.draft.changed(l)
	for _, t := range l.trackers {
		if rotator.IsFrozen(t.Detail.Problem) && !l.asked[t.Number] {
			c.draft.observed(l, withDue(t, c.now), false)
		}
	}
}

// stopping returns the freeze that stops a call that is about to be made, nil if none does.
func (c freezing) stopping(t *task) *rotator.Freeze {
	if len(c.freezes) == 0 || !c.writes(t) {
		return nil
	}
	if l := c.live[t.operation]; l != nil {
		return c.stops(l)
	}
	return c.of(t.keyID, false)
}

// writes reports whether a call changes something for a rotation.
func (c freezing) writes(t *task) bool {
	switch t.kind {
	case taskCreate:
		return true
	case taskApply:
		return !t.access
	case taskSetEnabled:
		l := c.live[t.operation]
		return l == nil && t.operation == 0 || l != nil && l.op.Kind == rotator.KindRotation && !t.enable // to roll a retirement back is to reinstate
	default:
		return false
	}
}

// Freeze stops every write but those of revocations and reinstatements.
func (e *Engine) Freeze(ctx context.Context, r rotator.FreezeRequest) (rotator.Freeze, error) {
	return askFreeze(ctx, e, func(c commands) (*rotator.Freeze, error) { return c.freeze(r) })
}

// EndFreeze ends a freeze; what waited for that goes on.
func (e *Engine) EndFreeze(ctx context.Context, id, actor, reason string) (rotator.Freeze, error) {
	return askFreeze(ctx, e, func(c commands) (*rotator.Freeze, error) { return c.unfreeze(id, actor, reason) })
}

func askFreeze(ctx context.Context, e *Engine, run func(commands) (*rotator.Freeze, error)) (f rotator.Freeze, err error) {
	_, err = e.ask(ctx, func(c *core, answer func(rotator.Operation, error)) (*live, error) {
		changed, err := run(commands{c.state})
		if err != nil {
			return nil, err
		}
		f = *changed
		c.draft.answered(func(err error) { answer(rotator.Operation{}, err) })
		return nil, nil
	})
	return f, err
}

// Freezes returns the freezes that hold, oldest first.
func (e *Engine) Freezes(context.Context) ([]rotator.Freeze, error) {
	return slices.Clone(e.book.Load().freezes), nil
}

// freezesOf returns the freezes that hold for a key, by what is published.
func freezesOf(v *bookView, key rotator.KeyID) (all []rotator.Freeze) {
	for _, f := range v.freezes {
		if f.Concerns(key, false) {
			all = append(all, f)
		}
	}
	return all
}

// planFreeze adds to the plan of a rotation that a person asks for what freezes it.
func planFreeze(p rotator.Plan, freezes []rotator.Freeze) rotator.Plan {
	for i := range freezes {
		if f := &freezes[i]; f.Concerns(p.KeyID, true) {
			p.Problems = append([]rotator.Problem{*f.Problem()}, p.Problems...)
			break
		}
	}
	return p
}
