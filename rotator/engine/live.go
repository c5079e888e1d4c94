package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// live is an operation under way.
type live struct {
	// closing is when the last look of a probation began, by the steady clock.
	closing time.Time
	op      rotator.Operation
	// trackers are read from the store when first needed.
	trackers []rotator.Tracker
	loaded   bool
	// changed lists the trackers to commit; marks says for each tracker whether it
	// is listed, and whether its large part is to be committed too.
	changed []uint32
	marks   []mark
	shown   []uint64 // what the last look at each tracker showed, see [shows]
	asked   []bool   // a task for the tracker is under way
	askedN  int
	// dues counts the trackers by due time, for the earliest, but those that are
	// being looked at; dueN is their sum.
	dues map[int64]int
	dueN int
	// planned is for when the agenda has the operation.
	planned time.Time
	// suspect is true if something changed that may be worth an alert, or end one.
	suspect bool

	// since is when the state was entered, by the steady clock, see [state.lasts].
	since time.Time

	// Of the phase under way, and begun anew after a restart:
	versions []rotator.Version // as last read in this phase
	listed   time.Time         // when versions was asked for, by the steady clock
	lookedAt time.Time         // when the preflight began to look at the dependents, by the steady clock
	verify   time.Time         // when the guard began, by the steady clock
	// uncertain is since when it is not known whether a call made a version, by the
	// steady clock; begun anew after a restart.
	uncertain time.Time
	listErr   *rotator.Error
	guarding  bool                         // the guard waits for fresh looks
	stale     map[uint32]bool              // trackers not looked at since the guard began
	older     map[uint32]bool              // trackers at which a look was under way when the guard began
	afresh    map[uint32]time.Time         // when the guard saw a tracker, by the steady clock
	renewed   time.Time                    // when the guard asked for looks again, because others had become old
	drifted   map[string]*rotator.Standing // of the dependents that had drifted before, by resource id in lower case
	dropping  time.Time                    // when the guard began that found one disabled by somebody else, by the steady clock
	denied    map[uint32]*denial           // by tracker
	sweep     sweep
	objected  []rotator.Objection              // what the guard said last, which is not noted again
	retirers  []func(rotator.Operation, error) // requests that wait for the guard
}

func (l *live) redue(from, to time.Time) {
	if !from.IsZero() {
		l.dueN--
		if l.dues[from.UnixNano()]--; l.dues[from.UnixNano()] <= 0 {
			delete(l.dues, from.UnixNano())
		}
	}
	if !to.IsZero() {
		l.dueN++
		l.dues[to.UnixNano()]++
	}
}

// due returns when the operation or one of its trackers wants attention.
func (l *live) due() time.Time {
	due := l.op.Wake
	for at := range l.dues {
		due = sooner(due, time.Unix(0, at).UTC())
	}
	return due
}

// stuck reports whether the operation has nothing that would move it: no time at
// which to wake, no tracker that is due or being looked at, no search under way, no person
// to wait for.
func (l *live) stuck() bool {
	return !l.op.State.Final() && l.loaded && l.op.Wake.IsZero() && l.dueN == 0 && l.askedN == 0 && !l.sweep.out && !l.awaitsPerson()
}

// settled reports whether no dependent is waited for.
func (l *live) settled() bool {
	return l.op.Open() == 0
}

// open counts the dependents that are waited for: those of which something is, but for
// what nobody listed. A rotation goes on without that; only its guard does not.
func (l *live) open() int {
	n := l.op.Open()
	if n > l.op.Unlisted {
		return n // there are others among them
	}
	for i := range l.trackers {
		if t := &l.trackers[i]; n > 0 && t.Detail.Dependent.Discovered && !t.State.Settled() {
			n--
		}
	}
	return n
}

// awaitsPerson reports whether a person has to say something before the operation
// goes on.
func (l *live) awaitsPerson() bool {
	return l.op.State == rotator.StateAwaitingApproval || l.op.AwaitsRetirement()
}

// snapshot returns the operation as a value that will not change.
func (l *live) snapshot() rotator.Operation {
	op := l.op
	op.Trackers = maps.Clone(op.Trackers)
	return op
}

func (l *live) retirer() string {
	if l.op.Retirer != "" {
		return l.op.Retirer
	}
	return actorDaemon
}

// evidence says how much of what is said of the dependents was seen.
func (l *live) evidence() string {
	counts := map[rotator.Evidence]int{}
	for i := range l.trackers {
		if l.trackers[i].State == rotator.TrackerDone {
			counts[l.trackers[i].Evidence]++
		}
	}
	var parts []string
	for _, e := range []rotator.Evidence{rotator.EvidenceConfirmed, rotator.EvidenceObserved, rotator.EvidenceInferred} {
		if counts[e] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[e], e))
		}
	}
	for _, s := range []rotator.TrackerState{rotator.TrackerLeft, rotator.TrackerExcluded} {
		if n := l.op.Trackers[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if n := l.op.Open() - l.open(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d that nobody listed not known to be", n))
	}
	if len(parts) == 0 {
		return "there are none"
	}
	return strings.Join(parts, ", ")
}

// unchanged returns the next version that is to be disabled or enabled.
func (l *live) unchanged() (string, bool) {
	for _, v := range l.op.Versions {
		if !slices.Contains(l.op.Changed, v) {
			return v, true
		}
	}
	return "", false
}

// atWork returns the operation, nil if it is none or only asked for, and waits for a second
// person.
func (l *live) atWork() *live {
	if l != nil && l.op.State == rotator.StateAwaitingApproval {
		return nil
	}
	return l
}

// revokes reports whether the operation is a revocation at work.
func (l *live) revokes() bool {
	l = l.atWork()
	return l != nil && l.op.Kind == rotator.KindRevocation
}
