package rotator

import (
	"iter"
	"slices"
	"time"
)

// Use is one place where a dependent names a key: the account, one encryption
// scope, the disks of a cluster.
type Use struct {
	// Path is where, as a property of the resource's document. It names the use,
	// within the resource that was looked at.
	Path string `json:"path,omitempty"`
	// Key is the key it names; empty if it names none of a customer's and only
	// holds versions.
	Key     KeyID   `json:"key,omitempty"`
	Binding Binding `json:"binding,omitempty"`
	// Version is the version in use as the service reports it; empty where the
	// service does not tell.
	Version string `json:"version,omitempty"`
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
	return on && !o.Holds(key, version)
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
