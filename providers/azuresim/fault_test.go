package azuresim_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

func TestFault_Lost(t *testing.T) {
	for _, c := range []struct {
		do      string
		made    int
		timeout bool
	}{
		{"timeout-after-effect", 3, true},
		{"timeout-before-effect", 2, true},
		{"drop", 2, false},
	} {
		t.Run(c.do, func(t *testing.T) {
			e := mustEstate(t, oneKey)
			e.sim.AddFault(azuresim.Fault{Match: azuresim.Match{Operation: "key-*"}, When: azuresim.When{Count: 1}, Do: c.do})
			token := e.token(keyURL)
			_, err := e.send("POST", keyURL+"/rotate?api-version=7.4", "", "Authorization", "Bearer "+token)
			var lost net.Error
			if err == nil || errors.As(err, &lost) && lost.Timeout() != c.timeout {
				t.Errorf("got %v, want a lost answer, time-out %v", err, c.timeout)
			}
			if got := len(e.sim.Versions("kv", "k")); got != c.made {
				t.Errorf("%d versions, want %d", got, c.made)
			}
			e.call(200, "GET", keyURL+"?api-version=7.4", "")
			if stats := e.sim.Requests(); stats.Faults[c.do] != 1 || stats.Statuses[0] != 1 {
				t.Errorf("stats %+v", stats)
			}
		})
	}
}

func TestFault_Answers(t *testing.T) {
	storage := arm(storageType, "st", "2023-05-01")
	for _, c := range []struct {
		name   string
		fault  azuresim.Fault
		url    string
		status int
		code   string
	}{
		{"a status of one's choice", azuresim.Fault{Do: "status", Status: 503, Code: "ServerTimeout"}, storage, 503, "ServerTimeout"},
		{"management throttles", azuresim.Fault{Do: "throttle", RetryAfter: azuresim.For(17 * time.Second)}, storage, 429, "SubscriptionRequestsThrottled"},
		{"the vault throttles", azuresim.Fault{Do: "throttle"}, keyURL + "?api-version=7.4", 429, "Throttled"},
		{"management forbids", azuresim.Fault{Do: "forbidden"}, storage, 403, "AuthorizationFailed"},
		{"the vault forbids", azuresim.Fault{Do: "forbidden"}, keyURL + "?api-version=7.4", 403, "Forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := mustEstate(t, dependents)
			e.token(c.url)
			e.sim.AddFault(c.fault)
			r := e.call(c.status, "GET", c.url, "")
			if got, _ := code(t, r); got != c.code {
				t.Errorf("code %s, want %s", got, c.code)
			}
			if c.status == 429 && r.header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		})
	}
}

func TestFault_When(t *testing.T) {
	e := mustEstate(t, oneKey)
	e.token(keyURL)
	e.sim.AddFault(azuresim.Fault{
		Match: azuresim.Match{Path: "/keys/k", Method: "get", Caller: clientID, Host: "/^kv\\./"},
		When:  azuresim.When{After: azuresim.For(time.Hour), Until: azuresim.For(2 * time.Hour), Nth: 2, Every: 2, Count: 2},
		Do:    "status", Status: 500,
	})
	url := keyURL + "?api-version=7.4"
	e.call(200, "GET", url, "")
	e.clock.Advance(time.Hour)
	for i, want := range []int{200, 500, 200, 500, 200, 200} {
		r, err := e.send("GET", url, "", "Authorization", "Bearer "+e.token(keyURL))
		if err != nil || r.status != want {
			t.Errorf("request %d: %d %v, want %d", i+1, r.status, err, want)
		}
	}
}

func TestFault_StaleRead(t *testing.T) {
	e := mustEstate(t, dependents)
	before := e.newest()
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	e.sim.AddFault(azuresim.Fault{Match: azuresim.Match{Operation: "key-get"}, When: azuresim.When{Count: 1}, Do: "stale-read"})
	if got := str(e.get(keyURL+"?api-version=7.4"), "key.kid"); !strings.HasSuffix(got, before) {
		t.Errorf("read %s, want the stale %s", got, before)
	}
	if got := str(e.get(keyURL+"?api-version=7.4"), "key.kid"); !strings.HasSuffix(got, e.newest()) {
		t.Errorf("read %s, want %s", got, e.newest())
	}
}

