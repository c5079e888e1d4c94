package rotator

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// Use is one place where a dependent names a key: the account, one encryption
// scope, the disks of a cluster.
type Use struct {
	// Path is where, as a property of the resource's document. It names the use,
	// within the resource that was looked at.
	Path string `json:"path,omitempty"`
	// Key is the key that it names; empty if that is Microsoft's, or is not known.
	Key KeyID `json:"key,omitempty"`
	// Microsoft is true if the service says in so many words that the key is one of
	// Microsoft's.
	Microsoft bool    `json:"microsoft,omitempty"`
	Binding   Binding `json:"binding,omitempty"`
	// Version is the version in use as the service reports it; empty where the
	// service never tells.
	Version string `json:"version,omitempty"`
	// Setting is true if Version is what the use was told, and the service does not
	// report whether it did it.
	Setting bool `json:"setting,omitempty"`
	// Previous is true if the use needs the version before, too, until it is told yet
	// another one, and nobody shows which that is.
	Previous bool `json:"previous,omitempty"`
	// ByHand is the step for a person, where cmkd cannot tell the use another version.
	ByHand string `json:"by_hand,omitempty"`
	// Window is how long the use may take to follow its key, where that is longer than
	// others of the kind.
	Window time.Duration `json:"window,omitempty"`
	// Passing is true if the use may come and go, with the volumes of a cluster for
	// instance: that it is not shown any more is no doubt.
	Passing bool `json:"passing,omitempty"`
	// Unknown is what could not be read of the use: whose key it is, or which
	// version where the service reports one. Nil if that is known.
	Unknown *Problem `json:"unknown,omitempty"`
	// RotatedAt is when the service says that it switched to Version.
	RotatedAt time.Time `json:"rotated_at,omitzero"`
	// Held are versions that still wrap some of the data.
	Held []Held `json:"held,omitempty"`
	// Via names the resource that was looked at where it is not the dependent
	// itself, for instance the disk encryption set of a managed cluster.
	Via string `json:"via,omitempty"`
}

// Held is a version that a use still needs beside the one in use. It may be one
// of another key, if the use was given another.
type Held struct {
	Key     KeyID  `json:"key"`
	Version string `json:"version"`
}

// Known reports whether it was seen which key the use is under, and which version
// where the service reports one. What is not there is not known: absence is no
// evidence.
func (u *Use) Known() bool { return u.Unknown == nil && (u.Key != "" || u.Microsoft) }

// Absent reports whether a document that is whole otherwise shows nothing where the
// use would be, as it does of a resource that never had it.
func (u *Use) Absent() bool { return u.Unknown != nil && u.Unknown.Code == ReasonKeyNotShown }

// Name tells the use from the others of its dependent. One through another resource
// has the same name whichever that is.
func (u *Use) Name() string {
	if u.Via != "" {
		return "via " + u.Path
	}
	return u.Path
}

// BlindSpot is something that may use a key and that is not seen.
type BlindSpot struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// hardness says how much it takes to bring a use to another version.
var hardness = map[Binding]int{BindingFollows: 1, BindingPinned: 2, BindingFixed: 3}

// UsesOf returns the uses that name a key.
func (o *Observation) UsesOf(key KeyID) iter.Seq[*Use] {
	return func(yield func(*Use) bool) {
		for i := range o.Uses {
			if o.Uses[i].Key.Same(key) && !yield(&o.Uses[i]) {
				return
			}
		}
	}
}

// KnownUses returns the names of the uses of which it is known whose key they are
// under.
func (o *Observation) KnownUses() (names []string) {
	for i := range o.Uses {
		if o.Uses[i].Known() && !o.Uses[i].Passing {
			names = append(names, o.Uses[i].Name())
		}
	}
	return names
}

// Unknown returns why the observation does not tell which keys the dependent is
// under, nil if it does. seen are the uses that were known before: of these each has
// to be known again, while one that nobody ever saw may be absent. At least one has to
// be known.
func (o *Observation) Unknown(seen []string) *Problem {
	left, known := slices.Clone(seen), false
	var absent *Problem
	for i := range o.Uses {
		u := &o.Uses[i]
		n := slices.Index(left, u.Name())
		switch {
		case u.Known():
			known = true
			if n >= 0 {
				left = slices.Delete(left, n, n+1)
			}
		case !u.Absent() || n >= 0:
			return u.unknown()
		default:
			absent = u.unknown()
		}
	}
	switch {
	case o.Partial && known:
		return nil
	case len(left) > 0 && !o.leftLists(left):
		return notShown(left[0])
	case known:
		return nil
	case absent != nil:
		return absent
	default:
		return notShown("a key")
	}
}

