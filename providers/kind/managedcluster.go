package kind

import (
	"time"

	"cmkd/rotator"
)

// managedCluster is the Kubernetes cluster, which uses its key through the disk
// encryption set of its nodes' disks.
//
// Paths: example ManagedClustersGet (diskEncryptionSetID), recording
// containerservice.managed-cluster.2021 (the rest). The etcd and the disks that
// are not looked at: facts-services.md A2 and A3.
func managedCluster() *Declaration {
	const (
		set          Path = "properties.diskEncryptionSetID"
		provisioning Path = "properties.provisioningState"
		power        Path = "properties.powerState.code"
	)
	disks := diskEncryptionSet()
	return &Declaration{
		Name: "managed-cluster", Type: "Microsoft.ContainerService/managedClusters", APIVersion: "2021-09-01", Noun: "the cluster",
		Traits: rotator.Traits{
			Window: time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, CanNudge: true, WriteRole: "Contributor",
			Revoked: "the nodes shut down",
		},
		Bindings:   disks.Bindings,
		Uses:       []UseAt{{Path: set, Via: &Via{At: set, To: disks, Noun: "disk encryption set"}}},
		BlindSpots: []rotator.BlindSpot{{What: "etcd", Why: "the key of the cluster's etcd (KMS) is not observed"}},
		State:      provisioning,
		Facts:      []Path{set, provisioning, power}, FactPrefix: "managedCluster.",
		Properties: []Property{
			{set, "the disk encryption set of the nodes' disks"},
			{provisioning, "whether an update is under way"},
			{power, "shown"},
			{location, "where it is, if it has no set; else the region is the set's"},
		},
		Evidence: "that of its disk encryption set",
		Sources: []string{
			"facts.md §4 Disk encryption sets, AKS", "recordings/containerservice.managed-cluster.2021.jsonl", "examples/containerservice-2021-09-01",
		},
	}
}
