package azuresim

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// routeVault finds the operation of a Key Vault request
// (example keyvault-7.3-preview/keys.json lists the paths).
func (s *Server) routeVault(c *call) func(*call) *answer {
	c.vault = s.vaults[c.host]
	c.operation = "vault-unknown"
	if c.vault == nil || c.vault.deleted {
		c.vault = nil
		return func(c *call) *answer { return refusal(c.host) }
	}
	c.bucket = c.caller.id + "|" + c.host
	parts := strings.Split(strings.Trim(c.path, "/"), "/")
	for len(parts) < 4 {
		parts = append(parts, "")
	}
	operation, action, handler := vaultOperation(c.method, parts)
	if handler == nil {
		return func(c *call) *answer {
			if !c.caller.known() {
				return s.challenge(c)
			}
			return notSimulatedAt(c)
		}
	}
	c.operation = operation
	return func(c *call) *answer {
		if a := s.guardVault(c, action, parts); a != nil {
			return a
		}
		if a := badName(parts); a != nil {
			return a
		}
		a := handler(s, c, parts[1], parts[2])
		s.audit(c, parts, a.status)
		return a
	}
}

// vaultHandler answers for a key and, where the path names one, a version.
type vaultHandler func(s *Server, c *call, name, version string) *answer

// vaultOperation maps a path to its name, its permission and its handler.
func vaultOperation(method string, p []string) (string, string, vaultHandler) {
	const keys = "Microsoft.KeyVault/vaults/keys/"
	const policies = "Microsoft.KeyVault/vaults/keyrotationpolicies/"
	switch {
	case p[0] == "deletedkeys":
		return deletedOperation(method, p)
	case p[0] != "keys":
		return "", "", nil
	case p[1] == "" && method == http.MethodGet:
		return "key-list", keys + "read", (*Server).listKeys
	case p[1] == "restore" && method == http.MethodPost:
		return "key-restore", keys + "restore/action", (*Server).restoreKey
	case p[2] == "create" && method == http.MethodPost:
		return "key-create", keys + "create/action", (*Server).createKey
	case p[2] == "rotate" && method == http.MethodPost:
		return "key-rotate", keys + "rotate/action", (*Server).rotateKey
	case p[2] == "backup" && method == http.MethodPost:
		return "key-backup", keys + "backup/action", (*Server).backupKey
	case p[2] == "versions" && method == http.MethodGet:
		return "key-list-versions", keys + "read", (*Server).listVersions
	case p[2] == "rotationpolicy" && method == http.MethodGet:
		return "key-get-policy", policies + "read", (*Server).getPolicy
	case p[2] == "rotationpolicy" && method == http.MethodPut:
		return "key-set-policy", policies + "write", (*Server).setPolicy
	case method == http.MethodPost:
		return cryptoOperation(p)
	case method == http.MethodGet:
		return "key-get", keys + "read", (*Server).getKey
	case method == http.MethodPatch:
		return "key-update", keys + "update/action", (*Server).updateKey
	case method == http.MethodPut && p[2] == "":
		return "key-import", keys + "import/action", (*Server).importKey
	case method == http.MethodDelete && p[2] == "":
		return "key-delete", keys + "delete", (*Server).deleteKey
	}
	return "", "", nil
}

// deletedOperation maps the paths of soft-deleted keys.
func deletedOperation(method string, p []string) (string, string, vaultHandler) {
	const keys = "Microsoft.KeyVault/vaults/keys/"
	switch {
	case p[1] == "" && method == http.MethodGet:
		return "deleted-key-list", keys + "read", (*Server).listDeleted
	case p[2] == "recover" && method == http.MethodPost:
		return "deleted-key-recover", keys + "recover/action", (*Server).recoverDeleted
	case method == http.MethodGet:
		return "deleted-key-get", keys + "read", (*Server).getDeleted
	case method == http.MethodDelete:
		return "deleted-key-purge", keys + "purge/action", (*Server).purgeDeleted
	}
	return "", "", nil
}

// guardVault checks token, api-version and permission.
func (s *Server) guardVault(c *call, action string, parts []string) *answer {
	if !c.caller.known() {
		return s.challenge(c)
	}
	if !c.isFor(c.vault.audience()) {
		return s.challengeWith(c, "AKV10022: Invalid audience. Expected "+c.vault.audience()+
			", found: "+c.audience+".")
	}
	if c.version() == "" {
		return problem(http.StatusBadRequest, "BadParameter",
			"api-version must be specified")
	}
	if !strings.HasPrefix(c.version(), "7.") && !strings.HasPrefix(c.version(), "20") {
		return problem(http.StatusBadRequest, "BadParameter",
			"The specified version (%s) is not recognized. Consider using the latest supported version (7.4).", c.version())
	}
	return s.guardKeys(c, action, parts[1])
}

