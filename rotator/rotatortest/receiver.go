package rotatortest

import (
	"context"
	"sync"

	"cmkd/rotator"
)

// Receiver remembers what it was told. It can be down.
type Receiver struct {
	mu    sync.Mutex
	down  *rotator.Error
	block chan struct{}
	heard []string
}

var _ rotator.Notifier = (*Receiver)(nil)

// Notify implements [rotator.Notifier].
func (r *Receiver) Notify(ctx context.Context, n rotator.Notification) error {
	r.mu.Lock()
	block := r.block
	r.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down != nil {
		return r.down
	}
	for _, a := range n.Alerts {
		what := "firing "
		if !a.Firing() {
			what = "resolved "
		}
		r.heard = append(r.heard, what+a.ID)
	}
	return nil
}

// Down lets every call fail, until it is called with nil.
func (r *Receiver) Down(err *rotator.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = err
}

// Hang lets every call wait until the returned function is called.
func (r *Receiver) Hang() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	block := make(chan struct{})
	r.block = block
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.block = nil
		close(block)
	}
}

// Heard returns what was told since the last time, as "firing ID" and
// "resolved ID".
func (r *Receiver) Heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard := r.heard
	r.heard = nil
	return heard
}
