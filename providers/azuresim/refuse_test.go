package azuresim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// keysOfAllSorts has a key that is good and one for each way not to be.
const keysOfAllSorts = `
vaults:
  - name: kvp
    purge_protection: true
    keys:
      - {name: k}
      - {name: off, versions: [{disabled: true}]}
      - {name: old, versions: [{age: 48h, expires: -1h}]}
      - {name: mixed, versions: [{age: 48h, disabled: true, id: a0000000000000000000000000000001}, {age: 24h, id: a0000000000000000000000000000002}]}
  - {name: loose, keys: [{name: k}]}
quirks: {set_needs_purge_protection: true}
storage_accounts:
  - {name: st, key: kvp/k, scopes: [{name: s, key: kvp/k}]}
  - {name: shut, key: kvp/k, scopes: [{name: s, key: kvp/k}]}
cosmosdb_accounts: [{name: cosmos, key: kvp/k}, {name: shut, key: kvp/k}]
disk_encryption_sets: [{name: des, key: kvp/k, disks: 1}, {name: shut, key: kvp/k}, {name: bare, key: kvp/k}]
managed_clusters: [{name: aks, kms_key: kvp/k, kms_version: latest}, {name: shut, kms_key: kvp/k, kms_version: latest}]
container_groups: [{name: batch, key: kvp/k, version: latest}, {name: shut, key: kvp/k, version: latest}]
events:
  - {at: 0s, do: revoke-access, resource: storage/shut}
  - {at: 0s, do: revoke-access, resource: cosmosdb/shut}
  - {at: 0s, do: revoke-access, resource: disk-encryption-set/shut}
  - {at: 0s, do: revoke-access, resource: managed-cluster/shut}
`

func storageBody(vault, key, version string) string {
	return fmt.Sprintf(`{"properties":{"encryption":{"keySource":"Microsoft.Keyvault","keyvaultproperties":`+
		`{"keyvaulturi":"https://%s.vault.azure.net","keyname":%q,"keyversion":%q}}}}`, vault, key, version)
}

func setBody(url string) string {
	return `{"location":"westeurope","properties":{"activeKey":{"keyUrl":"` + url + `"}}}`
}

