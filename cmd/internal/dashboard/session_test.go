package dashboard_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cmkd/cmd/internal/dashboard"
)

// pipes is a network of its own, in which a test's time can pass.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9808} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

func TestSessionEnds(t *testing.T) {
	path := tokenFile(t, token)
	synctest.Test(t, func(t *testing.T) {
		s, err := dashboard.New(dashboard.Options{Listen: "127.0.0.1:9808", API: plainAPI(), TokenPath: path})
		if err != nil {
			t.Fatal(err)
		}
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		transport := &http.Transport{DisableKeepAlives: true, DialContext: l.dial}
		base := s.URL(l)
		cookie, err := http.ParseSetCookie(askBy(t, transport, "POST", base+"login", login(token)).header.Get("Set-Cookie"))
		if err != nil {
			t.Fatal(err)
		}
		session := header("Cookie", cookie.Name+"="+cookie.Value)
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 200}, {12*time.Hour - time.Second, 200}, {time.Second, 401}, {time.Hour, 401}} {
			<-time.After(step.wait)
			if got := askBy(t, transport, "GET", base+"v1/keys", session); got.status != step.want {
				t.Errorf("after %s the session is answered with %d", step.wait, got.status)
			}
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
