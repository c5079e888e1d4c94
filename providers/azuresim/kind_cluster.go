package azuresim

import (
	"net/http"
	"strings"
	"time"
)

const kindCluster = "managed-cluster"

// clusterKind is the managed Kubernetes cluster. Its disks follow their disk
// encryption set. The key of etcd is its own: pinned in the legacy design of KMS,
// looked after every six hours in the new one (facts-services A2). How long
// re-encrypting takes is not documented; ten minutes are an assumption.
func clusterKind() *kind {
	return &kind{
		name: kindCluster, typ: "Microsoft.ContainerService/managedClusters", content: jsonPlain,
		pace: Pace{
			Check: For(6 * time.Hour), Rewrap: For(10 * time.Minute),
			DenyAfter: For(30 * time.Minute), RecoverAfter: For(30 * time.Minute),
		},
		linkOf: kmsLink, leave: kmsLeave, crypts: "KeyDecrypt",
		// No field shows the version that is followed.
		adopt: func(*Server, *resource, string, time.Time) {},
		below: clusterBelow, dropped: clusterDropped,
		acts: map[string]func(*Server, *resource, time.Time){
			"rewrite-secrets": rewriteSecrets, "replace-nodes": replaceNodes,
		},
		write: clusterWrite, remove: removeLater(clusterDelete()), see: clusterSee,
		busy: clusterBusy, pin: clusterPin,
		keyPath: kmsKey + ".keyId", refused: clusterRefused,
		keyOff: func(d doc) bool { return !truth(d, kmsKey+".enabled") },
		bad: func(c *call, _ *resource, body doc) *answer {
			if c.method == http.MethodPatch {
				return nil // tags alone
			}
			return badKMS(body)
		},
	}
}

func clusterPin(d doc, k *key, v *version, _ bool) {
	put(d, kmsKey+".keyId", k.uri(v))
}

// clusterBusy has words of its own (public report: azure-workload-identity #417).
func clusterBusy(r *resource) *answer {
	return problem(http.StatusConflict, "OperationNotAllowed",
		"Operation is not allowed: Another operation (%s) is in progress, please wait for it to finish before starting"+
			" a new operation. See https://aka.ms/aks-pending-operation for more details",
		text(r.doc, "properties.provisioningState"))
}

// clusterDelete has a Location beside the operation [recording
// containerservice.managed-cluster].
func clusterDelete() operationStyle {
	style := clusterStyle()
	style.result, style.phases = "operationresults", nil
	return style
}

// clusterSee spells its id as AKS does: resourcegroups in lower case, the type
// with a capital M [recording containerservice.managed-cluster]. Newer API
// versions carry an ETag.
func clusterSee(s *Server, c *call, r *resource, d doc) {
	d["id"] = clusterPath(r)
	d["type"] = "Microsoft.ContainerService/ManagedClusters"
	if c.version() >= "2024-09-01" && text(d, "properties.provisioningState") != "Creating" {
		d["eTag"] = s.mint.guid("etag", string(encode(r.doc)))
		for _, pool := range pools(d) {
			pool["eTag"] = s.mint.guid("etag", string(encode(pool)))
		}
	}
	// Without KMS it is there and empty [recording containerservice.kms-platform-key];
	// in 2021 it was not [recording containerservice.managed-cluster].
	if c.version() >= "2022" {
		version := text(d, "properties.kubernetesVersion")
		defaults(d, doc{"properties": doc{"securityProfile": doc{}, "currentKubernetesVersion": version}})
		for _, pool := range pools(d) {
			defaults(pool, doc{"currentOrchestratorVersion": version})
		}
	}
}

// clusterPath is the id as AKS spells it.
func clusterPath(r *resource) string {
	return strings.Replace(r.id.path(), "/resourceGroups/", "/resourcegroups/", 1)
}

