package engine_test

import (
	"slices"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

const (
	renamed   = "payments-2026"
	otherKey  = keyID + "-2"
	otherKeys = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/followers/other"
)

// under returns the key under another name.
func (s *estate) under(name string) rotator.Key {
	key := s.key
	key.Name = name
	return key
}

// moved returns another key, with a dependent of its own, under the name of the key.
func (s *estate) moved() rotator.Key {
	s.azure.AddKey(otherKey)
	s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: otherKey, Delay: time.Minute}})
	key := s.key
	key.ID, key.Dependents = otherKey, []rotator.Dependent{{ID: otherKeys, Kind: "follower"}}
	return key
}

// detours are ways of a configuration that end with the key under management, and
// the name that it then has.
var detours = map[string]struct {
	name string
	take func(s *estate)
}{
	"taken out and put back": {"payments", func(s *estate) {
		s.reload()
		s.pass(time.Minute)
		s.reload(s.key)
	}},
	"taken out and put back while the daemon was down": {"payments", func(s *estate) {
		key := s.key
		s.key = s.under("another")
		s.key.ID = otherKey
		s.azure.AddKey(otherKey)
		s.restart(time.Minute)
		s.key = key
		s.restart(time.Minute)
	}},
	"renamed": {renamed, func(s *estate) { s.reload(s.under(renamed)) }},
	"renamed and renamed back": {"payments", func(s *estate) {
		s.reload(s.under(renamed))
		s.pass(time.Minute)
		s.reload(s.key)
	}},
	"another key under its name for a while": {"payments", func(s *estate) {
		s.reload(s.moved())
		s.pass(time.Minute)
		s.reload(s.key)
	}},
}

// TestKeys_TakenOutAndPutBackGoOn holds that a configured schedule always has a next
// time, whatever the configuration was before.
func TestKeys_TakenOutAndPutBackGoOn(t *testing.T) {
	t.Parallel()
	for name, detour := range detours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Schedule = schedule(t, "0 3 * * *", rotator.MisfireCatchUp)
				s.key.Retire = rotator.RetireOff
				s.start()
				s.pass(11 * time.Minute)
				detour.take(s)
				if got := s.status(detour.name).NextRotation; got.Format("15:04") != "03:00" {
					t.Errorf("the next rotation is at %s, want 03:00", got)
				}
				s.pass(2 * time.Hour)
				s.wantVersions("++")
			})
		})
	}
}

// TestKeys_WhatIsToBeRetiredIsKept by the key, not by its name.
func TestKeys_WhatIsToBeRetiredIsKept(t *testing.T) {
	t.Parallel()
	for name, detour := range detours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Retire, s.key.Dependents = rotator.RetireManual, s.key.Dependents[:1]
				s.start()
				first := s.rotate()
				s.pass(2 * time.Hour)
				s.want(first, rotator.StateRetiring)
				s.cancel(first)
				detour.take(s)
				second := s.rotateKey(detour.name)
				s.pass(2 * time.Hour)
				s.want(second, rotator.StateRetiring)
				if got := s.operation(second).Previous; len(got) != 2 {
					t.Errorf("%s is to retire %v, want two versions", second, got)
				}
				if _, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: detour.name, Actor: "bob"}); err != nil {
					t.Fatal(err)
				}
				s.wantVersions("--+")
			})
		})
	}
}

// TestKeys_AVersionMadeMeanwhileIsFollowed: what is known of a key's versions is kept
// by the key too, so that one made by somebody else is not taken for the one in use.
func TestKeys_AVersionMadeMeanwhileIsFollowed(t *testing.T) {
	t.Parallel()
	for name, detour := range detours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				s.pass(11 * time.Minute)
				s.azure.Outside(keyID)
				detour.take(s)
				s.pass(12 * time.Minute)
				ops, err := s.engine.Operations(s.t.Context(), rotator.OperationQuery{})
				if err != nil || len(ops) != 1 || ops[0].Cause != rotator.CauseVault {
					t.Fatalf("operations are %+v (%v), want one that follows the new version\n%s", ops, err, s.log())
				}
			})
		})
	}
}

// TestKeys_RevokedAndRenamedIsNotIdle: a key is what its URI says, so under another
// name it is shown as revoked, and can be reinstated.
func TestKeys_RevokedAndRenamedIsNotIdle(t *testing.T) {
	t.Parallel()
	for name, rename := range map[string]func(s *estate){
		"by a reload": func(s *estate) { s.reload(s.under(renamed)) },
		"while the daemon was down": func(s *estate) {
			s.key = s.under(renamed)
			s.restart(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				op := s.revoke("alice")
				s.pass(2 * time.Hour)
				s.want(op, rotator.StateEffective)
				rename(s)
				s.pass(time.Minute)
				if got := s.status(renamed).Operation; got != op {
					t.Errorf("the operation of %s is %s, want %s", renamed, got, op)
				}
				if n := len(s.events(rotator.EventKeyProblem)); n != 0 {
					t.Errorf("%d problems with a key that is meant to be disabled\n%s", n, s.log())
				}
				if _, err := s.engine.Reinstate(s.t.Context(), rotator.Request{Key: renamed, Actor: "alice"}); err != nil {
					t.Fatal(err)
				}
				s.pass(time.Hour)
				s.completes(op)
				s.wantVersions("+")
			})
		})
	}
}

// TestKeys_AnotherURILeavesTheOldKeyToTheGuard: once its name is another key's, the
// old key is not configured any more, so nobody knows its dependents, and its
// version is not disabled.
func TestKeys_AnotherURILeavesTheOldKeyToTheGuard(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.rotate()
		s.pass(time.Hour)
		s.reload(s.moved())
		s.pass(48 * time.Hour)
		s.wantVersions("++")
	})
}

// TestKeys_AnotherURIsDependentsStayOut of the old key's operation, and what that one
// leaves behind stays out of the new key's state.
func TestKeys_AnotherURIsDependentsStayOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		s.reload(s.moved())
		s.pass(time.Minute)
		if slices.ContainsFunc(s.operation(op).Trackers, func(t rotator.TrackerStatus) bool { return t.Detail.Dependent.Same(otherKeys) }) {
			t.Errorf("a dependent of %s is part of %s of %s", otherKey, op, keyID)
		}
		s.cancel(op)
		if got := s.status("payments").Unretired; len(got) != 0 {
			t.Errorf("%s is said to have versions %v to retire, which are %s's", otherKey, got, keyID)
		}
	})
}
