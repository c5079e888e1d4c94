package engine_test

import (
	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
	"context"
	"strings"
	"testing"
	"time"
)

// likeNewest makes versions as a vault does: like the newest.
type likeNewest struct{ *rotatortest.Azure }

func (v likeNewest) Create(_ context.Context, key rotator.KeyID, method rotator.Method, tag string) (rotator.Version, error) {
	newest, _ := rotator.Newest(v.List(key), nil)
	return v.OutsideAs(key, func(n *rotator.Version) {
		n.Size = newest.Size
		if method != rotator.MethodRotate {
			n.Operation = tag
		}
	}), nil
}

// TestWeaker_IsNotInherited by the version that a rotation makes after that of a stranger.
func TestWeaker_IsNotInherited(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.Slow(storageID, 40*time.Minute)
		s.vault = likeNewest{s.azure}
		s.start()
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(10 * time.Minute)
		op := s.rotate()
		s.pass(12 * time.Hour)
		all := s.azure.List(keyID)
		if got := s.operation(op); got.State == rotator.StateCompleted && all[len(all)-1].Size < all[0].Size {
			t.Errorf("%s; versions %s, sizes %d %d %d; firing %q\n%s", got.State, s.enabled(), all[0].Size, all[1].Size, all[2].Size, s.firing(), s.log())
		}
	})
}

// TestWeaker_IsInThePlan of a rotation.
func TestWeaker_IsInThePlan(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(time.Hour)
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Problems) == 0 && len(p.Warnings) == 0 {
			t.Errorf("nothing stands in the way: %+v", p.Steps)
		}
	})
}

// TestWeaker_ADisabledOneIsNotTheCurrent version because it is the newest.
func TestWeaker_ADisabledOneIsNotTheCurrent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Hour)
		v := s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Enabled = false })
		s.pass(time.Hour)
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil {
			t.Fatal(err)
		}
		st := s.status("payments")
		for _, o := range p.Problems {
			if strings.Contains(o.Message, "the current version "+v.ID) {
				t.Errorf("plan: %s; status says current is %s", o.String(), st.Current.ID)
			}
		}
	})
}

// TestWeaker_ADisabledOneHoldsNothingUp that nobody uses.
func TestWeaker_ADisabledOneHoldsNothingUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.onlyPinned()
		s.key.Soak = 24 * time.Hour
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.want(op, rotator.StateSoaking)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Enabled = false })
		s.pass(72 * time.Hour)
		if got := s.operation(op); !got.State.Final() || len(got.Retired) == 0 {
			t.Errorf("%s: %v\n%s", got.State, got.Problem, s.log())
		}
	})
}

// TestPlan_NamesAllThatIsToBeRetired by the rotation.
func TestPlan_NamesAllThatIsToBeRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Retire = rotator.RetireManual
		s.start()
		s.rotate()
		s.pass(5 * time.Hour)
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(p.Steps, "; ")
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.retire()
		s.ends(op)
		s.wantVersions("--+")
		for _, v := range s.azure.List(keyID)[:2] {
			if !strings.Contains(said, v.ID) {
				t.Errorf("version %s is disabled, and the plan said: %s", v.ID, said)
			}
		}
	})
}
