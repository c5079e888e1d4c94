package configs

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// firstFreePort is the first that takes no privilege to listen on.
const firstFreePort = 1024

func (v *validator) validateWeb() {
	w := &v.config.Web
	if v.bad["web"] || v.bad["web.listen"] {
		return
	}
	v.repeated(w.Hosts, "web.hosts")
	if w.Listen == "" {
		v.unserved(w)
		return
	}
	if file, ok := strings.CutPrefix(w.Listen, "unix:"); ok {
		v.validateWebSocket(w, file)
		return
	}
	host, port, _ := net.SplitHostPort(w.Listen)
	if n, _ := strconv.Atoi(port); n < firstFreePort {
		v.warn("web.listen", fmt.Sprintf("the unit has no right to listen on port %d", n),
			"take one from 1024 on, or put a proxy before it")
	}
	if !isLoopback(host) {
		v.validateExposed(w)
	}
}

// unserved warns of what only a page that is served could use.
func (v *validator) unserved(w *Web) {
	for field, set := range map[string]bool{
		"certificate": w.Certificate != "", "credential": w.Credential != "", "hosts": len(w.Hosts) > 0,
	} {
		if set {
			v.warn("web."+field, "has no effect without listen", "add listen or remove it")
		}
	}
}

func (v *validator) validateWebSocket(w *Web, file string) {
	if w.Certificate != "" {
		v.problem("web.certificate", "a unix socket takes no certificate", "remove it: the proxy on this machine does TLS")
	}
	switch {
	case file == v.config.Socket:
		v.problem("web.listen", "is the same file as socket", "the page needs a socket of its own, such as unix:/run/cmkd/web.sock")
	case file == v.config.Store:
		v.problem("web.listen", "is the same file as store", "name another, such as unix:/run/cmkd/web.sock")
	case len(file) > maxSocket:
		v.problem("web.listen", fmt.Sprintf("is longer than the %d bytes that a socket's path may have", maxSocket),
			"name another, such as unix:/run/cmkd/web.sock")
	}
}

// validateExposed demands what keeps strangers out where others can connect.
func (v *validator) validateExposed(w *Web) {
	var missing []string
	for _, f := range []struct{ name, value string }{{"certificate", w.Certificate}, {"credential", w.Credential}} {
		if f.value == "" && !v.bad["web."+f.name] {
			missing = append(missing, f.name)
		}
	}
	if len(missing) == 0 {
		return
	}
	v.problem("web.listen", fmt.Sprintf("others can connect to %s, and web has no %s", w.Listen, strings.Join(missing, " and no ")),
		"add "+strings.Join(missing, " and ")+", or listen on 127.0.0.1 or on unix:/run/cmkd/web.sock")
}