func TestRefuse_KeysThatCannotBeUsed(t *testing.T) {
	const version1 = "/a0000000000000000000000000000001"
	account := func(name string) string { return arm(storageType, name, "2023-05-01") }
	set := func(name string) string { return arm(desType, name, "2023-04-02") }
	cosmos := func(name string) string { return arm(cosmosType, name, "2023-09-15") }
	cluster := func(name string) string { return arm(clusterType, name, "2023-11-01") }
	cosmosBody := func(url string) string { return `{"properties":{"keyVaultKeyUri":"` + url + `"}}` }
	clusterBody := func(url string) string {
		return `{"location":"westeurope","properties":{"securityProfile":{"azureKeyVaultKms":{"enabled":true,"keyVaultNetworkAccess":"Public","keyId":"` + url + `"}}}}`
	}
	scopeOf := func(account, name string) string {
		return strings.Replace(arm(storageType, account, "2025-01-01"), "?", "/encryptionScopes/"+name+"?", 1)
	}
	scopeBody := func(url string) string {
		return `{"properties":{"source":"Microsoft.KeyVault","keyVaultProperties":{"keyUri":"` + url + `"}}}`
	}
	const keys = "https://kvp.vault.azure.net/keys/"
	for _, c := range []struct {
		name, method, url, body, code string
		status                        int
	}{
		{"storage: no vault", "PATCH", account("st"), storageBody("nope", "k", ""), "KeyVaultVaultNotFound", 400},
		{"storage: no key", "PATCH", account("st"), storageBody("kvp", "nope", ""), "KeyVaultEncryptionKeyNotFound", 400},
		{"storage: no version", "PATCH", account("st"), storageBody("kvp", "k", strings.Repeat("0", 32)), "KeyVaultEncryptionKeyNotFound", 400},
		{"storage: disabled", "PATCH", account("st"), storageBody("kvp", "off", ""), "KeyVaultEncryptionKeyNotFound", 400},
		{"storage: disabled version", "PATCH", account("st"), storageBody("kvp", "mixed", version1[1:]), "KeyVaultEncryptionKeyNotFound", 400},
		{"storage: newest usable", "PATCH", account("st"), storageBody("kvp", "mixed", ""), "", 200},
		{"storage: expired", "PATCH", account("st"), storageBody("kvp", "old", ""), "BadRequest", 400},
		{"storage: no access", "PATCH", account("shut"), storageBody("kvp", "k", ""), "KeyVaultAccessTokenCannotBeAcquired", 403},
		{"storage: no purge protection", "PATCH", account("st"), storageBody("loose", "k", ""), "KeyVaultPolicyError", 400},
		{"storage: a new account", "PUT", account("fresh"), `{"location":"westeurope",` + storageBody("kvp", "nope", "")[1:], "KeyVaultEncryptionKeyNotFound", 400},
		{"storage: tags of one without access", "PATCH", account("shut"), `{"tags":{"a":"b"}}`, "", 200},
		{"storage: back to Microsoft's keys", "PATCH", account("shut"), `{"properties":{"encryption":{"keySource":"Microsoft.Storage"}}}`, "", 200},
		{"storage: unknown source", "PATCH", account("st"), `{"properties":{"encryption":{"keySource":"Microsoft.Moon"}}}`, "InvalidValuesForRequestParameters", 400},
		{"storage: which key", "PUT", account("fresh"), `{"location":"westeurope","properties":{"encryption":{"keySource":"Microsoft.Keyvault"}}}`, "MissingKeyvaultProperties", 400},
		{"scope: no key", "PATCH", scopeOf("st", "s"), scopeBody(keys + "nope"), "KeyVaultEncryptionKeyNotFound", 400},
		{"scope: no version", "PATCH", scopeOf("st", "s"), scopeBody(keys + "k" + version1), "KeyVaultEncryptionKeyNotFound", 400},
		{"scope: its account has no access", "PATCH", scopeOf("shut", "s"), scopeBody(keys + "k"), "KeyVaultAccessTokenCannotBeAcquired", 403},
		{"scope: no purge protection", "PATCH", scopeOf("st", "s"), scopeBody("https://loose.vault.azure.net/keys/k"), "KeyVaultPolicyError", 400},
		{"scope: a new one without the key", "PUT", scopeOf("st", "n"), scopeBody(keys + "nope"), "KeyVaultEncryptionKeyNotFound", 400},
		{"scope: a new one of an account without access", "PUT", scopeOf("shut", "n"), scopeBody(keys + "k"), "KeyVaultAccessTokenCannotBeAcquired", 403},
		{"scope: a new one", "PUT", scopeOf("st", "n"), scopeBody(keys + "mixed"), "", 201},
		{"scope: disabled without access", "PATCH", scopeOf("shut", "s"), `{"properties":{"state":"Disabled"}}`, "", 200},
		{"set: malformed", "PUT", set("des"), setBody("https://kvp.vault.azure.net/secrets/k"), "BadRequest", 400},
		{"set: ill-formed name", "PUT", set("des"), setBody(keys + "k_1" + version1), "BadRequest", 400},
		{"set: no vault", "PUT", set("des"), setBody("https://nope.vault.azure.net/keys/k" + version1), "BadRequest", 400},
		{"set: no version", "PUT", set("des"), setBody(keys + "k" + version1), "BadRequest", 400},
		{"set: disabled version", "PUT", set("des"), setBody(keys + "mixed" + version1), "BadRequest", 400},
		{"set: good version", "PUT", set("des"), setBody(keys + "mixed/a0000000000000000000000000000002"), "", 202},
		{"set: no access", "PATCH", set("shut"), setBody(keys + "mixed/a0000000000000000000000000000002"), "KeyVaultAccessForbidden", 403},
		{"set: no purge protection", "PUT", set("des"), setBody("https://loose.vault.azure.net/keys/k"), "BadRequest", 400},
		{"cosmos: no key", "PATCH", cosmos("cosmos"), cosmosBody(keys + "nope"), "BadRequest", 400},
		{"cosmos: no access", "PATCH", cosmos("shut"), cosmosBody(keys + "k"), "BadRequest", 400},
		{"cosmos: good key", "PATCH", cosmos("cosmos"), cosmosBody(keys + "mixed"), "", 200},
		{"cluster: no version", "PUT", cluster("aks"), clusterBody(keys + "k" + version1), "BadRequest", 400},
		{"cluster: no access", "PUT", cluster("shut"), clusterBody(keys + "mixed/a0000000000000000000000000000002"), "AzureKeyVaultKmsValidateIdentityPermissionCustomerError", 400},
		{"cluster: how to reach the vault", "PUT", cluster("aks"), strings.Replace(clusterBody(keys+"k"), `"keyVaultNetworkAccess":"Public",`, "", 1), "BadRequest", 400},
		{"cluster: good version", "PUT", cluster("aks"), clusterBody(keys + "mixed/a0000000000000000000000000000002"), "", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, keysOfAllSorts)
			r := e.call(c.status, c.method, c.url, c.body)
			if c.code == "" {
				return
			}
			if got, _ := code(t, r); got != c.code {
				t.Errorf("code %s, want %s\n%s", got, c.code, r.body)
			}
		})
	}
}

