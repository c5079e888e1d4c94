package azuresim_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const logURL = "https://api.loganalytics.io/v1/workspaces/63613592-b6f7-4c3d-a390-22ba13102111/query"

// log runs a query and returns the rows as objects.
func (e *estate) log(query string) []map[string]any {
	e.tb.Helper()
	body, err := json.Marshal(map[string]string{"query": query, "timespan": "PT24H"})
	if err != nil {
		e.tb.Fatal(err)
	}
	table := e.call(200, "POST", logURL, string(body)).json(e.tb)["tables"].([]any)[0].(map[string]any)
	var out []map[string]any
	for _, row := range table["rows"].([]any) {
		d := map[string]any{}
		for i, column := range table["columns"].([]any) {
			d[str(column.(map[string]any), "name")] = row.([]any)[i]
		}
		out = append(out, d)
	}
	return out
}

func TestAuditLog_ShowsWhoUsesWhichVersion(t *testing.T) {
	e := mustEstate(t, dependents)
	old := e.newest()
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	e.clock.Advance(26 * time.Hour)
	rows := e.log("AzureDiagnostics | where ResourceProvider == 'MICROSOFT.KEYVAULT' and OperationName in ('KeyWrap', 'KeyUnwrap')" +
		" | where TimeGenerated > ago(24h) | summarize last = max(TimeGenerated), count() by id_s, identity_claim_oid_g")
	versions := map[string]int{}
	for _, row := range rows {
		id := str(row, "id_s")
		versions[id[strings.LastIndexByte(id, '/')+1:]]++
	}
	// Storage until its switch and the pinned cluster, group and set use older ones.
	if versions[e.newest()] < 3 || versions[old] == 0 {
		t.Errorf("users by version %v", versions)
	}
	d, _ := e.sim.Resource(strings.Split(strings.TrimPrefix(arm(storageType, "st", ""), "https://management.azure.com"), "?")[0])
	mine := e.log("AzureDiagnostics | where identity_claim_oid_g == '" + str(d, "identity.principalId") + "' | where TimeGenerated > ago(2h)")
	if len(mine) != 2 && len(mine) != 1 {
		t.Fatalf("%d entries of the account in two hours", len(mine))
	}
	if got := str(mine[0], "id_s"); got != keyURL+"/"+e.newest() {
		t.Errorf("the account used %s", got)
	}
}

func TestAuditLog_ArrivesLate(t *testing.T) {
	e := mustEstate(t, "audit_lag: 10m\nquirks: {disabled_version: refused, audit_refused: Forbidden}\n"+oneKey)
	e.call(200, "POST", keyURL+"/wrapkey?api-version=7.4", `{"alg":"RSA-OAEP","value":"YWJj"}`)
	const query = "AzureDiagnostics | where OperationName == 'KeyWrap'"
	if got := len(e.log(query)); got != 0 {
		t.Errorf("%d entries at once", got)
	}
	e.clock.Advance(10 * time.Minute)
	rows := e.log(query)
	if len(rows) != 1 || str(rows[0], "identity_claim_appid_g") != clientID {
		t.Errorf("rows %v", rows)
	}
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
	e.call(403, "POST", keyURL+"/wrapkey?api-version=7.4", `{"alg":"RSA-OAEP","value":"YWJj"}`)
	e.clock.Advance(10 * time.Minute)
	failed := e.log(query + " and httpStatusCode_d == 403")
	if len(failed) != 1 || str(failed[0], "ResultType") != "Forbidden" {
		t.Errorf("failed %v", failed)
	}
	e.call(501, "POST", logURL, `{"query":"Heartbeat | take 1"}`)
	e.call(400, "POST", logURL, `{"query":"AzureDiagnostics | take some"}`)
}

// The log names the version that answered, also where none was asked for, and
// none where the call was refused (facts-evidence §1).
func TestAuditLog_NamesWhatAnswered(t *testing.T) {
	e := mustEstate(t, "audit_lag: 1m\n"+oneKey)
	e.call(200, "POST", keyURL+"/wrapkey?api-version=7.4", `{"alg":"RSA-OAEP","value":"YWJj"}`)
	kid := keyURL + "/" + e.newest()
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
	e.call(403, "POST", kid+"/unwrapkey?api-version=7.4", `{"alg":"RSA-OAEP","value":"YWJj"}`)
	e.clock.Advance(time.Minute)
	for operation, want := range map[string][2]string{
		"KeyWrap": {kid, keyURL + "/?api-version=7.4"}, "KeyUnwrap": {"", kid + "?api-version=7.4"},
	} {
		rows := e.log("AzureDiagnostics | where OperationName == '" + operation + "'")
		if len(rows) != 1 || str(rows[0], "id_s") != want[0] || str(rows[0], "requestUri_s") != want[1] {
			t.Errorf("%s: %v", operation, rows)
		}
	}
}

// TestAuditLog_WhoActsForScopesAndEtcd: a scope has the account's identity, etcd
// encrypts and decrypts (facts-services A2), and nodes leave nothing.
func TestAuditLog_WhoActsForScopesAndEtcd(t *testing.T) {
	for _, c := range []struct{ name, yaml, operations string }{
		{"scope", "storage_accounts: [{name: st, scopes: [{name: a, key: kv/k}]}]\n", "KeyUnwrap KeyWrap"},
		{"etcd", "managed_clusters: [{name: aks, kms_key: kv/k, kms_design: new}]\n", "KeyDecrypt KeyEncrypt"},
		{"restore point", "disk_encryption_sets: [{name: des, key: kv/k, version: latest}]\n" +
			"restore_points: [{name: p, disk_encryption_set: des, version: oldest}]\n", "KeyUnwrap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, oneKey+c.yaml)
			e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
			e.clock.Advance(25 * time.Hour)
			seen := map[string]bool{}
			for _, row := range e.log("AzureDiagnostics | where ResourceProvider == 'MICROSOFT.KEYVAULT' | where TimeGenerated > ago(24h)") {
				seen[str(row, "OperationName")] = true
				if strings.HasSuffix(str(row, "id_s"), e.sim.Versions("kv", "k")[0].ID) {
					t.Errorf("a copy of a disk shows in the log: %v", row)
				}
				if c.name != "scope" {
					continue
				}
				account := str(e.get(arm(storageType, "st", "2023-05-01")), "identity.principalId")
				if got := str(row, "identity_claim_oid_g"); got != account {
					t.Errorf("the scope acts as %s, want %s", got, account)
				}
			}
			if got := strings.Join(slices.Sorted(maps.Keys(seen)), " "); got != c.operations {
				t.Errorf("operations %s, want %s", got, c.operations)
			}
		})
	}
}
