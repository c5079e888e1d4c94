package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

// askedDaemon answers everything with nothing and remembers the reasons given.
type askedDaemon struct {
	mu      sync.Mutex
	reasons []string
}

// ServeHTTP implements [http.Handler].
func (d *askedDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	var body struct{ Reason string }
	_ = json.Unmarshal(text, &body) // a request to look has no body
	d.mu.Lock()
	defer d.mu.Unlock()
	if body.Reason != "" {
		d.reasons = append(d.reasons, body.Reason)
	}
	answer := "{}"
	if r.Method == http.MethodGet && r.URL.Path != "/v1/summary" {
		answer = "[]"
	}
	_, _ = io.WriteString(w, answer)
}

// listen serves on a socket and returns its name.
func (d *askedDaemon) listen(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cmkd") //nolint:usetesting // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := control.Listen(t.Context(), socket, "")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(d)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return socket
}

// withReason returns the commands that take a reason, by their names.
func withReason(c *cobra.Command) (names []string) {
	if c.Flags().Lookup("reason") != nil {
		names = append(names, strings.TrimPrefix(c.CommandPath(), "cmkd "))
	}
	for _, child := range c.Commands() {
		names = append(names, withReason(child)...)
	}
	return names
}

// TestReason holds that every command by which a person decides takes a reason,
// and that what is given arrives at the daemon.
func TestReason(t *testing.T) {
	t.Parallel()
	commands := map[string][]string{
		"rotate": {"payments"}, "revoke": {"payments", "--confirm", "payments"}, "reinstate": {"payments"}, "retire": {"payments"},
		"approve": {"op-17"}, "cancel": {"op-17"}, "silence": {"--key", "payments", "--for", "2h"}, "silence end": {"s-1"},
		"attest": {"payments", "ledger", "--until", "30d"}, "attest end": {"a-1"},
		"freeze": {"--key", "payments"}, "freeze end": {"f-1"}, "unfreeze": {"f-1"},
	}
	taking := withReason(newRoot(newApp(strings.NewReader(""), io.Discard, io.Discard, func(string) string { return "" })))
	for _, name := range taking {
		if commands[name] == nil {
			t.Errorf("cmkd %s takes a reason, and this test does not hold that it arrives", name)
		}
	}
	for name, args := range commands {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !slices.Contains(taking, name) {
				t.Fatalf("cmkd %s takes no reason", name)
			}
			d := &askedDaemon{}
			var errs strings.Builder
			line := append([]string{"--socket", d.listen(t)}, strings.Fields(name)...)
			line = append(append(line, args...), "--reason", "INC-4711 "+name)
			if code := run(line, strings.NewReader(""), io.Discard, &errs); code != 0 {
				t.Fatalf("exit code %d: %s", code, errs.String())
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if want := []string{"INC-4711 " + name}; !slices.Equal(d.reasons, want) {
				t.Errorf("the daemon was given the reasons %q, want %q", d.reasons, want)
			}
		})
	}
}

func TestPrintOperation_approval(t *testing.T) {
	t.Parallel()
	op := rotator.OperationStatus{Operation: rotator.Operation{ID: 17, Approvals: []rotator.Approval{
		{Actor: "bob", At: noon(), Reason: "confirmed by phone"}, {Actor: "carol", At: noon()},
	}}}
	got := printed(func(a *app) { a.printOperation(&moment{op: op, now: noon()}) })
	for _, want := range []string{" by bob (confirmed by phone)\n", " by carol\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
}
