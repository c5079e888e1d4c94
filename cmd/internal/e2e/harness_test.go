// Package e2e runs the real binary in front of a simulated Azure, over real HTTP: it
// kills it with SIGKILL at random moments, throttles it, and measures it, and holds
// that nothing is done twice, lost, or done too early.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/daemon"
	"cmkd/providers/azuresim"
	"cmkd/rotator"
)

const (
	subscription = "0a1b2c3d-0000-4000-8000-000000000001"
	speed        = 600 // simulated seconds in a real one
	// patience is how long anything may take: most takes seconds, but Alertmanager
	// gets 35 s for what is over already, and a machine may be slow.
	patience = 2 * time.Minute
)

const scenario = `
start: 2026-01-05T08:00:00Z
seed: 7
tenant: 54826b22-38d6-4fb2-bad9-b7b93a3e9c5a
clients: [{id: 11111111-2222-3333-4444-555555555555, secret: crash-secret, name: cmkd}]
subscriptions: [{id: 0a1b2c3d-0000-4000-8000-000000000001}]
operations: {duration: 10s, retry_after: 1s}
vaults:
  - name: contoso-prod
    purge_protection: true
    read_lag: 30s
    keys: [{name: payments, versions: [{age: 90d}]}]
storage_accounts:
  - {name: contosopayments, resource_group: rg, key: contoso-prod/payments, pace: {check: 3m}}
disk_encryption_sets:
  - {name: contoso-des, resource_group: rg, key: contoso-prod/payments, auto_rotate: true, pace: {check: 4m, rewrap: 30s}}
`

const configuration = `
store: %[1]s/cmkd.db
socket: %[1]s/cmkd.sock
azure: {credential: environment}
keys:
  - name: payments
    uri: https://contoso-prod.vault.azure.net/keys/payments
    retire: auto
    soak: 1m
    dependents:
      - {id: %[2]s/Microsoft.Storage/storageAccounts/contosopayments, window: 30m, poll: 30s}
      - {id: %[2]s/Microsoft.Compute/diskEncryptionSets/contoso-des, window: 30m, poll: 30s}
`

// estate is a simulated Azure, a configuration, and the daemon that is killed.
type estate struct {
	keeps  bool // retire is off
	t      testing.TB
	dir    string
	binary string
	clock  *daemon.SimulatedClock
	sim    *azuresim.Server
	env    []string
	log    *bytes.Buffer
	client *control.Client
	cmd    *exec.Cmd

	mu    sync.Mutex
	early []string // versions disabled while in use
}

func newEstate(t *testing.T, faults ...azuresim.Fault) *estate {
	t.Helper()
	s := newEstateOf(t, scenario, configuration)
	s.binary = build(t)
	for _, f := range faults {
		s.sim.AddFault(f)
	}
	return s
}

func newEstateOf(t testing.TB, scenario, configuration string) *estate {
	t.Helper()
	s := &estate{t: t, dir: t.TempDir(), log: &bytes.Buffer{}}
	sc, err := azuresim.ParseScenario("e2e.yaml", []byte(scenario))
	if err != nil {
		t.Fatal(err)
	}
	anchor := time.Now()
	s.clock = daemon.NewSimulatedClock(sc.Epoch(), anchor, speed)
	s.sim, err = azuresim.New(sc, azuresim.Options{Clock: azuresim.NewScaledClock(sc.Epoch(), anchor, speed), Log: s.watch})
	if err != nil {
		t.Fatal(err)
	}
	s.serve()
	scope := "/subscriptions/" + subscription + "/resourceGroups/rg/providers"
	s.write("cmkd.yaml", fmt.Sprintf(configuration, s.dir, scope))
	s.client = control.NewClient(filepath.Join(s.dir, "cmkd.sock"))
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
		s.client.Close()
		if t.Failed() {
			t.Log(tail(s.log.String(), 60))
		}
	})
	return s
}

