package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Call is one exchange with Azure, or one that was held back.
type Call struct {
	// Provider is the resource provider, "vault" or "blob".
	Provider string
	// Kind is the kind of dependent that the call was made for; may be empty.
	Kind   string
	Method string
	// Status is the HTTP status, 0 if no answer came.
	Status int
	// Throttled is true if Azure answered 429, or if the call was not made because
	// an earlier answer asked to wait.
	Throttled bool
	Duration  time.Duration
}

// heldBack reports whether the call was never made.
func (c *Call) heldBack() bool { return c.Throttled && c.Status == 0 }

// callKey are the labels of a call.
type callKey struct {
	provider, method string
	status           int
}

// callMetrics is where calls of one key are counted.
type callMetrics struct {
	requests, throttled prometheus.Counter
	seconds             prometheus.Observer
}

var callBuckets = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

func (m *Metrics) countCalls() {
	requests := register(m.registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cmkd_api_requests_total",
		Help: "Requests to Azure, by resource provider (vault and blob are data planes), method and HTTP status; error if no answer came.",
	}, []string{"provider", "method", "code"}))
	seconds := register(m.registry, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "cmkd_api_request_seconds", Buckets: callBuckets,
		Help: "How long requests to Azure took, by resource provider and method.",
	}, []string{"provider", "method"}))
	throttled := register(m.registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cmkd_api_throttled_total",
		Help: "Requests that Azure answered with 429, and those held back because an earlier answer asked to wait.",
	}, []string{"provider"}))
	m.calls = newChildren(func(k callKey) callMetrics {
		code := "error"
		if k.status != 0 {
			code = strconv.Itoa(k.status)
		}
		return callMetrics{
			requests:  requests.WithLabelValues(k.provider, k.method, code),
			seconds:   seconds.WithLabelValues(k.provider, k.method),
			throttled: throttled.WithLabelValues(k.provider),
		}
	})
}

// Call takes in an exchange with Azure. One that was held back is throttled, but
// is no request.
func (m *Metrics) Call(c Call) {
	at := m.calls.of(callKey{c.Provider, c.Method, c.Status})
	if c.Throttled {
		at.throttled.Inc()
	}
	if c.heldBack() {
		return
	}
	at.requests.Inc()
	at.seconds.Observe(c.Duration.Seconds())
}
