package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// driftView is what the drift of one dependent is judged by.
type driftView struct {
	key rotator.KeyID
	// current is the version that a use may go to without anybody wondering.
	current string
	now     time.Time
}

// trait is one thing that a use of a key is expected to stay like.
type trait struct {
	use    string
	change rotator.Reason
	value  string
}

// expected returns what a standing says that the uses of a key are like; what drifted is
// as it was before that.
func (v *driftView) expected(st *rotator.Standing) (all []trait) {
	if st.Last == nil {
		return nil
	}
	for u := range st.Last.UsesOf(v.key) {
		for _, change := range []rotator.Reason{rotator.ReasonOtherKey, rotator.ReasonBindingChanged, rotator.ReasonVersionChanged} {
			if !u.Passing && !v.drifts(st, u.Name(), change) {
				all = append(all, trait{u.Name(), change, valueOf(u, change)})
			}
		}
	}
	for i := range st.Drift {
		if d := &st.Drift[i]; d.Use != "" {
			all = append(all, trait{d.Use, d.Change, d.From})
		}
	}
	return all
}

func (v *driftView) drifts(st *rotator.Standing, use string, change rotator.Reason) bool {
	return slices.ContainsFunc(st.Drift, func(d rotator.Drift) bool { return d.Use == use && d.Change == change })
}

// valueOf returns what of a use may drift.
func valueOf(u *rotator.Use, change rotator.Reason) string {
	switch change {
	case rotator.ReasonOtherKey:
		return cmp.Or(string(u.Key), "a key of Microsoft's")
	case rotator.ReasonBindingChanged:
		return string(u.Binding)
	default:
		return u.Version
	}
}

// drift returns what is different from a standing, by a new observation; unknown is why
// that does not tell everything.
func (v *driftView) drift(st *rotator.Standing, o *rotator.Observation, unknown *rotator.Problem) (all []rotator.Drift) {
	add := func(d rotator.Drift) {
		d.Since = v.now
		n := slices.IndexFunc(st.Drift, func(old rotator.Drift) bool { return old.Change == d.Change && old.Use == d.Use })
		if n >= 0 {
			d.Since = st.Drift[n].Since
		}
		all = append(all, d)
	}
	of := func(p *rotator.Problem) { add(rotator.Drift{Change: p.Code, Message: p.Message, Class: p.Class}) }
	if unknown != nil {
		of(unknown)
	}
	if o.Access == rotator.AccessDenied {
		p := deniedNow(o)
		add(rotator.Drift{Change: p.Code, To: o.AccessCode, Message: p.Message})
	}
	if o.Problem != nil {
		of(o.Problem)
	}
	expected := v.expected(st)
	if len(expected) > 0 && unknown == nil && !o.Names(v.key) {
		add(rotator.Drift{Change: rotator.ReasonKeyLeft, From: string(v.key), Message: "does not use the key any more"})
		return all
	}
	if len(expected) == 0 && unknown == nil && !o.Names(v.key) && !o.Partial {
		add(rotator.Drift{Change: rotator.ReasonOtherKey, To: keysOf(o), Message: "uses " + keysOf(o) + ", not " + string(v.key)})
	}
	for _, t := range expected {
		n := slices.IndexFunc(o.Uses, func(u rotator.Use) bool { return u.Name() == t.use && u.Known() })
		if n < 0 { // see unknown; what drifted before is not over
			if old := slices.IndexFunc(st.Drift, func(d rotator.Drift) bool { return d.Use == t.use && d.Change == t.change }); old >= 0 {
				all = append(all, st.Drift[old])
			}
			continue
		}
		u := &o.Uses[n]
		is := valueOf(u, t.change)
		moved := !u.Key.Same(v.key) // of another key neither version nor binding tell anything
		same := is == t.value || t.change == rotator.ReasonOtherKey && !moved || t.change != rotator.ReasonOtherKey && moved
		if same || t.change == rotator.ReasonVersionChanged && (is == v.current || is == "" || t.value == "") {
			continue
		}
		add(rotator.Drift{Change: t.change, Use: t.use, From: t.value, To: is, Message: t.says(is)})
	}
	return all
}

// says what became of it, without the dependent.
func (t *trait) says(is string) string {
	at := " (" + t.use + ")"
	switch t.change {
	case rotator.ReasonOtherKey:
		return "uses " + is + ", and used " + t.value + at
	case rotator.ReasonBindingChanged:
		return "is " + is + ", and was " + t.value + at
	default:
		return "went from version " + t.value + " to " + is + " without an operation" + at
	}
}

// unobserved is the drift of a dependent that could not be read.
func (v *driftView) unobserved(st *rotator.Standing, err *rotator.Error) []rotator.Drift {
	p := rotator.ProblemOf(err)
	d := rotator.Drift{Change: p.Code, Message: "cannot be read: " + p.Message, Class: err.Code, Since: v.now}
	if err.Passes() {
		d.Change = rotator.ReasonNotObserved
	}
	all := slices.DeleteFunc(slices.Clone(st.Drift), func(old rotator.Drift) bool {
		if old.Change == d.Change {
			d.Since = old.Since
		}
		return old.Use == "" // what it complained of is not known to go on
	})
	return append(all, d)
}

