package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// freeze begins a freeze of everything unless the request says otherwise.
func (s *estate) freeze(r rotator.FreezeRequest) rotator.Freeze {
	s.t.Helper()
	r.Actor, r.Reason = "amelie", "INC-4711"
	f, err := s.engine.Freeze(s.t.Context(), r)
	if err != nil {
		s.t.Fatalf("freeze: %v", err)
	}
	return f
}

// unfreeze ends a freeze.
func (s *estate) unfreeze(id string) {
	s.t.Helper()
	if _, err := s.engine.EndFreeze(s.t.Context(), id, "bob", "all is well"); err != nil {
		s.t.Fatalf("unfreeze: %v", err)
	}
}

// wantFreezes checks which freezes hold.
func (s *estate) wantFreezes(want string) {
	s.t.Helper()
	all, err := s.engine.Freezes(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	if got := strings.Join(ids, " "); got != want {
		s.t.Fatalf("freezes: %q, want %q\n%s", got, want, s.log())
	}
}

// wantWaiting checks for what an operation waits.
func (s *estate) wantWaiting(id rotator.OperationID, what rotator.WaitFor, mentions string) {
	s.t.Helper()
	op := s.operation(id)
	if op.Waiting.For != what || !strings.Contains(op.WaitingText(), mentions) {
		s.t.Fatalf("%s is %s and waits %q (%s), want %s mentioning %q\n%s", id, op.State, op.WaitingText(), op.Waiting.For, what, mentions, s.log())
	}
}

// only leaves the key one dependent, which names a version.
func (s *estate) onlyPinned() {
	s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}}
	s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Microsoft = true }) // else a search finds it
	current := s.azure.List(keyID)[0].ID
	s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned, r.Delay = rotator.BindingPinned, current, 0 })
}

// TestFreeze_RefusesWhatPeopleAskFor, and says who froze it, why, until when, and what
// ends it.
func TestFreeze_RefusesWhatPeopleAskFor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		freeze rotator.FreezeRequest
		ends   string
	}{
		"everything":    {rotator.FreezeRequest{}, "until somebody ends it"},
		"the key":       {rotator.FreezeRequest{Key: "payments"}, "until somebody ends it"},
		"the vault":     {rotator.FreezeRequest{Vault: "contoso"}, "until somebody ends it"},
		"for some time": {rotator.FreezeRequest{Vault: "contoso.vault.azure.net", For: time.Hour}, "until 2000-01-01 02:00 UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				s.freeze(tt.freeze)
				_, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
				wantError(t, err, rotator.CodeRefused, "frozen by amelie "+tt.ends+" (f-1): INC-4711")
				wantError(t, err, rotator.CodeRefused, "cmkd unfreeze f-1")
				if rotator.AsError(err).Reason != rotator.ReasonFrozen {
					t.Errorf("reason is %s", rotator.AsError(err).Reason)
				}
				s.unfreeze("f-1")
				s.rotate()
				s.pass(time.Minute)
				s.wantVersions("++")
			})
		})
	}
}

// TestFreeze_OfSomethingElseStopsNothing.
func TestFreeze_OfSomethingElseStopsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.also = []rotator.Key{{Name: "other", ID: "https://fabrikam.vault.azure.net/keys/other"}}
		s.start()
		s.freeze(rotator.FreezeRequest{Key: "other"})
		s.freeze(rotator.FreezeRequest{Vault: "fabrikam"})
		s.rotate()
		s.pass(time.Minute)
		s.wantVersions("++")
	})
}

