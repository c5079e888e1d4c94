package main

import (
	"cmp"
	"context"
	"strings"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

func (a *app) showRetirement(ctx context.Context, client *control.Client, key string) error {
	p, err := client.PlanRetirement(ctx, key)
	if err != nil {
		return err
	}
	if err := a.print(p, func() error { a.printRetirement(&p); return nil }); err != nil {
		return err
	}
	if len(p.Objections) > 0 {
		return &outcomeError{code: exitNeedsAction}
	}
	return nil
}

// printRetirement prints the proof, and what the guard makes of it.
func (a *app) printRetirement(p *rotator.RetirementPlan) {
	a.say("retirement of %s (%s, %s): version %s would be disabled; %s stays", a.bold(clean(p.Key)), p.Operation, p.State,
		cmp.Or(clean(strings.Join(p.Previous, ", ")), "none"), clean(p.Target))
	for _, n := range p.Needed {
		a.say("version %s stays enabled, too: %s", clean(n.Version), clean(n.Message))
	}
	for i := range p.Dependents {
		a.printProof(&p.Dependents[i])
	}
	a.say("")
	for _, line := range unchecked(&p.Inventory) {
		a.say("? not checked for unlisted dependents: %s", line)
	}
	if p.Inventory.Complete() {
		a.say("searched for unlisted dependents: %s", count(p.Inventory.Subscriptions, "subscription"))
	}
	for _, late := range p.Late {
		a.say("if it lacks the version, that does not show in time: %s", clean(late))
	}
	for _, o := range p.Objections {
		a.say("%s %s: %s%s", a.shade(string(rotator.TrackerNeedsAction)), o.Check, clean(o.Message), quoted(o.Hint))
	}
	for _, o := range p.Doubts {
		a.say("it takes a person, %s: %s", o.Check, clean(o.Message))
	}
	if len(p.Objections) > 0 {
		a.say("The guard objects: the previous version stays enabled. Nothing was changed.")
		return
	}
	if len(p.Previous) == 0 {
		a.say("There is nothing to disable: cmkd retire %s ends the rotation. Nothing was changed.", clean(p.Key))
		return
	}
	a.say("The guard has nothing against it: cmkd retire %s. It would then be watched for %s. Nothing was changed.", clean(p.Key), span(p.Probation))
}

func (a *app) printProof(p *rotator.Proof) {
	state := a.shade(stateWord(p.State))
	if p.Evidence != rotator.EvidenceNone {
		state += ", " + string(p.Evidence)
	}
	when := ""
	if !p.At.IsZero() {
		when = ", as of " + stamp(p.At)
	}
	a.say("")
	a.say("%s  %s: %s%s", a.bold(clean(p.Dependent.DisplayName())), p.Dependent.Kind, state, when)
	for _, line := range p.Rests {
		a.say("  %s", clean(line))
	}
	if p.Problem != nil {
		a.say("  %s", clean(p.Problem.String()))
	}
}
