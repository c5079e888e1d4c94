package azuresim

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// tenantHandler answers above resource providers: tenants, subscriptions,
// groups, and the list of all resources. The az CLI asks for the first two
// after logging in.
func (s *Server) tenantHandler(c *call, id resourceID) func(*call) *answer {
	verb := strings.ToLower(c.method)
	first := ""
	if len(id.rest) > 0 {
		first = strings.ToLower(id.rest[0])
	}
	switch {
	case first == "tenants" && id.subscription == "":
		c.operation = "tenant-list"
		return s.listTenants
	case first == "subscriptions" && id.subscription == "":
		c.operation = "subscription-list"
		return s.listSubscriptions
	case id.subscription == "":
		return s.notSimulated
	case id.group != "" && first == "resources":
		c.operation = "resource-list"
		return s.listResources
	case id.group != "" && first == "":
		c.operation = "resource-group-" + verb
		return s.groupRequest
	case first == "":
		c.operation = "subscription-" + verb
		return s.getSubscription
	case first == "resourcegroups":
		c.operation = "resource-group-list"
		return s.listGroups
	case first == "resources":
		c.operation = "resource-list"
		return s.listResources
	case first == "providers":
		c.operation = "provider-list"
		return s.listProviders
	case first == "locations":
		c.operation = "location-list"
		return s.listLocations
	}
	return s.notSimulated
}

// listTenants answers the list that the az CLI asks for after its log-in.
func (s *Server) listTenants(*call) *answer {
	return reply(http.StatusOK, doc{"value": []any{doc{
		"id": "/tenants/" + s.tenant, "tenantId": s.tenant, "countryCode": "US",
		"displayName": "Contoso", "defaultDomain": "contoso.onmicrosoft.com",
		"domains": []any{"contoso.onmicrosoft.com"}, "tenantType": "AAD", "tenantCategory": "Home",
	}}})
}

// subscriptionDoc is a subscription as clients read it.
func (s *Server) subscriptionDoc(sub SubscriptionSpec) doc {
	return doc{
		"id": "/subscriptions/" + sub.ID, "authorizationSource": "RoleBased", "managedByTenants": []any{},
		"subscriptionId": sub.ID, "tenantId": s.tenant, "displayName": sub.Name, "state": sub.state(),
		"subscriptionPolicies": doc{
			"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off",
		},
	}
}

// listSubscriptions lists the subscriptions on which the caller has a role.
func (s *Server) listSubscriptions(c *call) *answer {
	list := make([]any, 0, len(s.subs))
	for _, sub := range s.subs {
		if !s.touches(c.caller, "/subscriptions/"+sub.ID) {
			continue
		}
		list = append(list, s.subscriptionDoc(sub))
	}
	return reply(http.StatusOK, doc{
		"value": list, "count": doc{"type": "Total", "value": len(list)},
	})
}

func (s *Server) getSubscription(c *call) *answer {
	if sub := s.subscription(c.target.subscription); sub != nil {
		return reply(http.StatusOK, s.subscriptionDoc(*sub))
	}
	return s.missingGroup(c)
}

func (g *group) doc() doc {
	d := doc{
		"id":   "/subscriptions/" + g.subscription + "/resourceGroups/" + g.name,
		"name": g.name, "type": "Microsoft.Resources/resourceGroups", "location": g.location,
		"properties": doc{"provisioningState": "Succeeded"},
	}
	if g.tags != nil {
		d["tags"] = g.tags
	}
	return d
}

// groupRequest answers for one resource group [recording
// compute.disk-encryption-set-disk-update: the path says resourcegroups, the
// answer resourceGroups].
func (s *Server) groupRequest(c *call) *answer {
	key := fold(c.target.subscription + "/" + c.target.group)
	if c.method == http.MethodPut {
		body, err := decodeDoc(c.body)
		if err != nil || text(body, "location") == "" {
			return problem(http.StatusBadRequest, "LocationRequired",
				"The location property is required for this definition.")
		}
		status := http.StatusOK
		if s.groups[key] == nil {
			status = http.StatusCreated
		}
		s.touchGroup(c.target, regionName(text(body, "location")))
		return reply(status, s.groups[key].doc())
	}
	if a := s.missingGroup(c); a != nil {
		return a
	}
	if c.method == http.MethodHead {
		return newAnswer(http.StatusNoContent)
	}
	return reply(http.StatusOK, s.groups[key].doc())
}

// listGroups lists the resource groups of a subscription.
func (s *Server) listGroups(c *call) *answer {
	list := slices.DeleteFunc(s.groupsOf(c.target.subscription), func(g *group) bool {
		return c.partial && !s.mayReadGroup(c, g)
	})
	return listPage(s, c, list, func(g *group) any { return g.doc() })
}

// listPage answers with one page of a list of Azure Resource Manager.
func listPage[T any](s *Server, c *call, all []T, item func(T) any) *answer {
	size := s.scenario.PageSize
	if size <= 0 {
		size = 100
	}
	if top, err := strconv.Atoi(c.query.Get("$top")); err == nil && top > 0 && top < size {
		size = top
	}
	start, _ := strconv.Atoi(readMarker(c.query.Get("$skiptoken")))
	start = min(max(start, 0), len(all))
	end := min(start+size, len(all))
	items := make([]any, 0, end-start)
	for _, v := range all[start:end] {
		items = append(items, item(v))
	}
	d := doc{"value": items}
	if end < len(all) {
		query := url.Values{}
		maps.Copy(query, c.query)
		query.Set("$skiptoken", writeMarker(strconv.Itoa(end)))
		d["nextLink"] = "https://" + managementHost + c.path + "?" + query.Encode()
	}
	return reply(http.StatusOK, d)
}

