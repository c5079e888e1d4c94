package azuresim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

func TestStorage_SwitchesDailyAndOnUpdate(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(storageType, "st", "2023-05-01")
	old := e.newest()
	if got := storageVersion(e.get(url)); got != old {
		t.Fatalf("starts on %s, want %s", got, old)
	}
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	e.clock.Advance(6*time.Hour - time.Second)
	if got := storageVersion(e.get(url)); got != old {
		t.Error("switched before its check")
	}
	e.clock.Advance(time.Second)
	if got := storageVersion(e.get(url)); got != e.newest() {
		t.Error("did not switch at its check")
	}
	if got := str(e.get(url), "properties.encryption.keyvaultproperties.lastKeyRotationTimestamp"); got != "2026-01-05T14:00:00.0000000Z" {
		t.Errorf("time stamp %s", got)
	}
	// An update re-reads the key at once [recording storage.customer-managed-key].
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	nudge := `{"properties":{"encryption":{"keySource":"Microsoft.Keyvault","keyvaultproperties":{"keyvaulturi":"https://kv.vault.azure.net","keyname":"k","keyversion":""}}}}`
	after := e.call(200, "PATCH", url, nudge).json(t)
	if storageVersion(after) != e.newest() {
		t.Error("update did not re-read the key")
	}
	if got := str(after, "properties.encryption.keyvaultproperties.currentVersionedKeyExpirationTimestamp"); got != "1970-01-01T00:00:00.0000000Z" {
		t.Errorf("expiry %s", got)
	}
}

func TestStorage_StuckAndPinned(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(storageType, "st", "2023-05-01")
	old := e.newest()
	e.do(azuresim.Action{Do: "stop-switching", Resource: "st"})
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(72 * time.Hour)
	if storageVersion(e.get(url)) != old {
		t.Error("a stuck account switched")
	}
	e.do(azuresim.Action{Do: "resume-switching", Resource: "storage/st"})
	e.clock.Advance(24 * time.Hour)
	if storageVersion(e.get(url)) != e.newest() {
		t.Error("did not resume")
	}
	e.do(azuresim.Action{Do: "pin", Resource: "st", Version: "oldest"})
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(72 * time.Hour)
	pinned := e.get(url)
	if got := storageVersion(pinned); got != e.sim.Versions("kv", "k")[0].ID ||
		str(pinned, "properties.encryption.keyvaultproperties.keyversion") != got {
		t.Errorf("pinned account uses %s", got)
	}
}

func TestStorage_RevocationAtTheDataPlane(t *testing.T) {
	e := mustEstate(t, dependents)
	const list = "https://st.blob.core.windows.net/c?restype=container&comp=list"
	e.call(200, "GET", list+"&include=metadata", "")
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
	e.call(200, "GET", list+"&include=metadata", "")
	e.clock.Advance(10 * time.Minute)
	r := e.call(403, "GET", list+"&include=metadata", "")
	if got := r.header.Get("x-ms-error-code"); got != "KeyVaultEncryptionKeyNotFound" || !strings.Contains(string(r.body), "<Code>"+got) {
		t.Errorf("code %s\n%s", got, r.body)
	}
	e.call(403, "HEAD", "https://st.blob.core.windows.net/c/b", "")
	e.call(200, "GET", "https://st.blob.core.windows.net/?comp=list", "")
	e.call(200, "GET", arm(storageType, "st", "2023-05-01"), "")
	e.do(azuresim.Action{Do: "enable-version", Key: "kv/k"})
	e.clock.Advance(19 * time.Minute)
	e.call(403, "GET", list+"&include=metadata", "")
	e.clock.Advance(time.Minute)
	e.call(200, "GET", list+"&include=metadata", "")
	e.call(404, "GET", "https://st.blob.core.windows.net/none?restype=container&comp=list", "")
}

func TestCosmos_StatusByAPIVersion(t *testing.T) {
	e := mustEstate(t, dependents)
	status := func() string {
		return str(e.get(arm(cosmosType, "cosmos", "2023-09-15")), "properties.customerManagedKeyStatus")
	}
	if got := status(); got != "Access to the configured customer managed key confirmed." {
		t.Errorf("status %q", got)
	}
	if got := dig(e.get(arm(cosmosType, "cosmos", "2021-10-15")), "properties.customerManagedKeyStatus"); got != nil {
		t.Errorf("old API version says %v", got)
	}
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
	e.clock.Advance(30 * time.Minute)
	if got := status(); !strings.HasPrefix(got, "Access to your account is currently revoked because ") || !strings.HasSuffix(got, "(4005).") {
		t.Errorf("status %q", got)
	}
	e.do(azuresim.Action{Do: "enable-version", Key: "kv/k"})
	e.clock.Advance(30 * time.Minute)
	if got := status(); got != "Access to the configured customer managed key confirmed." {
		t.Errorf("status %q", got)
	}
	e.do(azuresim.Action{Do: "delete-key", Key: "kv/k"})
	e.clock.Advance(30 * time.Minute)
	if got := status(); !strings.HasSuffix(got, "(4003).") {
		t.Errorf("status %q", got)
	}
}

