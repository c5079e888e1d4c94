package notify_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/providers/notify"
	"cmkd/rotator"
)

// posted is one alert as it arrives.
type posted struct {
	Labels       map[string]string
	Annotations  map[string]string
	StartsAt     time.Time
	EndsAt       time.Time
	GeneratorURL string
}

// replica is an HTTP server in the place of an Alertmanager.
type replica struct {
	*httptest.Server
	mu       sync.Mutex
	requests [][]posted
	headers  []http.Header
	paths    []string
	answer   func(w http.ResponseWriter)
}

func newReplica(t *testing.T, answer func(w http.ResponseWriter)) *replica {
	r := &replica{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *replica) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var alerts []posted
	dec := json.NewDecoder(req.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&alerts)
	r.mu.Lock()
	r.requests, r.headers = append(r.requests, alerts), append(r.headers, req.Header)
	r.paths = append(r.paths, req.Method+" "+req.URL.Path)
	r.mu.Unlock()
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case r.answer != nil:
		r.answer(w)
	}
}

func status(code int, body string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

func newAlertmanager(t *testing.T, o notify.AlertmanagerOptions) *notify.Alertmanager {
	t.Helper()
	if o.Resend == 0 {
		o.Resend = time.Minute
	}
	m, err := notify.NewAlertmanager(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// deadURL is where nobody listens.
func deadURL(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestAlertmanager_Posts(t *testing.T) {
	r := newReplica(t, nil)
	m := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL + "/am/"}, Runbook: runbook, Note: "Azure is simulated."})
	if err := m.Notify(t.Context(), notification(stalled(), ended())); err != nil {
		t.Fatal(err)
	}
	want := [][]posted{{{
		Labels: map[string]string{
			"alertname": "CmkdPropagationStalled", "id": "propagation-stalled/op-17/storage", "rule": "propagation-stalled",
			"severity": "critical", "key": "payments", "operation": "op-17", "cause": "storage", "instance": "prod-1",
		},
		Annotations: map[string]string{
			"summary":     stalled().Summary,
			"description": "Affected: contosopayments (storage), contosoledger (storage) and 1 more.",
			"hint":        stalled().Hint, "next": "cmkd status op-17", "runbook_url": runbook + "#propagation-stalled", "note": "Azure is simulated.",
		},
		StartsAt: noon.Add(-2 * time.Hour), EndsAt: noon.Add(3 * time.Minute),
	}, {
		Labels: map[string]string{
			"alertname": "CmkdClockJumped", "id": "clock-jumped/daemon", "rule": "clock-jumped", "severity": "info", "instance": "prod-1",
		},
		Annotations: map[string]string{"summary": ended().Summary, "runbook_url": runbook + "#clock-jumped", "note": "Azure is simulated."},
		StartsAt:    noon.Add(-72 * time.Hour), EndsAt: noon.Add(-time.Minute),
	}}}
	if diff := cmp.Diff(want, r.requests); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"POST /am/api/v2/alerts"}, r.paths); diff != "" {
		t.Error(diff)
	}
	if got := r.headers[0].Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
}

func TestAlertmanager_SaysThatItIsATest(t *testing.T) {
	r := newReplica(t, nil)
	n := notification(stalled())
	n.Test = true
	if err := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}}).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	got := r.requests[0][0]
	if got.Labels["test"] != "true" || !strings.HasPrefix(got.Annotations["summary"], "TEST ") || !strings.HasPrefix(got.Annotations["description"], "TEST") {
		t.Errorf("%+v", got)
	}
}

func TestAlertmanager_Times(t *testing.T) {
	// A simulated hour passes in six real seconds.
	wall := func(d time.Time) time.Time { return noon.AddDate(1, 0, 0).Add(d.Sub(noon) / 600) }
	future := stalled()
	future.Starts = noon.Add(time.Hour)
	backwards := ended()
	backwards.Ends = backwards.Starts.Add(-time.Hour)
	for name, c := range map[string]struct {
		alert        rotator.Alert
		wall         func(time.Time) time.Time
		starts, ends time.Time
	}{
		"an alert that goes on lives three intervals": {stalled(), nil, noon.Add(-2 * time.Hour), noon.Add(30 * time.Minute)},
		"simulated time is turned into real time":     {stalled(), wall, wall(noon).Add(-12 * time.Second), wall(noon).Add(30 * time.Minute)},
		"so is the end": {ended(), wall, wall(ended().Starts), wall(ended().Ends)},
		"it starts in the future if the clock was set back, and does not end before that": {future, nil, noon.Add(time.Hour), noon.Add(90 * time.Minute)},
		"it never ends before it starts": {backwards, nil, backwards.Starts, backwards.Starts},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, nil)
			m := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}, Resend: 10 * time.Minute, WallTime: c.wall})
			if err := m.Notify(t.Context(), notification(c.alert)); err != nil {
				t.Fatal(err)
			}
			got := r.requests[0][0]
			if !got.StartsAt.Equal(c.starts) || !got.EndsAt.Equal(c.ends) {
				t.Errorf("from %s to %s, want from %s to %s", got.StartsAt, got.EndsAt, c.starts, c.ends)
			}
		})
	}
}

