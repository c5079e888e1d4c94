package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// silentKeys has so many keys of the vault of payments rotate, each with a dependent of
// its own.
func (s *estate) silentKeys(n int) (names []string) {
	s.t.Helper()
	for i := range n {
		key := rotator.Key{Name: fmt.Sprintf("silent-%02d", i), ID: keyID + rotator.KeyID(fmt.Sprintf("-%02d", i)), Retire: rotator.RetireOff}
		id := strings.Replace(storageID, "storage", key.Name, 1)
		key.Dependents = []rotator.Dependent{{ID: id, Kind: "follower"}}
		s.azure.AddKey(key.ID)
		s.azure.AddResource(rotatortest.Resource{ID: id, Kind: "follower", Use: rotatortest.Use{Key: key.ID, Delay: time.Minute}})
		s.also, names = append(s.also, key), append(names, key.Name)
	}
	return names
}

// dark has the dependents of silent keys not answer.
func (s *estate) dark() { s.darkWith(rotator.CodeUnavailable) }

func (s *estate) darkWith(code rotator.Code) {
	s.azure.FailWith(func(call, of string) *rotatortest.Fault {
		if call == "observe" && strings.Contains(of, "silent-") {
			return &rotatortest.Fault{Err: refused(code, true)}
		}
		return nil
	})
}

// TestVault_WhoseDependentsDoNotAnswerHoldsUpNobody, and goes on once they do.
func TestVault_WhoseDependentsDoNotAnswerHoldsUpNobody(t *testing.T) {
	t.Parallel()
	for _, code := range []rotator.Code{rotator.CodeUnavailable, rotator.CodeThrottled} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				names := s.silentKeys(60)
				s.darkWith(code)
				s.start()
				var ops []rotator.OperationID
				for _, name := range names {
					ops = append(ops, s.rotateKey(name))
				}
				s.pass(10 * time.Minute)
				op := s.rotate()
				s.pass(2 * time.Minute)
				s.want(op, rotator.StatePropagating)
				s.azure.FailWith(nil)
				s.pass(10 * time.Minute)
				for _, op := range ops {
					s.completes(op)
				}
			})
		})
	}
}

// TestVault_APlaceIsNotKeptByWhoLooksAgainInVain, because it waited for long.
func TestVault_APlaceIsNotKeptByWhoLooksAgainInVain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		names := s.silentKeys(10)
		s.limits.RotationsPerVault, s.limits.Calls = 1, 100
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "create" {
				<-time.After(55 * time.Second)
			}
			return nil
		})
		s.start()
		for _, name := range names {
			s.rotateKey(name)
		}
		s.pass(2*time.Minute + 30*time.Second)
		s.dark()
		s.pass(20 * time.Minute)
		op := s.rotate()
		s.pass(2 * time.Minute)
		s.want(op, rotator.StatePropagating)
	})
}

// TestVault_AClockSetBackHoldsUpNoLine: room is waited for as long as it takes.
func TestVault_AClockSetBackHoldsUpNoLine(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		r := &rush{estate: s, listed: map[string]int{}}
		r.queue(60, vaults(1)...)
		s.pass(5 * time.Second) // the vault is full
		s.clock.jump(-time.Hour)
		s.pass(90 * time.Second)
		if n := len(r.created); n != 60 {
			t.Errorf("%d of 60 versions were made", n)
		}
	})
}
