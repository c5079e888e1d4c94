package notify

import (
	"fmt"
	"strings"
	"time"

	"cmkd/rotator"
)

const (
	maxField   = 500 // longest field in a text, in bytes; a line of mail may have 998
	maxSubject = 120 // longest subject, in bytes: what a phone shows
	namedInAll = 5   // dependents named in a text
	textTime   = "2006-01-02 15:04:05 UTC"
	testLine   = "TEST: somebody tries this receiver out. Nothing is wrong."
	listHint   = "cmkd alert list"
)

// subject is the notification in one line.
func subject(n *rotator.Notification) string {
	text := "cmkd: "
	if n.Test {
		text = "TEST " + text
	}
	if len(n.Alerts) == 1 {
		return oneLine(text+headline(&n.Alerts[0]), maxSubject)
	}
	firing := 0
	for i := range n.Alerts {
		if n.Alerts[i].Firing() {
			firing++
		}
	}
	return text + counts(firing, len(n.Alerts)-firing)
}

func counts(firing, resolved int) string {
	noun := func(n int) string {
		if n == 1 {
			return "1 alert"
		}
		return fmt.Sprintf("%d alerts", n)
	}
	switch {
	case firing == 0:
		return noun(resolved) + " resolved"
	case resolved == 0:
		return noun(firing) + " firing"
	}
	return fmt.Sprintf("%s firing, %d resolved", noun(firing), resolved)
}

func headline(a *rotator.Alert) string {
	return fmt.Sprintf("%s %s: %s", strings.ToUpper(status(a)), a.Severity, a.Summary)
}

// body is the notification in at most limit bytes: as many alerts as fit, in
// the order given, and how many there are more. A limit below 200 bytes is
// taken as 200.
func body(n *rotator.Notification, runbook, note string, limit int) string {
	limit = max(limit, 200)
	var head []string
	if n.Test {
		head = append(head, testLine)
	}
	if note != "" {
		head = append(head, oneLine(note, limit/4))
	}
	blocks := make([]string, 0, len(n.Alerts))
	for i := range n.Alerts {
		blocks = append(blocks, describe(&n.Alerts[i], n.Now, runbook))
	}
	return fit(head, blocks, signature(n), limit)
}

func signature(n *rotator.Notification) string {
	if n.Instance == "" {
		return ""
	}
	return oneLine("Sent by cmkd, instance "+n.Instance+".", 100)
}

// fit joins paragraphs: the head, as many blocks as the limit lets, how many were
// left out, and the tail. The first block is always there, cut if it must be.
func fit(head, blocks []string, tail string, limit int) string {
	more := func(n int) string { return fmt.Sprintf("and %d more: %s", n, listHint) }
	room := limit - len(tail) - 2
	for _, h := range head {
		room -= len(h) + 2
	}
	parts := head
	for i, b := range blocks {
		need := len(b) + 2
		rest := 0
		if i+1 < len(blocks) {
			rest = len(more(len(blocks))) + 2
		}
		if need+rest > room && i > 0 {
			parts = append(parts, more(len(blocks)-i))
			break
		}
		if need+rest > room {
			b = cut(b, room-rest-2)
			need = len(b) + 2
		}
		parts, room = append(parts, b), room-need
	}
	if tail != "" {
		parts = append(parts, tail)
	}
	return strings.Join(parts, "\n\n")
}

// describe is one alert in a few lines.
func describe(a *rotator.Alert, now time.Time, runbook string) string {
	lines := []string{oneLine(headline(a), maxField), "  " + times(a, now)}
	for _, f := range []struct{ name, text string }{
		{"affected", affected(a, namedInAll)},
		{"hint", a.Hint},
		{"next", a.Next},
		{"runbook", runbookURL(runbook, a.Rule)},
	} {
		if f.text != "" && (a.Firing() || f.name == "affected") {
			lines = append(lines, "  "+f.name+": "+oneLine(f.text, maxField))
		}
	}
	return strings.Join(lines, "\n")
}

func times(a *rotator.Alert, now time.Time) string {
	starts := a.Starts.UTC().Format(textTime)
	if a.Firing() {
		return "since " + starts + lasted(now.Sub(a.Starts))
	}
	return "from " + starts + " to " + a.Ends.UTC().Format(textTime) + lasted(a.Ends.Sub(a.Starts))
}

// lasted says how long something went on; nothing if that is less than a second,
// or if the clock was set back.
func lasted(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d <= 0:
		return ""
	case d >= 48*time.Hour:
		return fmt.Sprintf(" (%d days)", d/(24*time.Hour))
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return fmt.Sprintf(" (%s)", text)
}

// affected names at most limit dependents by name and kind, and says how many
// there are more.
func affected(a *rotator.Alert, limit int) string {
	named := a.Affected[:min(limit, len(a.Affected))]
	names := make([]string, 0, len(named))
	for _, d := range named {
		names = append(names, fmt.Sprintf("%s (%s)", d.Name, d.Kind))
	}
	text := strings.Join(names, ", ")
	more := max(a.Count, len(a.Affected)) - len(named)
	switch {
	case more <= 0:
		return text
	case text == "":
		return fmt.Sprintf("%d dependents", more)
	}
	return fmt.Sprintf("%s and %d more", text, more)
}
