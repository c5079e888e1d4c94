package arm_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cmkd/providers/arm"
	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

const (
	subscription = "00000000-0000-0000-0000-000000000000"
	account      = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/acc"
	api          = "2023-05-01"
)

func newClient(t *testing.T, clock *wiretest.Clock, answer func(wiretest.Request) wiretest.Answer) (*arm.Client, *wiretest.Transport) {
	t.Helper()
	transport := &wiretest.Transport{Clock: clock, Answer: answer}
	c, err := arm.NewClient(wiretest.Credential{}, arm.Options{Transport: transport, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return c, transport
}

func mustError(t *testing.T, err error) *rotator.Error {
	t.Helper()
	var e *rotator.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v carries no *rotator.Error", err)
	}
	text := err.Error() + " " + e.Hint
	if strings.Contains(text, wiretest.Token) || strings.Contains(text, "SIGNED") || strings.Contains(text, "\n") {
		t.Fatalf("unfit for people: %s", text)
	}
	return e
}

func TestClient_Do_sends_what_ARM_expects(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	c, transport := newClient(t, clock, wiretest.Queue(t, wiretest.Answer{
		Header: map[string]string{"Date": "Thu, 20 Jun 2024 04:47:53 GMT"}, Body: `{"name":"acc"}`,
	}))
	var out struct{ Name string }
	resp, err := c.Do(t.Context(), http.MethodPatch, account, api, map[string]int{"a": 1}, &out, arm.CallOptions{IfMatch: `"e1"`})
	if err != nil {
		t.Fatal(err)
	}
	if out.Name != "acc" || !resp.Date.Equal(time.Date(2024, 6, 20, 4, 47, 53, 0, time.UTC)) {
		t.Errorf("got %+v dated %v", out, resp.Date)
	}
	r := transport.Requests()[0]
	if want := "https://management.azure.com" + account + "?api-version=" + api; r.URL != want {
		t.Errorf("URL %s, want %s", r.URL, want)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + wiretest.Token, "If-Match": `"e1"`, "Content-Type": "application/json", "Accept": "application/json",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r.Header.Get("x-ms-client-request-id") == "" || !strings.HasPrefix(r.Header.Get("User-Agent"), "cmkd ") || r.Body != `{"a":1}` {
		t.Errorf("header %v, body %s", r.Header, r.Body)
	}
}

func TestClient_Do_classifies(t *testing.T) {
	t.Parallel()
	const forbidden = `{"error":{"code":"AuthorizationFailed","message":"The client 'a' with object id '11111111-2222-3333-4444-555555555555' does not have authorization to perform action 'Microsoft.Storage/storageAccounts/read' over scope '` + account + `' or the scope is invalid."}}`
	for _, tt := range []struct {
		name     string
		status   int
		body     string
		code     rotator.Code
		reason   rotator.Reason
		noEffect bool
		hint     string
	}{
		{"forbidden", 403, forbidden, rotator.CodeForbidden, "AuthorizationFailed", true, `grant "Reader" on ` + account + ` to object 11111111-2222-3333-4444-555555555555`},
		{"unauthorized", 401, `{"error":{"code":"InvalidAuthenticationToken","message":"m"}}`, rotator.CodeForbidden, "InvalidAuthenticationToken", true, `grant "Storage Account Contributor"`},
		{"gone", 404, `{"error":{"code":"ResourceNotFound","message":"m"}}`, rotator.CodeNotFound, "ResourceNotFound", true, "deleted"},
		{"no group", 404, `{"error":{"code":"ResourceGroupNotFound","message":"m"}}`, rotator.CodeNotFound, "ResourceGroupNotFound", true, "deleted"},
		{"no subscription", 404, `{"error":{"code":"SubscriptionNotFound","message":"m"}}`, rotator.CodeNotFound, "SubscriptionNotFound", true, "subscription"},
		{"locked", 409, `{"error":{"code":"ScopeLocked","message":"m"}}`, rotator.CodeRefused, "ScopeLocked", true, "lock"},
		{"busy", 409, `{"error":{"code":"AnotherOperationInProgress","message":"m"}}`, rotator.CodeConflict, "AnotherOperationInProgress", true, "under way"},
		{"changed", 412, ``, rotator.CodeConflict, rotator.ReasonOfStatus(412), true, "changed the resource"},
		{"bad version", 400, `{"error":{"code":"NoRegisteredProviderFound","message":"m"}}`, rotator.CodeInvalid, "NoRegisteredProviderFound", true, "api-version"},
		{"time-out", 408, ``, rotator.CodeUnavailable, rotator.ReasonOfStatus(408), false, ""},
		{"broken", 500, `<html>no JSON</html>`, rotator.CodeUnavailable, rotator.ReasonOfStatus(500), false, ""},
		{"no envelope", 503, `{"code":"ServerBusy","message":"m"}`, rotator.CodeUnavailable, "ServerBusy", false, ""},
		{"odd envelope", 400, `{"error":"a text"}`, rotator.CodeInvalid, rotator.ReasonOfStatus(400), true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, transport := newClient(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Status: tt.status, Body: tt.body}))
			_, err := c.Do(t.Context(), http.MethodPut, account, api, struct{}{}, nil, arm.CallOptions{Role: "Storage Account Contributor"})
			e := mustError(t, err)
			if e.Code != tt.code || e.Reason != tt.reason || e.NoEffect != tt.noEffect || !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("got %+v", e)
			}
			if n := len(transport.Requests()); n != 1 {
				t.Errorf("%d calls, want 1: nothing is repeated here", n)
			}
		})
	}
}

