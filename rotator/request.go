package rotator

import "time"

// Request is what every command of a person carries.
type Request struct {
	// Key is the short name of the key.
	Key string `json:"key"`
	// Actor is who asks, by the socket's peer credentials; a client cannot set
	// it.
	Actor string `json:"-"`
	// Reason is the person's own words, kept in the audit trail.
	Reason string `json:"reason,omitempty"`
	// Compromised says of a retirement that the versions are not to be trusted any more:
	// they are not enabled again if somebody turns out to need them.
	Compromised bool `json:"compromised,omitempty"`
	// Accept says of a rotation that the next version may be made like this one, although it
	// is weaker than the one in use.
	Accept string `json:"accept,omitempty"`
}

// RevokeRequest asks to revoke a key.
type RevokeRequest struct {
	Request
	// Confirm must repeat the name of the key.
	Confirm string `json:"confirm"`
}

// OperationRequest asks for something about one operation.
type OperationRequest struct {
	Operation OperationID `json:"operation"`
	Actor     string      `json:"-"`
	Reason    string      `json:"reason,omitempty"`
}

// KeyQuery selects configured keys, by name; the zero value selects all.
type KeyQuery struct {
	// After is the name to continue after, for paging.
	After string
	Limit int
}

// OperationQuery selects operations as people do; the zero value selects all.
type OperationQuery struct {
	// Key is the short name of a key. Under an earlier name it is the same key.
	Key string
	// Live leaves out final operations.
	Live bool
	// Before is the id to continue below, for paging.
	Before OperationID
	Limit  int
}

// KeyStatus is a key with what is known of it.
type KeyStatus struct {
	KeyState
	Schedule   string      `json:"schedule,omitempty"`
	Retire     Retire      `json:"retire"`
	Dependents []Dependent `json:"dependents"`
	// Last is the newest operation, live or not; nil if there was none.
	Last *Operation `json:"last,omitempty"`
	// Freezes are those that hold for the key, oldest first.
	Freezes []Freeze `json:"freezes,omitempty"`
	// Needs is why the key needs a person, see [KeyStatus.NeedsYou]. Only the control API
	// fills it in.
	Needs *Problem `json:"needs_you,omitempty"`
}

// OperationStatus is an operation with its trackers.
type OperationStatus struct {
	Operation
	Trackers []TrackerStatus `json:"dependents"`
	// Total is how many dependents there are; whoever asks may want only the first
	// of them.
	Total int `json:"total"`
	// Blockers are the objections of the retirement guard as of the last looks.
	Blockers []Objection `json:"blockers,omitempty"`
}