// told tells of what a dependent drifted to, or that it is over.
func (c drifts) told(key *rotator.Key, d *rotator.Dependent, t rotator.EventType, x rotator.Drift) {
	message := d.Kind + " " + d.DisplayName() + " " + x.Message
	if t == rotator.EventDriftOver {
		message = "over: " + message
	} else {
		c.draft.changedKey(key.ID).Changed = c.now
	}
	e := c.draft.notedOfKey(key.Name, t, "%s", message)
	e.Dependent, e.Data = d.ID, map[string]string{"change": string(x.Change)}
	for name, value := range map[string]string{"use": x.Use, "from": x.From, "to": x.To} {
		if value != "" {
			e.Data[name] = value
		}
	}
}

// reconsider ends what those drifted to that are not observed any more.
func (c drifts) reconsider(key *rotator.Key, state *rotator.KeyState) {
	id := canonical(key.ID)
	if len(state.Drift) == 0 {
		return
	}
	if c.drifting[id] == nil {
		all, err := stored(c.store, key.ID)
		if err != nil {
			c.fault = err
			return
		}
		_, c.drifting[id] = drifted(all)
	}
	c.sum(key, state)
}

// sum sums up the drift of a key.
func (c drifts) sum(key *rotator.Key, state *rotator.KeyState) {
	var all []rotator.Drifted
	drifting := c.drifting[canonical(key.ID)]
	for i := range key.Dependents {
		d := &key.Dependents[i]
		if d.Unseen() {
			continue
		}
		for _, x := range drifting[strings.ToLower(d.ID)] {
			n := slices.IndexFunc(all, func(a rotator.Drifted) bool { return a.Change == x.Change })
			if n < 0 {
				n = len(all)
				all = append(all, rotator.Drifted{Change: x.Change, Class: x.Class, Message: x.Message})
			}
			all[n].Count++
			if len(all[n].Affected) < rotator.AffectedMost {
				all[n].Affected = append(all[n].Affected, rotator.Affected{ID: d.ID, Kind: d.Kind, Name: d.DisplayName()})
			}
		}
	}
	same := slices.EqualFunc(all, state.Drift, func(a, b rotator.Drifted) bool {
		return a.Change == b.Change && a.Class == b.Class && a.Count == b.Count && a.Message == b.Message && slices.Equal(a.Affected, b.Affected)
	})
	if !same {
		c.draft.changedKey(key.ID).Drift = all
	}
}

// relieved ends what a dependent had drifted to before an operation, as far as the operation
// sees that it is over.
func (c drifts) relieved(l *live, t *rotator.Tracker, o *rotator.Observation) {
	key, state := c.keyOf(l), c.stateOf(l.op.KeyID)
	if key == nil || state == nil || len(state.Drift) == 0 {
		return
	}
	if l.drifted == nil {
		c.known(l, key)
	}
	st := l.drifted[strings.ToLower(t.Detail.Dependent.ID)]
	if st == nil || len(st.Drift) == 0 {
		return
	}
	v := &driftView{key: key.ID, current: state.Current.ID, now: c.now}
	now := v.drift(st, o, o.Unknown(st.Known))
	left := slices.DeleteFunc(slices.Clone(st.Drift), func(d rotator.Drift) bool {
		return !slices.ContainsFunc(now, func(n rotator.Drift) bool { return n.Change == d.Change && n.Use == d.Use })
	})
	if len(left) < len(st.Drift) {
		standings(c).stood(key, &round{before: l.drifted}, st, &t.Detail.Dependent, st.Last, left)
	}
}

// known reads what is known of the dependents of a key, and which of them had drifted before the
// operation; nil if that cannot be read: the next step meets the same error and reports it.
func (c drifts) known(l *live, key *rotator.Key) map[string]*rotator.Standing {
	all, err := stored(c.store, key.ID)
	if err != nil {
		return nil
	}
	if l.drifted == nil {
		l.drifted, c.drifting[canonical(key.ID)] = drifted(all)
	}
	return all
}

// complains tells of what a service says is wrong with a dependent that is where it should be, while
// a rotation soaks or waits: no tracker does.
func (c drifts) complains(l *live, t *rotator.Tracker, o *rotator.Observation) {
	key, waits := c.keyOf(l), l.op.State == rotator.StateSoaking || l.op.State == rotator.StateRetiring || l.op.State == rotator.StateProbation
	if o.Problem == nil || key == nil || !waits || t.State != rotator.TrackerDone || t.Detail.Dependent.Discovered {
		return
	}
	id, p := strings.ToLower(t.Detail.Dependent.ID), o.Problem
	is := func(d rotator.Drift) bool { return d.Change == p.Code && d.Use == "" }
	if slices.ContainsFunc(c.drifting[canonical(key.ID)][id], is) {
		return
	}
	all := c.known(l, key)
	if all == nil {
		return
	}
	st := l.drifted[id]
	if st == nil {
		st = cmp.Or(all[id], &rotator.Standing{KeyID: key.ID, Dependent: t.Detail.Dependent.ID, Kind: t.Detail.Dependent.Kind})
		l.drifted[id] = st
	}
	if !slices.ContainsFunc(st.Drift, is) {
		standings(c).stood(key, &round{before: l.drifted}, st, &t.Detail.Dependent, st.Last,
			append(slices.Clip(st.Drift), rotator.Drift{Change: p.Code, Message: p.Message, Class: p.Class, Since: c.now}))
	}
}

// drifted returns those of the standings that drifted, and the drift of each.
func drifted(all map[string]*rotator.Standing) (these map[string]*rotator.Standing, drift map[string][]rotator.Drift) {
	these, drift = map[string]*rotator.Standing{}, map[string][]rotator.Drift{}
	for id, st := range all {
		if len(st.Drift) > 0 {
			these[id], drift[id] = st, st.Drift
		}
	}
	return these, drift
}
