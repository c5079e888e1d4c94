package control

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
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// clientHost is the host that the client names; there is none on a unix socket.
const clientHost = "cmkd"

// maxAnswer bounds what a client reads: far above ten thousand operations.
const maxAnswer = 256 << 20

// Client speaks to the daemon. Its errors are *[rotator.Error].
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client of the daemon that listens on socket. It connects
// when first used.
func NewClient(socket string) *Client {
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
}

// Close gives back idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Socket returns where the client looks for the daemon.
func (c *Client) Socket() string { return c.socket }

// Summary returns the daemon in numbers.
func (c *Client) Summary(ctx context.Context) (s Summary, err error) {
	return s, c.get(ctx, "/v1/summary", nil, &s)
}

// Version says what the daemon is.
func (c *Client) Version(ctx context.Context) (v Version, err error) {
	return v, c.get(ctx, "/v1/version", nil, &v)
}

// Keys returns the status of all keys.
func (c *Client) Keys(ctx context.Context) (keys []rotator.KeyStatus, err error) {
	return keys, c.get(ctx, "/v1/keys", nil, &keys)
}

// Key returns the status of one key.
func (c *Client) Key(ctx context.Context, name string) (k rotator.KeyStatus, err error) {
	return k, c.get(ctx, "/v1/keys/"+url.PathEscape(name), nil, &k)
}

// Operations returns operations, newest first.
func (c *Client) Operations(ctx context.Context, f rotator.OperationQuery) (ops []rotator.Operation, err error) {
	q := url.Values{}
	set(q, "key", f.Key, f.Key != "")
	set(q, "live", "true", f.Live)
	set(q, "before", f.Before.String(), f.Before != 0)
	set(q, "limit", strconv.Itoa(f.Limit), f.Limit != 0)
	return ops, c.get(ctx, "/v1/operations", q, &ops)
}

// Operation returns one operation with its dependents.
func (c *Client) Operation(ctx context.Context, id rotator.OperationID) (op rotator.OperationStatus, err error) {
	return op, c.get(ctx, "/v1/operations/"+id.String(), nil, &op)
}

// Events returns events of the audit trail.
func (c *Client) Events(ctx context.Context, f rotator.EventFilter) (events []rotator.Event, err error) {
	return events, c.get(ctx, "/v1/events", eventQuery(f), &events)
}

// Rotate begins a rotation.
func (c *Client) Rotate(ctx context.Context, key string, r CommandRequest) (rotator.Operation, error) {
	return c.command(ctx, "/v1/keys/"+url.PathEscape(key)+"/rotate", r)
}

// Revoke begins a revocation.
func (c *Client) Revoke(ctx context.Context, key string, r CommandRequest) (rotator.Operation, error) {
	return c.command(ctx, "/v1/keys/"+url.PathEscape(key)+"/revoke", r)
}

// Reinstate begins the reinstatement of a revoked key.
func (c *Client) Reinstate(ctx context.Context, key string, r CommandRequest) (rotator.Operation, error) {
	return c.command(ctx, "/v1/keys/"+url.PathEscape(key)+"/reinstate", r)
}

// Retire disables the previous versions of a key, if the guard agrees.
func (c *Client) Retire(ctx context.Context, key string, r CommandRequest) (rotator.Operation, error) {
	return c.command(ctx, "/v1/keys/"+url.PathEscape(key)+"/retire", r)
}

// Cancel ends an operation.
func (c *Client) Cancel(ctx context.Context, id rotator.OperationID, r CommandRequest) (rotator.Operation, error) {
	return c.command(ctx, "/v1/operations/"+id.String()+"/cancel", r)
}

// Approve consents to an operation.
func (c *Client) Approve(ctx context.Context, id rotator.OperationID, r CommandRequest) (rotator.Operation, error) {
	return c.command(ctx, "/v1/operations/"+id.String()+"/approve", r)
}

// Attest takes a person's word for a dependent of a key.
func (c *Client) Attest(ctx context.Context, key string, r AttestRequest) (a rotator.Attestation, err error) {
	return a, c.post(ctx, "/v1/keys/"+url.PathEscape(key)+"/attest", r, &a)
}

// Attestations returns the attestations about a key, of all keys if it is empty.
func (c *Client) Attestations(ctx context.Context, key string) (all []rotator.Attestation, err error) {
	query := url.Values{}
	if key != "" {
		query.Set("key", key)
	}
	return all, c.get(ctx, "/v1/attestations", query, &all)
}

// WithdrawAttestation takes an attestation back.
func (c *Client) WithdrawAttestation(ctx context.Context, id string, r CommandRequest) (a rotator.Attestation, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return a, fmt.Errorf("encode the request: %w", err)
	}
	return a, c.exchange(ctx, http.MethodDelete, "/v1/attestations/"+url.PathEscape(id), body, &a)
}

func (c *Client) command(ctx context.Context, path string, r CommandRequest) (op rotator.Operation, err error) {
	return op, c.post(ctx, path, r, &op)
}

// Plan says what an operation of a kind would do.
func (c *Client) Plan(ctx context.Context, key string, kind rotator.OperationKind) (p rotator.Plan, err error) {
	path := "/v1/keys/" + url.PathEscape(key) + "/plan?kind=" + url.QueryEscape(string(kind))
	return p, c.post(ctx, path, nil, &p)
}

// PlanRetirement says what the retirement guard would say now.
func (c *Client) PlanRetirement(ctx context.Context, key string) (p rotator.RetirementPlan, err error) {
	return p, c.post(ctx, "/v1/keys/"+url.PathEscape(key)+"/plan-retirement", nil, &p)
}

