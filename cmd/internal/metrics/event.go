package metrics

import (
	"time"

	"cmkd/rotator"

	"github.com/prometheus/client_golang/prometheus"
)

// ending is how an operation ended.
type ending struct {
	kind    rotator.OperationKind
	outcome rotator.OperationState
}

// change is what a kind of dependent took its time for.
type change struct {
	kind   string
	change rotator.OperationKind
}

const (
	minute = 60.0
	hour   = 60 * minute
)

// propagationBuckets go from a nudge to twice the longest documented window, with
// bounds at the documented ones, an hour and a day.
var propagationBuckets = []float64{
	15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, 45 * minute,
	hour, 1.5 * hour, 2 * hour, 4 * hour, 8 * hour, 12 * hour, 18 * hour, 24 * hour, 30 * hour, 36 * hour, 48 * hour,
}

var operationKinds = []rotator.OperationKind{rotator.KindRotation, rotator.KindRevocation, rotator.KindReinstatement}

// endings are those that there can be: a series must exist before the first of
// its kind, or Prometheus does not see it grow.
func endings() []ending {
	return []ending{
		{rotator.KindRotation, rotator.StateCompleted},
		{rotator.KindRotation, rotator.StateFailed},
		{rotator.KindRotation, rotator.StateCancelled},
		{rotator.KindRevocation, rotator.StateCompleted},
		{rotator.KindRevocation, rotator.StateFailed},
		{rotator.KindRevocation, rotator.StateCancelled},
		{rotator.KindReinstatement, rotator.StateRecovered},
		{rotator.KindReinstatement, rotator.StateFailed},
		{rotator.KindReinstatement, rotator.StateCancelled},
	}
}

func (m *Metrics) countEvents() {
	events := register(m.registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cmkd_events_total", Help: "Events written to the audit trail, by type.",
	}, []string{"type"}))
	m.events = newChildren(func(t rotator.EventType) prometheus.Counter { return events.WithLabelValues(string(t)) })

	operations := register(m.registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cmkd_operations_total", Help: "Operations that ended, by kind and by the state in which they did.",
	}, []string{"kind", "outcome"}))
	m.operations = newChildren(func(e ending) prometheus.Counter {
		return operations.WithLabelValues(string(e.kind), string(e.outcome))
	})
	for _, e := range endings() {
		m.operations.of(e)
	}

	propagation := register(m.registry, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "cmkd_propagation_seconds", Buckets: propagationBuckets,
		Help: "How long dependents took to follow a change of their key, by kind of dependent, as far as it was seen and not only inferred.",
	}, []string{"kind", "change"}))
	m.propagated = newChildren(func(c change) prometheus.Observer {
		return propagation.WithLabelValues(c.kind, string(c.change))
	})
}

// expect makes the histograms of a kind before the first of its dependents is
// done, so that Prometheus sees that one, too.
func (m *Metrics) expect(kind string) {
	for _, k := range operationKinds {
		m.propagated.of(change{kind, k})
	}
}

// Event takes in a committed event.
func (m *Metrics) Event(e *rotator.Event) {
	m.events.of(e.Type).Inc()
	switch e.Type {
	case rotator.EventStateChanged:
		if to := rotator.OperationState(e.Data["to"]); to.Final() {
			m.operations.of(ending{rotator.OperationKind(e.Data["kind"]), to}).Inc()
		}
	default:
	}
}

// Took takes in how long a dependent of a kind took to follow a change.
func (m *Metrics) Took(kind string, of rotator.OperationKind, took time.Duration) {
	m.propagated.of(change{kind, of}).Observe(took.Seconds())
}
