package azuresim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const encrypted = oneKey + `managed_clusters:
  - {name: aks, kms_key: kv/k}
  - {name: fresh, kms_key: kv/k, kms_design: new}
  - {name: plain}
`

// cluster is the URL of a managed cluster.
func cluster(name string) string { return arm(clusterType, name, "2026-03-02-preview") }

// putCluster reads a cluster, changes it and writes it back whole, as it must be
// done (facts-services A0: a PATCH changes tags only).
func (e *estate) putCluster(want int, name string, change func(security map[string]any)) reply {
	e.tb.Helper()
	d := e.get(cluster(name))
	change(dig(d, "properties.securityProfile").(map[string]any))
	body, err := json.Marshal(d)
	if err != nil {
		e.tb.Fatal(err)
	}
	return e.call(want, "PUT", cluster(name), string(body))
}

// repin puts the newest version of kv/k into a cluster.
func (e *estate) repin(name string) reply {
	e.tb.Helper()
	return e.putCluster(200, name, func(security map[string]any) {
		security["azureKeyVaultKms"].(map[string]any)["keyId"] = keyURL + "/" + e.newest()
	})
}

// statuses polls an operation until it ends, or as long as it may last.
func (e *estate) statuses(r reply) []string {
	var out []string
	for range 30 {
		status := str(e.get(r.header.Get("Azure-Asyncoperation")), "status")
		if len(out) == 0 || out[len(out)-1] != status {
			out = append(out, status)
		}
		e.clock.Advance(time.Second)
	}
	return out
}

func TestKMS_LegacyHoldsTwoVersions(t *testing.T) {
	e := mustEstate(t, strings.ReplaceAll(encrypted, "kms_design: new", "kms_version: oldest"))
	e.do(azuresim.Action{Do: "delete-resource", Resource: "fresh"})
	e.wantNeeds("at first", "2 aks: in use")
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(48 * time.Hour)
	e.wantNeeds("it is pinned", "2 aks: in use")
	r := e.repin("aks")
	if got := fmt.Sprint(e.statuses(r)); got != "[InProgress ProvisioningControlPlane ReconcilingDNS ReconcilingAddons Succeeded]" {
		t.Errorf("operation %s", got)
	}
	e.wantNeeds("rotated", "2 aks: etcd previous", "2 aks: etcd secrets", "3 aks: in use")
	// Neither the previous version nor the secrets show in Azure Resource Manager.
	if text := fmt.Sprint(e.get(cluster("aks"))); strings.Contains(text, e.sim.Versions("kv", "k")[1].ID) {
		t.Errorf("the cluster names its previous version: %s", text)
	}
	e.do(azuresim.Action{Do: "rewrite-secrets", Resource: "aks"})
	e.wantNeeds("rewritten", "2 aks: etcd previous", "3 aks: in use")
	// Both must be enabled until the next rotation.
	previous := e.sim.Versions("kv", "k")[1].ID
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: previous})
	e.clock.Advance(31 * time.Minute)
	e.wantNeeds("without the previous", "2 aks: etcd previous, no access", "3 aks: in use, no access")
	e.do(azuresim.Action{Do: "enable-version", Key: "kv/k", Version: previous})
	e.clock.Advance(31 * time.Minute)
	// The second rotation lets it go.
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.finish(e.repin("aks"))
	e.do(azuresim.Action{Do: "rewrite-secrets", Resource: "aks"})
	e.wantNeeds("rotated again", "3 aks: etcd previous", "4 aks: in use")
}

func TestKMS_SecondRotationWithoutRewritingIsStuck(t *testing.T) {
	e := mustEstate(t, encrypted)
	for range 2 {
		e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
		r := e.repin("aks")
		e.clock.Advance(time.Hour)
		if status := str(e.get(r.header.Get("Azure-Asyncoperation")), "status"); status == "Succeeded" {
			continue
		}
		e.clock.Advance(1000 * time.Hour)
		d := e.get(cluster("aks"))
		if got := str(d, "properties.provisioningState"); got != "Updating" {
			t.Errorf("state %s", got)
		}
		e.putCluster(409, "aks", func(map[string]any) {})
		e.wantNeeds("stuck", "2 aks: etcd previous", "2 aks: etcd secrets", "3 aks: in use", "4 fresh: in use")
		return
	}
	t.Error("the second rotation ended")
}

