package azuresim

import (
	"fmt"
	"net/http"
	"strings"
)

// AzurePolicySpec is an assignment of a policy (Azure Policy) that denies.
type AzurePolicySpec struct {
	// Name of the assignment and of its definition.
	Name string `yaml:"name"`
	// Scope is as in [AssignmentSpec].
	Scope string `yaml:"scope"`
	// Deny are the writes that it refuses.
	Deny PolicyDenySpec `yaml:"deny"`
}

// PolicyDenySpec matches resources as they would be after a write. What is not
// given matches everything.
type PolicyDenySpec struct {
	// Type is a glob over types, as Microsoft.Storage/*.
	Type string `yaml:"type"`
	// Location of the resource.
	Location string `yaml:"location"`
	// Property is a dotted path that must hold Value; without Value, that must
	// be missing.
	Property string `yaml:"property"`
	Value    string `yaml:"value"`
}

// azurePolicy is an assignment at its scope.
type azurePolicy struct {
	name, scope string
	deny        PolicyDenySpec
}

// denies says whether a policy refuses what a resource would become.
func (p PolicyDenySpec) denies(typ string, d doc) bool {
	if p.Type != "" && !covers(p.Type, typ) {
		return false
	}
	if p.Location != "" && regionName(text(d, "location")) != regionName(p.Location) {
		return false
	}
	if p.Property == "" {
		return true
	}
	have := at(d, p.Property)
	if p.Value == "" {
		return have == nil
	}
	return have != nil && strings.EqualFold(fmt.Sprint(have), p.Value)
}

// guardPolicies refuses a write of a resource that a policy denies, in the
// published form [example published/arm-error-bodies]; facts-evidence §6 names
// additionalInfo, whose form is not known, so it is left out. A policy looks
// at the whole resource, also where a PATCH touches another part of it.
func (s *Server) guardPolicies(c *call) *answer {
	if c.kind == nil || c.extension != nil || len(c.target.rest) > 0 || (c.method != http.MethodPut && c.method != http.MethodPatch) {
		return nil
	}
	next := doc{}
	if r := s.resources[fold(c.target.path())]; r != nil {
		next = clone(r.doc)
	}
	body, err := decodeDoc(c.body)
	if err != nil {
		return nil // refused for what it is
	}
	merge(next, body)
	for _, p := range s.access.policies {
		if within(c.path, p.scope) && p.deny.denies(c.kind.typ, next) {
			return gateway(disallowedByPolicy(c.target.name, p))
		}
	}
	return nil
}

func disallowedByPolicy(target string, p azurePolicy) *answer {
	base := p.scope
	if base == "/" {
		base = ""
	}
	object := func(kind string) string {
		return fmt.Sprintf(`{"name":%q,"id":%q}`, p.name, base+"/providers/Microsoft.Authorization/"+kind+"/"+p.name)
	}
	return reply(http.StatusForbidden, doc{"error": doc{
		"code": "RequestDisallowedByPolicy", "target": target,
		"message": fmt.Sprintf(`Resource '%s' was disallowed by policy. Policy identifiers: '[{"policyAssignment":%s,"policyDefinition":%s}]'.`,
			target, object("policyAssignments"), object("policyDefinitions")),
	}})
}

// buildPolicies makes the policies of the scenario.
func (s *Server) buildPolicies() error {
	for i, spec := range s.scenario.Policies {
		scope, err := s.scopeNamed(spec.Scope)
		if err != nil {
			return err
		}
		p := azurePolicy{name: spec.Name, scope: scope, deny: spec.Deny}
		if p.name == "" {
			p.name = fmt.Sprintf("deny-%d", i+1)
		}
		s.access.policies = append(s.access.policies, p)
	}
	return nil
}

// policies checks scopes, and that something is denied.
func (c *checker) policies() {
	for i, p := range c.scenario.Policies {
		at := fmt.Sprintf("$.policies[%d]", i)
		c.scope(at+".scope", p.Scope)
		switch {
		case p.Deny == (PolicyDenySpec{}):
			c.problem(at, "a policy needs what it denies; add deny: {type: Microsoft.Storage/storageAccounts}")
		case p.Deny.Value != "" && p.Deny.Property == "":
			c.problem(at+".deny", "value %q belongs to no property; add property", p.Deny.Value)
		}
	}
}
