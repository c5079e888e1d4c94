package main

import (
	"time"

	"cmkd/rotator"
)

// eta is when something is expected to be done, and when nine of ten such would
// be. Both are the same, the end of the window, as long as nothing was learned.
type eta struct{ expected, latest time.Time }

// etaOf returns that of the dependent of an operation that is expected last.
func etaOf(op *rotator.OperationStatus) (e eta) {
	for i := range op.Trackers {
		t := &op.Trackers[i]
		if t.Expected.After(e.expected) {
			e.expected = t.Expected
		}
		if t.Latest.After(e.latest) {
			e.latest = t.Latest
		}
	}
	return e
}

// learned reports whether it comes of what was seen.
func (e eta) learned() bool { return !e.latest.IsZero() && e.latest.After(e.expected) }

// brief says it beside a bar: "expected in 5m00s, by 12m00s".
func (e eta) brief(now time.Time) string {
	switch {
	case e.expected.IsZero():
		return ""
	case !e.learned():
		return "at the latest " + ahead(e.expected, now)
	case !e.latest.After(now):
		return "expected " + ahead(e.latest, now)
	default:
		return "expected " + ahead(e.expected, now) + ", by " + span(e.latest.Sub(now))
	}
}

// sentence says it with the time of day.
func (e eta) sentence(now time.Time) string {
	if !e.learned() {
		return "by " + clock(e.expected, now) + " at the latest (" + ahead(e.expected, now) + "), the end of the window"
	}
	return clock(e.expected, now) + " (" + ahead(e.expected, now) + "), by " + clock(e.latest, now) + " nine times out of ten"
}

// clock writes a time of day, with the date if that is another one than now.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04Z")
	}
	return t.Format("2006-01-02 15:04Z")
}
