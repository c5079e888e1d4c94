package main

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
)

func noon() time.Time { return time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) }

func tracker(state rotator.TrackerState, change func(*rotator.TrackerStatus)) rotator.TrackerStatus {
	t := rotator.TrackerStatus{Tracker: rotator.Tracker{
		State: state, Detail: &rotator.TrackerDetail{Dependent: rotator.Dependent{ID: "/x/ledger", Kind: "storage"}},
	}}
	if change != nil {
		change(&t)
	}
	return t
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	problem := &rotator.Problem{Code: "c", Message: "it is broken", Hint: "mend it"}
	with := func(state rotator.OperationState, change func(*rotator.OperationStatus)) rotator.OperationStatus {
		op := rotator.OperationStatus{Operation: rotator.Operation{ID: 17, Key: "payments", State: state}}
		if change != nil {
			change(&op)
		}
		return op
	}
	trackers := func(all ...rotator.TrackerStatus) func(*rotator.OperationStatus) {
		return func(op *rotator.OperationStatus) { op.Trackers = all }
	}
	for name, test := range map[string]struct {
		op   rotator.OperationStatus
		end  bool
		code int
	}{
		"under way": {with(rotator.StatePropagating, nil), false, 0},
		"completed": {with(rotator.StateCompleted, nil), true, 0},
		"recovered": {with(rotator.StateRecovered, nil), true, 0},
		"revoked":   {with(rotator.StateEffective, nil), true, 0},
		"failed":    {with(rotator.StateFailed, func(op *rotator.OperationStatus) { op.Problem = problem }), true, exitError},
		"cancelled": {with(rotator.StateCancelled, nil), true, exitError},
		"waits for retire": {with(rotator.StateRetiring, func(op *rotator.OperationStatus) {
			op.Retire, op.Waiting.For = rotator.RetireManual, rotator.WaitRetire
		}), true, 0},
		"is being retired": {with(rotator.StateRetiring, func(op *rotator.OperationStatus) {
			op.Retire, op.Retirer, op.Waiting.For = rotator.RetireManual, "a", rotator.WaitRetire
		}), false, 0},
		"retires by itself": {with(rotator.StateRetiring, func(op *rotator.OperationStatus) {
			op.Retire, op.Waiting.For = rotator.RetireAuto, rotator.WaitObservations
		}), false, 0},
		"held by the guard": {with(rotator.StateRetiring, func(op *rotator.OperationStatus) { op.Problem = problem }), true, exitNeedsAction},
		"revocation undone": {with(rotator.StateEffective, func(op *rotator.OperationStatus) { op.Problem = problem }), true, exitNeedsAction},
		"a call to repeat":  {with(rotator.StateDisabling, func(op *rotator.OperationStatus) { op.Problem, op.Failures = problem, 2 }), false, 0},
		"a call in vain":    {with(rotator.StateDisabling, func(op *rotator.OperationStatus) { op.Problem, op.Failures = problem, 9 }), true, exitNeedsAction},
		"one stalled, others go on": {with(rotator.StatePropagating, trackers(
			tracker(rotator.TrackerStalled, nil), tracker(rotator.TrackerPropagating, nil))), false, 0},
		"one stalled, others done": {with(rotator.StatePropagating, trackers(
			tracker(rotator.TrackerStalled, nil), tracker(rotator.TrackerDone, nil), tracker(rotator.TrackerExcluded, nil))), true, exitNeedsAction},
		"one unreachable in the preflight": {with(rotator.StatePending, trackers(tracker(rotator.TrackerUnreachable, nil))), false, 0},
		"one unreachable":                  {with(rotator.StatePropagating, trackers(tracker(rotator.TrackerUnreachable, nil))), true, exitNeedsAction},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			end, err := outcome(&test.op)
			code := exitDone
			if err != nil {
				code = exitCode(err)
			}
			if end != test.end || code != test.code {
				t.Errorf("end %v with exit code %d (%v), want %v with %d", end, code, err, test.end, test.code)
			}
			if err != nil && rotator.AsError(err).Hint == "" {
				t.Errorf("%v has no hint", err)
			}
		})
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	running := func(left time.Duration) rotator.TrackerStatus {
		return tracker(rotator.TrackerPropagating, func(t *rotator.TrackerStatus) { t.Window, t.Deadline = time.Hour, noon().Add(left) })
	}
	for name, test := range map[string]struct {
		t    rotator.TrackerStatus
		want float64
	}{
		"done":     {tracker(rotator.TrackerDone, nil), 1},
		"excluded": {tracker(rotator.TrackerExcluded, nil), 1},
		"waiting":  {tracker(rotator.TrackerWaiting, nil), 0},
		"half":     {running(30 * time.Minute), 0.5},
		"overdue":  {running(-time.Minute), 0.99},
		"early":    {running(2 * time.Hour), 0},
		"half of what was learned": {tracker(rotator.TrackerPropagating, func(t *rotator.TrackerStatus) {
			t.Window, t.Deadline, t.Latest = 24*time.Hour, noon().Add(23*time.Hour), noon().Add(time.Hour)
		}), 0.5},
		"slower than what was learned": {tracker(rotator.TrackerPropagating, func(t *rotator.TrackerStatus) {
			t.Window, t.Deadline, t.Latest = 24*time.Hour, noon().Add(12*time.Hour), noon().Add(-time.Hour)
		}), 0.99},
	} {
		if got := share(&test.t, noon()); got != test.want {
			t.Errorf("%s: %g, want %g", name, got, test.want)
		}
	}
	if got := gauge(0.5); strings.Count(got, "█") != 12 || strings.Count(got, "░") != 12 {
		t.Error(got)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ünïcode 鍵": "plain ünïcode 鍵",
		"\x1b[2Jgone":     "?[2Jgone",
		"a\nb\tc\rd":      "a b c?d",
		"\u202eevil":      "?evil",
		"\x9b1m":          "?1m",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in    string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"longer", 4, "long\x1b[0m"},
		{"\x1b[31mred\x1b[0m", 3, "\x1b[31mred\x1b[0m"},
		{"ünïcode", 3, "ünï\x1b[0m"},
	} {
		if got := fit(test.in, test.width); got != test.want {
			t.Errorf("%q in %d is %q, want %q", test.in, test.width, got, test.want)
		}
	}
	if got := pad("ünïcode", 4); got != "ünï…" {
		t.Error(got)
	}
	if got := pad("ü", 3); got != "ü  " {
		t.Error(got)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 90 * time.Minute: "1h30m", 25 * time.Hour: "1d01h", -time.Minute: "-1m00s",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
	for got, want := range map[string]string{
		ago(noon().Add(-time.Minute), noon()):      "1m00s ago",
		ago(noon().Add(time.Minute), noon()):       "0s ago",
		ago(time.Time{}, noon()):                   "-",
		ahead(noon().Add(time.Hour), noon()):       "in 1h00m",
		ahead(noon().Add(-time.Hour), noon()):      "1h00m over",
		ahead(time.Time{}, noon()):                 "-",
		short("0123456789abcdef"):                  "01234567",
		short(""):                                  "-",
		stamp(noon().In(time.FixedZone("", 3600))): "2026-01-05 12:00:00Z",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestUrgency(t *testing.T) {
	t.Parallel()
	live := func(state rotator.OperationState, change func(*rotator.Operation)) *rotator.KeyStatus {
		op := &rotator.Operation{ID: 1, State: state}
		if change != nil {
			change(op)
		}
		return &rotator.KeyStatus{KeyState: rotator.KeyState{Name: "payments"}, Last: op}
	}
	for i, k := range []*rotator.KeyStatus{
		live(rotator.StatePropagating, func(op *rotator.Operation) { op.Trackers = map[rotator.TrackerState]int{rotator.TrackerStalled: 1} }),
		live(rotator.StateAwaitingApproval, nil),
		live(rotator.StatePropagating, nil),
		live(rotator.StateCompleted, nil),
	} {
		if got := urgency(k); got != i {
			t.Errorf("%s has urgency %d, want %d", k.Last.State, got, i)
		}
	}
	for want, k := range map[string]*rotator.KeyStatus{
		"(cmkd approve op-1)":   live(rotator.StateAwaitingApproval, nil),
		"cmkd retire payments)": live(rotator.StateRetiring, func(op *rotator.Operation) { op.Retire, op.Key = rotator.RetireManual, "payments" }),
		"":                      live(rotator.StateCompleted, nil),
		"m":                     {KeyState: rotator.KeyState{Problem: &rotator.Problem{Message: "m"}}},
	} {
		if got := need(k); !strings.HasSuffix(got, want) || want == "" && got != "" {
			t.Errorf("needs %q, want %q", got, want)
		}
	}
}
