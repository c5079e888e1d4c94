package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

const (
	// lookAtMost and lookAtLeast bound how often a followed operation is read
	// anew: upon its events, and now and then for the times that pass.
	lookAtMost  = 150 * time.Millisecond
	lookAtLeast = time.Second
	// patience is how long a daemon may be away, for instance for a restart,
	// while an operation is followed.
	patience = time.Minute
)

// moment is an operation as seen at a time of the daemon's clock.
type moment struct {
	op        rotator.OperationStatus
	now       time.Time
	simulated string
}

// drawer shows how an operation goes on.
type drawer interface {
	draw(m moment)
	// close ends the drawing; the last moment stays visible.
	close()
}

// follow shows an operation until it ends or needs somebody.
func (a *app) follow(ctx context.Context, client *control.Client, id rotator.OperationID, timeout time.Duration) error {
	inner, cancel := context.WithCancel(ctx)
	if timeout > 0 {
		inner, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	var last moment
	d := a.drawer()
	err := watch(inner, client, id, func(m moment) bool {
		last = m
		d.draw(m)
		end, _ := outcome(&m.op)
		return end
	})
	d.close()
	switch {
	case err == nil:
		return a.ended(&last)
	case ctx.Err() != nil:
		a.tell("\ndetached: %s goes on without you. To follow it again: cmkd status %s --watch", id, id)
		return &outcomeError{code: exitInterrupted}
	case inner.Err() != nil:
		return rotator.Errorf(rotator.CodeUnavailable, "%s is still %s after %s", id, last.op.State, timeout).
			WithHint("it goes on; to follow it again: cmkd status %s --watch", id)
	default:
		return err
	}
}

// ended prints how it ended and returns what that means for the exit code.
func (a *app) ended(m *moment) error {
	_, err := outcome(&m.op)
	if printed := a.print(m.op, func() error { a.printEnd(m); return nil }); printed != nil {
		return printed
	}
	return err
}

func (a *app) printEnd(m *moment) {
	op := &m.op
	a.say("%s: %s of %s is %s after %s%s", op.ID, op.Kind, clean(op.Key), a.shade(string(op.State)),
		span(m.now.Sub(op.Created)), simulation(m.simulated))
	if op.Waiting.For != "" {
		a.say("waiting %s", clean(op.WaitingText()))
	}
	if len(op.Retired) > 0 {
		a.say("retired: version %s", short(op.Retired[0]))
	}
}

func simulation(clock string) string {
	if clock == "" {
		return ""
	}
	return " (simulated clock " + clean(clock) + ")"
}

// outcome says whether following an operation has come to an end, and whether
// that end is an error.
func outcome(op *rotator.OperationStatus) (end bool, err error) {
	problem := op.Problem
	switch {
	case op.State == rotator.StateFailed:
		return true, wrong(exitError, op, "failed", problem)
	case op.State == rotator.StateCancelled:
		return true, wrong(exitError, op, "was cancelled", nil)
	case problem != nil && persists(op):
		return true, wrong(exitNeedsAction, op, "needs somebody", problem)
	case op.State.Final(), op.State == rotator.StateEffective:
		return true, nil
	case op.Doubt != nil && op.AwaitsRetirement():
		return true, wrong(exitNeedsAction, op, "waits for somebody", op.Doubt)
	case op.State == rotator.StateRetiring && op.Retire == rotator.RetireManual && op.Retirer == "" && op.Waiting.For != "":
		return true, nil // all that was asked for is done; the rest is a decision
	}
	// While it is pending, a dependent that cannot be used ends it for good.
	if t := stuck(op); t != nil && op.State != rotator.StatePending {
		what := fmt.Sprintf("is held up: %s %s is %s", t.Detail.Dependent.Kind, t.Detail.Dependent.DisplayName(), stateWord(t.State))
		return true, wrong(exitNeedsAction, op, what, t.Detail.Problem)
	}
	return false, nil
}

// persists reports whether the problem of an operation is one that waiting does
// not mend: not the first failures of a call, which is tried again.
func persists(op *rotator.OperationStatus) bool { return op.Failures == 0 || op.Failures >= 5 }

// stuck returns the first dependent that needs somebody, if none is left that
// goes on by itself.
func stuck(op *rotator.OperationStatus) (first *rotator.TrackerStatus) {
	for i := range op.Trackers {
		switch t := &op.Trackers[i]; t.State {
		case rotator.TrackerStalled, rotator.TrackerNeedsAction, rotator.TrackerUnreachable:
			if first == nil {
				first = t
			}
		case rotator.TrackerWaiting, rotator.TrackerApplying, rotator.TrackerPropagating:
			return nil
		case rotator.TrackerDone, rotator.TrackerLeft, rotator.TrackerExcluded:
		}
	}
	return first
}

func wrong(code int, op *rotator.OperationStatus, what string, p *rotator.Problem) error {
	e := rotator.Errorf(rotator.CodeConflict, "%s of %s %s", op.ID, op.Key, what)
	if p != nil {
		e.Message += ": " + p.Message
		e.Hint = p.Hint
	}
	if e.Hint == "" {
		e.Hint = "cmkd status " + op.ID.String() + " shows more"
	}
	return &outcomeError{code, e}
}

// watch hands every new moment of an operation to show, until that returns true.
func watch(ctx context.Context, client *control.Client, id rotator.OperationID, show func(moment) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	news := make(chan struct{}, 1)
	listening.Go(func() { listen(ctx, client, id, news) })
	var lost time.Time
	for {
		m, err := look(ctx, client, id)
		switch {
		case err == nil:
			lost = time.Time{}
			if show(m) {
				return nil
			}
		case rotator.CodeOf(err) != control.CodeUnreachable:
			return err
		case lost.IsZero():
			lost = time.Now()
		case time.Since(lost) > patience:
			return err
		}
		if err := rest(ctx, news); err != nil {
			return err
		}
	}
}

// rest waits for news, but neither too shortly nor too long.
func rest(ctx context.Context, news <-chan struct{}) error {
	for _, wait := range []struct {
		news <-chan struct{}
		d    time.Duration
	}{{nil, lookAtMost}, {news, lookAtLeast}} {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.news:
		case <-time.After(wait.d):
		}
	}
	return nil
}

func look(ctx context.Context, client *control.Client, id rotator.OperationID) (m moment, err error) {
	if m.op, err = client.Operation(ctx, id); err != nil {
		return m, err
	}
	s, err := client.Summary(ctx)
	m.now, m.simulated = s.Now, s.SimulatedClock
	return m, err
}

// listen passes on that there are events of an operation, whatever becomes of
// the daemon meanwhile.
func listen(ctx context.Context, client *control.Client, id rotator.OperationID, news chan<- struct{}) {
	f := rotator.EventFilter{Operation: id, Last: true, Limit: 1}
	for ctx.Err() == nil {
		err := client.Follow(ctx, f, func(e rotator.Event) error {
			f.After, f.Last, f.Limit = e.Seq, false, 0
			select {
			case news <- struct{}{}:
			default: // somebody will look anyway
			}
			return nil
		})
		if err == nil || errors.Is(err, context.Canceled) {
			return
		}
		if rest(ctx, nil) != nil {
			return
		}
	}
}
