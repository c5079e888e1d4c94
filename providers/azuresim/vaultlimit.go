package azuresim

import (
	"encoding/json"
	"strings"
	"time"
)

// What a vault serves in windowLength, counted in software keys of RSA-2048: so many
// new versions, and so many of all other transactions. A key in an HSM weighs twice as
// much, a longer one more; what counts is the sum of the weights. All vaults of a
// subscription together serve subscriptionVaults times as much (facts §2; that it is
// the sum: Azure Key Vault service limits, the note under the table).
const (
	windowLength       = 10 * time.Second
	vaultCreates       = 10
	vaultTransactions  = 2000
	subscriptionVaults = 5
)

// window counts what was served within the last windowLength. It slides: a vault
// whose window stands still would serve more at times, never less.
type window struct {
	limit  int
	served []served
	sum    int
}

// served is one request by its weight.
type served struct {
	at     time.Time
	weight int
}

// wait returns how long a request of a weight has to wait, 0 if it need not.
func (w *window) wait(now time.Time, weight int) time.Duration {
	gone := 0
	for gone < len(w.served) && now.Sub(w.served[gone].at) >= windowLength {
		w.sum -= w.served[gone].weight
		gone++
	}
	w.served = w.served[gone:]
	over := w.sum + weight - w.limit
	for _, s := range w.served {
		if over <= 0 {
			break
		}
		if over -= s.weight; over <= 0 {
			return s.at.Add(windowLength).Sub(now)
		}
	}
	return 0
}

// take counts a request.
func (w *window) take(now time.Time, weight int) {
	w.served = append(w.served, served{now, weight})
	w.sum += weight
}

// windowNamed returns a window, empty when it is new.
func (s *Server) windowNamed(name string, limit int) *window {
	w := s.windows[name]
	if w == nil {
		w = &window{limit: limit}
		s.windows[name] = w
	}
	return w
}

// limitVault counts a request to a vault, or says how long it has to wait: then it
// does not count (facts §2). A managed HSM has no part in what a subscription's
// vaults may do.
func (s *Server) limitVault(c *call) time.Duration {
	what, limit := "other", vaultTransactions
	if makesVersion(c.operation) {
		what, limit = "create", vaultCreates
	}
	weight := c.weight()
	windows := []*window{s.windowNamed(what+"|"+c.host, limit)}
	if !c.vault.spec.HSM {
		windows = append(windows, s.windowNamed(what+"|"+c.vault.spec.Subscription, limit*subscriptionVaults))
	}
	var wait time.Duration
	for _, w := range windows {
		wait = max(wait, w.wait(c.now, weight))
	}
	if wait > 0 {
		return wait
	}
	for _, w := range windows {
		w.take(c.now, weight)
	}
	return 0
}

func makesVersion(operation string) bool {
	switch operation {
	case "key-create", "key-rotate", "key-import":
		return true
	}
	return false
}

// weight is how much a request counts: twice for a key in an HSM, and but for the
// making of versions four times for RSA-3072 and eight times for RSA-4096 (facts §2).
func (c *call) weight() int {
	kty, bits := c.keyType()
	weight := 1
	if strings.HasSuffix(kty, "-HSM") || c.vault.spec.HSM {
		weight = 2
	}
	if makesVersion(c.operation) {
		return weight
	}
	switch {
	case bits >= 4096:
		weight *= 8
	case bits >= 3072:
		weight *= 4
	}
	return weight
}

// keyType is that of the key that the path names, or that the request is to make.
func (c *call) keyType() (kty string, bits int) {
	parts := strings.Split(strings.Trim(c.path, "/"), "/")
	if len(parts) < 2 {
		return "", 0
	}
	if k := c.vault.key(parts[1]); k != nil && k.state.exists {
		v := k.state.find("")
		return v.kty, v.material.bits
	}
	var r keyRequest
	if json.Unmarshal(c.body, &r) != nil {
		return "", 0 // to be refused
	}
	return r.Kty, r.Size
}
