package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cmkd/rotator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// get sends a request as it is and returns the status and the body.
func send(t *testing.T, socket, method, path, body string, header http.Header, host string) (int, string) {
	t.Helper()
	conn := dial(t, socket)
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.Close = header.Clone(), true
	if host != "" {
		req.Host = host
	}
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestServer_Roles(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Log("root has every role: that nobody else does is tested by TestPolicy_Role and TestServer_admit")
	}
	for _, role := range []Role{RoleNone, RoleViewer, RoleOperator, RoleApprover} {
		t.Run(role.String(), func(t *testing.T) {
			t.Parallel()
			_, s := serve(t, &fakeEngine{}, func(o *Options) { o.Policy = meAs(role) })
			for _, r := range s.routes() {
				req, err := http.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, Peer{UID: 4711, Name: "alice"}), r.method, "http://localhost"+r.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				s.SetPolicy(aliceAs(role))
				_, err = s.admit(req, r.role)
				if allowed := err == nil; allowed != (role >= r.role) {
					t.Errorf("%s as %s: %v", r.pattern(), role, err)
				}
				if err != nil && !strings.Contains(rotator.AsError(err).Hint, "roles."+r.role.String()+"s") {
					t.Errorf("%s: the hint %q does not say what to grant", r.pattern(), rotator.AsError(err).Hint)
				}
			}
		})
	}
}

func aliceAs(role Role) Policy {
	switch role {
	case RoleViewer:
		return Policy{Viewers: []string{"user:alice"}}
	case RoleOperator:
		return Policy{Operators: []string{"user:alice"}}
	case RoleApprover:
		return Policy{Approvers: []string{"user:alice"}}
	default:
		return Policy{}
	}
}

func TestPolicy_Role(t *testing.T) {
	t.Parallel()
	policy := Policy{
		Viewers: []string{"group:staff", "gid:100"}, Operators: []string{"user:bob", "group:ops"}, Approvers: []string{"uid:1003"},
	}
	for name, test := range map[string]struct {
		peer Peer
		want Role
	}{
		"root may do everything":            {Peer{UID: 0}, RoleApprover},
		"nobody named":                      {Peer{UID: 1000, Name: "eve", GIDs: []uint32{1000}, Groups: []string{"eve"}}, RoleNone},
		"by group":                          {Peer{UID: 1000, Groups: []string{"eve", "staff"}}, RoleViewer},
		"by gid":                            {Peer{UID: 1000, GIDs: []uint32{1000, 100}}, RoleViewer},
		"by user, the higher of two":        {Peer{UID: 1001, Name: "bob", Groups: []string{"staff"}}, RoleOperator},
		"by uid":                            {Peer{UID: 1003}, RoleApprover},
		"a user is no group":                {Peer{UID: 1000, Name: "staff"}, RoleNone},
		"a group is no user":                {Peer{UID: 1000, Groups: []string{"bob"}}, RoleNone},
		"a user without a name is not user": {Peer{UID: 1000, Name: ""}, RoleNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := policy.Role(test.peer); got != test.want {
				t.Errorf("%+v is %s, want %s", test.peer, got, test.want)
			}
		})
	}
	if got := (Policy{Viewers: []string{"user:", "", "staff", "user"}}).Role(Peer{UID: 1000}); got != RoleNone {
		t.Errorf("an empty member gives the role %s", got)
	}
}

func TestPeer_Actor(t *testing.T) {
	t.Parallel()
	if got := (Peer{UID: 1000, Name: "alice"}).Actor(); got != "alice (uid 1000)" {
		t.Error(got)
	}
	if got := (Peer{UID: 1000}).Actor(); got != "uid 1000" {
		t.Error(got)
	}
}

func TestServer_Actor(t *testing.T) {
	t.Parallel()
	engine := &fakeEngine{}
	client, _ := serve(t, engine, nil)
	if _, err := client.Rotate(t.Context(), "payments", CommandRequest{Reason: "why not"}); err != nil {
		t.Fatal(err)
	}
	got, want := engine.lastAsked(t).(rotator.Request), fmt.Sprintf("uid %d", os.Getuid())
	if !strings.Contains(got.Actor, want) || got.Key != "payments" || got.Reason != "why not" {
		t.Errorf("the engine was asked %+v, want the actor to be %q", got, want)
	}
}

