// Package teeth puts faults back that were mended, one at a time by a build overlay, and
// holds that a test finds each.
package teeth

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// root is where the module is, seen from here.
const root = "../../.."

// tooth is a fault that was mended, as it can be put back: in a file, one text instead of
// another.
type tooth struct {
	name, file string
	edits      []edit
	// by is the test that finds it; the simulation if it is empty.
	by test
}

// edit replaces each occurrence of a text.
type edit struct{ mended, fault string }

// test is a test of a package, or several.
type test struct{ pkg, run string }

// simulation finds what no test was written for.
var simulation = test{"rotator/simtest", "TestSimulation"}

// TestTeeth_Fit holds that each fault can still be put back.
func TestTeeth_Fit(t *testing.T) {
	for _, tooth := range teeth {
		tooth.overlay(t)
	}
}

// TestTeeth puts each fault back and holds that its test fails, the simulation within
// CMKD_TEETH.
func TestTeeth(t *testing.T) {
	limit := teethLimit(t)
	for _, tooth := range teeth {
		by := "tests"
		if tooth.by == simulation {
			by = "simulation"
		}
		t.Run(by+"/"+tooth.name, func(t *testing.T) { tooth.bites(t, limit) })
	}
}

// teethLimit is how long the simulation may look for each fault; without it, and so without
// make teeth, the test is skipped: it takes too long.
func teethLimit(t *testing.T) time.Duration {
	t.Helper()
	limit, err := time.ParseDuration(os.Getenv("CMKD_TEETH"))
	if err != nil {
		t.Skip("CMKD_TEETH says how long the simulation may take for each; make teeth")
	}
	return limit
}

// pattern is what go test is told to run: each part of the name of a test below another one,
// whole.
func (t test) pattern() string {
	parts := strings.Split(t.run, "/")
	for i := range parts {
		parts[i] = "^(" + parts[i] + ")$"
	}
	return strings.Join(parts, "/")
}

// bites runs the test of a tooth, which has to fail.
func (f *tooth) bites(t *testing.T, limit time.Duration) {
	t.Helper()
	overlay := f.overlay(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit+2*time.Minute) // the build included
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-overlay", overlay, "-run", f.by.pattern(), "./"+f.by.pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CMKD_TEETH=", "CMKD_SIM_TIME="+limit.String())
	cmd.WaitDelay = 10 * time.Second // for a test that never ends, which goes on writing
	out, err := cmd.CombinedOutput()
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch found := line(string(out), "--- FAIL: "); {
	case strings.Contains(string(out), "no tests to run"):
		t.Errorf("there is no test %s in %s", f.by.run, f.by.pkg)
	case err == nil:
		t.Errorf("was not found by %s in %s", f.by.run, f.by.pkg)
	case !failed || exit.ExitCode() != 1 || found == "":
		t.Errorf("%v\n%s", err, out)
	case f.by == simulation:
		t.Log(line(string(out), "seed "))
	default:
		t.Log(found)
	}
}

// overlay returns the path of an overlay with the fault.
func (f *tooth) overlay(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, f.file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for _, e := range f.edits {
		if !strings.Contains(text, e.mended) {
			t.Errorf("%s: %s has no %q any more: put the fault back as it would be now", f.name, f.file, e.mended)
		}
		text = strings.ReplaceAll(text, e.mended, e.fault)
	}
	return overlay(t, map[string]string{path: text})
}

// overlay writes an overlay in which files have other texts.
func overlay(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for path, text := range texts {
		replace[path] = write(filepath.Base(path), []byte(text))
	}
	data, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	return write("overlay.json", data)
}

// line returns the first line that contains a text.
func line(out, part string) string {
	for l := range strings.Lines(out) {
		if strings.Contains(l, part) {
			return strings.TrimSpace(l)
		}
	}
	return ""
}
