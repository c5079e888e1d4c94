package azuresim_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// listURL is the URL of the list of a type.
func listURL(typ string) string { return strings.Replace(arm(typ, "", "2023-05-01"), "/?", "?", 1) }

// hurt lets a fault hit one operation.
func (e *estate) hurt(operation string, f azuresim.Fault) {
	f.Match.Operation = operation
	e.sim.AddFault(f)
}

// listed returns the names in a list.
func (e *estate) listed(target string) []string {
	e.tb.Helper()
	var names []string
	for _, member := range e.get(target)["value"].([]any) {
		d, _ := member.(map[string]any)
		id := str(d, "id")
		if kid := str(d, "kid"); kid != "" {
			id = kid
		}
		names = append(names, id[strings.LastIndexByte(id, '/')+1:])
	}
	return names
}

func TestLie_Bodies(t *testing.T) {
	storage := arm(storageType, "st", "2023-05-01")
	for _, c := range []struct {
		name          string
		fault         azuresim.Fault
		status        int
		body, content string
	}{
		{"none", azuresim.Fault{Do: "empty-body"}, 200, "", ""},
		{"none, with another status", azuresim.Fault{Do: "empty-body", Status: 202}, 202, "", ""},
		{"an empty object", azuresim.Fault{Do: "body", Lie: azuresim.Lie{Body: "{}"}}, 200, "{}", "application/json"},
		{"an error with 200", azuresim.Fault{Do: "body", Lie: azuresim.Lie{Body: `{"error":{"code":"X"}}`}}, 200, `{"error":{"code":"X"}}`, "application/json"},
		{"a proxy's page", azuresim.Fault{Do: "body", Status: 502, Lie: azuresim.Lie{Body: "<html>", ContentType: "text/html"}}, 502, "<html>", "text/html"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, dependents)
			e.hurt("storage-get", c.fault)
			r := e.call(c.status, "GET", storage, "")
			if string(r.body) != c.body || !strings.HasPrefix(r.header.Get("Content-Type"), c.content) {
				t.Errorf("got %q %s", r.body, r.header.Get("Content-Type"))
			}
		})
	}
}

func TestLie_BodyOfAWrite(t *testing.T) {
	for _, c := range []struct {
		name     string
		noEffect bool
		versions int
	}{{"lost on the way back", false, 3}, {"never arrived", true, 2}} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, oneKey)
			e.hurt("key-rotate", azuresim.Fault{Do: "empty-body", Lie: azuresim.Lie{NoEffect: c.noEffect}})
			e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
			if got := len(e.sim.Versions("kv", "k")); got != c.versions {
				t.Errorf("%d versions, want %d", got, c.versions)
			}
		})
	}
}

func TestLie_Properties(t *testing.T) {
	const path, in = "properties.encryption.keySource", "value[].properties.encryption.keySource"
	for _, c := range []struct {
		do, paths string
		value     any
		have      bool
		want      any
	}{
		{"omit", path, nil, false, nil},
		{"null-property", path, nil, true, nil},
		{"set", path, "Microsoft.Storage", true, "Microsoft.Storage"},
		{"set", path, map[string]any{"a": 1}, true, map[string]any{"a": 1.0}},
		{"null-property", "properties.nothing.there", nil, true, "Microsoft.Keyvault"},
	} {
		t.Run(c.do, func(t *testing.T) {
			e := mustEstate(t, dependents)
			e.hurt("storage-get", azuresim.Fault{Do: c.do, Lie: azuresim.Lie{Paths: []string{c.paths}, Value: c.value}})
			encryption := dig(e.get(arm(storageType, "st", "2023-05-01")), "properties.encryption").(map[string]any)
			if got, have := encryption["keySource"]; have != c.have || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("keySource %v %v, want %v %v", got, have, c.want, c.have)
			}
		})
	}
	e := mustEstate(t, "storage_accounts: [{name: 'st{n}', count: 3}]\n")
	e.hurt("storage-list", azuresim.Fault{Do: "omit", Lie: azuresim.Lie{Paths: []string{in}}})
	for _, member := range e.get(listURL(storageType))["value"].([]any) {
		if _, have := dig(member.(map[string]any), "properties.encryption").(map[string]any)["keySource"]; have {
			t.Error("a member of the list keeps the property")
		}
	}
}

