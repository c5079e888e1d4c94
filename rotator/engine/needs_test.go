package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestNeeds_AFreezeThatTheDaemonMade stays until a person has looked, also when the
// dependent has its access back.
func TestNeeds_AFreezeThatTheDaemonMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		op := s.rotate()
		s.pass(5 * time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(10 * time.Minute)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = false })
		s.pass(24 * time.Hour)
		freezes, err := s.engine.Freezes(s.t.Context())
		if err != nil || len(freezes) != 1 || freezes[0].NeedsYou() == nil {
			t.Fatalf("freezes %+v, %v", freezes, err)
		}
		if o := s.operation(op); o.NeedsYou() == nil || o.NeedsYou().Code != rotator.ReasonFrozen {
			t.Errorf("%s waits for %s, and needs nobody: %v", o.State, o.WaitingText(), o.NeedsYou())
		}
	})
}