func TestServer_Commands(t *testing.T) {
	t.Parallel()
	engine := &fakeEngine{op: rotator.OperationStatus{Operation: rotator.Operation{ID: 17, State: rotator.StatePending}}}
	client, _ := serve(t, engine, nil)
	ctx, body := t.Context(), CommandRequest{Reason: "r", Confirm: "payments"}
	for name, test := range map[string]struct {
		call func() (rotator.Operation, error)
		want any
	}{
		"rotate":    {func() (rotator.Operation, error) { return client.Rotate(ctx, "payments", body) }, rotator.Request{}},
		"revoke":    {func() (rotator.Operation, error) { return client.Revoke(ctx, "payments", body) }, rotator.RevokeRequest{}},
		"reinstate": {func() (rotator.Operation, error) { return client.Reinstate(ctx, "payments", body) }, rotator.Request{}},
		"retire":    {func() (rotator.Operation, error) { return client.Retire(ctx, "payments", body) }, rotator.Request{}},
		"cancel":    {func() (rotator.Operation, error) { return client.Cancel(ctx, 17, body) }, rotator.OperationRequest{}},
		"approve":   {func() (rotator.Operation, error) { return client.Approve(ctx, 17, body) }, rotator.OperationRequest{}},
	} {
		op, err := test.call()
		if err != nil || op.ID != 17 || op.State != rotator.StatePending {
			t.Errorf("%s: %+v, %v", name, op, err)
		}
		asked := engine.lastAsked(t)
		if fmt.Sprintf("%T", asked) != fmt.Sprintf("%T", test.want) {
			t.Errorf("%s asked the engine for %T", name, asked)
		}
		if r, ok := asked.(rotator.RevokeRequest); ok && (r.Confirm != "payments" || r.Key != "payments" || r.Reason != "r") {
			t.Errorf("revoke asked for %+v", r)
		}
		if r, ok := asked.(rotator.Request); ok && (r.Key != "payments" || r.Reason != "r") {
			t.Errorf("%s asked for %+v", name, r)
		}
		if r, ok := asked.(rotator.OperationRequest); ok && (r.Operation != 17 || r.Actor == "" || r.Reason != "r") {
			t.Errorf("%s asked for %+v", name, r)
		}
	}
}

// TestClient_Errors checks that every error arrives as the one that was sent.
func TestClient_Errors(t *testing.T) {
	t.Parallel()
	for code := range statuses() {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			sent := rotator.Errorf(code, "it did not work").WithHint("do something else")
			sent.Reason, sent.RetryAfter = "BecauseOfThat", 7*time.Second
			client, _ := serve(t, &fakeEngine{err: fmt.Errorf("wrapped: %w", sent)}, nil)
			_, err := client.Rotate(t.Context(), "payments", CommandRequest{})
			var got *rotator.Error
			if !errors.As(err, &got) {
				t.Fatalf("error is %v", err)
			}
			if diff := cmp.Diff(sent, got); diff != "" {
				t.Error(diff)
			}
			if codeOf(statusOf(code)) != code {
				t.Errorf("status %d of %s is that of %s", statusOf(code), code, codeOf(statusOf(code)))
			}
		})
	}
	t.Run("an error without a class", func(t *testing.T) {
		t.Parallel()
		client, _ := serve(t, &fakeEngine{err: errors.New("a bug")}, nil)
		if _, err := client.Keys(t.Context()); rotator.CodeOf(err) != rotator.CodeInternal || err.Error() != "a bug" {
			t.Errorf("error is %v", err)
		}
	})
}