func TestLie_OneMemberOfAList(t *testing.T) {
	e := mustEstate(t, "storage_accounts: [{name: 'st{n}', count: 3}]\n")
	e.hurt("storage-list", azuresim.Fault{Do: "omit", Lie: azuresim.Lie{Paths: []string{"value[1].properties.encryption"}}})
	for i, member := range e.get(listURL(storageType))["value"].([]any) {
		if have := dig(member.(map[string]any), "properties.encryption") != nil; have != (i != 1) {
			t.Errorf("member %d has the property: %v", i, have)
		}
	}
}

func TestLie_Foreign(t *testing.T) {
	const two = "vaults: [{name: kv, keys: [{name: k}, {name: other}]}, {name: far, keys: [{name: k}]}]\n" +
		"storage_accounts: [{name: a}, {name: b}]\ncosmosdb_accounts: [{name: c}]\n"
	account := arm(storageType, "a", "2023-05-01")
	for _, c := range []struct {
		name, operation, url, at, want string
		lie                            azuresim.Lie
	}{
		{"of the same type", "storage-get", account, "name", "b", azuresim.Lie{}},
		{"of another type", "storage-get", account, "type", "Microsoft.", azuresim.Lie{Type: "other"}},
		{"the named one", "storage-get", account, "name", "c", azuresim.Lie{Resource: "cosmosdb/c"}},
		{"another key of the vault", "key-get", keyURL + "?api-version=7.4", "key.kid", "https://kv.vault.azure.net/keys/other/", azuresim.Lie{}},
		{"a key of another vault", "key-get", keyURL + "?api-version=7.4", "key.kid", "https://far.vault.azure.net/keys/k/", azuresim.Lie{Key: "far/k"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, two)
			e.hurt(c.operation, azuresim.Fault{Do: "foreign", Lie: c.lie})
			d := e.get(c.url)
			if got := str(d, c.at); !strings.HasPrefix(got, c.want) || c.lie.Type == "other" && got == storageType {
				t.Errorf("%s is %s, want %s", c.at, got, c.want)
			}
		})
	}
	e := mustEstate(t, two)
	e.hurt("key-list-versions", azuresim.Fault{Do: "foreign"})
	list := e.get(keyURL + "/versions?api-version=7.4")["value"].([]any)
	if got := str(list[0].(map[string]any), "kid"); !strings.Contains(got, "/keys/other/") {
		t.Errorf("versions of %s", got)
	}
}

func TestLie_Lists(t *testing.T) {
	none := 0
	for _, c := range []struct {
		name, do string
		lie      azuresim.Lie
		want     string
	}{
		{"half a page", "cut-page", azuresim.Lie{}, "[st1]"},
		{"no page", "cut-page", azuresim.Lie{Items: &none}, "[]"},
		{"without one", "drop-from-list", azuresim.Lie{Members: []string{"*/st2"}}, "[st1 st3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, "page_size: 3\nstorage_accounts: [{name: 'st{n}', count: 5}]\n")
			e.hurt("storage-list", azuresim.Fault{Do: c.do, Lie: c.lie})
			if got := fmt.Sprint(e.listed(listURL(storageType))); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if next := e.get(listURL(storageType))["nextLink"]; (next == nil) != (c.do == "cut-page") {
				t.Errorf("next page %v", next)
			}
		})
	}
	e := mustEstate(t, "page_size: 3\nstorage_accounts: [{name: 'st{n}', count: 5}]\n")
	e.hurt("storage-list", azuresim.Fault{Do: "drop-from-list"})
	if got := e.listed(listURL(storageType)); len(got) != 2 {
		t.Errorf("one is drawn by the seed, but there are %v", got)
	}
}

func TestLie_RepeatPage(t *testing.T) {
	e := mustEstate(t, "page_size: 2\nstorage_accounts: [{name: 'st{n}', count: 5}]\n")
	e.hurt("storage-list", azuresim.Fault{Do: "repeat-page"})
	first := e.get(listURL(storageType))
	second := e.get(str(first, "nextLink"))
	if fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("the next page is another: %v", second)
	}
}

