package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

func alertOf(id, key string, ends time.Time) rotator.AlertStatus {
	return rotator.AlertStatus{
		Alert: rotator.Alert{
			ID: id, Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityWarning, Key: key, Operation: 17,
			Summary: "it is stalled", Starts: noon{}.Now(), Ends: ends, Count: 1,
			Affected: []rotator.Affected{{ID: "/x/ledger", Kind: "storage", Name: "ledger"}},
			Told:     map[string]rotator.Delivery{"pager": {Fired: noon{}.Now()}},
		},
		Silence: "s-1", Title: "t", Meaning: "m", Causes: []string{"c"},
	}
}

func TestClient_Alerts(t *testing.T) {
	t.Parallel()
	all := []rotator.AlertStatus{
		alertOf("a/1", "payments", time.Time{}), alertOf("a/2", "ledger", time.Time{}), alertOf("a/3", "payments", noon{}.Now()),
	}
	quiet := rotator.KeyStatus{KeyState: rotator.KeyState{Name: "archive"}}
	client, _ := serve(t, &fakeEngine{alerts: all, keys: []rotator.KeyStatus{quiet}}, nil)
	for name, test := range map[string]struct {
		filter AlertFilter
		want   []rotator.AlertStatus
	}{
		"all":               {AlertFilter{}, all},
		"firing":            {AlertFilter{Firing: true}, all[:2]},
		"of a key":          {AlertFilter{Key: "ledger"}, all[1:2]},
		"firing, of a key":  {AlertFilter{Key: "payments", Firing: true}, all[:1]},
		"of a quiet key":    {AlertFilter{Key: "archive"}, []rotator.AlertStatus{}},
		"of the daemon too": {AlertFilter{Key: ""}, all},
	} {
		got, err := client.Alerts(t.Context(), test.filter)
		if err != nil || cmp.Diff(test.want, got) != "" {
			t.Errorf("%s: %s (%v)", name, cmp.Diff(test.want, got), err)
		}
	}
	if _, err := client.Alerts(t.Context(), AlertFilter{Key: "pay&firing=true"}); rotator.CodeOf(err) != rotator.CodeNotFound {
		t.Errorf("a key that is not configured: %v", err)
	}
	if status, body := send(t, client.Socket(), "GET", "/v1/alerts?firing=perhaps", "", nil, ""); status != 400 || !strings.Contains(body, "firing") {
		t.Errorf("a bad flag: %d %s", status, body)
	}
}

func TestClient_AlertViews(t *testing.T) {
	t.Parallel()
	client, _ := serve(t, &fakeEngine{}, nil)
	ctx := t.Context()
	if got, err := client.Rules(ctx); err != nil || cmp.Diff(alerting.Rules(), got) != "" {
		t.Errorf("rules: %s, %v", cmp.Diff(alerting.Rules(), got), err)
	}
	if got, err := client.Silences(ctx); err != nil || len(got) != 1 || got[0].ID != "s-1" || got[0].Key != "payments" {
		t.Errorf("silences: %+v, %v", got, err)
	}
	if got, err := client.Receivers(ctx); err != nil || len(got) != 1 || got[0].Name != "pager" || got[0].Pending != 2 {
		t.Errorf("receivers: %+v, %v", got, err)
	}
	if got, err := client.Timings(ctx); err != nil || len(got) != 1 || got[0].P50 != time.Hour || got[0].Count != 9 {
		t.Errorf("timings: %+v, %v", got, err)
	}
	if got, err := client.Alerts(ctx, AlertFilter{}); err != nil || got == nil || len(got) != 0 {
		t.Errorf("no alerts: %+v, %v", got, err)
	}
}

