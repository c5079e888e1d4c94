package keyvault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/providers/keyvault"
	"cmkd/rotator"
)

const (
	host = "contoso.vault.azure.net"
	key  = rotator.KeyID("https://" + host + "/keys/payments")
	v1   = "11111111111111111111111111111111"
	v2   = "22222222222222222222222222222222"
)

// challenged answers the first request like a vault, by a challenge (recording
// keyvault.key.2025), and the others by answer.
func challenged(answer func(wiretest.Request) wiretest.Answer) func(wiretest.Request) wiretest.Answer {
	return func(r wiretest.Request) wiretest.Answer {
		if r.Header.Get("Authorization") == "" {
			resource := "https://vault.azure.net"
			if strings.Contains(r.URL, ".managedhsm.") {
				resource = "https://managedhsm.azure.net"
			}
			return wiretest.Answer{Status: 401, Header: map[string]string{
				"WWW-Authenticate": `Bearer authorization="https://login.microsoftonline.com/54826b22-38d6-4fb2-bad9-b7b93a3e9c5a", resource="` + resource + `"`,
			}}
		}
		return answer(r)
	}
}

func newVault(t *testing.T, clock *wiretest.Clock, answer func(wiretest.Request) wiretest.Answer) (*keyvault.Vault, *wiretest.Transport) {
	t.Helper()
	transport := &wiretest.Transport{Clock: clock, Answer: challenged(answer)}
	return keyvault.New(wiretest.Credential{}, keyvault.Options{Transport: transport, Clock: clock}), transport
}

func bundle(version, attributes, rest string) string {
	return fmt.Sprintf(`{"key":{"kid":"%s/%s","kty":"RSA","key_ops":["wrapKey","unwrapKey"],"n":"%s","e":"AQAB"},"attributes":{%s}%s}`,
		key, version, strings.Repeat("_", 342), attributes, rest)
}

const attributes = `"enabled":true,"created":1656356446,"updated":1656356446,"recoveryLevel":"Recoverable","recoverableDays":90`

func mustError(t *testing.T, err error) *rotator.Error {
	t.Helper()
	var e *rotator.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v carries no *rotator.Error", err)
	}
	if text := err.Error() + " " + e.Hint; strings.Contains(text, wiretest.Token) || strings.Contains(text, "\n") {
		t.Fatalf("unfit for people: %s", text)
	}
	return e
}

// withToken returns the requests that carried a token.
func withToken(transport *wiretest.Transport) []wiretest.Request {
	var all []wiretest.Request
	for _, r := range transport.Requests() {
		if r.Header.Get("Authorization") != "" {
			all = append(all, r)
		}
	}
	return all
}

