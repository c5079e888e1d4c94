package metrics_test

import (
	"context"
	"testing"
	"time"

	"cmkd/cmd/internal/metrics"
	"cmkd/rotator"
)

// instant is a store that does nothing, as fast as it can.
type instant struct{ rotator.Store }

var done = func(context.Context) error { return nil }

func (instant) Stage(*rotator.Change) (func(context.Context) error, error) { return done, nil }

// hot is what happens often, and how much it may allocate each time.
func hot(m *metrics.Metrics) []struct {
	name   string
	allocs float64
	run    func()
} {
	plain := event(rotator.EventTrackerChanged, "from", "waiting", "to", "propagating")
	ended := event(rotator.EventStateChanged, "from", "retiring", "to", "completed", "kind", "rotation")
	call := metrics.Call{Provider: "Microsoft.Storage", Kind: "storage", Method: "GET", Status: 200, Duration: 80 * time.Millisecond}
	change := changeOf(3)
	stages := m.Store(instant{})
	ctx := context.Background()
	return []struct {
		name   string
		allocs float64
		run    func()
	}{
		{"Event/plain", 0, func() { m.Event(plain) }},
		{"Took", 0, func() { m.Took("storage", rotator.KindRotation, 3512*time.Second) }},
		{"Event/ended", 0, func() { m.Event(ended) }},
		{"Call", 0, func() { m.Call(call) }},
		{"Stepped", 0, func() { m.Stepped(70 * time.Microsecond) }},
		// What commits is handed out, so it is on the heap.
		{"Stage", 1, func() {
			commit, _ := stages.Stage(change)
			_ = commit(ctx)
		}},
	}
}

func TestMetrics_allocates_little(t *testing.T) {
	for _, h := range hot(newMetrics()) {
		if got := testing.AllocsPerRun(100, h.run); got > h.allocs {
			t.Errorf("%s allocates %g times, want at most %g", h.name, got, h.allocs)
		}
	}
}

func BenchmarkMetrics(b *testing.B) {
	for _, h := range hot(newMetrics()) {
		b.Run(h.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.run()
			}
		})
	}
}
