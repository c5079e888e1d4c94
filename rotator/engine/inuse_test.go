package engine_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestInUse_OfWhomNobodyLists has somebody disable a version that one whom nobody lists was seen on.
func TestInUse_OfWhomNobodyLists(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.unlisted = true
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) {
			r.Kind, r.Hidden, r.Binding, r.Pinned = "follower", false, rotator.BindingPinned, firstVersion
		})
		s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.cancel(op)
		s.pass(13 * time.Hour)
		s.azure.Enable(keyID, firstVersion, false)
		s.pass(10 * time.Minute)
		if !strings.Contains(s.firing(), "used-version-tampered") {
			t.Errorf("firing %s in use %v\n%s", s.firing(), s.status("payments").InUse, s.log())
		}
	})
}

// TestInUse_TwoOldOnes has a dependent with two uses on two old versions during a rotation.
func TestInUse_TwoOldOnes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1} {
		inBubble(t, func(s *estate) {
			second := s.azure.Outside(keyID).ID
			s.azure.AddResource(rotatortest.Resource{
				ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingFixed, Pinned: firstVersion},
				More: []*rotatortest.Use{{Binding: rotator.BindingFixed, Pinned: second}},
			})
			s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}}
			s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Microsoft = true })
			s.start()
			s.pass(7 * time.Hour)
			op := s.rotate()
			s.pass(2 * time.Hour)
			s.want(op, rotator.StatePropagating)
			s.azure.Enable(keyID, []string{firstVersion, second}[n], false)
			s.pass(6 * time.Minute)
			if !strings.Contains(s.firing(), "used-version-tampered") {
				t.Errorf("%d: firing %s in use %v", n, s.firing(), s.status("payments").InUse)
			}
		})
	}
}

// TestInUse_OfOneThatCannotBeTold: an etcd that cannot be told goes on to need the version before.
func TestInUse_OfOneThatCannotBeTold(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.etcd()
		s.start()
		s.pass(90 * time.Minute)
		first := s.azure.Needs(storageID)[0]
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.retire()
		s.pass(2 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "apply" {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		two := s.rotate()
		s.pass(3 * time.Hour)
		s.want(two, rotator.StatePropagating)
		s.azure.Enable(keyID, first, false)
		s.pass(10 * time.Minute)
		if got := s.firing(); !strings.Contains(got, "used-version-tampered") {
			t.Errorf("firing %q; in use %v", got, s.status("payments").InUse)
		}
	})
}
