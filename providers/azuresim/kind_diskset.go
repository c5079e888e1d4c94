package azuresim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	kindDiskSet = "disk-encryption-set"
	kindDisk    = "disk"
)

// diskSetKind is the disk encryption set. With automatic rotation it follows
// within the hour; previousKeys stay until its disks are re-wrapped (facts §4).
func diskSetKind() *kind {
	return &kind{
		name: kindDiskSet, typ: "Microsoft.Compute/diskEncryptionSets", content: jsonCharset, expires: true,
		pace: Pace{
			Check: For(time.Hour), Rewrap: For(10 * time.Minute),
			DenyAfter: For(30 * time.Minute), RecoverAfter: For(15 * time.Minute),
		},
		linkOf: func(d doc) link { return keyLink(text(d, "properties.activeKey.keyUrl")) },
		adopt:  diskSetAdopt, write: diskSetWrite, remove: removeLater(computeStyle()),
		child: diskSetChild, see: diskSetSee, turned: (*Server).turnMachines,
		follows: diskSetFollows, pin: diskSetPin,
		keyPath: "properties.activeKey.keyUrl", refused: diskSetRefused,
		holds: (*Server).setHeld,
		// Without disks it has no previousKeys [recording
		// compute.disk-encryption-set-update].
		hasData: func(s *Server, r *resource) bool { return len(s.standingOn(r)) > 0 },
		holders: (*Server).standingOn,
	}
}

func diskSetFollows(d doc) bool {
	return truth(d, "properties.rotationToLatestKeyVersionEnabled") && at(d, "properties.autoKeyRotationError") == nil
}

func diskSetPin(d doc, k *key, v *version, latest bool) {
	put(d, "properties.activeKey.keyUrl", k.uri(v))
	put(d, "properties.rotationToLatestKeyVersionEnabled", latest)
}

// diskSetAdopt writes the version in use and the time of the switch.
func diskSetAdopt(s *Server, r *resource, version string, now time.Time) {
	put(r.doc, "properties.activeKey.keyUrl", s.versionURI(r, version))
	put(r.doc, "properties.lastKeyRotationTimestamp", stampOffset(now))
}

// diskSetSee lists the keys that still wrap some disks.
func diskSetSee(s *Server, _ *call, r *resource, d doc) {
	if len(r.older) == 0 {
		return
	}
	var keys []any
	for _, h := range r.older {
		keys = append(keys, doc{"keyUrl": s.spell(h.link)})
	}
	put(d, "properties.previousKeys", keys)
}

// diskSetChild lists what stands on the set, the ids with group and name in
// capitals [example
// compute-disk-2021-04-01/ListDiskEncryptionSetAssociatedResources, recording
// compute.disk-encryption-set-snapshot].
func diskSetChild(s *Server, c *call, r *resource, rest []string) *answer {
	if !strings.EqualFold(rest[0], "associatedResources") {
		return nil
	}
	return listPage(s, c, s.standingOn(r), func(one *resource) any { return shout(one.id) })
}

// diskSetDoc is a set as it rests [recording
// compute.disk-encryption-set-disk-update].
func (s *Server) diskSetDoc(id resourceID, location string, tags map[string]string) doc {
	d := common(id, "Microsoft.Compute/diskEncryptionSets", location, tags)
	if tags == nil {
		delete(d, "tags")
	}
	d["identity"] = doc{"type": "SystemAssigned"}
	d["properties"] = doc{
		"activeKey": doc{}, "encryptionType": "EncryptionAtRestWithCustomerKey", "provisioningState": "Succeeded",
	}
	s.identify(d)
	return d
}

// diskSetWrite answers 202: a PUT with what was asked, a PATCH with the
// document, both "Updating" [recordings compute.disk-encryption-set and
// -update].
func diskSetWrite(s *Server, c *call, r *resource, body doc, patch bool) *answer {
	made := r == nil
	if made {
		r = s.newResource(c)
		r.doc = s.diskSetDoc(r.id, regionName(text(body, "location")), nil)
		put(r.doc, "properties.provisioningState", "Updating")
		s.add(r)
		s.watch(r, c.now.Add(r.pace.FirstCheck.Duration))
	}
	asked := clone(body)
	put(asked, "properties.provisioningState", "Updating")
	put(r.doc, "properties.provisioningState", "Updating")
	a := reply(http.StatusAccepted, asked)
	if patch {
		a = reply(http.StatusAccepted, r.view(c))
	}
	s.begin(c, r, computeStyle(), a, func(now time.Time) doc { return diskSetDone(s, r, body, made, now) })
	return a
}

