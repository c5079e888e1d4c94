package kind

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// document is what Azure sent of a resource, or a part of it. It is read by
// paths of property names, joined by dots, without regard to case: services
// spell names in ways of their own (azure/facts.md section 4, Storage). Null,
// missing and mistyped properties all read as absent.
type document struct{ root any }

// UnmarshalJSON keeps numbers as they are written, so that a document can be
// sent back unchanged.
func (d *document) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return dec.Decode(&d.root)
}

// MarshalJSON writes the document as it is.
func (d document) MarshalJSON() ([]byte, error) { return json.Marshal(d.root) }

// at returns the part at a path, nil if there is none.
func (d document) at(path Path) document {
	here := d.root
	for name := range strings.SplitSeq(string(path), ".") {
		object, ok := here.(map[string]any)
		if !ok {
			return document{}
		}
		here = object[spelling(object, name)]
	}
	return document{here}
}

// spelling returns how an object spells a name: exactly, or else the first
// spelling in order that differs by case only, or else the name itself.
func spelling(object map[string]any, name string) string {
	if _, ok := object[name]; ok {
		return name
	}
	var found []string
	for k := range object {
		if strings.EqualFold(k, name) {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return name
	}
	return slices.Min(found)
}

// text returns the string at a path, empty if there is none.
func (d document) text(path Path) string {
	s, _ := d.at(path).root.(string)
	return s
}

// flag returns the truth value at a path, false if there is none.
func (d document) flag(path Path) bool {
	b, _ := d.at(path).root.(bool)
	return b
}

// has reports whether something is at a path.
func (d document) has(path Path) bool { return d.at(path).root != nil }

// list returns the elements of the list at a path.
func (d document) list(path Path) []document {
	elements, _ := d.at(path).root.([]any)
	out := make([]document, 0, len(elements))
	for _, e := range elements {
		out = append(out, document{e})
	}
	return out
}

// strings returns the strings of the list at a path.
func (d document) strings(path Path) []string {
	var out []string
	for _, e := range d.list(path) {
		if s, ok := e.root.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// object returns the object at a path, nil if there is none. It shares the
// document's memory.
func (d document) object(path Path) map[string]any {
	o, _ := d.at(path).root.(map[string]any)
	return o
}

// drop removes properties of an object.
func drop(object map[string]any, names ...string) {
	for _, name := range names {
		for k := range object {
			if strings.EqualFold(k, name) {
				delete(object, k)
			}
		}
	}
}

// put writes a value at a path of an object and makes the objects on the way.
func put(object map[string]any, path Path, value any) {
	names := strings.Split(string(path), ".")
	for _, name := range names[:len(names)-1] {
		name = spelling(object, name)
		next, ok := object[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			object[name] = next
		}
		object = next
	}
	object[spelling(object, names[len(names)-1])] = value
}

// blank reports whether there is nothing at a path, or an empty text or object.
func (d document) blank(path Path) bool {
	switch v := d.at(path).root.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// stamp returns the time at a path, zero if there is none, if it is not a time,
// or if it is the epoch, by which Azure says "none" (azure/facts.md section 4,
// Storage).
func (d document) stamp(path Path) time.Time {
	t, err := time.Parse(time.RFC3339Nano, d.text(path))
	if err != nil || t.Unix() <= 0 {
		return time.Time{}
	}
	return t.UTC()
}

// maxFact is the longest raw value kept with an observation, in bytes.
const maxFact = 512

// facts returns the raw values at paths, by their Azure names.
func (d document) facts(paths ...Path) map[string]string {
	facts := map[string]string{}
	for _, path := range paths {
		value, ok := d.at(path).scalar()
		if !ok {
			continue
		}
		if len(value) > maxFact {
			value = strings.ToValidUTF8(value[:maxFact], "") + "…"
		}
		facts[path.fact()] = value
	}
	return facts
}

// fact is the name of a fact.
func (p Path) fact() string { return strings.TrimPrefix(string(p), "properties.") }

func (d document) scalar() (string, bool) {
	switch v := d.root.(type) {
	case string:
		return v, true
	case bool, json.Number:
		return fmt.Sprint(v), true
	}
	return "", false
}

// keyRef is how a property names a key.
type keyRef struct {
	key rotator.KeyID // empty if none is named, or none that can be read
	// version is empty for a versionless identifier, and for one whose version
	// cannot be read.
	version string
	// versioned is true if the identifier has a version.
	versioned bool
}

// keyAt reads a key identifier, with or without a version. A missing one is no
// problem and no key. Of one that cannot be parsed the problem is returned, with
// the key if only its version is at fault: what cannot be read is never guessed.
func (d document) keyAt(path Path) (keyRef, *rotator.Problem) {
	uri := d.text(path)
	if uri == "" {
		return keyRef{}, nil
	}
	ref, err := parseKey(uri)
	if err != nil {
		return ref, unreadableKey(path, err)
	}
	return ref, nil
}

func parseKey(uri string) (keyRef, error) {
	key, version, err := rotator.ParseKeyID(uri)
	if err == nil {
		return keyRef{key, version, version != ""}, nil
	}
	uri = strings.TrimRight(uri, "/")
	if i := strings.LastIndexByte(uri, '/'); i > 0 {
		if key, version, vague := rotator.ParseKeyID(uri[:i]); vague == nil && version == "" {
			return keyRef{key: key, versioned: true}, err
		}
	}
	return keyRef{}, err
}

// keyOf puts a key identifier together from the parts by which some services
// name it. Its error is that of [parseKey].
func keyOf(vaultURI, name, version string) (keyRef, error) {
	if name == "" || strings.ContainsAny(name+version, "/?#") {
		return keyRef{}, fmt.Errorf("%q with version %q names no key", name, version)
	}
	uri := strings.TrimRight(vaultURI, "/") + "/keys/" + name
	if version != "" {
		uri += "/" + version
	}
	return parseKey(uri)
}

func unreadableKey(path Path, err error) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonUnreadableKey, Message: string(path) + ": " + err.Error(),
		Hint: "look at the resource with az resource show; cmkd does not guess which key it uses",
	}
}
