package engine_test

import (
	"errors"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

// clockAt is a clock that shows what it is told.
type clockAt struct{ now *time.Time }

func (c clockAt) Now() time.Time                         { return *c.now }
func (c clockAt) After(d time.Duration) <-chan time.Time { return time.After(d) }

// TestLook_ThatShowsNothingNewWritesNoEvidence: the large part of a tracker is written
// when it changed, not at each look.
func TestLook_ThatShowsNothingNewWritesNoEvidence(t *testing.T) {
	t.Parallel()
	azure, store := rotatortest.NewAzure(), rotatortest.NewStore()
	azure.AddKey(keyID)
	azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: -1}})
	key := rotator.Key{Name: "payments", ID: keyID, Retire: rotator.RetireOff, Dependents: []rotator.Dependent{{ID: storageID, Kind: "follower"}}}
	now := time.Now().Round(0)
	azure.Clock = clockAt{&now}
	r, err := engine.NewReactor(engine.Options{Store: store, Vault: azure, Services: azure.Services(), Keys: []rotator.Key{key}}, now)
	if err != nil {
		t.Fatal(err)
	}
	small, large := 0, 0
	step := func(passed time.Duration) {
		now = now.Add(passed)
		err := r.Pass(now, 0)
		for busy := true; busy && err == nil; {
			busy = false
			if c := r.Take(); c != nil {
				for i := range c.Trackers {
					if small++; c.Trackers[i].Detail != nil {
						large++
					}
				}
				busy, err = true, rotator.Commit(t.Context(), store, c)
				err = errors.Join(err, r.Committed(nil))
			}
			for r.Waiting() > 0 {
				busy, err = true, errors.Join(err, r.Answered(r.Do(t.Context(), r.Begin(0))))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Command(engine.Command{Verb: engine.VerbRotate, Key: "payments", Actor: "alice"})
	for range 30 {
		step(time.Minute)
	}
	small, large = 0, 0
	for range 20 {
		step(time.Minute)
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
