package e2e

import (
	"strings"
	"testing"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/providers/azuresim"
	"cmkd/rotator"
)

// TestThrottling answers 429 to half of all calls: a rotation finishes, and no call
// is made before the Retry-After of the last one has passed.
func TestThrottling(t *testing.T) {
	t.Parallel()
	const retryAfter = 6 * time.Minute
	throttle := func(host string) azuresim.Fault {
		return azuresim.Fault{
			Match: azuresim.Match{Host: host}, When: azuresim.When{Probability: 0.5},
			Do: "throttle", RetryAfter: azuresim.For(retryAfter),
		}
	}
	// The guard needs an answer of every list in one go, which such a storm seldom gives.
	s := newEstateOf(t, scenario, strings.Replace(configuration, "retire: auto", "retire: \"off\"", 1))
	s.binary, s.keeps = build(t), true
	s.sim.AddFault(throttle("*.vault.azure.net"))
	s.sim.AddFault(throttle("management.azure.com"))
	s.start()
	op, err := s.client.Rotate(t.Context(), "payments", control.CommandRequest{})
	if err != nil {
		t.Fatal(err)
	}
	s.until("the rotation ends", func() bool {
		got, err := s.client.Operation(t.Context(), op.ID)
		return err == nil && got.State.Final()
	})
	stats := s.sim.Requests()
	if stats.Statuses[429] < 20 {
		t.Errorf("only %d calls were throttled: the test shows nothing", stats.Statuses[429])
	}
	t.Logf("%d answers 429, %d answers 200", stats.Statuses[429], stats.Statuses[200])
	for _, v := range stats.Early {
		// What was on its way already, or left before the answer was read, is no fault: 300
		// real milliseconds are much for that, and half of a pause.
		if since := retryAfter - v.Early; since > retryAfter/2 {
			t.Errorf("%s came %s after a Retry-After of %s", v.Operation, since, retryAfter)
		}
	}
	s.check(map[rotator.OperationID]bool{})
}
