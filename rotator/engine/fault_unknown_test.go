package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// blanks are the ways in which an answer does not show a use.
var blanks = []rotatortest.Blank{rotatortest.BlankNull, rotatortest.BlankGarbage, rotatortest.BlankCut}

// show has the storage account show its use again, or something else in its place.
func (s *estate) show(blank rotatortest.Blank) {
	s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Shown = blank })
}

// TestUnknown_IsNotDone: a dependent that does not show its key any more is not known to
// have left it, however long that lasts; it is said, and it clears itself.
func TestUnknown_IsNotDone(t *testing.T) {
	t.Parallel()
	for _, blank := range blanks {
		inBubble(t, func(s *estate) {
			s.uses()
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
			s.key.Soak = 10 * time.Minute
			s.start()
			op := s.rotate()
			s.pass(5 * time.Minute)
			s.show(blank)
			s.pass(5 * time.Minute)
			s.wantTracker(op, storageID, rotator.TrackerNeedsAction, "")
			s.pass(72 * time.Hour)
			s.wantTracker(op, storageID, rotator.TrackerNeedsAction, "")
			s.wantVersions("++")
			if len(s.firing()) == 0 {
				t.Errorf("%s: no alert fires", blank)
			}
			s.show("")
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = time.Minute })
			s.pass(time.Hour)
			s.ends(op)
			s.wantVersions("-+")
			s.wantFiring("")
		})
	}
}

// TestUnknown_HoldsRetirement: what was seen on the target, and does not show its key when
// the guard looks again, holds the retirement.
func TestUnknown_HoldsRetirement(t *testing.T) {
	t.Parallel()
	for _, blank := range blanks {
		inBubble(t, func(s *estate) {
			s.uses()
			s.start()
			op := s.rotate()
			s.pass(30 * time.Minute)
			s.want(op, rotator.StateSoaking)
			s.show(blank)
			s.pass(48 * time.Hour)
			s.wantVersions("++")
			if len(s.firing()) == 0 {
				t.Errorf("%s: no alert fires", blank)
			}
			s.show("")
			s.pass(2 * time.Hour)
			s.ends(op)
			s.wantVersions("-+")
		})
	}
}

// TestUnknown_OneLookIsNoDoubt: one answer that does not show the key, of a dependent that
// is done, takes nothing back.
func TestUnknown_OneLookIsNoDoubt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.start()
		op := s.rotate()
		s.pass(75 * time.Minute)
		s.want(op, rotator.StateSoaking)
		s.show(rotatortest.BlankNull)
		looks := s.azure.Calls("observe")
		for s.azure.Calls("observe") == looks {
			s.pass(time.Second)
		}
		s.show("")
		s.pass(5 * time.Minute)
		s.ends(op)
		s.wantVersions("-+")
	})
}

// TestUnknown_BeforeTheRotation: nothing begins while it is not known what a dependent is
// under.
func TestUnknown_BeforeTheRotation(t *testing.T) {
	t.Parallel()
	for _, blank := range blanks {
		inBubble(t, func(s *estate) {
			s.uses()
			s.show(blank)
			s.start()
			op := s.rotate()
			s.pass(time.Minute)
			s.want(op, rotator.StateFailed)
			s.wantVersions("+")
		})
	}
}

// TestUnknown_OfARevocation: that access ended is no proof of a revocation where the key is
// not shown.
func TestUnknown_OfARevocation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.start()
		s.pass(time.Minute)
		s.show(rotatortest.BlankNull)
		op, err := s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{Request: rotator.Request{Key: "payments", Actor: "alice", Reason: "test"}, Confirm: "payments"})
		if err != nil {
			t.Fatal(err)
		}
		s.pass(3 * time.Hour)
		s.wantTracker(op.ID, storageID, rotator.TrackerStalled, "")
	})
}

// TestLeft: a dependent that names a key of Microsoft's in so many words has left, and holds
// nothing.
func TestLeft(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.start()
		op := s.rotate()
		s.pass(time.Minute) // it has begun
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Microsoft = true })
		s.pass(30 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerLeft, rotator.EvidenceConfirmed)
		s.pass(2 * time.Hour)
		s.ends(op)
		s.wantVersions("-+")
	})
}

// TestPinnedMeanwhile: that a follower be re-pinned was no part of what was begun.
func TestPinnedMeanwhile(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.start()
		op := s.rotate()
		s.pass(time.Minute)
		old := s.azure.List(keyID)[0].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, old })
		s.pass(5 * time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerNeedsAction, "")
		if got := s.tracker(op, storageID).Detail.Problem.Code; got != rotator.ReasonBindingChanged || s.azure.Calls("apply") != 0 {
			t.Errorf("problem %s, %d updates", got, s.azure.Calls("apply"))
		}
		s.wantVersions("++")
	})
}
