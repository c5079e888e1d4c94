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
	for _, s := range kind.All(kind.Deps{ARM: a, Blob: blob}) {
		e.kinds[s.Kind()] = s
	}
	for _, id := range sim.ResourceIDs() {
		if kind, ok := kind.KindOf(id); ok && (e.ids[kind] == "" || strings.HasSuffix(id, "/contoso-des")) {
			e.ids[kind] = id
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
	if !o.Key.Same(e.key) {
		t.Fatalf("%s uses %q: %+v", kind, o.Key, o)
	}
	return o
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

// One rotation through each kind against the simulated Azure.
func TestAzuresim_rotation(t *testing.T) {
	t.Parallel()
	for kind, action := range map[string]rotator.Action{
		"storage": rotator.ActionNudge, "disk-encryption-set": rotator.ActionNudge, "managed-cluster": rotator.ActionNudge, "container-group": rotator.ActionRecreate, "cosmosdb": "",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			before, after := e.rotate(t)
			old := e.observe(t, kind)
			if kind == "cosmosdb" {
				if old.Version != "" || old.Binding != rotator.BindingFollows {
					t.Errorf("got %+v", old)
				}
				return
			}
			if old.Version != before.ID {
				t.Fatalf("before: got %+v, want version %s", old, before.ID)
			}
			err := e.kinds[kind].Apply(t.Context(), e.dependent(kind), action, e.key, after)
			if err != nil {
				var re *rotator.Error
				errors.As(err, &re)
				t.Fatalf("apply: %v (%+v)", err, re)
			}
			if now := e.observe(t, kind); now.Version != after.ID {
				t.Errorf("after: got %+v, want version %s", now, after.ID)
			}
			if err := e.kinds[kind].Apply(t.Context(), e.dependent(kind), action, e.key, after); err != nil {
				t.Errorf("once more: %v", err)
			}
			found, err := e.kinds[kind].(rotator.Finder).Find(t.Context(), strings.Split(e.ids[kind], "/")[2], e.key)
			if err != nil || len(found) == 0 {
				t.Errorf("found %+v, %v", found, err)
			}
		})
	}
}

// A revocation, and its end, as the kinds that can see it do.
func TestAzuresim_revocation(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"storage", "cosmosdb", "disk-encryption-set"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			if o := e.observe(t, kind); o.Access != rotator.AccessAllowed {
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
			if o := e.observe(t, kind); o.Access != rotator.AccessDenied || o.AccessEvidence != rotator.EvidenceConfirmed {
				t.Fatalf("revoked: got %+v", o)
			}
		})
	}
}