// TestServer_AlertCommands checks that the engine is asked what the person asked
// for, and told who that is.
func TestServer_AlertCommands(t *testing.T) {
	t.Parallel()
	engine := &fakeEngine{}
	client, _ := serve(t, engine, nil)
	ctx := t.Context()
	request := SilenceRequest{
		Alert: "propagation-stalled/op-17/storage", Rule: rotator.RulePropagationStalled, Key: "payments",
		For: Duration{90 * time.Minute}, Reason: "a change is under way",
	}
	s, err := client.Silence(ctx, request)
	if err != nil || s.ID != "s-2" || s.Alert != request.Alert {
		t.Errorf("silence: %+v, %v", s, err)
	}
	asked := engine.lastAsked(t).(rotator.SilenceRequest)
	isActor := func(actor string) bool { return strings.Contains(actor, fmt.Sprintf("uid %d", os.Getuid())) }
	if !isActor(asked.Actor) {
		t.Errorf("the actor is %q", asked.Actor)
	}
	asked.Actor = ""
	want := rotator.SilenceRequest{Alert: request.Alert, Rule: request.Rule, Key: "payments", For: 90 * time.Minute, Reason: request.Reason}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	if s, err := client.EndSilence(ctx, "s-1/../x", CommandRequest{Reason: "over"}); err != nil || s.ID != "s-1/../x" {
		t.Errorf("an id with slashes is only an id: %+v, %v", s, err)
	}
	if asked := engine.lastAsked(t).([2]string); asked[0] != "s-1/../x" || !isActor(asked[1]) {
		t.Errorf("the engine was asked to end %q", asked)
	}
	r, err := client.TestReceivers(ctx, "pager")
	if err != nil || len(r) != 1 || r[0].Problem == nil || r[0].Problem.Message != "exit code 1" {
		t.Errorf("test: %+v, %v", r, err)
	}
	if asked := engine.lastAsked(t).([2]string); asked[0] != "pager" || !isActor(asked[1]) {
		t.Errorf("the engine was asked to test %q", asked)
	}
}

func TestDuration_UnmarshalJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		`7200`: 2 * time.Hour, `0.5`: 500 * time.Millisecond, `"2h30m"`: 150 * time.Minute, `-5`: -5 * time.Second,
	} {
		var d Duration
		if err := json.Unmarshal([]byte(in), &d); err != nil || d.Duration != want {
			t.Errorf("%s is %s, want %s (%v)", in, d, want, err)
		}
	}
	for _, in := range []string{`"2 hours"`, `"7200"`, `1e300`, `true`, `{}`} {
		var d Duration
		err := json.Unmarshal([]byte(in), &d)
		if rotator.CodeOf(err) != rotator.CodeInvalid || !strings.Contains(err.Error(), strings.Trim(in, `"`)) {
			t.Errorf("%s: %v", in, err)
		}
	}
	client, _ := serve(t, &fakeEngine{}, nil)
	if status, body := send(t, client.Socket(), "POST", "/v1/silences", `{"key":"a","for":"soon"}`, nil, ""); status != 400 || !strings.Contains(body, "1h30m") {
		t.Errorf("a bad duration: %d %s", status, body)
	}
}

func TestServer_Metrics(t *testing.T) {
	t.Parallel()
	client, _ := serve(t, &fakeEngine{}, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("cmkd_up 1\n")) })
	})
	if status, body := send(t, client.Socket(), "GET", "/v1/metrics", "", nil, ""); status != 200 || body != "cmkd_up 1\n" {
		t.Errorf("%d %s", status, body)
	}
	without, _ := serve(t, &fakeEngine{}, nil)
	if status, body := send(t, without.Socket(), "GET", "/v1/metrics", "", nil, ""); status != 503 || !strings.Contains(body, "cannot show metrics") {
		t.Errorf("%d %s", status, body)
	}
}

// TestServer_OperationLimit checks that a page gets the first dependents and
// their number.
func TestServer_OperationLimit(t *testing.T) {
	t.Parallel()
	op := rotator.OperationStatus{Operation: rotator.Operation{ID: 17}, Total: 30_000}
	for i := range op.Total {
		op.Trackers = append(op.Trackers, rotator.TrackerStatus{Tracker: rotator.Tracker{Number: uint32(i)}})
	}
	client, _ := serve(t, &fakeEngine{op: op}, nil)
	for path, want := range map[string]int{"?limit=2": 2, "?limit=10000": 10_000, "": 30_000, "?limit=": 30_000} {
		status, body := send(t, client.Socket(), "GET", "/v1/operations/op-17"+path, "", nil, "")
		var got struct {
			Total      int
			Dependents []struct{ Number int }
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 || got.Total != 30_000 || len(got.Dependents) != want {
			t.Fatalf("%s: %d with %d of %d dependents (%v)", path, status, len(got.Dependents), got.Total, err)
		}
		if last := got.Dependents[want-1].Number; last != want-1 {
			t.Errorf("%s: the last of them is number %d", path, last)
		}
	}
	if status, body := send(t, client.Socket(), "GET", "/v1/operations/op-17?limit=10001", "", nil, ""); status != 400 || !strings.Contains(body, "limit") {
		t.Errorf("too many: %d %s", status, body)
	}
}
