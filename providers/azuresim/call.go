package azuresim

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is one request on its way.
type call struct {
	sim        *Server
	method     string
	host, path string
	query      url.Values
	header     http.Header
	body       []byte
	now        time.Time
	operation  string
	caller     *client
	audience   string        // of the token, without a slash at the end
	authError  string        // why there is no caller
	stale      bool          // a fault makes readers see the past
	behind     time.Duration // a fault makes lists show the estate as it was so long ago
	failing    doc           // a fault makes the operation that starts end with this error
	bucket     string        // of throttling
	target     resourceID
	kind       *kind
	vault      *vault
	extension  *extension // what hangs on the target
	partial    bool       // the caller sees only what they may read
	answered   string     // identifier of the version that the answer is about
}

func newCall(s *Server, r *http.Request, body []byte) *call {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	c := &call{
		sim: s, method: r.Method, host: strings.ToLower(host), path: r.URL.Path,
		query: r.URL.Query(), header: r.Header, body: body, now: s.now,
	}
	c.caller, c.audience, c.authError = s.authenticate(r.Header.Get("Authorization"))
	return c
}

// version returns the api-version that was asked for.
func (c *call) version() string { return c.query.Get("api-version") }

// lostness says how an exchange ends without an answer.
type lostness int

const (
	lostNot     lostness = iota
	lostClosed           // the connection closes
	lostTimeout          // the client waits in vain
)

// answer is what is sent back.
type answer struct {
	status int
	header http.Header
	body   []byte
	fault  string
	lost   lostness
	hold   time.Duration // before a lost connection closes; real time
	delay  time.Duration // before the answer is sent; real time
}

func newAnswer(status int) *answer { return &answer{status: status, header: http.Header{}} }

// set sets a header. Azure's names are kept in Go's canonical form.
func (a *answer) set(name, value string) *answer {
	a.header.Set(name, value)
	return a
}

// reply answers with a JSON document.
func reply(status int, v any) *answer {
	a := newAnswer(status).set("Content-Type", "application/json; charset=utf-8")
	a.body = encode(v)
	return a
}

// problem answers with an error in the form of Azure Resource Manager and Key
// Vault (facts §2 and §3).
func problem(status int, code, format string, args ...any) *answer {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	return reply(status, doc{"error": doc{"code": code, "message": message}})
}

// refusal answers for a host that is not simulated.
func refusal(host string) *answer {
	a := newAnswer(http.StatusForbidden).set("Content-Type", "text/plain; charset=utf-8")
	a.body = []byte("azuresim does not simulate the host " + host + "\n")
	return a
}

// finish adds what every answer of a surface carries.
func (s *Server) finish(c *call, a *answer) {
	a.set("Date", c.now.Format(http.TimeFormat))
	s.stats.requests++
	id := s.mint.guid("request", s.stats.requests)
	a.set("X-Ms-Request-Id", id)
	if client := c.header.Get("X-Ms-Client-Request-Id"); client != "" {
		a.set("X-Ms-Client-Request-Id", client)
	}
	switch {
	case c.host == managementHost:
		s.finishManagement(c, a, id)
	case c.vault != nil && (!c.vault.spec.HSM || a.status < 400):
		a.set("X-Ms-Keyvault-Region", c.vault.spec.Location)
		if !c.vault.spec.HSM {
			a.set("X-Ms-Keyvault-Service-Version", "1.9.1988.1")
		}
	}
}

// finishManagement adds the headers of Azure Resource Manager, among them what
// is left of the caller's quota (facts §3).
func (s *Server) finishManagement(c *call, a *answer, id string) {
	a.set("X-Ms-Correlation-Request-Id", id)
	a.set("X-Ms-Routing-Request-Id", "WESTEUROPE:"+c.now.Format("20060102T150405Z")+":"+id)
	a.set("Cache-Control", "no-cache")
	if c.caller.known() {
		name := "X-Ms-Ratelimit-Remaining-Subscription-Reads"
		if c.method != http.MethodGet {
			name = "X-Ms-Ratelimit-Remaining-Subscription-Writes"
		}
		a.set(name, fmt.Sprint(s.quota(c).left(c.now)))
	}
	if strings.EqualFold(c.target.provider, "Microsoft.Compute") {
		if group := computeQuota(c); group != "" {
			a.set("X-Ms-Ratelimit-Remaining-Resource", group)
		}
	}
}

// computeQuota names Compute's own buckets as it sent them in 2023 [recording
// compute.disk-encryption-set-disk-update].
func computeQuota(c *call) string {
	switch c.operation {
	case "disk-encryption-set-put":
		return "Microsoft.Compute/CreateUpdateHighCostDiskEncryptionSet3Min;99," +
			"Microsoft.Compute/CreateUpdateHighCostDiskEncryptionSet30Min;299"
	case "disk-put":
		return "Microsoft.Compute/CreateUpdateDisks3Min;2999,Microsoft.Compute/CreateUpdateDisks30Min;24999"
	case "operation-get":
		return "Microsoft.Compute/GetOperation3Min;49999,Microsoft.Compute/GetOperation30Min;399999"
	}
	if c.method == http.MethodGet {
		return "Microsoft.Compute/LowCostGet3Min;14999,Microsoft.Compute/LowCostGet30Min;119999"
	}
	return ""
}
