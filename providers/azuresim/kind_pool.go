package azuresim

import (
	"net/http"
	"strings"
	"time"
)

const (
	poolType = "Microsoft.ContainerService/managedClusters/agentPools"
	// nodeImage is the image of nodes; upgrading puts a newer one in its place.
	nodeImage      = "AKSUbuntu-2204gen2containerd-202410.09.0"
	nodeImageNewer = "AKSUbuntu-2204gen2containerd-202510.03.0"
)

// clusterExtra is what is known of a cluster beyond its document.
type clusterExtra struct {
	nodes   bool // its node pools are made of nodes here
	watched bool // a controller looks after new versions
}

func clusterExtraOf(r *resource) *clusterExtra {
	extra, ok := r.extra.(*clusterExtra)
	if !ok {
		extra = &clusterExtra{}
		r.extra = extra
	}
	return extra
}

// pools returns the profiles of a cluster's node pools.
func pools(d doc) []doc {
	var out []doc
	for _, v := range anyList(d, "properties.agentPoolProfiles") {
		if pool, ok := v.(doc); ok {
			out = append(out, pool)
		}
	}
	return out
}

func poolNamed(d doc, name string) doc {
	for _, pool := range pools(d) {
		if strings.EqualFold(text(pool, "name"), name) {
			return pool
		}
	}
	return nil
}

// poolView is a node pool as a resource [azure-rest-api-specs, containerservice
// 2023-10-01, AgentPoolsGet].
func poolView(cluster *resource, pool doc) doc {
	properties := clone(pool)
	delete(properties, "name")
	name := text(pool, "name")
	return doc{
		"id": clusterPath(cluster) + "/agentPools/" + name, "name": name, "type": poolType, "properties": properties,
	}
}

// clusterBelow answers for node pools: list, read, write, delete, and the upgrade
// of the node image.
func clusterBelow(s *Server, c *call, r *resource, rest []string) *answer {
	if !strings.EqualFold(rest[0], "agentPools") {
		return nil
	}
	if len(rest) == 1 {
		if c.method != http.MethodGet {
			return nil
		}
		return listPage(s, c, pools(r.doc), func(pool doc) any { return poolView(r, pool) }).set("Content-Type", jsonPlain)
	}
	pool := poolNamed(r.doc, rest[1])
	switch {
	case pool == nil && c.method != http.MethodPut:
		return problem(http.StatusNotFound, "ResourceNotFound",
			"The Resource '%s/%s/%s' under resource group '%s' was not found. For more details please go to"+
				" https://aka.ms/ARMResourceNotFoundFix", clusterKind().typ, r.id.name, rest[1], r.id.group)
	case c.method == http.MethodGet && len(rest) == 2:
		return reply(http.StatusOK, poolView(r, pool)).set("Content-Type", jsonPlain)
	case r.running != nil:
		return clusterBusy(r)
	case c.method == http.MethodPut && len(rest) == 2:
		return s.poolWrite(c, r, pool, rest[1])
	case c.method == http.MethodDelete && len(rest) == 2:
		return s.poolRemove(c, r, pool)
	case c.method == http.MethodPost && len(rest) == 3 && strings.EqualFold(rest[2], "upgradeNodeImageVersion"):
		return s.poolUpgrade(c, r, pool)
	}
	return nil
}

// poolWrite makes a node pool (201) or changes one (200), with an operation.
func (s *Server) poolWrite(c *call, r *resource, pool doc, name string) *answer {
	body, err := decodeDoc(c.body)
	if err != nil {
		return problem(http.StatusBadRequest, "InvalidRequestContent",
			"The request content was invalid and could not be deserialized: '%s'.", err)
	}
	next := clone(r.doc)
	status, state := http.StatusOK, "Updating"
	if pool == nil {
		status, state = http.StatusCreated, "Creating"
		put(next, "properties.agentPoolProfiles", append(anyList(next, "properties.agentPoolProfiles"), doc{"name": name}))
	}
	asked := object(body, "properties")
	delete(asked, "name")
	merge(poolNamed(next, name), asked)
	completePools(next)
	poolNamed(next, name)["provisioningState"] = state
	s.change(r, next)
	a := reply(status, poolView(r, poolNamed(next, name)))
	s.poolOperation(c, r, a, name, func(now time.Time) { s.syncNodes(r, now) })
	return a
}

// poolOperation begins an operation on a pool, which is ready at its end.
func (s *Server) poolOperation(c *call, r *resource, a *answer, name string, finish func(now time.Time)) {
	s.begin(c, r, clusterStyle(), a, func(now time.Time) doc {
		if pool := poolNamed(r.doc, name); pool != nil {
			pool["provisioningState"] = "Succeeded"
		}
		finish(now)
		return nil
	})
	a.set("Content-Type", jsonPlain)
}

func (s *Server) poolRemove(c *call, r *resource, pool doc) *answer {
	a := newAnswer(http.StatusAccepted)
	name := text(pool, "name")
	s.poolOperation(c, r, a, name, func(now time.Time) {
		next := clone(r.doc)
		var left []any
		for _, one := range pools(next) {
			if text(one, "name") != name {
				left = append(left, one)
			}
		}
		put(next, "properties.agentPoolProfiles", left)
		s.change(r, next)
		s.syncNodes(r, now)
	})
	return a
}

// poolUpgrade replaces every node [azure-rest-api-specs, containerservice
// 2023-10-01, AgentPoolsUpgradeNodeImageVersion].
func (s *Server) poolUpgrade(c *call, r *resource, pool doc) *answer {
	pool["provisioningState"] = "UpgradingNodeImageVersion"
	a := reply(http.StatusAccepted, poolView(r, pool))
	name := text(pool, "name")
	s.poolOperation(c, r, a, name, func(now time.Time) {
		poolNamed(r.doc, name)["nodeImageVersion"] = nodeImageNewer
		s.replacePool(r, name, now)
	})
	return a
}

// poolProfiles are the pools that a scenario declares.
func poolProfiles(specs []PoolSpec) []any {
	var out []any
	for i, spec := range specs {
		mode, disk := "User", "Managed"
		if i == 0 {
			mode = "System"
		}
		if spec.Ephemeral {
			disk = "Ephemeral"
		}
		count := spec.Nodes
		if count == 0 {
			count = 3
		}
		out = append(out, doc{
			"name": spec.Name, "count": count, "vmSize": "Standard_DS2_v2", "osDiskType": disk, "mode": mode,
			"type": "VirtualMachineScaleSets", "provisioningState": "Succeeded", "powerState": doc{"code": "Running"},
			"osType": "Linux",
		})
	}
	return out
}
