package azuresim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const (
	tenantID = "54826b22-38d6-4fb2-bad9-b7b93a3e9c5a"
	subID    = "0a1b2c3d-0000-4000-8000-000000000001"
	clientID = "11111111-2222-3333-4444-555555555555"
	secret   = "s3cret"
	header   = "start: 2026-01-05T08:00:00Z\nseed: 7\ntenant: " + tenantID +
		"\nsubscriptions: [{id: " + subID + ", name: Test}]\n"
)

// estate is a simulated Azure in process with a clock that the test moves.
type estate struct {
	tb     testing.TB
	sim    *azuresim.Server
	clock  *azuresim.ManualClock
	http   *http.Client
	tokens map[string]string
}

// mustEstate builds one from YAML, with a tenant and a subscription.
func mustEstate(tb testing.TB, yaml string) *estate {
	tb.Helper()
	return mustScenario(tb, header+yaml)
}

// mustScenario builds one from a whole scenario.
func mustScenario(tb testing.TB, yaml string) *estate {
	tb.Helper()
	scenario, err := azuresim.ParseScenario("test.yaml", []byte(yaml))
	if err != nil {
		tb.Fatalf("parse: %v", err)
	}
	clock := azuresim.NewManualClock(scenario.Epoch())
	sim, err := azuresim.New(scenario, azuresim.Options{Clock: clock})
	if err != nil {
		tb.Fatalf("new: %v", err)
	}
	return &estate{
		tb: tb, sim: sim, clock: clock, http: &http.Client{Transport: sim.Transport()},
		tokens: map[string]string{},
	}
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// json decodes the body.
func (r reply) json(tb testing.TB) map[string]any {
	tb.Helper()
	var d map[string]any
	if err := json.Unmarshal(r.body, &d); err != nil {
		tb.Fatalf("decode %q: %v", r.body, err)
	}
	return d
}

// send does a request as it is.
func (e *estate) send(method, target, body string, headers ...string) (reply, error) {
	e.tb.Helper()
	request, err := http.NewRequestWithContext(e.tb.Context(), method, target, bytes.NewReader([]byte(body)))
	if err != nil {
		e.tb.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := e.http.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{status: response.StatusCode, header: response.Header, body: data}, nil
}

// token logs in for the resource that a URL belongs to.
func (e *estate) token(target string) string {
	e.tb.Helper()
	resource := "https://management.azure.com"
	switch {
	case strings.Contains(target, ".vault.azure.net"):
		resource = "https://vault.azure.net"
	case strings.Contains(target, ".managedhsm.azure.net"):
		resource = "https://managedhsm.azure.net"
	case strings.Contains(target, ".blob.core.windows.net"):
		resource = "https://storage.azure.com"
	case strings.Contains(target, "api.loganalytics.io"):
		resource = "https://api.loganalytics.io"
	}
	if token, ok := e.tokens[resource]; ok {
		return token
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret},
		"scope": {resource + "/.default"},
	}
	r, err := e.send("POST", "https://login.microsoftonline.com/"+tenantID+"/oauth2/v2.0/token", form.Encode(),
		"Content-Type", "application/x-www-form-urlencoded")
	if err != nil || r.status != 200 {
		e.tb.Fatalf("token: %d %s %v", r.status, r.body, err)
	}
	e.tokens[resource] = r.json(e.tb)["access_token"].(string)
	return e.tokens[resource]
}

// call does a request with a token and expects a status.
func (e *estate) call(want int, method, target, body string, headers ...string) reply {
	e.tb.Helper()
	headers = append(headers, "Authorization", "Bearer "+e.token(target))
	r, err := e.send(method, target, body, headers...)
	if err != nil {
		e.tb.Fatalf("%s %s: %v", method, target, err)
	}
	if r.status != want {
		e.tb.Fatalf("%s %s: %d, want %d\n%s", method, target, r.status, want, r.body)
	}
	return r
}

// get reads a JSON document.
func (e *estate) get(target string) map[string]any {
	e.tb.Helper()
	return e.call(200, "GET", target, "").json(e.tb)
}

// code returns the code and inner code of an error.
func code(tb testing.TB, r reply) (string, string) {
	tb.Helper()
	failure, _ := r.json(tb)["error"].(map[string]any)
	inner, _ := failure["innererror"].(map[string]any)
	outer, _ := failure["code"].(string)
	innerCode, _ := inner["code"].(string)
	return outer, innerCode
}

// arm is the URL of a resource.
func arm(typ, name, version string) string {
	return "https://management.azure.com/subscriptions/" + subID + "/resourceGroups/contoso/providers/" +
		typ + "/" + name + "?api-version=" + version
}

// dig follows a dotted path.
func dig(d map[string]any, path string) any {
	var v any = d
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// str is dig for strings.
func str(d map[string]any, path string) string {
	s, _ := dig(d, path).(string)
	return s
}

// finish waits for an operation by moving the clock.
func (e *estate) finish(r reply) map[string]any {
	e.tb.Helper()
	e.clock.Advance(time.Minute)
	target := r.header.Get("Azure-Asyncoperation")
	if target == "" {
		target = r.header.Get("Location")
	}
	return e.get(target)
}

func httpClient(sim *azuresim.Server) *http.Client { return &http.Client{Transport: sim.Transport()} }
