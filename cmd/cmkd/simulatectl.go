package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"cmkd/cmd/internal/daemon"
	"cmkd/providers/azuresim"
	"cmkd/rotator"
)

// running returns a client of the simulation that runs in this directory, or of
// the one that --control names.
func running(control *string) *daemon.SimulationClient {
	return daemon.NewSimulationClient(cmp.Or(*control, daemon.ControlSocket))
}

func (a *app) printSimulated(t daemon.SimulationTime) error {
	return a.print(t, func() error {
		a.say("simulated %s: %s, ×%s", clean(t.Scenario), stamp(t.Now), strconv.FormatFloat(t.Speed, 'g', -1, 64))
		return nil
	})
}

func (a *app) simulateJumpCmd(control *string) *cobra.Command {
	return &cobra.Command{
		Use:   "jump DURATION",
		Short: "Let simulated time pass at once, here and for a daemon beside it",
		Long: `Let simulated time pass at once. All that Azure's services would have done meanwhile is
done, and a daemon that was started with the clock file which the simulation printed
(--simulated-clock) sees the time pass within a fraction of a second.`,
		Example: `  cmkd simulate jump 6h
  cmkd simulate jump 2d`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := daemon.ParseJump(args[0]); err != nil {
				return usage(err)
			}
			t, err := running(control).Jump(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printSimulated(t)
		},
	}
}

func (a *app) simulateSpeedCmd(control *string) *cobra.Command {
	return &cobra.Command{
		Use:     "speed FACTOR",
		Short:   "Change how many simulated seconds pass in a real one",
		Example: `  cmkd simulate speed 600`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			speed, err := strconv.ParseFloat(strings.TrimPrefix(args[0], "×"), 64)
			if err != nil {
				return usage(rotator.Errorf(rotator.CodeInvalid, "%q is no speed", args[0]).WithHint("for instance cmkd simulate speed 600"))
			}
			t, err := running(control).Accelerate(c.Context(), speed)
			if err != nil {
				return err
			}
			return a.printSimulated(t)
		},
	}
}

func (a *app) simulateNowCmd(control *string) *cobra.Command {
	return &cobra.Command{
		Use:     "now",
		Short:   "Print the simulated time",
		Example: `  cmkd simulate now`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := running(control).Now(c.Context())
			if err != nil {
				return err
			}
			return a.printSimulated(t)
		},
	}
}

func (a *app) simulateFaultCmd(control *string) *cobra.Command {
	c := &cobra.Command{
		Use:     "fault",
		Aliases: []string{"faults"},
		Short:   "Let things go wrong in the simulated Azure, or right again",
		Example: `  cmkd simulate fault add faults.yaml
  echo '{do: throttle, match: {operation: key-rotate}, when: {count: 3}}' | cmkd simulate fault add -
  cmkd simulate fault list
  cmkd simulate fault clear throttle`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		&cobra.Command{
			Use:   "add FILE|-",
			Short: "Add faults, in the form of a scenario's faults",
			Long: `Add faults, in the form of a scenario's: one, a list of them, or a list under "faults:".
What stands in their "when" as after and until counts from now.`,
			Example: `  cmkd simulate fault add faults.yaml`,
			Args:    cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				text, err := a.readArgument(args[0])
				if err != nil {
					return err
				}
				name := args[0]
				if name == "-" {
					name = "stdin"
				}
				faults, err := running(control).AddFaults(c.Context(), name, text)
				if err != nil {
					return err
				}
				return a.printFaults(faults)
			},
		},
		&cobra.Command{
			Use:     "list",
			Short:   "List the faults, how many requests each matched, and how many it struck",
			Example: `  cmkd simulate fault list`,
			Args:    cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				faults, err := running(control).Faults(c.Context())
				if err != nil {
					return err
				}
				return a.printFaults(faults)
			},
		},
		&cobra.Command{
			Use:   "clear [NAME]",
			Short: "End the faults of a name, or all",
			Example: `  cmkd simulate fault clear
  cmkd simulate fault clear throttle`,
			Args: cobra.MaximumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				n, err := running(control).ClearFaults(c.Context(), strings.Join(args, ""))
				if err != nil {
					return err
				}
				a.say("%s ended", count(n, "fault"))
				return nil
			},
		},
	)
	return c
}

func (a *app) printFaults(faults []daemon.SimulatedFault) error {
	return a.print(faults, func() error {
		if len(faults) == 0 {
			a.say("Nothing goes wrong.")
			return nil
		}
		g := newGrid(a.out, "name", "does", "match", "when", "seen", "hit")
		for i := range faults {
			f := &faults[i]
			g.add(clean(f.Name), f.Do, clean(strings.Join(f.Match, " ")), clean(strings.Join(f.When, " ")),
				strconv.Itoa(f.Seen), strconv.Itoa(f.Hit))
		}
		g.render()
		return nil
	})
}

// readArgument reads a file, or standard input for "-".
func (a *app) readArgument(path string) ([]byte, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(a.in)
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, rotator.Errorf(rotator.CodeInvalid, "read %s: %v", path, err)
	}
	return data, nil
}

