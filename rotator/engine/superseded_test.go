package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestSuperseded_NotWhatIsEnabledStill by a rotation after it.
func TestSuperseded_NotWhatIsEnabledStill(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		op := s.untilDisabled()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, true)
		s.pass(20 * time.Minute)
		before := s.firing()
		op = s.rotate()
		s.pass(10 * time.Hour)
		s.want(op, rotator.StateCompleted)
		if after := s.firing(); s.enabled()[0] == '+' && before != after {
			t.Errorf("firing %q, now %q; vault %s\n%s", before, after, s.enabled(), s.log())
		}
	})
}

// TestSuperseded_NotWhatIsUsedStill by somebody whom nobody listed.
func TestSuperseded_NotWhatIsUsedStill(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/followers/other"
		first := s.azure.List(keyID)[0].ID
		s.azure.AddResource(rotatortest.Resource{ID: other, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned, Pinned: first}})
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
		s.unlisted = true
		s.azure.Remove(cosmosID)
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.Enable(keyID, first, false)
		s.pass(30 * time.Minute)
		before := s.firing()
		op = s.rotate()
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateCompleted)
		if after := s.firing(); before != after {
			t.Errorf("firing %q, now %q; needs %v; vault %s\n%s", before, after, s.status("payments").InUse, s.enabled(), s.log())
		}
	})
}
