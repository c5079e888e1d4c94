package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// A vault makes so many versions in makingPeriod, counted in software keys, of which a
// key in an HSM weighs two: it is the sum that a vault bounds. A subscription gets so
// many times as much (azure/facts.md section 2).
const (
	makingPeriod       = 10 * time.Second
	makingLimit        = 10
	makingHSM          = 2
	makingSubscription = 5
)

// freshFor is how long what a preflight saw is worth something: whoever waited for
// longer looks again when its turn comes.
const freshFor = 2 * time.Minute

// pace keeps the making of versions within what vaults allow. Whoever begins waits in
// line without a call (line.go), and is served when a place is free.
//
// All vaults are taken to be in one subscription. Neither a key's URI nor any answer of
// a vault tells the subscription; Resource Manager does, but only to who may read the
// vault there, which cmkd does not need otherwise. So keys of vaults in several
// subscriptions are made more slowly than they could be, and none is refused. Managed
// HSMs have limits of their own.
type pace struct {
	// perVault is how many calls may be out at a time, for one vault.
	perVault int
	// making is what a vault makes in makingPeriod, by weight.
	making int
	vaults map[string]*places
	all    map[bool]*places // by whether they are of a Managed HSM
	// held are the places taken, by the operation that has one.
	held map[rotator.OperationID]place
	lines
	// planned is when room is looked for next, by the steady clock.
	planned time.Time
}

// place is what a call takes up.
type place struct {
	host   string
	weight int
}

// places are those of one vault or subscription. A call occupies its weight from when
// it is intended until makingPeriod after its answer: a vault counts it in between.
type places struct {
	limit      int
	calls, out int     // calls under way, and what they weigh
	freed      []freed // in order
}

// freed is what a call of the last makingPeriod weighs, by the steady clock.
type freed struct {
	at     time.Time
	weight int
}

func newPace(l Limits) *pace {
	making := cmp.Or(l.Making, makingLimit)
	return &pace{
		perVault: l.RotationsPerVault, making: making, vaults: map[string]*places{}, all: map[bool]*places{
			false: {limit: makingSubscription * making}, true: {limit: makingSubscription * making},
		},
		held: map[rotator.OperationID]place{}, lines: newLines(),
	}
}

// managedHSM is in the host name of every Managed HSM, in all clouds.
const managedHSM = ".managedhsm."

func isHSM(host string) bool { return strings.Contains(host, managedHSM) }

func (p *pace) vault(host string) *places {
	if p.vaults[host] == nil {
		p.vaults[host] = &places{limit: p.making}
	}
	return p.vaults[host]
}

// subscription returns the places of the subscription that a vault is in.
func (p *pace) subscription(host string) *places { return p.all[isHSM(host)] }

// free returns when there is room for a call of a weight, now if there is. The zero
// time means that only an answer makes room.
func (p *places) free(now time.Time, weight int) time.Time {
	p.freed = slices.DeleteFunc(p.freed, func(f freed) bool { return now.Sub(f.at) >= makingPeriod })
	over := p.out + weight - p.limit
	for _, f := range p.freed {
		over += f.weight
	}
	if over <= 0 {
		return now
	}
	for _, f := range p.freed {
		if over -= f.weight; over <= 0 {
			return f.at.Add(makingPeriod)
		}
	}
	return time.Time{}
}

// remember counts a call that has ended.
func (p *places) remember(weight int, now time.Time) { p.freed = append(p.freed, freed{now, weight}) }

func (p *places) take(weight int) {
	p.calls++
	p.out += weight
}

// give gives back what take took; used is true if the vault has been called.
func (p *places) give(weight int, used bool, now time.Time) {
	p.calls--
	p.out -= weight
	if used {
		p.remember(weight, now)
	}
}

// placeOf returns what it takes to make a version of an operation's key. Until a vault
// has said what holds a key, the key counts as software: to assume an HSM would halve
// the pace of every vault that does not say, for the sake of few. The preflight's list
// of versions tells it in time.
func (c making) placeOf(l *live) place {
	h := place{host: l.op.KeyID.Host(), weight: 1}
	newest, ok := rotator.Newest(l.versions, nil)
	state := c.stateOf(l.op.KeyID)
	if isHSM(h.host) || ok && newest.HSM || !ok && state != nil && state.Current.HSM {
		h.weight = makingHSM
	}
	return h
}

// take occupies a place, whether there is room or not.
func (p *pace) take(l *live, h place) {
	p.leave(l.op.ID)
	if p.calls(l.op.ID) {
		return
	}
	p.held[l.op.ID] = h
	p.vault(h.host).take(h.weight)
	p.subscription(h.host).take(h.weight)
}

// give gives a place back; used is true if the vault has been called.
func (p *pace) give(op rotator.OperationID, used bool, now time.Time) {
	h, has := p.held[op]
	if !has {
		return
	}
	delete(p.held, op)
	p.moved = true
	p.vault(h.host).give(h.weight, used, now)
	p.subscription(h.host).give(h.weight, used, now)
}

