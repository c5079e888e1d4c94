package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"cmkd/providers/azuresim"
	"cmkd/providers/keyvault"
	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
	"cmkd/store/bolt"
)

// A rush is many keys that are due in the same moment. The engine with its store and
// its client of Key Vault runs in front of a simulated Azure that enforces the documented
// limits, over HTTP through pipes instead of sockets, so that all of it can live on
// virtual time: it passes as soon as everybody waits for it.

const (
	// rushDue is when the keys are due: nothing else is near, and the first watch of
	// each is over.
	rushDue = 2 * time.Hour
	// makingTakes and lookingTakes are how long the vault thinks about a call.
	makingTakes, lookingTakes = 250 * time.Millisecond, 40 * time.Millisecond
	// callsEach is what a rotation may cost beside the preflight.
	callsEach = 4
)

// crowd is so many keys of a type in each of so many vaults.
type crowd struct {
	vaults, keys int
	kty          string
	managed      bool
}

// TestRush holds that keys due at once are rotated as fast as their vault allows and
// not faster, with few calls. CMKD_RUSH says how many times as many keys there are;
// make rush has a thousand in a vault.
func TestRush(t *testing.T) {
	times, err := strconv.Atoi(cmp.Or(os.Getenv("CMKD_RUSH"), "1"))
	if err != nil {
		t.Fatalf("CMKD_RUSH: %v", err)
	}
	for _, tt := range []struct {
		name   string
		crowds []crowd
		// perTen is how many versions may be made in ten seconds (azure/facts.md
		// section 2), by all vaults together.
		perTen float64
		// restarts is how often the engine is stopped and started anew meanwhile.
		restarts int
	}{
		{"software keys in a vault", []crowd{{1, 100, "RSA", false}}, 10, 0},
		{"keys in an HSM in a vault", []crowd{{1, 100, "RSA-HSM", false}}, 5, 0},
		{"keys in a Managed HSM", []crowd{{1, 20, "RSA-HSM", true}}, 5, 0},
		{"keys of both types in a vault", []crowd{{1, 15, "RSA", false}, {1, 15, "EC-HSM", false}}, 20. / 3, 0},
		{"keys in 8 vaults of a subscription", []crowd{{8, 15, "RSA", false}}, 50, 0},
		{"software keys, restarted on the way", []crowd{{1, 60, "RSA", false}}, 10, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for i := range tt.crowds {
					tt.crowds[i].keys *= times
				}
				r := newRush(t, tt.crowds)
				r.run(tt.restarts)
				ideal := time.Duration(float64(len(r.keys)) / tt.perTen * float64(10*time.Second))
				r.report(ideal)
				r.check(ideal, 1+tt.restarts)
			})
		})
	}
}

// rush is one of them.
type rush struct {
	t     *testing.T
	sim   *azuresim.Server
	store *bolt.Store
	vault *keyvault.Vault
	keys  []rotator.Key
	start time.Time

	mu    sync.Mutex
	calls []azuresim.Exchange
	ended map[string]time.Time // by key
	made  []time.Time
}

// newRush makes the world of a rush.
func newRush(t *testing.T, crowds []crowd) *rush {
	t.Helper()
	r := &rush{t: t, start: time.Now(), ended: map[string]time.Time{}}
	scenario := r.scenario(crowds)
	sim, err := azuresim.New(scenario, azuresim.Options{Clock: rotatortest.Clock{}, Log: r.heard})
	if err != nil {
		t.Fatal(err)
	}
	r.sim = sim
	client := r.serve()
	r.vault = keyvault.New(login{client, sim.Tenant()}, keyvault.Options{Transport: client, Clock: rotatortest.Clock{}})
	if r.store, err = bolt.Open(filepath.Join(t.TempDir(), "cmkd.db"), bolt.Options{}); err != nil {
		t.Fatal(err)
	}
	return r
}

