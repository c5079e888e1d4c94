package arm

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"cmkd/providers/arm/wire"
	"cmkd/rotator"
)

const (
	// maxWait is how long a call waits for its turn; one that would have to wait
	// longer is given back to the engine, which has other things to do.
	maxWait = 2 * time.Second
	// defaultBackoff is how long a bucket is left alone after a 429 that does
	// not say how long. Ours: Azure documents none for ARM.
	defaultBackoff = 10 * time.Second
	// maxBarredPaths bounds the memory for single resources that asked to be
	// left alone.
	maxBarredPaths = 4096
)

// access is what quotas tell apart.
type access int

const (
	read access = iota
	write
	list
)

// bucketKey names a quota. An empty provider is ARM's own.
type bucketKey struct {
	subscription, region, provider string
	access                         access
}

// ticket is a call that asks to be let out.
type ticket struct {
	subscription, region, provider string
	access                         access
	path                           string
}

// newTicket says what a call counts against. A GET of a collection is a list:
// the path has an odd number of segments after its provider's namespace.
func newTicket(method, path string, o CallOptions) ticket {
	t := ticket{region: strings.ToLower(strings.ReplaceAll(o.Region, " ", "")), path: strings.ToLower(path)}
	t.subscription, t.provider = scopeOf(path)
	if method != http.MethodGet && method != http.MethodHead {
		t.access = write
		return t
	}
	_, after, found := strings.Cut(t.path, "/providers/"+t.provider+"/")
	if found && strings.Count(after, "/")%2 == 0 {
		t.access = list
	}
	return t
}

// keys returns the quotas a call counts against: ARM's, which knows reads and
// writes only, and the provider's.
func (t ticket) keys() [2]bucketKey {
	general := t.access
	if general == list {
		general = read
	}
	return [2]bucketKey{
		{subscription: t.subscription, access: general},
		{subscription: t.subscription, region: t.region, provider: t.provider, access: t.access},
	}
}

// limit is a token bucket's size and refill.
type limit struct{ burst, perSecond float64 }

// limitOf returns the documented limit of a quota, zero where none is known.
// Sources: azure/facts.md section 3 (throttling).
func limitOf(k bucketKey) limit {
	switch {
	case k.provider == "" && k.access == write:
		return limit{burst: 200, perSecond: 10}
	case k.provider == "":
		return limit{burst: 250, perSecond: 25}
	case k.provider == "microsoft.storage" && k.access == read:
		return limit{burst: 800, perSecond: 800.0 / 300}
	case k.provider == "microsoft.storage" && k.access == write:
		return limit{burst: 1200, perSecond: 1200.0 / 3600}
	case k.provider == "microsoft.storage":
		return limit{burst: 100, perSecond: 100.0 / 300}
	}
	return limit{}
}

type bucket struct {
	limit  limit
	tokens float64
	at     time.Time // when tokens was right
	barred time.Time // no call before this
}

func (b *bucket) refill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.limit.burst, b.tokens+d.Seconds()*b.limit.perSecond)
	}
	b.at = now
}

// wait returns how long a call must wait for its token.
func (b *bucket) wait(now time.Time, p Priority) time.Duration {
	barred := max(b.barred.Sub(now), 0)
	if b.limit.perSecond == 0 {
		return barred
	}
	missing := 1 + b.limit.burst*p.reserve() - b.tokens
	if missing <= 0 {
		return barred
	}
	return max(barred, time.Duration(missing/b.limit.perSecond*float64(time.Second)))
}

// pacer keeps every quota's bucket. It sees to it that a Retry-After is never
// broken.
type pacer struct {
	clock rotator.Clock

	mu      sync.Mutex
	buckets map[bucketKey]*bucket
	paths   map[string]time.Time // single resources that asked to be left alone
}

func newPacer(clock rotator.Clock) *pacer {
	return &pacer{clock: clock, buckets: map[bucketKey]*bucket{}, paths: map[string]time.Time{}}
}