func TestAlertmanager_SplitsWhatIsLarge(t *testing.T) {
	r := newReplica(t, nil)
	if err := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}}).Notify(t.Context(), notification(many(1001)...)); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	ids := map[string]bool{}
	for _, request := range r.requests {
		sizes = append(sizes, len(request))
		for _, a := range request {
			ids[a.Labels["operation"]] = true
		}
	}
	if diff := cmp.Diff([]int{500, 500, 1}, sizes); diff != "" || len(ids) != 1001 {
		t.Errorf("%d different alerts, requests: %s", len(ids), diff)
	}
}

func TestAlertmanager_Replicas(t *testing.T) {
	up, down := func(w http.ResponseWriter) {}, status(500, `"disk full"`)
	busy, wrong := status(503, "", "Retry-After", "7"), status(400, `"bad label"`)
	for name, c := range map[string]struct {
		replicas []func(http.ResponseWriter)
		trouble  []int
		code     rotator.Code // empty: no error
		retry    time.Duration
	}{
		"all are told":                             {replicas: []func(http.ResponseWriter){up, up, up}},
		"one down is reported, but no failure":     {replicas: []func(http.ResponseWriter){down, up}, trouble: []int{0}},
		"all down is a failure":                    {[]func(http.ResponseWriter){down, down}, []int{0, 1}, rotator.CodeUnavailable, 0},
		"one that may recover is hope":             {[]func(http.ResponseWriter){wrong, busy}, []int{0, 1}, rotator.CodeUnavailable, 7 * time.Second},
		"the one to be asked soonest is waited on": {[]func(http.ResponseWriter){busy, down}, []int{0, 1}, rotator.CodeUnavailable, 0},
		"none that may recover is none":            {[]func(http.ResponseWriter){wrong, wrong}, []int{0, 1}, rotator.CodeInvalid, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var replicas []*replica
			var urls, trouble, want []string
			for _, answer := range c.replicas {
				r := newReplica(t, answer)
				replicas, urls = append(replicas, r), append(urls, r.URL)
			}
			for _, i := range c.trouble {
				want = append(want, urls[i])
			}
			var told []string
			err := newAlertmanager(t, notify.AlertmanagerOptions{URLs: urls, Told: func(url string, err error) {
				told = append(told, url)
				if err == nil {
					return
				}
				trouble = append(trouble, url)
				if !strings.Contains(err.Error(), url) {
					t.Errorf("it does not name the replica: %v", err)
				}
			}}).Notify(t.Context(), notification(stalled()))
			if diff := cmp.Diff(want, trouble); diff != "" {
				t.Errorf("trouble: %s", diff)
			}
			if diff := cmp.Diff(urls, told); diff != "" {
				t.Errorf("told: %s", diff)
			}
			for i, r := range replicas {
				if len(r.requests) != 1 {
					t.Errorf("replica %d was told %d times", i, len(r.requests))
				}
			}
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := wantError(t, err, c.code)
			if e.RetryAfter != c.retry || !strings.Contains(e.Error(), urls[0]) || !strings.Contains(e.Error(), urls[1]) {
				t.Errorf("retry after %s: %v", e.RetryAfter, e)
			}
		})
	}
}

