package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

// manager keeps the service manager informed.
type manager struct {
	notifier Notifier
	clock    rotator.Clock
	engine   control.Pulse
	// every is how often it wants to hear from us; zero if it does not.
	every  time.Duration
	pinged time.Time
	beat   time.Time
	line   string
}

func newManager(n Notifier, clock rotator.Clock, e control.Pulse) *manager {
	m := &manager{notifier: n, clock: clock, engine: e}
	if interval, ok := n.WatchdogInterval(); ok {
		m.every = interval / 2
	}
	return m
}

// report tells how things are, and pings the watchdog if that is due and the
// engine has made a step since.
func (m *manager) report(now time.Time) (err error) {
	if line := statusLine(m.engine.Summary()); line != m.line {
		m.line = line
		err = m.notifier.Status(line)
	}
	if m.every == 0 || now.Sub(m.pinged) < m.every-statusEvery || !m.alive() {
		return err
	}
	m.pinged = now
	return errors.Join(err, m.notifier.Ping())
}

// alive reports whether the engine goes on: it made a step since the last time,
// or not long ago.
func (m *manager) alive() bool {
	beat := m.engine.Heartbeat()
	moved := !beat.Equal(m.beat)
	m.beat = beat
	return moved || m.clock.Now().Sub(beat) < control.HeartbeatPause
}

// statusLine says in words what is under way.
func statusLine(s rotator.Summary) string {
	if s.Blocked != "" {
		return "nothing can be stored: " + s.Blocked
	}
	var parts []string
	for _, kind := range []rotator.OperationKind{rotator.KindRotation, rotator.KindRevocation, rotator.KindReinstatement} {
		if n := s.Live[kind]; n > 0 {
			parts = append(parts, count(n, string(kind))+" in flight")
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing in flight, "+count(s.Keys, "key"))
	}
	if n := s.Trackers[rotator.TrackerStalled]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d stalled", n))
	}
	if s.NeedsAction > 0 {
		parts = append(parts, needs(s.NeedsAction))
	}
	alerts := 0
	for _, n := range s.Alerts {
		alerts += n
	}
	if alerts > 0 {
		parts = append(parts, count(alerts, "alert"))
	}
	return strings.Join(parts, ", ")
}

func needs(n int) string {
	if n == 1 {
		return "1 needs somebody"
	}
	return fmt.Sprintf("%d need somebody", n)
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
