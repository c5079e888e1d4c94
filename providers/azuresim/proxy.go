package azuresim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy is an HTTP proxy which answers for Azure's host names itself and
// refuses all others. Clients need HTTPS_PROXY and the CA certificate, nothing
// else.
type Proxy struct {
	sim atomic.Pointer[Server]
	ca  *authority
}

// NewProxy makes a proxy with a certificate authority of its own.
func NewProxy(s *Server) (*Proxy, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	p := &Proxy{ca: ca}
	p.sim.Store(s)
	return p, nil
}

// Replace lets another simulated Azure answer from now on. Requests under way are
// answered by the one before.
func (p *Proxy) Replace(s *Server) { p.sim.Store(s) }

// CAPEM returns the certificate that clients have to trust, for SSL_CERT_FILE,
// NODE_EXTRA_CA_CERTS or REQUESTS_CA_BUNDLE.
func (p *Proxy) CAPEM() []byte { return p.ca.pem() }

// ErrNotLoopback says that a listener can be reached from other machines.
var ErrNotLoopback = errors.New("the simulated Azure listens on loopback only")

// Serve serves until ctx ends, then closes every connection and waits for its
// goroutines. It returns nil when ctx ended, and refuses a listener that is not
// on loopback.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		_ = l.Close()
		return fmt.Errorf("serve on %s: %w", l.Addr(), ErrNotLoopback)
	}
	tunnels := &tunnelListener{addr: l.Addr(), conns: make(chan net.Conn), done: make(chan struct{})}
	var open connections
	inner := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.sim.Load().ServeHTTP(w, r) }), ReadHeaderTimeout: time.Minute, ErrorLog: quiet(), ConnState: open.follow,
	}
	outer := &http.Server{
		Handler: p.door(tunnels), ReadHeaderTimeout: time.Minute, ErrorLog: quiet(), ConnState: open.follow,
	}
	var group sync.WaitGroup
	group.Go(func() { _ = inner.Serve(tunnels) })
	stop := context.AfterFunc(ctx, func() { _ = outer.Close() })
	err := outer.Serve(l)
	stop()
	_ = outer.Close()
	_ = tunnels.Close()
	_ = inner.Close()
	group.Wait()
	open.wait.Wait()
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil //nolint:nilerr // it ended because it was to end
	}
	return fmt.Errorf("serve on %s: %w", l.Addr(), err)
}

// connections counts the open ones, so that the end of Serve is the end of
// their goroutines.
type connections struct{ wait sync.WaitGroup }

// follow is a [http.Server.ConnState] hook. A hijacked connection goes on as
// another one, that of its tunnel.
func (c *connections) follow(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.wait.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.wait.Done()
	default:
	}
}

// door handles CONNECT, and refuses plain HTTP: Azure has none.
func (p *Proxy) door(tunnels *tunnelListener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			host := r.URL.Host
			if host == "" {
				host = r.Host
			}
			http.Error(w, "azuresim refuses plain http to "+host, http.StatusForbidden)
			return
		}
		host, port, err := net.SplitHostPort(r.Host)
		if err != nil || port != "443" {
			http.Error(w, "azuresim refuses "+r.Host+": only port 443 is simulated", http.StatusForbidden)
			return
		}
		switch err := p.sim.Load().checkHost(host); {
		case errors.Is(err, ErrHostUnknown):
			http.Error(w, "azuresim cannot resolve "+host+": no such vault or account", http.StatusBadGateway)
		case err != nil:
			http.Error(w, "azuresim does not simulate the host "+host, http.StatusForbidden)
		default:
			p.tunnel(w, strings.ToLower(host), tunnels)
		}
	})
}

// tunnel takes the connection over, speaks TLS as the host, and hands it to the
// inner server.
func (p *Proxy) tunnel(w http.ResponseWriter, host string, tunnels *tunnelListener) {
	leaf, err := p.ca.leaf(host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "azuresim cannot take the connection over", http.StatusInternalServerError)
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return
	}
	tunnels.hand(tls.Server(conn, &tls.Config{
		Certificates: []tls.Certificate{*leaf}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}))
}

// tunnelListener passes connections on to the inner server.
type tunnelListener struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *tunnelListener) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close()
	}
}

// Accept returns the next tunnel.
func (l *tunnelListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *tunnelListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is the proxy's own.
func (l *tunnelListener) Addr() net.Addr { return l.addr }
