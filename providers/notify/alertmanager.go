package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"cmkd/rotator"
)

const (
	alertsPath = "/api/v2/alerts"
	// maxAlerts is how many alerts one request holds: some 1 MB at most.
	maxAlerts = 500
	// defaultPostTimeout is what one replica has for all alerts. Prometheus gives
	// it 10 s, too.
	defaultPostTimeout = 10 * time.Second
)

// AlertmanagerOptions says which Alertmanagers to tell. URLs and Resend are
// required.
type AlertmanagerOptions struct {
	// URLs are the base URLs of all replicas, with the path under which they are
	// served if there is one, without /api/v2.
	URLs []string
	// TokenPath is a file with a bearer token; empty for none. It is read for each
	// notification. A relative path is looked up in $CREDENTIALS_DIRECTORY. A token
	// is sent over https, or to this machine, only.
	TokenPath string
	// CAPath is a PEM file with the certificates to trust in place of the system's;
	// it is read once.
	CAPath string
	// Runbook is the page that rules link into; empty for no links.
	Runbook string
	// Note is the annotation "note", for instance that Azure is simulated.
	Note string
	// WallTime turns the daemon's time into real time; nil if it is real time. It
	// must give the same for the same time after a restart: startsAt comes from it.
	WallTime func(time.Time) time.Time
	// Resend is how often the engine tells of an alert that goes on. Alertmanager
	// ends an alert by itself when it was not told of it for three times that long.
	Resend time.Duration
	// Timeout is what each replica has for one notification; zero means 10 s.
	Timeout time.Duration
	// Told hears of each replica whether it took the alerts, nil, or why it did not,
	// also if another did. It is called from within Notify, in the order of URLs. It
	// may be nil.
	Told func(url string, err error)
}

// Alertmanager posts alerts to the v2 API of Alertmanager.
//
// Its replicas tell each other of notifications and silences, not of alerts, so
// that alerts are posted to all of them at once
// (https://prometheus.io/docs/alerting/latest/alertmanager/#high-availability).
//
// To Alertmanager an alert is what its labels are: the same labels are the same
// alert, after a restart too. See [Alertmanager.Notify] for which there are. The
// severity is one of them, so that an alert whose severity changed would be a
// new one there; the engine keeps it as long as the alert lasts.
type Alertmanager struct {
	options AlertmanagerOptions
	client  *http.Client
}

// NewAlertmanager makes a notifier, and reads the CA. It calls nobody yet.
func NewAlertmanager(o AlertmanagerOptions) (*Alertmanager, error) {
	if len(o.URLs) == 0 {
		return nil, invalid("no URL of an Alertmanager is given").WithHint("give those of all replicas")
	}
	if o.Resend <= 0 {
		return nil, invalid("Alertmanager forgets an alert that is not sent again, and the interval is %s", o.Resend).
			WithHint("give a positive one, for instance 1m")
	}
	if o.Timeout < 0 {
		return nil, invalid("the timeout %s is negative", o.Timeout)
	}
	o.URLs = slices.Clone(o.URLs)
	for i, u := range o.URLs {
		base, err := checkURL(u, o.TokenPath != "")
		if err != nil {
			return nil, err
		}
		o.URLs[i] = base
	}
	roots, err := readCA(o.CAPath)
	if err != nil {
		return nil, err
	}
	o.Timeout = orDefault(o.Timeout, defaultPostTimeout)
	if o.WallTime == nil {
		o.WallTime = func(t time.Time) time.Time { return t }
	}
	return &Alertmanager{options: o, client: newClient(roots)}, nil
}

// newClient makes a client that follows no redirect, for the token must not get
// elsewhere, and keeps no connection, for the next call is a minute away.
func newClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			MaxResponseHeaderBytes: maxAnswer,
		},
	}
}

