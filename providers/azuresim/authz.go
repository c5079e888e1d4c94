package azuresim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// access is who may do what, by scope, and what else stands in the way.
type access struct {
	roles   []*role
	grants  []*grant // role assignments, in the order in which they were made
	denials []*denyAssignment
	locks   []*lock
	// policies are those of Azure Policy that deny.
	policies []azurePolicy
}

// grant is a role assignment. It counts some minutes after it is made, and
// some minutes after it is gone: Azure asks to "observe propagation time"
// [example published/keyvault-403-bodies], facts-evidence §6 says minutes.
type grant struct {
	name                     string // a GUID
	principal, principalType string
	role                     *role
	scope                    string // "/" is everywhere
	made                     time.Time
	by                       string // object id of who made it, or ""
	from, until              time.Time
	gone                     bool
}

func (g *grant) counts(now time.Time) bool {
	return !now.Before(g.from) && (!g.gone || now.Before(g.until))
}

// denyAssignment takes actions away from everybody but the excluded: Azure
// puts them on managed resource groups.
type denyAssignment struct {
	id      string // a GUID
	spec    DenyAssignmentSpec
	exclude []string // object ids
}

// client is who calls.
type client struct {
	id, secret, objectID, name string
	all                        bool // no roles were declared: everything is allowed
	deny                       []DenySpec
}

// known says whether there is a caller at all.
func (c *client) known() bool { return c.id != "" }

// barred says whether the scenario takes an action away from a client.
func (c *client) barred(action, scope string) bool {
	return slices.ContainsFunc(c.deny, func(d DenySpec) bool {
		return globMatches(d.Action, action) && strings.HasPrefix(fold(scope), fold(d.Scope))
	})
}

// within says whether a scope lies in another one, or is it.
func within(scope, outer string) bool {
	rest, ok := strings.CutPrefix(fold(scope), fold(outer))
	return ok && (rest == "" || rest[0] == '/')
}

// may says whether a client may do an action on a scope.
func (s *Server) may(who *client, action, scope string, data bool) bool {
	return s.hasRole(who, action, scope, data) && s.denying(who, action, scope, data) == nil
}

func (s *Server) hasRole(who *client, action, scope string, data bool) bool {
	if who.barred(action, scope) {
		return false
	}
	return who.all || s.granted(who.objectID, action, scope, data, s.moment()) != nil
}

// granted returns the assignment that lets a principal do an action, nil if
// none does.
func (s *Server) granted(principal, action, scope string, data bool, now time.Time) *grant {
	for _, g := range s.access.grants {
		if strings.EqualFold(g.principal, principal) && g.counts(now) && within(scope, g.scope) && g.role.allows(action, data) {
			return g
		}
	}
	return nil
}

// denying returns the deny assignment that forbids an action, nil if none does.
func (s *Server) denying(who *client, action, scope string, data bool) *denyAssignment {
	for _, d := range s.access.denials {
		have, not := d.spec.Actions, d.spec.NotActions
		if data {
			have, not = d.spec.DataActions, d.spec.NotDataActions
		}
		if within(scope, d.spec.Scope) && coversAny(have, action) && !coversAny(not, action) &&
			!slices.Contains(d.exclude, strings.ToLower(who.objectID)) {
			return d
		}
	}
	return nil
}

// touches says whether a client has any role at, above or below a scope:
// what it takes to see a subscription and to poll an operation in it.
func (s *Server) touches(who *client, scope string) bool {
	now := s.moment()
	return who.all || slices.ContainsFunc(s.access.grants, func(g *grant) bool {
		return strings.EqualFold(g.principal, who.objectID) && g.counts(now) &&
			(within(scope, g.scope) || within(g.scope, scope))
	})
}

// mayRead says whether the caller may read a resource.
func (s *Server) mayRead(c *call, r *resource) bool {
	return s.may(c.caller, r.kind.typ+"/read", r.id.path(), false)
}

// guardAccess checks the caller's permission. Of a list that it may read only
// in parts the parts are sent; see [Server.filters].
func (s *Server) guardAccess(c *call) *answer {
	switch {
	case c.operation == "tenant-list", c.operation == "subscription-list":
		return nil // everybody may ask; the list is what they can see
	case c.operation == operationGet, c.operation == "subscription-get":
		if s.touches(c.caller, "/subscriptions/"+c.target.subscription) && !c.caller.barred(c.action(), c.path) {
			return nil
		}
	case s.may(c.caller, c.action(), c.path, false):
		return nil
	case s.filters(c):
		c.partial = true
		return nil
	}
	return s.forbidden(c)
}

// roleLag is how long a change of role assignments takes to count: as the
// scenario says, or up to ten minutes by the seed (Azure's documentation on
// troubleshooting roles names ten).
func (s *Server) roleLag(g *grant, change string) time.Duration {
	if lag := s.scenario.RoleLag.Duration; lag > 0 {
		return lag
	}
	return time.Duration(s.mint.number(uint64(10*time.Minute), "role lag", change, g.name))
}

