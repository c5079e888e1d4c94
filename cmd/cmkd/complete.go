package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// completeWithin is how long a shell waits for what could be meant.
const completeWithin = 2 * time.Second

// lister asks the daemon for what could be meant, each followed by a tab and a
// description.
type lister func(ctx context.Context, client *control.Client) ([]string, error)

// completes offers what the daemon knows. Without one it offers nothing.
func (a *app) completes(list lister) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(c.Context(), completeWithin)
		defer cancel()
		client := a.client()
		defer client.Close()
		all, err := list(ctx, client)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// completesFirst offers it for the first argument only.
func (a *app) completesFirst(list lister) cobra.CompletionFunc {
	offer := a.completes(list)
	return func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(c, args, begun)
	}
}

func alertIDs(ctx context.Context, client *control.Client) ([]string, error) {
	alerts, err := client.Alerts(ctx, control.AlertFilter{})
	return texts(alerts, func(x rotator.AlertStatus) (string, string) { return x.ID, x.Summary }), err
}

// silenceIDs are those of the silences that can be ended.
func silenceIDs(ctx context.Context, client *control.Client) ([]string, error) {
	silences, err := client.Silences(ctx)
	if err != nil {
		return nil, err
	}
	s, err := client.Summary(ctx)
	silences = slices.DeleteFunc(silences, func(x rotator.Silence) bool { return !s.Now.Before(x.Until) })
	return texts(silences, func(s rotator.Silence) (string, string) { return s.ID, silenced(&s) }), err
}

func freezeIDs(ctx context.Context, client *control.Client) ([]string, error) {
	freezes, err := client.Freezes(ctx)
	return texts(freezes, func(f rotator.Freeze) (string, string) { return f.ID, f.Subject() + ": " + f.Reason }), err
}

func receiverNames(ctx context.Context, client *control.Client) ([]string, error) {
	receivers, err := client.Receivers(ctx)
	return texts(receivers, func(r rotator.ReceiverStatus) (string, string) { return r.Name, r.Kind }), err
}

func ruleNames(ctx context.Context, client *control.Client) ([]string, error) {
	rules, err := client.Rules(ctx)
	return texts(rules, func(r alerting.RuleInfo) (string, string) { return string(r.Rule), r.Title }), err
}

func keyNames(ctx context.Context, client *control.Client) ([]string, error) {
	keys, err := client.Keys(ctx)
	return texts(keys, func(k rotator.KeyStatus) (string, string) { return k.Name, string(k.ID) }), err
}

// operationIDs are those of the operations under way.
func operationIDs(ctx context.Context, client *control.Client) ([]string, error) {
	ops, err := client.Operations(ctx, rotator.OperationQuery{Live: true})
	return texts(ops, func(op rotator.Operation) (string, string) {
		return op.ID.String(), string(op.Kind) + " of " + op.Key + ": " + string(op.State)
	}), err
}

func keysAndOperations(ctx context.Context, client *control.Client) ([]string, error) {
	keys, err := keyNames(ctx, client)
	if err != nil {
		return nil, err
	}
	ids, err := operationIDs(ctx, client)
	return append(keys, ids...), err
}

func texts[T any](all []T, of func(T) (name, description string)) []string {
	list := make([]string, len(all))
	for i, one := range all {
		name, description := of(one)
		list[i] = clean(name) + "\t" + clean(description)
	}
	return list
}
