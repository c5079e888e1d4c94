package azuresim_test

import (
	"strings"
	"testing"

	"cmkd/providers/azuresim"
)

const (
	storageType = "Microsoft.Storage/storageAccounts"
	cosmosType  = "Microsoft.DocumentDB/databaseAccounts"
	desType     = "Microsoft.Compute/diskEncryptionSets"
	vmType      = "Microsoft.Compute/virtualMachines"
	groupType   = "Microsoft.ContainerInstance/containerGroups"
	clusterType = "Microsoft.ContainerService/managedClusters"
)

const dependents = oneKey + `
storage_accounts:
  - {name: st, key: kv/k, containers: [c], pace: {first_check: 6h, deny_after: 10m, recover_after: 20m}}
cosmosdb_accounts:
  - {name: cosmos, key: kv/k, pace: {check: 1h, deny_after: 30m, recover_after: 30m}}
disk_encryption_sets:
  - {name: des, key: kv/k, auto_rotate: true, pace: {first_check: 30m, rewrap: 10m, deny_after: 30m, recover_after: 15m}}
  - {name: empty, key: kv/k, version: oldest}
virtual_machines:
  - {name: vm, disk_encryption_set: des, data_disks: [vm-data], stop_after: 10m}
managed_clusters:
  - {name: aks, disk_encryption_set: des, kms_key: kv/k, kms_version: oldest}
container_groups:
  - {name: batch, key: kv/k, version: previous}
`

func storageVersion(d map[string]any) string {
	uri := str(d, "properties.encryption.keyvaultproperties.currentVersionedKeyIdentifier")
	return uri[strings.LastIndexByte(uri, '/')+1:]
}

// newest returns the newest version's id.
func (e *estate) newest() string {
	versions := e.sim.Versions("kv", "k")
	return versions[len(versions)-1].ID
}

func (e *estate) do(a azuresim.Action) {
	e.tb.Helper()
	if err := e.sim.Do(a); err != nil {
		e.tb.Fatal(err)
	}
}

func TestARM_Errors(t *testing.T) {
	e := mustEstate(t, dependents)
	r, err := e.send("GET", arm(storageType, "st", "2023-05-01"), "")
	if err != nil || r.status != 401 {
		t.Errorf("without token: %d %v", r.status, err)
	}
	for _, c := range []struct {
		name, method, url, code string
		status                  int
	}{
		{"no api-version", "GET", strings.Split(arm(storageType, "st", ""), "?")[0], "MissingApiVersionParameter", 400},
		{"no such api-version", "GET", arm(storageType, "st", "latest"), "InvalidApiVersionParameter", 400},
		{"ancient api-version", "GET", arm(storageType, "st", "2001-01-01"), "NoRegisteredProviderFound", 400},
		{"no resource", "GET", arm(storageType, "nope", "2023-05-01"), "ResourceNotFound", 404},
		{"no group", "GET", strings.Replace(arm(storageType, "st", "2023-05-01"), "/contoso/", "/other/", 1), "ResourceGroupNotFound", 404},
		{"no subscription", "GET", strings.Replace(arm(storageType, "st", "2023-05-01"), subID, tenantID, 1), "SubscriptionNotFound", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := code(t, e.call(c.status, c.method, c.url, "")); got != c.code {
				t.Errorf("code %s, want %s", got, c.code)
			}
		})
	}
}

// What is not simulated says so, and names the type: never as Azure would speak
// of a type that it does not have.
func TestARM_NotSimulated(t *testing.T) {
	e := mustEstate(t, dependents)
	scope := "https://management.azure.com/subscriptions/" + subID + "/providers/Microsoft.Sql/servers?api-version=2023-05-01"
	child := strings.Replace(arm(storageType, "st", "2023-05-01"), "?", "/managementPolicies?", 1)
	for _, c := range []struct{ name, method, url, want string }{
		{"a type", "GET", arm("Microsoft.Nothing/things", "x", "2023-05-01"), "not simulated: Microsoft.Nothing/things"},
		{"its list", "GET", scope, "not simulated: Microsoft.Sql/servers"},
		{"a write", "PUT", arm("Microsoft.Sql/servers", "x", "2023-05-01"), "not simulated: Microsoft.Sql/servers (PUT)"},
		{"below a type that is", "GET", child, "not simulated: Microsoft.Storage/storageAccounts/managementPolicies (GET)"},
		{"an action", "POST", strings.Replace(child, "managementPolicies", "failover", 1), "not simulated: Microsoft.Storage/storageAccounts/failover (POST)"},
		{"no type", "GET", "https://management.azure.com/subscriptions/" + subID + "/tagNames?api-version=2023-05-01", "not simulated: /subscriptions/" + subID + "/tagNames"},
	} {
		t.Run(c.name, func(t *testing.T) {
			failure, _ := e.call(501, c.method, c.url, "{}").json(t)["error"].(map[string]any)
			if failure["code"] != "NotSimulated" || failure["message"] != c.want {
				t.Errorf("got %v, want %q", failure, c.want)
			}
		})
	}
}

