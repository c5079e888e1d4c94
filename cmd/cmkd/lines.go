package main

import (
	"fmt"

	"cmkd/rotator"
)

// lines draws an operation where there is no terminal: one line a change.
type lines struct {
	out   *sink
	op    string
	rows  map[uint32]string
	began bool
}

// drawer returns bars on a terminal and lines elsewhere. Where the output is for
// programs, lines go beside it.
func (a *app) drawer() drawer {
	if fd, ok := a.terminal(); ok && a.format == "table" {
		return newBars(a, fd)
	}
	l := &lines{out: a.out, rows: map[uint32]string{}}
	if a.format != "table" {
		l.out = a.errs
	}
	return l
}

func (l *lines) draw(m moment) {
	if !l.began && m.simulated != "" {
		l.out.printf("SIMULATED CLOCK %s\n", clean(m.simulated))
	}
	l.began = true
	at := stamp(m.now)
	if text := operationLine(&m.op); text != l.op {
		l.op = text
		l.out.printf("%s  %s\n", at, text)
	}
	for i := range m.op.Trackers {
		t := &m.op.Trackers[i]
		if text := trackerLine(t); l.rows[t.Number] != text {
			l.rows[t.Number] = text
			l.out.printf("%s    %s\n", at, text)
		}
	}
}

func (l *lines) close() {}

func operationLine(op *rotator.OperationStatus) string {
	text := fmt.Sprintf("%s %s of %s: %s", op.ID, op.Kind, clean(op.Key), op.State)
	if op.Target.ID != "" && op.State == rotator.StatePropagating {
		text += " (new version " + short(op.Target.ID) + ")"
	}
	if op.Problem != nil {
		text += ": " + clean(op.Problem.String())
	}
	return text
}

func trackerLine(t *rotator.TrackerStatus) string {
	text := fmt.Sprintf("%s %s: %s", t.Detail.Dependent.Kind, clean(t.Detail.Dependent.DisplayName()), stateWord(t.State))
	if t.Evidence != "" {
		text += ", " + string(t.Evidence)
	}
	if problem := trackerProblem(t); problem != "" {
		text += ": " + problem
	}
	return text
}
