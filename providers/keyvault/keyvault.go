// Package keyvault is the engine's vault over the data plane of Key Vault and
// Managed HSM, spoken through azkeys. It holds one client a vault, repeats
// nothing, and never purges. Sources: azure/facts.md section 2 and the
// recordings keyvault.*.jsonl.
package keyvault

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

// Call describes one HTTP exchange, for metrics.
type Call = wire.Call

// Options configures a [Vault].
type Options struct {
	// Transport sends requests; nil means an HTTP client that honours
	// HTTPS_PROXY and follows no redirect.
	Transport policy.Transporter
	// Clock tells the time. Required.
	Clock rotator.Clock
	// Cloud is the Azure cloud, which decides the host names of vaults; the zero
	// value is the public one.
	Cloud cloud.Configuration
	// Observe is told of every exchange and of every call held back. It may be
	// nil. It is called by many goroutines.
	Observe func(Call)
}

// Vault implements [rotator.Vault]. It is safe for use by many goroutines.
type Vault struct {
	cred     azcore.TokenCredential
	options  Options
	suffixes []string
	gate     *gate

	mu      sync.Mutex
	clients map[string]*azkeys.Client // by lower-case host
	fresh   map[string]freshTags      // by version URI, see [Vault.Tag]
}

var (
	_ rotator.Vault         = (*Vault)(nil)
	_ rotator.VersionReader = (*Vault)(nil)
)

// freshTags are the tags of a version as of its making.
type freshTags struct {
	tags map[string]*string
	at   time.Time
}

const (
	// freshFor is how long the tags that the vault returned with a new version
	// count as its present ones, which saves reading them before they are
	// merged.
	freshFor = 10 * time.Second
	maxFresh = 1024
)

// New makes a vault client that authenticates with cred, by the tenant and the
// audience that each vault names in its challenge.
func New(cred azcore.TokenCredential, o Options) *Vault {
	if o.Observe == nil {
		o.Observe = func(Call) {}
	}
	o.Transport = wire.NewTransport(o.Transport)
	return &Vault{
		cred: wire.NewCredential(cred), options: o, suffixes: hostSuffixes(o.Cloud), gate: newGate(o.Clock),
		clients: map[string]*azkeys.Client{}, fresh: map[string]freshTags{},
	}
}

// hostSuffixes returns the host names of a cloud's vaults and HSMs. Sources:
// azure/facts.md section 5 (vault), section 2 (managedhsm.azure.net); the HSM
// suffixes of the other clouds are common knowledge, not seen in a recording.
func hostSuffixes(c cloud.Configuration) []string {
	switch c.ActiveDirectoryAuthorityHost {
	case cloud.AzureGovernment.ActiveDirectoryAuthorityHost:
		return []string{".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net"}
	case cloud.AzureChina.ActiveDirectoryAuthorityHost:
		return []string{".vault.azure.cn", ".managedhsm.azure.cn"}
	}
	return []string{".vault.azure.net", ".managedhsm.azure.net"}
}

// CheckKey returns an error of CodeInvalid unless the key's host is a vault or
// an HSM of the cloud: a token is sent there.
func (v *Vault) CheckKey(key rotator.KeyID) error {
	host := strings.ToLower(key.Host())
	for _, suffix := range v.suffixes {
		name, ok := strings.CutSuffix(host, suffix)
		if ok && name != "" && !strings.Contains(name, ".") {
			return nil
		}
	}
	return &rotator.Error{
		Code: rotator.CodeInvalid, NoEffect: true,
		Message: fmt.Sprintf("%q is not the host of a vault in this cloud", host),
		Hint:    "expected NAME" + strings.Join(v.suffixes, " or NAME"),
	}
}

// client returns the client of the key's vault.
func (v *Vault) client(key rotator.KeyID) (*azkeys.Client, error) {
	if err := v.CheckKey(key); err != nil {
		return nil, err
	}
	host := strings.ToLower(key.Host())
	v.mu.Lock()
	defer v.mu.Unlock()
	if c := v.clients[host]; c != nil {
		return c, nil
	}
	c, err := azkeys.NewClient("https://"+host, v.cred, &azkeys.ClientOptions{ClientOptions: azcore.ClientOptions{
		Cloud:            v.options.Cloud,
		Transport:        v.options.Transport,
		Retry:            policy.RetryOptions{MaxRetries: -1},
		Telemetry:        policy.TelemetryOptions{ApplicationID: "cmkd"},
		PerCallPolicies:  []policy.Policy{&hostPolicy{host: host, gate: v.gate}},
		PerRetryPolicies: []policy.Policy{&exchangePolicy{host: host, vault: v}},
	}})
	if err != nil {
		return nil, &rotator.Error{Code: rotator.CodeInternal, NoEffect: true, Message: "set up the client of " + host, Err: err}
	}
	v.clients[host] = c
	return c, nil
}

// maxVersionPages bounds a list of versions; a page holds up to 25.
const maxVersionPages = 4000

