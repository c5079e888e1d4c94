package keyvault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/providers/azuresim"
	"cmkd/providers/keyvault"
	"cmkd/rotator"
)

func TestVault_RotationPolicy(t *testing.T) {
	t.Parallel()
	const notify = `{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}}`
	for _, tt := range []struct {
		name, body string
		want       rotator.RotationPolicy
	}{
		{"after creation", `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}},` + notify + `],"attributes":{"expiryTime":"P1Y"}}`, rotator.RotationPolicy{Rotate: "P90D after creation", Expiry: "P1Y"}},
		{"before expiry", `{"lifetimeActions":[` + notify + `,{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P2Y"}}`, rotator.RotationPolicy{Rotate: "P30D before expiry", Expiry: "P2Y"}},
		{"in the cases of a managed HSM", `{"lifetimeActions":[{"trigger":{"timeAfterCreate":"p30d","timeBeforeExpiry":null},"action":{"type":"rotate"}}],"attributes":{"expiryTime":"p90d"}}`, rotator.RotationPolicy{Rotate: "P30D after creation", Expiry: "P90D"}},
		{"notifies only", `{"lifetimeActions":[` + notify + `],"attributes":{"created":1656356446}}`, rotator.RotationPolicy{}},
		{"expires only", `{"lifetimeActions":[],"attributes":{"expiryTime":"P1Y"}}`, rotator.RotationPolicy{Expiry: "P1Y"}},
		{"rotates without a trigger", `{"lifetimeActions":[{"action":{"type":"Rotate"}}]}`, rotator.RotationPolicy{Rotate: "at a time that it does not tell"}},
		{"an action without a type", `{"lifetimeActions":[null,{},{"action":{}}],"attributes":null}`, rotator.RotationPolicy{}},
		{"empty", `{}`, rotator.RotationPolicy{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Body: tt.body}))
			got, err := v.RotationPolicy(t.Context(), key)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
			r := withToken(transport)
			if len(r) != 1 || r[0].Method != http.MethodGet || !strings.HasPrefix(r[0].URL, string(key)+"/rotationpolicy?") {
				t.Errorf("asked %+v", r)
			}
		})
	}
}

func TestVault_RotationPolicy_errors(t *testing.T) {
	t.Parallel()
	v, transport := newVault(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Status: 404, Body: `{"error":{"code":"KeyNotFound","message":"m"}}`}))
	if got, err := v.RotationPolicy(t.Context(), key); err != nil || got != (rotator.RotationPolicy{}) || len(withToken(transport)) != 1 {
		t.Errorf("no policy: got %+v, %v after %d calls", got, err, len(withToken(transport)))
	}
	v, _ = newVault(t, wiretest.NewClock(), wiretest.Queue(t, wiretest.Answer{Status: 403, Body: `{"error":{"code":"Forbidden","message":"m"}}`}))
	_, err := v.RotationPolicy(t.Context(), key)
	if e := mustError(t, err); e.Code != rotator.CodeForbidden || !strings.Contains(e.Error(), "rotation policy") || e.Hint == "" {
		t.Errorf("no permission: got %+v", e)
	}
	if _, err := v.RotationPolicy(t.Context(), "https://vault.example.com/keys/k"); rotator.CodeOf(err) != rotator.CodeInvalid {
		t.Errorf("another host: got %v", err)
	}
}

// login gets tokens from the simulated Entra.
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

// What the simulated Azure says of the policies of a vault and a managed HSM is
// understood; a key that nobody gave a policy has none that makes versions.
func TestVault_RotationPolicy_of_the_simulated_Azure(t *testing.T) {
	t.Parallel()
	const text = `
start: 2026-01-05T08:00:00Z
seed: 1
tenant: 54826b22-38d6-4fb2-bad9-b7b93a3e9c5a
subscriptions: [{id: 0a1b2c3d-0000-4000-8000-000000000001, name: Test}]
clients: [{id: 11111111-2222-3333-4444-555555555555, secret: demo-secret, name: cmkd}]
vaults:
  - name: kv
    keys:
      - {name: fresh}
      - {name: after, rotation_policy: {rotate_after_create: P90D, notify_before_expiry: P7D, expiry_time: P1Y}}
      - {name: before, rotation_policy: {rotate_before_expiry: P30D, expiry_time: P2Y}}
  - name: hsm
    hsm: true
    keys: [{name: after, rotation_policy: {rotate_after_create: P30D, expiry_time: P90D}}]
`
	scenario, err := azuresim.ParseScenario("policies", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	sim, err := azuresim.New(scenario, azuresim.Options{Clock: azuresim.NewManualClock(scenario.Epoch())})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: sim.Transport()}
	v := keyvault.New(login{client, sim.Tenant()}, keyvault.Options{Transport: client, Clock: wiretest.NewClock()})
	for id, want := range map[rotator.KeyID]rotator.RotationPolicy{
		"https://kv.vault.azure.net/keys/fresh":       {},
		"https://kv.vault.azure.net/keys/missing":     {},
		"https://kv.vault.azure.net/keys/after":       {Rotate: "P90D after creation", Expiry: "P1Y"},
		"https://kv.vault.azure.net/keys/before":      {Rotate: "P30D before expiry", Expiry: "P2Y"},
		"https://hsm.managedhsm.azure.net/keys/after": {Rotate: "P30D after creation", Expiry: "P90D"},
	} {
		if got, err := v.RotationPolicy(t.Context(), id); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", id, got, err, want)
		}
	}
}