func TestKMS_DisablingLeavesSecretsUnderTheKey(t *testing.T) {
	e := mustEstate(t, encrypted)
	e.do(azuresim.Action{Do: "delete-resource", Resource: "fresh"})
	e.finish(e.putCluster(200, "aks", func(security map[string]any) {
		security["azureKeyVaultKms"] = map[string]any{"enabled": false}
	}))
	e.wantNeeds("disabled", "2 aks: etcd secrets")
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "latest"})
	e.clock.Advance(time.Hour)
	e.wantNeeds("without the key", "2 aks: etcd secrets, no access")
	e.do(azuresim.Action{Do: "enable-version", Key: "kv/k", Version: "latest"})
	e.do(azuresim.Action{Do: "rewrite-secrets", Resource: "aks"})
	e.wantNeeds("rewritten")
}

func TestKMS_NewDesignFollowsUnseen(t *testing.T) {
	e := mustEstate(t, encrypted)
	e.do(azuresim.Action{Do: "delete-resource", Resource: "aks"})
	before := fmt.Sprint(dig(e.get(cluster("fresh")), "properties"))
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(6*time.Hour - time.Second)
	e.wantNeeds("before it looks", "2 fresh: in use")
	e.clock.Advance(time.Second)
	e.wantNeeds("re-encrypting", "2 fresh: re-wrapping", "3 fresh: in use")
	e.clock.Advance(10 * time.Minute)
	e.wantNeeds("done", "3 fresh: in use")
	if after := fmt.Sprint(dig(e.get(cluster("fresh")), "properties")); after != before {
		t.Errorf("it shows:\n%s\n%s", before, after)
	}
	if got := str(e.get(cluster("fresh")), "properties.securityProfile.azureKeyVaultKms.keyId"); got != keyURL {
		t.Errorf("keyId %s", got)
	}
}

// TestKMS_MigratesToTheNewDesign turns a pinned cluster into one that follows.
func TestKMS_MigratesToTheNewDesign(t *testing.T) {
	e := mustEstate(t, encrypted)
	e.do(azuresim.Action{Do: "delete-resource", Resource: "fresh"})
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.finish(e.putCluster(200, "aks", func(security map[string]any) {
		security["azureKeyVaultKms"].(map[string]any)["keyId"] = keyURL
		security["kubernetesResourceObjectEncryptionProfile"] = map[string]any{"infrastructureEncryption": "Enabled"}
	}))
	e.clock.Advance(10 * time.Minute)
	e.wantNeeds("migrated", "3 aks: in use")
}

func TestKMS_PlatformKeyAndNone(t *testing.T) {
	e := mustEstate(t, encrypted)
	// Without KMS the profile is there and empty [recording
	// containerservice.kms-platform-key].
	if got, ok := dig(e.get(cluster("plain")), "properties.securityProfile").(map[string]any); !ok || len(got) != 0 {
		t.Errorf("securityProfile %v", got)
	}
	e.finish(e.putCluster(200, "plain", func(security map[string]any) {
		security["kubernetesResourceObjectEncryptionProfile"] = map[string]any{"infrastructureEncryption": "Enabled"}
	}))
	e.wantNeeds("a platform key is nobody's", "2 aks: in use", "2 fresh: in use")
}

func TestKMS_Refusals(t *testing.T) {
	e := mustEstate(t, encrypted)
	kms := func(change map[string]any) func(map[string]any) {
		return func(security map[string]any) {
			block := security["azureKeyVaultKms"].(map[string]any)
			maps.Copy(block, change)
		}
	}
	for _, c := range []struct {
		name   string
		change map[string]any
		revoke bool
		code   string
	}{
		{"access unspecified", map[string]any{"keyVaultNetworkAccess": ""}, false, "BadRequest"},
		{"private without a vault", map[string]any{"keyVaultNetworkAccess": "Private"}, false, "BadRequest"},
		{"no permission", nil, true, "AzureKeyVaultKmsValidateIdentityPermissionCustomerError"},
	} {
		if c.revoke {
			e.do(azuresim.Action{Do: "revoke-access", Resource: "aks"})
		}
		if outer, _ := code(t, e.putCluster(400, "aks", kms(c.change))); outer != c.code {
			t.Errorf("%s: %s, want %s", c.name, outer, c.code)
		}
	}
}