func TestServer_Refuses(t *testing.T) {
	t.Parallel()
	client, _ := serve(t, &fakeEngine{}, nil)
	for name, test := range map[string]struct {
		method, path, body string
		header             http.Header
		host               string
		status             int
		says               string
	}{
		"a browser":               {method: "GET", path: "/v1/keys", header: http.Header{"Origin": {"https://evil.example"}}, status: 403, says: "browsers"},
		"a link":                  {method: "GET", path: "/v1/keys", header: http.Header{"Referer": {"https://evil.example"}}, status: 403, says: "browsers"},
		"a foreign host":          {method: "GET", path: "/v1/keys", host: "evil.example", status: 403, says: "evil.example"},
		"an unknown route":        {method: "GET", path: "/v2/keys", status: 404, says: "openapi.json"},
		"another method":          {method: "DELETE", path: "/v1/keys", status: 404, says: "DELETE"},
		"an unknown field":        {method: "POST", path: "/v1/keys/a/rotate", body: `{"actor":"root"}`, status: 400, says: "actor"},
		"what is no JSON":         {method: "POST", path: "/v1/keys/a/rotate", body: `reason=x`, status: 400, says: "openapi.json"},
		"two bodies":              {method: "POST", path: "/v1/keys/a/rotate", body: `{}{}`, status: 400, says: "goes on"},
		"a huge body":             {method: "POST", path: "/v1/keys/a/rotate", body: `{"reason":"` + strings.Repeat("x", maxBody) + `"}`, status: 400, says: "larger"},
		"a bad operation":         {method: "GET", path: "/v1/operations/x", status: 400, says: "op-17"},
		"a bad flag":              {method: "GET", path: "/v1/operations?live=maybe", status: 400, says: "live"},
		"a bad number":            {method: "GET", path: "/v1/events?after=-1", status: 400, says: "after"},
		"a bad time":              {method: "GET", path: "/v1/events?since=yesterday", status: 400, says: "since"},
		"too much at once":        {method: "GET", path: "/v1/events?limit=1000000", status: 400, says: "limit"},
		"a misspelt parameter":    {method: "GET", path: "/v1/operations?lvie=true", status: 400, says: "it takes key, live, before, limit"},
		"a needless parameter":    {method: "POST", path: "/v1/keys/a/rotate?reason=x", status: 400, says: "it takes none"},
		"an unknown plan":         {method: "POST", path: "/v1/keys/a/plan?kind=party", status: 400, says: "party"},
		"a relative backup":       {method: "POST", path: "/v1/backup", body: `{"path":"x"}`, status: 503, says: "backup"},
		"what it has no hook for": {method: "POST", path: "/v1/reload", status: 503, says: "reload"},
		"a handler's mistake":     {method: "GET", path: "/v1/keys/panics", status: 500, says: "journalctl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := send(t, client.Socket(), test.method, test.path, test.body, test.header, test.host)
			if status != test.status || !strings.Contains(body, test.says) {
				t.Errorf("%d %s, want %d with %q", status, body, test.status, test.says)
			}
			if !strings.HasPrefix(body, `{"error":{"code":`) {
				t.Errorf("%s is not how errors travel", body)
			}
		})
	}
	if status, body := send(t, client.Socket(), "GET", "/v1/operations/17", "", nil, ""); status != 200 {
		t.Errorf("a plain number is an operation, too: %d %s", status, body)
	}
}

func TestServer_Observe(t *testing.T) {
	t.Parallel()
	seen := make(chan Access, 10)
	client, _ := serve(t, &fakeEngine{}, func(o *Options) { o.Observe = func(a Access) { seen <- a } })
	_, _ = client.Key(t.Context(), "panics")
	a := <-seen
	if a.Err == nil || len(a.Stack) == 0 || a.Status != 500 || a.Path != "/v1/keys/panics" || a.Actor == "" {
		t.Errorf("a panic is reported as %+v", a)
	}
	_, _ = client.Keys(t.Context())
	if a := <-seen; a.Err != nil || a.Status != 200 {
		t.Errorf("a success is reported as %+v", a)
	}
}

// TestClient_OperationStatus checks that both the counts and the list of trackers
// survive, which are two fields of one name in Go.
func TestClient_OperationStatus(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	want := rotator.OperationStatus{
		Operation: rotator.Operation{
			ID: 17, Kind: rotator.KindRotation, Key: "payments", State: rotator.StatePropagating, Created: at, Since: at,
			Trackers: map[rotator.TrackerState]int{rotator.TrackerStalled: 1, rotator.TrackerDone: 2},
			Target:   rotator.Version{ID: "0123", Created: at, Enabled: true},
			Problem:  &rotator.Problem{Code: "c", Message: "m", Hint: "h"},
		},
		Trackers: []rotator.TrackerStatus{{
			Tracker: rotator.Tracker{
				Operation: 17, Number: 1, State: rotator.TrackerStalled, Since: at,
				Detail: &rotator.TrackerDetail{Dependent: rotator.Dependent{ID: "/x", Kind: "storage", Settings: map[string]string{"a": "b"}}, Version: "0122"},
			},
			Window: time.Hour, Deadline: at.Add(time.Hour),
		}},
		Blockers: []rotator.Objection{{Check: rotator.ReasonDependentNotSettled, Message: "no"}},
	}
	client, _ := serve(t, &fakeEngine{op: want}, nil)
	got, err := client.Operation(t.Context(), 17)
	if err != nil {
		t.Fatal(err)
	}
	want.Needs = want.NeedsYou() // which the API fills in
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, body := send(t, client.Socket(), "GET", "/v1/operations/op-17", "", nil, "")
	var wire struct {
		Trackers   map[string]int
		Dependents []map[string]any
	}
	if err := json.Unmarshal([]byte(body), &wire); err != nil || wire.Trackers["stalled"] != 1 || len(wire.Dependents) != 1 {
		t.Errorf("on the wire: %s (%v)", body, err)
	}
}

