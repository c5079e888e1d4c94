package engine_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
)

// stepper drives a reactor on a clock of its own.
type stepper struct {
	t   *testing.T
	s   *estate
	r   *engine.Reactor
	now time.Time
}

func newStepper(t *testing.T, s *estate) *stepper {
	t.Helper()
	x := &stepper{t: t, s: s, now: time.Now().Round(0)}
	s.azure.Clock = told{&x.now}
	var err error
	x.r, err = engine.NewReactor(engine.Options{Store: s.store, Vault: s.azure, Services: s.azure.Services(), Keys: []rotator.Key{s.key}}, x.now)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// pass lets minutes pass, each until nothing is left to do, or until a change is stored
// for which stop says so; its calls have not left then.
func (x *stepper) pass(minutes int, stop func(*rotator.Change) bool) (stopped bool) {
	x.t.Helper()
	for range minutes {
		x.now = x.now.Add(time.Minute)
		err := x.r.Pass(x.now, 0)
		for busy := true; busy && err == nil; {
			busy = false
			if c := x.r.Take(); c != nil {
				stopped = stop != nil && stop(c)
				busy, err = true, rotator.Commit(x.s.t.Context(), x.s.store, c)
				err = errors.Join(err, x.r.Committed(nil))
			}
			if stopped {
				break
			}
			for x.r.Waiting() > 0 {
				busy, err = true, errors.Join(err, x.r.Answered(x.r.Do(x.s.t.Context(), x.r.Begin(0))))
			}
		}
		if err != nil {
			x.t.Fatal(err)
		}
		if stopped {
			return true
		}
	}
	return false
}

// TestFreeze_IsReadAgainBeforeEachEffect: a call that was intended before the freeze, and
// has not left yet, does not leave any more.
func TestFreeze_IsReadAgainBeforeEachEffect(t *testing.T) {
	t.Parallel()
	noted := func(want rotator.EventType) func(c *rotator.Change) bool {
		return func(c *rotator.Change) bool {
			return slices.ContainsFunc(c.Events, func(e rotator.Event) bool { return e.Type == want })
		}
	}
	for call, intended := range map[string]func(c *rotator.Change) bool{
		"create": noted(rotator.EventVersionIntended),
		"apply":  noted(rotator.EventDependentUpdated),
		"set-enabled": func(c *rotator.Change) bool {
			return len(c.Operations) > 0 && c.Operations[0].Waiting.For == rotator.WaitDisabled
		},
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.onlyPinned()
				x := newStepper(t, s)
				x.r.Command(engine.Command{Verb: engine.VerbRotate, Key: "payments", Actor: "alice"})
				if !x.pass(200, intended) {
					t.Fatalf("never intended\n%s", s.log())
				}
				x.r.Command(engine.Command{Verb: engine.VerbFreeze, Actor: "amelie", Reason: "INC-4711"})
				x.pass(100, nil)
				if n := s.azure.Calls(call); n != 0 {
					t.Fatalf("%d calls under a freeze\n%s", n, s.log())
				}
				if n := len(s.events(rotator.EventAlertFiring)); n != 0 {
					t.Errorf("%d alerts\n%s", n, s.log())
				}
				x.r.Command(engine.Command{Verb: engine.VerbUnfreeze, Freeze: "f-1", Actor: "amelie", Reason: "over"})
				x.pass(200, nil)
				s.wantVersions("-+")
				if n := s.azure.Calls(call); n != 1 {
					t.Errorf("%d calls\n%s", n, s.log())
				}
			})
		})
	}
}
