package main

import (
	"context"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/daemon"

	"github.com/spf13/cobra"
)

func (a *app) auditCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Check the audit trail",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.auditVerifyCmd())
	return c
}

func (a *app) auditVerifyCmd() *cobra.Command {
	var store string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that no event was changed, removed, added or reordered",
		Long: `Recompute the hash chain of the audit trail: through the daemon, or offline on a file
that no daemon has open, such as a backup. Keep the head that it prints elsewhere:
compared later, it shows whether somebody rewrote the whole trail.`,
		Example: `  cmkd audit verify
  cmkd audit verify --store /backup/cmkd-2026-01-31.db`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := a.verifyAudit(c.Context(), store)
			if err != nil {
				return err
			}
			return a.print(r, func() error { a.printReport(&r); return nil })
		},
	}
	c.Flags().StringVar(&store, "store", "", "check this file instead of asking the daemon")
	return c
}

func (a *app) verifyAudit(ctx context.Context, store string) (control.LogReport, error) {
	if store != "" {
		return daemon.VerifyStore(ctx, store)
	}
	client := a.client()
	defer client.Close()
	return client.Verify(ctx)
}

func (a *app) printReport(r *control.LogReport) {
	a.say("The audit trail is intact: %s of store %s, from %s to %s.", count(int(r.Events), "event"), clean(r.Instance), stamp(r.First), stamp(r.Last))
	a.say("head %s", clean(r.Head))
}
