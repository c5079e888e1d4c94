package azuresim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const pooled = oneKey + `disk_encryption_sets:
  - {name: des, key: kv/k, auto_rotate: true, pace: {first_check: 1h, rewrap: 10m}}
  - {name: other, key: kv/k, version: latest}
managed_clusters:
  - name: aks
    disk_encryption_set: des
    storage_class_set: other
    volumes: 2
    pools: [{name: system, nodes: 1}, {name: work, ephemeral: true, nodes: 2}]
`

// pool is the URL of a node pool of the cluster aks, or of what is below it.
func pool(name string) string {
	return strings.Replace(cluster("aks"), "?", "/agentPools/"+name+"?", 1)
}

// nodes returns versions of the ephemeral nodes, with "!" where the key is lost.
func (e *estate) nodes() string {
	var out []string
	for _, line := range e.needs() {
		if strings.Contains(line, string(azuresim.NeedNode)) {
			one := line[:1]
			if strings.HasSuffix(line, "no access") {
				one += "!"
			}
			out = append(out, one)
		}
	}
	return strings.Join(out, " ")
}

func TestPool_EphemeralNodesKeepTheVersionTheyWereBuiltWith(t *testing.T) {
	e := mustEstate(t, pooled)
	if got := e.nodes(); got != "2 2" {
		t.Fatalf("nodes %q", got)
	}
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(2 * time.Hour)
	// The set is done, and its previousKeys are empty: no proof for such nodes.
	if d := e.get(arm(desType, "des", "2023-04-02")); !strings.HasSuffix(str(d, "properties.activeKey.keyUrl"), e.newest()) || dig(d, "properties.previousKeys") != nil {
		t.Errorf("set %v", d)
	}
	if got := e.nodes(); got != "2 2" {
		t.Errorf("after the rotation %q", got)
	}
	size := func(count int) {
		e.finish(e.call(200, "PUT", pool("work"), fmt.Sprintf(`{"properties":{"count":%d}}`, count)))
	}
	size(3)
	if got := e.nodes(); got != "2 2 3" {
		t.Errorf("one more node %q", got)
	}
	size(0)
	size(2)
	if got := e.nodes(); got != "3 3" {
		t.Errorf("scaled to none and back %q", got)
	}
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(time.Hour)
	e.finish(e.call(202, "POST", pool("work/upgradeNodeImageVersion"), ""))
	if got := e.nodes(); got != "4 4" {
		t.Errorf("after an upgrade %q", got)
	}
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(time.Hour)
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "previous"})
	e.clock.Advance(time.Hour)
	if got := e.nodes(); got != "4! 4!" {
		t.Errorf("without their version %q", got)
	}
	e.do(azuresim.Action{Do: "replace-nodes", Resource: "aks"})
	if got := e.nodes(); got != "5 5" {
		t.Errorf("replaced %q", got)
	}
}

// TestPool_NodesTellWhenTheyWereMade reads what a daemon can see of nodes.
func TestPool_NodesTellWhenTheyWereMade(t *testing.T) {
	e := mustEstate(t, pooled)
	d := e.get(cluster("aks"))
	group := str(d, "properties.nodeResourceGroup")
	sets := e.get("https://management.azure.com/subscriptions/" + subID + "/resourceGroups/" + group + "/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01")
	var made []string
	for _, v := range sets["value"].([]any) {
		set := v.(map[string]any)
		disk := dig(set, "properties.virtualMachineProfile.storageProfile.osDisk").(map[string]any)
		if _, local := disk["diffDiskSettings"]; local != (str(set, "tags.aks-managed-poolName") == "work") {
			t.Errorf("disk of %s: %v", str(set, "name"), disk)
		}
		nodes := e.get("https://management.azure.com" + str(set, "id") + "/virtualMachines?api-version=2024-07-01")
		for _, v := range nodes["value"].([]any) {
			made = append(made, str(v.(map[string]any), "name")[4:8]+" "+str(v.(map[string]any), "properties.timeCreated")[:10])
		}
		e.call(405, "DELETE", "https://management.azure.com"+str(set, "id")+"?api-version=2024-07-01", "")
		e.call(405, "PUT", "https://management.azure.com"+str(set, "id")+"?api-version=2024-07-01", `{"location":"westeurope"}`)
	}
	slices.Sort(made)
	// The version is a day old: no node is older than what it was built with.
	if got := fmt.Sprint(made); got != "[syst 2025-07-05 work 2026-01-04 work 2026-01-04]" {
		t.Errorf("made %s", got)
	}
	// A managed disk is on the set; volumes are on another, which the cluster does
	// not name.
	if got := e.associated("des"); len(got) != 1 || !strings.HasPrefix(got[0], strings.ToUpper(group)) {
		t.Errorf("on the cluster's set %v", got)
	}
	if got := e.associated("other"); len(got) != 2 || !strings.Contains(got[0], "/PVC-") {
		t.Errorf("on the volumes' set %v", got)
	}
	if strings.Contains(fmt.Sprint(d), "other") {
		t.Error("the cluster names the volumes' set")
	}
	e.call(202, "DELETE", cluster("aks"), "")
	e.clock.Advance(time.Minute)
	if got := append(e.associated("des"), e.associated("other")...); len(got) != 0 {
		t.Errorf("after the cluster %v", got)
	}
	e.wantNeeds("after the cluster", "2 des: in use", "2 other: in use")
}

func TestPool_Resource(t *testing.T) {
	e := mustEstate(t, pooled)
	list := e.get(strings.Replace(pool(""), "/?", "?", 1))["value"].([]any)
	if len(list) != 2 {
		t.Fatalf("%d pools", len(list))
	}
	one := e.get(pool("work"))
	if !strings.Contains(str(one, "id"), "/resourcegroups/contoso/") || !strings.HasSuffix(str(one, "id"), "/managedClusters/aks/agentPools/work") ||
		str(one, "properties.osDiskType") != "Ephemeral" || dig(one, "properties.name") != nil {
		t.Errorf("pool %v", one)
	}
	e.call(404, "GET", pool("none"), "")
	r := e.call(201, "PUT", pool("more"), `{"properties":{"count":1,"vmSize":"Standard_DS2_v2","osDiskType":"Ephemeral","mode":"User","osType":"Linux"}}`)
	e.call(409, "PUT", pool("work"), `{"properties":{"count":1}}`)
	e.finish(r)
	if got := e.nodes(); got != "2 2 2" {
		t.Errorf("nodes %q", got)
	}
	e.finish(e.call(202, "DELETE", pool("more"), ""))
	if got := e.nodes(); got != "2 2" {
		t.Errorf("nodes %q after the pool", got)
	}
	if got := len(dig(e.get(cluster("aks")), "properties.agentPoolProfiles").([]any)); got != 2 {
		t.Errorf("%d profiles", got)
	}
}
