package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write openapi.json anew")

const about = "JSON over HTTP on the daemon's unix socket, by default /run/cmkd/cmkd.sock. Who asks is known by the " +
	"socket's peer credentials; x-role says which role a route takes, each role includes those before it: viewer, " +
	"operator, approver. Requests with Origin or Referer, or to another host than localhost, are refused. Example: " +
	"curl --unix-socket /run/cmkd/cmkd.sock http://localhost/v1/summary"

// object is a JSON object.
type object = map[string]any

// TestOpenAPI holds that openapi.json says what the table of routes and the types
// say; with -update it makes it so.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(document(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil { //nolint:gosec // it is public
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want.Bytes(), OpenAPI()) {
		t.Error("openapi.json is not what the routes and the types say: go generate ./cmd/internal/control")
	}
	client, _ := serve(t, &fakeEngine{}, nil)
	if status, body := send(t, client.Socket(), "GET", "/v1/openapi.json", "", nil, ""); status != 200 || body != string(OpenAPI()) {
		t.Errorf("the document is served as %d", status)
	}
}

// document describes the API.
func document(t *testing.T) object {
	t.Helper()
	d := newDescriber(t)
	paths := object{}
	for _, r := range NewServer(Options{}).routes() {
		if paths[r.path] == nil {
			paths[r.path] = object{}
		}
		paths[r.path].(object)[strings.ToLower(r.method)] = d.operation(&r)
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "cmkd control API", "version": "1", "description": about,
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers": []any{object{"url": "http://localhost"}},
		"paths":   paths,
		"components": object{
			"responses": object{"Error": d.failure()},
			"schemas":   d.schemas,
		},
	}
}

// failure describes what all routes answer if something is wrong.
func (d *describer) failure() object {
	schema := d.schema(reflect.TypeFor[Failure]())
	var codes, meanings []string
	for code, status := range statuses() {
		codes = append(codes, string(code))
		meanings = append(meanings, fmt.Sprintf("%d %s", status, code))
	}
	slices.Sort(codes)
	slices.Sort(meanings)
	code := d.schemas["FailureInfo"].(object)["properties"].(object)["code"].(object)
	code["enum"] = codes // the others are no classes of errors
	code["description"] = "The class of the error, each with its status: " + strings.Join(meanings, ", ") + "."
	return answerOf("what went wrong, and what to do next", "application/json", schema)
}

func answerOf(description, media string, schema object) object {
	return object{"description": description, "content": object{media: object{"schema": schema}}}
}

// operation describes a route.
func (d *describer) operation(r *route) object {
	o := object{"summary": r.summary, "x-role": r.role.String(), "responses": d.responses(r)}
	if r.detail != "" {
		o["description"] = r.detail
	}
	if all := append(inPath(r.path), inQuery(r.query)...); len(all) > 0 {
		o["parameters"] = all
	}
	if r.takes != nil {
		body := d.schema(r.takes)
		named := d.schemas[r.takes.Name()].(object)
		named["additionalProperties"] = false // see decode
		o["requestBody"] = object{"required": named["required"] != nil, "content": object{"application/json": object{"schema": body}}}
	}
	return o
}

func (d *describer) responses(r *route) object {
	all := object{"default": object{"$ref": "#/components/responses/Error"}}
	switch {
	case r.gives == nil && r.media == "application/json":
		all["200"] = answerOf("done", r.media, object{"type": "object"})
	case r.gives == nil:
		all["200"] = answerOf("done", r.media, object{"type": "string"})
	default:
		all["200"] = answerOf("done", "application/json", d.schema(r.gives))
		if r.gives.Implements(reflect.TypeFor[statused]()) {
			all["503"] = answerOf("it is not", "application/json", d.schema(r.gives))
		}
		if r.streams {
			all["200"].(object)["content"].(object)[mediaStream] = object{
				"schema": object{"type": "string"}, "x-data": d.schema(r.gives.Elem()),
			}
		}
	}
	return all
}

var holes = regexp.MustCompile(`(\w+)/\{(\w+)\}`)

// inPath describes the parameters of a path.
func inPath(path string) (all []any) {
	what := map[string]string{
		"keys": "the short name of a key", "operations": "an operation id: op-17, or 17", "silences": "the id of a silence: s-1",
		"freezes": "the id of a freeze: f-1",
	}
	for _, hole := range holes.FindAllStringSubmatch(path, -1) {
		all = append(all, object{
			"name": hole[2], "in": "path", "required": true, "description": what[hole[1]], "schema": object{"type": "string"},
		})
	}
	return all
}

// inQuery describes the parameters behind the question mark.
func inQuery(query []parameter) (all []any) {
	for _, p := range query {
		schema := map[form]object{
			formText: {"type": "string"}, formFlag: {"type": "boolean"}, formNumber: {"type": "integer", "minimum": 0},
			formLimit:     {"type": "integer", "minimum": 0, "maximum": maxLimit},
			formOperation: {"type": "string", "pattern": "^([oO][pP]-)?[1-9][0-9]*$"},
			formTime:      {"type": "string", "format": "date-time"},
		}[p.form]
		if p.values != nil {
			schema["enum"] = p.values
		}
		if p.fallback != 0 {
			schema["default"] = p.fallback
		}
		all = append(all, object{"name": p.name, "in": "query", "description": p.what, "schema": schema})
	}
	return all
}

// TestOpenAPI_parameters holds that each parameter is read as what it is described
// as: a wrong value is refused by its name.
func TestOpenAPI_parameters(t *testing.T) {
	t.Parallel()
	client, s := serve(t, &fakeEngine{}, nil)
	wrong := map[form]string{
		formFlag: "perhaps", formNumber: "-1", formLimit: strconv.Itoa(maxLimit + 1), formOperation: "op-0", formTime: "yesterday", formText: "wrong",
	}
	for _, r := range s.routes() {
		for _, p := range r.query {
			status, body := send(t, client.Socket(), r.method, filled(r.path)+"?"+p.name+"="+wrong[p.form], "", nil, "")
			if p.form == formText && p.values == nil {
				continue // anything is a text; TestClient_Views and TestClient_Alerts hold that it is read
			}
			if status != http.StatusBadRequest || !strings.Contains(body, p.name) {
				t.Errorf("%s with %s=%s: %d %s", r.pattern(), p.name, wrong[p.form], status, body)
			}
		}
	}
}

// filled is a path with something in its holes.
func filled(path string) string {
	return strings.NewReplacer("{name}", "payments", "{id}", "op-17").Replace(path)
}
