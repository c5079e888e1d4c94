package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"cmkd/rotator"
)

const (
	// maxBody is far above any command; a reason may be long.
	maxBody = 64 << 10
	// readTimeout bounds how long a peer may take to say what it wants. A body may
	// take longer: a deadline for it would also end the long commands.
	readTimeout = 10 * time.Second
	// idleTimeout is for connections that nobody uses.
	idleTimeout = 2 * time.Minute
)

// Access is one request that was answered, for the log.
type Access struct {
	Actor    string
	Method   string
	Path     string
	Status   int
	Duration time.Duration
	// Err is what went wrong, nil if nothing did.
	Err error
	// Stack is set if the handler panicked.
	Stack []byte
}

// Options are what a server is made of. Engine and Clock are required; a hook
// that is nil answers that the daemon cannot do that.
type Options struct {
	Engine Engine
	Clock  rotator.Clock
	Policy Policy
	About  Version
	// Backup copies the store to a new file.
	Backup func(ctx context.Context, path string) (int64, error)
	// Verify checks the event log.
	Verify func(ctx context.Context) (LogReport, error)
	// Reload reads the configuration again.
	Reload func(ctx context.Context) (Reloaded, error)
	// Metrics serves the metrics of the daemon.
	Metrics http.Handler
	// Observe hears of each request. It may be nil.
	Observe func(Access)
	// Heartbeat is how often an event stream shows a sign of life, and looks for
	// events by itself; by default 15 s of real time.
	Heartbeat time.Duration
}

// Server answers on the control socket.
type Server struct {
	o    Options
	http *http.Server

	mu     sync.Mutex
	policy Policy
	news   chan struct{} // closed when events were committed

	closing   chan struct{} // closed when streams are to end
	closeOnce sync.Once
}

// NewServer makes a server; [Server.Serve] starts it.
func NewServer(o Options) *Server {
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	s := &Server{o: o, policy: o.Policy, news: make(chan struct{}), closing: make(chan struct{})}
	s.http = &http.Server{
		Handler: s.handler(), ConnContext: withPeer,
		ReadHeaderTimeout: readTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       log.New(io.Discard, "", 0), // a peer's broken request is the peer's business
	}
	return s
}

// Serve answers on l until [Server.Shutdown], then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return nil
}

// Shutdown stops listening, ends the event streams and waits for the requests
// under way until ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closeOnce.Do(func() { close(s.closing) })
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop the control socket: %w", err), s.http.Close())
	}
	return nil
}

// SetPolicy replaces who may do what.
func (s *Server) SetPolicy(p Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy = p
}

// Committed tells the event streams that there is something to read.
func (s *Server) Committed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

func (s *Server) newsNow() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

func (s *Server) role(p Peer) Role {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy.Role(p)
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern(), s.guarded(s.admits(r.role), r.serves))
	}
	mux.Handle("/", s.guarded(s.admits(RoleNone), noRoute))
	return mux
}

func noRoute(_ http.ResponseWriter, r *http.Request) error {
	return rotator.Errorf(rotator.CodeNotFound, "there is no %s %s", r.Method, r.URL.Path).
		WithHint("GET /v1/openapi.json lists what there is")
}

// guarded serves a route to those whom admit lets in, as the actor that it
// names, and turns an error into an answer.
func (s *Server) guarded(admit func(*http.Request) (string, error), serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		w := &answer{ResponseWriter: plain, status: http.StatusOK}
		a := Access{Method: r.Method, Path: r.URL.Path}
		began := time.Now()
		defer func() {
			if p := recover(); p != nil {
				a.Err, a.Stack = fmt.Errorf("panic: %v", p), debug.Stack()
				writeError(w, rotator.Errorf(rotator.CodeInternal, "the daemon made a mistake").WithHint("journalctl -u cmkd has the details"))
			}
			a.Status, a.Duration = w.status, time.Since(began)
			if s.o.Observe != nil {
				s.o.Observe(a)
			}
		}()
		r.Body = http.MaxBytesReader(plain, r.Body, maxBody)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if a.Actor, a.Err = admit(r); a.Err == nil {
			a.Err = serve(w, r)
		}
		if a.Err != nil {
			writeError(w, a.Err)
		}
	})
}

// answer remembers the status that was sent.
type answer struct {
	http.ResponseWriter
	status int
	begun  bool
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if a.begun {
		return // what has begun cannot become another answer
	}
	a.status, a.begun = status, true
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [io.Writer].
func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] reach what streams need.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// admits adapts admit to a role.
func (s *Server) admits(need Role) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) { return s.admit(r, need) }
}

// admit refuses a request that comes from nobody we know, from a browser, or
// from somebody who may not do that. It returns the actor.
func (s *Server) admit(r *http.Request, need Role) (string, error) {
	peer, ok := peerFrom(r.Context())
	if !ok {
		return "", rotator.Errorf(rotator.CodeForbidden, "the peer has no credentials")
	}
	for _, h := range []string{"Origin", "Referer"} {
		if r.Header.Get(h) != "" {
			return peer.Actor(), rotator.Errorf(rotator.CodeForbidden, "requests with the header %s are refused: this is no place for browsers", h)
		}
	}
	if r.Host != clientHost && r.Host != "localhost" {
		return peer.Actor(), rotator.Errorf(rotator.CodeForbidden, "requests to host %q are refused", r.Host).WithHint("use http://localhost/v1/…")
	}
	if role := s.role(peer); role < need {
		return peer.Actor(), rotator.Errorf(rotator.CodeForbidden, "%s has %s, this takes %s", peer.Actor(), role.phrase(), need.phrase()).
			WithHint("add user:%s or one of its groups to roles.%ss in the configuration, then: systemctl reload cmkd", who(peer), need)
	}
	return peer.Actor(), nil
}

func who(p Peer) string {
	if p.Name != "" {
		return p.Name
	}
	return p.Actor()
}

// statused is an answer whose HTTP status is its own.
type statused interface{ Status() int }

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	if s, ok := v.(statused); ok {
		w.WriteHeader(s.Status())
	}
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

func writeError(w http.ResponseWriter, err error) {
	e := &rotator.Error{Code: rotator.CodeInternal, Err: err}
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e = &rotator.Error{Code: rotator.CodeUnavailable, Err: err}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(e.Code))
	_ = json.NewEncoder(w).Encode(newFailure(e)) // the peer is gone: nobody to tell
}

// decode reads the body of a command, which may be empty.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &tooLarge):
		return rotator.Errorf(rotator.CodeInvalid, "the request is larger than %d bytes", tooLarge.Limit)
	case err != nil:
		return rotator.Errorf(rotator.CodeInvalid, "the request is not what this route takes: %v", err).
			WithHint("GET /v1/openapi.json describes it")
	case d.More():
		return rotator.Errorf(rotator.CodeInvalid, "the request goes on after its end")
	}
	return nil
}