func TestFreeze_BadInput(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		for name, tt := range map[string]struct {
			r        rotator.FreezeRequest
			code     rotator.Code
			mentions string
		}{
			"no reason":     {rotator.FreezeRequest{Reason: " "}, rotator.CodeInvalid, "--reason"},
			"unknown key":   {rotator.FreezeRequest{Reason: "r", Key: "orders"}, rotator.CodeNotFound, "the keys are payments"},
			"unknown vault": {rotator.FreezeRequest{Reason: "r", Vault: "fabrikam"}, rotator.CodeNotFound, "the vaults are contoso.vault.azure.net"},
			"key and vault": {rotator.FreezeRequest{Reason: "r", Key: "payments", Vault: "contoso"}, rotator.CodeInvalid, "one vault or of one key"},
			"two ends":      {rotator.FreezeRequest{Reason: "r", For: time.Hour, Until: s.clock.Now().Add(time.Hour)}, rotator.CodeInvalid, "not both"},
			"in the past":   {rotator.FreezeRequest{Reason: "r", Until: s.clock.Now()}, rotator.CodeInvalid, "in the past"},
			"negative":      {rotator.FreezeRequest{Reason: "r", For: -time.Hour}, rotator.CodeInvalid, "in the past"},
			"too long":      {rotator.FreezeRequest{Reason: "r", For: 10000 * time.Hour}, rotator.CodeInvalid, "at most 366 days"},
		} {
			if _, err := s.engine.Freeze(s.t.Context(), tt.r); err == nil {
				t.Errorf("%s is taken", name)
			} else {
				wantError(t, err, tt.code, tt.mentions)
			}
		}
		s.wantFreezes("")
		_, err := s.engine.EndFreeze(s.t.Context(), "f-1", "bob", "r")
		wantError(t, err, rotator.CodeNotFound, "nor another")
		s.freeze(rotator.FreezeRequest{})
		_, err = s.engine.EndFreeze(s.t.Context(), "f-2", "bob", "r")
		wantError(t, err, rotator.CodeNotFound, "the freezes are f-1")
		_, err = s.engine.EndFreeze(s.t.Context(), "f-1", "bob", "")
		wantError(t, err, rotator.CodeInvalid, "--reason")
		s.wantFreezes("f-1")
	})
}

// TestFreeze_AScheduledRotationIsCaughtUp when it ends, as misfire says.
func TestFreeze_AScheduledRotationIsCaughtUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		misfire  rotator.Misfire
		holds    time.Duration
		versions string
		missed   int
	}{
		{rotator.MisfireCatchUp, time.Hour, "++", 0},
		{rotator.MisfireSkip, time.Hour, "+", 1},
		{rotator.MisfireAlert, time.Hour, "+", 1},
		{rotator.MisfireSkip, 28 * time.Minute, "++", 0}, // hardly late
	} {
		t.Run(fmt.Sprint(tt.misfire, " after ", tt.holds), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Schedule = schedule(t, "25 1 1 1 *", tt.misfire)
				s.start()
				s.freeze(rotator.FreezeRequest{For: tt.holds})
				s.pass(27 * time.Minute)
				s.wantVersions("+")
				s.restart(time.Second)
				s.pass(tt.holds)
				s.wantVersions(tt.versions)
				if got := len(s.events(rotator.EventScheduleMissed)); got != tt.missed {
					t.Errorf("%d times missed, want %d\n%s", got, tt.missed, s.log())
				}
			})
		})
	}
}

// TestFreeze_APendingRotationWaits, makes no call, and looks afresh when it goes on.
func TestFreeze_APendingRotationWaits(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.NoAccess = true })
		answer := make(chan struct{})
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "versions" {
				<-answer
			}
			return nil
		})
		op := s.rotate()
		s.pass(time.Second)
		s.freeze(rotator.FreezeRequest{})
		close(answer)
		s.pass(time.Hour)
		s.want(op, rotator.StatePending)
		s.wantWaiting(op, rotator.WaitFreeze, "frozen by amelie")
		s.restart(time.Minute)
		s.pass(time.Hour)
		s.wantWaiting(op, rotator.WaitFreeze, "frozen by amelie")
		s.wantVersions("+")
		s.wantFiring("")
		s.unfreeze("f-1")
		s.pass(time.Minute)
		s.want(op, rotator.StatePropagating)
		s.wantVersions("++")
	})
}

