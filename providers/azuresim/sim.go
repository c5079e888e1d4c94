package azuresim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBody is how much of a request is read; Azure Resource Manager takes 4 MB.
const maxBody = 4 << 20

// Exchange tells about one answered request.
type Exchange struct {
	Time       time.Time // simulated
	Method     string
	Host, Path string
	Query      string
	Operation  string // for example key-rotate
	Caller     string // client id, empty without a token
	Status     int    // 0 when no answer was sent
	Fault      string // name of the fault that took part, if any
}

// Options of a [Server].
type Options struct {
	// Clock is the simulated time; nil means the scenario's start, standing
	// still.
	Clock Clock
	// Log, if given, is called once for each answered request, from the
	// goroutine that serves it.
	Log func(Exchange)
}

// Server is one simulated Azure. All its state is behind one lock, and all of
// it moves to the clock's time before a request is looked at, so a clock may
// jump.
type Server struct {
	clock    Clock
	log      func(Exchange)
	scenario *Scenario
	tenant   string
	mint     mint
	forge    *forge
	epoch    time.Time

	mu          sync.Mutex
	agenda      agenda
	now         time.Time // of the request or action in progress
	clients     map[string]*client
	open        bool // no clients were declared: everyone may
	subs        []SubscriptionSpec
	groups      map[string]*group
	vaults      map[string]*vault
	resources   map[string]*resource
	index       index
	accounts    map[string]*resource   // storage accounts by lower-case name
	byKey       map[string][]*resource // by versionless key URI, folded
	operations  map[string]*operation
	opCount     int
	signed      []byte // key under which tokens are signed
	kinds       map[string]*kind
	faults      []*armedFault
	armed       int        // faults so far, for their numbers
	dice        *rand.PCG  // what chance draws from
	chance      *rand.Rand // for faults with a probability
	stats       tally
	limits      map[string]*bucket
	windows     map[string]*window // of vaults and their subscriptions
	audited     []auditEntry       // what clients did to keys
	access      access
	extensions  map[string]*extensionKind
	diagnostics diagnostics
	quirks      []Quirk
	dropped     []*resource // the last that are gone
	made        []*vault    // all there ever were, also those that were purged
	journal     []record    // what came from outside and changed something
	replaying   bool        // the journal happens again: nobody hears the answers
}

// New makes the estate of a scenario.
func New(s *Scenario, o Options) (*Server, error) {
	epoch, err := s.start()
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = NewManualClock(epoch)
	}
	sum := mint{s.Seed}.sum("token key")
	v := &Server{
		clock: o.Clock, log: o.Log, scenario: s, tenant: s.tenant(), mint: mint{s.Seed},
		forge: newForge(), epoch: epoch, now: epoch,
		clients: map[string]*client{}, groups: map[string]*group{}, vaults: map[string]*vault{},
		resources: map[string]*resource{}, index: newIndex(), accounts: map[string]*resource{}, byKey: map[string][]*resource{},
		operations: map[string]*operation{}, signed: sum[:], kinds: kinds(),
		dice: rand.NewPCG(s.Seed, 0x5eed), stats: newTally(), quirks: drawQuirks(s),
		limits: map[string]*bucket{}, windows: map[string]*window{}, extensions: extensionKinds(),
	}
	v.chance = rand.New(v.dice)
	v.replaying = true // the scenario is no news
	if err := v.build(); err != nil {
		return nil, fmt.Errorf("build scenario %s: %w", s.Name, err)
	}
	v.replaying = false
	return v, nil
}

// Tenant returns the id of the Entra tenant.
func (s *Server) Tenant() string { return s.tenant }

// Scenario returns the scenario of which it was made. It must not be changed.
func (s *Server) Scenario() *Scenario { return s.scenario }

// advance moves the simulated services to the clock's time.
func (s *Server) advance() {
	now := s.clock.Now().UTC()
	s.agenda.advance(now)
	s.now = now
}

// moment is the simulated time of what is happening: of the agenda's entry in
// progress, or of the request.
func (s *Server) moment() time.Time { return s.agenda.now }

