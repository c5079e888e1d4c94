package arm_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"cmkd/providers/arm"
	"cmkd/providers/arm/wire/wiretest"
	"cmkd/rotator"
)

func TestPacing_never_breaks_a_RetryAfter(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	barred := true
	c, transport := newClient(t, clock, func(wiretest.Request) wiretest.Answer {
		if barred {
			return wiretest.Answer{Status: 429, Header: map[string]string{"Retry-After": "17"}, Body: `{"error":{"code":"TooManyRequests","message":"m"}}`}
		}
		return wiretest.Answer{Body: `{}`}
	})
	_, err := c.Get(t.Context(), account, api, nil, arm.CallOptions{})
	if e := mustError(t, err); e.Code != rotator.CodeThrottled || e.RetryAfter != 17*time.Second || !e.NoEffect {
		t.Fatalf("got %+v", e)
	}
	barred = false
	other := strings.Replace(account, "/acc", "/other", 1)
	for i := range 14 {
		clock.Advance(time.Second)
		_, err := c.Get(t.Context(), other, api, nil, arm.CallOptions{})
		if e := mustError(t, err); e.Code != rotator.CodeThrottled || !e.NoEffect || e.RetryAfter != time.Duration(16-i)*time.Second {
			t.Fatalf("after %d s: got %+v", i+1, e)
		}
	}
	if n := len(transport.Requests()); n != 1 {
		t.Fatalf("%d calls went out before Retry-After was over", n)
	}
	clock.Advance(3 * time.Second)
	if _, err := c.Get(t.Context(), other, api, nil, arm.CallOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestPacing_a_429_bars_only_its_quota(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	vm := strings.Replace(account, "Microsoft.Storage/storageAccounts", "Microsoft.Compute/virtualMachines", 1)
	elsewhere := strings.Replace(account, subscription, "11111111-0000-0000-0000-000000000000", 1)
	for _, tt := range []struct {
		name, code, method, path string
		held                     bool
	}{
		{"same", "TooManyRequests", http.MethodGet, account, true},
		{"another provider", "TooManyRequests", http.MethodGet, vm, false},
		{"another subscription", "TooManyRequests", http.MethodGet, elsewhere, false},
		{"writes", "TooManyRequests", http.MethodPatch, account, false},
		{"another provider when the subscription's is used up", "SubscriptionRequestsThrottled", http.MethodGet, vm, true},
	} {
		first := true
		c, _ := newClient(t, clock, func(wiretest.Request) wiretest.Answer {
			if first {
				first = false
				return wiretest.Answer{Status: 429, Header: map[string]string{"Retry-After": "60"}, Body: `{"error":{"code":"` + tt.code + `","message":"m"}}`}
			}
			return wiretest.Answer{Body: `{}`}
		})
		_, _ = c.Get(t.Context(), account, api, nil, arm.CallOptions{})
		_, err := c.Do(t.Context(), tt.method, tt.path, api, nil, nil, arm.CallOptions{})
		if held := rotator.CodeOf(err) == rotator.CodeThrottled; held != tt.held {
			t.Errorf("%s: held back %t, want %t (%v)", tt.name, held, tt.held, err)
		}
	}
}

func TestPacing_a_429_without_RetryAfter_still_bars(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	c, transport := newClient(t, clock, func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Status: 429} })
	for range 3 {
		_, err := c.Get(t.Context(), account, api, nil, arm.CallOptions{})
		if e := mustError(t, err); e.RetryAfter <= 0 {
			t.Errorf("got %+v", e)
		}
	}
	if len(transport.Requests()) != 1 {
		t.Errorf("%d calls", len(transport.Requests()))
	}
}

func TestPacing_a_busy_resource_is_left_alone(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	c, transport := newClient(t, clock, func(r wiretest.Request) wiretest.Answer {
		if strings.Contains(r.URL, "/acc?") {
			return wiretest.Answer{Status: 503, Header: map[string]string{"Retry-After": "30"}}
		}
		return wiretest.Answer{Body: `{}`}
	})
	_, _ = c.Get(t.Context(), account, api, nil, arm.CallOptions{})
	_, err := c.Get(t.Context(), strings.ToUpper(account[:20])+account[20:], api, nil, arm.CallOptions{})
	if rotator.CodeOf(err) != rotator.CodeThrottled {
		t.Errorf("the busy resource was asked again: %v", err)
	}
	if _, err := c.Get(t.Context(), account+"x", api, nil, arm.CallOptions{}); err != nil {
		t.Errorf("another resource was held back: %v", err)
	}
	if len(transport.Requests()) != 2 {
		t.Errorf("%d calls", len(transport.Requests()))
	}
}

func TestPacing_waits_briefly_on_the_clock(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewJumpingClock()
	first := true
	c, transport := newClient(t, clock, func(wiretest.Request) wiretest.Answer {
		if first {
			first = false
			return wiretest.Answer{Status: 429, Header: map[string]string{"Retry-After": "1"}}
		}
		return wiretest.Answer{Body: `{}`}
	})
	_, _ = c.Get(t.Context(), account, api, nil, arm.CallOptions{})
	if _, err := c.Get(t.Context(), account, api, nil, arm.CallOptions{}); err != nil {
		t.Fatal(err)
	}
	r := transport.Requests()
	if gap := r[1].At.Sub(r[0].At); gap < time.Second {
		t.Errorf("the second call went out after %v", gap)
	}
}