// admit takes a token from each of the call's buckets, waiting up to [maxWait].
// Its error is of CodeThrottled, or the context's, and had no effect.
func (p *pacer) admit(ctx context.Context, t ticket) error {
	for waited := time.Duration(0); ; {
		wait := p.take(t, priorityOf(ctx))
		if wait == 0 {
			return nil
		}
		if waited += wait; waited > maxWait {
			return &rotator.Error{
				Code: rotator.CodeThrottled, Reason: rotator.ReasonHeldBack, RetryAfter: wait, NoEffect: true,
				Message: "call held back: the quota of " + t.String() + " is used up",
			}
		}
		select {
		case <-p.clock.After(wait):
		case <-ctx.Done():
			return &rotator.Error{Code: rotator.CodeUnavailable, NoEffect: true, Message: "wait for " + t.String(), Err: ctx.Err()}
		}
	}
}

// take takes the tokens and returns 0, or takes none and returns how long to wait.
func (p *pacer) take(t ticket, priority Priority) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	wait := max(p.paths[t.path].Sub(now), 0)
	for _, k := range t.keys() {
		wait = max(wait, p.bucket(k, now).wait(now, priority))
	}
	if wait > 0 {
		return wait
	}
	for _, k := range t.keys() {
		p.buckets[k].tokens--
	}
	return 0
}

// bucket returns a quota's bucket as of now. The lock is held.
func (p *pacer) bucket(k bucketKey, now time.Time) *bucket {
	b := p.buckets[k]
	if b == nil {
		l := limitOf(k)
		b = &bucket{limit: l, tokens: l.burst, at: now}
		p.buckets[k] = b
	}
	b.refill(now)
	return b
}

// learn corrects the buckets by what an answer says: the remaining quota, and
// how long to stay away.
func (p *pacer) learn(t ticket, resp Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	keys := t.keys()
	general, own := p.bucket(keys[0], now), p.bucket(keys[1], now)
	for _, name := range []string{"reads", "writes"} {
		if (name == "writes") == (t.access == write) {
			general.cap(resp.Header.Get("x-ms-ratelimit-remaining-subscription-" + name))
		}
	}
	own.cap(resp.Header.Get("x-ms-ratelimit-remaining-subscription-resource-requests"))
	p.stayAway(t, resp, general, own, now)
}

// cap lowers the bucket to what Azure says is left of it.
func (b *bucket) cap(remaining string) {
	if n, err := strconv.ParseFloat(strings.TrimSpace(remaining), 64); err == nil && n >= 0 {
		b.tokens = min(b.tokens, n)
	}
}

// empty bars the bucket for a time, at whose end it holds one call for every
// priority: Azure says that calls may come again then, so no reserve is held
// back from it.
func (b *bucket) empty(now time.Time, wait time.Duration) {
	b.barred = later(b.barred, now.Add(wait))
	atEnd := 1 + b.limit.burst*Low.reserve()
	b.tokens = min(b.tokens, atEnd-b.barred.Sub(now).Seconds()*b.limit.perSecond)
}

// stayAway bars what an answer says to leave alone: a 429 the whole quota, any
// other failure with a Retry-After the one resource. The lock is held.
func (p *pacer) stayAway(t ticket, resp Response, general, own *bucket, now time.Time) {
	after := wire.RetryAfter(resp.Header, resp.Date)
	switch {
	case resp.Status == http.StatusTooManyRequests:
		if after == 0 {
			after = defaultBackoff
		}
		b := own
		// The subscription's quota, not the provider's, is used up
		// (azure/facts.md section 3).
		if parseError(resp.body).Code == "SubscriptionRequestsThrottled" {
			b = general
		}
		b.empty(now, after)
	case resp.Status >= 400 && after > 0:
		p.forget(now)
		p.paths[t.path] = now.Add(after)
	}
}

// forget drops the resources whose time is over, and all of them if there are
// too many. The lock is held.
func (p *pacer) forget(now time.Time) {
	for path, until := range p.paths {
		if !until.After(now) || len(p.paths) >= maxBarredPaths {
			delete(p.paths, path)
		}
	}
}

// barredFor returns how long calls like t are barred from now.
func (p *pacer) barredFor(t ticket) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	var wait time.Duration
	for _, k := range t.keys() {
		wait = max(wait, p.bucket(k, now).barred.Sub(now))
	}
	return wait
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// String names the quota for a message.
func (t ticket) String() string {
	name := t.provider
	if name == "" {
		name = "Azure Resource Manager"
	}
	if t.subscription == "" {
		return name
	}
	return name + " in subscription " + t.subscription
}
