package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
)

// TestPlanRetirement_SaysWhatRetireWouldSay if somebody retired now.
func TestPlanRetirement_SaysWhatRetireWouldSay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		poll, after time.Duration
		freeze      bool
	}{
		"frozen":     {0, 5 * time.Hour, true},
		"not soaked": {30 * time.Minute, 25 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireManual
				s.key.Dependents[0].Poll = tt.poll
				s.start()
				s.rotate()
				s.pass(tt.after)
				if tt.freeze {
					s.freeze(rotator.FreezeRequest{})
				}
				p, err := s.engine.PlanRetirement(s.t.Context(), "payments", "carol")
				if err != nil {
					t.Fatal(err)
				}
				_, refused := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "carol"})
				if len(p.Objections) == 0 || refused == nil {
					t.Errorf("plan: %v; retire: %v", p.Objections, refused)
				}
			})
		})
	}
}
