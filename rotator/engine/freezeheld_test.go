package engine_test

import (
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
			_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
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
