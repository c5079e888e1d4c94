package engine

import (
	"cmp"
	"slices"
	"time"

	"cmkd/rotator"
)

// aheadFor is of how much making a line looks ahead: whoever is not served within this
// time, as far as can be known, does not look yet. It is half of freshFor, so that what
// was seen is still fresh when the turn comes, and so that a thousand keys that are due
// at once do not ask their vault a thousand times in the same second.
const aheadFor = freshFor / 2

// lookingMost is how many may look or be ready in one line, by weight.
const lookingMost = makingLimit * int(aheadFor/makingPeriod)

// lines are those who wait to make a version, by vault: first to look whether they can
// (preflight), without a call, then for a place. Whom a person waits for goes before
// others.
type lines struct {
	of      map[string]*line
	waiters map[rotator.OperationID]waiter
	// ahead is what those who look or are ready weigh, by whether they are of a
	// Managed HSM.
	ahead map[bool]int
	// came and served count.
	came, served int
	// moved is true if somebody came or left, or gave a place back, since room was looked
	// for.
	moved bool
}

// line is that of one vault.
type line struct {
	waiting, ready []rotator.OperationID
	// ahead is what those who look or are ready weigh.
	ahead int
	// served is when the vault had its last turn, as a number.
	served int
}

// waiter is who waits, or looks, for a place.
type waiter struct {
	place
	stage  stage
	person bool
	came   int
}

type stage int

// The stages of a waiter.
const (
	stageAway stage = iota
	stageWaiting
	stageLooking
	stageReady
)

func newLines() lines {
	return lines{of: map[string]*line{}, waiters: map[rotator.OperationID]waiter{}, ahead: map[bool]int{}}
}

func (p *lines) line(host string) *line {
	if p.of[host] == nil {
		p.of[host] = &line{}
	}
	return p.of[host]
}

// waits reports whether nothing is under way for an operation because it is in line.
func (p *lines) waits(op rotator.OperationID) bool {
	s := p.waiters[op].stage
	return s == stageWaiting || s == stageReady
}

// join lets an operation wait until it may look.
func (p *lines) join(op rotator.OperationID, h place, person bool) {
	p.enter(op, h, person, stageWaiting)
}

// looked lets an operation that has looked wait for a place.
func (p *lines) looked(op rotator.OperationID, h place, person bool) {
	p.enter(op, h, person, stageReady)
}

// look notes that an operation looks.
func (p *lines) look(op rotator.OperationID) {
	w := p.waiters[op]
	p.enter(op, w.place, w.person, stageLooking)
}

// enter puts an operation into a stage.
func (p *lines) enter(op rotator.OperationID, h place, person bool, s stage) {
	came := p.waiters[op].came
	p.leave(op)
	if came == 0 {
		p.came++
		came = p.came
	}
	p.waiters[op] = waiter{h, s, person, came}
	l := p.line(h.host)
	switch s {
	case stageWaiting:
		l.waiting = p.insert(l.waiting, op)
	case stageReady:
		l.ready = p.insert(l.ready, op)
	case stageAway, stageLooking:
	}
	p.weigh(op, 1)
	p.moved = true
}

// insert puts an operation into its place: who came first is first, but whom a person
// waits for goes before others.
func (p *lines) insert(to []rotator.OperationID, op rotator.OperationID) []rotator.OperationID {
	n := len(to)
	for n > 0 && p.before(op, to[n-1]) {
		n--
	}
	return slices.Insert(to, n, op)
}

func (p *lines) before(a, b rotator.OperationID) bool {
	x, y := p.waiters[a], p.waiters[b]
	if x.person != y.person {
		return x.person
	}
	return x.came < y.came
}

// weigh adds an operation to those who look or are ready, or takes it off.
func (p *lines) weigh(op rotator.OperationID, sign int) {
	if w := p.waiters[op]; w.stage >= stageLooking {
		p.of[w.host].ahead += sign * w.weight
		p.ahead[isHSM(w.host)] += sign * w.weight
	}
}

// leave takes an operation out of its line.
func (p *lines) leave(op rotator.OperationID) {
	w, in := p.waiters[op]
	if !in {
		return
	}
	p.weigh(op, -1)
	delete(p.waiters, op)
	l := p.of[w.host]
	switch w.stage {
	case stageWaiting:
		l.waiting = without(l.waiting, op)
	case stageReady:
		l.ready = without(l.ready, op)
	case stageAway, stageLooking:
	}
	if l.ahead == 0 && len(l.waiting) == 0 {
		delete(p.of, w.host)
	}
	p.moved = true
}

// without takes out one, mostly the first.
func without(from []rotator.OperationID, op rotator.OperationID) []rotator.OperationID {
	if from[0] == op {
		return from[1:]
	}
	n := slices.Index(from, op)
	return slices.Delete(from, n, n+1)
}

// disperse forgets the lines.
func (p *pace) disperse() { p.lines, p.planned = newLines(), time.Time{} }

// serve notes whose turn it was.
func (p *lines) serve(op rotator.OperationID) {
	p.served++
	p.of[p.waiters[op].host].served = p.served
}

// ready returns the first of each line who is ready: whom a person waits for, then those
// of the vault whose last turn is longest ago, so that no vault waits for another.
func (p *lines) ready() []rotator.OperationID {
	first := make([]rotator.OperationID, 0, len(p.of))
	for _, l := range p.of {
		if len(l.ready) > 0 {
			first = append(first, l.ready[0])
		}
	}
	slices.SortFunc(first, func(a, b rotator.OperationID) int {
		x, y := p.waiters[a], p.waiters[b]
		if x.person != y.person {
			if x.person {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(p.of[x.host].served, p.of[y.host].served), cmp.Compare(x.came, y.came))
	})
	return first
}

// nextLook returns who is to look now, zero if there is none: the first of the line that
// is the least ahead of its vault.
func (p *lines) nextLook() (next rotator.OperationID) {
	for _, l := range p.of {
		if len(l.waiting) == 0 {
			continue
		}
		op := l.waiting[0]
		w := p.waiters[op]
		if l.ahead+w.weight > lookingMost || p.ahead[isHSM(w.host)]+w.weight > makingSubscription*lookingMost {
			continue
		}
		if next == 0 || cmp.Or(cmp.Compare(l.ahead, p.of[p.waiters[next].host].ahead), cmp.Compare(w.came, p.waiters[next].came)) < 0 {
			next = op
		}
	}
	return next
}
