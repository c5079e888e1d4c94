package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cmkd/providers/azuresim"
	"cmkd/rotator"
)

// SimulationOptions say what to simulate. The zero value simulates the scenario
// demo on a port of the system's choice.
type SimulationOptions struct {
	// Scenario is the name of an embedded scenario, or a file.
	Scenario string
	// Listen is a loopback address.
	Listen string
	// Speed overrides the scenario's.
	Speed float64
	// CAFile is where the certificate goes that clients have to trust.
	CAFile string
	// Log, if set, hears of how open questions about Azure are answered, and of
	// each exchange, on one line each.
	Log func(line string)
}

// Simulation is a simulated Azure that can be served.
type Simulation struct {
	o        SimulationOptions
	clock    *SimulatedClock
	scenario *azuresim.Scenario
	tenant   string
	proxy    *azuresim.Proxy
	listener net.Listener
}

// SimulationInfo is what a client needs to know of a simulation.
type SimulationInfo struct {
	Scenario string `json:"scenario"`
	Proxy    string `json:"proxy"`
	CAFile   string `json:"ca_file"`
	// SimulatedClock is for `cmkd run --simulated-clock`.
	SimulatedClock string `json:"simulated_clock"`
	// Environment has NAME=VALUE for each variable that a client has to be given.
	Environment []string `json:"environment"`
}

// OpenSimulation reads the scenario, listens, and writes the certificate.
// [Simulation.Serve] starts it.
func OpenSimulation(ctx context.Context, o SimulationOptions) (*Simulation, error) {
	s := &Simulation{o: o}
	var err error
	if s.scenario, err = loadScenario(o.Scenario); err != nil {
		return nil, err
	}
	speed := o.Speed
	for _, otherwise := range []float64{s.scenario.Speed, 1} {
		if speed == 0 {
			speed = otherwise
		}
	}
	if !(speed > 0 && speed <= maxSpeed) {
		return nil, rotator.Errorf(rotator.CodeInvalid, "speed %g is not between 0 and %g", speed, float64(maxSpeed))
	}
	s.clock = &SimulatedClock{Epoch: s.scenario.Epoch(), Anchor: time.Now(), Speed: speed}
	server, err := azuresim.New(s.scenario, azuresim.Options{
		Clock: azuresim.NewScaledClock(s.clock.Epoch, s.clock.Anchor, speed), Log: s.exchange(),
	})
	if err != nil {
		return nil, fmt.Errorf("simulate %s: %w", s.scenario.Name, err)
	}
	s.tenant = server.Tenant()
	if o.Log != nil {
		for _, q := range server.Quirks() {
			o.Log(q.String())
		}
	}
	if s.proxy, err = azuresim.NewProxy(server); err != nil {
		return nil, fmt.Errorf("make the proxy: %w", err)
	}
	if err := os.WriteFile(o.CAFile, s.proxy.CAPEM(), 0o644); err != nil {
		return nil, fmt.Errorf("write the certificate: %w", err)
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return s, nil
}

func loadScenario(name string) (*azuresim.Scenario, error) {
	if slices.Contains(azuresim.Scenarios(), name) {
		return azuresim.NamedScenario(name)
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, rotator.Errorf(rotator.CodeNotFound, "no scenario %q, and no such file", name).
			WithHint("choose one of %s, or a file", strings.Join(azuresim.Scenarios(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	return azuresim.ParseScenario(name, data)
}

func (s *Simulation) exchange() func(azuresim.Exchange) {
	if s.o.Log == nil {
		return nil
	}
	return func(e azuresim.Exchange) {
		line := fmt.Sprintf("%s %d %s %s%s", e.Time.UTC().Format(time.RFC3339), e.Status, e.Method, e.Host, e.Path)
		if e.Fault != "" {
			line += " fault " + e.Fault
		}
		s.o.Log(line)
	}
}

// Serve answers until ctx is done.
func (s *Simulation) Serve(ctx context.Context) error { return s.proxy.Serve(ctx, s.listener) }

// Clock returns the simulation's clock.
func (s *Simulation) Clock() *SimulatedClock { return s.clock }

// Info returns what a client needs to know.
func (s *Simulation) Info() SimulationInfo {
	ca, err := filepath.Abs(s.o.CAFile)
	if err != nil {
		ca = s.o.CAFile
	}
	proxy := "http://" + s.listener.Addr().String()
	// A scenario without clients lets everybody in, by any name.
	id, secret := "00000000-0000-4000-8000-000000000001", "simulated"
	if len(s.scenario.Clients) > 0 {
		id, secret = s.scenario.Clients[0].ID, s.scenario.Clients[0].Secret
	}
	return SimulationInfo{
		Scenario: s.scenario.Name, Proxy: proxy, CAFile: ca, SimulatedClock: s.clock.Flag(),
		Environment: []string{
			"HTTPS_PROXY=" + proxy, "SSL_CERT_FILE=" + ca, "NODE_EXTRA_CA_CERTS=" + ca, "REQUESTS_CA_BUNDLE=" + ca,
			"AZURE_TENANT_ID=" + s.tenant, "AZURE_CLIENT_ID=" + id, "AZURE_CLIENT_SECRET=" + secret,
		},
	}
}

// WriteInfo writes what a client needs to know to a file, which appears whole.
func (s *Simulation) WriteInfo(path string) error {
	data, err := json.MarshalIndent(s.Info(), "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