// What was refused has not happened.
func TestRefuse_ChangesNothing(t *testing.T) {
	e := mustEstate(t, keysOfAllSorts)
	url := arm(desType, "des", "2023-04-02")
	before := fmt.Sprint(e.get(url))
	e.call(400, "PUT", url, setBody("https://nope.vault.azure.net/keys/k/1"))
	e.clock.Advance(time.Minute)
	if after := fmt.Sprint(e.get(url)); after != before {
		t.Errorf("was %s\nis %s", before, after)
	}
	e.call(404, "GET", arm(storageType, "fresh", "2023-05-01"), "")
	e.call(400, "PUT", arm(storageType, "fresh", "2023-05-01"), `{"location":"westeurope",`+storageBody("kvp", "nope", "")[1:])
	e.call(404, "GET", arm(storageType, "fresh", "2023-05-01"), "")
}

func TestRefuse_ContainerGroupFailsToDeploy(t *testing.T) {
	e := mustEstate(t, keysOfAllSorts)
	for version, want := range map[string]string{
		"a0000000000000000000000000000001": "Failed", "a0000000000000000000000000000002": "Succeeded", "a0000000000000000000000000000009": "Failed",
	} {
		r := e.call(200, "PUT", arm(groupType, "batch", "2022-09-01"), `{"location":"westeurope","properties":{"containers":[],"encryptionProperties":`+
			`{"vaultBaseUrl":"https://kvp.vault.azure.net/","keyName":"mixed","keyVersion":"`+version+`"}}}`)
		if got := str(e.finish(r), "status"); got != want {
			t.Errorf("version %s: %s, want %s", version, got, want)
		}
	}
}

func TestRefuse_SetInUse(t *testing.T) {
	e := mustEstate(t, keysOfAllSorts)
	if got, _ := code(t, e.call(409, "DELETE", arm(desType, "des", "2023-04-02"), "")); got != "OperationNotAllowed" {
		t.Errorf("code %s", got)
	}
	e.call(202, "DELETE", arm(desType, "bare", "2023-04-02"), "")
}

// A set must live on for whatever it opens a key for.
func TestRefuse_SetThatOpensCopies(t *testing.T) {
	for _, c := range []struct{ name, estate, by string }{
		{"snapshot", "snapshots: [{name: s, disk_encryption_set: des}]", "/snapshots/s"},
		{"image", "images: [{name: i, disk_encryption_set: des}]", "/images/i"},
		{"restore point", "restore_points: [{name: p, disk_encryption_set: des}]", "/restorePoints/p/diskRestorePoints/"},
		{"ephemeral node", "managed_clusters: [{name: aks, disk_encryption_set: des, pools: [{name: work, ephemeral: true, nodes: 1}]}]", "/virtualMachines/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, oneKey+"disk_encryption_sets: [{name: des, key: kv/k}]\n"+c.estate+"\n")
			r := e.call(409, "DELETE", arm(desType, "des", "2023-04-02"), "")
			if got, _ := code(t, r); got != "OperationNotAllowed" || !strings.Contains(string(r.body), c.by) {
				t.Errorf("answer %s, want it to name %s", r.body, c.by)
			}
		})
	}
}

