package rotator

import (
	"cmp"
	"time"
)

// Evidence is how we know that a change took effect.
type Evidence string

// The levels of evidence, from none to best.
const (
	EvidenceNone      Evidence = ""
	EvidenceInferred  Evidence = "inferred"  // the documented time has passed and nothing contradicts
	EvidenceObserved  Evidence = "observed"  // the vault's audit log shows the service using the version
	EvidenceConfirmed Evidence = "confirmed" // the service itself reports it
)

var evidenceRank = map[Evidence]int{EvidenceInferred: 1, EvidenceObserved: 2, EvidenceConfirmed: 3}

// AtLeast reports whether e is as good as want.
func (e Evidence) AtLeast(want Evidence) bool { return evidenceRank[e] >= evidenceRank[want] }

// Access is whether a dependent can use its key, as far as was seen.
type Access string

// What can be seen of access.
const (
	AccessUnknown Access = ""
	AccessAllowed Access = "allowed"
	AccessDenied  Access = "denied"
)

// Observation is what was seen of a dependent at a moment.
type Observation struct {
	// At is when, by Azure's clock (the Date header of its answer) where it
	// told, so that a jump of the daemon's clock cannot make evidence.
	At time.Time `json:"at"`
	// Uses are the places where the dependent names a key or holds versions of
	// one, also those of which it is not known whose key they are under.
	Uses []Use `json:"uses,omitempty"`
	// BlindSpots may use a key, too, and are not seen.
	BlindSpots []BlindSpot `json:"blind_spots,omitempty"`
	// Partial is true if not every use was looked at, because one of them was seen on
	// another version than it is to be on.
	Partial bool `json:"partial,omitempty"`
	// Updating is true while the resource has an update of its own under way.
	Updating bool `json:"updating,omitempty"`
	// Access is what was seen of the use of the keys, with the service's code.
	Access     Access `json:"access,omitempty"`
	AccessCode string `json:"access_code,omitempty"`
	// AccessEvidence is how good Access is.
	AccessEvidence Evidence `json:"access_evidence,omitempty"`
	// Problem is what the service itself complains of.
	Problem *Problem `json:"problem,omitempty"`
	// Region is where the resource is, as Azure writes it, for instance
	// "westeurope".
	Region string `json:"region,omitempty"`
	// Facts are the raw properties relied on, by their Azure names.
	Facts map[string]string `json:"facts,omitempty"`
}

// Problem is something that needs a person: what is wrong and what to do.
type Problem struct {
	Code    Reason `json:"code"`
	Message string `json:"message"`
	// Hint is the next step, a command or a grant.
	Hint string `json:"hint,omitempty"`
	// Class is the class of the error that it came of, if it came of one, or a
	// class of problem such as [ClassAutoRotation].
	Class Code `json:"class,omitempty"`
}

// ClassAutoRotation is the class of a problem, and of no error: the service
// tried to take a new version by itself and failed. The code is the service's
// own.
const ClassAutoRotation Code = "auto-rotation"

// String renders the problem on one line.
func (p *Problem) String() string {
	if p == nil {
		return ""
	}
	s := p.Message
	if p.Code != "" {
		s = string(p.Code) + ": " + s
	}
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// ProblemOf makes a problem of an error: its code is the error's reason, or its
// class where it has none.
func ProblemOf(err *Error) *Problem {
	return &Problem{Code: cmp.Or(err.Reason, Reason(err.Code)), Message: err.Error(), Hint: err.Hint, Class: err.Code}
}
