//go:build openfaults

// The tests of these files are known faults: each fails until its fault is mended, and moves then
// to the tests of its subject. They run by go test -tags openfaults -run TestOpen ./rotator/engine.

package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// Whoever is denied when a rollback was made, while another version came in between, and a restart.
func TestOpen_RequireInProbation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Soak, s.key.Retire = 0, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(30 * time.Hour)
		s.retire()
		s.want(op, rotator.StateProbation)
		s.key.Require = rotator.EvidenceConfirmed
		s.reload(s.key)
		s.pass(96 * time.Hour)
		if o := s.operation(op); !o.State.Final() {
			t.Errorf("%s for 4 days: needs you %v firing %q", o.State, o.NeedsYou(), s.firing())
		}
	})
}

// II. What drifted is mended while a scheduled rotation is held in its preflight.
func TestOpen_DriftIsOverWhilePreflightIsHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Schedule = schedule(t, "0 23 * * *", rotator.MisfireCatchUp)
		s.start()
		s.pass(7 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(90 * time.Minute)
		for n := 0; !contains(s.firing(), "access-lost"); n++ {
			s.pass(time.Minute)
			if n > 800 {
				t.Fatalf("%q\n%s", s.firing(), s.log())
			}
		}
		t.Log(s.clock.Now(), s.firing())
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(10 * time.Hour)
		op := s.want(s.last(), rotator.StatePending)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = false })
		s.pass(48 * time.Hour)
		if f := s.firing(); contains(f, "access-lost") {
			t.Errorf("%s; two days after it was mended: firing %q", op.State, f)
		}
	})
}

// JJ. Somebody re-pins a dependent while a scheduled rotation is held in its preflight.
func TestOpen_RepinnedWhilePreflightIsHeld(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]bool{"held": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
				s.key.Soak, s.key.Retire = 0, rotator.RetireOff
				s.start()
				op := s.rotate()
				s.pass(30 * time.Hour)
				s.want(op, rotator.StateCompleted)
				if held {
					s.key.Schedule = schedule(t, "0 12 * * *", rotator.MisfireCatchUp)
					s.reload(s.key)
				}
				s.pass(time.Hour)
				s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Forbidden = true })
				s.pass(24 * time.Hour)
				if held {
					s.want(s.last(), rotator.StatePending)
				}
				before := s.firing()
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = firstVersion })
				s.pass(48 * time.Hour)
				if !contains(s.log(), "without an operation") {
					t.Errorf("two days after: firing %q, before %q", s.firing(), before)
				}
			})
		})
	}
}

// PP. Drift that is over while a rotation waits for a person.
func TestOpen_DriftIsOverWhileAPersonIsAwaited(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		s.pass(7 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, firstVersion })
		s.pass(8 * time.Hour)
		before := s.firing()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Delay = rotator.BindingFollows, 20*time.Minute })
		s.pass(10 * 24 * time.Hour)
		if f := s.firing(); contains(f, "drift") || contains(f, "binding-changed") {
			t.Errorf("%s before %q; ten days after it was mended: firing %q", s.operation(op).State, before, f)
		}
		t.Log(before, s.firing())
	})
}

// QQ. Drift that is over while a key is revoked.
func TestOpen_DriftIsOverWhileRevoked(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(7 * time.Hour)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(8 * time.Hour)
		before := s.firing()
		op := s.revoke("alice")
		s.pass(10 * time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = false })
		s.pass(48 * time.Hour)
		if f := s.firing(); f != "" {
			t.Errorf("%s before %q; two days after it was mended: firing %q", s.operation(op).State, before, f)
		}
	})
}

// AB. Nobody lists the versions while the vault does not make one.
func TestOpen_TamperingWhileNoVersionIsMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.leavesOne() // two versions
		s.pass(time.Hour)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 10 * time.Minute}}
			}
			return nil
		})
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.want(op, rotator.StateCreating)
		calls := s.azure.Calls("versions")
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(24 * time.Hour)
		if len(s.events(rotator.EventVersionTampered)) == 0 {
			t.Errorf("%s: a day after: firing %q, %d lists since", s.operation(op).State, s.firing(), s.azure.Calls("versions")-calls)
		}
	})
}

// AC. Revoked with no dependents while a version is made: effective at once.
func TestOpen_DependentsWhileNoVersionIsMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				return &rotatortest.Fault{Err: &rotator.Error{Code: rotator.CodeThrottled, Message: "429", NoEffect: true, RetryAfter: 10 * time.Minute}}
			}
			return nil
		})
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.want(op, rotator.StateCreating)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(24 * time.Hour)
		if f := s.firing(); !contains(f, "access") {
			t.Errorf("%s: a day after it lost access: firing %q", s.operation(op).State, f)
		}
	})
}
