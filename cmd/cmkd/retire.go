package main

import (
	"strings"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
)

func (a *app) retireCmd() *cobra.Command {
	var reason string
	var compromised bool
	c := &cobra.Command{
		Use:   "retire KEY",
		Short: "Disable the previous version of a key, if the guard agrees",
		Long: `Disable the previous version of a key whose rotation waits for it. Every dependent
is observed afresh first; as long as one uses the old version, cannot be read or
is unknown, the old version stays enabled, the command says which one and why, and
the exit code is 5. cmkd plan KEY --retire shows beforehand what the guard would say.

The rotation is then in probation, for the longest time in which one of its dependents
would lose access: if a service itself says in that time that it lacks the version, cmkd
enables it again, once, and raises a critical alert. With --compromised it does not.`,
		Example: `  cmkd retire payments --reason "all moved"
  cmkd retire payments --reason "leaked, INC-4711" --compromised
  cmkd status payments        # shows what blocks it`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(keyNames),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			op, err := keyCommand(client.Retire).patiently(c.Context(), args[0], control.CommandRequest{Reason: reason, Compromised: compromised})
			if err != nil {
				return err
			}
			return a.print(op, func() error {
				a.say("%s: %s is %s, disabled: %s", op.ID, clean(op.Key), op.State, dash(strings.Join(op.Retired, ", ")))
				return nil
			})
		},
	}
	c.Flags().StringVarP(&reason, "reason", "r", "", "why, in your own words; kept in the audit trail")
	c.Flags().BoolVar(&compromised, "compromised", false, "the version is not to be trusted any more: no probation, never enabled again")
	return c
}