// The right to a key is judged as services feel it: by role, where the vault looks.
func TestRefuse_WithoutTheRole(t *testing.T) {
	const guarded = `
vaults: [{name: kv, purge_protection: true, enforce_access: true, keys: [{name: k}, {name: other}]}]
storage_accounts: [{name: st, key: kv/k, scopes: [{name: s}]}]
role_lag: 1m
`
	e := mustEstate(t, guarded)
	account, scope := arm(storageType, "st", "2023-05-01"), strings.Replace(arm(storageType, "st", "2025-01-01"), "?", "/encryptionScopes/s?", 1)
	body := `{"properties":{"source":"Microsoft.KeyVault","keyVaultProperties":{"keyUri":"https://kv.vault.azure.net/keys/other"}}}`
	e.call(403, "PATCH", account, storageBody("kv", "other", ""))
	e.call(403, "PATCH", scope, body)
	if err := e.sim.Do(azuresim.Action{Do: "assign-role", Principal: "storage/st", Role: "Key Vault Crypto Service Encryption User", Scope: "vault/kv"}); err != nil {
		t.Fatal(err)
	}
	e.call(403, "PATCH", scope, body)
	e.clock.Advance(time.Minute)
	e.call(200, "PATCH", scope, body)
	e.call(200, "PATCH", account, storageBody("kv", "other", ""))
}

func TestRefuse_APIVersions(t *testing.T) {
	e := mustEstate(t, keysOfAllSorts)
	list := strings.Replace(arm(desType, "", "2023-04-03"), "/?", "?", 1)
	for _, c := range []struct {
		name, url, code string
		status          int
	}{
		{"between two that there are", arm(desType, "des", "2023-04-01"), "NoRegisteredProviderFound", 400},
		{"of a list", strings.Replace(list, "2023-04-03", "2023-04-01", 1), "InvalidResourceType", 404},
		{"from the future", arm(storageType, "st", "2031-01-01"), "NoRegisteredProviderFound", 400},
		{"newer than is known", arm(desType, "des", "2024-03-02"), "", 200},
		{"a preview", arm(clusterType, "aks", "2023-05-02-preview"), "", 200},
		{"none of its previews", arm(clusterType, "aks", "2023-05-03-preview"), "NoRegisteredProviderFound", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := e.call(c.status, "GET", c.url, "")
			if c.code == "" {
				return
			}
			if got, _ := code(t, r); got != c.code || !strings.Contains(str(r.json(t), "error.message"), "The supported api-versions are '2") {
				t.Errorf("%s: %s", got, r.body)
			}
		})
	}
}

// What a resource provider tells of a type is taken.
func TestRefuse_NoVersionThatIsToldOf(t *testing.T) {
	e := mustEstate(t, keysOfAllSorts)
	for _, provider := range []string{"Microsoft.KeyVault", "Microsoft.Compute", "Microsoft.Storage"} {
		told := e.get(management("/subscriptions/"+subID+"/providers/"+provider, "2021-04-01"))
		types, _ := told["resourceTypes"].([]any)
		for _, v := range types {
			typ := v.(map[string]any)
			if name := str(typ, "resourceType"); !strings.Contains(name, "/") && len(typ["apiVersions"].([]any)) > 0 {
				for _, version := range typ["apiVersions"].([]any) {
					e.call(404, "GET", arm(provider+"/"+name, "nothing", version.(string)), "")
				}
			} else if len(typ["apiVersions"].([]any)) == 0 {
				t.Errorf("%s/%s has no API version", provider, name)
			}
		}
		if len(types) == 0 {
			t.Errorf("%s has no types", provider)
		}
	}
}