func TestPacing_a_wait_ends_with_its_context(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	c, _ := newClient(t, clock, func(wiretest.Request) wiretest.Answer {
		return wiretest.Answer{Status: 429, Header: map[string]string{"Retry-After": "1"}}
	})
	_, _ = c.Get(t.Context(), account, api, nil, arm.CallOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Do(ctx, http.MethodGet, account, api, nil, nil, arm.CallOptions{})
	if e := mustError(t, err); e.Code != rotator.CodeUnavailable || !e.NoEffect {
		t.Errorf("got %+v", e)
	}
}

func TestPacing_learns_the_remaining_quota(t *testing.T) {
	t.Parallel()
	left := map[string]string{"x-ms-ratelimit-remaining-subscription-reads": "3"}
	if n := spend(t, account, arm.Normal, left); n != 1 {
		t.Errorf("%d normal calls went out with 3 left of 250", n)
	}
	writes := map[string]string{"x-ms-ratelimit-remaining-subscription-writes": "3"}
	if n := spend(t, account, arm.High, writes); n != 250 {
		t.Errorf("%d reads went out, want 250: the header is about writes", n)
	}
}

// impatient is a clock on which a wait ends with its context at once.
type impatient struct {
	*wiretest.Clock
	cancel context.CancelFunc
}

// After cancels the context.
func (c impatient) After(time.Duration) <-chan time.Time {
	c.cancel()
	return nil
}

// spend makes reads until one would have to wait, and returns how many went out.
func spend(t *testing.T, path string, p arm.Priority, header map[string]string) int {
	t.Helper()
	ctx, cancel := context.WithCancel(arm.WithPriority(t.Context(), p))
	transport := &wiretest.Transport{Answer: func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Body: `{}`, Header: header} }}
	c, err := arm.NewClient(wiretest.Credential{}, arm.Options{Transport: transport, Clock: impatient{wiretest.NewClock(), cancel}})
	for err == nil && len(transport.Requests()) < 400 {
		_, err = c.Get(ctx, path, api, nil, arm.CallOptions{})
	}
	if e := mustError(t, err); !e.NoEffect {
		t.Errorf("got %+v", e)
	}
	return len(transport.Requests())
}

func TestPacing_priorities_leave_room(t *testing.T) {
	t.Parallel()
	disk := strings.Replace(account, "Microsoft.Storage/storageAccounts", "Microsoft.Compute/disks", 1)
	low, normal, high := spend(t, disk, arm.Low, nil), spend(t, disk, arm.Normal, nil), spend(t, disk, arm.High, nil)
	if low != 187 || normal != 225 || high != 250 {
		t.Errorf("low %d, normal %d, high %d calls at once; want 187, 225, 250 of ARM's 250", low, normal, high)
	}
}

func TestPacing_storage_lists_have_their_own_quota(t *testing.T) {
	t.Parallel()
	c, transport := newClient(t, wiretest.NewClock(), func(wiretest.Request) wiretest.Answer { return wiretest.Answer{Body: `{"value":[]}`} })
	ctx := arm.WithPriority(t.Context(), arm.High)
	var err error
	for err == nil && len(transport.Requests()) < 150 {
		_, err = c.Do(ctx, http.MethodGet, "/subscriptions/"+subscription+"/providers/Microsoft.Storage/storageAccounts", api, nil, nil, arm.CallOptions{})
	}
	if rotator.CodeOf(err) != rotator.CodeThrottled || len(transport.Requests()) != 100 {
		t.Errorf("%d lists, then %v; want 100 (facts.md section 3)", len(transport.Requests()), err)
	}
	if _, err := c.Get(ctx, account, api, nil, arm.CallOptions{}); err != nil {
		t.Errorf("a read was held back by the quota of lists: %v", err)
	}
}

func TestObserve_is_told_of_every_call(t *testing.T) {
	t.Parallel()
	clock := wiretest.NewClock()
	var calls []arm.Call
	transport := &wiretest.Transport{Clock: clock, Answer: wiretest.Queue(t, wiretest.Answer{Status: 429, Header: map[string]string{"Retry-After": "9"}})}
	c, err := arm.NewClient(wiretest.Credential{}, arm.Options{Transport: transport, Clock: clock, Observe: func(call arm.Call) { calls = append(calls, call) }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, _ = c.Get(t.Context(), account, api, nil, arm.CallOptions{Kind: "storage"})
	}
	if len(calls) != 2 || calls[0].Status != 429 || !calls[0].Throttled || calls[1].Status != 0 || !calls[1].Throttled ||
		calls[0].Provider != "microsoft.storage" || calls[0].Kind != "storage" {
		t.Errorf("got %+v", calls)
	}
}
