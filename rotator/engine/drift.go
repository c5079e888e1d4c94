package engine

import (
	"cmp"
	"slices"
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
