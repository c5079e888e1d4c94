package azuresim_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const (
	objectID = "33333333-0000-4000-8000-000000000003"
	groupID  = "/subscriptions/" + subID + "/resourceGroups/contoso"
	vaultID  = groupID + "/providers/Microsoft.KeyVault/vaults/kv"
	storeID  = groupID + "/providers/Microsoft.Storage/storageAccounts/st"
)

// as declares the test's client with what it may do.
func as(what string) string {
	return "clients: [{id: " + clientID + ", secret: " + secret + ", name: cmkd, object_id: " + objectID + ", " + what + "}]\n"
}

// management is the URL of a path.
func management(path, version string, query ...string) string {
	values := url.Values{"api-version": {version}}
	for i := 0; i+1 < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return "https://management.azure.com" + path + "?" + values.Encode()
}

// extension is the URL of what hangs on a scope.
func extension(scope, typ string, query ...string) string {
	return management(scope+"/providers/Microsoft.Authorization/"+typ, "2022-04-01", query...)
}

// values is a list's value.
func values(d map[string]any) []map[string]any {
	var out []map[string]any
	list, _ := d["value"].([]any)
	for _, v := range list {
		out = append(out, v.(map[string]any))
	}
	return out
}

func TestRoles_ReachTheirScope(t *testing.T) {
	const elsewhere = "storage_accounts: [{name: st}, {name: far, resource_group: archive}]\n"
	far := strings.Replace(arm(storageType, "far", "2023-05-01"), "/contoso/", "/archive/", 1)
	near := arm(storageType, "st", "2023-05-01")
	for _, c := range []struct {
		name, client string
		near, far    int
	}{
		{"everything", "roles: []", 200, 200},
		{"everywhere", "roles: [Reader]", 200, 200},
		{"a subscription", "assignments: [{role: Reader, scope: /subscriptions/" + subID + "}]", 200, 200},
		{"a group", "assignments: [{role: Reader, scope: " + groupID + "}]", 200, 403},
		{"a group in short", "assignments: [{role: Reader, scope: resourceGroups/archive}]", 403, 200},
		{"the beginning of a group's name", "assignments: [{role: Reader, scope: " + strings.TrimSuffix(groupID, "o") + "}]", 403, 403},
		{"a resource", "assignments: [{role: Reader, scope: storage/far}]", 403, 200},
		{"no rights to read", "assignments: [{role: Key Vault Crypto Officer}]", 403, 403},
		{"a custom role", "roles: [Looker]", 200, 200},
		{"what a custom role leaves out", "roles: [Blind]", 403, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, elsewhere+as(c.client)+`custom_roles:
  - {name: Looker, actions: [Microsoft.Storage/*/read]}
  - {name: Blind, actions: ["*"], not_actions: [Microsoft.Storage/*/read]}
`)
			e.call(c.near, "GET", near, "")
			e.call(c.far, "GET", far, "")
		})
	}
}

func TestRoles_DataPlane(t *testing.T) {
	e := mustEstate(t, oneKey+as("assignments: [{role: Key Vault Crypto Officer, scope: "+vaultID+"/keys/k}]"))
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	e.call(403, "GET", "https://kv.vault.azure.net/keys?api-version=7.4", "")
}

func TestRoleAssignments_AreListed(t *testing.T) {
	e := mustEstate(t, oneKey+"storage_accounts: [{name: st, key: kv/k}]\n"+as("roles: [Owner]")+
		"role_assignments: [{principal: storage/st, role: Key Vault Crypto Service Encryption User, scope: vault/kv}]\n")
	account, _ := e.sim.Resource(storeID)
	principal := str(account, "identity.principalId")
	for _, c := range []struct {
		name, scope, filter string
		want                int
	}{
		{"at and above", vaultID, "", 2},
		{"below", groupID, "", 2},
		{"not below with atScope()", groupID, "atScope()", 1},
		{"beside", storeID, "", 1},
		{"of a principal", groupID, "principalId eq '" + principal + "'", 1},
		{"of nobody", groupID, "assignedTo('" + tenantID + "')", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := values(e.get(extension(c.scope, "roleAssignments", "$filter", c.filter))); len(got) != c.want {
				t.Errorf("%d assignments, want %d: %v", len(got), c.want, got)
			}
		})
	}
	one := values(e.get(extension(vaultID, "roleAssignments", "$filter", "assignedTo('"+principal+"')")))[0]
	if str(one, "properties.scope") != vaultID || str(one, "properties.roleDefinitionId") != "/subscriptions/"+subID+
		"/providers/Microsoft.Authorization/roleDefinitions/e147488a-f6f5-4113-8e2d-b22465e65bf6" {
		t.Errorf("assignment %v", one)
	}
	if got := e.get(management(str(one, "id"), "2022-04-01")); str(got, "name") != str(one, "name") {
		t.Errorf("by its id: %v", got)
	}
	r := e.call(404, "GET", extension(groupID+"/providers/Microsoft.KeyVault/vaults/nope", "roleAssignments"), "")
	if got, _ := code(t, r); got != "ResourceNotFound" {
		t.Errorf("on nothing: %s", got)
	}
}

