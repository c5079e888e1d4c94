package rotator

import (
	"context"
	"maps"
	"sync"
	"time"
)

// emergency tells the receivers that nothing can be stored. It does so by itself,
// for the outbox is part of what cannot be stored; once the store can be written
// again, the alert goes into the book with what was told, and its end is delivered
// like any other.
type emergency struct {
	mu    sync.Mutex
	alert *Alert
	told  map[string]Delivery
	busy  map[string]bool
}

// declare begins the alert, or brings it up to date.
func (m *emergency) declare(why string, now time.Time) Alert {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alert == nil {
		m.alert = &Alert{
			ID: alertID(RuleStoreBlocked, scopeDaemon, ""), Rule: RuleStoreBlocked, Severity: severityOf(RuleStoreBlocked),
			Starts: now, Next: "systemctl status cmkd",
		}
		m.told, m.busy = map[string]Delivery{}, map[string]bool{}
	}
	m.alert.Summary = "nothing can be stored, so nothing is done: " + why
	return *m.alert
}

// over ends the alert and returns it with what was told of it.
func (m *emergency) over(now time.Time) (Alert, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alert == nil {
		return Alert{}, false
	}
	ended := *m.alert
	ended.Ends, ended.Told = now, maps.Clone(m.told)
	m.alert = nil
	return ended, true
}

// begin reports whether a receiver is to be told now.
func (m *emergency) begin(r *Receiver, now time.Time) (told Alert, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.alert == nil || m.busy[r.Name] || !r.Wants(m.alert) {
		return Alert{}, false
	}
	d := m.told[r.Name]
	if d.Next.After(now) || !d.Fired.IsZero() && (r.Repeat == 0 || now.Sub(d.Fired) < r.Repeat) {
		return Alert{}, false
	}
	m.busy[r.Name] = true
	return *m.alert, true
}

func (m *emergency) end(r *Receiver, told *Alert, err error, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy[r.Name] = false
	var failed *Error
	if err != nil {
		failed = AsError(err)
	}
	m.told[r.Name] = m.told[r.Name].after(told, failed, now)
}

// cryOut tells every receiver that is due.
func (e *Engine) cryOut(ctx context.Context) {
	for _, r := range *e.receivers.Load() {
		told, ok := e.emergency.begin(&r, e.o.Clock.Now())
		if !ok {
			continue
		}
		e.crew.all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, taskTimeout(taskNotify))
			defer cancel()
			err := r.Notifier.Notify(ctx, Notification{Alerts: []Alert{told}, Now: e.o.Clock.Now(), Instance: e.o.Store.Instance()})
			e.emergency.end(&r, &told, err, e.o.Clock.Now())
		})
	}
}

// calm puts the alert into the book, now that it can be stored.
func (e *Engine) calm(now time.Time) {
	e.blockedSince.Store(nil)
	alert, ok := e.emergency.over(now)
	if !ok {
		return
	}
	c := e.core
	c.alarm.put(&alert)
	c.alarm.change(&alert)
	c.alertEvent(&alert, EventAlertResolved)
}
