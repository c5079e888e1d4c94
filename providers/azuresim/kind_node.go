package azuresim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	scaleSetType = "Microsoft.Compute/virtualMachineScaleSets"
	// maxNodes is how many nodes a pool has at most (unverified).
	maxNodes = 1000
)

// scaleSetKind is the scale set of a node pool, in the cluster's node resource
// group. AKS writes it, nobody else (facts-services A2: who scales it by hand can
// lose the cluster).
func scaleSetKind() *kind {
	return &kind{
		name: "scale-set", typ: scaleSetType, content: jsonCharset,
		acts: map[string]func(*Server, *resource, time.Time){"replace-nodes": replaceNodes},
	}
}

// nodeKind is an instance of a scale set. One with an ephemeral disk keeps the
// version it was built with until it is replaced (facts-services A3); that a
// running node feels the loss of its key as a machine with disks does is an
// assumption.
func nodeKind() *kind {
	return &kind{
		name: "node", typ: scaleSetType + "/virtualMachines", content: jsonCharset, need: NeedNode, expires: true,
		pace: diskSetKind().pace, silent: true,
	}
}

// scaleSetExtra is what is known of a scale set beyond its document.
type scaleSetExtra struct {
	cluster *resource
	next    int // number of the next node; none is used again
}

// replaceNodes replaces the nodes of a cluster, or of one scale set.
func replaceNodes(s *Server, r *resource, now time.Time) {
	for _, set := range append(s.scaleSets(r), r) {
		if extra, ok := set.extra.(*scaleSetExtra); ok {
			s.replacePool(extra.cluster, text(set.doc, "tags.aks-managed-poolName"), now)
		}
	}
}

// scaleSets returns the scale sets of a cluster, in the order of their ids.
func (s *Server) scaleSets(cluster *resource) []*resource {
	return slices.DeleteFunc(slices.Clone(s.index.ofKind(s.kindNamed("scale-set")).sorted()), func(set *resource) bool {
		extra, ok := set.extra.(*scaleSetExtra)
		return !ok || extra.cluster != cluster
	})
}

// replacePool takes the nodes of a pool away and builds them anew.
func (s *Server) replacePool(cluster *resource, pool string, now time.Time) {
	set := s.scaleSet(cluster, pool)
	for _, node := range s.instances(set) {
		s.dropNode(node)
	}
	s.syncNodes(cluster, now)
}

// nodePlace is a place in the node resource group.
func nodePlace(cluster *resource, name string) Place {
	return Place{
		Name: name, Subscription: cluster.id.subscription, Location: cluster.location(),
		ResourceGroup: text(cluster.doc, "properties.nodeResourceGroup"),
	}
}

// scaleSet returns the scale set of a pool, nil if there is none.
func (s *Server) scaleSet(cluster *resource, pool string) *resource {
	return s.resources[fold(s.idOf(nodePlace(cluster, s.scaleSetName(cluster, pool)), scaleSetType).path())]
}

func (s *Server) scaleSetName(cluster *resource, pool string) string {
	number := strconv.FormatUint(10000000+s.mint.number(89999999, "pool", cluster.id.path()), 10)
	return "aks-" + strings.ToLower(pool) + "-" + number + "-vmss"
}

// instances are the nodes of a scale set, the oldest first.
func (s *Server) instances(set *resource) []*resource {
	if set == nil {
		return nil
	}
	list := s.children(set)
	slices.SortFunc(list, func(a, b *resource) int { return whole(a.id.name) - whole(b.id.name) })
	return list
}

// syncNodes makes and removes scale sets and nodes until they are what the pools
// say.
func (s *Server) syncNodes(cluster *resource, now time.Time) {
	if cluster.gone || !clusterExtraOf(cluster).nodes {
		return
	}
	wanted := map[*resource]bool{}
	for _, pool := range pools(cluster.doc) {
		set := s.scaleSet(cluster, text(pool, "name"))
		if set == nil {
			set = s.addScaleSet(cluster, pool, now)
		}
		wanted[set] = true
		count := min(max(whole(pool["count"]), 0), maxNodes)
		put(set.doc, "sku.capacity", count)
		have := s.instances(set)
		for i := len(have); i > count; i-- {
			s.dropNode(have[i-1])
		}
		for i := len(have); i < count; i++ {
			s.addNode(cluster, set, pool, now)
		}
	}
	for _, set := range s.scaleSets(cluster) {
		if wanted[set] {
			continue
		}
		for _, node := range s.instances(set) {
			s.dropNode(node)
		}
		s.drop(set)
	}
}

func ephemeral(pool doc) bool { return strings.EqualFold(text(pool, "osDiskType"), "Ephemeral") }

