package main

import (
	"fmt"
	"time"

	"cmkd/rotator"

	"github.com/spf13/cobra"
)

func (a *app) timingsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "timings",
		Short: "Show how long changes were seen to take, by kind of dependent and region",
		Long: `Show how long dependents were seen to take to follow a change: half of them within
p50, nine of ten within p90, ninety-nine of a hundred within p99. What was only
inferred from the time that passed does not count. Beside it stand the window that
the service documents, and the one that what was seen suggests, once enough was
seen; windows in the configuration sets it.`,
		Example: `  cmkd timings
  cmkd timings -o json     # durations in nanoseconds`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			timings, err := client.Timings(c.Context())
			if err != nil {
				return err
			}
			return a.print(timings, func() error { a.printTimings(timings); return nil })
		},
	}
}

func (a *app) printTimings(timings []rotator.TimingStatus) {
	if len(timings) == 0 {
		a.say("Nothing was seen yet.")
		return
	}
	g := newGrid(a.out, "kind", "region", "change", "seen", "p50", "p90", "p99", "max", "documented window", "suggested window")
	for _, t := range timings {
		g.add(clean(t.Kind), dash(t.Region), string(t.Change), fmt.Sprint(t.Count),
			learned(t.P50), learned(t.P90), learned(t.P99), learned(t.Max), learned(t.Documented), learned(t.Suggested))
	}
	g.render()
}

// learned writes a duration that is zero while nothing is known.
func learned(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return span(d)
}
