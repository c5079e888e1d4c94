package main

import (
	"strings"
	"time"

	"cmkd/rotator"
)

// printKey shows what is known of a key.
func (a *app) printKey(k *keyReport, now time.Time) {
	a.say("%s  %s", a.bold(clean(k.Name)), clean(string(k.ID)))
	for _, line := range frozenLines(k.Freezes) {
		a.say("  %s", a.bold(line))
	}
	a.say("  version   %s, %s old", dash(k.Current.ID), age(k.Current.Created, now))
	if k.Schedule != "" {
		a.say("  schedule  %s, next %s (%s)", clean(k.Schedule), stamp(k.NextRotation), nextOf(&k.KeyStatus, now))
	} else {
		a.say("  schedule  none: cmkd rotate %s", clean(k.Name))
	}
	a.say("  retire    %s", k.Retire)
	if len(k.Unretired) > 0 {
		a.say("  unretired %s, left enabled by earlier rotations", clean(strings.Join(k.Unretired, ", ")))
	}
	if p := k.Trouble(); p != nil {
		a.say("  problem   %s", clean(p.String()))
	}
	for i := range k.Ahead {
		a.say("  warning   before the next rotation: %s", clean(k.Ahead[i].String()))
	}
	for i := range k.Attestations {
		if x := &k.Attestations[i]; x.Holds(now) {
			a.say("  attested  %s by %s until %s (%s): %s", clean(name(x.Dependent)), clean(x.Actor), stamp(x.Until), clean(x.ID), clean(x.Reason))
		}
	}
}

// printOperation shows an operation with its dependents.
func (a *app) printOperation(m *moment) {
	op := &m.op
	if m.simulated != "" {
		a.say("SIMULATED CLOCK %s, now %s", clean(m.simulated), stamp(m.now))
	}
	a.say("%s  %s of %s: %s for %s", a.bold(op.ID.String()), op.Kind, clean(op.Key), a.shade(string(op.State)), age(op.Since, m.now))
	a.say("  started   %s by %s (%s)%s", stamp(op.Created), clean(op.Actor), op.Cause, quoted(op.Reason))
	if op.Target.ID != "" {
		a.say("  version   %s%s", clean(op.Target.ID), adopted(&op.Operation))
	}
	if len(op.Previous) > 0 {
		a.say("  previous  %s, retired: %s", clean(strings.Join(op.Previous, ", ")), dash(strings.Join(op.Retired, ", ")))
	}
	if len(op.Versions) > 0 {
		a.say("  versions  %s, changed: %d of %d", clean(strings.Join(op.Versions, ", ")), len(op.Changed), len(op.Versions))
	}
	for _, by := range op.Approvals {
		a.say("  approved  %s by %s%s", stamp(by.At), clean(by.Actor), quoted(by.Reason))
	}
	if op.Waiting.For != "" {
		a.say("  waiting   %s", clean(op.WaitingText()))
	}
	if op.Problem != nil {
		a.say("  problem   %s", clean(op.Problem.String()))
	}
	a.printInventory(op)
	if e := etaOfAll(op); !e.expected.IsZero() {
		a.say("  expected  %s", e.sentence(m.now))
	}
	for _, b := range op.Blockers {
		a.say("  blocked   %s: %s%s", b.Check, clean(b.Message), quoted(b.Hint))
	}
	if len(op.Trackers) > 0 {
		a.say("")
		a.printTrackers(m)
		a.printBlindSpots(m)
	}
}

// printBlindSpots says what of the dependents nobody can see, and whose word stands in for
// it: which is as good as what the table says of them.
func (a *app) printBlindSpots(m *moment) {
	for i := range m.op.Trackers {
		t := &m.op.Trackers[i]
		name, by := clean(t.Detail.Dependent.DisplayName()), "no attestation holds"
		switch x := t.Attested; {
		case x != nil:
			by = "attested by " + clean(x.Actor) + " until " + stamp(x.Until) + " (" + clean(x.ID) + ")"
		case m.op.Kind == rotator.KindRotation && !m.op.State.Final():
			by = "cmkd attest " + clean(m.op.Key) + " " + clean(t.Detail.Dependent.ShellName()) + " --reason … --until …"
		}
		if blind := t.Detail.Blind; len(blind) > 0 || t.Attested != nil {
			a.say("  not seen  %s: %s; %s", name, dash(clean(strings.Join(blind, ", "))), by)
		}
	}
}

func quoted(text string) string {
	if text == "" {
		return ""
	}
	return " (" + clean(text) + ")"
}

func adopted(op *rotator.Operation) string {
	if op.Adopted {
		return ", made by someone else and adopted"
	}
	return ""
}

func (a *app) printTrackers(m *moment) {
	g := newGrid(a.out, "dependent", "kind", "binding", "state", "evidence", "version", "since", "expected", "window ends", "problem")
	for i := range m.op.Trackers {
		t := &m.op.Trackers[i]
		d := t.Detail
		g.add(clean(d.Dependent.DisplayName())+through(d.Via), d.Dependent.Kind, dash(string(d.Binding)), a.shade(stateWord(t.State)), dash(string(t.Evidence)),
			short(d.Version), ago(t.Since, m.now), expected(t, m.now), ahead(t.Deadline, m.now), trackerProblem(t))
	}
	g.render()
}

// through says what is looked at in a dependent's place, if anything.
func through(ids []string) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(" via " + clean(id[strings.LastIndexByte(id, '/')+1:]))
	}
	return b.String()
}

// expected says when a dependent is expected to be done, by what was learned.
func expected(t *rotator.TrackerStatus, now time.Time) string {
	if e := etaOf(t); e.learned {
		return strings.TrimPrefix(e.brief(now), "expected ")
	}
	return "-"
}

func trackerProblem(t *rotator.TrackerStatus) string {
	switch p := t.Detail.Problem; {
	case p == nil:
		return ""
	case t.State == rotator.TrackerExcluded, t.State == rotator.TrackerLeft:
		return clean(p.Message) // no problem: the operator's word, or which key it is under
	default:
		return clean(p.String())
	}
}