// audience is the resource that tokens must be for (facts §2).
func (v *vault) audience() string {
	if v.spec.HSM {
		return "https://managedhsm.azure.net"
	}
	return "https://vault.azure.net"
}

// scope is the resource id of a key, as permission messages spell it.
func (v *vault) scope(name string) string {
	kind := "vaults"
	if v.spec.HSM {
		kind = "managedHSMs"
	}
	id := "/subscriptions/" + v.spec.Subscription + "/resourcegroups/" + v.spec.ResourceGroup +
		"/providers/microsoft.keyvault/" + strings.ToLower(kind) + "/" + v.spec.Name
	if name != "" {
		id += "/keys/" + name
	}
	return id
}

// challenge answers the request without a token that clients send first, to
// learn the tenant [recordings keyvault.crud-rsa, keyvault.hsm-rotate].
func (s *Server) challenge(c *call) *answer {
	message := "AKV10000: Request is missing a Bearer or PoP token."
	switch c.authError {
	case "invalid":
		message = "AKV10032: Invalid issuer."
	case "expired":
		message = "[TokenExpired] Error validating token: 'S2S12005'."
	}
	return s.challengeWith(c, message)
}

// challengeWith is a challenge that says why; a managed HSM leaves the body
// empty [recording keyvault.hsm-rotate].
func (s *Server) challengeWith(c *call, message string) *answer {
	a := problem(http.StatusUnauthorized, "Unauthorized", "%s", message)
	if c.vault.spec.HSM {
		a.body = nil
	}
	return a.set("Www-Authenticate", `Bearer authorization="https://login.microsoftonline.com/`+
		s.tenant+`", resource="`+c.vault.audience()+`"`)
}

// innerProblem answers with an inner code (facts §2).
func innerProblem(status int, code, inner, message string) *answer {
	return reply(status, doc{"error": doc{
		"code": code, "message": message, "innererror": doc{"code": inner},
	}})
}

// forbiddenByRBAC answers a caller without the permission. The message is that
// of a vault with role-based access, as seen in public issue reports.
func (s *Server) forbiddenByRBAC(c *call, action, name string) *answer {
	denied := "null"
	if d := s.denying(c.caller, action, c.vault.scope(name), true); d != nil {
		denied = "'" + d.id + "'"
	}
	return innerProblem(http.StatusForbidden, "Forbidden", "ForbiddenByRbac",
		"Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role"+
			" definitions were changed recently, please observe propagation time.\r\nCaller: appid="+c.caller.id+
			";oid="+c.caller.objectID+";iss=https://sts.windows.net/"+s.tenant+"/\r\nAction: '"+action+
			"'\r\nResource: '"+c.vault.scope(name)+"'\r\nAssignment: (not found)\r\nDenyAssignmentId: "+denied+"\r\n"+
			"DecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: "+c.vault.spec.Name+";location="+
			c.vault.spec.Location+"\r\n")
}

// notFound answers for an unknown key; a managed HSM says it in other words
// [recording keyvault.hsm-rotate].
func (s *Server) notFound(c *call, name, version string) *answer {
	if c.vault.spec.HSM {
		return problem(http.StatusNotFound, "KeyNotFound",
			"Key not found: Key not found: https://%s/keys/%s (Activity ID: %s)",
			c.host, name, s.mint.guid("activity", s.stats.requests))
	}
	if version != "" {
		name += "/" + version
	}
	return problem(http.StatusNotFound, "KeyNotFound",
		"A key with (name/id) %s was not found in this key vault. If you recently deleted this key you may be able to"+
			" recover it using the correct recovery command. For help resolving this issue, please see"+
			" https://go.microsoft.com/fwlink/?linkid=2125182", name)
}

// live returns a key that exists for a reader and its state.
func (s *Server) live(c *call, name string) (*key, keyState, bool) {
	k := c.vault.key(name)
	if k == nil {
		return nil, keyState{}, false
	}
	state := k.seenBy(c)
	ok := state.exists && state.deleted == nil && !c.now.Before(k.settled)
	return k, state, ok
}

