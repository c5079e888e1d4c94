package notify_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"mime"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"cmkd/providers/notify"
	"cmkd/rotator"
)

// mailServer is as much of SMTP (RFC 5321) as a client needs that sends plain mail.
type mailServer struct {
	addr string
	// refuse is the answer to AUTH; %s is what the client said. Empty accepts.
	refuse string

	mu    sync.Mutex
	auth  []string
	to    []string
	mails []string
}

func newMailServer(t testing.TB, refuse string) *mailServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{addr: l.Addr().String(), refuse: refuse}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer conn.Close(); s.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return s
}

func (s *mailServer) serve(conn net.Conn) {
	in := bufio.NewScanner(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 mail.example.com ESMTP")
	for in.Scan() {
		line := in.Text()
		s.mu.Lock()
		switch verb := strings.ToUpper(strings.Fields(line + " x")[0]); verb {
		case "EHLO":
			say("250-mail.example.com\r\n250 AUTH PLAIN")
		case "AUTH":
			s.auth = append(s.auth, strings.TrimPrefix(line, "AUTH PLAIN "))
			if s.refuse != "" {
				say(s.refuse, line)
			} else {
				say("235 welcome")
			}
		case "RCPT":
			s.to = append(s.to, line)
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			s.mails = append(s.mails, data(in))
			say("250 taken")
		case "QUIT":
			say("221 bye")
		default:
			say("250 ok")
		}
		s.mu.Unlock()
	}
}

func data(in *bufio.Scanner) string {
	var b strings.Builder
	for in.Scan() && in.Text() != "." {
		b.WriteString(in.Text() + "\r\n")
	}
	return b.String()
}

func TestShoutrrr_Mail(t *testing.T) {
	s := newMailServer(t, "")
	path := file(t, "url", "smtp://keys:zq7pass@"+s.addr+"/?from=cmkd@example.com&to=ops@example.com,boss@example.com&starttls=no")
	accent := stalled()
	accent.Summary = "Schlüssel\r\nBcc: everybody@example.com"
	if err := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: path, Runbook: runbook}).Notify(t.Context(), notification(accent)); err != nil {
		t.Fatal(err)
	}
	if len(s.mails) != 2 || len(s.to) != 2 {
		t.Fatalf("%d mails to %v", len(s.mails), s.to)
	}
	m, err := mail.ReadMessage(strings.NewReader(s.mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if want := "cmkd: FIRING critical: Schlüssel Bcc: everybody@example.com"; err != nil || subject != want {
		t.Errorf("subject %q, %v; want %q", subject, err, want)
	}
	if m.Header.Get("Bcc") != "" {
		t.Error("a summary made a header")
	}
	for line := range strings.SplitSeq(s.mails[0], "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if !strings.Contains(s.mails[0], "next: cmkd status op-17") || !strings.Contains(s.mails[0], runbook+"#propagation-stalled") {
		t.Errorf("mail: %s", s.mails[0])
	}
	if got := s.auth[0]; got != base64.StdEncoding.EncodeToString([]byte("\x00keys\x00zq7pass")) {
		t.Errorf("auth %q", got)
	}
}

func TestShoutrrr_MailRefusedWithThePasswordInTheAnswer(t *testing.T) {
	// A short one, so that it does not look like a token.
	s := newMailServer(t, "535 you said %s")
	path := file(t, "url", "smtp://me:zq7p@"+s.addr+"/?from=cmkd@example.com&to=ops@example.com&starttls=no")
	err := newShoutrrr(t, notify.ShoutrrrOptions{URLPath: path}).Notify(t.Context(), notification(stalled()))
	checkNoSecret(t, "smtp", err)
	e := wantError(t, err, rotator.CodeUnavailable)
	if encoded := s.auth[0]; strings.Contains(e.Error(), encoded) || !strings.Contains(e.Error(), "you said") || len(s.mails) != 0 {
		t.Errorf("%d mails, error: %v", len(s.mails), e)
	}
}