// diskSetDone applies a write. A set that follows takes the newest version; a
// new key counts as a rotation, the first one does not [recording
// compute.disk-encryption-set-update].
func diskSetDone(s *Server, r *resource, body doc, made bool, now time.Time) doc {
	next := clone(r.doc)
	before := keyLink(text(next, "properties.activeKey.keyUrl"))
	for _, name := range []string{"id", "name", "type", "location"} {
		delete(body, name)
	}
	if at(body, "properties.activeKey") != nil {
		put(next, "properties.activeKey", doc{})
	}
	merge(next, body)
	put(next, "properties.provisioningState", "Succeeded")
	// An update turns automatic rotation on again (facts §4).
	delete(object(next, "properties"), "autoKeyRotationError")
	s.identify(next)
	s.change(r, next)
	id := r.link.pinned
	if truth(next, "properties.rotationToLatestKeyVersionEnabled") {
		if k := s.keyOf(r); k != nil && !s.shutOut(r, k) {
			if v := k.state.current(now); v != nil {
				id = v.id
			}
		}
	}
	switch {
	case made || r.inUse == "":
		r.begin(id)
		if id != "" && id != r.link.pinned {
			put(r.doc, "properties.activeKey.keyUrl", s.versionURI(r, id))
			s.relink(r)
		}
		s.settle(r, now)
	case id != r.inUse || r.link.key != before.key:
		s.use(r, id, now)
	default:
		s.settle(r, now)
	}
	return nil
}

// diskKind is the managed disk.
func diskKind() *kind {
	return &kind{
		name: kindDisk, typ: "Microsoft.Compute/disks", content: jsonCharset, need: NeedDisk,
		write: storedWrite((*Server).completeDisk), remove: removeLater(computeStyle()), see: diskSee,
		refers: diskSets, standing: true,
	}
}

// diskSee spells the group in the id of the set in capitals, as Compute does
// [recording compute.disk-encryption-set-disk-update], and names the machine that
// has the disk (managedBy and diskState: model Disk of azure-sdk-for-go's compute
// 2021-03-01; a disk of a deallocated machine is Reserved, model DiskState).
func diskSee(s *Server, _ *call, r *resource, d doc) {
	if machine := s.machineWith(r); machine != nil {
		d["managedBy"] = machine.id.path()
		put(d, "properties.diskState", attachedState(machine))
	}
	shoutSet(d)
}

func shoutGroup(path string) string {
	id := parseID(path)
	id.group = strings.ToUpper(id.group)
	return id.path()
}

// diskDoc is a disk as it rests.
func (s *Server) diskDoc(id resourceID, location string, tags map[string]string, set string, made time.Time) doc {
	d := common(id, "Microsoft.Compute/disks", location, tags)
	encryption := doc{"type": "EncryptionAtRestWithPlatformKey"}
	if set != "" {
		encryption = doc{"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": set}
	}
	d["properties"] = doc{"creationData": doc{"createOption": "Empty"}, "encryption": encryption}
	s.completeDisk(d, made)
	return d
}

// completeDisk adds what Compute knows of a disk once it is made. Only disks
// with an image have a system.
func (s *Server) completeDisk(d doc, made time.Time) {
	defaults(d, doc{
		"sku": doc{"name": "Premium_LRS", "tier": "Premium"},
		"properties": doc{
			"diskSizeGB": 30, "diskIOPSReadWrite": 120, "diskMBpsReadWrite": 25,
			"encryption":          doc{"type": "EncryptionAtRestWithPlatformKey"},
			"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled",
			"timeCreated": stampOffset(made), "provisioningState": "Succeeded", "diskState": "Unattached",
			"diskSizeBytes": 32212254720, "uniqueId": s.mint.guid("disk", text(d, "id")), "tier": "P4",
		},
	})
	if text(d, "properties.creationData.createOption") != "Empty" {
		defaults(d, doc{"properties": doc{"osType": "Linux", "hyperVGeneration": "V2"}})
	}
}