func TestClient_Do_failures_without_an_answer(t *testing.T) {
	t.Parallel()
	dial := &url.Error{Op: "Put", URL: "https://x?c=SIGNED", Err: &net.OpError{Op: "dial", Err: errors.New("no route")}}
	reset := &url.Error{Op: "Put", URL: "https://x?c=SIGNED", Err: &net.OpError{Op: "read", Err: errors.New("reset")}}
	for _, tt := range []struct {
		name     string
		method   string
		err      error
		noEffect bool
	}{
		{"write that never left", http.MethodPut, dial, true},
		{"write that may have arrived", http.MethodPut, reset, false},
		{"read", http.MethodGet, reset, true},
	} {
		c, _ := newClient(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Err: tt.err}))
		_, err := c.Do(t.Context(), tt.method, account, api, nil, nil, arm.CallOptions{})
		if e := mustError(t, err); e.Code != rotator.CodeUnavailable || e.NoEffect != tt.noEffect {
			t.Errorf("%s: got %+v", tt.name, e)
		}
	}
}

func TestClient_without_a_token(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	transport := &wiretest.Transport{Clock: clock, Answer: wiretest.Queue(t)}
	c, err := arm.NewClient(wiretest.Credential{Err: errors.New("no identity; tried " + wiretest.Token)}, arm.Options{Transport: transport, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), http.MethodPut, account, api, struct{}{}, nil, arm.CallOptions{})
	if e := mustError(t, err); e.Reason != rotator.ReasonNoToken || !e.NoEffect || e.Hint == "" {
		t.Errorf("got %+v", e)
	}
	if len(transport.Requests()) != 0 {
		t.Error("a call went out without a token")
	}
}

func TestClient_refuses_paths_that_mean_something_else(t *testing.T) {
	t.Parallel()
	c, transport := newClient(t, wiretest.NewClock(), wiretest.Queue(t))
	for _, path := range []string{
		"", "subscriptions/x", "//evil.example/x", account + "/../other", account + "/./x", account + "?x=1", account + "#f",
		account + "/%2e%2e/x", account + "\\x", account + "/a\nb", account + "/a\u2028b", account + "//x", account + "/\xff",
	} {
		_, err := c.Get(t.Context(), path, api, nil, arm.CallOptions{})
		if e := mustError(t, err); e.Code != rotator.CodeInvalid || !e.NoEffect {
			t.Errorf("%q: got %+v", path, e)
		}
	}
	if len(transport.Requests()) != 0 {
		t.Error("a refused path was called")
	}
}

func TestClient_reads_no_endless_answer(t *testing.T) {
	t.Parallel()
	huge := `{"a":"` + strings.Repeat("x", 9<<20) + `"}`
	c, _ := newClient(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Body: huge}))
	_, err := c.Get(t.Context(), account, api, nil, arm.CallOptions{})
	if e := mustError(t, err); e.Code != rotator.CodeInternal {
		t.Errorf("got %+v", e)
	}
}