func TestStats_RetryAfterIsWatched(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(storageType, "st", "2023-05-01")
	e.token(url)
	e.sim.AddFault(azuresim.Fault{Match: azuresim.Match{Operation: "storage-get"}, When: azuresim.When{Count: 1}, Do: "throttle", RetryAfter: azuresim.For(30 * time.Second)})
	e.call(429, "GET", url, "")
	e.clock.Advance(29 * time.Second)
	// Another provider has a bucket of its own.
	e.get(arm(cosmosType, "cosmos", "2023-09-15"))
	if got := e.sim.Requests().Violations; got != 0 {
		t.Fatalf("%d violations too many", got)
	}
	e.get(url)
	stats := e.sim.Requests()
	if stats.Violations != 1 || len(stats.Early) != 1 || stats.Early[0].Early != time.Second || stats.Early[0].Caller != clientID {
		t.Errorf("violations %+v", stats.Early)
	}
	e.clock.Advance(time.Second)
	e.get(url)
	if got := e.sim.Requests().Violations; got != 1 {
		t.Errorf("%d violations after the wait", got)
	}
	if stats.Operations["storage-get"] != 2 || stats.Statuses[429] != 1 {
		t.Errorf("stats %+v", stats)
	}
}

func TestLimits_Enforced(t *testing.T) {
	e := mustEstate(t, "enforce_limits: true\n"+dependents)
	url := arm(storageType, "st", "2023-05-01")
	first := e.call(200, "GET", url, "")
	if got := first.header.Get("x-ms-ratelimit-remaining-subscription-reads"); got != "249" {
		t.Errorf("remaining %s, want 249", got)
	}
	for range 249 {
		e.call(200, "GET", url, "")
	}
	r := e.call(429, "GET", url, "")
	if r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %s", r.header.Get("Retry-After"))
	}
	e.clock.Advance(time.Second)
	e.call(200, "GET", url, "")
	e.call(200, "PATCH", url, "{}")
}

func TestFault_FailOperation(t *testing.T) {
	e := mustEstate(t, dependents)
	url := arm(desType, "des", "2023-04-02")
	e.sim.AddFault(azuresim.Fault{Match: azuresim.Match{Operation: "disk-encryption-set-*"}, When: azuresim.When{Count: 1}, Do: "fail-operation", Code: "OperationNotAllowed", Message: "no"})
	r := e.call(202, "PATCH", url, `{"properties":{"rotationToLatestKeyVersionEnabled":false}}`)
	done := e.finish(r)
	if str(done, "status") != "Failed" || str(done, "error.code") != "OperationNotAllowed" {
		t.Errorf("operation %v", done)
	}
	d := e.get(url)
	if str(d, "properties.provisioningState") != "Failed" || dig(d, "properties.rotationToLatestKeyVersionEnabled") != true {
		t.Errorf("set %v", d["properties"])
	}
}

func TestLimits_OfTheServices(t *testing.T) {
	e := mustEstate(t, "enforce_limits: true\n"+dependents)
	for range 10 {
		e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	}
	if got, _ := code(t, e.call(429, "POST", keyURL+"/rotate?api-version=7.4", "")); got != "Throttled" {
		t.Errorf("vault says %s", got)
	}
	e.clock.Advance(10 * time.Second)
	e.call(200, "POST", keyURL+"/rotate?api-version=7.4", "")
	url := arm(storageType, "st", "2023-05-01")
	for i := range 800 {
		if i%200 == 0 {
			e.clock.Advance(10 * time.Second) // the general quota refills faster than Storage's
		}
		e.call(200, "GET", url, "")
	}
	e.clock.Advance(10 * time.Second)
	for range 240 {
		r, err := e.send("GET", url, "", "Authorization", "Bearer "+e.token(url))
		if err != nil {
			t.Fatal(err)
		}
		if r.status == 429 {
			if got, _ := code(t, r); got != "TooManyRequests" {
				t.Errorf("storage says %s", got)
			}
			return
		}
	}
	t.Error("Storage's own limit is never reached")
}
