package keyvault

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

// defaultBackoff is how long a vault is left alone after a 429 that does not say
// how long: the first of 1, 2, 4, 8, 16 s (azure/facts.md section 2, limits).
const defaultBackoff = time.Second

// gate keeps which vaults asked to be left alone, and until when.
type gate struct {
	clock rotator.Clock
	mu    sync.Mutex
	until map[string]time.Time // by host
}

func newGate(clock rotator.Clock) *gate {
	return &gate{clock: clock, until: map[string]time.Time{}}
}

// bar keeps calls away from a host for a time.
func (g *gate) bar(host string, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := g.clock.Now().Add(wait); until.After(g.until[host]) {
		g.until[host] = until
	}
}

// check returns an error of CodeThrottled while the host is barred.
func (g *gate) check(host string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := g.until[host].Sub(g.clock.Now())
	if wait <= 0 {
		delete(g.until, host)
		return nil
	}
	return &rotator.Error{
		Code: rotator.CodeThrottled, Reason: rotator.ReasonHeldBack, RetryAfter: wait, NoEffect: true,
		Message: "call held back: " + host + " asked to be left alone",
	}
}

// hostPolicy refuses to follow a nextLink to another host, which would be given
// the daemon's token, and drops the port that vaults spell out there
// (recording keyvault.list-versions.2022): the check of the challenge's
// audience compares host names only.
type hostPolicy struct {
	host string
	gate *gate
}

// Do checks the request's host.
func (p *hostPolicy) Do(req *policy.Request) (*http.Response, error) {
	u := req.Raw().URL
	if u.Scheme != "https" || u.User != nil || !wire.SameHost(u.Host, p.host) {
		return nil, &rotator.Error{
			Code: rotator.CodeInternal, Reason: rotator.ReasonRefusedLink, NoEffect: true,
			Message: "a link of " + p.host + " leads to another host, " + wire.Scrub(u.Host),
			Hint:    "a proxy may have answered instead of the vault; the link was not followed",
		}
	}
	u.Host = p.host
	req.Raw().Host = p.host
	return req.Next()
}

// exchangePolicy sees every single exchange, also the one without a token that
// elicits the challenge: it holds back what comes too early, and reports.
type exchangePolicy struct {
	host  string
	vault *Vault
}

// Do sends one request.
func (p *exchangePolicy) Do(req *policy.Request) (*http.Response, error) {
	v, method := p.vault, req.Raw().Method
	if err := v.gate.check(p.host); err != nil {
		v.options.Observe(Call{Method: method, Provider: "vault", Throttled: true})
		return nil, err
	}
	start := v.options.Clock.Now()
	resp, err := req.Next()
	seen := Call{Method: method, Provider: "vault", Duration: v.options.Clock.Now().Sub(start)}
	if resp != nil {
		seen.Status = resp.StatusCode
		seen.Throttled = resp.StatusCode == http.StatusTooManyRequests
		err = errors.Join(err, p.learn(resp))
	}
	v.options.Observe(seen)
	return resp, err
}

// learn notes a request to stay away, and refuses a challenge that azkeys cannot
// read: it would end the process, not the call.
func (p *exchangePolicy) learn(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait := wire.RetryAfter(resp.Header, p.vault.options.Clock.Now())
		if wait == 0 && resp.StatusCode == http.StatusTooManyRequests {
			wait = defaultBackoff
		}
		if wait > 0 {
			p.vault.gate.bar(p.host, wait)
		}
	case http.StatusUnauthorized:
		return checkChallenge(resp.Header.Get("WWW-Authenticate"))
	}
	return nil
}

var authorizationPattern = regexp.MustCompile(`authorization="?([^",\s]+)`)

func checkChallenge(header string) error {
	if header == "" {
		return nil
	}
	m := authorizationPattern.FindStringSubmatch(header)
	if m != nil {
		u, err := url.Parse(m[1])
		if err == nil && u.Scheme == "https" && strings.Trim(u.Path, "/") != "" {
			return nil
		}
	}
	return &rotator.Error{
		Code: rotator.CodeUnavailable, Reason: rotator.ReasonUnreadableChallenge, NoEffect: true,
		Message: "the vault asks for a token in a way that cannot be read",
		Hint:    "check that the address is a vault's, and no proxy's in between",
	}
}
