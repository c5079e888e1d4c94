package azuresim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errorForm writes an error as Azure words it for a request, nil where the
// request is not of the surface that has the code. wait is zero where the
// scenario says nothing.
type errorForm func(c *call, wait time.Duration) *answer

// errorForms returns the errors whose true form is known, by their code: of
// Azure Resource Manager [recording arm.error-bodies, published
// arm-error-bodies], and of Key Vault by its inner code [published
// keyvault-403-bodies, recording keyvault.error-bodies].
func errorForms() map[string]errorForm {
	return map[string]errorForm{
		"MissingSubscriptionRegistration":     onManagement(func(c *call) *answer { return gateway(missingRegistration(c.target.provider)) }),
		"LinkedAuthorizationFailed":           linkedForbidden,
		"AuthorizationFailed":                 onManagement(func(c *call) *answer { return gateway(c.sim.forbidden(c)) }),
		"ScopeLocked":                         onManagement(func(c *call) *answer { return locked(c, c.scopePath()) }),
		"ReadOnlyDisabledSubscription":        onManagement(func(c *call) *answer { return gateway(readOnlySubscription(c.target.subscription)) }),
		"RequestDisallowedByPolicy":           onManagement(policyDisallows),
		"DenyAssignmentAuthorizationFailed":   onManagement(denyAssigned),
		"SubscriptionRequestsThrottled":       subscriptionThrottled,
		"TooManyRequests":                     tooManyRequests,
		"ExpiredAuthenticationToken":          onManagement(func(c *call) *answer { return c.sim.expiredToken(c, nil) }),
		"ResourceNotFound":                    onManagement(func(c *call) *answer { return gateway(c.sim.resourceNotFound(c)) }),
		"FailedIdentityOperation":             failedIdentity,
		"ForbiddenByRbac":                     onVault(func(c *call) *answer { return c.sim.forbidden(c) }),
		"ForbiddenByPolicy":                   onVault(func(c *call) *answer { return c.sim.forbiddenByPolicy(c) }),
		"ForbiddenByFirewall":                 onVault(forbiddenByFirewall),
		"ForbiddenByConnection":               onVault(forbiddenByConnection),
		"KeyDisabled":                         onVault(keyDisabled),
		"KeyNotFound":                         onVault(func(c *call) *answer { return c.sim.notFound(c, c.keyName(), "") }),
		"ObjectIsDeletedButRecoverable":       onVault(func(c *call) *answer { return deletedName(c.keyName()) }),
		"ObjectIsBeingDeleted":                onVault(beingDeleted),
		"RequestNotAllowedOnNonDeletedObject": onVault(notDeleted),
	}
}

// ErrorCodes returns the codes that are enough for a fault: Azure's answer to
// them is known.
func ErrorCodes() []string { return slices.Sorted(maps.Keys(errorForms())) }

func onManagement(form func(*call) *answer) errorForm {
	return func(c *call, _ time.Duration) *answer {
		if c.host != managementHost {
			return nil
		}
		return form(c)
	}
}

func onVault(form func(*call) *answer) errorForm {
	return func(c *call, _ time.Duration) *answer {
		if c.vault == nil {
			return nil
		}
		return form(c)
	}
}

