package control

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"cmkd/rotator"
)

// fakeEngine answers with what it was given and remembers what it was asked.
type fakeEngine struct {
	mu     sync.Mutex
	err    error
	op     rotator.OperationStatus
	keys   []rotator.KeyStatus
	log    []rotator.Event
	asked  []any
	filter rotator.OperationQuery
	block  chan struct{} // Retire waits for it, or for its context

	alerts  []rotator.AlertStatus
	summary *rotator.Summary
	beat    time.Time
	// beats is how often the heart beats yet when asked for it.
	beats int
}

func (e *fakeEngine) note(request any) (rotator.Operation, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, request)
	return e.op.Operation, e.err
}

func (e *fakeEngine) lastAsked(t *testing.T) any {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.asked) == 0 {
		t.Fatal("the engine was not asked")
	}
	return e.asked[len(e.asked)-1]
}

func (e *fakeEngine) happened(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for range n {
		e.log = append(e.log, rotator.Event{Seq: uint64(len(e.log) + 1), Type: rotator.EventStateChanged, Operation: 17, Message: "went on\nand on"})
	}
}

func (e *fakeEngine) Summary() rotator.Summary {
	if e.summary != nil {
		return *e.summary
	}
	return rotator.Summary{Keys: 3, Live: map[rotator.OperationKind]int{rotator.KindRotation: 1}, NeedsAction: 1}
}

func (e *fakeEngine) Heartbeat() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.beats > 0 {
		e.beats--
		e.beat = e.beat.Add(time.Second)
	}
	return e.beat
}

func (e *fakeEngine) Alerts(context.Context) ([]rotator.AlertStatus, error) {
	return slices.Clone(e.alerts), e.err
}

func (e *fakeEngine) Silences(context.Context) ([]rotator.Silence, error) {
	return []rotator.Silence{{ID: "s-1", Key: "payments", Actor: "alice"}}, e.err
}

func (e *fakeEngine) Silence(_ context.Context, r rotator.SilenceRequest) (rotator.Silence, error) {
	_, err := e.note(r)
	return rotator.Silence{ID: "s-2", Alert: r.Alert, Actor: r.Actor}, err
}

func (e *fakeEngine) EndSilence(_ context.Context, id, actor, _ string) (rotator.Silence, error) {
	_, err := e.note([2]string{id, actor})
	return rotator.Silence{ID: id, Actor: actor}, err
}

func (e *fakeEngine) Attest(_ context.Context, r rotator.AttestRequest) (rotator.Attestation, error) {
	_, err := e.note(r)
	return rotator.Attestation{ID: "a-1", Dependent: r.Dependent, Versions: []string{"v1"}, Actor: r.Actor}, err
}

func (e *fakeEngine) WithdrawAttestation(_ context.Context, id, actor, _ string) (rotator.Attestation, error) {
	_, err := e.note([2]string{id, actor})
	return rotator.Attestation{ID: id, Versions: []string{"v1"}, Actor: actor}, err
}

func (e *fakeEngine) Attestations(context.Context, string) ([]rotator.Attestation, error) {
	return []rotator.Attestation{{ID: "a-1", Key: "payments", Versions: []string{"v1"}, Actor: "alice"}}, e.err
}

func (e *fakeEngine) Freezes(context.Context) ([]rotator.Freeze, error) {
	return []rotator.Freeze{{ID: "f-1", Key: "payments", Actor: "alice", Reason: "r"}}, e.err
}

func (e *fakeEngine) Freeze(_ context.Context, r rotator.FreezeRequest) (rotator.Freeze, error) {
	_, err := e.note(r)
	return rotator.Freeze{ID: "f-2", Key: r.Key, Actor: r.Actor, Reason: r.Reason}, err
}

func (e *fakeEngine) EndFreeze(_ context.Context, id, actor, _ string) (rotator.Freeze, error) {
	_, err := e.note([2]string{id, actor})
	return rotator.Freeze{ID: id, Actor: actor}, err
}

func (e *fakeEngine) Receivers() []rotator.ReceiverStatus {
	return []rotator.ReceiverStatus{{Name: "pager", Kind: "exec", Pending: 2}}
}

func (e *fakeEngine) TestReceivers(_ context.Context, name, actor string) ([]rotator.TestResult, error) {
	_, err := e.note([2]string{name, actor})
	return []rotator.TestResult{{Receiver: name, Kind: "exec", Problem: &rotator.Problem{Code: "exec", Message: "exit code 1"}}}, err
}

