package azuresim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

const kindMachine = "virtual-machine"

// machineKind is the virtual machine. It shuts down when the key of its disks
// is gone (facts §4).
func machineKind() *kind {
	return &kind{
		name: kindMachine, typ: "Microsoft.Compute/virtualMachines", content: jsonCharset,
		write: machineWrite, remove: removeLater(machineStyle()), see: machineSee,
		child: machineChild, post: machinePost,
	}
}

// machine is what is known of a virtual machine beyond its document.
type machine struct {
	running   bool
	stopAfter time.Duration
	staysDown bool
	keyGone   bool
	turn      int
}

func machineOf(r *resource) *machine {
	m, ok := r.extra.(*machine)
	if !ok {
		m = &machine{running: true}
		r.extra = m
	}
	return m
}

func sorted(list []*resource) []*resource {
	slices.SortFunc(list, func(a, b *resource) int { return strings.Compare(fold(a.id.path()), fold(b.id.path())) })
	return list
}

// turnMachines stops the machines of a disk encryption set that lost its key,
// and starts them again when it is back. Whether they start by themselves is a
// quirk: the documentation says that they are usable again.
func (s *Server) turnMachines(set *resource, now time.Time) {
	id := fold(set.id.path())
	for _, r := range s.selectedAll(func(r *resource) bool { return r.kind.name == kindMachine && usesSet(r.doc, id) }) {
		m := machineOf(r)
		m.turn++
		turn, gone := m.turn, set.denied != deniedNot
		s.agenda.add(now.Add(m.stopAfter), func(time.Time) {
			if m.turn != turn {
				return
			}
			switch {
			case gone:
				m.keyGone, m.running = true, false
			case m.keyGone:
				m.keyGone, m.running = false, !m.staysDown && s.quirk(quirkMachines) == quirkYes
			}
		})
	}
}

func (s *Server) selectedAll(ok func(*resource) bool) []*resource {
	var out []*resource
	for _, r := range s.resources {
		if ok(r) {
			out = append(out, r)
		}
	}
	return sorted(out)
}

// usesSet says whether a machine has a disk on a set.
func usesSet(d doc, set string) bool { return hasDisk(d, "managedDisk.diskEncryptionSet.id", set) }

// hasDisk says whether a machine has a disk of which path names id.
func hasDisk(d doc, path, id string) bool {
	disks, _ := at(d, "properties.storageProfile.dataDisks").([]any)
	disks = append([]any{at(d, "properties.storageProfile.osDisk")}, disks...)
	return slices.ContainsFunc(disks, func(disk any) bool {
		d, ok := disk.(doc)
		return ok && fold(text(d, path)) == id
	})
}