// calls reports whether an operation has a place: its call is out, or about to be, even
// if nobody remembers why.
func (p *pace) calls(op rotator.OperationID) bool {
	_, has := p.held[op]
	return has
}

// next returns who is to be served now, zero if there is none; at is then when there is
// room next, zero if only an answer makes some. Who waits for room in the subscription
// is not overtaken by others of it, who may need less.
func (p *pace) next(now time.Time) (first rotator.OperationID, at time.Time) {
	full := map[*places]bool{}
	for _, op := range p.ready() {
		h := p.waiters[op].place
		vault, ours := p.vault(h.host), p.subscription(h.host)
		if full[ours] || p.perVault > 0 && vault.calls >= p.perVault {
			continue
		}
		room := vault.free(now, h.weight)
		if room.IsZero() || room.After(now) {
			at = sooner(at, room)
			continue
		}
		if room = ours.free(now, h.weight); room.Equal(now) {
			return op, time.Time{}
		}
		at, full[ours] = sooner(at, room), true
	}
	return 0, at
}

// remember takes in what the daemon before made in the last makingPeriod, or may have: a
// vault goes on counting it. It was no later than now.
func (c making) remember() {
	for id, state := range c.states {
		recent := c.now.Sub(state.Current.Created).Abs() <= makingPeriod
		if l := c.live[state.Operation]; recent || l != nil && l.op.State == rotator.StateCreating {
			h := c.placeOf(&live{op: rotator.Operation{KeyID: rotator.KeyID(id)}})
			c.pace.vault(h.host).remember(h.weight, c.steady)
			c.pace.subscription(h.host).remember(h.weight, c.steady)
		}
	}
}

// queued reports whether an operation waits in line for a vault.
func (c *state) queued(l *live) bool { return c.pace.waits(l.op.ID) }

// stand has an operation wait in line for its vault, until it may look whether a
// rotation can begin.
func (c making) stand(l *live) {
	if c.queued(l) {
		return
	}
	c.pace.join(l.op.ID, c.placeOf(l), l.op.Cause == rotator.CauseOperator)
	c.waiting(l)
}

// ready has an operation wait for a place in its vault, now that nothing else stands in
// the way.
func (c making) ready(l *live) {
	if c.queued(l) {
		return
	}
	c.pace.looked(l.op.ID, c.placeOf(l), l.op.Cause == rotator.CauseOperator)
	c.waiting(l)
}

// aside has an operation that waits in vain for answers of a dependent keep nobody from
// looking or from a place. It comes back to the line once it has seen everything.
func (c making) aside(l *live) {
	if !c.queued(l) {
		c.pace.give(l.op.ID, false, c.steady)
		c.pace.leave(l.op.ID)
	}
}

func (c making) waiting(l *live) {
	l.op.Waiting = rotator.Wait{For: rotator.WaitPlace}
	c.draft.changed(l)
}

// room serves those who are ready, as far as there is room, has those look whose turn
// comes soon, and plans to look again when the next place is free.
func (c making) room() {
	c.pace.moved = false
	for {
		op, at := c.pace.next(c.steady)
		if op == 0 {
			c.plan(at)
			break
		}
		l := c.live[op]
		c.pace.serve(op)
		c.pace.take(l, c.pace.waiters[op].place)
		c.serve(l)
	}
	for op := c.pace.nextLook(); op != 0; op = c.pace.nextLook() {
		c.pace.look(op)
		c.look(c.live[op])
	}
}

// plan has room looked for at a time by the steady clock, unless it will be sooner.
func (c making) plan(at time.Time) {
	if p := c.pace; !at.IsZero() && (p.planned.IsZero() || at.Before(p.planned)) {
		p.planned = at
		c.agenda.add(agendaItem{room: true, at: c.now.Add(at.Sub(c.steady)).UnixNano()})
	}
}

// look begins the preflight of an operation. Dependents that were looked at a moment
// ago, when the vault did not answer, need not be looked at again.
func (c making) look(l *live) {
	l.op.Waiting, l.listed = rotator.Wait{}, c.steady
	if l.lookedAt.IsZero() || c.steady.Sub(l.lookedAt) > freshFor {
		l.lookedAt = c.steady
		observing(c).all(l)
	}
	c.draft.changed(l)
	c.draft.intended(l, task{kind: taskVersions})
	searching(c).freshen(l)
}

// serve lets an operation go on that has a place; what it saw before is looked at
// again if that was long ago.
func (c making) serve(l *live) {
	if c.steady.Sub(l.listed) > freshFor {
		c.look(l)
		return
	}
	l.op.Waiting = rotator.Wait{}
	c.draft.changed(l)
	rotation(c).pending(l)
}
