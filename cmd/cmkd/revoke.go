package main

import (
	"bufio"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

func (a *app) revokeCmd() *cobra.Command {
	var flags waitFlags
	var confirm string
	c := &cobra.Command{
		Use:   "revoke KEY --confirm KEY",
		Short: "Disable all versions of a key: its dependents lose their data until it is reinstated",
		Long: `Disable every enabled version of a key and follow each dependent until it was seen
without access. This stops whatever depends on the key: it is for incidents and
for offboarding.

What will break is shown first. The name of the key must be repeated: by
--confirm, or when asked on a terminal. Where the key is marked two_person, a
second person must approve: cmkd approve. cmkd reinstate undoes it.`,
		Example: `  cmkd plan payments --revoke        # what would break
  cmkd revoke payments --confirm payments --reason "INC-4711" --wait
  cmkd reinstate payments --wait`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(keyNames),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			if err := a.confirmRevocation(c.Context(), client, args[0], confirm); err != nil {
				return err
			}
			op, err := keyCommand(client.Revoke).patiently(c.Context(), args[0], control.CommandRequest{Reason: flags.reason, Confirm: args[0]})
			if err != nil {
				return err
			}
			return a.begun(c.Context(), client, op, flags)
		},
	}
	flags.add(c)
	c.Flags().StringVar(&confirm, "confirm", "", "the name of the key once more")
	return c
}

// confirmRevocation shows what will break and makes sure that it is meant.
func (a *app) confirmRevocation(ctx context.Context, client *control.Client, key, confirm string) error {
	if confirm != "" && confirm != key {
		return usage(rotator.Errorf(rotator.CodeInvalid, "--confirm says %s, but the key to revoke is %s", confirm, key).
			WithHint("nothing was changed"))
	}
	if confirm == "" || a.format == "table" {
		if err := a.warnOfRevocation(ctx, client, key); err != nil {
			return err
		}
	}
	if confirm != "" {
		return nil
	}
	if !a.asks() {
		return usage(rotator.Errorf(rotator.CodeInvalid, "a revocation must be confirmed by the name of the key").
			WithHint("cmkd revoke %s --confirm %s", key, key))
	}
	a.errs.printf("Type the name of the key to revoke it: ")
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != key {
		return rotator.Errorf(rotator.CodeConflict, "not confirmed").WithHint("nothing was changed")
	}
	return nil
}

// warnOfRevocation shows what will break, apart from the command's own output. A
// dependent or a vault that cannot be read does not stand in the way of a
// revocation.
func (a *app) warnOfRevocation(ctx context.Context, client *control.Client, key string) error {
	p, err := client.Plan(ctx, key, rotator.KindRevocation)
	if err != nil {
		return err
	}
	a.tell("Revoking %s (%s) will:", clean(p.Key), clean(string(p.KeyID)))
	for _, s := range p.Steps {
		a.tell("  - %s", clean(s))
	}
	for i := range p.Dependents {
		d := &p.Dependents[i]
		a.tell("  ! %s %s %s", d.Dependent.Kind, clean(d.Dependent.DisplayName()), clean(d.Effect))
	}
	for _, problem := range p.Problems {
		a.tell("  ? %s", clean(problem.String()))
	}
	printSearch(&p, func(format string, args ...any) { a.tell("  "+format, args...) })
	return nil
}

func (a *app) reinstateCmd() *cobra.Command {
	var flags waitFlags
	c := &cobra.Command{
		Use:   "reinstate KEY",
		Short: "Undo a revocation: enable exactly the versions that it disabled",
		Long: `Enable exactly the versions that the revocation of a key disabled, and follow each
dependent until it was seen with access again.`,
		Example:           `  cmkd reinstate payments --reason "INC-4711 is closed" --wait`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(keyNames),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			op, err := keyCommand(client.Reinstate).patiently(c.Context(), args[0], control.CommandRequest{Reason: flags.reason})
			if err != nil {
				return err
			}
			return a.begun(c.Context(), client, op, flags)
		},
	}
	flags.add(c)
	return c
}
