package rotator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
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
	alerts   map[string]map[string]*Alert
	silences map[string]*Silence
	timings  map[timingKey]*timing
	recent   *timing // the last one asked for
	// outbox tells the receivers.
	outbox outbox
	// expiryAhead and preflightAhead are as configured, see [Alerting].
	expiryAhead, preflightAhead time.Duration

	// What the next commit takes.
	changed   map[string]*Alert
	forget    Forget
	quieted   map[string]*Silence
	published bool // is false if the book changed since it was last published
}

// Alerting says when to raise alerts, and whom to tell.
type Alerting struct {
	Receivers []Receiver
	// PreflightAhead is how long before a scheduled rotation it is looked at
	// whether it could begin; zero means not at all.
	PreflightAhead time.Duration
	// ExpiryAhead is how long before a version expires an alert is raised if no
	// rotation is scheduled before; zero means never.
	ExpiryAhead time.Duration
}

func newAlarm() alarm {
	return alarm{
		alerts: map[string]map[string]*Alert{}, silences: map[string]*Silence{}, timings: map[timingKey]*timing{},
		outbox:  outbox{sending: map[string]int{}, last: map[string]time.Time{}},
		changed: map[string]*Alert{}, quieted: map[string]*Silence{},
	}
}

// setAlerting takes over the configuration of alerts.
func (c *core) setAlerting(a Alerting) {
	c.alarm.outbox.receivers = slices.Clone(a.Receivers)
	c.alarm.preflightAhead, c.alarm.expiryAhead = a.PreflightAhead, a.ExpiryAhead
	c.alarm.published = false
}

// restore takes over what the store has.
func (a *alarm) restore(b Book) error {
	a.alerts, a.silences = map[string]map[string]*Alert{}, map[string]*Silence{}
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
	a.begin()
	a.published = false
	return nil
}

// begin starts afresh with what the next commit takes.
func (a *alarm) begin() {
	a.changed, a.quieted, a.forget = map[string]*Alert{}, map[string]*Silence{}, Forget{}
}

// scope returns what is judged at once, and with it the alert. A key may be called
// like an operation, or like the daemon.
func (a *Alert) scope() string {
	switch {
	case a.Key == "":
		return scopeDaemon
	case a.Operation == 0 || a.Rule == RuleOperationFailed:
		return scopeOfKey(a.Key)
	default:
		return a.Operation.String()
	}
}

func scopeOfKey(name string) string { return "key/" + name }

func (a *alarm) put(alert *Alert) {
	scope := alert.scope()
	if a.alerts[scope] == nil {
		a.alerts[scope] = map[string]*Alert{}
	}
	a.alerts[scope][alert.ID] = alert
}

func (a *alarm) change(alert *Alert) {
	a.changed[alert.ID] = alert
	a.published = false
}

// drop forgets an alert that is over and told to everybody.
func (a *alarm) drop(alert *Alert) {
	scope := alert.scope()
	delete(a.alerts[scope], alert.ID)
	if len(a.alerts[scope]) == 0 {
		delete(a.alerts, scope)
	}
	delete(a.changed, alert.ID)
	a.forget.Alerts = append(a.forget.Alerts, alert.ID)
	a.published = false
}

// all returns the alerts by id, so that what is decided does not depend on chance.
func (a *alarm) all() []*Alert {
	var all []*Alert
	for _, scope := range a.alerts {
		all = slices.AppendSeq(all, maps.Values(scope))
	}
	slices.SortFunc(all, func(x, y *Alert) int { return strings.Compare(x.ID, y.ID) })
	return all
}

