package azuresim

import (
	"net/http"
	"slices"
	"strings"
)

// accessPolicies returns the access policies of a vault that is governed by
// them and not by roles, as its document says (enableRbacAuthorization and
// accessPolicies [recording arm.error-bodies]). Managed HSMs have none.
func (s *Server) accessPolicies(v *vault) ([]any, bool) {
	if v.spec.HSM {
		return nil, false
	}
	r := s.resources[fold(s.idOf(v.spec.Place, "Microsoft.KeyVault/vaults").path())]
	if r == nil || truth(r.doc, "properties.enableRbacAuthorization") {
		return nil, false
	}
	return anyList(r.doc, "properties.accessPolicies"), true
}

// byPolicies says whether a vault is governed by access policies.
func (s *Server) byPolicies(v *vault) bool {
	_, ok := s.accessPolicies(v)
	return ok
}

// policyAllows says whether some access policy lets a principal do an
// operation. "all" is the old word for everything but purge.
func policyAllows(policies []any, principal, operation string) bool {
	permission := keyPermission(operation)
	return slices.ContainsFunc(policies, func(p any) bool {
		policy, ok := p.(doc)
		return ok && strings.EqualFold(text(policy, "objectId"), principal) &&
			slices.ContainsFunc(anyList(policy, "permissions.keys"), func(have any) bool {
				name, _ := have.(string)
				return strings.EqualFold(name, permission) || (strings.EqualFold(name, "all") && permission != "purge")
			})
	})
}

// keyPermission is the key permission of access policies that an operation
// needs (KeyPermissions of the model Vault in azure-sdk-for-go's armkeyvault).
func keyPermission(operation string) string {
	switch operation {
	case "key-list", "key-list-versions", "deleted-key-list":
		return "list"
	case "key-get-policy":
		return "getrotationpolicy"
	case "key-set-policy":
		return "setrotationpolicy"
	case "key-wrap", "key-unwrap":
		return strings.TrimPrefix(operation, "key-") + "key"
	}
	return strings.TrimPrefix(strings.TrimPrefix(operation, "deleted-"), "key-")
}

// keyPermissions are all of them.
func keyPermissions() []string {
	return []string{
		"all", "backup", "create", "decrypt", "delete", "encrypt", "get", "getrotationpolicy", "import", "list", "purge",
		"recover", "release", "restore", "rotate", "setrotationpolicy", "sign", "unwrapkey", "update", "verify", "wrapkey",
	}
}

// guardKeys checks the caller's permission on keys: by role, or by the access
// policies of the vault.
func (s *Server) guardKeys(c *call, action, name string) *answer {
	scope := c.vault.scope(name)
	policies, ok := s.accessPolicies(c.vault)
	switch {
	case !ok || c.caller.all:
		if !s.may(c.caller, action, scope, true) {
			return s.forbiddenByRBAC(c, action, name)
		}
	case c.caller.barred(action, scope) || !policyAllows(policies, c.caller.objectID, c.operation):
		return s.forbiddenByPolicy(c)
	}
	return nil
}

// forbiddenByPolicy answers a caller whom no access policy allows [example
// published/keyvault-403-bodies].
func (s *Server) forbiddenByPolicy(c *call) *answer {
	return innerProblem(http.StatusForbidden, "Forbidden", "ForbiddenByPolicy",
		"The user, group or application 'appid="+c.caller.id+";oid="+c.caller.objectID+";iss=https://sts.windows.net/"+
			s.tenant+"/' does not have keys "+keyPermission(c.operation)+" permission on key vault '"+c.vault.spec.Name+
			";location="+c.vault.spec.Location+"'. For help resolving this issue, please see"+
			" https://go.microsoft.com/fwlink/?linkid=2125287")
}

// buildAccessPolicies writes the access policies of the scenario into the
// documents of the vaults.
func (s *Server) buildAccessPolicies() error {
	for _, v := range s.vaults {
		r := s.resources[fold(s.idOf(v.spec.Place, "Microsoft.KeyVault/vaults").path())]
		if v.spec.AccessPolicies == nil || r == nil {
			continue
		}
		list := []any{}
		for _, spec := range v.spec.AccessPolicies {
			ids, err := s.principals(spec.Principal)
			if err != nil {
				return err
			}
			for _, id := range ids {
				list = append(list, doc{"tenantId": s.tenant, "objectId": id, "permissions": doc{
					"keys": texts(spec.Keys), "secrets": []any{}, "certificates": []any{},
				}})
			}
		}
		put(r.doc, "properties.enableRbacAuthorization", false)
		put(r.doc, "properties.accessPolicies", list)
	}
	return nil
}
