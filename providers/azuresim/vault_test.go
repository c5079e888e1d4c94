package azuresim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const oneKey = "vaults: [{name: kv, keys: [{name: k, versions: [{age: 48h}, {age: 24h}]}]}]\n"

const keyURL = "https://kv.vault.azure.net/keys/k"

func TestVault_Challenge(t *testing.T) {
	e := mustEstate(t, oneKey)
	r, err := e.send("POST", keyURL+"/create?api-version=7.4", "")
	if err != nil {
		t.Fatal(err)
	}
	// Recording keyvault.key.
	want := `Bearer authorization="https://login.microsoftonline.com/` + tenantID + `", resource="https://vault.azure.net"`
	if got := r.header.Get("WWW-Authenticate"); r.status != 401 || got != want {
		t.Errorf("got %d %s, want 401 %s", r.status, got, want)
	}
	if want := `{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}`; string(r.body) != want {
		t.Errorf("body %s, want %s", r.body, want)
	}
}

func TestVault_WrongAudience(t *testing.T) {
	e := mustEstate(t, oneKey)
	r, err := e.send("GET", keyURL+"?api-version=7.4", "", "Authorization", "Bearer "+e.token("https://management.azure.com"))
	if err != nil || r.status != 401 {
		t.Errorf("got %d %v, want 401", r.status, err)
	}
}

func TestVault_RotateDisableEnable(t *testing.T) {
	e := mustEstate(t, oneKey)
	created := e.call(200, "POST", keyURL+"/rotate?api-version=7.5", "").json(t)
	kid := str(created, "key.kid")
	if got := len(e.sim.Versions("kv", "k")); got != 3 {
		t.Fatalf("%d versions, want 3", got)
	}
	if got := str(e.get(keyURL+"?api-version=7.5"), "key.kid"); got != kid {
		t.Errorf("newest is %s, want %s", got, kid)
	}
	e.clock.Advance(time.Minute)
	off := e.call(200, "PATCH", kid+"?api-version=7.5", `{"attributes":{"enabled":false},"tags":{"by":"test"}}`).json(t)
	if dig(off, "attributes.enabled") != false || str(off, "tags.by") != "test" {
		t.Errorf("update answered %v", off)
	}
	if dig(off, "attributes.updated").(float64) <= dig(off, "attributes.created").(float64) {
		t.Error("updated did not move")
	}
	// A disabled key can still be read, but what it wrapped cannot be had back.
	// Whether it still wraps is a quirk.
	e.get(kid + "?api-version=7.5")
	r := e.call(403, "POST", kid+"/unwrapkey?api-version=7.5", `{"alg":"RSA-OAEP","value":"YWJj"}`)
	if outer, inner := code(t, r); outer != "Forbidden" || inner != "KeyDisabled" {
		t.Errorf("got %s/%s", outer, inner)
	}
	e.call(200, "PATCH", kid+"?api-version=7.5", `{"attributes":{"enabled":true}}`)
	e.call(200, "POST", kid+"/wrapkey?api-version=7.5", `{"alg":"RSA-OAEP","value":"YWJj"}`)
}

func TestVault_Paging(t *testing.T) {
	e := mustEstate(t, "vaults: [{name: kv, keys: [{name: k, versions: [{age: 48h, count: 60}]}]}]\n")
	for _, query := range []string{"", "&maxresults=7"} {
		next, seen, pages := keyURL+"/versions?api-version=7.4"+query, map[string]bool{}, 0
		inOrder, last := true, 0.0
		for next != "" {
			pages++
			page := e.get(next)
			for _, item := range page["value"].([]any) {
				item := item.(map[string]any)
				seen[str(item, "kid")] = true
				created := dig(item, "attributes.created").(float64)
				inOrder = inOrder && created >= last
				last = created
			}
			next = str(page, "nextLink")
			if next != "" && !strings.HasPrefix(next, "https://kv.vault.azure.net:443/keys/k/versions?api-version=7.4&$skiptoken=") {
				t.Fatalf("nextLink %s", next)
			}
		}
		want := map[string]int{"": 3, "&maxresults=7": 9}[query]
		if len(seen) != 60 || pages != want {
			t.Errorf("%q: %d versions on %d pages, want 60 on %d", query, len(seen), pages, want)
		}
		if inOrder {
			t.Errorf("%q: versions come in the order of time; Azure's do not", query)
		}
	}
}

func TestVault_SameSeedSameVersions(t *testing.T) {
	a, b := mustEstate(t, oneKey), mustEstate(t, oneKey)
	for range 3 {
		a.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
		b.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	}
	if got, want := fmt.Sprint(a.sim.Versions("kv", "k")), fmt.Sprint(b.sim.Versions("kv", "k")); got != want {
		t.Errorf("histories differ:\n%s\n%s", got, want)
	}
}