func (e *fakeEngine) Timings(context.Context) ([]rotator.TimingStatus, error) {
	return []rotator.TimingStatus{{Kind: "storage", Change: rotator.KindRotation, Count: 9, P50: time.Hour}}, e.err
}

func (e *fakeEngine) Keys(context.Context, rotator.KeyQuery) ([]rotator.KeyStatus, error) {
	return e.keys, e.err
}

func (e *fakeEngine) Key(_ context.Context, name string) (rotator.KeyStatus, error) {
	if name == "panics" {
		panic("a bug")
	}
	for _, k := range e.keys {
		if k.Name == name {
			return k, e.err
		}
	}
	return rotator.KeyStatus{}, rotator.Errorf(rotator.CodeNotFound, "no key %q is configured", name).WithHint("cmkd status lists the keys")
}

func (e *fakeEngine) Operations(_ context.Context, f rotator.OperationQuery) ([]rotator.Operation, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.filter = f
	return []rotator.Operation{e.op.Operation}, e.err
}

func (e *fakeEngine) Operation(_ context.Context, _ rotator.OperationID, limit int) (rotator.OperationStatus, error) {
	op := e.op
	op.Trackers = op.Trackers[:min(len(op.Trackers), limit)]
	return op, e.err
}

func (e *fakeEngine) Events(_ context.Context, f rotator.EventFilter) ([]rotator.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.Last {
		return e.log[max(len(e.log)-f.Limit, 0):], e.err
	}
	var found []rotator.Event
	for _, event := range e.log {
		if event.Seq > f.After && len(found) < f.Limit {
			found = append(found, event)
		}
	}
	return found, e.err
}

func (e *fakeEngine) Rotate(_ context.Context, r rotator.Request) (rotator.Operation, error) {
	return e.note(r)
}

func (e *fakeEngine) Revoke(_ context.Context, r rotator.RevokeRequest) (rotator.Operation, error) {
	return e.note(r)
}

func (e *fakeEngine) Reinstate(_ context.Context, r rotator.Request) (rotator.Operation, error) {
	return e.note(r)
}

func (e *fakeEngine) Retire(ctx context.Context, r rotator.Request) (rotator.Operation, error) {
	if e.block != nil {
		select {
		case <-e.block:
		case <-ctx.Done():
			return rotator.Operation{}, ctx.Err()
		}
	}
	return e.note(r)
}

func (e *fakeEngine) Approve(_ context.Context, r rotator.OperationRequest) (rotator.Operation, error) {
	return e.note(r)
}

func (e *fakeEngine) Cancel(_ context.Context, r rotator.OperationRequest) (rotator.Operation, error) {
	return e.note(r)
}

func (e *fakeEngine) PlanRotation(_ context.Context, key string) (rotator.Plan, error) {
	return rotator.Plan{Kind: rotator.KindRotation, Key: key}, e.err
}

func (e *fakeEngine) PlanRevocation(_ context.Context, key string) (rotator.Plan, error) {
	return rotator.Plan{Kind: rotator.KindRevocation, Key: key}, e.err
}

func (e *fakeEngine) PlanRetirement(_ context.Context, key, _ string) (rotator.RetirementPlan, error) {
	return rotator.RetirementPlan{Key: key, Operation: 17, State: rotator.StateRetiring}, e.err
}

// noon is a clock that stands still.
type noon struct{}

func (noon) Now() time.Time                       { return time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) }
func (noon) After(time.Duration) <-chan time.Time { return nil }

// me is the policy under which the test itself may do everything.
func meAs(role Role) Policy {
	members := []string{"uid:" + strconv.Itoa(os.Getuid())}
	switch role {
	case RoleViewer:
		return Policy{Viewers: members}
	case RoleOperator:
		return Policy{Operators: members}
	case RoleApprover:
		return Policy{Approvers: members}
	default:
		return Policy{}
	}
}

// serve starts a server on a real socket and returns a client of it. change may
// alter the options.
func serve(t *testing.T, e *fakeEngine, change func(*Options)) (*Client, *Server) {
	t.Helper()
	o := Options{Engine: e, Clock: noon{}, Policy: meAs(RoleApprover), About: Version{Version: "v1", Go: "go", Platform: "linux"}}
	if change != nil {
		change(&o)
	}
	s := NewServer(o)
	socket := filepath.Join(shortDir(t), "s")
	l, err := Listen(t.Context(), socket, "")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	client := NewClient(socket)
	t.Cleanup(func() {
		client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return client, s
}

// shortDir returns a directory whose name leaves room for a socket: that of
// t.TempDir grows with the name of the test.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cmkd") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// dial connects to a socket as any program would.
func dial(t *testing.T, socket string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
