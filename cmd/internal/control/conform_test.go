package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"cmkd/rotator"
)

// filler makes values in which nothing is left out.
type filler struct{ constants map[string][]constant }

func full[T any](f *filler) (v T) {
	f.fill(reflect.ValueOf(&v).Elem())
	return v
}

func (f *filler) fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(noon{}.Now()))
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			f.fill(field)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0))
	case v.Kind() == reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case v.Kind() == reflect.String && len(f.constants[v.Type().Name()]) > 0:
		v.SetString(f.constants[v.Type().Name()][0].value)
	case v.Kind() == reflect.String:
		v.SetString("text")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(7)
	case v.CanUint():
		v.SetUint(7)
	default:
		panic("no value for " + v.Type().String())
	}
}

// fullEngine leaves nothing out of its answers.
type fullEngine struct {
	fakeEngine
	*filler
}

func (e *fullEngine) Summary() rotator.Summary { return full[rotator.Summary](e.filler) }

func (e *fullEngine) Keys(context.Context, rotator.KeyQuery) ([]rotator.KeyStatus, error) {
	return full[[]rotator.KeyStatus](e.filler), nil
}

func (e *fullEngine) Key(context.Context, string) (rotator.KeyStatus, error) {
	return full[rotator.KeyStatus](e.filler), nil
}

func (e *fullEngine) Operations(context.Context, rotator.OperationQuery) ([]rotator.Operation, error) {
	return full[[]rotator.Operation](e.filler), nil
}

func (e *fullEngine) Operation(context.Context, rotator.OperationID, int) (rotator.OperationStatus, error) {
	return full[rotator.OperationStatus](e.filler), nil
}

func (e *fullEngine) Events(context.Context, rotator.EventFilter) ([]rotator.Event, error) {
	return full[[]rotator.Event](e.filler), nil
}

func (e *fullEngine) Alerts(context.Context) ([]rotator.AlertStatus, error) {
	return full[[]rotator.AlertStatus](e.filler), nil
}

func (e *fullEngine) Silences(context.Context) ([]rotator.Silence, error) {
	return full[[]rotator.Silence](e.filler), nil
}

func (e *fullEngine) Attest(context.Context, rotator.AttestRequest) (rotator.Attestation, error) {
	return full[rotator.Attestation](e.filler), nil
}

func (e *fullEngine) WithdrawAttestation(context.Context, string, string, string) (rotator.Attestation, error) {
	return full[rotator.Attestation](e.filler), nil
}

func (e *fullEngine) Attestations(context.Context, string) ([]rotator.Attestation, error) {
	return []rotator.Attestation{full[rotator.Attestation](e.filler)}, nil
}

func (e *fullEngine) Silence(context.Context, rotator.SilenceRequest) (rotator.Silence, error) {
	return full[rotator.Silence](e.filler), nil
}

func (e *fullEngine) Freezes(context.Context) ([]rotator.Freeze, error) {
	return full[[]rotator.Freeze](e.filler), nil
}

func (e *fullEngine) Freeze(context.Context, rotator.FreezeRequest) (rotator.Freeze, error) {
	return full[rotator.Freeze](e.filler), nil
}

func (e *fullEngine) Receivers() []rotator.ReceiverStatus {
	return full[[]rotator.ReceiverStatus](e.filler)
}

func (e *fullEngine) TestReceivers(context.Context, string, string) ([]rotator.TestResult, error) {
	return full[[]rotator.TestResult](e.filler), nil
}

func (e *fullEngine) Timings(context.Context) ([]rotator.TimingStatus, error) {
	return full[[]rotator.TimingStatus](e.filler), nil
}

func (e *fullEngine) PlanRotation(context.Context, string) (rotator.Plan, error) {
	return full[rotator.Plan](e.filler), nil
}

func (e *fullEngine) PlanRetirement(context.Context, string, string) (rotator.RetirementPlan, error) {
	return full[rotator.RetirementPlan](e.filler), nil
}

// newFullEngine answers commands with op, too.
func newFullEngine(t *testing.T) *fullEngine {
	t.Helper()
	e := &fullEngine{filler: &filler{MustConstants(t)}}
	e.op = full[rotator.OperationStatus](e.filler)
	return e
}

