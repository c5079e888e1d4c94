package main

import (
	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
)

func (a *app) approveCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "approve OPERATION",
		Short: "Consent to a revocation that another person asked for",
		Long: `Consent to an operation that waits for a second person. Requires the approver role;
the requester cannot approve.`,
		Example: `  cmkd status            # shows what waits
  cmkd approve op-17`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(operationIDs),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseOperation(args[0])
			if err != nil {
				return err
			}
			client := a.client()
			defer client.Close()
			op, err := operationCommand(client.Approve).patiently(c.Context(), id, control.CommandRequest{Reason: reason})
			if err != nil {
				return err
			}
			return a.begun(c.Context(), client, op, waitFlags{})
		},
	}
	c.Flags().StringVarP(&reason, "reason", "r", "", "why, in your own words; kept in the audit trail")
	return c
}
