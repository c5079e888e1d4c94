package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// tamperedMost bounds what is kept in mind of what somebody did to the versions of one
// key.
const tamperedMost = 32

// effectKept is how long a change of ours of which nobody knows whether it came about may
// explain what is seen.
const effectKept = time.Hour

// effectLost is after how long a change of ours is forgotten of which nobody ever saw whether it
// came about.
const effectLost = 30 * 24 * time.Hour

// unnamed stands in [rotator.Effect] for the version that a call of ours may have made.
const unnamed = ""

// listed compares a list of versions with those that were known, and with what
// operations did. What neither explains somebody else did.
func (c tampering) listed(id rotator.KeyID, versions []rotator.Version) {
	state := c.stateOf(id)
	if state == nil || len(versions) == 0 {
		return
	}
	if len(state.Versions) == 0 {
		c.remember(state, versions)
		return
	}
	// The newest of the versions known is as of an earlier list, by the vault's clock.
	until, _ := rotator.Newest(state.Versions, nil)
	next := make([]rotator.Version, 0, len(versions))
	for _, v := range versions {
		old, known := rotator.FindVersion(state.Versions, v.ID)
		older := v.Updated.Before(old.Updated)
		if !older {
			delete(c.older, canonical(id)+v.ID)
		}
		switch {
		case !known && c.unkept(state, v): // of too many to be judged
		case !known:
			c.appeared(state, v, until.Created)
		case older && !c.lasts(id, v):
			v = old // an old answer
		case v.Enabled != old.Enabled:
			c.flipped(state, v)
		}
		c.mended(state, v)
		next = append(next, v.With(old))
	}
	for _, old := range state.Versions {
		if _, still := rotator.FindVersion(versions, old.ID); still {
			continue
		}
		if since, young := c.fresh[old.ID]; young && c.steady.Sub(since) < 2*readLag {
			next = append(next, old) // a list may lag
			continue
		}
		c.note(state, rotator.Tampering{Version: old.ID, Change: rotator.TamperVanished, Enabled: old.Enabled})
	}
	c.remember(state, next)
}

// lasts reports whether an answer that is older than another is given for longer than a list
// may lag: then it is what is, as after the vault was restored.
func (c tampering) lasts(key rotator.KeyID, v rotator.Version) bool {
	id := canonical(key) + v.ID
	since, known := c.older[id]
	switch {
	case !known:
		c.older[id] = c.steady
		return false
	case c.steady.Sub(since) < 2*readLag:
		return false
	}
	delete(c.older, id)
	return true
}

// unkept reports whether a version is one of those of a key that are too many, and too old,
// to be kept in mind.
func (c tampering) unkept(state *rotator.KeyState, v rotator.Version) bool {
	return len(state.Versions) >= rotator.VersionsKept && v.Created.Before(state.Versions[len(state.Versions)-1].Created)
}

