package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/providers/notify"
	"cmkd/rotator"
)

const alertmanagerConfiguration = `
route: {receiver: hook, group_by: [...], group_wait: 10ms, group_interval: 50ms, repeat_interval: 1h}
receivers:
  - name: hook
    webhook_configs: [{url: %q, send_resolved: true}]
`

// alertmanager is a real Alertmanager on loopback, its cluster switched off, and the
// webhook that it notifies. Like any it forgets alerts when it is stopped, but not
// what it notified of.
type alertmanager struct {
	t       *testing.T
	binary  string
	dir     string
	address string
	log     *os.File
	cmd     *exec.Cmd

	mu       sync.Mutex
	webhooks []webhook
}

// webhook is one notification of Alertmanager (its webhook format, version 4).
type webhook struct {
	Status string         `json:"status"`
	Alerts []webhookAlert `json:"alerts"`
}

type webhookAlert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// heldAlert is an alert as Alertmanager lists it (gettableAlert of its API v2).
type heldAlert struct {
	Labels      map[string]string      `json:"labels"`
	Annotations map[string]string      `json:"annotations"`
	StartsAt    time.Time              `json:"startsAt"`
	EndsAt      time.Time              `json:"endsAt"`
	Fingerprint string                 `json:"fingerprint"`
	Status      struct{ State string } `json:"status"`
}

// newAlertmanager prepares an Alertmanager that is not started yet.
func newAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	binary, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Fatal("prometheus-alertmanager is missing: run make deps")
	}
	a := &alertmanager{t: t, binary: binary, dir: t.TempDir(), address: freeAddress(t)}
	hook := httptest.NewServer(http.HandlerFunc(a.take))
	t.Cleanup(hook.Close)
	a.write("alertmanager.yml", fmt.Sprintf(alertmanagerConfiguration, hook.URL))
	if a.log, err = os.Create(filepath.Join(a.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.stop()
		if t.Failed() {
			text, _ := os.ReadFile(a.log.Name())
			t.Log("Alertmanager:\n" + tail(string(text), 40))
		}
		a.log.Close()
	})
	return a
}

// startAlertmanager starts a real Alertmanager, which ends with the test.
func startAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	a := newAlertmanager(t)
	a.start()
	return a
}

// freeAddress is a port of loopback that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (a *alertmanager) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// url is its base URL, which stays.
func (a *alertmanager) url() string { return "http://" + a.address }

// start starts it, at the same address as before, and waits until it is ready.
func (a *alertmanager) start() {
	a.t.Helper()
	a.cmd = exec.Command(a.binary,
		"--config.file="+filepath.Join(a.dir, "alertmanager.yml"), "--storage.path="+filepath.Join(a.dir, "data"),
		"--web.listen-address="+a.address, "--cluster.listen-address=")
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.until("Alertmanager is ready", func() bool {
		_, status, err := a.get("/-/ready")
		return err == nil && status == http.StatusOK
	})
}

// stop ends it in order, and waits for that.
func (a *alertmanager) stop() {
	a.t.Helper()
	if a.cmd == nil {
		return
	}
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		a.t.Error(err)
	}
	// It is ready before it listens to signals: one that comes at once just ends it.
	err := a.cmd.Wait()
	if status, ok := a.cmd.ProcessState.Sys().(syscall.WaitStatus); err != nil && (!ok || status.Signal() != syscall.SIGTERM) {
		a.t.Errorf("Alertmanager: %v", err)
	}
	a.cmd = nil
}

func (a *alertmanager) get(path string) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url()+path, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return data, resp.StatusCode, err
}

// alerts are those that it holds and that go on.
func (a *alertmanager) alerts() (all []heldAlert) {
	a.t.Helper()
	data, status, err := a.get("/api/v2/alerts")
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal(data, &all)
	}
	if err != nil || status != http.StatusOK {
		a.t.Fatalf("list alerts: %d %v %s", status, err, data)
	}
	return all
}

