package metrics_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cmkd/cmd/internal/metrics"
	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock shows what it is set to.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time                       { return c.now }
func (c *clock) After(time.Duration) <-chan time.Time { return nil }

// simulated is a clock that says what it simulates.
type simulated struct{ clock }

func (*simulated) String() string { return "×600 from 2026-01-05T08:00:00Z" }

// engine is in the state that a test puts it into.
type engine struct {
	summary   rotator.Summary
	beat      time.Time
	alerts    []rotator.AlertStatus
	alertsErr error
	receivers []rotator.ReceiverStatus
}

func (e *engine) Summary() rotator.Summary            { return e.summary }
func (e *engine) Heartbeat() time.Time                { return e.beat }
func (e *engine) Receivers() []rotator.ReceiverStatus { return e.receivers }
func (e *engine) Alerts(context.Context) ([]rotator.AlertStatus, error) {
	return e.alerts, e.alertsErr
}

// page is what a scrape shows: values by series as they are written.
type page map[string]string

// scrape asks the handler, over HTTP, as Prometheus would.
func scrape(t testing.TB, m *metrics.Metrics) (text string, p page) {
	t.Helper()
	server := httptest.NewServer(m.Handler())
	defer server.Close()
	resp, err := http.Get(server.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scrape: %s %v\n%s", resp.Status, err, body)
	}
	p = page{}
	for lines := bufio.NewScanner(strings.NewReader(string(body))); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			space := strings.LastIndexByte(line, ' ')
			p[line[:space]] = line[space+1:]
		}
	}
	return string(body), p
}

// wants checks values; "" means that there is no such series.
func (p page) wants(t *testing.T, want page) {
	t.Helper()
	for series, value := range want {
		if got := p[series]; got != value {
			t.Errorf("%s is %q, want %q", series, got, value)
		}
	}
}

func event(t rotator.EventType, data ...string) *rotator.Event {
	e := &rotator.Event{Type: t, Data: map[string]string{}}
	for i := 0; i < len(data); i += 2 {
		e.Data[data[i]] = data[i+1]
	}
	return e
}

func TestMetrics_Event(t *testing.T) {
	m := metrics.New(metrics.Options{Engine: &engine{}, Clock: &clock{now}})
	_, p := scrape(t, m)
	p.wants(t, page{
		`cmkd_operations_total{kind="rotation",outcome="completed"}`:      "0",
		`cmkd_operations_total{kind="reinstatement",outcome="recovered"}`: "0",
	})
	for _, e := range []*rotator.Event{
		event(rotator.EventStateChanged, "kind", "rotation", "from", "creating", "to", "propagating"),
		event(rotator.EventStateChanged, "kind", "rotation", "from", "retiring", "to", "completed"),
		event(rotator.EventStateChanged, "kind", "rotation", "from", "retiring", "to", "completed"),
		event(rotator.EventStateChanged, "kind", "reinstatement", "to", "recovered"),
		event(rotator.EventTrackerChanged, "to", "done"),
		event(rotator.EventDaemonStarted),
	} {
		m.Event(e)
	}
	m.Took("storage", rotator.KindRotation, 86399500*time.Millisecond)
	m.Took("storage", rotator.KindRotation, 14*time.Second)
	m.Took("storage", rotator.KindRevocation, 172801*time.Second)
	_, p = scrape(t, m)
	p.wants(t, page{
		`cmkd_operations_total{kind="rotation",outcome="completed"}`:                      "2",
		`cmkd_operations_total{kind="rotation",outcome="propagating"}`:                    "",
		`cmkd_operations_total{kind="rotation",outcome="failed"}`:                         "0",
		`cmkd_operations_total{kind="reinstatement",outcome="recovered"}`:                 "1",
		`cmkd_events_total{type="state-changed"}`:                                         "4",
		`cmkd_events_total{type="tracker-changed"}`:                                       "1",
		`cmkd_events_total{type="daemon-started"}`:                                        "1",
		`cmkd_propagation_seconds_bucket{change="rotation",kind="storage",le="15"}`:       "1",
		`cmkd_propagation_seconds_bucket{change="rotation",kind="storage",le="64800"}`:    "1",
		`cmkd_propagation_seconds_bucket{change="rotation",kind="storage",le="86400"}`:    "2",
		`cmkd_propagation_seconds_sum{change="rotation",kind="storage"}`:                  "86413.5",
		`cmkd_propagation_seconds_bucket{change="revocation",kind="storage",le="172800"}`: "0",
		`cmkd_propagation_seconds_bucket{change="revocation",kind="storage",le="+Inf"}`:   "1",
		`cmkd_propagation_seconds_count{change="rotation",kind="cosmosdb"}`:               "",
		`cmkd_propagation_seconds_bucket{change="rotation",kind="cosmosdb",le="172800"}`:  "",
		`cmkd_operations_total{kind="reinstatement",outcome="failed"}`:                    "0",
	})
}