func TestRefuse_KeyNames(t *testing.T) {
	e := mustEstate(t, oneKey)
	for _, name := range []string{"a_b", "a.b", strings.Repeat("a", 128)} {
		r := e.call(400, "POST", "https://kv.vault.azure.net/keys/"+name+"/create?api-version=7.4", `{"kty":"RSA"}`)
		if got := str(r.json(t), "error.message"); got != "The request URI contains an invalid name: "+name {
			t.Errorf("message %s", got)
		}
	}
	e.call(200, "POST", "https://kv.vault.azure.net/keys/a-B-9/create?api-version=7.4", `{"kty":"RSA"}`)
}

func TestRefuse_Vaults(t *testing.T) {
	const body, recovered = `{"location":"westeurope"}`, `{"location":"westeurope","properties":{"createMode":"recover"}}`
	vault := func(name string) string { return arm("Microsoft.KeyVault/vaults", name, "2023-07-01") }
	purge := func(name string) string {
		return "https://management.azure.com/subscriptions/" + subID +
			"/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/" + name + "/purge?api-version=2023-07-01"
	}
	for _, c := range []struct {
		name, method, url, body, code string
		status                        int
	}{
		{"an ill-formed name", "PUT", vault("1two"), body, "VaultNameNotValid", 400},
		{"two hyphens", "PUT", vault("one--two"), body, "VaultNameNotValid", 400},
		{"the end of purge protection", "PATCH", vault("kvp"), `{"properties":{"enablePurgeProtection":false}}`, "BadRequest", 400},
		{"the name of a deleted one", "PUT", vault("gone"), body, "ConflictError", 409},
		{"a recovery", "PUT", vault("gone"), recovered, "", 200},
		{"a name that another group has", "PUT", strings.Replace(vault("kvp"), "/contoso/", "/other/", 1), body, "VaultAlreadyExists", 409},
		{"a purge", "POST", purge("gone"), "", "", 200},
		{"a purge of one that is protected", "POST", purge("safe"), "", "MethodNotAllowed", 400},
		{"a purge of one that lives", "POST", purge("kvp"), "", "DeletedVaultNotFound", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, "vaults: [{name: kvp, purge_protection: true}, {name: gone}, {name: safe, purge_protection: true}]\n"+
				"storage_accounts: [{name: st, resource_group: other}]\n")
			e.call(200, "DELETE", vault("gone"), "")
			e.call(200, "DELETE", vault("safe"), "")
			r := e.call(c.status, c.method, c.url, c.body)
			if c.code == "" {
				return
			}
			if got, _ := code(t, r); got != c.code {
				t.Errorf("code %s, want %s", got, c.code)
			}
		})
	}
}

func TestDeletedVault_IsShown(t *testing.T) {
	e := mustEstate(t, "vaults: [{name: gone, retention_days: 7}]\n")
	e.call(200, "DELETE", arm("Microsoft.KeyVault/vaults", "gone", "2023-07-01"), "")
	d := e.get("https://management.azure.com/subscriptions/" + subID +
		"/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/gone?api-version=2023-07-01")
	// Recording of Key Vault, api-version 2023-02-01.
	if str(d, "type") != "Microsoft.KeyVault/deletedVaults" || str(d, "properties.deletionDate") != "2026-01-05T08:00:00Z" ||
		str(d, "properties.scheduledPurgeDate") != "2026-01-12T08:00:00Z" || !strings.HasSuffix(str(d, "properties.vaultId"), "/vaults/gone") {
		t.Errorf("got %v", d)
	}
}

// What a data plane has and the simulator has not is named, never answered as
// if Azure did not know it.
func TestNotSimulated_OnEverySurface(t *testing.T) {
	e := mustEstate(t, dependents)
	for _, c := range []struct{ method, url, body, want string }{
		{"GET", "https://kv.vault.azure.net/secrets?api-version=7.4", "", "kv.vault.azure.net/secrets (GET)"},
		{"POST", keyURL + "/v/release?api-version=7.4", "{}", "kv.vault.azure.net/keys/k/v/release (POST)"},
		{"POST", keyURL + "/encrypt?api-version=7.4", `{"alg":"RSA1_5","value":"YWJj"}`, "algorithm RSA1_5"},
		{"DELETE", "https://st.blob.core.windows.net/c/b", "", "/c/b (DELETE, comp=)"},
		{"GET", "https://st.blob.core.windows.net/c/b?comp=tags", "", "/c/b (GET, comp=tags)"},
		{"PUT", "https://st.blob.core.windows.net/c?restype=container", "", "/c (PUT, comp=)"},
		{"POST", "https://api.loganalytics.io/v1/$batch", "{}", "api.loganalytics.io/v1/$batch (POST)"},
		{"GET", "https://login.microsoftonline.com/" + tenantID + "/saml2", "", "/saml2 (GET)"},
		{"POST", graphURL, `{"query":"Resources | mv-expand x"}`, "operator 'mv'"},
	} {
		r := e.call(501, c.method, c.url, c.body)
		if !strings.Contains(string(r.body), "NotSimulated") || !strings.Contains(string(r.body), c.want) {
			t.Errorf("%s %s: %s, want %s", c.method, c.url, r.body, c.want)
		}
	}
}

