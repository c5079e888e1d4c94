package main

import (
	"os"
	"os/signal"
	"syscall"

	"cmkd/cmd/internal/daemon"

	"github.com/spf13/cobra"
)

func (a *app) runCmd() *cobra.Command {
	var simulated string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Run the daemon in the foreground; systemd usually does, see cmkd.service. SIGHUP makes
it read the configuration again: one with a problem is refused and the old one
stays. SIGTERM stops it within seconds; nothing is lost, whenever it stops.`,
		Example: `  cmkd run --config /etc/cmkd/cmkd.yaml
  cmkd config check && systemctl reload cmkd`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o := daemon.Options{ConfigPath: a.config, About: about(), Log: a.errs.w}
			if c.Flags().Changed("socket") || a.getenv("CMKD_SOCKET") != "" {
				o.Socket = a.socket
			}
			if simulated != "" {
				clock, err := daemon.ParseSimulatedClock(simulated)
				if err != nil {
					return usage(err)
				}
				defer clock.Close()
				o.Clock = clock
				a.tell("WARNING: SIMULATED CLOCK %s. Never use this with a real Azure.", clock)
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			o.Reload = hup
			return failedStart(daemon.Run(c.Context(), o))
		},
	}
	c.Flags().StringVar(&simulated, "simulated-clock", "", "EPOCH,ANCHOR,SPEED, or the clock file of `cmkd simulate`: live in another time than the real one")
	_ = c.Flags().MarkHidden("simulated-clock") // the flag is there: it was just made
	return c
}

// failedStart gives every error of the daemon the same exit code: for systemd, a
// daemon that cannot run has failed, whatever the reason.
func failedStart(err error) error {
	if err == nil {
		return nil
	}
	return &outcomeError{exitError, err}
}
