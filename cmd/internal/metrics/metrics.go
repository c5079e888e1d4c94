package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"cmkd/rotator"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Engine is what is asked when somebody scrapes.
type Engine interface {
	Summary() rotator.Summary
	Heartbeat() time.Time
	Alerts(context.Context) ([]rotator.AlertStatus, error)
	Receivers() []rotator.ReceiverStatus
}

// Options are what metrics are made of.
type Options struct {
	// Engine and Clock, the engine's, are required.
	Engine Engine
	Clock  rotator.Clock
	// Version and Revision are those of the program.
	Version, Revision string
	// Space tells how many bytes the store takes, how many are free to it on its
	// file system, and how many that has; nil if it is not known.
	Space func() (used, free, total uint64, err error)
}

// Metrics counts and measures. Its methods may be called by many goroutines.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	events     *children[rotator.EventType, prometheus.Counter]
	operations *children[ending, prometheus.Counter]
	propagated *children[change, prometheus.Observer]
	calls      *children[callKey, callMetrics]
	steps      prometheus.Histogram
	store      storeMetrics
}

// New makes metrics in a registry of their own.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.countEvents()
	m.countCalls()
	m.store = newStoreMetrics(m.registry)
	m.steps = register(m.registry, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "cmkd_loop_step_seconds", Buckets: stepBuckets,
		Help: "How long a step of the engine's loop took, without the wait for the next.",
	}))
	m.registry.MustRegister(
		newState(o, m.registry, m.expect),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, CoalesceGather: true})
	return m
}

// Handler answers GET /metrics, in the format of OpenMetrics for whoever asks for
// it and in that of Prometheus for everybody else.
func (m *Metrics) Handler() http.Handler { return m.handler }

// Stepped takes in a step of the engine's loop.
func (m *Metrics) Stepped(d time.Duration) { m.steps.Observe(d.Seconds()) }

var stepBuckets = []float64{1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5}

// register registers a collector of this package, whose names cannot clash.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	r.MustRegister(c)
	return c
}

// buildInfo are the labels of cmkd_build_info. A clock that can say what it is
// simulates.
func buildInfo(o Options) prometheus.Labels {
	clock := "real"
	if s, ok := o.Clock.(fmt.Stringer); ok {
		clock = s.String()
	}
	return prometheus.Labels{"version": o.Version, "revision": o.Revision, "goversion": runtime.Version(), "clock": clock}
}

// outcomeOf is what came of a commit.
func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return stored
	case errors.Is(err, rotator.ErrConflict):
		return conflict
	case errors.Is(err, rotator.ErrStoreFull):
		return full
	default:
		return failed
	}
}
