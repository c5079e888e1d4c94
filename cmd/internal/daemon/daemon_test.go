package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
	"cmkd/store/bolt"
)

// recorder is a service manager that remembers what it was told.
type recorder struct {
	mu    sync.Mutex
	lines []string
	every time.Duration
}

func (r *recorder) note(line string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	return nil
}

func (r *recorder) Ready() error                            { return r.note("READY") }
func (r *recorder) Status(line string) error                { return r.note("STATUS " + line) }
func (r *recorder) Reloading() error                        { return r.note("RELOADING") }
func (r *recorder) Stopping() error                         { return r.note("STOPPING") }
func (r *recorder) Ping() error                             { return r.note("PING") }
func (r *recorder) WatchdogInterval() (time.Duration, bool) { return r.every, r.every > 0 }

func (r *recorder) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

// running is a daemon under test.
type running struct {
	t       *testing.T
	dir     string
	client  *control.Client
	manager *recorder
	reload  chan os.Signal
	log     *bufio.Scanner
	cancel  context.CancelFunc
	done    chan error
}

const demoKeys = `
  - name: payments
    uri: https://contoso-prod.vault.azure.net/keys/payments
    soak: 0s
    dependents:
      - id: /subscriptions/0a1b2c3d-0000-4000-8000-000000000001/resourceGroups/contoso-batch/providers/Microsoft.ContainerInstance/containerGroups/contoso-batch
        recreate: true
`

// writeConfig writes a configuration whose files are in dir.
func writeConfig(t *testing.T, dir, keys string) string {
	t.Helper()
	path := filepath.Join(dir, "cmkd.yaml")
	text := fmt.Sprintf("store: %s/cmkd.db\nsocket: %s/s\nazure: {credential: environment}\nroles: {approvers: ['uid:%d']}\nkeys:%s",
		dir, dir, os.Getuid(), keys)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cmkd") //nolint:usetesting // a socket is made below it, whose path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// start runs a daemon on the simulated Azure until the test ends.
func start(t *testing.T, dir string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	logs, logTo := io.Pipe()
	r := &running{
		t: t, dir: dir, client: control.NewClient(filepath.Join(dir, "s")), manager: &recorder{},
		reload: make(chan os.Signal, 1), log: bufio.NewScanner(logs), cancel: cancel, done: make(chan error, 1),
	}
	ready := make(chan struct{})
	o := Options{
		ConfigPath: filepath.Join(dir, "cmkd.yaml"), Clock: sim.Clock(), Log: &tee{to: logTo}, Notifier: r.manager,
		Reload: r.reload, Ready: func() { close(ready) }, About: control.Version{Version: "test"},
	}
	go func() {
		r.done <- Run(ctx, o)
		logTo.Close()
	}()
	select {
	case <-ready:
	case err := <-r.done:
		t.Fatalf("the daemon does not start: %v", err)
	}
	t.Cleanup(r.stop)
	return r
}

// tee hands log lines to whoever reads them, and drops them if nobody does.
type tee struct {
	mu      sync.Mutex
	pending []byte
	busy    bool
	to      *io.PipeWriter
}

func (w *tee) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, p...)
	if !w.busy {
		w.busy = true
		go w.pump()
	}
	return len(p), nil
}

func (w *tee) pump() {
	for {
		w.mu.Lock()
		data := w.pending
		w.pending = nil
		w.busy = len(data) > 0
		w.mu.Unlock()
		if len(data) == 0 {
			return
		}
		if _, err := w.to.Write(data); err != nil {
			return
		}
	}
}

// stop stops the daemon as SIGTERM does. Stopping twice is harmless.
func (r *running) stop() {
	r.t.Helper()
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	go io.Copy(io.Discard, readerOf(r.log)) // let the rest of the log go
	if err := <-r.done; err != nil {
		r.t.Errorf("the daemon stopped with %v", err)
	}
	r.client.Close()
}

type scanReader struct{ s *bufio.Scanner }

func readerOf(s *bufio.Scanner) io.Reader { return scanReader{s} }

func (r scanReader) Read([]byte) (int, error) {
	for r.s.Scan() {
	}
	return 0, io.EOF
}

