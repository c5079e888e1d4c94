package keyvault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

// call is what was tried, for messages, and whether it could change something.
type call struct {
	verb  string
	write bool
}

// failure classifies an error of azkeys. A key that is not found costs one more
// call, to tell a deleted key from one that never was.
func (v *Vault) failure(ctx context.Context, c *azkeys.Client, key rotator.KeyID, what call, err error) error {
	if !isStatus(err, http.StatusNotFound) {
		return v.classify(key, what, err)
	}
	return v.missing(ctx, c, key, what)
}

// missing returns the error of a key that is not there. A call to it had no
// effect.
func (v *Vault) missing(ctx context.Context, c *azkeys.Client, key rotator.KeyID, what call) error {
	e := &rotator.Error{
		Code: rotator.CodeNotFound, Reason: rotator.ReasonKeyNotFound, NoEffect: true,
		Message: fmt.Sprintf("%s %s: there is no such key, or no such version of it", what.verb, key),
		Hint:    "check the key's name and its vault: " + az(key, "list") + "; just after a create or a recovery it may take a minute to appear",
	}
	deleted, err := c.GetDeletedKey(ctx, key.Name(), nil)
	switch {
	case err == nil:
		e.Reason = rotator.ReasonKeyDeleted
		e.Message = fmt.Sprintf("%s %s: the key is deleted", what.verb, key)
		e.Hint = "recover it: " + az(key, "recover") + " --name " + key.Name()
		if purge := utc(deleted.ScheduledPurgeDate); !purge.IsZero() {
			e.Hint += ", before it is purged on " + purge.Format("2006-01-02")
		}
	case isStatus(err, http.StatusNotFound):
	case rotator.CodeOf(v.classify(key, call{"look for a deleted", false}, err)) == rotator.CodeForbidden:
		e.Hint = "it may be deleted, which the daemon may not see: " + az(key, "list-deleted")
	}
	return e
}

// az returns a command of the Azure CLI on the key's vault.
func az(key rotator.KeyID, verb string) string {
	name, rest, _ := strings.Cut(key.Host(), ".")
	flag := "--vault-name"
	if strings.HasPrefix(rest, "managedhsm.") {
		flag = "--hsm-name"
	}
	return fmt.Sprintf("az keyvault key %s %s %s", verb, flag, name)
}

func isStatus(err error, status int) bool {
	var answer *azcore.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == status
}

// errorBody is a vault's error document (azure/facts.md section 2).
type errorBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   struct {
			Code string `json:"code"`
		} `json:"innererror"`
	} `json:"error"`
}

// classify makes an *[rotator.Error] of an error of azkeys.
func (v *Vault) classify(key rotator.KeyID, what call, err error) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		e := wire.Failure(key.Host(), err)
		if e.Reason == rotator.ReasonNameNotResolved {
			e.Hint = "check the vault's name: there may be no vault " + key.Host() + ", or this machine's DNS does not know it"
		}
		e.NoEffect = e.NoEffect || !what.write
		return fmt.Errorf("%s %s: %w", what.verb, key, e)
	}
	var doc errorBody
	var retry http.Header
	if answer.RawResponse != nil {
		retry = answer.RawResponse.Header
		if body, err := runtime.Payload(answer.RawResponse); err == nil {
			_ = json.Unmarshal(body, &doc) // an answer without a document is told by its status
		}
	}
	method := http.MethodGet
	if what.write {
		method = http.MethodPatch
	}
	e := &rotator.Error{
		Code: statusClass(answer.StatusCode), Reason: reason(doc, answer.StatusCode),
		Message:    fmt.Sprintf("%s %s: %d %s", what.verb, key, answer.StatusCode, text(doc, answer.StatusCode)),
		NoEffect:   wire.NoEffect(method, answer.StatusCode),
		RetryAfter: wire.RetryAfter(retry, v.options.Clock.Now()),
	}
	if e.Code == rotator.CodeThrottled && e.RetryAfter == 0 {
		e.RetryAfter = defaultBackoff
	}
	e.Hint = hint(key, e, doc.Error.Message)
	return e
}

// reason prefers the inner code, which says why: ForbiddenByRbac rather than
// Forbidden.
func reason(doc errorBody, status int) rotator.Reason {
	for _, code := range []string{doc.Error.Inner.Code, doc.Error.Code} {
		if code != "" {
			return rotator.Reason(wire.Scrub(code))
		}
	}
	return rotator.ReasonOfStatus(status)
}

func text(doc errorBody, status int) string {
	if doc.Error.Message == "" {
		return http.StatusText(status)
	}
	return wire.Scrub(doc.Error.Message)
}

func statusClass(status int) rotator.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return rotator.CodeForbidden
	case http.StatusNotFound:
		return rotator.CodeNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return rotator.CodeConflict
	case http.StatusTooManyRequests:
		return rotator.CodeThrottled
	case http.StatusRequestTimeout:
		return rotator.CodeUnavailable
	}
	if status >= 400 && status < 500 {
		return rotator.CodeInvalid
	}
	return rotator.CodeUnavailable
}

var oidPattern = regexp.MustCompile(`oid=([0-9a-fA-F-]{36})`)

// hint says what to do next. Codes: azure/facts.md section 2 (errors).
func hint(key rotator.KeyID, e *rotator.Error, message string) string {
	who := "the daemon's identity"
	if m := oidPattern.FindStringSubmatch(message); m != nil {
		who = "object " + m[1]
	}
	switch e.Reason {
	case "ForbiddenByPolicy":
		return fmt.Sprintf("the vault uses access policies: allow get, list, create, update and rotate on keys to %s", who)
	case "ForbiddenByFirewall", "ForbiddenByConnection":
		return "the vault's firewall does not let this machine in: add its address or a private endpoint to the vault's networking"
	case rotator.ReasonKeyDisabled:
		return "the key's newest version is disabled: enable it, or make a version by hand"
	case "ObjectIsDeletedButRecoverable":
		return "recover the key: " + az(key, "recover") + " --name " + key.Name()
	case "ObjectIsBeingDeleted", "ObjectIsBeingRecovered":
		return "wait until the vault has finished, then try again"
	default: // what else there is, its class tells
	}
	switch e.Code {
	case rotator.CodeForbidden:
		if strings.Contains(key.Host(), ".managedhsm.") {
			return fmt.Sprintf("grant the HSM's role \"Managed HSM Crypto User\" on /keys/%s to %s", key.Name(), who)
		}
		return fmt.Sprintf("grant \"Key Vault Crypto Officer\" on the vault, or on its key %s, to %s; a new grant takes some minutes", key.Name(), who)
	case rotator.CodeConflict:
		return "the key is being changed by somebody else; it is read again before the next attempt"
	default:
		return ""
	}
}
