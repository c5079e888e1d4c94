package azuresim

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const journaled = `
start: 2026-01-05T08:00:00Z
seed: 7
tenant: 54826b22-38d6-4fb2-bad9-b7b93a3e9c5a
subscriptions: [{id: 0a1b2c3d-0000-4000-8000-000000000001, unregistered: [Microsoft.OperationalInsights]}]
quirks: {graph_lag: never, machines_start: true, expired_disks: stop, copy_tags: true}
workspaces: [{name: logs}]
locks: [{name: keep, scope: storage/st4}]
policies: [{name: home, scope: resourceGroups/contoso, deny: {location: eastus}}]
role_lag: 20m
role_assignments:
  - {principal: storage/guarded, role: Key Vault Crypto Service Encryption User, scope: vault/locked}
deny_assignments: [{name: managed, scope: storage/st3, actions: [Microsoft.Storage/*/delete]}]
enforce_limits: true
operations: {duration: 90s}
vaults:
  - name: kv
    read_lag: 30s
    keys:
      - {name: k, versions: [{age: 90d}, {age: 10d}], rotation_policy: {rotate_after_create: P12D, expiry_time: P60D}}
      - {name: other, type: EC, versions: [{age: 1d}]}
      - {name: etcd, versions: [{age: 40d}]}
      - {name: brief, versions: [{age: 1d, expires: 50h}]}
    purge_protection: true
    diagnostics: {workspace: logs, since: 20h}
  - {name: locked, enforce_access: true, keys: [{name: g}]}
  - {name: asleep, keys: [{name: a}]}
storage_accounts:
  - {name: 'st{n}', count: 5, key: kv/k, pace: {jitter: 6h}}
  - {name: guarded, key: locked/g}
  - {name: scoped, key: kv/k, scopes: [{name: tenant, key: kv/k}, {name: none}]}
  - {name: sleeper, key: asleep/a}
cosmosdb_accounts: [{name: cosmos, key: kv/k}]
disk_encryption_sets: [{name: des, key: kv/k, auto_rotate: true, disks: 2, snapshots: 1}, {name: late, key: kv/brief, disks: 1}]
images: [{name: golden, disk_encryption_set: des}]
virtual_machines: [{name: vm, disk_encryption_set: des}, {name: idle, disk_encryption_set: des}, {name: worker, disk_encryption_set: late}]
restore_points: [{name: before, collection: points, virtual_machine: vm, version: oldest}]
managed_clusters:
  - {name: aks, disk_encryption_set: des, kms_key: kv/etcd, kms_version: latest, pools: [{name: sys, nodes: 1}, {name: eph, ephemeral: true, nodes: 2}]}
container_groups: [{name: cg, key: kv/k, version: latest}]
faults:
  - {name: unlucky, match: {operation: storage-get}, when: {probability: 0.4}, do: status, status: 503}
  - {name: third, match: {operation: key-rotate}, when: {nth: 3, count: 2}, do: timeout-after-effect}
  - {name: failing, match: {operation: disk-encryption-set-patch}, when: {every: 2}, do: fail-operation, code: Boom}
events:
  - {at: 30h, do: disable-version, key: kv/k, version: previous}
  - {at: 31h, do: enable-version, key: kv/k, version: all}
  - {at: 80h, do: set-property, resource: storage/st3, properties: {tags: {n: 1, f: 2.50}}}
`

// driver is a client of one server, for which time passes as it says.
type driver struct {
	t      *testing.T
	sim    *Server
	clock  *ManualClock
	tokens map[string]string
}

