package daemon

import (
	"fmt"
	"time"

	"cmkd/configs"
	"cmkd/providers/notify"
	"cmkd/rotator"
	"cmkd/rotator/engine"
)

// alertmanagerResend is how often Alertmanager is told of an alert that goes on, in
// real time. It ends an alert that it was not told of for three times that long, so
// that one does not stay for ever if the daemon is gone; how often people are told
// again is its own affair.
const alertmanagerResend = 2 * time.Minute

// alertmanagerBeginning is how long Alertmanager gets to tell people of an alert that
// is over already; by default it waits 30 s for others of the group.
const alertmanagerBeginning = 35 * time.Second

// alerting turns the configuration of alerts into the engine's.
func (d *daemon) alerting(c *configs.Config) (engine.Alerting, error) {
	a := engine.Alerting{
		PreflightAhead: time.Duration(c.Alerts.PreflightAhead), ExpiryAhead: time.Duration(c.Alerts.ExpiryAhead),
		RetireAfter: time.Duration(c.Alerts.RetireAfter),
	}
	for i := range c.Alerts.Receivers {
		r, err := d.receiver(c, &c.Alerts.Receivers[i])
		if err != nil {
			return engine.Alerting{}, fmt.Errorf("receiver %s: %w", c.Alerts.Receivers[i].Name, err)
		}
		a.Receivers = append(a.Receivers, r)
	}
	return a, nil
}

func (d *daemon) receiver(c *configs.Config, r *configs.Receiver) (rotator.Receiver, error) {
	receiver := rotator.Receiver{Name: r.Name, Repeat: time.Duration(r.Repeat), Severity: rotator.Severity(r.Severity), Keys: r.Keys}
	for _, rule := range r.Rules {
		receiver.Rules = append(receiver.Rules, rotator.Rule(rule))
	}
	var err error
	switch {
	case r.Alertmanager != nil:
		receiver.Kind, receiver.Repeat = "alertmanager", d.o.simulated(alertmanagerResend)
		receiver.Beginning = d.o.simulated(alertmanagerBeginning)
		receiver.Notifier, err = notify.NewAlertmanager(notify.AlertmanagerOptions{
			URLs: r.Alertmanager.URLs, TokenPath: r.Alertmanager.Credential, CAPath: r.Alertmanager.CA,
			Runbook: c.Alerts.Runbook, Note: d.o.note(), WallTime: d.o.wallTime(), Resend: alertmanagerResend,
			Told: d.replicas(r),
		})
	case r.Shoutrrr != nil:
		receiver.Kind = "shoutrrr"
		receiver.Notifier, err = notify.NewShoutrrr(notify.ShoutrrrOptions{
			URLPath: r.Shoutrrr.Credential, Runbook: c.Alerts.Runbook, Note: d.o.note(),
		})
	case r.Exec != nil:
		receiver.Kind = "exec"
		receiver.Notifier, err = notify.NewExec(notify.ExecOptions{
			Command: r.Exec.Command, Timeout: time.Duration(r.Exec.Timeout), Runbook: c.Alerts.Runbook, Note: d.o.note(),
		})
	default:
		err = rotator.Errorf(rotator.CodeInvalid, "it does not say how it is told")
	}
	receiver.Notifier = &reported{Notifier: receiver.Notifier, turn: turn{log: d.log.With().Str("receiver", r.Name).Logger()}}
	return receiver, err
}

// note is what receivers are told of every alert.
func (o *Options) note() string {
	if o.Clock == nil {
		return ""
	}
	return "simulated Azure, clock " + o.Clock.String()
}

// wallTime turns the engine's time into real time; nil if it is real time.
func (o *Options) wallTime() func(time.Time) time.Time {
	if o.Clock == nil {
		return nil
	}
	return o.Clock.Wall
}

// simulated returns how long a real duration takes on the engine's clock.
func (o *Options) simulated(d time.Duration) time.Duration {
	if o.Clock == nil {
		return d
	}
	return time.Duration(float64(d) * o.Clock.Timeline().Speed)
}
