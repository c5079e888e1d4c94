package daemon

import (
	"math"
	"os"
	"runtime/debug"
	"testing"
)

// TestTuneMemory_TheLimitFollowsTheMachine: a fixed one would let a machine with much
// to remember do little but collect.
func TestTuneMemory_TheLimitFollowsTheMachine(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "") // which is restored
	if err := os.Unsetenv("GOMEMLIMIT"); err != nil {
		t.Fatal(err)
	}
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	tuneMemory()
	limit := debug.SetMemoryLimit(-1)
	machine, err := machineMemory()
	if err != nil {
		t.Fatal(err)
	}
	if limit == math.MaxInt64 || limit > int64(machine) || limit < int64(machine)/16 {
		t.Errorf("the limit is %d MiB of the %d MiB of the machine", limit>>20, machine>>20)
	}
}
