package wire

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
)

func TestScrub(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"signed URL", "see https://management.azure.com/op/1?t=1&c=MIIH&s=sig for more", "see https://management.azure.com/op/1 for more"},
		{"token", "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.abc.def end", "Bearer [token] end"},
		{"secret", "client_secret=abc~123&x=1", "client_secret=[secret]&x=1"},
		{"lines", "a\r\n b\tc\x00d", "a b c d"},
		{"plain", "The Resource 'x' was not found.", "The Resource 'x' was not found."},
	} {
		if got := Scrub(tt.in); got != tt.want {
			t.Errorf("%s: Scrub(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	if got := Scrub(strings.Repeat("ä", 5000)); len(got) > maxMessage+4 {
		t.Errorf("a long text has %d bytes after Scrub", len(got))
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		header map[string]string
		want   time.Duration
	}{
		{"none", nil, 0},
		{"seconds", map[string]string{"Retry-After": "17"}, 17 * time.Second},
		{"zero", map[string]string{"Retry-After": "0"}, 0},
		{"negative", map[string]string{"Retry-After": "-5"}, 0},
		{"nonsense", map[string]string{"Retry-After": "soon"}, 0},
		{"huge", map[string]string{"Retry-After": "999999999999"}, MaxRetryAfter},
		{"date by our clock", map[string]string{"Retry-After": "Sun, 01 Mar 2026 12:01:00 GMT"}, time.Minute},
		{
			"date by Azure's clock",
			map[string]string{"Retry-After": "Sun, 01 Mar 2026 12:01:00 GMT", "Date": "Sun, 01 Mar 2026 12:00:50 GMT"},
			10 * time.Second,
		},
		{"past date", map[string]string{"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0},
		{"milliseconds", map[string]string{"X-Ms-Retry-After-Ms": "250"}, 250 * time.Millisecond},
	} {
		h := http.Header{}
		for k, v := range tt.header {
			h.Set(k, v)
		}
		if got := RetryAfter(h, now); got != tt.want {
			t.Errorf("%s: RetryAfter = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestFailure_tells_what_never_left(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://management.azure.com/x?c=SIGNED", Err: err}
	}
	for _, tt := range []struct {
		name     string
		err      error
		code     rotator.Code
		noEffect bool
	}{
		{"no address", wrap(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsNotFound: true}}), rotator.CodeUnavailable, true},
		{"no connection", wrap(&net.OpError{Op: "dial", Err: errors.New("refused")}), rotator.CodeUnavailable, true},
		{"no trust", wrap(x509.UnknownAuthorityError{}), rotator.CodeUnavailable, true},
		{"reset", wrap(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), rotator.CodeUnavailable, false},
		{"time-out", wrap(context.DeadlineExceeded), rotator.CodeUnavailable, false},
		{"cut off", wrap(io.ErrUnexpectedEOF), rotator.CodeUnavailable, false},
		{"no token", &credentialError{errors.New("AADSTS700016 for client_secret=hunter2")}, rotator.CodeUnavailable, true},
		{"too large", fmt.Errorf("body: %w", ErrTooLarge), rotator.CodeInternal, false},
	} {
		e := Failure("management.azure.com", tt.err)
		if e.Code != tt.code || e.NoEffect != tt.noEffect {
			t.Errorf("%s: code %s, no effect %t; want %s, %t", tt.name, e.Code, e.NoEffect, tt.code, tt.noEffect)
		}
		if text := e.Error() + e.Hint; strings.Contains(text, "SIGNED") || strings.Contains(text, "hunter2") || strings.Contains(text, "\n") {
			t.Errorf("%s: unfit for people: %s", tt.name, text)
		}
	}
}

func TestBoundedBody(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]error{10: nil, MaxBody: nil, MaxBody + 1: ErrTooLarge} {
		b := &boundedBody{body: io.NopCloser(io.LimitReader(zeros{}, int64(size))), left: MaxBody}
		got, err := io.ReadAll(b)
		if !errors.Is(err, want) || len(got) > MaxBody {
			t.Errorf("%d bytes: read %d, error %v, want %v", size, len(got), err, want)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestNoEffect(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{200: false, 307: true, 400: true, 403: true, 404: true, 408: false, 409: true, 412: true, 429: true, 500: false, 503: false} {
		if got := NoEffect("PUT", status); got != want {
			t.Errorf("NoEffect(PUT, %d) = %t, want %t", status, got, want)
		}
		if !NoEffect("GET", status) {
			t.Errorf("NoEffect(GET, %d) = false", status)
		}
	}
}
