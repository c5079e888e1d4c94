package azuresim_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

func TestParseScenario_Errors(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown field", "seed: 1\nsped: 2\n", "s.yaml:2: unknown field \"sped\"; remove it or correct its spelling"},
		{"unknown inner field", "vaults:\n  - name: a\n    purge: true\n", "s.yaml:3: unknown field \"purge\""},
		{"no YAML", "vaults: [\n", "s.yaml:1: "},
		{"bad duration", "vaults:\n  - name: a\n    read_lag: soon\n", "s.yaml:3: \"soon\" is no duration; write it like 90s, 24h or 7d"},
		{"bad event time", "events:\n  - at: noon\n    do: rotate-key\n", "s.yaml:2: \"noon\" is no duration"},
		{"bad start", "seed: 1\nstart: tomorrow\n", "s.yaml:2: start \"tomorrow\" is no time"},
		{"name missing", "vaults:\n  - hsm: true\n", "s.yaml:2: a name is missing; add name"},
		{"count without {n}", "vaults:\n  - name: a\n    count: 3\n", "s.yaml:2: count makes 3 of \"a\"; put {n} into the name"},
		{"no such vault", "storage_accounts:\n  - name: s\n    key: v/k\n", "s.yaml:3: there is no vault \"v\"; add it under vaults"},
		{"no such key", "vaults: [{name: v}]\nstorage_accounts:\n  - name: s\n    key: v/k\n", "s.yaml:4: vault v has no key \"k\"; add it under its keys"},
		{"unknown action", "events:\n  - {at: 1h, do: explode}\n", "s.yaml:2: unknown action \"explode\"; use one of rotate-key"},
		{"unknown fault", "faults:\n  - do: explode\n", "s.yaml:2: unknown fault \"explode\"; use one of timeout-after-effect"},
		{"fault without status", "faults:\n  - do: status\n", "fault status needs a status from 400 to 599"},
		{"bad pattern", "faults:\n  - do: drop\n    match: {path: /(/}\n", "give a glob, or /a regular expression/"},
		{"unknown role", "clients:\n  - id: a\n    roles: [King]\n", "s.yaml:3: unknown role \"King\"; use one of azure container"},
		{"bad key size", "vaults:\n  - name: v\n    keys:\n      - name: k\n        size: 1000\n", "s.yaml:5: size 1000; use 2048, 3072 or 4096"},
		{"bad version id", "vaults: [{name: v, keys: [{name: k, versions: [{id: XYZ}]}]}]\n", "is not 32 lower-case hexadecimal digits"},
		{"bad scope state", "storage_accounts:\n  - name: s\n    scopes:\n      - {name: a, state: On}\n", "s.yaml:4: unknown word \"On\"; use one of Enabled, Disabled"},
		{"bad scope key", "storage_accounts:\n  - name: s\n    scopes:\n      - {name: a, key: v/k}\n", "s.yaml:4: there is no vault \"v\""},
		{"no such set", "snapshots:\n  - name: s\n    disk_encryption_set: des\n", "s.yaml:3: there is no disk encryption set \"des\"; add it under disk_encryption_sets"},
		{"no such set of a point", "restore_points:\n  - {name: s, disk_encryption_set: des}\n", "s.yaml:2: there is no disk encryption set \"des\""},
		{"no such set of volumes", "managed_clusters:\n  - name: a\n    storage_class_set: des\n", "s.yaml:3: there is no disk encryption set \"des\""},
		{"group that follows and is pinned", "vaults: [{name: v, keys: [{name: k}]}]\ncontainer_groups:\n  - name: a\n    key: v/k\n    follows: true\n    version: latest\n", "s.yaml:6: a group that follows names no version"},
		{"no such key of etcd", "managed_clusters:\n  - name: a\n    kms_key: v/k\n", "s.yaml:3: there is no vault \"v\""},
		{"bad design", "managed_clusters:\n  - name: a\n    kms_design: newest\n", "s.yaml:3: unknown word \"newest\"; use one of legacy, new"},
		{"new design is not pinned", "vaults: [{name: v, keys: [{name: k}]}]\nmanaged_clusters:\n  - name: a\n    kms_key: v/k\n    kms_design: new\n    kms_version: latest\n", "s.yaml:6: the new design follows"},
		{"pool without a name", "managed_clusters:\n  - name: a\n    pools: [{nodes: 1}]\n", "s.yaml:3: a name is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := azuresim.ParseScenario("dir/s.yaml", []byte(c.yaml))
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "dir/", ""), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestParseScenario_AllProblemsAtOnce(t *testing.T) {
	_, err := azuresim.ParseScenario("s.yaml", []byte("vaults: [{hsm: true}]\nfaults: [{do: x}]\nevents: [{at: y, do: z}]\n"))
	if err == nil || strings.Count(err.Error(), "s.yaml:") != 4 {
		t.Errorf("got %v, want four problems", err)
	}
}

