package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"cmkd/cmd/internal/metrics"
	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
	"cmkd/store/bolt"
	"cmkd/store/storetest"
)

// broken is a store whose commits fail.
type broken struct {
	rotator.Store
	err error
}

func (b *broken) Stage(*rotator.Change) (func(context.Context) error, error) {
	return func(context.Context) error { return b.err }, nil
}

func newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Options{Engine: &engine{}, Clock: &clock{now}})
}

func openBolt(t testing.TB) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "cmkd.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func changeOf(events int) *rotator.Change {
	c := &rotator.Change{Keys: []rotator.KeyState{{Name: "payments", ID: "https://contoso.vault.azure.net/keys/payments"}}}
	for range events {
		c.Events = append(c.Events, rotator.Event{Type: rotator.EventConfigLoaded, At: now, Message: "loaded"})
	}
	return c
}

func TestStore_counts(t *testing.T) {
	t.Run("what a store commits and stages", func(t *testing.T) {
		m := newMetrics()
		s := m.Store(openBolt(t))
		if err := rotator.Commit(t.Context(), s, changeOf(2)); err != nil {
			t.Fatal(err)
		}
		commit, err := s.Stage(changeOf(3))
		if err != nil {
			t.Fatal(err)
		}
		_, p := scrape(t, m)
		p.wants(t, page{`cmkd_store_commits_total{outcome="stored"}`: "1", "cmkd_store_commit_seconds_count": "1"}) // staged is not stored
		if err := commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, p = scrape(t, m)
		p.wants(t, page{
			`cmkd_store_commits_total{outcome="stored"}`: "2", "cmkd_store_commit_seconds_count": "2",
			`cmkd_store_records_total{record="event"}`: "5", `cmkd_store_records_total{record="key"}`: "2",
			`cmkd_store_records_total{record="tracker"}`: "0",
		})
	})
	t.Run("a change that cannot be encoded as failed", func(t *testing.T) {
		m := newMetrics()
		bad := changeOf(1)
		bad.Keys[0].Name = ""
		if _, err := m.Store(openBolt(t)).Stage(bad); rotator.CodeOf(err) != rotator.CodeInvalid {
			t.Fatalf("stage: %v", err)
		}
		_, p := scrape(t, m)
		p.wants(t, page{`cmkd_store_commits_total{outcome="failed"}`: "1", `cmkd_store_records_total{record="event"}`: "0"})
	})
	for outcome, err := range map[string]error{
		"conflict": fmt.Errorf("op-1: %w", rotator.ErrConflict),
		"full":     fmt.Errorf("write: %w", rotator.ErrStoreFull),
		"failed":   errors.New("input/output error"),
	} {
		t.Run("a commit that ends in "+outcome, func(t *testing.T) {
			m := newMetrics()
			s := m.Store(&broken{rotatortest.NewStore(), err})
			if got := rotator.Commit(t.Context(), s, changeOf(1)); !errors.Is(got, err) {
				t.Errorf("commit: %v, want %v", got, err)
			}
			_, p := scrape(t, m)
			p.wants(t, page{
				`cmkd_store_commits_total{outcome="` + outcome + `"}`: "1", `cmkd_store_commits_total{outcome="stored"}`: "0",
				`cmkd_store_records_total{record="event"}`: "0", "cmkd_store_commit_seconds_count": "1",
			})
		})
	}
}

// The stores pass the one suite for stores also when they are measured.
func TestStore_conformance(t *testing.T) {
	storetest.Exercise(t, func(t *testing.T) rotator.Store { return newMetrics().Store(openBolt(t)) })
}

func TestMetrics_Stepped(t *testing.T) {
	m := newMetrics()
	m.Stepped(20 * time.Microsecond)
	m.Stepped(2 * time.Second)
	_, p := scrape(t, m)
	p.wants(t, page{
		`cmkd_loop_step_seconds_bucket{le="1e-05"}`: "0", `cmkd_loop_step_seconds_bucket{le="2.5e-05"}`: "1",
		`cmkd_loop_step_seconds_bucket{le="1"}`: "1", "cmkd_loop_step_seconds_count": "2",
	})
}
