package engine

import (
	"testing"

	"cmkd/rotator"
)

// TestStateIndex holds that every state has a place of its own, in the order in which
// the summary reads them.
func TestStateIndex(t *testing.T) {
	t.Parallel()
	for i, s := range rotator.TrackerStates() {
		if stateIndex(s) != i {
			t.Errorf("state %s has place %d, want %d", s, stateIndex(s), i)
		}
	}
	if len(rotator.TrackerStates()) != len(stateCounts{}) {
		t.Errorf("%d states have %d places", len(rotator.TrackerStates()), len(stateCounts{}))
	}
}
