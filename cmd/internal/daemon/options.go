package daemon

import (
	"cmp"
	"io"
	"os"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
	"cmkd/systemd"
)

// Notifier is what the daemon tells the service manager; [systemd.Notifier] does.
type Notifier interface {
	Ready() error
	Status(line string) error
	Reloading() error
	Stopping() error
	Ping() error
	WatchdogInterval() (time.Duration, bool)
}

// Options say how to run. Only ConfigPath is required.
type Options struct {
	ConfigPath string
	// Socket overrides the configuration's.
	Socket string
	// Clock is a simulated clock instead of the real one.
	Clock *SimulatedClock
	About control.Version
	// Log is where the log goes; nil means standard error.
	Log io.Writer
	// Notifier is the service manager; nil means systemd.
	Notifier Notifier
	// Reload makes the daemon read its configuration again, as SIGHUP does.
	Reload <-chan os.Signal
	// Ready, if set, is called once the daemon serves.
	Ready func()
}

func (o *Options) clock() rotator.Clock {
	if o.Clock != nil {
		return o.Clock
	}
	return realClock{}
}

func (o *Options) about() control.Version {
	about := o.About
	about.Version = cmp.Or(about.Version, "unknown")
	if o.Clock != nil {
		about.SimulatedClock = o.Clock.String()
	}
	return about
}

func (o *Options) notifier() Notifier {
	if o.Notifier != nil {
		return o.Notifier
	}
	return systemd.Notifier{}
}
