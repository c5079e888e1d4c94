package control

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
)

// public serves what a listener without credentials would.
func public(t *testing.T, e *fakeEngine, change func(*Options)) (*httptest.Server, *Server) {
	t.Helper()
	o := Options{Engine: e, Clock: noon{}, About: Version{Version: "v1"}}
	if change != nil {
		change(&o)
	}
	s := NewServer(o)
	web := httptest.NewServer(s.Public())
	t.Cleanup(web.Close)
	return web, s
}

func fetch(t *testing.T, method, url string, header http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestServer_Public checks that the web sees what there is to see, and that
// nothing can be done there.
func TestServer_Public(t *testing.T) {
	t.Parallel()
	engine := &fakeEngine{keys: []rotator.KeyStatus{{KeyState: rotator.KeyState{Name: "payments"}}}}
	seen := make(chan Access, 1)
	web, s := public(t, engine, func(o *Options) { o.Observe = func(a Access) { seen <- a } })
	shown := map[string]bool{
		"GET /v1/summary": true, "GET /v1/keys": true, "GET /v1/keys/{name}": true, "GET /v1/operations": true, "GET /v1/operations/{id}": true,
		"GET /v1/events": true, "GET /v1/alerts": true, "GET /v1/silences": true, "GET /v1/attestations": true, "GET /v1/freezes": true, "GET /v1/receivers": true, "GET /v1/timings": true,
		"GET /v1/rules": true, "GET /v1/version": true, "GET /v1/openapi.json": true,
	}
	for _, r := range s.routes() {
		path := strings.NewReplacer("{name}", "payments", "{id}", "op-17").Replace(r.path)
		resp := fetch(t, r.method, web.URL+path, http.Header{"Referer": {web.URL + "/"}})
		want := http.StatusNotFound
		if shown[r.pattern()] {
			want = http.StatusOK
		}
		if resp.StatusCode != want || resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s, %v", r.pattern(), resp.Status, resp.Header)
		}
		if a := <-seen; a.Actor != "web" || a.Status != want || a.Path != path {
			t.Errorf("%s is observed as %+v", r.pattern(), a)
		}
	}
	if len(engine.asked) != 0 {
		t.Errorf("the engine was asked to do %v", engine.asked)
	}
	resp := fetch(t, "GET", web.URL+"/v1/keys/nope", nil)
	<-seen
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 404 || !strings.HasPrefix(string(body), `{"error":{"code":"not-found"`) {
		t.Errorf("an error travels as %s %s (%v)", resp.Status, body, err)
	}
}

func TestServer_Public_stream(t *testing.T) {
	t.Parallel()
	engine := &fakeEngine{}
	engine.happened(1)
	web, s := public(t, engine, func(o *Options) { o.Heartbeat = time.Hour })
	resp := fetch(t, "GET", web.URL+"/v1/events", http.Header{"Accept": {"text/event-stream"}})
	lines := bufio.NewScanner(resp.Body)
	var seen []string
	for lines.Scan() {
		id, ok := strings.CutPrefix(lines.Text(), "id: ")
		if !ok {
			continue
		}
		seen = append(seen, id)
		switch len(seen) {
		case 1:
			engine.happened(1)
			s.Committed()
		case 2:
			if err := s.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
	if err := lines.Err(); err != nil || strings.Join(seen, " ") != "1 2" {
		t.Errorf("the stream showed %v and ended with %v", seen, err)
	}
}
