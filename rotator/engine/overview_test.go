package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/rotator"
)

// TestOverview_IsWhatCountingAnewGives, whatever happens to operations and keys.
func TestOverview_IsWhatCountingAnewGives(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	states := map[string]*rotator.KeyState{}
	kept := newOverview()
	ops := map[rotator.OperationID]*rotator.Operation{}
	for i := range 2000 {
		op := &rotator.Operation{
			ID: rotator.OperationID(i*7%40 + 1), Kind: rotator.KindRotation, State: rotator.StatePropagating,
			Trackers: map[rotator.TrackerState]int{rotator.TrackerDone: i % 5, rotator.TrackerStalled: i % 3},
		}
		if i%11 == 0 {
			op.State = rotator.StateCompleted
		}
		ops[op.ID] = op
		kept.see(op)
		id := fmt.Sprint(i * 13 % 50)
		states[id] = &rotator.KeyState{Name: "k" + id}
		if i%4 != 0 {
			states[id].NextRotation = start.Add(time.Duration(i*i%997) * time.Minute)
		}
		kept.next.see(id, states[id].NextRotation)
		if i%100 != 0 {
			continue
		}
		anew := newOverview()
		for _, op := range ops {
			anew.see(op)
		}
		for id, s := range states {
			anew.next.see(id, s.NextRotation)
		}
		if d := cmp.Diff(anew.summary(states), kept.summary(states)); d != "" {
			t.Fatalf("after %d changes (-anew +kept):\n%s", i, d)
		}
	}
}