func TestVault_ReadLag(t *testing.T) {
	e := mustEstate(t, "vaults: [{name: kv, read_lag: 60s, keys: [{name: k}]}]\n")
	before := str(e.get(keyURL+"?api-version=7.4"), "key.kid")
	after := str(e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "").json(t), "key.kid")
	if got := str(e.get(keyURL+"?api-version=7.4"), "key.kid"); got != before {
		t.Errorf("right after: %s, want the old %s", got, before)
	}
	if list := e.get(keyURL + "/versions?api-version=7.4")["value"].([]any); len(list) != 1 {
		t.Errorf("right after: %d versions, want 1", len(list))
	}
	e.clock.Advance(60 * time.Second)
	if got := str(e.get(keyURL+"?api-version=7.4"), "key.kid"); got != after {
		t.Errorf("later: %s, want %s", got, after)
	}
}

func TestVault_DeleteRecoverPurge(t *testing.T) {
	e := mustEstate(t, `vaults:
  - {name: kv, retention_days: 7, settle_after_delete: 5s, keys: [{name: k}]}
  - {name: safe, purge_protection: true, keys: [{name: k}]}
`)
	deleted := e.call(200, "DELETE", keyURL+"?api-version=7.3", "").json(t)
	if str(deleted, "recoveryId") != "https://kv.vault.azure.net/deletedkeys/k" {
		t.Errorf("recoveryId %v", deleted["recoveryId"])
	}
	// Recording keyvault.crud-rsa: seven days.
	if days := (deleted["scheduledPurgeDate"].(float64) - deleted["deletedDate"].(float64)) / 86400; days != 7 {
		t.Errorf("purged after %v days", days)
	}
	const deletedURL = "https://kv.vault.azure.net/deletedkeys/k"
	e.call(404, "GET", deletedURL+"?api-version=7.3", "")
	e.call(404, "GET", keyURL+"?api-version=7.3", "")
	r := e.call(409, "POST", keyURL+"/create?api-version=7.3", `{"kty":"RSA"}`)
	if _, inner := code(t, r); inner != "ObjectIsDeletedButRecoverable" {
		t.Errorf("inner code %s", inner)
	}
	e.clock.Advance(10 * time.Second)
	e.call(200, "GET", deletedURL+"?api-version=7.3", "")
	e.call(200, "POST", deletedURL+"/recover?api-version=7.3", "")
	e.clock.Advance(10 * time.Second)
	e.call(200, "GET", keyURL+"?api-version=7.3", "")
	e.call(200, "DELETE", keyURL+"?api-version=7.3", "")
	e.clock.Advance(10 * time.Second)
	e.call(204, "DELETE", deletedURL+"?api-version=7.3", "")
	e.call(404, "GET", deletedURL+"?api-version=7.3", "")

	e.call(200, "DELETE", "https://safe.vault.azure.net/keys/k?api-version=7.3", "")
	e.call(403, "DELETE", "https://safe.vault.azure.net/deletedkeys/k?api-version=7.3", "")
}

// Azure gives a new key a policy that makes no version.
func TestVault_PolicyOfANewKeyOnlyNotifies(t *testing.T) {
	e := mustEstate(t, "vaults: [{name: kv, keys: [{name: k}]}]\n")
	policy := e.get(keyURL + "/rotationpolicy?api-version=7.4")
	actions, _ := policy["lifetimeActions"].([]any)
	if len(actions) != 1 || str(policy, "attributes.expiryTime") != "" {
		t.Fatalf("policy %v", policy)
	}
	if got := fmt.Sprint(actions[0]); got != "map[action:map[type:Notify] trigger:map[timeBeforeExpiry:P30D]]" {
		t.Errorf("action %s", got)
	}
	e.call(404, "GET", "https://kv.vault.azure.net/keys/none/rotationpolicy?api-version=7.4", "")
}

func TestVault_PolicyRotatesByItself(t *testing.T) {
	e := mustEstate(t, "vaults: [{name: kv, keys: [{name: k}]}]\n")
	policy := `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P15D"},"action":{"type":"Rotate"}},` +
		`{"trigger":{"timeBeforeExpiry":"P7D"},"action":{"type":"Notify"}}],"attributes":{"expiryTime":"P30D"}}`
	put := e.call(200, "PUT", keyURL+"/rotationpolicy?api-version=7.4", policy).json(t)
	if str(put, "id") != keyURL+"/rotationpolicy" || str(put, "attributes.expiryTime") != "P30D" {
		t.Errorf("policy %v", put)
	}
	e.clock.Advance(15*24*time.Hour - time.Second)
	if got := len(e.sim.Versions("kv", "k")); got != 1 {
		t.Fatalf("%d versions too early", got)
	}
	e.clock.Advance(31 * 24 * time.Hour)
	versions := e.sim.Versions("kv", "k")
	if len(versions) != 4 {
		t.Fatalf("%d versions, want 4: one each 15 days", len(versions))
	}
	if gap := versions[2].Created.Sub(versions[1].Created); gap != 15*24*time.Hour {
		t.Errorf("rotated after %v", gap)
	}
	newest := e.get(keyURL + "?api-version=7.4")
	if life := dig(newest, "attributes.exp").(float64) - dig(newest, "attributes.created").(float64); life != 30*86400 {
		t.Errorf("expires after %v s", life)
	}
}

