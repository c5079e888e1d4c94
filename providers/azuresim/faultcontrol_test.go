package azuresim_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

func TestParseFaults(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"one", "do: drop\nmatch: {operation: key-get}\n", "drop"},
		{"a list", "- {name: a, do: drop}\n- {name: b, do: slow, delay: 2d}\n", "a b"},
		{"as in a scenario", "faults:\n  - {name: a, do: drop}\n", "a"},
		{"unknown fault", "do: drop\n---\n", "drop"},
		{"unknown kind", "- {do: drop}\n- {do: explode}\n", `f.yaml:2: unknown fault "explode"; use one of timeout-after-effect`},
		{"unknown field", "faults:\n  - do: drop\n    mach: {}\n", `f.yaml:3: unknown field "mach"`},
		{"unknown word above", "folts: []\n", `f.yaml:1: unknown field "folts"`},
		{"bad duration", "- do: drop\n  when:\n    after: soon\n", `f.yaml:3: "soon" is no duration`},
		{"bad pattern", "- do: drop\n  match: {path: /(/}\n", "f.yaml:2: pattern"},
		{"bad probability", "do: drop\nwhen:\n  probability: 2\n", "f.yaml:3: probability 2; give 0 to 1"},
		{"none", "", "f.yaml:1: there are no faults"},
		{"none under the word", "faults: []\n", "f.yaml:1: there are no faults"},
		{"no YAML", "- [\n", "f.yaml:1: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults, err := azuresim.ParseFaults("f.yaml", []byte(c.yaml))
			var names []string
			for _, f := range faults {
				names = append(names, f.Name+strings.Repeat(f.Do, 1-min(len(f.Name), 1)))
			}
			if got := strings.Join(names, " ") + fmt.Sprint(errors.Unwrap(err)); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestParseActions(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"one", "do: pin\nresource: des\nversion: previous\n", "pin"},
		{"a list", "- {do: rotate-key, key: kv/k}\n- {do: set-property, resource: st, properties: {tags: {a: b}}}\n", "rotate-key set-property"},
		{"under the word", "actions:\n  - {do: lock, resource: st, level: ReadOnly}\n", "lock"},
		{"unknown action", "- do: pin\n- do: explode\n", `f.yaml:2: unknown action "explode"; use one of rotate-key`},
		{"a moment", "- {at: 2h, do: pin}\n", `f.yaml:1: unknown field "at"`},
		{"bad level", "do: lock\nlevel: Some\n", `f.yaml:2: unknown level "Some"`},
		{"to when", "- do: restore-vault\n  vault: kv\n", "f.yaml:1: restore-vault needs to know to when"},
		{"bad duration", "do: restore-vault\nvault: kv\nbehind: ago\n", `f.yaml:3: "ago" is no duration`},
		{"none", "actions: []\n", "f.yaml:1: there are no actions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			actions, err := azuresim.ParseActions("f.yaml", []byte(c.yaml))
			var names []string
			for _, a := range actions {
				names = append(names, a.Do)
			}
			if got := strings.Join(names, " ") + fmt.Sprint(errors.Unwrap(err)); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// What a lie needs of the estate is not known of a file alone.
func TestParseFaults_LiesAboutAnotherKey(t *testing.T) {
	if _, err := azuresim.ParseFaults("f.yaml", []byte("{do: foreign, key: kv/k}")); err != nil {
		t.Error(err)
	}
}

func TestAddFaults_CountFromNow(t *testing.T) {
	e := mustEstate(t, oneKey)
	e.clock.Advance(72 * time.Hour)
	faults, err := azuresim.ParseFaults("f.yaml", []byte("{name: later, do: status, status: 503, match: {operation: key-get}, when: {after: 1h, until: 2h, count: 1}}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.sim.AddFaults(faults); err != nil {
		t.Fatal(err)
	}
	key := "https://kv.vault.azure.net/keys/k?api-version=7.4"
	e.call(200, "GET", key, "")
	e.clock.Advance(time.Hour)
	e.call(503, "GET", key, "")
	e.call(200, "GET", key, "")
	state := e.sim.Faults()
	if len(state) != 1 || state[0].Seen != 2 || state[0].Hit != 1 || state[0].Name != "later" {
		t.Errorf("faults %+v", state)
	}
	if got := fmt.Sprint(state[0].Match.Terms(), state[0].When.Terms()); got != "[operation=key-get] [after=1h0m0s until=2h0m0s count=1]" {
		t.Errorf("written %s", got)
	}
	if n := e.sim.ClearFault("other"); n != 0 {
		t.Errorf("%d faults of another name ended", n)
	}
	if n := e.sim.ClearFault("later"); n != 1 || len(e.sim.Faults()) != 0 {
		t.Errorf("%d ended, left %v", n, e.sim.Faults())
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"6h": 6 * time.Hour, "2d": 48 * time.Hour, "0.5d": 12 * time.Hour, "-1h": -time.Hour} {
		if got, err := azuresim.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "soon", "3", "d", "1000000d"} {
		if got, err := azuresim.ParseDuration(bad); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}
