package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// printed returns what print prints where there is no terminal.
func printed(print func(a *app)) string {
	var out strings.Builder
	print(newApp(strings.NewReader(""), &out, &out, func(string) string { return "" }))
	return out.String()
}

func alertOf(change func(*rotator.AlertStatus)) rotator.AlertStatus {
	x := rotator.AlertStatus{
		Alert: rotator.Alert{
			ID: "propagation-stalled/op-17/storage", Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityWarning,
			Key: "payments", Operation: 17, Summary: "storage ledger does not take the new version",
			Starts: noon().Add(-90 * time.Minute),
		},
		Title: "A dependent does not take the new version", Meaning: "It still uses the previous version.",
	}
	if change != nil {
		change(&x)
	}
	return x
}

func TestPrintAlerts(t *testing.T) {
	t.Parallel()
	got := printed(func(a *app) {
		a.printAlerts([]rotator.AlertStatus{
			alertOf(func(x *rotator.AlertStatus) { x.Severity, x.Summary = rotator.SeverityCritical, "a\x1b[2Jb" }),
			alertOf(func(x *rotator.AlertStatus) { x.Silence = "s-1" }),
			alertOf(func(x *rotator.AlertStatus) { x.Ends = noon().Add(-time.Minute) }),
		}, noon())
	})
	want := `SEVERITY  ALERT                              WHAT                                          STARTED                     SILENCED BY
critical  propagation-stalled/op-17/storage  a?[2Jb                                        1h30m ago                   -
warning   propagation-stalled/op-17/storage  storage ledger does not take the new version  1h30m ago                   s-1
warning   propagation-stalled/op-17/storage  storage ledger does not take the new version  1h30m ago, over 1m00s ago   -
`
	if diff := cmp.Diff(squeezed(want), squeezed(got)); diff != "" {
		t.Error(diff)
	}
	if got := printed(func(a *app) { a.printAlerts(nil, noon()) }); got != "No alert.\n" {
		t.Error(got)
	}
}

// squeezed leaves out how wide columns are.
func squeezed(table string) string {
	lines := strings.Split(table, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}

func TestPrintAlert(t *testing.T) {
	t.Parallel()
	x := alertOf(func(x *rotator.AlertStatus) {
		x.Silence, x.Causes = "s-1", []string{"it checks less often than documented", "it lost access"}
		x.Hint, x.Next = "grant it the role", "cmkd status op-17"
		x.Affected, x.Count = []rotator.Affected{{ID: "/x/ledger", Kind: "storage", Name: "ledger"}}, 1000
		x.Told = map[string]rotator.Delivery{
			"on-call": {Fired: noon().Add(-time.Hour)},
			"chat":    {Failures: 3, Next: noon().Add(time.Minute), Problem: "connection refused"},
		}
	})
	got := squeezed(printed(func(a *app) { a.printAlert(&x, noon()) }))
	want := `propagation-stalled/op-17/storage warning: storage ledger does not take the new version
state firing since 2026-01-05 10:30:00Z (1h30m ago)
silenced by s-1; cmkd silence end s-1
rule A dependent does not take the new version
means It still uses the previous version.
causes - it checks less often than documented
- it lost access
do grant it the role
next cmkd status op-17

AFFECTED KIND ID
ledger storage /x/ledger
… and 999 more

RECEIVER TOLD FIRING TOLD OVER FAILURES NEXT TRY PROBLEM
chat - - 3 in 1m00s connection refused
on-call 1h00m ago - 0 -
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	over := alertOf(func(x *rotator.AlertStatus) { x.Ends = noon().Add(-time.Minute) })
	got = printed(func(a *app) { a.printAlert(&over, noon()) })
	for _, says := range []string{"over since 2026-01-05 11:59:00Z (1m00s ago), after 1h29m", "No receiver was told."} {
		if !strings.Contains(got, says) {
			t.Errorf("%q is not in %s", says, got)
		}
	}
}

func TestFindAlert(t *testing.T) {
	t.Parallel()
	var alerts []rotator.AlertStatus
	for _, id := range []string{"clock-jumped", "needs-action/op-1", "needs-action/op-17", "needs-action/op-2"} {
		alerts = append(alerts, rotator.AlertStatus{Alert: rotator.Alert{ID: id}})
	}
	for in, want := range map[string]string{
		"needs-action/op-1": "needs-action/op-1", "needs-action/op-17": "needs-action/op-17", "clock": "clock-jumped", "needs-action/op-2": "needs-action/op-2",
	} {
		if got, err := findAlert(alerts, in); err != nil || got.ID != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for in, want := range map[string]int{"needs": exitUsage, "op-17": exitNotFound, "": exitNotFound} {
		_, err := findAlert(alerts, in)
		if err == nil || exitCode(err) != want || rotator.AsError(err).Hint == "" {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestTestOutcome(t *testing.T) {
	t.Parallel()
	ok := rotator.TestResult{Receiver: "chat", Kind: "shoutrrr"}
	failed := rotator.TestResult{Receiver: "on-call", Kind: "alertmanager", Problem: &rotator.Problem{Message: "connection refused", Hint: "start it"}}
	if err := testOutcome([]rotator.TestResult{ok, ok}); err != nil {
		t.Error(err)
	}
	all := []rotator.TestResult{ok, failed}
	err := testOutcome(all)
	if err == nil || exitCode(err) != exitError || !strings.Contains(err.Error(), "1 of 2 receivers") || !strings.Contains(err.Error(), "on-call") {
		t.Errorf("error is %v", err)
	}
	got := squeezed(printed(func(a *app) { a.printTest(all) }))
	want := "Each was sent an alert that says that it is only a test.\nRECEIVER KIND RESULT\nchat shoutrrr ok\non-call alertmanager failed: connection refused (start it)\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAlertLine(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]rotator.Summary{
		"":                                     {Alerts: map[rotator.Severity]int{}},
		"1 alert: 1 critical; cmkd alert list": {Alerts: map[rotator.Severity]int{rotator.SeverityCritical: 1}},
		"3 alerts: 1 critical, 2 warning; cmkd alert list":         {Alerts: map[rotator.Severity]int{rotator.SeverityWarning: 2, rotator.SeverityCritical: 1}},
		"1 alert: 1 silenced; cmkd alert list":                     {Silenced: 1},
		"6 alerts: 1 warning, 1 info, 4 silenced; cmkd alert list": {Alerts: map[rotator.Severity]int{rotator.SeverityWarning: 1, rotator.SeverityInfo: 1}, Silenced: 4},
	} {
		if got := alertLine(&control.Summary{Summary: s}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	got := printed(func(a *app) {
		a.printOverview(overview{Summary: control.Summary{Summary: rotator.Summary{Keys: 1, Silenced: 2}}}, false)
	})
	if !strings.HasPrefix(got, "2 alerts: 2 silenced; cmkd alert list\n1 key\n") {
		t.Errorf("the overview begins with %s", got)
	}
}

func TestPrintRules(t *testing.T) {
	t.Parallel()
	got := printed(func(a *app) { a.printRules(alerting.Rules()) })
	for line := range strings.SplitSeq(got, "\n") {
		if len([]rune(line)) > proseWidth+20 {
			t.Errorf("too long a line: %s", line)
		}
	}
	for _, r := range alerting.Rules() {
		if !strings.Contains(got, string(r.Rule)+"  "+string(r.Severity)+": "+r.Title) {
			t.Errorf("%s is missing", r.Rule)
		}
	}
}
