package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

// TestLook_ThatShowsNothingNewWritesNoEvidence: the large part of a tracker is written
// when it changed, not at each look.
func TestLook_ThatShowsNothingNewWritesNoEvidence(t *testing.T) {
	t.Parallel()
	azure, store := rotatortest.NewAzure(), rotatortest.NewStore()
	azure.AddKey(keyID)
	azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: -1}})
	key := rotator.Key{Name: "payments", ID: keyID, Retire: rotator.RetireOff, Dependents: []rotator.Dependent{{ID: storageID, Kind: "follower"}}}
	r, step := drive(t, azure, store, key)
	small, large := 0, 0
	store.Hook(func(c *rotator.Change) error {
		for i := range c.Trackers {
			if small++; c.Trackers[i].Detail != nil {
				large++
			}
		}
		return nil
	}, nil)
	r.Command(engine.Command{Verb: engine.VerbRotate, Key: "payments", Actor: "alice"})
	for range 30 {
		step(time.Minute, 0)
	}
	small, large = 0, 0
	for range 20 {
		step(time.Minute, 0)
	}
	if small < 10 || large > 0 {
		t.Errorf("of %d looks that show nothing new, %d were written in full", small, large)
	}
}

// TestLook_InVainForgetsNoEvidence: what was seen last is shown, and kept, also while
// nothing is seen.
func TestLook_InVainForgetsNoEvidence(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Soak = 48 * time.Hour
		s.uses()
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.key.Dependents[0].Window = 2 * time.Hour
		s.reload(s.key)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" {
				return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
			}
			return nil
		})
		next := s.azure.Outside(keyID)
		s.pass(time.Hour)
		d := s.tracker(op, storageID).Detail
		if d.Problem == nil || d.Last == nil || s.operation(op).Target.ID != next.ID {
			t.Errorf("the last observation is %+v, the problem %v, the target %s", d.Last, d.Problem, s.operation(op).Target.ID)
		}
	})
}
