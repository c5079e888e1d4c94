package configs

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// MustDocs returns the comments of the fields of the types in config.go, by
// Type.Field.
func MustDocs(tb testing.TB) map[string]string {
	tb.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		tb.Fatal(err)
	}
	docs := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				docs[spec.Name.Name+"."+f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
		return false
	})
	return docs
}

// schemaOf describes a type; the tag is that of the field which holds it, value
// its default.
func schemaOf(t reflect.Type, tag reflect.StructTag, value reflect.Value, docs map[string]string) map[string]any {
	s := map[string]any{}
	switch {
	case t == reflect.TypeFor[Duration]():
		s["type"] = "string"
		s["pattern"] = `^([0-9]+d)?([0-9.]+(h|m|s|ms|us|ns))*$|^0$`
	case t == reflect.TypeFor[Discover]():
		return map[string]any{"anyOf": []any{
			map[string]any{"const": discoverOff}, schemaOf(reflect.TypeFor[[]string](), tag, reflect.Value{}, docs),
		}}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), tag, reflect.Value{}, docs)
	case t.Kind() == reflect.Struct:
		return structSchema(t, value, docs)
	case t.Kind() == reflect.Map:
		s["type"] = "object"
		if name := tag.Get("form"); name != "" {
			s["propertyNames"] = map[string]any{"pattern": forms[name].pattern.String()}
		}
		s["additionalProperties"] = schemaOf(t.Elem(), "", reflect.Value{}, docs)
		return s
	case t.Kind() == reflect.Slice:
		s["type"] = "array"
		s["items"] = schemaOf(t.Elem(), tag, reflect.Value{}, docs)
		return s
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() == reflect.Int:
		s["type"] = "integer"
		low, high, _ := strings.Cut(tag.Get("range"), "|")
		s["minimum"], _ = strconv.Atoi(low)
		s["maximum"], _ = strconv.Atoi(high)
	default:
		s["type"] = "string"
		if enum := tag.Get("enum"); enum != "" {
			s["enum"] = strings.Split(enum, "|")
		}
		if name := tag.Get("form"); name != "" {
			s["pattern"] = forms[name].pattern.String()
		}
	}
	if value.IsValid() && !value.IsZero() {
		s["default"] = value.Interface()
	}
	return s
}

func structSchema(t reflect.Type, value reflect.Value, docs map[string]string) map[string]any {
	properties, required := map[string]any{}, []string{}
	for i, name := range fieldNames(t) {
		if name == "-" {
			continue
		}
		f, field := t.Field(i), reflect.Value{}
		if value.IsValid() {
			field = value.Field(i)
		}
		s := schemaOf(f.Type, f.Tag, field, docs)
		s["description"] = docs[t.Name()+"."+f.Name]
		properties[name] = s
		if f.Tag.Get("need") != "" {
			required = append(required, name)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func TestSchema(t *testing.T) {
	s := schemaOf(reflect.TypeFor[Config](), "", reflect.ValueOf(Default()).Elem(), MustDocs(t))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "cmkd configuration"
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("cmkd.schema.json", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(Schema(), got.String()); diff != "" {
		t.Errorf("cmkd.schema.json is not what the types say (-update rewrites it):\n%s", diff)
	}
}

func TestTypes_Documented(t *testing.T) {
	t.Parallel()
	for field, doc := range MustDocs(t) {
		if _, name, _ := strings.Cut(field, "."); name != "warnings" && !strings.HasSuffix(doc, ".") {
			t.Errorf("%s has no comment that ends with a full stop", field)
		}
	}
}

// yamlNames returns the names of all fields under a type.
func yamlNames(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return yamlNames(t.Elem())
	case reflect.Struct:
		names := listed(fieldNames(t))
		for field := range t.Fields() {
			names = append(names, yamlNames(field.Type)...)
		}
		return names
	}
	return nil
}

func TestExample_MentionsEveryField(t *testing.T) {
	t.Parallel()
	var mentioned []string
	for line := range strings.Lines(Example()) {
		name, _, found := strings.Cut(strings.TrimLeft(line, " #-"), ":")
		if found {
			mentioned = append(mentioned, name)
		}
	}
	for _, name := range yamlNames(reflect.TypeFor[Config]()) {
		if !slices.Contains(mentioned, name) {
			t.Errorf("examples/cmkd.yaml does not mention %s", name)
		}
	}
}
