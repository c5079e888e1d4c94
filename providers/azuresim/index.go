package azuresim

import (
	"slices"
	"strings"
)

// index finds resources without a walk through all of them: an estate may have
// tens of thousands. Its owner is the server, which tells it of each resource that
// is added, changed or dropped.
type index struct {
	all    roll
	byKind map[*kind]*roll
	byName map[string][]*resource // by name in lower case
	// byReference has the resources whose documents name another one, by the
	// folded id of that; see kind.refers.
	byReference map[string][]*resource
	children    map[*resource][]*resource // that are nested in one
}

func newIndex() index {
	return index{
		byKind: map[*kind]*roll{}, byName: map[string][]*resource{}, byReference: map[string][]*resource{},
		children: map[*resource][]*resource{},
	}
}

// roll lists resources in the order of their ids.
type roll struct {
	list  []*resource
	mixed bool // something was added at the end since it was sorted
}

func (l *roll) add(r *resource) { l.list, l.mixed = append(l.list, r), true }

// sorted returns the resources in order. The slice is the roll's own: it is for
// reading, until something is added or dropped.
func (l *roll) sorted() []*resource {
	if l.mixed {
		slices.SortFunc(l.list, byID)
		l.mixed = false
	}
	return l.list
}

func (l *roll) drop(r *resource) { l.list = without(l.list, r) }

// byID is the order of lists.
func byID(a, b *resource) int { return strings.Compare(a.folded, b.folded) }

// without returns list without r. It makes a new one, for somebody may be walking
// through the old.
func without(list []*resource, r *resource) []*resource {
	i := slices.Index(list, r)
	if i < 0 {
		return list
	}
	return slices.Concat(list[:i], list[i+1:])
}

// add takes a resource in.
func (x *index) add(r *resource) {
	x.all.add(r)
	x.ofKind(r.kind).add(r)
	name := strings.ToLower(r.id.name)
	x.byName[name] = append(x.byName[name], r)
	if r.parent != nil {
		x.children[r.parent] = append(x.children[r.parent], r)
	}
	x.refer(r)
}

// drop takes it out again.
func (x *index) drop(r *resource) {
	x.all.drop(r)
	x.ofKind(r.kind).drop(r)
	trim(x.byName, strings.ToLower(r.id.name), r)
	trim(x.children, r.parent, r)
	x.forget(r)
}

// trim takes r out of a list in a map, and the list if it was the last.
func trim[K comparable](m map[K][]*resource, key K, r *resource) {
	if rest := without(m[key], r); len(rest) > 0 {
		m[key] = rest
	} else {
		delete(m, key)
	}
}

// refer reads anew which resources a document names.
func (x *index) refer(r *resource) {
	if r.kind.refers == nil {
		return
	}
	x.forget(r)
	for _, id := range r.kind.refers(r.doc) {
		if id = fold(id); id != "" && !slices.Contains(r.refers, id) {
			r.refers = append(r.refers, id)
			x.byReference[id] = append(x.byReference[id], r)
		}
	}
}

func (x *index) forget(r *resource) {
	for _, id := range r.refers {
		trim(x.byReference, id, r)
	}
	r.refers = nil
}

// ofKind returns the roll of a kind.
func (x *index) ofKind(k *kind) *roll {
	l := x.byKind[k]
	if l == nil {
		l = &roll{}
		x.byKind[k] = l
	}
	return l
}

// referring returns the resources of some kinds that name r, in the order of their ids.
func (s *Server) referring(r *resource, of func(k *kind) bool) []*resource {
	var out []*resource
	for _, other := range s.index.byReference[r.folded] {
		if of(other.kind) {
			out = append(out, other)
		}
	}
	slices.SortFunc(out, byID)
	return out
}

// children returns the resources that are nested in r, in the order of their ids.
func (s *Server) children(r *resource) []*resource { return inOrder(s.index.children[r]) }

// named returns the resources of a name, whatever their kind, in the order of
// their ids.
func (s *Server) named(name string) []*resource {
	return inOrder(s.index.byName[strings.ToLower(name)])
}

// inOrder returns a sorted copy.
func inOrder(list []*resource) []*resource {
	out := slices.Clone(list)
	slices.SortFunc(out, byID)
	return out
}
