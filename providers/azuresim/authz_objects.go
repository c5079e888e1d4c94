package azuresim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// scopeFilter is the $filter of the lists of package Microsoft.Authorization
// (documentation of listing role assignments and deny assignments by REST).
type scopeFilter struct {
	atScope   bool   // nothing below the scope
	principal string // an object id
	name      string // of a role
	kind      string // of a role: BuiltInRole or CustomRole
}

var (
	filterPrincipal = regexp.MustCompile(`(?i)(?:principalId\s+eq\s+|assignedTo\()'([^']*)'`)
	filterRole      = regexp.MustCompile(`(?i)roleName\s+eq\s+'([^']*)'`)
	filterRoleType  = regexp.MustCompile(`(?i)type\s+eq\s+'([^']*)'`)
)

func readScopeFilter(filter string) scopeFilter {
	first := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(filter); m != nil {
			return m[1]
		}
		return ""
	}
	return scopeFilter{
		atScope:   strings.Contains(strings.ToLower(filter), "atscope()"),
		principal: first(filterPrincipal), name: first(filterRole), kind: first(filterRoleType),
	}
}

// reaches says whether an object at a scope belongs into the list at another:
// what is at or above it always, what is below unless atScope() was asked for.
func (f scopeFilter) reaches(object, listed string) bool {
	return within(listed, object) || (!f.atScope && within(object, listed))
}

// listAssignments lists role assignments at, above and below a scope.
func (s *Server) listAssignments(c *call) *answer {
	f := readScopeFilter(c.query.Get("$filter"))
	list := slices.DeleteFunc(slices.Clone(s.access.grants), func(g *grant) bool {
		return g.gone || !f.reaches(g.scope, c.extension.scope) ||
			(f.principal != "" && !strings.EqualFold(f.principal, g.principal))
	})
	return listPage(s, c, list, func(g *grant) any { return s.assignmentDoc(c, g) })
}

// assignmentDoc is a role assignment as it is sent [recording
// compute.disk-encryption-set].
func (s *Server) assignmentDoc(c *call, g *grant) doc {
	var by any
	if g.by != "" {
		by = g.by
	}
	return doc{
		"properties": doc{
			"roleDefinitionId": roleID(g.scope, g.role), "principalId": g.principal, "principalType": g.principalType,
			"scope": g.scope, "condition": nil, "conditionVersion": nil, "createdOn": stampZ(g.made), "updatedOn": stampZ(g.made),
			"createdBy": by, "updatedBy": by, "delegatedManagedIdentityResourceId": nil, "description": nil,
		},
		"id": c.extension.kind.id(g.scope, g.name), "type": "Microsoft.Authorization/roleAssignments", "name": g.name,
	}
}

// assignmentNamed finds the assignment of a name at the scope of the request.
func (s *Server) assignmentNamed(c *call, name string) *grant {
	for _, g := range s.access.grants {
		if !g.gone && strings.EqualFold(g.name, name) && fold(g.scope) == fold(c.extension.scope) {
			return g
		}
	}
	return nil
}

// getAssignment answers for one. The code of its absence is not verified.
func (s *Server) getAssignment(c *call, name string) *answer {
	g := s.assignmentNamed(c, name)
	if g == nil {
		return problem(http.StatusNotFound, "RoleAssignmentNotFound", "The role assignment '%s' is not found.", name)
	}
	return reply(http.StatusOK, s.assignmentDoc(c, g))
}

