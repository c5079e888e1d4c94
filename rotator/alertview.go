package rotator

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ReceiverStatus is how the deliveries to one receiver go.
type ReceiverStatus struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Pending counts the alerts that it was not told of yet.
	Pending int `json:"pending"`
	// Failures counts the attempts that failed since the last success, Problem is
	// why the last one did.
	Failures int    `json:"failures,omitempty"`
	Problem  string `json:"problem,omitempty"`
	// Last is when it was last told something; zero if never since the start.
	Last time.Time `json:"last,omitzero"`
}

// TestResult is what came of trying out a receiver.
type TestResult struct {
	Receiver string `json:"receiver"`
	Kind     string `json:"kind"`
	// Problem is why it failed, nil if it did not.
	Problem *Problem `json:"problem,omitempty"`
}

// bookView is what other goroutines see of the book. It does not change.
type bookView struct {
	alerts    []AlertStatus
	silences  []Silence
	receivers []ReceiverStatus
	timings   []TimingStatus
	expected  map[timingKey]TimingStatus
}

// Alerts returns the alerts that fire and those whose end is not delivered yet,
// worst first.
//
// Until the store has been read it fails with CodeUnavailable: not to know is not
// the same as none.
func (e *Engine) Alerts(context.Context) ([]AlertStatus, error) {
	if e.summary.Load().Live == nil && e.blockedSince.Load() == nil {
		return nil, Errorf(CodeUnavailable, "the daemon is still reading its store").WithHint("try again in a moment")
	}
	alerts := slices.Clone(e.book.Load().alerts)
	if b := e.blockedSince.Load(); b != nil {
		alerts = append([]AlertStatus{statusOf(b, "")}, alerts...)
	}
	return alerts, nil
}

// Silences returns the silences, also those that ended within a day.
func (e *Engine) Silences(context.Context) ([]Silence, error) {
	return slices.Clone(e.book.Load().silences), nil
}

// Receivers returns how the deliveries go, by name.
func (e *Engine) Receivers() []ReceiverStatus { return slices.Clone(e.book.Load().receivers) }

// Timings returns what was learned of how long changes take, by kind, region and
// change.
func (e *Engine) Timings(context.Context) ([]TimingStatus, error) {
	return slices.Clone(e.book.Load().timings), nil
}

// Silence holds alerts back for a while. They are still shown.
func (e *Engine) Silence(ctx context.Context, r SilenceRequest) (s Silence, err error) {
	_, err = e.ask(ctx, func(c *core, answer func(Operation, error)) (*live, error) {
		made, err := c.silence(r)
		if err != nil {
			return nil, err
		}
		s = *made
		c.replies = append(c.replies, func(err error) { answer(Operation{}, err) })
		return nil, nil
	})
	return s, err
}

// EndSilence ends a silence before its time.
func (e *Engine) EndSilence(ctx context.Context, id, actor string) (s Silence, err error) {
	_, err = e.ask(ctx, func(c *core, answer func(Operation, error)) (*live, error) {
		ended, err := c.endSilence(id, actor)
		if err != nil {
			return nil, err
		}
		s = *ended
		c.replies = append(c.replies, func(err error) { answer(Operation{}, err) })
		return nil, nil
	})
	return s, err
}

// TestReceivers sends a test alert to one receiver, or to all if name is empty,
// and returns what came of it.
func (e *Engine) TestReceivers(ctx context.Context, name, actor string) ([]TestResult, error) {
	receivers := slices.DeleteFunc(slices.Clone(*e.receivers.Load()), func(r Receiver) bool { return name != "" && r.Name != name })
	switch {
	case len(receivers) == 0 && name != "":
		return nil, Errorf(CodeNotFound, "no receiver %q is configured", name).WithHint("alerts.receivers in the configuration names them")
	case len(receivers) == 0:
		return nil, Errorf(CodeNotFound, "no receiver is configured").WithHint("add one under alerts.receivers in the configuration, then: systemctl reload cmkd")
	}
	now := e.o.Clock.Now().UTC()
	test := Notification{Now: now, Instance: e.o.Store.Instance(), Test: true, Alerts: []Alert{{
		ID: "test/" + scopeDaemon, Rule: "test", Severity: SeverityInfo, Starts: now, Ends: now,
		Summary: "this is a test by " + actor + ": nothing is wrong", Next: "cmkd alert list",
	}}}
	results := make([]TestResult, len(receivers))
	var all sync.WaitGroup
	for i := range receivers {
		r := &receivers[i]
		results[i] = TestResult{Receiver: r.Name, Kind: r.Kind}
		all.Go(func() {
			if err := r.Notifier.Notify(ctx, test); err != nil {
				results[i].Problem = problemOf(AsError(err))
			}
		})
	}
	all.Wait()
	return results, nil
}

func statusOf(a *Alert, silence string) AlertStatus {
	info := ruleInfos[a.Rule]
	s := AlertStatus{Alert: *a, Silence: silence, Title: info.Title, Meaning: info.Meaning, Causes: info.Causes}
	s.Told, s.Affected = maps.Clone(a.Told), slices.Clone(a.Affected)
	return s
}

const (
	// manyAlerts are so many that they are not published anew for each change, but
	// at most once in manyAlertsEvery.
	manyAlerts, manyAlertsEvery = 1000, time.Second
)

// publishBook makes the book available to other goroutines.
func (e *Engine) publishBook() {
	c := e.core
	if c.alarm.published || len(e.book.Load().alerts) > manyAlerts && e.last.Sub(e.bookAt).Abs() < manyAlertsEvery {
		return
	}
	c.alarm.published, e.bookAt = true, e.last
	v := &bookView{expected: map[timingKey]TimingStatus{}}
	for _, a := range c.alarm.all() {
		v.alerts = append(v.alerts, statusOf(a, c.silenced(a)))
	}
	slices.SortStableFunc(v.alerts, func(a, b AlertStatus) int { return worstFirst(a.Alert, b.Alert) })
	for _, id := range slices.Sorted(maps.Keys(c.alarm.silences)) {
		v.silences = append(v.silences, *c.alarm.silences[id])
	}
	slices.SortFunc(v.silences, func(a, b Silence) int { return cmp.Compare(SilenceNumber(a.ID), SilenceNumber(b.ID)) })
	v.receivers = c.receiverStatus()
	for key, t := range c.alarm.timings {
		s := t.status(c.traits[key.kind])
		v.timings = append(v.timings, s)
		v.expected[key] = s
	}
	slices.SortFunc(v.timings, func(a, b TimingStatus) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Region, b.Region), strings.Compare(string(a.Change), string(b.Change)))
	})
	e.book.Store(v)
}

func (c *core) receiverStatus() (all []ReceiverStatus) {
	alerts := c.alarm.all()
	for i := range c.alarm.outbox.receivers {
		r := &c.alarm.outbox.receivers[i]
		s := ReceiverStatus{Name: r.Name, Kind: r.Kind, Last: c.alarm.outbox.last[r.Name]}
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
	slices.SortFunc(all, func(a, b ReceiverStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// summarize counts the firing alerts.
func (v *bookView) summarize(s *Summary) {
	s.Alerts = map[Severity]int{}
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
func (v *bookView) expectation(t *Tracker, change OperationKind, start time.Time) (expected, latest time.Time) {
	s := v.expected[timingKey{t.Detail.Dependent.Kind, t.Detail.Region, change}]
	if s.Count < learnedFrom || start.IsZero() {
		return time.Time{}, time.Time{}
	}
	return start.Add(s.P50), start.Add(s.P90)
}
