package engine

import (
	"testing"
	"time"

	"cmkd/rotator"
)

// TestBegin_JumpAheadDoesNotShortenTheWaitAfterALostAnswer holds that a clock
// set ahead does not make cmkd believe that the read lag has passed: it would
// make a second version.
func TestBegin_JumpAheadDoesNotShortenTheWaitAfterALostAnswer(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := newCore(nil, nil, Limits{})
	c.live = map[rotator.OperationID]*live{1: {loaded: true, dues: map[int64]int{}, op: rotator.Operation{
		ID: 1, State: rotator.StateCreating, Attempt: rotator.Attempt{Number: 1, Uncertain: start},
	}}}
	c.draft.clear()
	const passed, jump = 2 * time.Second, 5 * time.Hour
	now := start.Add(passed + jump)
	c.begin(now, jump)
	if waited := now.Sub(c.live[1].op.Attempt.Uncertain); waited != passed {
		t.Errorf("waited %s, want %s", waited, passed)
	}
}
