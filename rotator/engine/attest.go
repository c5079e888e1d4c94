package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// attestMost bounds how long an attestation may count.
const attestMost = 366 * 24 * time.Hour

// attest takes in a person's word for a dependent of a key whose rotation is under way.
func (c attesting) attest(r rotator.AttestRequest) (*rotator.Attestation, error) {
	key, err := commands(c).knownKey(r.Key)
	if err != nil {
		return nil, err
	}
	if r.For != 0 {
		r.Until = c.now.Add(r.For)
	}
	l, t, err := c.attestable(key, &r)
	if err != nil {
		return nil, err
	}
	id, err := c.store.NextIDs(context.Background(), rotator.SequenceAttestations, 1)
	if err != nil {
		return nil, err
	}
	a := &rotator.Attestation{
		ID: rotator.SequenceAttestations.ID(id), KeyID: key.ID, Key: key.Name, Dependent: t.Detail.Dependent.ID, Versions: slices.Clone(l.op.Previous),
		Binding: t.Detail.Binding, BlindSpots: slices.Clone(t.Detail.Blind), Actor: r.Actor, Reason: r.Reason, Made: c.now, Until: r.Until,
	}
	c.attestations[a.ID] = a
	e := statements{c.draft}.notedOfAttestation(a, rotator.EventAttested, r.Actor, fmt.Sprintf("%s %s does not need version %s any more, until %s: %s",
		t.Detail.Dependent.Kind, t.Detail.Dependent.DisplayName(), strings.Join(a.Versions, ", "), a.Until.UTC().Format("2006-01-02 15:04 MST"), r.Reason))
	e.Operation = l.op.ID
	c.again(l)
	return a, nil
}

// attestable returns the rotation and the tracker that an attestation would be about.
func (c attesting) attestable(key *rotator.Key, r *rotator.AttestRequest) (*live, *rotator.Tracker, error) {
	l := c.liveOf(key)
	switch {
	case strings.TrimSpace(r.Reason) == "":
		return nil, nil, rotator.Errorf(rotator.CodeInvalid, "an attestation says how it is known").WithHint("--reason, for instance \"looked at it with …\"")
	case !r.Until.After(c.now) || r.Until.Sub(c.now) > attestMost:
		return nil, nil, rotator.Errorf(rotator.CodeInvalid, "an attestation ends within a year, and not before it begins").WithHint("for instance --until 30d")
	case l == nil || l.op.Kind != rotator.KindRotation || l.op.Target.ID == "" || len(l.op.Previous) == 0:
		return nil, nil, rotator.Errorf(rotator.CodeConflict, "no rotation of %s has an old version that could go, so there is nothing to attest", key.Name).
			WithHint("cmkd history %s shows the past ones", key.Name)
	}
	if err := c.load(l); err != nil {
		return nil, nil, err
	}
	var found []*rotator.Tracker
	for i := range l.trackers {
		if d := &l.trackers[i].Detail.Dependent; d.Same(r.Dependent) || strings.EqualFold(d.DisplayName(), r.Dependent) {
			found = append(found, &l.trackers[i])
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil, rotator.Errorf(rotator.CodeNotFound, "key %s has no dependent %q", key.Name, r.Dependent).WithHint("cmkd status %s lists them", l.op.ID)
	case len(found) > 1:
		return nil, nil, rotator.Errorf(rotator.CodeConflict, "%d dependents of %s are called %q", len(found), key.Name, r.Dependent).WithHint("give the id of the one that is meant")
	}
	if o := c.lastSeen(l, found[0].Number); o != nil {
		if p := contradicts(o, key.ID, l.op.Previous); p != nil && !found[0].Detail.Dependent.Unseen() {
			return nil, nil, rotator.Errorf(rotator.CodeRefused, "%s %s", found[0].Detail.Dependent.DisplayName(), p.Message).WithHint("%s", p.Hint)
		}
	}
	return l, found[0], nil
}

// withdraw takes an attestation back.
func (c attesting) withdraw(id, actor, reason string) (*rotator.Attestation, error) {
	a := c.attestations[id]
	switch {
	case a == nil:
		return nil, rotator.Errorf(rotator.CodeNotFound, "there is no attestation %q", id).WithHint("cmkd attest list lists them")
	case a.Void != nil:
		return nil, rotator.Errorf(rotator.CodeConflict, "attestation %s does not count any more: %s", id, a.Void.Message)
	}
	c.void(a, actor, "it was taken back: "+cmp.Or(reason, "no reason was given"))
	return c.attestations[id], nil
}

// void ends an attestation for good.
func (c attesting) void(a *rotator.Attestation, actor, why string) {
	next := *a
	next.Void = &rotator.Problem{Code: rotator.ReasonAttestationVoid, Message: why}
	c.attestations[a.ID] = &next
	statements{c.draft}.notedOfAttestation(&next, rotator.EventAttestationVoid, actor, "attestation "+a.ID+" does not count any more: "+why)
	if l := c.rotationOf(a); l != nil {
		c.again(l)
	}
}

// expire ends for good the attestations whose time is over: they are not to count again if the
// clock is set back. A clock that jumped is not believed at once.
func (c attesting) expire() {
	if !c.jumped.IsZero() && c.steady.Sub(c.jumped) < thawAfter {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.attestations)) {
		if a := c.attestations[id]; a.Void == nil && !a.Holds(c.now) {
			c.void(a, actorDaemon, "its time is over")
		}
	}
}

