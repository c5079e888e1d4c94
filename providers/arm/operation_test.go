package arm_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cmkd/providers/arm"
	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

const (
	opURL  = "https://management.azure.com/subscriptions/" + subscription + "/providers/Microsoft.Compute/locations/eastus/DiskOperations/1?p=a&api-version=2022-03-02&c=SIGNED&s=x%2Fy"
	locURL = "https://management.azure.com/subscriptions/" + subscription + "/providers/Microsoft.Compute/locations/eastus/DiskOperations/1?monitor=true&c=SIGNED"
)

type resource struct {
	Properties struct{ ProvisioningState string }
}

func TestClient_Write_follows_operations(t *testing.T) {
	t.Parallel()
	done := wiretest.Answer{Body: `{"properties":{"provisioningState":"Succeeded"}}`}
	for _, tt := range []struct {
		name    string
		answers []wiretest.Answer
		urls    []string // of what follows the write
		waits   []time.Duration
	}{
		{
			"by Azure-AsyncOperation",
			[]wiretest.Answer{
				{Status: 202, Header: map[string]string{"Azure-AsyncOperation": opURL, "Location": locURL, "Retry-After": "15"}},
				{Body: `{"status":"InProgress"}`},
				{Body: `{"status":"Succeeded","properties":{"output":{}}}`, Header: map[string]string{"Retry-After": "3"}},
				done,
			},
			[]string{opURL, opURL, account},
			[]time.Duration{15 * time.Second, 5 * time.Second},
		},
		{
			"by Location",
			[]wiretest.Answer{
				{Status: 202, Header: map[string]string{"Location": locURL, "Retry-After": "2"}},
				{Status: 202, Header: map[string]string{"Location": locURL + "&n=2", "Retry-After": "4"}},
				{Status: 200, Body: `{}`},
				done,
			},
			[]string{locURL, locURL + "&n=2", account},
			[]time.Duration{2 * time.Second, 4 * time.Second},
		},
		{
			"by a relative URL",
			[]wiretest.Answer{
				{Status: 201, Header: map[string]string{"Azure-AsyncOperation": "/subscriptions/s/op/1?api-version=x"}},
				{Body: `{"status":"Succeeded"}`}, done,
			},
			[]string{"https://management.azure.com/subscriptions/s/op/1?api-version=x", account},
			[]time.Duration{5 * time.Second},
		},
		{
			"by the resource's own state",
			[]wiretest.Answer{
				{Status: 201, Body: `{"properties":{"provisioningState":"Updating"}}`},
				{Body: `{"properties":{"provisioningState":"Updating"}}`}, done, done,
			},
			[]string{account, account, account},
			[]time.Duration{5 * time.Second, 5 * time.Second},
		},
		{
			"also when Azure is busy meanwhile",
			[]wiretest.Answer{
				{Status: 202, Header: map[string]string{"Azure-AsyncOperation": opURL}},
				{Status: 429, Header: map[string]string{"Retry-After": "30"}},
				{Status: 500},
				{Body: `{"status":"Succeeded"}`}, done,
			},
			[]string{opURL, opURL, opURL, account},
			[]time.Duration{5 * time.Second, 30 * time.Second, 5 * time.Second},
		},
		{"not at all if it is done", []wiretest.Answer{done}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clock := wiretest.NewJumpingClock()
			c, transport := newClient(t, clock, wiretest.Queue(t, tt.answers...))
			var out resource
			if _, err := c.Write(t.Context(), http.MethodPatch, account, api, struct{}{}, &out, arm.CallOptions{}); err != nil {
				t.Fatal(err)
			}
			if out.Properties.ProvisioningState != "Succeeded" {
				t.Errorf("decoded %+v", out)
			}
			var got []string
			for _, r := range transport.Requests()[1:] {
				got = append(got, strings.TrimSuffix(r.URL, "?api-version="+api))
			}
			for i, want := range tt.urls {
				if want == account {
					want = "https://management.azure.com" + account
				}
				if i >= len(got) || got[i] != want {
					t.Fatalf("followed %v, want %v", got, tt.urls)
				}
			}
			waits := clock.Waits()
			for i, want := range tt.waits {
				if i >= len(waits) || waits[i] != want {
					t.Fatalf("waited %v, want %v", waits, tt.waits)
				}
			}
		})
	}
}

