package engine

import (
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// A vault makes so many versions in makingPeriod, and a subscription so many times
// as many; of keys in an HSM it makes fewer (azure/facts.md section 2).
const (
	makingPeriod       = 10 * time.Second
	makingSoftware     = 10
	makingHSM          = 5
	makingSubscription = 5
)

// freshFor is how long what a preflight saw is worth something: whoever waited for
// longer looks again when its turn comes.
const freshFor = 2 * time.Minute

// pace keeps the making of versions within what vaults allow. Whoever finds no place
// waits in line without a call, and is served when a place is free. Nobody knows the
// subscription of a vault, so all vaults are taken to be in one.
type pace struct {
	// perVault is how many calls may be out at a time, for one vault.
	perVault int
	vaults   map[string]*places
	all      map[bool]*places // by whether it is an HSM
	// held are the places taken, by the operation that has one.
	held map[rotator.OperationID]*place
	// lines are those who wait, by vault; each came as the number says.
	lines map[string][]rotator.OperationID
	came  map[rotator.OperationID]int
	last  int
	// gave is true if a place was given back since the line was last served.
	gave bool
}

type place struct {
	host string
	hsm  bool
}

// places are those of one vault or subscription. A call occupies one from when it is
// intended until makingPeriod after its answer: a vault counts it in between.
type places struct {
	out   int
	freed []time.Time // by the steady clock, in order
}

func newPace(perVault int) *pace {
	return &pace{
		perVault: perVault, vaults: map[string]*places{}, all: map[bool]*places{false: {}, true: {}},
		held: map[rotator.OperationID]*place{}, lines: map[string][]rotator.OperationID{}, came: map[rotator.OperationID]int{},
	}
}

// managedHSM is in the host name of every Managed HSM, in all clouds.
const managedHSM = ".managedhsm."

func (p *pace) vault(host string) *places {
	if p.vaults[host] == nil {
		p.vaults[host] = &places{}
	}
	return p.vaults[host]
}

func limitOf(hsm bool) int {
	if hsm {
		return makingHSM
	}
	return makingSoftware
}

// free returns when there is room for one more call, now if there is. The zero time
// means that only an answer makes room.
func (p *places) free(now time.Time, limit int) time.Time {
	p.freed = slices.DeleteFunc(p.freed, func(at time.Time) bool { return now.Sub(at) >= makingPeriod })
	switch over := p.out + len(p.freed) - limit; {
	case over < 0:
		return now
	case over < len(p.freed):
		return p.freed[over].Add(makingPeriod)
	default:
		return time.Time{}
	}
}

// room returns when an operation on a key may make a version, as far as is known.
func (p *pace) room(id rotator.KeyID, now time.Time) time.Time {
	hsm := isHSM(id)
	vault := p.vault(id.Host())
	if p.perVault > 0 && vault.out >= p.perVault {
		return time.Time{}
	}
	mine, ours := vault.free(now, limitOf(hsm)), p.all[hsm].free(now, makingSubscription*limitOf(hsm))
	if mine.IsZero() || ours.IsZero() {
		return time.Time{}
	}
	return later(mine, ours)
}

func isHSM(id rotator.KeyID) bool { return strings.Contains(id.Host(), managedHSM) }

// take occupies a place, whether there is room or not.
func (p *pace) take(l *live) {
	p.leave(l)
	if p.held[l.op.ID] != nil {
		return
	}
	h := &place{host: l.op.KeyID.Host(), hsm: isHSM(l.op.KeyID)}
	p.held[l.op.ID] = h
	p.vault(h.host).out++
	p.all[h.hsm].out++
}

// give gives a place back; used is true if the vault has been called.
func (p *pace) give(op rotator.OperationID, used bool, now time.Time) {
	h := p.held[op]
	if h == nil {
		return
	}
	delete(p.held, op)
	p.gave = true
	for _, of := range []*places{p.vault(h.host), p.all[h.hsm]} {
		of.out--
		if used {
			of.freed = append(of.freed, now)
		}
	}
}

// calls reports whether an operation has a place: its call is out, or about to be, even
// if nobody remembers why.
func (p *pace) calls(op rotator.OperationID) bool { return p.held[op] != nil }

// join lets an operation wait in line.
func (p *pace) join(l *live) {
	if p.waits(l.op.ID) {
		return
	}
	p.last++
	p.came[l.op.ID] = p.last
	host := l.op.KeyID.Host()
	p.lines[host] = append(p.lines[host], l.op.ID)
}

// leave takes an operation out of the line.
func (p *pace) leave(l *live) {
	if !p.waits(l.op.ID) {
		return
	}
	delete(p.came, l.op.ID)
	host := l.op.KeyID.Host()
	p.lines[host] = slices.DeleteFunc(p.lines[host], func(id rotator.OperationID) bool { return id == l.op.ID })
	if len(p.lines[host]) == 0 {
		delete(p.lines, host)
	}
}

// disperse forgets the lines.
func (p *pace) disperse() {
	p.lines, p.came = map[string][]rotator.OperationID{}, map[rotator.OperationID]int{}
}

func (p *pace) waits(op rotator.OperationID) bool { return p.came[op] != 0 }

// next returns who came first of those whose vault has room, zero if there is none;
// at is then when there is room next, zero if only an answer makes some.
func (p *pace) next(now time.Time, live map[rotator.OperationID]*live) (first *live, at time.Time) {
	for _, line := range p.lines {
		l := live[line[0]]
		switch room := p.room(l.op.KeyID, now); {
		case room.IsZero():
		case room.After(now):
			at = sooner(at, room)
		case first == nil || p.came[l.op.ID] < p.came[first.op.ID]:
			first = l
		}
	}
	return first, at
}

// queued reports whether an operation waits in line for a vault.
func (c *state) queued(l *live) bool { return c.pace.waits(l.op.ID) }

// stand has an operation wait for a place in its vault.
func (c making) stand(l *live) {
	if c.queued(l) {
		return
	}
	c.pace.join(l)
	c.room()
	if c.queued(l) {
		l.op.Waiting = "for a place in vault " + l.op.KeyID.Host() + ", which makes only so many versions at a time"
		c.draft.changed(l)
	}
}

// room serves those who wait for a place, in the order in which they came, and plans
// to look again when the next place is free.
func (c making) room() {
	c.pace.gave = false
	for {
		l, at := c.pace.next(c.steady, c.live)
		if l == nil {
			if !at.IsZero() {
				c.agenda.add(agendaItem{room: true, at: c.now.Add(at.Sub(c.steady)).UnixNano()})
			}
			return
		}
		c.pace.take(l)
		c.serve(l)
	}
}

// left serves the line if somebody gave a place back, for whatever reason.
func (c making) left() {
	if c.pace.gave {
		c.room()
	}
}

// serve lets an operation go on that has a place; what it saw before is looked at
// again if that was long ago.
func (c making) serve(l *live) {
	l.op.Waiting = ""
	c.draft.changed(l)
	if c.steady.Sub(l.listed) > freshFor {
		l.listed = time.Time{}
		observing(c).all(l)
	}
	rotation(c).pending(l)
}
