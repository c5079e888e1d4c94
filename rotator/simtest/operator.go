package simtest

import (
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
)

// disturb does something that nobody expects.
func (s *sim) disturb() {
	kinds := []func(){s.command, s.reload, s.outside, s.ail, s.setClock, s.crash, s.tamper, s.repin, s.lie}
	var moves []func()
	for i, kind := range kinds {
		for range s.temper.kinds[i] {
			moves = append(moves, kind)
		}
	}
	moves[s.rng.IntN(len(moves))]()
}

// setClock sets the daemon's clock ahead or back, seldom both far.
func (s *sim) setClock() {
	by := time.Duration(s.rng.IntN(240)-120) * time.Second
	if s.rng.IntN(2) == 0 {
		by *= 60
	}
	s.skew += by
	s.jumped = s.w.now
	s.jump += by
	s.Faults++
	s.tell("the clock is set by %s", by)
}

// outside makes a version as somebody else would.
func (s *sim) outside() {
	slot := s.any()
	v := s.w.Outside(slot.id())
	s.tell("somebody makes version %s of %s", v.ID, slot.id())
}

// tamper disables or enables a version as somebody else would.
func (s *sim) tamper() {
	slot := s.any()
	s.Faults++
	if s.rng.IntN(4) == 0 {
		s.tell("of %s version %s", slot.id(), s.w.vanish(slot.id()))
		return
	}
	all := s.w.List(slot.id())
	v := all[s.rng.IntN(len(all))]
	s.tell("somebody makes version %s of %s enabled: %t", v.ID, slot.id(), !v.Enabled)
	s.w.tamper(slot.id(), v, slot.in)
}

// repin has a dependent name a version as its owner would.
func (s *sim) repin() {
	slot := s.any()
	d := slot.dependent(s.rng)
	if d == nil || s.w.silent(d.ID) { // whoever names a version shows it
		return
	}
	all := s.w.List(slot.id())
	v := all[s.rng.IntN(len(all))]
	if !v.Enabled {
		return // the service refuses it
	}
	s.Faults++
	s.tell("somebody pins %s to version %s", d.ID, v.ID)
	s.w.repin(d.ID, v.ID)
}

// lie has a dependent go on needing the version that it is on, whatever it says later.
func (s *sim) lie() {
	slot := s.any()
	d := slot.dependent(s.rng)
	if d == nil {
		return
	}
	s.Faults++
	s.tell("%s needs version %s for good", d.ID, s.w.lie(slot.id(), d.ID))
}

// ail lets something be wrong with a resource, or mends it.
func (s *sim) ail() {
	d := s.any().dependent(s.rng)
	if d == nil {
		return
	}
	s.Faults++
	s.tell("%s is %s", d.ID, s.w.ail(d))
}

func (s *sim) any() *slot { return s.estate.slots[s.rng.IntN(len(s.estate.slots))] }

var people = []string{"alice", "bob", "carol"}

// command lets a person ask for something: mostly for what the moment calls for.
func (s *sim) command() {
	slot := s.any()
	c := engine.Command{
		Key: slot.names[slot.name], Actor: people[s.rng.IntN(len(people))], Reason: "because", For: time.Hour,
	}
	c.Confirm = c.Key
	verbs := []engine.Verb{engine.VerbRotate, engine.VerbRotate, engine.VerbRevoke, engine.VerbRetire, engine.VerbReinstate, engine.VerbSilence, engine.VerbFreeze, engine.VerbUnfreeze}
	c.Verb = verbs[s.rng.IntN(len(verbs))]
	if c.Verb == engine.VerbFreeze {
		s.freezes(&c, slot)
	}
	if all := s.reactor.Freezes(); len(all) > 0 {
		c.Freeze = all[s.rng.IntN(len(all))].ID
	}
	if live, err := s.reactor.Live(); err == nil && len(live) > 0 && c.Verb != engine.VerbFreeze && s.rng.IntN(3) > 0 {
		s.about(&c, &live[s.rng.IntN(len(live))])
	}
	number := s.reactor.Command(c)
	s.open[number] = c
	s.tell("command %d: %s %s %s by %s", number, c.Verb, c.Key, c.Operation, c.Actor)
	if c.Verb == engine.VerbRetire && s.rng.IntN(6) == 0 {
		s.outside() // while the guard looks
	}
}

// freezes says what a freeze is of, and for how long.
func (s *sim) freezes(c *engine.Command, slot *slot) {
	c.For = s.w.minutes(10, 12*60)
	switch s.rng.IntN(4) {
	case 0:
		c.Key = ""
	case 1:
		c.Key, c.Vault = "", slot.id().Host()
	case 2:
		c.For = 0
	}
}

