package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"cmkd/rotator"
)

// maxLogin is far above any token.
const maxLogin = 4 << 10

// policy lets a page run what this server has, and nothing else; texts cannot become
// markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func (s *Server) secure(h http.Header, tls bool) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), clipboard-read=()")
	h.Set("Cache-Control", "no-store")
	if tls {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// serve answers one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.secure(w.Header(), r.TLS != nil)
	// A deadline stays with the connection, so each request sets it anew.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !s.knows(r.Host, local) {
		refuse(w, r, http.StatusMisdirectedRequest, rotator.Errorf(rotator.CodeForbidden, "this server is not called %q", r.Host).
			WithHint("add the name to web.hosts in the configuration"))
		return
	}
	if !s.allows(w, r) {
		return
	}
	switch {
	case r.URL.Path == "/healthz", r.URL.Path == "/readyz":
		s.health(w, r)
	case r.URL.Path == "/login" && s.token != nil:
		s.login(w, r)
	case r.URL.Path == "/metrics" && s.o.Metrics != nil:
		s.guard(w, r, s.o.Metrics)
	case strings.HasPrefix(r.URL.Path, "/v1/"):
		s.guard(w, r, s.o.API)
	default:
		s.file(w, r)
	}
}

// allows refuses what is no reading.
func (s *Server) allows(w http.ResponseWriter, r *http.Request) bool {
	allow := "GET, HEAD"
	if r.URL.Path == "/login" && s.token != nil {
		allow = "POST"
	}
	for method := range strings.SplitSeq(allow, ", ") {
		if r.Method == method {
			return true
		}
	}
	w.Header().Set("Allow", allow)
	refuse(w, r, http.StatusMethodNotAllowed, rotator.Errorf(rotator.CodeInvalid, "%s is not allowed here: the web page changes nothing", r.Method).
		WithHint("the cmkd command commands the daemon"))
	return false
}

func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[r.URL.Path]
	if !ok {
		refuse(w, r, http.StatusNotFound, rotator.Errorf(rotator.CodeNotFound, "there is no %s", r.URL.Path).WithHint("the page is at /"))
		return
	}
	f.serve(w, r)
}

// guard lets those through who may see data.
func (s *Server) guard(w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch {
	case foreign(r):
		refuse(w, r, http.StatusForbidden, rotator.Errorf(rotator.CodeForbidden, "pages of other sites may not read this"))
		return
	case !s.admitted(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, r, http.StatusUnauthorized, rotator.Errorf(rotator.CodeForbidden, "a token is needed").
			WithHint("send Authorization: Bearer with the token, or log in at /"))
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		var cancel context.CancelFunc
		r, cancel = s.untilClosing(r)
		defer cancel()
	}
	next.ServeHTTP(w, r)
}

// foreign reports whether a page of another site made the browser ask.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin": // a script's, a person's, the page's own
		return false
	default:
		return true
	}
}

// untilClosing lets a stream end when the server is to stop.
func (s *Server) untilClosing(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(s.streams, cancel)
	return r.WithContext(ctx), func() { stop(); cancel() }
}

// login gives a browser that shows the token a session.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	if foreign(r) || http.NewCrossOriginProtection().Check(r) != nil {
		refuse(w, r, http.StatusForbidden, rotator.Errorf(rotator.CodeForbidden, "pages of other sites may not log in"))
		return
	}
	if err := r.ParseForm(); err != nil {
		refuse(w, r, http.StatusBadRequest, rotator.Errorf(rotator.CodeInvalid, "the login is not a form with a token"))
		return
	}
	if !s.token.get().matches(strings.TrimSpace(r.PostForm.Get("token"))) {
		s.o.Report(fmt.Errorf("login to the web page from %s refused: wrong token", r.RemoteAddr))
		refuse(w, r, http.StatusUnauthorized, rotator.Errorf(rotator.CodeForbidden, "this is not the token").
			WithHint("it is in the file that web.credential names in the configuration"))
		return
	}
	s.setCookie(w)
	w.WriteHeader(http.StatusNoContent)
}

// health answers in plain text. What is wrong is told only to those who may see it.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	live, ready, problems := true, true, []string(nil)
	if s.o.Health != nil {
		live, ready, problems = s.o.Health()
	}
	ok, good, bad := live, "alive\n", "not alive\n"
	if r.URL.Path == "/readyz" {
		ok, good, bad = live && ready, "ready\n", "not ready\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if ok {
		_, _ = io.WriteString(w, good)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, bad)
	if s.admitted(r) && len(problems) > 0 {
		_, _ = io.WriteString(w, strings.Join(problems, "\n")+"\n")
	}
}

// refuse answers with an error: to programs in the form of the API, else in words.
func refuse(w http.ResponseWriter, r *http.Request, status int, e *rotator.Error) {
	if strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/login" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{ // the peer is gone: nobody to tell
			"code": string(e.Code), "message": e.Message, "hint": e.Hint,
		}})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, strings.TrimSuffix(e.Message+"\n"+e.Hint, "\n"))
}
