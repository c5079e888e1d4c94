package control

import (
	"context"
	"net/http"
	"time"

	"cmkd/rotator"
)

// Viewer is what can be seen of the engine.
type Viewer interface {
	Summary() rotator.Summary
	Keys(ctx context.Context, q rotator.KeyQuery) ([]rotator.KeyStatus, error)
	Key(ctx context.Context, name string) (rotator.KeyStatus, error)
	Operations(ctx context.Context, f rotator.OperationQuery) ([]rotator.Operation, error)
	Operation(ctx context.Context, id rotator.OperationID, limit int) (rotator.OperationStatus, error)
	Events(ctx context.Context, f rotator.EventFilter) ([]rotator.Event, error)
	Heartbeat() time.Time
}

// Alerter tells what needs somebody, and who is told of it.
type Alerter interface {
	Alerts(ctx context.Context) ([]rotator.AlertStatus, error)
	Silences(ctx context.Context) ([]rotator.Silence, error)
	Silence(ctx context.Context, r rotator.SilenceRequest) (rotator.Silence, error)
	EndSilence(ctx context.Context, id, actor, reason string) (rotator.Silence, error)
	Receivers() []rotator.ReceiverStatus
	TestReceivers(ctx context.Context, name, actor string) ([]rotator.TestResult, error)
	Timings(ctx context.Context) ([]rotator.TimingStatus, error)
}

// Freezer keeps the freezes.
type Freezer interface {
	Freezes(ctx context.Context) ([]rotator.Freeze, error)
	Freeze(ctx context.Context, r rotator.FreezeRequest) (rotator.Freeze, error)
	EndFreeze(ctx context.Context, id, actor, reason string) (rotator.Freeze, error)
}

// Operator is what people can do with the engine.
type Operator interface {
	Rotate(ctx context.Context, r rotator.Request) (rotator.Operation, error)
	Revoke(ctx context.Context, r rotator.RevokeRequest) (rotator.Operation, error)
	Reinstate(ctx context.Context, r rotator.Request) (rotator.Operation, error)
	Retire(ctx context.Context, r rotator.Request) (rotator.Operation, error)
	Approve(ctx context.Context, r rotator.OperationRequest) (rotator.Operation, error)
	Cancel(ctx context.Context, r rotator.OperationRequest) (rotator.Operation, error)
}

// Attester takes people's word for what cmkd cannot see.
type Attester interface {
	Attest(ctx context.Context, r rotator.AttestRequest) (rotator.Attestation, error)
	WithdrawAttestation(ctx context.Context, id, actor, reason string) (rotator.Attestation, error)
	Attestations(ctx context.Context, key string) ([]rotator.Attestation, error)
}

// Planner says what would happen.
type Planner interface {
	PlanRotation(ctx context.Context, key string) (rotator.Plan, error)
	PlanRevocation(ctx context.Context, key string) (rotator.Plan, error)
	PlanRetirement(ctx context.Context, key, actor string) (rotator.RetirementPlan, error)
}

// Engine is the part of the engine that the server needs.
type Engine interface {
	Viewer
	Operator
	Attester
	Planner
	Alerter
	Freezer
}

// Version says what the daemon is.
type Version struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// SimulatedClock says which clock the daemon runs on if it is not the real
	// one, for instance "×600 from 2026-01-05T08:00:00Z".
	SimulatedClock string `json:"simulated_clock,omitempty"`
}

// Summary is the daemon in numbers, with its time: what it says of deadlines is
// by that clock.
type Summary struct {
	rotator.Summary
	Now            time.Time `json:"now"`
	Version        string    `json:"version"`
	SimulatedClock string    `json:"simulated_clock,omitempty"`
}

// CommandRequest is the body of a command.
type CommandRequest struct {
	// Reason is the person's own words, kept in the audit trail.
	Reason string `json:"reason,omitempty"`
	// Confirm repeats the name of the key to revoke.
	Confirm string `json:"confirm,omitempty"`
	// Compromised says of a retirement that the versions are not to be trusted any more:
	// they are not enabled again if somebody turns out to need them.
	Compromised bool `json:"compromised,omitempty"`
	// Accept says of a rotation that the next version may be made like this one, although it
	// is weaker than the one in use.
	Accept string `json:"accept,omitempty"`
}

// AlertFilter selects alerts.
type AlertFilter struct {
	// Key is the short name of the key that they are about; all if empty.
	Key string
	// Firing leaves out those that are over.
	Firing bool
}

func (f *AlertFilter) wants(a *rotator.AlertStatus) bool {
	return (f.Key == "" || f.Key == a.Key) && (!f.Firing || a.Firing())
}

