package main

import (
	"strconv"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"

	"github.com/spf13/cobra"
)

func (a *app) cancelCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "cancel OPERATION",
		Short: "End an operation; what it did is not undone",
		Long: `End an operation. What it did is not undone: a new version stays, and the previous
one stays enabled, to be retired after the next rotation.`,
		Example:           `  cmkd cancel op-17 --reason "wrong key"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(operationIDs),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseOperation(args[0])
			if err != nil {
				return err
			}
			client := a.client()
			defer client.Close()
			op, err := operationCommand(client.Cancel).patiently(c.Context(), id, control.CommandRequest{Reason: reason})
			if err != nil {
				return err
			}
			return a.print(op, func() error {
				a.say("%s: %s of %s is %s", op.ID, op.Kind, clean(op.Key), op.State)
				if op.Waiting.For != "" {
					a.say("waiting %s", clean(op.WaitingText()))
				}
				return nil
			})
		},
	}
	c.Flags().StringVarP(&reason, "reason", "r", "", "why, in your own words; kept in the audit trail")
	return c
}

// parseOperation reads op-17, or 17 as JSON output has it.
func parseOperation(text string) (rotator.OperationID, error) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > 0 {
		return rotator.OperationID(n), nil
	}
	id, err := rotator.ParseOperationID(text)
	if err != nil {
		return 0, usage(err)
	}
	return id, nil
}
