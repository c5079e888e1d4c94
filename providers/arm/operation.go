package arm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

const (
	// defaultPoll is the time between two looks at an operation that does not
	// say by Retry-After when to come again. Ours.
	defaultPoll = 5 * time.Second
	// maxPollErrors is how many looks in a row may fail before the operation
	// counts as lost: it goes on, and what became of it is read later.
	maxPollErrors = 5
)

// Operation is a long-running operation that Azure has accepted. Its URLs may
// carry a signed certificate in the query (azure/facts.md section 3), so it is
// neither printed nor logged.
type Operation struct {
	status   *url.URL // Azure-AsyncOperation
	location *url.URL // Location
	path     string   // the resource
	version  string
	wait     time.Duration
	o        CallOptions
}

// String hides the URLs.
func (p *Operation) String() string { return "operation on " + p.path }

// GoString hides the URLs.
func (p *Operation) GoString() string { return p.String() }

// Write updates a resource, or calls an action of it, and follows the operation
// that this may start to its end, waiting on the clock. out, if not nil, gets
// the document as it is afterwards. If the operation fails, or is lost from
// sight, the error says so without NoEffect.
func (c *Client) Write(ctx context.Context, method, path, apiVersion string, in, out any, o CallOptions) (Response, error) {
	resp, err := c.Do(ctx, method, path, apiVersion, in, nil, o)
	if err != nil {
		return resp, err
	}
	op, err := c.operation(resp, method, path, apiVersion, o)
	if err != nil {
		return resp, err
	}
	if op == nil {
		return resp, decode(resp, out, method, path)
	}
	return c.Poll(ctx, op, out)
}

// operation returns the operation that an answer announces, nil if it is done.
func (c *Client) operation(resp Response, method, path, apiVersion string, o CallOptions) (*Operation, error) {
	op := &Operation{path: path, version: apiVersion, wait: wire.RetryAfter(resp.Header, resp.Date), o: o}
	var err error
	if op.status, err = c.follow(resp.Header.Get("Azure-AsyncOperation")); err != nil {
		return nil, err
	}
	if op.status != nil {
		return op, nil
	}
	if resp.Status == http.StatusAccepted {
		op.location, err = c.follow(resp.Header.Get("Location"))
		if err != nil || op.location != nil {
			return op, err
		}
	}
	// Without a header the document itself tells, and only a resource has one.
	if method != http.MethodPost && (resp.Status == http.StatusAccepted || !terminal(provisioningState(resp.body))) {
		return op, nil
	}
	return nil, nil
}

// follow resolves the URL of an operation or a page and refuses another host,
// which would be given the daemon's token.
func (c *Client) follow(link string) (*url.URL, error) {
	if link == "" {
		return nil, nil
	}
	u, err := c.endpoint.Parse(link)
	if err != nil {
		return nil, refusedLink("is not a URL")
	}
	if u.Scheme != "https" || !wire.SameHost(u.Host, c.endpoint.Host) || u.User != nil {
		return nil, refusedLink("leads to another host, " + wire.Scrub(u.Host))
	}
	u.Host = c.endpoint.Host
	return u, nil
}

// refusedLink leaves open whether the call that was answered had an effect.
func refusedLink(why string) error {
	return &rotator.Error{
		Code: rotator.CodeInternal, Reason: rotator.ReasonRefusedLink, Message: "a link in the answer " + why,
		Hint: "a proxy may have answered instead of Azure; the link was not followed",
	}
}

// Poll waits until an operation has ended and decodes the resource's document
// into out, if not nil.
func (c *Client) Poll(ctx context.Context, op *Operation, out any) (Response, error) {
	for failures := 0; ; {
		if err := c.pause(ctx, op); err != nil {
			return Response{}, err
		}
		done, err := c.look(ctx, op)
		switch {
		case err == nil && done:
			return c.result(ctx, op, out)
		case err == nil:
			failures = 0
		case !passing(err):
			return Response{}, unfinished(op, err)
		default:
			if rotator.CodeOf(err) == rotator.CodeUnavailable {
				failures++
			}
			if failures > maxPollErrors {
				return Response{}, unfinished(op, err)
			}
			op.wait = rotator.AsError(err).RetryAfter
		}
	}
}

func (c *Client) pause(ctx context.Context, op *Operation) error {
	wait := op.wait
	if wait <= 0 {
		wait = defaultPoll
	}
	select {
	case <-c.clock.After(wait):
		return nil
	case <-ctx.Done():
		return unfinished(op, &rotator.Error{Code: rotator.CodeUnavailable, Err: ctx.Err()})
	}
}

