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
		child: machineChild, post: machinePost, refers: machineRefers,
		acts: map[string]func(*Server, *resource, time.Time){
			"start-machine":      func(_ *Server, r *resource, _ time.Time) { machineOf(r).power(powerRunning) },
			"stop-machine":       func(_ *Server, r *resource, _ time.Time) { machineOf(r).power(powerStopped) },
			"deallocate-machine": func(_ *Server, r *resource, _ time.Time) { machineOf(r).power(powerDeallocated) },
		},
	}
}

// The power states of a machine, as instance views name them (documentation of
// virtual machines' states; running and stopped also recordings
// compute.disk-encryption-set, compute.os-disk-security-encryption).
const (
	powerRunning     = "running"
	powerStopped     = "stopped"
	powerDeallocated = "deallocated"
)

// machine is what is known of a virtual machine beyond its document.
type machine struct {
	state     string // one of the power states
	moving    string // on the way to another: starting, stopping, deallocating
	stopAfter time.Duration
	staysDown bool
	keyGone   bool
	shutDown  bool // it is stopped because its key is gone, not by anybody
	turn      int
}

func machineOf(r *resource) *machine {
	m, ok := r.extra.(*machine)
	if !ok {
		m = &machine{state: powerRunning}
		r.extra = m
	}
	return m
}

// power does what an operator asks for. A machine whose disks' key is gone
// does not start; how Azure words that is not known, so it just stays as it is.
func (m *machine) power(state string) {
	m.moving = ""
	if state == powerRunning && m.keyGone {
		return
	}
	m.state, m.shutDown = state, false
}

// loseKey shuts a running machine down. One that somebody stopped stays so.
func (m *machine) loseKey() {
	m.keyGone = true
	if m.state == powerRunning {
		m.state, m.shutDown = powerStopped, true
	}
}

// regainKey starts what was shut down for want of the key, if such machines start
// by themselves.
func (m *machine) regainKey(starts bool) {
	m.keyGone = false
	if m.shutDown && !m.staysDown && starts {
		m.state, m.shutDown = powerRunning, false
	}
}

// turnMachines stops the machines of a disk encryption set that lost its key,
// and starts them again when it is back. Whether they start by themselves is a
// quirk: the documentation says that they are usable again.
func (s *Server) turnMachines(set *resource, now time.Time) {
	id := set.folded
	for _, r := range s.referring(set, isMachine) {
		if !usesSet(r.doc, id) {
			continue // it only names it elsewhere
		}
		m := machineOf(r)
		m.turn++
		turn, gone := m.turn, set.denied != deniedNot
		s.agenda.add(now.Add(m.stopAfter), func(time.Time) {
			if m.turn != turn {
				return
			}
			switch {
			case gone:
				m.loseKey()
			case m.keyGone:
				m.regainKey(s.quirk(quirkMachines) == quirkYes)
			}
		})
	}
}

func (s *Server) selectedAll(ok func(*resource) bool) []*resource {
	var out []*resource
	for _, r := range s.index.all.sorted() {
		if ok(r) {
			out = append(out, r)
		}
	}
	return out
}

func isMachine(k *kind) bool { return k.name == kindMachine }

// usesSet says whether a machine has a disk on a set.
func usesSet(d doc, set string) bool { return hasDisk(d, "managedDisk.diskEncryptionSet.id", set) }

// machineRefers returns the disks of a machine and the sets that they are on.
func machineRefers(d doc) []string {
	var out []string
	for _, disk := range profileDisks(d, "properties.storageProfile") {
		out = append(out, text(disk, "managedDisk.id"), text(disk, "managedDisk.diskEncryptionSet.id"))
	}
	return out
}

// hasDisk says whether a machine has a disk of which path names id.
func hasDisk(d doc, path, id string) bool {
	return slices.ContainsFunc(profileDisks(d, "properties.storageProfile"), func(disk doc) bool {
		return fold(text(disk, path)) == id
	})
}

// machineWith returns the machine that a disk is attached to, nil if none is.
func (s *Server) machineWith(disk *resource) *resource {
	id := disk.folded
	for _, r := range s.referring(disk, isMachine) {
		if hasDisk(r.doc, "managedDisk.id", id) {
			return r
		}
	}
	return nil
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

// instanceView tells the power state. A deallocated machine has no agent to
// tell of (documentation of standby pools for scale sets).
func instanceView(s *Server, r *resource) doc {
	made, m := stampOffset(r.made), machineOf(r)
	state := m.state
	if m.moving != "" {
		state = m.moving
	}
	power := doc{"code": "PowerState/" + state, "level": "Info", "displayStatus": "VM " + state}
	agent := doc{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready",
		"message": "Guest Agent is running", "time": stampOffset(s.now)}
	if m.state != powerRunning {
		agent = doc{"code": "ProvisioningState/Unavailable", "level": "Warning", "displayStatus": "Not Ready",
			"message": "VM status blob is found but not yet populated.", "time": stampOffset(s.now)}
	}
	done := doc{"code": "ProvisioningState/succeeded", "level": "Info",
		"displayStatus": "Provisioning succeeded", "time": made}
	view := doc{
		"disks": []any{doc{
			"name": text(r.doc, "properties.storageProfile.osDisk.name"), "statuses": []any{clone(done)},
		}},
		"hyperVGeneration": "V2", "statuses": []any{done, power},
	}
	if m.state != powerDeallocated {
		view["vmAgent"] = doc{"vmAgentVersion": "2.9.1.1", "statuses": []any{agent}}
	}
	return view
}

// attachedState is the state of the disks of a machine.
func attachedState(r *resource) string {
	if machineOf(r).state == powerDeallocated {
		return "Reserved"
	}
	return "Attached"
}

func machineChild(s *Server, _ *call, r *resource, rest []string) *answer {
	if !strings.EqualFold(rest[0], "instanceView") {
		return nil
	}
	return reply(http.StatusOK, instanceView(s, r))
}

// machinePost starts and stops. Until it is done, the power state is on its way
// (documentation of virtual machines' states).
func machinePost(s *Server, c *call, r *resource, action string) *answer {
	do, ok := map[string]struct{ moving, state string }{
		"start":      {"starting", powerRunning},
		"restart":    {"starting", powerRunning},
		"poweroff":   {"stopping", powerStopped},
		"deallocate": {"deallocating", powerDeallocated},
	}[action]
	if !ok {
		return nil
	}
	m := machineOf(r)
	if m.state != do.state {
		m.moving = do.moving
	}
	a := newAnswer(http.StatusAccepted)
	s.begin(c, r, machineStyle(), a, func(time.Time) doc {
		m.power(do.state)
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
		d := s.machineDoc(id, p.Location, p.Tags, set, s.restedSince())
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
	r.extra = &machine{state: powerRunning, stopAfter: spec.StopAfter.Duration, staysDown: spec.StaysDown}
	system := p
	system.Name = p.Name + "-os"
	s.buildDisk(system, set)
	for _, name := range spec.DataDisks {
		disk := p
		disk.Name = strings.ReplaceAll(name, "{n}", n)
		s.buildDisk(disk, set)
	}
}