// getKey answers for a version, or the newest. A disabled one can be read too
// [recording keyvault.key reads its key after a disabled version was made].
func (s *Server) getKey(c *call, name, version string) *answer {
	k, state, ok := s.live(c, name)
	if !ok {
		return s.notFound(c, name, version)
	}
	v := state.find(version)
	if v == nil {
		return s.notFound(c, name, version)
	}
	return reply(http.StatusOK, s.bundle(c, k, v))
}

// listKeys lists keys with the attributes of their newest version.
func (s *Server) listKeys(c *call, _, _ string) *answer {
	names := c.vault.names(func(k *key) bool {
		state := k.seenBy(c)
		return state.exists && state.deleted == nil
	})
	return page(c, "/keys", names, func(name string) doc {
		k := c.vault.keys[name]
		v := k.seenBy(c).find("")
		return listItem(doc{"kid": k.uri(nil), "attributes": c.attributes(v)}, v)
	}, func(name string) string { return "key/" + strings.ToUpper(name) })
}

// listVersions lists all versions of a key. Whether an unknown key has an empty
// list or none is a quirk.
func (s *Server) listVersions(c *call, name, _ string) *answer {
	k, state, ok := s.live(c, name)
	if !ok {
		if c.vault.spec.HSM || s.quirk(quirkNoKeyList) == "not-found" {
			return s.notFound(c, name, "")
		}
		return reply(http.StatusOK, doc{"value": []any{}, "nextLink": nil})
	}
	return page(c, "/keys/"+k.name+"/versions", state.byID(), func(v *version) doc {
		return listItem(doc{"kid": k.uri(v), "attributes": c.attributes(v)}, v)
	}, func(v *version) string { return "key/" + strings.ToUpper(k.name+"/"+v.id) })
}

// listItem adds tags where there are any: no empty object is sent.
func listItem(d doc, v *version) doc {
	if len(v.tags) > 0 {
		d["tags"] = v.tags
	}
	return d
}

// page answers with one page of a list. The link to the next one spells the
// port and carries a marker of the next item [recordings
// keyvault.list-versions, keyvault.key].
func page[T any](c *call, path string, all []T, item func(T) doc, marker func(T) string) *answer {
	size := 25
	if asked := c.query.Get("maxresults"); asked != "" {
		n := 0
		for _, digit := range asked {
			n = n*10 + int(digit-'0')
		}
		if n < 1 || n > 25 {
			return problem(http.StatusBadRequest, "BadParameter",
				"Property maxresults has invalid value. Value must be in the range of 1 to 25.")
		}
		size = n
	}
	start := 0
	if from := readMarker(c.query.Get("$skiptoken")); from != "" {
		start = slices.IndexFunc(all, func(v T) bool { return marker(v) >= from })
		if start < 0 {
			start = len(all)
		}
	}
	end := min(start+size, len(all))
	items := make([]any, 0, end-start)
	for _, v := range all[start:end] {
		items = append(items, item(v))
	}
	var next any
	if end < len(all) {
		link := "https://" + c.host + ":443" + path + "?api-version=" + c.version() +
			"&$skiptoken=" + writeMarker(marker(all[end]))
		if asked := c.query.Get("maxresults"); asked != "" {
			link += "&maxresults=" + asked
		}
		next = link
	}
	return reply(http.StatusOK, doc{"value": items, "nextLink": next})
}

// writeMarker encodes where the next page starts, in Key Vault's own form.
func writeMarker(item string) string {
	const end = "!000028!9999-12-31T23:59:59.9999999Z!"
	length := jsonNumber(int64(len(item)))
	inner := base64.StdEncoding.EncodeToString([]byte(
		strings.Repeat("0", max(0, 6-len(length))) + length + "!" + item + end))
	outer := `{"NextMarker":"2!` + jsonNumber(int64(len(inner))) + "!" + inner + `","TargetLocation":0}`
	return base64.RawURLEncoding.EncodeToString([]byte(outer))
}

// readMarker returns the item of a marker, "" when it is none.
func readMarker(token string) string {
	outer, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return ""
	}
	d, err := decodeDoc(outer)
	if err != nil {
		return ""
	}
	fields := strings.SplitN(text(d, "NextMarker"), "!", 3)
	if len(fields) < 3 {
		return ""
	}
	inner, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return ""
	}
	parts := strings.Split(string(inner), "!")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}
