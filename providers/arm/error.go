package arm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

// errorBody is ARM's error document (azure/facts.md section 3).
type errorBody struct {
	Code    string      `json:"code"`
	Message string      `json:"message"`
	Target  string      `json:"target"`
	Details []errorBody `json:"details"`
}

// parseError reads an error document; some services leave out the envelope.
func parseError(body []byte) errorBody {
	var doc struct {
		Error *errorBody `json:"error"`
		errorBody
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return errorBody{}
	}
	if doc.Error != nil {
		return *doc.Error
	}
	return doc.errorBody
}

// statusClass gives the class of an HTTP status: 401/403 forbidden, 404/410
// not-found, 409/412 conflict, 429 throttled, 408 and 5xx unavailable, other 4xx
// invalid.
func statusClass(status int) rotator.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return rotator.CodeForbidden
	case http.StatusNotFound, http.StatusGone:
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

// classify makes the error of an answer of status 300 or above.
func classify(method, path string, resp Response, o CallOptions, barred time.Duration) error {
	doc := parseError(resp.body)
	e := &rotator.Error{
		Code: statusClass(resp.Status), Reason: rotator.Reason(doc.Code),
		NoEffect:   wire.NoEffect(method, resp.Status),
		RetryAfter: max(wire.RetryAfter(resp.Header, resp.Date), barred),
		Message:    message(method, path, resp.Status, doc),
	}
	if e.Reason == "" {
		e.Reason = rotator.ReasonOfStatus(resp.Status)
	}
	if stays(e.Reason) {
		e.Code = rotator.CodeRefused
	}
	e.Hint = hint(method, path, e, doc, o)
	return e
}

// stays reports whether a refusal stands until a person changes what it rests on,
// whatever its status says: a lock, and a subscription that is disabled (409 both).
//
// Source: azure/facts-evidence.md section 6 ("not retryable").
func stays(code rotator.Reason) bool {
	return code == "ScopeLocked" || code == "ReadOnlyDisabledSubscription"
}

func message(method, path string, status int, doc errorBody) string {
	text := wire.Scrub(doc.Message)
	for _, d := range doc.Details {
		if d.Message != "" && d.Message != doc.Message {
			text += "; " + wire.Scrub(d.Message)
		}
	}
	if text == "" {
		text = http.StatusText(status)
	}
	return fmt.Sprintf("%s %s: %d %s", verb(method), wire.Scrub(path), status, wire.Scrub(text))
}

func verb(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return "read"
	case http.MethodDelete:
		return "delete"
	case http.MethodPost:
		return "call"
	}
	return "update"
}

// hint says what to do next. Codes: azure/facts.md section 3.
func hint(method, path string, e *rotator.Error, doc errorBody, o CallOptions) string {
	switch {
	case e.Reason == "ScopeLocked":
		return "a management lock is on the resource, its group or its subscription: see `az lock list`, remove it for the update"
	case e.Reason == "ReadOnlyDisabledSubscription":
		return "the subscription is disabled, and nothing in it can be changed: have it enabled again"
	case e.Reason == "SubscriptionNotFound":
		return "check the subscription id, and that the daemon's identity has a role in that subscription"
	case e.Reason == "ResourceGroupNotFound", e.Code == rotator.CodeNotFound:
		return "the resource was deleted, moved or misspelt: remove it from the configuration or correct its id"
	case e.Code == rotator.CodeForbidden:
		return forbiddenHint(method, path, doc.Message, o)
	case e.Code == rotator.CodeConflict && e.Reason == rotator.ReasonOfStatus(http.StatusPreconditionFailed), e.Reason == "PreconditionFailed":
		return "somebody changed the resource meanwhile: it is read again before the next attempt"
	case e.Code == rotator.CodeConflict:
		return "another operation is under way on the resource; wait for its end"
	case e.Reason == "NoRegisteredProviderFound", e.Reason == "InvalidApiVersionParameter":
		return "this cloud or region does not offer the api-version that cmkd asks for; report it"
	}
	return ""
}

var (
	actionPattern = regexp.MustCompile(`action '([A-Za-z0-9./*-]{1,200})'`)
	scopePattern  = regexp.MustCompile(`scope '(/[^'\s]{0,1000})'`)
	objectPattern = regexp.MustCompile(`object id '([0-9a-fA-F-]{36})'`)
)

// forbiddenHint names the role and the scope. ARM says both in the message of
// AuthorizationFailed: "The client '…' with object id '…' does not have
// authorization to perform action '…' over scope '…'".
func forbiddenHint(method, path, text string, o CallOptions) string {
	role, scope, who, needs := o.Role, path, "the daemon's identity", ""
	if m := scopePattern.FindStringSubmatch(text); m != nil {
		scope = m[1]
	}
	if m := objectPattern.FindStringSubmatch(text); m != nil {
		who = "object " + m[1]
	}
	if m := actionPattern.FindStringSubmatch(text); m != nil {
		needs = " (it needs " + m[1] + ")"
		if strings.HasSuffix(strings.ToLower(m[1]), "/read") {
			role = "Reader"
		}
	}
	if role == "" && method == http.MethodGet {
		role = "Reader"
	}
	if role == "" {
		role = "a role with write permission"
	}
	return fmt.Sprintf("grant %q on %s to %s%s; a new grant takes some minutes", role, wire.Scrub(scope), who, needs)
}
