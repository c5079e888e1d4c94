//go:build openfaults

// The tests of this file are known faults: each fails until its fault is mended, and moves then
// to the tests of its subject. They run by go test -tags openfaults -run TestOpen ./rotator/engine.

package engine_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestOpen_WhoIsGoneNeedsNothing has the etcd be deleted, and be taken out of the configuration.
func TestOpen_WhoIsGoneNeedsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.etcd()
		s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute}})
		s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: otherKeys, Kind: "follower"})
		s.start()
		op := s.rotate()
		s.pass(8 * time.Hour)
		s.retire()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.Remove(storageID)
		s.key.Dependents = s.key.Dependents[1:]
		s.reload(s.key)
		for range 3 {
			s.pass(12 * time.Hour)
			op = s.rotate()
			s.pass(12 * time.Hour)
			if err := s.retiresAs("carol"); err != nil {
				t.Log(err)
			}
			s.pass(12 * time.Hour)
		}
		if v := s.enabled(); v[0] == '+' {
			t.Errorf("%s vault %s: kept for a cluster that is gone\n%s", s.operation(op).State, v, s.log()[max(0, len(s.log())-3500):])
		}
	})
}

// TestOpen_NeededUntilToldAnotherOneOfAnotherKey has an etcd go to another key, and on to the next version of that.
func TestOpen_NeededUntilToldAnotherOneOfAnotherKey(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = "https://contoso.vault.azure.net/keys/other"
		s.etcd()
		a := s.azure.AddKey(other)
		s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute}})
		s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: otherKeys, Kind: "follower"})
		s.start()
		op := s.rotate()
		s.pass(8 * time.Hour)
		s.retire()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateCompleted)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Key, r.Pinned = other, a.ID })
		s.pass(24 * time.Hour)
		b := s.azure.Outside(other)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Pinned = b.ID })
		s.pass(24 * time.Hour)
		s.azure.Enable(other, a.ID, false)
		s.key.Dependents[0].Excluded = "moved to another key"
		s.reload(s.key)
		for range 2 {
			s.pass(12 * time.Hour)
			op = s.rotate()
			s.pass(12 * time.Hour)
			_, err := s.attest("storage", "bob")
			t.Log(err)
			if err := s.retiresAs("carol"); err != nil {
				t.Log(err)
			}
			s.pass(12 * time.Hour)
		}
		if v := s.enabled(); strings.HasPrefix(v, "++") || v[0] == '+' {
			t.Errorf("%s vault %s: kept for one that needs none of them; azure says it needs %v\n%s", s.operation(op).State, v, s.azure.Needs(storageID), s.log()[max(0, len(s.log())-3500):])
		}
	})
}
