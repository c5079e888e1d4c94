package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

const (
	maxDepth = 64
	// maxAliased bounds what aliases can multiply: how many values there may be
	// beyond the file's bytes, which are more than its values.
	maxAliased = 100_000
)

// place is where something stands in a file.
type place struct{ line, column int }

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{t.Position.Line, max(t.Position.Column, 1)}
}

// decoder fills a Config from a document. Unlike a general decoder it goes on
// after a problem, and remembers where each value stood.
type decoder struct {
	file     string
	problems []Problem
	warnings []Problem
	// at is where the value of a path stands; a path that is not there was not
	// written.
	at map[string]place
	// bad are the paths already complained of: what follows from a wrong value
	// is not worth a second complaint.
	bad     map[string]bool
	anchors map[string]ast.Node
	// left is how many values may still come.
	left int
	// names are the names of the fields of types, by type.
	names map[reflect.Type][]string
}

func newDecoder(file string, size int) *decoder {
	return &decoder{
		file: file, left: size + maxAliased, at: map[string]place{}, bad: map[string]bool{},
		anchors: map[string]ast.Node{}, names: map[reflect.Type][]string{},
	}
}

// fields returns the names of the fields of a struct.
func (d *decoder) fields(t reflect.Type) []string {
	if d.names[t] == nil {
		d.names[t] = fieldNames(t)
	}
	return d.names[t]
}

func (d *decoder) fail(at place, path, message, hint string) {
	if d.bad[path] {
		return
	}
	d.bad[path] = true
	d.add(at, path, message, hint)
}

func (d *decoder) add(at place, path, message, hint string) {
	d.problems = append(d.problems, Problem{d.file, at.line, at.column, path, message, hint})
}

// problem and warn complain of the value of a path, or where it should be.
func (d *decoder) problem(path, message, hint string) { d.fail(d.placeOf(path), path, message, hint) }

func (d *decoder) warn(path, message, hint string) {
	at := d.placeOf(path)
	d.warnings = append(d.warnings, Problem{d.file, at.line, at.column, path, message, hint})
}

// placeOf returns where a path stands, or else the nearest path around it.
func (d *decoder) placeOf(path string) place {
	for {
		if at, ok := d.at[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return place{1, 1}
		}
		path = path[:i]
	}
}

// has reports whether the path was written.
func (d *decoder) has(path string) bool {
	_, ok := d.at[path]
	return ok
}

// endless stands in bad for a document that aliases make too large: it is said
// once.
const endless = "*"

// slot is where a value goes: its path, the tag of the field that holds it, and
// how deep in the document it is.
type slot struct {
	path  string
	tag   reflect.StructTag
	depth int
}

func (f slot) under(path string, tag reflect.StructTag) slot { return slot{path, tag, f.depth + 1} }

// value decodes node into v.
func (d *decoder) value(node ast.Node, v reflect.Value, f slot) {
	path := f.path
	at := placeOf(node.GetToken())
	if d.left--; d.left < 0 || f.depth > maxDepth {
		if d.bad[endless] {
			return
		}
		d.bad[endless] = true
		d.fail(at, path, "the document is nested or repeated too much", "write aliases out")
		return
	}
	node, ok := d.plain(node, path)
	if !ok {
		return
	}
	if _, isNull := node.(*ast.NullNode); isNull {
		return // as if it were not written
	}
	if !d.has(path) {
		d.at[path] = at
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		d.text(node, u, f, at)
		return
	}
	if to, ok := reflect.TypeAssert[*Discover](v.Addr()); ok {
		d.discover(node, to, f)
		return
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Map:
		d.mapping(node, v, f)
	case reflect.Slice:
		d.sequence(node, v, f)
	default:
		d.scalar(node, v, f, at)
	}
}

// plain follows anchors and aliases to the node that they stand for.
func (d *decoder) plain(node ast.Node, path string) (ast.Node, bool) {
	at := placeOf(node.GetToken())
	for range maxDepth {
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.AliasNode:
			name := n.Value.GetToken().Value
			if node = d.anchors[name]; node == nil {
				d.fail(at, path, "there is no anchor named "+quote(name), "quote a text that begins with *")
				return nil, false
			}
		case *ast.TagNode:
			d.fail(at, path, "a YAML tag such as "+n.GetToken().Value+" is not understood", "leave it out")
			return nil, false
		case nil:
			return nil, false
		default:
			return node, true
		}
	}
	d.fail(at, path, "the alias stands for itself", "write it out")
	return nil, false
}