// machineWith returns the machine that a disk is attached to, nil if none is.
func (s *Server) machineWith(disk *resource) *resource {
	id := fold(disk.id.path())
	all := s.selectedAll(func(r *resource) bool { return r.kind.name == kindMachine && hasDisk(r.doc, "managedDisk.id", id) })
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// machineSee spells groups in capitals and adds the instance view where it was
// asked for [recording compute.disk-encryption-set].
func machineSee(s *Server, c *call, r *resource, d doc) {
	if disk, ok := at(d, "properties.storageProfile.osDisk").(doc); ok {
		if set := text(disk, "managedDisk.diskEncryptionSet.id"); set != "" {
			put(disk, "managedDisk.diskEncryptionSet.id", shoutGroup(set))
		}
	}
	if strings.EqualFold(c.query.Get("$expand"), "instanceView") {
		put(d, "properties.instanceView", instanceView(s, r))
	}
}

// instanceView tells the power state.
func instanceView(s *Server, r *resource) doc {
	made := stampOffset(r.made)
	power := doc{"code": "PowerState/running", "level": "Info", "displayStatus": "VM running"}
	agent := doc{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready",
		"message": "Guest Agent is running", "time": stampOffset(s.now)}
	if !machineOf(r).running {
		power = doc{"code": "PowerState/stopped", "level": "Info", "displayStatus": "VM stopped"}
		agent = doc{"code": "ProvisioningState/Unavailable", "level": "Warning", "displayStatus": "Not Ready",
			"message": "VM status blob is found but not yet populated.", "time": stampOffset(s.now)}
	}
	done := doc{"code": "ProvisioningState/succeeded", "level": "Info",
		"displayStatus": "Provisioning succeeded", "time": made}
	return doc{
		"vmAgent": doc{"vmAgentVersion": "2.9.1.1", "statuses": []any{agent}},
		"disks": []any{doc{
			"name": text(r.doc, "properties.storageProfile.osDisk.name"), "statuses": []any{clone(done)},
		}},
		"hyperVGeneration": "V2", "statuses": []any{done, power},
	}
}

func machineChild(s *Server, _ *call, r *resource, rest []string) *answer {
	if !strings.EqualFold(rest[0], "instanceView") {
		return nil
	}
	return reply(http.StatusOK, instanceView(s, r))
}

// machinePost starts and stops. A machine whose disks' key is gone does not
// start; how Azure words that is not known, so it just stays stopped.
func machinePost(s *Server, c *call, r *resource, action string) *answer {
	if !slices.Contains([]string{"start", "poweroff", "deallocate", "restart"}, action) {
		return nil
	}
	a := newAnswer(http.StatusAccepted)
	s.begin(c, r, machineStyle(), a, func(time.Time) doc {
		m := machineOf(r)
		m.running = (action == "start" || action == "restart") && !m.keyGone
		return nil
	})
	return a
}

// machineDoc is a machine as it rests [recording compute.disk-encryption-set].
func (s *Server) machineDoc(id resourceID, location string, tags map[string]string, set string, made time.Time) doc {
	d := common(id, "Microsoft.Compute/virtualMachines", location, tags)
	defaults(d, doc{"properties": doc{
		"hardwareProfile": doc{"vmSize": "Standard_DS1_v2"}, "provisioningState": "Succeeded",
		"vmId": s.mint.guid("vm", id.path()),
		"storageProfile": doc{
			"osDisk": diskReference(id, id.name+"-os", set, "ReadWrite"), "dataDisks": []any{},
		},
		"networkProfile": doc{"networkInterfaces": []any{doc{
			"id": "/subscriptions/" + id.subscription + "/resourceGroups/" + id.group +
				"/providers/Microsoft.Network/networkInterfaces/" + id.name + "VMNic",
		}}},
		"timeCreated": stampOffset(made),
	}})
	return d
}

// diskReference is how a machine names a disk.
func diskReference(id resourceID, name, set, caching string) doc {
	disk := resourceID{
		subscription: id.subscription, group: id.group, provider: "Microsoft.Compute", typ: "disks", name: name,
	}
	managed := doc{"storageAccountType": "Premium_LRS", "id": disk.path()}
	if set != "" {
		managed["diskEncryptionSet"] = doc{"id": set}
	}
	return doc{
		"osType": "Linux", "name": name, "createOption": "Attach", "caching": caching, "managedDisk": managed,
		"deleteOption": "Detach", "diskSizeGB": 30,
	}
}

// machineWrite creates or updates a machine.
func machineWrite(s *Server, c *call, r *resource, body doc, _ bool) *answer {
	status := http.StatusOK
	if r == nil {
		status = http.StatusCreated
		r = s.newResource(c)
		r.doc = s.machineDoc(r.id, regionName(text(body, "location")), nil, "", c.now)
		s.add(r)
	}
	for _, name := range []string{"id", "name", "type", "location"} {
		delete(body, name)
	}
	next := clone(r.doc)
	merge(next, body)
	put(next, "properties.provisioningState", "Updating")
	s.change(r, next)
	a := reply(status, r.view(c))
	s.begin(c, r, machineStyle(), a, func(time.Time) doc {
		put(r.doc, "properties.provisioningState", "Succeeded")
		return nil
	})
	return a
}

// buildMachine makes a virtual machine with its disks.
func (s *Server) buildMachine(spec MachineSpec, p Place, n string) {
	set := s.setID(spec.DiskEncryptionSet, n)
	r := s.start(kindMachine, p, Protected{}, func(id resourceID) doc {
		d := s.machineDoc(id, p.Location, p.Tags, set, s.epoch.AddDate(0, -6, 0))
		var data []any
		for lun, name := range spec.DataDisks {
			disk := diskReference(id, strings.ReplaceAll(name, "{n}", n), set, "None")
			delete(disk, "osType")
			disk["lun"] = lun
			data = append(data, disk)
		}
		if data != nil {
			put(d, "properties.storageProfile.dataDisks", data)
		}
		return d
	})
	r.extra = &machine{running: true, stopAfter: spec.StopAfter.Duration, staysDown: spec.StaysDown}
	system := p
	system.Name = p.Name + "-os"
	s.buildDisk(system, set)
	for _, name := range spec.DataDisks {
		disk := p
		disk.Name = strings.ReplaceAll(name, "{n}", n)
		s.buildDisk(disk, set)
	}
}
