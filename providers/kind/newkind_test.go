package kind_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// newKind is all that a new kind takes beside its recordings or examples and its
// tests: a file here and one in the simulated Azure, and a line in each table.
// ARCHITECTURE.md says so.
var newKind = struct {
	files map[string]string
	lines map[string][2]string // what a line is put after, and the line
}{
	files: map[string]string{
		"providers/kind/lagoon.go":          "lagoon.go.txt",
		"providers/azuresim/kind_lagoon.go": "kind_lagoon.go.txt",
	},
	lines: map[string][2]string{
		"providers/kind/registry.go":  {"		containerGroup(),\n", "		lagoon(),\n"},
		"providers/azuresim/kinds.go": {"		containerGroupKind(), clusterKind(), vaultKind(),\n", "		lagoonKind(),\n"},
	},
}

// TestANewKindIsOneFileAndOneLineOnEachSide adds a kind by a build overlay and follows a
// resource of it through a rotation in the simulated Azure.
func TestANewKindIsOneFileAndOneLineOnEachSide(t *testing.T) {
	t.Parallel()
	o := overlay{t: t, root: filepath.Join("..", ".."), dir: t.TempDir(), replace: map[string]string{}}
	for to, from := range newKind.files {
		o.put(to, o.read(filepath.Join("providers/kind/testdata/lagoon", from)))
	}
	for file, line := range newKind.lines {
		text := o.read(file)
		if strings.Count(text, line[0]) != 1 {
			t.Fatalf("%s has no line %q any more", file, line[0])
		}
		o.put(file, strings.Replace(text, line[0], line[0]+line[1], 1))
	}
	if touched := len(o.replace); touched != 4 {
		t.Errorf("%d files are touched, want 4", touched)
	}
	architecture := o.read("ARCHITECTURE.md")
	for _, table := range []string{"providers/kind/registry.go", "providers/azuresim/kinds.go"} {
		if !strings.Contains(architecture, table) {
			t.Errorf("ARCHITECTURE.md does not say that a new kind is a line in %s", table)
		}
	}
	o.put("providers/kind/lagoon_follow_test.go", o.read("providers/kind/testdata/lagoon/follow_test.go.txt"))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-overlay", o.file(), "-run", "^TestLagoon$", "-v", ".")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestLagoon") {
		t.Errorf("%v\n%s", err, out)
	}
}

// overlay is a build overlay in the making.
type overlay struct {
	t         *testing.T
	root, dir string
	replace   map[string]string
}

func (o *overlay) read(file string) string {
	o.t.Helper()
	data, err := os.ReadFile(filepath.Join(o.root, file))
	if err != nil {
		o.t.Fatal(err)
	}
	return string(data)
}

// put has the build see a text in the place of a file.
func (o *overlay) put(file, text string) {
	o.t.Helper()
	path, err := filepath.Abs(filepath.Join(o.root, file))
	if err != nil {
		o.t.Fatal(err)
	}
	o.replace[path] = o.write(strings.ReplaceAll(file, "/", "_"), []byte(text))
}

func (o *overlay) write(name string, data []byte) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// file returns the path of the overlay.
func (o *overlay) file() string {
	o.t.Helper()
	data, err := json.Marshal(map[string]map[string]string{"Replace": o.replace})
	if err != nil {
		o.t.Fatal(err)
	}
	return o.write("overlay.json", data)
}
