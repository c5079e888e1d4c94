package engine_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestNewUse_IsTold the target, and nobody is said to have told it another version.
func TestNewUse_IsTold(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]time.Duration{"before it was seen done": 0, "in soak": 30 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *estate) {
				s.onlyPinned()
				s.key.Soak = 24 * time.Hour
				s.start()
				var done atomic.Bool
				add := func(r *rotatortest.Resource) {
					r.More = append(r.More, &rotatortest.Use{Path: "encryptionScopes/new", Key: keyID, Binding: rotator.BindingPinned, Pinned: firstVersion})
				}
				if when == 0 {
					s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
						if call == "apply" {
							return &rotatortest.Fault{Late: func() {
								if !done.Swap(true) {
									s.azure.Change(storageID, add)
								}
							}}
						}
						return nil
					})
				}
				op := s.rotate()
				s.pass(30 * time.Minute)
				if when > 0 {
					s.azure.Change(storageID, add)
				}
				s.pass(72 * time.Hour)
				tr := s.tracker(op, storageID)
				if p := tr.Detail.Problem; p != nil && strings.Contains(p.Message, "names another one again") {
					t.Errorf("says %q of a scope that is new", p.Message)
				}
				if tr.State == rotator.TrackerStalled {
					t.Errorf("stands still: %v", tr.Detail.Problem)
				}
			})
		})
	}
}

// TestNewUse_OnTheTarget is no binding that changed.
func TestNewUse_OnTheTarget(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Soak = 24 * time.Hour
		s.start()
		op := s.rotate()
		s.pass(40 * time.Minute)
		target := s.azure.List(keyID)[len(s.azure.List(keyID))-1].ID
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.More = append(r.More, &rotatortest.Use{Path: "encryptionScopes/new", Key: keyID, Binding: rotator.BindingPinned, Pinned: target})
		})
		s.pass(72 * time.Hour)
		tr := s.tracker(op, storageID)
		if p := tr.Detail.Problem; p != nil {
			t.Errorf("%s %v (%s)", tr.State, p, s.operation(op).State)
		}
	})
}
