package control

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"

	"cmkd/rotator"
)

// rotatorDir is where the nouns of the API are declared.
const rotatorDir = "../../../rotator"

// constant is one of the values that a type of text has.
type constant struct{ value, comment string }

// MustConstants returns the values of the types of text of package rotator, in
// the order in which they are declared.
func MustConstants(tb testing.TB) map[string][]constant {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(rotatorDir, "*.go"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("%s holds %v (%v)", rotatorDir, files, err)
	}
	all := map[string][]constant{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			tb.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				if name, ok := spec.Type.(*ast.Ident); ok {
					all[name.Name] = append(all[name.Name], constantsOf(spec)...)
				}
			}
			return true
		})
	}
	return all
}

func constantsOf(spec *ast.ValueSpec) (all []constant) {
	for _, v := range spec.Values {
		if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if value, err := strconv.Unquote(lit.Value); err == nil && value != "" {
				all = append(all, constant{value, plain(spec.Doc.Text() + spec.Comment.Text())})
			}
		}
	}
	return all
}

var links = regexp.MustCompile(`\[([\w.*]+)\]`)

// plain is a comment on one line, without what only Go's documentation shows.
func plain(comment string) string {
	return links.ReplaceAllString(strings.Join(strings.Fields(comment), " "), "$1")
}

// describer makes schemas of types.
type describer struct {
	tb        testing.TB
	reflector jsonschema.Reflector
	constants map[string][]constant
	// schemas are those that have a name.
	schemas map[string]any
}

func newDescriber(tb testing.TB) *describer {
	tb.Helper()
	d := &describer{tb: tb, constants: MustConstants(tb), schemas: map[string]any{}}
	comments := jsonschema.Reflector{}
	here := reflect.TypeFor[Server]().PkgPath()
	for _, dir := range []string{".", rotatorDir} {
		if err := comments.AddGoComments(here, dir, jsonschema.WithFullComment()); err != nil {
			tb.Fatal(err)
		}
	}
	d.reflector = jsonschema.Reflector{
		Anonymous: true, AllowAdditionalProperties: true, Mapper: d.special, Namer: schemaName,
		LookupComment: func(t reflect.Type, field string) string {
			return plain(comments.CommentMap[strings.TrimSuffix(t.PkgPath()+"."+t.Name()+"."+field, ".")])
		},
	}
	return d
}

// schemaName tells apart the two types that have one name.
func schemaName(t reflect.Type) string {
	if t == reflect.TypeFor[Version]() {
		return "DaemonVersion"
	}
	return t.Name()
}

// noted keeps something in a schema until its description is known, which it is added to.
func noted(s *jsonschema.Schema, note string) *jsonschema.Schema {
	s.Comments = note
	return s
}

// special describes what encoding/json writes otherwise than the kind of the type
// tells. Nil leaves a type to the reflector.
func (d *describer) special(t reflect.Type) *jsonschema.Schema {
	switch {
	case t == reflect.TypeFor[rotator.OperationID]():
		return &jsonschema.Schema{Type: "string", Pattern: "^op-[1-9][0-9]*$"}
	case t == reflect.TypeFor[time.Duration]():
		return noted(&jsonschema.Schema{Type: "integer"}, "In nanoseconds.")
	case t == reflect.TypeFor[Duration]():
		return noted(&jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}}}, `As Go writes it, "2h30m", or a number of seconds.`)
	case t == reflect.TypeFor[rotator.Reason]():
		return d.reasons()
	case t.Kind() == reflect.String && len(d.values(t)) > 0:
		return d.enum(t)
	case t.Kind() == reflect.Map && len(d.values(t.Key())) > 0 && t.Elem().Kind() == reflect.Int:
		return &jsonschema.Schema{
			Type: "object", PropertyNames: &jsonschema.Schema{Enum: d.enum(t.Key()).Enum},
			AdditionalProperties: &jsonschema.Schema{Type: "integer"},
		}
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}
	default:
		return nil
	}
}

// values are those that a type of text has; none if it has any.
func (d *describer) values(t reflect.Type) []constant {
	if path.Base(t.PkgPath()) != "rotator" {
		return nil
	}
	return d.constants[t.Name()]
}

func (d *describer) enum(t reflect.Type) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	var notes []string
	for _, c := range d.values(t) {
		s.Enum = append(s.Enum, c.value)
		if c.comment != "" {
			notes = append(notes, c.value+": "+strings.TrimSuffix(c.comment, "."))
		}
	}
	if len(notes) > 0 {
		noted(s, strings.Join(notes, "; ")+".")
	}
	return s
}

// reasons describes the codes of conditions: those of cmkd, and whatever Azure gives.
func (d *describer) reasons() *jsonschema.Schema {
	var ours []rotator.Reason
	for _, info := range rotator.Reasons() {
		ours = append(ours, info.Reason)
	}
	d.schemas["Reason"] = object{
		"description": "The code of a condition. docs/reasons.md explains those of cmkd; Azure's own go through as they are.",
		"type":        "string",
		"anyOf":       []any{object{"title": "cmkd's own", "enum": ours}, object{"title": "Azure's own"}},
	}
	return &jsonschema.Schema{Ref: "#/$defs/Reason"}
}

// schema describes a type, and keeps what it refers to.
func (d *describer) schema(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	text, err := json.Marshal(d.reflector.ReflectFromType(t))
	if err != nil {
		d.tb.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "#/$defs/", "#/components/schemas/")), &s); err != nil {
		d.tb.Fatal(err)
	}
	visit(s, func(node map[string]any) {
		if note, ok := node["$comment"].(string); ok {
			described, _ := node["description"].(string)
			node["description"] = strings.TrimSpace(described + " " + note)
			delete(node, "$comment")
		}
	})
	named, _ := s["$defs"].(map[string]any)
	maps.Copy(d.schemas, named)
	delete(s, "$defs")
	delete(s, "$schema")
	return s
}

// visit calls do for every object of a document, the outer ones first.
func visit(v any, do func(node map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		do(v)
		for _, child := range v {
			visit(child, do)
		}
	case []any:
		for _, child := range v {
			visit(child, do)
		}
	}
}
