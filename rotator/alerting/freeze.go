package alerting

import (
	"time"

	"cmkd/rotator"
)

// FreezeLong is after how long a freeze without an end is worth an alert.
const FreezeLong = 7 * 24 * time.Hour

// OfFreeze returns the alerts that a freeze is worth at a time.
func OfFreeze(f *rotator.Freeze, now time.Time) (found []rotator.Alert) {
	add := func(rule rotator.Rule, summary string) {
		cause := causeOf(rotator.Reason(f.ID))
		found = append(found, rotator.Alert{
			ID: ID(rule, ScopeDaemon, cause), Rule: rule, Severity: SeverityOf(rule), Cause: cause,
			Summary: summary + ": " + f.Reason, Next: "cmkd freeze list", Hint: "cmkd unfreeze " + f.ID + " --reason REASON ends it",
		})
	}
	if f.Scheduled {
		add(rotator.RuleFrozenByDaemon, "cmkd stopped whatever nobody asks for")
	}
	if !f.Scheduled && f.Until.IsZero() && now.Sub(f.Made) >= FreezeLong {
		add(rotator.RuleFreezeLasting, f.Subject()+" is frozen by "+f.Actor+" since "+f.Made.UTC().Format(time.RFC3339)+", and nobody said until when")
	}
	return found
}
