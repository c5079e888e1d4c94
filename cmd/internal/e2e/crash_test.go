package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/providers/azuresim"
	"cmkd/rotator"
	"cmkd/store/bolt"
)

// crashes is how often the daemon is killed; `make crash` asks for more.
func crashes(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CMKD_CRASHES")
	if text == "" {
		return 12
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("CMKD_CRASHES: %v", err)
	}
	return n
}

// TestCrash_ExactlyOnce kills the daemon at random moments of rotations, also
// while the call that makes a version is out, and holds that each rotation makes
// one version, ends, and retires nothing that is in use.
func TestCrash_ExactlyOnce(t *testing.T) {
	t.Parallel()
	slow := azuresim.Fault{
		Match: azuresim.Match{Operation: "key-rotate"}, When: azuresim.When{Probability: 0.7},
		Do: "slow", Delay: azuresim.For(100 * time.Millisecond),
	}
	killAtRandom(t, newEstate(t, slow), 0, 1500*time.Millisecond)
}

// TestCrash_WhileTheCallIsOut kills it only in the moments around the call.
func TestCrash_WhileTheCallIsOut(t *testing.T) {
	t.Parallel()
	slow := azuresim.Fault{
		Match: azuresim.Match{Operation: "key-rotate"}, Do: "slow", Delay: azuresim.For(150 * time.Millisecond),
	}
	killAtRandom(t, newEstate(t, slow), 0, 250*time.Millisecond)
}

// TestCrash_LostAnswers adds answers that never come although the call had its
// effect, and some of calls that had none.
func TestCrash_LostAnswers(t *testing.T) {
	t.Parallel()
	lost := azuresim.Fault{
		Match: azuresim.Match{Operation: "key-*"}, When: azuresim.When{Probability: 0.3},
		Do: "timeout-after-effect", Delay: azuresim.For(20 * time.Millisecond),
	}
	nothing := azuresim.Fault{
		Match: azuresim.Match{Operation: "key-*"}, When: azuresim.When{Probability: 0.1},
		Do: "drop", Delay: azuresim.For(time.Millisecond),
	}
	killAtRandom(t, newEstate(t, lost, nothing), 0, 1500*time.Millisecond)
}

func killAtRandom(t *testing.T, s *estate, least, most time.Duration) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	accepted := map[rotator.OperationID]bool{}
	for range crashes(t) {
		s.start()
		if _, ok := s.live(); !ok {
			op, err := s.client.Rotate(t.Context(), "payments", control.CommandRequest{Reason: "crash test"})
			if err != nil {
				t.Fatalf("rotate: %v", err)
			}
			accepted[op.ID] = true
		}
		<-time.After(least + time.Duration(random.Int64N(int64(most-least))))
		s.kill()
	}
	s.start()
	s.until("the last rotation ends", func() bool { _, ok := s.live(); return !ok })
	s.check(accepted)
}

// check holds what must be true once nothing is under way.
func (s *estate) check(accepted map[rotator.OperationID]bool) {
	s.t.Helper()
	ops := s.all()
	for i := range ops {
		if ops[i].State != rotator.StateCompleted || ops[i].Cause != rotator.CauseOperator {
			s.t.Errorf("%s is %s, caused by %s: %v", ops[i].ID, ops[i].State, ops[i].Cause, ops[i].Problem)
		}
		delete(accepted, ops[i].ID)
	}
	if len(accepted) > 0 {
		s.t.Errorf("lost: %v", accepted)
	}
	versions := s.sim.Versions("contoso-prod", "payments")
	if len(versions) != 1+len(ops) {
		s.t.Errorf("%d rotations made %d versions", len(ops), len(versions)-1)
	}
	for i, v := range versions {
		if last := i == len(versions)-1; v.Enabled != (last || s.keeps) {
			s.t.Errorf("version %d of %d: enabled is %v", i+1, len(versions), v.Enabled)
		}
	}
	s.mu.Lock()
	if len(s.early) > 0 {
		s.t.Errorf("retired while in use: %v", s.early)
	}
	s.mu.Unlock()
	s.kill()
	report, err := bolt.VerifyFile(s.t.Context(), filepath.Join(s.dir, "cmkd.db"), bolt.Options{})
	if err != nil {
		s.t.Errorf("audit trail: %v", err)
	}
	calls := 0
	for _, n := range s.sim.Requests().Operations {
		calls += n
	}
	s.t.Logf("%d rotations, %d events, %d calls", len(ops), report.Events, calls)
}
