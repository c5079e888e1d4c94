package teeth

import "slices"

// teeth are all faults.
var teeth = slices.Concat(seenBySimulation, ofKinds, ofStatements, ofRehearsals, ofStanding, ofFreezes, ofCrossings)

// seenBySimulation are found by no test that was written for them.
var seenBySimulation = []tooth{
	{"an operation that moved is not advanced", "rotator/engine/draft.go", []edit{{"d.of.advance(l, false)", "_ = l"}}, simulation},
	{"a removed dependent never leaves", "rotator/engine/configure.go", []edit{{"!d.Dependent.Discovered && !d.Removed", "false && !d.Removed"}}, simulation},
	{"a key put back has no next time", "rotator/engine/configure.go", []edit{{`state.Spec, state.NextRotation = "", time.Time{}`, "state.NextRotation = time.Time{}"}}, simulation},
	{"a rename loses what is known", "rotator/engine/configure.go", []edit{
		{"c.draft.changedKey(key.ID).Name = key.Name", "*c.draft.changedKey(key.ID) = rotator.KeyState{Name: key.Name, ID: key.ID}"},
	}, simulation},
	{"an operation goes by the name of its key", "rotator/engine/state.go", []edit{{"return c.byID[canonical(l.op.KeyID)]", "return c.keys[l.op.Key]"}}, simulation},
	{"retire is read once", "rotator/engine/configure.go", []edit{{"|| l.op.Retire == key.Retire {", "|| true {"}}, simulation},
	{"a late success is thrown away", "rotator/engine/rotation.go", []edit{{"		c.succeeded(l, r)\n		return", "		if l.op.Attempt.Uncertain.IsZero() {\n			c.succeeded(l, r)\n		}\n		return"}}, simulation},
	{"waits go by the clock on the wall", "rotator/engine/jump.go", []edit{{"c.steady = c.steady.Add(max(now.Round(0).Sub(c.now.Round(0))-jump, 0))", "c.steady = now"}}, simulation},
	{"only the first use counts", "rotator/engine/look.go", []edit{
		{"return l.seen.On(l.op.KeyID, l.op.Target.ID)", "return l.seen.Uses[0].Version == l.op.Target.ID"},
	}, simulation},
	{"what only a search found is written to", "rotator/engine/look.go", []edit{{"case d.Dependent.Discovered:", "case false:"}}, simulation},
	{"what nobody listed holds nothing", "rotator/engine/guard.go", []edit{{"!d.Discovered || t.State == rotator.TrackerLeft", "true || t.State == rotator.TrackerLeft"}}, simulation},
	{"a freeze stops no operation", "rotator/engine/freeze.go", []edit{{"if len(c.freezes) == 0 || l.op.Kind", "if len(c.freezes) >= 0 || l.op.Kind"}}, simulation},
	{"what somebody does to a version is not told", "rotator/engine/tamper.go", []edit{{"			c.flipped(state, v)\n", ""}}, simulation},
	{"what drifts is not told", "rotator/engine/standing.go", []edit{{"if len(key.Dependents) > 0 && c.over(", "if false && c.over("}}, simulation},
	{"a time that was served is served again", "rotator/engine/schedule.go", []edit{{"next.IsZero() || served.Before(next), ", "true, "}}, simulation},
}
