package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"cmkd/rotator"
)

// print writes v as the user wants it; human prints it as tables.
func (a *app) print(v any, human func() error) error {
	if a.format == "table" {
		return human()
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	if a.format == "yaml" {
		if data, err = yaml.JSONToYAML(data); err != nil {
			return fmt.Errorf("encode the output: %w", err)
		}
	}
	a.say("%s", strings.TrimRight(string(data), "\n"))
	return nil
}

// grid is a table without frames, that programs can cut as well.
type grid struct {
	w table.Writer
}

func newGrid(out io.Writer, head ...string) *grid {
	w := table.NewWriter()
	w.SetOutputMirror(out)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	row := make(table.Row, len(head))
	for i, h := range head {
		row[i] = h
	}
	w.AppendHeader(row)
	return &grid{w}
}

func (g *grid) add(cells ...string) {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	g.w.AppendRow(row)
}

func (g *grid) render() { g.w.Render() }

// clean makes text from outside harmless for a terminal: a resource's name or a
// reason must not move the cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return '?'
		default:
			return r
		}
	}, s)
}

// shade colours a state by how much it needs somebody.
func (a *app) shade(state string) string {
	if !a.colours() {
		return state
	}
	switch state {
	case string(rotator.TrackerStalled), stateWord(rotator.TrackerNeedsAction), string(rotator.TrackerUnreachable),
		string(rotator.StateFailed), string(rotator.SeverityCritical):
		return text.FgRed.Sprint(state)
	case string(rotator.TrackerDone), string(rotator.StateCompleted), string(rotator.StateRecovered), "ok":
		return text.FgGreen.Sprint(state)
	case string(rotator.StateEffective), string(rotator.StateCancelled), string(rotator.StateAwaitingApproval), string(rotator.SeverityWarning):
		return text.FgYellow.Sprint(state)
	default:
		return state
	}
}

// stateWord is the state of a dependent as people write it.
func stateWord(state rotator.TrackerState) string { return strings.ReplaceAll(string(state), "-", " ") }

// bold stresses what matters.
func (a *app) bold(s string) string {
	if !a.colours() {
		return s
	}
	return text.Bold.Sprint(s)
}

// short abbreviates a version: eight digits tell versions of one key apart.
func short(version string) string {
	if len(version) > 8 {
		return version[:8]
	}
	return dash(version)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return clean(s)
}

// span writes a duration with its two largest units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "-" + span(-d)
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < day:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d/day), int((d % day).Hours()))
	}
}

// ago writes how long before now t was.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(max(now.Sub(t), 0)) + " ago"
}

// ahead writes how long after now t is.
func ahead(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case t.Before(now):
		return span(now.Sub(t)) + " over"
	default:
		return "in " + span(t.Sub(now))
	}
}

// stamp writes a moment.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// sink is an output that remembers that it could not be written, so that nobody
// has to ask after each line. [app.report] does.
type sink struct {
	w   io.Writer
	err error
}

// Write implements [io.Writer].
func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}

// printf writes to it.
func (s *sink) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(s, format, args...) // it remembers
}

// say prints a line.
func (a *app) say(format string, args ...any) { a.out.printf(format+"\n", args...) }

// tell prints a line beside the output.
func (a *app) tell(format string, args ...any) { a.errs.printf(format+"\n", args...) }