// TestARM_Busy writes while an operation is under way.
func TestARM_Busy(t *testing.T) {
	e := mustEstate(t, dependents)
	for _, c := range []struct {
		typ, name, version, body, code string
		first, second                  int
	}{
		{cosmosType, "cosmos", "2023-09-15", `{"location":"westeurope"}`, "PreconditionFailed", 200, 412},
		{clusterType, "aks", "2024-01-01", `{"location":"westeurope"}`, "OperationNotAllowed", 200, 409},
		{desType, "des", "2023-04-02", `{"location":"westeurope"}`, "AnotherOperationInProgress", 202, 409},
	} {
		t.Run(c.typ, func(t *testing.T) {
			e.call(c.first, "PUT", arm(c.typ, c.name, c.version), c.body)
			if got, _ := code(t, e.call(c.second, "PUT", arm(c.typ, c.name, c.version), c.body)); got != c.code {
				t.Errorf("code %s, want %s", got, c.code)
			}
		})
	}
}

// TestStorage_NamesAreTakenEverywhere asks for a name that another group has.
func TestStorage_NamesAreTakenEverywhere(t *testing.T) {
	e := mustEstate(t, "storage_accounts: [{name: st}, {name: elsewhere, resource_group: archive}]\n")
	r := e.call(409, "PUT", arm(storageType, "elsewhere", "2023-05-01"), `{"location":"westeurope"}`)
	if got, _ := code(t, r); got != "StorageAccountAlreadyTaken" {
		t.Errorf("code %s", got)
	}
}

// TestCosmos_ListsInOnePage holds that no further page is pointed to, which
// clients of Cosmos DB would not follow.
func TestCosmos_ListsInOnePage(t *testing.T) {
	e := mustEstate(t, "page_size: 2\ncosmosdb_accounts: [{name: \"c{n}\", count: 5}]\n")
	list := e.get(strings.Replace(arm(cosmosType, "", "2023-09-15"), "/?", "?", 1))
	if n := len(list["value"].([]any)); n != 5 || list["nextLink"] != nil {
		t.Errorf("%d accounts, next %v", n, list["nextLink"])
	}
}

func TestARM_IDsIgnoreCase(t *testing.T) {
	e := mustEstate(t, dependents)
	e.get(strings.Replace(arm("MICROSOFT.storage/storageaccounts", "ST", "2023-05-01"), "resourceGroups", "resourcegroups", 1))
}

func TestARM_Forbidden(t *testing.T) {
	e := mustEstate(t, dependents+"clients: [{id: "+clientID+", secret: "+secret+", object_id: oid, roles: [Reader]}]\n")
	e.get(arm(storageType, "st", "2023-05-01"))
	r := e.call(403, "PATCH", arm(storageType, "st", "2023-05-01"), `{}`)
	message := str(r.json(t), "error.message")
	if got, _ := code(t, r); got != "AuthorizationFailed" || !strings.Contains(message,
		"The client '"+clientID+"' with object id 'oid' does not have authorization to perform action 'Microsoft.Storage/storageAccounts/write' over scope '/subscriptions/") {
		t.Errorf("%s: %s", got, message)
	}
	// Reader has no data actions.
	b := e.call(403, "GET", "https://st.blob.core.windows.net/c?restype=container&comp=list", "")
	if got := b.header.Get("x-ms-error-code"); got != "AuthorizationPermissionMismatch" {
		t.Errorf("blob says %s", got)
	}
}

func TestARM_ListsPage(t *testing.T) {
	e := mustEstate(t, "page_size: 10\nstorage_accounts: [{name: 'st{n}', count: 35}]\n")
	next := strings.Replace(arm(storageType, "", "2023-05-01"), "/?", "?", 1)
	seen := 0
	for pages := 0; next != ""; pages++ {
		page := e.get(next)
		seen += len(page["value"].([]any))
		next = str(page, "nextLink")
		if pages > 5 {
			t.Fatal("no end")
		}
	}
	if seen != 35 {
		t.Errorf("%d accounts, want 35", seen)
	}
	list := e.get("https://management.azure.com/subscriptions/" + subID +
		"/resources?api-version=2021-04-01&$filter=resourceType%20eq%20'Microsoft.Storage%2FstorageAccounts'%20and%20name%20eq%20'st7'")
	if got := len(list["value"].([]any)); got != 1 {
		t.Errorf("filter found %d", got)
	}
}