// ServeHTTP answers a request for one of Azure's hosts, told by r.Host.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		http.Error(w, "read request: "+err.Error(), http.StatusBadRequest)
		return
	}
	a := s.answer(r, body)
	if a.delay > 0 && !pause(r.Context(), a.delay) {
		return
	}
	if a.lost != lostNot {
		s.lose(r.Context(), a)
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// lose ends an exchange without an answer: at once, or when the client or the
// fault's hold gives up.
func (s *Server) lose(ctx context.Context, a *answer) {
	if a.hold > 0 {
		pause(ctx, a.hold)
	}
	panic(http.ErrAbortHandler)
}

// answer serves one request up to the moment of sending.
func (s *Server) answer(r *http.Request, body []byte) *answer {
	c, a := s.serve(r, body)
	if s.log != nil {
		status := a.status
		if a.lost != lostNot {
			status = 0
		}
		s.log(Exchange{
			Time: c.now, Method: r.Method, Host: c.host, Path: r.URL.Path,
			Query: r.URL.RawQuery, Operation: c.operation, Caller: c.caller.id,
			Status: status, Fault: a.fault,
		})
	}
	return a
}

// serve routes, applies faults, answers and counts, under the lock.
func (s *Server) serve(r *http.Request, body []byte) (*call, *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	c := newCall(s, r, body)
	handler := s.route(c)
	s.stats.arrive(c)
	a := s.play(c, handler)
	s.finish(c, a)
	s.stats.leave(c, a)
	return c, a
}

// play lets a fault or the limits answer, or the handler.
func (s *Server) play(c *call, handler func(*call) *answer) *answer {
	f := s.strike(c)
	if f == nil {
		if a := s.limit(c); a != nil {
			return a
		}
	}
	return s.effect(c, f, handler)
}

// route finds the surface that a host belongs to.
func (s *Server) route(c *call) func(*call) *answer {
	switch {
	case isLogin(c.host):
		return s.routeLogin(c)
	case c.host == managementHost:
		return s.routeManagement(c)
	case strings.HasSuffix(c.host, vaultSuffix), strings.HasSuffix(c.host, hsmSuffix):
		return s.routeVault(c)
	case strings.HasSuffix(c.host, blobSuffix):
		return s.routeBlob(c)
	case c.host == logHost:
		return s.routeLog(c)
	default:
		c.operation = "refused"
		return func(c *call) *answer { return refusal(c.host) }
	}
}

// The hosts that are simulated.
const (
	managementHost = "management.azure.com"
	vaultSuffix    = ".vault.azure.net"
	hsmSuffix      = ".managedhsm.azure.net"
	blobSuffix     = ".blob.core.windows.net"
	logHost        = "api.loganalytics.io"
)

func isLogin(host string) bool {
	return host == "login.microsoftonline.com" || host == "login.windows.net" ||
		host == "login.microsoft.com"
}

// Errors of hosts.
var (
	// ErrHostRefused says that a host is not simulated.
	ErrHostRefused = errors.New("host is not simulated")
	// ErrHostUnknown says that the name of a vault or account does not exist:
	// in Azure it would not resolve (facts §2).
	ErrHostUnknown = errors.New("host name does not exist")
)

// checkHost says whether a host is simulated and, for vaults and accounts,
// whether there is one of that name.
func (s *Server) checkHost(host string) error {
	host = strings.ToLower(host)
	if isLogin(host) || host == managementHost || host == logHost {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	switch {
	case strings.HasSuffix(host, vaultSuffix), strings.HasSuffix(host, hsmSuffix):
		if v := s.vaults[host]; v == nil || v.deleted {
			return fmt.Errorf("resolve %s: %w", host, ErrHostUnknown)
		}
		return nil
	case strings.HasSuffix(host, blobSuffix):
		if s.account(host) == nil {
			return fmt.Errorf("resolve %s: %w", host, ErrHostUnknown)
		}
		return nil
	default:
		return fmt.Errorf("reach %s: %w", host, ErrHostRefused)
	}
}