// TrackerStatus is a tracker with what a person wants to know of it.
type TrackerStatus struct {
	Tracker
	// Window is how long its kind may take.
	Window time.Duration `json:"window"`
	// Deadline is when it counts as stalled; zero if it does not run.
	Deadline time.Time `json:"deadline,omitzero"`
	// Expected is when it is expected to be done, and Latest when nine of ten would
	// be, by what was learned of its kind in its region, or else the end of its
	// window; zero if it is done or unknown.
	Expected time.Time `json:"expected,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
	// Attested is the attestation that stands in for what is not seen of it, nil if none does.
	Attested *Attestation `json:"attested,omitempty"`
}

// Objection is one reason for which the guard does not let a version be
// retired.
type Objection struct {
	// Check is the condition that it objects to, for instance dependent-unknown.
	Check Reason `json:"check"`
	// Dependent is the resource id concerned, empty if it is none.
	Dependent string `json:"dependent,omitempty"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`
}

// Plan says what an operation would do, and what stands in its way.
type Plan struct {
	Kind  OperationKind `json:"kind"`
	Key   string        `json:"key"`
	KeyID KeyID         `json:"key_id"`
	// Steps are sentences in the order in which they would happen.
	Steps []string `json:"steps"`
	// Dependents says for each dependent what would happen to it.
	Dependents []PlannedDependent `json:"dependents"`
	// Problems would make the operation fail before it changes anything.
	Problems []Problem `json:"problems,omitempty"`
	// Warnings are what is wrong and would not stop it.
	Warnings []Problem `json:"warnings,omitempty"`
	// Unlisted are the dependents that only a search found: nothing is written to them,
	// and they hold the retirement of the previous version.
	Unlisted []PlannedDependent `json:"unlisted,omitempty"`
	// Inventory says how much was searched for them.
	Inventory Inventory `json:"inventory,omitzero"`
	// NotChecked is what the operation needs and what was not looked at, or cannot be.
	NotChecked []NotChecked `json:"not_checked,omitempty"`
}

// NotChecked is a condition that nobody looked at.
type NotChecked struct {
	// What is the condition, as the end of a sentence.
	What string `json:"what"`
	Why  string `json:"why"`
}

// PlannedDependent is what would happen to one dependent.
type PlannedDependent struct {
	Dependent Dependent `json:"dependent"`
	Binding   Binding   `json:"binding,omitempty"`
	Version   string    `json:"version,omitempty"`
	// Via are the resources that are looked at in its place, if any.
	Via []string `json:"via,omitempty"`
	// Effect is a sentence: what happens to it, when, and how it is known.
	Effect  string   `json:"effect"`
	Problem *Problem `json:"problem,omitempty"`
}

// RetirementPlan says what the retirement guard would say now, from fresh reads, and on
// what that rests. Nothing was changed for it.
type RetirementPlan struct {
	Key       string         `json:"key"`
	KeyID     KeyID          `json:"key_id"`
	Operation OperationID    `json:"operation"`
	State     OperationState `json:"state"`
	// Target is the version that the dependents are to be on, Previous are those that
	// would be disabled.
	Target   string   `json:"target"`
	Previous []string `json:"previous"`
	// Needed are those of the previous versions that would stay enabled all the same.
	Needed []NeededVersion `json:"needed,omitempty"`
	// Dependents is the proof, one dependent after the other.
	Dependents []Proof   `json:"dependents"`
	Inventory  Inventory `json:"inventory"`
	// Objections are what the guard has against it if the person who asks retires, Doubts
	// why it does not happen by itself.
	Objections []Objection `json:"objections,omitempty"`
	Doubts     []Objection `json:"doubts,omitempty"`
	// Probation is how long the retirement would be watched; Late names the dependents of
	// which it does not show in that time that they lack the version.
	Probation time.Duration `json:"probation"`
	Late      []string      `json:"late,omitempty"`
}

// NeededVersion is a version that a dependent is known to need until it is told yet another
// one, whatever it is on.
type NeededVersion struct {
	Version   string `json:"version"`
	Dependent string `json:"dependent"`
	Message   string `json:"message"`
}

// Proof is what is known of one dependent, and on what that rests.
type Proof struct {
	Dependent Dependent    `json:"dependent"`
	State     TrackerState `json:"state"`
	Evidence  Evidence     `json:"evidence,omitempty"`
	Binding   Binding      `json:"binding,omitempty"`
	// At is when it was so, by Azure's clock; zero if it could not be seen now.
	At time.Time `json:"at,omitzero"`
	// Rests are sentences: each use, each version that is held, access, and what cannot
	// be seen.
	Rests   []string `json:"rests"`
	Problem *Problem `json:"problem,omitempty"`
	// Attestation is the word of a person that it rests on, nil if there is none.
	Attestation *Attestation `json:"attestation,omitempty"`
}

// Summary is the daemon in numbers.
type Summary struct {
	Keys int `json:"keys"`
	// Live counts operations under way by kind, revocations in effect included.
	Live map[OperationKind]int `json:"live"`
	// Trackers counts the trackers of live operations by state.
	Trackers map[TrackerState]int `json:"trackers"`
	// Kinds counts the trackers of live operations by kind of dependent and state.
	Kinds map[string]map[TrackerState]int `json:"kinds,omitempty"`
	// NeedsAction counts the keys that need a person, see [KeyStatus.NeedsYou].
	NeedsAction int `json:"needs_action"`
	// Next is the next scheduled rotation, zero if there is none.
	Next    time.Time `json:"next,omitzero"`
	NextKey string    `json:"next_key,omitempty"`
	// NextFrozen is true if that waits for the end of a freeze.
	NextFrozen bool `json:"next_frozen,omitempty"`
	// Blocked says why nothing can be committed, empty if all is well.
	Blocked string `json:"blocked,omitempty"`
	// Alerts counts the firing alerts by severity, silenced ones apart.
	Alerts   map[Severity]int `json:"alerts"`
	Silenced int              `json:"silenced,omitempty"`
	// Freezes are those that hold, oldest first.
	Freezes []Freeze `json:"freezes,omitempty"`
}

// AttestRequest asks to take a person's word for a dependent, see [Attestation].
type AttestRequest struct {
	Key string `json:"key"`
	// Dependent is its id, or its name where only one of the key has it.
	Dependent string `json:"dependent"`
	Reason    string `json:"reason"`
	// Until is when it ends; For, if it is not zero, says it from now on.
	Until time.Time     `json:"until,omitzero"`
	For   time.Duration `json:"for,omitempty"`
	Actor string        `json:"-"`
}
