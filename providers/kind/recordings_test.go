package kind

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
			if _, ok := Of(d.text("id")); ok && d.has("properties") {
				found[e.File] = append(found[e.File], document{d.root})
			}
		}
	}
	return found
}

// What each kind sees of a recorded document occurs in it.
func TestObserve_Recordings(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for file, docs := range documents(t) {
		for _, doc := range docs {
			o, kind := observe(doc)
			raw, _ := json.Marshal(doc)
			text := strings.ToLower(string(raw))
			seen[kind]++
			for _, u := range o.Uses {
				for _, h := range append(u.Held, rotator.Held{Key: u.Key, Version: u.Version}) {
					if !strings.Contains(text, h.Version) {
						t.Errorf("%s: version %s is not in %s", file, h.Version, text)
					}
				}
			}
			if location := doc.text("location"); !strings.EqualFold(o.Region, strings.ReplaceAll(location, " ", "")) || (o.Region == "") != (location == "") {
				t.Errorf("%s: region %q of location %q", file, o.Region, location)
			}
			if o.Problem != nil {
				t.Errorf("%s: problem %v in %s", file, o.Problem, text)
			}
			named := strings.Contains(text, "keyvaultkeyuri") || strings.Contains(text, `"activekey"`) || strings.Contains(text, `"keysource":"microsoft.keyvault"`)
			if named != namesAny(&o) {
				t.Errorf("%s: uses %+v seen in %s", file, o.Uses, text)
			}
		}
	}
	t.Logf("recordings: documents: %v understood", seen)
	for _, d := range All() {
		if seen[d.Name] == 0 && os.Getenv("CMKD_RECORDINGS") == "" {
			t.Errorf("%s: no recording shows one", d.Name)
		}
	}
}

// The account of recording storage.customer-managed-key.2025, step by step.
func TestObserve_Recordings_storage(t *testing.T) {
	t.Parallel()
	type step struct {
		key     string
		binding rotator.Binding
		version string
		rotated string
	}
	const vault = "https://clitest000003.vault.azure.net/keys/"
	want := []step{
		{"", "", "", ""},
		{vault + "testkey", rotator.BindingFollows, "1b7df75594a14a3c8877ee6cb7dca164", "2024-06-20T04:47:12.8177092Z"},
		{vault + "testkey", rotator.BindingPinned, "1b7df75594a14a3c8877ee6cb7dca164", "2024-06-20T04:47:17.9432459Z"},
		{vault + "testkey", rotator.BindingFollows, "1b7df75594a14a3c8877ee6cb7dca164", "2024-06-20T04:47:52.9788262Z"},
		{vault + "newkey", rotator.BindingFollows, "62bc72c68f1048e793723f54b70d8e13", "2024-06-20T04:47:58.9325451Z"},
		{"", "", "", ""},
	}
	var got []step
	for _, e := range wiretest.Recordings(t, "storage.customer-managed-key.2025.jsonl") {
		if e.Request.Method != http.MethodPatch {
			continue
		}
		o, _ := observe(parse(t, wiretest.Text(e.Response.Body)))
		var s step
		for _, u := range o.Uses {
			s = step{string(u.Key), u.Binding, u.Version, u.RotatedAt.Format("2006-01-02T15:04:05.0000000Z")}
		}
		got = append(got, s)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
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
		if seen[d.Name] == 0 {
			t.Errorf("%s: no official example shows one", d.Name)
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
