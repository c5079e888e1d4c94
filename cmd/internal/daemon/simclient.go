package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"cmkd/providers/azuresim"
	"cmkd/rotator"
)

// SimulationClient controls a running simulation by its socket. Its errors are
// *[rotator.Error].
type SimulationClient struct {
	socket string
	http   *http.Client
}

// NewSimulationClient returns a client of the simulation that listens on socket.
func NewSimulationClient(socket string) *SimulationClient {
	return &SimulationClient{socket: socket, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			address, done, err := socketAddress(socket)
			if err != nil {
				return nil, err
			}
			defer done()
			return new(net.Dialer).DialContext(ctx, "unix", address)
		},
	}}}
}

// Now returns the simulated time.
func (c *SimulationClient) Now(ctx context.Context) (t SimulationTime, err error) {
	return t, c.ask(ctx, http.MethodGet, "/v1/now", nil, &t)
}

// Jump lets a span of simulated time pass at once; see [ParseJump].
func (c *SimulationClient) Jump(ctx context.Context, by string) (t SimulationTime, err error) {
	return t, c.ask(ctx, http.MethodPost, "/v1/jump", jumpRequest{by}, &t)
}

// Accelerate changes how fast simulated time passes.
func (c *SimulationClient) Accelerate(ctx context.Context, speed float64) (t SimulationTime, err error) {
	return t, c.ask(ctx, http.MethodPost, "/v1/speed", speedRequest{speed}, &t)
}

// Faults returns the faults that are armed.
func (c *SimulationClient) Faults(ctx context.Context) (all []SimulatedFault, err error) {
	return all, c.ask(ctx, http.MethodGet, "/v1/faults", nil, &all)
}

// AddFaults adds those of a text; name is that of its file. It returns all.
func (c *SimulationClient) AddFaults(ctx context.Context, name string, text []byte) (all []SimulatedFault, err error) {
	return all, c.ask(ctx, http.MethodPost, "/v1/faults?name="+url.QueryEscape(name), text, &all)
}

// ClearFaults ends the faults of a name, all for the empty one, and returns how many.
func (c *SimulationClient) ClearFaults(ctx context.Context, name string) (int, error) {
	var r clearedFaults
	return r.Cleared, c.ask(ctx, http.MethodDelete, "/v1/faults?name="+url.QueryEscape(name), nil, &r)
}

// Do performs an action.
func (c *SimulationClient) Do(ctx context.Context, a azuresim.Action) (t SimulationTime, err error) {
	return t, c.ask(ctx, http.MethodPost, "/v1/actions", a, &t)
}

// Save returns the simulation's state.
func (c *SimulationClient) Save(ctx context.Context) (data []byte, err error) {
	return data, c.ask(ctx, http.MethodGet, "/v1/save", nil, &data)
}

// Load lets a saved state take the place of the simulation's; name is that of its file.
func (c *SimulationClient) Load(ctx context.Context, name string, data []byte) (l LoadedSimulation, err error) {
	return l, c.ask(ctx, http.MethodPost, "/v1/load?name="+url.QueryEscape(name), data, &l)
}

// ask makes one request. Bytes are sent and received as they are, all else as JSON.
func (c *SimulationClient) ask(ctx context.Context, method, path string, in, out any) error {
	body, ok := in.([]byte)
	if !ok && in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://simulation"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to the end or is of no use
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the simulation's answer: %w", err)
	}
	if raw, ok := out.(*[]byte); ok && resp.StatusCode == http.StatusOK {
		*raw = data
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		var f controlFailure
		if err := json.Unmarshal(data, &f); err != nil || f.Message == "" {
			return rotator.Errorf(rotator.CodeInternal, "the simulation answered %s", resp.Status)
		}
		return &rotator.Error{Code: f.Code, Message: f.Message, Hint: f.Hint}
	}
	if err := json.Unmarshal(data, out); err != nil {
		return rotator.Errorf(rotator.CodeInternal, "the simulation's answer cannot be read: %v", err)
	}
	return nil
}

// unreachable says why nobody answered, and what to do about it.
func (c *SimulationClient) unreachable(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return rotator.Errorf(rotator.CodeNotFound, "no simulated Azure listens on %s", c.socket).
			WithHint("cmkd simulate starts one; for one that runs elsewhere, give the socket that it printed with --control")
	case errors.Is(err, fs.ErrPermission):
		return rotator.Errorf(rotator.CodeForbidden, "the socket %s is its owner's: permission denied", c.socket)
	default:
		return rotator.Errorf(rotator.CodeUnavailable, "the simulated Azure on %s does not answer: %v", c.socket, err)
	}
}

// WriteSimulation writes a saved simulation to a file, which appears whole and is for
// its owner only.
func WriteSimulation(path string, data []byte) error { return replaceFile(path, data, 0o600) }