func TestMetrics_Call(t *testing.T) {
	m := metrics.New(metrics.Options{Engine: &engine{}, Clock: &clock{now}})
	for _, c := range []metrics.Call{
		{Provider: "Microsoft.Storage", Kind: "storage", Method: "GET", Status: 200, Duration: 40 * time.Millisecond},
		{Provider: "Microsoft.Storage", Kind: "storage", Method: "GET", Status: 200, Duration: 3 * time.Second},
		{Provider: "Microsoft.Storage", Kind: "storage", Method: "GET", Status: 429, Throttled: true, Duration: time.Millisecond},
		{Provider: "Microsoft.Storage", Kind: "storage", Method: "GET", Throttled: true},
		{Provider: "vault", Method: "POST", Duration: 10 * time.Second},
	} {
		m.Call(c)
	}
	_, p := scrape(t, m)
	p.wants(t, page{
		`cmkd_api_requests_total{code="200",method="GET",provider="Microsoft.Storage"}`:        "2",
		`cmkd_api_requests_total{code="429",method="GET",provider="Microsoft.Storage"}`:        "1",
		`cmkd_api_requests_total{code="error",method="GET",provider="Microsoft.Storage"}`:      "0", // held back is no request
		`cmkd_api_requests_total{code="error",method="POST",provider="vault"}`:                 "1",
		`cmkd_api_throttled_total{provider="Microsoft.Storage"}`:                               "2",
		`cmkd_api_throttled_total{provider="vault"}`:                                           "0",
		`cmkd_api_request_seconds_bucket{method="GET",provider="Microsoft.Storage",le="0.05"}`: "2",
		`cmkd_api_request_seconds_count{method="GET",provider="Microsoft.Storage"}`:            "3",
		`cmkd_api_request_seconds_sum{method="POST",provider="vault"}`:                         "10",
	})
}

func TestMetrics_State(t *testing.T) {
	e := &engine{beat: now.Add(-3 * time.Second), summary: rotator.Summary{
		Keys: 7, Next: now.Add(-90 * time.Second), NeedsAction: 2, Blocked: "disk full",
		Live:  map[rotator.OperationKind]int{rotator.KindRotation: 3, rotator.KindRevocation: 1},
		Kinds: map[string]map[rotator.TrackerState]int{"storage": {rotator.TrackerStalled: 4, rotator.TrackerDone: 5}},
	}}
	e.receivers = []rotator.ReceiverStatus{{Name: "ops", Pending: 2, Failures: 9}, {Name: "chat"}}
	alert := func(rule rotator.Rule, s rotator.Severity) rotator.AlertStatus {
		return rotator.AlertStatus{Alert: rotator.Alert{Rule: rule, Severity: s}}
	}
	silenced, over := alert(rotator.RuleNeedsAction, rotator.SeverityWarning), alert(rotator.RuleNeedsAction, rotator.SeverityWarning)
	silenced.Silence, over.Ends = "s-1", now
	e.alerts = []rotator.AlertStatus{
		alert(rotator.RulePropagationStalled, rotator.SeverityWarning), alert(rotator.RulePropagationStalled, rotator.SeverityWarning), silenced, over,
	}
	m := metrics.New(metrics.Options{
		Engine: e, Clock: &clock{now}, Version: "v1.2.3", Revision: "abc",
		Space: func() (used, free, total uint64, err error) { return 10, 20, 30, nil },
	})
	_, p := scrape(t, m)
	p.wants(t, page{
		"cmkd_keys": "7", "cmkd_operations_needing_action": "2", "cmkd_store_blocked": "1",
		`cmkd_operations{kind="rotation"}`: "3", `cmkd_operations{kind="revocation"}`: "1", `cmkd_operations{kind="reinstatement"}`: "0",
		`cmkd_trackers{kind="storage",state="stalled"}`: "4", `cmkd_trackers{kind="storage",state="done"}`: "5",
		`cmkd_trackers{kind="storage",state="waiting"}`: "0", `cmkd_trackers{kind="cosmosdb",state="waiting"}`: "",
		"cmkd_schedule_lag_seconds": "90", "cmkd_loop_heartbeat_age_seconds": "3",
		`cmkd_alerts{rule="propagation-stalled",severity="warning"}`: "2",
		`cmkd_alerts{rule="needs-action",severity="warning"}`:        "0",
		`cmkd_alerts{rule="revocation-undone",severity="critical"}`:  "0",
		"cmkd_alerts_silenced":                  "1",
		`cmkd_receiver_pending{receiver="ops"}`: "2", `cmkd_receiver_failures{receiver="ops"}`: "9",
		`cmkd_receiver_pending{receiver="chat"}`: "0", `cmkd_receiver_failures{receiver="chat"}`: "0",
		"cmkd_store_bytes": "10", "cmkd_store_free_bytes": "20", "cmkd_store_capacity_bytes": "30",
		`cmkd_scrape_failures_total{part="alerts"}`: "0", `cmkd_scrape_failures_total{part="space"}`: "0",
	})
	for _, r := range alerting.Rules() {
		if p[`cmkd_alerts{rule="`+string(r.Rule)+`",severity="`+string(r.Severity)+`"}`] == "" {
			t.Errorf("the rule %s has no series", r.Rule)
		}
	}
	// The histograms of a kind exist before the first of its dependents is done.
	_, p = scrape(t, m)
	p.wants(t, page{
		`cmkd_propagation_seconds_count{change="rotation",kind="storage"}`:      "0",
		`cmkd_propagation_seconds_count{change="reinstatement",kind="storage"}`: "0",
	})
}