// Recording keyvault.error-bodies.
func TestRecover_TooEarlyAndForNothing(t *testing.T) {
	e := mustEstate(t, "quirks: {settle_after_delete: 5s}\n"+oneKey)
	const recover = "https://kv.vault.azure.net/deletedkeys/k/recover?api-version=7.4"
	if outer, inner := code(t, e.call(400, "POST", recover, "")); outer != "MethodNotAllowed" || inner != "RequestNotAllowedOnNonDeletedObject" {
		t.Errorf("a live key: %s > %s", outer, inner)
	}
	e.call(200, "DELETE", keyURL+"?api-version=7.4", "")
	if outer, inner := code(t, e.call(409, "POST", recover, "")); outer != "Conflict" || inner != "ObjectIsBeingDeleted" {
		t.Errorf("too early: %s > %s", outer, inner)
	}
	e.clock.Advance(5 * time.Second)
	e.call(200, "POST", recover, "")
	e.call(404, "GET", keyURL+"?api-version=7.4", "")
	e.clock.Advance(5 * time.Second)
	e.get(keyURL + "?api-version=7.4")
}

// The states of a cluster's operation are free text [recording
// containerservice.kms-platform-key].
func TestOperation_FreeTextStates(t *testing.T) {
	e := mustEstate(t, dependents)
	r := e.call(200, "PUT", arm(clusterType, "aks", "2023-11-01"), `{"location":"westeurope"}`)
	target, seen := r.header.Get("Azure-Asyncoperation"), []string{}
	for range 5 {
		seen = append(seen, str(e.get(target), "status"))
		e.clock.Advance(2500 * time.Millisecond)
	}
	if got := fmt.Sprint(seen); got != "[InProgress ProvisioningControlPlane ReconcilingDNS ReconcilingAddons Succeeded]" {
		t.Errorf("states %s", got)
	}
}

func TestRefuse_ByQuirk(t *testing.T) {
	e := mustEstate(t, strings.Replace(keysOfAllSorts, "needs_purge_protection: true", "needs_purge_protection: false", 1))
	e.call(202, "PUT", arm(desType, "des", "2023-04-02"), setBody("https://loose.vault.azure.net/keys/k"))
}

// An account without its key takes updates of its identity alone (facts §4).
func TestRefuse_RevokedCosmos(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(cosmosType, "cosmos", "2023-09-15")
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "all"})
	e.clock.Advance(time.Hour)
	if got := str(e.call(403, "PATCH", url, `{"tags":{"a":"b"}}`).json(t), "error.message"); !strings.HasPrefix(got, "Access to your account is currently revoked") {
		t.Errorf("message %s", got)
	}
	e.call(200, "PATCH", url, `{"properties":{"defaultIdentity":"SystemAssignedIdentity"}}`)
}

// Recording compute.disk-encryption-set-snapshot.
func TestDiskSet_AssociatedResourcesShout(t *testing.T) {
	e := mustEstate(t, keysOfAllSorts)
	d := e.get(strings.Replace(arm(desType, "des", "2023-04-02"), "?", "/associatedResources?", 1))
	if got := fmt.Sprint(d["value"]); got != "[/subscriptions/"+subID+"/resourceGroups/CONTOSO/providers/Microsoft.Compute/disks/DES-DISK1]" {
		t.Errorf("got %s", got)
	}
}