// The form is that of recording compute.disk-encryption-set.
func TestRoleDefinitions(t *testing.T) {
	e := mustEstate(t, oneKey+as("roles: [Reader]")+"custom_roles: [{name: Key Rotator, data_actions: [Microsoft.KeyVault/vaults/keys/rotate/action]}]\n")
	list := values(e.get(extension(vaultID, "roleDefinitions", "$filter", "roleName eq 'Reader'")))
	if len(list) != 1 || str(list[0], "id") != "/subscriptions/"+subID+
		"/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7" {
		t.Fatalf("got %v", list)
	}
	set := dig(list[0], "properties.permissions").([]any)[0].(map[string]any)
	if set["actions"].([]any)[0] != "*/read" || len(set["notDataActions"].([]any)) != 0 {
		t.Errorf("permissions %v", set)
	}
	custom := values(e.get(extension("/subscriptions/"+subID, "roleDefinitions", "$filter", "type eq 'CustomRole'")))
	if len(custom) != 1 || str(custom[0], "properties.roleName") != "Key Rotator" {
		t.Errorf("custom %v", custom)
	}
}

func TestPermissions_AreThoseOfTheCaller(t *testing.T) {
	e := mustEstate(t, oneKey+as("assignments: [{role: Reader}, {role: Key Vault Crypto Officer, scope: vault/kv}], deny: [{action: '*/rotate/action'}]")+
		"storage_accounts: [{name: st}]\n")
	if got := values(e.get(extension(storeID, "permissions"))); len(got) != 1 {
		t.Errorf("at the account %v", got)
	}
	sets := values(e.get(extension(vaultID, "permissions")))
	if len(sets) != 2 {
		t.Fatalf("at the vault %v", sets)
	}
	officer := sets[1]
	if officer["dataActions"].([]any)[0] != "Microsoft.KeyVault/vaults/keys/*" || officer["notDataActions"].([]any)[0] != "*/rotate/action" {
		t.Errorf("officer %v", officer)
	}
}

func TestRoleAssignments_CountAfterALag(t *testing.T) {
	e := mustEstate(t, "role_lag: 4m\n"+oneKey+as("assignments: [{role: Owner}]"))
	target := keyURL + "?api-version=7.4"
	change := azuresim.Action{Do: "assign-role", Principal: "cmkd", Role: "Key Vault Crypto Officer", Scope: "vault/kv"}
	e.call(403, "GET", target, "")
	e.do(change)
	if got := values(e.get(extension(vaultID, "roleAssignments"))); len(got) != 2 {
		t.Errorf("it is not listed at once: %v", got)
	}
	r := e.call(403, "GET", target, "")
	if !strings.Contains(string(r.body), "please observe propagation time") {
		t.Errorf("refusal %s", r.body)
	}
	e.clock.Advance(4 * time.Minute)
	e.call(200, "GET", target, "")
	change.Do = "unassign-role"
	e.do(change)
	e.call(200, "GET", target, "")
	e.clock.Advance(4 * time.Minute)
	e.call(403, "GET", target, "")
	if err := e.sim.Do(change); err == nil {
		t.Error("what is gone was taken away")
	}
}

func TestRoleAssignments_OverHTTP(t *testing.T) {
	e := mustEstate(t, "role_lag: 1m\n"+oneKey+as("roles: [Owner]"))
	target := extension(vaultID, "roleAssignments/88888888-0000-0000-0000-000000000001")
	body := `{"properties":{"roleDefinitionId":"/subscriptions/` + subID + `/providers/Microsoft.Authorization/roleDefinitions/14b46e9e-c2b7-41b4-b07b-48a6ebf60603","principalId":"` +
		objectID + `","principalType":"ServicePrincipal"}}`
	made := e.call(201, "PUT", target, body).json(t)
	if by, ok := dig(made, "properties").(map[string]any)["createdBy"]; !ok || by != nil || str(made, "properties.updatedBy") != objectID {
		t.Errorf("made %v", made)
	}
	if got, _ := code(t, e.call(409, "PUT", extension(vaultID, "roleAssignments/88888888-0000-0000-0000-000000000002"), body)); got != "RoleAssignmentExists" {
		t.Errorf("again: %s", got)
	}
	e.clock.Advance(time.Minute)
	e.call(200, "GET", keyURL+"?api-version=7.4", "")
	e.call(200, "DELETE", target, "")
	e.call(204, "DELETE", target, "")
}

