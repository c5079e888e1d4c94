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

// quota returns the bucket of a management request: per principal and
// subscription, reads 250 with 25 a second, writes 200 with 10 a second (facts
// §3, unverified there). Answered or not, a request takes a token.
func (s *Server) quota(c *call) *bucket {
	size, refill, name := 250.0, 25.0, "reads"
	if c.method != http.MethodGet {
		size, refill, name = 200, 10, "writes"
	}
	key := strings.ToLower(c.caller.id + "|" + c.target.subscription + "|" + name)
	b := s.limits[key]
	if b == nil {
		b = &bucket{size: size, refill: refill, tokens: size, at: c.now}
		s.limits[key] = b
	}
	return b
}

// limit counts a management request and refuses it beyond the quota, where the
// scenario enforces that.
func (s *Server) limit(c *call) *answer {
	if c.host != managementHost || !c.caller.known() {
		return nil
	}
	wait, ok := s.quota(c).take(c.now)
	if ok || !s.scenario.EnforceLimits {
		return nil
	}
	return throttled(c, wait)
}

// throttled answers 429 in the form of the surface (facts §2 and §3).
func throttled(c *call, wait time.Duration) *answer {
	seconds := strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
	a := problem(http.StatusTooManyRequests, "Throttled",
		"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached")
	switch {
	case c.host == managementHost:
		a = problem(http.StatusTooManyRequests, "SubscriptionRequestsThrottled",
			"Number of requests for subscription '%s' and operation '%s' exceeded the backend storage limit. Please try again after '%s' seconds after additional tokens are available.",
			c.target.subscription, c.method, seconds)
	case strings.HasSuffix(c.host, blobSuffix):
		a = blobProblem(c, http.StatusServiceUnavailable, "ServerBusy", "The server is busy.")
	}
	return a.set("Retry-After", seconds)
}
