package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"cmkd/rotator"
)

func contextChecks() []check {
	return []check{
		{"that is done stores nothing", func(t *testing.T, s rotator.Store) {
			before := read(t, s)
			err := rotator.Commit(cancelled(t), s, change(1, "a", 0))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("commit: %v, want context.Canceled", err)
			}
			same(t, "store", read(t, s), before)
		}},
		{"that is done ends queries", func(t *testing.T, s rotator.Store) {
			commit(t, s, change(1, "a", 0))
			ctx := cancelled(t)
			for name, query := range map[string]func() error{
				"keys":       func() error { _, err := s.Keys(ctx); return err },
				"operations": func() error { _, err := s.Operations(ctx, rotator.OperationFilter{}); return err },
				"trackers":   func() error { _, err := s.Trackers(ctx, 1, 0, 0); return err },
				"events":     func() error { _, err := s.Events(ctx, rotator.EventFilter{}); return err },
				"due":        func() error { _, err := s.Due(ctx, at(9), 0); return err },
				"book":       func() error { _, err := s.Book(ctx); return err },
			} {
				if err := query(); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v, want context.Canceled", name, err)
				}
			}
		}},
		{"that ends meanwhile leaves a truthful answer", contextRace},
	}
}

// contextRace cancels commits while others run: what was acknowledged is there,
// what was refused is not.
func contextRace(t *testing.T, s rotator.Store) {
	const n = 60
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() { errs[i] = rotator.Commit(ctx, s, change(rotator.OperationID(i+1), fmt.Sprint("k", i), 0)) })
		wg.Go(cancel)
	}
	wg.Wait()
	for i, err := range errs {
		stored := len(operations(t, s, rotator.OperationFilter{ID: rotator.OperationID(i + 1)})) == 1
		if stored != (err == nil) {
			t.Errorf("commit %d answered %v, stored: %t", i, err, stored)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("commit %d: %v, want context.Canceled", i, err)
		}
	}
	chained(t, s.Instance(), events(t, s, rotator.EventFilter{}))
}

func concurrencyChecks() []check {
	return []check{
		{"of writers loses nothing", concurrentWriters},
		{"of writers of one operation lets one win", concurrentConflict},
		{"of readers sees whole changes", concurrentReaders},
	}
}

func concurrentWriters(t *testing.T, s rotator.Store) {
	const writers, rounds = 8, 25
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			id := rotator.OperationID(i + 1)
			c := change(id, fmt.Sprint("k", i), 0, 1)
			o := c.Operations[0]
			for range rounds {
				if err := rotator.Commit(t.Context(), s, c); err != nil {
					t.Errorf("commit: %v", err)
					return
				}
				o = next(o, false)
				c = &rotator.Change{Operations: []rotator.Operation{o}, Events: []rotator.Event{event("again")}}
			}
		})
	}
	wg.Wait()
	for _, o := range operations(t, s, rotator.OperationFilter{}) {
		if o.Revision != rounds {
			t.Errorf("%s is at revision %d, want %d", o.ID, o.Revision, rounds)
		}
	}
	all := events(t, s, rotator.EventFilter{})
	if len(all) != writers*rounds {
		t.Errorf("%d events, want %d", len(all), writers*rounds)
	}
	chained(t, s.Instance(), all)
}

// concurrentConflict lets several callers race for each next revision while
// others, who share their transactions, must not be harmed.
func concurrentConflict(t *testing.T, s rotator.Store) {
	const racers, rounds = 4, 15
	o := operation(1, "a")
	commit(t, s, &rotator.Change{Operations: []rotator.Operation{o}})
	for round := range rounds {
		o = next(o, false)
		errs := make([]error, racers)
		var wg sync.WaitGroup
		for i := range racers {
			mine := o
			mine.Actor = fmt.Sprint("racer ", i)
			wg.Go(func() {
				errs[i] = rotator.Commit(t.Context(), s, &rotator.Change{Operations: []rotator.Operation{mine}})
			})
		}
		wg.Go(func() {
			id := rotator.OperationID(100 + round)
			if err := rotator.Commit(t.Context(), s, change(id, "b", 0)); err != nil {
				t.Errorf("bystander: %v", err)
			}
		})
		wg.Wait()
		o.Actor = winner(t, errs)
		same(t, "stored", operations(t, s, rotator.OperationFilter{ID: 1}), []rotator.Operation{o})
	}
}

func winner(t *testing.T, errs []error) string {
	t.Helper()
	won := ""
	for i, err := range errs {
		switch {
		case err == nil && won == "":
			won = fmt.Sprint("racer ", i)
		case err == nil:
			t.Fatalf("racer %d won after %s", i, won)
		case !errors.Is(err, rotator.ErrConflict):
			t.Fatalf("racer %d: %v, want ErrConflict", i, err)
		}
	}
	if won == "" {
		t.Fatal("nobody won")
	}
	return won
}

func concurrentReaders(t *testing.T, s rotator.Store) {
	const rounds = 40
	commit(t, s, change(1, "a", 0, 1, 2, 3))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				ts, err := s.Trackers(t.Context(), 1, 0, 0)
				if err != nil || len(ts) != 4 {
					t.Errorf("read trackers: %d, %v", len(ts), err)
					return
				}
				for _, tr := range ts[1:] {
					if tr.Failures != ts[0].Failures {
						t.Errorf("trackers of two changes: %d and %d", tr.Failures, ts[0].Failures)
					}
				}
			}
		})
	}
	for round := range rounds {
		c := &rotator.Change{}
		for n := range uint32(4) {
			tr := tracker(1, n)
			tr.Failures = round
			c.Trackers = append(c.Trackers, tr)
		}
		// Not commit: t.Fatalf would leave the readers running.
		if err := rotator.Commit(t.Context(), s, c); err != nil {
			t.Errorf("commit: %v", err)
		}
	}
	close(done)
	wg.Wait()
}
