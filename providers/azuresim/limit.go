package azuresim

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// bucket is a token bucket.
type bucket struct {
	size, refill float64 // tokens, tokens a second
	tokens       float64
	at           time.Time
}

// fill adds what came in since the last look.
func (b *bucket) fill(now time.Time) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = math.Min(b.size, b.tokens+passed*b.refill)
	}
	b.at = now
}

// take takes a token, or says how long to wait for one.
func (b *bucket) take(now time.Time) (wait time.Duration, ok bool) {
	b.fill(now)
	if b.tokens >= 1 {
		b.tokens--
		return 0, true
	}
	return time.Duration((1 - b.tokens) / b.refill * float64(time.Second)), false
}

// left returns the whole tokens left.
func (b *bucket) left(now time.Time) int {
	b.fill(now)
	return int(b.tokens)
}

// bucketNamed returns a bucket, full when it is new.
func (s *Server) bucketNamed(name string, size, refill float64) *bucket {
	name = strings.ToLower(name)
	b := s.limits[name]
	if b == nil {
		b = &bucket{size: size, refill: refill, tokens: size, at: s.now}
		s.limits[name] = b
	}
	return b
}

// quota returns the bucket of a management request: per principal and
// subscription, reads 250 with 25 a second, writes 200 with 10 a second (facts
// §3, unverified there). Answered or not, a request takes a token.
func (s *Server) quota(c *call) *bucket {
	who := c.caller.id + "|" + c.target.subscription
	if c.method == http.MethodGet {
		return s.bucketNamed(who+"|reads", 250, 25)
	}
	return s.bucketNamed(who+"|writes", 200, 10)
}

// ownQuota returns the bucket of the service itself, nil where none is known:
// Storage 800 reads and 100 lists in 5 minutes, 1,200 writes an hour, per
// subscription and region (facts §3). Those of vaults are in vaultlimit.go.
func (s *Server) ownQuota(c *call) *bucket {
	at := c.operation + "|" + c.target.subscription
	switch c.operation {
	case "storage-get":
		return s.bucketNamed(at, 800, 800.0/300)
	case "storage-list":
		return s.bucketNamed(at, 100, 100.0/300)
	case "storage-put", "storage-patch":
		return s.bucketNamed("storage-write|"+c.target.subscription, 1200, 1200.0/3600)
	}
	return nil
}

// limit counts a request and refuses it beyond a quota, where the scenario
// enforces that.
func (s *Server) limit(c *call) *answer {
	if !c.caller.known() {
		return nil
	}
	var wait time.Duration
	ok, service := true, false
	if c.host == managementHost {
		wait, ok = s.quota(c).take(c.now)
	}
	if own := s.ownQuota(c); own != nil && ok {
		wait, ok = own.take(c.now)
		service = true
	}
	if !s.scenario.EnforceLimits {
		return nil
	}
	if c.vault != nil {
		wait = s.limitVault(c)
		ok = wait == 0
	}
	if ok {
		return nil
	}
	return throttled(c, wait, service)
}

// throttled answers 429 in the form of the surface (facts §2 and §3), or of the
// service whose own limit it is.
func throttled(c *call, wait time.Duration, service bool) *answer {
	seconds := strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
	a := problem(http.StatusTooManyRequests, "Throttled",
		"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached")
	switch {
	case service && c.kind != nil && c.kind.throttled != nil:
		a = c.kind.throttled(c)
	case c.host == managementHost:
		a = subscriptionThrottled(c, time.Duration(math.Ceil(wait.Seconds()))*time.Second)
	case strings.HasSuffix(c.host, blobSuffix):
		a = blobProblem(c, http.StatusServiceUnavailable, "ServerBusy", "The server is busy.")
	}
	return a.set("Retry-After", seconds)
}
