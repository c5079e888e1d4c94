package kind

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// managedClusterPaths are the properties of a managed Kubernetes cluster that
// cmkd relies on. Sources: example ManagedClustersGet (diskEncryptionSetID),
// recording containerservice.managed-cluster.2021 (the rest).
type managedClusterPaths struct {
	Set, State, Power, Location string
}

func newManagedClusterPaths() managedClusterPaths {
	return managedClusterPaths{
		Set:      "properties.diskEncryptionSetID",
		State:    "properties.provisioningState",
		Power:    "properties.powerState.code",
		Location: "location",
	}
}

func managedClusterInfo() Info {
	p := newManagedClusterPaths()
	set := diskEncryptionSetInfo()
	return Info{
		Kind: "managed-cluster", Type: "Microsoft.ContainerService/managedClusters", APIVersion: "2021-09-01",
		Traits: rotator.Traits{
			Window: time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, CanNudge: true, WriteRole: "Contributor",
			Revoked: "the nodes shut down",
		},
		Bindings: set.Bindings,
		Properties: []Property{
			{p.Set, "the disk encryption set of the nodes' disks"},
			{p.State, "whether an update is under way"},
			{p.Power, "shown"},
			{p.Location, "where it is, if it has no set; else the region is the set's"},
		},
		Calls: append([]CallInfo{
			{"GET", "/subscriptions/…/providers/Microsoft.ContainerService/managedClusters/…", "2021-09-01", "observe; before an update"},
			{"GET", "/subscriptions/…/providers/Microsoft.ContainerService/managedClusters", "2021-09-01", "find"},
		}, set.Calls...),
		Permissions: append([]Permission{
			{"Reader", "the cluster", "Microsoft.ContainerService/managedClusters/read", "always"},
		}, set.Permissions...),
		Evidence: "that of its disk encryption set",
		Limits:   []string{"the key of the cluster's etcd (KMS) is not looked at"},
		Sources: []string{
			"facts.md §4 Disk encryption sets, AKS", "recordings/containerservice.managed-cluster.2021.jsonl", "examples/containerservice-2021-09-01",
		},
	}
}

// managedCluster resolves a cluster to its disk encryption set.
type managedCluster struct {
	caller
	paths managedClusterPaths
	set   *diskEncryptionSet
}

var (
	_ rotator.Service = (*managedCluster)(nil)
	_ rotator.Finder  = (*managedCluster)(nil)
)

func newManagedCluster(d Deps, set *diskEncryptionSet) *managedCluster {
	return &managedCluster{caller: caller{d.ARM, managedClusterInfo()}, paths: newManagedClusterPaths(), set: set}
}

// Observe implements [rotator.Service]: what it says is the set's, Via names it.
func (s *managedCluster) Observe(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	cluster, resp, err := s.read(ctx, d.ID)
	if err != nil {
		return rotator.Observation{}, wrap("observe", d, err)
	}
	set, facts, err := s.resolve(cluster, d)
	if err != nil {
		return rotator.Observation{}, err
	}
	if set == nil {
		return rotator.Observation{At: resp.Date, Region: region(cluster.text(s.paths.Location)), Facts: facts}, nil
	}
	o, err := s.set.Observe(ctx, set, ask)
	if err != nil {
		return rotator.Observation{}, wrap("observe", d, err)
	}
	o.Via, o.At = set.ID, earlier(o.At, resp.Date)
	maps.Copy(o.Facts, facts)
	state(&o, cluster.text(s.paths.State))
	return o, nil
}

// resolve returns the cluster's disk encryption set, nil if it has none, and the
// cluster's facts.
func (s *managedCluster) resolve(cluster document, d *rotator.Dependent) (*rotator.Dependent, map[string]string, error) {
	facts := map[string]string{}
	for name, value := range cluster.facts(s.paths.Set, s.paths.State, s.paths.Power) {
		facts["managedCluster."+name] = value
	}
	id := cluster.text(s.paths.Set)
	if id == "" {
		return nil, facts, nil
	}
	set, err := s.set.check(id)
	if err != nil {
		return nil, nil, wrap("resolve the disk encryption set of", d, err)
	}
	via := *d
	via.ID, via.Kind, via.Name = set.String(), s.set.Kind(), set.Name
	return &via, facts, nil
}

// Apply implements [rotator.Service]: it goes to the set.
func (s *managedCluster) Apply(ctx context.Context, d *rotator.Dependent, action rotator.Action, key rotator.KeyID, version rotator.Version) error {
	cluster, _, err := s.read(ctx, d.ID)
	if err != nil {
		return wrap("read", d, err)
	}
	set, _, err := s.resolve(cluster, d)
	if err != nil {
		return err
	}
	if set == nil {
		return changed("%s has no disk encryption set by now", d.DisplayName())
	}
	return wrap("update the set of", d, s.set.Apply(ctx, set, action, key, version))
}

// Find implements [rotator.Finder]: it reads each set that a cluster names once.
func (s *managedCluster) Find(ctx context.Context, subscription string, key rotator.KeyID) ([]rotator.Dependent, error) {
	clusters, err := s.clusters(ctx, subscription)
	if err != nil {
		return nil, err
	}
	var found []rotator.Dependent
	uses := map[string]bool{}
	for _, cluster := range clusters {
		set := strings.ToLower(cluster.text(s.paths.Set))
		if _, known := uses[set]; !known {
			if uses[set], err = s.setUses(ctx, cluster.text(s.paths.Set), key); err != nil {
				return nil, err
			}
		}
		if uses[set] {
			found = append(found, s.dependent(cluster))
		}
	}
	return found, nil
}

// clusters lists the clusters that have a disk encryption set.
func (s *managedCluster) clusters(ctx context.Context, subscription string) ([]document, error) {
	if err := arm.CheckSubscription(subscription); err != nil {
		return nil, err
	}
	var clusters []document
	path := "/subscriptions/" + subscription + "/providers/" + s.info.Type
	_, err := s.arm.List(ctx, path, s.info.APIVersion, func(raw json.RawMessage) error {
		var doc document
		if err := json.Unmarshal(raw, &doc); err != nil {
			return unreadable(path, err)
		}
		if doc.text(s.paths.Set) != "" {
			clusters = append(clusters, doc)
		}
		return nil
	}, arm.CallOptions{Kind: s.info.Kind})
	return clusters, err
}

func (s *managedCluster) setUses(ctx context.Context, set string, key rotator.KeyID) (bool, error) {
	doc, _, err := s.set.read(ctx, set)
	if rotator.CodeOf(err) == rotator.CodeNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	o := s.set.paths.observe(doc, key)
	return uses(o, key) || len(o.Previous) > 0, nil
}
