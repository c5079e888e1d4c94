package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"cmkd/providers/notify"
	"cmkd/rotator"
)

// hook is a web server that keeps what it was sent.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	titles []string // the header that ntfy uses
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.bodies, h.titles = append(h.bodies, string(data)), append(h.titles, r.Header.Get("Title"))
		io.WriteString(w, "{}")
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) host() string { return strings.TrimPrefix(h.URL, "http://") }

func newShoutrrr(t testing.TB, o notify.ShoutrrrOptions) *notify.Shoutrrr {
	t.Helper()
	s, err := notify.NewShoutrrr(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sent returns the text that a plain webhook gets of a notification.
func sent(t *testing.T, n rotator.Notification, o notify.ShoutrrrOptions) string {
	t.Helper()
	h := newHook(t)
	o.URLPath = file(t, "url", "generic+"+h.URL+"/hook\n")
	if err := newShoutrrr(t, o).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if len(h.bodies) != 1 {
		t.Fatalf("%d messages", len(h.bodies))
	}
	return h.bodies[0]
}

func TestShoutrrr_Text(t *testing.T) {
	test := notification(stalled())
	test.Test = true
	crowded := stalled()
	crowded.Affected, crowded.Count = crowd(1000), 1000
	bare := rotator.Alert{ID: "x", Rule: "x", Severity: rotator.SeverityWarning, Summary: "Something", Starts: noon}
	for name, n := range map[string]rotator.Notification{
		"one-firing":   notification(stalled()),
		"one-resolved": notification(ended()),
		"mixed":        notification(stalled(), crowded, bare, ended()),
		"test":         test,
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", sent(t, n, notify.ShoutrrrOptions{Runbook: runbook}))
		})
	}
	t.Run("simulated", func(t *testing.T) {
		golden(t, "simulated.txt", sent(t, notification(stalled()), notify.ShoutrrrOptions{Note: "Azure is simulated."}))
	})
}

func TestShoutrrr_TextIsBounded(t *testing.T) {
	long := stalled()
	long.Summary, long.Hint, long.Next = strings.Repeat("ä summary\n", 2000), strings.Repeat("hint ", 2000), strings.Repeat("x", 9000)
	for name, n := range map[string]rotator.Notification{
		"1000 alerts":            notification(many(1000)...),
		"a long one":             notification(long),
		"1000 long ones":         notification(append([]rotator.Alert{long, long}, many(998)...)...),
		"an instance of a novel": {Alerts: many(2), Now: noon, Instance: strings.Repeat("prod", 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			text := sent(t, n, notify.ShoutrrrOptions{Runbook: runbook, Note: strings.Repeat("note ", 5000)})
			if len(text) > 3500 || !strings.Contains(text, "FIRING critical: ") || strings.ContainsRune(text, '\ufffd') {
				t.Errorf("%d bytes: %s", len(text), text)
			}
			shown := strings.Count(text, "\nFIRING")
			if more := len(n.Alerts) - shown; more > 0 && !strings.Contains(text, fmt.Sprintf("and %d more: cmkd alert list", more)) {
				t.Errorf("%d of %d are shown, and the rest is not counted: %s", shown, len(n.Alerts), text)
			}
		})
	}
}

func TestShoutrrr_Subject(t *testing.T) {
	for want, alerts := range map[string][]rotator.Alert{
		"cmkd: 2 alerts firing, 1 resolved":                                     append(many(2), ended()),
		"cmkd: 2 alerts firing":                                                 many(2),
		"cmkd: 1 alert firing, 2 resolved":                                      {stalled(), ended(), ended()},
		"cmkd: 2 alerts resolved":                                               {ended(), ended()},
		"cmkd: RESOLVED info: The clock of this machine jumped ahead by 3h0m0s": {ended()},
	} {
		t.Run(want, func(t *testing.T) {
			got, _, _ := strings.Cut(sent(t, notification(alerts...), notify.ShoutrrrOptions{}), "\n")
			if got != want {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestShoutrrr_UsesTheTitleWhereThereIsOne(t *testing.T) {
	const subject = "cmkd: RESOLVED info: The clock of this machine jumped ahead by 3h0m0s"
	h := newHook(t)
	t.Run("a JSON webhook", func(t *testing.T) {
		s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: file(t, "url", "generic+"+h.URL+"/hook?template=json")})
		if err := s.Notify(t.Context(), notification(ended())); err != nil {
			t.Fatal(err)
		}
		var got struct{ Title, Message string }
		if err := json.Unmarshal([]byte(h.bodies[len(h.bodies)-1]), &got); err != nil {
			t.Fatal(err)
		}
		if got.Title != subject || strings.Contains(got.Message, "cmkd: ") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("ntfy", func(t *testing.T) {
		s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: file(t, "url", "ntfy://"+h.host()+"/keys?scheme=http")})
		if err := s.Notify(t.Context(), notification(ended())); err != nil {
			t.Fatal(err)
		}
		last := len(h.bodies) - 1
		if h.titles[last] != subject || strings.Contains(h.bodies[last], "cmkd: ") {
			t.Errorf("title %q, message %q", h.titles[last], h.bodies[last])
		}
	})
	t.Run("mattermost shows none, so it is the first line", func(t *testing.T) {
		s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: file(t, "url", "mattermost://"+h.host()+"/t0ken?disabletls=yes")})
		if err := s.Notify(t.Context(), notification(ended())); err != nil {
			t.Fatal(err)
		}
		if got := h.bodies[len(h.bodies)-1]; !strings.Contains(got, `"text":"`+subject+`\n\n`) {
			t.Errorf("%s", got)
		}
	})
}

func TestShoutrrr_ReadsTheURLEachTime(t *testing.T) {
	first, second := newHook(t), newHook(t)
	path := file(t, "url", "generic+"+first.URL+"/hook")
	s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: path})
	for _, h := range []*hook{first, second} {
		if err := os.WriteFile(path, []byte("generic+"+h.URL+"/hook\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Notify(t.Context(), notification(stalled())); err != nil {
			t.Fatal(err)
		}
	}
	if len(first.bodies) != 1 || len(second.bodies) != 1 {
		t.Errorf("%d and %d messages", len(first.bodies), len(second.bodies))
	}
}