func TestVault_Versions_decodes(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	v, transport := newVault(t, clock, wiretest.Queue(t,
		wiretest.Answer{Body: `{"value":[{"kid":"https://CONTOSO.vault.azure.net:443/keys/Payments/` + strings.ToUpper("abcdefabcdefabcdefabcdefabcdefab") + `","attributes":{"enabled":true,"created":1656356446,"exp":1700000000,"nbf":1600000000,"recoveryLevel":"CustomizedRecoverable+Purgeable"},"tags":{"cmkd-operation":"op-1","a":null}},null],
			"nextLink":"https://` + host + `:443/keys/payments/versions?api-version=7.3&$skiptoken=x"}`},
		wiretest.Answer{Body: `{"value":[],"nextLink":"https://` + host + `/keys/payments/versions?$skiptoken=y"}`},
		wiretest.Answer{Body: `{"value":[{"kid":"` + string(key) + `/` + v2 + `","attributes":{` + attributes + `}},{"kid":"` + string(key) + `/` + v1 + `"}],"nextLink":null}`}))
	got, err := v.Versions(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	want := []rotator.Version{
		{ID: "abcdefabcdefabcdefabcdefabcdefab", Created: time.Unix(1656356446, 0).UTC(), Enabled: true, Expires: time.Unix(1700000000, 0).UTC(), NotBefore: time.Unix(1600000000, 0).UTC(), Operation: "op-1"},
		{ID: v2, Created: time.Unix(1656356446, 0).UTC(), Updated: time.Unix(1656356446, 0).UTC(), Enabled: true, PurgeProtected: true},
		{ID: v1},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if n := len(withToken(transport)); n != 3 {
		t.Errorf("%d calls for 3 pages", n)
	}
}

func TestVault_Versions_refuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body   string
		reason rotator.Reason
	}{
		"a link to another host":    {`{"value":[],"nextLink":"https://evil.vault.azure.net/keys/payments/versions"}`, rotator.ReasonRefusedLink},
		"a link without TLS":        {`{"value":[],"nextLink":"http://` + host + `/keys/payments/versions"}`, rotator.ReasonRefusedLink},
		"a version of another key":  {`{"value":[{"kid":"https://` + host + `/keys/other/` + v1 + `"}]}`, rotator.ReasonUnreadableAnswer},
		"a version without id":      {`{"value":[{"attributes":{"enabled":true}}]}`, rotator.ReasonUnreadableAnswer},
		"no list":                   {`{}`, rotator.ReasonUnreadableAnswer},
		"a list of nothing":         {`{"value":null}`, rotator.ReasonUnreadableAnswer},
		"a page that breaks off":    {`{"nextLink":null}`, rotator.ReasonUnreadableAnswer},
		"a version that is no hash": {`{"value":[{"kid":"` + string(key) + `/latest"}]}`, rotator.ReasonUnreadableAnswer},
	} {
		v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Body: tt.body}))
		_, err := v.Versions(t.Context(), key)
		if e := mustError(t, err); e.Reason != tt.reason || len(withToken(transport)) != 1 {
			t.Errorf("%s: got %+v after %d calls", name, e, len(withToken(transport)))
		}
	}
	loop := wiretest.Answer{Body: `{"value":[],"nextLink":"https://` + host + `/keys/payments/versions?$skiptoken=x"}`}
	v, _ := newVault(t, wiretest.NewClock(), func(wiretest.Request) wiretest.Answer { return loop })
	_, err := v.Versions(t.Context(), key)
	if e := mustError(t, err); e.Reason != rotator.ReasonEndlessList {
		t.Errorf("a loop: got %+v", e)
	}
}

func TestVault_Versions_of_a_missing_key(t *testing.T) {
	t.Parallel()
	const deleted = `{"recoveryId":"https://contoso.vault.azure.net/deletedkeys/payments","deletedDate":1656356474,"scheduledPurgeDate":1656961274,"key":{}}`
	notFound := wiretest.Answer{Status: 404, Body: `{"error":{"code":"KeyNotFound","message":"m"}}`}
	for name, tt := range map[string]struct {
		first, second wiretest.Answer
		reason        rotator.Reason
		hint          string
	}{
		"deleted":                {notFound, wiretest.Answer{Body: deleted}, rotator.ReasonKeyDeleted, "az keyvault key recover --vault-name contoso --name payments, before it is purged on 2022-07-04"},
		"never was":              {notFound, notFound, rotator.ReasonKeyNotFound, "check the key's name"},
		"no versions":            {wiretest.Answer{Body: `{"value":[],"nextLink":null}`}, notFound, rotator.ReasonKeyNotFound, "check the key's name"},
		"no versions as deleted": {wiretest.Answer{Body: `{"value":[]}`}, wiretest.Answer{Body: deleted}, rotator.ReasonKeyDeleted, "recover"},
		"may not look":           {notFound, wiretest.Answer{Status: 403, Body: `{"error":{"code":"Forbidden","message":"m"}}`}, rotator.ReasonKeyNotFound, "may be deleted"},
	} {
		v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t, tt.first, tt.second))
		_, err := v.Versions(t.Context(), key)
		e := mustError(t, err)
		if e.Code != rotator.CodeNotFound || e.Reason != tt.reason || !strings.Contains(e.Hint, tt.hint) || !e.NoEffect || len(withToken(transport)) != 2 {
			t.Errorf("%s: got %+v after %d calls", name, e, len(withToken(transport)))
		}
	}
}

