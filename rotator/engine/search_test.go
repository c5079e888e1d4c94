package engine_test

import (
	"slices"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// unlistedID is of a resource that the configuration does not have.
const unlistedID = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/followers/unlisted"

// objected reports whether the guard held the retirement for a reason.
func (s *estate) objected(check rotator.Reason) bool {
	s.t.Helper()
	return slices.ContainsFunc(s.events(rotator.EventRetirementHeld), func(e rotator.Event) bool { return e.Data["check"] == string(check) })
}

// TestUnlisted_IsNeverWrittenTo holds that nobody is written to without consent: what
// only a search found is told nothing, however it names the key, and holds the
// retirement until it is listed.
func TestUnlisted_IsNeverWrittenTo(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]rotatortest.Use{
		"pinned":                   {Key: keyID, Binding: rotator.BindingPinned},
		"fixed":                    {Key: keyID, Binding: rotator.BindingFixed},
		"follows, and never comes": {Key: keyID, Delay: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: use})
				s.key.Discover = []string{subscription}
				s.start()
				op := s.rotate()
				s.pass(48 * time.Hour)
				if n := s.azure.Calls("apply"); n != 0 {
					t.Fatalf("%d updates of what nobody listed\n%s", n, s.log())
				}
				s.wantTracker(op, unlistedID, rotator.TrackerNeedsAction, "")
				p := s.tracker(op, unlistedID).Detail.Problem
				if p == nil || p.Code != rotator.ReasonDependentDiscovered || !contains(p.Hint, "dependents of payments") {
					t.Errorf("its problem is %+v, want that nobody listed it, and how to", p)
				}
				if !s.objected(rotator.ReasonDependentDiscovered) {
					t.Errorf("the guard did not object\n%s", s.log())
				}
				s.wantVersions("++")
			})
		})
	}
}

// TestUnlisted_HoldsTheRetirementWhateverItsState: also one that is on the new version.
// Once it is listed, it is one like any other.
func TestUnlisted_HoldsTheRetirementWhateverItsState(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Minute}})
		s.key.Discover = []string{subscription}
		s.start()
		op := s.rotate()
		s.pass(48 * time.Hour)
		s.wantTracker(op, unlistedID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		if !s.objected(rotator.ReasonDependentDiscovered) {
			t.Errorf("the guard did not object\n%s", s.log())
		}
		s.wantVersions("++")
		s.key.Dependents = append(slices.Clone(s.key.Dependents), rotator.Dependent{ID: unlistedID, Kind: "follower"})
		s.reload(s.key)
		s.pass(2 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.wantVersions("-+")
	})
}

// TestUnlisted_IsUpdatedOnceItIsListed: to list it is to consent.
func TestUnlisted_IsUpdatedOnceItIsListed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned}})
		s.key.Discover = []string{subscription}
		s.start()
		op := s.rotate()
		s.pass(48 * time.Hour)
		s.key.Dependents = append(slices.Clone(s.key.Dependents), rotator.Dependent{ID: unlistedID, Kind: "follower"})
		s.reload(s.key)
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		if n := s.azure.Calls("apply"); n != 1 {
			t.Errorf("%d updates, want one", n)
		}
	})
}
