package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

const (
	// choresEvery is how often the engine looks at what nothing else brings up:
	// the disk, silences and alerts that end.
	choresEvery = time.Minute
	// jumpLasts is how long a jump of the clock is worth an alert.
	jumpLasts = time.Hour
	// silenceKept is how long a silence that ended is still shown.
	silenceKept = 24 * time.Hour
	// silenceMost is how long a silence may last.
	silenceMost = 31 * 24 * time.Hour
)

// alarm is the part of the core that keeps the alerts. It decides with the rest,
// and its records are part of the same commits: an alert is as durable as the
// state that raised it.
type alarm struct {
	// alerts are by scope and id. The scope is an operation, a key or the daemon.
	alerts   map[string]map[string]*rotator.Alert
	silences map[string]*rotator.Silence
	timings  map[timingKey]*timing
	recent   *timing // the last one asked for
	// outbox tells the receivers.
	outbox outbox
	// expiryAhead and preflightAhead are as configured, see [Alerting].
	expiryAhead, preflightAhead time.Duration
	// retireAfter is how long a person may let a retirement wait, see [Alerting].
	retireAfter time.Duration

	published bool // is false if the book changed since it was last published
}

// Alerting says when to raise alerts, and whom to tell.
type Alerting struct {
	Receivers []rotator.Receiver
	// PreflightAhead is how long before a scheduled rotation it is looked at
	// whether it could begin; zero means not at all.
	PreflightAhead time.Duration
	// ExpiryAhead is how long before a version expires an alert is raised if no
	// rotation is scheduled before; zero means never.
	ExpiryAhead time.Duration
	// RetireAfter is for how long a rotation may wait for a person to say that the
	// previous version may go before an alert is raised; zero for ever.
	RetireAfter time.Duration
}

func newAlarm() alarm {
	return alarm{
		alerts: map[string]map[string]*rotator.Alert{}, silences: map[string]*rotator.Silence{}, timings: map[timingKey]*timing{},
		outbox: outbox{sending: map[string]int{}, last: map[string]time.Time{}},
	}
}

// configure takes over the configuration of alerts.
func (c alerts) configure(a Alerting) {
	c.alarm.outbox.receivers = slices.Clone(a.Receivers)
	c.alarm.preflightAhead, c.alarm.expiryAhead, c.alarm.retireAfter = a.PreflightAhead, a.ExpiryAhead, a.RetireAfter
	c.alarm.published = false
}

// restore takes over what the store has.
func (a *alarm) restore(b rotator.Book) error {
	a.alerts, a.silences = map[string]map[string]*rotator.Alert{}, map[string]*rotator.Silence{}
	a.timings, a.recent = map[timingKey]*timing{}, nil
	for i := range b.Alerts {
		a.put(&b.Alerts[i])
	}
	for i := range b.Silences {
		a.silences[b.Silences[i].ID] = &b.Silences[i]
	}
	for i := range b.Timings {
		t, err := restoreTiming(&b.Timings[i])
		if err != nil {
			return err
		}
		a.timings[t.timingKey] = t
	}
	a.published = false
	return nil
}

// scopeOf returns what is judged at once, and with it the alert.
func scopeOf(a *rotator.Alert) string {
	switch {
	case a.Key == "":
		return alerting.ScopeDaemon
	case a.Operation == 0 || a.Rule == rotator.RuleOperationFailed:
		return alerting.ScopeOfKey(a.KeyID)
	default:
		return a.Operation.String()
	}
}

func (a *alarm) put(alert *rotator.Alert) {
	scope := scopeOf(alert)
	if a.alerts[scope] == nil {
		a.alerts[scope] = map[string]*rotator.Alert{}
	}
	a.alerts[scope][alert.ID] = alert
}

// drop takes an alert out.
func (a *alarm) drop(alert *rotator.Alert) {
	scope := scopeOf(alert)
	delete(a.alerts[scope], alert.ID)
	if len(a.alerts[scope]) == 0 {
		delete(a.alerts, scope)
	}
}

// all returns the alerts by id, so that what is decided does not depend on chance.
func (a *alarm) all() []*rotator.Alert {
	var all []*rotator.Alert
	for _, scope := range a.alerts {
		all = slices.AppendSeq(all, maps.Values(scope))
	}
	slices.SortFunc(all, func(x, y *rotator.Alert) int { return strings.Compare(x.ID, y.ID) })
	return all
}

// reconcile compares the alerts of a scope with the conditions that are the case
// now: what is new fires, what goes on is brought up to date, what is not among
// them any more is over.
func (c alerts) reconcile(scope string, found []rotator.Alert) {
	kept := map[string]bool{}
	for i := range found {
		kept[found[i].ID] = true
		c.raise(&found[i])
	}
	for _, id := range slices.Sorted(maps.Keys(c.alarm.alerts[scope])) {
		if alert := c.alarm.alerts[scope][id]; !kept[id] && alert.Firing() {
			c.resolve(alert)
		}
	}
}