// selected returns the resources of a subscription and, where given, a group,
// in the order of their ids.
func (s *Server) selected(id resourceID, ok func(*resource) bool) []*resource {
	return selectFrom(s.index.all.sorted(), id, ok)
}

// selectFrom returns those of a list that are in a subscription and, where given, a
// group, and satisfy ok.
func selectFrom(list []*resource, id resourceID, ok func(*resource) bool) []*resource {
	var out []*resource
	for _, r := range list {
		if strings.EqualFold(r.id.subscription, id.subscription) &&
			(id.group == "" || strings.EqualFold(r.id.group, id.group)) && ok(r) {
			out = append(out, r)
		}
	}
	return out
}

// listKind lists the resources of one type.
func (s *Server) listKind(c *call) *answer {
	if a := s.missingGroup(c); a != nil {
		return a
	}
	list := s.listed(c, s.index.ofKind(c.kind), func(r *resource) bool {
		return r.kind == c.kind && strings.EqualFold(r.id.above, c.target.above)
	})
	item := func(r *resource) any {
		d := r.view(c)
		if c.kind.listed != nil {
			c.kind.listed(d)
		}
		return d
	}
	if c.kind.onePage {
		all := make([]any, 0, len(list))
		for _, r := range list {
			all = append(all, item(r))
		}
		return reply(http.StatusOK, doc{"value": all}).set("Content-Type", c.kind.content)
	}
	return listPage(s, c, list, item).set("Content-Type", c.kind.content)
}

// filterTerm is one comparison of a $filter.
var (
	filterTerm = regexp.MustCompile(`(?i)(resourceType|resourceGroup|name|location)\s+eq\s+'([^']*)'`)
	filterOr   = regexp.MustCompile(`(?i)'\s+or\s+`)
)

// readFilter reads a $filter of comparisons joined by and, and such joined by
// or.
func readFilter(filter string) func(*resource) bool {
	var either [][][]string
	for _, part := range filterOr.Split(filter, -1) {
		either = append(either, filterTerm.FindAllStringSubmatch(part+"'", -1))
	}
	return func(r *resource) bool {
		have := map[string]string{
			"resourcetype": r.kind.typ, "resourcegroup": r.id.group, "name": r.id.name, "location": r.location(),
		}
		return slices.ContainsFunc(either, func(terms [][]string) bool {
			return !slices.ContainsFunc(terms, func(term []string) bool {
				return !strings.EqualFold(have[strings.ToLower(term[1])], term[2])
			})
		})
	}
}

// listResources lists all resources, in their short form [recording
// keyvault.key].
func (s *Server) listResources(c *call) *answer {
	if a := s.missingGroup(c); a != nil {
		return a
	}
	matches := readFilter(c.query.Get("$filter"))
	list := s.listed(c, &s.index.all, func(r *resource) bool { return r.id.above == "" && matches(r) })
	return listPage(s, c, list, func(r *resource) any {
		d := doc{"id": r.id.path(), "name": r.id.name, "type": r.kind.typ, "location": r.location()}
		for _, name := range []string{"tags", "identity", "sku", "kind"} {
			if v, ok := r.doc[name]; ok {
				d[name] = v
			}
		}
		return d
	})
}

// providerDoc describes a resource provider [recording
// storage.customer-managed-key], cut down to what clients read: types,
// locations and API versions.
func (s *Server) providerDoc(sub, namespace string) doc {
	var types []any
	for _, name := range sortedKinds(s.kinds) {
		k := s.kinds[name]
		provider, typ, _ := strings.Cut(k.typ, "/")
		if strings.EqualFold(provider, namespace) && !k.internal {
			versions := slices.Clone(versionsOf(k.typ))
			slices.Reverse(versions) // the newest first [recording storage.customer-managed-key]
			namespace = provider
			types = append(types, doc{
				"resourceType": typ, "locations": []any{"West Europe", "East US", "East US 2"},
				"apiVersions": texts(versions), "capabilities": "None",
			})
		}
	}
	if types == nil {
		return nil
	}
	return doc{
		"id":        "/subscriptions/" + sub + "/providers/" + namespace,
		"namespace": namespace, "resourceTypes": types,
		"registrationState":  s.subscription(sub).registration(namespace),
		"registrationPolicy": "RegistrationRequired",
	}
}

func sortedKinds(kinds map[string]*kind) []string {
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// provider answers for one resource provider.
func (s *Server) provider(c *call) *answer {
	d := s.providerDoc(c.target.subscription, c.target.provider)
	if d == nil {
		return problem(http.StatusNotFound, "InvalidResourceNamespace",
			"The resource namespace '%s' is invalid.", c.target.provider)
	}
	return reply(http.StatusOK, d)
}

// listProviders lists the resource providers that are simulated.
func (s *Server) listProviders(c *call) *answer {
	var list []any
	seen := map[string]bool{}
	for _, name := range sortedKinds(s.kinds) {
		namespace, _, _ := strings.Cut(s.kinds[name].typ, "/")
		if !seen[namespace] {
			seen[namespace] = true
			list = append(list, s.providerDoc(c.target.subscription, namespace))
		}
	}
	return reply(http.StatusOK, doc{"value": list})
}

// listLocations lists a few regions.
func (s *Server) listLocations(c *call) *answer {
	var list []any
	for _, name := range []string{"West Europe", "North Europe", "East US", "East US 2"} {
		region := regionName(name)
		list = append(list, doc{
			"id":   "/subscriptions/" + c.target.subscription + "/locations/" + region,
			"name": region, "displayName": name, "regionalDisplayName": name, "type": "Region",
		})
	}
	return reply(http.StatusOK, doc{"value": list})
}
