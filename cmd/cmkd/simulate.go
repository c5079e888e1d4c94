package main

import (
	"cmp"
	"path/filepath"
	"strings"
	"sync"

	"cmkd/cmd/internal/daemon"

	"github.com/spf13/cobra"
)

func (a *app) simulateCmd() *cobra.Command {
	var o daemon.SimulationOptions
	var readyFile, control string
	var verbose bool
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Run a simulated Azure as an HTTPS proxy on loopback",
		Long: `Run a simulated Azure: Entra ID, Key Vault, Resource Manager and the services that use
keys, on a clock that may run fast. It is a proxy that answers for Azure's own host
names with certificates of a throw-away authority, and refuses every other host.
Any client that is given the printed variables speaks to it instead of Azure:
cmkd, az, the SDKs, curl. Nothing it says is true.

A scenario is one of those built in (calm, demo, estate, stuck, throttled) or a file.

While it runs, the commands below change what it is like: from the directory it was
started in they find it by themselves, from elsewhere by --control.`,
		Example: `  cmkd simulate --scenario demo --speed 600
  cmkd simulate --scenario ./estate.yaml --ca-file /tmp/sim-ca.pem --verbose
  cmkd simulate jump 6h
  cmkd simulate save friday.sim && cmkd simulate --load friday.sim`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if verbose {
				var mu sync.Mutex
				o.Log = func(line string) {
					mu.Lock()
					defer mu.Unlock()
					a.tell("%s", clean(line))
				}
			}
			o.Control = cmp.Or(control, filepath.Join(filepath.Dir(o.CAFile), daemon.ControlSocket))
			o.ClockFile = daemon.ClockFileOf(o.Control)
			o.Slow = func(stage string) { a.tell("simulate: still %s", clean(stage)) }
			s, err := daemon.OpenSimulation(c.Context(), o)
			if err != nil {
				return err
			}
			a.announce(s.Info(), s.Clock())
			if readyFile != "" {
				if err := s.WriteInfo(readyFile); err != nil {
					return err
				}
			}
			return s.Serve(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&o.Scenario, "scenario", "demo", "the name of a built-in scenario, or a file")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "a loopback address; port 0 lets the system choose")
	f.Float64Var(&o.Speed, "speed", 0, "simulated seconds in a real one; by default the scenario's")
	f.StringVar(&o.CAFile, "ca-file", "cmkd-simulated-ca.pem", "where to write the certificate that clients have to trust")
	f.StringVar(&readyFile, "ready-file", "", "write what is printed here to a file as JSON, once it serves")
	f.StringVar(&o.Load, "load", "", "go on from a file of cmkd simulate save, instead of starting a scenario")
	f.BoolVar(&verbose, "verbose", false, "print how open questions are answered, and each request, on standard error")
	c.MarkFlagsMutuallyExclusive("load", "scenario")
	c.PersistentFlags().StringVar(&control, "control", "", "the socket that the simulation is controlled by; by default "+
		daemon.ControlSocket+" beside its certificate, and in this directory")
	c.AddCommand(a.simulateJumpCmd(&control), a.simulateSpeedCmd(&control), a.simulateNowCmd(&control),
		a.simulateFaultCmd(&control), a.simulateDoCmd(&control), a.simulateSaveCmd(&control), a.simulateLoadCmd(&control))
	return c
}

func (a *app) announce(info daemon.SimulationInfo, clock *daemon.SimulatedClock) {
	a.say("# SIMULATED AZURE: scenario %s, clock %s. Nothing here is real.", clean(info.Scenario), clock)
	a.say("# Give these to any Azure client:")
	a.exports(info.Environment)
	a.say("# A daemon on the same clock: cmkd run --config FILE --simulated-clock %s", info.SimulatedClock)
	a.say("# Controlled by %s: cmkd simulate jump, fault, do, save --help", clean(info.Control))
	a.say("# Ctrl-C stops it.")
}

// exports prints variables as a shell takes them.
func (a *app) exports(environment []string) {
	for _, v := range environment {
		name, value, _ := strings.Cut(v, "=")
		a.say("export %s='%s'", name, strings.ReplaceAll(clean(value), "'", `'\''`))
	}
}
