package simtest

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

const (
	// troubledFor is how long the world is troubled, bound how long operations may take
	// to end once it is healthy: the longest window, soak and pause between tries, twice.
	troubledFor = 36 * time.Hour
	bound       = 9 * time.Hour
	// momentMost is how much may happen while no time passes.
	momentMost = 20_000
)

// sim is one run.
type sim struct {
	seed    uint64
	rng     *rand.Rand
	w       *world
	estate  *estate
	store   *rotatortest.Store
	reactor *engine.Reactor
	oracle  *oracle
	// skew is by how much the daemon's clock is ahead of Azure's, jump by how much it
	// was set since the daemon looked.
	skew, jump time.Duration
	// jumped is when it jumped last, by Azure's clock.
	jumped time.Time
	// told is the time that the reactor knows.
	told time.Time
	// change is on its way into the store.
	change *rotator.Change
	out    []pending
	open   map[int]engine.Command // commands that are not answered
	temper temper
	// thawed are the freezes that somebody was asked to end.
	thawed map[string]bool
	// healing is true once nothing new goes wrong.
	healing bool
	moment  int

	trace hash.Hash64
	log   io.Writer // where the trace is told, or nil
	Stats
}

// temper is what goes wrong how often in one run, so that runs differ in more than
// their order.
type temper struct {
	// disturbs and disk are one in how many moves and commits something happens.
	disturbs, disk int
	// slow and lost are how many of a hundred calls are so.
	slow, lost int
	// kinds are the weights of what disturbs, see [sim.disturb].
	kinds [9]int
	// places is how many versions a vault makes at a time.
	places int
}

func newTemper(rng *rand.Rand) temper {
	t := temper{disturbs: 40 + rng.IntN(260), disk: 8 + rng.IntN(150), slow: rng.IntN(30), lost: rng.IntN(6), places: 1 + rng.IntN(2)}
	for i := range t.kinds {
		t.kinds[i] = 1 + rng.IntN(8)
	}
	return t
}

// Stats counts what happened in runs.
type Stats struct {
	Seeds, Steps, Commits, Operations, Crashes, Faults, Reloads int
}

func (s *Stats) add(o Stats) {
	s.Seeds += o.Seeds
	s.Steps += o.Steps
	s.Commits += o.Commits
	s.Operations += o.Operations
	s.Crashes += o.Crashes
	s.Faults += o.Faults
	s.Reloads += o.Reloads
}

func newSim(seed uint64, log io.Writer) *sim {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &sim{seed: seed, rng: rng, w: newWorld(rng), store: rotatortest.NewStore(), trace: fnv.New64a(), log: log, open: map[int]engine.Command{}, thawed: map[string]bool{}}
	s.estate, s.temper = newEstate(s.w, rng), newTemper(rng)
	s.oracle = newOracle(s)
	s.w.now = start
	s.Seeds = 1
	s.boot()
	return s
}

// run lets everything go wrong for a while, then heals the world and waits for what
// is under way to end.
func (s *sim) run() {
	for end := start.Add(troubledFor); s.w.now.Before(end) && s.oracle.found == nil; {
		s.step()
	}
	s.healing = true
	s.w.heal()
	s.tell("the world is healthy")
	s.oracle.healed()
	for end := s.w.now.Add(bound); s.w.now.Before(end) && s.oracle.found == nil; {
		s.step()
	}
	if s.oracle.found == nil {
		s.oracle.ended()
	}
	if last, err := s.store.Operations(context.Background(), rotator.OperationFilter{Limit: 1}); err == nil && len(last) > 0 {
		s.Operations = int(last[0].ID)
	}
	s.Faults += s.w.faults
}

// clock is the daemon's.
func (s *sim) clock() time.Time { return s.w.now.Add(s.skew) }

// tell notes a move in the trace.
func (s *sim) tell(format string, args ...any) {
	line := fmt.Sprintf("%s %s\n", s.clock().Format("02 15:04:05.000"), fmt.Sprintf(format, args...))
	_, _ = s.trace.Write([]byte(line))
	if s.log != nil {
		_, _ = io.WriteString(s.log, line)
	}
}

// boot starts a daemon on the store as it is.
func (s *sim) boot() {
	r, err := engine.NewReactor(engine.Options{
		Store: s.store, Vault: s.w, Services: s.w.services(), Lister: s.w, Clock: s.w, Keys: s.estate.keys(),
		Limits: engine.Limits{RotationsPerVault: s.temper.places},
	}, s.clock())
	if err != nil {
		panic(err) // the store cannot fail to be read
	}
	s.reactor, s.jump = r, 0
	s.pass()
}

