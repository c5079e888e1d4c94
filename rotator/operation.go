package rotator

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// OperationID numbers the operations of one store from 1, in the order in which
// they began. It is written op-17.
type OperationID uint64

// String returns the written form, op-17.
func (id OperationID) String() string { return "op-" + strconv.FormatUint(uint64(id), 10) }

// MarshalText implements [encoding.TextMarshaler]: programs see what people type.
// The zero id, which is no operation's, is the empty text.
func (id OperationID) MarshalText() ([]byte, error) {
	if id == 0 {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *OperationID) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*id = 0
		return nil
	}
	*id, err = ParseOperationID(string(text))
	return err
}

// ParseOperationID reads op-17.
func ParseOperationID(s string) (OperationID, error) {
	digits, ok := strings.CutPrefix(strings.ToLower(s), "op-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not an operation id like op-17", s)
	}
	return OperationID(n), nil
}

// OperationKind is what an operation does to its key.
type OperationKind string

// The kinds of operation.
const (
	KindRotation      OperationKind = "rotation"
	KindRevocation    OperationKind = "revocation"
	KindReinstatement OperationKind = "reinstatement"
)

// OperationState is where an operation stands.
type OperationState string

// The states. Which of them a kind passes through is drawn in the package
// documentation.
const (
	StatePending     OperationState = "pending"
	StateCreating    OperationState = "creating"
	StatePropagating OperationState = "propagating"
	StateSoaking     OperationState = "soaking"
	StateRetiring    OperationState = "retiring"
	StateProbation   OperationState = "probation" // retired; whether anybody lacks the version is watched

	StateAwaitingApproval OperationState = "awaiting-approval"
	StateDisabling        OperationState = "disabling"
	StateTakingEffect     OperationState = "taking-effect"
	StateEffective        OperationState = "effective"

	StateEnabling   OperationState = "enabling"
	StateRecovering OperationState = "recovering"
	StateRecovered  OperationState = "recovered"

	StateCompleted OperationState = "completed"
	StateFailed    OperationState = "failed"
	StateCancelled OperationState = "cancelled"
)

// Final reports whether nothing more will happen.
func (s OperationState) Final() bool {
	switch s {
	case StateCompleted, StateFailed, StateCancelled, StateRecovered:
		return true
	default:
		return false
	}
}

// Cause is what set an operation off.
type Cause string

// The causes.
const (
	CauseSchedule Cause = "schedule"
	CauseOperator Cause = "operator"
	CauseVault    Cause = "vault" // a version made by someone else was found
)

// Attempt is one intent to make a new version, committed before the call.
type Attempt struct {
	// Number counts from 1 within the operation.
	Number int    `json:"number"`
	Method Method `json:"method"`
	// At is when the intent was decided, by the daemon's clock.
	At time.Time `json:"at"`
	// Uncertain is the time since which it is unknown whether the call had an
	// effect; zero while the call is out or its answer is known.
	Uncertain time.Time `json:"uncertain,omitzero"`
}

// Approval is the consent of one person.
type Approval struct {
	Actor string    `json:"actor"`
	At    time.Time `json:"at"`
	// Reason is the person's own words.
	Reason string `json:"reason,omitempty"`
}

