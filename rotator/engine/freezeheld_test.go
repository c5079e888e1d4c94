package engine_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

// TestFreeze_WhoWasRefusedDidNotRetire when it ends, either.
func TestFreeze_WhoWasRefusedDidNotRetire(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(14 * 24 * time.Hour)
		s.want(op, rotator.StateRetiring)
		answer, asked := make(chan struct{}), make(chan error)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" {
				<-answer
			}
			return nil
		})
		go func() {
			err := s.retiresAs("alice")
			asked <- err
		}()
		s.pass(time.Second)
		s.freeze(rotator.FreezeRequest{})
		close(answer)
		wantError(t, <-asked, rotator.CodeRefused, "cmkd unfreeze f-1")
		s.pass(24 * time.Hour)
		s.unfreeze("f-1")
		s.pass(time.Hour)
		if got := s.enabled(); got != "++" {
			t.Errorf("retired for alice, who was refused: %s\n%s", got, s.log()[max(0, len(s.log())-1200):])
		}
	})
}

// TestFreeze_OverAJumpOfTheClock lasts: the clock was ahead for a moment.
func TestFreeze_OverAJumpOfTheClock(t *testing.T) {
	t.Parallel()
	azure, store := rotatortest.NewAzure(), rotatortest.NewStore()
	azure.AddKey(keyID)
	azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute}, Blind: []string{"backups"}})
	key := rotator.Key{Name: "payments", ID: keyID, Retire: rotator.RetireManual, Dependents: []rotator.Dependent{{ID: storageID, Kind: "follower"}}}
	r, step := drive(t, azure, store, key)
	step(time.Minute, 0)
	r.Command(engine.Command{Verb: engine.VerbFreeze, For: 4 * time.Hour, Actor: "amelie", Reason: "INC"})
	step(time.Minute, 0)
	if len(r.Freezes()) != 1 {
		t.Fatal("no freeze")
	}
	step(time.Minute, 6*time.Hour)
	step(time.Minute, -6*time.Hour)
	step(time.Minute, 0)
	all, _ := store.Events(t.Context(), rotator.EventFilter{})
	for _, e := range all {
		if e.Type == "freeze-ended" {
			t.Errorf("5 minutes into a freeze of 4 hours: %s %v", e.Message, e.Data)
		}
	}
}

// TestFreeze_OfALabelOfTwoVaults asks which one is meant.
func TestFreeze_OfALabelOfTwoVaults(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		hsm := rotator.KeyID("https://contoso.managedhsm.azure.net/keys/payments")
		s.azure.AddKey(hsm)
		s.also = []rotator.Key{{Name: "hsm", ID: hsm}}
		s.start()
		_, err := s.engine.Freeze(s.t.Context(), rotator.FreezeRequest{Actor: "bob", Reason: "audit", Vault: "contoso"})
		wantError(t, err, rotator.CodeInvalid, "contoso.managedhsm.azure.net, contoso.vault.azure.net")
	})
}

// TestFreeze_EndsByItsTime, also while the daemon is stopped, and only once.
func TestFreeze_EndsByItsTime(t *testing.T) {
	t.Parallel()
	for name, pass := range map[string]func(s *estate){
		"while the daemon runs": func(s *estate) { s.pass(2 * time.Hour) },
		"after a restart":       func(s *estate) { s.restart(30 * time.Minute); s.wantFreezes("f-1"); s.pass(time.Hour) },
		"while it is stopped":   func(s *estate) { s.restart(2 * time.Hour) },
		"and not twice":         func(s *estate) { s.pass(2 * time.Hour); s.restart(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				s.freeze(rotator.FreezeRequest{For: time.Hour})
				pass(s)
				s.wantFreezes("")
				if begun, over := s.events(rotator.EventFrozen), s.events(rotator.EventFreezeEnded); len(begun) != 1 || len(over) != 1 ||
					begun[0].Actor != "amelie" || begun[0].Data["reason"] != "INC-4711" || over[0].Actor != "cmkd" || over[0].Data["freeze"] != "f-1" {
					t.Errorf("events: %+v %+v", begun, over)
				}
				s.rotate()
				s.pass(time.Minute)
				s.wantVersions("++")
			})
		})
	}
}