func TestLie_GraphListsToo(t *testing.T) {
	e := mustEstate(t, "storage_accounts: [{name: 'st{n}', count: 4}]\n")
	e.hurt("graph-query", azuresim.Fault{Do: "cut-page", When: azuresim.When{Count: 1}})
	e.hurt("graph-query", azuresim.Fault{Do: "drop-from-list", When: azuresim.When{Count: 1}, Lie: azuresim.Lie{Members: []string{"st4"}}})
	for _, want := range []string{"[st1 st2]", "[st1 st2 st3]", "[st1 st2 st3 st4]"} {
		if got := fmt.Sprint(e.ask("Resources | order by name asc")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestLie_OldList(t *testing.T) {
	e := mustEstate(t, "storage_accounts: [{name: st, key: kv/k}, {name: doomed}]\n"+oneKey)
	e.clock.Advance(30 * time.Minute)
	e.do(azuresim.Action{Do: "delete-resource", Resource: "doomed"})
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.do(azuresim.Action{Do: "switch-now", Resource: "st"})
	e.clock.Advance(5 * time.Minute)
	old := func() string {
		for _, member := range e.get(listURL(storageType))["value"].([]any) {
			if d := member.(map[string]any); str(d, "name") == "st" {
				return storageVersion(d)
			}
		}
		return "none"
	}
	e.hurt("*", azuresim.Fault{Do: "old-list", Lie: azuresim.Lie{Behind: azuresim.For(10 * time.Minute)}})
	if got := fmt.Sprint(e.listed(listURL(storageType))); got != "[doomed st]" {
		t.Errorf("accounts %s", got)
	}
	if got := len(e.listed(keyURL + "/versions?api-version=7.4")); got != 2 {
		t.Errorf("%d versions, want 2 of old", got)
	}
	if old() == e.newest() {
		t.Error("the list shows the new version")
	}
	// What is no list tells the truth, and so do lists once they caught up.
	if got := storageVersion(e.get(arm(storageType, "st", "2023-05-01"))); got != e.newest() {
		t.Errorf("the account is on %s", got)
	}
	e.clock.Advance(5 * time.Minute)
	if got := fmt.Sprint(e.listed(listURL(storageType))); got != "[st]" || old() != e.newest() {
		t.Errorf("later: %s on %s", got, old())
	}
	if got := len(e.listed(keyURL + "/versions?api-version=7.4")); got != 3 {
		t.Errorf("%d versions later", got)
	}
}

func TestLie_ExpiredToken(t *testing.T) {
	for _, c := range []struct{ name, url, challenge, body string }{
		// Recording arm.error-bodies.
		{"management", arm(storageType, "st", "2023-05-01"),
			`Bearer authorization_uri="https://login.windows.net/` + tenantID + `", error="invalid_token", error_description="The access token has expired."`,
			`{"error":{"code":"ExpiredAuthenticationToken","message":"The access token expiry UTC time '1/5/2026 7:59:42 AM' is earlier than current UTC time '1/5/2026 8:00:00 AM'."}}`},
		{"vault", keyURL + "?api-version=7.4",
			`Bearer authorization="https://login.microsoftonline.com/` + tenantID + `", resource="https://vault.azure.net"`, `{"error":{"code":"Unauthorized"`},
		{"blob", "https://st.blob.core.windows.net/c?restype=container&comp=list",
			"Bearer authorization_uri=https://login.microsoftonline.com/", "InvalidAuthenticationInfo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, dependents)
			e.sim.AddFault(azuresim.Fault{Match: azuresim.Match{Operation: "*-*"}, When: azuresim.When{Count: 1}, Do: "expired-token"})
			r := e.call(401, "GET", c.url, "")
			if got := r.header.Get("Www-Authenticate"); !strings.HasPrefix(got, c.challenge) {
				t.Errorf("challenge %s", got)
			}
			if !strings.Contains(string(r.body), c.body) {
				t.Errorf("body %s", r.body)
			}
			e.call(200, "GET", c.url, "")
		})
	}
}

func TestFault_CodeAlone(t *testing.T) {
	storage, key := arm(storageType, "st", "2023-05-01"), keyURL+"?api-version=7.4"
	for _, c := range []struct {
		code, url    string
		status       int
		outer, words string
	}{
		{"MissingSubscriptionRegistration", storage, 409, "", "The subscription is not registered to use namespace 'Microsoft.Storage'. See https://aka.ms/rps-not-found"},
		{"LinkedAuthorizationFailed", storage, 403, "", "on the linked scope(s)"},
		{"AuthorizationFailed", storage, 403, "", "does not have authorization to perform action 'Microsoft.Storage/storageAccounts/read'"},
		{"ScopeLocked", storage, 409, "", "cannot perform write operation because following scope(s) are locked: '/subscriptions/"},
		{"ReadOnlyDisabledSubscription", storage, 409, "", "The subscription '" + subID + "' is disabled and therefore marked as read only."},
		{"RequestDisallowedByPolicy", storage, 403, "", "Resource 'st' was disallowed by policy. Policy identifiers: '[{"},
		{"DenyAssignmentAuthorizationFailed", storage, 403, "", "; however, the access is denied because of the deny assignment with Id '"},
		{"SubscriptionRequestsThrottled", storage, 429, "", "and operation 'GET/SUBSCRIPTIONS/RESOURCEGROUPS/PROVIDERS/MICROSOFT.STORAGE/STORAGEACCOUNTS/' exceeded the backend storage limit. Please try again after '6' seconds."},
		{"TooManyRequests", storage, 429, "", "Too many requests. Please try again after sometime."},
		{"ResourceNotFound", storage, 404, "", "The Resource 'Microsoft.Storage/storageAccounts/st' under resource group 'contoso' was not found."},
		{"ForbiddenByRbac", key, 403, "Forbidden", "Action: 'Microsoft.KeyVault/vaults/keys/read'"},
		{"ForbiddenByPolicy", key, 403, "Forbidden", "does not have keys get permission on key vault 'kv;location=westeurope'."},
		{"ForbiddenByFirewall", key, 403, "Forbidden", "Client address is not authorized and caller is not a trusted service.\r\nClient address: "},
		{"ForbiddenByConnection", key, 403, "Forbidden", "Public network access is disabled and request is not from a trusted service"},
		{"KeyDisabled", key, 403, "Forbidden", "Operation get is not allowed on a disabled key."},
		{"KeyNotFound", key, 404, "", "A key with (name/id) k was not found in this key vault."},
		{"ObjectIsDeletedButRecoverable", key, 409, "Conflict", "Key k is currently in a deleted but recoverable state"},
		{"ObjectIsBeingDeleted", key, 409, "Conflict", "Key k is currently being deleted."},
	} {
		t.Run(c.code, func(t *testing.T) {
			e := mustEstate(t, dependents)
			e.token(c.url)
			e.sim.AddFault(azuresim.Fault{Do: "status", Code: c.code})
			r := e.call(c.status, "GET", c.url, "")
			outer, inner := code(t, r)
			if c.outer == "" {
				c.outer, c.code = c.code, ""
			}
			if outer != c.outer || inner != c.code {
				t.Errorf("code %s > %s", outer, inner)
			}
			if got := str(r.json(t), "error.message"); !strings.Contains(got, c.words) {
				t.Errorf("message %q", got)
			}
			// The wait stands in the message alone (facts-evidence §6).
			if r.header.Get("Retry-After") != "" {
				t.Error("Retry-After was not asked for")
			}
		})
	}
}

func TestFault_CodeOfAnotherSurface(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(storageType, "st", "2023-05-01")
	e.token(url)
	e.sim.AddFault(azuresim.Fault{Do: "forbidden", Code: "ForbiddenByFirewall"})
	if got, _ := code(t, e.call(403, "GET", url, "")); got != "ForbiddenByFirewall" {
		t.Errorf("code %s", got)
	}
}

func TestAction_RestoredVault(t *testing.T) {
	for _, c := range []struct {
		name   string
		action azuresim.Action
		left   int
	}{
		{"by time", azuresim.Action{Do: "restore-vault", Vault: "kv", Behind: azuresim.For(time.Hour)}, 2},
		{"by version", azuresim.Action{Do: "restore-vault", Key: "kv/k", Version: "oldest"}, 1},
		{"one version gone", azuresim.Action{Do: "vanish-version", Key: "kv/k", Version: "latest"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, oneKey)
			e.clock.Advance(2 * time.Hour)
			e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "oldest"})
			e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
			e.do(c.action)
			versions := e.sim.Versions("kv", "k")
			if len(versions) != c.left {
				t.Errorf("%d versions, want %d", len(versions), c.left)
			}
			if restored := c.action.Do == "restore-vault"; versions[0].Enabled != restored {
				t.Errorf("the oldest is enabled: %v", versions[0].Enabled)
			}
			if got := len(e.listed(keyURL + "/versions?api-version=7.4")); got != c.left {
				t.Errorf("%d listed", got)
			}
		})
	}
	e := mustEstate(t, oneKey)
	for _, a := range []azuresim.Action{
		{Do: "restore-vault", Vault: "nope"}, {Do: "restore-vault", Key: "kv/nope"}, {Do: "vanish-version", Key: "kv/k", Version: "nope"},
	} {
		if err := e.sim.Do(a); err == nil {
			t.Errorf("%v is done", a)
		}
	}
}

