package configs

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// Discover says where to search for dependents that nobody listed. The zero value means
// everywhere. It is written as a list of subscriptions or as off.
type Discover struct {
	// Off is true if nothing is searched.
	Off bool
	// In are the subscriptions to search; empty means all that the identity sees.
	In []string
}

// discoverOff is how it is written that nothing is searched.
const discoverOff = "off"

// MarshalYAML writes a Discover as it is read.
func (d Discover) MarshalYAML() (any, error) {
	switch {
	case d.Off:
		return discoverOff, nil
	case d.In == nil:
		return []string{}, nil
	default:
		return d.In, nil
	}
}

// discover decodes where to search: off, or a list.
func (d *decoder) discover(node ast.Node, to *Discover, f slot) {
	if text, ok := textOf(node); ok && text == discoverOff {
		to.Off = true
		return
	}
	if _, ok := node.(*ast.SequenceNode); !ok {
		d.mistyped(node, f.path, "off, or a list of subscriptions (- id)")
		return
	}
	d.sequence(node, reflect.ValueOf(&to.In).Elem(), f)
}
