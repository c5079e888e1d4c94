package dashboard_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"cmkd/cmd/internal/dashboard"
	"cmkd/rotator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	cert := filepath.Join(dir, "cert.pem")
	writeCertificate(t, cert, 1)
	good, short := tokenFile(t, token), tokenFile(t, "short")
	open := tokenFile(t, token)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		o    dashboard.Options
		says string
	}{
		"no place":                   {dashboard.Options{Listen: "8080"}, `"8080" is no place to listen on`},
		"a port that is none":        {dashboard.Options{Listen: "127.0.0.1:http"}, "no place to listen on"},
		"a relative socket":          {dashboard.Options{Listen: "unix:dash.sock"}, "not absolute"},
		"the network without TLS":    {dashboard.Options{Listen: "0.0.0.0:8443", TokenPath: good}, "without TLS"},
		"every address without TLS":  {dashboard.Options{Listen: ":8443"}, "without TLS"},
		"a name, which may be any":   {dashboard.Options{Listen: "dash.contoso.com:8443"}, "without TLS"},
		"the network without token":  {dashboard.Options{Listen: "10.0.0.1:8443", Certificate: cert}, "open to everybody"},
		"a socket with TLS":          {dashboard.Options{Listen: "unix:/run/x.sock", Certificate: cert}, "takes no certificate"},
		"a token that is not there":  {dashboard.Options{Listen: "127.0.0.1:0", TokenPath: dir + "/nosuch"}, "does not exist"},
		"a short token":              {dashboard.Options{Listen: "127.0.0.1:0", TokenPath: short}, "shorter than 32"},
		"a token everybody reads":    {dashboard.Options{Listen: "127.0.0.1:0", TokenPath: open}, "can be read by every user"},
		"a certificate that is none": {dashboard.Options{Listen: "127.0.0.1:0", Certificate: good}, "does not hold a certificate"},
		"no certificate":             {dashboard.Options{Listen: "127.0.0.1:0", Certificate: dir + "/nosuch"}, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			test.o.API = plainAPI()
			_, err := dashboard.New(test.o)
			if err == nil || !strings.Contains(err.Error(), test.says) || rotator.CodeOf(err) != rotator.CodeInvalid {
				t.Errorf("says %v, not %q", err, test.says)
			}
			if e := rotator.AsError(err); e.Hint == "" || strings.Contains(err.Error()+e.Hint, token) {
				t.Errorf("hint is %q", e.Hint)
			}
		})
	}
	for name, o := range map[string]dashboard.Options{
		"the network with both": {Listen: "0.0.0.0:8443", Certificate: cert, TokenPath: good},
		"another loopback":      {Listen: "127.0.0.9:7780"}, "IPv6 loopback": {Listen: "[::1]:7780"}, "localhost": {Listen: "localhost:7780"},
	} {
		t.Run("allows "+name, func(t *testing.T) {
			o.API = plainAPI()
			if _, err := dashboard.New(o); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHostIsChecked(t *testing.T) {
	base := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI(), Hosts: []string{"Dash.Contoso.com"}})
	for name, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:9999": 200, "localhost:7780": 200, "LOCALHOST": 200, "localhost.": 200, "[::1]:7780": 200,
		"dash.contoso.com": 200, "dash.contoso.com:443": 200,
		"evil.example": 421, "evil.example:7780": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "10.1.2.3": 421, "[::1": 200,
	} {
		for _, path := range []string{"", "v1/keys", "healthz", "metrics"} {
			got := ask(t, "GET", base+path, host(name))
			if path == "metrics" && want == 200 {
				continue // there are none
			}
			if got.status != want {
				t.Errorf("%s at /%s is answered with %d %s", name, path, got.status, got.body)
			}
		}
	}
}

func TestOnlyReading(t *testing.T) {
	base := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI()})
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
		for _, path := range []string{"", "v1/keys/payments/rotate", "healthz", "login"} {
			got := ask(t, method, base+path, nil)
			if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s /%s is answered with %d, allow %q", method, path, got.status, got.header.Get("Allow"))
			}
		}
	}
	if got := ask(t, "HEAD", base, nil); got.status != 200 || got.body != "" || got.header.Get("ETag") == "" {
		t.Errorf("HEAD is answered with %+v", got)
	}
	if got := ask(t, "GET", base+"login", nil); got.status != http.StatusNotFound {
		t.Errorf("a login without a token to show is answered with %d", got.status)
	}
}

func TestEveryAnswerIsSecured(t *testing.T) {
	base := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI(), TokenPath: tokenFile(t, token), Metrics: plainAPI()})
	for _, path := range []string{"", "index.html", "js/main.js", "base.css", "icon.svg", "v1/keys", "metrics", "healthz", "readyz", "nosuch", "login"} {
		got := ask(t, "GET", base+path, nil)
		csp := got.header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, rule) {
				t.Errorf("/%s: the policy lacks %s", path, rule)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("/%s: the policy is open: %s", path, csp)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if got.header.Get(name) != want {
				t.Errorf("/%s: %s is %q", path, name, got.header.Get(name))
			}
		}
		if got.header.Get("Strict-Transport-Security") != "" {
			t.Errorf("/%s demands TLS where there is none", path)
		}
	}
}

