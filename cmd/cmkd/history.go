package main

import (
	"time"

	"github.com/spf13/cobra"

	"cmkd/rotator"
)

func (a *app) historyCmd() *cobra.Command {
	var limit int
	var before string
	c := &cobra.Command{
		Use:   "history [KEY]",
		Short: "List past and present operations, newest first",
		Example: `  cmkd history
  cmkd history payments --limit 5
  cmkd history --before op-100     # the page after op-100`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completesFirst(keyNames),
		RunE: func(c *cobra.Command, args []string) error {
			f := rotator.OperationQuery{Limit: limit}
			if len(args) > 0 {
				f.Key = args[0]
			}
			if before != "" {
				id, err := parseOperation(before)
				if err != nil {
					return err
				}
				f.Before = id
			}
			client := a.client()
			defer client.Close()
			if f.Key != "" {
				if _, err := client.Key(c.Context(), f.Key); err != nil {
					return err
				}
			}
			ops, err := client.Operations(c.Context(), f)
			if err != nil {
				return err
			}
			return a.print(ops, func() error { a.printHistory(ops); return nil })
		},
	}
	c.Flags().IntVar(&limit, "limit", 20, "at most so many")
	c.Flags().StringVar(&before, "before", "", "only operations before this one")
	return c
}

func (a *app) printHistory(ops []rotator.Operation) {
	if len(ops) == 0 {
		a.say("No operation yet.")
		return
	}
	g := newGrid(a.out, "operation", "kind", "key", "state", "started", "took", "by", "reason")
	for i := range ops {
		op := &ops[i]
		g.add(op.ID.String(), string(op.Kind), clean(op.Key), a.shade(string(op.State)), stamp(op.Created), took(op), clean(op.Actor), clean(op.Reason))
	}
	g.render()
}

func took(op *rotator.Operation) string {
	if op.Finished.IsZero() {
		return "-"
	}
	return span(op.Finished.Sub(op.Created).Round(time.Second))
}
