package azuresim_test

import (
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// A namespace of Event Hubs stops only when all its keys are gone, and goes on when one of them
// is back (facts-services A7).
func TestEventHubs_StopWithTheLastKey(t *testing.T) {
	const id = "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.EventHub/namespaces/hub"
	e := mustEstate(t, "vaults: [{name: kv, keys: [{name: k, versions: [{age: 48h}]}, {name: l, versions: [{age: 48h}]}]}]\n")
	named := func(name string) map[string]any {
		return map[string]any{"keyVaultUri": "https://kv.vault.azure.net", "keyName": name, "keyVersion": ""}
	}
	e.do(azuresim.Action{Do: "add-resource", Properties: map[string]any{
		"id": id, "name": "hub", "location": "northeurope", "properties": map[string]any{"encryption": map[string]any{
			"keySource": "Microsoft.KeyVault", "keyVaultProperties": []any{named("k"), named("l")},
		}},
	}})
	for _, tt := range []struct {
		do, key string
		access  bool
	}{
		{"disable-version", "kv/k", true},
		{"disable-version", "kv/l", false},
		{"enable-version", "kv/l", true},
	} {
		e.do(azuresim.Action{Do: tt.do, Key: tt.key, Version: "all"})
		e.clock.Advance(time.Hour)
		needs := e.sim.Needs("kv", "k")
		if len(needs) != 1 || needs[0].Access != tt.access {
			t.Errorf("%s of %s: %+v, want access %t", tt.do, tt.key, needs, tt.access)
		}
	}
}