func TestCosmos_RewrapsUnseen(t *testing.T) {
	e := mustEstate(t, dependents)
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(time.Hour)
	// It has switched, so the previous version may go.
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "previous"})
	e.clock.Advance(2 * time.Hour)
	d := e.get(arm(cosmosType, "cosmos", "2024-05-15"))
	if got := str(d, "properties.customerManagedKeyStatus"); !strings.Contains(got, "confirmed") {
		t.Errorf("status %q", got)
	}
	if got := str(d, "properties.keyVaultKeyUri"); got != keyURL {
		t.Errorf("key URI %s", got)
	}
}

func TestCosmos_Create(t *testing.T) {
	e := mustEstate(t, strings.Replace(dependents, "name: kv,", "name: kv, purge_protection: true,", 1))
	url := arm(cosmosType, "fresh", "2021-06-15")
	r := e.call(200, "PUT", url, `{"location":"westus","kind":"GlobalDocumentDB","properties":{"locations":[{"locationName":"eastus2","failoverPriority":0}],"databaseAccountOfferType":"Standard","keyVaultKeyUri":"`+keyURL+`"}}`)
	if got := str(r.json(t), "properties.provisioningState"); got != "Creating" {
		t.Errorf("state %s", got)
	}
	if got := str(e.get(r.header.Get("Azure-AsyncOperation")), "status"); got != "Dequeued" {
		t.Errorf("operation %s", got)
	}
	e.call(202, "GET", r.header.Get("Location"), "")
	if got := str(e.finish(r), "status"); got != "Succeeded" {
		t.Errorf("operation %s", got)
	}
	d := e.get(url)
	if str(d, "properties.provisioningState") != "Succeeded" || str(d, "properties.defaultIdentity") != "FirstPartyIdentity" || str(d, "location") != "westus" && str(d, "location") != "West US" {
		t.Errorf("account %v", d)
	}
}

func TestDiskSet_RotatesAndRewraps(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(desType, "des", "2023-04-02")
	old := e.newest()
	if dig(e.get(url), "properties.lastKeyRotationTimestamp") != nil {
		t.Error("a time stamp before the first rotation")
	}
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(30 * time.Minute)
	d := e.get(url)
	if got := str(d, "properties.activeKey.keyUrl"); got != keyURL+"/"+e.newest() {
		t.Errorf("active key %s", got)
	}
	if got := fmt.Sprint(dig(d, "properties.previousKeys")); got != "[map[keyUrl:"+keyURL+"/"+old+"]]" {
		t.Errorf("previous keys %s", got)
	}
	if got := str(d, "properties.lastKeyRotationTimestamp"); got != "2026-01-05T08:30:00.0000000+00:00" {
		t.Errorf("time stamp %s", got)
	}
	e.clock.Advance(10 * time.Minute)
	if got := dig(e.get(url), "properties.previousKeys"); got != nil {
		t.Errorf("still %v after re-wrapping", got)
	}
	on := e.get(strings.Replace(url, "?", "/associatedResources?", 1))
	if got := len(on["value"].([]any)); got != 2 {
		t.Errorf("%d disks on the set, want 2", got)
	}
}

func TestDiskSet_PutIsAnOperation(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(desType, "empty", "2022-03-02")
	target := keyURL + "/" + e.newest()
	r := e.call(202, "PUT", url, `{"location":"westeurope","identity":{"type":"SystemAssigned"},"properties":{"activeKey":{"keyUrl":"`+target+`"}}}`)
	if got := str(r.json(t), "properties.provisioningState"); got != "Updating" {
		t.Errorf("state %s", got)
	}
	if r.header.Get("Retry-After") == "" || !strings.Contains(r.header.Get("Location"), "monitor=true") {
		t.Errorf("headers %v", r.header)
	}
	if length := len(r.header.Get("Azure-AsyncOperation")); length < 2000 {
		t.Errorf("operation URL of %d characters carries no certificate", length)
	}
	e.call(409, "PUT", url, `{"location":"westeurope","properties":{}}`)
	done := e.finish(r)
	if str(done, "status") != "Succeeded" || str(done, "properties.output.properties.activeKey.keyUrl") != target {
		t.Errorf("operation %v", done)
	}
	d := e.get(url)
	if str(d, "properties.activeKey.keyUrl") != target || str(d, "properties.lastKeyRotationTimestamp") == "" || dig(d, "properties.previousKeys") != nil {
		t.Errorf("set %v", d)
	}
}

