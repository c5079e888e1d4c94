package azuresim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const restored = oneKey + `disk_encryption_sets:
  - {name: des, key: kv/k, auto_rotate: true, pace: {first_check: 1h, rewrap: 10m}}
  - {name: other, key: kv/k, version: oldest}
virtual_machines: [{name: vm, disk_encryption_set: des, data_disks: [data]}]
restore_points:
  - {name: old, collection: c, virtual_machine: vm, version: oldest}
`

// point is the URL of a restore point of the collection c.
func point(name string) string {
	return strings.Replace(arm("Microsoft.Compute/restorePointCollections", "c", "2024-07-01"), "?", "/restorePoints/"+name+"?", 1)
}

func TestRestorePoint_KeepsTheVersionItWasMadeUnder(t *testing.T) {
	e := mustEstate(t, restored)
	disk := func(name string) string {
		return "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.Compute/disks/" + name
	}
	set := "/subscriptions/" + subID + "/resourceGroups/contoso/providers/Microsoft.Compute/diskEncryptionSets/other"
	// The system's disk goes to another set, the data disk stays with its own
	// [recording compute.restore-point-cmk].
	body := fmt.Sprintf(`{"properties":{"sourceMetadata":{"storageProfile":{"osDisk":{"managedDisk":{"id":"%s"},`+
		`"diskRestorePoint":{"encryption":{"diskEncryptionSet":{"id":"%s"}}}},"dataDisks":[{"managedDisk":{"id":"%s"}}]}}}}`,
		disk("vm-os"), set, disk("data"))
	r := e.call(201, "PUT", point("new"), body)
	if r.header.Get("Location") != "" || str(r.json(t), "properties.provisioningState") != "Creating" ||
		dig(r.json(t), "properties.sourceMetadata.storageProfile.osDisk.diskRestorePoint") != nil {
		t.Errorf("answered %v %s", r.header, r.body)
	}
	if got := str(e.finish(r), "status"); got != "Succeeded" {
		t.Errorf("operation %s", got)
	}
	d := e.get(point("new"))
	copied := dig(d, "properties.sourceMetadata.storageProfile.osDisk.diskRestorePoint").(map[string]any)
	if got := str(copied, "encryption.diskEncryptionSet.id"); got != strings.Replace(set, "contoso", "CONTOSO", 1) {
		t.Errorf("set of the copy %s", got)
	}
	if !strings.Contains(str(copied, "id"), "/restorePoints/new/diskRestorePoints/vm-os_") || str(d, "properties.consistencyMode") != "CrashConsistent" {
		t.Errorf("copy %v", d)
	}
	e.do(azuresim.Action{Do: "rotate-key", Key: "kv/k"})
	e.clock.Advance(2 * time.Hour)
	var got []string
	for _, line := range e.needs() {
		if strings.HasSuffix(line, "restore point") {
			line, _, _ = strings.Cut(line, "_")
			got = append(got, line)
		}
	}
	if want := "[1 c/new/vm-os 1 c/old/data 1 c/old/vm-os 2 c/new/data]"; fmt.Sprint(got) != want {
		t.Errorf("long after a rotation %v, want %s", got, want)
	}
	// The old version is gone: what was copied under it is lost, the disks live on.
	e.do(azuresim.Action{Do: "disable-version", Key: "kv/k", Version: "oldest"})
	e.clock.Advance(time.Hour)
	if text := strings.Join(e.needs(), "\n"); strings.Count(text, "restore point, no access") != 3 || strings.Contains(text, "disk, no access") {
		t.Errorf("without the oldest version:\n%s", text)
	}
	// There is no list but in the collection.
	e.call(501, "GET", strings.Replace(point(""), "/?", "?", 1), "")
	all := e.get(arm("Microsoft.Compute/restorePointCollections", "c", "2024-07-01") + "&$expand=restorePoints")
	if got := len(dig(all, "properties.restorePoints").([]any)); got != 2 {
		t.Errorf("%d points, want 2", got)
	}
	e.call(202, "DELETE", point("old"), "")
	e.call(202, "DELETE", point("new"), "")
	e.clock.Advance(time.Minute)
	if text := strings.Join(e.needs(), "\n"); strings.Contains(text, "restore point") {
		t.Errorf("deleted points need:\n%s", text)
	}
}

func TestRestorePointCollection_IsMadeAtOnce(t *testing.T) {
	e := mustEstate(t, restored)
	url := arm("Microsoft.Compute/restorePointCollections", "x", "2024-07-01")
	made := e.call(201, "PUT", url, `{"location":"westeurope","properties":{"source":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm"}}}`).json(t)
	if str(made, "properties.source.location") != "WestEurope" || str(made, "properties.provisioningState") != "Succeeded" || str(made, "properties.restorePointCollectionId") == "" {
		t.Errorf("made %v", made)
	}
	e.call(404, "PUT", strings.Replace(point("p"), "/c/", "/none/", 1), `{}`)
}
