package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"cmkd/cmd/internal/daemon"
	"cmkd/configs"
)

func (a *app) configCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, show or create a configuration",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.configCheckCmd(), a.configShowCmd(), a.configInitCmd(), a.configSchemaCmd())
	return c
}

// configPath returns the file that a command is about.
func (a *app) configPath(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return a.config
}

// checked is what there is to say of a configuration, for programs.
type checked struct {
	File     string   `json:"file"`
	Valid    bool     `json:"valid"`
	Keys     int      `json:"keys"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`
}

func (a *app) configCheckCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say everything that is wrong with a configuration",
		Long: `Check a configuration and print every problem with its file and line and what to do
about it. Exit code 1 means that the daemon would refuse it; warnings are allowed.`,
		Example: `  cmkd config check
  cmkd config check ./cmkd.yaml && systemctl reload cmkd`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r := checked{File: a.configPath(args), Problems: []string{}, Warnings: []string{}}
			config, err := configs.Load(r.File, daemon.Checks())
			if err != nil {
				r.Problems = problems(r.File, err)
			} else {
				r.Valid, r.Keys = true, len(config.Keys)
				for _, w := range config.Warnings() {
					r.Warnings = append(r.Warnings, w.String())
				}
			}
			if err := a.print(r, func() error { a.printChecked(&r); return nil }); err != nil {
				return err
			}
			if !r.Valid {
				return &outcomeError{code: exitError}
			}
			return nil
		},
	}
}

func problems(file string, err error) (lines []string) {
	var all configs.Errors
	if !errors.As(err, &all) {
		return []string{file + ": " + err.Error()}
	}
	for _, p := range all {
		lines = append(lines, p.String())
	}
	return lines
}

// printChecked prints problems where errors go, one a line.
func (a *app) printChecked(r *checked) {
	for _, p := range r.Problems {
		a.tell("%s", clean(p))
	}
	for _, w := range r.Warnings {
		a.tell("warning: %s", clean(w))
	}
	if !r.Valid {
		a.tell("cmkd: %s in %s", count(len(r.Problems), "problem"), clean(r.File))
		return
	}
	a.say("%s is valid: %s, %s", clean(r.File), count(r.Keys, "key"), count(len(r.Warnings), "warning"))
}

func (a *app) configShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "show [FILE]",
		Short:   "Print a configuration with all defaults filled in",
		Example: `  cmkd config show /etc/cmkd/cmkd.yaml`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			config, err := configs.Load(a.configPath(args), daemon.Checks())
			if err != nil {
				return err
			}
			data, err := configs.Marshal(config)
			if err != nil {
				return fmt.Errorf("write the configuration: %w", err)
			}
			if a.format == "json" {
				var v any
				if err := yaml.Unmarshal(data, &v); err != nil {
					return fmt.Errorf("write the configuration: %w", err)
				}
				if data, err = json.MarshalIndent(v, "", "  "); err != nil {
					return fmt.Errorf("write the configuration: %w", err)
				}
			}
			a.say("%s", strings.TrimRight(string(data), "\n"))
			return nil
		},
	}
}

func (a *app) configInitCmd() *cobra.Command {
	var minimal bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Print an example configuration that documents every option",
		Example: `  cmkd config init > /etc/cmkd/cmkd.yaml
  cmkd config init --minimal`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text := configs.Example()
			if minimal {
				text = configs.Minimal()
			}
			a.out.printf("%s", text)
			return nil
		},
	}
	c.Flags().BoolVar(&minimal, "minimal", false, "the shortest one that is of use")
	return c
}

func (a *app) configSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON schema of the configuration, for editors",
		Example: `  cmkd config schema > cmkd.schema.json   # then: # yaml-language-server: $schema=cmkd.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.out.printf("%s", configs.Schema())
			return nil
		},
	}
}
