package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// usage gathers which versions of a key dependents use or hold.
type usage struct {
	state *rotator.KeyState
	all   []rotator.InUse
}

// add notes that a dependent is on a version, or holds it.
func (u *usage) add(version string, d *rotator.Dependent) {
	n := slices.IndexFunc(u.all, func(i rotator.InUse) bool { return i.Version == version })
	if n < 0 {
		n = len(u.all)
		u.all = append(u.all, rotator.InUse{Version: version})
	}
	i := &u.all[n]
	i.Count++
	if len(i.Affected) < rotator.AffectedMost {
		i.Affected = append(i.Affected, rotator.Affected{ID: d.ID, Kind: d.Kind, Name: d.DisplayName()})
	}
}

// observation notes each version that the last observation shows, and those remembered. A use that does not tell its
// version is taken to be on the current one.
func (u *usage) observation(st *rotator.Standing, d *rotator.Dependent) {
	o := st.Last
	var seen []string
	add := func(version string) {
		if !slices.Contains(seen, version) {
			seen = append(seen, version)
			u.add(version, d)
		}
	}
	for use := range o.UsesOf(u.state.ID) {
		add(cmp.Or(use.Version, u.state.Current.ID))
	}
	held := st.Held
	for i := range o.Uses {
		held = append(slices.Clip(held), o.Uses[i].Held...)
	}
	for _, h := range held {
		if h.Key.Same(u.state.ID) {
			add(h.Version)
		}
	}
}

// tracker notes the version of a dependent of an operation: the one that is furthest from
// the target. One that does not tell its version may be on the old one until it is done.
func (u *usage) tracker(op *rotator.Operation, t *rotator.Tracker) {
	d := t.Detail
	silent := u.state.Current.ID
	if len(op.Previous) > 0 && t.State != rotator.TrackerDone {
		silent = op.Previous[0]
	}
	switch {
	case t.State == rotator.TrackerExcluded, t.State == rotator.TrackerLeft, t.Seen.IsZero():
	case d.Version == "" && d.Binding != rotator.BindingFollows:
	default:
		u.add(cmp.Or(d.Version, silent), &d.Dependent)
	}
	all := remembered(d.Others, d.Needs)
	if t.State != rotator.TrackerDone && t.State != rotator.TrackerLeft { // it is not told yet, as far as is known
		all = remembered(all, d.NeedsYet)
	}
	for _, version := range all {
		if version != d.Version && t.State != rotator.TrackerExcluded {
			u.add(version, &d.Dependent)
		}
	}
}

// usedIn counts the versions in use by what an operation saw of its dependents.
func (c using) usedIn(l *live) {
	state := c.stateOf(l.op.KeyID)
	if state == nil || !l.loaded {
		return
	}
	u := usage{state: state}
	for i := range l.trackers {
		u.tracker(&l.op, &l.trackers[i])
	}
	c.counted(&u)
}

// usedBetween counts the versions in use by what is known between operations.
func (c using) usedBetween(key *rotator.Key, s *round) {
	u := usage{state: c.stateOf(key.ID)}
	for i := range key.Dependents {
		d := &key.Dependents[i]
		if st := s.before[strings.ToLower(d.ID)]; st != nil && st.Last != nil && !d.Unseen() {
			u.observation(st, d)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.before)) { // those that nobody lists, as the last rotation saw them
		st := s.before[id]
		if st.Unlisted && st.Last != nil && !slices.ContainsFunc(key.Dependents, func(d rotator.Dependent) bool { return d.Same(st.Dependent) }) {
			u.observation(st, &rotator.Dependent{ID: st.Dependent, Kind: st.Kind})
		}
	}
	c.counted(&u)
}

// counted keeps what was counted, if it is news.
func (c using) counted(u *usage) {
	slices.SortFunc(u.all, func(a, b rotator.InUse) int { return strings.Compare(a.Version, b.Version) })
	for n := range u.all {
		u.all[n].Expired = c.expired(u.state, u.all[n].Version)
	}
	same := slices.EqualFunc(u.all, u.state.InUse, func(a, b rotator.InUse) bool {
		return a.Version == b.Version && a.Count == b.Count && a.Expired.Equal(b.Expired) && slices.Equal(a.Affected, b.Affected)
	})
	if !same {
		c.draft.changedKey(u.state.ID).InUse = u.all
	}
}

// expired returns when a version of a key expired, zero if it has not.
func (c using) expired(state *rotator.KeyState, version string) time.Time {
	v, ok := rotator.FindVersion(state.Versions, version)
	if !ok || v.Expires.IsZero() || c.now.Before(v.Expires) {
		return time.Time{}
	}
	return v.Expires
}

// usedNow brings what is in use up to date: by the operation under way, or else by the
// clock alone.
func (c using) usedNow(key *rotator.Key, state *rotator.KeyState) {
	if l := c.liveOf(key); watch(c).observes(key) {
		c.usedIn(l)
		return
	}
	c.counted(&usage{state: state, all: slices.Clone(state.InUse)})
}

// neededNoMore takes a version for one that nobody needs, as was attested of those who did.
func (c using) neededNoMore(l *live, version string) {
	for _, t := range l.trackers {
		if !slices.Contains(t.Detail.Needs, version) {
			continue
		}
		t.Detail = configuring(c).whole(l, &t)
		t.Detail.Needs = slices.DeleteFunc(slices.Clone(t.Detail.Needs), func(v string) bool { return v == version })
		c.draft.observed(l, t, true)
	}
}

// others returns the versions of a key that are in use or held, but for one.
func others(o *rotator.Observation, key rotator.KeyID, besides string) (versions []string) {
	add := func(version string) {
		if version != "" && version != besides && !slices.Contains(versions, version) {
			versions = append(versions, version)
		}
	}
	for u := range o.UsesOf(key) {
		add(u.Version)
	}
	for i := range o.Uses {
		for _, h := range o.Uses[i].Held {
			if h.Key.Same(key) {
				add(h.Version)
			}
		}
	}
	return versions
}

// previousOf returns the versions of a key on which a use is that goes on to need its
// version once it is told another one.
func previousOf(o *rotator.Observation, key rotator.KeyID) (versions []string) {
	for u := range o.UsesOf(key) {
		if u.Previous && u.Version != "" && !slices.Contains(versions, u.Version) {
			versions = append(versions, u.Version)
		}
	}
	return versions
}

// neededOnceTold returns the versions that a use needs that goes on to need its version, once it is told
// another one: by those that it needed before, oldest first, and those that it is on now.
func neededOnceTold(before, now []string) []string {
	if n := len(before); len(now) == 0 || n > 0 && !slices.Contains(now, before[n-1]) {
		return remembered(before, now)
	}
	return now
}
