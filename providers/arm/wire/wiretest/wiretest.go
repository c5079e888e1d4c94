// Package wiretest holds what the tests of the Azure clients share: a clock
// that tests move, transports that answer from a function or a recording, and
// the reading of azure/recordings and azure/examples.
package wiretest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Clock is a clock that stands still until it is moved.
type Clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
	jump  bool
	timer []waiter
}

type waiter struct {
	at time.Time
	c  chan time.Time
}

// Start is when test clocks begin.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// NewClock returns a clock that moves by [Clock.Advance] only.
func NewClock() *Clock { return &Clock{now: Start} }

// NewJumpingClock returns a clock on which every wait is over at once, by moving
// the clock to its end.
func NewJumpingClock() *Clock { return &Clock{now: Start, jump: true} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After delivers a value once the clock has been moved by d.
func (c *Clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	ch := make(chan time.Time, 1)
	if c.jump {
		c.now = c.now.Add(d)
		ch <- c.now
		return ch
	}
	c.timer = append(c.timer, waiter{c.now.Add(d), ch})
	return ch
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	left := c.timer[:0]
	for _, w := range c.timer {
		if w.at.After(c.now) {
			left = append(left, w)
			continue
		}
		w.c <- c.now
	}
	c.timer = left
}

// Waits returns how long every wait so far was.
func (c *Clock) Waits() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Duration(nil), c.waits...)
}

// Request is one request that a transport was given.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        string
	At          time.Time
}

// Answer is what a transport answers.
type Answer struct {
	Status int
	Header map[string]string
	Body   string
	Err    error // instead of an answer
}

// Transport answers from a function and keeps what it was asked.
type Transport struct {
	Clock  *Clock // dates the answers; may be nil
	Answer func(r Request) Answer

	mu       sync.Mutex
	requests []Request
}

// Do answers a request.
func (t *Transport) Do(req *http.Request) (*http.Response, error) {
	r := Request{Method: req.Method, URL: req.URL.String(), Header: req.Header.Clone()}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		r.Body = string(body)
	}
	if t.Clock != nil {
		r.At = t.Clock.Now()
	}
	t.mu.Lock()
	t.requests = append(t.requests, r)
	t.mu.Unlock()
	a := t.Answer(r)
	if a.Err != nil {
		return nil, a.Err
	}
	return a.response(req, r.At), nil
}

func (a Answer) response(req *http.Request, at time.Time) *http.Response {
	h := http.Header{}
	for k, v := range a.Header {
		h.Set(k, v)
	}
	if h.Get("Date") == "" && !at.IsZero() {
		h.Set("Date", at.UTC().Format(http.TimeFormat))
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	return &http.Response{
		StatusCode: a.Status, Status: http.StatusText(a.Status), Header: h, Request: req,
		Body: io.NopCloser(strings.NewReader(a.Body)), ContentLength: int64(len(a.Body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// Requests returns what was asked so far.
func (t *Transport) Requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Request(nil), t.requests...)
}

// Methods returns the methods of the requests so far, joined by spaces.
func (t *Transport) Methods() string {
	var all []string
	for _, r := range t.Requests() {
		all = append(all, r.Method)
	}
	return strings.Join(all, " ")
}

// Queue returns an answering function that gives the answers in order and fails
// the test when there are none left.
func Queue(tb testing.TB, answers ...Answer) func(Request) Answer {
	tb.Helper()
	var mu sync.Mutex
	return func(r Request) Answer {
		mu.Lock()
		defer mu.Unlock()
		if len(answers) == 0 {
			tb.Errorf("no answer left for %s %s", r.Method, r.URL)
			return Answer{Status: http.StatusTeapot}
		}
		a := answers[0]
		answers = answers[1:]
		return a
	}
}

// Credential gives out a token that must never be seen anywhere but in a header.
type Credential struct{ Err error }

// Token is the token of [Credential].
const Token = "eyJTEST-token-that-must-stay-secret.abc.def"

// GetToken returns the token or the error.
func (c Credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if c.Err != nil {
		return azcore.AccessToken{}, c.Err
	}
	return azcore.AccessToken{Token: Token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// Exchange is one exchange of a recording.
type Exchange struct {
	File    string
	Request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
		Body   any    `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    any               `json:"body"`
		Omitted bool              `json:"omitted"`
	} `json:"response"`
	// Omitted is true if the body was left out, wherever the recording says so.
	Omitted bool `json:"omitted"`
}

// Text returns a body as it was on the wire.
func Text(body any) string {
	if s, ok := body.(string); ok {
		return s
	}
	if body == nil {
		return ""
	}
	raw, _ := json.Marshal(body)
	return string(raw)
}

// Answer returns the recorded answer.
func (e Exchange) Answer() Answer {
	return Answer{Status: e.Response.Status, Header: e.Response.Headers, Body: Text(e.Response.Body)}
}

// Folder returns a folder of the ground truth about Azure, and skips the test if
// it is not there.
func Folder(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			tb.Skip("outside of a module")
		}
		dir = filepath.Dir(dir)
	}
	folder := filepath.Join(dir, "..", "shared", "azure", name)
	if _, err := os.Stat(folder); err != nil {
		tb.Skipf("the ground truth about Azure is not here: %s", folder)
	}
	return folder
}

// recorded returns the folders of recordings: those that CMKD_RECORDINGS names,
// separated as in PATH, or all that there are.
func recorded(tb testing.TB) []string {
	tb.Helper()
	if dirs := os.Getenv("CMKD_RECORDINGS"); dirs != "" {
		return filepath.SplitList(dirs)
	}
	return []string{Folder(tb, "recordings"), Folder(tb, "more-recordings")}
}

// Recordings reads every recording whose file name matches a pattern.
func Recordings(tb testing.TB, pattern string) []Exchange {
	tb.Helper()
	var files []string
	for _, folder := range recorded(tb) {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			tb.Fatal(err)
		}
		files = append(files, found...)
	}
	var all []Exchange
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for i, line := range bytes.Split(bytes.TrimSpace(raw), []byte("\n")) {
			var e Exchange
			if err := json.Unmarshal(line, &e); err != nil {
				tb.Fatalf("%s:%d: %v", file, i+1, err)
			}
			e.File, e.Omitted = filepath.Base(file), e.Omitted || e.Response.Omitted
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		tb.Skipf("no recording matches %s", pattern)
	}
	return all
}

// Replay answers from a recording: requests of one method, host and path get
// their recorded answers in order, the last one over and over for reads.
type Replay struct {
	mu     sync.Mutex
	queues map[string][]Exchange
}

// NewReplay makes a replay of exchanges.
func NewReplay(exchanges []Exchange) *Replay {
	r := &Replay{queues: map[string][]Exchange{}}
	for _, e := range exchanges {
		k := replayKey(e.Request.Method, e.Request.URL)
		r.queues[k] = append(r.queues[k], e)
	}
	return r
}

func replayKey(method, url string) string {
	before, _, _ := strings.Cut(url, "?")
	before = strings.Replace(before, ":443/", "/", 1)
	return method + " " + strings.ToLower(strings.TrimSuffix(before, "/"))
}

// Answer gives the next answer.
func (r *Replay) Answer(req Request) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := replayKey(req.Method, req.URL)
	queue := r.queues[k]
	if len(queue) == 0 {
		return Answer{Status: http.StatusNotFound, Body: `{"error":{"code":"NotRecorded","message":"not in the recording"}}`}
	}
	if len(queue) > 1 || req.Method != http.MethodGet {
		r.queues[k] = queue[1:]
	}
	return queue[0].Answer()
}
