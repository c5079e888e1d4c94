package daemon

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// clockPoll is how often, in real time, a clock looks whether its file changed.
const clockPoll = 20 * time.Millisecond

// followClock returns a clock that follows a file.
func followClock(path string) (*SimulatedClock, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the clock file: %w", err)
	}
	line, _, err := readClock(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no simulated clock at %s: cmkd simulate writes it and prints where", path)
	}
	if err != nil {
		return nil, err
	}
	c := &SimulatedClock{line: line, file: path, sleepers: newSleepers()}
	go c.sleepers.run(c)
	return c, nil
}

// readClock reads a clock file.
func readClock(path string) (Timeline, []byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Timeline{}, nil, fmt.Errorf("read the simulated clock: %w", err)
	}
	line, err := parseTimeline(strings.TrimSpace(string(data)))
	if err != nil {
		return Timeline{}, data, fmt.Errorf("read %s: %w", path, err)
	}
	return line, data, nil
}

// set gives the clock another timeline, and tells whoever follows it.
func (c *SimulatedClock) set(change func(l Timeline, real time.Time) Timeline) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := change(c.line, time.Now().Round(0))
	if err := checkSpeed(next.Speed); err != nil {
		return err
	}
	if c.file != "" {
		if err := replaceFile(c.file, []byte(next.String()+"\n"), 0o644); err != nil {
			return err
		}
	}
	c.line = next
	return nil
}

// jump lets d pass at once.
func (c *SimulatedClock) jump(d time.Duration) error {
	return c.set(func(l Timeline, _ time.Time) Timeline {
		l.Epoch = l.Epoch.Add(d)
		return l
	})
}

// accelerate changes how fast it runs from now on.
func (c *SimulatedClock) accelerate(speed float64) error {
	return c.set(func(l Timeline, real time.Time) Timeline {
		return Timeline{Epoch: l.at(real), Anchor: real, Speed: speed}
	})
}

// show makes it show t now.
func (c *SimulatedClock) show(t time.Time) error {
	return c.set(func(l Timeline, real time.Time) Timeline {
		return Timeline{Epoch: t, Anchor: real, Speed: l.Speed}
	})
}

// replaceFile writes a file that appears whole.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path+".new", data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// sleepers are those who wait for a clock that may be moved. One goroutine looks
// after all of them and the file.
type sleepers struct {
	mu    sync.Mutex
	queue sleeperQueue
	// sooner wakes the goroutine for somebody who wakes before the next look.
	sooner chan struct{}
	once   sync.Once
	done   chan struct{}
}

// sleeper waits until a simulated moment.
type sleeper struct {
	until time.Time
	wake  chan time.Time
}

func newSleepers() *sleepers {
	return &sleepers{sooner: make(chan struct{}, 1), done: make(chan struct{})}
}

func (s *sleepers) close() { s.once.Do(func() { close(s.done) }) }

func (s *sleepers) add(until time.Time) <-chan time.Time {
	one := sleeper{until: until, wake: make(chan time.Time, 1)}
	s.mu.Lock()
	heap.Push(&s.queue, one)
	first := s.queue[0].wake == one.wake
	s.mu.Unlock()
	if first {
		select {
		case s.sooner <- struct{}{}:
		default: // it looks anyway
		}
	}
	return one.wake
}

// run follows the clock's file and wakes who is due, until close. A file that is
// gone or cannot be read moves nothing: the clock goes on as it was.
func (s *sleepers) run(c *SimulatedClock) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var seen []byte
	var looked time.Time
	for {
		select {
		case <-s.done:
			return
		case <-s.sooner:
		case <-timer.C:
		}
		if real := time.Now(); real.Sub(looked) >= clockPoll {
			looked = real
			if line, data, err := readClock(c.file); err == nil && !bytes.Equal(data, seen) {
				seen = data
				s.follow(c, line, real)
			}
		}
		timer.Reset(min(s.wake(c), clockPoll))
	}
}

// follow takes over another timeline. A clock that is set back lets nobody wait
// longer than they meant to.
func (s *sleepers) follow(c *SimulatedClock, line Timeline, real time.Time) {
	c.mu.Lock()
	back := line.at(real).Sub(c.line.at(real))
	c.line = line
	c.mu.Unlock()
	if back >= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.queue {
		s.queue[i].until = s.queue[i].until.Add(back)
	}
}

// wake wakes who is due and returns in how much real time the next one is.
func (s *sleepers) wake(c *SimulatedClock) time.Duration {
	line := c.Timeline()
	now := line.at(time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && !s.queue[0].until.After(now) {
		heap.Pop(&s.queue).(sleeper).wake <- now
	}
	if len(s.queue) == 0 {
		return clockPoll
	}
	return line.real(s.queue[0].until.Sub(now))
}

// sleeperQueue implements [heap.Interface].
type sleeperQueue []sleeper

func (q sleeperQueue) Len() int           { return len(q) }
func (q sleeperQueue) Less(i, j int) bool { return q[i].until.Before(q[j].until) }
func (q sleeperQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push appends a sleeper.
func (q *sleeperQueue) Push(x any) { *q = append(*q, x.(sleeper)) }

// Pop removes the last one.
func (q *sleeperQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