// addScaleSet makes the scale set of a pool, cut down to what tells of its disks
// [recording compute.disk-encryption-set; diffDiskSettings: azure-rest-api-specs,
// compute 2023-03-01, VirtualMachineScaleSet_CreateA_WithDiffOsDisk…].
func (s *Server) addScaleSet(cluster *resource, pool doc, now time.Time) *resource {
	id := s.idOf(nodePlace(cluster, s.scaleSetName(cluster, text(pool, "name"))), scaleSetType)
	disk := doc{
		"osType": "Linux", "createOption": "FromImage", "caching": "ReadWrite",
		"managedDisk": doc{"storageAccountType": "Premium_LRS"}, "diskSizeGB": pool["osDiskSizeGB"],
	}
	if ephemeral(pool) {
		disk["diffDiskSettings"] = doc{"option": "Local"}
	}
	if set := text(cluster.doc, "properties.diskEncryptionSetID"); set != "" {
		put(disk, "managedDisk.diskEncryptionSet", doc{"id": set})
	}
	d := common(id, scaleSetType, cluster.location(), map[string]string{"aks-managed-poolName": text(pool, "name")})
	d["sku"] = doc{"name": pool["vmSize"], "tier": "Standard", "capacity": 0}
	d["properties"] = doc{
		"singlePlacementGroup": true, "orchestrationMode": "Uniform", "upgradePolicy": doc{"mode": "Manual"},
		"virtualMachineProfile": doc{"storageProfile": doc{"osDisk": disk}},
		"provisioningState":     "Succeeded", "uniqueId": s.mint.guid("scale set", id.path()), "timeCreated": stampOffset(now),
	}
	r := &resource{id: id, kind: s.kindNamed("scale-set"), made: now, doc: d, extra: &scaleSetExtra{cluster: cluster}}
	s.add(r)
	return r
}

// addNode builds a node. An ephemeral disk keeps the version that the cluster's set
// uses now; a managed one is a disk on the set.
func (s *Server) addNode(cluster, set *resource, pool doc, now time.Time) {
	extra, _ := set.extra.(*scaleSetExtra)
	number := strconv.Itoa(extra.next)
	extra.next++
	id := set.id
	id.above, id.name, id.typ = set.id.name, number, set.id.typ+"/virtualMachines"
	name := set.id.name + "_" + number
	disk := doc{"osType": "Linux", "createOption": "FromImage", "name": name + "_OsDisk_1"}
	diskSet := text(cluster.doc, "properties.diskEncryptionSetID")
	d := doc{
		"name": name, "instanceId": number, "id": id.path(), "type": id.fullType(), "location": cluster.location(),
		"sku": doc{"name": pool["vmSize"], "tier": "Standard"},
		"properties": doc{
			"latestModelApplied": true, "vmId": s.mint.guid("node", id.path()), "provisioningState": "Succeeded",
			"timeCreated": stampOffset(now), "storageProfile": doc{"osDisk": disk, "dataDisks": []any{}},
		},
	}
	k := s.kindNamed("node")
	r := &resource{id: id, kind: k, made: now, doc: d, pace: k.pace}
	s.add(r)
	if ephemeral(pool) {
		disk["diffDiskSettings"] = doc{"option": "Local"}
		if holder := s.resources[fold(diskSet)]; holder != nil {
			s.freeze(r, holder, "", now)
		}
		return
	}
	s.buildDisk(nodePlace(cluster, name+"_OsDisk_1"), diskSet)
}

// dropNode removes a node with its disk.
func (s *Server) dropNode(node *resource) {
	id := node.id
	id.typ, id.above, id.name = "disks", "", text(node.doc, "name")+"_OsDisk_1"
	if disk := s.resources[fold(id.path())]; disk != nil {
		s.drop(disk)
	}
	s.drop(node)
}

// clusterDropped removes what AKS made in the node resource group.
func clusterDropped(s *Server, cluster *resource) {
	place := s.idOf(nodePlace(cluster, ""), scaleSetType)
	if place.group == "" {
		return
	}
	for _, r := range s.selected(place, func(*resource) bool { return true }) {
		s.drop(r)
	}
}

// buildNodes makes the pools and volumes of a scenario's cluster.
func (s *Server) buildNodes(cluster *resource, spec ClusterSpec, n string) {
	if len(spec.Pools) > 0 {
		clusterExtraOf(cluster).nodes = true
		s.syncNodes(cluster, s.restedSince())
	}
	for _, pool := range spec.Pools {
		for _, node := range s.instances(s.scaleSet(cluster, pool.Name)) {
			s.dateNode(node, pool.Version)
		}
	}
	class := s.setID(spec.StorageClassSet, n)
	if class == "" {
		class = text(cluster.doc, "properties.diskEncryptionSetID")
	}
	for i := range spec.Volumes {
		s.buildDisk(nodePlace(cluster, "pvc-"+s.mint.guid("volume", cluster.id.path(), i)), class)
	}
}

// dateNode builds an ephemeral node under a version, no earlier than there was
// that version.
func (s *Server) dateNode(node *resource, word string) {
	k := s.keyOf(node)
	if k == nil {
		return
	}
	v := k.state.find(node.inUse)
	if word != "" {
		v = k.state.choose(word)
	}
	if v == nil {
		return
	}
	s.freeze(node, node.keeper, v.id, s.epoch)
	if v.created.After(node.made) {
		node.made = v.created
	}
	put(node.doc, "properties.timeCreated", stampOffset(node.made))
}