func TestAction_AVanishedVersionIsDenied(t *testing.T) {
	e := mustEstate(t, dependents)
	e.do(azuresim.Action{Do: "vanish-version", Key: "kv/k"})
	e.clock.Advance(time.Hour)
	r := e.call(403, "GET", "https://st.blob.core.windows.net/c/probe", "")
	if got := r.header.Get("x-ms-error-code"); got != "KeyVaultEncryptionKeyNotFound" {
		t.Errorf("code %s", got)
	}
}

func TestParseScenario_Lies(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"no paths", "faults:\n  - do: omit\n", "s.yaml:2: fault omit needs paths"},
		{"bad path", "faults:\n  - do: omit\n    paths: [a, 'a[x].b']\n", "s.yaml:3: path \"a[x].b\""},
		{"path to a member", "faults:\n  - do: omit\n    paths: ['value[]']\n", "s.yaml:3: path \"value[]\""},
		{"nothing to set", "faults:\n  - do: set\n    paths: [a]\n", "s.yaml:2: fault set needs a value"},
		{"not how old", "faults:\n  - do: old-list\n", "s.yaml:2: fault old-list needs to know how old; add behind: 10m"},
		{"no time", "faults:\n  - do: old-list\n    behind: soon\n", "s.yaml:3: \"soon\" is no duration"},
		{"no type", "faults:\n  - do: foreign\n    type: third\n", "s.yaml:3: type \"third\"; use same or other"},
		{"no key", "faults:\n  - do: foreign\n    key: v/k\n", "s.yaml:3: there is no vault \"v\""},
		{"less than nothing", "faults:\n  - do: cut-page\n    items: -1\n", "s.yaml:3: items -1; give 0 or more"},
		{"bad glob", "faults:\n  - do: drop-from-list\n    members: ['/(/']\n", "s.yaml:3: pattern \"/(/\""},
		{"no status", "faults:\n  - do: body\n    status: 99\n", "s.yaml:3: status 99; give 200 to 599"},
		{"unknown code", "faults:\n  - do: status\n    code: Nope\n", "s.yaml:2: fault status needs a status from 400 to 599"},
		{"known code", "faults:\n  - do: status\n    code: ScopeLocked\n", ""},
		{"restored to when", "events:\n  - {at: 1h, do: restore-vault, vault: v}\n", "s.yaml:2: restore-vault needs to know to when"},
		{"restored which", "events:\n  - {at: 1h, do: restore-vault, key: v/k, version: oldest}\n", "s.yaml:2: there is no vault \"v\""},
		{"which version vanishes", "events:\n  - {at: 1h, do: vanish-version}\n", "s.yaml:2: vanish-version needs a key"},
		{"no quirk", "quirks:\n  copy_tag: true\n", "s.yaml:2: unknown quirk \"copy_tag\"; use one of audit_refused, copy_tags"},
		{"no such value", "quirks:\n  copy_tags: maybe\n", "s.yaml:2: quirk copy_tags cannot be \"maybe\"; use true or false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := azuresim.ParseScenario("s.yaml", []byte(c.yaml))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// The scenario in the package's documentation is one.
func TestParseScenario_TheDocumentedOne(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var scenario strings.Builder
	for line := range strings.Lines(string(text)) {
		if inner, ok := strings.CutPrefix(line, "//\t"); ok {
			scenario.WriteString(inner)
		}
	}
	s, err := azuresim.ParseScenario("doc.yaml", []byte(scenario.String()))
	if err != nil || len(s.Faults) != 4 || len(s.Events) != 1 {
		t.Errorf("%v, %+v", err, s)
	}
}

// Whatever kind a fault is, an operation that it hits has an answer or loses it,
// and the next one is as if nothing had been.
func TestFault_EveryKindPasses(t *testing.T) {
	for _, kind := range azuresim.FaultKinds() {
		t.Run(kind, func(t *testing.T) {
			for _, url := range []string{
				arm(storageType, "st", "2023-05-01"), listURL(storageType), keyURL + "?api-version=7.4",
				keyURL + "/versions?api-version=7.4", "https://st.blob.core.windows.net/?comp=list",
			} {
				e := mustEstate(t, dependents)
				want := e.call(200, "GET", url, "")
				e.sim.AddFault(azuresim.Fault{
					Do: kind, Status: 500, When: azuresim.When{Count: 1}, Delay: azuresim.For(time.Microsecond),
					Lie: azuresim.Lie{Paths: []string{"a"}, Value: 1, Behind: azuresim.For(time.Minute)},
				})
				_, _ = e.send("GET", url, "", "Authorization", "Bearer "+e.token(url))
				if got := e.sim.Requests().Faults[kind]; got != 1 {
					t.Errorf("%s: hit %d times", url, got)
				}
				if got := e.call(200, "GET", url, ""); string(got.body) != string(want.body) {
					t.Errorf("%s: afterwards %s", url, got.body)
				}
			}
		})
	}
}
