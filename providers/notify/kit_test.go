package notify_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/rotator"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const runbook = "https://cmkd.example.com/docs/alerts.html"

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// stalled is a firing alert of three storage accounts, of which two are named.
func stalled() rotator.Alert {
	return rotator.Alert{
		ID: "propagation-stalled/op-17/storage", Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityCritical,
		Key: "payments", Operation: 17, Cause: "storage",
		Summary:  "3 storage accounts have not taken the new version of payments for 26 hours",
		Affected: []rotator.Affected{dependent("contosopayments"), dependent("contosoledger")}, Count: 3,
		Hint: "grant \"Key Vault Crypto Service Encryption User\" to the identity of contosopayments",
		Next: "cmkd status op-17", Starts: noon.Add(-2 * time.Hour),
	}
}

// ended is a resolved alert of the daemon itself.
func ended() rotator.Alert {
	return rotator.Alert{
		ID: "clock-jumped/daemon", Rule: rotator.RuleClockJumped, Severity: rotator.SeverityInfo,
		Summary: "The clock of this machine jumped ahead by 3h0m0s",
		Starts:  noon.Add(-72 * time.Hour), Ends: noon.Add(-time.Minute),
	}
}

func dependent(name string) rotator.Affected {
	return rotator.Affected{
		ID:   "/subscriptions/0a1b2c3d-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/" + name,
		Kind: "storage", Name: name,
	}
}

// crowd is more dependents than any text names.
func crowd(n int) (all []rotator.Affected) {
	for i := range min(n, rotator.AffectedMost) {
		all = append(all, dependent(fmt.Sprintf("contoso%04d", i)))
	}
	return all
}

// many makes n different firing alerts.
func many(n int) []rotator.Alert {
	all := make([]rotator.Alert, n)
	for i := range all {
		all[i] = stalled()
		all[i].Operation = rotator.OperationID(i + 1)
		all[i].ID = "propagation-stalled/" + all[i].Operation.String() + "/storage"
	}
	return all
}

func notification(alerts ...rotator.Alert) rotator.Notification {
	return rotator.Notification{Alerts: alerts, Now: noon, Instance: "prod-1"}
}

// file writes a file and returns its path.
func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// golden compares got with the file of that name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-update rewrites it):\n%s", name, diff)
	}
}

// wantError checks the class of an error and that it says what it must.
func wantError(t *testing.T, err error, code rotator.Code) *rotator.Error {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one of %s", code)
	}
	e := rotator.AsError(err)
	if e.Code != code {
		t.Errorf("code %s, want %s: %v", e.Code, code, err)
	}
	return e
}
