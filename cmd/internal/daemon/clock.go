package daemon

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"cmkd/rotator"
)

var (
	_ rotator.Clock = realClock{}
	_ rotator.Clock = (*SimulatedClock)(nil)
)

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// SimulatedClock runs at a multiple of the real clock. Processes that are given
// the same three values agree on the time.
type SimulatedClock struct {
	// Epoch is the simulated time at the real moment Anchor.
	Epoch, Anchor time.Time
	// Speed is how many simulated seconds pass in a real one.
	Speed float64
}

// maxSpeed keeps a real nanosecond from being more than a simulated millisecond.
const maxSpeed = 1e6

// ParseSimulatedClock reads EPOCH,ANCHOR,SPEED: two times in RFC 3339 and a
// factor.
func ParseSimulatedClock(text string) (*SimulatedClock, error) {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return nil, fmt.Errorf("simulated clock %q is not EPOCH,ANCHOR,SPEED", text)
	}
	c := &SimulatedClock{}
	var err error
	if c.Epoch, err = time.Parse(time.RFC3339Nano, parts[0]); err != nil {
		return nil, fmt.Errorf("epoch of the simulated clock: %w", err)
	}
	if c.Anchor, err = time.Parse(time.RFC3339Nano, parts[1]); err != nil {
		return nil, fmt.Errorf("anchor of the simulated clock: %w", err)
	}
	if c.Speed, err = strconv.ParseFloat(parts[2], 64); err != nil {
		return nil, fmt.Errorf("speed of the simulated clock: %w", err)
	}
	if !(c.Speed > 0 && c.Speed <= maxSpeed) {
		return nil, fmt.Errorf("speed %s of the simulated clock is not between 0 and %g", parts[2], float64(maxSpeed))
	}
	return c, nil
}

// Flag writes the clock as [ParseSimulatedClock] reads it.
func (c *SimulatedClock) Flag() string {
	return c.Epoch.UTC().Format(time.RFC3339Nano) + "," + c.Anchor.UTC().Format(time.RFC3339Nano) + "," +
		strconv.FormatFloat(c.Speed, 'g', -1, 64)
}

// String says what is simulated.
func (c *SimulatedClock) String() string {
	return "×" + strconv.FormatFloat(c.Speed, 'g', -1, 64) + " from " + c.Epoch.UTC().Format(time.RFC3339)
}

// Now implements [rotator.Clock].
func (c *SimulatedClock) Now() time.Time {
	passed := float64(time.Since(c.Anchor)) * c.Speed
	return c.Epoch.Add(time.Duration(passed)).UTC()
}

// Wall returns the real time at which the clock shows t.
func (c *SimulatedClock) Wall(t time.Time) time.Time {
	return c.Anchor.Add(time.Duration(float64(t.Sub(c.Epoch)) / c.Speed))
}

// After implements [rotator.Clock].
func (c *SimulatedClock) After(d time.Duration) <-chan time.Time {
	return time.After(c.real(d))
}

// real returns how much real time a simulated one takes, rounded up: a timer must
// not be early.
func (c *SimulatedClock) real(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(float64(d) / c.Speed))
}
