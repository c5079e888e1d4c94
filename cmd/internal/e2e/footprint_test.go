package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

// BenchmarkFootprint measures what the program weighs: the binary as it is
// released, the idle daemon with a thousand dependents, and the same daemon after
// a rotation of them.
func BenchmarkFootprint(b *testing.B) {
	const dependents = 1000
	var estate *estate
	for b.Loop() {
		estate = newEstateOf(b, wideScenario(dependents), wideConfiguration(dependents))
		estate.binary = filepath.Join(b.TempDir(), "release")
		build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", estate.binary, "cmkd/cmd/cmkd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			b.Fatalf("build: %v\n%s", err, out)
		}
		estate.start()
		<-time.After(3 * time.Second)
		b.ReportMetric(estate.resident(), "idle-MB")
		op, err := estate.client.Rotate(b.Context(), "payments", control.CommandRequest{})
		if err != nil {
			b.Fatal(err)
		}
		estate.until("the rotation ends", func() bool {
			got, err := estate.client.Operations(b.Context(), rotator.OperationQuery{Before: op.ID + 1, Limit: 1})
			return err == nil && len(got) == 1 && got[0].State.Final()
		})
		<-time.After(3 * time.Second)
		b.ReportMetric(estate.resident(), "rotated-MB")
		size, err := os.Stat(estate.binary)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(size.Size())/1e6, "binary-MB")
	}
}

func wideScenario(n int) string {
	return strings.Replace(scenario, "contosopayments, resource_group: rg,", fmt.Sprintf(`"st{n}", count: %d, resource_group: rg,`, n), 1)
}

func wideConfiguration(n int) string {
	head, _, _ := strings.Cut(configuration, "    dependents:\n")
	var b strings.Builder
	b.WriteString(head + "    dependents:\n")
	for i := range n {
		fmt.Fprintf(&b, "      - {id: %%[2]s/Microsoft.Storage/storageAccounts/st%d, window: 30m, poll: 30s}\n", i+1)
	}
	return b.String()
}

// resident returns the memory of the daemon in MB, as the kernel counts it.
func (s *estate) resident() float64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	var kB float64
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kB); err == nil {
			return kB / 1e3
		}
	}
	s.t.Fatal("the kernel does not say how much memory the daemon has")
	return 0
}