// checkURL returns a base URL without a slash at its end.
func checkURL(raw string, token bool) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// Its error repeats the URL, which may hold a password.
		return "", invalid("the URL of an Alertmanager is not a URL").WithHint("for instance https://alertmanager.example.com:9093")
	}
	shown := u.Redacted()
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", invalid("the Alertmanager %q is not an http or https URL", shown).WithHint("for instance https://alertmanager.example.com:9093")
	case u.User != nil:
		return "", invalid("the URL of the Alertmanager at %s holds a user or password", u.Host).
			WithHint("the configuration holds no secrets; give a token in a file")
	case u.RawQuery != "" || u.Fragment != "":
		return "", invalid("the URL of the Alertmanager at %s has a query or a fragment", u.Host).WithHint("give the base URL alone")
	case token && u.Scheme == "http" && !loopback(u.Hostname()):
		return "", invalid("the token would be sent to %s unencrypted", shown).WithHint("give an https URL, or no token")
	}
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimRight(raw, "/"), alertsPath), "/"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func readCA(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, invalid("read the CA of Alertmanager: %s", err).WithHint("check the path, and that the daemon's user may read it")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, invalid("the CA of Alertmanager: %s holds no certificate", path).WithHint("it must be in PEM form")
	}
	return pool, nil
}

// Notify posts all alerts to all replicas, and returns nil if at least one took
// all of them: nothing is lost then, and the cluster notifies once.
//
// The labels are alertname (for instance CmkdPropagationStalled), id, rule,
// severity, key, operation, cause, instance, and test="true" if somebody only
// tries it out; empty ones are left out.
func (m *Alertmanager) Notify(ctx context.Context, n rotator.Notification) error {
	if len(n.Alerts) == 0 {
		return nil
	}
	token := ""
	if m.options.TokenPath != "" {
		var err error
		if token, err = readSecret("the token for Alertmanager", m.options.TokenPath); err != nil {
			return err
		}
	}
	bodies, err := m.bodies(&n)
	if err != nil {
		return err
	}
	errs := make([]error, len(m.options.URLs))
	var all sync.WaitGroup
	for i, u := range m.options.URLs {
		all.Go(func() { errs[i] = m.postAll(ctx, u, token, bodies, n.Now) })
	}
	all.Wait()
	return m.judge(errs)
}

func (m *Alertmanager) bodies(n *rotator.Notification) (bodies [][]byte, err error) {
	for chunk := range slices.Chunk(n.Alerts, maxAlerts) {
		alerts := make([]postableAlert, 0, len(chunk))
		for i := range chunk {
			alerts = append(alerts, m.postable(&chunk[i], n))
		}
		body, err := json.Marshal(alerts)
		if err != nil {
			return nil, fmt.Errorf("encode the alerts: %w", err)
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

func (m *Alertmanager) postAll(ctx context.Context, base, token string, bodies [][]byte, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, m.options.Timeout)
	defer cancel()
	for _, body := range bodies {
		if err := m.post(ctx, base, token, body, now); err != nil {
			return err
		}
	}
	return nil
}

func (m *Alertmanager) post(ctx context.Context, base, token string, body []byte, now time.Time) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+alertsPath, bytes.NewReader(body))
	if err != nil {
		return invalid("make a request to %s: %s", base, bare(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "cmkd")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return unanswered(base, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return refused(base, token, resp, m.options.WallTime(now))
}

// judge reports of each replica, and returns an error if all failed: of the
// class that gives most hope, for one is enough.
func (m *Alertmanager) judge(errs []error) error {
	took := false
	for i, err := range errs {
		took = took || err == nil
		if m.options.Told != nil {
			m.options.Told(m.options.URLs[i], err)
		}
	}
	if took {
		return nil
	}
	if len(errs) == 1 {
		return errs[0]
	}
	best := slices.MinFunc(errs, func(a, b error) int {
		x, y := rotator.AsError(a), rotator.AsError(b)
		return cmp.Or(hopeless(x)-hopeless(y), cmp.Compare(x.RetryAfter, y.RetryAfter))
	})
	first := rotator.AsError(best)
	return &rotator.Error{
		Code: first.Code, Reason: first.Reason, Hint: first.Hint, RetryAfter: first.RetryAfter,
		Message: fmt.Sprintf("none of %d Alertmanagers took the alerts", len(errs)), Err: errors.Join(errs...),
	}
}

func hopeless(e *rotator.Error) int {
	if e.Code == rotator.CodeUnavailable || e.Code == rotator.CodeThrottled {
		return 0
	}
	return 1
}
