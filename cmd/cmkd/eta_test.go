package main

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
)

func TestETA(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) time.Time { return noon().Add(d) }
	for name, test := range map[string]struct {
		eta             eta
		brief, sentence string
	}{
		"unknown":  {eta: eta{}},
		"learned":  {eta{in(5 * time.Minute), in(12 * time.Minute), true}, "expected in 5m00s, by 12m00s", "12:05Z (in 5m00s), by 12:12Z nine times out of ten"},
		"tomorrow": {eta{in(13 * time.Hour), in(14 * time.Hour), true}, "expected in 13h00m, by 14h00m", "2026-01-06 01:00Z (in 13h00m), by 2026-01-06 02:00Z nine times out of ten"},
		"slow":     {eta{in(-time.Minute), in(12 * time.Minute), true}, "expected 1m00s over, by 12m00s", "11:59Z (1m00s over), by 12:12Z nine times out of ten"},
		"very slow": {
			eta{in(-time.Hour), in(-time.Minute), true}, "expected 1m00s over", "11:00Z (1h00m over), by 11:59Z nine times out of ten",
		},
		"always the same": {eta{in(time.Hour), in(time.Hour), true}, "expected in 1h00m, by 1h00m", "13:00Z (in 1h00m), by 13:00Z nine times out of ten"},
		"nothing learned": {eta{in(time.Hour), in(time.Hour), false}, "at the latest in 1h00m", "by 13:00Z at the latest (in 1h00m), the end of the window"},
		"no latest":       {eta{expected: in(time.Hour)}, "at the latest in 1h00m", "by 13:00Z at the latest (in 1h00m), the end of the window"},
	} {
		if got := test.eta.brief(noon()); got != test.brief {
			t.Errorf("%s is %q, want %q", name, got, test.brief)
		}
		if test.sentence == "" {
			continue
		}
		if got := test.eta.sentence(noon()); got != test.sentence {
			t.Errorf("%s is %q, want %q", name, got, test.sentence)
		}
	}
}

// TestETA_operation checks that an operation is expected when its last dependent
// is, and that it says so.
func TestETA_operation(t *testing.T) {
	t.Parallel()
	at := func(expected, latest time.Duration) rotator.TrackerStatus {
		return tracker(rotator.TrackerPropagating, func(t *rotator.TrackerStatus) {
			t.Expected, t.Latest, t.Deadline = noon().Add(expected), noon().Add(latest), noon().Add(time.Hour)
		})
	}
	op := rotator.OperationStatus{
		Operation: rotator.Operation{ID: 17, Kind: rotator.KindRotation, Key: "payments", State: rotator.StatePropagating, Created: noon(), Since: noon()},
		Trackers:  []rotator.TrackerStatus{at(10*time.Minute, 20*time.Minute), tracker(rotator.TrackerDone, nil), at(5*time.Minute, 40*time.Minute)},
	}
	got := printed(func(a *app) { a.printOperation(&moment{op: op, now: noon()}) })
	for _, says := range []string{"  expected  12:10Z (in 10m00s), by 12:40Z nine times out of ten\n", "in 10m00s, by 20m00s", "in 5m00s, by 40m00s", "WINDOW ENDS"} {
		if !strings.Contains(got, says) {
			t.Errorf("%q is not in\n%s", says, got)
		}
	}
	if got := (&bars{}).head(&moment{op: op, now: noon()}); !strings.HasSuffix(got, " for 0s, expected in 10m00s, by 40m00s") {
		t.Error(got)
	}
	if got := note(&op.Trackers[2], noon()); got != ", expected in 5m00s, by 40m00s" {
		t.Error(got)
	}
	op.Trackers = append(op.Trackers, at(time.Hour, time.Hour)) // nothing was learned of it: the end of its window
	if got := printed(func(a *app) { a.printOperation(&moment{op: op, now: noon()}) }); !strings.Contains(got, "  expected  by 13:00Z at the latest (in 1h00m), the end of the window\n") {
		t.Errorf("the window counts where nothing was learned:\n%s", got)
	}
	op.Trackers = op.Trackers[1:2]
	if got := printed(func(a *app) { a.printOperation(&moment{op: op, now: noon()}) }); strings.Contains(got, "  expected  ") {
		t.Errorf("what is done is not expected:\n%s", got)
	}
}
