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

// While a scheduled rotation is held in its preflight, what others do to versions is told within five minutes.
func TestOpen_TamperingWhilePreflightIsHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Schedule = schedule(t, "0 4 * * *", rotator.MisfireCatchUp)
		s.start()
		s.pass(2 * time.Hour) // 03:00
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Forbidden = true })
		s.pass(3 * time.Hour)
		s.want(s.last(), rotator.StatePending)
		worst := time.Duration(0)
		for range 12 {
			for _, enable := range []bool{false, true} {
				before := len(s.events(rotator.EventVersionTampered)) + len(s.events(rotator.EventVersionBack))
				s.azure.Enable(keyID, firstVersion, enable)
				took := time.Duration(0)
				for len(s.events(rotator.EventVersionTampered))+len(s.events(rotator.EventVersionBack)) == before && took < time.Hour {
					s.pass(20 * time.Second)
					took += 20 * time.Second
				}
				worst = max(worst, took)
				s.pass(97 * time.Second)
			}
		}
		if worst > 6*time.Minute {
			t.Errorf("told after %s\n", worst)
		}
	})
}
