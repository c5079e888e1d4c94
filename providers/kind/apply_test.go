package kind

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

const setDoc = `{"id":"` + setID + `","type":"Microsoft.Compute/diskEncryptionSets","properties":{"activeKey":{"sourceVault":{"id":"/v"},"keyUrl":"` + string(key) + "/" + v1 + `"},"encryptionType":"EncryptionAtRestWithCustomerKey","rotationToLatestKeyVersionEnabled":%t,"previousKeys":[],"provisioningState":"Succeeded"}}`

const groupDoc = `{"id":"` + groupID + `","name":"aci","type":"Microsoft.ContainerInstance/containerGroups","location":"westus","tags":{"a":"b"},
	"identity":{"type":"SystemAssigned, UserAssigned","principalId":"p","tenantId":"t","userAssignedIdentities":{"/id":{"principalId":"p","clientId":"c"}}},
	"properties":{"sku":"Standard","provisioningState":"Succeeded","isCreatedFromStandbyPool":false,"containers":[{"name":"c","properties":{"image":"nginx",
	"environmentVariables":[{"name":"A","value":"1"},{"name":"E","value":""}],"instanceView":{"restartCount":0},"resources":{"requests":{"cpu":1.0,"memoryInGB":1.50}}}}],
	"initContainers":[],"volumes":[{"name":"v","emptyDir":{}}],"ipAddress":{"ip":"1.2.3.4","fqdn":"f","type":"Public","dnsNameLabel":"l"},"instanceView":{"state":"Running"},
	"EncryptionProperties":{"vaultBaseUrl":"https://contoso.vault.azure.net","keyName":"payments","KeyVersion":"` + v1 + `"}}}`

func TestApply_sends(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, kind, id, doc string
		action              rotator.Action
		method, body        string // empty: nothing is sent
	}{
		{
			"storage nudge", "storage", accountID, fmt.Sprintf(storageDoc, ""), rotator.ActionNudge, http.MethodPatch,
			`{"properties":{"encryption":{"keySource":"Microsoft.Keyvault","keyvaultproperties":{"keyname":"payments","keyvaulturi":"https://contoso.vault.azure.net/","keyversion":""},"services":{"blob":{"keyType":"Account","enabled":true}},"identity":{"userAssignedIdentity":"/x"}}}}`,
		},
		{
			"storage re-pin", "storage", accountID, fmt.Sprintf(storageDoc, v1), rotator.ActionRepin, http.MethodPatch,
			`{"properties":{"encryption":{"keySource":"Microsoft.Keyvault","keyvaultproperties":{"keyname":"payments","keyvaulturi":"https://contoso.vault.azure.net/","keyversion":"` + v2 + `"},"services":{"blob":{"keyType":"Account","enabled":true}},"identity":{"userAssignedIdentity":"/x"}}}}`,
		},
		{"storage that is there", "storage", accountID, strings.ReplaceAll(fmt.Sprintf(storageDoc, ""), v1, v2), rotator.ActionNudge, "", ""},
		{"storage that is pinned there", "storage", accountID, strings.ReplaceAll(fmt.Sprintf(storageDoc, v1), v1, v2), rotator.ActionRepin, "", ""},
		{
			"set nudge", "disk-encryption-set", setID, fmt.Sprintf(setDoc, true), rotator.ActionNudge, http.MethodPatch,
			`{"properties":{"activeKey":{"keyUrl":"` + string(key) + "/" + v2 + `","sourceVault":{"id":"/v"}},"encryptionType":"EncryptionAtRestWithCustomerKey","rotationToLatestKeyVersionEnabled":true}}`,
		},
		{
			"set re-pin", "disk-encryption-set", setID, fmt.Sprintf(setDoc, false), rotator.ActionRepin, http.MethodPatch,
			`{"properties":{"activeKey":{"keyUrl":"` + string(key) + "/" + v2 + `","sourceVault":{"id":"/v"}},"encryptionType":"EncryptionAtRestWithCustomerKey","rotationToLatestKeyVersionEnabled":false}}`,
		},
		{"set that is there", "disk-encryption-set", setID, strings.ReplaceAll(fmt.Sprintf(setDoc, true), v1, v2), rotator.ActionNudge, "", ""},
		{
			"group", "container-group", groupID, groupDoc, rotator.ActionRecreate, http.MethodPut,
			`{"location":"westus","tags":{"a":"b"},"identity":{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"/id":{}}},
			"properties":{"sku":"Standard","containers":[{"name":"c","properties":{"image":"nginx","environmentVariables":[{"name":"A","value":"1"},{"name":"E","value":""}],"resources":{"requests":{"cpu":1.0,"memoryInGB":1.50}}}}],
			"initContainers":[],"volumes":[{"name":"v","emptyDir":{}}],"ipAddress":{"type":"Public","dnsNameLabel":"l"},
			"EncryptionProperties":{"vaultBaseUrl":"https://contoso.vault.azure.net","keyName":"payments","KeyVersion":"` + v2 + `"}}}`,
		},
		{"group that is there", "container-group", groupID, strings.ReplaceAll(groupDoc, v1, v2), rotator.ActionRecreate, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Body: tt.doc} })
			d := &rotator.Dependent{ID: tt.id, Recreate: true}
			if err := k.kinds[tt.kind].Apply(t.Context(), d, tt.action, key, rotator.Version{ID: v2}); err != nil {
				t.Fatal(err)
			}
			r := slices.DeleteFunc(k.Requests(), func(r wiretest.Request) bool { return strings.Contains(r.URL, "/encryptionScopes?") })
			if tt.method == "" {
				if len(r) != 1 || r[0].Method != http.MethodGet {
					t.Errorf("sent %s, want one GET", k.Methods())
				}
				return
			}
			if len(r) != 2 || r[1].Method != tt.method {
				t.Fatalf("sent %s", k.Methods())
			}
			if diff := cmp.Diff(anyJSON(t, tt.body), anyJSON(t, r[1].Body)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if strings.Contains(tt.doc, "1.50") && !strings.Contains(r[1].Body, "1.50") {
				t.Error("a number was rewritten")
			}
		})
	}
}

func anyJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestApply_refuses(t *testing.T) {
	t.Parallel()
	other := rotator.KeyID("https://contoso.vault.azure.net/keys/other")
	for _, tt := range []struct {
		name, kind, id, doc string
		action              rotator.Action
		key                 rotator.KeyID
		code                rotator.Code
		says                string
	}{
		{"another key", "storage", accountID, fmt.Sprintf(storageDoc, ""), rotator.ActionNudge, other, rotator.CodeConflict, "uses https://contoso"},
		{"another binding", "storage", accountID, fmt.Sprintf(storageDoc, v1), rotator.ActionNudge, key, rotator.CodeConflict, "pinned"},
		{"an update under way", "disk-encryption-set", setID, strings.Replace(fmt.Sprintf(setDoc, true), "Succeeded", "Updating", 1), rotator.ActionNudge, key, rotator.CodeConflict, "under way"},
		{"no key", "storage", accountID, resource(accountID, ""), rotator.ActionNudge, key, rotator.CodeConflict, "none of ours"},
		{"no such action", "storage", accountID, "", rotator.ActionRecreate, key, rotator.CodeInvalid, "re-create"},
		{"a follower that cannot be told", "cosmosdb", cosmosID, "", rotator.ActionNudge, key, rotator.CodeInvalid, "nudge"},
		{"a cluster without set", "managed-cluster", clusterID, resource(clusterID, ""), rotator.ActionNudge, key, rotator.CodeConflict, "no disk encryption set"},
		{"a cluster with a strange set", "managed-cluster", clusterID, resource(clusterID, `"diskEncryptionSetID":"`+accountID+`"`), rotator.ActionNudge, key, rotator.CodeInvalid, "not a Microsoft.Compute/diskEncryptionSets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Body: tt.doc} })
			err := k.kinds[tt.kind].Apply(t.Context(), &rotator.Dependent{ID: tt.id}, tt.action, tt.key, rotator.Version{ID: v2})
			if e := mustError(t, err); e.Code != tt.code || !strings.Contains(err.Error(), tt.says) || !e.NoEffect {
				t.Errorf("got %+v (%v)", e, err)
			}
			if m := k.Methods(); m != "" && m != "GET" && m != "GET GET" {
				t.Errorf("sent %s", m)
			}
		})
	}
}

