package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

const (
	// groupWait is how long a new alert waits before it is told, so that what one
	// cause brings up within moments is told at once.
	groupWait = 5 * time.Second
	// tellMost bounds how many alerts a receiver is told of at once.
	tellMost = 500
)

// outbox tells the receivers what they were not told yet. What each was told
// stands in the alert itself, so nothing is lost with the daemon. A receiver that
// does not answer is tried again and again, and delays nothing but itself.
type outbox struct {
	receivers []rotator.Receiver
	// sending counts for each receiver by how many calls it is being told something:
	// two if it is told of an emergency beside. It survives a reset.
	sending map[string]int
	// last is when each was last told something.
	last map[string]time.Time
	// planned is for when the agenda has the next look at the outbox.
	planned time.Time
}

func (o *outbox) begin(receiver string) { o.sending[receiver]++ }

func (o *outbox) end(receiver string) {
	if o.sending[receiver]--; o.sending[receiver] <= 0 {
		delete(o.sending, receiver)
	}
}

// pendingFor returns what is to be told to a receiver of an alert: whether it is
// due, and from when on; a zero time means that nothing is.
func (c posting) pendingFor(r *rotator.Receiver, a *rotator.Alert) (at time.Time) {
	if !r.Wants(a) {
		return time.Time{}
	}
	d := a.Told[r.Name]
	silent := alerts(c).silenced(a) != ""
	// What is kept of alerts by the receiver would end there, were it not repeated.
	held := r.Beginning > 0 && !d.Fired.IsZero()
	switch {
	case a.Firing() && silent && !held:
		return time.Time{}
	case a.Firing() && d.Fired.IsZero():
		at = c.after(a.Starts, groupWait)
	case a.Firing() && r.Repeat > 0:
		at = c.after(d.Fired, r.Repeat)
	case a.Firing(), !d.Resolved.IsZero():
		return time.Time{}
	case d.Fired.IsZero() && silent: // neither its beginning nor its end is told
		return time.Time{}
	case !d.Fired.IsZero() && d.Fired.After(a.Ends):
		at = c.after(d.Fired, r.Beginning) // it was told of the beginning afterwards
	default:
		at = c.after(a.Ends, 0)
	}
	return later(at, d.Next)
}

// after returns the time d after t; now if the clock was set back behind t since:
// nothing waits for as long as the clock jumped.
func (c posting) after(t time.Time, d time.Duration) time.Time {
	if t.After(c.now) {
		return c.now
	}
	return t.Add(d)
}

// silenced returns the silence that holds an alert back, empty if none does.
func (c alerts) silenced(a *rotator.Alert) string {
	id := ""
	for _, s := range c.alarm.silences {
		if s.Silences(a, c.now) && (id == "" || s.ID < id) {
			id = s.ID
		}
	}
	return id
}

// all tells every receiver that is not busy what is due, and plans the next look.
func (c posting) all() {
	var next time.Time
	all := c.alarm.all()
	for i := range c.alarm.outbox.receivers {
		next = sooner(next, c.postTo(&c.alarm.outbox.receivers[i], all))
	}
	c.dropTold(all)
	if !next.IsZero() {
		c.soon(next)
	}
}

// postTo returns when there is something to tell next.
func (c posting) postTo(r *rotator.Receiver, all []*rotator.Alert) (next time.Time) {
	if c.alarm.outbox.sending[r.Name] > 0 {
		return time.Time{} // it is looked at again when that is over
	}
	var due []rotator.Alert
	for _, a := range all {
		switch at := c.pendingFor(r, a); {
		case at.IsZero():
		case at.After(c.now):
			next = sooner(next, at)
		default:
			due = append(due, toldTo(a, r))
		}
	}
	if len(due) == 0 {
		return next
	}
	slices.SortFunc(due, worstFirst)
	due = due[:min(len(due), tellMost)] // the rest comes once these are told
	c.alarm.outbox.begin(r.Name)
	c.draft.intendedApart(task{kind: taskNotify, notify: &notice{
		receiver: *r, Notification: rotator.Notification{Alerts: due, Now: c.now, Instance: c.store.Instance()},
	}})
	return time.Time{}
}

// toldTo returns the alert as a receiver is to be told of it.
func toldTo(a *rotator.Alert, r *rotator.Receiver) rotator.Alert {
	told := *a
	if r.Beginning > 0 && a.Told[r.Name].Fired.IsZero() {
		told.Ends = time.Time{}
	}
	told.Told, told.Affected = nil, slices.Clone(a.Affected)
	return told
}

// worstFirst orders alerts as people want to read them: firing ones first, the
// worst of them first, the oldest of these first.
func worstFirst(a, b rotator.Alert) int {
	if a.Firing() != b.Firing() {
		if a.Firing() {
			return -1
		}
		return 1
	}
	return cmp.Or(b.Severity.Rank()-a.Severity.Rank(), a.Starts.Compare(b.Starts), strings.Compare(a.ID, b.ID))
}

// soon plans a look at the outbox.
func (c posting) soon(at time.Time) {
	o := &c.alarm.outbox
	if !o.planned.IsZero() && o.planned.After(c.now) && !at.Before(o.planned) {
		return
	}
	o.planned = at
	c.agenda.add(agendaItem{post: true, at: at.UnixNano()})
}

// notice is what a receiver is told.
type notice struct {
	receiver rotator.Receiver
	rotator.Notification
}

// notified takes in what came of telling a receiver.
func (c posting) notified(r *result) {
	name := r.notify.receiver.Name
	o := &c.alarm.outbox
	o.end(name)
	if r.err == nil {
		o.last[name] = c.now
	}
	for i := range r.notify.Alerts {
		told := &r.notify.Alerts[i]
		alert := c.alarm.alerts[scopeOf(told)][told.ID]
		if alert == nil || !alert.Starts.Equal(told.Starts) {
			continue
		}
		if alert.Told == nil {
			alert.Told = map[string]rotator.Delivery{}
		}
		alert.Told[name] = afterAttempt(alert.Told[name], told, r.err, c.now)
		if alert.Firing() {
			alert.Told = reopened(alert) // it came back while its end was told
		}
		c.draft.alertChanged(alert)
	}
	c.all()
}

// afterAttempt returns the delivery after an attempt.
func afterAttempt(d rotator.Delivery, told *rotator.Alert, err *rotator.Error, now time.Time) rotator.Delivery {
	switch {
	case err != nil:
		d.Failures++
		d.Next, d.Problem = now.Add(max(backoff(d.Failures), err.RetryAfter)), err.Error()
		return d
	case told.Firing():
		d.Fired = now
	default:
		d.Resolved = now
	}
	d.Failures, d.Next, d.Problem = 0, time.Time{}, ""
	return d
}

// dropTold forgets the alerts that are over once there is nobody left to tell.
func (c posting) dropTold(all []*rotator.Alert) {
	for _, a := range all {
		if a.Firing() || slices.ContainsFunc(c.alarm.outbox.receivers, func(r rotator.Receiver) bool { return !c.pendingFor(&r, a).IsZero() }) {
			continue
		}
		c.draft.alertDropped(a)
	}
}
