package azuresim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
)

// Errors of exchanges without an answer.
var (
	// ErrDropped is what a client in the same process gets for a connection
	// that closes.
	ErrDropped = errors.New("connection closed before the answer")
)

// timeoutError is what a client in the same process gets instead of waiting.
type timeoutError struct{ error }

// Unwrap leads to [ErrDropped].
func (e timeoutError) Unwrap() error { return e.error }

// Timeout says that the client waited in vain.
func (timeoutError) Timeout() bool { return true }

// Temporary belongs to [net.Error].
func (timeoutError) Temporary() bool { return true }

// Transport returns a transport that reaches the simulated Azure without
// sockets. Lost answers are errors at once, time-outs with Timeout() true.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ sim *Server }

// RoundTrip serves one request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if err := t.reachable(r.URL.Hostname()); err != nil {
		return nil, err
	}
	a := t.sim.answer(r, body)
	if a.delay > 0 && !pause(r.Context(), a.delay) {
		return nil, r.Context().Err()
	}
	switch a.lost {
	case lostTimeout:
		// Unwrapped: net/http asks the error itself whether it is a time-out.
		return nil, timeoutError{fmt.Errorf("await answer of %s: %w", r.URL.Host, ErrDropped)}
	case lostClosed:
		return nil, fmt.Errorf("read answer of %s: %w", r.URL.Host, ErrDropped)
	case lostNot:
	}
	if a.header.Get("Content-Length") == "" && r.Method == http.MethodHead {
		a.body = nil
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.header,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer func() { _ = r.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	return body, nil
}

// reachable turns unknown names into what a resolver would say.
func (t transport) reachable(host string) error {
	err := t.sim.checkHost(host)
	if errors.Is(err, ErrHostUnknown) {
		return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return err
}

// quiet swallows what net/http has to say about clients that hang up.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