func TestClient_Views(t *testing.T) {
	t.Parallel()
	key := rotator.KeyStatus{KeyState: rotator.KeyState{Name: "payments", ID: "https://v/keys/k"}, Schedule: "@monthly", Dependents: []rotator.Dependent{}, Last: &rotator.Operation{ID: 3}}
	engine := &fakeEngine{keys: []rotator.KeyStatus{key}}
	client, _ := serve(t, engine, func(o *Options) {
		o.About.SimulatedClock = "×600"
		o.Backup = func(context.Context, string) (int64, error) { return 42, nil }
		o.Verify = func(context.Context) (LogReport, error) { return LogReport{Events: 7}, nil }
		o.Reload = func(context.Context) (Reloaded, error) { return Reloaded{Keys: 2, Warnings: []string{"w"}}, nil }
	})
	ctx := t.Context()
	if s, err := client.Summary(ctx); err != nil || s.Keys != 3 || s.SimulatedClock != "×600" || !s.Now.Equal(noon{}.Now()) || s.Live[rotator.KindRotation] != 1 {
		t.Errorf("summary: %+v, %v", s, err)
	}
	if k, err := client.Key(ctx, "payments"); err != nil || cmp.Diff(key, k) != "" {
		t.Errorf("key: %s, %v", cmp.Diff(key, k), err)
	}
	if keys, err := client.Keys(ctx); err != nil || len(keys) != 1 {
		t.Errorf("keys: %v, %v", keys, err)
	}
	f := rotator.OperationQuery{Key: "a b", Live: true, Before: 9, Limit: 5}
	if _, err := client.Operations(ctx, f); err != nil || engine.filter != f {
		t.Errorf("operations were asked for by %+v, want %+v (%v)", engine.filter, f, err)
	}
	if p, err := client.Plan(ctx, "payments", rotator.KindRevocation); err != nil || p.Kind != rotator.KindRevocation {
		t.Errorf("plan: %+v, %v", p, err)
	}
	if b, err := client.Backup(ctx, "/tmp/../x"); err != nil || b != (Backup{Path: "/x", Bytes: 42}) {
		t.Errorf("backup: %+v, %v", b, err)
	}
	if r, err := client.Verify(ctx); err != nil || r.Events != 7 {
		t.Errorf("verify: %+v, %v", r, err)
	}
	if r, err := client.Reload(ctx); err != nil || r.Keys != 2 || len(r.Warnings) != 1 {
		t.Errorf("reload: %+v, %v", r, err)
	}
	if v, err := client.Version(ctx); err != nil || v.Version != "v1" || v.SimulatedClock != "×600" {
		t.Errorf("version: %+v, %v", v, err)
	}
	_, err := client.Key(ctx, "../operations")
	if rotator.CodeOf(err) != rotator.CodeNotFound || !strings.Contains(err.Error(), "../operations") {
		t.Errorf("a name with slashes is only a name: %v", err)
	}
}

// TestServer_saysWhatIsWaitedFor: whoever sees no more than the JSON of an operation
// gets the code and the sentence, wherever the operation stands.
func TestServer_saysWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	op := rotator.Operation{ID: 17, Key: "payments", State: rotator.StateAwaitingApproval, Waiting: rotator.Wait{For: rotator.WaitApproval}}
	engine := &fakeEngine{
		op:   rotator.OperationStatus{Operation: op},
		keys: []rotator.KeyStatus{{KeyState: rotator.KeyState{Name: "payments"}, Last: &op}, {KeyState: rotator.KeyState{Name: "orders"}}},
	}
	client, _ := serve(t, engine, nil)
	const want = `"waiting":{"for":"approval","text":"for a second person: cmkd approve op-17"}`
	for path, method := range map[string]string{
		"/v1/operations": http.MethodGet, "/v1/operations/17": http.MethodGet, "/v1/keys": http.MethodGet, "/v1/keys/payments": http.MethodGet,
		"/v1/operations/17/cancel": http.MethodPost,
	} {
		if status, body := send(t, client.Socket(), method, path, "", nil, ""); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s %s: %d %s, want %s", method, path, status, body, want)
		}
	}
	if op.Waiting.Text != "" {
		t.Errorf("the engine's own operation was given the text %q", op.Waiting.Text)
	}
}
