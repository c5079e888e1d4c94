package dashboard

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"cmkd/rotator"
)

const (
	// readTimeout bounds how long a peer may take to say what it wants.
	readTimeout = 10 * time.Second
	// writeTimeout is how long an answer may take to get to the peer. Event streams
	// set their own, anew with each event.
	writeTimeout = time.Minute
	// idleTimeout is for connections that nobody uses.
	idleTimeout = 2 * time.Minute
)

// Options are what a server is made of. Listen and API are required.
type Options struct {
	// Listen is where: 127.0.0.1:9808, [::]:8443, or unix: and the path of a socket.
	Listen string
	// Group may connect to the unix socket; empty is the daemon's own.
	Group string
	// Hosts are further names by which browsers reach the page, for instance the
	// machine's own, or that of a proxy in front of it.
	Hosts []string
	// Certificate is a PEM file with a certificate, its chain and its key. It is read
	// again when it changes. Without it there is no TLS.
	Certificate string
	// TokenPath is a file with the token that readers show. It is read again when it
	// changes, which ends the sessions. Without it no token is demanded.
	TokenPath string

	// API serves /v1/. It must change nothing.
	API http.Handler
	// Metrics serves /metrics; nil if there are none.
	Metrics http.Handler
	// Health tells whether the daemon is alive and able to work, and what is wrong.
	// It is asked for each request to /healthz and /readyz; nil is always well.
	Health func() (live, ready bool, problems []string)
	// Report hears of what is worth a line in the log: a refused login, a certificate
	// that could not be read again. It may be nil.
	Report func(error)
}

// Server serves the page.
type Server struct {
	o        Options
	place    place
	files    map[string]file
	cert     *watched[*tls.Certificate] // nil without TLS
	token    *watched[secret]           // nil if none is demanded
	sessions *sessions
	http     *http.Server

	// streams is done when event streams are to end.
	streams    context.Context
	endStreams context.CancelFunc
}

// New makes a server; [Server.Listen] and [Server.Serve] start it. It reads the
// certificate and the token. A place that others than this machine reach without
// both of them is an error of [rotator.CodeInvalid].
func New(o Options) (*Server, error) {
	if o.API == nil {
		return nil, rotator.Errorf(rotator.CodeInternal, "the web page has no API to read")
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
	at, err := parsePlace(o.Listen)
	if err != nil {
		return nil, err
	}
	if err := at.secured(&o); err != nil {
		return nil, err
	}
	s := &Server{o: o, place: at}
	s.streams, s.endStreams = context.WithCancel(context.Background())
	if s.files, err = readFiles(); err != nil {
		return nil, err
	}
	if o.Certificate != "" {
		if s.cert, err = watch(o.Certificate, readCertificate, o.Report); err != nil {
			return nil, err
		}
	}
	if o.TokenPath != "" {
		if s.token, err = watch(o.TokenPath, readToken, o.Report); err != nil {
			return nil, err
		}
	}
	s.sessions = newSessions()
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // a peer's broken request is the peer's business
	}
	if s.cert != nil {
		s.http.TLSConfig = &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.get(), nil },
		}
	}
	return s, nil
}

// Listen opens the place that the options name. A unix socket gets mode 0660; one
// that a daemon left behind is replaced, one that somebody listens on is not.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	return s.place.listen(ctx, s.o.Group)
}

// Serve answers on l until [Server.Shutdown], then returns nil.
func (s *Server) Serve(l net.Listener) error {
	serve := s.http.Serve
	if s.cert != nil {
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the web page: %w", err)
	}
	return nil
}

// Shutdown stops listening, ends the event streams and waits for the requests under
// way until ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.endStreams()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop the web page: %w", err), s.http.Close())
	}
	return nil
}

// URL returns the address to open in a browser, empty for a unix socket. What a
// wildcard address stands for is called localhost.
func (s *Server) URL(l net.Listener) string {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	host, port, _ := net.SplitHostPort(at.String())
	if at.IP.IsUnspecified() {
		host = "localhost"
		if len(s.o.Hosts) > 0 {
			host = s.o.Hosts[0]
		}
	}
	scheme := "http"
	if s.cert != nil {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(cmp.Or(host, "localhost"), port) + "/"
}