// Versions implements [rotator.Vault]. It makes one call a page of 25 versions,
// and one more when there are none, to see whether the key was deleted.
func (v *Vault) Versions(ctx context.Context, key rotator.KeyID) ([]rotator.Version, error) {
	c, err := v.client(key)
	if err != nil {
		return nil, err
	}
	var versions []rotator.Version
	pager := c.NewListKeyPropertiesVersionsPager(key.Name(), nil)
	seen := map[string]bool{}
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, v.failure(ctx, c, key, call{"list versions of", false}, err)
		}
		if page.Value == nil {
			return nil, unreadable(key, "the answer is no page of a list")
		}
		if versions, err = appendVersions(versions, page.Value, key); err != nil {
			return nil, err
		}
		if next := deref(page.NextLink); next != "" {
			if seen[next] || len(seen) >= maxVersionPages {
				return nil, endless(key)
			}
			seen[next] = true
		}
	}
	if len(versions) == 0 {
		return nil, v.missing(ctx, c, key, call{"list versions of", false})
	}
	return versions, nil
}

func endless(key rotator.KeyID) error {
	return &rotator.Error{
		Code: rotator.CodeUnavailable, Reason: rotator.ReasonEndlessList, NoEffect: true,
		Message: fmt.Sprintf("list versions of %s: the pages do not end", key),
	}
}

// Version implements [rotator.VersionReader]. It makes one call.
func (v *Vault) Version(ctx context.Context, key rotator.KeyID, version string) (rotator.Version, error) {
	c, err := v.client(key)
	if err != nil {
		return rotator.Version{}, err
	}
	if err := checkVersion(key, version); err != nil {
		return rotator.Version{}, err
	}
	answer, err := c.GetKey(ctx, key.Name(), version, nil)
	if err != nil {
		return rotator.Version{}, v.failure(ctx, c, key, call{"read a version of", false}, err)
	}
	return bundleVersion(answer.KeyBundle, key)
}

// SetEnabled implements [rotator.Vault]. It makes one call, which changes
// nothing but attributes.enabled (recording keyvault.key.2025).
func (v *Vault) SetEnabled(ctx context.Context, key rotator.KeyID, version string, enabled bool) (rotator.Version, error) {
	c, err := v.client(key)
	if err != nil {
		return rotator.Version{}, err
	}
	if err := checkVersion(key, version); err != nil {
		return rotator.Version{}, err
	}
	what := call{"disable a version of", true}
	if enabled {
		what.verb = "enable a version of"
	}
	answer, err := c.UpdateKey(ctx, key.Name(), version, azkeys.UpdateKeyParameters{
		KeyAttributes: &azkeys.KeyAttributes{Enabled: &enabled},
	}, nil)
	if err != nil {
		return rotator.Version{}, v.failure(ctx, c, key, what, err)
	}
	return bundleVersion(answer.KeyBundle, key)
}

func checkVersion(key rotator.KeyID, version string) error {
	if _, got, err := rotator.ParseKeyID(key.WithVersion(version)); err != nil || got == "" {
		return &rotator.Error{
			Code: rotator.CodeInvalid, NoEffect: true,
			Message: fmt.Sprintf("%q is not a version: it has 32 hex digits", version),
		}
	}
	return nil
}

// Tag implements [rotator.Vault]. A vault replaces all tags at once, so the
// present ones are read and sent along; those that it returned with a version
// just made are taken as read, which makes it one call.
func (v *Vault) Tag(ctx context.Context, key rotator.KeyID, version rotator.Version, tag string) error {
	c, err := v.client(key)
	if err != nil {
		return err
	}
	if err := checkVersion(key, version.ID); err != nil {
		return err
	}
	tags, known := v.takeFresh(key.WithVersion(version.ID))
	if !known {
		answer, err := c.GetKey(ctx, key.Name(), version.ID, nil)
		if err != nil {
			return v.failure(ctx, c, key, call{"read tags of a version of", false}, err)
		}
		tags = answer.Tags
	}
	if deref(tags[rotator.TagOperation]) == tag {
		return nil
	}
	_, err = c.UpdateKey(ctx, key.Name(), version.ID, azkeys.UpdateKeyParameters{Tags: withTag(tags, tag)}, nil)
	if err != nil {
		return v.failure(ctx, c, key, call{"tag a version of", true}, err)
	}
	return nil
}

// withTag returns a copy of tags with cmkd's own set.
func withTag(tags map[string]*string, tag string) map[string]*string {
	merged := make(map[string]*string, len(tags)+1)
	for k, t := range tags {
		if t != nil {
			merged[k] = t
		}
	}
	merged[rotator.TagOperation] = &tag
	return merged
}

func (v *Vault) keepFresh(uri string, tags map[string]*string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.options.Clock.Now()
	for k, f := range v.fresh {
		if now.Sub(f.at) > freshFor || len(v.fresh) >= maxFresh {
			delete(v.fresh, k)
		}
	}
	v.fresh[uri] = freshTags{tags: tags, at: now}
}

func (v *Vault) takeFresh(uri string) (map[string]*string, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f, ok := v.fresh[uri]
	delete(v.fresh, uri)
	age := v.options.Clock.Now().Sub(f.at)
	return f.tags, ok && age >= 0 && age <= freshFor
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