// remember keeps the versions in mind, if they are others than before.
func (c tampering) remember(state *rotator.KeyState, versions []rotator.Version) {
	versions = slices.Clone(versions)
	slices.SortFunc(versions, func(a, b rotator.Version) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	if len(versions) > rotator.VersionsKept {
		enabled := func(v rotator.Version) bool { return v.Enabled }
		slices.SortStableFunc(versions, func(a, b rotator.Version) int { return order(enabled(a), enabled(b)) })
		versions = versions[:rotator.VersionsKept]
	}
	if !slices.Equal(versions, state.Versions) {
		c.draft.changedKey(state.ID).Versions = versions
	}
	for id, since := range c.fresh {
		if c.steady.Sub(since) >= 2*readLag {
			delete(c.fresh, id)
		}
	}
}

// order puts what is true first.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// appeared handles a version that was not listed before; until is up to when those known
// were made.
func (c tampering) appeared(state *rotator.KeyState, v rotator.Version, until time.Time) {
	c.fresh[v.ID] = c.steady
	if n := find(state.Tampered, v.ID); n >= 0 && state.Tampered[n].Change == rotator.TamperVanished {
		was := state.Tampered[n].Enabled
		if c.over(state, n, "the vault lists version "+v.ID+" again"); v.Enabled != was && !c.ours(state, v.ID, v.Enabled, v.Updated) {
			c.flipped(state, v)
		}
		return
	}
	if l := c.live[state.Operation]; !v.Enabled && l != nil && l.op.Target.ID == v.ID {
		c.note(state, rotator.Tampering{Version: v.ID, Change: rotator.TamperDisabled, At: v.Updated})
		return
	}
	// One that is older than others which were known was left out of mind, disabled, or
	// came back with a restored vault.
	if v.Enabled && v.Created.Before(until.Add(-2*readLag)) && !c.ours(state, v.ID, true, v.Updated) && !c.madeBy(state, v.ID) {
		c.note(state, rotator.Tampering{Version: v.ID, Change: rotator.TamperEnabled, At: v.Updated})
	}
}

// madeBy reports whether the operation under way knows a version.
func (c tampering) madeBy(state *rotator.KeyState, version string) bool {
	l := c.live[state.Operation]
	return l != nil && (l.op.Target.ID == version || slices.Contains(l.op.Base, version))
}

// flipped handles a version that was disabled or enabled since it was listed last.
func (c tampering) flipped(state *rotator.KeyState, v rotator.Version) {
	change := rotator.TamperDisabled
	if v.Enabled {
		change = rotator.TamperEnabled
	}
	n := find(state.Tampered, v.ID)
	switch {
	case v.Enabled && c.live[state.Operation].revokes() && c.explained(state, v.ID, true, v.Updated): // see [undoing.listed]
	case c.ours(state, v.ID, v.Enabled, v.Updated):
		retirement(c).seen(state, v)
	case c.revoked(state, v):
	case n >= 0 && state.Tampered[n].Change == rotator.TamperMade && v.Enabled: // see [foreign.candidates]
	case n >= 0 && state.Tampered[n].Change != change && state.Tampered[n].Change != rotator.TamperMade: // see mended
	default:
		c.note(state, rotator.Tampering{Version: v.ID, Change: change, At: v.Updated})
	}
}

// revoked reports whether the versions of a key are watched by its revocation, which
// tells itself of one that is enabled again, but for as long as it has others to disable.
func (c tampering) revoked(state *rotator.KeyState, v rotator.Version) bool {
	l := c.live[state.Operation]
	if !l.revokes() || !slices.Contains(l.op.Versions, v.ID) {
		return false
	}
	return !v.Enabled || l.op.State != rotator.StateDisabling || !slices.Contains(l.op.Changed, v.ID)
}

// mended ends what somebody did to a version, if that is as it was.
func (c tampering) mended(state *rotator.KeyState, v rotator.Version) {
	n := find(state.Tampered, v.ID)
	if n < 0 {
		return
	}
	switch t := &state.Tampered[n]; {
	case t.Change == rotator.TamperDisabled && v.Enabled:
		c.over(state, n, "version "+v.ID+" is enabled again")
	case t.Change == rotator.TamperEnabled && !v.Enabled:
		c.over(state, n, "version "+v.ID+" is disabled again")
	}
}

// ours reports whether a change of ours, of which nobody knew yet whether it came about,
// explains what is seen, and takes it for done; at is when that came about, by the vault's clock.
func (c tampering) ours(state *rotator.KeyState, version string, enable bool, at time.Time) bool {
	if !c.explained(state, version, enable, at) {
		return false
	}
	c.settle(state, version)
	return true
}

// explained reports whether a change of ours, of which nobody knows yet whether it came about,
// explains what is seen: whenever it is seen, if it came about about then.
func (c tampering) explained(state *rotator.KeyState, version string, enable bool, at time.Time) bool {
	return slices.ContainsFunc(state.Effects, func(e rotator.Effect) bool {
		return e.Version == version && e.Enable == enable && (c.now.Sub(e.At).Abs() <= effectKept || at.Sub(e.At).Abs() <= effectKept)
	})
}

// enabling reports whether a call of ours that enables a version may be under way still: it is
// not known what came of it.
func (c tampering) enabling(id rotator.KeyID) bool {
	state := c.stateOf(id)
	return state != nil && slices.ContainsFunc(state.Effects, func(e rotator.Effect) bool {
		return e.Enable && c.now.Sub(e.At).Abs() < settling
	})
}

// intends keeps in mind that a version is about to be changed by us.
func (c tampering) intends(id rotator.KeyID, version string, enable bool) {
	if state := c.stateOf(id); state != nil {
		c.settle(state, version)
		state.Effects = append(state.Effects, rotator.Effect{Version: version, Enable: enable, At: c.now})
		c.draft.changedKey(id)
	}
}

// settle forgets the changes of ours of a version, and those that are long ago.
func (c tampering) settle(state *rotator.KeyState, version string) {
	left := slices.DeleteFunc(slices.Clone(state.Effects), func(e rotator.Effect) bool {
		return e.Version == version || c.now.Sub(e.At).Abs() > effectLost
	})
	if len(left) < len(state.Effects) {
		c.draft.changedKey(state.ID).Effects = left
	}
}

// made takes in what came of a call that makes a version.
func (c tampering) made(r *result) {
	switch state := c.stateOf(r.keyID); {
	case state == nil:
	case r.err == nil || r.err.NoEffect:
		c.settle(state, unnamed)
	case r.method != rotator.MethodCreate:
		c.intends(r.keyID, unnamed, true) // it may have been made until now
	}
}

// answered takes in what came of a change of ours.
func (c tampering) answered(r *result) {
	state, id := c.stateOf(r.keyID), r.task.version.ID
	switch {
	case state == nil:
	case r.err != nil && r.err.NoEffect:
		c.settle(state, id)
	case r.err != nil && r.enable: // it may have been enabled until now
		state.Effects = append(state.Effects, rotator.Effect{Version: id, Enable: true, At: c.now})
		c.draft.changedKey(r.keyID)
	case r.err == nil:
		c.settle(state, id)
		n := slices.IndexFunc(state.Versions, func(v rotator.Version) bool { return v.ID == id })
		if n < 0 || r.version.Updated.Before(state.Versions[n].Updated) {
			return
		}
		all := slices.Clone(state.Versions)
		all[n] = r.version.With(all[n])
		c.draft.changedKey(r.keyID).Versions = all
		c.mended(state, all[n])
	}
}

// note keeps in mind what somebody did, and tells of it.
func (c tampering) note(state *rotator.KeyState, t rotator.Tampering) {
	t.Seen = c.now
	n := find(state.Tampered, t.Version)
	all := slices.Clone(state.Tampered)
	switch {
	case n >= 0 && all[n].Change == t.Change && all[n].Why == t.Why:
		return
	case n >= 0:
		all[n] = t
	case len(all) < tamperedMost:
		all = append(all, t)
	case state.Uses(t.Version): // it goes before what is not in use
		if least := slices.IndexFunc(all, func(old rotator.Tampering) bool { return !state.Uses(old.Version) }); least >= 0 {
			all[least] = t
		}
	}
	c.draft.changedKey(state.ID).Tampered = all
	e := c.draft.notedOfKey(state.Name, rotator.EventVersionTampered, "%s", t.String())
	e.Actor, e.Data = "unknown", map[string]string{"version": t.Version, "change": string(t.Change)}
	if !t.At.IsZero() {
		e.Data["at"] = t.At.UTC().Format(time.RFC3339)
	}
}

// over forgets what somebody did.
func (c tampering) over(state *rotator.KeyState, n int, why string) {
	t := state.Tampered[n]
	c.draft.changedKey(state.ID).Tampered = slices.Delete(slices.Clone(state.Tampered), n, n+1)
	c.draft.notedOfKey(state.Name, rotator.EventVersionBack, "%s", why).Data = map[string]string{"version": t.Version, "change": string(t.Change)}
}

// superseded forgets what was done to versions that a rotation has left behind which
// began after that.
//
// One that is enabled stays so, and one that somebody needs is needed still.
func (c tampering) superseded(l *live) {
	op := &l.op
	state := c.stateOf(op.KeyID)
	if state == nil || op.Kind != rotator.KindRotation || op.State != rotator.StateCompleted {
		return
	}
	for n := len(state.Tampered) - 1; n >= 0; n-- {
		t := &state.Tampered[n]
		v, there := rotator.FindVersion(state.Versions, t.Version)
		gone := !there || !v.Enabled || slices.Contains(op.Retired, t.Version)
		ends := gone
		if t.Change == rotator.TamperDisabled || t.Change == rotator.TamperVanished {
			ends = !slices.ContainsFunc(l.trackers, func(x rotator.Tracker) bool {
				return x.Detail.Version == t.Version || slices.Contains(x.Detail.Needs, t.Version)
			})
		}
		if t.Version != op.Target.ID && t.Seen.Before(op.Created) && ends {
			c.over(state, n, "version "+t.Version+" was "+string(t.Change)+" before "+op.ID.String()+", which has replaced it")
		}
	}
}

func find(all []rotator.Tampering, version string) int {
	return slices.IndexFunc(all, func(t rotator.Tampering) bool { return t.Version == version })
}
