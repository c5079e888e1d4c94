package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
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

// TestWeaker_OnPurpose goes on once a person says so.
func TestWeaker_OnPurpose(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.vault = likeNewest{s.azure}
		s.start()
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(30 * 24 * time.Hour)
		weak := s.azure.List(keyID)[1].ID
		o, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice", Reason: "x"})
		s.pass(time.Hour)
		if p := s.operation(o.ID).Problem; s.operation(o.ID).State != rotator.StateFailed || !strings.Contains(p.Hint, "cmkd rotate payments --accept "+weak) {
			t.Errorf("%v; %s %v", err, s.operation(o.ID).State, p)
		}
		o, err = s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice", Reason: "x", Accept: weak})
		s.pass(time.Hour)
		if s.operation(o.ID).State == rotator.StateFailed {
			t.Errorf("%v; %s %v", err, s.operation(o.ID).State, s.operation(o.ID).Problem)
		}
	})
}

// TestWeaker_BetweenIsRetired with the version before it: dependents may have gone there.
func TestWeaker_BetweenIsRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		s.pass(time.Hour)
		weak := s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(time.Hour)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) {})
		s.pass(30 * time.Hour)
		t.Logf("%s %s firing %q", s.enabled(), weak.ID, s.firing())
		op := s.rotate()
		s.pass(30 * time.Hour)
		o := s.operation(op)
		if strings.Contains(s.enabled()[1:2], "+") {
			t.Errorf("%s: versions %s, previous %v, unretired %v firing %q\n%s", o.State, s.enabled(), o.Previous, s.status("payments").Unretired, s.firing(), s.log())
		}
	})
}

// TestWeaker_DuringARotationIsRetired likewise.
func TestWeaker_DuringARotationIsRetired(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Retire = s.key.Dependents[:1], rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(10 * time.Minute)
		weak := s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Size = 2048 })
		s.pass(3 * time.Hour)
		t.Logf("%s %v %q", s.operation(op).State, s.operation(op).Problem, s.firing())
		s.azure.Outside(keyID)
		s.pass(3 * time.Hour)
		p, err := s.engine.PlanRetirement(s.t.Context(), "payments", "carol")
		t.Logf("plan %v %+v", err, p.Objections)
		s.retire()
		s.ends(op)
		if s.enabled()[2] == '+' {
			t.Errorf("%s stays enabled: %s; previous %v; unretired %v; firing %q", weak.ID, s.enabled(), s.operation(op).Previous, s.status("payments").Unretired, s.firing())
		}
	})
}

// TestWeaker_NotBecauseAListDoesNotTell of an HSM.
func TestWeaker_NotBecauseAListDoesNotTell(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Type, v.HSM = "RSA-HSM", true })
		s.vault = hsmHidden{s.azure}
		s.start()
		s.pass(time.Hour)
		op := s.rotate()
		s.pass(5 * time.Hour)
		t.Logf("%s %v", s.operation(op).State, s.operation(op).Problem)
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Type, v.HSM = "RSA-HSM", true })
		s.pass(time.Hour)
		if f := s.firing(); f != "" {
			t.Errorf("%q\n%s", f, s.log())
		}
	})
}

// hsmHidden is a vault whose list does not tell that versions are in an HSM.
type hsmHidden struct{ *rotatortest.Azure }

func (v hsmHidden) Versions(ctx context.Context, key rotator.KeyID) ([]rotator.Version, error) {
	all, err := v.Azure.Versions(ctx, key)
	for i := range all {
		all[i].HSM = false
	}
	return all, err
}
