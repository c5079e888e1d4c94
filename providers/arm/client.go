// Package arm is a small generic client of Azure Resource Manager: one request
// path with authentication, pacing and classified errors, long-running
// operations, and paging. It knows no resource type; those who use it bring the
// api-version and the documents.
//
// It never repeats a call by itself, except to follow an operation that Azure
// has accepted; what is to be repeated is for the engine to decide. Sources:
// azure/facts.md section 3 and azure/recordings.
package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	armpolicy "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/policy"
	armruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

// Call describes one HTTP exchange, for metrics.
type Call = wire.Call

// Options configures a [Client].
type Options struct {
	// Cloud is the Azure cloud; the zero value is the public one.
	Cloud cloud.Configuration
	// Transport sends requests; nil means an HTTP client that honours
	// HTTPS_PROXY and follows no redirect.
	Transport policy.Transporter
	// Clock tells the time and does all waiting. Required.
	Clock rotator.Clock
	// Observe is told of every exchange, and of every call that was held back.
	// It may be nil. It is called by many goroutines.
	Observe func(Call)
}

// Client calls Azure Resource Manager. It is safe for use by many goroutines.
type Client struct {
	endpoint *url.URL
	pipeline runtime.Pipeline
	clock    rotator.Clock
	pace     *pacer
	observe  func(Call)
}

// NewClient makes a client that authenticates with cred. Its error is of
// CodeInvalid.
func NewClient(cred azcore.TokenCredential, o Options) (*Client, error) {
	if o.Clock == nil {
		return nil, rotator.Errorf(rotator.CodeInternal, "no clock given to the ARM client")
	}
	if o.Cloud.Services == nil {
		o.Cloud = cloud.AzurePublic
	}
	endpoint, err := url.Parse(o.Cloud.Services[cloud.ResourceManager].Endpoint)
	if err != nil || endpoint.Scheme != "https" || endpoint.Host == "" {
		return nil, rotator.Errorf(rotator.CodeInvalid, "the cloud has no https endpoint of Azure Resource Manager")
	}
	pipeline, err := armruntime.NewPipeline("cmkd", "v1", wire.NewCredential(cred), runtime.PipelineOptions{
		PerCall: []policy.Policy{runtime.NewRequestIDPolicy()},
	}, clientOptions(o))
	if err != nil {
		return nil, &rotator.Error{Code: rotator.CodeInvalid, Message: "set up Azure Resource Manager", Err: err}
	}
	if o.Observe == nil {
		o.Observe = func(Call) {}
	}
	return &Client{endpoint: endpoint, pipeline: pipeline, clock: o.Clock, pace: newPacer(o.Clock), observe: o.Observe}, nil
}

func clientOptions(o Options) *armpolicy.ClientOptions {
	return &armpolicy.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Cloud:     o.Cloud,
			Transport: wire.NewTransport(o.Transport),
			Retry:     policy.RetryOptions{MaxRetries: -1},
			Telemetry: policy.TelemetryOptions{ApplicationID: "cmkd"},
		},
		// Registering a resource provider is a change of the subscription that
		// nobody asked for.
		DisableRPRegistration: true,
	}
}

// CallOptions says more about one call; the zero value will do.
type CallOptions struct {
	// Kind is the kind of dependent, for metrics.
	Kind string
	// Region is the resource's region, if known: some quotas are per region.
	Region string
	// IfMatch makes a write conditional on the document's etag. If the resource
	// has changed the error is of CodeConflict.
	IfMatch string
	// Query is added to the URL beside api-version.
	Query url.Values
	// Role is the role to name in the hint if the call is forbidden; by default
	// Reader for reads.
	Role string
}

// Response is what an answer says beside its document.
type Response struct {
	Status int
	Header http.Header
	// Date is when Azure answered, by its own clock, or by the client's where it
	// does not tell.
	Date time.Time

	body []byte
}

