package azuresim

import (
	"context"
	"sync"
	"time"
)

// Clock gives the simulated time. Everything that the simulated services do by
// themselves follows it.
type Clock interface {
	// Now returns the simulated time. It may be called from any goroutine.
	Now() time.Time
}

// ScaledClock runs at a multiple of the machine's clock.
type ScaledClock struct {
	epoch, anchor time.Time
	speed         float64
}

// NewScaledClock returns a clock that shows epoch at the real moment anchor
// and from there runs speed times as fast as the machine's clock.
func NewScaledClock(epoch, anchor time.Time, speed float64) *ScaledClock {
	return &ScaledClock{epoch: epoch, anchor: anchor, speed: speed}
}

// Now returns epoch + (real time − anchor) × speed.
func (c *ScaledClock) Now() time.Time {
	return c.epoch.Add(time.Duration(float64(wallNow().Sub(c.anchor)) * c.speed))
}

// ManualClock stands still until it is told otherwise. It is safe for
// concurrent use.
type ManualClock struct {
	mu  sync.Mutex
	now time.Time
}

// NewManualClock returns a clock that shows t.
func NewManualClock(t time.Time) *ManualClock { return &ManualClock{now: t} }

// Now returns the time that was set last.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d and returns the new time.
func (c *ManualClock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Set makes the clock show t, which may lie in its past.
func (c *ManualClock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// wallNow is the machine's clock: the only reader of it in this package.
// Tokens need it, because clients compare their expiry with their own clock.
func wallNow() time.Time { return time.Now() }

// pause waits for d of real time or until ctx ends, and says whether it waited
// to the end.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
