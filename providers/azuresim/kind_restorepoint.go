package azuresim

import (
	"cmp"
	"net/http"
	"strings"
	"time"
)

const (
	restoreCollectionType = "Microsoft.Compute/restorePointCollections"
	restorePointType      = restoreCollectionType + "/restorePoints"
)

// restoreCollectionKind is the collection of a machine's restore points.
func restoreCollectionKind() *kind {
	return &kind{
		name: "restore-point-collection", typ: restoreCollectionType, content: jsonCharset,
		write: restoreCollectionWrite, remove: removeLater(machineStyle()), see: restoreCollectionSee,
	}
}

// restorePointKind is a restore point: copies of a machine's disks, each with a
// set of its own (facts-evidence §4). There is no list but in the collection.
func restorePointKind() *kind {
	return &kind{
		name: "restore-point", typ: restorePointType, content: jsonCharset,
		write: restorePointWrite, remove: removeLater(machineStyle()),
		list: func(s *Server, c *call) *answer { return s.notSimulated(c) },
	}
}

// restoreDiskKind is the copy of one disk in a restore point. It keeps the version
// under which it was made. Azure does not say whether such a copy is re-wrapped
// with its set, only that the set must live on and that it is another consumer
// of old keys (facts-services A3): this is the careful reading.
func restoreDiskKind() *kind {
	return &kind{
		name: "disk-restore-point", typ: restorePointType + "/diskRestorePoints", need: NeedRestorePoint,
		pace: diskSetKind().pace, internal: true, silent: true,
	}
}

// restoreCollectionWrite makes a collection, 201 at once [recording
// compute.restore-point-cmk].
func restoreCollectionWrite(s *Server, c *call, r *resource, body doc, _ bool) *answer {
	status := http.StatusOK
	if r == nil {
		status = http.StatusCreated
		r = s.newResource(c)
		r.doc = s.restoreCollectionDoc(r.id, regionName(text(body, "location")), text(body, "properties.source.id"))
		s.add(r)
	}
	if tags, ok := body["tags"].(doc); ok {
		next := clone(r.doc)
		next["tags"] = tags
		s.change(r, next)
	}
	return reply(status, r.view(c))
}

func (s *Server) restoreCollectionDoc(id resourceID, location, source string) doc {
	return doc{
		"id": id.path(), "name": id.name, "type": restoreCollectionType, "location": location,
		"properties": doc{
			"source":                   doc{"location": strings.ReplaceAll(displayRegion(location), " ", ""), "id": source},
			"restorePointCollectionId": s.mint.guid("collection", id.path()), "provisioningState": "Succeeded",
		},
	}
}

// restoreCollectionSee lists the points where they are asked for (REST reference
// of restore point collections: $expand=restorePoints).
func restoreCollectionSee(s *Server, c *call, r *resource, d doc) {
	if !strings.EqualFold(c.query.Get("$expand"), "restorePoints") {
		return
	}
	points := []any{}
	for _, point := range s.children(r) {
		points = append(points, point.view(c))
	}
	put(d, "properties.restorePoints", points)
}

// restorePointWrite makes a restore point: 201 Creating, and the sets of its
// disks are there when the operation ends [recording compute.restore-point-cmk].
func restorePointWrite(s *Server, c *call, r *resource, body doc, _ bool) *answer {
	if r != nil {
		return reply(http.StatusOK, r.view(c))
	}
	r = s.newResource(c)
	r.doc = doc{"id": r.id.path(), "name": r.id.name, "properties": doc{"provisioningState": "Creating"}}
	s.add(r)
	put(r.doc, "properties.sourceMetadata", s.sourceMetadata(r, body))
	put(r.doc, "properties.timeCreated", stampOffset(c.now))
	asked := setsAsked(body)
	a := reply(http.StatusCreated, r.view(c))
	style := machineStyle()
	style.result = "-"
	s.begin(c, r, style, a, func(now time.Time) doc {
		s.restoreDone(r, asked, now)
		return nil
	})
	return a
}

// setsAsked are the sets that a request names, by the disk that is copied.
func setsAsked(body doc) map[string]string {
	asked := map[string]string{}
	for _, disk := range profileDisks(body, "properties.sourceMetadata.storageProfile") {
		asked[fold(text(disk, "managedDisk.id"))] = text(disk, "diskRestorePoint.encryption.diskEncryptionSet.id")
	}
	return asked
}