// TestFreeze_LostAccessStopsWhatIsScheduled: everywhere, until a person has looked. What
// people ask for goes on.
func TestFreeze_LostAccessStopsWhatIsScheduled(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const otherID = "https://fabrikam.vault.azure.net/keys/other"
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.AddKey(otherID)
		s.also = []rotator.Key{{Name: "other", ID: otherID, Schedule: schedule(t, "0 3 1 1 *", rotator.MisfireCatchUp)}}
		s.start()
		s.rotate()
		s.pass(time.Minute)
		s.wantFreezes("")
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 }) // gets no access back
		for _, enabled := range []bool{false, true} {
			s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, enabled)
		}
		s.pass(30 * time.Minute)
		s.wantFreezes("f-1")
		if e := s.events(rotator.EventFrozen)[0]; e.Actor != "cmkd" || !strings.Contains(e.Data["reason"], "storage lost access to key payments") || !strings.Contains(e.Data["reason"], "KeyDisabled") {
			t.Errorf("event: %+v", e)
		}
		if !strings.Contains(s.firing(), "frozen-by-cmkd/daemon/f-1") {
			t.Errorf("firing: %s", s.firing())
		}
		s.pass(3 * time.Hour)
		if n := len(s.azure.List(otherID)); n != 1 {
			t.Fatalf("%d versions: what is scheduled goes on", n)
		}
		s.unfreeze("f-1")
		if strings.Contains(s.firing(), "frozen-by-cmkd") {
			t.Errorf("firing: %s", s.firing())
		}
		s.pass(3 * time.Hour)
		s.wantFreezes("") // it is no news that it has no access
		if n := len(s.azure.List(otherID)); n != 2 {
			t.Fatalf("%d versions: it does not go on", n)
		}
	})
}

// TestFreeze_OfWhatIsScheduledLetsPeopleThrough.
func TestFreeze_OfWhatIsScheduledLetsPeopleThrough(t *testing.T) {
	t.Parallel()
	f := rotator.Freeze{Scheduled: true}
	if !f.Stops(keyID, false, time.Now()) || f.Stops(keyID, true, time.Now()) {
		t.Error("a freeze of what is scheduled is one of what nobody asks for")
	}
}

// TestFreeze_WithoutAnEndIsAlarmedAfterAWeek.
func TestFreeze_WithoutAnEndIsAlarmedAfterAWeek(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.freeze(rotator.FreezeRequest{})
		s.freeze(rotator.FreezeRequest{For: 20 * 24 * time.Hour})
		s.pass(6 * 24 * time.Hour)
		s.wantFiring("")
		s.pass(2 * 24 * time.Hour)
		s.wantFiring("freeze-lasting/daemon/f-1")
		s.unfreeze("f-1")
		s.wantFiring("")
	})
}

// TestFreeze_IsShown with its key, in the numbers and in a plan.
func TestFreeze_IsShown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Schedule = schedule(t, "@daily", rotator.MisfireCatchUp)
		s.start()
		f := s.freeze(rotator.FreezeRequest{Key: "payments"})
		if all := s.status("payments").Freezes; len(all) != 1 || all[0] != f {
			t.Errorf("of the key: %+v", all)
		}
		if all := s.engine.Summary().Freezes; len(all) != 1 || all[0] != f {
			t.Errorf("in the numbers: %+v", all)
		}
		if s.engine.Summary().NextFrozen != true {
			t.Error("the next rotation does not wait")
		}
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil || len(p.Problems) != 1 || p.Problems[0].Code != rotator.ReasonFrozen {
			t.Errorf("in the plan: %+v (%v)", p.Problems, err)
		}
		if p, err = s.engine.PlanRevocation(s.t.Context(), "payments"); err != nil || len(p.Problems) != 0 {
			t.Errorf("in the plan of a revocation: %+v (%v)", p.Problems, err)
		}
	})
}
