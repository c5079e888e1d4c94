package kind

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// form adds the paths of a JSON document with the type of what stands there.
// Elements of an array share one path, and so do the entries of a map whose names
// are the user's.
func form(to map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if strings.HasSuffix(path, ".tags") || strings.HasSuffix(path, ".userAssignedIdentities") {
				name = "*"
			}
			form(to, path+"."+name, value)
		}
	case []any:
		for _, value := range v {
			form(to, path+"[]", value)
		}
		to[path+" array"] = true
	default:
		to[fmt.Sprintf("%s %T", path, v)] = true
	}
}

// TestApply_HasTheFormOfTheExamples holds that everything cmkd sends to change a
// resource stands, by name and type, in an official request example or in a
// recorded request of that service.
func TestApply_HasTheFormOfTheExamples(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	type update struct {
		kind, id, doc string
		action        rotator.Action
		examples      string // folder of request examples
		recorded      string // pattern of recordings
		modelled      []string
	}
	updates := []update{
		{"storage", accountID, fmt.Sprintf(storageDoc, ""), rotator.ActionNudge, "storage-*", "storage.*.jsonl", nil},
		{"storage", accountID, fmt.Sprintf(storageDoc, v1), rotator.ActionRepin, "storage-*", "storage.*.jsonl", nil},
		{"disk-encryption-set", setID, fmt.Sprintf(setDoc, true), rotator.ActionNudge, "compute-disk-*", "compute.*.jsonl", nil},
		{"disk-encryption-set", setID, fmt.Sprintf(setDoc, false), rotator.ActionRepin, "compute-disk-*", "compute.*.jsonl", nil},
	}
	sampled(t, func(d *Declaration, s sample) {
		for _, how := range d.updates() {
			updates = append(updates, update{d.Name, sampleID(d), resting(s.bound(d, &how)), how.Action, s.examples, s.recorded, s.modelled})
		}
	})
	for _, tt := range updates {
		tried[tt.kind+" "+string(tt.action)] = true
		t.Run(tt.kind+" "+string(tt.action), func(t *testing.T) {
			t.Parallel()
			known := requestForms(t, tt.examples, tt.recorded)
			sent := map[string]bool{}
			var body any
			if err := json.Unmarshal([]byte(sentBody(t, tt.kind, tt.id, tt.doc, tt.action)), &body); err != nil {
				t.Fatal(err)
			}
			form(sent, "", body)
			if len(sent) == 0 {
				t.Fatal("nothing was sent")
			}
			for path := range sent {
				if !known[path] && !slices.Contains(tt.modelled, strings.TrimPrefix(path, ".")) {
					t.Errorf("%s is in no request example", path)
				}
			}
		})
	}
	for _, d := range All() {
		for _, u := range d.updates() {
			if name := d.Name + " " + string(u.Action); u.Body == nil && !tried[name] {
				t.Errorf("%s: the form of this update is not compared with an example", name)
			}
		}
	}
}

// requestForms collects the forms of all requests that change a resource.
func requestForms(t *testing.T, folder, recorded string) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(wiretest.Folder(t, "examples"), folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var example struct {
			Parameters map[string]any `json:"parameters"`
		}
		if json.Unmarshal(raw, &example) != nil {
			continue // some examples are no valid JSON
		}
		for _, v := range example.Parameters {
			if body, ok := v.(map[string]any); ok {
				form(known, "", body)
			}
		}
	}
	if recorded == "" {
		return known
	}
	for _, e := range wiretest.Recordings(t, recorded) {
		var body any
		if (e.Request.Method == http.MethodPut || e.Request.Method == http.MethodPatch) && json.Unmarshal([]byte(wiretest.Text(e.Request.Body)), &body) == nil {
			form(known, "", body)
		}
	}
	return known
}

// sentBody returns what an update of a resource sends.
func sentBody(t *testing.T, kind, id, doc string, action rotator.Action) string {
	t.Helper()
	k := newKit(t, func(r wiretest.Request) wiretest.Answer { return wiretest.Answer{Body: doc} })
	if err := k.kinds[kind].Apply(t.Context(), &rotator.Dependent{ID: id, Kind: kind}, action, key, rotator.Version{ID: v2}); err != nil {
		t.Fatal(err)
	}
	for _, r := range k.Requests() {
		if r.Method == http.MethodPatch || r.Method == http.MethodPut {
			return r.Body
		}
	}
	return "{}"
}

// TestApply_SendsTheWholeBack holds that what a kind does not know of a document comes back
// with an update that is one of the whole, as it was.
func TestApply_SendsTheWholeBack(t *testing.T) {
	t.Parallel()
	sampled(t, func(d *Declaration, s sample) {
		for _, how := range d.updates() {
			if how.Whole == nil {
				continue
			}
			doc := strings.Replace(resting(s.bound(d, &how)), `"properties":{`, `"tags":{"team":"one"},"zones":["1"],"properties":{"notKnown":{"a":[1,null]},`, 1)
			sent := parse(t, sentBody(t, d.Name, sampleID(d), doc, how.Action))
			whole := parse(t, doc)
			for _, path := range []Path{"tags", "zones", "location", "properties.notKnown", "identity.type"} {
				if diff := cmp.Diff(whole.at(path).root, sent.at(path).root); diff != "" {
					t.Errorf("%s: %s is not sent back as it was:\n%s", d.Name, path, diff)
				}
			}
			for _, path := range append([]Path{"id", "name", "type"}, how.Whole...) {
				if sent.has(path) {
					t.Errorf("%s: %s is read-only, and sent", d.Name, path)
				}
			}
		}
	})
}
