package azuresim_test

import (
	"bytes"
	"net/http"
	"regexp"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// FuzzServer_AnswersAnything sends requests that no client would, with a good
// token: whatever comes, there is an answer, and the next request is served.
func FuzzServer_AnswersAnything(f *testing.F) {
	for _, seed := range []struct{ method, host, path, query, body string }{
		{"GET", "kv.vault.azure.net", "/keys/k/versions", "api-version=7.4&maxresults=3&$skiptoken=x", ""},
		{"POST", "kv.vault.azure.net", "/keys/k/create", "api-version=7.4", `{"kty":"RSA","key_size":2048}`},
		{"POST", "kv.vault.azure.net", "/keys/k/sign", "api-version=7.4", `{"alg":"RS256","value":"AA"}`},
		{"PUT", "kv.vault.azure.net", "/keys/i", "api-version=7.4", `{"key":{"kty":"RSA","n":"AQ","e":"AQAB"}}`},
		{"PUT", "kv.vault.azure.net", "/keys/k/rotationpolicy", "api-version=7.4", `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P1D"},"action":{"type":"Rotate"}}]}`},
		{"PATCH", "management.azure.com", "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.Storage/storageAccounts/st", "api-version=2023-05-01", `{"properties":{"encryption":null}}`},
		{"PUT", "management.azure.com", "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.DocumentDB/databaseAccounts/cosmos", "api-version=2023-05-01", `{"location":1,"properties":{"locations":[{}]}}`},
		{"PUT", "management.azure.com", "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.Compute/diskEncryptionSets/des", "api-version=2023-05-01", `{"properties":{"activeKey":{"keyUrl":"https://"}}}`},
		{"PUT", "management.azure.com", "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.ContainerInstance/containerGroups/x", "api-version=2023-05-01", `{"location":"x","properties":{"containers":[1]}}`},
		{"PUT", "management.azure.com", "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.ContainerService/managedClusters/x", "api-version=2023-05-01", `{"location":"x","properties":5}`},
		{"POST", "management.azure.com", "/providers/Microsoft.ResourceGraph/resources", "api-version=2021-03-01", `{"query":"Resources | where a in (","options":{"$skip":-1}}`},
		{"PUT", "management.azure.com", vaultID + "/providers/Microsoft.Authorization/roleAssignments/x", "api-version=2022-04-01", `{"properties":{"roleDefinitionId":1}}`},
		{"PUT", "management.azure.com", vaultID + "/providers/Microsoft.Insights/diagnosticSettings/x", "api-version=2021-05-01-preview", `{"properties":{"workspaceId":"/","logs":[1,{"enabled":true}]}}`},
		{"PUT", "management.azure.com", "/providers/Microsoft.Authorization/locks/x", "api-version=2020-05-01", `{"properties":{"level":"ReadOnly"}}`},
		{"GET", "management.azure.com", "/subscriptions/" + subID + "/resources", "api-version=2021-04-01&$filter=name eq 'a' or '", ""},
		{"GET", "st.blob.core.windows.net", "/c", "restype=container&comp=list", ""},
		{"POST", "login.microsoftonline.com", "/x/oauth2/v2.0/token", "", "grant_type=%"},
	} {
		f.Add(seed.method, seed.host, seed.path, seed.query, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, host, path, query, body string) {
		e := mustEstate(t, dependents)
		request, err := http.NewRequestWithContext(t.Context(), method, "https://x/", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Skip()
		}
		request.URL.Host, request.URL.Path, request.URL.RawQuery = host, path, query
		request.Host = host
		request.Header.Set("Authorization", "Bearer "+e.token("https://"+host))
		if response, err := e.sim.Transport().RoundTrip(request); err == nil {
			response.Body.Close()
		}
		e.clock.Advance(40 * 24 * time.Hour)
		if response, err := e.sim.Transport().RoundTrip(request); err == nil {
			response.Body.Close()
		}
	})
}

// few are the counts, of all counts, that are no trouble.
var few, counts = regexp.MustCompile(`\bcount: *[0-9]{1,2}\b`), regexp.MustCompile(`\bcount\b`)

// FuzzParseScenario reads anything without panic, and builds what it accepts.
func FuzzParseScenario(f *testing.F) {
	f.Add([]byte(dependents))
	f.Add([]byte("vaults: [{name: a, keys: [{name: k, versions: [{id: 0123456789abcdef0123456789abcdef}]}]}]"))
	f.Add([]byte("locks: [{resource: v}]\npolicies: [{deny: {type: '*'}}]\nworkspaces: [{name: w}]\nvaults: [{name: v, diagnostics: {workspace: w, since: -3d}}]"))
	f.Add([]byte("clients: [{id: a, assignments: [{role: r, scope: v}]}]\ncustom_roles: [{name: r}]\nvaults: [{name: v, access_policies: [{principal: a}]}]"))
	f.Add([]byte("storage_accounts: [{name: 'x{n}', count: 3}]\nfaults: [{do: drop, match: {path: /a.*/}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if counts.Match(few.ReplaceAll(data, nil)) {
			t.Skip() // billions of resources are not what this is about
		}
		scenario, err := azuresim.ParseScenario("fuzz.yaml", data)
		if err != nil {
			return
		}
		_, _ = azuresim.New(scenario, azuresim.Options{})
	})
}