func TestAlertmanager_Refusals(t *testing.T) {
	date := noon.Format(http.TimeFormat)
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		code   rotator.Code
		says   string
		hint   string
		retry  time.Duration
	}{
		"400 with Alertmanager's words":       {status(400, `"start time must be before end time"`), rotator.CodeInvalid, "400 start time must be before end time", "report it", 0},
		"422 of its schema":                   {status(422, `{"code":602,"message":"0.labels in body is required"}`), rotator.CodeInvalid, "0.labels in body is required", "report it", 0},
		"a proxy's page is one bounded line":  {status(502, strings.Repeat("<p>bad\ngateway</p>", 1000)), rotator.CodeUnavailable, "502 <p>bad gateway</p>", "", 0},
		"nothing said":                        {status(500, ""), rotator.CodeUnavailable, "500 Internal Server Error", "", 0},
		"429 with seconds":                    {status(429, "slow down", "Retry-After", "30"), rotator.CodeThrottled, "slow down", "", 30 * time.Second},
		"503 with a date":                     {status(503, "", "Date", date, "Retry-After", noon.Add(2*time.Minute).Format(http.TimeFormat)), rotator.CodeUnavailable, "503", "", 2 * time.Minute},
		"a date in the past is no wait":       {status(503, "", "Date", date, "Retry-After", noon.Add(-time.Minute).Format(http.TimeFormat)), rotator.CodeUnavailable, "503", "", 0},
		"an absurd wait is bounded":           {status(429, "", "Retry-After", "9223372036854775807"), rotator.CodeThrottled, "429", "", time.Hour},
		"a wait that is none":                 {status(429, "", "Retry-After", "soon"), rotator.CodeThrottled, "429", "", 0},
		"401":                                 {status(401, "who are you"), rotator.CodeForbidden, "who are you", "token", 0},
		"404 of an old version or wrong path": {status(404, "404 page not found"), rotator.CodeNotFound, "404", "route-prefix", 0},
		"413":                                 {status(413, ""), rotator.CodeInvalid, "413", "2 MB", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, c.answer)
			e := wantError(t, newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}}).Notify(t.Context(), notification(stalled())), c.code)
			if !strings.Contains(e.Error(), c.says) || !strings.Contains(e.Hint, c.hint) || e.RetryAfter != c.retry {
				t.Errorf("hint %q, retry after %s, error: %v", e.Hint, e.RetryAfter, e)
			}
			if len(e.Error()) > 500 || strings.Contains(e.Error(), "\n") {
				t.Errorf("not a bounded line: %q", e.Error())
			}
		})
	}
}

func TestAlertmanager_FollowsNoRedirect(t *testing.T) {
	elsewhere := newReplica(t, nil)
	r := newReplica(t, status(307, "", "Location", elsewhere.URL+"/api/v2/alerts"))
	m := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}, TokenPath: file(t, "token", "t0ken-of-somebody\n")})
	e := wantError(t, m.Notify(t.Context(), notification(stalled())), rotator.CodeInvalid)
	if !strings.Contains(e.Hint, "redirect") || len(elsewhere.requests) != 0 {
		t.Errorf("hint %q, %d requests elsewhere", e.Hint, len(elsewhere.requests))
	}
}

func TestAlertmanager_NobodyAnswers(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		url := deadURL(t)
		e := wantError(t, newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{url}}).Notify(t.Context(), notification(stalled())), rotator.CodeUnavailable)
		if !strings.Contains(e.Hint, "runs and listens") || strings.Count(e.Error(), url) != 1 {
			t.Errorf("hint %q, error: %v", e.Hint, e)
		}
	})
	t.Run("one that hangs does not hold up the others for longer than the timeout", func(t *testing.T) {
		release := make(chan struct{})
		hangs := newReplica(t, func(http.ResponseWriter) { <-release })
		defer close(release)
		r := newReplica(t, nil)
		var trouble error
		m := newAlertmanager(t, notify.AlertmanagerOptions{
			URLs: []string{hangs.URL, r.URL}, Timeout: time.Second, // enough for the other on a slow machine
			Told: func(url string, err error) {
				if url == hangs.URL {
					trouble = err
				}
			},
		})
		if err := m.Notify(t.Context(), notification(stalled())); err != nil || len(r.requests) != 1 {
			t.Errorf("%v, %d requests", err, len(r.requests))
		}
		wantError(t, trouble, rotator.CodeUnavailable)
	})
}

func TestAlertmanager_Token(t *testing.T) {
	echo := func(token string) func(http.ResponseWriter) { return status(403, `"no: Bearer `+token+`"`) }
	t.Run("it is read anew each time", func(t *testing.T) {
		r := newReplica(t, nil)
		path := file(t, "token", "first\n")
		m := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}, TokenPath: path})
		for _, token := range []string{"first", "second"} {
			if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := m.Notify(t.Context(), notification(stalled())); err != nil {
				t.Fatal(err)
			}
			if got := r.headers[len(r.headers)-1].Get("Authorization"); got != "Bearer "+token {
				t.Errorf("sent %q, want %q", got, token)
			}
		}
	})
	t.Run("it comes from the credentials directory if its path is relative", func(t *testing.T) {
		r := newReplica(t, nil)
		path := file(t, "am-token", "from systemd")
		t.Setenv("CREDENTIALS_DIRECTORY", strings.TrimSuffix(path, "/am-token"))
		m := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}, TokenPath: "am-token"})
		if err := m.Notify(t.Context(), notification(stalled())); err != nil || r.headers[0].Get("Authorization") != "Bearer from systemd" {
			t.Errorf("%v, sent %v", err, r.headers)
		}
	})
	t.Run("a server that repeats it does not get it into the error", func(t *testing.T) {
		r := newReplica(t, echo("t0ken-of-somebody"))
		m := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}, TokenPath: file(t, "token", "t0ken-of-somebody")})
		e := wantError(t, m.Notify(t.Context(), notification(stalled())), rotator.CodeForbidden)
		if strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e), "t0ken") {
			t.Errorf("it holds the token: %v", e)
		}
	})
	for name, text := range map[string]string{"an empty file": "\n", "two lines": "a\nb", "too much": strings.Repeat("x", 1<<20)} {
		t.Run(name+" is refused, and nothing sent", func(t *testing.T) {
			r := newReplica(t, nil)
			path := file(t, "token", text)
			m := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}, TokenPath: path})
			e := wantError(t, m.Notify(t.Context(), notification(stalled())), rotator.CodeInvalid)
			if !strings.Contains(e.Error(), path) || e.Hint == "" || len(r.requests) != 0 || len(e.Error()) > 300 {
				t.Errorf("hint %q, %d requests: %v", e.Hint, len(r.requests), e)
			}
		})
	}
}