// scenario declares the vaults, and notes the keys.
func (r *rush) scenario(crowds []crowd) *azuresim.Scenario {
	s := &azuresim.Scenario{
		Start: r.start.UTC().Format(time.RFC3339), Seed: 7, Tenant: "54826b22-38d6-4fb2-bad9-b7b93a3e9c5a", EnforceLimits: true,
	}
	due := r.start.Add(rushDue).UTC()
	schedule, err := rotator.ParseSchedule(due.Format("4 15 2 1 *"), "UTC", 0, rotator.MisfireCatchUp, "")
	if err != nil {
		r.t.Fatal(err)
	}
	specs := map[string]*azuresim.VaultSpec{}
	for _, c := range crowds {
		for n := range c.vaults {
			host := fmt.Sprintf("contoso%d.vault.azure.net", n)
			if c.managed {
				host = fmt.Sprintf("contoso%d.managedhsm.azure.net", n)
			}
			spec := specs[host]
			if spec == nil {
				spec = &azuresim.VaultSpec{HSM: c.managed, PurgeProtection: true}
				spec.Name, _, _ = strings.Cut(host, ".")
				specs[host] = spec
			}
			name := strings.ToLower(c.kty) + "-"
			spec.Keys = append(spec.Keys, azuresim.KeySpec{
				Name: name + "{n}", Count: c.keys, Type: c.kty, Versions: []azuresim.VersionSpec{{Age: azuresim.For(90 * 24 * time.Hour)}},
			})
			for i := range c.keys {
				id := rotator.KeyID(fmt.Sprintf("https://%s/keys/%s%d", host, name, i+1))
				r.keys = append(r.keys, rotator.Key{
					Name: fmt.Sprintf("%s-%s%d", spec.Name, name, i+1), ID: id, Retire: rotator.RetireOff, Schedule: schedule,
				})
			}
		}
	}
	for _, host := range slices.Sorted(maps.Keys(specs)) {
		s.Vaults = append(s.Vaults, *specs[host])
	}
	return s
}

// run lives until every key is rotated, or none was for a while.
func (r *rush) run(restarts int) {
	r.t.Helper()
	stop := r.begin()
	<-time.After(rushDue)
	for range restarts {
		<-time.After(23 * time.Second)
		stop()
		stop = r.begin()
	}
	for last := -1; last < r.finished() && r.finished() < len(r.keys); {
		last = r.finished()
		<-time.After(2 * time.Minute)
	}
	stop()
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
}

// begin starts an engine on the store as it is.
func (r *rush) begin() (stop func()) {
	e := engine.New(engine.Options{Store: r.store, Vault: r.vault, Clock: rotatortest.Clock{}, Keys: r.keys, Observe: r.observe})
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
}

func (r *rush) finished() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ended)
}

func (r *rush) heard(x azuresim.Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, x)
}

func (r *rush) observe(e rotator.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Type == rotator.EventVersionCreated:
		r.made = append(r.made, time.Now())
	case e.Type == rotator.EventStateChanged && e.Data["to"] == string(rotator.StateCompleted):
		r.ended[e.Key] = time.Now()
	}
}

// took is from when the keys were due until the last version was made.
func (r *rush) took() time.Duration {
	if len(r.made) == 0 {
		return 0
	}
	return slices.MaxFunc(r.made, time.Time.Compare).Sub(r.start.Add(rushDue))
}

// costs counts the calls to each key from when it was due until its rotation had
// ended, by what they are.
func (r *rush) costs() map[string]map[string]int {
	ended := map[string]time.Time{}
	for _, key := range r.keys {
		ended[key.ID.Host()+" "+key.ID.Name()] = r.ended[key.Name]
	}
	costs := map[string]map[string]int{}
	for _, x := range r.calls {
		parts := strings.Split(x.Path, "/")
		if len(parts) < 3 || parts[1] != "keys" {
			continue
		}
		of := x.Host + " " + parts[2]
		if x.Time.Before(r.start.Add(rushDue)) || x.Time.After(ended[of]) {
			continue
		}
		if costs[of] == nil {
			costs[of] = map[string]int{}
		}
		costs[of][kindOf(x)]++
	}
	return costs
}

func kindOf(x azuresim.Exchange) string {
	if x.Status != http.StatusOK {
		return fmt.Sprintf("%s answered %d", x.Operation, x.Status)
	}
	return x.Operation
}

