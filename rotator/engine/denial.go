package engine

import (
	"cmp"
	"slices"
	"time"

	"cmkd/rotator"
)

// heardWithin is how long a denial waits for a list of the versions that was asked for after it,
// and lookAgain until the dependent is looked at again then: what somebody else did to a version
// may be seen at a dependent before it is seen in the vault.
const heardWithin, lookAgain = time.Minute, 10 * time.Second

// denial is since when a dependent is denied by its key, by the steady clock.
type denial struct {
	since time.Time
	told  bool // that the version stays disabled all the same
}

// denied takes in that a dependent is denied, and reports whether it is to be looked at once more,
// after a list of the versions.
func (c probation) denied(l *live, t *rotator.Tracker) (d *denial, again bool) {
	if l.denied == nil {
		l.denied = map[uint32]*denial{}
	}
	if d = l.denied[t.Number]; d == nil {
		d = &denial{since: c.steady}
		l.denied[t.Number] = d
		if key := c.keyOf(l); key != nil {
			watch(c).ask(key)
		}
	}
	if l.op.State != rotator.StateProbation || c.heard[canonical(l.op.KeyID)].After(d.since) || c.steady.Sub(d.since) >= heardWithin {
		return d, false
	}
	c.draft.observed(l, withDue(l.trackers[t.Number], c.now.Add(lookAgain)), false)
	return d, true
}

// otherKeyDown returns which other key explains that a dependent is denied: one that it is under
// instead of a key, or beside it, and that became unusable since a moment. Empty if none does.
func (c probation) otherKeyDown(key rotator.KeyID, o *rotator.Observation, since time.Time) string {
	if !o.Names(key) && !o.Holds(key, "") && !o.Partial {
		return "it uses " + keysOf(o) + ", not " + string(key)
	}
	for i := range o.Uses {
		u := &o.Uses[i]
		state := c.stateOf(u.Key)
		if u.Key.Same(key) || state == nil {
			continue
		}
		if l := c.live[state.Operation].atWork(); l != nil && l.op.Kind != rotator.KindRotation {
			return "it is under " + string(u.Key) + ", too, which is being revoked or reinstated by " + l.op.ID.String()
		}
		if why := unusable(state, u.Version, since, c.now); why != "" {
			return "it is under " + string(u.Key) + ", too, whose " + why
		}
	}
	return ""
}

// targetDown returns why nobody can use the version that a dependent is on, as far as it is not
// one that the operation retired, and became unusable since a moment.
func (c probation) targetDown(op *rotator.Operation, o *rotator.Observation, since time.Time) (why string) {
	for u := range o.UsesOf(op.KeyID) {
		if slices.Contains(op.Retired, u.Version) {
			return ""
		}
		why = cmp.Or(why, unusable(c.stateOf(op.KeyID), cmp.Or(u.Version, op.Target.ID), since, c.now))
	}
	return why
}

// unusable returns what keeps everybody since a moment from using a version, empty if nothing is
// known to. Which one is used may not be known: then it is what keeps everybody from using any.
func unusable(state *rotator.KeyState, version string, since, now time.Time) (why string) {
	if state == nil {
		return ""
	}
	for i := range state.Versions {
		v := &state.Versions[i]
		if version != "" && v.ID != version {
			continue
		}
		became, how := v.Updated, "is disabled"
		switch expired := !v.Expires.IsZero() && !now.Before(v.Expires); {
		case v.Enabled && !expired:
			return ""
		case v.Enabled:
			became, how = v.Expires, "has expired"
		}
		if became.After(since) {
			why = cmp.Or(why, "version "+v.ID+" "+how)
		}
	}
	return why
}
