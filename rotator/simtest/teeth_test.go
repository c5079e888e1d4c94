package simtest

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

// tooth is a fault that was mended, as it can be put back: in a file of the engine, one
// text instead of another.
type tooth struct {
	name, file string
	edits      [][2]string
}

var teeth = []tooth{
	{"an operation that moved is not advanced", "draft.go", [][2]string{{"d.of.advance(l, false)", "_ = l"}}},
	{"a removed dependent never leaves", "configure.go", [][2]string{{"!d.Dependent.Discovered && !d.Removed", "false && !d.Removed"}}},
	{"a key put back has no next time", "configure.go", [][2]string{{`state.Spec, state.NextRotation = "", time.Time{}`, "state.NextRotation = time.Time{}"}}},
	{"a rename loses what is known", "configure.go", [][2]string{
		{"c.draft.changedKey(key.ID).Name = key.Name", "*c.draft.changedKey(key.ID) = rotator.KeyState{Name: key.Name, ID: key.ID}"},
	}},
	{"an operation goes by the name of its key", "state.go", [][2]string{{"return c.byID[canonical(l.op.KeyID)]", "return c.keys[l.op.Key]"}}},
	{"retire is read once", "configure.go", [][2]string{{"|| l.op.Retire == key.Retire {", "|| true {"}}},
	{"a key taken out while pending is rotated", "rotation.go", [][2]string{{"case c.keyOf(l) == nil:", "case false:"}}},
	{"a late success is thrown away", "rotation.go", [][2]string{{"		c.succeeded(l, r)\n		return", "		if l.op.Attempt.Uncertain.IsZero() {\n			c.succeeded(l, r)\n		}\n		return"}}},
	{"waits go by the clock on the wall", "jump.go", [][2]string{{"c.steady = c.steady.Add(max(now.Round(0).Sub(c.now.Round(0))-jump, 0))", "c.steady = now"}}},
	{"only the first use counts", "look.go", [][2]string{
		{"return l.seen.On(l.op.KeyID, l.op.Target.ID)", "return l.seen.Uses[0].Version == l.op.Target.ID"},
	}},
	{"a held version is forgotten", "look.go", [][2]string{
		{
			"return l.seen.On(l.op.KeyID, l.op.Target.ID)",
			"return !l.behind(rotator.BindingFollows) && !l.behind(rotator.BindingPinned) && !l.behind(rotator.BindingFixed)",
		},
	}},
	{"the soak is measured by those left out", "guard.go", [][2]string{{"g.trackers[i].State != rotator.TrackerExcluded {", "true {"}}},
	{"what only a search found is written to", "look.go", [][2]string{{"case d.Dependent.Discovered:", "case false:"}}},
	{"nobody searches before a version is retired", "guard.go", [][2]string{{"l.sweep.begun.Before(l.verify)", "false"}}},
	{"what nobody listed holds nothing", "search.go", [][2]string{{"!d.Discovered || t.State == rotator.TrackerLeft", "true || t.State == rotator.TrackerLeft"}}},
	{"what a search could not see holds nothing", "search.go", [][2]string{{"for i := range g.op.Inventory.Unchecked {", "for i := range g.op.Inventory.Unchecked[:0] {"}}},
	{"a search counts though a dependent was taken out", "configure.go", [][2]string{{"	searching(c).void(l)\n	detail", "	detail"}}},
	{"a time that was served is served again", "schedule.go", [][2]string{{"next.IsZero() || served.Before(next), ", "true, "}}},
}

// TestTeeth_Fit holds that each fault can still be put back.
func TestTeeth_Fit(t *testing.T) {
	for _, tooth := range teeth {
		tooth.overlay(t)
	}
}

// TestTeeth puts each fault back by a build overlay and holds that the simulation finds
// it within CMKD_SIM_TEETH.
func TestTeeth(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("CMKD_SIM_TEETH"))
	if err != nil {
		t.Skip("CMKD_SIM_TEETH says how long each may take; make teeth")
	}
	for _, tooth := range teeth {
		t.Run(tooth.name, func(t *testing.T) {
			overlay := tooth.overlay(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*limit+time.Minute) // the build included
			defer cancel()
			cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-overlay", overlay, "-run", "^TestSimulation$", ".")
			cmd.Env = append(os.Environ(), "CMKD_SIM_TEETH=", "CMKD_SIM_TIME="+limit.String())
			out, err := cmd.CombinedOutput()
			exit, failed := errors.AsType[*exec.ExitError](err)
			switch {
			case err == nil:
				t.Errorf("was not found within %s", limit)
			case !failed || exit.ExitCode() != 1 || !strings.Contains(string(out), "replay: "):
				t.Errorf("%v\n%s", err, out)
			default:
				t.Log(line(string(out), "seed "))
			}
		})
	}
}

// overlay returns the path of an overlay with the fault.
func (f *tooth) overlay(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "engine", f.file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for _, e := range f.edits {
		if !strings.Contains(text, e[0]) {
			t.Fatalf("%s has no %q any more: put the fault back as it would be now", f.file, e[0])
		}
		text = strings.ReplaceAll(text, e[0], e[1])
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	replaced := write(f.file, []byte(text))
	data, err := json.Marshal(map[string]map[string]string{"Replace": {path: replaced}})
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
