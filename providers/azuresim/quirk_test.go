package azuresim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// Every quirk names its source, can be set to each of its values, and is drawn
// by the seed: over some seeds each value comes.
func TestQuirks_DrawnAndSet(t *testing.T) {
	drawn := map[string]bool{}
	for seed := range uint64(64) {
		sim, err := azuresim.New(&azuresim.Scenario{Seed: seed}, azuresim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range sim.Quirks() {
			drawn[q.Name+" "+q.Value] = true
		}
	}
	sim, err := azuresim.New(&azuresim.Scenario{}, azuresim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range sim.Quirks() {
		if q.Source == "" {
			t.Errorf("%s has no source", q.Name)
		}
		for i, value := range q.Values {
			if !drawn[q.Name+" "+value] {
				t.Errorf("%s is never drawn as %s", q.Name, value)
			}
			e := mustEstate(t, "quirks: {"+q.Name+": "+value+"}\n")
			if got := fmt.Sprint(e.sim.Quirks()); !strings.Contains(got, "quirk "+q.Name+": "+value+" (") {
				t.Errorf("%s set to value %d is not so: %s", q.Name, i, got)
			}
		}
	}
}

func TestQuirk_CopyTags(t *testing.T) {
	for value, want := range map[string]string{"true": "map[by:me]", "false": "map[]"} {
		e := mustEstate(t, "quirks: {copy_tags: "+value+"}\nvaults: [{name: kv, keys: [{name: k, tags: {by: me}}]}]\n")
		e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
		if got := fmt.Sprint(e.sim.Versions("kv", "k")[1].Tags); got != want {
			t.Errorf("copy_tags %s: tags %s, want %s", value, got, want)
		}
	}
}

func TestQuirk_DisabledVersion(t *testing.T) {
	for value, want := range map[string]int{"refused": 403, "protects": 200} {
		e := mustEstate(t, "quirks: {disabled_version: "+value+"}\n"+oneKey)
		e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
		e.call(want, "POST", keyURL+"/wrapkey?api-version=7.4", `{"alg":"RSA-OAEP","value":"YWJj"}`)
		e.call(403, "POST", keyURL+"/unwrapkey?api-version=7.4", `{"alg":"RSA-OAEP","value":"YWJj"}`)
	}
}

func TestQuirk_ExpiredVersion(t *testing.T) {
	for _, c := range []struct {
		sign, disks string
		signed      int
		running     bool
	}{{"allowed", "stop", 200, false}, {"refused", "run", 403, true}} {
		e := mustEstate(t, "quirks: {expired_sign: "+c.sign+", expired_disks: "+c.disks+"}\n"+
			"vaults: [{name: kv, keys: [{name: k, versions: [{age: 24h, expires: 1h}]}]}]\n"+
			"disk_encryption_sets: [{name: des, key: kv/k, pace: {deny_after: 30m}}]\n"+
			"virtual_machines: [{name: vm, disk_encryption_set: des}]\n")
		e.clock.Advance(2 * time.Hour)
		digest := strings.Repeat("A", 43)
		e.call(c.signed, "POST", keyURL+"/sign?api-version=7.4", `{"alg":"RS256","value":"`+digest+`"}`)
		e.call(403, "POST", keyURL+"/wrapkey?api-version=7.4", `{"alg":"RSA-OAEP","value":"YWJj"}`)
		view := e.get(strings.Replace(arm(vmType, "vm", "2023-03-01"), "?", "/instanceView?", 1))
		if running := strings.Contains(fmt.Sprint(view), "PowerState/running"); running != c.running {
			t.Errorf("expired_disks %s: running %v", c.disks, running)
		}
	}
}

func TestQuirk_GraphLag(t *testing.T) {
	for value, want := range map[string]bool{"0s": true, "1m": false, "1h": false, "never": false} {
		e := mustEstate(t, "quirks: {graph_lag: "+value+"}\n"+dependents)
		knows := func() bool {
			body := `{"query":"Resources | where name == 'st' | project v = properties.encryption.keyvaultproperties.currentVersionedKeyIdentifier"}`
			row := e.call(200, "POST", graphURL, body).json(t)["data"].([]any)[0].(map[string]any)
			return strings.HasSuffix(str(row, "v"), e.newest())
		}
		e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
		e.do(azuresim.Action{Do: "switch-now", Resource: "st"})
		if got := knows(); got != want {
			t.Errorf("graph_lag %s: knows at once: %v", value, got)
		}
		e.clock.Advance(2 * time.Hour)
		if got := knows(); got != (value != "never") {
			t.Errorf("graph_lag %s: knows later: %v", value, got)
		}
		// What goes through Resource Manager reaches the index in the end.
		e.call(200, "PATCH", arm(storageType, "st", "2023-05-01"), `{"tags":{"a":"b"}}`)
		e.clock.Advance(2 * time.Hour)
		if !knows() {
			t.Errorf("graph_lag %s: an update does not reach the index", value)
		}
	}
}

func TestQuirk_MachinesStart(t *testing.T) {
	for value, want := range map[string]string{"true": "PowerState/running", "false": "PowerState/stopped"} {
		e := mustEstate(t, "quirks: {machines_start: "+value+"}\n"+dependents)
		e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "all"})
		e.clock.Advance(2 * time.Hour)
		e.do(azuresim.Action{Do: "enable-version", Key: "kv/k", Version: "all"})
		e.clock.Advance(2 * time.Hour)
		view := e.get(strings.Replace(arm(vmType, "vm", "2023-03-01"), "?", "/instanceView?", 1))
		if !strings.Contains(fmt.Sprint(view), want) {
			t.Errorf("machines_start %s: %v", value, view)
		}
	}
}

func TestQuirk_VersionsOfAnUnknownKey(t *testing.T) {
	for value, want := range map[string]int{"empty": 200, "not-found": 404} {
		e := mustEstate(t, "quirks: {unknown_key_versions: "+value+"}\n"+oneKey)
		e.call(want, "GET", "https://kv.vault.azure.net/keys/nope/versions?api-version=7.4", "")
	}
}
