package notify

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cmkd/rotator"
)

const (
	maxAnswer = 64 << 10 // bytes of an answer that are read
	// maxRetryAfter bounds a Retry-After: what is longer is somebody's mistake.
	maxRetryAfter = time.Hour
)

// refused makes the error of an answer that is not a success.
func refused(base, token string, resp *http.Response, now time.Time) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what came of it is enough
	text := answerText(data)
	if token != "" {
		text = strings.ReplaceAll(text, token, redacted)
	}
	if text = oneLine(text, maxProblem); text == "" {
		text = http.StatusText(resp.StatusCode)
	}
	e := &rotator.Error{
		Code: statusCode(resp.StatusCode), Reason: rotator.ReasonOfStatus(resp.StatusCode),
		Message: fmt.Sprintf("post alerts to %s: %d %s", base, resp.StatusCode, text),
	}
	e.Hint = statusHint(resp.StatusCode)
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		e.RetryAfter = retryAfter(resp.Header, now)
	}
	return e
}

// answerText finds Alertmanager's own words: a JSON string, an object with a
// message where the request did not fit its schema, or plain text of a proxy.
func answerText(data []byte) string {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return text
	}
	var object struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &object) == nil && object.Message != "" {
		return object.Message
	}
	return string(data)
}

func statusCode(status int) rotator.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return rotator.CodeForbidden
	case http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed:
		return rotator.CodeNotFound
	case http.StatusTooManyRequests:
		return rotator.CodeThrottled
	case http.StatusRequestTimeout:
		return rotator.CodeUnavailable
	}
	if status >= 300 && status < 500 {
		return rotator.CodeInvalid
	}
	return rotator.CodeUnavailable
}

func statusHint(status int) string {
	switch {
	case status >= 300 && status < 400:
		return "redirects are not followed: give the URL that it leads to"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "check the token in the file, and what it may do"
	case status == http.StatusProxyAuthRequired:
		return "check HTTPS_PROXY, or name the host in NO_PROXY"
	case status == http.StatusNotFound, status == http.StatusGone, status == http.StatusMethodNotAllowed:
		return "give the base URL of an Alertmanager 0.16 or later, with the path of --web.route-prefix if it has one"
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return "this Alertmanager does not take what cmkd sends; report it with its message"
	case status == http.StatusRequestEntityTooLarge:
		return "raise the limit of the proxy in front of Alertmanager to 2 MB"
	}
	return ""
}

// retryAfter returns how long the other side wants to be left alone, 0 if it does
// not say. A date counts from the answer's own Date, or from now without one.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(s, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// unanswered makes the error of a call to which no answer came.
func unanswered(base string, err error) error {
	e := &rotator.Error{Code: rotator.CodeUnavailable, Message: "post alerts to " + base, Err: bare(err)}
	var (
		dns    *net.DNSError
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		op     *net.OpError
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Hint = "it did not answer in time"
	case errors.As(err, &dns):
		e.Hint = "check the name, and the DNS of this machine"
	case errors.As(err, &verify):
		e.Hint = "name the certificate of its CA in the receiver's ca"
	case errors.As(err, &record):
		e.Hint = "what answers there speaks no TLS: give an http URL, or another port"
	case errors.As(err, &op) && op.Op == "dial":
		e.Hint = "check that Alertmanager runs and listens there, and the firewall"
	}
	return e
}

// bare returns the cause of err without the URL, which the message has already.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
