package azuresim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxViolations is how many violations are kept in full; all are counted.
const maxViolations = 100

// Violation is a request that came before a Retry-After had passed.
type Violation struct {
	Time      time.Time
	Caller    string
	Bucket    string // what the Retry-After was about
	Operation string
	Early     time.Duration // how much too early
}

// Stats tells what was asked so far.
type Stats struct {
	// Operations counts requests by operation name.
	Operations map[string]int
	// Statuses counts answers by status; 0 are lost ones.
	Statuses map[int]int
	// Faults counts by the name of the fault.
	Faults map[string]int
	// Violations counts requests made too early, and Early lists the first.
	Violations int
	Early      []Violation
}

// tally is the growing form of Stats.
type tally struct {
	Stats
	requests int
	barred   map[string]time.Time // by bucket: do not come before
}

func newTally() tally {
	return tally{
		Stats: Stats{
			Operations: map[string]int{}, Statuses: map[int]int{}, Faults: map[string]int{},
		},
		barred: map[string]time.Time{},
	}
}

// arrive counts a request and notes whether it comes too early.
func (t *tally) arrive(c *call) {
	t.Operations[c.operation]++
	until, ok := t.barred[c.bucket]
	if !ok || c.bucket == "" {
		return
	}
	delete(t.barred, c.bucket)
	if early := until.Sub(c.now); early > 0 {
		t.barred[c.bucket] = until
		t.Violations++
		if len(t.Early) < maxViolations {
			t.Early = append(t.Early, Violation{
				Time: c.now, Caller: c.caller.id, Bucket: c.bucket,
				Operation: c.operation, Early: early,
			})
		}
	}
}

// leave counts an answer and keeps a Retry-After that was given.
func (t *tally) leave(c *call, a *answer) {
	if a.fault != "" {
		t.Faults[a.fault]++
	}
	if a.lost != lostNot {
		t.Statuses[0]++
		return
	}
	t.Statuses[a.status]++
	if a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable &&
		c.operation != operationGet {
		return
	}
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err == nil && c.bucket != "" {
		t.barred[c.bucket] = c.now.Add(time.Duration(seconds) * time.Second)
	}
}

// Requests returns what was asked so far.
func (s *Server) Requests() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.copy()
}

func (t *tally) copy() Stats {
	return Stats{
		Operations: maps.Clone(t.Operations), Statuses: maps.Clone(t.Statuses),
		Faults: maps.Clone(t.Faults), Violations: t.Violations, Early: slices.Clone(t.Early),
	}
}

// KeyVersion tells about one version of a key.
type KeyVersion struct {
	ID      string
	Created time.Time
	Enabled bool
	Tags    map[string]string
}

// Versions returns the true versions of a key, oldest first, whatever readers
// see. It is empty for an unknown key.
func (s *Server) Versions(vaultName, keyName string) []KeyVersion {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	k, err := s.findKey(vaultName + "/" + keyName)
	if err != nil {
		return nil
	}
	versions := slices.Clone(k.state.versions)
	slices.SortFunc(versions, func(a, b *version) int { return a.order - b.order })
	var out []KeyVersion
	for _, v := range versions {
		out = append(out, KeyVersion{
			ID: v.id, Created: v.created, Enabled: v.enabled, Tags: maps.Clone(v.tags),
		})
	}
	return out
}

// Resource returns the document of a resource, as the newest API version
// sends it.
func (s *Server) Resource(id string) (map[string]any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	r := s.resources[fold(id)]
	if r == nil {
		return nil, false
	}
	return plain(r.view(&call{sim: s, now: s.now, query: map[string][]string{
		"api-version": {"2999-01-01"},
	}})), true
}

// ResourceIDs returns the ids of all resources, sorted.
func (s *Server) ResourceIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.resources {
		if !r.kind.internal {
			out = append(out, r.id.path())
		}
	}
	slices.Sort(out)
	return out
}
