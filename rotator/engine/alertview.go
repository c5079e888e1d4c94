package engine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// bookView is what other goroutines see of the book. It does not change.
type bookView struct {
	alerts    []rotator.AlertStatus
	silences  []rotator.Silence
	freezes   []rotator.Freeze
	receivers []rotator.ReceiverStatus
	timings   []rotator.TimingStatus
	expected  map[timingKey]rotator.TimingStatus
}

// Alerts returns the alerts that fire and those whose end is not delivered yet,
// worst first.
//
// Until the store has been read it fails with CodeUnavailable: not to know is not
// the same as none.
func (e *Engine) Alerts(context.Context) ([]rotator.AlertStatus, error) {
	if e.summary.Load().Live == nil && e.blockedSince.Load() == nil {
		return nil, rotator.Errorf(rotator.CodeUnavailable, "the daemon is still reading its store").WithHint("try again in a moment")
	}
	alerts := slices.Clone(e.book.Load().alerts)
	if b := e.blockedSince.Load(); b != nil {
		alerts = append([]rotator.AlertStatus{statusOf(b, "")}, alerts...)
	}
	return alerts, nil
}

// Silences returns the silences, also those that ended within a day.
func (e *Engine) Silences(context.Context) ([]rotator.Silence, error) {
	return slices.Clone(e.book.Load().silences), nil
}

// Receivers returns how the deliveries go, by name.
func (e *Engine) Receivers() []rotator.ReceiverStatus { return slices.Clone(e.book.Load().receivers) }

// Timings returns what was learned of how long changes take, by kind, region and
// change.
func (e *Engine) Timings(context.Context) ([]rotator.TimingStatus, error) {
	return slices.Clone(e.book.Load().timings), nil
}

// Silence holds alerts back for a while. They are still shown.
func (e *Engine) Silence(ctx context.Context, r rotator.SilenceRequest) (s rotator.Silence, err error) {
	_, err = e.ask(ctx, func(c *core, answer func(rotator.Operation, error)) (*live, error) {
		made, err := alerts{c.state}.silence(r)
		if err != nil {
			return nil, err
		}
		s = *made
		c.draft.answered(func(err error) { answer(rotator.Operation{}, err) })
		return nil, nil
	})
	return s, err
}

// EndSilence ends a silence before its time.
func (e *Engine) EndSilence(ctx context.Context, id, actor, reason string) (s rotator.Silence, err error) {
	_, err = e.ask(ctx, func(c *core, answer func(rotator.Operation, error)) (*live, error) {
		ended, err := alerts{c.state}.endSilence(id, actor, reason)
		if err != nil {
			return nil, err
		}
		s = *ended
		c.draft.answered(func(err error) { answer(rotator.Operation{}, err) })
		return nil, nil
	})
	return s, err
}

// TestReceivers sends a test alert to one receiver, or to all if name is empty,
// and returns what came of it.
func (e *Engine) TestReceivers(ctx context.Context, name, actor string) ([]rotator.TestResult, error) {
	receivers := slices.DeleteFunc(slices.Clone(*e.receivers.Load()), func(r rotator.Receiver) bool { return name != "" && r.Name != name })
	switch {
	case len(receivers) == 0 && name != "":
		return nil, rotator.Errorf(rotator.CodeNotFound, "no receiver %q is configured", name).WithHint("alerts.receivers in the configuration names them")
	case len(receivers) == 0:
		return nil, rotator.Errorf(rotator.CodeNotFound, "no receiver is configured").WithHint("add one under alerts.receivers in the configuration, then: systemctl reload cmkd")
	}
	now := e.o.Clock.Now().UTC()
	test := rotator.Notification{Now: now, Instance: e.o.Store.Instance(), Test: true, Alerts: []rotator.Alert{{
		ID: "test/" + alerting.ScopeDaemon, Rule: "test", Severity: rotator.SeverityInfo, Starts: now, Ends: now,
		Summary: "this is a test by " + actor + ": nothing is wrong", Next: "cmkd alert list",
	}}}
	results := make([]rotator.TestResult, len(receivers))
	var all sync.WaitGroup
	for i := range receivers {
		r := &receivers[i]
		results[i] = rotator.TestResult{Receiver: r.Name, Kind: r.Kind}
		all.Go(func() {
			if err := r.Notifier.Notify(ctx, test); err != nil {
				results[i].Problem = rotator.ProblemOf(rotator.AsError(err))
			}
		})
	}
	all.Wait()
	return results, nil
}

func statusOf(a *rotator.Alert, silence string) rotator.AlertStatus {
	info := alerting.InfoOf(a.Rule)
	s := rotator.AlertStatus{Alert: *a, Silence: silence, Title: info.Title, Meaning: info.Meaning, Causes: info.Causes}
	s.Why = rotator.InfoOf(rotator.Reason(a.Cause)).Cause
	s.Told, s.Affected = maps.Clone(a.Told), slices.Clone(a.Affected)
	return s
}

const (
	// manyAlerts are so many that they are not published anew for each change, but
	// at most once in manyAlertsEvery.
	manyAlerts, manyAlertsEvery = 1000, time.Second
)

func (c posting) receiverStatus() (all []rotator.ReceiverStatus) {
	alerts := c.alarm.all()
	for i := range c.alarm.outbox.receivers {
		r := &c.alarm.outbox.receivers[i]
		s := rotator.ReceiverStatus{Name: r.Name, Kind: r.Kind, Last: c.alarm.outbox.last[r.Name]}
		for _, a := range alerts {
			d := a.Told[r.Name]
			if d.Failures > s.Failures {
				s.Failures, s.Problem = d.Failures, d.Problem
			}
			told := a.Firing() && !d.Fired.IsZero()
			if !told && !c.pendingFor(r, a).IsZero() {
				s.Pending++
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b rotator.ReceiverStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// summarize counts the firing alerts.
func (v *bookView) summarize(s *rotator.Summary) {
	s.Freezes = v.freezes
	s.Alerts = map[rotator.Severity]int{}
	for i := range v.alerts {
		switch a := &v.alerts[i]; {
		case !a.Firing():
		case a.Silence != "":
			s.Silenced++
		default:
			s.Alerts[a.Severity]++
		}
	}
}

// expectation returns when a tracker that began at start is expected to be done,
// and by when nine of ten are; zero while too little was seen.
func (v *bookView) expectation(t *rotator.Tracker, change rotator.OperationKind, start time.Time) (expected, latest time.Time) {
	s := v.expected[timingKey{t.Detail.Dependent.Kind, t.Detail.Region, change}]
	if s.Count < learnedFrom || start.IsZero() {
		return time.Time{}, time.Time{}
	}
	return start.Add(s.P50), start.Add(s.P90)
}