// reconcile compares the alerts of a scope with the conditions that are the case
// now: what is new fires, what goes on is brought up to date, what is not among
// them any more is over.
func (c *core) reconcile(scope string, found []Alert) {
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
func (c *core) raise(found *Alert) {
	old := c.alarm.alerts[found.scope()][found.ID]
	if old != nil && old.Firing() {
		if old.update(found) {
			c.alarm.change(old)
			c.waitSoft()
		}
		return
	}
	fresh := *found
	fresh.Starts = c.now
	if old != nil {
		fresh.Starts, fresh.Told = old.Starts, old.reopened()
	}
	c.alarm.put(&fresh)
	c.alarm.change(&fresh)
	c.alertEvent(&fresh, EventAlertFiring)
}

// reopened returns what is left of what was told: whoever was told of the end has
// to be told of the beginning again.
func (a *Alert) reopened() map[string]Delivery {
	told := map[string]Delivery{}
	for name, d := range a.Told {
		if d.Resolved.IsZero() {
			told[name] = d
		}
	}
	return told
}

// update takes over what a condition looks like now, and reports whether that is
// news.
func (a *Alert) update(now *Alert) bool {
	if a.Summary == now.Summary && a.Count == now.Count && a.Hint == now.Hint && a.Next == now.Next && a.Until.Equal(now.Until) &&
		slices.Equal(a.Affected, now.Affected) {
		return false
	}
	a.Summary, a.Count, a.Hint, a.Next, a.Until, a.Affected = now.Summary, now.Count, now.Hint, now.Next, now.Until, now.Affected
	return true
}

func (c *core) resolve(alert *Alert) {
	alert.Ends = c.now
	c.alarm.change(alert)
	c.alertEvent(alert, EventAlertResolved)
}

func (c *core) alertEvent(a *Alert, t EventType) {
	c.hard = true
	message := a.Summary
	if t == EventAlertResolved {
		message = "over: " + message
	}
	c.change.Events = append(c.change.Events, Event{
		At: c.now, Type: t, Key: a.Key, Operation: a.Operation, Actor: actorDaemon, Message: message,
		Data: map[string]string{"alert": a.ID, "rule": string(a.Rule), "severity": string(a.Severity)},
	})
	c.postSoon(c.now.Add(groupWait))
}

// judge looks whether an operation is worth alerts.
func (c *core) judge(l *live) {
	l.suspect = false
	c.reconcile(l.op.ID.String(), operationConditions(&l.op, l.trackers))
}

// judgeKey looks whether a key is worth alerts.
func (c *core) judgeKey(name string) {
	v := keyView{key: c.keys[name], state: c.states[name], now: c.now, expiryAhead: c.alarm.expiryAhead}
	if v.key == nil || v.state == nil {
		c.reconcile(scopeOfKey(name), nil) // it is not ours any more
		return
	}
	if v.state.Preflight != nil { // else nobody asks
		v.busy = c.liveOf(v.key) != nil
	}
	c.reconcile(scopeOfKey(name), keyConditions(&v))
}

// chores looks at what nothing else brings up.
func (c *core) chores() {
	c.agenda.add(agendaItem{chores: true, at: c.now.Add(choresEvery).UnixNano()})
	var found []Alert
	space, err := c.store.Space()
	if err == nil {
		found = spaceCondition(space)
	} else if alert := c.alarm.alerts[scopeDaemon][alertID(RuleStoreNearFull, scopeDaemon, "")]; alert != nil && alert.Firing() {
		found = append(found, *alert) // as far as is known
	}
	if errors.Is(err, ErrStoreReplaced) {
		c.fault = err // nobody is to wait for a commit to learn of it
	}
	for _, alert := range c.alarm.alerts[scopeDaemon] {
		// One that lasts for longer was raised by a clock that was ahead.
		if left := alert.Until.Sub(c.now); alert.Firing() && left > 0 && left <= jumpLasts {
			found = append(found, *alert)
		}
	}
	c.reconcile(scopeDaemon, found)
	for _, id := range slices.Sorted(maps.Keys(c.alarm.silences)) {
		ended := c.now.Sub(c.alarm.silences[id].Until)
		if ended >= 0 && ended < 2*choresEvery {
			c.alarm.published = false // the alerts are to be shown without it
		}
		if ended > silenceKept {
			delete(c.alarm.silences, id)
			c.alarm.forget.Silences = append(c.alarm.forget.Silences, id)
			c.alarm.published = false
			c.waitSoft()
		}
	}
	c.keepTimings()
	c.post()
}

// clockJumped raises an alert about a jump of the clock, and lets what was to be
// told again later be told now.
func (c *core) clockJumped(by time.Duration) {
	for _, a := range c.alarm.all() {
		for name, d := range a.Told {
			if !d.Next.IsZero() {
				d.Next = time.Time{}
				a.Told[name] = d
				c.alarm.change(a)
			}
		}
	}
	c.raise(&Alert{
		ID: alertID(RuleClockJumped, scopeDaemon, ""), Rule: RuleClockJumped, Severity: severityOf(RuleClockJumped),
		Summary: fmt.Sprintf("the clock of this machine jumped by %s, to %s", by.Round(time.Second), c.now.UTC().Format(time.RFC3339)),
		Next:    "timedatectl", Until: c.now.Add(jumpLasts),
	})
}

// takeBook moves the changes to the book into the change to commit.
func (c *core) takeBook() {
	a := &c.alarm
	for _, id := range slices.Sorted(maps.Keys(a.changed)) {
		alert := *a.changed[id]
		alert.Told = maps.Clone(alert.Told)
		alert.Affected = slices.Clone(alert.Affected)
		c.change.Alerts = append(c.change.Alerts, alert)
	}
	for _, id := range slices.Sorted(maps.Keys(a.quieted)) {
		c.change.Silences = append(c.change.Silences, *a.quieted[id])
	}
	// What is forgotten and comes back at once is kept.
	back := func(id string) bool { return a.changed[id] != nil || a.quieted[id] != nil }
	c.change.Forget = Forget{
		Alerts: slices.DeleteFunc(a.forget.Alerts, back), Silences: slices.DeleteFunc(a.forget.Silences, back),
	}
	a.begin()
}
