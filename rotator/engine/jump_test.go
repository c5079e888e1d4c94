package engine

import (
	"testing"
	"time"
)

// TestBegin_TheSteadyClockIsNeverSet holds that waits go on for as long as they
// would have, whichever way the clock of the machine is set: one set ahead must not
// make cmkd believe that the read lag has passed, or it would make a second version.
func TestBegin_TheSteadyClockIsNeverSet(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const passed = 2 * time.Second
	for _, jump := range []time.Duration{0, time.Millisecond, 5 * time.Hour, -5 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			c := newCore(nil, nil, Limits{})
			c.now, c.steady = start, start
			c.begin(start.Add(passed+jump), jump)
			if waited := c.steady.Sub(start); waited != passed {
				t.Errorf("waited %s, want %s", waited, passed)
			}
		})
	}
}
