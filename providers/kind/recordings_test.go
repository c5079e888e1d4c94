package kind

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// documents returns every resource of a supported kind that a recording shows:
// the answers of GET, PUT and PATCH, the elements of lists, and the results of
// operations.
func documents(t *testing.T) map[string][]document {
	t.Helper()
	found := map[string][]document{}
	for _, e := range wiretest.Recordings(t, "*.jsonl") {
		var doc document
		if e.Omitted || e.Response.Status >= 300 || json.Unmarshal([]byte(wiretest.Text(e.Response.Body)), &doc) != nil {
			continue
		}
		for _, d := range append(doc.list("value"), doc, doc.at("properties.output")) {
			if _, ok := Of(d.text("id")); ok && d.has("properties") && d.has("type") {
				found[e.File] = append(found[e.File], document{d.root})
			}
		}
	}
	return found
}

// sketch is what is seen of a resource, on one line.
func sketch(o *rotator.Observation) string {
	var parts []string
	for i := range o.Uses {
		u := &o.Uses[i]
		switch {
		case u.Unknown != nil:
			parts = append(parts, string(u.Unknown.Code))
		case u.Microsoft:
			parts = append(parts, "Microsoft's")
		default:
			part := string(u.Binding) + " " + string(u.Key) + "/" + u.Version
			if !u.RotatedAt.IsZero() {
				part += " since " + u.RotatedAt.Format("2006-01-02T15:04:05.0000000")
			}
			parts = append(parts, part)
		}
		for _, h := range u.Held {
			parts = append(parts, "holds "+string(h.Key)+"/"+h.Version)
		}
	}
	if o.Updating {
		parts = append(parts, "updating")
	}
	if o.Problem != nil {
		parts = append(parts, "complains: "+string(o.Problem.Code))
	}
	return strings.Join(parts, ", ")
}

// TestObserve_Golden compares what is decoded of every recorded document of a kind, in
// order and each once, with what a person read in the recording.
func TestObserve_Golden(t *testing.T) {
	t.Parallel()
	got, seen := "", map[string]int{}
	docs := documents(t)
	for _, file := range slices.Sorted(maps.Keys(docs)) {
		var lines []string
		for _, doc := range docs[file] {
			o, kind := observe(doc)
			seen[kind]++
			id := doc.text("id")
			if line := kind + " " + strings.ToLower(id[strings.LastIndexByte(id, '/')+1:]) + ": " + sketch(&o); !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
			if location := doc.text("location"); !strings.EqualFold(o.Region, strings.ReplaceAll(location, " ", "")) || (o.Region == "") != (location == "") {
				t.Errorf("%s: region %q of location %q", file, o.Region, location)
			}
		}
		got += file + "\n\t" + strings.Join(lines, "\n\t") + "\n"
	}
	if os.Getenv("CMKD_RECORDINGS") != "" {
		t.Log(got) // those of somebody else have no golden values
		return
	}
	want, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("decoded (-golden +got):\n%s", diff)
	}
	t.Logf("recordings: documents: %v understood", seen)
	for _, d := range All() {
		if shown := seen[d.Name] > 0; shown == (d.Traits.Experimental != "") {
			t.Errorf("%s: a recording shows one: %t; experimental: %q", d.Name, shown, d.Traits.Experimental)
		}
	}
}

// TestObserve_WithoutAProperty takes each property away that a recorded document is
// read by, and sets it to null: what was seen is unknown then, and never that the
// resource is under no key.
func TestObserve_WithoutAProperty(t *testing.T) {
	t.Parallel()
	tried := 0
	for file, docs := range documents(t) {
		for _, doc := range docs {
			whole, kind := observe(doc)
			raw, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range reliedOn(named(kind)) {
				if !doc.has(path) || len(whole.KnownUses()) == 0 {
					continue
				}
				for _, mutilate := range []func(map[string]any, string){
					func(o map[string]any, name string) { delete(o, name) },
					func(o map[string]any, name string) { o[name] = nil },
					func(o map[string]any, name string) { o[name] = []any{} },
				} {
					other := parse(t, string(raw))
					parent, name := path.split()
					object := other.object(parent)
					mutilate(object, spelling(object, name))
					if o, _ := observe(other); o.Unknown(whole.KnownUses()) == nil {
						t.Errorf("%s: without %s of %s: %s", file, path, kind, sketch(&o))
					}
					tried++
				}
			}
		}
	}
	t.Logf("%d documents without a property", tried)
}

// split takes the last name off a path.
func (p Path) split() (parent Path, name string) {
	i := strings.LastIndexByte(string(p), '.')
	return p[:i], string(p[i+1:])
}