// putAssignment assigns a role; createdBy is not there yet in the first answer
// [recording compute.disk-encryption-set]. The refusals are not verified.
func (s *Server) putAssignment(c *call, name string) *answer {
	body, err := decodeDoc(c.body)
	if err != nil {
		return problem(http.StatusBadRequest, "InvalidRequestContent",
			"The request content was invalid and could not be deserialized: '%s'.", err)
	}
	definition := text(body, "properties.roleDefinitionId")
	id := definition[strings.LastIndexByte(definition, '/')+1:]
	g := &grant{
		name: name, principal: text(body, "properties.principalId"), principalType: text(body, "properties.principalType"),
		role: roleIn(s.access.roles, id), scope: c.extension.scope, by: c.caller.objectID,
	}
	if g.principalType == "" {
		g.principalType = "ServicePrincipal"
	}
	switch {
	case g.role == nil:
		return problem(http.StatusBadRequest, "RoleDefinitionDoesNotExist",
			"The specified role definition with ID '%s' does not exist.", strings.ReplaceAll(id, "-", ""))
	case !guidForm.MatchString(name):
		return problem(http.StatusBadRequest, "InvalidRoleAssignmentId",
			"The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", name)
	case s.grantLike(g) != nil:
		return problem(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists.")
	}
	s.assign(g, c.now)
	d := s.assignmentDoc(c, g)
	put(d, "properties.createdBy", nil)
	return reply(http.StatusCreated, d)
}

// deleteAssignment answers with what was there, or 204 (example
// RoleAssignments_Delete of azure-rest-api-specs, 2022-04-01).
func (s *Server) deleteAssignment(c *call, name string) *answer {
	g := s.assignmentNamed(c, name)
	if g == nil {
		return newAnswer(http.StatusNoContent)
	}
	s.unassign(g, c.now)
	return reply(http.StatusOK, s.assignmentDoc(c, g))
}

// roleID is the id of a role definition, which carries the subscription of the
// scope it is named at [recording compute.disk-encryption-set].
func roleID(scope string, r *role) string {
	id := "/providers/Microsoft.Authorization/roleDefinitions/" + r.id
	if sub := parseID(scope).subscription; sub != "" {
		id = "/subscriptions/" + sub + id
	}
	return id
}

// listRoles lists role definitions.
func (s *Server) listRoles(c *call) *answer {
	f := readScopeFilter(c.query.Get("$filter"))
	list := slices.DeleteFunc(slices.Clone(s.access.roles), func(r *role) bool {
		return (f.name != "" && !strings.EqualFold(f.name, r.name)) || (f.kind != "" && !strings.EqualFold(f.kind, r.kind()))
	})
	return listPage(s, c, list, func(r *role) any { return s.roleDoc(c, r) })
}

func (r *role) kind() string {
	if r.custom {
		return "CustomRole"
	}
	return "BuiltInRole"
}

// roleDoc is a role definition as it is sent [recording
// compute.disk-encryption-set]; its moments are those of Reader.
func (s *Server) roleDoc(c *call, r *role) doc {
	scopes := []any{"/"}
	if r.custom {
		scopes = []any{"/subscriptions/" + s.subs[0].ID}
	}
	return doc{
		"properties": doc{
			"roleName": r.name, "type": r.kind(), "description": r.description, "assignableScopes": scopes,
			"permissions": []any{r.permissions()}, "createdOn": "2015-02-02T21:55:09.8806423Z",
			"updatedOn": "2021-11-11T20:13:47.8628684Z", "createdBy": nil, "updatedBy": nil,
		},
		"id": roleID(c.extension.scope, r), "type": "Microsoft.Authorization/roleDefinitions", "name": r.id,
	}
}

func (s *Server) getRole(c *call, name string) *answer {
	for _, r := range s.access.roles {
		if strings.EqualFold(r.id, name) {
			return reply(http.StatusOK, s.roleDoc(c, r))
		}
	}
	return problem(http.StatusNotFound, "RoleDefinitionDoesNotExist",
		"The specified role definition with ID '%s' does not exist.", strings.ReplaceAll(name, "-", ""))
}

// listPermissions answers what the caller may do at a scope: the permissions of
// each role that counts there (PermissionGetResult of azure-sdk-for-go's
// armauthorization). What the scenario takes away from the client (deny) is
// among the notActions. Deny assignments are not taken off: they have a list
// of their own (not verified).
func (s *Server) listPermissions(c *call) *answer {
	roles := []*role{}
	if c.caller.all {
		roles = append(roles, &role{actions: []string{"*"}, data: []string{"*"}})
	}
	for _, g := range s.access.grants {
		if strings.EqualFold(g.principal, c.caller.objectID) && g.counts(c.now) && within(c.extension.scope, g.scope) {
			roles = append(roles, g.role)
		}
	}
	return listPage(s, c, roles, func(r *role) any {
		own := *r
		for _, d := range c.caller.deny {
			if strings.HasPrefix(fold(c.extension.scope), fold(d.Scope)) {
				own.notActions = append(slices.Clip(own.notActions), d.Action)
				own.notData = append(slices.Clip(own.notData), d.Action)
			}
		}
		return own.permissions()
	})
}

// listDenials lists deny assignments at, above and below a scope.
func (s *Server) listDenials(c *call) *answer {
	f := readScopeFilter(c.query.Get("$filter"))
	list := slices.DeleteFunc(slices.Clone(s.access.denials), func(d *denyAssignment) bool {
		return !f.reaches(d.spec.Scope, c.extension.scope)
	})
	return listPage(s, c, list, func(d *denyAssignment) any { return denialDoc(c, d) })
}

func (s *Server) getDenial(c *call, name string) *answer {
	for _, d := range s.access.denials {
		if strings.EqualFold(d.id, name) && fold(d.spec.Scope) == fold(c.extension.scope) {
			return reply(http.StatusOK, denialDoc(c, d))
		}
	}
	return problem(http.StatusNotFound, "DenyAssignmentNotFound", "The deny assignment with ID '%s' is not found.", name)
}

// denialDoc is a deny assignment as it is sent (example
// GetDenyAssignmentByScope of azure-rest-api-specs, 2022-04-01). All principals
// are the null GUID of type SystemDefined (documentation of deny assignments).
func denialDoc(c *call, d *denyAssignment) doc {
	exclude := []any{}
	for _, id := range d.exclude {
		exclude = append(exclude, doc{"id": id, "type": "ServicePrincipal"})
	}
	return doc{
		"properties": doc{
			"denyAssignmentName": d.spec.Name, "description": "", "scope": d.spec.Scope, "doNotApplyToChildScopes": false,
			"permissions": []any{doc{
				"actions": texts(d.spec.Actions), "notActions": texts(d.spec.NotActions),
				"dataActions": texts(d.spec.DataActions), "notDataActions": texts(d.spec.NotDataActions),
			}},
			"principals":        []any{doc{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}},
			"excludePrincipals": exclude, "isSystemProtected": true,
		},
		"id": c.extension.kind.id(d.spec.Scope, d.id), "type": "Microsoft.Authorization/denyAssignments", "name": d.id,
	}
}
