package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"cmkd/cmd/internal/control"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const (
	defaultSocket = "/run/cmkd/cmkd.sock"
	defaultConfig = "/etc/cmkd/cmkd.yaml"
)

// app is what all commands share: the global flags and the terminal.
type app struct {
	in io.Reader
	// out and errs remember the first error of writing to stdout and stderr.
	out, errs *sink
	stdout    io.Writer
	getenv    func(string) string

	socket, config, format string
	noColor                bool
	// started is true once the command line was found to be well-formed.
	started bool
}

func newApp(in io.Reader, out, errs io.Writer, getenv func(string) string) *app {
	return &app{in: in, out: &sink{w: out}, errs: &sink{w: errs}, stdout: out, getenv: getenv}
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "cmkd",
		Short: "Rotate customer-managed keys in Azure Key Vault, and see it through",
		Long: `cmkd rotates, revokes and reinstates customer-managed keys in Azure Key Vault and
follows each change through every dependent resource until there is evidence
that it took effect.

  cmkd run      is the daemon, which systemd usually starts
  cmkd demo     shows everything in a simulated Azure, in under a minute
  cmkd status   says what needs you

Exit codes: 0 done, 1 error, 2 usage, 3 stalled or needs action, 4 not found,
5 refused by a guard, 6 daemon unreachable, 130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			switch a.format {
			case "table", "json", "yaml":
				a.started = true
				return nil
			default:
				return fmt.Errorf("unknown output format %q: choose table, json or yaml", a.format)
			}
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.socket, "socket", cmp.Or(a.getenv("CMKD_SOCKET"), defaultSocket), "the daemon's socket (also $CMKD_SOCKET)")
	flags.StringVar(&a.config, "config", cmp.Or(a.getenv("CMKD_CONFIG"), defaultConfig), "the configuration file (also $CMKD_CONFIG)")
	flags.StringVarP(&a.format, "output", "o", "table", "how to print: table, json or yaml")
	flags.BoolVar(&a.noColor, "no-color", a.getenv("NO_COLOR") != "", "no colours (also $NO_COLOR)")
	root.AddGroup(&cobra.Group{ID: "key", Title: "Keys:"}, &cobra.Group{ID: "look", Title: "Looking:"},
		&cobra.Group{ID: "alert", Title: "Alerts:"},
		&cobra.Group{ID: "daemon", Title: "The daemon:"}, &cobra.Group{ID: "try", Title: "Trying it out:"})
	for group, commands := range map[string][]*cobra.Command{
		"key":    {a.rotateCmd(), a.revokeCmd(), a.reinstateCmd(), a.retireCmd(), a.attestCmd(), a.approveCmd(), a.cancelCmd(), a.freezeCmd(), a.unfreezeCmd("unfreeze"), a.planCmd()},
		"look":   {a.statusCmd(), a.historyCmd(), a.eventsCmd(), a.auditCmd(), a.timingsCmd(), a.reasonsCmd(), a.kindsCmd()},
		"alert":  {a.alertCmd(), a.silenceCmd()},
		"daemon": {a.runCmd(), a.configCmd(), a.backupCmd(), a.versionCmd()},
		"try":    {a.simulateCmd(), a.demoCmd()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	return root
}

// client returns a client of the daemon.
func (a *app) client() *control.Client { return control.NewClient(a.socket) }

// terminal returns the file descriptor of the output if it is a terminal.
func (a *app) terminal() (fd int, ok bool) {
	f, isFile := a.stdout.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) || a.getenv("TERM") == "dumb" {
		return 0, false
	}
	return int(f.Fd()), true
}

// asks reports whether somebody is there to be asked.
func (a *app) asks() bool {
	f, isFile := a.in.(*os.File)
	_, seen := a.terminal()
	return isFile && seen && term.IsTerminal(int(f.Fd()))
}

// colours reports whether to use them.
func (a *app) colours() bool {
	_, ok := a.terminal()
	return ok && !a.noColor
}
