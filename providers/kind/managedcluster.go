package kind

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"cmkd/providers/arm"

	"cmkd/rotator"
)

// etcdWindow is how long the etcd of a cluster may take that follows its key: a controller
// looks for a new version every six hours, and re-encrypts (facts-services.md A2); the
// two hours for that are an assumption.
const etcdWindow = 8 * time.Hour

// managedCluster is the Kubernetes cluster. It uses keys in three places: for its nodes'
// disks through a disk encryption set, for volumes through the sets of StorageClasses, and
// for the secrets in its etcd (KMS).
//
// Paths: example ManagedClustersGet (diskEncryptionSetID), recordings
// containerservice.managed-cluster.2021 and containerservice.kms-platform-key.2025
// (securityProfile is there without KMS, too; the true api-version of its traffic is
// 2025-03-01), facts-services.md A2 (KMS, which names a version in the design of before
// and none in the new one) and A3 (ephemeral disks, StorageClasses).
func managedCluster() *Declaration {
	const (
		set               = clusterSet
		security     Path = "properties.securityProfile"
		kms               = security + ".azureKeyVaultKms"
		kmsEnabled        = kms + ".enabled"
		kmsKey            = kms + ".keyId"
		provisioning Path = "properties.provisioningState"
		power        Path = "properties.powerState.code"
	)
	disks := diskEncryptionSet()
	return &Declaration{
		Name: "managed-cluster", Type: "Microsoft.ContainerService/managedClusters", APIVersion: "2025-03-01", Noun: "the cluster",
		Traits: rotator.Traits{
			Window: time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, CanNudge: true, WriteRole: "Contributor",
			Late:    "when a node is replaced, or the cluster started again",
			Revoked: "the nodes shut down, and without the key of its etcd the cluster breaks",
			Takes:   []rotator.KeyDemand{{Use: string(set), Sizes: rsaSizes, Ops: wrapOps}, {Use: string(kms), Ops: encryptOps}},
		},
		Bindings: disks.Bindings,
		Uses: []UseAt{
			{Path: set, Witness: nodeGroup, Via: &Via{At: set, To: disks, Noun: "disk encryption set"}},
			{
				Path: kms, Witness: security, URI: kmsKey, Owner: &Owner{At: kmsEnabled, Customer: "true", Microsoft: "false"},
				Setting: true, Previous: true, Slow: etcdWindow,
				ByHand: "az aks update --enable-azure-keyvault-kms --azure-keyvault-kms-key-id KEY_ID, with the name and the group of the cluster; " +
					"then rewrite its secrets: kubectl get secrets -A -o json | kubectl replace -f -",
			},
		},
		Blind: ephemeralPools, More: volumeSets,
		MayBlind: []rotator.BlindSpot{
			{What: "nodes of pool …", Why: "a pool has ephemeral disks: each node keeps the version that it was made with until it is replaced"},
			{What: "nodes", Why: "the cluster does not show its pools"},
			{What: "volumes", Why: "the disks in the node resource group cannot be read: some may be under other sets (StorageClass)"},
		},
		State: provisioning,
		Facts: []Path{set, kmsEnabled, kmsKey, provisioning, power}, FactPrefix: "managedCluster.",
		Properties: []Property{
			{set, "the disk encryption set of the nodes' disks; never there if the key is Microsoft's"},
			{kmsEnabled, "whether the etcd is under a key of a customer's"},
			{kmsKey, "its key: with a version it is pinned, without one it follows"},
			{security, "there in every cluster: by it a document is known to be whole"},
			{nodeGroup, "where the nodes' disks and volumes are"},
			{provisioning, "whether an update is under way"},
			{power, "shown"},
			{location, "where it is, if it has no set; else the region is the set's"},
		},
		Further: []Property{
			{pools, "the node pools"},
			{pools + "." + poolDisk, "of a pool: Ephemeral disks keep the version that they were made with"},
			{pools + "." + poolName, "of a pool: what it is called"},
			{diskSet, "of a disk in the node resource group: its disk encryption set"},
			{diskEncryption, "there in every disk: by it a document is known to be whole"},
		},
		Calls: []CallInfo{
			{http.MethodGet, "/subscriptions/…/resourceGroups/NODEGROUP/providers/Microsoft.Compute/disks", diskVersion, "observe, once what the cluster itself shows is on the version wanted"},
		},
		Permissions: []Permission{
			{"Reader", "the node resource group", "Microsoft.Compute/disks/read", "always"},
		},
		Evidence: "disks and volumes: that of their disk encryption sets; etcd: what it was told, inferred by time",
		Limits: []string{
			"the etcd of a cluster is told another version by a person (az aks update), who rewrites the secrets then",
			"the etcd needs the version before until it is told yet another one: nobody shows which that is, cmkd remembers it",
			"nodes with ephemeral disks keep the version that they were made with until they are replaced",
		},
		Sources: []string{
			"facts.md §4 Disk encryption sets, AKS", "facts-services.md A2, A3", "recordings/containerservice.managed-cluster.2021.jsonl",
			"more-recordings/containerservice.kms-platform-key.2025.jsonl", "examples/containerservice-2021-09-01",
		},
	}
}