func TestApply_recreate_never_loses_secrets(t *testing.T) {
	t.Parallel()
	with := func(old, change string) string {
		doc := strings.Replace(groupDoc, old, change, 1)
		if doc == groupDoc {
			t.Fatalf("%s is not in the document", old)
		}
		return doc
	}
	for _, tt := range []struct{ name, doc, lost string }{
		{"secure variable", with(`{"name":"E","value":""}`, `{"name":"PASSWORD"}`), `variable "PASSWORD" of container "c"`},
		{"null variable", with(`{"name":"E","value":""}`, `{"name":"PASSWORD","value":null}`), `variable "PASSWORD"`},
		{"secure variable of an init container", with(`"initContainers":[]`, `"initContainers":[{"name":"i","properties":{"environmentVariables":[{"name":"X"}]}}]`), `variable "X" of container "i"`},
		{"storage key", with(`"emptyDir":{}`, `"azureFile":{"shareName":"s","storageAccountName":"a"}`), `storage account key of volume "v"`},
		{"secret volume", with(`"emptyDir":{}`, `"secret":{}`), `secret of volume "v"`},
		{"registry password", with(`"volumes":`, `"imageRegistryCredentials":[{"server":"r.azurecr.io","username":"u"}],"volumes":`), `password of registry "r.azurecr.io"`},
		{"workspace key", with(`"volumes":`, `"diagnostics":{"logAnalytics":{"workspaceId":"w","workspaceKey":""}},"volumes":`), `key of the log workspace`},
		{"extension", with(`"volumes":`, `"extensions":[{"name":"kube","properties":{}}],"volumes":`), `extension "kube"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Body: tt.doc} })
			err := k.kinds["container-group"].Apply(t.Context(), &rotator.Dependent{ID: groupID, Recreate: true}, rotator.ActionRecreate, key, rotator.Version{ID: v2})
			if e := mustError(t, err); e.Code != rotator.CodeRefused || !strings.Contains(e.Message, tt.lost) || e.Hint == "" || !e.NoEffect || k.Methods() != "GET" {
				t.Errorf("got %+v after %s", e, k.Methods())
			}
		})
	}
	k := newKit(t, nil)
	err := k.kinds["container-group"].Apply(t.Context(), &rotator.Dependent{ID: groupID}, rotator.ActionRecreate, key, rotator.Version{ID: v2})
	if e := mustError(t, err); e.Code != rotator.CodeRefused || !strings.Contains(e.Message, "consent") {
		t.Errorf("without consent: got %+v", e)
	}
}

func TestApply_is_conditional_where_the_document_has_an_etag(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(r wiretest.Request) wiretest.Answer {
		if r.Method == http.MethodGet {
			return wiretest.Answer{Body: strings.Replace(fmt.Sprintf(setDoc, true), `{"id"`, `{"etag":"\"e1\"","id"`, 1)}
		}
		if r.Header.Get("If-Match") != `"e1"` {
			t.Errorf("If-Match: %q", r.Header.Get("If-Match"))
		}
		return wiretest.Answer{Status: 412, Body: `{"error":{"code":"PreconditionFailed","message":"m"}}`}
	})
	err := k.kinds["disk-encryption-set"].Apply(t.Context(), &rotator.Dependent{ID: setID}, rotator.ActionNudge, key, rotator.Version{ID: v2})
	if e := mustError(t, err); e.Code != rotator.CodeConflict || !e.NoEffect {
		t.Errorf("got %+v", e)
	}
}

func TestApply_waits_for_the_operation(t *testing.T) {
	t.Parallel()
	const op = "https://management.azure.com/subscriptions/" + subscription + "/providers/Microsoft.Compute/locations/eastus/DiskOperations/1?c=SIGNED"
	k := newKit(t, wiretest.Queue(t,
		wiretest.Answer{Body: fmt.Sprintf(setDoc, true)},
		wiretest.Answer{Status: 202, Header: map[string]string{"Azure-AsyncOperation": op, "Retry-After": "3"}},
		wiretest.Answer{Body: `{"status":"Failed","error":{"code":"KeyVaultKeyNotFound","message":"m"}}`}))
	err := k.kinds["disk-encryption-set"].Apply(t.Context(), &rotator.Dependent{ID: setID}, rotator.ActionNudge, key, rotator.Version{ID: v2})
	if e := mustError(t, err); e.Reason != "KeyVaultKeyNotFound" || e.NoEffect {
		t.Errorf("got %+v", e)
	}
}
