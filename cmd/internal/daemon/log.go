package daemon

import (
	"io"
	"os"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/configs"
	"cmkd/providers/arm"
	"cmkd/rotator"

	"github.com/rs/zerolog"
)

// newLogger logs one event a line, as JSON for the journal or readable for people.
func newLogger(out io.Writer, c configs.Log) zerolog.Logger {
	if out == nil {
		out = os.Stderr
	}
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	if c.Format == "console" {
		out = zerolog.ConsoleWriter{Out: out, NoColor: true, TimeFormat: time.RFC3339}
	}
	return zerolog.New(zerolog.SyncWriter(out)).Level(level).With().Timestamp().Logger()
}

// logEvent logs an event of the audit trail.
func logEvent(log zerolog.Logger, e *rotator.Event) {
	line := log.WithLevel(levelOf(e)).Uint64("seq", e.Seq).Time("at", e.At)
	for _, f := range []struct{ name, value string }{
		{"key", e.Key}, {"dependent", e.Dependent}, {"actor", e.Actor}, {"detail", e.Message},
	} {
		if f.value != "" {
			line = line.Str(f.name, f.value)
		}
	}
	if e.Operation != 0 {
		line = line.Stringer("operation", e.Operation)
	}
	if len(e.Data) > 0 {
		line = line.Interface("data", e.Data)
	}
	line.Msg(string(e.Type))
}

func levelOf(e *rotator.Event) zerolog.Level {
	switch e.Type {
	case rotator.EventStoreBlocked, rotator.EventVersionReenabled:
		return zerolog.ErrorLevel
	case rotator.EventScheduleMissed, rotator.EventCallUncertain, rotator.EventRetirementHeld, rotator.EventRetirementRolledBack, rotator.EventRollbackRefused, rotator.EventPreflightFailed,
		rotator.EventClockJumped, rotator.EventKeyProblem, rotator.EventAlertFiring, rotator.EventDependentFound,
		rotator.EventSearchIncomplete, rotator.EventVersionAdopted, rotator.EventVersionTampered:
		return zerolog.WarnLevel
	case rotator.EventTrackerChanged, rotator.EventStateChanged:
		switch rotator.TrackerState(e.Data["to"]) {
		case rotator.TrackerStalled, rotator.TrackerNeedsAction, rotator.TrackerUnreachable, rotator.TrackerState(rotator.StateFailed):
			return zerolog.WarnLevel
		default:
			return zerolog.InfoLevel
		}
	default:
		return zerolog.InfoLevel
	}
}

// logAccess logs a request on the control socket: what people ask for is logged,
// what they look at only for debugging.
func logAccess(log zerolog.Logger, a control.Access) {
	level := zerolog.DebugLevel
	switch {
	case a.Stack != nil:
		level = zerolog.ErrorLevel
	case a.Err != nil:
		level = zerolog.WarnLevel
	case a.Method != "GET":
		level = zerolog.InfoLevel
	}
	line := log.WithLevel(level).Str("actor", a.Actor).Str("method", a.Method).Str("path", a.Path).
		Int("status", a.Status).Dur("took_ms", a.Duration).Err(a.Err)
	if a.Stack != nil {
		line = line.Bytes("stack", a.Stack)
	}
	line.Msg("request")
}

// logCall logs an exchange with Azure.
func logCall(log zerolog.Logger, c arm.Call) {
	log.Debug().Str("method", c.Method).Str("provider", c.Provider).Str("kind", c.Kind).Int("status", c.Status).
		Bool("throttled", c.Throttled).Dur("took_ms", c.Duration).Msg("call")
}
