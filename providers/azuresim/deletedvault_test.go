package azuresim_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const vaultType = "Microsoft.KeyVault/vaults"

// A vault that went takes the key away from its services, for good when it is
// purged, and gives it back when it is recovered.
func TestDeletedVault_WhatServicesFeel(t *testing.T) {
	const kept = "vaults: [{name: passing, keys: [{name: k}]}]\nstorage_accounts: [{name: st, key: passing/k, containers: [c], pace: {deny_after: 1m, recover_after: 1m}}]\n"
	vault := arm(vaultType, "passing", "2023-07-01")
	purge := "https://management.azure.com/subscriptions/" + subID + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/passing/purge?api-version=2023-02-01"
	access := func(e *estate) bool {
		e.clock.Advance(2 * time.Minute)
		r, err := e.send("GET", "https://st.blob.core.windows.net/c/b", "", "Authorization", "Bearer "+e.token("https://st.blob.core.windows.net"))
		if err != nil {
			e.tb.Fatal(err)
		}
		return r.status == 404
	}
	recovered := mustEstate(t, kept)
	recovered.call(200, "DELETE", vault, "")
	if access(recovered) {
		t.Error("access without the vault")
	}
	recovered.call(200, "PUT", vault, `{"location":"westeurope","properties":{"createMode":"recover"}}`)
	if !access(recovered) {
		t.Error("no access after the vault was recovered")
	}

	purged := mustEstate(t, kept)
	purged.call(200, "GET", "https://passing.vault.azure.net/keys/k?api-version=7.4", "")
	purged.call(200, "DELETE", vault, "")
	purged.call(200, "POST", purge, "")
	if access(purged) {
		t.Error("access after the vault was purged")
	}
	if err := purged.sim.Do(azuresim.Action{Do: "grant-access", Resource: "storage/st"}); err != nil { // it looks again
		t.Fatal(err)
	}
	if access(purged) {
		t.Error("access after the vault was purged, when it looks again")
	}
	purged.call(200, "PUT", vault, `{"location":"westeurope","properties":{}}`)
	if access(purged) {
		t.Error("access by another vault of the same name")
	}
	logged := purged.call(200, "POST", "https://api.loganalytics.io/v1/workspaces/"+tenantID+"/query",
		`{"query":"AzureDiagnostics | where OperationName == 'KeyGet'"}`)
	if !strings.Contains(string(logged.body), "KeyGet") {
		t.Errorf("the log forgot the vault that was purged: %s", logged.body)
	}
}

func TestDeletedVault_Permissions(t *testing.T) {
	deleted := "https://management.azure.com/subscriptions/" + subID + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/kv"
	e := mustScenario(t, twoSubs+"vaults: [{name: kv}]\n"+as("assignments: [{role: Key Vault Reader, scope: /subscriptions/"+subID+"}]"))
	if err := e.sim.Do(azuresim.Action{Do: "delete-resource", Resource: "vault/kv"}); err != nil {
		t.Fatal(err)
	}
	e.call(404, "GET", deleted+"?api-version=2023-02-01", "") // its data plane lives on: it was not deleted as Azure does
	r := e.call(403, "POST", deleted+"/purge?api-version=2023-02-01", "")
	if !strings.Contains(string(r.body), "Microsoft.KeyVault/locations/deletedVaults/purge/action") {
		t.Errorf("answer %s", r.body)
	}
}