// TestFreeze_ACallThatIsOutIsAccountedFor: the version is one whether its answer comes or
// not, and there is no other.
func TestFreeze_ACallThatIsOutIsAccountedFor(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]*rotatortest.Fault{
		"answered": nil,
		"lost":     {Err: refused(rotator.CodeUnavailable, false), AfterEffect: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.onlyPinned()
				s.start()
				answer := make(chan struct{})
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call != "create" {
						return nil
					}
					<-answer
					return lost
				})
				op := s.rotate()
				s.pass(10 * time.Second)
				s.want(op, rotator.StateCreating)
				s.freeze(rotator.FreezeRequest{})
				close(answer)
				s.pass(10 * time.Minute)
				s.want(op, rotator.StatePropagating)
				s.wantVersions("++")
				if n := s.azure.Calls("apply"); n != 0 {
					t.Errorf("%d updates", n)
				}
			})
		})
	}
}

// TestFreeze_ATryThatFailedIsNotRepeated before it ends; whoever cancels meanwhile need
// not wait.
func TestFreeze_ATryThatFailedIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    *rotator.Error
		cancel bool
		end    rotator.OperationState
	}{
		"refused":                {refused(rotator.CodeThrottled, true), false, rotator.StatePropagating},
		"lost":                   {refused(rotator.CodeUnavailable, false), false, rotator.StatePropagating},
		"cancelled, refused":     {refused(rotator.CodeThrottled, true), true, rotator.StateCancelled},
		"cancelled, lost before": {refused(rotator.CodeUnavailable, false), true, rotator.StateCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.start()
				answer := make(chan struct{})
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call != "create" {
						return nil
					}
					<-answer
					return &rotatortest.Fault{Err: tt.err}
				})
				op := s.rotate()
				s.pass(10 * time.Second)
				s.freeze(rotator.FreezeRequest{})
				close(answer)
				s.pass(time.Hour)
				s.want(op, rotator.StateCreating)
				s.wantWaiting(op, rotator.WaitFreeze, "frozen by amelie")
				if n := s.azure.Calls("create"); n != 1 {
					t.Fatalf("%d calls that make a version", n)
				}
				lists := s.azure.Calls("versions")
				s.pass(time.Hour)
				if n := s.azure.Calls("versions") - lists; n > 20 {
					t.Errorf("%d lists in an hour", n)
				}
				s.restart(time.Minute)
				s.pass(time.Hour)
				s.wantWaiting(op, rotator.WaitFreeze, "frozen by amelie")
				s.wantFiring("")
				s.azure.FailWith(nil)
				if tt.cancel {
					s.cancel(op)
					s.pass(2 * time.Minute)
					s.want(op, tt.end)
					s.wantVersions("+")
				}
				s.unfreeze("f-1")
				s.pass(2 * time.Minute)
				s.want(op, tt.end)
			})
		})
	}
}

// TestFreeze_AnUpdateWaits: it is made when the freeze ends, and its dependent is not
// late because of it.
func TestFreeze_AnUpdateWaits(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *estate){
		"re-pin": func(*estate) {},
		"re-creation": func(s *estate) {
			s.key.Dependents[0].Recreate = true
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding = rotator.BindingFixed })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.onlyPinned()
				change(s)
				s.start()
				answer := make(chan struct{})
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call == "create" {
						<-answer
					}
					return nil
				})
				op := s.rotate()
				s.pass(10 * time.Second)
				s.freeze(rotator.FreezeRequest{Key: "payments"})
				close(answer)
				s.pass(72 * time.Hour)
				s.want(op, rotator.StatePropagating)
				s.wantTracker(op, storageID, rotator.TrackerWaiting, rotator.EvidenceNone)
				if p := s.tracker(op, storageID).Detail.Problem; p == nil || p.Code != rotator.ReasonFrozen || !strings.Contains(p.Message, "INC-4711") {
					t.Errorf("problem of the dependent: %v", p)
				}
				s.wantWaiting(op, rotator.WaitFreeze, "frozen by amelie")
				s.wantFiring("")
				s.restart(time.Hour)
				s.pass(time.Hour)
				if n := s.azure.Calls("apply"); n != 0 {
					t.Fatalf("%d updates", n)
				}
				s.unfreeze("f-1")
				s.pass(time.Second) // at once, not when it would be observed anyway
				if n := s.azure.Calls("apply"); n != 1 {
					t.Errorf("%d updates", n)
				}
				s.pass(time.Minute)
				s.wantTracker(op, storageID, rotator.TrackerDone, rotator.EvidenceConfirmed)
				s.wantFiring("")
				if n := s.azure.Calls("apply"); n != 1 {
					t.Errorf("%d updates", n)
				}
				s.pass(2 * time.Hour)
				s.ends(op)
			})
		})
	}
}

