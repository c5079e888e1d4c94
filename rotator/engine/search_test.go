package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// unlistedID is of a resource that the configuration does not have.
const unlistedID = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/followers/unlisted"

// objected reports whether the guard held the retirement for a reason.
func (s *estate) objected(check rotator.Reason) bool {
	s.t.Helper()
	return slices.ContainsFunc(s.events(rotator.EventRetirementHeld), func(e rotator.Event) bool { return e.Data["check"] == string(check) })
}

// TestUnlisted_IsNeverWrittenTo holds that nobody is written to without consent: what
// only a search found is told nothing, however it names the key, and holds the
// retirement until it is listed.
func TestUnlisted_IsNeverWrittenTo(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]rotatortest.Use{
		"pinned":                   {Key: keyID, Binding: rotator.BindingPinned},
		"fixed":                    {Key: keyID, Binding: rotator.BindingFixed},
		"follows, and never comes": {Key: keyID, Delay: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: use})
				s.key.Discover = []string{subscription}
				s.start()
				op := s.rotate()
				s.pass(48 * time.Hour)
				if n := s.azure.Calls("apply"); n != 0 {
					t.Fatalf("%d updates of what nobody listed\n%s", n, s.log())
				}
				s.wantTracker(op, unlistedID, rotator.TrackerNeedsAction, "")
				p := s.tracker(op, unlistedID).Detail.Problem
				if p == nil || p.Code != rotator.ReasonDependentDiscovered || !contains(p.Hint, "dependents of payments") {
					t.Errorf("its problem is %+v, want that nobody listed it, and how to", p)
				}
				if !s.objected(rotator.ReasonDependentDiscovered) {
					t.Errorf("the guard did not object\n%s", s.log())
				}
				s.wantVersions("++")
			})
		})
	}
}

// TestUnlisted_HoldsTheRetirementWhateverItsState: also one that is on the new version.
// Once it is listed, it is one like any other.
func TestUnlisted_HoldsTheRetirementWhateverItsState(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Minute}})
		s.key.Discover = []string{subscription}
		s.start()
		op := s.rotate()
		s.pass(48 * time.Hour)
		s.wantTracker(op, unlistedID, rotator.TrackerDone, rotator.EvidenceConfirmed)
		if !s.objected(rotator.ReasonDependentDiscovered) {
			t.Errorf("the guard did not object\n%s", s.log())
		}
		s.wantVersions("++")
		s.key.Dependents = append(slices.Clone(s.key.Dependents), rotator.Dependent{ID: unlistedID, Kind: "follower"})
		s.reload(s.key)
		s.pass(2 * time.Hour)
		s.completes(op)
		s.wantVersions("-+")
	})
}

// TestUnlisted_IsUpdatedOnceItIsListed: to list it is to consent.
func TestUnlisted_IsUpdatedOnceItIsListed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned}})
		s.key.Discover = []string{subscription}
		s.start()
		op := s.rotate()
		s.pass(48 * time.Hour)
		s.key.Dependents = append(slices.Clone(s.key.Dependents), rotator.Dependent{ID: unlistedID, Kind: "follower"})
		s.reload(s.key)
		s.pass(3 * time.Hour)
		s.completes(op)
		if n := s.azure.Calls("apply"); n != 1 {
			t.Errorf("%d updates, want one", n)
		}
	})
}

// elsewhere is another subscription than that of the listed dependents.
const elsewhere = "99999999-0000-0000-0000-000000000000"

// TestSearch_LooksEverywhereByDefault: where the key does not say, in every subscription
// that the identity lists, before the version is made; and the search delays nothing.
func TestSearch_LooksEverywhereByDefault(t *testing.T) {
	t.Parallel()
	const far = "/subscriptions/" + elsewhere + "/resourceGroups/rg/providers/Test/followers/far"
	inBubble(t, func(s *estate) {
		s.azure.AddResource(rotatortest.Resource{ID: far, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned}})
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "find" {
				<-time.After(time.Minute)
			}
			return nil
		})
		s.start()
		op := s.rotate()
		s.pass(2 * time.Second)
		s.want(op, rotator.StatePropagating)
		s.pass(10 * time.Minute)
		if got := s.operation(op); got.Unlisted != 1 || got.Inventory.Subscriptions != 2 || !got.Inventory.Complete() || got.Searched.IsZero() {
			t.Fatalf("the search saw %+v, and %d unlisted\n%s", got.Inventory, got.Unlisted, s.log())
		}
		s.wantTracker(op, far, rotator.TrackerNeedsAction, "")
	})
}