func TestDiskSet_AutoRotationError(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(desType, "des", "2023-04-02")
	e.do(azuresim.Action{Do: "auto-rotation-error", Resource: "des", Code: "ManagedServiceIdentityNotFound", Message: "gone"})
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(5 * time.Hour)
	d := e.get(url)
	if str(d, "properties.autoKeyRotationError.code") != "ManagedServiceIdentityNotFound" || strings.HasSuffix(str(d, "properties.activeKey.keyUrl"), e.newest()) {
		t.Errorf("set %v", d["properties"])
	}
	// An update turns it on again, and takes the newest version.
	r := e.call(202, "PATCH", url, `{"properties":{"rotationToLatestKeyVersionEnabled":true}}`)
	e.finish(r)
	d = e.get(url)
	if dig(d, "properties.autoKeyRotationError") != nil || !strings.HasSuffix(str(d, "properties.activeKey.keyUrl"), e.newest()) {
		t.Errorf("set %v", d["properties"])
	}
}

func TestMachine_StopsWithoutKey(t *testing.T) {
	e := mustEstate(t, dependents)
	power := func() string {
		view := e.get(strings.Replace(arm(vmType, "vm", "2024-07-01"), "?", "/instanceView?", 1))
		return str(view["statuses"].([]any)[1].(map[string]any), "code")
	}
	if got := power(); got != "PowerState/running" {
		t.Fatalf("starts as %s", got)
	}
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
	e.clock.Advance(39 * time.Minute)
	if got := power(); got != "PowerState/running" {
		t.Errorf("%s too early", got)
	}
	e.clock.Advance(time.Minute)
	if got := power(); got != "PowerState/stopped" {
		t.Errorf("still %s", got)
	}
	e.do(azuresim.Action{Do: "enable-version", Key: "kv/k"})
	e.clock.Advance(time.Hour)
	if got := power(); got != "PowerState/running" {
		t.Errorf("%s after the key came back", got)
	}
	d := e.get(arm(vmType, "vm", "2024-07-01&$expand=instanceView"))
	if got := str(d, "properties.storageProfile.osDisk.managedDisk.diskEncryptionSet.id"); !strings.Contains(got, "/resourceGroups/CONTOSO/") {
		t.Errorf("set id %s: Compute shouts the group", got)
	}
	if dig(d, "properties.instanceView.statuses") == nil {
		t.Error("no instance view")
	}
}

func TestContainerGroup_PutRecreates(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(groupType, "batch", "2022-09-01")
	d := e.get(url)
	before := str(d, "properties.ipAddress.ip")
	if got := str(d, "properties.encryptionProperties.keyVersion"); got != e.sim.Versions("kv", "k")[0].ID {
		t.Errorf("pinned to %s", got)
	}
	body := `{"location":"westeurope","properties":{"containers":[{"name":"batch","properties":{"image":"nginx","resources":{"requests":{"memoryInGB":1.0,"cpu":1.0}}}}],"osType":"Linux","ipAddress":{"type":"Public","ports":[{"port":80}]},"encryptionProperties":{"vaultBaseUrl":"https://kv.vault.azure.net/","keyName":"k","keyVersion":"` + e.newest() + `"}}}`
	r := e.call(200, "PUT", url, body)
	if str(r.json(t), "properties.instanceView.state") != "Pending" || !strings.Contains(string(r.body), `"memoryInGB":1.0`) {
		t.Errorf("answer %s", r.body)
	}
	if got := str(e.get(r.header.Get("Azure-AsyncOperation")), "status"); got != "Pending" {
		t.Errorf("operation %s", got)
	}
	if got := str(e.finish(r), "status"); got != "Succeeded" {
		t.Errorf("operation %s", got)
	}
	after := e.get(url)
	if str(after, "properties.instanceView.state") != "Running" || str(after, "properties.ipAddress.ip") == before || str(after, "properties.encryptionProperties.keyVersion") != e.newest() {
		t.Errorf("group %v", after["properties"])
	}
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
	if got := str(e.finish(e.call(200, "PUT", url, body)), "status"); got != "Failed" {
		t.Errorf("deploying with a disabled key: %s", got)
	}
}

