package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/cmd/internal/daemon"
	"cmkd/rotator"
)

// slow is an estate whose storage account looks once a day.
const slow = `
start: 2026-01-05T08:00:00Z
seed: 7
speed: 60
tenant: 54826b22-38d6-4fb2-bad9-b7b93a3e9c5a
clients: [{id: 11111111-2222-3333-4444-555555555555, secret: slow-secret, name: cmkd}]
subscriptions: [{id: 0a1b2c3d-0000-4000-8000-000000000001}]
vaults: [{name: contoso-prod, purge_protection: true, keys: [{name: payments, versions: [{age: 90d}]}]}]
storage_accounts: [{name: contosopayments, resource_group: rg, key: contoso-prod/payments, pace: {check: 24h}}]
`

const slowConfiguration = `
store: %[1]s/cmkd.db
socket: %[1]s/cmkd.sock
azure: {credential: environment}
keys:
  - name: payments
    uri: https://contoso-prod.vault.azure.net/keys/payments
    retire: auto
    soak: 1m
    dependents:
      - {id: %[2]s/Microsoft.Storage/storageAccounts/contosopayments, poll: 30s}
`

// pair is a simulation and a daemon beside it, both processes of the real binary.
type pair struct {
	t           *testing.T
	dir, binary string
	sim         *exec.Cmd
	info        daemon.SimulationInfo
}

// cmkd runs a command in the simulation's directory.
func (p *pair) cmkd(want int, args ...string) string {
	p.t.Helper()
	out, err := p.try(args...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	}
	if code != want {
		p.t.Fatalf("cmkd %s: exit %d (%v), want %d\n%s", strings.Join(args, " "), code, err, want, out)
	}
	return out
}

func (p *pair) try(args ...string) (string, error) {
	c := exec.CommandContext(p.t.Context(), p.binary, args...)
	c.Dir = p.dir
	out, err := c.CombinedOutput()
	return string(out), err
}

// start starts a process of the binary that ends with the test.
func (p *pair) start(env []string, args ...string) *exec.Cmd {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	c := exec.Command(p.binary, args...)
	c.Dir, c.Stdout, c.Stderr, c.Env = p.dir, log, log, append(os.Environ(), env...)
	c.Env = append(c.Env, "NO_PROXY=", "no_proxy=")
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.stop(c) })
	return c
}

// stop ends a process, if it has not ended.
func (p *pair) stop(c *exec.Cmd) {
	if c.ProcessState != nil {
		return
	}
	if err := errors.Join(c.Process.Signal(syscall.SIGTERM), c.Wait()); err != nil {
		p.t.Errorf("end %s: %v", c, err)
	}
}

func (p *pair) until(what string, reached func() bool) {
	p.t.Helper()
	limit := time.After(patience)
	for !reached() {
		select {
		case <-limit:
			log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
			p.t.Fatalf("%s passed before: %s\n%s", patience, what, tail(string(log), 40))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// simulate starts the simulation and reads what its clients need.
func (p *pair) simulate(args ...string) {
	p.t.Helper()
	ready := filepath.Join(p.dir, "ready.json")
	_ = os.Remove(ready) // that of the one before
	p.sim = p.start(nil, append([]string{"simulate", "--ready-file", ready}, args...)...)
	p.until("the simulation serves", func() bool {
		data, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(data, &p.info) == nil
	})
}

func (p *pair) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) now() (t daemon.SimulationTime) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.cmkd(0, "simulate", "now", "-o", "json")), &t); err != nil {
		p.t.Fatal(err)
	}
	return t
}

func (p *pair) faults() (all []daemon.SimulatedFault) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.cmkd(0, "simulate", "fault", "list", "-o", "json")), &all); err != nil {
		p.t.Fatal(err)
	}
	return all
}

