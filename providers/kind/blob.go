package kind

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"cmkd/providers/arm"
	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

const (
	blobVersion = "2021-08-06" // x-ms-version of the Blob service
	blobScope   = "https://storage.azure.com/.default"
	blobRole    = "Storage Blob Data Reader"
)

// deniedCodes are the error codes by which the Blob service says that it cannot
// use the account's key. Source: azure/facts.md section 4, Storage.
func deniedCodes() []string {
	return []string{keyNotFound, "KeyVaultVaultNotFound", "KeyVaultAccessTokenCannotBeAcquired"}
}

// keyNotFound is the code by which the Blob service says that the version is not there
// that wraps the account's data key ("The key vault key is not found to unwrap the
// encryption key").
const keyNotFound = "KeyVaultEncryptionKeyNotFound"

// BlobOptions configures a [BlobProbe].
type BlobOptions struct {
	// Cloud is the Azure cloud, which decides the host names of blob endpoints;
	// the zero value is the public one.
	Cloud cloud.Configuration
	// Transport sends requests; nil means an HTTP client of its own.
	Transport policy.Transporter
	// Clock tells the time. Required.
	Clock rotator.Clock
	// Observe is told of every exchange. It may be nil.
	Observe func(arm.Call)
}

// BlobProbe looks whether a storage account can use its key, by listing one blob
// with its metadata: reading metadata takes the key, plain listing does not
// (azure/facts.md section 4, Storage). It is safe for use by many goroutines.
type BlobProbe struct {
	pipeline runtime.Pipeline
	options  BlobOptions
	suffixes []string
}

// NewBlobProbe makes a probe that authenticates with cred.
func NewBlobProbe(cred azcore.TokenCredential, o BlobOptions) *BlobProbe {
	if o.Observe == nil {
		o.Observe = func(arm.Call) {}
	}
	auth := runtime.NewBearerTokenPolicy(wire.NewCredential(cred), []string{blobScope}, nil)
	pipeline := runtime.NewPipeline("cmkd", "v1", runtime.PipelineOptions{
		PerCall: []policy.Policy{runtime.NewRequestIDPolicy()}, PerRetry: []policy.Policy{auth},
	}, &policy.ClientOptions{
		Cloud: o.Cloud, Transport: wire.NewTransport(o.Transport),
		Retry: policy.RetryOptions{MaxRetries: -1}, Telemetry: policy.TelemetryOptions{ApplicationID: "cmkd"},
	})
	return &BlobProbe{pipeline: pipeline, options: o, suffixes: blobSuffixes(o.Cloud)}
}

// blobSuffixes returns the host names of a cloud's blob endpoints. The public
// one is seen in recording storage.customer-managed-key.2025; the others, and
// the zoned endpoints of storage.azure.net, are common knowledge.
func blobSuffixes(c cloud.Configuration) []string {
	switch c.ActiveDirectoryAuthorityHost {
	case cloud.AzureGovernment.ActiveDirectoryAuthorityHost:
		return []string{".blob.core.usgovcloudapi.net"}
	case cloud.AzureChina.ActiveDirectoryAuthorityHost:
		return []string{".blob.core.chinacloudapi.cn"}
	}
	return []string{".blob.core.windows.net", ".blob.storage.azure.net"}
}

// Seen is what a probe saw.
type Seen struct {
	Access rotator.Access
	Code   string // the service's error code, empty if access is allowed
	At     time.Time
}

// Look makes one call. account is the account's resource id, for hints; endpoint
// is what the account calls its blob endpoint. An answer that tells nothing of
// the key, for instance because the daemon may not list, is an error.
func (p *BlobProbe) Look(ctx context.Context, account, endpoint, container string) (Seen, error) {
	u, err := p.address(account, endpoint, container)
	if err != nil {
		return Seen{}, err
	}
	start := p.options.Clock.Now()
	resp, err := p.send(ctx, u) //nolint:bodyclose // read closes it
	seen := arm.Call{Method: http.MethodGet, Provider: "blob", Kind: "storage", Duration: p.options.Clock.Now().Sub(start)}
	if resp != nil {
		seen.Status, seen.Throttled = resp.StatusCode, resp.StatusCode == http.StatusTooManyRequests
	}
	p.options.Observe(seen)
	if err != nil {
		e := wire.Failure(u.Host, err)
		e.NoEffect = true
		return Seen{}, e
	}
	return p.read(resp, account, container)
}