func TestClient_List(t *testing.T) {
	t.Parallel()
	const first = "https://management.azure.com/subscriptions/s/p2?$skiptoken=abc"
	collect := func(c *arm.Client, ctx context.Context) (all []string, err error) {
		_, err = c.List(ctx, "/subscriptions/"+subscription+"/providers/Microsoft.Storage/storageAccounts", api, func(raw json.RawMessage) error {
			all = append(all, string(raw))
			return nil
		}, arm.CallOptions{})
		return all, err
	}
	t.Run("follows the pages, also empty ones", func(t *testing.T) {
		t.Parallel()
		c, transport := newClient(t, wiretest.NewClock(), wiretest.Queue(t,
			wiretest.Answer{Body: `{"value":[1,2],"nextLink":"` + first + `"}`},
			wiretest.Answer{Body: `{"value":[],"nextLink":"https://management.azure.com:443/subscriptions/s/p3?$skiptoken=d"}`},
			wiretest.Answer{Body: `{"value":[3],"nextLink":null}`}))
		got, err := collect(c, t.Context())
		if err != nil || strings.Join(got, "") != "123" {
			t.Errorf("got %v, %v", got, err)
		}
		if r := transport.Requests()[1]; r.URL != first {
			t.Errorf("page 2 at %s, want it verbatim", r.URL)
		}
	})
	for name, link := range map[string]string{
		"another host":        "https://evil.example/p2?SIGNED",
		"another port":        "https://management.azure.com:8443/p2",
		"plain HTTP":          "http://management.azure.com/p2",
		"user info":           "https://management.azure.com@evil.example/p2",
		"user of our host":    "https://u:p@management.azure.com/p2",
		"scheme-relative URL": "//evil.example/p2",
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			c, transport := newClient(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Body: `{"value":[1],"nextLink":"` + link + `"}`}))
			_, err := collect(c, t.Context())
			if e := mustError(t, err); e.Reason != rotator.ReasonRefusedLink || len(transport.Requests()) != 1 {
				t.Errorf("got %+v after %d calls", e, len(transport.Requests()))
			}
		})
	}
	for name, body := range map[string]string{
		"an empty answer": "", "an empty object": `{}`, "null": `null`, "another document": `{"id":"x","properties":{}}`,
		"an error": `{"error":{"code":"x","message":"m"}}`, "a page without a list": `{"value":null,"nextLink":null}`, "a page of a proxy": "<html/>",
	} {
		t.Run("takes "+name+" for no list", func(t *testing.T) {
			t.Parallel()
			for _, before := range []int{0, 1} { // also for no next page
				answers := []wiretest.Answer{{Body: `{"value":[1],"nextLink":"` + first + `"}`}, {Body: body}}
				c, _ := newClient(t, wiretest.NewClock(), wiretest.Queue(t, answers[1-before:]...))
				_, err := collect(c, t.Context())
				if e := mustError(t, err); e.Reason != rotator.ReasonUnreadableAnswer || !e.NoEffect || !e.Passes() {
					t.Errorf("got %+v", e)
				}
			}
		})
	}
	t.Run("notices a loop", func(t *testing.T) {
		t.Parallel()
		c, transport := newClient(t, wiretest.NewClock(), func(wiretest.Request) wiretest.Answer {
			return wiretest.Answer{Body: `{"value":[],"nextLink":"` + first + `"}`}
		})
		_, err := collect(c, t.Context())
		if e := mustError(t, err); e.Reason != rotator.ReasonEndlessList || len(transport.Requests()) != 2 {
			t.Errorf("got %+v after %d calls", e, len(transport.Requests()))
		}
	})
}

func TestParseResourceID(t *testing.T) {
	t.Parallel()
	id, err := arm.ParseResourceID("/Subscriptions/" + subscription + "/resourcegroups/RG 1/providers/microsoft.compute/virtualMachineScaleSets/v/virtualMachines/0/")
	if err != nil {
		t.Fatal(err)
	}
	if id.Group != "RG 1" || id.Name != "0" || !id.Is("Microsoft.Compute/virtualMachineScaleSets/VirtualMachines") {
		t.Errorf("got %+v", id)
	}
	other, _ := arm.ParseResourceID(strings.ToUpper(id.String()))
	if !id.Same(other) {
		t.Error("ids that differ by case are not the same")
	}
	for _, bad := range []string{
		"", "acc", "/subscriptions/" + subscription, strings.Replace(account, subscription, "prod", 1), account + "/blobServices",
		strings.Replace(account, "providers", "provider", 1), account + "/../x", account + "?a", account + "%00",
	} {
		if _, err := arm.ParseResourceID(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzParseResourceID(f *testing.F) {
	f.Add(account)
	f.Add("/subscriptions/" + subscription + "/resourceGroups/a/providers/b/c/../d")
	f.Fuzz(func(t *testing.T, in string) {
		id, err := arm.ParseResourceID(in)
		if err != nil {
			return
		}
		u := url.URL{Scheme: "https", Host: "management.azure.com", Path: id.String()}
		back, err := url.Parse(u.String())
		if err != nil || back.Host != u.Host || back.Path != id.String() || back.RawQuery != "" || strings.Contains(back.Path, "..") && strings.Contains(back.Path, "/../") {
			t.Fatalf("%q became %q", in, u.String())
		}
	})
}
