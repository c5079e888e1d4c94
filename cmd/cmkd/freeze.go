package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/configs"
	"cmkd/rotator"
)

// freezeFlags say what to freeze, and how long.
type freezeFlags struct {
	vault, key, until, span, reason string
}

func (a *app) freezeCmd() *cobra.Command {
	var flags freezeFlags
	c := &cobra.Command{
		Use:   "freeze",
		Short: "Stop every write but those of revocations and reinstatements",
		Long: `Stop every write but those of revocations and reinstatements: of one key, of one vault,
or of all. No version is made, none is retired, no dependent is updated; what is under
way goes on observing, and what waits goes on by itself when the freeze ends. A scheduled
rotation that is due meanwhile is caught up as its misfire says. A call that is already
out is accounted for.

Without --until or --for it lasts until somebody ends it: cmkd unfreeze.`,
		Example: `  cmkd freeze --reason "INC-4711: storage loses access" --for 4h
  cmkd freeze --vault contoso --until 2026-12-24T18:00:00Z --reason "move of the vault"
  cmkd freeze --key payments --reason "audit"
  cmkd freeze list
  cmkd unfreeze f-1 --reason "INC-4711 is closed"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := flags.request()
			if err != nil {
				return err
			}
			client := a.client()
			defer client.Close()
			return a.freeze(c.Context(), client, r)
		},
	}
	f := c.Flags()
	f.StringVar(&flags.vault, "vault", "", "the keys of this vault: its host, or the host's first label")
	f.StringVar(&flags.key, "key", "", "this key")
	f.StringVar(&flags.until, "until", "", "when it ends: 12h, 30d, or a time such as 2026-12-24T18:00:00Z")
	f.StringVar(&flags.span, "for", "", "how long: 30m, 4h, 2d")
	f.StringVarP(&flags.reason, "reason", "r", "", "why, in your own words; whoever is stopped reads it")
	_ = c.RegisterFlagCompletionFunc("key", a.completes(keyNames)) // the flag is there
	c.AddCommand(a.freezeListCmd(), a.unfreezeCmd("end"))
	return c
}

// request reads the command line.
func (f *freezeFlags) request() (r control.FreezeRequest, err error) {
	r = control.FreezeRequest{Vault: f.vault, Key: f.key, Reason: f.reason}
	switch {
	case f.reason == "":
		return r, usage(rotator.Errorf(rotator.CodeInvalid, "a freeze needs a reason").WithHint("--reason REASON: whoever is stopped by it reads it"))
	case f.vault != "" && f.key != "":
		return r, usage(rotator.Errorf(rotator.CodeInvalid, "a freeze is of one vault or of one key").WithHint("leave one of them out, or both to freeze everything"))
	case f.until != "" && f.span != "":
		return r, usage(rotator.Errorf(rotator.CodeInvalid, "a freeze ends at a time or after a while, not both").WithHint("leave out --until or --for"))
	case f.until != "":
		if r.Until, r.For.Duration, err = readUntil(f.until); err != nil {
			return r, err
		}
	case f.span != "":
		d, err := configs.ParseDuration(f.span)
		if err != nil {
			return r, usage(rotator.Errorf(rotator.CodeInvalid, "--for: %v", err).WithHint("for instance --for 4h"))
		}
		if r.For.Duration = time.Duration(d); d <= 0 {
			return r, usage(rotator.Errorf(rotator.CodeInvalid, "--for %s is over at once", f.span).WithHint("for instance --for 4h"))
		}
	}
	return r, nil
}

func (a *app) freeze(ctx context.Context, client *control.Client, r control.FreezeRequest) error {
	f, err := client.Freeze(ctx, r)
	if err != nil {
		return err
	}
	return a.print(f, func() error {
		a.say("%s: %s is frozen %s", clean(f.ID), clean(f.Subject()), f.Ends())
		a.say("Revocations and reinstatements go on. To end it: cmkd unfreeze %s --reason REASON", clean(f.ID))
		return nil
	})
}

func (a *app) freezeListCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the freezes that hold",
		Example: `  cmkd freeze list`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			freezes, err := client.Freezes(c.Context())
			if err != nil {
				return err
			}
			s, err := client.Summary(c.Context())
			if err != nil {
				return err
			}
			return a.print(freezes, func() error { a.printFreezes(freezes, s.Now); return nil })
		},
	}
}

func (a *app) printFreezes(freezes []rotator.Freeze, now time.Time) {
	if len(freezes) == 0 {
		a.say("Nothing is frozen.")
		return
	}
	g := newGrid(a.out, "freeze", "of", "ends", "began", "by", "reason")
	for i := range freezes {
		f := &freezes[i]
		ends := "when somebody ends it"
		if !f.Until.IsZero() {
			ends = ahead(f.Until, now)
		}
		g.add(clean(f.ID), clean(f.Subject()), ends, ago(f.Made, now), clean(f.Actor), clean(f.Reason))
	}
	g.render()
}

// unfreezeCmd is `cmkd unfreeze`, and `cmkd freeze end`.
func (a *app) unfreezeCmd(name string) *cobra.Command {
	var r control.CommandRequest
	full := name
	if name == "end" {
		full = "freeze end"
	}
	c := &cobra.Command{
		Use:   name + " FREEZE",
		Short: "End a freeze; what waits for that goes on",
		Example: `  cmkd freeze list      # shows the ids
  cmkd ` + full + ` f-1 --reason "INC-4711 is closed"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(freezeIDs),
		RunE: func(c *cobra.Command, args []string) error {
			if r.Reason == "" {
				return usage(rotator.Errorf(rotator.CodeInvalid, "the end of a freeze needs a reason").WithHint("--reason REASON: whoever began it reads it"))
			}
			client := a.client()
			defer client.Close()
			f, err := client.EndFreeze(c.Context(), args[0], r)
			if err != nil {
				return err
			}
			return a.print(f, func() error {
				a.say("%s: %s, frozen by %s, goes on", clean(f.ID), clean(f.Subject()), clean(f.Actor))
				return nil
			})
		},
	}
	c.Flags().StringVarP(&r.Reason, "reason", "r", "", "why, in your own words; kept in the audit trail")
	return c
}

// frozenLines say what is frozen, each freeze in a line.
func frozenLines(freezes []rotator.Freeze) (lines []string) {
	for i := range freezes {
		f := &freezes[i]
		lines = append(lines, "FROZEN: "+clean(f.Subject())+", by "+clean(f.Actor)+" "+f.Ends()+" ("+clean(f.ID)+"): "+clean(f.Reason))
	}
	return lines
}

// nextOf says when a key is rotated next.
func nextOf(k *rotator.KeyStatus, now time.Time) string {
	if len(k.Freezes) > 0 && !k.NextRotation.IsZero() && k.NextRotation.Before(now) {
		return "when " + clean(k.Freezes[0].ID) + " ends"
	}
	return ahead(k.NextRotation, now)
}
