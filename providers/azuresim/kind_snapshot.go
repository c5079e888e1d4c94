package azuresim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// snapshotKind is the snapshot of a managed disk. Like a disk it names a set and
// no version: the set re-wraps it within the hour (facts-evidence §4).
func snapshotKind() *kind {
	return &kind{
		name: "snapshot", typ: "Microsoft.Compute/snapshots", content: jsonCharset, need: NeedSnapshot,
		write: storedWrite((*Server).completeSnapshot), remove: removeLater(computeStyle()),
		refers: diskSets, standing: true, see: func(_ *Server, _ *call, _ *resource, d doc) { shoutSet(d) },
	}
}

// imageKind is the image of a machine, with a set for each of its disks [example
// compute-disk-2021-04-01/CreateAnImageFromASnapshotWithDiskEncryptionSet].
func imageKind() *kind {
	return &kind{
		name: "image", typ: "Microsoft.Compute/images", content: jsonCharset, need: NeedImage,
		write: imageWrite, remove: removeLater(machineStyle()),
		refers: imageSets, standing: true,
	}
}

// diskSets are the sets of a disk or a snapshot.
func diskSets(d doc) []string { return []string{text(d, "properties.encryption.diskEncryptionSetId")} }

// imageSets are the sets of an image.
func imageSets(d doc) []string {
	var sets []string
	for _, disk := range profileDisks(d, "properties.storageProfile") {
		sets = append(sets, text(disk, "diskEncryptionSet.id"))
	}
	return sets
}

// shoutSet spells the group in the id of the set in capitals, as Compute does
// [recordings compute.disk-encryption-set-disk-update and -snapshot].
func shoutSet(d doc) {
	if set := text(d, "properties.encryption.diskEncryptionSetId"); set != "" {
		put(d, "properties.encryption.diskEncryptionSetId", shoutGroup(set))
	}
}

// profileDisks are the disks of a storage profile, the system's first.
func profileDisks(d doc, profile string) []doc {
	var out []doc
	if disk, ok := at(d, profile+".osDisk").(doc); ok {
		out = append(out, disk)
	}
	for _, v := range anyList(d, profile+".dataDisks") {
		if disk, ok := v.(doc); ok {
			out = append(out, disk)
		}
	}
	return out
}

// completeSnapshot adds what Compute knows of a snapshot once it is made
// [recording compute.disk-encryption-set-snapshot].
func (s *Server) completeSnapshot(d doc, made time.Time) {
	defaults(d, doc{
		"sku": doc{"name": "Standard_LRS", "tier": "Standard"},
		"properties": doc{
			"diskSizeGB": 30, "encryption": doc{"type": "EncryptionAtRestWithPlatformKey"}, "incremental": false,
			"networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled", "timeCreated": stampOffset(made),
			"provisioningState": "Succeeded", "diskState": "Unattached", "diskSizeBytes": 32212254720,
			"uniqueId": s.mint.guid("disk", text(d, "id")),
		},
	})
}

// imageWrite makes an image: 201 Creating [example compute-disk-2021-04-01].
func imageWrite(s *Server, c *call, r *resource, body doc, _ bool) *answer {
	status := http.StatusOK
	if r == nil {
		status = http.StatusCreated
		r = s.newResource(c)
		r.doc = common(r.id, r.kind.typ, regionName(text(body, "location")), nil)
		s.add(r)
	}
	for _, name := range []string{"id", "name", "type", "location"} {
		delete(body, name)
	}
	next := clone(r.doc)
	merge(next, body)
	defaults(next, doc{"properties": doc{"storageProfile": doc{"dataDisks": []any{}}}})
	put(next, "properties.provisioningState", "Creating")
	s.change(r, next)
	a := reply(status, r.view(c))
	s.begin(c, r, machineStyle(), a, func(time.Time) doc {
		put(r.doc, "properties.provisioningState", "Succeeded")
		return nil
	})
	return a
}

// standingOn returns the disks, snapshots and images on a set; not machines and
// scale sets (facts-evidence §4).
func (s *Server) standingOn(set *resource) []*resource {
	return s.referring(set, func(k *kind) bool { return k.standing })
}

// shout is an id as associatedResources has it: the group and the name in
// capitals [recording compute.disk-encryption-set-snapshot].
func shout(id resourceID) string {
	id.group, id.name = strings.ToUpper(id.group), strings.ToUpper(id.name)
	return id.path()
}

// buildSnapshot makes a snapshot.
func (s *Server) buildSnapshot(p Place, set string) {
	k := s.kindNamed("snapshot")
	id, made := s.idOf(p, k.typ), s.restedSince()
	d := common(id, k.typ, p.Location, p.Tags)
	d["properties"] = doc{"creationData": doc{"createOption": "Copy"}}
	if set != "" {
		put(d, "properties.encryption", doc{"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": set})
	}
	s.completeSnapshot(d, made)
	s.add(&resource{id: id, kind: k, made: made, doc: d})
}

// buildImage makes an image.
func (s *Server) buildImage(p Place, set string) {
	k := s.kindNamed("image")
	id := s.idOf(p, k.typ)
	d := common(id, k.typ, p.Location, p.Tags)
	disk := doc{"osType": "Linux", "osState": "Generalized", "caching": "ReadWrite"}
	if set != "" {
		disk["diskEncryptionSet"] = doc{"id": set}
	}
	d["properties"] = doc{
		"storageProfile": doc{"osDisk": disk, "dataDisks": []any{}}, "provisioningState": "Succeeded",
	}
	s.add(&resource{id: id, kind: k, made: s.restedSince(), doc: d})
}

// buildSnapshots makes the snapshots that a set of the scenario counts.
func (s *Server) buildSnapshots(spec DiskSetSpec, p Place, set string) {
	for i := 1; i <= spec.Snapshots; i++ {
		one := p
		one.Name = p.Name + "-snapshot" + strconv.Itoa(i)
		s.buildSnapshot(one, set)
	}
}