func TestVault_rotates_and_tags_in_two_calls(t *testing.T) {
	t.Parallel()
	v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t,
		wiretest.Answer{Body: bundle(v2, attributes, `,"tags":{"team":"pay"}`)},
		wiretest.Answer{Body: bundle(v2, attributes, ``)}))
	made, err := v.Create(t.Context(), key, rotator.MethodAuto, "op-1")
	if err != nil || made.ID != v2 || made.Operation != "" {
		t.Fatalf("got %+v, %v", made, err)
	}
	if err := v.Tag(t.Context(), key, made, "op-1"); err != nil {
		t.Fatal(err)
	}
	r := withToken(transport)
	if len(r) != 2 || !strings.Contains(r[0].URL, "/keys/payments/rotate?") || r[1].Method != http.MethodPatch ||
		r[1].Body != `{"tags":{"cmkd-operation":"op-1","team":"pay"}}` {
		t.Errorf("got %+v", r)
	}
}

func TestVault_Tag_reads_before_it_replaces(t *testing.T) {
	t.Parallel()
	v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t,
		wiretest.Answer{Body: bundle(v1, attributes, `,"tags":{"team":"pay","cmkd-operation":"old"}`)},
		wiretest.Answer{Body: bundle(v1, attributes, ``)},
		wiretest.Answer{Body: bundle(v1, attributes, `,"tags":{"cmkd-operation":"op-1"}`)}))
	for range 2 {
		if err := v.Tag(t.Context(), key, rotator.Version{ID: v1}, "op-1"); err != nil {
			t.Fatal(err)
		}
	}
	r := withToken(transport)
	if len(r) != 3 || r[1].Body != `{"tags":{"cmkd-operation":"op-1","team":"pay"}}` {
		t.Errorf("got %+v; want GET, PATCH, and a GET that finds the tag", r)
	}
}

func TestVault_creates_a_version_like_the_current_one(t *testing.T) {
	t.Parallel()
	date := map[string]string{"Date": "Thu, 20 Jun 2024 00:00:00 GMT"}
	v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t,
		wiretest.Answer{Header: date, Body: bundle(v1, attributes+`,"exp":1658948446`, `,"tags":{"team":"pay"}`)},
		wiretest.Answer{Body: `{"id":"x","lifetimeActions":[],"attributes":{"expiryTime":"P1M"}}`},
		wiretest.Answer{Body: bundle(v2, attributes, `,"tags":{"cmkd-operation":"op-1"}`)}))
	made, err := v.Create(t.Context(), key, rotator.MethodCreate, "op-1")
	if err != nil || made.ID != v2 || made.Operation != "op-1" {
		t.Fatalf("got %+v, %v", made, err)
	}
	r := withToken(transport)
	var sent map[string]any
	if err := json.Unmarshal([]byte(r[2].Body), &sent); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"kty": "RSA", "key_size": 2048.0, "key_ops": []any{"wrapKey", "unwrapKey"},
		"attributes": map[string]any{"enabled": true, "exp": float64(time.Date(2024, 7, 20, 0, 0, 0, 0, time.UTC).Unix())},
		"tags":       map[string]any{"cmkd-operation": "op-1", "team": "pay"},
	}
	if fmt.Sprint(sent) != fmt.Sprint(want) || !strings.Contains(r[2].URL, "/keys/payments/create?") {
		t.Errorf("sent %v\nwant %v", sent, want)
	}
}