// What the functions below read: of a cluster, of a pool within its agentPoolProfiles,
// and of a disk.
const (
	clusterSet Path = "properties.diskEncryptionSetID"
	nodeGroup  Path = "properties.nodeResourceGroup"
	pools      Path = "properties.agentPoolProfiles"
	poolName   Path = "name"
	poolDisk   Path = "osDiskType"
	diskSet    Path = "properties.encryption.diskEncryptionSetId"
	// diskEncryption is there in every disk.
	diskEncryption Path = "properties.encryption.type"
)

// platformKey is the encryption type of a disk under a key of Microsoft's alone (model
// EncryptionType of compute 2021-03-01).
const platformKey = "EncryptionAtRestWithPlatformKey"

// diskVersion is the api-version of disks (recording compute.disk-encryption-set.2025).
const diskVersion = "2023-04-02"

// ephemeralPools names the node pools whose nodes keep the version that they were made
// with, which nobody shows.
func ephemeralPools(doc document) (blind []rotator.BlindSpot) {
	if doc.blank(clusterSet) {
		return nil
	}
	if len(doc.list(pools)) == 0 { // there is no cluster without one
		blind = append(blind, rotator.BlindSpot{What: "nodes", Why: "the cluster does not show its pools"})
	}
	for _, pool := range doc.list(pools) {
		why := ""
		switch disk := pool.text(poolDisk); {
		case strings.EqualFold(disk, "Ephemeral"):
			why = "their disks are ephemeral: each keeps the version that it was made with until it is replaced"
		case disk == "":
			why = "the cluster does not show whether their disks are ephemeral"
		default:
			continue
		}
		blind = append(blind, rotator.BlindSpot{What: "nodes of pool " + pool.text(poolName), Why: why})
	}
	return blind
}

// volumeSets looks at the disk encryption sets of the disks in the node resource group
// that are not the cluster's own: those of StorageClasses.
func volumeSets(ctx context.Context, r *Resource, d *rotator.Dependent, doc document, ask rotator.Ask, o *rotator.Observation) error {
	group := doc.text(nodeGroup)
	id, err := arm.ParseResourceID(d.ID)
	if err != nil || group == "" || strings.ContainsAny(group, "/?#%") {
		o.BlindSpots = append(o.BlindSpots, rotator.BlindSpot{What: "volumes", Why: "the cluster does not show its node resource group"})
		return err
	}
	seen := []string{doc.text(clusterSet)}
	path := "/subscriptions/" + id.Subscription + "/resourceGroups/" + group + "/providers/Microsoft.Compute/disks"
	_, err = r.deps.ARM.List(ctx, path, diskVersion, func(raw json.RawMessage) error {
		var disk document
		if err := json.Unmarshal(raw, &disk); err != nil {
			return unreadable(path, err)
		}
		if disk.text(diskEncryption) == "" {
			return unreadable(path, errors.New("a disk does not show its encryption"))
		}
		set := disk.text(diskSet)
		if set == "" && !strings.EqualFold(disk.text(diskEncryption), platformKey) {
			return unreadable(path, errors.New("a disk under a key of a customer's does not show its set"))
		}
		if set != "" && !slices.ContainsFunc(seen, func(s string) bool { return strings.EqualFold(s, set) }) {
			seen = append(seen, set)
		}
		return nil
	}, arm.CallOptions{Kind: r.Name})
	switch rotator.CodeOf(err) {
	case "":
	case rotator.CodeForbidden, rotator.CodeNotFound:
		o.BlindSpots = append(o.BlindSpots, rotator.BlindSpot{What: "volumes", Why: "the disks in group " + group + " cannot be read: " + err.Error()})
		return nil
	default:
		return err
	}
	for _, set := range seen[1:] {
		other, err := r.throughAt(set, d)
		if err != nil {
			return err
		}
		before := len(o.Uses)
		if err := r.observeThrough(ctx, d, other, ask, o); err != nil {
			return err
		}
		for i := range len(o.Uses) - before {
			o.Uses[i].Passing = true // they come first
		}
	}
	return nil
}
