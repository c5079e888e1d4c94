package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"

	"context"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// eventFlags select events.
type eventFlags struct {
	follow         bool
	key, operation string
	since          time.Duration
	last           int
	after          uint64
}

func (a *app) eventsCmd() *cobra.Command {
	var flags eventFlags
	c := &cobra.Command{
		Use:   "events",
		Short: "Show the audit trail",
		Long: `Show the audit trail: who did what when, and what cmkd saw and decided. Each event
carries the hash of the one before; cmkd audit verify checks them. With -o json
--follow, each event is one line.`,
		Example: `  cmkd events --last 50
  cmkd events --key payments --since 24h
  cmkd events --operation op-17
  cmkd events --follow -o json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := a.client()
			defer client.Close()
			return a.events(c.Context(), client, &flags)
		},
	}
	f := c.Flags()
	f.BoolVarP(&flags.follow, "follow", "f", false, "go on showing events as they come; Ctrl-C ends that")
	f.StringVar(&flags.key, "key", "", "only of this key")
	_ = c.RegisterFlagCompletionFunc("key", a.completes(keyNames)) // the flag is there
	f.StringVar(&flags.operation, "operation", "", "only of this operation")
	f.DurationVar(&flags.since, "since", 0, "only of the last 24h, 90m or so")
	f.IntVar(&flags.last, "last", 100, "only the newest so many")
	f.Uint64Var(&flags.after, "after", 0, "the oldest after this number, instead of the newest")
	return c
}

func (a *app) events(ctx context.Context, client *control.Client, flags *eventFlags) error {
	f, err := flags.filter(ctx, client)
	if err != nil {
		return err
	}
	if flags.follow {
		err := client.Follow(ctx, f, a.printFollowed)
		if errors.Is(err, context.Canceled) {
			return nil // Ctrl-C is how it ends
		}
		return err
	}
	events, err := client.Events(ctx, f)
	if err != nil {
		return err
	}
	return a.print(events, func() error {
		for _, e := range events {
			a.say("%s", eventLine(&e))
		}
		return nil
	})
}

func (e *eventFlags) filter(ctx context.Context, client *control.Client) (f rotator.EventFilter, err error) {
	f = rotator.EventFilter{Key: e.key, After: e.after, Last: e.after == 0, Limit: e.last}
	if e.operation != "" {
		if f.Operation, err = parseOperation(e.operation); err != nil {
			return f, err
		}
	}
	if e.since > 0 {
		s, err := client.Summary(ctx) // its clock counts
		if err != nil {
			return f, err
		}
		f.Since = s.Now.Add(-e.since)
	}
	return f, nil
}

// printFollowed prints one event as soon as it comes.
func (a *app) printFollowed(e rotator.Event) error {
	switch a.format {
	case "json":
		return json.NewEncoder(a.out).Encode(e)
	case "yaml":
		data, err := json.Marshal([]rotator.Event{e})
		if err == nil {
			data, err = yaml.JSONToYAML(data)
		}
		if err != nil {
			return fmt.Errorf("encode event %d: %w", e.Seq, err)
		}
		_, err = a.out.Write(data)
		return err
	default:
		a.say("%s", eventLine(&e))
		return nil
	}
}

func eventLine(e *rotator.Event) string {
	line := fmt.Sprintf("%6d  %s  %-20s", e.Seq, stamp(e.At), e.Type)
	if e.Operation != 0 {
		line += "  " + e.Operation.String()
	}
	if e.Key != "" {
		line += "  " + clean(e.Key)
	}
	line += "  " + clean(e.Message)
	if e.Actor != "" && e.Actor != "cmkd" {
		line += "  by " + clean(e.Actor)
	}
	if reason := e.Data["reason"]; reason != "" {
		line += quoted(reason)
	}
	return line
}