func TestFiles(t *testing.T) {
	base := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI()})
	page := ask(t, "GET", base, nil)
	if page.status != 200 || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || page.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("the page is %+v", page)
	}
	for _, inline := range []string{"<style", "style=", "onclick", "onload", "http://", "https://"} {
		if strings.Contains(page.body, inline) {
			t.Errorf("the page has %s", inline)
		}
	}
	if again := ask(t, "GET", base, header("If-None-Match", page.header.Get("ETag"))); again.status != http.StatusNotModified || again.body != "" {
		t.Errorf("asked again, the page is %d", again.status)
	}
	for _, path := range []string{"static/index.html", "js", "js/", "../dashboard.go", "..%2fdashboard.go", "js/../../dashboard.go", "js/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "index.html/", "INDEX.HTML", "%00"} {
		r := func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + "/" + path } // as it is
		if got := ask(t, "GET", base, r); got.status != http.StatusNotFound {
			t.Errorf("/%s is answered with %d %q", path, got.status, got.body)
		}
	}
}

func TestToken(t *testing.T) {
	var mu sync.Mutex
	var reports []string
	path := tokenFile(t, token)
	base := start(t, dashboard.Options{
		Listen: "127.0.0.1:0", API: plainAPI(), Metrics: plainAPI(), TokenPath: path,
		Report: func(err error) { mu.Lock(); reports = append(reports, err.Error()); mu.Unlock() },
	})
	for _, path := range []string{"v1/keys", "metrics"} {
		for name, change := range map[string]func(*http.Request){
			"nothing": nil, "a wrong token": header("Authorization", "Bearer "+token+"x"), "an empty token": header("Authorization", "Bearer "),
			"another scheme": header("Authorization", "Basic "+token), "the token as a cookie": header("Cookie", "__Host-cmkd="+token), "rubbish": header("Cookie", "__Host-cmkd=AAAA"),
		} {
			if got := ask(t, "GET", base+path, change); got.status != 401 || got.header.Get("WWW-Authenticate") != "Bearer" || strings.HasPrefix(got.body, "api") {
				t.Errorf("/%s with %s is answered with %d %s", path, name, got.status, got.body)
			}
		}
		if got := ask(t, "GET", base+path, header("Authorization", "bearer "+token)); got.status != 200 {
			t.Errorf("/%s with the token is answered with %d", path, got.status)
		}
	}
	for _, path := range []string{"", "js/main.js", "healthz", "readyz"} {
		if got := ask(t, "GET", base+path, nil); got.status != 200 {
			t.Errorf("/%s needs a token: %d", path, got.status)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"a wrong token": login("wrong"), "no form": nil,
		"a form of another site": func(r *http.Request) { login(token)(r); r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another origin":         func(r *http.Request) { login(token)(r); r.Header.Set("Origin", "https://evil.example") },
		"far too much":           login(strings.Repeat("x", 1<<20)),
	} {
		if got := ask(t, "POST", base+"login", change); got.status < 400 || got.header.Get("Set-Cookie") != "" {
			t.Errorf("a login with %s is answered with %d", name, got.status)
		}
	}
	in := ask(t, "POST", base+"login", login(token))
	cookie, err := http.ParseSetCookie(in.header.Get("Set-Cookie"))
	if err != nil || in.status != http.StatusNoContent {
		t.Fatalf("the login is answered with %+v: %v", in, err)
	}
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Domain != "" || strings.Contains(cookie.Value, token) {
		t.Errorf("the cookie is %s", in.header.Get("Set-Cookie"))
	}
	session := header("Cookie", cookie.Name+"="+cookie.Value)
	if got := ask(t, "GET", base+"v1/keys", session); got.status != 200 || got.body != "api /v1/keys" {
		t.Errorf("with the cookie, the API answers %d %s", got.status, got.body)
	}
	forged := header("Cookie", cookie.Name+"=_____"+cookie.Value[5:]) // lasts longer
	if got := ask(t, "GET", base+"v1/keys", forged); got.status != 401 {
		t.Errorf("with a forged cookie, the API answers %d", got.status)
	}
	replaced := tokenFile(t, strings.ToUpper(token))
	if err := os.Rename(replaced, path); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, "GET", base+"v1/keys", session); got.status != 401 {
		t.Errorf("a new token does not end the session: %d", got.status)
	}
	if got := ask(t, "GET", base+"v1/keys", header("Authorization", "Bearer "+strings.ToUpper(token))); got.status != 200 {
		t.Errorf("the new token is not taken: %d", got.status)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, "GET", base+"v1/keys", header("Authorization", "Bearer "+strings.ToUpper(token))); got.status != 200 {
		t.Errorf("the last good token is not kept: %d", got.status)
	}
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(reports, "\n")
	if !strings.Contains(all, "wrong token") || !strings.Contains(all, "shorter than 32") || strings.Contains(all, token) {
		t.Errorf("reported:\n%s", all)
	}
}

func TestOtherSitesMayNotRead(t *testing.T) {
	base := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI(), Metrics: plainAPI()})
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200, "": 200} {
		for _, path := range []string{"v1/keys", "metrics"} {
			if got := ask(t, "GET", base+path, header("Sec-Fetch-Site", site)); got.status != want {
				t.Errorf("/%s from %q is answered with %d", path, site, got.status)
			}
		}
	}
}

