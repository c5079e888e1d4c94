package azuresim

import (
	"fmt"
	"slices"
	"strings"
)

// AssignmentSpec is a role at a scope.
type AssignmentSpec struct {
	// Role is the name of a built-in role (roles.go) or of a custom one.
	Role string `yaml:"role"`
	// Scope is an id, the name of a resource, kind/name, or
	// resourceGroups/name in the first subscription; empty is everywhere.
	Scope string `yaml:"scope"`
}

// RoleAssignmentSpec is a role of any principal, as that of a service's
// identity.
type RoleAssignmentSpec struct {
	// Principal is a client's id or name, an object id, or the name of the
	// resource whose identity is meant: name, kind/name, or with * for several,
	// as storage/st*.
	Principal      string `yaml:"principal"`
	AssignmentSpec `yaml:",inline"`
}

// CustomRoleSpec is a role definition of the tenant's own.
type CustomRoleSpec struct {
	Name           string   `yaml:"name"`
	Description    string   `yaml:"description"`
	Actions        []string `yaml:"actions"`
	NotActions     []string `yaml:"not_actions"`
	DataActions    []string `yaml:"data_actions"`
	NotDataActions []string `yaml:"not_data_actions"`
}

// DenyAssignmentSpec takes actions away from everybody, as Azure does on
// managed resource groups.
type DenyAssignmentSpec struct {
	Name           string   `yaml:"name"`
	Scope          string   `yaml:"scope"`
	Actions        []string `yaml:"actions"`
	NotActions     []string `yaml:"not_actions"`
	DataActions    []string `yaml:"data_actions"`
	NotDataActions []string `yaml:"not_data_actions"`
	// Exclude are principals that it does not concern.
	Exclude []string `yaml:"exclude"`
}

// AccessPolicySpec is a line of a vault's access policies.
type AccessPolicySpec struct {
	// Principal is as in [RoleAssignmentSpec].
	Principal string `yaml:"principal"`
	// Keys are the key permissions, such as get, wrapKey and unwrapKey.
	Keys []string `yaml:"keys"`
}

// access checks roles, principals and scopes.
func (c *checker) access() {
	s := c.scenario
	for i, client := range s.Clients {
		for j, role := range client.Roles {
			c.role(fmt.Sprintf("$.clients[%d].roles[%d]", i, j), role)
		}
		for j, a := range client.Assignments {
			c.assignment(fmt.Sprintf("$.clients[%d].assignments[%d]", i, j), a)
		}
	}
	for i, a := range s.RoleAssignments {
		at := fmt.Sprintf("$.role_assignments[%d]", i)
		c.assignment(at, a.AssignmentSpec)
		c.principal(at+".principal", a.Principal)
	}
	for i, r := range s.CustomRoles {
		if r.Name == "" {
			c.problem(fmt.Sprintf("$.custom_roles[%d]", i), "a name is missing; add name")
		}
	}
	for i, d := range s.DenyAssignments {
		at := fmt.Sprintf("$.deny_assignments[%d]", i)
		c.scope(at+".scope", d.Scope)
		for j, ref := range d.Exclude {
			c.principal(fmt.Sprintf("%s.exclude[%d]", at, j), ref)
		}
	}
	for i, v := range s.Vaults {
		for j, p := range v.AccessPolicies {
			at := fmt.Sprintf("$.vaults[%d].access_policies[%d]", i, j)
			c.principal(at+".principal", p.Principal)
			for n, permission := range p.Keys {
				if !slices.Contains(keyPermissions(), strings.ToLower(permission)) {
					c.problem(fmt.Sprintf("%s.keys[%d]", at, n), "unknown key permission %q; use one of %s",
						permission, strings.Join(keyPermissions(), ", "))
				}
			}
		}
	}
	for i, e := range s.Events {
		if strings.HasSuffix(e.Do, "assign-role") {
			c.role(fmt.Sprintf("$.events[%d].role", i), e.Role)
		}
	}
}

func (c *checker) assignment(at string, a AssignmentSpec) {
	c.role(at+".role", a.Role)
	c.scope(at+".scope", a.Scope)
}

func (c *checker) role(at, name string) {
	if roles := rolesOf(c.scenario); roleIn(roles, name) == nil {
		c.problem(at, "unknown role %q; use one of %s", name, strings.Join(roleNames(roles), ", "))
	}
}

// scope checks what a scope names, if it is no id.
func (c *checker) scope(at, ref string) {
	if ref != "" && ref[0] != '/' && !strings.HasPrefix(strings.ToLower(ref), "resourcegroups/") && !c.named(ref) {
		c.problem(at, "there is no resource %q; give an id, a name or resourceGroups/name", ref)
	}
}

// principal checks who is meant.
func (c *checker) principal(at, ref string) {
	client := slices.ContainsFunc(c.scenario.Clients, func(client ClientSpec) bool {
		return ref != "" && (strings.EqualFold(client.ID, ref) || strings.EqualFold(client.Name, ref))
	})
	if !client && !guidForm.MatchString(ref) && !c.named(ref) {
		c.problem(at, "there is no client or resource %q; give its id or name, or an object id", ref)
	}
}

// named says whether a reference can mean a resource. Ids, globs and the disks
// that are made with something else are believed.
func (c *checker) named(ref string) bool {
	if strings.ContainsAny(ref, "*") || strings.HasPrefix(ref, "/") {
		return true
	}
	kind, name, both := strings.Cut(ref, "/")
	if !both {
		name = ref
	}
	if both && kind == kindDisk {
		return true
	}
	for _, r := range c.scenario.Resources {
		if id, _ := r["id"].(string); strings.EqualFold(parseID(id).name, name) {
			return true
		}
	}
	return name != "" && slices.ContainsFunc(c.places, func(p Place) bool { return matchesPattern(p.Name, p.Count, name) })
}
