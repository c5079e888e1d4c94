package azuresim_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const graphURL = "https://management.azure.com/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"

// ask runs a query and returns the names it found.
func (e *estate) ask(query string) []string {
	e.tb.Helper()
	body, err := json.Marshal(map[string]any{"subscriptions": []string{subID}, "query": query})
	if err != nil {
		e.tb.Fatal(err)
	}
	var names []string
	for _, row := range e.call(200, "POST", graphURL, string(body)).json(e.tb)["data"].([]any) {
		names = append(names, str(row.(map[string]any), "name"))
	}
	return names
}

func TestGraph_Queries(t *testing.T) {
	e := mustEstate(t, dependents)
	for _, c := range []struct{ query, want string }{
		{"Resources | where type =~ 'Microsoft.Storage/storageAccounts'", "[st]"},
		{"resources | where type == 'Microsoft.Storage/storageAccounts'", "[]"},
		{"Resources | where type in~ ('Microsoft.Storage/storageAccounts', 'Microsoft.DocumentDB/databaseAccounts') | project name", "[cosmos st]"},
		{"Resources | where type contains 'diskEncryptionSets' and name != 'des' | project name, type", "[empty]"},
		{"Resources | where tolower(properties.encryption.keyvaultproperties.keyvaulturi) contains 'kv.vault' | project id, name, v = properties.encryption.keyvaultproperties.currentVersionedKeyIdentifier", "[st]"},
		{"Resources | where isnotempty(properties.keyVaultKeyUri) or isnotempty(properties.encryptionProperties.keyName) | order by name asc", "[batch cosmos]"},
		{"Resources | where tostring(properties) contains 'kv.vault.azure.net/keys/k' and not(type startswith 'microsoft.compute') | order by name asc", "[aks cosmos st]"},
		{"Resources | order by name asc | take 2", "[aks batch]"},
	} {
		if got := fmt.Sprint(e.ask(c.query)); got != c.want {
			t.Errorf("%s: %s, want %s", c.query, got, c.want)
		}
	}
}

func TestGraph_RefusesWhatItDoesNotKnow(t *testing.T) {
	e := mustEstate(t, dependents)
	for query, status := range map[string]int{
		"Resources | evaluate pivot(type)": 501, "Resources | join kind=inner X": 501, "Secrets | take 1": 501,
		"Resources | where type ~~ 'x'": 501, "Resources where": 400, "Resources | where (type =~ 'x'": 400,
	} {
		body, _ := json.Marshal(map[string]any{"query": query})
		want := map[int]string{400: "BadRequest", 501: "NotSimulated"}[status]
		if got, _ := code(t, e.call(status, "POST", graphURL, string(body))); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestGraph_PagesAndQuota(t *testing.T) {
	e := mustEstate(t, "enforce_limits: true\n"+oneKey+"storage_accounts: [{name: 'st{n}', count: 25, key: kv/k}]\n")
	token, pages, seen := "", 0, 0
	for {
		pages++
		r := e.call(200, "POST", graphURL, fmt.Sprintf(
			`{"query":"Resources | where type contains 'storage' | project id","options":{"$top":10,"$skipToken":%q}}`, token))
		d := r.json(t)
		seen += len(d["data"].([]any))
		if d["totalRecords"] != 25.0 {
			t.Errorf("total %v", d["totalRecords"])
		}
		if pages == 1 && r.header.Get("x-ms-user-quota-remaining") != "14" {
			t.Errorf("quota %s", r.header.Get("x-ms-user-quota-remaining"))
		}
		if token = str(d, "$skipToken"); token == "" {
			break
		}
	}
	if pages != 3 || seen != 25 {
		t.Errorf("%d rows on %d pages", seen, pages)
	}
	for range 12 {
		e.call(200, "POST", graphURL, `{"query":"Resources | take 1"}`)
	}
	if r := e.call(429, "POST", graphURL, `{"query":"Resources | take 1"}`); r.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
}

func TestGraph_Lags(t *testing.T) {
	e := mustEstate(t, "graph_lag: 5m\n"+dependents)
	version := func() string {
		body := `{"query":"Resources | where name == 'st' | project name, v = properties.encryption.keyvaultproperties.currentVersionedKeyIdentifier"}`
		row := e.call(200, "POST", graphURL, body).json(t)["data"].([]any)[0].(map[string]any)
		return str(row, "v")
	}
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(6 * time.Hour)
	if got := version(); strings.HasSuffix(got, e.newest()) {
		t.Error("the index knows at once")
	}
	if got := storageVersion(e.get(arm(storageType, "st", "2023-05-01"))); got != e.newest() {
		t.Error("the resource itself lags")
	}
	e.clock.Advance(5 * time.Minute)
	if got := version(); !strings.HasSuffix(got, e.newest()) {
		t.Error("the index never learns")
	}
}