func TestTLS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cert.pem")
	pool := x509.NewCertPool()
	pool.AddCert(writeCertificate(t, path, 1))
	base := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI(), Certificate: path, TokenPath: tokenFile(t, token)})
	if !strings.HasPrefix(base, "https://127.0.0.1:") {
		t.Fatalf("the address is %s", base)
	}
	ask := func(config *tls.Config) (*http.Response, error) {
		config.RootCAs = pool
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Transport{DisableKeepAlives: true, TLSClientConfig: config}).RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		return resp, err
	}
	resp, err := ask(&tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Strict-Transport-Security") == "" || resp.TLS.PeerCertificates[0].SerialNumber.Int64() != 1 {
		t.Errorf("answers with %v", resp.Header)
	}
	if _, err := ask(&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	pool.AddCert(writeCertificate(t, path, 2))
	if resp, err = ask(&tls.Config{}); err != nil || resp.TLS.PeerCertificates[0].SerialNumber.Int64() != 2 {
		t.Errorf("the new certificate is not used: %v", err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false) // as kill -9 does
	left.Close()
	if u := start(t, dashboard.Options{Listen: "unix:" + path, API: plainAPI()}); u != "" {
		t.Errorf("the address is %q", u)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode is %v (%v)", info.Mode(), err)
	}
	dial := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	if got := askBy(t, dial, "GET", "http://localhost/v1/keys", nil); got.status != 200 {
		t.Errorf("answers %+v", got)
	}
	if got := askBy(t, dial, "GET", "http://evil.example/v1/keys", nil); got.status != 421 {
		t.Errorf("another name is answered with %d", got.status)
	}
	second, err := dashboard.New(dashboard.Options{Listen: "unix:" + path, API: plainAPI()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Listen(t.Context()); rotator.CodeOf(err) != rotator.CodeConflict {
		t.Errorf("a second daemon gets %v", err)
	}
}

func TestPortTaken(t *testing.T) {
	base := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI()})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	s, err := dashboard.New(dashboard.Options{Listen: u.Host, API: plainAPI()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(t.Context()); rotator.CodeOf(err) != rotator.CodeConflict || !strings.Contains(err.Error(), u.Host) {
		t.Errorf("says %v", err)
	}
}

func TestHealth(t *testing.T) {
	for name, test := range map[string]struct {
		live, ready  bool
		health, work int
	}{
		"well":         {true, true, 200, 200},
		"not yet":      {true, false, 200, 503},
		"stuck":        {false, true, 503, 503},
		"never so bad": {false, false, 503, 503},
	} {
		t.Run(name, func(t *testing.T) {
			health := func() (bool, bool, []string) { return test.live, test.ready, []string{"the disk is full"} }
			open := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI(), Health: health})
			closed := start(t, dashboard.Options{Listen: "127.0.0.1:0", API: plainAPI(), Health: health, TokenPath: tokenFile(t, token)})
			for path, want := range map[string]int{"healthz": test.health, "readyz": test.work} {
				got, hidden := ask(t, "GET", open+path, nil), ask(t, "GET", closed+path, nil)
				shown := ask(t, "GET", closed+path, header("Authorization", "Bearer "+token))
				if got.status != want || hidden.status != want || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
					t.Errorf("/%s is answered with %d and %d", path, got.status, hidden.status)
				}
				if says := "the disk is full"; want != 200 && (!strings.Contains(got.body, says) || !strings.Contains(shown.body, says) || strings.Contains(hidden.body, says)) {
					t.Errorf("/%s says %q, and %q without the token", path, got.body, hidden.body)
				}
			}
		})
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s, err := dashboard.New(dashboard.Options{Listen: "127.0.0.1:0", API: api})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(l)+"v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); err != nil || !bytes.HasPrefix([]byte(line), []byte(": hello")) {
		t.Fatalf("the stream begins with %q: %v", line, err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(body); err != nil {
		t.Errorf("the stream breaks off: %v", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
