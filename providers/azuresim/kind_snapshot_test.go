package azuresim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const snapshotType = "Microsoft.Compute/snapshots"

const stored = oneKey + `page_size: 2
disk_encryption_sets:
  - {name: des, key: kv/k, auto_rotate: true, disks: 1, snapshots: 2, pace: {first_check: 1h, rewrap: 10m}}
  - {name: other, key: kv/k, version: oldest}
  - {name: none, key: kv/k}
images: [{name: img, disk_encryption_set: des}]
snapshots: [{name: far, resource_group: mc_group, disk_encryption_set: des}]
`

// associated returns what the set lists, all pages.
func (e *estate) associated(set string) []string {
	var out []string
	for next := strings.Replace(arm(desType, set, "2023-04-02"), "?", "/associatedResources?", 1); next != ""; {
		page := e.get(next)
		for _, id := range page["value"].([]any) {
			_, path, _ := strings.Cut(id.(string), "/resourceGroups/")
			out = append(out, path)
		}
		next = str(page, "nextLink")
	}
	return out
}

// TestDiskSet_AssociatedResources: ids as strings, groups and names in capitals,
// page by page, snapshots and images among them [recording
// compute.disk-encryption-set-snapshot].
func TestDiskSet_AssociatedResources(t *testing.T) {
	e := mustEstate(t, stored)
	got := strings.Join(e.associated("des"), " ")
	want := "CONTOSO/providers/Microsoft.Compute/disks/DES-DISK1 CONTOSO/providers/Microsoft.Compute/images/IMG " +
		"CONTOSO/providers/Microsoft.Compute/snapshots/DES-SNAPSHOT1 CONTOSO/providers/Microsoft.Compute/snapshots/DES-SNAPSHOT2 " +
		"MC_GROUP/providers/Microsoft.Compute/snapshots/FAR"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := e.associated("none"); len(got) != 0 {
		t.Errorf("a set without anything lists %v", got)
	}
}

func TestSnapshot_IsHeldUntilItsSetHasRewrapped(t *testing.T) {
	e := mustEstate(t, stored)
	previous := func() string {
		return fmt.Sprint(dig(e.get(arm(desType, "des", "2023-04-02")), "properties.previousKeys"))
	}
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(time.Hour)
	if !strings.Contains(previous(), e.sim.Versions("kv", "k")[1].ID) {
		t.Errorf("previousKeys %s", previous())
	}
	e.wantNeeds("re-wrapping",
		"1 other: in use", "2 des: re-wrapping", "2 none: in use",
		"2 des-disk1: disk", "2 img: image", "2 des-snapshot1: snapshot", "2 des-snapshot2: snapshot", "2 far: snapshot",
		"3 des: in use", "3 des-disk1: disk", "3 img: image", "3 des-snapshot1: snapshot", "3 des-snapshot2: snapshot", "3 far: snapshot")
	e.clock.Advance(10 * time.Minute)
	if got := previous(); got != "<nil>" {
		t.Errorf("previousKeys %s after re-wrapping", got)
	}
	e.wantNeeds("re-wrapped", "1 other: in use", "2 none: in use",
		"3 des: in use", "3 des-disk1: disk", "3 img: image", "3 des-snapshot1: snapshot", "3 des-snapshot2: snapshot", "3 far: snapshot")
}

// TestSnapshot_MovesToAnotherSet follows the recording
// compute.disk-encryption-set-snapshot.
func TestSnapshot_MovesToAnotherSet(t *testing.T) {
	e := mustEstate(t, stored)
	url := arm(snapshotType, "made", "2023-10-02")
	id := func(set string) string {
		return "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.Compute/diskEncryptionSets/" + set
	}
	body := `{"location":"westeurope","sku":{"name":"Standard_LRS"},"properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":10,"encryption":{"type":"EncryptionAtRestWithCustomerKey","diskEncryptionSetId":"%s"}}}`
	r := e.call(202, "PUT", url, fmt.Sprintf(body, id("none")))
	if got := str(r.json(t), "properties.encryption.diskEncryptionSetId"); got != id("none") {
		t.Errorf("answered with %s", got)
	}
	done := e.finish(r)
	if str(done, "status") != "Succeeded" || str(done, "properties.output.properties.diskState") != "Unattached" {
		t.Errorf("operation %v", done)
	}
	if got := str(e.get(url), "properties.encryption.diskEncryptionSetId"); !strings.Contains(got, "/resourceGroups/CONTOSO/") {
		t.Errorf("set %s, want its group in capitals", got)
	}
	e.finish(e.call(202, "PUT", url, fmt.Sprintf(body, id("other"))))
	if a, b := e.associated("none"), e.associated("other"); len(a) != 0 || len(b) != 1 {
		t.Errorf("after the move %v and %v", a, b)
	}
	e.call(202, "DELETE", url, "")
	e.clock.Advance(time.Minute)
	e.call(404, "GET", url, "")
}

// TestDiskSet_MovesToAnotherKey: what is not re-wrapped yet is under the old key.
func TestDiskSet_MovesToAnotherKey(t *testing.T) {
	e := mustEstate(t, "vaults: [{name: kv, keys: [{name: k}, {name: next}]}]\n"+
		"disk_encryption_sets: [{name: des, key: kv/k, snapshots: 1, pace: {rewrap: 10m}}]\n")
	e.wantNeeds("at first", "1 des: in use", "1 des-snapshot1: snapshot")
	next := "https://kv.vault.azure.net/keys/next/" + e.sim.Versions("kv", "next")[0].ID
	r := e.call(202, "PATCH", arm(desType, "des", "2023-04-02"), `{"properties":{"activeKey":{"keyUrl":"`+next+`"}}}`)
	e.clock.Advance(30 * time.Second)
	e.get(r.header.Get("Azure-Asyncoperation"))
	previous, _ := dig(e.get(arm(desType, "des", "2023-04-02")), "properties.previousKeys").([]any)
	if want := keyURL + "/" + e.newest(); len(previous) != 1 || str(previous[0].(map[string]any), "keyUrl") != want {
		t.Errorf("previousKeys %v, want %s", previous, want)
	}
	e.wantNeeds("re-wrapping", "1 des: re-wrapping", "1 des-snapshot1: snapshot")
	// The loss of the old key is felt, although the set names another.
	e.do(azuresim.Action{Do: "delete-key", Key: "kv/k"})
	e.clock.Advance(10 * time.Minute)
	e.wantNeeds("re-wrapped")
	if got := fmt.Sprint(e.needsOf("next")); got != "[1 des: in use 1 des-snapshot1: snapshot]" {
		t.Errorf("needs of the next key %s", got)
	}
}
