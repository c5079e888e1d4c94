package main

import (
	"time"

	"cmkd/rotator"
)

// eta is when something is expected to be done, and when nine of ten such would
// be. Both are the end of the window as long as nothing was learned.
type eta struct {
	expected, latest time.Time
	learned          bool
}

// etaOf returns that of a dependent.
func etaOf(t *rotator.TrackerStatus) eta {
	return eta{t.Expected, t.Latest, !t.Latest.IsZero() && !t.Latest.Equal(t.Deadline)}
}

// etaOfAll returns that of an operation: of the dependent that takes longest.
func etaOfAll(op *rotator.OperationStatus) (all eta) {
	for i := range op.Trackers {
		e := etaOf(&op.Trackers[i])
		if e.expected.After(all.expected) {
			all.expected = e.expected
		}
		if e.latest.After(all.latest) {
			all.latest, all.learned = e.latest, e.learned
		}
	}
	return all
}

// brief says it beside a bar: "expected in 5m00s, by 12m00s".
func (e eta) brief(now time.Time) string {
	switch {
	case e.expected.IsZero():
		return ""
	case !e.learned:
		return "at the latest " + ahead(e.expected, now)
	case !e.latest.After(now):
		return "expected " + ahead(e.latest, now)
	default:
		return "expected " + ahead(e.expected, now) + ", by " + span(e.latest.Sub(now))
	}
}

// sentence says it with the time of day.
func (e eta) sentence(now time.Time) string {
	if !e.learned {
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
