package main

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"cmkd/cmd/internal/control"

	"github.com/spf13/cobra"
)

// versions are those of the two ends.
type versions struct {
	Client control.Version  `json:"client"`
	Daemon *control.Version `json:"daemon,omitempty"`
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the daemon",
		Long: `Print the version of this program and, if it answers, of the daemon. That it does not
answer is no error here.`,
		Example: `  cmkd version
  cmkd version -o json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			v := versions{Client: about()}
			if d, err := client.Version(c.Context()); err == nil {
				v.Daemon = &d
			}
			return a.print(v, func() error {
				a.say("cmkd %s", versionLine(&v.Client))
				if v.Daemon != nil {
					a.say("daemon %s%s", versionLine(v.Daemon), simulation(v.Daemon.SimulatedClock))
				}
				return nil
			})
		},
	}
}

func versionLine(v *control.Version) string {
	line := clean(v.Version)
	if v.Revision != "" {
		line += " (" + clean(v.Revision) + ")"
	}
	return line + " " + clean(v.Go) + " " + clean(v.Platform)
}

// about says what this program is: by the linker's word, or by the module's.
func about() control.Version {
	v := control.Version{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = cmp.Or(v.Version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v.Revision = s.Value[:12]
			}
		}
	}
	v.Version = cmp.Or(v.Version, "unknown")
	return v
}
