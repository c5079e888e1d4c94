package azuresim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cmkd/providers/azuresim"
)

// needs returns the truth of kv/k, a line each like "1 st/scope: in use", with
// versions numbered from the oldest and the path below the provider's type.
func (e *estate) needs() []string { return e.needsOf("k") }

func (e *estate) needsOf(key string) []string {
	e.tb.Helper()
	number := map[string]int{}
	for i, v := range e.sim.Versions("kv", key) {
		number[v.ID] = i + 1
	}
	var out []string
	for _, n := range e.sim.Needs("kv", key) {
		_, path, _ := strings.Cut(n.Resource, "/providers/")
		parts := strings.Split(path, "/")
		var names []string
		for i := 2; i < len(parts); i += 2 {
			names = append(names, parts[i])
		}
		line := fmt.Sprintf("%d %s: %s", number[n.Version], strings.Join(names, "/"), n.Why)
		if !n.Access {
			line += ", no access"
		}
		out = append(out, line)
	}
	return out
}

// wantNeeds compares the truth of kv/k.
func (e *estate) wantNeeds(when string, want ...string) {
	e.tb.Helper()
	if got := e.needs(); !slices.Equal(got, want) {
		e.tb.Errorf("%s:\n got %q\nwant %q", when, got, want)
	}
}

func TestNeeds_SaysMoreThanDocuments(t *testing.T) {
	e := mustEstate(t, oneKey+`storage_accounts:
  - {name: st, key: kv/k}
  - {name: pinned, key: kv/k, version: oldest}
  - {name: plain}
`)
	e.wantNeeds("at first", "1 pinned: in use", "2 st: in use")
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.do(azuresim.Action{Do: "switch-now", Resource: "st"})
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "oldest"})
	// The loss is felt later: until then the account still reads.
	e.wantNeeds("after", "1 pinned: in use", "3 st: in use")
	e.clock.Advance(azuresim.For(11 * 60e9).Duration)
	e.wantNeeds("felt", "1 pinned: in use, no access", "3 st: in use")
	if got := e.sim.Needs("kv", "none"); got != nil {
		t.Errorf("an unknown key has %v", got)
	}
}
