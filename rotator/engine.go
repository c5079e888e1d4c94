package rotator

import (
	"context"
	"errors"
)

// Options are what an engine is made of.
type Options struct {
	Store    Store
	Vault    Vault
	Services []Service
	Clock    Clock
	Keys     []Key
	// Limits bound how much happens at once; zero fields take defaults.
	Limits Limits
	// Observe, if set, hears each committed event, in order, from one goroutine.
	Observe func(Event)
}

// Limits bound how much happens at once.
type Limits struct {
	// Calls is the number of calls out at a time.
	Calls int
	// RotationsPerVault is the number of rotations in flight per vault.
	RotationsPerVault int
}

// Engine runs the operations.
type Engine struct{}

var errNotBuilt = errors.New("wip")

// NewEngine reads the store and prepares the engine; [Engine.Run] starts it.
func NewEngine(ctx context.Context, o Options) (*Engine, error) { return nil, errNotBuilt }

// Run works until ctx is done, then finishes the transaction under way, waits
// for the calls that are out, and returns nil. It returns an error only if the
// store cannot go on.
func (e *Engine) Run(ctx context.Context) error { return errNotBuilt }

// Reload replaces the configured keys. Live operations go on; dependents added
// to their keys join them.
func (e *Engine) Reload(ctx context.Context, keys []Key) error { return errNotBuilt }

// Rotate begins a rotation.
func (e *Engine) Rotate(ctx context.Context, r Request) (Operation, error) {
	return Operation{}, errNotBuilt
}

// PlanRotation says what Rotate would do, from fresh reads, and changes nothing.
func (e *Engine) PlanRotation(ctx context.Context, key string) (Plan, error) {
	return Plan{}, errNotBuilt
}

// PlanRevocation says what Revoke would do and break, from fresh reads.
func (e *Engine) PlanRevocation(ctx context.Context, key string) (Plan, error) {
	return Plan{}, errNotBuilt
}

// Revoke begins a revocation.
func (e *Engine) Revoke(ctx context.Context, r RevokeRequest) (Operation, error) {
	return Operation{}, errNotBuilt
}

// Reinstate begins a reinstatement of a revoked key.
func (e *Engine) Reinstate(ctx context.Context, r Request) (Operation, error) {
	return Operation{}, errNotBuilt
}

// Retire asks for the retirement of the previous versions of a key whose
// rotation waits for it. It is CodeRefused, with the guard's objections, as long
// as the guard has some.
func (e *Engine) Retire(ctx context.Context, r Request) (Operation, error) {
	return Operation{}, errNotBuilt
}

// Approve consents to an operation that waits for a second person.
func (e *Engine) Approve(ctx context.Context, r OperationRequest) (Operation, error) {
	return Operation{}, errNotBuilt
}

// Cancel ends an operation; what it did is not undone.
func (e *Engine) Cancel(ctx context.Context, r OperationRequest) (Operation, error) {
	return Operation{}, errNotBuilt
}

// Keys returns the status of all configured keys, by name.
func (e *Engine) Keys(ctx context.Context) ([]KeyStatus, error) { return nil, errNotBuilt }

// Key returns the status of one key.
func (e *Engine) Key(ctx context.Context, name string) (KeyStatus, error) {
	return KeyStatus{}, errNotBuilt
}

// Operation returns one operation with its trackers.
func (e *Engine) Operation(ctx context.Context, id OperationID) (OperationStatus, error) {
	return OperationStatus{}, errNotBuilt
}

// Operations returns operations, newest first.
func (e *Engine) Operations(ctx context.Context, f OperationFilter) ([]Operation, error) {
	return nil, errNotBuilt
}

// Events returns events of the audit trail.
func (e *Engine) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	return nil, errNotBuilt
}

// Summary returns the engine in numbers.
func (e *Engine) Summary() Summary { return Summary{} }
