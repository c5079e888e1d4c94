package engine_test

import (
	"slices"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// uses lets the storage account have other uses beside its first one, which follows
// within 20 minutes, and be the only dependent.
func (s *estate) uses(more ...*rotatortest.Use) {
	s.azure.AddResource(rotatortest.Resource{
		ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute}, More: more,
	})
	s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}}
}

func TestUses_DoneWhenTheLastOneIs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses(&rotatortest.Use{Delay: 50 * time.Minute})
		old := s.azure.List(keyID)[0].ID
		s.start()
		op := s.rotate()
		s.pass(40 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
		d := s.tracker(op, storageID).Detail
		target := s.operation(op).Target.ID
		if d.Version != old || d.Before != old || len(d.Last.Uses) != 2 || d.Last.Uses[0].Version != target || d.Last.Uses[1].Version != old {
			t.Fatalf("halfway: version %s, before %s, uses %+v", d.Version, d.Before, d.Last.Uses)
		}
		s.wantVersions("++")
		s.pass(15 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		if d := s.tracker(op, storageID).Detail; d.Version != target || !d.Last.On(keyID, target) {
			t.Fatalf("at the end: version %s, uses %+v", d.Version, d.Last.Uses)
		}
	})
}

// TestUses_DeniedIsNotDone: a dependent that says that it is on the new version, and that it
// has no access to its key, is not done.
func TestUses_DeniedIsNotDone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(2 * time.Hour)
		if t := s.tracker(op, storageID); t.Detail.Version != s.operation(op).Target.ID {
			s.t.Fatalf("it is on %s", t.Detail.Version)
		}
		s.wantTracker(op, storageID, rotator.TrackerNeedsAction, "")
	})
}

func TestUses_EvidenceIsTheWeakest(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses(&rotatortest.Use{Hidden: true, Delay: 10 * time.Minute})
		s.start()
		op := s.rotate()
		s.pass(55 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "") // what is told is there; the rest takes its time
		s.pass(10 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceInferred)
	})
}

// TestUses_ASettingIsNoState: what a use was told is not what it is on.
func TestUses_ASettingIsNoState(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		v1 := s.azure.List(keyID)[0].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned, r.Setting = rotator.BindingPinned, v1, true })
		s.start()
		op := s.rotate()
		s.pass(50 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
		s.pass(time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceInferred)
	})
}

// TestUses_ARefusedUpdateIsRepeatedSeldom: what the service is busy with takes its time.
func TestUses_ARefusedUpdateIsRepeatedSeldom(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		v1 := s.azure.List(keyID)[0].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, v1 })
		s.start()
		s.failing("apply")
		op := s.rotate()
		s.pass(time.Hour)
		if n := s.azure.Calls("apply"); n < 5 || n > 20 {
			t.Errorf("%d updates in an hour", n)
		}
		s.azure.FailWith(nil)
		s.pass(10 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
	})
}

func TestUses_OneThatTellsContradictsTheWindow(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses(&rotatortest.Use{Hidden: true, Delay: 10 * time.Minute}, &rotatortest.Use{Delay: -1})
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerStalled, "")
		s.wantVersions("++")
	})
}

func TestUses_HeldVersionBlocksRetirement(t *testing.T) {
	t.Parallel()
	for _, hidden := range []bool{false, true} {
		inBubble(t, func(s *estate) {
			second := &rotatortest.Use{Delay: time.Minute, Hidden: hidden, Held: []string{s.azure.List(keyID)[0].ID}}
			s.uses(second)
			s.key.Soak = 0
			s.start()
			op := s.rotate()
			s.pass(3 * time.Hour)
			s.wantTracker(op, storageID, rotator.TrackerStalled, "")
			s.wantVersions("++")
			if d := s.tracker(op, storageID).Detail; d.Version != second.Held[0] {
				t.Errorf("version %s, want the one that is held", d.Version)
			}
			s.azure.Change(storageID, func(*rotatortest.Resource) { second.Held = nil })
			s.pass(time.Hour)
			if hidden { // inferred
				s.retire()
			}
			s.completes(op)
			s.wantVersions("-+")
		})
	}
}

func TestUses_HeldVersionOfAnotherKeySaysNothing(t *testing.T) {
	t.Parallel()
	o := rotator.Observation{Uses: []rotator.Use{
		{Key: keyID, Version: "2", Held: []rotator.Held{{Key: keyID + "-before", Version: "1"}}}, {Key: keyID + "-other", Version: "1"},
	}}
	if !o.On(keyID, "2") || o.Holds(keyID, "2") || o.Furthest(keyID, "2") != "2" {
		t.Errorf("uses of other keys count: %+v", o)
	}
}

func TestUses_ThePinnedOneIsToldAndTheOtherWaitedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses(&rotatortest.Use{Binding: rotator.BindingPinned, Hold: 30 * time.Minute})
		s.start()
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
		d := s.tracker(op, storageID).Detail
		if d.Binding != rotator.BindingPinned || d.AppliedAction != rotator.ActionRepin || s.azure.Calls("apply") != 1 {
			t.Fatalf("binding %s, update %q, %d updates", d.Binding, d.AppliedAction, s.azure.Calls("apply"))
		}
		s.pass(15 * time.Minute) // both are on the target, and the second holds what it left
		s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
		s.pass(15 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		if n := s.azure.Calls("apply"); n != 1 {
			t.Errorf("%d updates, want 1", n)
		}
	})
}

func TestUses_EachNeedsAnUpdateOfItsOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses(&rotatortest.Use{Binding: rotator.BindingPinned}, &rotatortest.Use{Binding: rotator.BindingFixed})
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.key.Dependents[0].Recreate, s.key.Dependents[0].Nudge = true, rotator.NudgeAlways
		s.start()
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		if d := s.tracker(op, storageID).Detail; d.Binding != rotator.BindingFixed || s.azure.Calls("apply") != 3 {
			t.Errorf("binding %s, %d updates, want a re-pin, a re-creation and a nudge", d.Binding, s.azure.Calls("apply"))
		}
	})
}

func TestUses_UpdatesThatDoNotShowAreNotRepeated(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses(&rotatortest.Use{Binding: rotator.BindingPinned}, &rotatortest.Use{Binding: rotator.BindingFixed})
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay, r.Deaf = -1, true })
		s.key.Dependents[0].Recreate, s.key.Dependents[0].Nudge = true, rotator.NudgeAlways
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerStalled, "")
		if n := s.azure.Calls("apply"); n != 2 {
			t.Errorf("%d updates, want a re-pin and a re-creation", n)
		}
	})
}

func TestUses_AnotherKeyBesideIsNoTrouble(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = keyID + "-other"
		s.azure.AddKey(other)
		s.uses(&rotatortest.Use{Key: other, Delay: -1})
		s.start()
		op := s.rotate()
		s.pass(30 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		if keys := s.tracker(op, storageID).Detail.Last.Uses; !slices.ContainsFunc(keys, func(u rotator.Use) bool { return u.Key == other }) {
			t.Errorf("uses %+v", keys)
		}
	})
}

// TestUses_WhoHoldsAVersionOfARevokedKeyHasNotLeftIt: it was given another key, and some
// of its data is still under the revoked one.
func TestUses_WhoHoldsAVersionOfARevokedKeyHasNotLeftIt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.azure.AddKey(keyID + "-other")
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.Key, r.Was, r.Held, r.NoAccess = keyID+"-other", keyID, []string{firstVersion}, true
		})
		op := s.revoke("alice")
		s.pass(10 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerPropagating, rotator.EvidenceNone)
	})
}
