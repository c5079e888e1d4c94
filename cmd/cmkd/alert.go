package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// proseWidth is how wide sentences are set.
const proseWidth = 88

func (a *app) alertCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "alert",
		Short: "Show what needs somebody and who was told; try out the receivers",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.alertListCmd(), a.alertShowCmd(), a.alertTestCmd(), a.alertRulesCmd())
	return c
}

func (a *app) alertListCmd() *cobra.Command {
	var key string
	var all, check bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the alerts that fire, worst first",
		Long: `List the alerts that fire, worst first, and the receivers that cannot be told of
them. With --check, the exit code is 3 if one of the alerts is not silenced.`,
		Example: `  cmkd alert list
  cmkd alert list --key payments
  cmkd alert list --check -o json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			return a.listAlerts(c.Context(), client, control.AlertFilter{Key: key, Firing: !all}, check)
		},
	}
	c.Flags().StringVar(&key, "key", "", "only of this key")
	_ = c.RegisterFlagCompletionFunc("key", a.completes(keyNames)) // the flag is there
	c.Flags().BoolVar(&all, "all", false, "also those that are over, as long as a receiver was not told so yet")
	c.Flags().BoolVar(&check, "check", false, "exit with 3 if an alert fires that is not silenced")
	return c
}

func (a *app) listAlerts(ctx context.Context, client *control.Client, f control.AlertFilter, check bool) error {
	alerts, err := client.Alerts(ctx, f)
	if err != nil {
		return err
	}
	s, err := client.Summary(ctx)
	if err != nil {
		return err
	}
	receivers, err := client.Receivers(ctx)
	if err != nil {
		return err
	}
	show := func() error {
		a.printAlerts(alerts, s.Now)
		a.printUntold(receivers)
		return nil
	}
	if err := a.print(alerts, show); err != nil {
		return err
	}
	if check && slices.ContainsFunc(alerts, func(x rotator.AlertStatus) bool { return x.Firing() && x.Silence == "" }) {
		return &outcomeError{code: exitNeedsAction}
	}
	return nil
}

func (a *app) printAlerts(alerts []rotator.AlertStatus, now time.Time) {
	if len(alerts) == 0 {
		a.say("No alert.")
		return
	}
	g := newGrid(a.out, "severity", "alert", "what", "started", "silenced by")
	for i := range alerts {
		x := &alerts[i]
		started := ago(x.Starts, now)
		if !x.Firing() {
			started += ", over " + ago(x.Ends, now)
		}
		g.add(a.shade(string(x.Severity)), clean(x.ID), clean(x.Summary), started, dash(x.Silence))
	}
	g.render()
}

// printUntold names the receivers that could not be told, lest their silence be
// taken for good news.
func (a *app) printUntold(receivers []rotator.ReceiverStatus) {
	for i := range receivers {
		if r := &receivers[i]; r.Failures > 0 {
			a.say("%s cannot be told, %s failed: %s; cmkd alert test %s", clean(r.Name), count(r.Failures, "attempt"), clean(r.Problem), clean(r.Name))
		}
	}
}

func (a *app) alertShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show ALERT",
		Short: "Show all about an alert: what it means, what to do next, who was told",
		Long: `Show all about an alert: what it means, the likely causes, the next command to type,
the dependents concerned, and what each receiver was told. Of its id, a unique
prefix is enough.`,
		Example: `  cmkd alert list        # shows the ids
  cmkd alert show propagation-stalled/op-17/storage`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(alertIDs),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			alerts, err := client.Alerts(c.Context(), control.AlertFilter{})
			if err != nil {
				return err
			}
			x, err := findAlert(alerts, args[0])
			if err != nil {
				return err
			}
			s, err := client.Summary(c.Context())
			if err != nil {
				return err
			}
			return a.print(x, func() error { a.printAlert(x, s.Now); return nil })
		},
	}
}

// findAlert returns the alert with an id, or the only one whose id begins so.
func findAlert(alerts []rotator.AlertStatus, id string) (*rotator.AlertStatus, error) {
	var found []*rotator.AlertStatus
	for i := range alerts {
		x := &alerts[i]
		if x.ID == id {
			return x, nil
		}
		if id != "" && strings.HasPrefix(x.ID, id) {
			found = append(found, x)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, rotator.Errorf(rotator.CodeNotFound, "there is no alert %s", id).WithHint("cmkd alert list --all shows those there are")
	default:
		return nil, rotator.Errorf(rotator.CodeInvalid, "%d alerts begin with %s: %s and others", len(found), id, found[0].ID).
			WithHint("cmkd alert list --all shows their ids")
	}
}

func (a *app) printAlert(x *rotator.AlertStatus, now time.Time) {
	a.say("%s  %s: %s", a.bold(clean(x.ID)), a.shade(string(x.Severity)), clean(x.Summary))
	state := "firing since " + stamp(x.Starts) + " (" + ago(x.Starts, now) + ")"
	if !x.Firing() {
		state = fmt.Sprintf("over since %s (%s), after %s", stamp(x.Ends), ago(x.Ends, now), span(x.Ends.Sub(x.Starts)))
	}
	a.field("state", state)
	if x.Silence != "" {
		a.field("silenced", "by "+x.Silence+"; cmkd silence end "+x.Silence)
	}
	a.field("rule", x.Title)
	a.field("means", x.Meaning)
	a.field("why", x.Why)
	for i, cause := range x.Causes {
		label := ""
		if i == 0 {
			label = "causes"
		}
		a.field(label, "- "+cause)
	}
	a.field("do", x.Hint)
	a.field("next", x.Next)
	a.printAffected(x)
	a.printTold(x, now)
}

// field prints a labelled sentence, if there is one, over as many lines as it
// takes.
func (a *app) field(label, value string) {
	if value == "" {
		return
	}
	for i, line := range strings.Split(text.WrapSoft(clean(value), proseWidth), "\n") {
		if i > 0 {
			label = ""
		}
		a.say("  %-9s %s", label, strings.TrimRight(line, " "))
	}
}

func (a *app) printAffected(x *rotator.AlertStatus) {
	if len(x.Affected) == 0 {
		return
	}
	a.say("")
	g := newGrid(a.out, "affected", "kind", "id")
	for _, d := range x.Affected {
		g.add(clean(d.Name), clean(d.Kind), clean(d.ID))
	}
	g.render()
	if more := x.Count - len(x.Affected); more > 0 {
		a.say("… and %d more", more)
	}
}

func (a *app) printTold(x *rotator.AlertStatus, now time.Time) {
	a.say("")
	if len(x.Told) == 0 {
		a.say("No receiver was told.")
		return
	}
	g := newGrid(a.out, "receiver", "told firing", "told over", "failures", "next try", "problem")
	for _, name := range slices.Sorted(maps.Keys(x.Told)) {
		d := x.Told[name]
		g.add(clean(name), ago(d.Fired, now), ago(d.Resolved, now), fmt.Sprint(d.Failures), ahead(d.Next, now), clean(d.Problem))
	}
	g.render()
}

func (a *app) alertTestCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "test [RECEIVER]",
		Short: "Send a test alert to one receiver, or to all",
		Long: `Send an alert that says that it is only a test to one receiver, or to all, once, and
say what came of it. The exit code is 1 if one of them could not be told.`,
		Example: `  cmkd alert test
  cmkd alert test on-call`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completesFirst(receiverNames),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			results, err := client.TestReceivers(c.Context(), name)
			if err != nil {
				return err
			}
			if err := a.print(results, func() error { a.printTest(results); return nil }); err != nil {
				return err
			}
			return testOutcome(results)
		},
	}
}

func (a *app) printTest(results []rotator.TestResult) {
	a.say("Each was sent an alert that says that it is only a test.")
	g := newGrid(a.out, "receiver", "kind", "result")
	for _, r := range results {
		result := a.shade("ok")
		if r.Problem != nil {
			result = a.shade("failed") + ": " + clean(r.Problem.String())
		}
		g.add(clean(r.Receiver), clean(r.Kind), result)
	}
	g.render()
}

func testOutcome(results []rotator.TestResult) error {
	var failed []string
	for _, r := range results {
		if r.Problem != nil {
			failed = append(failed, r.Receiver)
		}
	}
	err := rotator.Errorf(rotator.CodeUnavailable, "%d of %s did not take the test alert: %s", len(failed), count(len(results), "receiver"), strings.Join(failed, ", "))
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return err.WithHint("mend what stands beside it, then: cmkd alert test %s", failed[0])
	default:
		return err.WithHint("mend what stands beside them, then: cmkd alert test")
	}
}

func (a *app) alertRulesCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "rules",
		Short: "Explain the rules that raise alerts",
		Example: `  cmkd alert rules
  cmkd alert rules -o json     # with causes and what to do`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			rules, err := client.Rules(c.Context())
			if err != nil {
				return err
			}
			return a.print(rules, func() error { a.printRules(rules); return nil })
		},
	}
}

func (a *app) printRules(rules []alerting.RuleInfo) {
	for _, r := range rules {
		a.say("%s  %s: %s", a.bold(clean(string(r.Rule))), a.shade(string(r.Severity)), clean(r.Title))
		a.field("means", r.Meaning)
		a.field("ends when", r.Resolves)
	}
}
