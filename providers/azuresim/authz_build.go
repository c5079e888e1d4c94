package azuresim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var guidForm = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// principals returns the object ids that a scenario means: of a client by id
// or name, of the identities of resources (kind/name or name, with * for
// several), or an object id itself.
func (s *Server) principals(ref string) ([]string, error) {
	for _, c := range s.clients {
		if strings.EqualFold(c.id, ref) || (c.name != "" && strings.EqualFold(c.name, ref)) {
			return []string{c.objectID}, nil
		}
	}
	if strings.Contains(ref, "*") {
		var ids []string
		for _, r := range s.selectedAll(func(r *resource) bool { return globMatches(ref, r.kind.name+"/"+r.id.name) }) {
			ids = append(ids, servicePrincipal(s, r))
		}
		return ids, nil
	}
	r, err := s.findResource(ref)
	switch {
	case err == nil:
		return []string{servicePrincipal(s, r)}, nil
	case guidForm.MatchString(ref):
		return []string{ref}, nil
	default:
		return nil, fmt.Errorf("find principal %q: %w", ref, ErrNoSuchClient)
	}
}

// scopeNamed returns the scope that a scenario means: an id, the name of a
// resource, or resourceGroups/name in the first subscription. Empty is
// everywhere.
func (s *Server) scopeNamed(ref string) (string, error) {
	switch {
	case ref == "" || strings.HasPrefix(ref, "/"):
		return "/" + strings.Trim(ref, "/"), nil
	case strings.HasPrefix(strings.ToLower(ref), "resourcegroups/"):
		return "/subscriptions/" + s.subs[0].ID + "/" + ref, nil
	}
	r, err := s.findResource(ref)
	if err != nil {
		return "", err
	}
	return r.id.path(), nil
}

// buildAccess makes what the scenario says about permissions. It comes after
// the resources, whose identities it names.
func (s *Server) buildAccess() error {
	sc := s.scenario
	for _, spec := range sc.DenyAssignments {
		d := &denyAssignment{id: s.mint.guid("deny assignment", spec.Name, spec.Scope), spec: spec}
		for _, ref := range spec.Exclude {
			ids, err := s.principals(ref)
			if err != nil {
				return err
			}
			for _, id := range ids {
				d.exclude = append(d.exclude, strings.ToLower(id))
			}
		}
		scope, err := s.scopeNamed(spec.Scope)
		if err != nil {
			return err
		}
		d.spec.Scope = scope
		s.access.denials = append(s.access.denials, d)
	}
	all := slices.Clone(sc.RoleAssignments)
	for _, c := range sc.Clients {
		for _, name := range c.Roles {
			all = append(all, RoleAssignmentSpec{Principal: c.ID, AssignmentSpec: AssignmentSpec{Role: name}})
		}
		for _, a := range c.Assignments {
			all = append(all, RoleAssignmentSpec{Principal: c.ID, AssignmentSpec: a})
		}
	}
	for _, spec := range all {
		grants, err := s.grantsOf(spec)
		if err != nil {
			return err
		}
		for _, g := range grants {
			g.made = s.epoch.AddDate(-1, 0, 0)
			g.from = g.made
		}
		s.access.grants = append(s.access.grants, grants...)
	}
	if err := s.buildAccessPolicies(); err != nil {
		return err
	}
	s.settleServices(s.epoch)
	if err := s.buildPolicies(); err != nil {
		return err
	}
	return s.buildLocks()
}

// grantsOf makes the role assignments of one line of a scenario.
func (s *Server) grantsOf(spec RoleAssignmentSpec) ([]*grant, error) {
	r := roleIn(s.access.roles, spec.Role)
	if r == nil {
		return nil, fmt.Errorf("assign role %q: %w", spec.Role, ErrNoSuchRole)
	}
	scope, err := s.scopeNamed(spec.Scope)
	if err != nil {
		return nil, err
	}
	principals, err := s.principals(spec.Principal)
	if err != nil {
		return nil, err
	}
	var out []*grant
	for _, id := range principals {
		out = append(out, &grant{
			name: s.mint.guid("role assignment", strings.ToLower(id), r.id, fold(scope)), principal: id,
			principalType: "ServicePrincipal", role: r, scope: scope,
		})
	}
	return out, nil
}

// buildRoles makes the role definitions.
func (s *Server) buildRoles() {
	s.access.roles = rolesOf(s.scenario)
	for _, r := range s.access.roles {
		if r.id == "" {
			r.id = s.mint.guid("role", strings.ToLower(r.name))
		}
	}
}

// rolesOf are the built-in roles and those of a scenario.
func rolesOf(sc *Scenario) []*role {
	roles := builtInRoles()
	for _, spec := range sc.CustomRoles {
		roles = append(roles, &role{
			name: spec.Name, description: spec.Description, custom: true, actions: spec.Actions,
			notActions: spec.NotActions, data: spec.DataActions, notData: spec.NotDataActions,
		})
	}
	return roles
}
