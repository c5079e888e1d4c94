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
	"sync"
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
	// Load, if set, is a saved simulation to go on with instead of a scenario.
	Load string
	// Control, if set, is the socket by which it is controlled while it runs.
	Control string
	// ClockFile, if set, is where the time goes that a daemon beside it follows.
	ClockFile string
	// Slow, if set, is told of a stage of the start that takes longer than a second.
	Slow func(stage string)
	// Log, if set, hears of how open questions about Azure are answered, and of
	// each exchange, on one line each.
	Log func(line string)
}

// Simulation is a simulated Azure that can be served.
type Simulation struct {
	o        SimulationOptions
	clock    *SimulatedClock
	proxy    *azuresim.Proxy
	listener net.Listener
	control  net.Listener // nil if it cannot be controlled

	mu    sync.Mutex // one change of the clock or of the estate at a time
	world world
}

// world is the simulated Azure that answers at present.
type world struct {
	scenario *azuresim.Scenario
	server   *azuresim.Server
}

// SimulationInfo is what a client needs to know of a simulation.
type SimulationInfo struct {
	Scenario string `json:"scenario"`
	Proxy    string `json:"proxy"`
	CAFile   string `json:"ca_file"`
	// SimulatedClock is for `cmkd run --simulated-clock`.
	SimulatedClock string `json:"simulated_clock"`
	// Control is the socket by which it is controlled, empty if there is none.
	Control string `json:"control,omitempty"`
	// Environment has NAME=VALUE for each variable that a client has to be given.
	Environment []string `json:"environment"`
}

// OpenSimulation reads the scenario, listens, and writes the certificate.
// [Simulation.Serve] starts it.
func OpenSimulation(ctx context.Context, o SimulationOptions) (*Simulation, error) {
	s := &Simulation{o: o}
	open := s.build
	if o.Load != "" {
		open = s.restore
	}
	var err error
	if s.world, err = open(); err != nil {
		return nil, err
	}
	if o.Log != nil {
		for _, q := range s.world.server.Quirks() {
			o.Log(q.String())
		}
	}
	if s.proxy, err = azuresim.NewProxy(s.world.server); err != nil {
		return nil, fmt.Errorf("make the proxy: %w", err)
	}
	if o.Control != "" { // first: one that runs here must keep its files
		if s.control, err = listenControl(ctx, o.Control); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(o.CAFile, s.proxy.CAPEM(), 0o644); err != nil {
		return nil, errors.Join(fmt.Errorf("write the certificate: %w", err), s.closeControl())
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), s.closeControl())
	}
	// It starts now, however long all that took.
	if s.clock.file, err = absolute(o.ClockFile); err == nil {
		err = s.clock.show(s.clock.Timeline().Epoch)
	}
	if err != nil {
		return nil, errors.Join(err, s.listener.Close(), s.closeControl())
	}
	return s, nil
}

// build makes the estate of the scenario.
func (s *Simulation) build() (w world, err error) {
	err = s.o.stage("reading the scenario "+s.o.Scenario, func() (err error) {
		w.scenario, err = loadScenario(s.o.Scenario)
		return err
	})
	if err != nil {
		return w, err
	}
	if err := s.start(w.scenario.Epoch(), s.o.Speed, w.scenario.Speed); err != nil {
		return w, err
	}
	err = s.o.stage("building the estate of "+w.scenario.Name, func() (err error) {
		w.server, err = azuresim.New(w.scenario, azuresim.Options{Clock: s.clock, Log: s.exchange()})
		return err
	})
	if err != nil {
		return w, fmt.Errorf("simulate %s: %w", w.scenario.Name, err)
	}
	return w, nil
}

// restore makes the estate that was saved.
func (s *Simulation) restore() (w world, err error) {
	data, err := os.ReadFile(s.o.Load)
	if err != nil {
		return w, fmt.Errorf("read what was saved: %w", err)
	}
	err = s.o.stage("bringing back what was saved in "+s.o.Load, func() error {
		save, err := azuresim.ReadSave(s.o.Load, data)
		if err != nil {
			return err
		}
		if err := s.start(save.Now, s.o.Speed, save.Speed); err != nil {
			return err
		}
		w, err = s.of(save)
		return err
	})
	return w, err
}

// start makes the clock, with the first speed that is given.
func (s *Simulation) start(epoch time.Time, speeds ...float64) error {
	speed := 1.0
	if i := slices.IndexFunc(speeds, func(speed float64) bool { return speed != 0 }); i >= 0 {
		speed = speeds[i]
	}
	if err := checkSpeed(speed); err != nil {
		return err
	}
	s.clock = NewSimulatedClock(epoch, time.Now(), speed)
	return nil
}

// of makes the world that was saved.
func (s *Simulation) of(save *azuresim.Save) (w world, err error) {
	if w.server, err = save.Restore(azuresim.Options{Clock: s.clock, Log: s.exchange()}); err != nil {
		return w, err
	}
	w.scenario = w.server.Scenario()
	return w, nil
}

// slowStage is how long a stage of the start may take before it is told of.
const slowStage = time.Second

// stage does a part of the start, and says what it is if it takes long.
func (o *SimulationOptions) stage(what string, do func() error) error {
	if o.Slow != nil {
		defer time.AfterFunc(slowStage, func() { o.Slow(what) }).Stop()
	}
	return do()
}

// absolute is [filepath.Abs], but of nothing makes nothing.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	return abs, nil
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
func (s *Simulation) Serve(ctx context.Context) error {
	if s.control == nil {
		return s.proxy.Serve(ctx, s.listener)
	}
	stop := s.serveControl()
	return errors.Join(s.proxy.Serve(ctx, s.listener), stop())
}

// Clock returns the simulation's clock.
func (s *Simulation) Clock() *SimulatedClock { return s.clock }

// Info returns what a client needs to know.
func (s *Simulation) Info() SimulationInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info()
}

func (s *Simulation) info() SimulationInfo {
	ca, err := absolute(s.o.CAFile)
	if err != nil {
		ca = s.o.CAFile
	}
	socket, err := absolute(s.o.Control)
	if err != nil {
		socket = s.o.Control
	}
	proxy := "http://" + s.listener.Addr().String()
	// A scenario without clients lets everybody in, by any name.
	id, secret := "00000000-0000-4000-8000-000000000001", "simulated"
	if clients := s.world.scenario.Clients; len(clients) > 0 {
		id, secret = clients[0].ID, clients[0].Secret
	}
	return SimulationInfo{
		Scenario: s.world.scenario.Name, Proxy: proxy, CAFile: ca, SimulatedClock: s.clock.Flag(), Control: socket,
		Environment: []string{
			"HTTPS_PROXY=" + proxy, "SSL_CERT_FILE=" + ca, "NODE_EXTRA_CA_CERTS=" + ca, "REQUESTS_CA_BUNDLE=" + ca,
			"AZURE_TENANT_ID=" + s.world.server.Tenant(), "AZURE_CLIENT_ID=" + id, "AZURE_CLIENT_SECRET=" + secret,
		},
	}
}

// WriteInfo writes what a client needs to know to a file, which appears whole.
func (s *Simulation) WriteInfo(path string) error {
	data, err := json.MarshalIndent(s.Info(), "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return replaceFile(path, data, 0o600)
}
