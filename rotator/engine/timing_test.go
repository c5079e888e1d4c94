package engine_test

import (
	"fmt"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// followers replaces the dependents by n in each region, the slower ones last.
func (s *estate) followers(n int, delay time.Duration, regions ...string) {
	s.key.Dependents = nil
	for _, region := range regions {
		for i := range n {
			id := fmt.Sprintf("%s-%s-%02d", storageID, region, i)
			s.azure.AddResource(rotatortest.Resource{
				ID: id, Kind: "follower", Region: region, Use: rotatortest.Use{Key: keyID, Delay: delay + time.Duration(i)*time.Minute},
			})
			s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: id, Kind: "follower"})
		}
		delay *= 2
	}
}

func (s *estate) timings() []rotator.TimingStatus {
	s.t.Helper()
	all, err := s.engine.Timings(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func TestTiming_LearnsByKindRegionAndChange(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.followers(10, 10*time.Minute, "northeurope", "westeurope")
		s.start()
		if got := s.timings(); len(got) != 0 {
			t.Errorf("knows %+v before it saw anything", got)
		}
		first := s.rotate()
		s.pass(2 * time.Minute)
		if got := s.tracker(first, s.key.Dependents[0].ID); !got.Expected.Equal(got.Deadline) {
			t.Errorf("expects %s while it knows only of the deadline %s", got.Expected, got.Deadline)
		}
		s.pass(3 * time.Hour)
		s.restart(time.Minute)
		got := s.timings()
		if len(got) != 2 || got[0].Region != "northeurope" || got[1].Region != "westeurope" || got[0].Change != rotator.KindRotation {
			t.Fatalf("learned %+v", got)
		}
		for i, n := range got {
			about := time.Duration(i+1)*10*time.Minute + 5*time.Minute
			if n.Count != 10 || n.P50 < about-2*time.Minute || n.P50 > about+2*time.Minute || n.P90 <= n.P50 || n.Max < n.P99 {
				t.Errorf("%s: %+v, want a median of about %s", n.Region, n, about)
			}
			if n.Suggested != 0 {
				t.Errorf("suggests %s after ten", n.Suggested)
			}
			if n.Documented != time.Hour {
				t.Errorf("documented is %s", n.Documented)
			}
		}
		second := s.rotate()
		s.pass(2 * time.Minute)
		op := s.operation(second)
		north := s.tracker(second, s.key.Dependents[0].ID)
		if want := op.Target.Created.Add(got[0].P50); !north.Expected.Equal(want) || !north.Latest.Equal(op.Target.Created.Add(got[0].P90)) {
			t.Errorf("expected %s (latest %s), want %s", north.Expected, north.Latest, want)
		}
		s.pass(3 * time.Hour)
		if got := s.timings(); got[0].Count != 20 || got[0].Suggested < 2*got[0].P90 || got[0].Suggested%(5*time.Minute) != 0 {
			t.Errorf("after twenty: %+v", got[0])
		}
		s.revoke("alice")
		s.pass(3 * time.Hour)
		if got := s.timings(); len(got) != 4 || got[1].Change != rotator.KindRotation || got[0].Change != rotator.KindRevocation {
			t.Errorf("after a revocation: %+v", got)
		}
	})
}

// TestTiming_WhatIsInferredTeachesNothing: it would only teach the window.
func TestTiming_WhatIsInferredTeachesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[1:]
		s.start()
		id := s.rotate()
		s.pass(26 * time.Hour)
		s.wantTracker(id, cosmosID, rotator.TrackerDone, rotator.EvidenceInferred)
		if got := s.timings(); len(got) != 0 {
			t.Errorf("learned %+v", got)
		}
	})
}

// TestTiming_ASecondLookTeachesNothing: the guard looks again at what is done.
func TestTiming_ASecondLookTeachesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		id := s.rotate()
		s.pass(4 * time.Hour)
		s.completes(id)
		if got := s.timings(); len(got) != 1 || got[0].Count != 1 {
			t.Errorf("learned %+v", got)
		}
	})
}