func TestVault_creates_with_the_same_lifetime_where_no_policy_tells(t *testing.T) {
	t.Parallel()
	date := map[string]string{"Date": "Thu, 20 Jun 2024 00:00:00 GMT"}
	v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t,
		wiretest.Answer{Header: date, Body: `{"key":{"kid":"` + string(key) + `/` + v1 + `","kty":"EC-HSM","crv":"P-256"},"attributes":{"enabled":true,"created":1656356446,"exp":1656442846}}`},
		wiretest.Answer{Status: 403, Body: `{"error":{"code":"Forbidden","message":"m"}}`},
		wiretest.Answer{Body: bundle(v2, attributes, ``)}))
	if _, err := v.Create(t.Context(), key, rotator.MethodCreate, "op-1"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`"exp":%d`, time.Date(2024, 6, 21, 0, 0, 0, 0, time.UTC).Unix())
	if body := withToken(transport)[2].Body; !strings.Contains(body, want) || !strings.Contains(body, `"crv":"P-256"`) || !strings.Contains(body, `"kty":"EC-HSM"`) {
		t.Errorf("sent %s, want %s in it", body, want)
	}
}

func TestVault_create_refuses_what_it_cannot_copy(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"symmetric":   `{"key":{"kid":"` + string(key) + `/` + v1 + `","kty":"oct-HSM"}}`,
		"certificate": `{"key":{"kid":"` + string(key) + `/` + v1 + `","kty":"RSA","n":"AQAB"},"managed":true}`,
		"no modulus":  `{"key":{"kid":"` + string(key) + `/` + v1 + `","kty":"RSA"}}`,
		"nothing":     `{}`,
	} {
		v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Body: body}))
		_, err := v.Create(t.Context(), key, rotator.MethodCreate, "op-1")
		mustError(t, err)
		if len(withToken(transport)) != 1 {
			t.Errorf("%s: %d calls", name, len(withToken(transport)))
		}
	}
}

func TestVault_SetEnabled_changes_nothing_else(t *testing.T) {
	t.Parallel()
	v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Body: bundle(v1, `"enabled":false,"created":1656356446`, ``)}))
	got, err := v.SetEnabled(t.Context(), key, v1, false)
	if err != nil || got.ID != v1 || got.Enabled {
		t.Fatalf("got %+v, %v", got, err)
	}
	if r := withToken(transport)[0]; r.Method != http.MethodPatch || r.Body != `{"attributes":{"enabled":false}}` || !strings.Contains(r.URL, "/keys/payments/"+v1+"?") {
		t.Errorf("sent %+v", r)
	}
}

func TestVault_classifies(t *testing.T) {
	t.Parallel()
	inner := func(code, message string) string {
		return `{"error":{"code":"Forbidden","message":"` + message + `","innererror":{"code":"` + code + `"}}}`
	}
	const caller = `Caller is not authorized. Caller: appid=1;oid=11111111-2222-3333-4444-555555555555;iss=x\r\nVault: contoso`
	for _, tt := range []struct {
		name     string
		status   int
		body     string
		code     rotator.Code
		reason   rotator.Reason
		noEffect bool
		hint     string
	}{
		{"no role", 403, inner("ForbiddenByRbac", caller), rotator.CodeForbidden, "ForbiddenByRbac", true, `"Key Vault Crypto Officer" on the vault, or on its key payments, to object 11111111-2222-3333-4444-555555555555`},
		{"no policy", 403, inner("ForbiddenByPolicy", "m"), rotator.CodeForbidden, "ForbiddenByPolicy", true, "access policies"},
		{"firewall", 403, inner("ForbiddenByFirewall", "m"), rotator.CodeForbidden, "ForbiddenByFirewall", true, "firewall"},
		{"connection", 403, inner("ForbiddenByConnection", "m"), rotator.CodeForbidden, "ForbiddenByConnection", true, "firewall"},
		{"disabled", 403, inner("KeyDisabled", "m"), rotator.CodeForbidden, "KeyDisabled", true, "disabled"},
		{"deleted", 409, `{"error":{"code":"Conflict","message":"m","innererror":{"code":"ObjectIsDeletedButRecoverable"}}}`, rotator.CodeConflict, "ObjectIsDeletedButRecoverable", true, "az keyvault key recover"},
		{"being deleted", 409, `{"error":{"code":"ObjectIsBeingDeleted","message":"m"}}`, rotator.CodeConflict, "ObjectIsBeingDeleted", true, "wait"},
		{"bad", 400, `{"error":{"code":"BadParameter","message":"m"}}`, rotator.CodeInvalid, "BadParameter", true, ""},
		{"throttled", 429, `{"error":{"code":"Throttled","message":"m"}}`, rotator.CodeThrottled, "Throttled", true, ""},
		{"broken", 500, ``, rotator.CodeUnavailable, rotator.ReasonOfStatus(500), false, ""},
		{"time-out", 408, ``, rotator.CodeUnavailable, rotator.ReasonOfStatus(408), false, ""},
		{"not JSON", 200, `<html>`, rotator.CodeUnavailable, "", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Status: tt.status, Body: tt.body}))
			_, err := v.Create(t.Context(), key, rotator.MethodAuto, "op-1")
			e := mustError(t, err)
			if e.Code != tt.code || e.Reason != tt.reason || e.NoEffect != tt.noEffect || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("got %+v", e)
			}
			if n := len(withToken(transport)); n != 1 {
				t.Errorf("%d calls, want 1: nothing is repeated or created by itself", n)
			}
		})
	}
}

