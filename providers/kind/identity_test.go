package kind

import (
	"fmt"
	"strings"
	"testing"

	"cmkd/rotator"
)

// A resource that lost the identity by which it reads its key says nothing of it for months
// (azure/facts-services.md A1): what it shows of its identities does. What it does not show
// says nothing.
func TestDecode_an_identity_that_is_gone(t *testing.T) {
	t.Parallel()
	account := func(names string) string { // the identity that it names
		return strings.Replace(fmt.Sprintf(storageDoc, ""), `"identity":{"userAssignedIdentity":"/x"}`, names, 1)
	}
	cosmos := func(identity string) string {
		return resource(cosmosID, `"keyVaultKeyUri":"`+string(key)+`","defaultIdentity":"`+identity+`"`)
	}
	group := strings.Replace(groupDoc, `"vaultBaseUrl"`, `"identity":"/ID","vaultBaseUrl"`, 1)
	const users = `"identity":{"type":"UserAssigned","userAssignedIdentities":{"/X":{},"/z":{}}}`
	set := fmt.Sprintf(setDoc, true)
	for _, tt := range []struct {
		name, kind, doc, has string
		gone                 bool
	}{
		{"assigned", "storage", account(`"identity":{"userAssignedIdentity":"/x"}`), users, false},
		{"another is assigned", "storage", account(`"identity":{"userAssignedIdentity":"/x"}`), otherIdentity, true},
		{"only its own is left", "storage", account(`"identity":{"userAssignedIdentity":"/x"}`), `"identity":{"type":"SystemAssigned"}`, true},
		{"its identities are not shown", "storage", account(`"identity":{"userAssignedIdentity":"/x"}`), `"a":0`, false},
		{"those of users are not shown", "storage", account(`"identity":{"userAssignedIdentity":"/x"}`), `"identity":{"type":"SystemAssigned, UserAssigned"}`, false},
		{"its own", "storage", account(`"a":0`), `"identity":{"type":"SystemAssigned,UserAssigned","userAssignedIdentities":{"/y":{}}}`, false},
		{"its own is gone", "storage", account(`"a":0`), otherIdentity, true},
		{"the service's", "cosmosdb", cosmos("FirstPartyIdentity"), `"identity":{"type":"None"}`, false},
		{"its own is gone", "cosmosdb", cosmos("SystemAssignedIdentity"), `"identity":{"type":"None"}`, true},
		{"assigned", "cosmosdb", cosmos("UserAssignedIdentity=/x"), users, false},
		{"across tenants", "cosmosdb", cosmos("UserAssignedIdentity=/x&FederatedClientId=c"), users, false},
		{"gone", "cosmosdb", cosmos("UserAssignedIdentity=/x"), otherIdentity, true},
		{"one", "disk-encryption-set", set, `"identity":{"type":"SystemAssigned"}`, false},
		{"none", "disk-encryption-set", set, `"identity":{"type":"None"}`, true},
		{"assigned", "container-group", group, `"a":0`, false},
		{"gone", "container-group", strings.Replace(group, `"/id":{`, `"/y":{`, 1), `"a":0`, true},
		{"the service's", "container-group", groupDoc, `"a":0`, false},
		{"the key is Microsoft's", "storage", strings.Replace(account(`"a":0`), `"Microsoft.Keyvault"`, `"Microsoft.Storage"`, 1), otherIdentity, false},
	} {
		t.Run(tt.kind+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			o := named(tt.kind).decode(parse(t, strings.Replace(tt.doc, "{", "{"+tt.has+",", 1)))
			if gone := o.Problem != nil && o.Problem.Code == rotator.ReasonIdentityGone; gone != tt.gone {
				t.Errorf("gone: %t, want %t: %+v", gone, tt.gone, o.Problem)
			}
		})
	}
}

// A scope is under the identity of its account.
func TestObserve_the_identity_of_a_scope(t *testing.T) {
	t.Parallel()
	account := `{"identity":{"type":"None"},` + resource(accountID, `"encryption":{"keySource":"Microsoft.Storage"},"provisioningState":"Succeeded"`)[1:]
	k := serving(t, [2]string{"/encryptionScopes?", `{"value":[` + scope("a", under(string(key), v1)) + `]}`}, [2]string{"/storageAccounts/acc?", account})
	o, err := k.kinds["storage"].Observe(t.Context(), &rotator.Dependent{ID: accountID}, rotator.Ask{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if o.Problem == nil || o.Problem.Code != rotator.ReasonIdentityGone {
		t.Errorf("its problem is %v: %+v", o.Problem, o.Uses)
	}
}