func (d *decoder) mapping(node ast.Node, v reflect.Value, f slot) {
	m, ok := node.(ast.MapNode)
	if !ok {
		d.mistyped(node, f.path, "a mapping (name: value)")
		return
	}
	if v.Kind() == reflect.Map {
		v.Set(reflect.MakeMap(v.Type()))
	}
	seen := map[string]place{}
	var merged []ast.Node
	for it := m.MapRange(); it.Next(); {
		if it.Key().IsMergeKey() {
			merged = append(merged, it.Value())
			continue
		}
		key := keyText(it.Key())
		at := placeOf(it.Key().GetToken())
		if first, twice := seen[key]; twice {
			d.add(at, join(f.path, key),
				fmt.Sprintf("%s is given twice, first on line %d", quote(key), first.line), "remove one")
			continue
		}
		seen[key] = at
		d.entry(key, it.Value(), v, f, at)
	}
	for _, from := range merged {
		d.merge(from, seen, v, f)
	}
}

// merge takes from the mapping behind a << what the mapping itself leaves out.
func (d *decoder) merge(from ast.Node, seen map[string]place, v reflect.Value, f slot) {
	at := placeOf(from.GetToken())
	from, ok := d.plain(from, join(f.path, "<<"))
	if !ok {
		return
	}
	m, ok := from.(ast.MapNode)
	if !ok {
		d.fail(at, join(f.path, "<<"), "only a mapping can be merged", "give one alias")
		return
	}
	for it := m.MapRange(); it.Next(); {
		key := keyText(it.Key())
		if it.Key().IsMergeKey() {
			d.fail(at, join(f.path, "<<"), "a merged mapping merges another one", "write it out")
		} else if _, own := seen[key]; !own {
			seen[key] = at
			d.entry(key, it.Value(), v, f, at)
		}
	}
}

// entry decodes one value of a mapping.
func (d *decoder) entry(key string, node ast.Node, v reflect.Value, f slot, at place) {
	under := join(f.path, key)
	if refused := d.secretName(key, at, under); refused {
		return
	}
	if v.Kind() == reflect.Map {
		d.mapEntry(key, node, v, f.under(under, f.tag), at)
		return
	}
	i := slices.Index(d.fields(v.Type()), key)
	if i < 0 || key == "-" {
		known := listed(fieldNames(v.Type()))
		hint := suggest(key, known)
		if hint == "" {
			hint = "known here: " + strings.Join(known, ", ")
		}
		d.fail(at, under, "unknown field", hint)
		return
	}
	if isNull(node) {
		return
	}
	d.value(node, v.Field(i), f.under(under, v.Type().Field(i).Tag))
	switch v.Field(i).Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map, reflect.Pointer:
		d.at[under] = at
	}
}

func (d *decoder) mapEntry(key string, node ast.Node, v reflect.Value, f slot, at place) {
	if name := f.tag.Get("form"); name != "" {
		if message, hint := forms[name].inspect(key); message != "" {
			d.fail(at, f.path, message, hint)
			return
		}
	}
	element := reflect.New(v.Type().Elem()).Elem()
	// The form is of the keys; the range is of the values.
	f.tag = reflect.StructTag(`range:"` + f.tag.Get("range") + `"`)
	d.value(node, element, f)
	if d.bad[f.path] || isNull(node) {
		return
	}
	v.SetMapIndex(reflect.ValueOf(key), element)
}

func (d *decoder) sequence(node ast.Node, v reflect.Value, f slot) {
	s, ok := node.(*ast.SequenceNode)
	if !ok {
		d.mistyped(node, f.path, "a list (- value)")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, element := range s.Values {
		under := f.path + "[" + strconv.Itoa(i) + "]"
		if isNull(element) {
			d.fail(placeOf(s.Start), under, "an empty entry", "remove it or fill it in")
			continue
		}
		d.value(element, v.Index(i), f.under(under, f.tag))
		d.at[under] = begin(element)
	}
}

// begin returns where a node begins: the token of a mapping is its first colon.
func begin(node ast.Node) place {
	if m, ok := node.(ast.MapNode); ok {
		if it := m.MapRange(); it.Next() {
			return placeOf(it.Key().GetToken())
		}
	}
	return placeOf(node.GetToken())
}

func isNull(node ast.Node) bool {
	_, null := node.(*ast.NullNode)
	return null || node == nil
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	if t := key.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

func join(path, key string) string {
	if strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) || len(key) > 200 {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// fieldNames returns the names of a struct's fields as YAML writes them, by
// index; "-" for one that it does not.
func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if names[i] == "" {
			names[i] = "-"
		}
	}
	return names
}

func listed(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return n == "-" })
}
