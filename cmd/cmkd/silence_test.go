package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/rotator"
)

func TestSilenceFlags(t *testing.T) {
	t.Parallel()
	r, err := (&silenceFlags{rule: "clock-jumped", key: "payments", span: "1d12h", reason: "r"}).request([]string{"x/y"})
	if err != nil || r.Alert != "x/y" || r.Rule != rotator.RuleClockJumped || r.Key != "payments" || r.Reason != "r" || r.For.Duration != 36*time.Hour {
		t.Errorf("%+v, %v", r, err)
	}
	for name, test := range map[string]struct {
		flags silenceFlags
		says  string
	}{
		"of nothing":         {silenceFlags{span: "2h"}, "which alerts"},
		"for no time":        {silenceFlags{key: "payments"}, "how long"},
		"without a unit":     {silenceFlags{key: "payments", span: "30"}, "30m"},
		"for less than zero": {silenceFlags{key: "payments", span: "-1h"}, "negative"},
		"for zero":           {silenceFlags{key: "payments", span: "0s"}, "over at once"},
	} {
		_, err := test.flags.request(nil)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), test.says) || rotator.AsError(err).Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrintSilences(t *testing.T) {
	t.Parallel()
	got := squeezed(printed(func(a *app) {
		a.printSilences([]rotator.Silence{
			{ID: "s-1", Rule: rotator.RuleNeedsAction, Key: "payments", Actor: "alice", Reason: "INC-4711", Created: noon().Add(-time.Hour), Until: noon().Add(time.Hour)},
			{ID: "s-2", Alert: "clock-jumped", Actor: "bob", Created: noon().Add(-time.Hour), Until: noon().Add(-time.Minute)},
		}, noon())
	}))
	want := `SILENCE OF ENDS STARTED BY REASON
s-1 rule needs-action, key payments in 1h00m 1h00m ago alice INC-4711
s-2 alert clock-jumped ended 1m00s ago 1h00m ago bob
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := printed(func(a *app) { a.printSilences(nil, noon()) }); got != "No silence.\n" {
		t.Error(got)
	}
}

func TestPrintTimings(t *testing.T) {
	t.Parallel()
	got := squeezed(printed(func(a *app) {
		a.printTimings([]rotator.TimingStatus{
			{Kind: "storage", Region: "westeurope", Change: rotator.KindRotation, Count: 120, P50: 40 * time.Minute, P90: 3 * time.Hour, P99: 20 * time.Hour, Max: 25 * time.Hour, Documented: 24 * time.Hour, Suggested: 30 * time.Hour},
			{Kind: "cosmosdb", Change: rotator.KindRevocation, Documented: time.Hour},
		})
	}))
	want := `KIND REGION CHANGE SEEN P50 P90 P99 MAX DOCUMENTED WINDOW SUGGESTED WINDOW
storage westeurope rotation 120 40m00s 3h00m 20h00m 1d01h 1d00h 1d06h
cosmosdb - revocation 0 - - - - 1h00m -
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := printed(func(a *app) { a.printTimings(nil) }); got != "Nothing was seen yet.\n" {
		t.Error(got)
	}
}