func TestVault_ManagedHSM(t *testing.T) {
	e := mustEstate(t, "vaults: [{name: hsm, hsm: true, keys: [{name: k, type: EC}]}]\n")
	const url = "https://hsm.managedhsm.azure.net/keys/k"
	r, err := e.send("GET", url+"?api-version=7.3", "")
	if err != nil || r.status != 401 || len(r.body) != 0 ||
		!strings.Contains(r.header.Get("WWW-Authenticate"), `resource="https://managedhsm.azure.net"`) {
		t.Errorf("challenge %d %q %s %v", r.status, r.body, r.header.Get("WWW-Authenticate"), err)
	}
	if got := str(e.get(url+"?api-version=7.3"), "key.kty"); got != "EC-HSM" {
		t.Errorf("kty %s", got)
	}
	policy := e.call(200, "PUT", url+"/rotationpolicy?api-version=7.3",
		`{"attributes":{"expiryTime":"P90D"},"lifetimeActions":[{"action":{"type":"Rotate"},"trigger":{"timeAfterCreate":"P30D"}}]}`).json(t)
	if got := str(policy, "id"); got != "keys/k/rotationpolicy" {
		t.Errorf("policy id %s", got)
	}
	if got := fmt.Sprint(policy["lifetimeActions"]); !strings.Contains(got, "rotate") || strings.Contains(got, "Rotate") {
		t.Errorf("actions %s", got)
	}
	missing := e.call(404, "POST", "https://hsm.managedhsm.azure.net/keys/none/rotate?api-version=7.3", "")
	if !strings.Contains(string(missing.body), "Key not found: Key not found: https://hsm.managedhsm.azure.net/keys/none (Activity ID: ") {
		t.Errorf("not found says %s", missing.body)
	}
}

func TestVault_SignVerifyAndImport(t *testing.T) {
	e := mustEstate(t, "vaults: [{name: kv, keys: [{name: k, type: EC, curve: P-384}, {name: r, size: 3072}]}]\n")
	for name, alg := range map[string]string{"k": "ES384", "r": "RS256"} {
		digest := strings.Repeat("A", 43)
		if alg == "ES384" {
			digest = strings.Repeat("A", 64)
		}
		base := "https://kv.vault.azure.net/keys/" + name
		signed := e.call(200, "POST", base+"/sign?api-version=7.4", `{"alg":"`+alg+`","value":"`+digest+`"}`).json(t)
		verified := e.call(200, "POST", base+"/verify?api-version=7.4",
			`{"alg":"`+alg+`","digest":"`+digest+`","value":"`+str(signed, "value")+`"}`).json(t)
		if verified["value"] != true {
			t.Errorf("%s: %v", alg, verified)
		}
	}
	wrapped := e.call(200, "POST", "https://kv.vault.azure.net/keys/r/encrypt?api-version=7.4", `{"alg":"RSA-OAEP-256","value":"YWJj"}`).json(t)
	plain := e.call(200, "POST", str(wrapped, "kid")+"/decrypt?api-version=7.4",
		`{"alg":"RSA-OAEP-256","value":"`+str(wrapped, "value")+`"}`).json(t)
	if plain["value"] != "YWJj" {
		t.Errorf("decrypted %v", plain)
	}
}

func TestVault_Permissions(t *testing.T) {
	e := mustEstate(t, oneKey+"clients: [{id: "+clientID+", secret: "+secret+", roles: [Key Vault Crypto Officer]}]\n")
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	if err := e.sim.Do(azuresim.Action{Do: "deny", Client: clientID, Permission: "*/rotate/action"}); err != nil {
		t.Fatal(err)
	}
	r := e.call(403, "POST", keyURL+"/rotate?api-version=7.4", "")
	if outer, inner := code(t, r); outer != "Forbidden" || inner != "ForbiddenByRbac" {
		t.Errorf("got %s/%s", outer, inner)
	}
	e.call(200, "GET", keyURL+"?api-version=7.4", "")
	if err := e.sim.Do(azuresim.Action{Do: "allow", Client: clientID, Permission: "*/rotate/action"}); err != nil {
		t.Fatal(err)
	}
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	// The role reaches no further than the vault's data.
	e.call(403, "GET", arm("Microsoft.KeyVault/vaults", "kv", "2023-07-01"), "")
}
