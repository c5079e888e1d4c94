package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

// place is where the page is served.
type place struct {
	network string // tcp or unix
	address string // for net.Listen
	host    string // what Listen names, without the port; empty for a unix socket
}

func parsePlace(listen string) (place, error) {
	if path, isSocket := strings.CutPrefix(listen, "unix:"); isSocket {
		if !strings.HasPrefix(path, "/") {
			return place{}, rotator.Errorf(rotator.CodeInvalid, "socket path %q is not absolute", path).
				WithHint("write it like unix:/run/cmkd/web.sock")
		}
		return place{network: "unix", address: path}, nil
	}
	host, port, err := net.SplitHostPort(listen)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n > 65535 {
		return place{}, rotator.Errorf(rotator.CodeInvalid, "%q is no place to listen on", listen).
			WithHint("write it like 127.0.0.1:9808, or unix:/run/cmkd/web.sock")
	}
	return place{network: "tcp", address: listen, host: bareHost(host)}, nil
}

// local reports whether only this machine gets there. A name other than localhost
// may stand for any address, and tomorrow for another one.
func (p place) local() bool {
	if p.network == "unix" || p.host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(p.host)
	return err == nil && ip.IsLoopback()
}

// secured refuses what would show the estate to the network.
func (p place) secured(o *Options) error {
	switch {
	case p.network == "unix" && o.Certificate != "":
		return rotator.Errorf(rotator.CodeInvalid, "a unix socket takes no certificate").
			WithHint("remove web.certificate, or listen on an address")
	case p.local():
		return nil
	case o.Certificate == "":
		return rotator.Errorf(rotator.CodeInvalid, "the web page on %s would be open to the network without TLS", p.address).
			WithHint("set web.certificate to a PEM file with certificate and key, or listen on 127.0.0.1")
	case o.TokenPath == "":
		return rotator.Errorf(rotator.CodeInvalid, "the web page on %s would be open to everybody on the network", p.address).
			WithHint("make a token (openssl rand -hex 32) and set web.credential to the file it is in, or listen on 127.0.0.1")
	default:
		return nil
	}
}

func (p place) listen(ctx context.Context, group string) (net.Listener, error) {
	if p.network == "unix" {
		l, err := control.Listen(ctx, p.address, group)
		if e, ok := errors.AsType[*rotator.Error](err); ok && e.Code == rotator.CodeInvalid {
			named := *e // the hint names the setting of the control socket
			return nil, named.WithHint("correct web.listen or socket_group in the configuration")
		}
		return l, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, p.network, p.address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, rotator.Errorf(rotator.CodeConflict, "another program listens on %s", p.address).
			WithHint("ss -ltnp shows which; or choose another port for web.listen")
	case errors.Is(err, fs.ErrPermission):
		return nil, rotator.Errorf(rotator.CodeForbidden, "the web page may not listen on %s: permission denied", p.address).
			WithHint("choose a port above 1023")
	case err != nil:
		return nil, fmt.Errorf("listen on %s for the web page: %w", p.address, err)
	}
	return l, nil
}

// knows reports whether a request's Host header names this server. A page of
// somebody else that has its own name resolve to our address sends that name. The
// port does not matter, so that a forwarded one works.
func (s *Server) knows(hostport string, local net.Addr) bool {
	host := bareHost(hostport)
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = bareHost(name)
	}
	switch {
	case host == "":
		return false
	case host == "localhost", host == s.place.host:
		return true
	case slices.ContainsFunc(s.o.Hosts, func(h string) bool { return bareHost(h) == host }):
		return true
	}
	// The address that was dialled cannot have come from a name.
	at, ok := local.(*net.TCPAddr)
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() && s.place.local() && ok || ok && ip.Unmap() == at.AddrPort().Addr().Unmap())
}

// bareHost returns a host name or address in the form in which two are compared.
func bareHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
