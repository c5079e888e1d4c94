// Package metricstest runs the real promtool and the real Prometheus for tests.
package metricstest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// patience is how long something may take that takes a second or two.
	patience = time.Minute
	// pollEvery is how often Prometheus is asked meanwhile.
	pollEvery = 50 * time.Millisecond
	// grace is how long Prometheus may take to end.
	grace = 10 * time.Second
)

// tool returns the path of a program that make deps installs.
func tool(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		tb.Fatalf("%s is missing: run make deps", name)
	}
	return path
}

// Promtool runs promtool in a folder, with a text as its input, and returns what it
// says. Its complaints fail the test.
func Promtool(tb testing.TB, dir, input string, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), tool(tb, "promtool"), args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Prometheus is a running Prometheus, which ends with the test.
type Prometheus struct {
	tb      testing.TB
	address string
	ended   chan struct{} // closed once it has
	log     *log
}

// StartPrometheus starts a Prometheus on loopback that scrapes target (host:port)
// as the job cmkd and evaluates the rules in files, both every second.
func StartPrometheus(tb testing.TB, target string, files ...string) *Prometheus {
	tb.Helper()
	dir := tb.TempDir()
	config, err := json.Marshal(map[string]any{ // which is YAML, too
		"global":         map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"},
		"rule_files":     absolute(tb, files),
		"scrape_configs": []any{map[string]any{"job_name": "cmkd", "static_configs": []any{map[string]any{"targets": []string{target}}}}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		tb.Fatal(err)
	}
	p := &Prometheus{tb: tb, ended: make(chan struct{}), log: &log{}}
	p.run(exec.CommandContext(tb.Context(), tool(tb, "prometheus"),
		"--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0"))
	p.Until("Prometheus listens", func() bool {
		p.address = p.log.address()
		return p.address != ""
	})
	p.Until("Prometheus is ready", func() bool {
		status, _ := p.fetch("/-/ready")
		return status == http.StatusOK
	})
	return p
}

func absolute(tb testing.TB, files []string) (all []string) {
	tb.Helper()
	for _, f := range files {
		path, err := filepath.Abs(f)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, path)
	}
	return all
}

// run starts the program, whose context ends with the test.
func (p *Prometheus) run(cmd *exec.Cmd) {
	p.tb.Helper()
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if err := cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // that it was ended is no error
	}()
	p.tb.Cleanup(func() {
		<-p.ended
		if p.tb.Failed() {
			p.tb.Logf("prometheus says:\n%s", p.log)
		}
	})
}

// Until waits for something, looking often.
func (p *Prometheus) Until(what string, reached func() bool) {
	p.tb.Helper()
	limit := time.After(patience)
	for !reached() {
		select {
		case <-limit:
			p.tb.Fatalf("%s passed before: %s", patience, what)
		case <-p.ended:
			p.tb.Fatalf("prometheus ended before: %s", what)
		case <-time.After(pollEvery):
		}
	}
}

// Sample is one element of an instant vector.
type Sample struct {
	Labels map[string]string
	Value  string
}

// Query evaluates an expression that gives a vector.
func (p *Prometheus) Query(expr string) (all []Sample) {
	p.tb.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	p.get("query?query="+url.QueryEscape(expr), &data)
	for _, r := range data.Result {
		all = append(all, Sample{r.Metric, fmt.Sprint(r.Value[1])})
	}
	return all
}

// Target is a target that is scraped.
type Target struct {
	Health    string
	LastError string
	Labels    map[string]string
}

// Targets returns the targets.
func (p *Prometheus) Targets() []Target {
	p.tb.Helper()
	var data struct{ ActiveTargets []Target }
	p.get("targets", &data)
	return data.ActiveTargets
}

// Alert is an alert of a rule.
type Alert struct {
	State               string
	Labels, Annotations map[string]string
}

// Alerts returns the alerts, pending ones and firing ones.
func (p *Prometheus) Alerts() []Alert {
	p.tb.Helper()
	var data struct{ Alerts []Alert }
	p.get("alerts", &data)
	return data.Alerts
}

// Firing returns the firing alert of a rule, and false if there is none.
func (p *Prometheus) Firing(rule string) (Alert, bool) {
	p.tb.Helper()
	for _, a := range p.Alerts() {
		if a.State == "firing" && a.Labels["alertname"] == rule {
			return a, true
		}
	}
	return Alert{}, false
}

// get asks the API.
func (p *Prometheus) get(path string, data any) {
	p.tb.Helper()
	status, body := p.fetch("/api/v1/" + path)
	answer := struct {
		Status string
		Data   any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		p.tb.Fatalf("prometheus: GET %s: %d %v %s", path, status, err, body)
	}
}

func (p *Prometheus) fetch(path string) (status int, body []byte) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.tb.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		p.tb.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.tb.Fatal(err)
	}
	body, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close() // read to its end
	if err != nil {
		p.tb.Fatal(err)
	}
	return resp.StatusCode, body
}

// log is what a program wrote.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var listening = regexp.MustCompile(`msg="?Listening on"? address=(127\.0\.0\.1:[1-9][0-9]*)`)

// address returns where it listens, once it does.
func (l *log) address() string {
	if found := listening.FindStringSubmatch(l.String()); found != nil {
		return found[1]
	}
	return ""
}