// thaw ends the freezes once the world is healthy: people do.
func (s *sim) thaw() {
	for _, f := range s.reactor.Freezes() {
		if !s.thawed[f.ID] {
			s.thawed[f.ID] = true
			number := s.reactor.Command(engine.Command{Verb: engine.VerbUnfreeze, Freeze: f.ID, Actor: "carol", Reason: "all is well"})
			s.open[number] = engine.Command{Verb: engine.VerbUnfreeze}
			s.tell("command %d: unfreeze %s", number, f.ID)
		}
	}
}

// about makes a command one about a live operation.
func (s *sim) about(c *engine.Command, p *engine.Progress) {
	c.Operation, c.Key, c.Confirm = p.Operation.ID, p.Operation.Key, p.Operation.Key
	switch p.Operation.State {
	case rotator.StateAwaitingApproval:
		c.Verb = engine.VerbApprove
	case rotator.StateRetiring:
		c.Verb = engine.VerbRetire
		if len(p.Trackers) > 0 && s.rng.IntN(2) == 0 {
			c.Verb, c.For = engine.VerbAttest, s.w.minutes(30, 30*24*60)
			c.Dependent = p.Trackers[s.rng.IntN(len(p.Trackers))].Detail.Dependent.ID
		}
		if s.rng.IntN(8) == 0 {
			c.Verb, c.Attestation = engine.VerbWithdraw, rotator.SequenceAttestations.ID(uint64(1+s.rng.IntN(6)))
		}
	case rotator.StateEffective, rotator.StateTakingEffect, rotator.StateDisabling:
		c.Verb = engine.VerbReinstate
	default:
		c.Verb = engine.VerbCancel
	}
	if s.rng.IntN(5) == 0 {
		c.Verb = engine.VerbCancel
	}
}

// reload changes the configuration, or takes a detour that must leave nothing behind.
func (s *sim) reload() {
	s.Reloads++
	slot := s.any()
	switch s.rng.IntN(15) {
	case 0:
		s.detour("reload", func() {})
	case 1:
		s.detour("out and back", func() { slot.in = !slot.in }, func() { slot.in = !slot.in })
	case 2:
		s.detour("rename", func() { slot.name = 1 - slot.name })
	case 3:
		s.detour("rename and back", func() { slot.name = 1 - slot.name }, func() { slot.name = 1 - slot.name })
	case 4:
		s.detour("another key and back", func() { slot.uri = 1 - slot.uri }, func() { slot.uri = 1 - slot.uri })
	case 5:
		s.configure("another key", func() { slot.uri = 1 - slot.uri })
	case 6:
		s.configure("in or out", func() { slot.in = !slot.in })
	case 7:
		s.configure("retire", func() { slot.retire = anyRetire(s.rng) })
	case 8:
		s.configure("schedule", func() { slot.scheduled = !slot.scheduled })
	case 9:
		s.configure("soak", func() { slot.soak = time.Duration(s.rng.IntN(3)) * 20 * time.Minute })
	case 10:
		s.configure("discover", func() { slot.discover = discover(s.rng.IntN(int(discovers))) })
	default:
		s.dependents(slot)
	}
}

// dependents takes a dependent out of the configuration, puts one back, or excludes
// one.
func (s *sim) dependents(slot *slot) {
	d := slot.dependent(s.rng)
	if d == nil {
		return
	}
	if s.rng.IntN(3) > 0 {
		s.configure("dependent "+d.DisplayName()+" in or out", func() { slot.left[d.ID] = !slot.left[d.ID] })
		return
	}
	s.configure("dependent "+d.DisplayName()+" excluded or not", func() {
		if d.Excluded == "" {
			d.Excluded = "is moved by hand"
		} else {
			d.Excluded = ""
		}
	})
}

// configure changes the configuration and loads it.
func (s *sim) configure(what string, change func()) {
	change()
	s.tell("configuration: %s", what)
	s.reactor.Configure(s.estate.keys(), engine.Alerting{})
}

// detour changes the configuration step by step to one that means the same. If
// everything was committed before, the oracle compares.
func (s *sim) detour(name string, steps ...func()) {
	calm := s.reactor.Settled() && s.change == nil
	var before derived
	if calm {
		before = s.oracle.derive()
	}
	for _, step := range steps {
		s.configure(name, step)
		if calm {
			s.settle()
		}
	}
	if calm {
		s.oracle.compare(name, before, s.oracle.derive())
	}
}