func TestScenarios_AllBuild(t *testing.T) {
	names := azuresim.Scenarios()
	if fmt.Sprint(names) != "[calm demo estate hidden stuck throttled]" {
		t.Errorf("scenarios %v", names)
	}
	for _, name := range names {
		scenario, err := azuresim.NamedScenario(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := azuresim.New(scenario, azuresim.Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := azuresim.NamedScenario("nope"); err == nil || !strings.Contains(err.Error(), "calm, demo") {
		t.Errorf("unknown scenario: %v", err)
	}
}

func TestScenario_TenThousandInALine(t *testing.T) {
	e := mustEstate(t, oneKey+"storage_accounts: [{name: 'st{n}', count: 10000, key: kv/k, pace: {first_check: 1h, jitter: 1h}}]\n")
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(48 * time.Hour)
	if got := storageVersion(e.get(arm(storageType, "st10000", "2023-05-01"))); got != e.newest() {
		t.Errorf("the last one uses %s", got)
	}
}

func TestScenario_Events(t *testing.T) {
	e := mustEstate(t, dependents+`events:
  - {at: 1h, do: rotate-key, key: kv/k}
  - {at: 2h, do: disable-version, key: kv/k, version: oldest}
  - {at: 3h, do: delete-resource, resource: batch}
  - {at: 4h, do: set-property, resource: st, properties: {tags: {seen: "yes"}}}
  - at: 5h
    do: add-resource
    properties:
      id: /subscriptions/`+subID+`/resourceGroups/late/providers/Microsoft.Storage/storageAccounts/latest
      name: latest
      location: westeurope
      properties: {encryption: {keySource: Microsoft.Keyvault, keyvaultproperties: {keyvaulturi: "https://kv.vault.azure.net", keyname: k}}}
`)
	e.clock.Advance(90 * time.Minute)
	versions := e.sim.Versions("kv", "k")
	if len(versions) != 3 || !versions[2].Created.Equal(e.clock.Now().Add(-30*time.Minute)) || !versions[0].Enabled {
		t.Errorf("versions %+v", versions)
	}
	e.clock.Advance(24 * time.Hour)
	if e.sim.Versions("kv", "k")[0].Enabled {
		t.Error("the oldest is still enabled")
	}
	e.call(404, "GET", arm(groupType, "batch", "2022-09-01"), "")
	if got := str(e.get(arm(storageType, "st", "2023-05-01")), "tags.seen"); got != "yes" {
		t.Errorf("tag %q", got)
	}
	late, ok := e.sim.Resource("/SUBSCRIPTIONS/" + subID + "/resourcegroups/late/providers/microsoft.storage/storageaccounts/latest")
	if !ok || storageVersion(late) != e.newest() {
		t.Errorf("late resource %v %v", ok, late)
	}
}

func TestDo_Errors(t *testing.T) {
	e := mustEstate(t, dependents)
	for _, c := range []struct {
		action azuresim.Action
		want   error
	}{
		{azuresim.Action{Do: "rotate-key", Key: "kv/none"}, azuresim.ErrNoSuchKey},
		{azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "0123"}, azuresim.ErrNoSuchVersion},
		{azuresim.Action{Do: "pin", Resource: "none"}, azuresim.ErrNoSuchResource},
		{azuresim.Action{Do: "deny", Client: "nobody"}, azuresim.ErrNoSuchClient},
		{azuresim.Action{Do: "dance", Resource: "st"}, azuresim.ErrUnknownAction},
	} {
		if err := e.sim.Do(c.action); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.action.Do, err, c.want)
		}
	}
}

func TestTransport_Hosts(t *testing.T) {
	e := mustEstate(t, oneKey)
	if _, err := e.send("GET", "https://example.com/", ""); !errors.Is(err, azuresim.ErrHostRefused) {
		t.Errorf("got %v, want ErrHostRefused", err)
	}
	if _, err := e.send("GET", "https://nope.vault.azure.net/keys?api-version=7.4", ""); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got %v, want what a resolver says", err)
	}
}

func TestLogin_ForTheCommandLine(t *testing.T) {
	e := mustEstate(t, oneKey)
	for _, url := range []string{
		"https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
		"https://login.microsoftonline.com/" + tenantID + "/v2.0/.well-known/openid-configuration",
		"https://login.windows.net/" + tenantID + "/.well-known/openid-configuration",
	} {
		if r, err := e.send("GET", url, ""); err != nil || r.status != 200 {
			t.Errorf("%s: %d %v", url, r.status, err)
		}
	}
	if got := len(e.get("https://management.azure.com/subscriptions?api-version=2022-12-01")["value"].([]any)); got != 1 {
		t.Errorf("%d subscriptions", got)
	}
	if got := len(e.get("https://management.azure.com/tenants?api-version=2022-12-01")["value"].([]any)); got != 1 {
		t.Errorf("%d tenants", got)
	}
	r, err := e.send("POST", "https://login.microsoftonline.com/nowhere/oauth2/v2.0/token", "grant_type=client_credentials")
	if err != nil || r.status != 400 || !strings.Contains(string(r.body), "AADSTS90002") {
		t.Errorf("unknown tenant: %d %s %v", r.status, r.body, err)
	}
}

func TestClock_Scaled(t *testing.T) {
	epoch := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	clock := azuresim.NewScaledClock(epoch, time.Now().Add(-time.Minute), 3600)
	if got := clock.Now().Sub(epoch); got < 60*time.Hour || got > 61*time.Hour {
		t.Errorf("a minute at 3600 is %v", got)
	}
}

func TestServer_Log(t *testing.T) {
	scenario, err := azuresim.ParseScenario("s.yaml", []byte(header+oneKey))
	if err != nil {
		t.Fatal(err)
	}
	var seen []azuresim.Exchange
	sim, err := azuresim.New(scenario, azuresim.Options{Log: func(x azuresim.Exchange) { seen = append(seen, x) }})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", keyURL+"?api-version=7.4", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := sim.Transport().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if len(seen) != 1 || seen[0].Operation != "key-get" || seen[0].Status != 401 || seen[0].Host != "kv.vault.azure.net" {
		t.Errorf("log %+v", seen)
	}
}