// TestFreeze_ARefusedUpdateStaysRefused: nobody has tried since, so nothing says that
// what it was refused for is over.
func TestFreeze_ARefusedUpdateStaysRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.onlyPinned()
		s.start()
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "apply" {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		op := s.rotate()
		s.pass(time.Minute)
		s.wantTracker(op, storageID, rotator.TrackerNeedsAction, rotator.EvidenceNone)
		before := s.firing()
		s.freeze(rotator.FreezeRequest{})
		s.pass(time.Hour)
		s.wantTracker(op, storageID, rotator.TrackerNeedsAction, rotator.EvidenceNone)
		s.wantFiring(before)
	})
}

// TestFreeze_ARetirementWaits: what everybody has left stays enabled, and is disabled
// when the freeze is over.
func TestFreeze_ARetirementWaits(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		op := s.rotate()
		s.pass(24*time.Hour + 30*time.Minute)
		s.want(op, rotator.StateSoaking)
		s.freeze(rotator.FreezeRequest{Vault: "contoso"})
		s.pass(24 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.wantWaiting(op, rotator.WaitFreeze, "frozen by amelie")
		s.wantFiring("")
		s.restart(time.Minute)
		s.pass(time.Hour)
		s.wantVersions("++")
		s.wantWaiting(op, rotator.WaitFreeze, "frozen by amelie")
		other := s.freeze(rotator.FreezeRequest{Key: "payments", For: time.Hour})
		s.unfreeze("f-1")
		s.pass(time.Minute)
		s.wantWaiting(op, rotator.WaitFreeze, other.ID)
		s.wantVersions("++")
		s.pass(time.Hour)
		s.completes(op)
		s.wantVersions("-+")
	})
}

// TestFreeze_APersonWhoRetiresIsRefused, also if the freeze comes while the guard looks.
func TestFreeze_APersonWhoRetiresIsRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Retire = rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(26 * time.Hour)
		answer, asked := make(chan struct{}), make(chan error)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "observe" {
				<-answer
			}
			return nil
		})
		ask := func() error {
			err := s.retiresAs("alice")
			return err
		}
		go func() { asked <- ask() }()
		s.pass(time.Second)
		s.freeze(rotator.FreezeRequest{})
		close(answer)
		wantError(t, <-asked, rotator.CodeRefused, "cmkd unfreeze f-1")
		s.pass(time.Hour)
		s.wantVersions("++")
		s.wantWaiting(op, rotator.WaitRetire, "")
		wantError(t, ask(), rotator.CodeRefused, "INC-4711")
		s.unfreeze("f-1")
		s.pass(time.Hour)
		s.wantVersions("++") // nobody has said it again
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		s.wantVersions("-+")
	})
}

// TestFreeze_DoesNotStopARevocation, nor the way back.
func TestFreeze_DoesNotStopARevocation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.TwoPerson = true
		s.start()
		s.rotate()
		s.pass(time.Minute)
		s.freeze(rotator.FreezeRequest{})
		op := s.revoke("alice")
		if _, err := s.engine.Approve(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "bob"}); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		s.wantVersions("--")
		s.pass(time.Hour)
		s.reinstate()
		s.pass(time.Minute)
		s.wantVersions("++")
	})
}