func newDriver(t *testing.T) *driver {
	t.Helper()
	sc, err := ParseScenario("journaled.yaml", []byte(journaled))
	if err != nil {
		t.Fatal(err)
	}
	clock := NewManualClock(sc.Epoch())
	sim, err := New(sc, Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return &driver{t: t, sim: sim, clock: clock, tokens: map[string]string{}}
}

// again returns a driver of what was saved of d and loaded.
func (d *driver) again() *driver {
	d.t.Helper()
	data, err := d.sim.Save(600)
	if err != nil {
		d.t.Fatal(err)
	}
	save, err := ReadSave("x.sim", data)
	if err != nil {
		d.t.Fatal(err)
	}
	clock := NewManualClock(save.Now)
	sim, err := save.Restore(Options{Clock: clock})
	if err != nil {
		d.t.Fatal(err)
	}
	return &driver{t: d.t, sim: sim, clock: clock, tokens: map[string]string{}}
}

// token logs in; the token itself depends on the real time and is not the estate's.
func (d *driver) token(host string) string {
	resource := "https://management.azure.com"
	switch {
	case strings.HasSuffix(host, vaultSuffix):
		resource = "https://vault.azure.net"
	case host == logHost:
		resource = "https://api.loganalytics.io"
	}
	if d.tokens[resource] == "" {
		caller := d.sim.clients["robot"]
		if caller == nil {
			d.sim.mu.Lock()
			caller = d.sim.anyone("robot")
			d.sim.mu.Unlock()
		}
		d.tokens[resource] = d.sim.sign(caller, resource, wallNow())
	}
	return d.tokens[resource]
}

// send makes a request and returns what the client saw.
func (d *driver) send(method, target, body string, headers ...string) string {
	d.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token(u.Host))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := (&http.Client{Transport: d.sim.Transport()}).Do(r)
	if err != nil {
		return "lost"
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return fmt.Sprintf("%d %v %s", response.StatusCode, response.Header, data)
}

const inSubscription = "https://management.azure.com/subscriptions/0a1b2c3d-0000-4000-8000-000000000001"

func (d *driver) arm(method, rest, body string) string {
	return d.armBy("2023-05-01", method, rest, body)
}

func (d *driver) armBy(version, method, rest, body string) string {
	return d.send(method, inSubscription+"/resourceGroups/contoso/providers/"+rest+"?api-version="+version, body)
}

// latest is the id of the newest version of a key.
func (d *driver) latest(vault, key string) string {
	list := d.sim.Versions(vault, key)
	return list[len(list)-1].ID
}

// do performs an action, which may be in vain.
func (d *driver) do(a Action) { _ = d.sim.Do(a) }

// day is what clients and others do in a day of the estate, a little different each
// day; it returns all that the clients saw.
func (d *driver) day(n int) string {
	var seen strings.Builder
	say := func(s string) { seen.WriteString(s + "\n") }
	key := "https://kv.vault.azure.net/keys/k"
	for hour := range 24 {
		d.clock.Advance(time.Hour + time.Duration(n*hour)*time.Millisecond)
		say(d.arm("GET", fmt.Sprintf("Microsoft.Storage/storageAccounts/st%d", hour%5+1), ""))
		say(d.send("GET", key+"?api-version=7.4", ""))
		switch hour {
		case 2:
			say(d.send("POST", key+"/rotate?api-version=7.4", ""))
		case 3:
			say(d.arm("PATCH", "Microsoft.Compute/diskEncryptionSets/des", `{"tags": {"day": "x"}, "properties": {"rotationToLatestKeyVersionEnabled": true}}`))
			say(d.arm("PATCH", "Microsoft.Storage/storageAccounts/st1", fmt.Sprintf(
				`{"tags": {"size": 1.50}, "properties": {"encryption": {"keySource": "Microsoft.Keyvault", "keyvaultproperties":`+
					` {"keyname": "k", "keyvaulturi": "https://kv.vault.azure.net"}, "n": %d}}}`, n)))
		case 4:
			d.do(Action{Do: "pin", Resource: "cg", Version: "previous"})
			d.do(Action{Do: "set-property", Resource: "storage/st2", Properties: map[string]any{"tags": map[string]any{"a": 1, "b": 2.5, "c": uint64(1)<<62 + uint64(n)}}})
			d.do(Action{Do: "pin", Resource: "nothing"})
		case 5:
			if err := d.sim.AddFaults([]Fault{{Name: "late", Do: "throttle", Match: Match{Operation: "key-get"}, When: When{After: For(5 * time.Hour), Count: 2}}}); err != nil {
				d.t.Fatal(err)
			}
		case 7:
			say(d.send("PUT", "https://management.azure.com/subscriptions/0a1b2c3d-0000-4000-8000-000000000001/resourceGroups/contoso/providers/Microsoft.Compute/disks/"+
				fmt.Sprintf("new%d", n)+"?api-version=2023-05-01", `{"location": "westeurope", "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 12}}`))
		case 9:
			say(d.send("PATCH", key+"?api-version=7.4", fmt.Sprintf(`{"attributes": {"enabled": %t}}`, n%2 == 0)))
		case 11:
			say(d.send("DELETE", "https://kv.vault.azure.net/keys/other?api-version=7.4", ""))
		case 12:
			say(d.send("POST", "https://kv.vault.azure.net/deletedkeys/other/recover?api-version=7.4", ""))
			say(d.send("PUT", "https://kv.vault.azure.net/keys/brought?api-version=7.4", imported))
		case 13:
			d.sim.ClearFault("late")
		case 15:
			say(d.send("POST", key+"/create?api-version=7.4", `{"kty": "RSA", "tags": {"by": "robot"}}`))
			for range 12 {
				say(d.send("POST", key+"/rotate?api-version=7.4", ""))
			}
		case 20:
			d.clock.Advance(6 * time.Hour)
		}
		d.access(n, hour, say)
		d.vaults(n, hour, say)
		d.dependents(n, hour, say)
		d.lies(n, hour, say)
	}
	return seen.String()
}

// access is what happens to permissions, locks, subscriptions and settings.
func (d *driver) access(n, hour int, say func(string)) {
	const authorization = "Microsoft.Storage/storageAccounts/st2/providers/Microsoft.Authorization/"
	encryptor := "Key Vault Crypto Service Encryption User"
	switch hour {
	case 1:
		say(d.send("POST", inSubscription+"/providers/Microsoft.OperationalInsights/register?api-version=2021-04-01", ""))
		say(d.arm("GET", "Microsoft.OperationalInsights/workspaces/logs", ""))
	case 2:
		d.do(Action{Do: "unassign-role", Principal: "storage/guarded", Role: encryptor, Scope: "vault/locked"})
		d.do(Action{Do: "deny", Client: "robot", Permission: "Microsoft.Compute/images/read"})
	case 3:
		d.do(Action{Do: "lock", Resource: "des", Name: "still", Level: "ReadOnly"})
		say(d.armBy("2022-04-01", "PUT", authorization+fmt.Sprintf("roleAssignments/%08d-0000-4000-8000-000000000000", n), fmt.Sprintf(
			`{"properties": {"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7", "principalId": "00000000-0000-4000-8000-%012d"}}`, n)))
		say(d.armBy("2016-09-01", "PUT", "Microsoft.Storage/storageAccounts/st4/providers/Microsoft.Authorization/locks/mine", fmt.Sprintf(`{"properties": {"level": "CanNotDelete", "notes": "day %d"}}`, n)))
		say(d.armBy("2021-05-01-preview", "PUT", "Microsoft.KeyVault/vaults/locked/providers/Microsoft.Insights/diagnosticSettings/audit", fmt.Sprintf(
			`{"properties": {"workspaceId": "%s/resourceGroups/contoso/providers/Microsoft.OperationalInsights/workspaces/logs", "logs": [{"categoryGroup": "audit", "enabled": %t}]}}`,
			strings.TrimPrefix(inSubscription, "https://management.azure.com"), n%2 == 0)))
	case 8:
		d.do(Action{Do: "unlock", Resource: "des"})
		d.do(Action{Do: "assign-role", Principal: "storage/guarded", Role: encryptor, Scope: "vault/locked"})
		d.do(Action{Do: "allow", Client: "robot", Permission: "Microsoft.Compute/images/read"})
		say(d.armBy("2022-04-01", "GET", authorization+"roleAssignments", ""))
	case 10:
		say(d.armBy("2022-04-01", "DELETE", authorization+fmt.Sprintf("roleAssignments/%08d-0000-4000-8000-000000000000", n-1), ""))
		say(d.send("POST", "https://api.loganalytics.io/v1/workspaces/"+d.customer()+"/query",
			`{"query": "AzureDiagnostics | where OperationName == 'KeyRotate' | project TimeGenerated, id_s, ResultType", "timespan": "P2D"}`))
	}
}

// customer is the id under which the workspace is queried.
func (d *driver) customer() string {
	d.sim.mu.Lock()
	defer d.sim.mu.Unlock()
	r, err := d.sim.findResource("workspace/logs")
	if err != nil {
		d.t.Fatal(err)
	}
	return text(r.doc, "properties.customerId")
}

// vaults is what happens to vaults as a whole: they go, come back, are purged and
// made anew, and restored.
func (d *driver) vaults(n, hour int, say func(string)) {
	vault := func(method, name, body string) {
		say(d.armBy("2023-07-01", method, "Microsoft.KeyVault/vaults/"+name, body))
	}
	const properties = `"properties": {"tenantId": "54826b22-38d6-4fb2-bad9-b7b93a3e9c5a", "sku": {"family": "A", "name": "standard"}, "accessPolicies": []`
	deleted := inSubscription + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/"
	switch hour {
	case 1:
		vault("PUT", "passing", `{"location": "westeurope", `+properties+`}}`)
		say(d.send("POST", "https://passing.vault.azure.net/keys/z/create?api-version=7.4", `{"kty": "RSA"}`))
		say(d.send("GET", "https://passing.vault.azure.net/keys/z?api-version=7.4", ""))
		vault("PUT", "asleep", `{"location": "westeurope", `+properties+`, "createMode": "recover"}}`)
	case 14:
		vault("DELETE", "passing", "")
		say(d.send("GET", deleted+"passing?api-version=2023-02-01", ""))
	case 16:
		say(d.send("POST", deleted+"passing/purge?api-version=2023-02-01", ""))
	case 17:
		d.do(Action{Do: "vanish-version", Key: "kv/k", Version: "previous"})
		d.do(Action{Do: "restore-vault", Vault: "kv", Behind: For(90 * time.Minute)})
	case 23:
		vault("DELETE", "asleep", "")
	}
}

// dependents is what happens to scopes, restore points, machines and clusters.
func (d *driver) dependents(n, hour int, say func(string)) {
	scope := "Microsoft.Storage/storageAccounts/scoped/encryptionScopes/"
	key := []string{"k", "etcd"}[n%2]
	switch hour {
	case 2:
		say(d.arm("PATCH", scope+"tenant", `{"properties": {"source": "Microsoft.KeyVault", "keyVaultProperties": {"keyUri": "https://kv.vault.azure.net/keys/`+key+`"}}}`))
		say(d.arm("PUT", scope+fmt.Sprintf("s%d", n), `{"properties": {"source": "Microsoft.KeyVault", "keyVaultProperties": {"keyUri": "https://kv.vault.azure.net/keys/k"}}}`))
		say(d.arm("PUT", fmt.Sprintf("Microsoft.Compute/restorePointCollections/points/restorePoints/p%d", n), `{}`))
	case 4:
		say(d.arm("POST", "Microsoft.Compute/virtualMachines/idle/deallocate", ""))
		if n%3 != 2 { // its key has expired then
			d.do(Action{Do: "stop-machine", Resource: "worker"})
		}
		d.do(Action{Do: "replace-nodes", Resource: "aks"})
	case 5:
		say(d.send("POST", "https://kv.vault.azure.net/keys/etcd/rotate?api-version=7.4", ""))
		say(d.arm("PUT", "Microsoft.ContainerService/managedClusters/aks", `{"location": "westeurope", "properties": {"securityProfile": {"azureKeyVaultKms":`+
			` {"enabled": true, "keyVaultNetworkAccess": "Public", "keyId": "https://kv.vault.azure.net/keys/etcd/`+d.latest("kv", "etcd")+`"}}}}`))
		say(d.arm("PATCH", "Microsoft.DocumentDB/databaseAccounts/cosmos", `{"properties": {"keyVaultKeyUri": "https://kv.vault.azure.net/keys/`+key+`"}}`))
	case 6:
		say(d.arm("GET", "Microsoft.Compute/diskEncryptionSets/des/associatedResources", ""))
		say(d.arm("DELETE", fmt.Sprintf("Microsoft.Compute/disks/new%d", n-1), ""))
		d.do(Action{Do: "delete-resource", Resource: fmt.Sprintf("restore-point/p%d", n-1)})
		d.do(Action{Do: "revoke-access", Resource: "storage/st2"})
	case 9:
		d.do(Action{Do: "grant-access", Resource: "storage/st2"})
		say(fmt.Sprint(d.sim.Needs("kv", "k"), d.sim.Needs("kv", "etcd")))
	case 19:
		d.do(Action{Do: "start-machine", Resource: "worker"})
	}
}

// lies is how Azure lies, beyond what the scenario says.
func (d *driver) lies(n, hour int, say func(string)) {
	graph := `{"query": "Resources | where type =~ 'microsoft.compute/diskencryptionsets'"}`
	switch hour {
	case 11:
		items := 1
		if err := d.sim.AddFaults([]Fault{
			{Name: "lie", Do: "set", Match: Match{Operation: "storage-patch"}, Lie: Lie{
				Paths: []string{"tags.lie"}, Value: map[string]any{"n": 1, "f": 2.5, "big": uint64(1)<<62 + uint64(n), "list": []any{"a", nil, true}},
			}},
			{Name: "lie", Do: "old-list", Match: Match{Operation: "*-list"}, Lie: Lie{Behind: For(5 * time.Hour)}, When: When{Every: 2}},
			{Name: "lie", Do: "cut-page", Match: Match{Operation: "resource-list"}, Lie: Lie{Items: &items}},
			{Name: "lie", Do: "body", Match: Match{Operation: "disk-put"}, Lie: Lie{Body: "<html>", ContentType: "text/html", NoEffect: n%2 == 0}},
			{Name: "lie", Do: "foreign", Match: Match{Operation: "key-get"}, Lie: Lie{Key: "kv/etcd"}, When: When{Count: 3}},
			{Name: "lie", Do: "drop-from-list", Match: Match{Operation: "graph-query"}, Lie: Lie{Members: []string{"*des"}}, When: When{Count: 1}},
		}); err != nil {
			d.t.Fatal(err)
		}
	case 12, 13:
		say(d.arm("PATCH", "Microsoft.Storage/storageAccounts/st4", fmt.Sprintf(`{"tags": {"day": "%d"}}`, n)))
		say(d.arm("PUT", fmt.Sprintf("Microsoft.Compute/disks/lied%d", n), `{"location": "westeurope", "properties": {"creationData": {"createOption": "Empty"}}}`))
		say(d.send("GET", inSubscription+"/resources?api-version=2021-04-01", ""))
		say(d.send("GET", inSubscription+"/providers/Microsoft.Storage/storageAccounts?api-version=2023-05-01", ""))
		say(d.send("POST", "https://management.azure.com/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01", graph))
	case 18:
		d.sim.ClearFault("lie")
		say(d.send("POST", "https://management.azure.com/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01", graph))
	}
}

// imported is a recorded import of 1024 bits, shortened to what is read of it.
const imported = `{"key": {"kty": "RSA", "n": "` + number1 + `", "e": "AQAB", "d": "` + number1 + `", "p": "` + number1 + `", "q": "` + number1 + `"}}`

const number1 = "wFVWU1Ck3mPmvWcFVWU1Ck3mPmvWcFVWU1Ck3mPmvWcFVWU1Ck3mPmvWcFVWU1Ck3mPmvWcFVWU1Ck3mPmvWcFVWU1Ck3mPmvWcFVWU1Ck3mPmvWcFVWU1Ck3mPmvWcFVWU1Ck3mPmvW"

// remembered are lines that the dump of what is saved must have: each kind of state
// occurs, and would be missed.
var remembered = []string{
	`\.access\.grants\[\d+\]\.gone true`, `\.access\.locks\[\d+\]\.notes day 2`, `\.access\.policies\[0\]\.name home`,
	`\.access\.denials\[0\]\.spec\.Name managed`, `\.diagnostics\.flows\[2\]\.\S+ .*`, `\.diagnostics\.settings\[\d\]\.name audit`,
	`\.clients\[robot\]\.id robot`, `\.vaults\[asleep\S+\.deleted true`, `\.audited\[\d+\]\.vault\.host passing\.vault\.azure\.net`,
	`\.made\[5\] = #\d+`, `\S+\.keys\[k\]\.past\[40\]\.\S+ .*`, `\S+\.expiries\[\d+\] true`,
	`\S+\.extra\.moving starting`, `\S+\.extra\.shutDown true`, `\S+\.extra\.watched true`, `\S+\.extra\.next [4-9]`,
	`\S+\.endless true`, `\S+\.why etcd secrets`, `\S+\.why re-wrapping`, `\S+\.keeper\S* .*`, `\S+\.parent = #\d+`,
	`\S+\.inKey https://kv\.vault\.azure\.net/keys/etcd`, `\S+\.firstKey https://kv\.vault\.azure\.net/keys/k`,
	`\S+\.filed\[1\] .*`, `\S+\.past\[\d+\]\.denied \S+`, `\S+\.past\[0\]\.older\[0\]\.why .*`, `\S+\.indexed\[id\] .*`,
	`\.dropped\[\d+\]\.goneAt [1-9].*`, `\.quirks\[\d\]\.Value never`, `\.audited\[\d+\]\.id https://passing\S+`,
	`\.faults\[\d\]\.\S+ .*`,
}

func TestSave_BringsEverythingBack(t *testing.T) {
	d := newDriver(t)
	for n := range 3 {
		d.day(n)
	}
	// In the middle of an operation, of a read lag and of a fault's span.
	d.clock.Advance(time.Hour)
	d.send("POST", "https://kv.vault.azure.net/keys/k/rotate?api-version=7.4", "")
	d.arm("PATCH", "Microsoft.Compute/diskEncryptionSets/des", `{"properties": {}}`)
	d.arm("POST", "Microsoft.Compute/virtualMachines/idle/start", "")
	d.arm("PATCH", "Microsoft.Storage/storageAccounts/scoped/encryptionScopes/tenant",
		`{"properties": {"keyVaultProperties": {"keyUri": "https://kv.vault.azure.net/keys/etcd"}}}`)
	d.clock.Advance(time.Second)
	if len(d.sim.journal) < 50 || d.sim.opCount == 0 || d.sim.faults[0].hit == 0 || len(d.sim.audited) == 0 {
		t.Fatal("the driver does not do what it should")
	}
	state := dump(d.sim)
	for _, line := range remembered {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(state) {
			t.Errorf("what is saved has no %s", line)
		}
	}
	e := d.again()
	compare(t, "loaded", d, e)
	f := e.again() // a loaded one can be saved
	for n := range 7 {
		want := d.day(n)
		for name, other := range map[string]*driver{"loaded": e, "loaded twice": f} {
			if got := other.day(n); got != want {
				t.Fatalf("day %d: %s answers otherwise:\n%s", n, name, difference(want, got))
			}
			compare(t, fmt.Sprintf("%s, day %d", name, n), d, other)
		}
	}
}

func TestReadSave_RefusesWhatIsNoneByName(t *testing.T) {
	good, err := newDriver(t).sim.Save(1)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)-20] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, ErrForeignSave},
		{"a scenario", []byte("seed: 1\n"), ErrForeignSave},
		{"of the future", []byte(strings.Replace(string(good), "cmkd-simulation 1 ", "cmkd-simulation 2 ", 1)), ErrSaveVersion},
		{"one bit", flipped, ErrDamagedSave},
		{"cut", good[:len(good)-1], ErrDamagedSave},
		{"head only", good[:100], ErrDamagedSave},
	} {
		if _, err := ReadSave("week.sim", c.data); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "load week.sim: ") {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := ReadSave("week.sim", good); err != nil {
		t.Error(err)
	}
}

