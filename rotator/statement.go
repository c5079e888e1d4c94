package rotator

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Attestation is a person's statement that stands in for evidence of a dependent that
// cannot be had: that it does not need the old versions of its key any more. It holds for
// what it was made for, and for no longer than it says.
type Attestation struct {
	// ID is a-1 and so on.
	ID    string `json:"id"`
	KeyID KeyID  `json:"key_id"`
	// Key is the short name of the key when it was made.
	Key string `json:"key"`
	// Dependent is the resource id, or the id of a manual dependent.
	Dependent string `json:"dependent"`
	// Versions are the old versions that it was made for: it says nothing of others.
	Versions []string `json:"versions"`
	// Binding and BlindSpots are what was known of the dependent then: how it names its
	// key, and what cannot be seen of it. Of a blind spot that is not among them it says
	// nothing.
	Binding    Binding  `json:"binding,omitempty"`
	BlindSpots []string `json:"blind_spots,omitempty"`

	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
	Made   time.Time `json:"made"`
	// Until is when it ends; somebody may have taken it back earlier.
	Until time.Time `json:"until"`
	// Void is what contradicts it; nil while nothing does. It does not come back.
	Void *Problem `json:"void,omitempty"`
}

// Holds reports whether the attestation counts at a time.
func (a *Attestation) Holds(now time.Time) bool { return a.Void == nil && now.Before(a.Until) }

// Covers reports whether it was made for a version of a key and a dependent, whether or
// not it holds still.
func (a *Attestation) Covers(key KeyID, dependent, version string) bool {
	return a.KeyID.Same(key) && strings.EqualFold(a.Dependent, dependent) && slices.Contains(a.Versions, version)
}

// Freeze stops every write but those of revocations and reinstatements: what is under
// way waits, and nothing begins.
type Freeze struct {
	// ID is f-1 and so on.
	ID string `json:"id"`
	// Vault is the host of a vault, KeyID a key, which Key is what it was called; if
	// none is given, everything is frozen.
	Vault string `json:"vault,omitempty"`
	KeyID KeyID  `json:"key_id,omitempty"`
	Key   string `json:"key,omitempty"`

	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
	Made   time.Time `json:"made"`
	// Until is when it ends by itself, zero for when somebody ends it.
	Until time.Time `json:"until,omitzero"`
	// Scheduled freezes stop only what nobody asked for: the daemon makes one itself
	// when dependents lose access.
	Scheduled bool `json:"scheduled,omitempty"`
}

// Stops reports whether the freeze stops what somebody asked for, or nobody did, on a key
// at a time.
func (f *Freeze) Stops(key KeyID, asked bool, now time.Time) bool {
	return f.Concerns(key, asked) && (f.Until.IsZero() || now.Before(f.Until))
}

// Concerns reports whether the freeze stops what somebody asked for, or nobody did, on a key
// as long as it holds.
func (f *Freeze) Concerns(key KeyID, asked bool) bool {
	return (!f.Scheduled || !asked) && (f.Vault == "" || strings.EqualFold(f.Vault, key.Host())) && (f.KeyID == "" || f.KeyID.Same(key))
}

// Subject says what is frozen: everything, a vault or a key.
func (f *Freeze) Subject() string {
	subject := "everything"
	switch {
	case f.KeyID != "":
		subject = "key " + cmp.Or(f.Key, string(f.KeyID))
	case f.Vault != "":
		subject = "vault " + f.Vault
	}
	if f.Scheduled {
		subject += " that nobody asks for"
	}
	return subject
}

// Ends says when it ends.
func (f *Freeze) Ends() string {
	if f.Until.IsZero() {
		return "until somebody ends it"
	}
	return "until " + f.Until.UTC().Format("2006-01-02 15:04 MST")
}

// Problem is what whoever waits for the end of the freeze is told: who, until when and
// why.
func (f *Freeze) Problem() *Problem {
	p := &Problem{
		Code: ReasonFrozen, Message: "frozen by " + f.Actor + " " + f.Ends() + " (" + f.ID + "): " + f.Reason,
		Hint: "cmkd unfreeze " + f.ID + " --reason REASON ends it",
	}
	if f.Scheduled {
		p.Class, p.Hint = ClassLostAccess, "see that everybody has access, and why it was lost; then "+p.Hint
	}
	return p
}

// ClassLostAccess is the class of the problem of a freeze that the daemon made itself, because a
// dependent lost access to its key.
const ClassLostAccess Code = "lost-access"

// IsFrozen reports whether a problem is that a freeze stops an update.
func IsFrozen(p *Problem) bool { return p != nil && p.Code == ReasonFrozen }

// FreezeRequest asks for a freeze of everything, or of one vault or key.
type FreezeRequest struct {
	// Vault is a host, or its first label; Key is the short name of a key. At most one
	// of them is given.
	Vault string `json:"vault,omitempty"`
	Key   string `json:"key,omitempty"`
	// Until is when it is to end, or For after how long; with neither somebody has to
	// end it.
	Until  time.Time     `json:"until,omitzero"`
	For    time.Duration `json:"for,omitempty"`
	Actor  string        `json:"-"`
	Reason string        `json:"reason"`
}

// Standing is what is known of a dependent of a key between operations.
type Standing struct {
	KeyID KeyID `json:"key_id"`
	// Dependent is its resource id, Kind its kind.
	Dependent string `json:"dependent"`
	Kind      string `json:"kind,omitempty"`
	// Last is the last observation that showed its uses, Since when it began to show
	// the same.
	Last  *Observation `json:"last,omitempty"`
	Since time.Time    `json:"since,omitzero"`
	// Known are the uses that were ever known, see [Observation.Unknown].
	Known []string `json:"known,omitempty"`
	// Unlisted is true if nobody listed it when it was observed last, and it had not left
	// the key.
	Unlisted bool `json:"unlisted,omitempty"`
	// Held are versions that it needs beside those that it shows, and that nobody shows:
	// cmkd remembers them (azure/facts-services.md A2, the previous key of an etcd).
	Held []Held `json:"held,omitempty"`
	// Drift is what changed without an operation, for as long as it has not changed back.
	Drift []Drift `json:"drift,omitempty"`
}

// Drift is what of a standing changed without an operation.
type Drift struct {
	// Change is what did, for instance [ReasonVersionChanged]; a service's own code if it
	// complains.
	Change Reason `json:"change"`
	// Use names the use, empty if it is about the dependent as a whole; From is what it
	// was like, To what it is like now.
	Use  string `json:"use,omitempty"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Message says it in words, without the dependent.
	Message string `json:"message"`
	// Class is that of the problem, if it is one.
	Class Code `json:"class,omitempty"`
	// Since is when it was seen first, by the daemon's clock.
	Since time.Time `json:"since"`
}

// Drifted is what changed of dependents of a key without an operation, one for each kind
// of change.
type Drifted struct {
	Change Reason `json:"change"`
	Class  Code   `json:"class,omitempty"`
	// Affected are the dependents, at most [AffectedMost]; Count is how many there are.
	Affected []Affected `json:"affected"`
	Count    int        `json:"count"`
	// Message says it of the first of them.
	Message string `json:"message"`
}
