package rotator

import (
	"context"
	"time"
)

// ReceiverStatus is how the deliveries to one receiver go.
type ReceiverStatus struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Pending counts the alerts that it was not told of yet.
	Pending int `json:"pending"`
	// Failures counts the attempts that failed since the last success, Problem is
	// why the last one did.
	Failures int    `json:"failures,omitempty"`
	Problem  string `json:"problem,omitempty"`
	// Last is when it was last told something; zero if never since the start.
	Last time.Time `json:"last,omitzero"`
}

// TestResult is what came of trying out a receiver.
type TestResult struct {
	Receiver string `json:"receiver"`
	Kind     string `json:"kind"`
	// Problem is why it failed, nil if it did not.
	Problem *Problem `json:"problem,omitempty"`
}

// Alerts returns the alerts that fire and those whose end is not delivered yet,
// worst first.
func (e *Engine) Alerts(ctx context.Context) ([]AlertStatus, error) { return nil, nil }

// Silences returns the silences, also those that ended lately.
func (e *Engine) Silences(ctx context.Context) ([]Silence, error) { return nil, nil }

// Silence holds alerts back for a while.
func (e *Engine) Silence(ctx context.Context, r SilenceRequest) (Silence, error) {
	return Silence{}, nil
}

// EndSilence ends a silence before its time.
func (e *Engine) EndSilence(ctx context.Context, id, actor string) (Silence, error) {
	return Silence{}, nil
}

// Receivers returns how the deliveries go, by name.
func (e *Engine) Receivers() []ReceiverStatus { return nil }

// TestReceivers sends a test alert to one receiver, or to all if name is empty,
// and returns what came of it.
func (e *Engine) TestReceivers(ctx context.Context, name, actor string) ([]TestResult, error) {
	return nil, nil
}

// Timings returns what was learned of how long changes take, by kind, region and
// change.
func (e *Engine) Timings(ctx context.Context) ([]TimingStatus, error) { return nil, nil }