// SilenceRequest asks to hold alerts back. All of Alert, Rule and Key that are
// given must match; see [rotator.Silence].
type SilenceRequest struct {
	Alert string       `json:"alert,omitempty"`
	Rule  rotator.Rule `json:"rule,omitempty"`
	Key   string       `json:"key,omitempty"`
	// For is how long.
	For Duration `json:"for"`
	// Reason is the person's own words, kept in the audit trail.
	Reason string `json:"reason,omitempty"`
}

// AttestRequest asks to take a person's word for a dependent of a key, see
// [rotator.Attestation].
type AttestRequest struct {
	// Dependent is its id, or its name where only one of the key has it.
	Dependent string `json:"dependent"`
	// Reason says how it is known; kept in the audit trail.
	Reason string `json:"reason"`
	// Until is when the attestation ends, or For says it from now on; one of the two.
	Until time.Time `json:"until,omitzero"`
	For   Duration  `json:"for,omitzero"`
}

// FreezeRequest asks to stop every write but those of revocations and reinstatements: of
// one vault or key, or of all if both are empty.
type FreezeRequest struct {
	// Vault is a host, or its first label.
	Vault string `json:"vault,omitempty"`
	// Key is the short name of a key.
	Key string `json:"key,omitempty"`
	// Until is when it is to end, or For after how long; with neither somebody has to
	// end it.
	Until time.Time `json:"until,omitzero"`
	For   Duration  `json:"for,omitzero"`
	// Reason is the person's own words, kept in the audit trail.
	Reason string `json:"reason"`
}

// TestRequest asks to try out receivers.
type TestRequest struct {
	// Receiver is the name of one; all if empty.
	Receiver string `json:"receiver,omitempty"`
}

// BackupRequest asks for a copy of the store.
type BackupRequest struct {
	// Path is where, absolute, on the daemon's machine; nothing may be there.
	Path string `json:"path"`
}

// Backup is a copy of the store that was made.
type Backup struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// LogReport describes an event log that was found intact.
type LogReport struct {
	Instance string    `json:"instance"`
	Events   uint64    `json:"events"`
	Head     string    `json:"head"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
}

// Reloaded says what a reload brought.
type Reloaded struct {
	Keys int `json:"keys"`
	// Warnings are what is allowed in the configuration and yet looks wrong, and
	// what takes effect only after a restart.
	Warnings []string `json:"warnings,omitempty"`
}

// Failure is how an error travels.
type Failure struct {
	Error FailureInfo `json:"error"`
}

// FailureInfo is what went wrong, and what to do next.
type FailureInfo struct {
	// Code is the class of the error; each has a status of its own.
	Code rotator.Code `json:"code"`
	// Reason is what exactly is the case: a code of cmkd's or Azure's own.
	Reason  rotator.Reason `json:"reason,omitempty"`
	Message string         `json:"message"`
	// Hint is what to do next.
	Hint string `json:"hint,omitempty"`
	// RetryAfter is how many seconds to wait before the next attempt.
	RetryAfter int `json:"retry_after,omitempty"`
}

func newFailure(e *rotator.Error) (f Failure) {
	f.Error.Code, f.Error.Reason, f.Error.Message, f.Error.Hint = e.Code, e.Reason, e.Error(), e.Hint
	f.Error.RetryAfter = int(e.RetryAfter / time.Second)
	return f
}

func (f *Failure) err() *rotator.Error {
	return &rotator.Error{
		Code: f.Error.Code, Reason: f.Error.Reason, Message: f.Error.Message, Hint: f.Error.Hint,
		RetryAfter: time.Duration(f.Error.RetryAfter) * time.Second,
	}
}

// CodeUnreachable is the class of errors of a client that cannot reach the
// daemon at all.
const CodeUnreachable rotator.Code = "daemon-unreachable"

// statuses maps the classes of errors to HTTP statuses, one to one.
func statuses() map[rotator.Code]int {
	return map[rotator.Code]int{
		rotator.CodeInvalid:     http.StatusBadRequest,
		rotator.CodeForbidden:   http.StatusForbidden,
		rotator.CodeNotFound:    http.StatusNotFound,
		rotator.CodeConflict:    http.StatusConflict,
		rotator.CodeRefused:     http.StatusUnprocessableEntity,
		rotator.CodeThrottled:   http.StatusTooManyRequests,
		rotator.CodeInternal:    http.StatusInternalServerError,
		rotator.CodeUnavailable: http.StatusServiceUnavailable,
	}
}

// statusOf returns the HTTP status of a class.
func statusOf(code rotator.Code) int {
	if status, ok := statuses()[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// codeOf returns the class of an HTTP status, for answers that name none.
func codeOf(status int) rotator.Code {
	for code, s := range statuses() {
		if s == status {
			return code
		}
	}
	if status >= http.StatusInternalServerError {
		return rotator.CodeInternal
	}
	return rotator.CodeInvalid
}
