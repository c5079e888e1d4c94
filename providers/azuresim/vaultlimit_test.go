package azuresim_test

import (
	"fmt"
	"testing"
	"time"
)

const limitedVaults = `
enforce_limits: true
vaults:
  - name: "kv{n}"
    count: 7
    keys: [{name: soft}, {name: hard, type: RSA-HSM}, {name: long, type: RSA-HSM, size: 4096}]
  - {name: elsewhere, subscription: 0a1b2c3d-0000-4000-8000-000000000002, keys: [{name: soft}]}
  - {name: box, hsm: true, keys: [{name: hard}]}
`

func rotateURL(host, key string) string {
	return "https://" + host + "/keys/" + key + "/rotate?api-version=7.4"
}

// served sends a request until it is refused, and returns how often it was not.
func (e *estate) served(most int, method, url string) (n int, retryAfter string) {
	e.tb.Helper()
	for ; n < most; n++ {
		r, err := e.send(method, url, "", "Authorization", "Bearer "+e.token(url))
		if err != nil {
			e.tb.Fatal(err)
		}
		if r.status != 200 {
			return n, r.header.Get("Retry-After")
		}
	}
	return n, ""
}

// TestLimits_OfAVault: each in ten seconds, as documented (azure/facts.md section 2).
func TestLimits_OfAVault(t *testing.T) {
	for name, tt := range map[string]struct {
		method, url string
		want        int
	}{
		"versions of a software key":      {"POST", rotateURL("kv1.vault.azure.net", "soft"), 10},
		"versions of a key in an HSM":     {"POST", rotateURL("kv1.vault.azure.net", "hard"), 5},
		"versions in a managed HSM":       {"POST", rotateURL("box.managedhsm.azure.net", "hard"), 5},
		"reads of a software key":         {"GET", "https://kv1.vault.azure.net/keys/soft?api-version=7.4", 2000},
		"reads of a key in an HSM":        {"GET", "https://kv1.vault.azure.net/keys/hard/versions?api-version=7.4", 1000},
		"reads of a longer key in an HSM": {"GET", "https://kv1.vault.azure.net/keys/long?api-version=7.4", 125},
	} {
		t.Run(name, func(t *testing.T) {
			e := mustEstate(t, limitedVaults)
			e.token(tt.url)
			e.clock.Advance(3 * time.Second)
			if n, wait := e.served(tt.want+1, tt.method, tt.url); n != tt.want || wait != "10" {
				t.Errorf("%d served, then wait %q; want %d and 10", n, wait, tt.want)
			}
			e.clock.Advance(9 * time.Second)
			if n, wait := e.served(1, tt.method, tt.url); n != 0 || wait != "1" {
				t.Errorf("%d served 9 s later, then wait %q; want none and 1", n, wait)
			}
			e.clock.Advance(time.Second) // what was refused does not count
			if n, _ := e.served(tt.want+1, tt.method, tt.url); n != tt.want {
				t.Errorf("%d served 10 s later, want %d", n, tt.want)
			}
		})
	}
}

// TestLimits_OfAVault_areOfTheSum: four keys in an HSM leave room for two others.
func TestLimits_OfAVault_areOfTheSum(t *testing.T) {
	e := mustEstate(t, limitedVaults)
	e.served(4, "POST", rotateURL("kv1.vault.azure.net", "hard"))
	if n, _ := e.served(9, "POST", rotateURL("kv1.vault.azure.net", "soft")); n != 2 {
		t.Errorf("%d served, want 2", n)
	}
}

// TestLimits_OfTheVaultsOfASubscription: five vaults use up what all may do; a vault
// of another subscription and a managed HSM have their own.
func TestLimits_OfTheVaultsOfASubscription(t *testing.T) {
	e := mustEstate(t, limitedVaults)
	total := 0
	for i := range 7 {
		n, _ := e.served(8, "POST", rotateURL(fmt.Sprintf("kv%d.vault.azure.net", i+1), "soft"))
		total += n
	}
	if total != 50 {
		t.Errorf("%d served by 7 vaults, want 50", total)
	}
	if n, _ := e.served(11, "POST", rotateURL("elsewhere.vault.azure.net", "soft")); n != 10 {
		t.Errorf("%d served in another subscription, want 10", n)
	}
	if n, _ := e.served(6, "POST", rotateURL("box.managedhsm.azure.net", "hard")); n != 5 {
		t.Errorf("%d served by a managed HSM, want 5", n)
	}
}
