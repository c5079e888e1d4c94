package engine

import (
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// look looks whether the versions stay disabled.
func (c undoing) look(l *live) {
	if !c.busy(l) && l.op.Wake.IsZero() {
		l.listed = c.steady
		c.draft.intended(l, task{kind: taskVersions})
	}
}

// listed handles a list of versions while a key is revoked. Shortly after
// the revocation a list may still show what was before it, and a version whose
// making was under way may appear: that one is disabled too, whenever it comes. Later on
// another enabled version means that somebody undid the revocation.
func (c undoing) listed(l *live, versions []rotator.Version) {
	c.draft.waits(l, c.now.Add(revokedWatch))
	early := !undone(&l.op) && c.lasts(l) < 2*readLag
	state := c.stateOf(l.op.KeyID)
	var enabled []string
	for _, v := range versions {
		switch {
		case !v.Enabled:
		case state != nil && tampering(c).ours(state, v.ID, true, v.Updated), c.madeByUs(l, v, versions): // the answer was lost
			revocation(c).appeared(l, v.ID)
			return
		case !slices.Contains(l.op.Versions, v.ID) && early:
			revocation(c).record(l, versions)
			c.draft.entered(l, rotator.StateDisabling, actorDaemon, "version "+v.ID+" appeared")
			return
		case !early || c.lasts(l) >= readLag:
			enabled = append(enabled, v.ID)
		}
	}
	c.note(l, enabled, versions)
}

// madeByUs reports whether a version that is new may be of a call of an operation which gave
// way: by its tag, or because nobody knows what came of the call.
func (c undoing) madeByUs(l *live, v rotator.Version, versions []rotator.Version) bool {
	state := c.stateOf(l.op.KeyID)
	if state == nil || !isNew(&l.op, v, versions) {
		return false
	}
	if v.Operation == "" {
		return tampering(c).ours(state, unnamed, true, v.Created)
	}
	copied := slices.ContainsFunc(versions, func(o rotator.Version) bool { return o.ID != v.ID && o.Operation == v.Operation })
	return !copied && strings.HasPrefix(v.Operation, c.store.Instance()+"/")
}

// isNew reports whether a version was made after those that were revoked.
func isNew(op *rotator.Operation, v rotator.Version, versions []rotator.Version) bool {
	return !slices.Contains(op.Versions, v.ID) && !slices.Contains(op.Base, v.ID) && !slices.ContainsFunc(versions, func(old rotator.Version) bool {
		return slices.Contains(op.Versions, old.ID) && old.Created.After(v.Created)
	})
}

// undone reports whether a version of a revoked key is enabled again.
func undone(op *rotator.Operation) bool {
	return op.Problem != nil && op.Problem.Code == rotator.ReasonRevocationUndone
}

// note tells of versions that are enabled again, or that they are disabled once
// more. Either way what was seen before proves nothing any more: every dependent may have
// its access back, and has to lose it anew.
func (c undoing) note(l *live, enabled []string, versions []rotator.Version) {
	switch {
	case len(enabled) == 0 && undone(&l.op):
		l.op.Problem, l.op.Effect = nil, time.Time{}
		for _, v := range versions {
			l.op.Effect = later(l.op.Effect, v.Updated)
		}
		c.draft.noted(l, rotator.EventVersionDisabled, "unknown", "every version is disabled again")
		c.anew(l, nil, "every version is disabled again; whether that took effect is looked at anew")
	case len(enabled) > 0:
		p := &rotator.Problem{
			Code: rotator.ReasonRevocationUndone, Message: how(&l.op, enabled, versions),
			Hint: "find out who, then disable it again or cmkd reinstate " + l.op.Key,
		}
		if l.op.Problem == nil || *l.op.Problem != *p {
			c.draft.noted(l, rotator.EventVersionReenabled, "unknown", "%s", p.Message).Data = map[string]string{"versions": strings.Join(enabled, " ")}
		}
		if !undone(&l.op) {
			l.op.Effect = time.Time{}
			c.anew(l, p, p.Message)
		}
		c.draft.held(l, p, 0)
	}
}

// how says what somebody did to the versions of a revoked key that are enabled.
func how(op *rotator.Operation, enabled []string, versions []rotator.Version) string {
	var made, again []string
	for _, id := range enabled {
		if v, _ := rotator.FindVersion(versions, id); isNew(op, v, versions) {
			made = append(made, id)
		} else {
			again = append(again, id)
		}
	}
	var how []string
	for _, h := range []struct {
		what string
		all  []string
	}{{"enabled again", again}, {"made", made}} {
		if len(h.all) > 0 {
			how = append(how, h.what+" by someone else: version "+strings.Join(h.all, ", "))
		}
	}
	return strings.Join(how, "; ")
}

// anew lets a revocation wait for its effect once more, on every dependent.
func (c undoing) anew(l *live, p *rotator.Problem, why string) {
	if l.op.State != rotator.StateTakingEffect {
		c.draft.entered(l, rotator.StateTakingEffect, actorDaemon, why)
	}
	l.op.Problem = p
	c.draft.changed(l)
	c.draft.waits(l, c.now.Add(revokedWatch))
	for i := range l.trackers {
		if t := l.trackers[i]; t.State != rotator.TrackerExcluded {
			c.draft.observed(l, enterTracker(t, rotator.TrackerWaiting, c.now, c.now), false)
		}
	}
}

// revokedSince tells since when no version of a key can be used, because it is revoked.
func (c undoing) revokedSince(id rotator.KeyID) (since time.Time, is bool) {
	state := c.stateOf(id)
	if state == nil {
		return time.Time{}, false
	}
	l := c.live[state.Operation]
	if !l.revokes() || undone(&l.op) || l.op.Effect.IsZero() || l.op.State == rotator.StateDisabling || c.enabledStill(id) {
		return time.Time{}, false
	}
	return l.op.Effect, true
}

// servesAgain has the revocations of other keys look again at those that a key serves, too, which
// comes back.
func (c undoing) servesAgain(back *live) {
	for _, id := range c.liveIDs() {
		l := c.live[id]
		if l == back || !l.revokes() || l.op.KeyID.Same(back.op.KeyID) || c.load(l) != nil {
			continue
		}
		for i := range l.trackers {
			t := l.trackers[i]
			also := func(b rotator.Tracker) bool { return b.Detail.Dependent.Same(t.Detail.Dependent.ID) }
			if o := c.lastSeen(l, t.Number); t.State == rotator.TrackerDone && slices.ContainsFunc(back.trackers, also) && o != nil && o.Spare(l.op.KeyID) != "" {
				c.draft.observed(l, enterTracker(t, rotator.TrackerWaiting, c.now, c.now), false)
				c.advance(l, false)
			}
		}
	}
}

// enabledStill reports whether a version of a key is enabled by the last list, or may be by a
// call of ours.
func (c undoing) enabledStill(id rotator.KeyID) bool {
	state := c.stateOf(id)
	return tampering(c).enabling(id) || state != nil && slices.ContainsFunc(state.Versions, func(v rotator.Version) bool { return v.Enabled })
}
