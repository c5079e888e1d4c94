package azuresim_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// mustNamed builds an embedded scenario.
func mustNamed(tb testing.TB, name string) *estate {
	tb.Helper()
	scenario, err := azuresim.NamedScenario(name)
	if err != nil {
		tb.Fatal(err)
	}
	clock := azuresim.NewManualClock(scenario.Epoch())
	sim, err := azuresim.New(scenario, azuresim.Options{Clock: clock})
	if err != nil {
		tb.Fatal(err)
	}
	return &estate{tb: tb, sim: sim, clock: clock, http: httpClient(sim), tokens: map[string]string{}}
}

// find returns the document of the resource of a name.
func (e *estate) find(typ, name string) map[string]any {
	e.tb.Helper()
	for _, id := range e.sim.ResourceIDs() {
		if strings.HasSuffix(id, "/"+typ+"/"+name) {
			d, _ := e.sim.Resource(id)
			return d
		}
	}
	e.tb.Fatalf("no resource %s", name)
	return nil
}

// usage tells which version each dependent of the demo shows in use.
func (e *estate) usage() map[string]string {
	return map[string]string{
		"storage": storageVersion(e.find(storageType, "contosopayments")),
		"set":     str(e.find(desType, "contoso-des"), "properties.activeKey.keyUrl"),
		"aks":     str(e.find(desType, "contoso-aks-des"), "properties.activeKey.keyUrl"),
		"group":   str(e.find(groupType, "contoso-batch"), "properties.encryptionProperties.keyVersion"),
	}
}

func TestScenario_DemoTellsItsStory(t *testing.T) {
	e := mustNamed(t, "demo")
	before := e.usage()
	e.do(azuresim.Action{Do: "rotate-key", Key: "contoso-prod/payments"})
	versions := e.sim.Versions("contoso-prod", "payments")
	if len(versions) != 3 {
		t.Fatalf("%d versions, want 3", len(versions))
	}
	newest := versions[2].ID
	moved := func() string {
		var out []string
		for _, name := range []string{"storage", "set", "aks", "group"} {
			if strings.HasSuffix(e.usage()[name], newest) {
				out = append(out, name)
			}
		}
		return fmt.Sprint(out)
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{10 * time.Minute, "[]"},
		{15 * time.Minute, "[set]"},
		{20 * time.Minute, "[set aks]"},
		{4*time.Hour + 15*time.Minute, "[storage set aks]"},
	} {
		e.clock.Advance(step.after)
		if got := moved(); got != step.want {
			t.Errorf("at %v: %s moved, want %s", e.clock.Now(), got, step.want)
		}
	}
	if got := e.usage()["group"]; got != before["group"] {
		t.Errorf("the pinned group moved to %s", got)
	}
	e.do(azuresim.Action{Do: "pin", Resource: "contoso-batch", Version: "latest"})
	e.do(azuresim.Action{Do: "disable-version", Key: "contoso-prod/payments", Version: "previous"})
	e.clock.Advance(3 * time.Hour)
	status := func() string {
		return str(e.find(cosmosType, "contoso-orders"), "properties.customerManagedKeyStatus")
	}
	if !strings.Contains(status(), "confirmed") {
		t.Errorf("retiring hurt the account: %s", status())
	}
	e.do(azuresim.Action{Do: "disable-version", Key: "contoso-prod/payments", Version: "all"})
	e.clock.Advance(45 * time.Minute)
	if !strings.HasSuffix(status(), "(4005).") {
		t.Errorf("revoked, but %s", status())
	}
	e.do(azuresim.Action{Do: "enable-version", Key: "contoso-prod/payments"})
	e.clock.Advance(45 * time.Minute)
	if !strings.Contains(status(), "confirmed") {
		t.Errorf("reinstated, but %s", status())
	}
}

func TestScenario_StuckHelpsItselfOnUpdateOnly(t *testing.T) {
	e := mustNamed(t, "stuck")
	e.do(azuresim.Action{Do: "rotate-key", Key: "contoso-stuck/data"})
	e.clock.Advance(30 * 24 * time.Hour)
	stuck, moving := storageVersion(e.find(storageType, "stuckst")), storageVersion(e.find(storageType, "movingst"))
	if stuck == moving {
		t.Errorf("both use %s", stuck)
	}
	e.do(azuresim.Action{Do: "switch-now", Resource: "stuckst"})
	if got := storageVersion(e.find(storageType, "stuckst")); got != moving {
		t.Errorf("after a push it uses %s", got)
	}
}

func TestServer_ManyAtOnce(t *testing.T) {
	e := mustEstate(t, dependents)
	token := e.token(keyURL)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if _, err := e.send("POST", keyURL+"/rotate?api-version=7.4", "", "Authorization", "Bearer "+token); err != nil {
					t.Error(err)
				}
				e.clock.Advance(time.Minute)
				_ = e.sim.Requests()
				_, _ = e.sim.Resource(e.sim.ResourceIDs()[0])
			}
		})
	}
	group.Wait()
	ids := map[string]bool{}
	for _, v := range e.sim.Versions("kv", "k") {
		ids[v.ID] = true
	}
	if len(ids) != 162 {
		t.Errorf("%d different versions, want 162", len(ids))
	}
}
