package kind

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cmkd/providers/arm"
	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

// drive takes one recording through the real clients, exchange by exchange.
type drive struct {
	t         *testing.T
	file      string
	exchanges []wiretest.Exchange

	replayed, understood int
	skipped              map[string]int // by reason
}

// TestRecordings_Drive reads every recording: each exchange that concerns a
// supported kind goes through the real pipeline, client and decoder, and what was
// understood of it is compared with what the answer says. What cmkd has no use
// for is counted, with the reason.
func TestRecordings_Drive(t *testing.T) {
	t.Parallel()
	byFile := map[string][]wiretest.Exchange{}
	for _, e := range wiretest.Recordings(t, "*.jsonl") {
		byFile[e.File] = append(byFile[e.File], e)
	}
	total := drive{skipped: map[string]int{}}
	exchanges := 0
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		d := drive{t: t, file: file, exchanges: byFile[file], skipped: map[string]int{}}
		d.all()
		exchanges += len(d.exchanges)
		total.replayed += d.replayed
		total.understood += d.understood
		for reason, n := range d.skipped {
			total.skipped[reason] += n
		}
	}
	t.Logf("recordings: kinds: %d files, %d exchanges: %d replayed, %d understood", len(byFile), exchanges, total.replayed, total.understood)
	for _, reason := range slices.Sorted(maps.Keys(total.skipped)) {
		t.Logf("recordings: kinds: %d skipped: %s", total.skipped[reason], reason)
	}
	if total.replayed != total.understood {
		t.Errorf("%d of %d exchanges were not understood", total.replayed-total.understood, total.replayed)
	}
}

// renamed reports whether the recorder replaced the name of a resource in the request and left
// it, made up by a test, in the answer.
func renamed(e wiretest.Exchange, path string) bool {
	var body struct{ ID, Name string }
	if json.Unmarshal([]byte(wiretest.Text(e.Response.Body)), &body) != nil || body.ID == "" {
		return false
	}
	return strings.EqualFold(body.Name, path[strings.LastIndexByte(path, '/')+1:]) && !strings.HasSuffix(strings.ToLower(body.ID), "/"+strings.ToLower(body.Name))
}

// polled reports whether the operation that a write began is in the recording, if it began one.
func (d *drive) polled(e wiretest.Exchange) bool {
	for name, value := range e.Response.Headers {
		if strings.EqualFold(name, "Azure-AsyncOperation") {
			operation, _, _ := strings.Cut(value, "?")
			return slices.ContainsFunc(d.exchanges, func(x wiretest.Exchange) bool {
				return strings.HasPrefix(strings.ToLower(x.Request.URL), strings.ToLower(operation))
			})
		}
	}
	return true
}

func (d *drive) all() {
	for i, e := range d.exchanges {
		u, _, _ := strings.Cut(e.Request.URL, "?")
		path, isARM := strings.CutPrefix(u, "https://management.azure.com")
		_, known := Of(path)
		switch {
		case e.Omitted:
			d.skipped["the body was left out of the recording"]++
		case strings.Contains(u, ".vault.azure.net") || strings.Contains(u, ".managedhsm.azure.net"):
			d.skipped["Key Vault, which its own suite replays"]++
		case renamed(e, path):
			d.skipped["the resource has another name in the answer than in the request, by the recorder"]++
		case !isARM:
			d.skipped["another host than those of cmkd"]++
		case isList(path) && e.Request.Method == http.MethodGet:
			d.replay(e, func() error { return d.list(e, path) })
		case known && e.Request.Method == http.MethodGet:
			d.replay(e, func() error { return d.read(e, path) })
		case known && e.Request.Method != http.MethodGet && !d.polled(e):
			d.skipped["a write whose operation the recorder did not poll"]++
		case known && (e.Request.Method == http.MethodPut || e.Request.Method == http.MethodPatch):
			d.replay(e, func() error { return d.write(i, e, path) })
		case known:
			d.skipped["an operation that cmkd never asks for: "+e.Request.Method]++
		case isOperation(path):
			d.skipped["the state of an operation, polled as part of the write that began it"]++
		default:
			d.skipped["a service or operation that cmkd does not support"]++
		}
	}
}

// isList reports whether a path lists resources of a supported kind.
func isList(path string) bool {
	return slices.ContainsFunc(All(), func(info *Declaration) bool {
		return strings.HasSuffix(strings.ToLower(path), "/providers/"+strings.ToLower(info.Type))
	})
}