// Alerts returns alerts, worst first.
func (c *Client) Alerts(ctx context.Context, f AlertFilter) (alerts []rotator.AlertStatus, err error) {
	q := url.Values{}
	set(q, "key", f.Key, f.Key != "")
	set(q, "firing", "true", f.Firing)
	return alerts, c.get(ctx, "/v1/alerts", q, &alerts)
}

// Rules returns what is to be said of each rule.
func (c *Client) Rules(ctx context.Context) (rules []alerting.RuleInfo, err error) {
	return rules, c.get(ctx, "/v1/rules", nil, &rules)
}

// Silences returns the silences, also those that ended lately.
func (c *Client) Silences(ctx context.Context) (silences []rotator.Silence, err error) {
	return silences, c.get(ctx, "/v1/silences", nil, &silences)
}

// Silence holds alerts back for a while.
func (c *Client) Silence(ctx context.Context, r SilenceRequest) (s rotator.Silence, err error) {
	return s, c.post(ctx, "/v1/silences", r, &s)
}

// EndSilence ends a silence before its time.
func (c *Client) EndSilence(ctx context.Context, id string, r CommandRequest) (s rotator.Silence, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return s, fmt.Errorf("make the request: %w", err)
	}
	return s, c.exchange(ctx, http.MethodDelete, "/v1/silences/"+url.PathEscape(id), body, &s)
}

// Receivers returns how the deliveries go.
func (c *Client) Receivers(ctx context.Context) (receivers []rotator.ReceiverStatus, err error) {
	return receivers, c.get(ctx, "/v1/receivers", nil, &receivers)
}

// TestReceivers sends a test alert to one receiver, or to all if name is empty.
func (c *Client) TestReceivers(ctx context.Context, name string) (results []rotator.TestResult, err error) {
	return results, c.post(ctx, "/v1/receivers/test", TestRequest{Receiver: name}, &results)
}

// Timings returns what was learned of how long changes take.
func (c *Client) Timings(ctx context.Context) (timings []rotator.TimingStatus, err error) {
	return timings, c.get(ctx, "/v1/timings", nil, &timings)
}

// Backup copies the store to a new file on the daemon's machine.
func (c *Client) Backup(ctx context.Context, path string) (b Backup, err error) {
	return b, c.post(ctx, "/v1/backup", BackupRequest{Path: path}, &b)
}

// Verify checks the event log.
func (c *Client) Verify(ctx context.Context) (r LogReport, err error) {
	return r, c.get(ctx, "/v1/audit/verify", nil, &r)
}

// Reload makes the daemon read its configuration again.
func (c *Client) Reload(ctx context.Context) (r Reloaded, err error) {
	return r, c.post(ctx, "/v1/reload", nil, &r)
}

func set(q url.Values, name, value string, given bool) {
	if given {
		q.Set(name, value)
	}
}

func eventQuery(f rotator.EventFilter) url.Values {
	q := url.Values{}
	set(q, "after", strconv.FormatUint(f.After, 10), f.After != 0)
	set(q, "key", f.Key, f.Key != "")
	set(q, "operation", f.Operation.String(), f.Operation != 0)
	set(q, "since", f.Since.Format(time.RFC3339Nano), !f.Since.IsZero())
	set(q, "last", "true", f.Last)
	set(q, "limit", strconv.Itoa(f.Limit), f.Limit != 0)
	return q
}

func (c *Client) get(ctx context.Context, path string, q url.Values, out any) error {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return c.exchange(ctx, http.MethodGet, path, nil, out)
}

func (c *Client) post(ctx context.Context, path string, in, out any) error {
	if in == nil {
		in = struct{}{}
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	return c.exchange(ctx, http.MethodPost, path, body, out)
}

func (c *Client) exchange(ctx context.Context, method, path string, body []byte, out any) error {
	resp, err := c.send(ctx, method, path, body, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to the end or is of no use
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return rotator.Errorf(rotator.CodeInternal, "the daemon's answer cannot be read: %v", err).
			WithHint("cmkd version shows whether client and daemon are of one version")
	}
	return nil
}

// send makes one request and turns a bad answer into its error.
func (c *Client) send(ctx context.Context, method, path string, body []byte, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+clientHost+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Accept", accept)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.dialError(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is lost with it
	var f Failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&f); err != nil || f.Error.Message == "" {
		return nil, rotator.Errorf(codeOf(resp.StatusCode), "the daemon answered %s", resp.Status)
	}
	return nil, f.err()
}

// dialError says why the daemon did not answer, and what to do about it.
func (c *Client) dialError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, fs.ErrPermission) {
		e := rotator.Errorf(rotator.CodeForbidden, "permission denied on the socket %s", c.socket)
		if group := groupOf(c.socket); group != "" {
			return e.WithHint("it is for members of the group %s: usermod -aG %s %s, then log in again", group, group, me())
		}
		return e.WithHint("ask whoever runs the daemon for access to it")
	}
	e := rotator.Errorf(CodeUnreachable, "the daemon does not answer on %s", c.socket)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		e.Err = err
	}
	return e.WithHint("systemctl status cmkd tells why; cmkd run starts it by hand; --socket names another socket")
}

// groupOf returns the group that owns the socket, or the nearest directory above
// it that can be seen.
func groupOf(path string) string {
	for range 3 {
		if info, err := os.Stat(path); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				if g, err := user.LookupGroupId(strconv.FormatUint(uint64(s.Gid), 10)); err == nil {
					return g.Name
				}
			}
			return ""
		}
		path = filepath.Dir(path)
	}
	return ""
}

func me() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "YOU"
}