func TestSave_RefusesAScenarioWithoutText(t *testing.T) {
	sim, err := New(&Scenario{Name: "made"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Save(1); err == nil || !strings.Contains(err.Error(), "save made: its scenario was not read from a text") {
		t.Errorf("saved: %v", err)
	}
}

func BenchmarkRestore(b *testing.B) {
	sc, err := ParseScenario("journaled.yaml", []byte(strings.Replace(journaled, "enforce_limits: true", "", 1)))
	if err != nil {
		b.Fatal(err)
	}
	sim, err := New(sc, Options{})
	if err != nil {
		b.Fatal(err)
	}
	for range 5000 {
		if err := sim.Do(Action{Do: "set-property", Resource: "storage/st2", Properties: map[string]any{"tags": map[string]any{"a": 1}}}); err != nil {
			b.Fatal(err)
		}
	}
	sim.mu.Lock()
	for range 1000 {
		sim.note(record{Request: &recordedCall{Method: "POST", Host: "kv.vault.azure.net", Path: "/keys/k/rotate", Query: "api-version=7.4",
			Caller: "robot", Audience: "https://vault.azure.net"}})
	}
	sim.anyone("robot")
	sim.journal = append(sim.journal[len(sim.journal)-1:], sim.journal[:len(sim.journal)-1]...)
	sim.mu.Unlock()
	data, err := sim.Save(1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		save, err := ReadSave("x", data)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := save.Restore(Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
