package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"cmkd/providers/azuresim"
	"cmkd/rotator"
)

const (
	// ControlSocket is the name of the socket by which a simulation is controlled,
	// beside the certificate.
	ControlSocket = "cmkd-simulated.sock"
	// maxSocketPath is what a unix socket's address has room for.
	maxSocketPath = 107
	// maxControlBody bounds what is sent to a simulation: a saved one may be large.
	maxControlBody = 1 << 30
)

// ClockFileOf is the file that a daemon's clock follows, beside the socket by which
// the simulation is controlled.
func ClockFileOf(control string) string { return strings.TrimSuffix(control, ".sock") + ".clock" }

// SimulationTime is the simulated time, and how fast it passes.
type SimulationTime struct {
	Scenario string    `json:"scenario"`
	Now      time.Time `json:"now"`
	Speed    float64   `json:"speed"`
}

// SimulatedFault is a fault of a running simulation.
type SimulatedFault struct {
	Name string `json:"name"`
	Do   string `json:"do"`
	// Match and When are written as NAME=VALUE.
	Match []string `json:"match"`
	When  []string `json:"when"`
	// Since is when its after and until began to count.
	Since time.Time `json:"since"`
	// Seen is how many requests matched, Hit how many of them it struck.
	Seen int `json:"seen"`
	Hit  int `json:"hit"`
}

// LoadedSimulation is what a loaded simulation is.
type LoadedSimulation struct {
	SimulationTime
	// Changed says that clients need another environment than before.
	Changed     bool     `json:"changed"`
	Environment []string `json:"environment"`
}

// The bodies of the control surface.
type (
	jumpRequest   struct{ By string }
	speedRequest  struct{ Speed float64 }
	clearedFaults struct{ Cleared int }
)

