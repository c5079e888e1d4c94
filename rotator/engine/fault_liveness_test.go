package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// nobody are the ways in which a key has nobody to wait for.
var nobody = map[string]func(s *estate){
	"no dependents": func(s *estate) { s.key.Dependents = nil },
	"all excluded": func(s *estate) {
		for i := range s.key.Dependents {
			s.key.Dependents[i].Excluded = "is moved by hand"
		}
	},
}

// TestReinstatement_OfNobodyRecovers, without a restart.
func TestReinstatement_OfNobodyRecovers(t *testing.T) {
	t.Parallel()
	for name, spare := range nobody {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				spare(s)
				s.start()
				op := s.revoke("alice")
				s.pass(5 * time.Minute)
				s.want(op, rotator.StateEffective)
				back := s.reinstate()
				s.pass(time.Hour)
				s.wantVersions("+")
				s.want(back, rotator.StateRecovered)
			})
		})
	}
}

// TestRotation_MadeOutsideForNobodyCompletes, without a restart.
func TestRotation_MadeOutsideForNobodyCompletes(t *testing.T) {
	t.Parallel()
	for name, spare := range nobody {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				spare(s)
				s.start()
				s.pass(11 * time.Minute)
				s.azure.Outside(keyID)
				s.pass(3 * time.Hour)
				for _, d := range s.key.Dependents {
					if d.Excluded == "" {
						continue
					}
					if _, err := s.attest(d.ID, "bob"); err != nil {
						t.Fatal(err)
					}
				}
				s.pass(time.Minute)
				s.completes(1)
				s.wantVersions("-+")
			})
		})
	}
}

// leaving are the ways in which the operator lets a dependent go.
var leaving = map[string]func(s *estate, id string){
	"removed": func(s *estate, id string) {
		s.without(id)
		s.reload(s.key)
	},
	"removed while the daemon was down": func(s *estate, id string) {
		s.stop()
		s.without(id)
		s.pass(time.Minute)
		s.start()
	},
	"excluded": func(s *estate, id string) {
		s.key.Dependents = slices.Clone(s.key.Dependents)
		for i := range s.key.Dependents {
			if d := &s.key.Dependents[i]; d.Same(id) {
				d.Excluded = "is gone"
			}
		}
		s.reload(s.key)
	},
}

// without takes a dependent out of the configuration.
func (s *estate) without(id string) {
	s.key.Dependents = slices.DeleteFunc(slices.Clone(s.key.Dependents), func(d rotator.Dependent) bool { return d.Same(id) })
}

// TestReload_AnOperationGoesOnWithoutADependent that the operator let go, as hint and
// runbook say, and the audit trail says why.
func TestReload_AnOperationGoesOnWithoutADependent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(r *rotatortest.Resource)
		begin  func(s *estate) rotator.OperationID
		after  time.Duration
		stuck  rotator.OperationState
		state  rotator.TrackerState
		passes time.Duration
		ends   rotator.OperationState
	}{
		"a rotation, of one that stalled": {
			func(r *rotatortest.Resource) { r.Delay = -1 }, (*estate).rotateNow, 27 * time.Hour,
			rotator.StatePropagating, rotator.TrackerStalled, 2 * time.Hour, rotator.StateCompleted,
		},
		"a rotation, of one that is gone": {
			func(r *rotatortest.Resource) { r.Gone = true }, (*estate).rotateNow, 27 * time.Hour,
			rotator.StatePropagating, rotator.TrackerUnreachable, 2 * time.Hour, rotator.StateCompleted,
		},
		"a rotation that cannot begin": {
			func(r *rotatortest.Resource) { r.Gone = true }, func(*estate) rotator.OperationID { return 1 }, time.Hour,
			rotator.StatePending, rotator.TrackerUnreachable, 27 * time.Hour, rotator.StateCompleted,
		},
		"a revocation": {
			func(r *rotatortest.Resource) { r.Delay = -1 }, func(s *estate) rotator.OperationID { return s.revoke("alice") }, 2 * time.Hour,
			rotator.StateTakingEffect, rotator.TrackerStalled, 5 * time.Minute, rotator.StateEffective,
		},
		"a reinstatement": {
			func(r *rotatortest.Resource) { r.Delay = -1 }, (*estate).revokeAndBack, 2 * time.Hour,
			rotator.StateRecovering, rotator.TrackerStalled, 5 * time.Minute, rotator.StateRecovered,
		},
	} {
		for how, leave := range leaving {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(s *estate) {
					s.key.Retire = rotator.RetireOff
					scheduled := c.stuck == rotator.StatePending
					if scheduled {
						s.key.Schedule = schedule(t, "30 1 1 1 *", rotator.MisfireCatchUp)
						s.azure.Change(storageID, c.spoil)
					}
					s.start()
					id := c.begin(s)
					if !scheduled {
						s.azure.Change(storageID, c.spoil)
					}
					s.pass(c.after)
					s.want(id, c.stuck)
					s.wantTracker(id, storageID, c.state, "")
					before := s.clock.Now()
					leave(s, storageID)
					s.pass(c.passes)
					s.want(id, c.ends)
					s.wantSaid(storageID, before)
				})
			})
		}
	}
}

// revokeAndBack revokes the key, and begins to reinstate it once that is effective.
func (s *estate) revokeAndBack() rotator.OperationID {
	op := s.revoke("alice")
	s.pass(2 * time.Hour)
	s.want(op, rotator.StateEffective)
	back := s.reinstate()
	s.pass(time.Second)
	return back
}

// wantSaid checks that the audit trail names the configuration, or the reason of the
// exclusion, in an event about a dependent.
func (s *estate) wantSaid(dependent string, since time.Time) {
	s.t.Helper()
	all, err := s.store.Events(s.t.Context(), rotator.EventFilter{Since: since})
	if err != nil {
		s.t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(e rotator.Event) bool {
		return e.Dependent == dependent && (strings.Contains(e.Message, "configuration") || strings.Contains(e.Message, "is excluded"))
	}) {
		s.t.Errorf("no event says that %s left\n%s", dependent, s.log())
	}
}

// TestReload_ADependentRemovedWhileItIsLookedAt leaves all the same, and the answer
// that comes late changes nothing.
func TestReload_ADependentRemovedWhileItIsLookedAt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Retire = rotator.RetireOff
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.start()
		op := s.rotate()
		s.pass(27 * time.Hour)
		answer := make(chan struct{})
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "observe" && of == storageID {
				<-answer
			}
			return nil
		})
		s.pass(2 * time.Minute)
		s.without(storageID)
		s.reload(s.key)
		s.pass(time.Second)
		close(answer)
		s.pass(2 * time.Hour)
		s.completes(op)
	})
}
