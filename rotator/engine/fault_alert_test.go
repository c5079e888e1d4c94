package engine_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// answering lets one kind of call fail.
func (s *estate) answering(call string, code rotator.Code) {
	s.azure.FailWith(func(name, _ string) *rotatortest.Fault {
		if name == call {
			return &rotatortest.Fault{Err: refused(code, true)}
		}
		return nil
	})
}

// wantOnce checks that an alert fired once and never ended.
func (s *estate) wantOnce(id string) {
	s.t.Helper()
	fired := func(t rotator.EventType) (ids []string) {
		for _, e := range s.events(t) {
			ids = append(ids, e.Data["alert"])
		}
		return ids
	}
	if got := fired(rotator.EventAlertFiring); !slices.Equal(got, []string{id}) {
		s.t.Errorf("alerts that fired: %q, want only %q", got, id)
	}
	if got := fired(rotator.EventAlertResolved); len(got) != 0 {
		s.t.Errorf("alerts that ended: %q, want none", got)
	}
}

// TestAlert_IsItsCondition: what keeps cmkd from seeing a dependent that stalled does
// not make another alert of it.
func TestAlert_IsItsCondition(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin func(s *estate)
		id    string
	}{
		"of a rotation":   {func(s *estate) { s.rotate() }, stalledID},
		"of a revocation": {func(s *estate) { s.revoke("alice") }, "revocation-stalled/op-1/follower"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
				s.start()
				c.begin(s)
				s.pass(time.Hour + 2*time.Minute)
				s.wantFiring(c.id)
				s.answering("observe", rotator.CodeUnavailable)
				s.pass(2 * time.Minute)
				if got := s.firing(); got != c.id {
					t.Errorf("alerts firing: %q, want %q", got, c.id)
				}
				s.azure.FailWith(nil)
				s.pass(5 * time.Minute)
				s.wantFiring(c.id)
				s.wantOnce(c.id)
			})
		})
	}
}

const missedID = "schedule-missed/contoso.vault.azure.net/payments/schedule-missed"

// TestAlert_AMissedScheduleStaysMissed until the next rotation begins, whatever else
// is wrong with the key for a while.
func TestAlert_AMissedScheduleStaysMissed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble, mend func(s *estate)
	}{
		"after a 403": {
			func(s *estate) { s.answering("versions", rotator.CodeForbidden) },
			func(s *estate) { s.azure.FailWith(nil) },
		},
		"after the vault did not answer": {
			func(s *estate) { s.answering("versions", rotator.CodeUnavailable) },
			func(s *estate) { s.azure.FailWith(nil) },
		},
		"after its version was disabled": {
			func(s *estate) { s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, false) },
			func(s *estate) { s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, true) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Schedule = schedule(t, "0 3 * * *", rotator.MisfireAlert)
				s.start()
				s.restart(24 * time.Hour)
				s.pass(time.Second)
				s.wantFiring(missedID)
				c.trouble(s)
				s.pass(time.Hour)
				if got := strings.Fields(s.firing()); !slices.Contains(got, missedID) {
					t.Errorf("alerts firing meanwhile: %q, want %q among them", got, missedID)
				}
				c.mend(s)
				s.pass(11 * time.Minute)
				s.wantFiring(missedID)
			})
		})
	}
}

// TestAlert_A404AfterOurOwnRecreationIsNone: reads lag what was just written
// (azure/facts.md section 2), so for some seconds it proves nothing.
func TestAlert_A404AfterOurOwnRecreationIsNone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower", Recreate: true}}
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingFixed}})
		var mu sync.Mutex
		var applied time.Time
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case call == "apply":
				applied = time.Now()
			case call == "observe" && !applied.IsZero() && time.Since(applied) < 20*time.Second:
				return &rotatortest.Fault{Err: refused(rotator.CodeNotFound, true)}
			}
			return nil
		})
		s.start()
		op := s.rotate()
		s.pass(10 * time.Second)
		if applied.IsZero() {
			t.Fatalf("it was not re-created\n%s", s.log())
		}
		if got := s.tracker(op, storageID).State; got == rotator.TrackerUnreachable {
			t.Errorf("the dependent that was just re-created is %s", got)
		}
		s.pass(2 * time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		s.wantHeard(receiver)
		if n := len(s.events(rotator.EventAlertFiring)); n != 0 {
			t.Errorf("%d alerts fired\n%s", n, s.log())
		}
	})
}