// A rotation whose dependent looks once a day is over as soon as a day was jumped:
// the daemon sees the time pass with the simulated Azure, and takes it for no clock
// that was set. Faults come and go, and what was saved goes on.
func TestSimulate_IsControlledWhileItRuns(t *testing.T) {
	p := &pair{t: t, dir: t.TempDir(), binary: build(t)}
	p.write("estate.yaml", slow)
	p.cmkd(4, "simulate", "jump", "6h") // nobody listens
	p.simulate("--scenario", "estate.yaml")
	p.write("cmkd.yaml", fmt.Sprintf(slowConfiguration, p.dir, "/subscriptions/"+subscription+"/resourceGroups/rg/providers"))
	p.start(p.info.Environment, "run", "--config", filepath.Join(p.dir, "cmkd.yaml"), "--simulated-clock", p.info.SimulatedClock)
	client := control.NewClient(filepath.Join(p.dir, "cmkd.sock"))
	t.Cleanup(client.Close)
	p.until("the daemon answers", func() bool { _, err := client.Version(t.Context()); return err == nil })

	op, err := client.Rotate(t.Context(), "payments", control.CommandRequest{Reason: "e2e"})
	if err != nil {
		t.Fatal(err)
	}
	state := func(id rotator.OperationID) rotator.OperationState {
		op, err := client.Operation(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return op.State
	}
	p.until("the account is followed", func() bool { return state(op.ID) == rotator.StatePropagating })
	began := p.now()
	p.cmkd(0, "simulate", "jump", "25h") // at this speed it would take 25 minutes
	p.until("the rotation is done", func() bool { return state(op.ID) == rotator.StateCompleted })
	if passed := p.now().Now.Sub(began.Now); passed < 25*time.Hour || passed > 29*time.Hour {
		t.Errorf("%s passed", passed)
	}
	if s, err := client.Summary(t.Context()); err != nil || s.Now.Sub(p.now().Now).Abs() > 10*time.Minute {
		t.Errorf("the daemon's clock shows %s (%v), the simulation's %s", s.Now, err, p.now().Now)
	}
	if log := p.cmkd(0, "--socket", filepath.Join(p.dir, "cmkd.sock"), "events", "--last", "1000"); strings.Contains(log, "clock-jumped") {
		t.Errorf("the daemon takes it for a clock that was set:\n%s", log)
	}
	p.cmkd(2, "simulate", "jump", "--", "-1h")

	p.write("faults.yaml", "faults:\n  - {name: busy, match: {operation: storage-get}, do: status, status: 503}\n")
	p.cmkd(0, "simulate", "fault", "add", "faults.yaml")
	if op, err = client.Rotate(t.Context(), "payments", control.CommandRequest{Reason: "e2e"}); err != nil {
		t.Fatal(err)
	}
	p.until("the fault strikes", func() bool { return p.faults()[0].Hit > 0 })

	p.cmkd(0, "simulate", "do", "create-version", "--key", "contoso-prod/payments")
	p.cmkd(4, "simulate", "do", "create-version", "--key", "contoso-prod/none")
	p.cmkd(0, "simulate", "save", "week.sim")
	saved, struck := p.now(), p.faults()[0].Hit
	if info, err := os.Stat(filepath.Join(p.dir, "week.sim")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("what was saved: %v %v", info, err)
	}
	p.cmkd(0, "simulate", "fault", "clear", "busy")
	if got := p.faults(); len(got) != 0 {
		t.Errorf("faults after clear: %v", got)
	}
	p.cmkd(0, "simulate", "jump", "9d")
	p.cmkd(0, "simulate", "load", "week.sim")
	if now := p.now().Now; now.After(saved.Now.Add(time.Hour)) {
		t.Errorf("loaded, it is %s; saved at %s", now, saved.Now)
	}

	p.stop(p.sim)
	p.simulate("--load", "week.sim")
	if now := p.now(); now.Now.After(saved.Now.Add(time.Hour)) || now.Speed != 60 {
		t.Errorf("started from what was saved, it is %s ×%g; saved at %s", now.Now, now.Speed, saved.Now)
	}
	if got := p.faults(); len(got) != 1 || got[0].Hit > struck+100 || got[0].Hit == 0 {
		t.Errorf("faults %v, the one had struck %d times", got, struck)
	}
}