// storedWrite creates or updates a disk or a snapshot: a PUT answers with what was
// asked, the rest is there when the operation ends [recordings
// compute.disk-encryption-set-disk-update and -snapshot].
func storedWrite(
	complete func(s *Server, d doc, made time.Time),
) func(*Server, *call, *resource, doc, bool) *answer {
	return func(s *Server, c *call, r *resource, body doc, patch bool) *answer {
		return diskWrite(s, c, r, body, patch, complete)
	}
}

func diskWrite(
	s *Server, c *call, r *resource, body doc, patch bool, complete func(s *Server, d doc, made time.Time),
) *answer {
	if r == nil {
		r = s.newResource(c)
		r.doc = common(r.id, r.kind.typ, regionName(text(body, "location")), nil)
		r.doc["properties"] = doc{"provisioningState": "Updating"}
		s.add(r)
	}
	for _, name := range []string{"id", "name", "type", "location"} {
		delete(body, name)
	}
	if text(body, "properties.encryption.diskEncryptionSetId") != "" && text(body, "properties.encryption.type") == "" {
		put(body, "properties.encryption.type", "EncryptionAtRestWithCustomerKey")
	}
	sent := common(r.id, r.kind.typ, text(r.doc, "location"), nil)
	next := clone(r.doc)
	if !patch && at(body, "properties.encryption") != nil {
		delete(object(next, "properties"), "encryption")
	}
	merge(next, body)
	merge(sent, body)
	if patch {
		sent = clone(next)
	}
	put(sent, "properties.provisioningState", "Updating")
	a := reply(http.StatusAccepted, sent)
	s.begin(c, r, computeStyle(), a, func(time.Time) doc {
		put(next, "properties.provisioningState", "Succeeded")
		complete(s, next, r.made)
		if text(next, "sku.tier") == "" {
			tier, _, _ := strings.Cut(text(next, "sku.name"), "_")
			put(next, "sku.tier", tier)
		}
		s.change(r, next)
		return nil
	})
	return a
}

// buildDiskSet makes a disk encryption set and the disks on it.
func (s *Server) buildDiskSet(spec DiskSetSpec, p Place, n string) {
	r := s.start(kindDiskSet, p, spec.Protected, func(id resourceID) doc {
		d := s.diskSetDoc(id, p.Location, p.Tags)
		k, v := s.resolveKey(spec.Key, spec.Version, n)
		if k == nil || v == nil {
			return d
		}
		active := doc{"keyUrl": k.uri(v)}
		if !k.vault.spec.HSM {
			active["sourceVault"] = doc{"id": s.idOf(k.vault.spec.Place, "Microsoft.KeyVault/vaults").path()}
		}
		put(d, "properties.activeKey", active)
		if spec.AutoRotate {
			put(d, "properties.rotationToLatestKeyVersionEnabled", true)
		}
		return d
	})
	for i := 1; i <= spec.Disks; i++ {
		disk := p
		disk.Name = p.Name + "-disk" + strconv.Itoa(i)
		s.buildDisk(disk, r.id.path())
	}
	s.buildSnapshots(spec, p, r.id.path())
}

// setID returns the id of a disk encryption set of the scenario.
func (s *Server) setID(name, n string) string {
	name = strings.ReplaceAll(name, "{n}", n)
	if name == "" || strings.HasPrefix(name, "/") {
		return name
	}
	for _, r := range s.named(name) {
		if r.kind.name == kindDiskSet {
			return r.id.path()
		}
	}
	return ""
}

// buildDisk makes a managed disk.
func (s *Server) buildDisk(p Place, set string) {
	k := s.kindNamed(kindDisk)
	id, made := s.idOf(p, k.typ), s.restedSince()
	s.add(&resource{id: id, kind: k, made: made, doc: s.diskDoc(id, p.Location, p.Tags, set, made)})
}
