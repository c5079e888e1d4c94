package main

import (
	"context"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"

	"github.com/spf13/cobra"
)

func (a *app) planCmd() *cobra.Command {
	var revoke, retire bool
	c := &cobra.Command{
		Use:   "plan KEY",
		Short: "Say what a rotation or a revocation would do, and change nothing",
		Long: `Read the key and every dependent afresh and say what a rotation would do with each,
how it would be known, and what stands in the way. Dependents that nobody listed are
searched for: they stop no rotation, but hold the retirement. Exit code 3 means that the
operation would fail before it changes anything.

With --retire, for a key whose rotation has a previous version: print the proof, dependent
by dependent, with what each line rests on, and what the guard would say to you now.`,
		Example: `  cmkd plan payments
  cmkd plan payments --revoke     # what would break
  cmkd plan payments --retire     # may the previous version go, and how is it known
  cmkd plan payments -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completesFirst(keyNames),
		RunE: func(c *cobra.Command, args []string) error {
			kind := rotator.KindRotation
			if revoke {
				kind = rotator.KindRevocation
			}
			client := a.client()
			defer client.Close()
			if retire {
				return a.showRetirement(c.Context(), client, args[0])
			}
			return a.showPlan(c.Context(), client, args[0], kind)
		},
	}
	c.Flags().BoolVar(&revoke, "revoke", false, "plan a revocation")
	c.Flags().BoolVar(&retire, "retire", false, "plan the retirement of the previous version")
	c.MarkFlagsMutuallyExclusive("revoke", "retire")
	return c
}

func (a *app) showPlan(ctx context.Context, client *control.Client, key string, kind rotator.OperationKind) error {
	p, err := client.Plan(ctx, key, kind)
	if err != nil {
		return err
	}
	if err := a.print(p, func() error { a.printPlan(&p); return nil }); err != nil {
		return err
	}
	if len(p.Problems) > 0 && kind == rotator.KindRotation {
		return &outcomeError{code: exitNeedsAction}
	}
	return nil
}

func (a *app) printPlan(p *rotator.Plan) {
	a.say("%s of %s (%s) would:", p.Kind, a.bold(clean(p.Key)), clean(string(p.KeyID)))
	for i, s := range p.Steps {
		a.say("  %d. %s", i+1, clean(s))
	}
	if len(p.Dependents) > 0 {
		a.say("")
		g := newGrid(a.out, "dependent", "kind", "binding", "version", "effect")
		for i := range p.Dependents {
			d := &p.Dependents[i]
			g.add(clean(d.Dependent.DisplayName()), d.Dependent.Kind, dash(string(d.Binding)), short(d.Version), clean(d.Effect))
		}
		g.render()
	}
	for _, problem := range p.Problems {
		a.say("%s %s", a.shade(string(rotator.TrackerNeedsAction)), clean(problem.String()))
	}
	for _, warning := range p.Warnings {
		a.say("warning: %s", clean(warning.String()))
	}
	whole := printSearch(p, a.say)
	for _, n := range p.NotChecked {
		a.say("? not checked: %s (%s)", clean(n.What), clean(n.Why))
	}
	if len(p.Problems) > 0 {
		return
	}
	nothing := "Nothing stands in the way"
	if len(p.NotChecked) > 0 {
		nothing = "Nothing that was checked stands in the way"
	}
	if p.Kind == rotator.KindRotation {
		nothing += " of the rotation"
		if !whole {
			nothing += "; the previous version is not retired before what holds it is cleared"
		}
	}
	a.say("%s. Nothing was changed.", nothing)
}