// complete makes a daemon that can do everything.
func (e *fullEngine) complete(o *Options) {
	o.Engine, o.About = e, full[Version](e.filler)
	o.Backup = func(context.Context, string) (int64, error) { return 7, nil }
	o.Verify = func(context.Context) (LogReport, error) { return full[LogReport](e.filler), nil }
	o.Reload = func(context.Context) (Reloaded, error) { return full[Reloaded](e.filler), nil }
	o.Metrics = http.NotFoundHandler()
}

// said is a piece of JSON that went over the socket, and where the document
// describes it.
type said struct{ where, text string }

// pointer is a JSON pointer into the document.
func pointer(steps ...string) string {
	var b strings.Builder
	for _, step := range steps {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// conversation asks a server for everything, with the bodies of bodyOf, and
// returns what was said by both.
func conversation(t *testing.T, client *Client, s *Server, bodyOf func(reflect.Type) string) (all []said) {
	t.Helper()
	for _, r := range s.routes() {
		at := []string{"paths", r.path, strings.ToLower(r.method)}
		body := ""
		if r.takes != nil {
			body = bodyOf(r.takes)
			all = append(all, said{pointer(append(at, "requestBody", "content", "application/json", "schema")...), body})
		}
		if r.gives == nil {
			continue
		}
		status, text := send(t, client.Socket(), r.method, filled(r.path), body, nil, "")
		answer := pointer(append(at, "responses", fmt.Sprint(status), "content", "application/json", "schema")...)
		if status != http.StatusOK && status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", r.pattern(), status, text)
		}
		all = append(all, said{answer, text})
	}
	return all
}

// validator compiles parts of a document, in which no object has more than it
// lists.
type validator struct{ compiler *jsonschema.Compiler }

func newValidator(t *testing.T, doc object) *validator {
	t.Helper()
	visit(doc["components"].(object)["schemas"], func(node object) {
		if node["properties"] != nil && node["additionalProperties"] == nil {
			node["additionalProperties"] = false
		}
	})
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return &validator{c}
}

// check says what is wrong with what was said, nil if nothing is.
func (v *validator) check(s said) error {
	schema, err := v.compiler.Compile("openapi.json#" + s.where)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(s.text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// MustParse returns the document that is served.
func MustParse(tb testing.TB) object {
	tb.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(OpenAPI()))
	if err != nil {
		tb.Fatal(err)
	}
	return doc.(object)
}

// fullConversation is one in which nothing is left out.
func fullConversation(t *testing.T) []said {
	t.Helper()
	e := newFullEngine(t)
	client, s := serve(t, &fakeEngine{}, e.complete)
	all := conversation(t, client, s, func(body reflect.Type) string {
		v := reflect.New(body)
		e.fill(v.Elem())
		if b, ok := reflect.TypeAssert[*BackupRequest](v); ok {
			b.Path = "/text"
		}
		text, err := json.Marshal(v.Interface())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	})
	info := full[FailureInfo](e.filler)
	info.Code = rotator.CodeRefused
	failed, err := json.Marshal(Failure{info})
	if err != nil {
		t.Fatal(err)
	}
	data := pointer("paths", "/v1/events", "get", "responses", "200", "content", mediaStream, "x-data")
	return append(all, said{pointer("components", "schemas", "Failure"), string(failed)}, said{data, streamed(t)})
}

// streamed is one event as a stream sends it.
func streamed(t *testing.T) (text string) {
	t.Helper()
	e := newFullEngine(t)
	client, _ := serve(t, &fakeEngine{}, e.complete)
	conn := dial(t, client.Socket())
	if _, err := conn.Write([]byte("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
		if _, data, ok := strings.Cut(string(got), "data: "); ok && strings.Contains(data, "\n\n") {
			text, _, _ = strings.Cut(data, "\n\n")
			return text
		}
	}
}

// TestOpenAPI_conversations sends real requests on every route and holds what is
// said against the document: by a daemon that has everything, by one that has
// nothing yet, and by one that fails.
func TestOpenAPI_conversations(t *testing.T) {
	t.Parallel()
	v := newValidator(t, MustParse(t))
	check := func(t *testing.T, all []said) {
		t.Helper()
		for _, s := range all {
			if err := v.check(s); err != nil {
				t.Errorf("%s is not as described: %v\n%s", s.where, err, s.text)
			}
		}
	}
	t.Run("everything", func(t *testing.T) { check(t, fullConversation(t)) })
	t.Run("nothing yet", func(t *testing.T) {
		op := rotator.Operation{ID: 17, Kind: rotator.KindRotation, State: rotator.StatePending, Cause: rotator.CauseOperator}
		key := rotator.KeyStatus{KeyState: rotator.KeyState{Name: "payments"}, Retire: rotator.RetireManual}
		e := &fakeEngine{op: rotator.OperationStatus{Operation: op}, keys: []rotator.KeyStatus{key}, summary: &rotator.Summary{}}
		client, s := serve(t, e, func(o *Options) {
			o.Backup = func(context.Context, string) (int64, error) { return 0, nil }
			o.Verify = func(context.Context) (LogReport, error) { return LogReport{}, nil }
			o.Reload = func(context.Context) (Reloaded, error) { return Reloaded{}, nil }
		})
		least := map[string]string{"CommandRequest": "{}", "TestRequest": "{}", "BackupRequest": `{"path":"/x"}`, "SilenceRequest": `{"for":1.5}`, "AttestRequest": `{"dependent":"x","reason":"y"}`, "FreezeRequest": `{"reason":"r"}`}
		check(t, conversation(t, client, s, func(body reflect.Type) string { return least[body.Name()] }))
	})
	t.Run("errors", func(t *testing.T) {
		for code := range statuses() {
			client, _ := serve(t, &fakeEngine{err: rotator.Errorf(code, "it did not work")}, nil)
			_, text := send(t, client.Socket(), "GET", "/v1/keys", "", nil, "")
			check(t, []said{{pointer("components", "responses", "Error", "content", "application/json", "schema"), text}})
		}
	})
}

// TestOpenAPI_would_notice holds that the conversations hold something: whichever
// type in the document is replaced by another, and whichever property is left out,
// something that was said is not as described any more.
func TestOpenAPI_would_notice(t *testing.T) {
	t.Parallel()
	all, doc, changes := fullConversation(t), MustParse(t), 0
	schemas := doc["components"].(object)["schemas"].(object)
	notices := func(change, name string) {
		changes++
		v := newValidator(t, doc)
		if !slices.ContainsFunc(all, func(s said) bool { return mentions(doc, s.where, name) && v.check(s) != nil }) {
			t.Errorf("nobody notices that %s", change)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		properties, _ := schemas[name].(object)["properties"].(object)
		for _, property := range slices.Sorted(maps.Keys(properties)) {
			is := properties[property]
			delete(properties, property)
			notices(name+" has no "+property, name)
			for _, steps := range typesIn(is, nil) {
				properties[property] = replaced(is.(object), steps)
				notices(fmt.Sprintf("%s.%s%s is something else", name, property, pointer(steps...)), name)
			}
			properties[property] = is
		}
	}
	if changes < 500 {
		t.Errorf("only %d changes were tried", changes)
	}
}

// mentions reports whether what stands at a place of the document refers to a
// named schema, be it by way of others.
func mentions(doc object, where, name string) bool {
	wanted := pointer("components", "schemas", name)
	seen := map[string]bool{}
	var follow func(where string)
	follow = func(where string) {
		if seen[where] {
			return
		}
		seen[where] = true
		visit(at(doc, where), func(node object) {
			if ref, ok := node["$ref"].(string); ok {
				follow(strings.TrimPrefix(ref, "#"))
			}
		})
	}
	follow(where)
	return seen[wanted]
}

// at returns what stands at a place of a document.
func at(doc object, where string) any {
	var v any = doc
	for _, step := range strings.Split(where, "/")[1:] {
		v = v.(object)[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	return v
}

// typesIn lists the paths to the types within a schema.
func typesIn(schema any, at []string) (all [][]string) {
	node, ok := schema.(object)
	if !ok {
		return nil
	}
	if node["type"] != nil || node["$ref"] != nil || node["oneOf"] != nil {
		all = append(all, slices.Clone(at))
	}
	for _, inner := range []string{"items", "additionalProperties"} {
		all = append(all, typesIn(node[inner], append(at, inner))...)
	}
	return all
}

// replaced returns a copy of a schema with another type at a path.
func replaced(schema object, steps []string) object {
	if len(steps) == 0 {
		if schema["type"] == "boolean" {
			return object{"type": "string"}
		}
		return object{"type": "boolean"}
	}
	other := maps.Clone(schema)
	other[steps[0]] = replaced(schema[steps[0]].(object), steps[1:])
	return other
}