func (a *alertmanager) take(w http.ResponseWriter, r *http.Request) {
	var hook webhook
	if err := json.NewDecoder(r.Body).Decode(&hook); err != nil {
		a.t.Errorf("webhook: %v", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.webhooks = append(a.webhooks, hook)
}

// notified are the alerts of all notifications so far, oldest first.
func (a *alertmanager) notified() (all []webhookAlert) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, hook := range a.webhooks {
		all = append(all, hook.Alerts...)
	}
	return all
}

// statuses are the notifications so far in short: "CmkdPropagationStalled firing".
func (a *alertmanager) statuses() (all []string) {
	for _, alert := range a.notified() {
		all = append(all, alert.Labels["alertname"]+" "+alert.Status)
	}
	return all
}

// until waits for something, looking often.
func (a *alertmanager) until(what string, reached func() bool) {
	a.t.Helper()
	limit := time.After(patience)
	for !reached() {
		select {
		case <-limit:
			a.t.Fatalf("%s passed before: %s; the webhook was sent: %v", patience, what, a.statuses())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// tell sends alerts by a notifier of its own, as after a restart of cmkd.
func (a *alertmanager) tell(now time.Time, alerts ...rotator.Alert) error {
	a.t.Helper()
	m, err := notify.NewAlertmanager(notify.AlertmanagerOptions{
		URLs: []string{a.url()}, Runbook: "https://cmkd.example.com/alerts.html", Resend: time.Minute,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return m.Notify(a.t.Context(), rotator.Notification{Alerts: alerts, Now: now, Instance: "e2e"})
}

func TestAlertmanager_TakesWhatNotifySends(t *testing.T) {
	am := startAlertmanager(t)
	now := time.Now().UTC()
	alert := rotator.Alert{
		ID: "propagation-stalled/op-1/storage", Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityCritical,
		Key: "payments", Operation: 1, Cause: "storage", Summary: "contosopayments has not taken the new version of payments",
		Affected: []rotator.Affected{{ID: "/x", Kind: "storage", Name: "contosopayments"}}, Count: 1,
		Next: "cmkd status op-1", Starts: now.Add(-time.Hour).Truncate(time.Millisecond),
	}
	tell := func(alerts ...rotator.Alert) {
		t.Helper()
		if err := am.tell(time.Now(), alerts...); err != nil {
			t.Fatal(err)
		}
	}

	tell(alert)
	first := am.onlyAlert(alert.Starts)
	if want := (map[string]string{
		"alertname": "CmkdPropagationStalled", "id": alert.ID, "rule": "propagation-stalled", "severity": "critical",
		"key": "payments", "operation": "op-1", "cause": "storage", "instance": "e2e",
	}); !cmp.Equal(want, first.Labels) {
		t.Errorf("labels: %s", cmp.Diff(want, first.Labels))
	}
	if first.EndsAt.Before(now.Add(2*time.Minute)) || first.Annotations["runbook_url"] != "https://cmkd.example.com/alerts.html#propagation-stalled" {
		t.Errorf("it ends at %s, annotations %v", first.EndsAt, first.Annotations)
	}
	am.until("the webhook is told that it fires", func() bool { return len(am.notified()) == 1 })

	// Again, with more to say of it, as the engine does while it goes on.
	alert.Summary, alert.Count = "contosopayments and others have not taken the new version of payments", 12
	tell(alert)
	again := am.onlyAlert(alert.Starts)
	if again.Fingerprint != first.Fingerprint || again.Annotations["summary"] != alert.Summary || again.EndsAt.Before(first.EndsAt) {
		t.Errorf("sent again it is %+v, was %+v", again, first)
	}

	// Another alert shows that the first was not told of a second time meanwhile.
	other := alert
	other.ID, other.Cause = "propagation-stalled/op-1/cosmosdb", "cosmosdb"
	tell(alert, other)
	am.until("the webhook is told of the other one", func() bool { return len(am.notified()) >= 2 })

	alert.Ends, other.Ends = time.Now(), time.Now()
	tell(alert, other)
	am.until("the webhook is told that both are over", func() bool { return len(am.notified()) >= 4 })
	if want := []string{
		"CmkdPropagationStalled firing", "CmkdPropagationStalled firing", "CmkdPropagationStalled resolved", "CmkdPropagationStalled resolved",
	}; !cmp.Equal(want, am.statuses()) {
		t.Errorf("the webhook was sent: %s", cmp.Diff(want, am.statuses()))
	}
	if left := am.alerts(); len(left) != 0 {
		t.Errorf("alerts left: %+v", left)
	}
	if last := am.notified()[3]; !strings.HasPrefix(last.Labels["id"], "propagation-stalled/op-1/") || !last.StartsAt.Equal(alert.Starts) {
		t.Errorf("the last one: %+v", last)
	}
}

// onlyAlert returns the only alert that goes on, and holds when it began.
func (a *alertmanager) onlyAlert(starts time.Time) heldAlert {
	a.t.Helper()
	all := a.alerts()
	if len(all) != 1 || !all[0].StartsAt.Equal(starts) {
		a.t.Fatalf("alerts %+v, want one that started at %s", all, starts)
	}
	return all[0]
}

func TestAlertmanager_IsToldAgainAfterItsRestart(t *testing.T) {
	am := startAlertmanager(t)
	alert := rotator.Alert{
		ID: "clock-jumped/daemon", Rule: rotator.RuleClockJumped, Severity: rotator.SeverityWarning,
		Summary: "The clock jumped", Starts: time.Now().UTC().Add(-time.Hour).Truncate(time.Millisecond),
	}
	if err := am.tell(time.Now(), alert); err != nil {
		t.Fatal(err)
	}
	before := am.onlyAlert(alert.Starts)
	am.until("the webhook is told", func() bool { return len(am.notified()) == 1 })
	am.stop()
	if e := rotator.AsError(am.tell(time.Now(), alert)); e.Code != rotator.CodeUnavailable || e.Hint == "" {
		t.Errorf("while it is down: %v, hint %q", e, e.Hint)
	}
	am.start()
	if left := am.alerts(); len(left) != 0 {
		t.Fatalf("it remembers alerts after all: %+v", left)
	}
	if err := am.tell(time.Now(), alert); err != nil {
		t.Fatal(err)
	}
	if after := am.onlyAlert(alert.Starts); after.Fingerprint != before.Fingerprint {
		t.Errorf("another alert: %+v, was %+v", after, before)
	}
	alert.Ends = time.Now()
	if err := am.tell(time.Now(), alert); err != nil {
		t.Fatal(err)
	}
	// An Alertmanager that is stopped between sending and noting what it sent
	// sends the beginning once more.
	am.until("the webhook is told that it is over", func() bool { return slices.Contains(am.statuses(), "CmkdClockJumped resolved") })
	if want, got := []string{"CmkdClockJumped firing", "CmkdClockJumped resolved"}, slices.Compact(am.statuses()); !cmp.Equal(want, got) {
		t.Errorf("the webhook was sent: %s", cmp.Diff(want, got))
	}
}
