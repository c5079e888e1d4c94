package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"cmkd/rotator"
)

// Failure classifies an error for which no HTTP answer came, or came whole.
// target is what was spoken to, for the message, for instance a host name. An
// *[rotator.Error] in the chain is returned as it is.
//
// NoEffect is set when the request certainly never left: no token, no address,
// no connection, no trust.
func Failure(target string, err error) *rotator.Error {
	if known, ok := errors.AsType[*rotator.Error](err); ok {
		return known
	}
	if cred, ok := errors.AsType[*credentialError](err); ok {
		return credentialFailure(cred.err)
	}
	if errors.Is(err, ErrTooLarge) {
		return &rotator.Error{Code: rotator.CodeInternal, Message: "read answer of " + target, Err: ErrTooLarge}
	}
	e := &rotator.Error{Code: rotator.CodeUnavailable, Message: "call " + target, Err: bare(err)}
	connectionHint(e, target, err)
	return e
}

func connectionHint(e *rotator.Error, target string, err error) {
	var (
		dns       *net.DNSError
		op        *net.OpError
		authority x509.UnknownAuthorityError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		// It may have been on its way: NoEffect stays false.
	case errors.As(err, &dns):
		e.NoEffect, e.Reason = true, rotator.ReasonNameNotResolved
		e.Hint = fmt.Sprintf("check the name and the DNS of this machine: getent hosts %s", target)
	case errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &record):
		e.NoEffect, e.Reason = true, rotator.ReasonNotTrusted
		e.Hint = "check which certificate answers there, and SSL_CERT_FILE if a proxy ends TLS"
	case errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect"):
		e.NoEffect, e.Reason = true, rotator.ReasonNotConnected
		e.Hint = "check the route to Azure, the firewall and HTTPS_PROXY"
	}
}

// entraCode is the only part of Entra's prose that is passed on: the rest may
// repeat what was sent.
var entraCode = regexp.MustCompile(`\bAADSTS[0-9]{4,9}\b`)

// credentialFailure classifies a failure to get a token. No call was made with
// it, so it had no effect.
func credentialFailure(err error) *rotator.Error {
	e := &rotator.Error{
		Code: rotator.CodeUnavailable, Reason: rotator.ReasonNoToken, NoEffect: true,
		Message: "get a token from Microsoft Entra: " + Scrub(err.Error()),
		Hint:    "check the credential named in the configuration: cmkd config check",
	}
	var failed *azidentity.AuthenticationFailedError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Message, e.Err = "get a token from Microsoft Entra", bare(err)
	case errors.As(err, &failed):
		refusedToken(e, failed.RawResponse, entraCode.FindString(failed.Error()))
	}
	return e
}

// refusedToken tells a refusal, which needs a person, from an outage.
func refusedToken(e *rotator.Error, resp *http.Response, code string) {
	if resp == nil {
		return
	}
	e.Message = fmt.Sprintf("get a token from Microsoft Entra: it answered %d", resp.StatusCode)
	if code != "" {
		e.Message += " " + code
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 {
		return
	}
	e.Code, e.Reason = rotator.CodeForbidden, cmp.Or(rotator.Reason(code), rotator.ReasonTokenRefused)
	e.Hint = "check that the identity exists, its tenant and client id, and that its certificate or secret has not expired"
}

// bare returns the cause of err without the request's URL, whose query may be
// signed, and without an answer's body.
func bare(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op
	}
	return errors.New(Scrub(err.Error()))
}

// SameHost reports whether two authorities name one host on port 443, which
// some services spell out (azure/facts.md section 2) and others do not.
func SameHost(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, ":443"), strings.TrimSuffix(b, ":443"))
}
