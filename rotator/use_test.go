package rotator

import (
	"slices"
	"testing"
	"time"
)

// What an observation of several uses says of a key, and of a version of it.
func TestObservation_uses(t *testing.T) {
	t.Parallel()
	const ours, theirs = KeyID("https://v/keys/k"), KeyID("https://v/keys/l")
	use := func(version string, b Binding, held ...Held) Use {
		return Use{Key: "https://v/keys/K", Version: version, Binding: b, Held: held}
	}
	other := Use{Key: theirs, Version: "9", Binding: BindingFixed, Held: []Held{{theirs, "8"}}}
	for _, tt := range []struct {
		name             string
		uses             []Use
		names, holds, on bool
		furthest         string
		binding          Binding
	}{
		{"none", nil, false, false, false, "", ""},
		{"another key's", []Use{other}, false, false, false, "", ""},
		{"one there", []Use{use("2", BindingFollows), other}, true, false, true, "2", BindingFollows},
		{"one of two there", []Use{use("2", BindingFollows), use("1", BindingPinned)}, true, false, false, "1", BindingPinned},
		{"one that does not tell", []Use{use("2", BindingFixed), use("", BindingFollows)}, true, false, false, "", BindingFixed},
		{"the old one held", []Use{use("2", BindingFollows, Held{ours, "1"})}, true, true, false, "1", BindingFollows},
		{"the new one held", []Use{use("2", BindingFollows, Held{ours, "2"})}, true, false, true, "2", BindingFollows},
		{"held by the use of another key", []Use{use("2", BindingFollows), {Key: theirs, Held: []Held{{ours, "1"}}}}, true, true, false, "1", BindingFollows},
		{"held and nothing else", []Use{{Held: []Held{{ours, "1"}}}}, false, true, false, "1", ""},
	} {
		o := Observation{Uses: tt.uses}
		if o.Names(ours) != tt.names || o.Holds(ours, "2") != tt.holds || o.On(ours, "2") != tt.on || o.Furthest(ours, "2") != tt.furthest || o.Binding(ours) != tt.binding {
			t.Errorf("%s: names %t, holds %t, on %t, furthest %q, binding %q", tt.name, o.Names(ours), o.Holds(ours, "2"), o.On(ours, "2"), o.Furthest(ours, "2"), o.Binding(ours))
		}
	}
}

func TestObservation_Switched_and_Via(t *testing.T) {
	t.Parallel()
	at := time.Unix(1e9, 0)
	o := Observation{Uses: []Use{
		{Key: "k", RotatedAt: at, Via: "set"}, {Key: "k", RotatedAt: at.Add(time.Hour), Via: "set"}, {Key: "l", Via: "other"},
	}}
	if got := o.Switched("k"); !got.Equal(at.Add(time.Hour)) {
		t.Errorf("the last of them switched at %s", got)
	}
	if got := o.Via(); !slices.Equal(got, []string{"set", "other"}) {
		t.Errorf("via %v", got)
	}
	if o.Uses[0].RotatedAt = (time.Time{}); !o.Switched("k").IsZero() {
		t.Error("one does not say when, and all are said to have switched")
	}
}

// An element of a list may be taken out, and the rest come in another order: what is left is
// known all the same. A list that is not shown tells nothing.
func TestObservation_UnknownOfLists(t *testing.T) {
	t.Parallel()
	one, two := Use{Path: "keys[one]", Key: "https://v/keys/one"}, Use{Path: "keys[two]", Key: "https://v/keys/two"}
	absent := Use{Path: "keys", Unknown: &Problem{Code: ReasonKeyNotShown}}
	seen := []string{one.Name(), two.Name()}
	for _, tt := range []struct {
		name  string
		uses  []Use
		known bool
		spare KeyID
	}{
		{"in another order", []Use{two, one}, true, two.Key},
		{"one taken out", []Use{one}, true, ""},
		{"no list", []Use{absent}, false, ""},
		{"something else instead", []Use{{Path: "other", Key: two.Key}}, false, ""},
		{"another list instead", []Use{{Path: "others[one]", Key: one.Key}}, false, ""},
	} {
		o := Observation{Uses: tt.uses}
		if known, spare := o.Unknown(seen) == nil, o.Spare(one.Key); known != tt.known || spare != tt.spare {
			t.Errorf("%s: known %t, spare %q; want %t, %q", tt.name, known, spare, tt.known, tt.spare)
		}
	}
}