// TestSearch_IsRestrictedByDiscover: nothing else is searched or listed.
func TestSearch_IsRestrictedByDiscover(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		var searched []string
		s.azure.FailWith(func(call, of string) *rotatortest.Fault {
			if call == "find" || call == "subscriptions" {
				searched = append(searched, of)
			}
			return nil
		})
		s.key.Discover = []string{elsewhere}
		s.start()
		s.rotate()
		s.pass(time.Minute)
		if want := []string{elsewhere, elsewhere}; !slices.Equal(searched, want) { // of two kinds
			t.Errorf("searched %q, want %q", searched, want)
		}
	})
}

// TestSearch_SwitchedOffRetiresNothing for as long as it is off, and says so.
func TestSearch_SwitchedOffRetiresNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Undiscovered = true
		s.start()
		op := s.rotate()
		s.pass(48 * time.Hour)
		if n := s.azure.Calls("find") + s.azure.Calls("subscriptions"); n != 0 {
			t.Errorf("%d calls of a search that is off", n)
		}
		if !s.objected(rotator.ReasonDiscoveryOff) {
			t.Errorf("the guard did not object\n%s", s.log())
		}
		if got := s.operation(op); !got.Inventory.Off || got.NeedsYou() == nil {
			t.Errorf("status says %+v, problem %v", got.Inventory, got.Problem)
		}
		s.wantVersions("++")
		s.key.Undiscovered = false
		s.reload(s.key)
		s.pass(time.Hour)
		s.completes(op)
		s.wantVersions("-+")
	})
}

// TestSearch_NamesWhatWasNotChecked: a rotation goes on without it, and says so from the
// beginning; nothing is retired.
func TestSearch_NamesWhatWasNotChecked(t *testing.T) {
	t.Parallel()
	forbidden := func(kind string) *rotatortest.Fault {
		return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true).WithHint("grant Reader for %s", kind)}
	}
	for name, c := range map[string]struct {
		fail func(call, of string) bool
		says string
	}{
		"a subscription that may not be searched": {func(call, _ string) bool { return call == "find" }, "dependents of any kind in subscription " + subscription},
		"a list of subscriptions that may not be had": {
			func(call, _ string) bool { return call == "subscriptions" }, "subscriptions that could not be listed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.FailWith(func(call, of string) *rotatortest.Fault {
					if c.fail(call, of) {
						return forbidden(call)
					}
					return nil
				})
				s.start()
				op := s.rotate()
				s.pass(time.Minute)
				got := s.want(op, rotator.StatePropagating)
				if u := got.Inventory.Unchecked; len(u) != 1 || !contains(u[0].String(), c.says) || !contains(u[0].Problem.Hint, "grant Reader") {
					t.Fatalf("unchecked: %+v, want one that says %q", u, c.says)
				}
				if e := s.events(rotator.EventSearchIncomplete); len(e) != 1 || !contains(e[0].Message, c.says) {
					t.Errorf("events: %+v", e)
				}
				s.pass(48 * time.Hour)
				s.wantVersions("++")
				if !s.objected(rotator.ReasonInventoryIncomplete) {
					t.Errorf("the guard did not object\n%s", s.log())
				}
				if n := len(s.events(rotator.EventSearchIncomplete)); n != 1 {
					t.Errorf("it was said %d times", n)
				}
				s.azure.FailWith(nil)
				s.pass(time.Hour)
				s.completes(op)
				s.wantVersions("-+")
			})
		})
	}
}

// TestSearch_KeepsCallsInProportion: one search a phase, none while the last one stands;
// but nothing is retired on an old one, nor is it done again and again for one that holds.
func TestSearch_KeepsCallsInProportion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*estate)
		most    int
	}{
		"nothing stands in the way": {func(*estate) {}, 2 * 3},
		"a dependent that nobody lists holds for a day": {func(s *estate) {
			s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Minute}})
		}, 2 * 26},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				c.prepare(s)
				s.start()
				s.rotate()
				s.pass(26 * time.Hour)
				if n := s.azure.Calls("find"); n > c.most {
					t.Errorf("%d searches, at most %d are in proportion\n%s", n, c.most, s.log())
				}
			})
		})
	}
}

