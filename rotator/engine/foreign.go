package engine

import (
	"slices"

	"cmkd/rotator"
)

// unfit returns why dependents are not to go to a version that somebody else made; empty
// if they may. ok is false as long as that is not known: the vault is asked.
func (c foreign) unfit(state *rotator.KeyState, v rotator.Version) (why string, ok bool) {
	switch {
	case !v.Enabled:
		return "is disabled", true
	case !v.Expires.IsZero() && !c.now.Before(v.Expires):
		return "has expired", true
	case c.now.Before(v.NotBefore):
		return "is not valid before " + v.NotBefore.UTC().Format("2006-01-02 15:04 MST"), true
	}
	known := func(id string) rotator.Version {
		all, _ := rotator.FindVersion(state.Versions, id)
		return all
	}
	v = v.With(known(v.ID))
	than := state.Current.With(known(state.Current.ID))
	if l := c.live[state.Operation]; l != nil && l.op.Accepted != "" {
		than = known(l.op.Accepted)
	}
	if why := v.Weaker(than); why != "" || !c.readsVersions || than.ID == "" {
		return why, true
	}
	var unread []string
	for _, v := range []rotator.Version{v, than} {
		if v.Type == "" && !c.unread[v.ID] {
			unread = append(unread, v.ID)
		}
	}
	if len(unread) == 0 {
		return "", true
	}
	c.draft.intendedApart(task{kind: taskInspect, key: state.Name, keyID: state.ID, effect: &effect{inspect: unread}})
	return "", false
}

// candidates returns the versions of a list without those made by somebody else that
// dependents are not to go to, or of which that is not known yet. ours are known already.
func (c foreign) candidates(state *rotator.KeyState, versions []rotator.Version, ours []string) (fit []rotator.Version) {
	for _, v := range versions {
		// Of one second either may have been made first.
		if state.Current.ID == "" || slices.Contains(ours, v.ID) || !v.Created.After(state.Current.Created) {
			fit = append(fit, v)
			continue
		}
		switch why, known := c.unfit(state, v); {
		case !known:
		case why != "":
			tampering(c).note(state, rotator.Tampering{Version: v.ID, Change: rotator.TamperMade, Why: why, At: v.Created})
		default:
			if n := find(state.Tampered, v.ID); n >= 0 && state.Tampered[n].Change == rotator.TamperMade {
				tampering(c).over(state, n, "version "+v.ID+" is fit for use now")
			}
			fit = append(fit, v)
		}
	}
	return fit
}

// eligible returns of versions that are new those that an operation may take for the one that
// its call made: those with its tag, and of the others those that are fit for use. open is
// true if of some of them it is not known yet whether they are.
func (c foreign) eligible(l *live, fresh []rotator.Version, tag string) (fit []rotator.Version, open bool) {
	state := c.stateOf(l.op.KeyID)
	if state == nil {
		return fresh, false
	}
	var ours []string
	for _, v := range fresh {
		if v.Operation == tag {
			ours = append(ours, v.ID)
		}
	}
	fit = c.candidates(state, fresh, ours)
	for _, v := range fresh {
		_, is := rotator.FindVersion(fit, v.ID)
		n := find(state.Tampered, v.ID)
		open = open || !is && (n < 0 || state.Tampered[n].Change != rotator.TamperMade)
	}
	return fit, open
}

// inspected takes in what the vault tells of single versions, and has the list read
// again for which that was asked.
func (c foreign) inspected(r *result) {
	key := c.byID[canonical(r.keyID)]
	if key == nil {
		return
	}
	c.read(r)
	if r.err.Passes() {
		return // with the next list
	}
	watch(c).ask(key)
}

// read keeps what the vault tells of single versions.
func (c foreign) read(r *result) {
	state := c.stateOf(r.keyID)
	if state == nil {
		return
	}
	all := slices.Clone(state.Versions)
	for _, v := range r.versions {
		if n := slices.IndexFunc(all, func(old rotator.Version) bool { return old.ID == v.ID }); n >= 0 {
			all[n].Type, all[n].Size, all[n].Ops, all[n].Exportable = v.Type, v.Size, v.Ops, v.Exportable
			all[n].HSM = all[n].HSM || v.HSM
		}
		if v.Type == "" {
			c.unread[v.ID] = true
		}
	}
	if len(r.versions) > 0 {
		c.draft.changedKey(r.keyID).Versions = all
	}
	if r.err != nil && !r.err.Passes() {
		for _, id := range r.inspect {
			c.unread[id] = true
		}
	}
}

// reenable enables a version again that somebody else disabled, where the key's policy
// says so and a dependent uses it.
func (c foreign) reenable(key *rotator.Key, state *rotator.KeyState) {
	if freezing(c).of(state.ID, false) != nil {
		return // with the next list after its end
	}
	if l := c.live[state.Operation].atWork(); key.OnTamper != rotator.OnTamperReenable || l != nil && l.op.Kind != rotator.KindRotation {
		return
	}
	for n, t := range state.Tampered {
		if t.Change != rotator.TamperDisabled || !t.Mended.IsZero() || !state.Uses(t.Version) {
			continue
		}
		all := slices.Clone(state.Tampered)
		all[n].Mended = c.now
		c.draft.changedKey(state.ID).Tampered = all
		tampering(c).intends(state.ID, t.Version, true)
		c.draft.notedOfKey(state.Name, rotator.EventVersionTampered, "version %s is in use, and is to be enabled again", t.Version).
			Data = map[string]string{"version": t.Version, "change": string(t.Change)}
		c.draft.intendedApart(task{kind: taskSetEnabled, key: key.Name, keyID: key.ID, effect: &effect{version: &rotator.Version{ID: t.Version}, enable: true}})
	}
}

// reenabled takes in what came of enabling a version again.
func (c foreign) reenabled(r *result) {
	state := c.stateOf(r.keyID)
	if state == nil {
		return
	}
	id := r.task.version.ID
	if r.err == nil && !r.version.Enabled {
		r.err = &rotator.Error{
			Code: rotator.CodeUnavailable, Reason: rotator.ReasonVersionUnchanged, Message: "version " + id + " is still disabled after it was enabled",
		}
	}
	if r.err == nil {
		c.draft.notedOfKey(state.Name, rotator.EventVersionEnabled, "version %s is enabled", id).Data = map[string]string{"version": id}
		tampering(c).answered(r)
		return
	}
	tampering(c).answered(r)
	c.draft.notedOfKey(state.Name, rotator.EventKeyProblem, "version %s could not be enabled again: %s", id, r.err.Error())
	if n := find(state.Tampered, id); n >= 0 && (r.err.Passes() || r.err.Reason == rotator.ReasonFrozen) {
		all := slices.Clone(state.Tampered)
		all[n] = rotator.Tampering{Version: id, Change: all[n].Change, Seen: all[n].Seen, At: all[n].At} // with the next list again
		c.draft.changedKey(r.keyID).Tampered = all
	}
}
