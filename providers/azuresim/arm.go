package azuresim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// routeManagement finds the operation of a request to Azure Resource Manager.
func (s *Server) routeManagement(c *call) func(*call) *answer {
	c.target = parseID(c.path)
	if c.extension = s.extensionOf(c.path); c.extension != nil {
		c.target = parseID(c.extension.scope)
	}
	side := "read"
	if c.method != http.MethodGet && c.method != http.MethodHead {
		side = "write"
	}
	c.bucket = strings.ToLower(strings.Join(
		[]string{c.caller.id, c.host, c.target.subscription, c.target.provider, side}, "|"))
	c.operation = "management-unknown"
	handler := s.managementHandler(c)
	return func(c *call) *answer {
		if a := s.guardManagement(c); a != nil {
			return a
		}
		return handler(c)
	}
}

// managementHandler names the operation and finds who answers it.
func (s *Server) managementHandler(c *call) func(*call) *answer {
	if c.extension != nil {
		return s.extensionHandler(c)
	}
	c.target = c.target.nested(s.kinds)
	id := c.target
	verb := strings.ToLower(c.method)
	if op := operationID(id); op != "" && c.method == http.MethodGet {
		c.operation = operationGet
		c.bucket = "poll|" + op
		return func(c *call) *answer { return s.pollOperation(c, op) }
	}
	if id.provider == "" {
		return s.tenantHandler(c, id)
	}
	if strings.EqualFold(id.fullType(), "Microsoft.ResourceGraph/resources") {
		c.operation = "graph-query"
		return s.graphQuery
	}
	if id.typ == "" {
		c.operation = "provider-" + verb
		return s.provider
	}
	if strings.EqualFold(id.typ, "register") && id.group == "" && c.method == http.MethodPost {
		c.operation = "provider-register"
		return s.register
	}
	if handler := s.deletedVaultHandler(c); handler != nil {
		return handler
	}
	c.kind = s.kinds[strings.ToLower(id.fullType())]
	switch {
	case c.kind == nil || c.kind.internal:
		return s.notSimulated
	case id.name == "" && c.kind.list != nil:
		c.operation = c.kind.name + "-list"
		return func(c *call) *answer { return c.kind.list(s, c) }
	case id.name == "":
		c.operation = c.kind.name + "-list"
		return s.listKind
	case len(id.rest) > 0:
		c.operation = c.kind.name + "-" + strings.ToLower(id.rest[0])
		return s.childRequest
	default:
		c.operation = c.kind.name + "-" + verb
		return s.resourceRequest
	}
}

// operationID returns the id in the path of a long-running operation.
func operationID(id resourceID) string {
	collections := []string{
		"diskoperations", "operations", "operationsstatus", "operationresults", "asyncoperations",
		"operationstatuses", "operationstatus", "azureasyncoperation",
	}
	if len(id.rest) == 2 && slices.Contains(collections, strings.ToLower(id.rest[0])) {
		return id.rest[1]
	}
	return ""
}

// guardManagement checks token, api-version and permission, and what else stands
// in the way; that Azure asks in this order is not verified.
func (s *Server) guardManagement(c *call) *answer {
	if !c.caller.known() {
		return s.managementChallenge(c)
	}
	if !c.isFor("https://management.azure.com", "https://management.core.windows.net") {
		return problem(http.StatusUnauthorized, "InvalidAuthenticationTokenAudience",
			"The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of"+
				" the allowed audiences 'https://management.core.windows.net/','https://management.core.windows.net',"+
				"'https://management.azure.com/','https://management.azure.com'.", c.audience)
	}
	if c.version() == "" {
		return problem(http.StatusBadRequest, "MissingApiVersionParameter",
			"The api-version query parameter (?api-version=) is required for all requests.")
	}
	if a := badVersion(c); a != nil {
		return a
	}
	if a := s.guardAccess(c); a != nil {
		return a
	}
	if a := s.guardSubscription(c); a != nil {
		return a
	}
	if a := s.guardLocks(c); a != nil {
		return a
	}
	return s.guardPolicies(c)
}

// apiVersion is the form of an API version of Azure Resource Manager.
var apiVersion = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-[a-z.\d-]+)?$`)

// managementChallenge answers without a token, or with a bad one (both
// unverified), or with one that has expired [recording arm.error-bodies].
func (s *Server) managementChallenge(c *call) *answer {
	code, message := "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
	description := message
	switch c.authError {
	case "invalid":
		code, message = "InvalidAuthenticationToken", "The access token is invalid."
		description = message
	case "expired":
		const clock = "1/2/2006 3:04:05 PM"
		code, description = "ExpiredAuthenticationToken", "The access token has expired."
		message = "The access token expiry UTC time '" + c.now.Add(-18*time.Second).Format(clock) +
			"' is earlier than current UTC time '" + c.now.Format(clock) + "'."
	}
	return gateway(problem(http.StatusUnauthorized, code, "%s", message)).set("Www-Authenticate",
		`Bearer authorization_uri="https://login.windows.net/`+s.tenant+
			`", error="invalid_token", error_description="`+description+`"`)
}

