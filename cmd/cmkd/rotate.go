package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

// waitFlags are those of every command that begins an operation.
type waitFlags struct {
	reason  string
	wait    bool
	timeout time.Duration
}

func (f *waitFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&f.reason, "reason", "r", "", "why, in your own words; kept in the audit trail")
	c.Flags().BoolVarP(&f.wait, "wait", "w", false, "follow it until it is done; Ctrl-C stops following, not the operation")
	c.Flags().DurationVar(&f.timeout, "timeout", 0, "stop following after this time, with exit code 1")
}

func (a *app) rotateCmd() *cobra.Command {
	var flags waitFlags
	var dryRun bool
	var accept string
	c := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Make a new version of a key and follow it through its dependents",
		Long: `Make a new version of a key and follow it through every dependent until each is
known to use it. What becomes of the previous version is said by retire: in the
configuration.

With --wait, a rotation that only waits for you to retire the previous version
counts as done. Exit code 3 means that it stalled or needs action.`,
		Example: `  cmkd rotate payments --reason "quarterly" --wait
  cmkd rotate payments --dry-run
  cmkd status op-17 --watch      # follow it again later`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(keyNames),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			if dryRun {
				return a.showPlan(c.Context(), client, args[0], rotator.KindRotation)
			}
			op, err := keyCommand(client.Rotate).patiently(c.Context(), args[0], control.CommandRequest{Reason: flags.reason, Accept: accept})
			if err != nil {
				return err
			}
			return a.begun(c.Context(), client, op, flags)
		},
	}
	flags.add(c)
	c.Flags().StringVar(&accept, "accept", "", "a version that the next one may be made like, although it is weaker than the one in use")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "say what would happen and change nothing; same as cmkd plan")
	c.MarkFlagsMutuallyExclusive("accept", "dry-run") // a plan is of what nobody accepted yet
	return c
}

// begun says that an operation began, and follows it if that is wanted.
func (a *app) begun(ctx context.Context, client *control.Client, op rotator.Operation, flags waitFlags) error {
	if flags.wait {
		return a.follow(ctx, client, op.ID, flags.timeout)
	}
	return a.print(op, func() error {
		a.say("%s: %s of %s is %s", op.ID, op.Kind, clean(op.Key), op.State)
		if op.Waiting.For != "" {
			a.say("waiting %s", clean(op.WaitingText()))
		}
		a.say("follow it with: cmkd status %s --watch", op.ID)
		return nil
	})
}