// assign makes a role assignment that counts after its lag.
func (s *Server) assign(g *grant, now time.Time) {
	g.made, g.from = now, now.Add(s.roleLag(g, "assign"))
	s.access.grants = append(s.access.grants, g)
	s.agenda.add(g.from, s.settleServices)
}

// unassign takes one away; it counts until its lag is over.
func (s *Server) unassign(g *grant, now time.Time) {
	g.gone, g.until = true, now.Add(s.roleLag(g, "unassign"))
	s.agenda.add(g.until, s.settleServices)
}

// settleServices lets services whose vault looks at their permissions feel a
// change of them.
func (s *Server) settleServices(now time.Time) {
	for _, r := range s.selectedAll(func(r *resource) bool { return r.link.key != "" }) {
		if k := s.keyOf(r); k != nil && k.vault.spec.EnforceAccess {
			s.settle(r, now)
		}
	}
}

// shutOut says whether a service's identity has no access to a key: by the
// action revoke-access, or for want of a role or an access policy where the
// vault looks at them.
func (s *Server) shutOut(r *resource, k *key) bool {
	owner := r.identity()
	if owner.noAccess {
		return true
	}
	if !k.vault.spec.EnforceAccess {
		return false
	}
	principal := servicePrincipal(s, owner)
	return slices.ContainsFunc(serviceRights(r.kind.crypts == "KeyDecrypt"), func(operation string) bool {
		return !s.principalMay(principal, k, operation, s.moment())
	})
}

// serviceRights are the operations that a service needs: to read its key, and
// to wrap and unwrap with it; those that cipher encrypt and decrypt instead
// (facts-services §Kubernetes).
func serviceRights(ciphers bool) []string {
	if ciphers {
		return []string{"key-encrypt", "key-decrypt"}
	}
	return []string{"key-get", "key-wrap", "key-unwrap"}
}

// principalMay says whether a principal may do an operation on a key, by role
// or by access policy.
func (s *Server) principalMay(principal string, k *key, operation string, now time.Time) bool {
	if policies, ok := s.accessPolicies(k.vault); ok {
		return policyAllows(policies, principal, operation)
	}
	action := "Microsoft.KeyVault/vaults/keys/" + strings.TrimPrefix(operation, "key-") + "/action"
	if operation == "key-get" {
		action = "Microsoft.KeyVault/vaults/keys/read"
	}
	return s.granted(principal, action, k.vault.scope(k.name), true, now) != nil
}

// servicePrincipal is the object id under which a service calls: of its own
// identity, or of the first of those that were assigned to it.
func servicePrincipal(s *Server, r *resource) string {
	if id := text(r.doc, "identity.principalId"); id != "" {
		return id
	}
	users, _ := at(r.doc, "identity.userAssignedIdentities").(doc)
	first := ""
	for name, user := range users {
		if user, ok := user.(doc); ok && (first == "" || name < first) && text(user, "principalId") != "" {
			first = name
		}
	}
	if user, ok := users[first].(doc); ok {
		return text(user, "principalId")
	}
	return s.mint.guid("principal", r.id.path())
}

// actOnRole assigns a role or takes an assignment away.
func (s *Server) actOnRole(a Action, now time.Time) error {
	wanted, err := s.grantsOf(RoleAssignmentSpec{
		Principal: a.Principal, AssignmentSpec: AssignmentSpec{Role: a.Role, Scope: a.Scope},
	})
	if err != nil {
		return err
	}
	for _, g := range wanted {
		have := s.grantLike(g)
		switch {
		case a.Do == "assign-role" && have == nil:
			s.assign(g, now)
		case a.Do == "unassign-role" && have == nil:
			return fmt.Errorf("find the assignment of %s to %q: %w", a.Role, a.Principal, ErrNoSuchRole)
		case a.Do == "unassign-role":
			s.unassign(have, now)
		}
	}
	return nil
}

// grantLike finds an assignment of the same role to the same principal at the
// same scope.
func (s *Server) grantLike(g *grant) *grant {
	for _, have := range s.access.grants {
		if !have.gone && strings.EqualFold(have.principal, g.principal) && have.role == g.role && fold(have.scope) == fold(g.scope) {
			return have
		}
	}
	return nil
}

// forbiddenByDeny refuses what a role allows and a deny assignment takes away
// [example published/arm-error-bodies].
func forbiddenByDeny(c *call, d *denyAssignment) *answer {
	return gateway(problem(http.StatusForbidden, "DenyAssignmentAuthorizationFailed",
		"The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, the access is"+
			" denied because of the deny assignment with Id '%s'",
		c.caller.id, c.caller.objectID, c.action(), c.scopePath(), d.id))
}

// gateway marks a refusal that Azure Resource Manager gives before the resource
// provider is asked [recording arm.error-bodies].
func gateway(a *answer) *answer { return a.set("X-Ms-Failure-Cause", "gateway") }
