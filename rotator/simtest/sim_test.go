package simtest

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"
)

// seeds is how many runs the tests make.
const seeds = 12

// runSeed makes one run.
func runSeed(seed uint64, log io.Writer) *sim {
	s := newSim(seed, log)
	s.run()
	return s
}

// replay says how to see a run again.
func replay(seed uint64) string {
	return fmt.Sprintf("CMKD_SIM_SEED=%d go test ./rotator/simtest -run TestReplay -v", seed)
}

// TestSimulation runs a fixed number of seeds, or for CMKD_SIM_TIME.
func TestSimulation(t *testing.T) {
	var total Stats
	begun := time.Now()
	limit, _ := time.ParseDuration(os.Getenv("CMKD_SIM_TIME"))
	for seed := uint64(1); seed <= seeds || time.Since(begun) < limit; seed++ {
		s := runSeed(seed, nil)
		total.add(s.Stats)
		if s.oracle.found != nil {
			t.Fatalf("seed %d after %d steps: %s\nreplay: %s", seed, s.Steps, s.oracle.found, replay(seed))
		}
	}
	took := time.Since(begun).Seconds()
	fmt.Printf("simulation: %d seeds, %d operations, %d crashes, %d faults, %d reloads, %d commits in %.1f s: each second %.1f seeds, %.0f operations, %.0f crashes, %.0f faults\n",
		total.Seeds, total.Operations, total.Crashes, total.Faults, total.Reloads, total.Commits, took,
		float64(total.Seeds)/took, float64(total.Operations)/took, float64(total.Crashes)/took, float64(total.Faults)/took)
}

// TestReplay makes the run of CMKD_SIM_SEED and prints its trace.
func TestReplay(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("CMKD_SIM_SEED"), 10, 64)
	if err != nil {
		t.Skip("CMKD_SIM_SEED names the seed")
	}
	s := runSeed(seed, t.Output())
	if s.oracle.found != nil {
		t.Errorf("seed %d after %d steps: %s", seed, s.Steps, s.oracle.found)
	}
}

// TestSurvey runs seeds for CMKD_SIM_SURVEY, goes on after each violation, and prints
// which kinds there are, how often, and which seed found each first.
func TestSurvey(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("CMKD_SIM_SURVEY"))
	if err != nil {
		t.Skip("CMKD_SIM_SURVEY says for how long")
	}
	begun := time.Now()
	count := map[fault]int{}
	for seed := uint64(1); time.Since(begun) < limit; seed++ {
		s := newSim(seed, nil)
		s.oracle.lenient = true
		s.run()
		for f := range s.oracle.passed {
			if count[f]++; count[f] == 1 {
				t.Logf("seed %4d after %5.2f s: %s: %s", seed, time.Since(begun).Seconds(), f.invariant, f.shape)
			}
		}
	}
	for f, n := range count {
		t.Logf("%5d seeds: %s: %s", n, f.invariant, f.shape)
	}
}

// TestSameSeedSameRun holds that a run depends on nothing but its seed.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 2; seed++ {
		a, b := runSeed(seed, nil), runSeed(seed, nil)
		if a.trace.Sum64() != b.trace.Sum64() || a.Steps != b.Steps {
			t.Errorf("seed %d: traces %x and %x, %d and %d steps", seed, a.trace.Sum64(), b.trace.Sum64(), a.Steps, b.Steps)
		}
	}
}