// Operation is one rotation, revocation or reinstatement of one key.
type Operation struct {
	ID    OperationID    `json:"id"`
	Kind  OperationKind  `json:"kind"`
	Key   string         `json:"key"`
	KeyID KeyID          `json:"key_id"`
	State OperationState `json:"state"`
	Cause Cause          `json:"cause"`
	// Actor is who asked: a user name by the socket's peer credentials, or
	// "cmkd" for the schedule and the vault watch.
	Actor  string `json:"actor"`
	Reason string `json:"reason,omitempty"`

	Created time.Time `json:"created"`
	// Since is when State was entered.
	Since    time.Time `json:"since"`
	Finished time.Time `json:"finished,omitzero"`
	// Wake is when the operation itself goes on, whatever its trackers do; zero
	// when it waits for an answer or a person.
	Wake time.Time `json:"wake,omitzero"`
	// Due is when the operation or one of its trackers wants attention next.
	Due time.Time `json:"due,omitzero"`

	// Base are the versions that existed when the intent to make a new one was
	// committed; whatever is not among them is new.
	Base    []string `json:"base,omitempty"`
	Attempt Attempt  `json:"attempt,omitzero"`
	// Target is the version that the dependents are expected to use.
	Target Version `json:"target,omitzero"`
	// Adopted is true if Target was made by someone else.
	Adopted bool `json:"adopted,omitempty"`
	// Previous are the versions to retire, newest first.
	Previous []string `json:"previous,omitempty"`
	// Retired are those of Previous that were disabled.
	Retired []string `json:"retired,omitempty"`
	Retire  Retire   `json:"retire,omitempty"`
	// Doubt is why a person has to say that the previous version may go although the
	// key retires by itself: what is only inferred never retires by itself.
	Doubt *Problem `json:"doubt,omitempty"`
	// Overdue is true if a person is waited for longer than it was configured to be worth
	// an alert.
	Overdue bool `json:"overdue,omitempty"`
	// Retirer is who asked for the retirement, with RetireManual or a doubt.
	Retirer string `json:"retirer,omitempty"`
	// Compromised is true if the previous versions are retired as compromised: then
	// whoever lacks them goes without.
	Compromised bool `json:"compromised,omitempty"`
	// Accepted is a version that a person takes for a model of the next one, although it is
	// weaker than the one in use.
	Accepted string `json:"accepted,omitempty"`
	// RetiredAt is when the last of Retired was disabled, by the vault's clock.
	RetiredAt time.Time `json:"retired_at,omitzero"`
	// Probation is until when a retirement is watched.
	Probation time.Time `json:"probation,omitzero"`
	// RolledBack is when a retirement was rolled back, Rollback why, and Restoring true
	// until its versions are enabled again.
	RolledBack time.Time `json:"rolled_back,omitzero"`
	Rollback   *Problem  `json:"rollback,omitempty"`
	Restoring  bool      `json:"restoring,omitempty"`
	// Settled is when the last dependent was seen on Target, by Azure's clock:
	// the soak time runs from here.
	Settled time.Time `json:"settled,omitzero"`
	// Verify is since when the guard wants every dependent looked at afresh.
	Verify time.Time `json:"verify,omitzero"`
	// Searched is when discovery last looked for unlisted dependents, and Inventory is
	// how much it saw.
	Searched  time.Time `json:"searched,omitzero"`
	Inventory Inventory `json:"inventory,omitzero"`
	// Unlisted counts the trackers of dependents that only a search found.
	Unlisted int `json:"unlisted,omitempty"`

	// Versions are those that a revocation disables and a reinstatement
	// enables: exactly the ones found enabled, newest first.
	Versions []string `json:"versions,omitempty"`
	// Changed are those of Versions already disabled or enabled.
	Changed []string `json:"changed,omitempty"`
	// Effect is when the last of Versions was changed, by Azure's clock.
	Effect    time.Time  `json:"effect,omitzero"`
	Approvals []Approval `json:"approvals,omitempty"`
	// Revocation is the operation that a reinstatement undoes.
	Revocation OperationID `json:"revocation,omitempty"`

	// Trackers counts the trackers by state.
	Trackers map[TrackerState]int `json:"trackers,omitempty"`
	// CancelledBy is who asked to cancel while a call was out.
	CancelledBy string `json:"cancelled_by,omitempty"`
	// Waiting is what the operation waits for.
	Waiting Wait `json:"waiting,omitzero"`
	// Problem is why the operation needs somebody; nil if it does not.
	Problem *Problem `json:"problem,omitempty"`
	// Held is why the operation was last held up, for as long as it is tried again:
	// why the vault refused to make a version, why the retirement guard held the
	// previous one back, or why that could not be disabled. Nil if it was not, or
	// once that is done.
	Held *Problem `json:"held,omitempty"`
	// Needs is why the operation needs a person, see [Operation.NeedsYou]. Only the
	// control API fills it in, for those who see no more than its JSON: it is never
	// stored.
	Needs *Problem `json:"needs_you,omitempty"`
	// Failures counts consecutive failed calls, for the back-off.
	Failures int `json:"failures,omitempty"`
	// Revision grows by one with each commit; a store refuses a commit that
	// does not follow the stored one.
	Revision uint64 `json:"revision"`
}

// Open counts the trackers of which something is waited for.
func (o *Operation) Open() (n int) {
	for state, count := range o.Trackers {
		if !state.Settled() {
			n += count
		}
	}
	return n
}

// AwaitsRetirement reports whether a rotation waits for `cmkd retire`.
func (o *Operation) AwaitsRetirement() bool {
	return o.State == StateRetiring && (o.Retire == RetireManual || o.Doubt != nil) && o.Retirer == ""
}

// NobodyRetires takes back that somebody asked for the retirement of the previous versions, and
// how.
func (o *Operation) NobodyRetires() { o.Retirer, o.Compromised = "", false }

// SamePerson reports whether two actors are one person: of one uid, whatever the system called
// it at the time, or if a uid is not known of both, of one name.
func SamePerson(a, b string) bool {
	ua, ub := actorUID.FindStringSubmatch(a), actorUID.FindStringSubmatch(b)
	if ua != nil && ub != nil {
		return ua[1] == ub[1]
	}
	return a == b
}

var actorUID = regexp.MustCompile(`(?:^|\()uid (\d+)\)?$`)

// Troubled counts the trackers that may be worth an alert.
func (o *Operation) Troubled() int {
	return o.Trackers[TrackerStalled] + o.Trackers[TrackerNeedsAction] + o.Trackers[TrackerUnreachable]
}
