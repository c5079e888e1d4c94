package engine_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestUndoing_OfWhatWasDisabledBefore has somebody enable the newest version, which was disabled before the key was revoked.
func TestUndoing_OfWhatWasDisabledBefore(t *testing.T) {
	t.Parallel()
	for name, ours := range map[string]bool{"made by cmkd": true, "made by somebody": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireOff
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
				s.start()
				if ours {
					s.rotate()
				} else {
					s.azure.Outside(keyID)
				}
				s.pass(12 * time.Hour)
				second := s.azure.List(keyID)[1].ID
				s.azure.Enable(keyID, second, false)
				s.pass(time.Hour)
				op := s.revoke("alice")
				s.pass(30 * time.Minute)
				s.azure.Enable(keyID, second, true)
				s.pass(10 * time.Minute)
				o := s.operation(op)
				all := s.events(rotator.EventVersionReenabled)
				if len(all) == 0 || !strings.Contains(all[0].Message, "enabled again") {
					t.Errorf("%s vault %s problem %v: %v\n%s", o.State, s.enabled(), o.Problem, all, s.log())
				}
			})
		})
	}
}

// TestUndoing_ByAVersionWithACopiedTag has somebody rotate a revoked key in the portal: the tags of the version before are copied.
func TestUndoing_ByAVersionWithACopiedTag(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.start()
		first := s.rotate()
		s.pass(12 * time.Hour)
		s.want(first, rotator.StateCompleted)
		op := s.revoke("alice")
		s.pass(30 * time.Minute)
		s.want(op, rotator.StateEffective)
		tag := s.azure.List(keyID)[1].Operation
		if tag == "" {
			t.Fatal("no tag")
		}
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Operation = tag })
		s.pass(10 * time.Minute)
		o := s.operation(op)
		if len(s.events(rotator.EventVersionReenabled)) == 0 {
			t.Errorf("%s vault %s problem %v: nobody is told that somebody made a version\n%s", o.State, s.enabled(), o.Problem, s.log())
		}
	})
}

// TestUndoing_ByAVersionWithoutATag has somebody make a version where cmkd tags what it makes: one without a tag is not its own.
func TestUndoing_ByAVersionWithoutATag(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Method = s.key.Dependents[:1], rotator.MethodCreate
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.start()
		untilOut := s.hangs("create", 0, &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, false)})
		s.rotate()
		untilOut()
		op := s.revoke("alice")
		s.pass(20 * time.Minute)
		s.want(op, rotator.StateEffective)
		s.azure.Outside(keyID)
		s.pass(10 * time.Minute)
		if len(s.events(rotator.EventVersionReenabled)) == 0 {
			t.Errorf("%s vault %s problem %v: nobody is told\n%s", s.operation(op).State, s.enabled(), s.operation(op).Problem, s.log())
		}
	})
}

// TestUndoing_NotByARollbackWhoseAnswerWasLost has the key be revoked while the call of a rollback is out, whose answer is lost.
func TestUndoing_NotByARollbackWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]time.Duration{"4m": 4 * time.Minute, "9m": 9 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.retires(needsFirst)
				s.hangs("set-enabled", hang, &rotatortest.Fault{AfterEffect: true, Err: refused(rotator.CodeUnavailable, false)})()
				op := s.revoke("alice")
				s.pass(time.Hour)
				o := s.operation(op)
				if s.enabled() != "--" || o.Problem != nil {
					t.Errorf("%s vault %s problem %v\n%s", o.State, s.enabled(), o.Problem, s.log())
				}
			})
		})
	}
}

