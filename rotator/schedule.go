package rotator

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Misfire says what to do about a scheduled time that passed while nothing ran.
type Misfire string

// The misfire policies.
const (
	MisfireCatchUp Misfire = "catch-up" // rotate once, however many were missed; the default
	MisfireSkip    Misfire = "skip"     // wait for the next
	MisfireAlert   Misfire = "alert"    // wait for the next, and raise an alert
)

// MisfireGrace is how late a scheduled time may be served before it counts as
// missed: longer than a restart takes.
const MisfireGrace = 5 * time.Minute

// Schedule is when a key is rotated. The zero value is never.
type Schedule struct {
	spec    string
	cron    cron.Schedule
	loc     *time.Location
	jitter  time.Duration
	Misfire Misfire
}

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ParseSchedule reads a five-field cron expression or a descriptor such as
// @monthly, in a time zone of the IANA database ("" is UTC). Each time is
// delayed by a part of jitter that depends on key alone, so that many keys of
// one schedule do not fire at once.
func ParseSchedule(spec, zone string, jitter time.Duration, misfire Misfire, key string) (Schedule, error) {
	if spec == "" {
		return Schedule{Misfire: misfire}, nil
	}
	if strings.Contains(spec, "TZ=") {
		return Schedule{}, fmt.Errorf("schedule %q: give the time zone in its own field, not in the expression", spec)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return Schedule{}, fmt.Errorf("time zone %q: %w", zone, err)
	}
	if jitter < 0 {
		return Schedule{}, fmt.Errorf("jitter %s is negative", jitter)
	}
	parsed, err := cronParser.Parse(spec)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", spec, err)
	}
	if s, ok := parsed.(*cron.SpecSchedule); ok {
		s.Location = time.UTC // of wall-clock readings, see Next
	}
	if parsed.Next(time.Unix(0, 0)).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q never fires", spec)
	}
	return Schedule{
		spec: spec + " " + loc.String() + " " + jitter.String(), cron: parsed, loc: loc,
		jitter: Spread(key, jitter), Misfire: misfire,
	}, nil
}

// Spread returns the part of jitter that falls to key.
func Spread(key string, jitter time.Duration) time.Duration {
	if jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	return time.Duration(h.Sum64() % uint64(jitter)).Truncate(time.Second)
}

// IsZero reports whether the schedule never fires.
func (s Schedule) IsZero() bool { return s.cron == nil }

// Spec identifies the schedule: another spec means another schedule.
func (s Schedule) Spec() string { return s.spec }

// Next returns the first time after t at which the schedule fires, zero if
// never. The expression speaks of wall-clock time: a local time that a change to
// summer time skips fires as much later as the clock was moved, and one that a
// change back repeats fires only the first time. (cron's own arithmetic would
// leave out the former and fire twice for the latter.)
func (s Schedule) Next(t time.Time) time.Time {
	if s.cron == nil {
		return time.Time{}
	}
	t = t.Add(-s.jitter)
	if _, wall := s.cron.(*cron.SpecSchedule); !wall {
		return s.cron.Next(t).Add(s.jitter).UTC()
	}
	for wall := asWall(t.In(s.loc)); ; {
		wall = s.cron.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if next := fromWall(wall, s.loc); next.After(t) {
			return next.Add(s.jitter).UTC()
		}
	}
}

// asWall returns the reading of the clock on the wall as if it were UTC, where
// no reading is skipped or repeated.
func asWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// fromWall returns the moment at which a clock in loc shows wall: the first one
// if two do; and if none does, the moment at which it would have.
func fromWall(wall time.Time, loc *time.Location) time.Time {
	_, before := wall.Add(-24 * time.Hour).In(loc).Zone()
	_, after := wall.Add(24 * time.Hour).In(loc).Zone()
	early := wall.Add(-time.Duration(max(before, after)) * time.Second)
	late := wall.Add(-time.Duration(min(before, after)) * time.Second)
	if asWall(early.In(loc)).Equal(wall) {
		return early
	}
	return late
}