// raise lets an alert fire that does not yet. One that ended and comes back before
// its end was told to everybody goes on as the same: nobody is told twice.
func (c alerts) raise(found *rotator.Alert) {
	old := c.alarm.alerts[scopeOf(found)][found.ID]
	if old != nil && old.Firing() {
		if updateAlert(old, found) {
			c.draft.alertChanged(old)
		}
		return
	}
	fresh := *found
	fresh.Starts = c.now
	if old != nil {
		fresh.Starts, fresh.Told = old.Starts, reopened(old)
	}
	c.alarm.put(&fresh)
	c.draft.alertChanged(&fresh)
	c.draft.notedOfAlert(&fresh, rotator.EventAlertFiring)
}

// reopened returns what is left of what was told: whoever was told of the end has
// to be told of the beginning again.
func reopened(a *rotator.Alert) map[string]rotator.Delivery {
	told := map[string]rotator.Delivery{}
	for name, d := range a.Told {
		if d.Resolved.IsZero() {
			told[name] = d
		}
	}
	return told
}

// updateAlert takes over what a condition looks like now, and reports whether that is
// news.
func updateAlert(a *rotator.Alert, now *rotator.Alert) bool {
	if a.Key == now.Key && a.Summary == now.Summary && a.Count == now.Count && a.Hint == now.Hint && a.Next == now.Next && a.Until.Equal(now.Until) &&
		slices.Equal(a.Affected, now.Affected) {
		return false
	}
	a.Key, a.Summary, a.Count, a.Hint, a.Next, a.Until, a.Affected = now.Key, now.Summary, now.Count, now.Hint, now.Next, now.Until, now.Affected
	return true
}

func (c alerts) resolve(alert *rotator.Alert) {
	alert.Ends = c.now
	c.draft.alertChanged(alert)
	c.draft.notedOfAlert(alert, rotator.EventAlertResolved)
}

// judge looks whether an operation is worth alerts.
func (c alerts) judge(l *live) {
	l.suspect = false
	c.reconcile(l.op.ID.String(), alerting.OfOperation(&l.op, l.trackers))
}

// judgeKey looks whether a key is worth alerts.
func (c alerts) judgeKey(id string) {
	v := alerting.KeyView{Key: c.byID[id], State: c.states[id], Now: c.now, ExpiryAhead: c.alarm.expiryAhead}
	switch {
	case v.State == nil:
		return
	case v.Key == nil:
		c.reconcile(alerting.ScopeOfKey(v.State.ID), nil) // it is not ours any more
		return
	}
	l := c.liveOf(v.Key).atWork()
	v.Busy, v.Revoked = l != nil, l != nil && l.op.Kind != rotator.KindRotation
	c.reconcile(alerting.ScopeOfKey(v.State.ID), alerting.OfKey(&v))
}

// chores looks at what nothing else brings up.
func (c alerts) chores() {
	c.agenda.add(agendaItem{chores: true, at: c.now.Add(choresEvery).UnixNano()})
	attesting(c).expire()
	var found []rotator.Alert
	space, err := c.store.Space()
	if err == nil {
		found = alerting.OfSpace(space)
	} else if alert := c.alarm.alerts[alerting.ScopeDaemon][alerting.ID(rotator.RuleStoreNearFull, alerting.ScopeDaemon, "")]; alert != nil && alert.Firing() {
		found = append(found, *alert) // as far as is known
	}
	if errors.Is(err, rotator.ErrStoreReplaced) {
		c.fault = err // nobody is to wait for a commit to learn of it
	}
	for _, f := range c.freezes {
		found = append(found, alerting.OfFreeze(f, c.now)...)
	}
	for _, alert := range c.alarm.alerts[alerting.ScopeDaemon] {
		// One that lasts for longer was raised by a clock that was ahead.
		if left := alert.Until.Sub(c.now); alert.Firing() && left > 0 && left <= jumpLasts {
			found = append(found, *alert)
		}
	}
	c.reconcile(alerting.ScopeDaemon, found)
	for _, id := range slices.Sorted(maps.Keys(c.alarm.silences)) {
		ended := c.now.Sub(c.alarm.silences[id].Until)
		if ended >= 0 && ended < 2*choresEvery {
			c.alarm.published = false // the alerts are to be shown without it
		}
		if ended > silenceKept {
			delete(c.alarm.silences, id)
			c.draft.silenceDropped(id)
		}
	}
	c.keepTimings()
	posting(c).all()
}

// clockJumped raises an alert about a jump of the clock, and lets what was to be
// told again later be told now.
func (c alerts) clockJumped(by time.Duration) {
	for _, a := range c.alarm.all() {
		for name, d := range a.Told {
			if !d.Next.IsZero() {
				d.Next = time.Time{}
				a.Told[name] = d
				c.draft.alertChanged(a)
			}
		}
	}
	c.raise(&rotator.Alert{
		ID: alerting.ID(rotator.RuleClockJumped, alerting.ScopeDaemon, ""), Rule: rotator.RuleClockJumped, Severity: alerting.SeverityOf(rotator.RuleClockJumped),
		Summary: fmt.Sprintf("the clock of this machine jumped by %s, to %s", by.Round(time.Second), c.now.UTC().Format(time.RFC3339)),
		Next:    "timedatectl", Until: c.now.Add(jumpLasts),
	})
}
