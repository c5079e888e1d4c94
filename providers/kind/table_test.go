package kind

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestAll holds that every kind of the table is declared in full, served, and
// has its section in docs/azure.md. That each has recordings, examples, a
// simulator counterpart and a stall test is held where those are read, by name,
// too: recordings_test.go, azuresim_test.go, stall_test.go.
func TestAll(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "azure.md"))
	if err != nil {
		t.Fatal(err)
	}
	k := newKit(t, nil)
	for _, d := range All() {
		for what, missing := range map[string]bool{
			"a section of docs/azure.md":      !strings.Contains(string(docs), "\n## "+d.Name+"\n"),
			"a service":                       k.kinds[d.Name] == nil || !reflect.DeepEqual(k.kinds[d.Name].Traits(), d.Traits),
			"a window":                        d.Traits.Window <= 0,
			"what a revocation does":          d.Traits.Revoked == "",
			"bindings":                        len(d.Bindings) == 0,
			"uses":                            len(d.Uses) == 0,
			"a state":                         d.State == "",
			"a noun":                          d.Noun == "",
			"described properties":            len(d.Properties) == 0,
			"evidence":                        d.Evidence == "",
			"sources":                         len(d.Sources) == 0,
			"a role for its updates":          len(d.updates()) > 0 && d.Traits.WriteRole == "",
			"a nudge, which its traits claim": d.Traits.CanNudge && !nudges(d),
		} {
			if missing {
				t.Errorf("%s: %s is missing", d.Name, what)
			}
		}
		if got, ok := Of(strings.ToUpper(sampleID(d))); !ok || got != d.Name {
			t.Errorf("%s: Of a %s is %q, %t", d.Name, d.Type, got, ok)
		}
	}
	for _, id := range []string{"", accountID + "/blobServices/default", group + "Microsoft.Sql/servers/s", "/subscriptions/x"} {
		if kind, ok := Of(id); ok {
			t.Errorf("Of(%q) = %s", id, kind)
		}
	}
}

func nudges(d *Declaration) bool {
	if via := d.via(); via != nil {
		return nudges(via.To)
	}
	return d.updateBy("nudge") != nil
}

// Each path that a kind reads is described, and each that is described is read.
func TestPaths_are_described(t *testing.T) {
	t.Parallel()
	for _, d := range All() {
		described, read := map[string]bool{}, map[string]bool{string(location): true}
		for _, p := range d.Properties {
			described[string(p.Path)] = true
		}
		check := func(place string, path reflect.Value) {
			read[path.String()] = true
			if named := strings.HasSuffix(place, "].Path"); !described[path.String()] && !named {
				t.Errorf("%s: %s = %s is not described", d.Name, place, path)
			}
		}
		eachPath(reflect.ValueOf(d), "", check)
		if d.Probe != nil && d.Probe.At == "" {
			eachPath(reflect.ValueOf(newMachinePaths()), "machinePaths", check)
		}
		for path := range described {
			if !read[path] {
				t.Errorf("%s: %s is described and not read", d.Name, path)
			}
		}
	}
}

// What kinds share asks the declaration, never for a kind by its name.
func TestSharedCodeAsksNoName(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"resource.go", "decode.go", "update.go", "via.go", "declaration.go", "document.go", "registry.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range All() {
			if strings.Contains(string(text), `"`+d.Name+`"`) {
				t.Errorf("%s names the kind %s", file, d.Name)
			}
		}
	}
}
