package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"cmkd/rotator"
)

// barWidth is how wide a bar is drawn.
const barWidth = 24

// bars draws an operation on a terminal: a line for the operation and a bar for
// each dependent, as many as there is room for. Each bar of the library draws one
// line of the moment that was seen last, whichever dependent that is: what needs
// somebody moves up where there is no room for all.
type bars struct {
	app  *app
	room int // lines for dependents
	last atomic.Pointer[moment]
	p    *mpb.Progress
	rows []*mpb.Bar
}

func newBars(a *app, fd int) *bars {
	b := &bars{app: a, room: 20}
	if _, height, err := term.GetSize(fd); err == nil {
		b.room = max(height-3, 1) // but the operation, what is left out, and the cursor
	}
	b.p = mpb.New(mpb.WithOutput(a.stdout), mpb.WithRefreshRate(lookAtMost))
	return b
}

func (b *bars) draw(m moment) {
	if len(m.op.Trackers) <= b.room {
		slices.SortFunc(m.op.Trackers, func(x, y rotator.TrackerStatus) int { return int(x.Number) - int(y.Number) })
	}
	b.last.Store(&m)
	if len(b.rows) == 0 {
		b.row(func(m *moment, _ int) string { return b.head(m) })
	}
	for len(b.rows) <= min(len(m.op.Trackers), b.room) {
		i := len(b.rows) - 1
		b.row(func(m *moment, width int) string { return b.line(m, i, width) })
	}
	if len(m.op.Trackers) > b.room && len(b.rows) == b.room+1 {
		b.row(func(m *moment, _ int) string { return b.rest(m) })
	}
}

// row adds a line.
func (b *bars) row(text func(m *moment, width int) string) {
	bar, err := b.p.Add(0, mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		_, err := io.WriteString(w, fit(text(b.last.Load(), s.AvailableWidth), s.AvailableWidth))
		return err
	}))
	if err == nil {
		b.rows = append(b.rows, bar)
	}
}

func (b *bars) close() {
	for _, bar := range b.rows {
		bar.Abort(false)
	}
	b.p.Wait()
}

func (b *bars) head(m *moment) string {
	text := operationLine(&m.op) + " for " + span(m.now.Sub(m.op.Created)) + simulation(m.simulated)
	if e := etaOfAll(&m.op).brief(m.now); e != "" {
		text += ", " + e
	}
	if m.op.Waiting.For != "" {
		text += ", waiting " + clean(m.op.WaitingText())
	}
	return text
}

func (b *bars) rest(m *moment) string {
	all := len(m.op.Trackers)
	return fmt.Sprintf("… and %d more; %d of %d are done", all-b.room, all-m.op.Open(), all)
}

func (b *bars) line(m *moment, i, width int) string {
	if i >= len(m.op.Trackers) {
		return ""
	}
	t := &m.op.Trackers[i]
	name := pad(clean(t.Detail.Dependent.DisplayName()), 24) + " " + pad(t.Detail.Dependent.Kind, 20)
	if width < 100 {
		name = pad(clean(t.Detail.Dependent.DisplayName()), 20)
	}
	return name + " " + gauge(share(t, m.now)) + " " + b.app.shade(stateWord(t.State)) + note(t, m.now)
}

// note is what stands beside a bar: evidence, when it is expected, what is
// wrong.
func note(t *rotator.TrackerStatus, now time.Time) string {
	switch {
	case t.Detail.Problem != nil && !t.State.Settled():
		return ": " + clean(t.Detail.Problem.Message)
	case t.Evidence != "":
		return ", " + string(t.Evidence)
	case !t.Expected.IsZero():
		return ", " + etaOf(t).brief(now)
	case !t.Deadline.IsZero():
		return ", due " + ahead(t.Deadline, now)
	default:
		return ""
	}
}

// share is how much of the time that a dependent may be expected to take it has
// used, or 1 once it is done.
func share(t *rotator.TrackerStatus, now time.Time) float64 {
	switch {
	case t.State.Settled():
		return 1
	case t.State == rotator.TrackerWaiting, t.Deadline.IsZero(), t.Window <= 0:
		return 0
	}
	begun, end := t.Deadline.Add(-t.Window), t.Deadline
	if t.Latest.After(begun) {
		end = t.Latest
	}
	return min(max(float64(now.Sub(begun))/float64(end.Sub(begun)), 0), 0.99)
}

func gauge(share float64) string {
	full := int(share*barWidth + 0.5)
	return "[" + strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + "]"
}

// pad makes a text just so wide.
func pad(s string, width int) string {
	n := len([]rune(s))
	if n > width {
		return string([]rune(s)[:width-1]) + "…"
	}
	return s + strings.Repeat(" ", width-n)
}

// fit cuts a text to the width of the terminal; escape sequences take no room.
func fit(s string, width int) string {
	n, escape := 0, false
	for i, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case n == width:
			return s[:i] + "\x1b[0m"
		default:
			n++
		}
	}
	return s
}