// Do makes one call. path is a resource id, or another path below the endpoint;
// in, if not nil, is sent as JSON; the answer's document is decoded into out, if
// not nil. Every error is an *[rotator.Error]: see error.go for its classes. An
// answer that announces a long-running operation is returned as it is, see
// [Client.Write].
func (c *Client) Do(ctx context.Context, method, path, apiVersion string, in, out any, o CallOptions) (Response, error) {
	if err := checkPath(path); err != nil {
		return Response{}, err
	}
	u := *c.endpoint
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	q := url.Values{"api-version": {apiVersion}}
	maps.Copy(q, o.Query)
	u.RawQuery = q.Encode()
	resp, err := c.exchange(ctx, method, &u, in, o)
	if err != nil {
		return resp, err
	}
	return resp, decode(resp, out, http.MethodGet, path)
}

// Get reads a document.
func (c *Client) Get(ctx context.Context, path, apiVersion string, out any, o CallOptions) (Response, error) {
	return c.Do(ctx, http.MethodGet, path, apiVersion, nil, out, o)
}

// exchange is the one way out: it paces, sends, notes what the answer says about
// quotas, and classifies.
func (c *Client) exchange(ctx context.Context, method string, u *url.URL, in any, o CallOptions) (Response, error) {
	ticket := newTicket(method, u.Path, o)
	if err := c.pace.admit(ctx, ticket); err != nil {
		var throttled *rotator.Error
		if errors.As(err, &throttled) && throttled.Code == rotator.CodeThrottled {
			c.observe(Call{Method: method, Provider: ticket.provider, Kind: o.Kind, Throttled: true})
		}
		return Response{}, err
	}
	start := c.clock.Now()
	resp, err := c.send(ctx, method, u, in, o)
	c.observe(Call{
		Method: method, Provider: ticket.provider, Kind: o.Kind, Status: resp.Status,
		Throttled: resp.Status == http.StatusTooManyRequests, Duration: c.clock.Now().Sub(start),
	})
	if err != nil {
		e := wire.Failure(c.endpoint.Host, err)
		e.NoEffect = e.NoEffect || method == http.MethodGet
		return resp, e
	}
	c.pace.learn(ticket, resp)
	if resp.Status >= 300 {
		return resp, classify(method, u.Path, resp, o, c.pace.barredFor(ticket))
	}
	return resp, nil
}

func (c *Client) send(ctx context.Context, method string, u *url.URL, in any, o CallOptions) (Response, error) {
	req, err := newRequest(ctx, method, u, in, o)
	if err != nil {
		return Response{}, err
	}
	raw, err := c.pipeline.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = raw.Body.Close() }() // it was only read
	resp := Response{Status: raw.StatusCode, Header: raw.Header, Date: wire.Date(raw.Header, c.clock.Now())}
	resp.body, err = io.ReadAll(raw.Body)
	return resp, err
}

func newRequest(ctx context.Context, method string, u *url.URL, in any, o CallOptions) (*policy.Request, error) {
	req, err := runtime.NewRequest(ctx, method, u.String())
	if err != nil {
		return nil, invalid("make the request: %s", wire.Scrub(err.Error()))
	}
	req.Raw().Header.Set("Accept", "application/json")
	if o.IfMatch != "" {
		req.Raw().Header.Set("If-Match", o.IfMatch)
	}
	if in == nil {
		return req, nil
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, &rotator.Error{Code: rotator.CodeInternal, NoEffect: true, Message: "encode the request", Err: err}
	}
	return req, req.SetBody(streaming.NopCloser(bytes.NewReader(body)), "application/json")
}

// decode reads the document of an answer to a call by method. An answer without one
// leaves out alone. Whoever answered may not have been Azure, and the next time it is.
func decode(resp Response, out any, method, path string) error {
	body := bytes.TrimPrefix(bytes.TrimSpace(resp.body), []byte("\xef\xbb\xbf"))
	if out == nil || len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &rotator.Error{
			Code: rotator.CodeUnavailable, Reason: rotator.ReasonUnreadableAnswer, NoEffect: method == http.MethodGet,
			Message: fmt.Sprintf("decode the answer of %s", path), Err: err,
			Hint: "a proxy may have answered instead of Azure; otherwise report this with the api-version",
		}
	}
	return nil
}
