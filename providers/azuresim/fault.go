package azuresim

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Fault is something that goes wrong with some requests.
type Fault struct {
	// Name of the fault in logs and counts; default what it does.
	Name string `yaml:"name"`
	// Match chooses requests; what is empty matches all.
	Match Match `yaml:"match"`
	// When chooses among the matching requests.
	When When `yaml:"when"`
	// Do is one of [FaultKinds].
	Do string `yaml:"do"`
	// Status, Code and Message are those of the answer of "status", and may
	// replace those of "forbidden" and "throttle". A Code of [ErrorCodes]
	// is enough: status, body and inner code are then those of Azure. For a vault
	// that is the inner code, such as ForbiddenByFirewall.
	Status  int    `yaml:"status"`
	Code    string `yaml:"code"`
	Message string `yaml:"message"`
	// RetryAfter of "throttle" and "status", in whole virtual seconds.
	RetryAfter Duration `yaml:"retry_after"`
	// Delay of "slow", and how long a lost connection stays open before it
	// closes. In real time, since that is what clients' time-outs count.
	Delay Duration `yaml:"delay"`
	// Lie is what the kinds answer that do not tell the truth.
	Lie `yaml:",inline"`
}

// Match chooses requests by globs, or by /regular expressions/.
type Match struct {
	// Operation such as key-rotate or storage-get.
	Operation string `yaml:"operation"`
	Method    string `yaml:"method"`
	Host      string `yaml:"host"`
	Path      string `yaml:"path"`
	// Caller is a client's id or name.
	Caller string `yaml:"caller"`
}

// When chooses among the requests that match. What is zero does not restrict.
type When struct {
	// After and Until are counted from the start of the scenario.
	After Duration `yaml:"after"`
	Until Duration `yaml:"until"`
	// Nth is the first matching request to be hit, from 1.
	Nth int `yaml:"nth"`
	// Every hits one in so many.
	Every int `yaml:"every"`
	// Count is how many are hit in all.
	Count int `yaml:"count"`
	// Probability that a request is hit, 0 meaning always.
	Probability float64 `yaml:"probability"`
}

// FaultKinds returns what a fault can do:
//
//	timeout-after-effect   the request takes effect, the answer never comes
//	timeout-before-effect  neither effect nor answer
//	drop                   the connection closes before any effect
//	status                 an answer with a status of your choice
//	throttle               429 with Retry-After
//	forbidden              403 in the form of the surface
//	stale-read             the state before the last change
//	slow                   the true answer, late
//	fail-operation         the long-running operation that starts ends Failed
//
// and how Azure, a cache or a proxy in between can lie:
//
//	empty-body             200 without a body
//	body                   200 with a body of your choice: {}, null, a page of HTML
//	omit                   the true answer without the properties at paths
//	null-property          the same with null in their place
//	set                    the same with a value of your choice
//	foreign                the document of another resource or key
//	cut-page               a list that ends early and points to no next page
//	drop-from-list         a list without some of its members
//	repeat-page            a page of a list that points to itself as the next
//	old-list               a list as it was some time ago (behind)
//	expired-token          401, the token has expired, in the form of the surface
func FaultKinds() []string {
	return []string{
		"timeout-after-effect", "timeout-before-effect", "drop", "status", "throttle",
		"forbidden", "stale-read", "slow", "fail-operation",
		"empty-body", "body", "omit", "null-property", "set", "foreign", "cut-page",
		"drop-from-list", "repeat-page", "old-list", "expired-token",
	}
}

// armedFault is a fault with its compiled patterns and its count.
type armedFault struct {
	Fault
	operation, host, path, caller *regexp.Regexp
	seen, hit                     int
	number                        int       // of those armed so far, from 1
	from                          time.Time // After and Until count from here
}

func (f *armedFault) name() string {
	if f.Name != "" {
		return f.Name
	}
	return f.Do
}

// AddFault lets something go wrong from now on, with After and Until counted from the
// start of the scenario. A bad pattern matches nothing.
func (s *Server) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.enlist(f, s.epoch)
}

// ClearFaults ends all faults.
func (s *Server) ClearFaults() {
	s.ClearFault("")
}

