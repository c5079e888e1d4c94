package main

import (
	"slices"

	"cmkd/rotator"
)

// unchecked says in a line each what a search for unlisted dependents did not look at,
// with what to do about it.
func unchecked(i *rotator.Inventory) (lines []string) {
	if i.Off {
		return []string{"discover is off: nobody knows what else uses the key, and nothing is retired"}
	}
	for n := range i.Unchecked {
		u := &i.Unchecked[n]
		lines = append(lines, clean(u.String())+quoted(u.Problem.Hint))
	}
	if i.More > 0 {
		lines = append(lines, count(i.More, "more place"))
	}
	return lines
}

// printInventory shows what was not checked, unless the guard's objections say so.
func (a *app) printInventory(op *rotator.OperationStatus) {
	said := slices.ContainsFunc(op.Blockers, func(o rotator.Objection) bool {
		return o.Check == rotator.ReasonInventoryIncomplete || o.Check == rotator.ReasonDiscoveryOff
	})
	if said {
		return
	}
	for _, line := range unchecked(&op.Inventory) {
		a.say("  unchecked %s", line)
	}
}

// printSearch shows what a plan's search for unlisted dependents found and did not look
// at, and reports whether all is listed and looked at.
func printSearch(p *rotator.Plan, say func(format string, args ...any)) bool {
	for i := range p.Unlisted {
		d := &p.Unlisted[i]
		say("! %s %s: %s%s", d.Dependent.Kind, clean(d.Dependent.DisplayName()), clean(d.Effect), quoted(d.Problem.Hint))
	}
	for _, line := range unchecked(&p.Inventory) {
		say("? not checked for unlisted dependents: %s", line)
	}
	return len(p.Unlisted) == 0 && p.Inventory.Complete()
}