// sourceMetadata describes the machine of the collection; of one that is outside
// the estate, what the request says of its disks.
func (s *Server) sourceMetadata(r *resource, body doc) doc {
	source := text(r.parent.doc, "properties.source.id")
	profile := object(clone(body), "properties.sourceMetadata.storageProfile")
	size := "Standard_DS1_v2"
	if machine := s.resources[fold(source)]; machine != nil {
		profile = object(clone(machine.doc), "properties.storageProfile")
		size = text(machine.doc, "properties.hardwareProfile.vmSize")
	}
	storage := doc{"dataDisks": []any{}}
	var data []any
	for i, disk := range profileDisks(doc{"p": profile}, "p") {
		managed := text(disk, "managedDisk.id")
		one := doc{
			"name": parseID(managed).name, "diskSizeGB": 30, "caching": cmp.Or(text(disk, "caching"), "None"),
			"managedDisk": doc{"storageAccountType": "Premium_LRS", "id": managed},
		}
		if i == 0 {
			one["osType"] = "Linux"
			storage["osDisk"] = one
			continue
		}
		one["lun"] = i - 1
		data = append(data, one)
	}
	if data != nil {
		storage["dataDisks"] = data
	}
	return doc{
		"vmId": s.mint.guid("vm", parseID(source).path()), "location": text(r.parent.doc, "properties.source.location"),
		"hardwareProfile": doc{"vmSize": size}, "storageProfile": storage, "hyperVGeneration": "V1",
	}
}

// restoreDone copies the disks: each copy gets the set that was asked for, or its
// disk's.
func (s *Server) restoreDone(r *resource, asked map[string]string, now time.Time) {
	if r.gone {
		return
	}
	for _, disk := range profileDisks(r.doc, "properties.sourceMetadata.storageProfile") {
		managed := fold(text(disk, "managedDisk.id"))
		set := asked[managed]
		if set == "" && s.resources[managed] != nil {
			set = text(s.resources[managed].doc, "properties.encryption.diskEncryptionSetId")
		}
		copied := r.id
		copied.above, copied.typ = r.id.chain(), r.id.typ+"/diskRestorePoints"
		copied.name = text(disk, "name") + "_" + s.mint.guid("copy", r.id.path(), managed)
		disk["diskRestorePoint"] = doc{
			"id": copied.path(), "encryption": doc{"type": "EncryptionAtRestWithPlatformKey"},
		}
		k := s.kindNamed("disk-restore-point")
		child := &resource{id: copied, kind: k, made: now, doc: doc{"id": copied.path()}, pace: k.pace}
		s.add(child)
		if holder := s.resources[fold(set)]; holder != nil {
			put(disk, "diskRestorePoint.encryption", doc{
				"type": text(holder.doc, "properties.encryptionType"), "diskEncryptionSet": doc{"id": shoutGroup(set)},
			})
			s.freeze(child, holder, "", now)
		}
	}
	put(r.doc, "properties.provisioningState", "Succeeded")
	put(r.doc, "properties.consistencyMode", "CrashConsistent")
}

// freeze lets a resource keep the version that a set uses now, or another of its
// key, under the set's identity: whatever the set follows later.
func (s *Server) freeze(r, set *resource, version string, now time.Time) {
	if set.inUse == "" {
		return
	}
	r.keeper = set
	r.link = link{key: set.inKey, pinned: cmp.Or(version, set.inUse)}
	r.begin(r.link.pinned)
	s.file(r)
	s.settle(r, now)
}

// restoreCollection makes the collection at a place if it is new.
func (s *Server) restoreCollection(p Place, source resourceID, made time.Time) resourceID {
	id := s.idOf(p, restoreCollectionType)
	if s.resources[fold(id.path())] == nil {
		s.add(&resource{
			id: id, kind: s.kindNamed("restore-point-collection"), made: made,
			doc: s.restoreCollectionDoc(id, p.Location, source.path()),
		})
	}
	return id
}

// buildRestorePoint makes a restore point of a machine, or of one disk that is
// not in the estate, under the version that the scenario says.
func (s *Server) buildRestorePoint(spec RestorePointSpec, p Place, n string) {
	collection, machine := p, p
	collection.Name = cmp.Or(strings.ReplaceAll(spec.Collection, "{n}", n), p.Name+"-collection")
	machine.Name = cmp.Or(strings.ReplaceAll(spec.VirtualMachine, "{n}", n), p.Name+"-vm")
	source := s.idOf(machine, "Microsoft.Compute/virtualMachines")
	made := s.restedSince()
	point := s.restoreCollection(collection, source, made)
	point.above, point.name = point.name, p.Name
	point = point.spelled(restorePointType)
	r := &resource{
		id: point, kind: s.kindNamed("restore-point"), made: made,
		doc: doc{"id": point.path(), "name": point.name, "properties": doc{"timeCreated": stampOffset(made)}},
	}
	s.add(r)
	disk := diskReference(source, source.name+"-os", "", "ReadWrite")
	body := doc{"properties": doc{"sourceMetadata": doc{"storageProfile": doc{"osDisk": disk}}}}
	put(r.doc, "properties.sourceMetadata", s.sourceMetadata(r, body))
	set := s.setID(spec.DiskEncryptionSet, n)
	asked := map[string]string{}
	for _, one := range profileDisks(r.doc, "properties.sourceMetadata.storageProfile") {
		asked[fold(text(one, "managedDisk.id"))] = set
	}
	s.restoreDone(r, asked, s.epoch)
	if spec.Version == "" {
		return
	}
	for _, child := range s.children(r) {
		if k := s.keyOf(child); child.keeper != nil && k != nil && k.state.choose(spec.Version) != nil {
			s.freeze(child, child.keeper, k.state.choose(spec.Version).id, s.epoch)
		}
	}
}
