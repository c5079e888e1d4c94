package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cmkd/providers/kind"
)

// build builds the real binary.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cmkd")
	out, err := command(t.Context(), "go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// command is a program with the usual umask, whatever this process has: the scripts
// that run meanwhile make sockets, for which it is changed for a moment.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "sh", append([]string{"-c", `umask 022 && exec "$0" "$@"`, program}, args...)...)
}

// played is what a demo shows without a terminal, with the real binary as two processes, faster
// than people would like to watch.
func played(t *testing.T, args ...string) string {
	t.Helper()
	tmp, err := os.MkdirTemp("", "cmkd") //nolint:usetesting // short: a socket is made below it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	demo := command(t.Context(), build(t), append([]string{"demo"}, args...)...)
	demo.Env = append(os.Environ(), "TMPDIR="+tmp, "NO_PROXY=*", "HTTPS_PROXY=http://127.0.0.1:1", "AZURE_CLIENT_ID=somebody-real")
	var errs strings.Builder
	demo.Stderr = &errs
	data, err := demo.Output()
	if err != nil {
		t.Fatalf("demo: %v\n%s\n%s", err, data, errs.String())
	}
	if strings.Contains(string(data), "\x1b") {
		t.Error("control characters without a terminal")
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("the demo leaves %v behind (%v)", left, err)
	}
	return string(data)
}

// TestDemo runs the whole demo.
func TestDemo(t *testing.T) {
	t.Parallel()
	out := played(t, "--speed", "14400")
	for _, want := range []string{
		"SIMULATED", "page is at http://127.0.0.1:",
		"storage contosopayments: propagating", "storage contosopayments: done, confirmed",
		"cosmosdb contoso-orders: propagating", "cosmosdb contoso-orders: done, inferred",
		"disk-encryption-set contoso-des: done, confirmed",
		"managed-cluster contoso-aks: done, confirmed",
		"container-group contoso-batch: done, confirmed",
		"blocked   dependent-discovered: disk-encryption-set contoso-des: nobody listed it", "blocked   blind-spot: cosmosdb contoso-orders",
		"blocked   dependent-inferred: cosmosdb contoso-orders", "The guard objects: the previous version stays enabled",
		"the service reports version", "follows the key and tells no version; the documented 24h ended at",
		"contoso-des, which a search had found, is listed", "a-1: contoso-orders; a person's word",
		"rotation of payments: probation", "op-1: rotation of payments is completed", "retired: version",
		"op-2: revocation of payments is effective", "op-3: reinstatement of payments is recovered",
		"The audit trail is intact",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// TestDemo_Estate has a dependent of every kind, each of which ends where it should be.
func TestDemo_Estate(t *testing.T) {
	t.Parallel()
	out := played(t, "--estate", "--speed", "7200")
	for _, k := range kind.Infos() {
		if done := regexp.MustCompile(`(?m)^\S.* ` + k.Kind + ` +(follows|pinned|fixed) +done +(` + string(k.Best) + `|inferred) `); !done.MatchString(out) {
			t.Errorf("no %s is done at the end", k.Kind)
		}
	}
	for _, want := range []string{"op-1: rotation of payments is completed", "retired: version", "blocked   dependent-inferred: kusto-cluster contosotelemetry", "The audit trail is intact"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
