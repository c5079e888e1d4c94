package main

import (
	"context"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

const (
	// busyPatience is how long a command is tried again that the daemon refuses
	// only because it is busy with the key: a look at the vault takes a moment.
	busyPatience = 10 * time.Second
	busyPause    = 200 * time.Millisecond
)

// keyCommand is a command about a key, and operationCommand one about an
// operation, as [control.Client] has them.
type (
	keyCommand       func(ctx context.Context, key string, r control.CommandRequest) (rotator.Operation, error)
	operationCommand func(ctx context.Context, id rotator.OperationID, r control.CommandRequest) (rotator.Operation, error)
)

// patiently runs a command until it is not answered by "try again", which says
// that nothing was changed.
func patiently(ctx context.Context, command func() (rotator.Operation, error)) (rotator.Operation, error) {
	for began := time.Now(); ; {
		op, err := command()
		if rotator.CodeOf(err) != rotator.CodeUnavailable || time.Since(began) > busyPatience {
			return op, err
		}
		select {
		case <-ctx.Done():
			return op, err
		case <-time.After(busyPause):
		}
	}
}

func (do keyCommand) patiently(ctx context.Context, key string, r control.CommandRequest) (rotator.Operation, error) {
	return patiently(ctx, func() (rotator.Operation, error) { return do(ctx, key, r) })
}

func (do operationCommand) patiently(ctx context.Context, id rotator.OperationID, r control.CommandRequest) (rotator.Operation, error) {
	return patiently(ctx, func() (rotator.Operation, error) { return do(ctx, id, r) })
}
