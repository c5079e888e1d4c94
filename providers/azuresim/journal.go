package azuresim

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// record is one thing that came from outside and may have changed the estate. All
// that the estate is follows from the scenario and its records: what services do by
// themselves is a function of these, and what mere reading changes (counts, limits,
// the audit log) is saved beside them, see counters.
type record struct {
	At      time.Time       `json:"at"` // simulated
	Request *recordedCall   `json:"request,omitempty"`
	Action  *Action         `json:"action,omitempty"`
	Fault   *recordedFault  `json:"fault,omitempty"` // added
	Cleared *recordedClear  `json:"cleared,omitempty"`
	Client  *recordedClient `json:"client,omitempty"` // nobody declared, met for the first time
}

// recordedCall is a request that took effect: who it came from is settled, and so is
// which fault hit it.
type recordedCall struct {
	Method   string      `json:"method"`
	Host     string      `json:"host"`
	Path     string      `json:"path"`
	Query    string      `json:"query,omitempty"`
	Header   http.Header `json:"header,omitempty"`
	Body     []byte      `json:"body,omitempty"`
	Caller   string      `json:"caller,omitempty"`
	Audience string      `json:"audience,omitempty"`
	Refused  string      `json:"refused,omitempty"` // why there is no caller
	Fault    int         `json:"fault,omitempty"`   // its number, 0 for none
}

type recordedFault struct {
	Fault Fault     `json:"fault"`
	From  time.Time `json:"from"`
}

type recordedClear struct {
	Name string `json:"name"` // empty for all
}

type recordedClient struct {
	ID string `json:"id"`
}

// note writes a record, at the simulated time of what is happening.
func (s *Server) note(r record) {
	if s.replaying {
		return
	}
	r.At = s.now
	s.journal = append(s.journal, r)
}

// effect lets a request take effect, through the fault that hit it if there is one,
// and notes it if it may change something.
func (s *Server) effect(c *call, f *armedFault, handler func(*call) *answer) *answer {
	noted := func(c *call) *answer {
		if changes(c) {
			s.noteCall(c, f)
		}
		return handler(c)
	}
	if f == nil {
		return noted(c)
	}
	a := f.apply(c, noted)
	a.fault = f.name()
	return a
}

// changes says whether a request may change something beyond counters. Reads do not;
// nor do those that only compute, ask, or log in.
func changes(c *call) bool {
	if c.method == http.MethodGet || c.method == http.MethodHead {
		return false
	}
	return !slices.Contains([]string{
		"key-encrypt", "key-decrypt", "key-sign", "key-verify", "key-wrap", "key-unwrap",
		"graph-query", "log-query", "token",
	}, c.operation)
}

// unneeded headers say nothing that changes what a request does.
func unneeded() []string {
	return []string{
		"Authorization", "User-Agent", "Accept", "Accept-Encoding", "Connection", "Content-Length", "Content-Type",
		"X-Ms-Client-Request-Id", "X-Ms-Return-Client-Request-Id", "Traceparent", "Tracestate",
	}
}

func (s *Server) noteCall(c *call, f *armedFault) {
	header := c.header.Clone()
	for _, name := range unneeded() {
		header.Del(name)
	}
	r := &recordedCall{
		Method: c.method, Host: c.host, Path: c.path, Query: c.query.Encode(), Header: header, Body: c.body,
		Caller: c.caller.id, Audience: c.audience, Refused: c.authError,
	}
	if f != nil {
		r.Fault = f.number
	}
	s.note(record{Request: r})
}

// replay lets a record happen again.
func (s *Server) replay(r record) error {
	s.agenda.advance(r.At)
	s.now = r.At
	switch {
	case r.Request != nil:
		return s.replayCall(r.Request)
	case r.Action != nil:
		// It may have been in vain then, and is so again.
		_ = s.act(*r.Action, s.now)
	case r.Fault != nil:
		return s.enlist(r.Fault.Fault, r.Fault.From)
	case r.Cleared != nil:
		s.clear(r.Cleared.Name)
	case r.Client != nil:
		s.anyone(r.Client.ID)
	}
	return nil
}

// replayCall lets a request take effect again. Faults and limits do not judge it
// anew: their verdict is in the record.
func (s *Server) replayCall(r *recordedCall) error {
	request, err := http.NewRequestWithContext(context.Background(), r.Method, "https://"+r.Host, bytes.NewReader(nil))
	if err != nil {
		return fmt.Errorf("replay %s %s: %w", r.Method, r.Path, err)
	}
	request.URL = &url.URL{Scheme: "https", Host: r.Host, Path: r.Path, RawQuery: r.Query}
	request.Host, request.Header = r.Host, r.Header
	if request.Header == nil {
		request.Header = http.Header{}
	}
	c := newCall(s, request, r.Body)
	c.audience, c.authError = r.Audience, r.Refused
	if r.Caller != "" {
		if c.caller = s.clients[fold(r.Caller)]; c.caller == nil {
			return fmt.Errorf("replay %s %s: there is no client %s", r.Method, r.Path, r.Caller)
		}
	}
	handler := s.route(c)
	if r.Fault == 0 {
		handler(c)
		return nil
	}
	i := slices.IndexFunc(s.faults, func(f *armedFault) bool { return f.number == r.Fault })
	if i < 0 {
		return fmt.Errorf("replay %s %s: there is no fault %d", r.Method, r.Path, r.Fault)
	}
	s.faults[i].apply(c, handler)
	return nil
}