func passing(err error) bool {
	code := rotator.CodeOf(err)
	return code == rotator.CodeThrottled || code == rotator.CodeUnavailable
}

// unfinished says that a change was accepted and how following it ended.
func unfinished(op *Operation, err error) error {
	e := *rotator.AsError(err)
	e.NoEffect = false
	if e.Message == "" {
		e.Message = "follow the " + op.String()
	} else {
		e.Message = "follow the " + op.String() + ": " + e.Message
	}
	return &e
}

// look reads the operation's state once.
func (c *Client) look(ctx context.Context, op *Operation) (done bool, err error) {
	u := op.status
	if u == nil {
		u = op.location
	}
	if u == nil {
		return c.lookAtResource(ctx, op)
	}
	resp, err := c.exchange(ctx, http.MethodGet, u, nil, op.o)
	if err != nil {
		return false, err
	}
	op.wait = wire.RetryAfter(resp.Header, resp.Date)
	if op.status == nil {
		return c.location(op, resp)
	}
	return operationState(resp)
}

// location reads an answer of a Location URL: 202 until the end, then 200, 201
// or 204. It may name a new place meanwhile.
func (c *Client) location(op *Operation, resp Response) (done bool, err error) {
	if resp.Status != http.StatusAccepted {
		return true, nil
	}
	next, err := c.follow(resp.Header.Get("Location"))
	if next != nil {
		op.location = next
	}
	return false, err
}

// operationState reads an operation's document: {"status":…,"error":{…}}. A 204
// has none and means the end.
func operationState(resp Response) (done bool, err error) {
	if resp.Status == http.StatusNoContent {
		return true, nil
	}
	var doc struct {
		Status     string     `json:"status"`
		Error      *errorBody `json:"error"`
		Properties struct {
			ProvisioningState string `json:"provisioningState"`
		} `json:"properties"`
	}
	// Some operations answer with the resource itself at the end (recording
	// containerinstance.lifecycle.2020); what does not decode is looked at again.
	if err := json.Unmarshal(resp.body, &doc); err != nil {
		return false, &rotator.Error{Code: rotator.CodeUnavailable, Message: "read the operation's state", Err: err}
	}
	state := doc.Status
	if state == "" {
		state = doc.Properties.ProvisioningState
	}
	if state == "" {
		return resp.Status != http.StatusAccepted, nil
	}
	return ended(state, doc.Error)
}

func ended(state string, failure *errorBody) (done bool, err error) {
	switch {
	case strings.EqualFold(state, "Succeeded"):
		return true, nil
	case !terminal(state):
		return false, nil
	}
	e := &rotator.Error{
		Code: rotator.CodeConflict, Reason: rotator.Reason(state), Message: "it ended as " + wire.Scrub(state),
		Hint: "see the activity log of the resource for the cause",
	}
	if failure != nil && failure.Code != "" {
		e.Reason, e.Message = rotator.Reason(failure.Code), e.Message+": "+wire.Scrub(failure.Message)
	}
	return false, e
}

// lookAtResource reads provisioningState where no header told of an operation.
func (c *Client) lookAtResource(ctx context.Context, op *Operation) (done bool, err error) {
	resp, err := c.Do(ctx, http.MethodGet, op.path, op.version, nil, nil, op.o)
	if err != nil {
		return false, err
	}
	op.wait = wire.RetryAfter(resp.Header, resp.Date)
	state := provisioningState(resp.body)
	if state == "" {
		return true, nil
	}
	return ended(state, nil)
}

// result reads the resource after the operation's end.
func (c *Client) result(ctx context.Context, op *Operation, out any) (Response, error) {
	if out == nil {
		return Response{Status: http.StatusOK, Date: c.clock.Now()}, nil
	}
	resp, err := c.Do(ctx, http.MethodGet, op.path, op.version, nil, out, op.o)
	if err != nil {
		return resp, unfinished(op, fmt.Errorf("read the result: %w", err))
	}
	return resp, nil
}

func provisioningState(body []byte) string {
	var doc struct {
		Properties struct {
			ProvisioningState string `json:"provisioningState"`
		} `json:"properties"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return ""
	}
	return doc.Properties.ProvisioningState
}

// terminal reports whether a state will not change by itself. No state at all
// counts as one.
func terminal(state string) bool {
	for _, s := range []string{"", "Succeeded", "Failed", "Canceled", "Cancelled"} {
		if strings.EqualFold(state, s) {
			return true
		}
	}
	return false
}