// logged waits for a log line with a message and returns its fields.
func (r *running) logged(message string) map[string]any {
	r.t.Helper()
	for r.log.Scan() {
		var line map[string]any
		if err := json.Unmarshal(r.log.Bytes(), &line); err != nil {
			r.t.Fatalf("log line %s is no JSON: %v", r.log.Text(), err)
		}
		if line["message"] == message {
			return line
		}
	}
	r.t.Fatalf("the log ends without %q", message)
	return nil
}

// until waits for an event of a type.
func (r *running) until(t rotator.EventType, says string) rotator.Event {
	r.t.Helper()
	var found rotator.Event
	stop := fmt.Errorf("found")
	err := r.client.Follow(r.t.Context(), rotator.EventFilter{}, func(e rotator.Event) error {
		if e.Type == t && strings.Contains(e.Message, says) {
			found = e
			return stop
		}
		return nil
	})
	if err != stop { //nolint:errorlint // it is handed back as it is
		r.t.Fatalf("no event %s with %q: %v", t, says, err)
	}
	return found
}

// TestRun drives a rotation through everything that is real: configuration,
// store, clients of Azure over the proxy, engine, socket.
func TestRun(t *testing.T) {
	dir := shortDir(t)
	writeConfig(t, dir, demoKeys)
	r := start(t, dir)
	s, err := r.client.Summary(t.Context())
	if err != nil || s.Keys != 1 || !strings.HasPrefix(s.SimulatedClock, "×20000") {
		t.Fatalf("summary is %+v (%v)", s, err)
	}
	if warned := r.logged("SIMULATED CLOCK: this daemon does not live in real time"); warned["level"] != "warn" {
		t.Errorf("the simulated clock is logged as %v", warned)
	}
	op, err := r.client.Rotate(t.Context(), "payments", control.CommandRequest{Reason: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.until(rotator.EventStateChanged, "retiring")
	created := r.logged(string(rotator.EventVersionCreated))
	if created["key"] != "payments" || created["operation"] != op.ID.String() {
		t.Errorf("a new version is logged as %v", created)
	}
	// Others use the key in that subscription, and the configuration does not have them.
	if _, err := r.client.Retire(t.Context(), "payments", control.CommandRequest{}); err == nil || !strings.Contains(err.Error(), "nobody listed it") {
		t.Fatalf("retire: %v", err)
	}
	if report, err := r.client.Verify(t.Context()); err != nil || report.Events == 0 {
		t.Errorf("audit: %+v, %v", report, err)
	}
	copied := filepath.Join(dir, "copy.db")
	if b, err := r.client.Backup(t.Context(), copied); err != nil || b.Bytes == 0 {
		t.Errorf("backup: %+v, %v", b, err)
	}
	if report, err := VerifyStore(t.Context(), copied); err != nil || report.Events == 0 {
		t.Errorf("audit of the backup: %+v, %v", report, err)
	}
	if _, err := VerifyStore(t.Context(), filepath.Join(dir, "cmkd.db")); rotator.CodeOf(err) != rotator.CodeConflict {
		t.Errorf("audit of a store in use: %v", err)
	}
	r.stop()
	if told := r.manager.told(); told[0] != "READY" || told[len(told)-1] != "STOPPING" || !strings.HasPrefix(told[1], "STATUS ") {
		t.Errorf("the service manager was told %q", told)
	}
	if _, err := os.Stat(filepath.Join(dir, "s")); !os.IsNotExist(err) {
		t.Errorf("the socket stays behind: %v", err)
	}
	again := start(t, dir)
	if got, err := again.client.Operation(t.Context(), op.ID); err != nil || got.State != rotator.StateRetiring {
		t.Errorf("after a restart the rotation is %+v (%v)", got.Operation, err)
	}
}

func TestRun_Reload(t *testing.T) {
	dir := shortDir(t)
	path := writeConfig(t, dir, demoKeys)
	r := start(t, dir)
	more := demoKeys + "  - name: archive\n    uri: https://contoso-prod.vault.azure.net/keys/archive\n"

	writeConfig(t, dir, demoKeys+"  - nonsense\n")
	_, err := r.client.Reload(t.Context())
	if e := rotator.AsError(err); e.Code != rotator.CodeInvalid || !strings.Contains(e.Error(), path+":") || strings.Contains(e.Error(), "\n") {
		t.Errorf("a bad configuration is answered by %v", err)
	}
	r.reload <- syscall.SIGHUP
	if line := r.logged("reload refused, the old configuration stays"); line["level"] != "error" {
		t.Errorf("a bad configuration is logged as %v", line)
	}
	if s, err := r.client.Summary(t.Context()); err != nil || s.Keys != 1 {
		t.Errorf("after a refused reload: %+v, %v", s, err)
	}

	writeConfig(t, dir, more+"limits: {calls: 3}\n")
	reloaded, err := r.client.Reload(t.Context())
	if err != nil || reloaded.Keys != 2 || !slices.ContainsFunc(reloaded.Warnings, func(w string) bool { return strings.HasPrefix(w, "limits changed") }) {
		t.Errorf("a good configuration: %+v, %v", reloaded, err)
	}
	if k, err := r.client.Key(t.Context(), "archive"); err != nil || k.Retire != rotator.RetireManual {
		t.Errorf("the new key is %+v (%v)", k, err)
	}
	writeConfig(t, dir, more)
	r.reload <- syscall.SIGHUP
	r.logged("configuration reloaded")
	r.logged("configuration reloaded")
	if told := r.manager.told(); !slices.Contains(told, "RELOADING") {
		t.Errorf("the service manager was told %q", told)
	}
}

// TestRun_Refused checks that what stops a daemon from starting is one line that
// names the next step, and leaves nothing open.
func TestRun_Refused(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		says    string
	}{
		"a bad configuration": {func(t *testing.T, dir string) { writeConfig(t, dir, "\n  - nonsense\n") }, "cmkd.yaml:6:"},
		"no configuration":    {func(*testing.T, string) {}, "cmkd.yaml"},
		"a vault of another cloud": {func(t *testing.T, dir string) {
			writeConfig(t, dir, "\n  - name: a\n    uri: https://contoso.vault.azure.cn/keys/a\n")
		}, "vault.azure.cn"},
		"a damaged store": {func(t *testing.T, dir string) {
			writeConfig(t, dir, demoKeys)
			if err := os.WriteFile(filepath.Join(dir, "cmkd.db"), []byte(strings.Repeat("garbage", 9999)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "cmkd.db"},
		"a store in use": {func(t *testing.T, dir string) {
			writeConfig(t, dir, demoKeys)
			s, err := bolt.Open(filepath.Join(dir, "cmkd.db"), bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
		}, "cmkd.db"},
		"a socket that is a file": {func(t *testing.T, dir string) {
			writeConfig(t, dir, demoKeys)
			if err := os.WriteFile(filepath.Join(dir, "s"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a socket"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			test.prepare(t, dir)
			o := Options{ConfigPath: filepath.Join(dir, "cmkd.yaml"), Log: io.Discard, Notifier: &recorder{}, Clock: sim.Clock()}
			err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error is %v, want one line with %q", err, test.says)
			}
		})
	}
	t.Run("releases the store", func(t *testing.T) {
		dir := shortDir(t)
		writeConfig(t, dir, demoKeys)
		socket := filepath.Join(dir, "s")
		if err := os.WriteFile(socket, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), Options{ConfigPath: filepath.Join(dir, "cmkd.yaml"), Log: io.Discard, Notifier: &recorder{}}); err == nil {
			t.Fatal("no error")
		}
		os.Remove(socket)
		start(t, dir)
	})
}

func TestRun_SecondDaemon(t *testing.T) {
	dir := shortDir(t)
	writeConfig(t, dir, demoKeys)
	r := start(t, dir)
	err := Run(t.Context(), Options{ConfigPath: filepath.Join(dir, "cmkd.yaml"), Log: io.Discard, Notifier: &recorder{}, Clock: sim.Clock()})
	if rotator.CodeOf(err) != rotator.CodeConflict {
		t.Errorf("a second daemon gets %v", err)
	}
	if _, err := r.client.Summary(t.Context()); err != nil {
		t.Errorf("the first one suffers: %v", err)
	}
}
