package engine

import (
	"context"
	"sync"
)

// crew carries out tasks. Its workers are started as they are needed and stay:
// starting a goroutine for each of a hundred thousand looks costs more than the
// engine does.
type crew struct {
	world *world
	jobs  chan job
	// all are the goroutines: workers, and one for each task that may take long.
	all            sync.WaitGroup
	workers, limit int
	dismissed      sync.Once

	mu    sync.Mutex
	done  []*result
	ready chan struct{} // holds a value while done is not empty
}

// job is a task with the bound on its time.
type job struct {
	task  *task
	bound *deadline
}

// newCrew makes a crew of at most limit workers.
func newCrew(w *world, limit int) *crew {
	return &crew{world: w, jobs: make(chan job, limit), limit: limit, ready: make(chan struct{}, 1)}
}

// carryOut has tasks of one kind carried out. With them, at most limit tasks that
// count may be under way.
func (c *crew) carryOut(ctx context.Context, tasks []task) {
	bound := newDeadline(ctx, tasks[0].kind, len(tasks))
	for i := range tasks {
		j := job{&tasks[i], bound}
		if !j.task.kind.counts() {
			c.all.Go(func() { c.do(j) })
			continue
		}
		if c.jobs <- j; c.workers < c.limit {
			c.workers++
			c.all.Go(c.work)
		}
	}
}

func (c *crew) work() {
	for j := range c.jobs {
		c.do(j)
	}
}

func (c *crew) do(j job) {
	r := c.world.do(j.bound.ctx, j.task)
	j.bound.done()
	c.deliver(r)
}

func (c *crew) deliver(r *result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = append(c.done, r)
	c.signal()
}

// signal lets ready deliver a value, if it does not already.
func (c *crew) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// take returns at most so many results, after ready delivered a value.
func (c *crew) take(most int) []*result {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.done
	if len(taken) <= most {
		c.done = nil
		return taken
	}
	c.done = taken[most:]
	c.signal() // there are more
	return taken[:most:most]
}

// dismiss ends the workers once they have nothing to do.
func (c *crew) dismiss() { c.dismissed.Do(func() { close(c.jobs) }) }
