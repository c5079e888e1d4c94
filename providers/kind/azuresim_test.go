package kind_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"cmkd/providers/arm"
	"cmkd/providers/azuresim"
	"cmkd/providers/keyvault"
	"cmkd/providers/kind"
	"cmkd/rotator"
)

// estate is the demo scenario of the simulated Azure with our clients on it.
type estate struct {
	clock clock
	sim   *azuresim.Server
	vault *keyvault.Vault
	kinds map[string]rotator.Service
	ids   map[string]string // one resource of each kind
	key   rotator.KeyID
}

// clock moves by itself whenever somebody waits.
type clock struct{ *azuresim.ManualClock }

// After moves the clock.
func (c clock) After(d time.Duration) <-chan time.Time {
	ch := make(chan time.Time, 1)
	ch <- c.Advance(d)
	return ch
}

// login gets tokens from the simulated Entra with the scenario's client secret.
type login struct {
	client *http.Client
	tenant string
}

// GetToken asks the simulated Entra.
func (l login) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	resp, err := l.client.PostForm("https://login.microsoftonline.com/"+l.tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"11111111-2222-3333-4444-555555555555"}, "client_secret": {"demo-secret"}, "scope": o.Scopes,
	})
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		return azcore.AccessToken{}, fmt.Errorf("no token: %d %w", resp.StatusCode, err)
	}
	return azcore.AccessToken{Token: answer.Token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	scenario, err := azuresim.NamedScenario("demo")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range azuresim.DependentKinds() { // the demo has the others
		scenario.Dependents = append(scenario.Dependents, azuresim.DependentSpec{
			Kind: name, Protected: azuresim.Protected{Place: azuresim.Place{Name: "contoso-" + name}, Key: "contoso-prod/payments"},
		})
	}
	c := clock{azuresim.NewManualClock(scenario.Epoch())}
	sim, err := azuresim.New(scenario, azuresim.Options{Clock: c.ManualClock})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: sim.Transport()}
	cred := login{client, sim.Tenant()}
	a, err := arm.NewClient(cred, arm.Options{Transport: client, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	e := &estate{
		clock: c, sim: sim, kinds: map[string]rotator.Service{}, ids: map[string]string{},
		vault: keyvault.New(cred, keyvault.Options{Transport: client, Clock: c}),
		key:   "https://contoso-prod.vault.azure.net/keys/payments",
	}
	blob := kind.NewBlobProbe(cred, kind.BlobOptions{Transport: client, Clock: c})
	for _, s := range kind.Services(kind.Deps{ARM: a, Blob: blob}) {
		e.kinds[s.Kind()] = s
	}
	for _, id := range sim.ResourceIDs() {
		if of, ok := kind.Of(id); ok && (e.ids[of] == "" || strings.HasSuffix(id, "/contoso-des")) {
			e.ids[of] = id
		}
	}
	return e
}

func (e *estate) dependent(kind string) *rotator.Dependent {
	d := &rotator.Dependent{ID: e.ids[kind], Kind: kind, Recreate: true}
	if kind == "storage" {
		d.Settings = map[string]string{"probe_container": "ledger"}
	}
	return d
}

func (e *estate) observe(t *testing.T, kind string) rotator.Observation {
	t.Helper()
	o, err := e.kinds[kind].Observe(t.Context(), e.dependent(kind), rotator.Ask{Key: e.key, Access: true})
	if err != nil {
		t.Fatalf("observe %s: %v", kind, err)
	}
	declared(t, kind, &o)
	if !o.Names(e.key) {
		t.Fatalf("%s does not use %s: %+v", kind, e.key, o)
	}
	return o
}

// uses reports whether every use of a key is on a version.
func uses(o *rotator.Observation, key rotator.KeyID, version string) bool {
	for u := range o.UsesOf(key) {
		if u.Version != version {
			return false
		}
	}
	return o.Names(key)
}

func (e *estate) rotate(t *testing.T) (before, after rotator.Version) {
	t.Helper()
	versions, err := e.vault.Versions(t.Context(), e.key)
	if err != nil {
		t.Fatal(err)
	}
	before, _ = rotator.Newest(versions, nil)
	e.clock.Advance(time.Minute)
	if after, err = e.vault.Create(t.Context(), e.key, rotator.MethodAuto, "op-1"); err != nil {
		t.Fatal(err)
	}
	if err := e.vault.Tag(t.Context(), e.key, after, "op-1"); err != nil {
		t.Fatal(err)
	}
	return before, after
}

// updateFor returns how a kind tells a use with a binding another version; empty
// if it cannot. A kind that uses its key through another is told by that one.
func updateFor(d *kind.Declaration, binding rotator.Binding) rotator.Action {
	for _, u := range d.Uses {
		if u.Via != nil {
			return updateFor(u.Via.To, binding)
		}
		for _, update := range u.Updates {
			if update.Binding == binding {
				return update.Action
			}
		}
	}
	return ""
}

// One rotation through each kind of the table against the simulated Azure.
func TestAzuresim_rotation(t *testing.T) {
	t.Parallel()
	for _, d := range kind.All() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			if e.ids[d.Name] == "" {
				t.Fatalf("%s: the simulated Azure has none", d.Name)
			}
			before, after := e.rotate(t)
			old := e.observe(t, d.Name)
			found, err := e.kinds[d.Name].(rotator.Finder).Find(t.Context(), strings.Split(e.ids[d.Name], "/")[2], e.key)
			if err != nil || len(found) == 0 {
				t.Errorf("found %+v, %v", found, err)
			}
			binding, version := old.Binding(e.key), old.Furthest(e.key, after.ID)
			action := updateFor(d, binding)
			if d.Traits.Best == rotator.EvidenceInferred {
				if version != "" || binding != rotator.BindingFollows || action != "" {
					t.Errorf("got %+v, told by %q", old, action)
				}
				return
			}
			if version != before.ID {
				t.Fatalf("before: got %+v, want version %s", old, before.ID)
			}
			if action == "" { // it looks by itself
				e.clock.Advance(d.Traits.Window)
				if now := e.observe(t, d.Name); !uses(&now, e.key, after.ID) {
					t.Errorf("got %+v, want version %s", now, after.ID)
				}
				return
			}
			for _, once := range []string{"apply", "once more"} {
				if err := e.kinds[d.Name].Apply(t.Context(), e.dependent(d.Name), action, e.key, after); err != nil {
					var re *rotator.Error
					errors.As(err, &re)
					t.Fatalf("%s: %v (%+v)", once, err, re)
				}
				if now := e.observe(t, d.Name); !uses(&now, e.key, after.ID) {
					t.Errorf("%s: got %+v, want version %s", once, now, after.ID)
				}
			}
		})
	}
}