// reliedOn are the properties without which nothing can be said of a use, and the
// objects that they are in.
func reliedOn(d *Declaration) []Path {
	need := []Path{d.State}
	for _, u := range d.Uses {
		if u.Via != nil {
			continue
		}
		if need = append(need, u.Path); u.List == "" { // the others are within its elements
			need = append(need, u.URI, u.Vault, u.Name, u.Current)
		}
		if u.Owner != nil {
			need = append(need, u.Owner.At)
		}
	}
	need = slices.DeleteFunc(need, func(p Path) bool { return p == "" })
	for i := range len(need) {
		for parent, _ := need[i].split(); strings.Contains(string(parent), "."); parent, _ = parent.split() {
			if !slices.Contains(need, parent) {
				need = append(need, parent)
			}
		}
	}
	return need
}

// placeholders makes ids of the official examples parseable: they hold names in
// braces, and hosts and versions that no vault has.
var placeholders = strings.NewReplacer(
	"{subscriptionId}", subscription, "{subscription-id}", subscription, "/subid1/", "/"+subscription+"/", "/subid/", "/"+subscription+"/",
	"{key}", "keyName/keyVersion1", "{", "", "}", "",
)

// Every response example of a supported kind decodes to the right key and
// binding.
func TestObserve_Examples(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for _, file := range exampleFiles(t) {
		for _, doc := range exampleResponses(t, file) {
			root, _ := doc.root.(map[string]any)
			if root == nil {
				continue
			}
			root["id"] = placeholders.Replace(doc.text("id"))
			o, kind := observe(doc)
			seen[kind]++
			raw, _ := json.Marshal(doc)
			text := string(raw)
			switch {
			case kind == "storage" && strings.Contains(text, `"keySource":"Microsoft.Keyvault"`):
				check(t, file, o, "https://myvault8569.vault.azure.net/keys/wrappingKey", rotator.BindingFollows)
			case kind == "disk-encryption-set" && !strings.Contains(text, "keys/{key}"):
				binding := rotator.BindingPinned
				if strings.Contains(text, `"rotationToLatestKeyVersionEnabled":true`) {
					binding = rotator.BindingFollows
				}
				check(t, file, o, doc.text("properties.activeKey.keyUrl")[:strings.LastIndex(doc.text("properties.activeKey.keyUrl"), "/")], binding)
			case kind == "cosmosdb" && doc.text("properties.keyVaultKeyUri") != "" && !strings.Contains(doc.text("properties.keyVaultKeyUri"), "/keys/"):
				// The examples give a vault where the service takes a key.
				if namesAny(&o) || o.Problem == nil {
					t.Errorf("%s: a key was guessed: %+v", file, o)
				}
			case kind == "cosmosdb" && doc.text("properties.keyVaultKeyUri") != "":
				check(t, file, o, strings.TrimSuffix(doc.text("properties.keyVaultKeyUri"), "/"), rotator.BindingFollows)
			}
		}
	}
	t.Logf("decoded: %v", seen)
	for _, d := range All() {
		cited := slices.ContainsFunc(d.Sources, func(source string) bool { return strings.Contains(source, "examples/") })
		if (seen[d.Name] > 0) != cited {
			t.Errorf("%s: %d official examples show one; its sources name them: %t", d.Name, seen[d.Name], cited)
		}
	}
}

func check(t *testing.T, file string, o rotator.Observation, key string, binding rotator.Binding) {
	t.Helper()
	if !o.Names(rotator.KeyID(key)) || o.Binding(rotator.KeyID(key)) != binding {
		t.Errorf("%s: uses %+v; want %q, %s", file, o.Uses, key, binding)
	}
}

func exampleFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(wiretest.Folder(t, "examples"), "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("no examples")
	}
	return files
}

// exampleResponses returns the documents of an example's responses; some
// examples are no valid JSON and are left out.
func exampleResponses(t *testing.T, file string) []document {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if json.Unmarshal(raw, &doc) != nil {
		return nil
	}
	var all []document
	for _, answer := range doc.object("responses") {
		body := document{answer}.at("body")
		all = append(all, append(body.list("value"), body)...)
	}
	return all
}

// A cluster of the examples names its set.
func TestManagedCluster_Examples(t *testing.T) {
	t.Parallel()
	for _, file := range exampleFiles(t) {
		if filepath.Base(file) != "ManagedClustersGet.json" {
			continue
		}
		for _, doc := range exampleResponses(t, file) {
			if got := doc.text(managedCluster().via().At); !strings.HasSuffix(got, "/diskEncryptionSets/des") {
				t.Errorf("set %q", got)
			}
		}
	}
}