// step is one move.
func (s *sim) step() {
	s.Steps++
	if s.moment++; s.moment > momentMost {
		s.oracle.violated("bound", "moment", fmt.Sprintf("%d moves without any time passing", momentMost))
		return
	}
	s.pass()
	if s.healing {
		s.thaw()
	}
	s.oracle.check()
	switch busy := s.change != nil || s.reactor.Waiting() > 0 || s.due() >= 0; {
	case !s.healing && s.rng.IntN(s.rarely(s.temper.disturbs)) == 0:
		s.disturb()
	case busy && s.rng.IntN(200) > 0:
		s.work()
	default:
		s.wait()
	}
	s.took()
}

// rarely returns one in how many times something happens: more often while a version
// is being made, which is when most is at stake.
func (s *sim) rarely(n int) int {
	if slices.ContainsFunc(s.out, func(p pending) bool { return p.call.Kind() == engine.CallCreates }) {
		return 1 + n/10
	}
	return n
}

// pass tells the reactor the time.
func (s *sim) pass() {
	s.told = s.clock()
	s.must(s.reactor.Pass(s.told, s.jump))
	s.jump = 0
}

func (s *sim) must(err error) {
	if err != nil {
		s.oracle.violated("error", "reactor", err.Error())
	}
}

// took takes over what the reactor puts out.
func (s *sim) took() {
	s.oracle.intended()
	if s.change == nil {
		s.change = s.reactor.Take()
	}
	for _, reply := range s.reactor.Replies() {
		if _, ok := s.open[reply.Command]; !ok {
			s.oracle.violated("answer", "twice", fmt.Sprintf("command %d is answered again", reply.Command))
		}
		s.tell("  answer to command %d: %s %v", reply.Command, reply.Operation.State, reply.Err)
		delete(s.open, reply.Command)
	}
}

// due returns the place of an answer that has come, less than zero if none has.
func (s *sim) due() int {
	for i := range s.out {
		if !s.out[i].at.After(s.w.now) {
			return i
		}
	}
	return -1
}

// work does one of the things that can be done now.
func (s *sim) work() {
	var moves []func()
	if s.change != nil {
		moves = append(moves, s.commit)
	}
	if n := s.reactor.Waiting(); n > 0 {
		moves = append(moves, func() { s.begin(s.rng.IntN(n)) })
	}
	for i := range s.out {
		if !s.out[i].at.After(s.w.now) {
			moves = append(moves, func() { s.deliver(i) })
		}
	}
	moves[s.rng.IntN(len(moves))]()
}

// wait lets time pass until something is due.
func (s *sim) wait() {
	next := s.reactor.Wake().Add(-s.skew)
	for _, p := range s.out {
		if p.at.Before(next) {
			next = p.at
		}
	}
	if step := s.w.now.Add(time.Second); next.Before(step) && s.rng.IntN(4) == 0 {
		next = step // a little late
	}
	if next.After(s.w.now) {
		s.w.now, s.moment = next, 0
	}
}

var errDisk = errors.New("write: input/output error")

// commit ends the commit under way: mostly well, or badly with or without effect.
func (s *sim) commit() {
	change := s.change
	s.change = nil
	fails := !s.healing && s.rng.IntN(s.rarely(s.temper.disk)) == 0
	stored := !fails || s.rng.IntN(3) == 0
	if stored {
		s.stored(change)
	}
	var err error
	if fails {
		s.Faults++
		err = errDisk
		s.tell("commit fails, stored: %t", stored)
	}
	s.must(s.reactor.Committed(err))
	s.took()
}

// stored puts a change into the store.
func (s *sim) stored(c *rotator.Change) {
	s.Commits++
	if err := rotator.Commit(context.Background(), s.store, c); err != nil {
		s.oracle.violated("store", "refused", err.Error())
	}
	for i := range c.Operations {
		s.oracle.retired(&c.Operations[i])
	}
	for i := range c.Events {
		s.oracle.told(&c.Events[i])
		s.tell("  %s %s", c.Events[i].Type, c.Events[i].Message)
	}
}

// crash kills the daemon: of the commit and the calls under way, some had their
// effect. Another daemon starts after a while.
func (s *sim) crash() {
	s.Crashes++
	if s.change != nil && s.rng.IntN(2) == 0 {
		s.stored(s.change)
	}
	s.change = nil
	for i := range s.out {
		if s.out[i].answer == nil && s.rng.IntN(2) == 0 {
			s.do(&s.out[i])
		}
	}
	clear(s.thawed) // what was asked may be lost
	s.out, s.open = nil, map[int]engine.Command{}
	if s.rng.IntN(3) == 0 {
		s.w.now, s.moment = s.w.now.Add(time.Duration(s.rng.IntN(120))*time.Minute), 0
	}
	s.tell("the daemon was killed and starts again")
	s.boot()
}

// settle commits everything, while nothing else happens and no time passes.
func (s *sim) settle() {
	for s.took(); s.change != nil; s.took() {
		change := s.change
		s.change = nil
		s.stored(change)
		s.must(s.reactor.Committed(nil))
	}
}
