package arm_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"cmkd/providers/arm"
	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// FuzzClient_AnyAnswer gives the client whatever a broken or hostile server may
// answer: it ends, every failure is classified in one line, and no token or host
// of the server's choosing is spoken to.
func FuzzClient_AnyAnswer(f *testing.F) {
	f.Add(200, `{"properties":{"provisioningState":"Updating"}}`, "5", "", "")
	f.Add(202, ``, "", "https://management.azure.com/operations/1?t=1", "")
	f.Add(201, `{"status":"InProgress"}`, "-1", "", "https://evil.example/")
	f.Add(403, `{"error":{"code":"AuthorizationFailed","message":"The client 'x' with object id 'y' does not have authorization"}}`, "", "", "")
	f.Add(429, `{"error":{"code":"TooManyRequests","message":"slow"}}`, "Wed, 21 Oct 2026 07:28:00 GMT", "", "")
	f.Add(500, "\x00\xff", "9999999999999999999", "::", "//")
	f.Fuzz(func(t *testing.T, status int, body, retryAfter, operation, location string) {
		if status < 200 || status > 599 || !headerValue(retryAfter) || !headerValue(operation) || !headerValue(location) {
			t.Skip()
		}
		asked := 0
		clock := wiretest.NewJumpingClock()
		transport := &wiretest.Transport{Clock: clock, Answer: func(r wiretest.Request) wiretest.Answer {
			if u, err := url.Parse(r.URL); err != nil || u.Scheme != "https" || u.Host != "management.azure.com" {
				t.Errorf("spoke to %s", r.URL)
			}
			if asked++; asked > 50 {
				return wiretest.Answer{Status: http.StatusNotFound, Body: `{}`} // long enough
			}
			return wiretest.Answer{Status: status, Body: body, Header: map[string]string{
				"Retry-After": retryAfter, "Azure-AsyncOperation": operation, "Location": location,
			}}
		}}
		c, err := arm.NewClient(wiretest.Credential{}, arm.Options{Transport: transport, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		var out json.RawMessage
		if _, err = c.Write(t.Context(), http.MethodPut, "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/A.B/c/d", "1", nil, &out, arm.CallOptions{}); err != nil {
			e := rotator.AsError(err)
			if e.Code == "" || strings.ContainsAny(err.Error(), "\n\r") || strings.Contains(err.Error(), wiretest.Token) {
				t.Errorf("unfit for people: %q (%+v)", err.Error(), e)
			}
		}
	})
}

func headerValue(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
