package engine_test

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// hidden has no search find the storage account: its answer ends before its key.
func hidden(s *estate) {
	s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Shown = rotatortest.BlankCut })
}

// TestTakenOut_IsStillLookedAt: that the configuration does not list a dependent any more
// does not say that it needs no old version, nor does a search that does not find it.
func TestTakenOut_IsStillLookedAt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(s *estate)
		ends  bool
	}{
		"one that no search finds":              {hidden, false},
		"one that is on the old version":        {func(*estate) {}, false},
		"one that is gone, and no search finds": {func(s *estate) { s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true }) }, true},
		"one that was given a key of Microsoft's": {func(s *estate) {
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Microsoft = true })
		}, true},
	} {
		for when, begin := range map[string]func(s *estate) rotator.OperationID{
			"while its key is rotated": func(s *estate) rotator.OperationID {
				s.start()
				op := s.rotate()
				s.pass(time.Hour)
				return op
			},
			"between two rotations": func(s *estate) rotator.OperationID {
				s.start()
				s.pass(8 * time.Hour) // it was seen
				return 0
			},
			"in a subscription that is searched no more": func(s *estate) rotator.OperationID {
				s.start()
				s.pass(8 * time.Hour)
				s.key.Discover = []string{"00000000-0000-0000-0000-00000000000b"}
				return 0
			},
		} {
			t.Run(name+", "+when, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(s *estate) {
					s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
					s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Minute}})
					s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}, {ID: otherKeys, Kind: "follower"}}
					op := begin(s)
					tt.spoil(s)
					s.without(storageID)
					s.reload(s.key)
					s.pass(7 * time.Hour)
					s.restart(time.Minute)
					if op == 0 {
						op = s.rotate()
					}
					s.pass(48 * time.Hour)
					// That one is not found where nobody searches says nothing.
					unsearched := strings.HasPrefix(name, "one that is gone") && strings.HasPrefix(when, "in a subscription that is searched no more")
					if !tt.ends || unsearched {
						s.want(op, rotator.StateRetiring)
						s.wantVersions("++")
						return
					}
					s.completes(op)
					s.wantVersions("-+")
					s.pass(7 * time.Hour)
					s.rotate()
					s.pass(time.Hour)
					if got := len(s.operation(s.status("payments").Last.ID).Trackers); got > len(s.key.Dependents) {
						t.Errorf("%d are looked at still\n%s", got, s.log())
					}
				})
			})
		}
	}
}

// TestTakenOut_WhileTheGuardLooks: a search that passed over a dependent because it was listed
// does not count any more when it is listed no longer.
func TestTakenOut_WhileTheGuardLooks(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.two()
		s.key.Retire, s.key.Dependents[0].Excluded = rotator.RetireManual, "is moved by hand"
		s.start()
		s.rotate()
		s.pass(3 * time.Hour)
		answer := make(chan struct{})
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "versions" {
				<-answer
			}
			return nil
		})
		retired := make(chan error, 1)
		go func() {
			_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "carol", Reason: "looked"})
			retired <- err
		}()
		s.pass(time.Second) // the search is over
		s.without(storageID)
		s.reload(s.key)
		close(answer)
		if err := <-retired; err == nil {
			t.Errorf("retired\n%s", s.log())
		}
		s.wantVersions("++")
	})
}
