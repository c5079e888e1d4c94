package rotator

import "time"

// TrackerState is where a dependent stands within an operation.
type TrackerState string

// The tracker states.
const (
	TrackerWaiting     TrackerState = "waiting"      // not looked at yet in this phase
	TrackerApplying    TrackerState = "applying"     // an update of the dependent is intended or under way
	TrackerPropagating TrackerState = "propagating"  // looked at, not there yet
	TrackerDone        TrackerState = "done"         // there, with Evidence
	TrackerStalled     TrackerState = "stalled"      // past its window; clears itself
	TrackerNeedsAction TrackerState = "needs-action" // a person must act on the dependent
	TrackerUnreachable TrackerState = "unreachable"  // gone or forbidden
	TrackerExcluded    TrackerState = "excluded"     // left out by the operator
	TrackerLeft        TrackerState = "left"         // every use is known, and none names the key any more
)

// Settled reports whether nothing more is waited for of a dependent in this state.
func (s TrackerState) Settled() bool {
	return s == TrackerDone || s == TrackerLeft || s == TrackerExcluded
}

// Troubled reports whether a dependent in this state may be worth an alert.
func (s TrackerState) Troubled() bool {
	return s == TrackerStalled || s == TrackerNeedsAction || s == TrackerUnreachable
}

// TrackerStates lists the states in the order in which people want to see
// them: what needs somebody comes first.
func TrackerStates() []TrackerState {
	return []TrackerState{
		TrackerStalled, TrackerNeedsAction, TrackerUnreachable, TrackerApplying,
		TrackerPropagating, TrackerWaiting, TrackerDone, TrackerLeft, TrackerExcluded,
	}
}

// Tracker is one dependent's progress within one operation. The fields up to
// Detail change with every look and are kept small and apart from Detail, which
// changes seldom; see [Store].
type Tracker struct {
	Operation OperationID `json:"operation"`
	// Number counts from 0 within the operation.
	Number   uint32       `json:"number"`
	State    TrackerState `json:"state"`
	Evidence Evidence     `json:"evidence,omitempty"`
	// Failures counts consecutive failed looks, for the back-off.
	Failures int `json:"failures,omitempty"`
	// Looks counts all looks at the dependent within this operation.
	Looks int `json:"looks"`
	// Due is when to look next; zero when nothing is to be done.
	Due time.Time `json:"due,omitzero"`
	// Since is when State was entered, by the daemon's clock.
	Since time.Time `json:"since,omitzero"`
	// Seen is the last successful look, by Azure's clock.
	Seen time.Time `json:"seen,omitzero"`

	// Detail is the large part. In a [Change] it is nil when it did not change;
	// what a store returns always has it.
	Detail *TrackerDetail `json:"detail,omitempty"`
}

// TrackerDetail is the part of a tracker that changes seldom. It is never
// modified in place: a change makes a new one.
type TrackerDetail struct {
	Dependent Dependent `json:"dependent"`
	// Removed is true if the dependent was taken out of the configuration meanwhile;
	// the tracker is then in TrackerExcluded.
	Removed bool `json:"removed,omitempty"`
	// Binding is that of the use of the key that is hardest to change.
	Binding Binding `json:"binding,omitempty"`
	// Version sums up the uses of the key when last seen, for people: the version
	// of the one that is furthest from the target, see [Observation.Furthest].
	// Last has each use.
	Version string `json:"version,omitempty"`
	// Others are the versions that it uses or holds beside Version.
	Others []string `json:"others,omitempty"`
	// Known are the uses that were known at some time within the operation: one that
	// is not shown any more is unknown, and not gone.
	Known []string `json:"known,omitempty"`
	// Blind are the blind spots that were seen last, by what they are.
	Blind []string `json:"blind,omitempty"`
	// Allowed is true if it had access to its key when that was seen last.
	Allowed bool `json:"allowed,omitempty"`
	// Before is Version when the operation began.
	Before string `json:"before,omitempty"`
	// BoundBefore is Binding when the operation began.
	BoundBefore Binding `json:"bound_before,omitempty"`
	// Via are the resources that are looked at in the dependent's place, if any:
	// the disk encryption set of a managed cluster.
	Via []string `json:"via,omitempty"`
	// Window is how long the slowest of its uses may take to follow the key, if that is
	// longer than the kind's window.
	Window time.Duration `json:"window,omitempty"`
	// Region is where the dependent is, as Azure writes it.
	Region string `json:"region,omitempty"`
	// Applied is when the last update of the dependent was accepted, for which
	// version, and which it was, so that it is not repeated for the same one at
	// once.
	Applied        time.Time `json:"applied,omitzero"`
	AppliedVersion string    `json:"applied_version,omitempty"`
	AppliedAction  Action    `json:"applied_action,omitempty"`
	// Refused counts the updates refused one after the other, for the back-off, and
	// Refusal is what the last of them was refused for. Looks in between change neither.
	Refused int      `json:"refused,omitempty"`
	Refusal *Problem `json:"refusal,omitempty"`
	// Needs are versions that it needs beside those that it shows, and that nobody shows:
	// those that a use was on when the operation began which needs the version before, too
	// ([Use.Previous]).
	Needs []string `json:"needs,omitempty"`
	// NeedsYet are versions that it needed when the operation began, and needs until it is told
	// the target.
	NeedsYet []string `json:"needs_yet,omitempty"`
	// KnownBefore are the uses that were known when the operation began, AppliedTo those
	// that were known when the last update was accepted: of another one neither BoundBefore
	// nor AppliedVersion tells anything.
	KnownBefore []string `json:"known_before,omitempty"`
	AppliedTo   []string `json:"applied_to,omitempty"`
	// DoneAt is when Evidence was reached, by Azure's clock.
	DoneAt time.Time `json:"done_at,omitzero"`
	// Problem is what keeps the dependent from being done.
	Problem *Problem `json:"problem,omitempty"`
	// Last is the observation that State rests on.
	Last *Observation `json:"last,omitempty"`
}
