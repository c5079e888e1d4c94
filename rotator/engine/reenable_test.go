package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

// lazyVault answers that a version was changed, and shows it as it was.
type lazyVault struct{ *rotatortest.Azure }

func (v lazyVault) SetEnabled(_ context.Context, key rotator.KeyID, version string, enabled bool) (rotator.Version, error) {
	found, _ := rotator.FindVersion(v.List(key), version)
	return found, nil // 200, and nothing changed
}

// TestReenable_OnlySaid says nothing of a version that is enabled, as the vault shows it disabled still.
func TestReenable_OnlySaid(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.OnTamper = rotator.OnTamperReenable
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Dependents[0].Window = 24 * time.Hour
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.vault = lazyVault{s.azure}
		s.start()
		s.pass(10 * time.Minute)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(2 * time.Hour)
		for _, e := range s.events(rotator.EventVersionEnabled) {
			t.Errorf("says %q; the vault: %s\n%s", e.Message, s.enabled(), s.log())
		}
	})
}

// TestReenable_WaitsForAFreeze of everything.
func TestReenable_WaitsForAFreeze(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.OnTamper = rotator.OnTamperReenable
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(10 * time.Minute)
		s.freeze(rotator.FreezeRequest{})
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(time.Hour)
		if n := s.azure.Calls("set-enabled"); n != 0 || strings.Contains(s.log(), "again") {
			t.Errorf("%d writes under a freeze of everything\n%s", n, s.log())
		}
		s.unfreeze("f-1")
		s.pass(10 * time.Minute)
		s.wantVersions("+")
	})
}

// TestReenable_OverACrash makes the call that was intended when the daemon was killed.
func TestReenable_OverACrash(t *testing.T) {
	t.Parallel()
	azure, store := rotatortest.NewAzure(), rotatortest.NewStore()
	now := time.Now().Round(0).Truncate(time.Second)
	azure.Clock = told{&now}
	first := azure.AddKey(keyID)
	azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute}})
	key := rotator.Key{Name: "payments", ID: keyID, OnTamper: rotator.OnTamperReenable, Dependents: []rotator.Dependent{{ID: storageID, Kind: "follower"}}}
	boot := func() *engine.Reactor {
		r, err := engine.NewReactor(engine.Options{Store: store, Vault: azure, Services: azure.Services(), Lister: azure, Keys: []rotator.Key{key}}, now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := boot()
	killed := false
	events := func() string {
		all, _ := store.Events(t.Context(), rotator.EventFilter{})
		var b strings.Builder
		for _, e := range all {
			b.WriteString(e.At.Format("15:04:05 ") + string(e.Type) + " " + e.Message + "\n")
		}
		return b.String()
	}
	step := func(d time.Duration) {
		for end := now.Add(d); now.Before(end); {
			now = now.Add(30 * time.Second)
			if err := r.Pass(now, 0); err != nil {
				t.Fatal(err)
			}
			for busy := true; busy; {
				busy = false
				if c := r.Take(); c != nil {
					busy = true
					if err := rotator.Commit(t.Context(), store, c); err != nil {
						t.Fatal(err)
					}
					if !killed && strings.Contains(events(), "is to be enabled again") {
						killed = true
						r = boot() // kill -9, restart
						break
					}
					if err := r.Committed(nil); err != nil {
						t.Fatal(err)
					}
				}
				for r.Waiting() > 0 {
					busy = true
					if err := r.Answered(r.Do(t.Context(), r.Begin(0))); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	step(30 * time.Minute)
	azure.Enable(keyID, first.ID, false)
	step(6 * time.Hour)
	if v := azure.List(keyID)[0]; !killed || !v.Enabled || azure.Calls("set-enabled") != 1 {
		t.Errorf("killed %v, enabled %v after %d calls\n%s", killed, v.Enabled, azure.Calls("set-enabled"), events())
	}
}