// action is the permission that a management request needs.
func (c *call) action() string {
	base := c.target.fullType()
	switch {
	case c.extension != nil:
		base = c.extension.kind.typ
	case c.operation == "deleted-vault-get":
		return "Microsoft.KeyVault/locations/deletedVaults/read"
	case c.operation == "deleted-vault-purge":
		return "Microsoft.KeyVault/locations/deletedVaults/purge/action"
	case c.target.provider == "":
		base = "Microsoft.Resources/subscriptions"
		if c.target.group != "" {
			base += "/resourceGroups"
		}
		if c.operation == "resource-list" {
			base += "/resources"
		}
	}
	switch c.method {
	case http.MethodGet, http.MethodHead:
		return base + "/read"
	case http.MethodDelete:
		return base + "/delete"
	case http.MethodPost:
		if c.operation == "graph-query" {
			return "Microsoft.ResourceGraph/resources/read"
		}
		if c.operation == "provider-register" {
			return base + "/action"
		}
		return base + "/" + strings.Join(c.target.rest, "/") + "/action"
	default:
		return base + "/write"
	}
}

// forbidden refuses the caller in the form of the surface.
func (s *Server) forbidden(c *call) *answer {
	switch {
	case c.host == managementHost:
		if d := s.denying(c.caller, c.action(), c.path, false); d != nil && s.hasRole(c.caller, c.action(), c.path, false) {
			return forbiddenByDeny(c, d)
		}
		return gateway(problem(http.StatusForbidden, "AuthorizationFailed",
			"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or"+
				" the scope is invalid. If access was recently granted, please refresh your credentials.",
			c.caller.id, c.caller.objectID, c.action(), c.scopePath()))
	case c.vault != nil && s.byPolicies(c.vault):
		return s.forbiddenByPolicy(c)
	case c.vault != nil:
		_, action, _ := vaultOperation(c.method, append(strings.Split(strings.Trim(c.path, "/"), "/"), "", "", ""))
		return s.forbiddenByRBAC(c, action, c.keyName())
	case strings.HasSuffix(c.host, blobSuffix):
		return blobProblem(c, http.StatusForbidden, "AuthorizationPermissionMismatch",
			"This request is not authorized to perform this operation using this permission.")
	default:
		return problem(http.StatusForbidden, "Forbidden", "Access denied.")
	}
}

// codeNotSimulated is of ours: Azure never says it, so that it cannot be taken
// for one of its answers.
const codeNotSimulated = "NotSimulated"

// notSimulated answers for a type, or an operation on one, that Azure may well
// have and that is not here. It names the type and no more than that is known.
func (s *Server) notSimulated(c *call) *answer {
	typ, what := c.target.fullType(), ""
	switch {
	case typ == "" || c.target.typ == "":
		typ = c.scopePath()
	case len(c.target.rest) > 0:
		typ += "/" + c.target.rest[0]
	}
	if c.kind != nil || c.method != http.MethodGet {
		what = " (" + c.method + ")"
	}
	return unsimulated("not simulated: " + typ + what)
}

// unsimulated says what is not simulated.
func unsimulated(text string) *answer {
	return problem(http.StatusNotImplemented, codeNotSimulated, "%s", text)
}

// notSimulatedAt answers for a path of a data plane or of Entra ID that Azure
// may well have and that is not here.
func notSimulatedAt(c *call) *answer {
	return unsimulated("not simulated: " + c.host + c.scopePath() + " (" + c.method + ")")
}

// missing answers for a resource, or its group, that is not there [recording
// compute.disk-encryption-set-disk-update].
func (s *Server) missing(c *call) *answer {
	if a := s.missingGroup(c); a != nil {
		return a
	}
	return s.resourceNotFound(c)
}

// resourceNotFound is the answer for a resource alone.
func (s *Server) resourceNotFound(c *call) *answer {
	typ := c.target.fullType()
	if c.kind != nil {
		typ = c.kind.typ
	}
	return problem(http.StatusNotFound, "ResourceNotFound",
		"The Resource '%s/%s' under resource group '%s' was not found. For more details please go to"+
			" https://aka.ms/ARMResourceNotFoundFix", typ, c.target.name, c.target.group)
}

// missingGroup answers when the subscription, the group or the resource around a
// nested one does not exist.
func (s *Server) missingGroup(c *call) *answer {
	if s.subscription(c.target.subscription) == nil {
		return problem(http.StatusNotFound, "SubscriptionNotFound",
			"The subscription '%s' could not be found.", c.target.subscription)
	}
	if c.target.group != "" && s.groups[fold(c.target.subscription+"/"+c.target.group)] == nil {
		return problem(http.StatusNotFound, "ResourceGroupNotFound",
			"Resource group '%s' could not be found.", c.target.group)
	}
	// Public reports: terraform-provider-azurerm, databases of a missing server.
	if above := c.target.above; above != "" && s.resources[fold(c.target.parent().path())] == nil {
		return problem(http.StatusNotFound, "ParentResourceNotFound",
			"Can not perform requested operation on nested resource. Parent resource '%s' not found.", above)
	}
	return nil
}

