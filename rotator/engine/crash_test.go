package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

// crasher stops the world at one moment: from then on nothing is committed and
// no call leaves, until the engine is started anew.
type crasher struct {
	s       *estate
	mu      sync.Mutex
	moment  int // counts down
	crashed bool
	now     chan struct{}
}

var errCrashed = errors.New("crashed")

// crash stops the world now.
func (c *crasher) crash() {
	c.mu.Lock()
	c.moment = 1
	c.mu.Unlock()
	c.pass()
}

// pass counts a moment and reports whether the world stands still.
func (c *crasher) pass() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moment--; c.moment == 0 && !c.crashed {
		c.crashed = true
		close(c.now)
	}
	return c.crashed
}

func newCrasher(s *estate, moment int) *crasher {
	c := &crasher{s: s, moment: moment, now: make(chan struct{})}
	s.store.Hook(func(*rotator.Change) error {
		if c.pass() {
			return errCrashed
		}
		return nil
	}, func(*rotator.Change) { c.pass() })
	s.azure.FailWith(func(string, string) *rotatortest.Fault {
		// A call can be cut off before it has its effect or after.
		if c.pass() {
			return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false)}
		}
		if c.pass() {
			return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false), AfterEffect: true}
		}
		return nil
	})
	return c
}

// runThroughCrash starts the engine, begins an operation, and lets time pass,
// with one crash and restart in between. It reports whether the crash came.
func (c *crasher) runThroughCrash(begin func(), total time.Duration) bool {
	s := c.s
	s.furnish()
	engine := engine.New(engine.Options{
		Store: s.store, Vault: s.azure, Services: s.azure.Services(), Lister: s.azure, Clock: rotatortest.Clock{}, Keys: []rotator.Key{s.key}, Alerting: s.alerting,
	})
	s.engine = engine
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() { _ = engine.Run(ctx); close(done) }()
	synctest.Wait()
	go begin()
	select {
	case <-c.now:
	case <-time.After(total):
	}
	synctest.Wait()
	cancel()
	<-done
	c.mu.Lock()
	came := c.crashed
	c.moment, c.crashed = -1, false
	c.mu.Unlock()
	s.start()
	return came
}

// TestCrash_AtEveryMoment kills the engine before and after every commit and
// before and after every call takes effect, one run for each, and holds that a
// rotation still makes exactly one version, ends, and retires nothing early.
func TestCrash_AtEveryMoment(t *testing.T) {
	t.Parallel()
	for moment, came := 1, true; came; moment++ {
		if moment > 500 {
			t.Fatal("the operation never gets past the crashes")
		}
		t.Run(fmt.Sprint(moment), func(t *testing.T) {
			inBubble(t, func(s *estate) {
				s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Kind = "follower"; r.Hidden = false })
				s.key.Dependents[1].Kind = "follower"
				for i := range s.key.Dependents { // or there are too many moments
					s.key.Dependents[i].Poll = 15 * time.Minute
				}
				s.azure.ReadLag = time.Minute
				s.key.Schedule = schedule(t, "30 1 1 1 *", rotator.MisfireCatchUp)
				c := newCrasher(s, moment)
				came = c.runThroughCrash(func() {}, 4*time.Hour)
				s.pass(6 * time.Hour)
				s.wantVersions("-+")
				s.completes(s.last())
				if ops, _ := s.engine.Operations(s.t.Context(), rotator.OperationQuery{}); len(ops) != 1 {
					t.Errorf("%d operations, want 1\n%s", len(ops), s.log())
				}
			})
		})
	}
}

// TestCrash_RevocationAtEveryMoment does the same to a revocation.
func TestCrash_RevocationAtEveryMoment(t *testing.T) {
	t.Parallel()
	for moment, came := 1, true; came; moment++ {
		if moment > 500 {
			t.Fatal("the operation never gets past the crashes")
		}
		t.Run(fmt.Sprint(moment), func(t *testing.T) {
			inBubble(t, func(s *estate) {
				s.azure.Outside(keyID)
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = time.Minute })
				s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Delay = 2 * time.Minute })
				s.pass(time.Hour)
				c := newCrasher(s, moment)
				var asked error
				came = c.runThroughCrash(func() {
					_, asked = s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{
						Request: rotator.Request{Key: "payments", Actor: "alice"}, Confirm: "payments",
					})
				}, 5*time.Minute)
				ops, _ := s.engine.Operations(s.t.Context(), rotator.OperationQuery{})
				if len(ops) == 0 {
					if asked == nil {
						t.Fatal("an accepted revocation was lost")
					}
					return // it never began, and the person was told
				}
				s.pass(3 * time.Hour)
				s.wantVersions("--")
				s.want(1, rotator.StateEffective)
				s.reinstate()
				s.pass(3 * time.Hour)
				s.wantVersions("++")
				s.want(2, rotator.StateRecovered)
			})
		})
	}
}

func TestStoreBlocked_NothingIsLostAndNothingIsDone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.pass(time.Minute)
		s.store.Hook(func(*rotator.Change) error { return rotator.ErrStoreFull }, nil)
		_, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
		wantError(t, err, rotator.CodeUnavailable, "disk")
		s.pass(time.Minute)
		if s.azure.Calls("create") != 0 {
			t.Error("a version was made without a committed intent")
		}
		if s.engine.Summary().Blocked == "" {
			t.Error("the summary does not say so")
		}
		s.store.Hook(nil, nil)
		s.pass(5 * time.Minute)
		op := s.rotate()
		s.pass(time.Minute)
		s.want(op, rotator.StatePropagating)
	})
}

// TestCrash_WhileLookingForALostVersion kills the engine while the list is out
// that is to show whether a call made a version, after the disk has heard that
// the time to ask has come.
func TestCrash_WhileLookingForALostVersion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		c := newCrasher(s, -1)
		made := false
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			switch {
			case call == "create":
				made = true
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false), AfterEffect: true}
			case call == "versions" && made:
				<-time.After(10 * time.Second)
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		c.runThroughCrash(func() {
			s.rotate()
			<-time.After(4 * time.Second)
			c.crash()
		}, time.Minute)
		s.azure.FailWith(nil)
		s.pass(10 * time.Minute)
		s.want(1, rotator.StatePropagating)
		s.wantVersions("++")
	})
}