func (p *BlobProbe) address(account, endpoint, container string) (*url.URL, error) {
	if err := checkContainer(container); err != nil {
		return nil, rotator.Errorf(rotator.CodeInvalid, "%s", err)
	}
	id, err := arm.ParseResourceID(account)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.User != nil || !p.ours(u, id.Name) {
		return nil, &rotator.Error{
			Code: rotator.CodeInternal, Reason: rotator.ReasonRefusedLink, NoEffect: true,
			Message: fmt.Sprintf("the blob endpoint %q of %s is not one of this cloud", wire.Scrub(endpoint), id.Name),
			Hint:    "the daemon's token is sent to Azure's own hosts only",
		}
	}
	q := url.Values{"restype": {"container"}, "comp": {"list"}, "include": {"metadata"}, "maxresults": {"1"}}
	return &url.URL{Scheme: "https", Host: strings.ToLower(u.Host), Path: "/" + container, RawQuery: q.Encode()}, nil
}

// ours reports whether an endpoint is the account's own host in the cloud.
func (p *BlobProbe) ours(u *url.URL, account string) bool {
	host := strings.ToLower(strings.TrimSuffix(u.Host, ":443"))
	if !strings.HasPrefix(host, strings.ToLower(account)+".") {
		return false
	}
	for _, suffix := range p.suffixes {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

func (p *BlobProbe) send(ctx context.Context, u *url.URL) (*http.Response, error) {
	req, err := runtime.NewRequest(ctx, http.MethodGet, u.String())
	if err != nil {
		return nil, err
	}
	req.Raw().Header.Set("x-ms-version", blobVersion)
	return p.pipeline.Do(req)
}

func (p *BlobProbe) read(resp *http.Response, account, container string) (Seen, error) {
	defer func() { _ = resp.Body.Close() }() // it was only read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e := wire.Failure(resp.Request.URL.Host, err)
		e.NoEffect = true
		return Seen{}, e
	}
	now := p.options.Clock.Now()
	seen := Seen{At: wire.Date(resp.Header, now), Code: errorCode(resp.Header, body)}
	if resp.StatusCode == http.StatusOK {
		return Seen{Access: rotator.AccessAllowed, At: seen.At}, nil
	}
	if resp.StatusCode == http.StatusForbidden {
		for _, code := range deniedCodes() {
			if strings.EqualFold(seen.Code, code) {
				seen.Access, seen.Code = rotator.AccessDenied, code
				return seen, nil
			}
		}
	}
	return Seen{}, probeError(resp, seen.Code, account, container, now)
}

// errorCode reads the code of an error: from the header, or the document.
func errorCode(h http.Header, body []byte) string {
	if code := h.Get("x-ms-error-code"); code != "" {
		return wire.Scrub(code)
	}
	var doc struct {
		XMLName xml.Name `xml:"Error"`
		Code    string   `xml:"Code"`
	}
	if xml.Unmarshal(body, &doc) != nil {
		return ""
	}
	return wire.Scrub(doc.Code)
}

func probeError(resp *http.Response, code, account, container string, now time.Time) error {
	e := &rotator.Error{
		Code: rotator.CodeUnavailable, Reason: rotator.Reason(code), NoEffect: true,
		Message:    fmt.Sprintf("list container %s: %d %s", container, resp.StatusCode, code),
		RetryAfter: wire.RetryAfter(resp.Header, now),
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Code = rotator.CodeForbidden
		e.Hint = fmt.Sprintf("grant %q on %s to the daemon's identity", blobRole, account)
		if code == "AuthorizationFailure" {
			e.Hint = "the account's firewall does not let this machine in, or " + e.Hint
		}
	case http.StatusNotFound:
		e.Code = rotator.CodeNotFound
		e.Hint = "check " + probeContainer + ": it must name a container that exists"
	case http.StatusTooManyRequests:
		e.Code = rotator.CodeThrottled
	case http.StatusBadRequest, http.StatusConflict:
		e.Code = rotator.CodeInvalid
	}
	return e
}

var containerPattern = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])+$`)

// checkContainer checks a container's name by Azure's rule.
func checkContainer(name string) error {
	if name == "$root" || name == "$web" || name == "$logs" {
		return nil
	}
	if len(name) < 3 || len(name) > 63 || !containerPattern.MatchString(name) {
		return errors.New(probeContainer + " is not the name of a container: 3 to 63 lower-case letters, digits and single hyphens")
	}
	return nil
}