// build compiles the program, once for all tests as the build cache has it.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "cmkd")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "cmkd/cmd/cmkd").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// serve puts the simulated Azure behind its proxy, and notes how a client gets
// there.
func (s *estate) serve() {
	s.t.Helper()
	proxy, err := azuresim.NewProxy(s.sim)
	if err != nil {
		s.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- proxy.Serve(ctx, listener) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			s.t.Errorf("proxy: %v", err)
		}
	})
	s.write("ca.pem", string(proxy.CAPEM()))
	s.env = append(os.Environ(),
		"HTTPS_PROXY=http://"+listener.Addr().String(), "SSL_CERT_FILE="+filepath.Join(s.dir, "ca.pem"),
		"AZURE_TENANT_ID="+s.sim.Tenant(), "AZURE_CLIENT_ID=11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_SECRET=crash-secret")
}

func (s *estate) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the daemon and waits until it answers.
func (s *estate) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "run", "--config", filepath.Join(s.dir, "cmkd.yaml"), "--simulated-clock", s.clock.Flag())
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = s.env, s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.until("the daemon answers", func() bool {
		_, err := s.client.Version(s.t.Context())
		return err == nil
	})
}

// kill ends the daemon as a power cut would.
func (s *estate) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		s.t.Error(err)
	}
	var exit *exec.ExitError
	if err := s.cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		s.t.Errorf("the daemon ended by itself: %v", err)
	}
	s.cmd = nil
}

// until waits for something, looking often.
func (s *estate) until(what string, reached func() bool) {
	s.t.Helper()
	limit := time.After(patience)
	for !reached() {
		select {
		case <-limit:
			s.t.Fatalf("%s passed before: %s\n%s", patience, what, s.status())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// status shows the operations under way, for a failure's message.
func (s *estate) status() string {
	ops, err := s.client.Operations(s.t.Context(), rotator.OperationQuery{Live: true})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for i := range ops {
		op, err := s.client.Operation(s.t.Context(), ops[i].ID)
		text, _ := json.MarshalIndent(op, "", " ")
		fmt.Fprintf(&b, "%s %v\n", text, err)
	}
	return b.String()
}

// all returns all operations, newest first.
func (s *estate) all() (all []rotator.Operation) {
	s.t.Helper()
	for f := (rotator.OperationQuery{Limit: 50}); ; f.Before = all[len(all)-1].ID {
		page, err := s.client.Operations(s.t.Context(), f)
		if err != nil {
			s.t.Fatal(err)
		}
		if all = append(all, page...); len(page) < f.Limit {
			return all
		}
	}
}

// live returns the operation under way, if any.
func (s *estate) live() (op rotator.Operation, ok bool) {
	s.t.Helper()
	ops, err := s.client.Operations(s.t.Context(), rotator.OperationQuery{Live: true})
	if err != nil {
		s.t.Fatalf("list operations: %v", err)
	}
	if len(ops) == 0 {
		return rotator.Operation{}, false
	}
	return ops[0], true
}

// watch looks, whenever a version is disabled, whether a resource still needs
// it. It is called while the simulated Azure is locked for nobody else.
func (s *estate) watch(e azuresim.Exchange) {
	if e.Operation == "key-update" && e.Status == 200 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.early = append(s.early, s.needed()...)
	}
}

// needed returns the disabled versions that a resource still needs.
func (s *estate) needed() (all []string) {
	var documents strings.Builder
	for _, id := range s.sim.ResourceIDs() {
		if strings.Contains(id, "Storage") || strings.Contains(id, "diskEncryptionSets") {
			document, _ := s.sim.Resource(id)
			fmt.Fprintln(&documents, document)
		}
	}
	for _, v := range s.sim.Versions("contoso-prod", "payments") {
		if !v.Enabled && strings.Contains(documents.String(), v.ID) {
			all = append(all, v.ID+" in "+documents.String())
		}
	}
	return all
}

func tail(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
