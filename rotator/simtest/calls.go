package simtest

import (
	"context"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
)

// pending is a call that is out: when its answer comes, and what that is.
type pending struct {
	at   time.Time // by Azure's clock
	call *engine.Call
	// answer is nil while the call has had no effect yet; lost is true if the answer
	// is that nobody knows.
	answer *engine.Answer
	lost   bool
}

// begin lets a call begin, and draws when it has its effect and when its answer
// comes, if it does.
func (s *sim) begin(n int) {
	p := pending{call: s.reactor.Begin(n), at: s.w.now}
	late, troubled, slow := false, !s.healing && s.w.trouble > 0, s.temper.slow
	if p.call.Kind() == engine.CallCreates {
		slow *= 3
		s.oracle.patient(p.call.Operation())
	}
	switch x := s.rng.IntN(100); {
	case troubled && x < s.temper.lost:
		p.at, p.lost = p.at.Add(time.Minute), true
		s.Faults++
	case troubled && x < s.temper.lost+slow:
		p.at = p.at.Add(time.Duration(1+s.rng.IntN(55)) * time.Second)
		late = s.rng.IntN(2) == 0
		s.Faults++
	case x > 75:
		p.at = p.at.Add(time.Duration(s.rng.IntN(2000)) * time.Millisecond)
	}
	s.tell("%s begins", p.call)
	if !late && (!p.lost || s.rng.IntN(2) == 0) {
		s.do(&p)
	}
	s.out = append(s.out, p)
}

func (s *sim) do(p *pending) {
	a := s.reactor.Do(context.Background(), p.call)
	p.answer = &a
}

// deliver hands the answer to a call to the reactor.
func (s *sim) deliver(n int) {
	p := s.out[n]
	s.out = append(s.out[:n:n], s.out[n+1:]...)
	if p.lost {
		lost := p.call.Lost(&rotator.Error{Code: rotator.CodeUnavailable, Message: "the call timed out"})
		p.answer = &lost
	} else if p.answer == nil {
		s.do(&p)
	}
	s.tell("%s is answered: %v", p.call, p.answer.Err())
	if err := p.answer.Err(); p.call.Kind() == engine.CallCreates && err != nil && !err.NoEffect {
		s.oracle.unsure[p.call.Operation()] = s.w.now
	}
	waits := p.answer.Made() != "" && s.oracle.creating(p.call.Operation())
	s.must(s.reactor.Answered(*p.answer))
	if waits {
		s.oracle.knows(p.call.Operation(), p.answer.Made())
	}
}