// list reads a page of a list, element by element.
func (d *drive) list(e wiretest.Exchange, path string) error {
	c, _ := newARM(d.t, func(wiretest.Request) wiretest.Answer { return e.Answer() })
	n := 0
	_, err := c.List(d.t.Context(), path, "2023-01-01", func(raw json.RawMessage) error {
		n++
		var doc document
		if err := json.Unmarshal(raw, &doc); err != nil {
			return err
		}
		if o, kind := observe(doc); kind != "" {
			o.At = wiretest.Start
			return agrees(string(raw), o)
		}
		return nil
	}, arm.CallOptions{})
	if want := strings.Count(wiretest.Text(e.Response.Body), `"id":"/subscriptions/`); err == nil && n == 0 && want > 0 {
		return fmt.Errorf("%d elements were not seen", want)
	}
	return err
}

func isOperation(path string) bool {
	path = strings.ToLower(path)
	return strings.Contains(path, "/locations/") || strings.Contains(path, "operationstatus") || strings.Contains(path, "operationresults")
}

func (d *drive) replay(e wiretest.Exchange, how func() error) {
	d.replayed++
	if err := how(); err != nil {
		d.t.Errorf("%s: %s %s: %v", d.file, e.Request.Method, e.Request.URL, err)
		return
	}
	d.understood++
}

// read observes a resource as the recorded answer shows it.
func (d *drive) read(e wiretest.Exchange, path string) error {
	k := newKit(d.t, func(r wiretest.Request) wiretest.Answer {
		if strings.EqualFold(requestPath(r.URL), path) {
			return e.Answer()
		}
		return wiretest.Answer{Status: http.StatusNotFound, Body: `{"error":{"code":"NotRecorded","message":"not in the recording"}}`}
	})
	kind, _ := Of(path)
	o, err := k.kinds[kind].Observe(d.t.Context(), &rotator.Dependent{ID: path, Kind: kind}, rotator.Ask{})
	if e.Response.Status != http.StatusOK {
		return wantClassified(e, err)
	}
	if err != nil {
		return err
	}
	return agrees(wiretest.Text(e.Response.Body), o)
}

// write sends the recorded body and follows what it began to its end.
func (d *drive) write(i int, e wiretest.Exchange, path string) error {
	c, _ := newARM(d.t, wiretest.NewReplay(d.exchanges[i:]).Answer)
	_, err := c.Write(d.t.Context(), e.Request.Method, path, "2023-01-01", nil, nil, arm.CallOptions{})
	if e.Response.Status >= 300 {
		return wantClassified(e, err)
	}
	if err != nil && (strings.Contains(err.Error(), "NotRecorded") || strings.Contains(err.Error(), "not in the recording")) {
		return nil // the recording ends before the operation
	}
	return err
}

func newARM(t *testing.T, answer func(wiretest.Request) wiretest.Answer) (*arm.Client, *wiretest.Transport) {
	t.Helper()
	clock := wiretest.NewJumpingClock()
	transport := &wiretest.Transport{Clock: clock, Answer: answer}
	client, err := arm.NewClient(wiretest.Credential{}, arm.Options{Transport: transport, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return client, transport
}

func requestPath(url string) string {
	before, _, _ := strings.Cut(strings.TrimPrefix(url, "https://management.azure.com"), "?")
	return before
}

// wantClassified checks that a refusal was understood as one.
func wantClassified(e wiretest.Exchange, err error) error {
	want := map[int]rotator.Code{
		http.StatusNotFound: rotator.CodeNotFound, http.StatusForbidden: rotator.CodeForbidden,
		http.StatusConflict: rotator.CodeConflict, http.StatusBadRequest: rotator.CodeInvalid, http.StatusTooManyRequests: rotator.CodeThrottled,
	}[e.Response.Status]
	if got := rotator.CodeOf(err); want != "" && got != want {
		return fmt.Errorf("status %d was understood as %q: %w", e.Response.Status, got, err)
	}
	return nil
}

// agrees compares an observation with the answer it was made from, as text: no
// version may be reported that the answer does not show in use.
func agrees(answer string, o rotator.Observation) error {
	lower := strings.ToLower(answer)
	for _, u := range o.Uses {
		for _, h := range append(u.Held, rotator.Held{Key: u.Key, Version: u.Version}) {
			if !strings.Contains(lower, h.Version) {
				return fmt.Errorf("version %s does not occur in the answer", h.Version)
			}
			if !strings.Contains(lower, strings.ToLower(h.Key.Name())) {
				return fmt.Errorf("key %s does not occur in the answer", h.Key)
			}
		}
		if u.Key == "" && (u.Version != "" || u.Binding != "") {
			return fmt.Errorf("version %q, binding %q without a key", u.Version, u.Binding)
		}
	}
	if o.At.IsZero() {
		return fmt.Errorf("the moment of the answer is not known")
	}
	return nil
}