func TestShoutrrr_BadURL(t *testing.T) {
	for name, raw := range map[string]string{
		"no such service":               "carrier-pigeon://zq7token@coop",
		"a token alone":                 "zq7token",
		"a token with a colon":          "zq7user:zq7token",
		"not a URL":                     "slack://zq7token%zz@webhook",
		"a service that tells nobody":   "logger://",
		"a custom URL that is none":     "smtp+https://zq7user:zq7token@mail",
		"a bad custom URL":              "generic+ftp://host/zq7token?disabletls=zq7maybe",
		"slack with a bad token":        "slack://hook:zq7-bad-token@webhook",
		"discord without an id":         "discord://zq7token@",
		"telegram without a channel":    "telegram://zq7token@telegram",
		"teams with a bad path":         "teams://zq7group@zq7tenant/zq7a/zq7b?host=zq7",
		"pushover without a user":       "pushover://shoutrrr:zq7token@",
		"gotify with a bad token":       "gotify://127.0.0.1:1/zq7token",
		"mail to nobody":                "smtp://zq7user:zq7pass@127.0.0.1:1/?from=a@example.com",
		"an option that is none":        "ntfy://zq7user:zq7pass@127.0.0.1:1/zq7topic?nonsense=zq7value",
		"a token for an option":         "ntfy://127.0.0.1:1/zq7topic?zq7token",
		"an option that has a bad word": "smtp://zq7user:zq7pass@127.0.0.1:1/?from=a@example.com&to=b@example.com&auth=zq7Plain",
	} {
		t.Run(name, func(t *testing.T) {
			s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: file(t, "url", raw)})
			err := s.Notify(t.Context(), notification(stalled()))
			if err == nil {
				t.Fatal("no error")
			}
			e := rotator.AsError(err)
			if e.Hint == "" || strings.Contains(strings.ToLower(fmt.Sprintf("%v %+v %#v %s", e, e, e, e.Hint)), "zq7") {
				t.Errorf("hint %q, error: %v", e.Hint, e)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: "/nonexistent/url"})
		if e := wantError(t, s.Notify(t.Context(), notification(stalled())), rotator.CodeInvalid); e.Hint == "" {
			t.Error("no hint")
		}
	})
	t.Run("a relative path without a credentials directory", func(t *testing.T) {
		t.Setenv("CREDENTIALS_DIRECTORY", "")
		_, err := notify.NewShoutrrr(notify.ShoutrrrOptions{URLPath: "slack-url"})
		if e := wantError(t, err, rotator.CodeInvalid); !strings.Contains(e.Hint, "LoadCredential=slack-url:") {
			t.Errorf("hint %q", e.Hint)
		}
	})
}

