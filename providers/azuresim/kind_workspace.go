package azuresim

import (
	"net/http"
	"strings"
	"time"
)

const kindWorkspace = "workspace"

// WorkspaceSpec is a Log Analytics workspace.
type WorkspaceSpec struct {
	Place `yaml:",inline"`
	// CustomerID is the GUID under which it is queried. Default by the seed.
	CustomerID string `yaml:"customer_id"`
}

// workspaceKind is the Log Analytics workspace, which audit logs go to. It is
// read and made; what it can do beyond that is not simulated (examples
// Workspaces* of azure-rest-api-specs, 2023-09-01).
func workspaceKind() *kind {
	return &kind{
		name: kindWorkspace, typ: "Microsoft.OperationalInsights/workspaces", content: jsonCharset,
		write: workspaceWrite, remove: removeNow(http.StatusOK), see: workspaceSee,
	}
}

// workspaceSee spells the id in lower case, as Log Analytics does (example
// WorkspacesGet).
func workspaceSee(_ *Server, _ *call, r *resource, d doc) {
	id := strings.Replace(r.id.path(), "/resourceGroups/", "/resourcegroups/", 1)
	d["id"] = strings.Replace(id, "/Microsoft.OperationalInsights/", "/microsoft.operationalinsights/", 1)
}

func (s *Server) workspaceDoc(id resourceID, location string, tags map[string]string, customer string) doc {
	d := common(id, "Microsoft.OperationalInsights/workspaces", location, tags)
	if customer == "" {
		customer = s.mint.guid("workspace", fold(id.path()))
	}
	d["properties"] = doc{
		"customerId": customer, "provisioningState": "Succeeded", "sku": doc{"name": "PerGB2018"}, "retentionInDays": 30,
		"publicNetworkAccessForQuery": "Enabled", "publicNetworkAccessForIngestion": "Enabled",
	}
	return d
}

func workspaceWrite(s *Server, c *call, r *resource, body doc, _ bool) *answer {
	status := http.StatusOK
	if r == nil {
		status = http.StatusCreated
		r = s.newResource(c)
		r.doc = s.workspaceDoc(r.id, regionName(text(body, "location")), nil, "")
		s.add(r)
	}
	next := clone(r.doc)
	for _, name := range []string{"id", "name", "type", "location"} {
		delete(body, name)
	}
	delete(object(body, "properties"), "customerId")
	merge(next, body)
	s.change(r, next)
	return reply(status, r.view(c))
}

// buildWorkspace makes a workspace.
func (s *Server) buildWorkspace(spec WorkspaceSpec, p Place) {
	k := s.kindNamed(kindWorkspace)
	id := s.idOf(p, k.typ)
	s.add(&resource{
		id: id, kind: k, made: s.epoch.Add(-365 * 24 * time.Hour), doc: s.workspaceDoc(id, p.Location, p.Tags, spec.CustomerID),
	})
}

// workspaceOf returns the workspace with a customer id, nil if there is none.
func (s *Server) workspaceOf(customer string) *resource {
	for _, r := range s.index.ofKind(s.kindNamed(kindWorkspace)).sorted() {
		if id := text(r.doc, "properties.customerId"); id != "" && strings.EqualFold(id, customer) {
			return r
		}
	}
	return nil
}