func TestClient_Write_reports_how_an_operation_ended(t *testing.T) {
	t.Parallel()
	accepted := wiretest.Answer{Status: 202, Header: map[string]string{"Azure-AsyncOperation": opURL}}
	for _, tt := range []struct {
		name    string
		answers []wiretest.Answer
		code    rotator.Code
		reason  rotator.Reason
	}{
		{"failed", []wiretest.Answer{accepted, {Body: `{"status":"Failed","error":{"code":"KeyVaultAccessForbidden","message":"no access\nsee https://x?c=SIGNED"}}`}}, rotator.CodeConflict, "KeyVaultAccessForbidden"},
		{"canceled", []wiretest.Answer{accepted, {Body: `{"status":"Canceled"}`}}, rotator.CodeConflict, "Canceled"},
		{"resource failed", []wiretest.Answer{{Status: 201, Body: `{"properties":{"provisioningState":"Creating"}}`}, {Body: `{"properties":{"provisioningState":"Failed"}}`}}, rotator.CodeConflict, "Failed"},
		{"forgotten", []wiretest.Answer{accepted, {Status: 404, Body: `{"error":{"code":"ResourceNotFound","message":"m"}}`}}, rotator.CodeNotFound, "ResourceNotFound"},
		{"out of sight", []wiretest.Answer{accepted, {Status: 500}, {Status: 500}, {Status: 500}, {Status: 500}, {Status: 500}, {Status: 500}}, rotator.CodeUnavailable, rotator.ReasonOfStatus(500)},
		{"unreadable", []wiretest.Answer{accepted, {Body: `<html>`}, {Body: `<html>`}, {Body: `<html>`}, {Body: `<html>`}, {Body: `<html>`}, {Body: `<html>`}}, rotator.CodeUnavailable, ""},
		{"elsewhere", []wiretest.Answer{{Status: 202, Header: map[string]string{"Azure-AsyncOperation": "https://evil.example/op?c=SIGNED"}}}, rotator.CodeInternal, rotator.ReasonRefusedLink},
		{"elsewhere by Location", []wiretest.Answer{{Status: 202, Header: map[string]string{"Location": "https://evil.example/op?c=SIGNED"}}}, rotator.CodeInternal, rotator.ReasonRefusedLink},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := newClient(t, wiretest.NewJumpingClock(), wiretest.Queue(t, tt.answers...))
			_, err := c.Write(t.Context(), http.MethodPatch, account, api, struct{}{}, nil, arm.CallOptions{})
			e := mustError(t, err)
			if e.Code != tt.code || e.Reason != tt.reason || e.NoEffect {
				t.Errorf("got %+v (%v)", e, err)
			}
		})
	}
}

// Every operation of the recordings that is polled to its end is followed.
func TestOperations_Recordings(t *testing.T) {
	t.Parallel()
	exchanges := wiretest.Recordings(t, "*.jsonl")
	followed := 0
	for i, e := range exchanges {
		h := e.Response.Headers
		if h["azure-asyncoperation"] == "" || e.Request.Method == http.MethodDelete || e.Response.Status >= 300 {
			continue
		}
		u, _, _ := strings.Cut(strings.TrimPrefix(e.Request.URL, "https://management.azure.com"), "?")
		var same []wiretest.Exchange
		for _, later := range exchanges[i:] {
			if later.File == e.File {
				same = append(same, later)
			}
		}
		ends := false
		for _, later := range same {
			if replaySame(later.Request.URL, h["azure-asyncoperation"]) && strings.Contains(wiretest.Text(later.Response.Body), `Succeeded"`) {
				ends = true
			}
		}
		if !ends || e.Request.Method == http.MethodPost {
			continue
		}
		c, _ := newClient(t, wiretest.NewJumpingClock(), wiretest.NewReplay(same).Answer)
		if _, err := c.Write(t.Context(), e.Request.Method, u, "x", nil, nil, arm.CallOptions{}); err != nil {
			t.Errorf("%s: %s %s: %v", e.File, e.Request.Method, u, err)
		}
		followed++
	}
	t.Logf("recordings: operations: %d long-running operations followed to their end", followed)
	if followed == 0 {
		t.Error("no operation was followed")
	}
}

func replaySame(a, b string) bool {
	a, _, _ = strings.Cut(a, "?")
	b, _, _ = strings.Cut(b, "?")
	return strings.EqualFold(a, b)
}
