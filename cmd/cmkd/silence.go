package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/configs"
	"cmkd/rotator"
)

// silenceFlags say what to silence, and how long.
type silenceFlags struct {
	rule, key, span, reason string
}

func (a *app) silenceCmd() *cobra.Command {
	var flags silenceFlags
	c := &cobra.Command{
		Use:   "silence [ALERT] --for DURATION",
		Short: "Keep alerts from being delivered for a while",
		Long: `Keep alerts from being delivered for a while: one alert by its id, of which
a unique prefix is enough, or all of a rule, of a key, or of both. They are still
listed, and counted by cmkd status. What fires when the silence ends is delivered then.`,
		Example: `  cmkd silence propagation-stalled/op-17/storage --for 2h --reason "INC-4711"
  cmkd silence --key payments --for 1d --reason "is being moved"
  cmkd silence --rule clock-jumped --for 30m
  cmkd silence end s-1`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completesFirst(alertIDs),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := flags.request(args)
			if err != nil {
				return err
			}
			client := a.client()
			defer client.Close()
			return a.silence(c.Context(), client, r)
		},
	}
	f := c.Flags()
	f.StringVar(&flags.rule, "rule", "", "all alerts of this rule; cmkd alert rules lists them")
	f.StringVar(&flags.key, "key", "", "all alerts about this key")
	f.StringVar(&flags.span, "for", "", "how long: 30m, 2h, 1d12h")
	f.StringVarP(&flags.reason, "reason", "r", "", "why, in your own words; kept in the audit trail")
	_ = c.RegisterFlagCompletionFunc("rule", a.completes(ruleNames)) // the flag is there
	_ = c.RegisterFlagCompletionFunc("key", a.completes(keyNames))
	c.AddCommand(a.silenceListCmd(), a.silenceEndCmd())
	return c
}

// request reads the command line.
func (s *silenceFlags) request(args []string) (r control.SilenceRequest, err error) {
	r = control.SilenceRequest{Rule: rotator.Rule(s.rule), Key: s.key, Reason: s.reason}
	if len(args) > 0 {
		r.Alert = args[0]
	}
	if r.Alert == "" && r.Rule == "" && r.Key == "" {
		return r, usage(rotator.Errorf(rotator.CodeInvalid, "nothing says which alerts to silence").
			WithHint("name an alert, or give --rule or --key; cmkd alert list shows the alerts"))
	}
	if s.span == "" {
		return r, usage(rotator.Errorf(rotator.CodeInvalid, "nothing says how long to silence").WithHint("for instance --for 2h"))
	}
	d, err := configs.ParseDuration(s.span)
	if err != nil {
		return r, usage(rotator.Errorf(rotator.CodeInvalid, "--for: %v", err).WithHint("for instance --for 2h"))
	}
	if r.For.Duration = time.Duration(d); d <= 0 {
		return r, usage(rotator.Errorf(rotator.CodeInvalid, "--for %s is over at once", s.span).WithHint("for instance --for 2h"))
	}
	return r, nil
}

func (a *app) silence(ctx context.Context, client *control.Client, r control.SilenceRequest) error {
	alerts, err := client.Alerts(ctx, control.AlertFilter{Firing: true})
	if err != nil {
		return err
	}
	if r.Alert != "" {
		x, err := findAlert(alerts, r.Alert)
		if err != nil {
			return err
		}
		r.Alert = x.ID
	}
	s, err := client.Silence(ctx, r)
	if err != nil {
		return err
	}
	held := 0
	for i := range alerts {
		if s.Silences(&alerts[i].Alert, s.Created) {
			held++
		}
	}
	return a.print(s, func() error {
		a.say("%s: %s until %s (for %s)", s.ID, silenced(&s), stamp(s.Until), span(s.Until.Sub(s.Created)))
		switch held {
		case 0:
			a.say("Nothing that fires now is held back by it.")
		default:
			a.say("It holds back %s now. To end it earlier: cmkd silence end %s", count(held, "alert"), s.ID)
		}
		return nil
	})
}

// silenced says which alerts a silence is for.
func silenced(s *rotator.Silence) string {
	var parts []string
	if s.Alert != "" {
		parts = append(parts, "alert "+clean(s.Alert))
	}
	if s.Rule != "" {
		parts = append(parts, "rule "+clean(string(s.Rule)))
	}
	if s.Key != "" {
		parts = append(parts, "key "+clean(s.Key))
	}
	return strings.Join(parts, ", ")
}

func (a *app) silenceListCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the silences, also those that ended lately",
		Example: `  cmkd silence list`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			silences, err := client.Silences(c.Context())
			if err != nil {
				return err
			}
			s, err := client.Summary(c.Context())
			if err != nil {
				return err
			}
			return a.print(silences, func() error { a.printSilences(silences, s.Now); return nil })
		},
	}
}

func (a *app) printSilences(silences []rotator.Silence, now time.Time) {
	if len(silences) == 0 {
		a.say("No silence.")
		return
	}
	g := newGrid(a.out, "silence", "of", "ends", "started", "by", "reason")
	for i := range silences {
		s := &silences[i]
		ends := ahead(s.Until, now)
		if !now.Before(s.Until) {
			ends = "ended " + ago(s.Until, now)
		}
		g.add(clean(s.ID), silenced(s), ends, ago(s.Created, now), clean(s.Actor), clean(s.Reason))
	}
	g.render()
}

func (a *app) silenceEndCmd() *cobra.Command {
	var r control.CommandRequest
	c := &cobra.Command{
		Use:   "end SILENCE",
		Short: "End a silence before its time",
		Example: `  cmkd silence list      # shows the ids
  cmkd silence end s-1`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(silenceIDs),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			s, err := client.EndSilence(c.Context(), args[0], r)
			if err != nil {
				return err
			}
			return a.print(s, func() error { a.say("%s: ended, %s", clean(s.ID), silenced(&s)); return nil })
		},
	}
	c.Flags().StringVarP(&r.Reason, "reason", "r", "", "why, in your own words; kept in the audit trail")
	return c
}
