package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
)

func TestDowntime_OverThreeScheduledTimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		misfire  rotator.Misfire
		versions string
		missed   int
		problem  bool
	}{
		{rotator.MisfireCatchUp, "++", 0, false},
		{rotator.MisfireSkip, "+", 1, false},
		{rotator.MisfireAlert, "+", 1, true},
	}
	for _, tt := range tests {
		t.Run(string(tt.misfire), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Schedule = schedule(t, "0 3 * * *", tt.misfire)
				s.key.Retire = rotator.RetireOff
				s.start()
				s.restart(73 * time.Hour) // 01:00 to 02:00, three days on
				s.pass(time.Minute)
				s.wantVersions(tt.versions)
				if n := len(s.events(rotator.EventScheduleMissed)); n != tt.missed {
					t.Errorf("%d events of a missed schedule, want %d", n, tt.missed)
				}
				status, err := s.engine.Key(s.t.Context(), "payments")
				if err != nil || (!status.Missed.IsZero()) != tt.problem {
					t.Errorf("missed is %v (%v), want a time: %v", status.Missed, err, tt.problem)
				}
				if got := status.NextRotation.Format("2 15:04"); got != "4 03:00" {
					t.Errorf("next rotation is on day %s, want the 4th at 03:00", got)
				}
			})
		})
	}
}

func TestDowntime_AScheduledTimeFiresOnceOverRestarts(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Schedule = schedule(t, "0 3 * * *", rotator.MisfireCatchUp)
		s.key.Retire = rotator.RetireOff
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Hour + 59*time.Minute) // 02:59
		for range 5 {
			s.restart(30 * time.Second)
			s.pass(10 * time.Second)
		}
		s.pass(time.Hour)
		s.wantVersions("++")
	})
}

func TestDowntime_PropagationGoesOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(time.Minute)
		s.restart(30 * time.Hour)
		s.pass(2 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		s.wantTracker(op, cosmosID, rotator.TrackerDone, rotator.EvidenceInferred)
		s.wantVersions("++")
		s.pass(2 * time.Hour)
		s.completes(op)
	})
}

func TestClockJump_Schedule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		jumps func(s *estate)
	}{
		{"ahead over the time, and back again", func(s *estate) {
			s.clock.jump(5 * time.Hour) // 01:00 becomes 06:00
			s.pass(time.Minute)
			s.clock.jump(-5 * time.Hour)
		}},
		{"back over the time after it fired", func(s *estate) {
			s.pass(2*time.Hour + time.Minute) // 03:01
			s.clock.jump(-2 * time.Hour)
		}},
		{"back before it fired", func(s *estate) { s.clock.jump(-6 * time.Hour) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Schedule = schedule(t, "0 3 1 1 *", rotator.MisfireCatchUp)
				s.key.Retire = rotator.RetireOff
				s.key.Dependents = s.key.Dependents[:1]
				s.start()
				tt.jumps(s)
				s.pass(20 * time.Hour)
				s.wantVersions("++")
			})
		})
	}
}

func TestClockJump_MakesNoEvidenceAndNoStall(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{30 * time.Hour, -30 * time.Hour, 3 * time.Hour, -3 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				op := s.rotate()
				s.pass(5 * time.Minute)
				s.clock.jump(jump)
				s.pass(time.Minute)
				s.wantTracker(op, storageID, rotator.TrackerPropagating, "")
				s.wantTracker(op, cosmosID, rotator.TrackerPropagating, "")
				s.pass(20 * time.Minute)
				s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
				s.pass(23 * time.Hour)
				s.wantTracker(op, cosmosID, rotator.TrackerPropagating, "")
				s.wantVersions("++")
				s.pass(3 * time.Hour)
				s.completes(op)
			})
		})
	}
}

func TestClockJump_DuringTheSoak(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Soak = 5 * time.Hour
		s.start()
		op := s.rotate()
		s.pass(24*time.Hour + 30*time.Minute)
		s.want(op, rotator.StateSoaking)
		s.clock.jump(6 * time.Hour)
		s.pass(time.Hour)
		s.wantVersions("++")
		s.pass(4 * time.Hour)
		s.completes(op)
	})
}

func TestReload_AKeyUnderAnotherNameIsStillTheSameKey(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.rotate()
		s.pass(time.Minute)
		renamed := s.key
		renamed.Name = "payments-2026"
		if err := s.engine.Reload(s.t.Context(), []rotator.Key{renamed}, s.alerting); err != nil {
			t.Fatal(err)
		}
		_, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments-2026", Actor: "alice"})
		wantError(t, err, rotator.CodeConflict, "op-1")
		s.pass(time.Hour)
		s.wantVersions("++")
	})
}