// TestSearch_OfAnHourAgoRetiresNothing: what came meanwhile is found before a version is
// disabled, also by a search that was just made.
func TestSearch_OfAnHourAgoRetiresNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Soak = 30 * time.Minute
		s.key.Dependents = s.key.Dependents[:1]
		s.start()
		op := s.rotate()
		s.pass(40 * time.Minute)
		s.want(op, rotator.StateSoaking)
		s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: rotatortest.Use{
			Key: keyID, Binding: rotator.BindingPinned, Pinned: s.azure.List(keyID)[0].ID,
		}})
		s.pass(20 * time.Minute)
		s.wantVersions("++")
		if !s.objected(rotator.ReasonDependentDiscovered) {
			t.Errorf("the guard did not object\n%s", s.log())
		}
	})
}

// TestPlan_NamesWhatNobodyListed, and what was not checked; neither stops a rotation.
func TestPlan_NamesWhatNobodyListed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: rotatortest.Use{Key: keyID}})
		s.start()
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil || len(p.Unlisted) != 1 || p.Unlisted[0].Dependent.ID != unlistedID || len(p.Problems) != 0 || !p.Inventory.Complete() {
			t.Fatalf("got %+v, %v", p, err)
		}
		s.failing("find")
		p, err = s.engine.PlanRotation(s.t.Context(), "payments")
		if err != nil || len(p.Inventory.Unchecked) != 1 || len(p.Problems) != 0 {
			t.Fatalf("got %+v, %v", p, err)
		}
		s.key.Undiscovered = true
		s.reload(s.key)
		if p, err = s.engine.PlanRotation(s.t.Context(), "payments"); err != nil || !p.Inventory.Off {
			t.Fatalf("got %+v, %v", p, err)
		}
	})
}

// TestSearch_OfASubscriptionThatIsNotListedAnyMore is not complete; a list that cannot be read
// says of none that it is not there.
func TestSearch_OfASubscriptionThatIsNotListedAnyMore(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = "11111111-0000-0000-0000-000000000000"
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Soak = 6 * time.Hour
		s.azure.Remove(cosmosID)
		where, less := []string{subscription, other}, []string{subscription}
		var seen atomic.Pointer[[]string]
		seen.Store(&where)
		s.lister = lists{&seen}
		s.start()
		s.pass(time.Minute)
		op := s.rotate()
		s.pass(3 * time.Hour)
		seen.Store(&less) // the role is lost
		s.azure.AddResource(rotatortest.Resource{ID: strings.Replace(storageID, subscription, other, 1) + "2", Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned, Pinned: firstVersion}})
		s.pass(12 * time.Hour)
		if s.enabled() != "++" {
			t.Errorf("%s %s searched %+v\n%s", s.operation(op).State, s.enabled(), s.operation(op).Inventory, s.log())
		}
	})
}

// lists are the subscriptions that the identity sees.
type lists struct{ all *atomic.Pointer[[]string] }

func (l lists) Subscriptions(context.Context) ([]string, error) { return *l.all.Load(), nil }

// TestSearch_AListThatFailsSaysNothing of subscriptions that were searched before.
func TestSearch_AListThatFailsSaysNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = nil
		s.start()
		s.rotate()
		s.pass(4 * time.Hour)
		s.answering("subscriptions", rotator.CodeForbidden)
		op := s.rotate()
		s.pass(4 * time.Hour)
		saw := s.operation(op).Inventory
		if saw.Complete() {
			t.Fatalf("searched %+v", saw)
		}
		for _, u := range saw.Unchecked {
			if strings.Contains(u.String(), "not listed any more") {
				t.Errorf("says %s", &u)
			}
		}
	})
}

// TestSearch_NothingListedIsNoCompleteSearch lists a subscription no more, and no other either: what is in it
// was not looked at.
func TestSearch_NothingListedIsNoCompleteSearch(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		const other = "11111111-0000-0000-0000-000000000000"
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Soak = 6 * time.Hour
		s.azure.Remove(cosmosID)
		where, less := []string{subscription, other}, []string{}
		var seen atomic.Pointer[[]string]
		seen.Store(&where)
		s.lister = lists{&seen}
		s.start()
		s.pass(time.Minute)
		op := s.rotate()
		s.pass(3 * time.Hour)
		seen.Store(&less)
		s.azure.AddResource(rotatortest.Resource{ID: strings.Replace(storageID, subscription, other, 1) + "2", Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned, Pinned: firstVersion}})
		s.pass(12 * time.Hour)
		if s.enabled() != "++" {
			t.Errorf("%s %s searched %+v\n%s", s.operation(op).State, s.enabled(), s.operation(op).Inventory, s.log())
		}
	})
}
