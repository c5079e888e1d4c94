package wire

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxMessage is the longest message shown, in bytes: Azure's own are below 500.
const maxMessage = 600

// MaxRetryAfter bounds a Retry-After: what is longer is an error of somebody's
// clock, and a tracker must not sleep for months on it.
const MaxRetryAfter = 24 * time.Hour

var (
	urlPattern    = regexp.MustCompile(`https?://[^\s"'<>]+`)
	tokenPattern  = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}(\.[A-Za-z0-9_-]*){0,2}`)
	secretPattern = regexp.MustCompile(`(?i)\b(client_secret|client_assertion|refresh_token|access_token|password|sig)=[^\s&"',;]+`)
)

// Scrub makes text fit for a message: one line, bounded, without tokens,
// secrets and the queries of URLs, which may be signed (azure/facts.md section
// 3: operation URLs carry a certificate in their query).
func Scrub(text string) string {
	text = urlPattern.ReplaceAllStringFunc(text, func(u string) string {
		before, _, _ := strings.Cut(u, "?")
		return before
	})
	text = tokenPattern.ReplaceAllString(text, "[token]")
	text = secretPattern.ReplaceAllString(text, "$1=[secret]")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// Date returns the time at which Azure answered by its own clock, or fallback
// where the answer does not say.
func Date(h http.Header, fallback time.Time) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return fallback
	}
	return t.UTC()
}

// RetryAfter returns how long the remote side wants to be left alone, 0 if it
// does not say. It is given in seconds, as a date, which counts from the
// answer's own Date, or in milliseconds by a header of Azure's own.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		if ms, err := strconv.ParseInt(strings.TrimSpace(h.Get(name)), 10, 64); err == nil && ms > 0 {
			return bounded(ms, time.Millisecond)
		}
	}
	value := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseInt(value, 10, 64); err == nil {
		return bounded(s, time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return bounded(int64(at.Sub(Date(h, now))), 1)
	}
	return 0
}

func bounded(n int64, unit time.Duration) time.Duration {
	if n <= 0 {
		return 0
	}
	if n > int64(MaxRetryAfter/unit) {
		return MaxRetryAfter
	}
	return time.Duration(n) * unit
}

// NoEffect reports whether an answer of that status to that method certainly
// changed nothing: reads never do, and a refusal did not. A time-out (408), a
// failure of the server, or anything unknown leaves it open.
func NoEffect(method string, status int) bool {
	if method == http.MethodGet || method == http.MethodHead {
		return true
	}
	return status >= 300 && status < 500 && status != http.StatusRequestTimeout
}
