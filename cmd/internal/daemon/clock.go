package daemon

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
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

// Timeline says how simulated time runs. Processes that are given the same three
// values agree on the time.
type Timeline struct {
	// Epoch is the simulated time at the real moment Anchor.
	Epoch, Anchor time.Time
	// Speed is how many simulated seconds pass in a real one.
	Speed float64
}

// maxSpeed keeps a real nanosecond from being more than a simulated millisecond.
const maxSpeed = 1e6

// parseTimeline reads EPOCH,ANCHOR,SPEED: two times in RFC 3339 and a factor.
func parseTimeline(text string) (l Timeline, err error) {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return l, fmt.Errorf("simulated clock %q is not EPOCH,ANCHOR,SPEED", text)
	}
	if l.Epoch, err = time.Parse(time.RFC3339Nano, parts[0]); err != nil {
		return l, fmt.Errorf("epoch of the simulated clock: %w", err)
	}
	if l.Anchor, err = time.Parse(time.RFC3339Nano, parts[1]); err != nil {
		return l, fmt.Errorf("anchor of the simulated clock: %w", err)
	}
	if l.Speed, err = strconv.ParseFloat(parts[2], 64); err != nil {
		return l, fmt.Errorf("speed of the simulated clock: %w", err)
	}
	return l, checkSpeed(l.Speed)
}

func checkSpeed(speed float64) error {
	if !(speed > 0 && speed <= maxSpeed) {
		return rotator.Errorf(rotator.CodeInvalid, "speed %g of the simulated clock is not between 0 and %g", speed, float64(maxSpeed))
	}
	return nil
}

// String writes the timeline as the flag --simulated-clock and clock files have it.
func (l Timeline) String() string {
	return l.Epoch.UTC().Format(time.RFC3339Nano) + "," + l.Anchor.UTC().Format(time.RFC3339Nano) + "," +
		strconv.FormatFloat(l.Speed, 'g', -1, 64)
}

// at returns the simulated time at a real moment.
func (l Timeline) at(real time.Time) time.Time {
	return l.Epoch.Add(time.Duration(float64(real.Sub(l.Anchor)) * l.Speed)).UTC()
}

// wall returns the real moment of a simulated one.
func (l Timeline) wall(t time.Time) time.Time {
	return l.Anchor.Add(time.Duration(float64(t.Sub(l.Epoch)) / l.Speed))
}

// SimulatedClock runs along a timeline. One that follows a file takes over what
// the simulated Azure writes there: it may jump ahead, change its speed, or, when a
// saved state is loaded, show another time altogether.
type SimulatedClock struct {
	mu   sync.RWMutex
	line Timeline
	// file is what it follows or is followed by, empty for a clock that nobody moves.
	file string
	// sleepers wait for the simulated time of a clock that follows a file.
	sleepers *sleepers
}

// NewSimulatedClock returns a clock that shows epoch at the real moment anchor and
// runs speed times as fast as the real one.
func NewSimulatedClock(epoch, anchor time.Time, speed float64) *SimulatedClock {
	return &SimulatedClock{line: Timeline{Epoch: epoch, Anchor: anchor.Round(0), Speed: speed}}
}

// ParseSimulatedClock reads the value of --simulated-clock: EPOCH,ANCHOR,SPEED, two
// times in RFC 3339 and a factor; or the path of a file of the simulated Azure,
// which holds that and is followed until [SimulatedClock.Close].
func ParseSimulatedClock(text string) (*SimulatedClock, error) {
	if strings.Contains(text, "/") {
		return followClock(text)
	}
	line, err := parseTimeline(text)
	if err != nil {
		return nil, err
	}
	return &SimulatedClock{line: line}, nil
}

// Timeline returns how the clock runs at present.
func (c *SimulatedClock) Timeline() Timeline {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.line
}

// Flag writes the clock as [ParseSimulatedClock] reads it.
func (c *SimulatedClock) Flag() string {
	if c.file != "" {
		return c.file
	}
	return c.Timeline().String()
}

// String says what is simulated.
func (c *SimulatedClock) String() string {
	l := c.Timeline()
	return "×" + strconv.FormatFloat(l.Speed, 'g', -1, 64) + " from " + l.Epoch.UTC().Format(time.RFC3339)
}

// Now implements [rotator.Clock].
func (c *SimulatedClock) Now() time.Time { return c.Timeline().at(time.Now()) }

// Wall returns the real time at which the clock shows t.
func (c *SimulatedClock) Wall(t time.Time) time.Time { return c.Timeline().wall(t) }

// After implements [rotator.Clock]. What a jump skips has passed.
func (c *SimulatedClock) After(d time.Duration) <-chan time.Time {
	if c.sleepers != nil {
		return c.sleepers.add(c.Now().Add(d))
	}
	return time.After(c.Timeline().real(d))
}

// real returns how much real time a simulated one takes, rounded up: a timer must
// not be early.
func (l Timeline) real(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(float64(d) / l.Speed))
}

// Close ends following a file.
func (c *SimulatedClock) Close() {
	if c.sleepers != nil {
		c.sleepers.close()
	}
}
