package keyvault_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"cmkd/providers/arm/wire/wiretest"
	"cmkd/providers/keyvault"
	"cmkd/rotator"
)

var keyPath = regexp.MustCompile(`^https://([a-z0-9-]+\.(?:vault|managedhsm)\.azure\.net)(?::443)?/keys/([A-Za-z0-9-]+)(?:/([^?]*))?\?`)

// Every answer of the recordings that the vault client asks for is given to it.
func TestVault_Recordings(t *testing.T) {
	t.Parallel()
	understood, skipped := 0, 0
	for _, e := range wiretest.Recordings(t, "*.jsonl") {
		m := keyPath.FindStringSubmatch(e.Request.URL)
		if m == nil || e.Response.Status == http.StatusUnauthorized || e.Omitted {
			continue
		}
		id := rotator.KeyID("https://" + m[1] + "/keys/" + m[2])
		clock := wiretest.NewClock()
		served := false
		transport := &wiretest.Transport{Clock: clock, Answer: challenged(func(wiretest.Request) wiretest.Answer {
			if served {
				return wiretest.Answer{Body: `{"value":[],"nextLink":null}`}
			}
			served = true
			return e.Answer()
		})}
		v := keyvault.New(wiretest.Credential{}, keyvault.Options{Transport: transport, Clock: clock})
		body := strings.ToLower(wiretest.Text(e.Response.Body))
		check := func(version rotator.Version, err error) {
			t.Helper()
			if e.Response.Status >= 400 {
				if want := mustError(t, err); want.Code == "" || want.Reason == "" {
					t.Errorf("%s: %s: got %+v", e.File, e.Request.URL, want)
				}
				return
			}
			if err != nil || !strings.Contains(body, version.ID) || version.Created.IsZero() {
				t.Errorf("%s: %s: got %+v, %v", e.File, e.Request.URL, version, err)
			}
		}
		switch path := strings.ToLower(m[3]); {
		case path == "versions":
			all, err := v.Versions(t.Context(), id)
			if strings.Contains(body, `"value":[]`) {
				mustError(t, err)
				break
			}
			for _, version := range all {
				check(version, err)
			}
			if err != nil || len(all) != strings.Count(body, `"kid"`) {
				t.Errorf("%s: %d versions, %v", e.File, len(all), err)
			}
		case path == "rotate":
			check(v.Create(t.Context(), id, rotator.MethodRotate, "op"))
		case path == "rotationpolicy":
			policy, err := v.RotationPolicy(t.Context(), id)
			if err != nil || (policy.Rotate != "") != strings.Contains(body, `"rotate"`) || policy.Expiry == "" && strings.Contains(body, `expirytime":"p`) {
				t.Errorf("%s: got %+v, %v", e.File, policy, err)
			}
		case len(path) == 32 && e.Request.Method == http.MethodPatch:
			check(v.SetEnabled(t.Context(), id, path, true))
		default:
			skipped++
			continue
		}
		understood++
	}
	t.Logf("recordings: vault: %d exchanges replayed and understood, %d skipped (operations that cmkd never asks for)", understood, skipped)
	if understood == 0 {
		t.Error("nothing was understood")
	}
}

// The pages of recording keyvault.list-versions.2022 are followed in order, with
// a port in each link.
func TestVault_Recordings_list_versions(t *testing.T) {
	t.Parallel()
	var pages []wiretest.Exchange
	for _, e := range wiretest.Recordings(t, "keyvault.list-versions.2022.jsonl") {
		if e.Request.Method == http.MethodGet {
			pages = append(pages, e)
		}
	}
	clock := wiretest.NewClock()
	transport := &wiretest.Transport{Clock: clock, Answer: challenged(wiretest.NewReplay(pages).Answer)}
	v := keyvault.New(wiretest.Credential{}, keyvault.Options{Transport: transport, Clock: clock})
	versions, err := v.Versions(t.Context(), "https://fakevault.vault.azure.net/keys/listkeyversions137292667")
	if err != nil || len(versions) != 4 {
		t.Fatalf("got %d versions, %v; want 4", len(versions), err)
	}
	for _, r := range transport.Requests() {
		if strings.Contains(r.URL, ":443") {
			t.Errorf("asked %s", r.URL)
		}
	}
}