// showsDenial reports whether a kind sees by itself that its key was revoked. The
// set of the simulated cluster has no machines, so that through it nothing shows.
func showsDenial(d *kind.Declaration) bool { return d.Status != nil || d.Probe != nil }

// A revocation, as the kinds that can see it do; the others say nothing of it.
func TestAzuresim_revocation(t *testing.T) {
	t.Parallel()
	for _, d := range kind.All() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			before, after, evidence := rotator.AccessAllowed, rotator.AccessDenied, rotator.EvidenceConfirmed
			if !showsDenial(d) {
				before, after, evidence = rotator.AccessUnknown, rotator.AccessUnknown, rotator.EvidenceNone
			}
			if d.Name == "mysql-flexible" {
				before = rotator.AccessUnknown // its state says when the key is lost, and nothing else
			}
			if o := e.observe(t, d.Name); o.Access != before {
				t.Fatalf("before: got %+v", o)
			}
			versions, err := e.vault.Versions(t.Context(), e.key)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range versions {
				if got, err := e.vault.SetEnabled(t.Context(), e.key, v.ID, false); err != nil || got.Enabled {
					t.Fatalf("disable: %+v, %v", got, err)
				}
			}
			e.clock.Advance(2 * time.Hour)
			if o := e.observe(t, d.Name); o.Access != after || o.AccessEvidence != evidence {
				t.Fatalf("revoked: got %+v", o)
			}
		})
	}
}
