package engine_test

import (
	"strings"
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

// TestPlanRetirement_SaysWhoseTheTimeIs that stands for what a service does not tell: the
// documentation's, or the operator's.
func TestPlanRetirement_SaysWhoseTheTimeIs(t *testing.T) {
	t.Parallel()
	for window, want := range map[time.Duration]string{0: "the documented 24h ", 2 * time.Hour: "the configured 2h "} {
		inBubble(t, func(s *estate) {
			s.key.Dependents = []rotator.Dependent{{ID: cosmosID, Kind: "silent", Window: window}}
			s.key.Retire = rotator.RetireManual
			s.start()
			s.rotate()
			s.pass(30 * time.Hour)
			p, err := s.engine.PlanRetirement(s.t.Context(), "payments", "carol")
			if err != nil || len(p.Dependents) != 1 || !strings.Contains(strings.Join(p.Dependents[0].Rests, "\n"), want) {
				t.Errorf("window %s: %+v, %v", window, p.Dependents, err)
			}
		})
	}
}