// A contributor manages everything but access [recording arm.error-bodies].
func TestRoleAssignments_NotForContributors(t *testing.T) {
	e := mustEstate(t, oneKey+as("roles: [Contributor]"))
	r := e.call(403, "PUT", extension(vaultID, "roleAssignments/796aa989-2e34-48b1-808a-2cf40c627853"), `{}`)
	want := "The client '" + clientID + "' with object id '" + objectID + "' does not have authorization to perform action" +
		" 'Microsoft.Authorization/roleAssignments/write' over scope '" + vaultID +
		"/providers/Microsoft.Authorization/roleAssignments/796aa989-2e34-48b1-808a-2cf40c627853' or the scope is invalid." +
		" If access was recently granted, please refresh your credentials."
	if got := str(r.json(t), "error.message"); got != want || r.header.Get("X-Ms-Failure-Cause") != "gateway" {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDenyAssignments(t *testing.T) {
	e := mustEstate(t, "storage_accounts: [{name: st}]\n"+as("roles: [Owner]")+
		"deny_assignments: [{name: System deny, scope: "+groupID+", actions: ['*'], not_actions: ['*/read']}]\n")
	e.get(arm(storageType, "st", "2023-05-01"))
	r := e.call(403, "PATCH", arm(storageType, "st", "2023-05-01"), `{}`)
	list := values(e.get(extension(storeID, "denyAssignments")))
	if len(list) != 1 {
		t.Fatalf("denials %v", list)
	}
	if got, _ := code(t, r); got != "DenyAssignmentAuthorizationFailed" ||
		!strings.HasSuffix(str(r.json(t), "error.message"), "because of the deny assignment with Id '"+str(list[0], "name")+"'") {
		t.Errorf("got %s", r.body)
	}
	if got := e.get(management(str(list[0], "id"), "2022-04-01")); str(got, "properties.denyAssignmentName") != "System deny" {
		t.Errorf("by its id: %v", got)
	}
	excluded := mustEstate(t, "storage_accounts: [{name: st}]\n"+as("roles: [Owner]")+
		"deny_assignments: [{name: System deny, scope: storage/st, actions: ['*'], exclude: [cmkd]}]\n")
	excluded.call(200, "PATCH", arm(storageType, "st", "2023-05-01"), `{}`)
}

func TestAccessPolicies(t *testing.T) {
	const vault = `vaults:
  - name: kv
    access_policies: [{principal: cmkd, keys: [Get, rotate]}]
    keys: [{name: k}]
`
	e := mustEstate(t, vault+as("roles: [Key Vault Crypto Officer, Reader]"))
	e.call(200, "GET", keyURL+"?api-version=7.4", "")
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	r := e.call(403, "GET", keyURL+"/versions?api-version=7.4", "")
	if _, inner := code(t, r); inner != "ForbiddenByPolicy" || str(r.json(t), "error.message") !=
		"The user, group or application 'appid="+clientID+";oid="+objectID+";iss=https://sts.windows.net/"+tenantID+
			"/' does not have keys list permission on key vault 'kv;location=westeurope'. For help resolving this issue,"+
			" please see https://go.microsoft.com/fwlink/?linkid=2125287" {
		t.Errorf("got %s", r.body)
	}
	d := e.get(arm("Microsoft.KeyVault/vaults", "kv", "2023-07-01"))
	policy, _ := dig(d, "properties.accessPolicies").([]any)[0].(map[string]any)
	if dig(d, "properties.enableRbacAuthorization") != false || str(policy, "objectId") != objectID || str(policy, "tenantId") != tenantID {
		t.Errorf("vault %v", d["properties"])
	}
	e.do(azuresim.Action{Do: "set-property", Resource: "vault/kv", Properties: map[string]any{
		"properties": map[string]any{"enableRbacAuthorization": true},
	}})
	e.call(200, "GET", keyURL+"/versions?api-version=7.4", "")
}

// A service needs rights on its key where the vault looks at them.
func TestServices_NeedARight(t *testing.T) {
	const dependents = "storage_accounts: [{name: st, key: kv/k, containers: [c], pace: {deny_after: 10m, recover_after: 20m}}]\n"
	encryptionUser := azuresim.Action{
		Do: "unassign-role", Principal: "storage/st", Role: "Key Vault Crypto Service Encryption User", Scope: "vault/kv",
	}
	shut := func(e *estate) bool {
		r, err := e.send("GET", "https://st.blob.core.windows.net/c?restype=container&comp=list&include=metadata", "",
			"Authorization", "Bearer "+e.token("https://st.blob.core.windows.net"))
		return err == nil && r.header.Get("x-ms-error-code") == "KeyVaultAccessTokenCannotBeAcquired"
	}
	for _, c := range []struct {
		name, yaml    string
		without       bool // already at the start
		take, restore azuresim.Action
	}{
		{name: "by roles", yaml: "vaults: [{name: kv, enforce_access: true, keys: [{name: k}]}]\n" +
			"role_assignments: [{principal: 'storage/*', role: Key Vault Crypto Service Encryption User, scope: vault/kv}]\n",
			take: encryptionUser},
		{name: "by no role", yaml: "vaults: [{name: kv, enforce_access: true, keys: [{name: k}]}]\n", without: true},
		{name: "by too weak a role", yaml: "vaults: [{name: kv, enforce_access: true, keys: [{name: k}]}]\n" +
			"role_assignments: [{principal: st, role: Key Vault Reader, scope: vault/kv}]\n", without: true},
		{name: "by access policies", yaml: "vaults: [{name: kv, enforce_access: true, keys: [{name: k}], access_policies: [{principal: st, keys: [get, wrapKey, unwrapKey]}]}]\n",
			take: azuresim.Action{Do: "set-property", Resource: "vault/kv", Properties: map[string]any{
				"properties": map[string]any{"accessPolicies": []any{}},
			}}},
		{name: "by nothing that matters", yaml: "vaults: [{name: kv, keys: [{name: k}]}]\n", take: azuresim.Action{Do: "switch-now", Resource: "st"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, "role_lag: 5m\n"+c.yaml+dependents)
			e.clock.Advance(time.Hour)
			if shut(e) != c.without {
				t.Fatalf("shut out at the start: %v", !c.without)
			}
			if c.without {
				return
			}
			e.do(c.take)
			if shut(e) {
				t.Error("shut out at once")
			}
			e.clock.Advance(16 * time.Minute)
			if enforced := strings.Contains(c.yaml, "enforce"); shut(e) != enforced {
				t.Errorf("shut out in the end: %v", !enforced)
			}
			if c.take.Do != "unassign-role" {
				return
			}
			c.take.Do = "assign-role"
			e.do(c.take)
			e.clock.Advance(26 * time.Minute)
			if shut(e) {
				t.Error("still shut out when the role is back")
			}
		})
	}
}

func TestParseScenario_Access(t *testing.T) {
	const vault = "vaults: [{name: kv}]\n"
	for _, c := range []struct{ name, yaml, want string }{
		{"role of an assignment", "clients:\n  - id: a\n    assignments:\n      - role: King\n", "s.yaml:4: unknown role \"King\""},
		{"scope", "clients:\n  - id: a\n    assignments:\n      - {role: Reader, scope: nowhere}\n", "s.yaml:4: there is no resource \"nowhere\""},
		{"principal", vault + "role_assignments:\n  - {principal: nobody, role: Reader}\n", "s.yaml:3: there is no client or resource \"nobody\""},
		{"custom role without name", "custom_roles:\n  - actions: ['*']\n", "s.yaml:2: a name is missing"},
		{"excluded", "deny_assignments:\n  - exclude: [nobody]\n", "s.yaml:2: there is no client or resource"},
		{"key permission", "vaults:\n  - name: kv\n    access_policies:\n      - {principal: kv, keys: [fly]}\n", "s.yaml:4: unknown key permission \"fly\"; use one of all, backup"},
		{"role of an event", "events:\n  - {at: 1h, do: assign-role, role: King}\n", "s.yaml:2: unknown role"},
		{"partial lists", "partial_lists: some\n", "s.yaml:1: unknown word \"some\"; use filter or refuse"},
		{"field", "role_assignments:\n  - {who: me}\n", "s.yaml:2: unknown field \"who\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := azuresim.ParseScenario("s.yaml", []byte(c.yaml))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