// keyName is the name of the key in the path of a vault.
func (c *call) keyName() string {
	parts := strings.Split(strings.Trim(c.path, "/"), "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

// scopePath is the request's scope without a slash at its end.
func (c *call) scopePath() string { return strings.TrimRight(c.path, "/") }

// who names the caller as refusals of Resource Manager do.
func (c *call) who() string {
	return "The client '" + c.caller.id + "' with object id '" + c.caller.objectID + "'"
}

// linkedForbidden misses a right on what the resource refers to: the disk
// encryption set where a disk is written, else a user-assigned identity.
func linkedForbidden(c *call, _ time.Duration) *answer {
	if c.host != managementHost {
		return nil
	}
	action, linked := "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
		"/subscriptions/"+c.target.subscription+"/resourceGroups/"+c.target.group+
			"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"+c.target.name
	if body, err := decodeDoc(c.body); err == nil {
		if set := text(body, "properties.encryption.diskEncryptionSetId"); set != "" {
			action, linked = "Microsoft.Compute/diskEncryptionSets/read", set
		}
	}
	return gateway(problem(http.StatusForbidden, "LinkedAuthorizationFailed", "%s",
		c.who()+" has permission to perform action '"+c.action()+"' on scope '"+c.scopePath()+
			"'; however, it does not have permission to perform action(s) '"+action+"' on the linked scope(s) '"+linked+
			"' (respectively) or the linked scope(s) are invalid."))
}

// policyDisallows is a policy of the subscription.
func policyDisallows(c *call) *answer {
	p := azurePolicy{name: "policy", scope: "/subscriptions/" + c.target.subscription}
	return gateway(disallowedByPolicy(c.target.name, p))
}

// denyAssigned is a deny assignment that the scenario does not have.
func denyAssigned(c *call) *answer {
	return forbiddenByDeny(c, &denyAssignment{id: c.sim.mint.guid("deny assignment", c.target.path())})
}

// subscriptionThrottled says how long to wait in its message alone; Retry-After
// is there where the scenario gives one (facts-evidence §6).
func subscriptionThrottled(c *call, wait time.Duration) *answer {
	if c.host != managementHost {
		return nil
	}
	seconds := "6"
	if wait > 0 {
		seconds = strconv.Itoa(int(wait.Seconds()))
	}
	return problem(http.StatusTooManyRequests, "SubscriptionRequestsThrottled",
		"Number of requests for subscription '%s' and operation '%s' exceeded the backend storage limit."+
			" Please try again after '%s' seconds.", c.target.subscription, throttledOperation(c), seconds)
}

// throttledOperation spells a request as the gateway's throttling does: its
// method, and the path in capitals without the names in it.
func throttledOperation(c *call) string {
	out := c.method + "/SUBSCRIPTIONS/"
	if c.target.group != "" {
		out += "RESOURCEGROUPS/"
	}
	if c.target.provider != "" {
		out += "PROVIDERS/" + strings.ToUpper(c.target.provider) + "/"
	}
	if c.target.typ != "" {
		out += strings.ToUpper(c.target.typ) + "/"
	}
	return out
}

func tooManyRequests(c *call, _ time.Duration) *answer {
	if c.host != managementHost {
		return nil
	}
	return problem(http.StatusTooManyRequests, "TooManyRequests", "Too many requests. Please try again after sometime.")
}

// failedIdentity cannot find the identity that a resource is to have.
func failedIdentity(c *call, _ time.Duration) *answer {
	if c.host != managementHost {
		return nil
	}
	identity := "/subscriptions/" + c.target.subscription + "/resourcegroups/" + c.target.group +
		"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + c.target.name
	inner := encode(doc{"error": doc{"code": "BadRequest", "message": "Resource '" + identity + "' was not found."}})
	return gateway(problem(http.StatusBadRequest, "FailedIdentityOperation", "%s",
		"Identity operation for resource '"+c.scopePath()+"' failed with error 'Failed to perform resource identity"+
			" operation. Status: 'BadRequest'. Response: '"+string(inner)+"'.'."))
}

// vaultCaller names the caller as refusals of Key Vault do.
func (c *call) vaultCaller() string {
	return "appid=" + c.caller.id + ";oid=" + c.caller.objectID + ";iss=https://sts.windows.net/" + c.sim.tenant + "/"
}

// vaultPlace names the vault as refusals of Key Vault do.
func (c *call) vaultPlace() string { return c.vault.spec.Name + ";location=" + c.vault.spec.Location }

func forbiddenByFirewall(c *call) *answer {
	return innerProblem(http.StatusForbidden, "Forbidden", "ForbiddenByFirewall",
		"Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.10\r\nCaller: "+
			c.vaultCaller()+"\r\nVault: "+c.vaultPlace())
}

func forbiddenByConnection(c *call) *answer {
	return innerProblem(http.StatusForbidden, "Forbidden", "ForbiddenByConnection",
		"Public network access is disabled and request is not from a trusted service nor via an approved private"+
			" link.\r\nCaller: "+c.vaultCaller()+"\r\nVault: "+c.vaultPlace())
}

// keyDisabled names the operation that the key would be used for.
func keyDisabled(c *call) *answer {
	return innerProblem(http.StatusForbidden, "Forbidden", "KeyDisabled",
		"Operation "+operationName(strings.TrimPrefix(c.operation, "key-"))+" is not allowed on a disabled key.")
}

// deletedName refuses a name that is soft-deleted.
func deletedName(name string) *answer {
	return innerProblem(http.StatusConflict, "Conflict", "ObjectIsDeletedButRecoverable",
		"Key "+name+" is currently in a deleted but recoverable state, and its name cannot be reused;"+
			" in this state, the key can only be recovered or purged.")
}

// beingDeleted is a recovery that came too early.
func beingDeleted(c *call) *answer {
	return innerProblem(http.StatusConflict, "Conflict", "ObjectIsBeingDeleted",
		"Key "+c.keyName()+" is currently being deleted.")
}

// notDeleted is a recovery of what is not deleted.
func notDeleted(c *call) *answer {
	return innerProblem(http.StatusBadRequest, "MethodNotAllowed", "RequestNotAllowedOnNonDeletedObject",
		"Key exists already: "+c.keyName())
}