// resourceRequest answers for one resource.
func (s *Server) resourceRequest(c *call) *answer {
	r := s.resources[fold(c.target.path())]
	switch c.method {
	case http.MethodGet, http.MethodHead:
		if r == nil {
			return s.missing(c)
		}
		return reply(http.StatusOK, r.view(c)).set("Content-Type", c.kind.content)
	case http.MethodPut, http.MethodPatch:
		return s.writeRequest(c, r)
	case http.MethodDelete:
		if c.kind.remove == nil {
			return notAllowed(c)
		}
		if r == nil {
			if a := s.missingGroup(c); a != nil {
				return a
			}
			return newAnswer(http.StatusNoContent)
		}
		if c.kind.holds != nil {
			if a := c.kind.holds(s, r); a != nil {
				return a
			}
		}
		return c.kind.remove(s, c, r)
	default:
		return notAllowed(c)
	}
}

// notAllowed refuses a method (unverified).
func notAllowed(c *call) *answer {
	return problem(http.StatusMethodNotAllowed, "MethodNotAllowed",
		"The request method '%s' is not supported.", c.method)
}

// writeRequest answers a PUT or PATCH.
func (s *Server) writeRequest(c *call, r *resource) *answer {
	if r == nil {
		if c.method == http.MethodPatch {
			return s.missing(c)
		}
		if a := s.missingGroup(c); a != nil {
			return a
		}
	}
	body, err := decodeDoc(c.body)
	if err != nil {
		return problem(http.StatusBadRequest, "InvalidRequestContent",
			"The request content was invalid and could not be deserialized: '%s'.", err)
	}
	if r == nil && c.target.above == "" && text(body, "location") == "" {
		return problem(http.StatusBadRequest, "LocationRequired",
			"The location property is required for this definition.")
	}
	if a := s.precondition(c, r); a != nil {
		return a
	}
	if c.kind.write == nil {
		return notAllowed(c)
	}
	if r != nil && r.running != nil && !c.kind.parallel {
		return busy(r)
	}
	if a := s.refuseWrite(c, r, body); a != nil {
		return a
	}
	a := c.kind.write(s, c, r, body, c.method == http.MethodPatch)
	if r != nil {
		r.indexed = nil // Resource Graph learns of what Resource Manager did
	}
	if a.status < 300 {
		a.set("Content-Type", c.kind.content)
	}
	return a
}

// refuseWrite refuses what a kind does not take, and a key that it cannot use.
func (s *Server) refuseWrite(c *call, r *resource, body doc) *answer {
	if c.kind.bad != nil {
		if a := c.kind.bad(c, r, body); a != nil {
			return a
		}
	}
	return s.refuseKey(c, r, body)
}

// busy refuses a write while an operation is under way: in words of the kind, or
// in general ones (facts §3).
func busy(r *resource) *answer {
	if r.kind.busy != nil {
		return r.kind.busy(r)
	}
	return problem(http.StatusConflict, "AnotherOperationInProgress",
		"Another operation on this or dependent resource is in progress.")
}

// precondition honours If-Match and If-None-Match where the kind has an ETag;
// the others ignore them, as Azure does.
func (s *Server) precondition(c *call, r *resource) *answer {
	match, none := c.header.Get("If-Match"), c.header.Get("If-None-Match")
	if match == "" && none == "" {
		return nil
	}
	tag := ""
	if r != nil {
		tag, _ = r.view(c)["eTag"].(string)
	}
	switch {
	case r != nil && tag == "" && none != "*":
		return nil
	case match == "*" && r != nil, match != "" && match != "*" && strings.Trim(match, `"`) == tag && r != nil:
		return nil
	case match == "" && r == nil:
		return nil
	}
	return problem(http.StatusPreconditionFailed, "PreconditionFailed",
		"The condition '%s' specified in the request was not met.", match+none)
}

// childRequest answers below a resource.
func (s *Server) childRequest(c *call) *answer {
	r := s.resources[fold(c.target.path())]
	if r == nil {
		return s.missing(c)
	}
	var a *answer
	switch {
	case c.method == http.MethodGet && c.kind.child != nil:
		a = c.kind.child(s, c, r, c.target.rest)
	case c.method == http.MethodPost && c.kind.post != nil:
		a = c.kind.post(s, c, r, strings.ToLower(c.target.rest[0]))
	}
	if a == nil && c.kind.below != nil {
		a = c.kind.below(s, c, r, c.target.rest)
	}
	if a == nil {
		return s.notSimulated(c)
	}
	return a
}
