package configs

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// gap is the least time between two firings of a schedule, or why there is
// none.
type gap struct {
	least   time.Duration
	message string
	hint    string
	// either is true if a day has to match the day of the month or that of the week.
	either bool
}

// starBit is how cron marks a field that lets every value pass.
const starBit = 1 << 63

// either reports whether a schedule names days of the month and of the week: it is then
// enough that one of both matches.
//
// Source: crontab(5), "if both fields are restricted, the command will be run when either
// field matches the current time".
func either(s cron.Schedule) bool {
	spec, ok := s.(*cron.SpecSchedule)
	return ok && spec.Dom&starBit == 0 && spec.Dow&starBit == 0
}

// nextTimes says when a schedule fires next.
func nextTimes(spec, zone string, now time.Time, times int) string {
	location, err := time.LoadLocation(zone)
	if err != nil {
		location = time.UTC
	}
	schedule, err := cronParser.Parse(spec)
	if err != nil {
		return ""
	}
	var all []string
	for now = now.In(location); times > 0; times-- {
		if now = schedule.Next(now); now.IsZero() {
			break
		}
		all = append(all, now.Format("Mon 2006-01-02 15:04"))
	}
	return strings.Join(all, ", ")
}

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// manyFirings is enough to see the shortest gap of any schedule of hours and
// days; the first ones of a denser schedule are as short as any.
const manyFirings = 366

// fixedDay is the moment from which schedules are measured.
var fixedDay = time.Date(2023, time.December, 31, 23, 59, 59, 0, time.UTC)

// gapOf measures a schedule from a fixed day on, so that the same file is
// always judged alike.
func gapOf(spec string) gap {
	const hint = `five fields (minute hour day month weekday) or a descriptor such as @monthly, ` +
		`for instance "0 3 1 */3 *"`
	if strings.Contains(spec, "TZ=") {
		return gap{message: quote(spec) + " holds a time zone", hint: "give it in timezone"}
	}
	schedule, err := cronParser.Parse(spec)
	if err != nil {
		return gap{message: quote(spec) + " is not a schedule: " + onOneLine(err.Error()), hint: hint}
	}
	last := schedule.Next(fixedDay)
	if last.IsZero() {
		return gap{message: quote(spec) + " never fires", hint: "there is no such day"}
	}
	end := last.AddDate(8, 0, 0)
	least := end.Sub(last)
	for range manyFirings {
		next := schedule.Next(last)
		if next.IsZero() || next.After(end) {
			break
		}
		least, last = min(least, next.Sub(last)), next
	}
	return gap{least: least, either: either(schedule)}
}

func (v *validator) gapOf(spec string) gap {
	if g, ok := v.gaps[spec]; ok {
		return g
	}
	if v.gaps == nil {
		v.gaps = map[string]gap{}
	}
	v.gaps[spec] = gapOf(spec)
	return v.gaps[spec]
}

func (v *validator) validateSchedule(k *Key, at string) {
	if k.Schedule == "" {
		v.unscheduled(k, at)
		return
	}
	g := v.gapOf(k.Schedule)
	if g.message != "" {
		v.problem(at+".schedule", g.message, g.hint)
		return
	}
	if v.checks.CheckSchedule != nil {
		if err := v.checks.CheckSchedule(k.Schedule, k.Timezone); err != nil {
			v.problem(at+".schedule", onOneLine(err.Error()), "")
			return
		}
	}
	if g.either {
		v.warn(at+".schedule", fmt.Sprintf("%s fires on each of its days of the month and on each of its weekdays, not only where both hold: next on %s",
			quote(k.Schedule), nextTimes(k.Schedule, k.Timezone, v.checks.now(), 5)),
			"put * in the place of the day of the month or of the weekday (crontab(5))")
	}
	v.validatePace(k, at, g.least)
}

// unscheduled warns of what only a schedule could use. What equals the default
// is let pass: a printed configuration has it all.
func (v *validator) unscheduled(k *Key, at string) {
	from := v.config.Defaults
	for field, set := range map[string]bool{
		"timezone": k.Timezone != from.Timezone,
		"jitter":   k.Jitter != from.Jitter,
		"misfire":  k.Misfire != from.Misfire,
	} {
		if set {
			v.warn(at+"."+field, "has no effect without a schedule", "add schedule or remove it")
		}
	}
}

// validatePace compares the schedule with what has to happen in between.
func (v *validator) validatePace(k *Key, at string, least time.Duration) {
	soak := time.Duration(k.Soak)
	if k.Retire == "off" {
		soak = 0
	}
	if soak >= least {
		v.problem(v.written(at, "soak", "schedule"),
			fmt.Sprintf("soaking for %s never ends before the next rotation, due after %s", k.Soak, Duration(least)),
			"shorten soak or rotate less often")
		return
	}
	var slowest Dependent
	for _, d := range k.Dependents {
		if d.Exclude == "" && v.window(&d) > v.window(&slowest) {
			slowest = d
		}
	}
	if need := time.Duration(v.window(&slowest)) + soak; need > least {
		v.warn(at+".schedule", fmt.Sprintf("rotates every %s, but the window of %s and soak take %s",
			Duration(least), quote(slowest.label()), Duration(need)), "rotate less often")
	}
	if time.Duration(k.Jitter) > least {
		v.warn(v.written(at, "jitter", "schedule"),
			fmt.Sprintf("a jitter of %s is longer than the time between rotations, %s", k.Jitter, Duration(least)),
			"shorten it")
	}
}

// label is what people call the dependent.
func (d Dependent) label() string {
	if d.Name != "" {
		return d.Name
	}
	return d.ID[strings.LastIndexByte(d.ID, '/')+1:]
}