func TestVault_leaves_a_throttled_vault_alone(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"": time.Second, "30": 30 * time.Second} {
		clock := wiretest.NewClock()
		v, transport := newVault(t, clock, func(wiretest.Request) wiretest.Answer {
			return wiretest.Answer{Status: 429, Header: map[string]string{"Retry-After": header}, Body: `{"error":{"code":"Throttled","message":"m"}}`}
		})
		_, err := v.Versions(t.Context(), key)
		if e := mustError(t, err); e.RetryAfter != want {
			t.Errorf("got %+v", e)
		}
		before := len(transport.Requests())
		clock.Advance(want - time.Millisecond)
		_, err = v.SetEnabled(t.Context(), key, v1, false)
		if e := mustError(t, err); e.Code != rotator.CodeThrottled || !e.NoEffect || e.RetryAfter != time.Millisecond || len(transport.Requests()) != before {
			t.Errorf("got %+v after %d more calls", e, len(transport.Requests())-before)
		}
		clock.Advance(time.Millisecond)
		_, _ = v.Versions(t.Context(), key)
		if len(transport.Requests()) != before+1 {
			t.Error("the vault was not asked again once it was time")
		}
	}
}

func TestVault_calls_that_never_left(t *testing.T) {
	t.Parallel()
	dns := &net.OpError{Op: "dial", Err: &net.DNSError{Name: host, IsNotFound: true}}
	v, _ := newVault(t, wiretest.NewClock(), func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Err: dns} })
	_, err := v.Create(t.Context(), key, rotator.MethodRotate, "op")
	if e := mustError(t, err); !e.NoEffect || !strings.Contains(e.Hint, "vault's name") {
		t.Errorf("got %+v", e)
	}
	lost := errors.New("connection reset")
	v, _ = newVault(t, wiretest.NewClock(), func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Err: lost} })
	_, err = v.Create(t.Context(), key, rotator.MethodRotate, "op")
	if e := mustError(t, err); e.NoEffect || e.Code != rotator.CodeUnavailable {
		t.Errorf("got %+v", e)
	}
}

func TestVault_survives_odd_challenges(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		`Bearer authorization="https://login.microsoftonline.com", resource="https://vault.azure.net"`, `Bearer authorization="x"`, `Basic`, ``,
		`Bearer authorization="https://login.windows.net/t", resource="https://evil.example"`,
	} {
		clock := wiretest.NewClock()
		transport := &wiretest.Transport{Clock: clock, Answer: func(wiretest.Request) wiretest.Answer {
			return wiretest.Answer{Status: 401, Header: map[string]string{"WWW-Authenticate": header}}
		}}
		v := keyvault.New(wiretest.Credential{}, keyvault.Options{Transport: transport, Clock: clock})
		_, err := v.Create(t.Context(), key, rotator.MethodRotate, "op")
		mustError(t, err)
		if len(withToken(transport)) != 0 {
			t.Errorf("%s: a token was sent", header)
		}
	}
}

