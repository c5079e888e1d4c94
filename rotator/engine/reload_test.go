package engine_test

import (
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestReload_OfOneThatIsListedTwice in two spellings.
func TestReload_OfOneThatIsListedTwice(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		key := s.key
		key.Dependents = key.Dependents[:1]
		d := key.Dependents[0]
		d.ID = "/SUBSCRIPTIONS" + d.ID[len("/subscriptions"):]
		key.Dependents = append(key.Dependents[:1:1], d)
		s.key = key
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.reload(key)
		s.pass(5 * time.Hour)
		s.want(op, rotator.StateCompleted)
	})
}

// TestReload_OfAKeyThatIsRenamedWhileItRetires has the guard look anew.
func TestReload_OfAKeyThatIsRenamedWhileItRetires(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak, s.key.Retire = s.key.Dependents[:1], 0, rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.reload()
		s.pass(2 * time.Hour)
		first := s.azure.List(keyID)[0].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, first })
		s.pass(2 * time.Hour)
		key := s.key
		key.Name = "other"
		s.reload(key)
		s.pass(2 * time.Hour)
		_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "other", Actor: "carol"})
		if err == nil || s.enabled() != "++" {
			t.Errorf("retire: %v, versions %s\n%s", err, s.enabled(), s.log())
		}
	})
}

// TestRotation_OfTwoKeysOfOneDependent brings both to their ends.
func TestRotation_OfTwoKeysOfOneDependent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const second = rotator.KeyID("https://contoso.vault.azure.net/keys/orders")
		s.azure.AddKey(second)
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute},
			More: []*rotatortest.Use{{Path: "scope", Key: second, Delay: 30 * time.Minute}}})
		s.key.Dependents = s.key.Dependents[:1]
		other := s.key
		other.Name, other.ID = "orders", second
		s.also = []rotator.Key{other}
		s.start()
		a, b := s.rotate(), s.rotateKey("orders")
		s.pass(12 * time.Hour)
		if x, y := s.operation(a), s.operation(b); x.State != rotator.StateCompleted || y.State != rotator.StateCompleted {
			t.Errorf("%s %s firing %q\n%s", x.State, y.State, s.firing(), s.log())
		}
	})
}
