package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// emergency tells the receivers that nothing can be stored. It does so by itself,
// for the outbox is part of what cannot be stored; once the store can be written
// again, the alert goes into the book with what was told, and its end is delivered
// like any other.
type emergency struct {
	mu    sync.Mutex
	alert *rotator.Alert
	told  map[string]rotator.Delivery
	// busy has for the receivers that are being told when that emergency began: it may
	// be over, and another one have begun.
	busy map[string]time.Time
	// before is the emergency before, which is over; owed are the receivers that take
	// it to go on. They hear of its end first, or they would take the new one to be
	// over: both have one id.
	before rotator.Alert
	owed   map[string]bool
}

// declare begins the alert, or brings it up to date: why nothing can be stored, and what
// to do; before is the emergency before,
// nil if everybody has heard of its end.
func (m *emergency) declare(why, hint string, before *rotator.Alert, now time.Time) rotator.Alert {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alert == nil {
		m.alert = &rotator.Alert{
			ID: alerting.ID(rotator.RuleStoreBlocked, alerting.ScopeDaemon, ""), Rule: rotator.RuleStoreBlocked, Severity: alerting.SeverityOf(rotator.RuleStoreBlocked),
			Starts: now, Next: "systemctl status cmkd",
		}
		m.told, m.owed = map[string]rotator.Delivery{}, map[string]bool{}
		if before != nil {
			m.before = *before
			for name, d := range before.Told {
				m.owed[name] = !d.Fired.IsZero() && d.Resolved.IsZero()
			}
		}
	}
	if m.busy == nil {
		m.busy = map[string]time.Time{}
	}
	m.alert.Hint = hint
	m.alert.Summary = "nothing can be stored, so nothing is done: " + why
	return *m.alert
}

// over ends the alert and returns it with what was told of it, and the receivers that
// are being told of it still.
func (m *emergency) over(now time.Time) (ended rotator.Alert, busy []string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alert == nil {
		return rotator.Alert{}, nil, false
	}
	ended = *m.alert
	ended.Ends, ended.Told = now, maps.Clone(m.told)
	m.alert = nil
	for _, name := range slices.Sorted(maps.Keys(m.busy)) {
		if m.busy[name].Equal(ended.Starts) {
			busy = append(busy, name)
		}
	}
	return ended, busy, true
}

// begin reports whether a receiver is to be told now.
func (m *emergency) begin(r *rotator.Receiver, now time.Time) (told rotator.Alert, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alert == nil || !m.busy[r.Name].IsZero() || !r.Wants(m.alert) {
		return rotator.Alert{}, false
	}
	d := m.told[r.Name]
	if d.Next.After(now) || !d.Fired.IsZero() && (r.Repeat == 0 || now.Sub(d.Fired) < r.Repeat) {
		return rotator.Alert{}, false
	}
	m.busy[r.Name] = m.alert.Starts
	if m.owed[r.Name] {
		return toldTo(&m.before, r), true
	}
	return *m.alert, true
}

// heard notes what came of telling a receiver of the emergency before.
func (m *emergency) heard(name string, told *rotator.Alert, err *rotator.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && m.alert != nil && told.ID == m.alert.ID {
		m.owed[name] = told.Firing()
	}
}

// end notes what came of telling a receiver. It reports false if the alert was over
// before: then the outbox is to know.
func (m *emergency) end(r *rotator.Receiver, told *rotator.Alert, err *rotator.Error, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.busy, r.Name)
	if m.alert != nil && !told.Firing() && m.owed[r.Name] {
		if err != nil {
			m.told[r.Name] = afterAttempt(m.told[r.Name], told, err, now)
		} else {
			delete(m.owed, r.Name)
			delete(m.told, r.Name)
		}
		return true
	}
	if m.alert == nil || !m.alert.Starts.Equal(told.Starts) {
		return false
	}
	m.told[r.Name] = afterAttempt(m.told[r.Name], told, err, now)
	return true
}

// cryOut tells every receiver that is due, unless the alert is silenced.
func (r *runner) cryOut(ctx context.Context) {
	if alert := r.blockedSince.Load(); alert != nil && (alerts{r.core.state}).silenced(alert) != "" {
		return
	}
	for _, to := range *r.receivers.Load() {
		if r.core.alarm.outbox.sending[to.Name] > 0 {
			continue // one message at a time, or they may overtake each other
		}
		told, ok := r.emergency.begin(&to, r.o.Clock.Now())
		if !ok {
			continue
		}
		r.crew.all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, taskTimeout(taskNotify))
			defer cancel()
			t := task{kind: taskNotify, notify: &notice{
				receiver: to, Notification: rotator.Notification{Alerts: []rotator.Alert{told}, Now: r.o.Clock.Now(), Instance: r.o.Store.Instance()},
			}}
			if result := r.world.do(ctx, &t); !r.emergency.end(&to, &told, result.err, r.o.Clock.Now()) {
				r.crew.deliver(result)
			}
		})
	}
}

// reread forgets what was not committed, and reads the state anew.
func (r *runner) reread(ctx context.Context, now time.Time) error {
	for _, portions := range r.waiting {
		for _, tasks := range portions {
			r.core.withdraw(tasks)
		}
	}
	r.waiting = [priorities][][]task{}
	r.core.out = map[rotator.OperationID]int{}
	if err := r.core.reset(ctx, r.o.Keys, now); err != nil {
		return err
	}
	r.publishAllKeys(r.core.states)
	return nil
}

// calm puts the alert into the book, now that it can be stored.
func (r *runner) calm(now time.Time) {
	r.blockedSince.Store(nil)
	alert, busy, ok := r.emergency.over(now)
	if !ok {
		return
	}
	c := r.core
	for _, receiver := range busy {
		c.alarm.outbox.begin(receiver) // the end comes after the beginning
	}
	c.alarm.put(&alert)
	c.draft.alertChanged(&alert)
	c.draft.notedOfAlert(&alert, rotator.EventAlertResolved)
}