// rotationOf returns the rotation that an attestation is about, nil if it has ended.
func (c attesting) rotationOf(a *rotator.Attestation) *live {
	if state := c.stateOf(a.KeyID); state != nil {
		if l := c.live[state.Operation]; l != nil && l.op.Kind == rotator.KindRotation {
			return l
		}
	}
	return nil
}

// answered has a person answered once an attestation, or its end, is durable. It returns
// the rotation that goes on with it, if there is one.
func (c attesting) answered(a *rotator.Attestation, answer func(rotator.Operation, error)) *live {
	l := c.rotationOf(a)
	if l == nil {
		c.draft.answered(func(err error) { answer(rotator.Operation{}, err) })
	}
	return l
}

// again has a retirement that is held, or waits for a person, look again.
func (c attesting) again(l *live) {
	if l.op.State == rotator.StateRetiring && !c.busy(l) {
		l.op.Doubt, l.op.Wake, l.guarding = nil, time.Time{}, false
		c.draft.changed(l)
	}
}

// contradicts returns what of an observation contradicts that none of the versions is
// needed any more; nil if nothing does.
func contradicts(o *rotator.Observation, key rotator.KeyID, versions []string) *rotator.Problem {
	says := func(format string, args ...any) *rotator.Problem {
		return &rotator.Problem{Code: rotator.ReasonAttestationVoid, Message: fmt.Sprintf(format, args...), Hint: "wait until it has left the old version"}
	}
	for u := range o.UsesOf(key) {
		if slices.Contains(versions, u.Version) {
			return says("uses version %s (%s)", u.Version, u.Path)
		}
	}
	for i := range o.Uses {
		for _, h := range o.Uses[i].Held {
			if h.Key.Same(key) && slices.Contains(versions, h.Version) {
				return says("holds version %s (%s)", h.Version, o.Uses[i].Path)
			}
		}
	}
	return nil
}

// refuted voids the attestations of a dependent that says that it lacks what was retired.
func (c attesting) refuted(l *live, d *rotator.Dependent, says string) {
	for _, a := range c.of(l.op.KeyID) {
		if a.Holds(c.now) && slices.ContainsFunc(l.op.Retired, func(v string) bool { return a.Covers(l.op.KeyID, d.ID, v) }) {
			c.void(a, actorDaemon, says+" after the version was disabled")
		}
	}
}

// observed voids the attestations that an observation of a dependent contradicts.
func (c attesting) observed(l *live, t *rotator.Tracker, o *rotator.Observation) {
	for _, id := range slices.Sorted(maps.Keys(c.attestations)) {
		a := c.attestations[id]
		if !a.Holds(c.now) || !a.KeyID.Same(l.op.KeyID) || !t.Detail.Dependent.Same(a.Dependent) {
			continue
		}
		binding := o.Binding(l.op.KeyID)
		if p := contradicts(o, l.op.KeyID, a.Versions); p != nil {
			c.void(a, actorDaemon, "the dependent "+p.Message)
		} else if binding != "" && a.Binding != "" && binding != a.Binding {
			c.void(a, actorDaemon, fmt.Sprintf("the dependent names its key as %s now, it was %s", binding, a.Binding))
		}
	}
}

// of returns the attestations about a key, by id.
func (c attesting) of(key rotator.KeyID) (all []*rotator.Attestation) {
	for _, id := range slices.Sorted(maps.Keys(c.attestations)) {
		if a := c.attestations[id]; a.KeyID.Same(key) {
			all = append(all, a)
		}
	}
	return all
}
