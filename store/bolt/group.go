package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"cmkd/rotator"
)

// queue holds the commits that wait for the writer. writer is a lock that can be
// waited for together with other things: who puts a token into it writes.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	writer  chan struct{}
}

func newQueue() *queue { return &queue{writer: make(chan struct{}, 1)} }

// request is one caller's change on its way.
type request struct {
	change *prepared
	done   chan struct{} // closed when err is final
	err    error
}

func (q *queue) add(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
}

// withdraw takes r back; false means that it is being written.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

func (q *queue) takeAll() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting = nil
	return taken
}

// Stage puts a change into bytes; see [rotator.Store].
//
// Those who commit share transactions. Whoever finds the writer free writes at once
// everything that waits, others queue up meanwhile: a lone caller waits for
// nobody, and under load a transaction holds whatever arrived during the last
// one. No timer is involved. The changes of one transaction are applied in the
// order of arrival, and one that conflicts is left out without harm to the
// others.
//
// A caller whose ctx ends while it waits gets its error and nothing is stored;
// once its change is being written it gets the outcome.
func (s *Store) Stage(c *rotator.Change) (commit func(context.Context) error, err error) {
	if c.Empty() {
		return func(context.Context) error { return nil }, nil
	}
	p, err := prepare(c)
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return func(ctx context.Context) error { return s.submit(ctx, p, c) }, nil
}

func (s *Store) submit(ctx context.Context, p *prepared, c *rotator.Change) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := s.wait(ctx, &request{change: p, done: make(chan struct{})}); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	// In place only now: nothing of the caller's changes when the commit fails.
	for i := range p.events {
		e := &p.events[i]
		c.Events[i].Seq, c.Events[i].Prev, c.Events[i].Hash = e.Seq, e.Prev, e.Hash
	}
	return nil
}

// wait queues a request and returns its outcome.
func (s *Store) wait(ctx context.Context, r *request) error {
	s.queue.add(r)
	select {
	case s.queue.writer <- struct{}{}:
		// Somebody may have written r in the meantime; then this writes what
		// came after it, or nothing.
		s.write(s.queue.takeAll())
		<-s.queue.writer
	case <-r.done:
	case <-ctx.Done():
		if s.queue.withdraw(r) {
			return ctx.Err()
		}
	}
	<-r.done
	return r.err
}

// write stores the requests in one transaction and tells each its outcome.
func (s *Store) write(batch []*request) {
	if len(batch) == 0 {
		return
	}
	defer func() {
		for _, r := range batch {
			close(r.done)
		}
	}()
	if err := s.store(batch); err != nil {
		for _, r := range batch {
			if r.err == nil {
				r.err = err
			}
		}
	}
}

// store stores the requests that fit. If it is not known whether they were stored, that
// is found out if possible.
func (s *Store) store(batch []*request) error {
	if err := s.mend(); err != nil {
		return err
	}
	stored := &atomic.Bool{}
	err := s.use(func() error { return s.transact(batch, stored) })
	if errors.Is(err, rotator.ErrUncertain) && s.mend() == nil && stored.Load() {
		return nil
	}
	return err
}
