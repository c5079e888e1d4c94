package engine

import (
	"context"
	"fmt"
	"time"

	"cmkd/rotator"
)

// jumpNoticed is by how much the daemon's clock must jump to be worth a line in
// the audit trail.
const jumpNoticed = time.Minute

// begin starts a step at a time. jump is by how much the clock was set since the
// last step, beyond the time that passed: ahead if positive. Schedules speak of
// the clock on the wall and follow it. Waiting does not: it goes on for as long
// as it would have. Evidence and soak times are by Azure's clock and are not
// touched.
func (c *core) begin(now time.Time, jump time.Duration) {
	if !c.now.IsZero() {
		c.steady = c.steady.Add(max(now.Round(0).Sub(c.now.Round(0))-jump, 0))
	}
	c.now = now
	if jump > -time.Second && jump < time.Second {
		return
	}
	jumped := jump <= -jumpNoticed || jump >= jumpNoticed
	if jumped {
		c.jumped = c.steady
		alerts{c.state}.clockJumped(jump)
	}
	for _, id := range c.liveIDs() {
		l := c.live[id]
		switch {
		case jump < 0:
			c.shift(l, jump)
		case (l.op.State == rotator.StateSoaking || l.op.State == rotator.StateProbation) && !l.op.Wake.IsZero(): // what else comes too early does no harm
			c.draft.waits(l, l.op.Wake.Add(jump))
		}
		if jumped {
			c.draft.noted(l, rotator.EventClockJumped, actorDaemon, "the clock of this machine jumped by %s", jump.Round(time.Second))
		}
	}
	if jump < 0 {
		for i := range c.agenda {
			switch item := &c.agenda[i]; {
			case item.room: // waits on the steady clock
				item.at += int64(jump)
			case !item.stored():
				item.at = min(item.at, now.Add(watchEvery).UnixNano())
			}
		}
		c.filled = time.Time{} // the order may have changed: read the near future anew
		c.agenda = c.agenda.only(func(i *agendaItem) bool { return !i.stored() })
		schedule{c.state}.setBack()
	}
}

// wake compares the clock with the newest event: a daemon that finds itself before that
// was stopped while the clock was ahead, and what is waited for was written down by it.
func (c *core) wake(ctx context.Context) error {
	newest, err := c.store.Events(ctx, rotator.EventFilter{Last: true, Limit: 1})
	if err != nil {
		return fmt.Errorf("read the newest event: %w", err)
	}
	if len(newest) == 1 && newest[0].At.After(c.now) {
		now := c.now
		c.now = newest[0].At
		c.begin(now, now.Sub(newest[0].At))
	}
	return nil
}

// shift moves what an operation waits for.
func (c *core) shift(l *live, by time.Duration) {
	if !l.op.Wake.IsZero() {
		c.draft.waits(l, l.op.Wake.Add(by))
	}
	if c.load(l) != nil {
		return // the next step meets the same error and reports it
	}
	for _, t := range l.trackers {
		if !t.Due.IsZero() {
			c.draft.observed(l, withDue(t, t.Due.Add(by)), false)
		}
	}
}