// listenControl makes the socket at path, for its owner only. One that nobody listens
// on is replaced.
func listenControl(ctx context.Context, path string) (net.Listener, error) {
	address, done, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	if conn, err := new(net.Dialer).DialContext(ctx, "unix", address); err == nil {
		done()
		return nil, errors.Join(rotator.Errorf(rotator.CodeConflict, "another simulation is controlled by %s", path).
			WithHint("stop it, or give this one another socket with --control"), conn.Close())
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		err = os.Remove(path)
		if err != nil {
			done()
			return nil, fmt.Errorf("remove the socket of a simulation that ended: %w", err)
		}
	}
	// The socket must not be open to others between bind and chmod.
	old := syscall.Umask(0o177)
	l, err := new(net.ListenConfig).Listen(ctx, "unix", address)
	syscall.Umask(old)
	if err != nil {
		done()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return &socketListener{l, done}, nil
}

// socketListener gives its directory back when it ends.
type socketListener struct {
	net.Listener
	done func()
}

// Close removes the socket.
func (l *socketListener) Close() error {
	err := l.Listener.Close()
	l.done()
	return err
}

// socketAddress returns an address for the socket at path that has room in the
// system's structure, and what to call once it is not used any more: a path that is
// too long is reached by way of its open directory.
func socketAddress(path string) (address string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("open the directory of the socket: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}

func (s *Simulation) closeControl() error {
	if s.control == nil {
		return nil
	}
	return s.control.Close()
}

// serveControl serves the control surface until stop is called.
func (s *Simulation) serveControl() (stop func() error) {
	server := &http.Server{Handler: s.controlHandler(), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.control) }()
	return func() error {
		err := server.Close()
		if end := <-ended; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return errors.Join(err, ignoreClosed(s.control.Close()))
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// controlHandler maps the routes of the control surface.
func (s *Simulation) controlHandler() http.Handler {
	mux := http.NewServeMux()
	for route, do := range map[string]func(r *http.Request, body []byte) (any, error){
		"GET /v1/now":       func(*http.Request, []byte) (any, error) { return s.time(), nil },
		"POST /v1/jump":     s.controlJump,
		"POST /v1/speed":    s.controlSpeed,
		"GET /v1/faults":    func(*http.Request, []byte) (any, error) { return s.faults(), nil },
		"POST /v1/faults":   s.controlAddFaults,
		"DELETE /v1/faults": s.controlClearFaults,
		"POST /v1/actions":  s.controlAct,
		"GET /v1/save":      func(*http.Request, []byte) (any, error) { return s.save() },
		"POST /v1/load":     s.controlLoad,
	} {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) { answerControl(w, r, do) })
	}
	return mux
}

// answerControl answers one request: bytes as they are, all else as JSON.
func answerControl(w http.ResponseWriter, r *http.Request, do func(*http.Request, []byte) (any, error)) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
	var out any
	if err == nil {
		out, err = do(r, body)
	}
	if data, ok := out.([]byte); ok && err == nil {
		_, _ = w.Write(data) // nobody is there to be told
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		out = failureOf(err)
	}
	_ = json.NewEncoder(w).Encode(out) // nobody is there to be told
}

// controlFailure is an error on its way to the command.
type controlFailure struct {
	Code    rotator.Code `json:"code"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
}

func failureOf(err error) controlFailure {
	if known, ok := errors.AsType[*rotator.Error](err); ok {
		return controlFailure{known.Code, known.Message, known.Hint}
	}
	code := rotator.CodeInvalid
	for _, none := range []error{
		azuresim.ErrNoSuchKey, azuresim.ErrNoSuchVersion, azuresim.ErrNoSuchResource, azuresim.ErrNoSuchClient,
	} {
		if errors.Is(err, none) {
			code = rotator.CodeNotFound
		}
	}
	return controlFailure{Code: code, Message: err.Error()}
}

func (s *Simulation) time() SimulationTime {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timeLocked()
}

func (s *Simulation) timeLocked() SimulationTime {
	return SimulationTime{Scenario: s.world.scenario.Name, Now: s.clock.Now(), Speed: s.clock.Timeline().Speed}
}

// ParseJump reads by how much to jump: a duration as scenarios have it, ahead.
func ParseJump(text string) (time.Duration, error) {
	d, err := azuresim.ParseDuration(text)
	if err != nil {
		return 0, rotator.Errorf(rotator.CodeInvalid, "%v", err).WithHint("for instance cmkd simulate jump 6h")
	}
	if d <= 0 {
		return 0, rotator.Errorf(rotator.CodeInvalid, "cannot jump by %s: time only goes ahead", text).
			WithHint("for instance cmkd simulate jump 6h; an earlier time is one that was saved, see cmkd simulate load")
	}
	return d, nil
}

func (s *Simulation) controlJump(_ *http.Request, body []byte) (any, error) {
	var r jumpRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	d, err := ParseJump(r.By)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.clock.jump(d); err != nil {
		return nil, err
	}
	return s.timeLocked(), nil
}

func (s *Simulation) controlSpeed(_ *http.Request, body []byte) (any, error) {
	var r speedRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.clock.accelerate(r.Speed); err != nil {
		return nil, err
	}
	return s.timeLocked(), nil
}

func (s *Simulation) server() *azuresim.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.server
}

func (s *Simulation) faults() []SimulatedFault {
	list := []SimulatedFault{}
	for _, f := range s.server().Faults() {
		list = append(list, SimulatedFault{
			Name: f.Name, Do: f.Do, Match: f.Match.Terms(), When: f.When.Terms(), Since: f.From, Seen: f.Seen, Hit: f.Hit,
		})
	}
	return list
}

func (s *Simulation) controlAddFaults(r *http.Request, body []byte) (any, error) {
	faults, err := azuresim.ParseFaults(r.URL.Query().Get("name"), body)
	if err != nil {
		return nil, err
	}
	if err := s.server().AddFaults(faults); err != nil {
		return nil, err
	}
	return s.faults(), nil
}

func (s *Simulation) controlClearFaults(r *http.Request, _ []byte) (any, error) {
	name := r.URL.Query().Get("name")
	cleared := s.server().ClearFault(name)
	if cleared == 0 && name != "" {
		return nil, rotator.Errorf(rotator.CodeNotFound, "there is no fault %q", name).WithHint("cmkd simulate fault list shows those there are")
	}
	return clearedFaults{cleared}, nil
}

func (s *Simulation) controlAct(_ *http.Request, body []byte) (any, error) {
	var action azuresim.Action
	if err := json.Unmarshal(body, &action); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if err := action.Check(); err != nil {
		return nil, err
	}
	if err := s.server().Do(action); err != nil {
		return nil, err
	}
	return s.time(), nil
}

func (s *Simulation) save() ([]byte, error) {
	return s.server().Save(s.clock.Timeline().Speed)
}

// controlLoad lets what was saved take the place of what runs: its time, too. The
// speed stays.
func (s *Simulation) controlLoad(r *http.Request, body []byte) (any, error) {
	save, err := azuresim.ReadSave(r.URL.Query().Get("name"), body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.of(save)
	if err != nil {
		return nil, err
	}
	if err := s.clock.show(save.Now); err != nil {
		return nil, err
	}
	before := s.info().Environment
	s.world = next
	s.proxy.Replace(next.server)
	now := s.info().Environment
	return LoadedSimulation{
		SimulationTime: s.timeLocked(), Environment: now,
		Changed: strings.Join(before, "\n") != strings.Join(now, "\n"),
	}, nil
}
