package daemon

import (
	"context"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/metrics"
	"cmkd/providers/arm"
	"cmkd/rotator"
)

// measured is the engine to those that are made before it.
type measured struct{ d *daemon }

func (m measured) Summary() rotator.Summary            { return m.d.engine.Summary() }
func (m measured) Heartbeat() time.Time                { return m.d.engine.Heartbeat() }
func (m measured) Receivers() []rotator.ReceiverStatus { return m.d.engine.Receivers() }
func (m measured) Alerts(ctx context.Context) ([]rotator.AlertStatus, error) {
	return m.d.engine.Alerts(ctx)
}

func (d *daemon) newMetrics() *metrics.Metrics {
	about := d.o.about()
	return metrics.New(metrics.Options{
		Engine: measured{d}, Clock: d.clock, Version: about.Version, Revision: about.Revision, Space: d.space,
	})
}

func (d *daemon) space() (used, free, total uint64, err error) {
	s, err := d.store.Space()
	return s.Used, s.Free, s.Total, err
}

// called takes in an exchange with Azure.
func (d *daemon) called(c arm.Call) {
	logCall(d.log, c)
	d.metrics.Call(metrics.Call{
		Provider: c.Provider, Kind: c.Kind, Method: c.Method, Status: c.Status, Throttled: c.Throttled, Duration: c.Duration,
	})
}

func (d *daemon) health() (live, ready bool, problems []string) {
	h := control.HealthOf(d.engine, d.clock)
	return h.Live, h.Ready, h.Problems
}