func TestCluster_SpellsItsIDDifferently(t *testing.T) {
	e := mustEstate(t, dependents)
	d := e.get(arm(clusterType, "aks", "2021-02-01"))
	if !strings.Contains(str(d, "id"), "/resourcegroups/") || str(d, "type") != "Microsoft.ContainerService/ManagedClusters" {
		t.Errorf("id %s type %s", str(d, "id"), str(d, "type"))
	}
	if got := str(d, "properties.diskEncryptionSetID"); !strings.HasSuffix(got, "/diskEncryptionSets/des") {
		t.Errorf("set %s", got)
	}
	tag := str(e.get(arm(clusterType, "aks", "2024-09-01")), "eTag")
	e.call(412, "PUT", arm(clusterType, "aks", "2024-09-01"), `{"location":"westeurope"}`, "If-Match", `"other"`)
	e.call(200, "PUT", arm(clusterType, "aks", "2024-09-01"), `{"location":"westeurope"}`, "If-Match", tag)
}

func TestDenial_Reasons(t *testing.T) {
	for _, c := range []struct {
		name          string
		action        azuresim.Action
		blob, account string
	}{
		{"the version is disabled", azuresim.Action{Do: "disable-version", Key: "kv/k"}, "KeyVaultEncryptionKeyNotFound", "(4005)."},
		{"the key is deleted", azuresim.Action{Do: "delete-key", Key: "kv/k"}, "KeyVaultEncryptionKeyNotFound", "(4003)."},
		{"storage lost access", azuresim.Action{Do: "revoke-access", Resource: "st"}, "KeyVaultAccessTokenCannotBeAcquired", ""},
		{"cosmos lost access", azuresim.Action{Do: "revoke-access", Resource: "cosmos"}, "", "(4002)."},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, dependents)
			e.do(c.action)
			e.clock.Advance(time.Hour)
			if c.blob != "" {
				r := e.call(403, "GET", "https://st.blob.core.windows.net/c?restype=container&comp=list&include=metadata", "")
				if got := r.header.Get("x-ms-error-code"); got != c.blob {
					t.Errorf("blob says %s, want %s", got, c.blob)
				}
			}
			status := str(e.get(arm(cosmosType, "cosmos", "2024-05-15")), "properties.customerManagedKeyStatus")
			if !strings.HasSuffix(status, c.account) {
				t.Errorf("account says %q, want %s", status, c.account)
			}
		})
	}
}

func TestDenial_ShortInterruptionIsNotFelt(t *testing.T) {
	e := mustEstate(t, dependents)
	const probe = "https://st.blob.core.windows.net/c?restype=container&comp=list&include=metadata"
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
	e.clock.Advance(5 * time.Minute)
	e.do(azuresim.Action{Do: "enable-version", Key: "kv/k"})
	e.clock.Advance(time.Hour)
	e.call(200, "GET", probe, "")
	// Disabled, enabled and disabled again: the delay counts from the last time.
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k"})
	e.clock.Advance(9 * time.Minute)
	e.call(200, "GET", probe, "")
	e.clock.Advance(time.Minute)
	e.call(403, "GET", probe, "")
}

func TestRetiring_TooEarlyHurtsWhoHasNotSwitched(t *testing.T) {
	e := mustEstate(t, dependents)
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(2 * time.Hour)
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "previous"})
	e.clock.Advance(time.Hour)
	// The account switches six hours after the start: it still needs the old one.
	e.call(403, "GET", "https://st.blob.core.windows.net/c?restype=container&comp=list&include=metadata", "")
	if got := str(e.get(arm(cosmosType, "cosmos", "2024-05-15")), "properties.customerManagedKeyStatus"); !strings.Contains(got, "confirmed") {
		t.Errorf("cosmos had switched, but says %q", got)
	}
	// Its own check takes the new version, which heals it.
	e.clock.Advance(4 * time.Hour)
	e.call(200, "GET", "https://st.blob.core.windows.net/c?restype=container&comp=list&include=metadata", "")
}

func TestVaultResource_DeletionTakesTheKeyAway(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm("Microsoft.KeyVault/vaults", "kv", "2023-07-01")
	if got := str(e.get(url), "properties.vaultUri"); got != "https://kv.vault.azure.net/" {
		t.Errorf("vaultUri %s", got)
	}
	e.call(200, "DELETE", url, "")
	if _, err := e.send("GET", keyURL+"?api-version=7.4", ""); err == nil {
		t.Error("a deleted vault still resolves")
	}
	e.clock.Advance(time.Hour)
	if got := str(e.get(arm(cosmosType, "cosmos", "2024-05-15")), "properties.customerManagedKeyStatus"); !strings.HasSuffix(got, "(4017).") {
		t.Errorf("status %q", got)
	}
	e.call(200, "PUT", url, `{"location":"westeurope","properties":{"createMode":"recover"}}`)
	e.get(keyURL + "?api-version=7.4")
}