func TestMetrics_State_quiet(t *testing.T) {
	e := &engine{summary: rotator.Summary{Next: now.Add(time.Hour)}}
	_, p := scrape(t, metrics.New(metrics.Options{Engine: e, Clock: &clock{now}}))
	p.wants(t, page{
		"cmkd_schedule_lag_seconds": "0", "cmkd_store_blocked": "0", "cmkd_alerts_silenced": "0",
		"cmkd_loop_heartbeat_age_seconds": "", // it has none yet
		"cmkd_store_bytes":                "", // unknown
	})
}

func TestMetrics_State_unknown(t *testing.T) {
	e := &engine{alertsErr: errors.New("the store is gone"), summary: rotator.Summary{Keys: 1}}
	m := metrics.New(metrics.Options{
		Engine: e, Clock: &clock{now}, Space: func() (used, free, total uint64, err error) { return 1, 2, 3, errors.New("no such file") },
	})
	scrape(t, m)
	_, p := scrape(t, m)
	p.wants(t, page{
		"cmkd_keys": "1", "cmkd_alerts_silenced": "", "cmkd_store_bytes": "",
		`cmkd_alerts{rule="needs-action",severity="warning"}`: "",
	})
	// A scrape counts its own failures or leaves them to the next one.
	for _, part := range []string{"alerts", "space"} {
		if n := p[`cmkd_scrape_failures_total{part="`+part+`"}`]; n != "1" && n != "2" {
			t.Errorf("%s failures of %s are shown after two scrapes", n, part)
		}
	}
}

func TestMetrics_BuildInfo(t *testing.T) {
	for name, c := range map[string]struct {
		clock rotator.Clock
		want  string
	}{
		"real":      {&clock{now}, `clock="real"`},
		"simulated": {&simulated{clock{now}}, `clock="×600 from 2026-01-05T08:00:00Z"`},
	} {
		t.Run(name, func(t *testing.T) {
			text, _ := scrape(t, metrics.New(metrics.Options{Engine: &engine{}, Clock: c.clock, Version: "v1.2.3", Revision: "abc"}))
			for _, want := range []string{c.want, `version="v1.2.3"`, `revision="abc"`, `goversion="go1.`} {
				if !strings.Contains(text, want) {
					t.Errorf("build info lacks %s", want)
				}
			}
		})
	}
}

func TestHandler_formats(t *testing.T) {
	m := metrics.New(metrics.Options{Engine: &engine{}, Clock: &clock{now}})
	for accept, want := range map[string]struct{ kind, end string }{
		"": {"text/plain; version=0.0.4", "\n"},
		"application/openmetrics-text;version=1.0.0": {"application/openmetrics-text; version=1.0.0", "# EOF\n"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, r)
		if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, want.kind) || !strings.HasSuffix(w.Body.String(), want.end) {
			t.Errorf("Accept %q is answered with %s, ending in %q", accept, kind, w.Body.String()[max(0, w.Body.Len()-20):])
		}
	}
}
