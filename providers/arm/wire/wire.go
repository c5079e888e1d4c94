// Package wire holds what every call to Azure has in common, whichever API it
// goes to: a transport that bounds answers and follows no redirect, the
// classification of failures that happened before an answer came, the reading
// of Retry-After and Date, and the scrubbing of what may be shown to people.
//
// It knows no API and keeps no state.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// MaxBody is how many bytes of one answer are read. The largest document in
// azure/recordings that cmkd decodes has 4 kB, the largest list page 60 kB.
const MaxBody = 8 << 20

// Call describes one HTTP exchange, for metrics. It holds no resource id and
// nothing secret.
type Call struct {
	Method   string
	Provider string // the resource provider, for instance Microsoft.Storage; "vault" or "blob" for data planes
	Kind     string // the kind of dependent the call was made for; may be empty
	Status   int    // the HTTP status; 0 if no answer came
	// Throttled is true if Azure answered 429, or if the call was held back
	// because an earlier answer asked to wait.
	Throttled bool
	Duration  time.Duration
}

// Clock is the part of the daemon's clock that is needed here.
type Clock interface{ Now() time.Time }

// ErrTooLarge is returned by a body that is longer than [MaxBody].
var ErrTooLarge = errors.New("answer is larger than 8 MiB")

// NewTransport returns a transport over next, or over an HTTP client of its own
// when next is nil, that ends every body at [MaxBody] with [ErrTooLarge].
//
// The client of its own honours HTTPS_PROXY and SSL_CERT_FILE and follows no
// redirect: Azure's APIs answer operations with headers, and a redirect would
// carry a token to another host.
func NewTransport(next policy.Transporter) policy.Transporter {
	if next == nil {
		next = defaultClient()
	}
	return boundedTransport{next}
}

func defaultClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.MaxIdleConnsPerHost = 16
	// An answer that does not begin within two minutes will not come: ARM's own
	// limit of a synchronous call is one minute.
	transport.ResponseHeaderTimeout = 2 * time.Minute
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type boundedTransport struct{ next policy.Transporter }

// Do sends the request and bounds the body of its answer.
func (t boundedTransport) Do(req *http.Request) (*http.Response, error) {
	resp, err := t.next.Do(req)
	if resp != nil && resp.Body != nil {
		resp.Body = &boundedBody{body: resp.Body, left: MaxBody}
	}
	return resp, err
}

type boundedBody struct {
	body io.ReadCloser
	left int64
}

// Read reads until the bound, and fails on the first byte beyond it.
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if int64(n) > b.left {
		return int(b.left), ErrTooLarge
	}
	b.left -= int64(n)
	return n, err
}

// Close closes the body.
func (b *boundedBody) Close() error { return b.body.Close() }

// NewCredential wraps cred so that its failures can be told from those of the
// call that needed the token, see [Failure].
func NewCredential(cred azcore.TokenCredential) azcore.TokenCredential {
	if cred == nil {
		return nil
	}
	return markedCredential{cred}
}

type markedCredential struct{ next azcore.TokenCredential }

// GetToken asks the wrapped credential and marks its error.
func (c markedCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := c.next.GetToken(ctx, o)
	if err != nil {
		return token, &credentialError{err}
	}
	return token, nil
}

type credentialError struct{ err error }

// Error returns the cause's message.
func (e *credentialError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *credentialError) Unwrap() error { return e.err }

// NonRetriable tells azcore's pipeline that asking again is for the caller.
func (e *credentialError) NonRetriable() {}
