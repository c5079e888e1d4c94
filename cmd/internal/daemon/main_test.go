package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// sim is the simulated Azure that all tests of this package share: what leads a
// process to it, and whom it trusts, is read once from its environment.
var sim *Simulation //nolint:gochecknoglobals // see above

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cmkd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sim, err = OpenSimulation(ctx, SimulationOptions{
		Scenario: "demo", Listen: "127.0.0.1:0", Speed: 20_000, CAFile: filepath.Join(dir, "ca.pem"),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, v := range sim.Info().Environment {
		name, value, _ := strings.Cut(v, "=")
		os.Setenv(name, value)
	}
	os.Unsetenv("NO_PROXY")
	os.Unsetenv("no_proxy")
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx) }()
	code := m.Run()
	cancel()
	if err := <-served; err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}
