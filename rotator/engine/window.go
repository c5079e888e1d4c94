package engine

import (
	"time"

	"cmkd/rotator"
)

const (
	// defaultWindow serves kinds that document none.
	defaultWindow = time.Hour
	// pollsPerWindow is how often a dependent is looked at within its window:
	// an hour is looked at every minute, a day every quarter of an hour.
	pollsPerWindow = 60
	minPoll        = 15 * time.Second
	maxPoll        = 15 * time.Minute
	// unreachablePoll is how often a dependent is tried that is gone or
	// forbidden: that ends by a person's action.
	unreachablePoll = 5 * time.Minute
)

// windowOf returns how long the dependent of a tracker may take to switch to a new
// version.
func windowOf(t *rotator.TrackerDetail, traits rotator.Traits) time.Duration {
	switch {
	case t.Dependent.Window > 0:
		return t.Dependent.Window
	case traits.Window > 0:
		return max(traits.Window, t.Window)
	default:
		return max(defaultWindow, t.Window)
	}
}

// accessWindow returns how long the dependent of a tracker may take to lose or regain
// access: by the documentation, else by the operator, else a guess.
func accessWindow(t *rotator.TrackerDetail, traits rotator.Traits) time.Duration {
	if traits.Revocation > 0 {
		return traits.Revocation
	}
	return windowOf(t, traits)
}

// pollOf returns how often d is looked at when it has window to finish.
func pollOf(d *rotator.Dependent, window time.Duration) time.Duration {
	if d.Poll > 0 {
		return d.Poll
	}
	return min(max(window/pollsPerWindow, minPoll), maxPoll).Truncate(time.Second)
}

// nextOnGrid returns the first multiple of every after now. Looking at all
// dependents of an operation at common times keeps the store's changes together
// and makes one sweep of many looks.
func nextOnGrid(now time.Time, every time.Duration) time.Time {
	return now.Truncate(every).Add(every)
}

// backoff returns how long to wait after so many failures in a row. In sum: 1 s,
// 3 s, 7 s, 15 s, 31 s, 1 min, 2 min, and then every two minutes.
func backoff(failures int) time.Duration {
	if failures < 1 {
		failures = 1
	}
	return min(time.Second<<min(failures-1, 10), 2*time.Minute)
}

// refusedAgain returns how long to wait after so many refused updates in a row: 5 s,
// 10 s and so on up to five minutes. Each is a write, and Azure's log shows it.
func refusedAgain(times int) time.Duration {
	return min(5*time.Second<<min(max(times, 1)-1, 10), 5*time.Minute)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sooner returns the earlier of two times, where zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