// report prints what the rush cost.
func (r *rush) report(ideal time.Duration) {
	r.t.Helper()
	total, most := map[string]int{}, map[string]int{}
	for _, of := range r.costs() {
		for kind, n := range of {
			total[kind] += n
			most[kind] = max(most[kind], n)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d keys in %s, %s at the documented limit (%.1f %% more)\n", len(r.made), r.took(), ideal, 100*(float64(r.took())/float64(ideal)-1))
	fmt.Fprintf(&b, "  %-34s %6s %9s %5s\n", "call", "all", "per key", "most")
	for _, kind := range slices.Sorted(maps.Keys(total)) {
		fmt.Fprintf(&b, "  %-34s %6d %9.2f %5d\n", kind, total[kind], float64(total[kind])/float64(len(r.keys)), most[kind])
	}
	r.t.Log(b.String())
}

// check holds what a rush promises. What a preflight saw is not kept, so there may be
// one more for each restart.
func (r *rush) check(ideal time.Duration, preflights int) {
	r.t.Helper()
	if len(r.ended) != len(r.keys) || len(r.made) != len(r.keys) {
		r.t.Errorf("%d rotations ended and %d versions were made, want %d", len(r.ended), len(r.made), len(r.keys))
	}
	if n := r.sim.Requests().Statuses[http.StatusTooManyRequests]; n > 0 {
		r.t.Errorf("%d calls were answered 429", n)
	}
	if r.took() > ideal*11/10 {
		r.t.Errorf("it took %s, want at most a tenth more than %s", r.took(), ideal)
	}
	for of, by := range r.costs() {
		calls := 0
		for _, n := range by {
			calls += n
		}
		if calls > preflights+callsEach {
			r.t.Errorf("%s cost %d calls, want at most %d: %v\n%s", of, calls, preflights+callsEach, by, r.story(of))
		}
	}
}

// story lists the calls about a key since it was due, in seconds.
func (r *rush) story(of string) string {
	var b strings.Builder
	for _, x := range r.calls {
		if parts := strings.Split(x.Path, "/"); len(parts) < 3 || x.Host+" "+parts[2] != of || x.Time.Before(r.start.Add(rushDue)) {
			continue
		}
		fmt.Fprintf(&b, "  %8.3f s %s\n", x.Time.Sub(r.start.Add(rushDue)).Seconds(), kindOf(x))
	}
	return b.String()
}

// serve puts the simulated Azure behind an HTTP server and returns a client that
// reaches it through pipes. Both end with the test.
func (r *rush) serve() *http.Client {
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(r.answer), ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.t.Error(err)
		}
	})
	transport := &http.Transport{
		DialTLSContext: l.dial, MaxIdleConnsPerHost: 64,
	}
	r.t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			r.t.Error(err)
		}
		serving.Wait()
	})
	return &http.Client{Transport: transport}
}

// answer answers after a moment, as a vault does.
func (r *rush) answer(w http.ResponseWriter, q *http.Request) {
	takes := lookingTakes
	if strings.HasSuffix(q.URL.Path, "/rotate") {
		takes = makingTakes
	}
	<-time.After(takes)
	r.sim.ServeHTTP(w, q)
}

// pipes is a listener that no network is needed for.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// login gets tokens from the simulated Entra.
type login struct {
	client *http.Client
	tenant string
}

// GetToken implements [azcore.TokenCredential].
func (l login) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"11111111-2222-3333-4444-555555555555"}, "client_secret": {"secret"}, "scope": o.Scopes,
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://login.microsoftonline.com/"+l.tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := l.client.Do(q)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	var answer struct {
		Token string `json:"access_token"`
		Lasts int    `json:"expires_in"`
	}
	err = errors.Join(json.NewDecoder(resp.Body).Decode(&answer), resp.Body.Close())
	if err != nil || answer.Token == "" {
		return azcore.AccessToken{}, fmt.Errorf("no token: %d %w", resp.StatusCode, err)
	}
	return azcore.AccessToken{Token: answer.Token, ExpiresOn: time.Now().Add(time.Duration(cmp.Or(answer.Lasts, 600)) * time.Second)}, nil
}