func TestAlertmanager_TLS(t *testing.T) {
	r := &replica{}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = nil
	r.StartTLS()
	defer r.Close()
	ca := file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})))
	t.Run("its own CA is trusted", func(t *testing.T) {
		if err := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}, CAPath: ca}).Notify(t.Context(), notification(stalled())); err != nil {
			t.Error(err)
		}
	})
	t.Run("without it nothing is sent", func(t *testing.T) {
		before := len(r.requests)
		e := wantError(t, newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}}).Notify(t.Context(), notification(stalled())), rotator.CodeUnavailable)
		if !strings.Contains(e.Hint, "CA") || len(r.requests) != before {
			t.Errorf("hint %q, %d requests", e.Hint, len(r.requests))
		}
	})
	t.Run("http where TLS is spoken", func(t *testing.T) {
		plain := newReplica(t, nil)
		url := strings.Replace(plain.URL, "http:", "https:", 1)
		e := wantError(t, newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{url}}).Notify(t.Context(), notification(stalled())), rotator.CodeUnavailable)
		if !strings.Contains(e.Hint+e.Error(), "http") {
			t.Errorf("hint %q: %v", e.Hint, e)
		}
	})
}

func TestNewAlertmanager_Refuses(t *testing.T) {
	good := notify.AlertmanagerOptions{URLs: []string{"https://am.example.com"}, Resend: time.Minute}
	for name, c := range map[string]struct {
		change func(o *notify.AlertmanagerOptions)
		says   string
	}{
		"no URL":                       {func(o *notify.AlertmanagerOptions) { o.URLs = nil }, "no URL"},
		"no scheme":                    {func(o *notify.AlertmanagerOptions) { o.URLs = []string{"am.example.com:9093"} }, "not an http"},
		"no URL at all":                {func(o *notify.AlertmanagerOptions) { o.URLs = []string{"http://user:hunter2@[::1/"} }, "not a URL"},
		"a password in the URL":        {func(o *notify.AlertmanagerOptions) { o.URLs = []string{"https://user:hunter2@am"} }, "password"},
		"a query":                      {func(o *notify.AlertmanagerOptions) { o.URLs = []string{"https://am/?key=hunter2"} }, "query"},
		"a token over plain http":      {func(o *notify.AlertmanagerOptions) { o.URLs, o.TokenPath = []string{"http://am.example.com"}, "/token" }, "unencrypted"},
		"alerts that are sent once":    {func(o *notify.AlertmanagerOptions) { o.Resend = 0 }, "forgets"},
		"a negative timeout":           {func(o *notify.AlertmanagerOptions) { o.Timeout = -1 }, "negative"},
		"a CA that is not there":       {func(o *notify.AlertmanagerOptions) { o.CAPath = "/nonexistent/ca.pem" }, "/nonexistent/ca.pem"},
		"a CA that is no certificate":  {func(o *notify.AlertmanagerOptions) { o.CAPath = file(t, "ca.pem", "hello") }, "no certificate"},
		"a bad one among several URLs": {func(o *notify.AlertmanagerOptions) { o.URLs = append(o.URLs, "ftp://am") }, "ftp://am"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			c.change(&o)
			_, err := notify.NewAlertmanager(o)
			e := wantError(t, err, rotator.CodeInvalid)
			if !strings.Contains(e.Error(), c.says) || strings.Contains(e.Error()+e.Hint, "hunter2") {
				t.Errorf("it says %q, want %q", e.Error(), c.says)
			}
		})
	}
	if _, err := notify.NewAlertmanager(good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestAlertmanager_NothingToTell(t *testing.T) {
	r := newReplica(t, nil)
	if err := newAlertmanager(t, notify.AlertmanagerOptions{URLs: []string{r.URL}}).Notify(t.Context(), notification()); err != nil || len(r.requests) != 0 {
		t.Errorf("%v, %d requests", err, len(r.requests))
	}
}