// listOf returns the list that a use is an element of, by its name; empty if of none.
func listOf(name string) string {
	list, _, is := strings.Cut(name, "[")
	if !is {
		return ""
	}
	return list
}

// leftLists reports whether uses that are not shown are elements of lists that are: a list is
// shown whole, and they were taken out of it.
func (o *Observation) leftLists(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		list := listOf(name)
		return list == "" || !slices.ContainsFunc(o.Uses, func(u Use) bool { return u.Known() && listOf(u.Name()) == list })
	})
}

// Spare returns another key that serves as well as one: a dependent that has a list of keys does
// not lose access with one of them. Empty if there is none.
func (o *Observation) Spare(key KeyID) KeyID {
	for u := range o.UsesOf(key) {
		for i := range o.Uses {
			other := &o.Uses[i]
			if list := listOf(u.Name()); list != "" && listOf(other.Name()) == list && other.Key != "" && !other.Key.Same(key) {
				return other.Key
			}
		}
	}
	return ""
}

// None reports whether a document that is whole shows none of the uses that its kind has.
func (o *Observation) None() bool {
	return len(o.Uses) > 0 && !o.Partial && !slices.ContainsFunc(o.Uses, func(u Use) bool { return !u.Absent() })
}

// unknown is what could not be read of a use that is not known.
func (u *Use) unknown() *Problem {
	if u.Unknown != nil {
		return u.Unknown
	}
	return notShown(u.Name())
}

func notShown(what string) *Problem {
	return &Problem{
		Code: ReasonKeyNotShown, Message: "does not show " + what + ", so nobody knows whose key it uses",
		Hint: "look at the resource with az resource show; cmkd does not take absence for evidence",
	}
}

// Names reports whether a use names a key.
func (o *Observation) Names(key KeyID) bool {
	for range o.UsesOf(key) {
		return true
	}
	return false
}

// Holds reports whether a use holds a version of a key other than the one given.
func (o *Observation) Holds(key KeyID, besides string) bool { return o.held(key, besides) != "" }

// held returns a version of a key that a use holds, other than the one given;
// empty if there is none.
func (o *Observation) held(key KeyID, besides string) string {
	for i := range o.Uses {
		for _, h := range o.Uses[i].Held {
			if h.Version != besides && h.Key.Same(key) {
				return h.Version
			}
		}
	}
	return ""
}

// On reports whether the service itself says that the dependent uses a version
// of a key and no other of it: every use that names the key is on it, and no
// other version is held.
func (o *Observation) On(key KeyID, version string) bool {
	on := false
	for u := range o.UsesOf(key) {
		if u.Version == "" || u.Version != version {
			return false
		}
		on = true
	}
	return on && !o.Partial && !o.Holds(key, version)
}

// Settings reports whether what a use of a key is on is only what it was told.
func (o *Observation) Settings(key KeyID) bool {
	for u := range o.UsesOf(key) {
		if u.Setting {
			return true
		}
	}
	return false
}

// Window returns how long the slowest use of a key may take to follow it; zero if none
// takes longer than its kind.
func (o *Observation) Window(key KeyID) (slowest time.Duration) {
	for u := range o.UsesOf(key) {
		slowest = max(slowest, u.Window)
	}
	return slowest
}

// Furthest returns the version of a key that is furthest from the one wanted: one
// that a use is on, else one that is held, else none where a use does not tell, and
// the one wanted if nothing else is left.
func (o *Observation) Furthest(key KeyID, wanted string) string {
	silent, named := false, false
	for u := range o.UsesOf(key) {
		if u.Version != "" && u.Version != wanted {
			return u.Version
		}
		silent, named = silent || u.Version == "", true
	}
	if held := o.held(key, wanted); held != "" {
		return held
	}
	if silent || !named {
		return ""
	}
	return wanted
}

// Binding returns how a key is named where that is hardest to change: fixed, then
// pinned, then follows. It is empty if no use names the key.
func (o *Observation) Binding(key KeyID) (hardest Binding) {
	for u := range o.UsesOf(key) {
		if hardness[u.Binding] > hardness[hardest] {
			hardest = u.Binding
		}
	}
	return hardest
}

// Switched returns when the last of the uses of a key switched to its version, as
// the service says; zero if it does not say so of each.
func (o *Observation) Switched(key KeyID) (last time.Time) {
	for u := range o.UsesOf(key) {
		if u.RotatedAt.IsZero() {
			return time.Time{}
		}
		if u.RotatedAt.After(last) {
			last = u.RotatedAt
		}
	}
	return last
}

// Via returns the resources that were looked at in the dependent's place, each
// once.
func (o *Observation) Via() (all []string) {
	for i := range o.Uses {
		if via := o.Uses[i].Via; via != "" && !slices.Contains(all, via) {
			all = append(all, via)
		}
	}
	return all
}
