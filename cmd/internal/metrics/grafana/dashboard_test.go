package grafana

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write configs/grafana/cmkd.json anew")

const file = "../../../../configs/grafana/cmkd.json"

// TestDashboard holds that the file is what the table of panels says; with -update
// it makes it so. That the panels ask for what exists is held in package metrics.
func TestDashboard(t *testing.T) {
	t.Parallel()
	want, err := JSON()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil { //nolint:gosec // it is public
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s is not what the panels say: go generate ./cmd/internal/metrics/grafana", file)
	}
}