func (a *app) simulateDoCmd(control *string) *cobra.Command {
	var action azuresim.Action
	var properties, behind, file string
	c := &cobra.Command{
		Use:   "do ACTION | do --file FILE",
		Short: "Do in the simulated Azure what somebody else might",
		Long: `Do one of the actions that a scenario's events have, now:

  ` + strings.Join(azuresim.Actions(), "\n  ") + `

With --file, do what a file has, one after the other up to the first that fails: in the
form of a scenario's events without "at", one, a list of them, or a list under "actions:".`,
		Example: `  cmkd simulate do disable-version --key fab-kv/data --version previous
  cmkd simulate do pin --resource fab-des --version previous
  cmkd simulate do set-property --resource storage/contosolake --properties '{tags: {owner: ops}}'
  cmkd simulate do --file actions.yaml`,
		Args: cobra.MaximumNArgs(1), ValidArgs: azuresim.Actions(),
		RunE: func(c *cobra.Command, args []string) error {
			actions, err := a.simulatedActions(c, args, action, properties, behind, file)
			if err != nil {
				return err
			}
			var t daemon.SimulationTime
			for _, action := range actions {
				if t, err = running(control).Do(c.Context(), action); err != nil {
					return err
				}
			}
			return a.printSimulated(t)
		},
	}
	f := c.Flags()
	f.StringVar(&file, "file", "", "what to do; - is standard input")
	f.StringVar(&action.Key, "key", "", "VAULT/KEY")
	f.StringVar(&action.Version, "version", "", "an id, latest, previous, oldest or all")
	f.StringVar(&action.Vault, "vault", "", "the name of a vault, for restore-vault")
	f.StringVar(&behind, "behind", "", "back to how long ago, for restore-vault")
	f.StringVar(&action.Resource, "resource", "", "an id, a name, or KIND/NAME")
	f.StringVar(&action.Client, "client", "", "the id or name of a client, for deny and allow")
	f.StringVar(&action.Permission, "permission", "", "a glob over action names, for deny and allow")
	f.StringVar(&action.Principal, "principal", "", "a client, resource or object id, for assign-role and unassign-role")
	f.StringVar(&action.Role, "role", "", "the name or id of a role, for assign-role and unassign-role")
	f.StringVar(&action.Scope, "scope", "", "where, for roles and locks; the beginning of a resource id for deny and allow")
	f.StringVar(&action.Name, "name", "", "of a lock")
	f.StringVar(&action.Level, "level", "", "of a lock: CanNotDelete or ReadOnly")
	f.StringVar(&action.Code, "code", "", "the error of auto-rotation-error; none takes it away")
	f.StringVar(&action.Message, "message", "", "its message")
	f.StringVar(&properties, "properties", "", "YAML or JSON, for set-property and add-resource")
	for _, name := range []string{
		"key", "version", "vault", "behind", "resource", "client", "permission", "principal", "role", "scope", "name",
		"level", "code", "message", "properties",
	} {
		c.MarkFlagsMutuallyExclusive("file", name)
	}
	return c
}

// simulatedActions returns what the arguments say, or the file.
func (a *app) simulatedActions(
	c *cobra.Command, args []string, action azuresim.Action, properties, behind, file string,
) ([]azuresim.Action, error) {
	switch {
	case file != "" && len(args) > 0:
		return nil, usage(fmt.Errorf("give %s or --file, not both", args[0]))
	case file != "":
		text, err := a.readArgument(file)
		if err != nil {
			return nil, err
		}
		name := file
		if name == "-" {
			name = "stdin"
		}
		actions, err := azuresim.ParseActions(name, text)
		if err != nil {
			return nil, usage(err)
		}
		return actions, nil
	case len(args) == 0:
		return nil, usage(fmt.Errorf("%s needs an action or --file", c.CommandPath()))
	}
	action.Do = args[0]
	if err := action.Check(); err != nil {
		return nil, usage(err)
	}
	if err := yaml.Unmarshal([]byte(properties), &action.Properties); err != nil {
		return nil, usage(fmt.Errorf("read --properties: %w", err))
	}
	if behind != "" {
		ago, err := azuresim.ParseDuration(behind)
		if err != nil {
			return nil, usage(fmt.Errorf("read --behind: %w", err))
		}
		action.Behind = azuresim.For(ago)
	}
	return []azuresim.Action{action}, nil
}

func (a *app) simulateSaveCmd(control *string) *cobra.Command {
	return &cobra.Command{
		Use:   "save FILE",
		Short: "Save all that the simulated Azure knows, with its time",
		Long: `Save all that the simulated Azure knows: versions, resources and what they use, what is
under way and planned, faults with their counts, and the time. The file is for its
owner only: it has the secrets of the scenario's clients, and the private keys that
were imported.`,
		Example: `  cmkd simulate save friday.sim`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := running(control).Save(c.Context())
			if err != nil {
				return err
			}
			if err := daemon.WriteSimulation(args[0], data); err != nil {
				return err
			}
			a.say("saved in %s: %d bytes", clean(args[0]), len(data))
			return nil
		},
	}
}

func (a *app) simulateLoadCmd(control *string) *cobra.Command {
	return &cobra.Command{
		Use:   "load FILE",
		Short: "Let what was saved take the place of what runs",
		Long: `Let what was saved take the place of the simulated Azure that runs, with its time; the
speed stays. For a daemon beside it this is a clock that was set: one whose store is
of another time than the file is better stopped before.`,
		Example: `  cmkd simulate load friday.sim
  cmkd simulate --load friday.sim      # start one from it`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := a.readArgument(args[0])
			if err != nil {
				return err
			}
			l, err := running(control).Load(c.Context(), args[0], data)
			if err != nil {
				return err
			}
			if l.Changed && a.format == "table" {
				a.say("# Clients need these now:")
				a.exports(l.Environment)
			}
			return a.printSimulated(l.SimulationTime)
		},
	}
}