func TestVault_CheckKey(t *testing.T) {
	t.Parallel()
	v := keyvault.New(wiretest.Credential{}, keyvault.Options{Clock: wiretest.NewClock()})
	for host, ok := range map[string]bool{
		"contoso.vault.azure.net": true, "hsm.managedhsm.azure.net": true, "vault.azure.net": false, ".vault.azure.net": false,
		"a.b.vault.azure.net": false, "contoso.vault.azure.net.evil.example": false, "contoso.vault.usgovcloudapi.net": false,
	} {
		if err := v.CheckKey(rotator.KeyID("https://" + host + "/keys/k")); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestAddISODuration(t *testing.T) {
	t.Parallel()
	from := time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"P30D": "2024-03-01T00:00:00Z", "P2Y": "2026-01-31T00:00:00Z", "P1Y2M": "2025-03-31T00:00:00Z", "P1W": "2024-02-07T00:00:00Z", "PT48H": "2024-02-02T00:00:00Z",
		"": "", "P": "", "30D": "", "P30": "", "PD": "", "P-1D": "", "P1D2Y": "", "P99999999D": "",
	} {
		got, err := keyvault.AddISODuration(from, in)
		if (err != nil) != (want == "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q: got %v, %v, want %s", in, got, err, want)
		}
	}
}

// FuzzVersions sees to it that no answer of a vault ends the process or makes a
// version that is not in it.
func FuzzVersions(f *testing.F) {
	f.Add(`{"value":[{"kid":"`+string(key)+`/`+v1+`","attributes":{`+attributes+`}}],"nextLink":null}`, 200)
	f.Add(`{"error":{"code":"Forbidden","message":"m","innererror":{"code":"ForbiddenByRbac"}}}`, 403)
	f.Fuzz(func(t *testing.T, body string, status int) {
		if status < 200 || status > 599 {
			return
		}
		n := 0
		clock := wiretest.NewClock()
		transport := &wiretest.Transport{Clock: clock, Answer: challenged(func(wiretest.Request) wiretest.Answer {
			if n++; n > 3 {
				return wiretest.Answer{Status: 404}
			}
			return wiretest.Answer{Status: status, Body: body}
		})}
		v := keyvault.New(wiretest.Credential{}, keyvault.Options{Transport: transport, Clock: clock})
		versions, err := v.Versions(t.Context(), key)
		if err != nil {
			mustError(t, err)
			return
		}
		for _, version := range versions {
			if !strings.Contains(strings.ToLower(body), version.ID) && !strings.Contains(body, `\u`) {
				t.Fatalf("version %s is not in %s", version.ID, body)
			}
		}
	})
}

func TestVault_Version_tells_what_a_list_does_not(t *testing.T) {
	t.Parallel()
	v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{
		Body: `{"key":{"kid":"` + string(key) + `/` + v1 + `","kty":"RSA-HSM","key_ops":["wrapKey","unwrapKey"],"n":"` + strings.Repeat("A", 342) + `","e":"AQAB"},` +
			`"attributes":{"enabled":true,"created":1656356446,"exportable":true}}`,
	}))
	got, err := v.Version(t.Context(), key, v1)
	if err != nil || got.Type != "RSA-HSM" || got.Size != 2048 || got.Ops != "unwrapKey,wrapKey" || !got.HSM || !got.Exportable {
		t.Fatalf("got %+v, %v", got, err)
	}
	if r := withToken(transport)[0]; r.Method != http.MethodGet || !strings.Contains(r.URL, "/keys/payments/"+v1+"?") {
		t.Errorf("sent %+v", r)
	}
}