// TestUndoing_NotByAReinstatementWhoseAnswerWasLost has the key be revoked again while the call of a reinstatement is out, whose answer is lost.
func TestUndoing_NotByAReinstatementWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.start()
		s.revoke("alice")
		s.pass(time.Hour)
		untilOut := s.hangs("set-enabled", 4*time.Minute, &rotatortest.Fault{AfterEffect: true, Err: refused(rotator.CodeUnavailable, false)})
		s.reinstate()
		untilOut()
		op := s.revoke("alice")
		s.pass(time.Hour)
		o := s.operation(op)
		if s.enabled() != "-" || o.Problem != nil {
			t.Errorf("%s vault %s problem %v\n%s", o.State, s.enabled(), o.Problem, s.log())
		}
	})
}

// TestUndoing_BesideALateVersion has somebody make a version, which is told and not disabled, also when one of cmkd's comes late.
func TestUndoing_BesideALateVersion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.retires(needsFirst)
		s.hangs("set-enabled", 20*time.Minute, nil)()
		op := s.revoke("alice")
		s.pass(8 * time.Minute)
		theirs := s.azure.Outside(keyID)
		s.pass(5 * time.Minute)
		if p := s.operation(op).Problem; p == nil || !strings.Contains(p.Message, "made by someone else") {
			t.Fatalf("not told: %v", p)
		}
		if v, _ := rotator.FindVersion(s.azure.List(keyID), theirs.ID); !v.Enabled {
			t.Fatal("disabled at once")
		}
		s.pass(time.Hour)
		if v, _ := rotator.FindVersion(s.azure.List(keyID), theirs.ID); !v.Enabled {
			t.Errorf("%s vault %s problem %v: somebody's version is disabled after all\n%s", s.operation(op).State, s.enabled(), s.operation(op).Problem, s.log())
		}
	})
}

// TestUndoing_IsNotOverByTime has a late version be disabled while another one is enabled: that time passes tells nothing of who does not show its access.
func TestUndoing_IsNotOverByTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.NoAccess = true })
		s.start()
		untilOut := s.hangs("create", 10*time.Minute, nil)
		s.rotate()
		untilOut()
		op := s.revoke("alice")
		s.pass(4 * time.Minute)
		s.azure.Enable(keyID, firstVersion, true)
		s.pass(3 * time.Minute)
		if p := s.operation(op).Problem; p == nil || p.Code != rotator.ReasonRevocationUndone {
			t.Fatalf("not told: %v", p)
		}
		s.pass(6 * time.Hour)
		o := s.operation(op)
		if x := s.tracker(op, cosmosID); x.State == rotator.TrackerDone {
			t.Errorf("%s problem %v vault %s: tracker %s (%s)\n%s", o.State, o.Problem, s.enabled(), x.State, x.Evidence, s.log())
		}
	})
}

// TestUndoing_WhileOthersAreToBeDisabled has one version refuse to be disabled, and somebody enable the other one again.
func TestUndoing_WhileOthersAreToBeDisabled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.pass(time.Hour)
		second := s.azure.Outside(keyID)
		s.start()
		s.pass(time.Hour)
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "set-enabled" && of == firstVersion {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		op := s.revoke("alice")
		s.pass(30 * time.Minute)
		s.wantVersions("+-")
		s.azure.Enable(keyID, second.ID, true)
		s.pass(24 * time.Hour)
		o := s.operation(op)
		if !strings.Contains(s.log(), "again") && len(s.events(rotator.EventVersionTampered)) == 0 {
			t.Errorf("%s vault %s problem %v firing %q: nobody is told that the second is enabled again\n%s", o.State, s.enabled(), o.Problem, s.firing(), s.log())
		}
	})
}

// TestUndoing_OwnLateVersionIsNotSomebodys has a call of its own make a version while the key is revoked.
func TestUndoing_OwnLateVersionIsNotSomebodys(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 0 })
		s.start()
		untilOut := s.hangs("create", 4*time.Minute, nil)
		s.rotate()
		untilOut()
		s.revoke("alice")
		s.pass(time.Hour)
		s.wantVersions("--")
		if n := s.events(rotator.EventVersionTampered); len(n) > 0 {
			t.Errorf("said %q; firing %q\n%s", n[0].Message, s.firing(), s.log())
		}
	})
}
