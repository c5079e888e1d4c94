package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

func (a *app) attestCmd() *cobra.Command {
	var reason, until string
	c := &cobra.Command{
		Use:   "attest KEY DEPENDENT --reason TEXT --until WHEN",
		Short: "Say that a dependent does not need the previous version any more",
		Long: `Say that a dependent does not need the previous version of a key any more, where that
cannot be seen: something of it is a blind spot, it is excluded, of kind manual, or only
inferred. Requires the approver role. It counts for whoever retires if that is another
person; for the old versions, the binding and the blind spots that are there now, and no
longer than --until. What is seen to contradict it voids it for good.`,
		Example: `  cmkd attest payments contoso-orders --reason "no backup is older than the rotation" --until 30d
  cmkd attest payments tapes-lyon --reason "INC-4711" --until 2026-12-31
  cmkd attest list
  cmkd attest end a-1 --reason "was wrong"`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return a.completes(keyNames)(c, args, typed)
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			r := control.AttestRequest{Dependent: args[1], Reason: reason}
			var err error
			if r.Until, r.For.Duration, err = readUntil(until); err != nil {
				return err
			}
			client := a.client()
			defer client.Close()
			made, err := client.Attest(c.Context(), args[0], r)
			if err != nil {
				return err
			}
			return a.print(made, func() error {
				a.say("%s: %s does not need version %s of %s any more, says %s, until %s", made.ID, clean(name(made.Dependent)),
					strings.Join(made.Versions, ", "), clean(made.Key), clean(made.Actor), stamp(made.Until))
				if len(made.BlindSpots) > 0 {
					a.say("It stands in for what cannot be seen: %s.", clean(strings.Join(made.BlindSpots, ", ")))
				}
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVarP(&reason, "reason", "r", "", "how it is known, in your own words; kept in the audit trail")
	f.StringVar(&until, "until", "", "for how long it counts: 30d, 12h, or a date such as 2026-12-31")
	c.AddCommand(a.attestListCmd(), a.attestEndCmd())
	return c
}

// name is the last part of a resource's id.
func name(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

func (a *app) attestListCmd() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the attestations, also those that have ended",
		Example: `  cmkd attest list --key payments`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			all, err := client.Attestations(c.Context(), key)
			if err != nil {
				return err
			}
			s, err := client.Summary(c.Context())
			if err != nil {
				return err
			}
			return a.print(all, func() error { a.printAttestations(all, s.Now); return nil })
		},
	}
	c.Flags().StringVar(&key, "key", "", "only of this key")
	_ = c.RegisterFlagCompletionFunc("key", a.completes(keyNames)) // the flag is there
	return c
}

func (a *app) printAttestations(all []rotator.Attestation, now time.Time) {
	if len(all) == 0 {
		a.say("No attestation.")
		return
	}
	g := newGrid(a.out, "attestation", "key", "dependent", "versions", "counts", "by", "reason")
	for i := range all {
		x := &all[i]
		counts := "until " + stamp(x.Until)
		switch {
		case x.Void != nil:
			counts = "no more: " + clean(x.Void.Message)
		case !x.Holds(now):
			counts = "ended " + ago(x.Until, now)
		}
		versions := make([]string, len(x.Versions))
		for n, v := range x.Versions {
			versions[n] = short(v)
		}
		g.add(clean(x.ID), clean(x.Key), clean(name(x.Dependent)), strings.Join(versions, ", "), counts, clean(x.Actor), clean(x.Reason))
	}
	g.render()
}

func (a *app) attestEndCmd() *cobra.Command {
	var r control.CommandRequest
	c := &cobra.Command{
		Use:   "end ATTESTATION",
		Short: "Take an attestation back",
		Example: `  cmkd attest list       # shows the ids
  cmkd attest end a-1 --reason "was wrong"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			x, err := client.WithdrawAttestation(c.Context(), args[0], r)
			if err != nil {
				return err
			}
			return a.print(x, func() error {
				a.say("%s: does not count any more, about %s of %s", clean(x.ID), clean(name(x.Dependent)), clean(x.Key))
				return nil
			})
		},
	}
	c.Flags().StringVarP(&r.Reason, "reason", "r", "", "why, in your own words; kept in the audit trail")
	return c
}
