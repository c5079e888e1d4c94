package azuresim

import (
	"net/http"
	"strings"
)

// extension is a request for something that hangs on any scope: a role
// assignment, a lock, a diagnostic setting.
type extension struct {
	kind  *extensionKind
	scope string // "/" or the id that it hangs on, as it was spelled
	name  string
	rest  []string
}

// id is the id of an object of a kind on a scope.
func (k *extensionKind) id(scope, name string) string {
	return strings.TrimRight(scope, "/") + "/providers/" + k.typ + "/" + name
}

// extensionKind is a type of them. A nil function means that it is not
// simulated.
type extensionKind struct {
	name                string // as in operation names
	typ                 string
	lockless            bool // locks do not hold it
	list                func(s *Server, c *call) *answer
	get, write, destroy func(s *Server, c *call, name string) *answer
}

// extensionKinds is the table of what hangs on scopes, by lower-case type.
func extensionKinds() map[string]*extensionKind {
	table := map[string]*extensionKind{}
	for _, k := range []*extensionKind{
		{
			name: "role-assignment", typ: "Microsoft.Authorization/roleAssignments", list: (*Server).listAssignments,
			get: (*Server).getAssignment, write: (*Server).putAssignment, destroy: (*Server).deleteAssignment,
		},
		{
			name: "role-definition", typ: "Microsoft.Authorization/roleDefinitions",
			list: (*Server).listRoles, get: (*Server).getRole,
		},
		{name: "permission", typ: "Microsoft.Authorization/permissions", list: (*Server).listPermissions},
		{
			name: "deny-assignment", typ: "Microsoft.Authorization/denyAssignments",
			list: (*Server).listDenials, get: (*Server).getDenial,
		},
		lockKind(), diagnosticKind(),
	} {
		table[strings.ToLower(k.typ)] = k
	}
	return table
}

// extensionOf takes the path of an extension apart, nil if it is none: what
// follows the last /providers/ says so.
func (s *Server) extensionOf(path string) *extension {
	path = strings.TrimRight(path, "/")
	i := strings.LastIndex(strings.ToLower(path), "/providers/")
	if i < 0 {
		return nil
	}
	parts := strings.Split(path[i+len("/providers/"):], "/")
	if len(parts) < 2 {
		return nil
	}
	kind := s.extensions[strings.ToLower(parts[0]+"/"+parts[1])]
	if kind == nil {
		return nil
	}
	e := &extension{kind: kind, scope: "/" + strings.Trim(path[:i], "/")}
	if len(parts) > 2 {
		e.name, e.rest = parts[2], parts[3:]
	}
	return e
}

// extensionHandler names the operation and finds who answers it.
func (s *Server) extensionHandler(c *call) func(*call) *answer {
	k, name := c.extension.kind, c.extension.name
	c.operation = k.name + "-" + strings.ToLower(c.method)
	var do func(s *Server, c *call, name string) *answer
	switch {
	case len(c.extension.rest) > 0:
	case c.method == http.MethodGet && name == "":
		c.operation = k.name + "-list"
		if k.list != nil {
			do = func(s *Server, c *call, _ string) *answer { return k.list(s, c) }
		}
	case name == "":
	case c.method == http.MethodGet:
		do = k.get
	case c.method == http.MethodPut:
		do = k.write
	case c.method == http.MethodDelete:
		do = k.destroy
	}
	return func(c *call) *answer {
		if do == nil {
			return problem(http.StatusNotImplemented, codeNotSimulated, "not simulated: %s (%s)", k.typ, c.method)
		}
		if a := s.missingScope(c); a != nil {
			return a
		}
		return do(s, c, name)
	}
}

// missingScope answers when what an extension hangs on does not exist.
func (s *Server) missingScope(c *call) *answer {
	id := c.target
	if id.subscription == "" {
		return nil
	}
	if a := s.missingGroup(c); a != nil {
		return a
	}
	if id.name != "" && s.resources[fold(id.path())] == nil {
		return s.missing(c)
	}
	return nil
}
