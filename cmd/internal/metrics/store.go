package metrics

import (
	"context"
	"time"

	"cmkd/rotator"

	"github.com/prometheus/client_golang/prometheus"
)

// outcome is what came of a commit.
type outcome int

const (
	stored outcome = iota
	conflict
	full
	failed
	outcomes
)

var outcomeNames = [outcomes]string{stored: "stored", conflict: "conflict", full: "full", failed: "failed"}

// record is a kind of record.
type record int

const (
	recordKey record = iota
	recordOperation
	recordTracker
	recordEvent
	recordAlert
	recordSilence
	recordTiming
	records
)

var recordNames = [records]string{
	recordKey: "key", recordOperation: "operation", recordTracker: "tracker", recordEvent: "event",
	recordAlert: "alert", recordSilence: "silence", recordTiming: "timing",
}

// counts is how many records of each kind a change has.
type counts [records]int

func countsOf(c *rotator.Change) counts {
	return counts{
		recordKey: len(c.Keys), recordOperation: len(c.Operations), recordTracker: len(c.Trackers), recordEvent: len(c.Events),
		recordAlert: len(c.Alerts), recordSilence: len(c.Silences), recordTiming: len(c.Timings),
	}
}

var commitBuckets = []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// storeMetrics is where commits are counted.
type storeMetrics struct {
	seconds prometheus.Histogram
	commits [outcomes]prometheus.Counter
	records [records]prometheus.Counter
}

func newStoreMetrics(r prometheus.Registerer) (m storeMetrics) {
	m.seconds = register(r, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "cmkd_store_commit_seconds", Buckets: commitBuckets,
		Help: "How long it took to encode a change and to make it durable, whatever came of it.",
	}))
	commits := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cmkd_store_commits_total",
		Help: "Changes given to the store, by what came of it: stored, conflict (a record was changed meanwhile), full (the disk), failed.",
	}, []string{"outcome"}))
	for o, name := range outcomeNames {
		m.commits[o] = commits.WithLabelValues(name)
	}
	all := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cmkd_store_records_total", Help: "Records stored, by kind of record.",
	}, []string{"record"}))
	for i, name := range recordNames {
		m.records[i] = all.WithLabelValues(name)
	}
	return m
}

// over takes in a commit that has come to an end.
func (m *storeMetrics) over(n counts, took time.Duration, err error) {
	m.seconds.Observe(took.Seconds())
	m.commits[outcomeOf(err)].Inc()
	if err != nil {
		return
	}
	for i, n := range n {
		if n > 0 {
			m.records[i].Add(float64(n))
		}
	}
}

// Store returns a store that does what s does, and is measured.
func (m *Metrics) Store(s rotator.Store) rotator.Store { return measuredStore{s, &m.store} }

type measuredStore struct {
	rotator.Store
	metrics *storeMetrics
}

// Stage implements [rotator.Store]. The time between the two parts, in which
// another change may be written, does not count.
func (s measuredStore) Stage(c *rotator.Change) (func(context.Context) error, error) {
	n, start := countsOf(c), time.Now()
	commit, err := s.Store.Stage(c)
	encoded := time.Since(start)
	if err != nil {
		s.metrics.over(n, encoded, err)
		return nil, err
	}
	return func(ctx context.Context) error {
		start := time.Now()
		err := commit(ctx)
		s.metrics.over(n, encoded+time.Since(start), err)
		return err
	}, nil
}