// clusterDoc is a cluster as it rests.
func (s *Server) clusterDoc(id resourceID, location string, tags map[string]string) doc {
	d := common(id, "Microsoft.ContainerService/ManagedClusters", location, tags)
	if tags == nil {
		delete(d, "tags")
	}
	prefix := id.name + "-" + jsonNumber(int64(10000000+s.mint.number(89999999, "dns", id.path())))
	host := ".hcp." + location + ".azmk8s.io"
	defaults(d, doc{
		"sku": doc{"name": "Basic", "tier": "Free"},
		"properties": doc{
			"provisioningState": "Succeeded", "powerState": doc{"code": "Running"},
			"kubernetesVersion": "1.30.4", "dnsPrefix": id.name, "fqdn": prefix + host,
			"azurePortalFQDN": prefix + ".portal" + host,
			"agentPoolProfiles": []any{doc{
				"name": "nodepool1", "count": 3, "vmSize": "Standard_DS2_v2", "osDiskSizeGB": 128,
				"osDiskType": "Managed", "kubeletDiskType": "OS", "maxPods": 110,
				"type": "VirtualMachineScaleSets", "provisioningState": "Succeeded",
				"powerState": doc{"code": "Running"}, "orchestratorVersion": "1.30.4", "mode": "System",
				"osType": "Linux", "nodeImageVersion": nodeImage,
			}},
			"servicePrincipalProfile": doc{"clientId": "msi"},
			"nodeResourceGroup":       "MC_" + id.group + "_" + id.name + "_" + location, "enableRBAC": true,
			"networkProfile": doc{
				"networkPlugin": "kubenet", "loadBalancerSku": "Standard", "podCidr": "10.244.0.0/16",
				"serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10", "outboundType": "loadBalancer",
				"loadBalancerProfile": doc{"managedOutboundIPs": doc{"count": 1}},
			},
			"maxAgentPools": 100,
		},
	})
	return d
}

// clusterWrite creates (201) or updates (200) a cluster; a PATCH changes tags
// at once [recording containerservice.managed-cluster].
func clusterWrite(s *Server, c *call, r *resource, body doc, patch bool) *answer {
	if patch {
		next := clone(r.doc)
		if tags, ok := body["tags"].(doc); ok {
			next["tags"] = tags
		}
		s.change(r, next)
		return reply(http.StatusOK, r.view(c))
	}
	status, state, style := http.StatusOK, "Updating", clusterStyle()
	if r == nil {
		status, state, style.phases = http.StatusCreated, "Creating", createPhases
		r = s.newResource(c)
		r.doc = s.clusterDoc(r.id, regionName(text(body, "location")), nil)
		r.extra = &clusterExtra{nodes: true}
		s.add(r)
	}
	for _, name := range []string{"id", "name", "type", "location", "eTag"} {
		delete(body, name)
	}
	delete(object(body, "properties.servicePrincipalProfile"), "secret")
	next := clone(r.doc)
	merge(next, body)
	completePools(next)
	clusterState(next, state)
	s.change(r, next)
	a := reply(status, r.view(c))
	hangs := kmsHangs(r)
	s.begin(c, r, style, a, func(now time.Time) doc {
		clusterState(r.doc, "Succeeded")
		s.identify(r.doc)
		s.kmsDone(r, now)
		s.syncNodes(r, now)
		return nil
	}).endless = hangs
	return a
}

// The statuses of operations in the recording containerservice.kms-platform-key:
// free text.
var (
	createPhases = []string{
		"InProgress", "ProvisioningNetworkResources", "ProvisioningControlPlane", "CreatingAgentPools",
		"CreatingAgentPools: 0/3 nodes completed", "CreatingAgentPools: 3/3 nodes completed",
	}
	updatePhases = []string{"InProgress", "ProvisioningControlPlane", "ReconcilingDNS", "ReconcilingAddons"}
)

// completePools fills in what a request leaves to AKS [recording
// containerservice.managed-cluster].
func completePools(d doc) {
	for _, p := range anyList(d, "properties.agentPoolProfiles") {
		if pool, ok := p.(doc); ok {
			defaults(pool, doc{
				"osDiskSizeGB": 128, "osDiskType": "Managed", "kubeletDiskType": "OS", "maxPods": 110,
				"orchestratorVersion": text(d, "properties.kubernetesVersion"), "mode": "System",
				"nodeImageVersion": nodeImage,
			})
		}
	}
}

// clusterState sets the state of a cluster and of its node pools.
func clusterState(d doc, state string) {
	put(d, "properties.provisioningState", state)
	pools, _ := at(d, "properties.agentPoolProfiles").([]any)
	for _, p := range pools {
		if pool, ok := p.(doc); ok {
			pool["provisioningState"] = state
			defaults(pool, doc{"powerState": doc{"code": "Running"}})
		}
	}
}

// buildCluster makes a managed cluster.
func (s *Server) buildCluster(spec ClusterSpec, p Place, n string) {
	r := s.start(kindCluster, p, Protected{Pace: spec.Pace}, func(id resourceID) doc {
		d := s.clusterDoc(id, p.Location, p.Tags)
		if set := s.setID(spec.DiskEncryptionSet, n); set != "" {
			put(d, "properties.diskEncryptionSetID", set)
		}
		if len(spec.Pools) > 0 {
			put(d, "properties.agentPoolProfiles", poolProfiles(spec.Pools))
			completePools(d)
		}
		s.kmsDoc(d, spec, n)
		return d
	})
	clusterExtraOf(r).watched = r.link.key != ""
	s.buildNodes(r, spec, n)
}