// parrot is a server that answers every request with an error that repeats all of
// it, in the status line and in the body.
func parrot(t testing.TB) (host string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				buffer := make([]byte, 64<<10)
				n, _ := conn.Read(buffer)
				request := string(buffer[:n])
				line := strings.NewReplacer("\r", " ", "\n", " ").Replace(request)
				fmt.Fprintf(conn, "HTTP/1.1 500 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", line, len(request), request)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// leaky are URLs of services that can be pointed at a server of our own, with a
// secret in each place where they take one. mail is a server of mail.
func leaky(host, mail, secret string) map[string]string {
	user := url.UserPassword(secret+"user", secret+"pass").String()
	path, query := url.PathEscape(secret), url.QueryEscape(secret)
	return map[string]string{
		"generic":    "generic+http://" + user + "@" + host + "/" + path + "?key=" + query + "&@Authorization=" + query,
		"ntfy":       "ntfy://" + user + "@" + host + "/" + path + "?scheme=http",
		"gotify":     "gotify://" + host + "/AbCdEfGhIjKlMnO?disabletls=yes&title=" + query,
		"mattermost": "mattermost://" + host + "/" + path + "?disabletls=yes",
		"rocketchat": "rocketchat://" + user + "@" + host + "/" + path + "/" + path + "/channel",
		"matrix":     "matrix://" + user + "@" + host + "/?disableTLS=yes&rooms=" + query,
		"zulip":      "zulip://bot%40zq7mail:" + path + "@" + host + "/?stream=" + query,
		"bark":       "bark://:" + path + "@" + host + "/?scheme=http",
		"signal":     "signal://" + user + "@" + host + "/+15550001111/+15550002222?disabletls=yes&token=" + query,
		"opsgenie":   "opsgenie://" + host + "/" + path,
		"lark":       "lark://" + host + "/" + path + "?secret=" + query,
		"smtp":       "smtp://" + user + "@" + mail + "/?from=zq7from@example.com&to=zq7to@example.com&starttls=no&timeout=2s",
	}
}

func checkNoSecret(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", name)
		return
	}
	e := rotator.AsError(err)
	all := strings.ToLower(fmt.Sprintf("%v %+v %#v %s %s %v", e, e, e, e.Hint, e.Reason, e.Err))
	// The gotify token has a form of its own.
	if strings.Contains(all, "zq7") || strings.Contains(all, "abcdefghijklmno") {
		t.Errorf("%s leaks: %v", name, e)
	}
	if len(e.Error()) > 500 || strings.ContainsAny(e.Error(), "\r\n\x00") {
		t.Errorf("%s: not a bounded line: %q", name, e.Error())
	}
}

func TestShoutrrr_LeaksNoSecret(t *testing.T) {
	dead := strings.TrimPrefix(deadURL(t), "http://")
	repeats := newMailServer(t, "535 you said %s").addr
	for what, host := range map[string][2]string{"a server that repeats everything": {parrot(t), repeats}, "nobody listens": {dead, dead}} {
		for _, secret := range []string{"zq7secret", "zq7x/se cret+&=%\"'é", "zq7x-A-b:c@d|e", "zq7x<\\>\t?#"} {
			for name, raw := range leaky(host[0], host[1], secret) {
				t.Run(what+"/"+name+"/"+url.QueryEscape(secret), func(t *testing.T) {
					s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: file(t, "url", raw)})
					checkNoSecret(t, name, s.Notify(t.Context(), notification(stalled())))
				})
			}
		}
	}
}

func FuzzShoutrrr_LeaksNoSecret(f *testing.F) {
	for _, s := range []string{"", "token", "a/b?c#d", "%41%00", "\xff\xfe", "é\u2028", `"\`, "#00", "Ä", strings.Repeat("x", 300)} {
		f.Add(s)
	}
	host, repeats := parrot(f), newMailServer(f, "535 you said %s").addr
	f.Fuzz(func(t *testing.T, rest string) {
		urls := leaky(host, repeats, "zq7x"+rest)
		for _, name := range []string{"generic", "ntfy", "mattermost", "smtp"} {
			raw := urls[name]
			s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: file(t, "url", raw)})
			checkNoSecret(t, name, s.Notify(t.Context(), notification(stalled())))
		}
		raw := "generic+http://" + host + "/zq7x" + strings.NewReplacer("\n", "", "\r", "").Replace(rest)
		s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: file(t, "url", raw)})
		checkNoSecret(t, raw, s.Notify(t.Context(), notification(stalled())))
	})
}

func TestShoutrrr_Hangs(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer server.Close()
	path := file(t, "url", "generic+"+server.URL+"/zq7token")
	s := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: path})
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Notify(ctx, notification(stalled())) }()
		<-arrived
		cancel()
		err := <-done
		checkNoSecret(t, "a message that hangs", err)
		wantError(t, err, rotator.CodeUnavailable)
	}
	e := wantError(t, s.Notify(t.Context(), notification(stalled())), rotator.CodeUnavailable)
	if !strings.Contains(e.Error(), "3 earlier ones") || e.Hint == "" {
		t.Errorf("the fourth is not held back: %v", e)
	}
	close(release)
	h := newHook(t)
	if err := os.WriteFile(path, []byte("generic+"+h.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	for s.Notify(t.Context(), notification(stalled())) != nil {
		if t.Context().Err() != nil {
			t.Fatal("it does not recover")
		}
	}
}