func arm(f Fault) (*armedFault, error) {
	armed := &armedFault{Fault: f}
	for _, p := range []struct {
		to   **regexp.Regexp
		from string
	}{
		{&armed.operation, f.Match.Operation}, {&armed.host, f.Match.Host},
		{&armed.path, f.Match.Path}, {&armed.caller, f.Match.Caller},
	} {
		re, err := compilePattern(p.from)
		if err != nil {
			return nil, fmt.Errorf("arm fault %s: %w", armed.name(), err)
		}
		*p.to = re
	}
	return armed, nil
}

// strike returns the first fault that hits a request. Requests that will be
// answered with a challenge for want of a token are spared: clients of Key Vault
// send one before each first request, and a fault counted there would miss what
// it was meant for.
func (s *Server) strike(c *call) *armedFault {
	if !c.caller.known() && !isLogin(c.host) {
		return nil
	}
	for _, f := range s.faults {
		if f.matches(c) && f.hits(s, c.now) {
			return f
		}
	}
	return nil
}

func (f *armedFault) matches(c *call) bool {
	ok := func(re *regexp.Regexp, value string) bool { return re == nil || re.MatchString(value) }
	return ok(f.operation, c.operation) && ok(f.host, c.host) && ok(f.path, c.path) &&
		(f.Match.Method == "" || strings.EqualFold(f.Match.Method, c.method)) &&
		(ok(f.caller, c.caller.id) || ok(f.caller, c.caller.name))
}

// hits counts a matching request and says whether it is hit.
func (f *armedFault) hits(s *Server, now time.Time) bool {
	passed := now.Sub(f.from)
	if passed < f.When.After.Duration ||
		f.When.Until.Duration > 0 && passed >= f.When.Until.Duration {
		return false
	}
	f.seen++
	if f.seen < f.When.Nth || f.When.Count > 0 && f.hit >= f.When.Count {
		return false
	}
	if f.When.Every > 1 && (f.seen-max(f.When.Nth, 1))%f.When.Every != 0 {
		return false
	}
	if p := f.When.Probability; p > 0 && s.chance.Float64() >= p {
		return false
	}
	f.hit++
	return true
}

// apply answers a request that was hit.
func (f *armedFault) apply(c *call, handler func(*call) *answer) *answer {
	if a, ok := f.lie(c, handler); ok {
		return a
	}
	switch f.Do {
	case "timeout-after-effect":
		handler(c)
		return f.nothing(lostTimeout)
	case "timeout-before-effect":
		return f.nothing(lostTimeout)
	case "drop":
		return f.nothing(lostClosed)
	case "throttle":
		return f.dressed(c, throttled(c, f.RetryAfter.or(10*time.Second), false))
	case "forbidden":
		return f.dressed(c, c.sim.forbidden(c))
	case "status":
		return f.dressed(c, problem(f.Status, "InternalServerError", "An error occurred."))
	case "fail-operation":
		c.failing = doc{"code": f.Code, "message": f.Message}
		if f.Code == "" {
			c.failing["code"] = "InternalServerError"
		}
		return handler(c)
	case "stale-read":
		c.stale = true
		return handler(c)
	default: // slow
		a := handler(c)
		a.delay = f.Delay.or(time.Second)
		return a
	}
}

func (f *armedFault) nothing(how lostness) *answer {
	a := newAnswer(0)
	a.lost, a.hold = how, f.Delay.Duration
	return a
}

// dressed puts what the fault says over an error answer.
func (f *armedFault) dressed(c *call, a *answer) *answer {
	code, message := f.Code, f.Message
	if form := errorForms()[code]; form != nil && message == "" {
		if known := form(c, f.RetryAfter.Duration); known != nil {
			a, code = known, ""
		}
	}
	if f.Status != 0 {
		a.status = f.Status
	}
	if f.RetryAfter.Duration > 0 {
		a.set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	if code == "" && message == "" {
		return a
	}
	if code == "" {
		code = http.StatusText(a.status)
	}
	dressed := problem(a.status, code, "%s", message)
	dressed.header = a.header
	return dressed
}
