package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// TestReinstatement_ARevocationInBetweenForgetsNoVersion: what the first revocation
// disabled and its reinstatement did not enable yet comes back with the second one.
func TestReinstatement_ARevocationInBetweenForgetsNoVersion(t *testing.T) {
	t.Parallel()
	for name, twoPerson := range map[string]bool{"by one person": false, "by two": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.azure.Outside(keyID)
				s.pass(time.Hour)
				s.start()
				s.revoke("alice")
				s.pass(2 * time.Hour)
				s.wantVersions("--")
				first := s.azure.List(keyID)[0].ID
				s.azure.FailWith(func(call, of string) *rotatortest.Fault {
					if call == "set-enabled" && of == first {
						return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
					}
					return nil
				})
				s.key.TwoPerson = twoPerson
				s.reload(s.key)
				s.reinstate()
				s.pass(10 * time.Second)
				s.wantVersions("-+")
				again := s.revoke("alice")
				if twoPerson {
					if _, err := s.engine.Approve(s.t.Context(), rotator.OperationRequest{Operation: again, Actor: "bob"}); err != nil {
						t.Fatal(err)
					}
				}
				s.azure.FailWith(nil)
				s.pass(2 * time.Hour)
				s.wantVersions("--")
				s.reinstate()
				s.pass(2 * time.Hour)
				s.wantVersions("++")
			})
		})
	}
}

// crowd is three keys of one vault that makes one version at a time, of which the first
// takes four minutes: the others stand in line for longer than their preflight is fresh.
func (s *estate) crowd() (ops []rotator.OperationID, keys []rotator.Key) {
	s.limits.RotationsPerVault = 1
	for _, name := range []string{"first", "second", "third"} {
		key := rotator.Key{Name: name, ID: rotator.KeyID("https://contoso.vault.azure.net/keys/" + name), Retire: rotator.RetireOff}
		s.azure.AddKey(key.ID)
		keys = append(keys, key)
	}
	s.start()
	s.reload(keys...)
	s.pass(time.Minute)
	var slow atomic.Bool
	s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
		if call == "create" && !slow.Swap(true) {
			<-time.After(4 * time.Minute)
		}
		return nil
	})
	for i := range keys {
		ops = append(ops, s.rotateKey(keys[i].Name))
		s.pass(10 * time.Second)
	}
	s.pass(time.Minute)
	return ops, keys
}

// TestVault_ThePlaceOfOneThatGaveUpIsTheNexts: the line moves on however the place
// became free.
func TestVault_ThePlaceOfOneThatGaveUpIsTheNexts(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *estate, ops []rotator.OperationID, keys []rotator.Key){
		"its preflight fails": func(s *estate, _ []rotator.OperationID, keys []rotator.Key) {
			s.azure.Enable(keys[1].ID, s.azure.List(keys[1].ID)[0].ID, false)
			s.pass(4 * time.Minute)
		},
		"its versions cannot be read": func(s *estate, _ []rotator.OperationID, keys []rotator.Key) {
			s.azure.FailWith(func(call, of string) *rotatortest.Fault {
				if call == "versions" && of == string(keys[1].ID) {
					return &rotatortest.Fault{Err: refused(rotator.CodeUnavailable, true)}
				}
				return nil
			})
			s.pass(4 * time.Minute)
		},
		"it is cancelled while it looks again": func(s *estate, ops []rotator.OperationID, keys []rotator.Key) {
			s.azure.FailWith(func(call, of string) *rotatortest.Fault {
				if call == "versions" && of == string(keys[1].ID) {
					<-time.After(30 * time.Second)
				}
				return nil
			})
			s.pass(2*time.Minute + 45*time.Second)
			s.want(ops[1], rotator.StatePending)
			s.cancel(ops[1])
			s.pass(time.Minute)
		},
		"it is taken out of the configuration while it looks again": func(s *estate, ops []rotator.OperationID, keys []rotator.Key) {
			s.azure.FailWith(func(call, of string) *rotatortest.Fault {
				if call == "versions" && of == string(keys[1].ID) {
					<-time.After(30 * time.Second)
				}
				return nil
			})
			s.pass(2*time.Minute + 45*time.Second)
			s.reload(keys[0], keys[2])
			s.pass(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				ops, keys := s.crowd()
				s.want(ops[2], rotator.StatePending)
				spoil(s, ops, keys)
				s.pass(5 * time.Minute)
				s.completes(ops[0])
				if op := s.operation(ops[2]); op.State != rotator.StateCompleted {
					t.Errorf("%s is %s (%s) while nobody is ahead of it\n%s", ops[2], op.State, op.Waiting, s.log())
				}
			})
		})
	}
}

// TestReload_RetireManualForAWhileNeedsAFreshLook: what the guard saw before somebody
// was to be asked is old once nobody is.
func TestReload_RetireManualForAWhileNeedsAFreshLook(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents = s.key.Dependents[:1]
		s.key.Soak = 0
		s.start()
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.want(op, rotator.StatePropagating)
		var slow atomic.Bool
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "versions" && slow.Load() {
				<-time.After(30 * time.Second)
			}
			return nil
		})
		slow.Store(true)
		for s.operation(op).State != rotator.StateRetiring {
			s.pass(time.Second)
		}
		s.key.Retire = rotator.RetireManual
		s.reload(s.key)
		s.pass(time.Minute)
		s.want(op, rotator.StateRetiring)
		slow.Store(false)
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.Binding, r.Pinned = rotator.BindingFixed, firstVersion
		})
		s.pass(24 * time.Hour)
		s.key.Retire = rotator.RetireAuto
		s.reload(s.key)
		s.pass(time.Hour)
		s.wantVersions("++")
	})
}

// TestReload_RetireOffBetweenTwoVersions: the second one stays enabled.
func TestReload_RetireOffBetweenTwoVersions(t *testing.T) {
	t.Parallel()
	for _, retire := range []rotator.Retire{rotator.RetireOff, rotator.RetireManual} {
		t.Run(string(retire), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.key.Dependents, s.key.Retire, s.key.Soak = s.key.Dependents[:1], rotator.RetireManual, 0
				s.start()
				first := s.rotate()
				s.pass(2 * time.Hour)
				s.cancel(first)
				s.key.Retire = rotator.RetireAuto
				s.reload(s.key)
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call == "set-enabled" {
						<-time.After(30 * time.Second)
					}
					return nil
				})
				second := s.rotate()
				for s.operation(second).Waiting.For != rotator.WaitDisabled {
					s.pass(time.Second)
				}
				s.key.Retire = retire
				s.reload(s.key)
				s.pass(2 * time.Hour)
				if n := s.azure.Calls("set-enabled"); n != 1 {
					t.Errorf("%d versions were disabled, want the one whose call was out\n%s", n, s.log())
				}
				if retire == rotator.RetireOff {
					s.completes(second)
					if got := s.status("payments").Unretired; len(got) != 1 {
						t.Errorf("unretired are %v, want the one that is enabled", got)
					}
				}
			})
		})
	}
}

// TestReload_ADependentTakenOutIsOneThatNobodyListed: if a search finds that it uses
// the key, it blocks like any other.
func TestReload_ADependentTakenOutIsOneThatNobodyListed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 }) // never switches
		s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Minute}})
		s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}, {ID: otherKeys, Kind: "follower"}}
		s.key.Discover = []string{subscription}
		s.start()
		op := s.rotate()
		s.pass(30 * time.Minute)
		s.want(op, rotator.StatePropagating)
		s.key.Dependents = s.key.Dependents[1:]
		s.reload(s.key)
		s.pass(48 * time.Hour)
		s.wantVersions("++")
		s.restart(time.Minute)
		s.pass(48 * time.Hour)
		s.wantVersions("++")
	})
}

// TestKeys_AnOperationBesideAnotherIsRenamedToo: the second person approves what the
// key is called now.
func TestKeys_AnOperationBesideAnotherIsRenamedToo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		rotation, revocation := s.requestRevocation()
		s.reload(s.under(renamed))
		s.pass(time.Minute)
		for _, op := range []rotator.OperationID{rotation, revocation} {
			if got := s.operation(op).Key; got != renamed {
				t.Errorf("%s is of %s, which is called %s now", op, got, renamed)
			}
		}
	})
}

// TestRevocation_ARequestIsNotCalledARevocation: the key is not revoked, and the hint
// can be carried out.
func TestRevocation_ARequestIsNotCalledARevocation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.TwoPerson = true
		s.start()
		op := s.revoke("alice")
		_, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "bob"})
		wantError(t, err, rotator.CodeConflict, "cmkd cancel "+op.String())
		_, err = s.engine.Revoke(s.t.Context(), rotator.RevokeRequest{Request: rotator.Request{Key: "payments", Actor: "bob"}, Confirm: "payments"})
		wantError(t, err, rotator.CodeConflict, "cmkd approve "+op.String())
	})
}

// TestRetire_ASuccessThatArrivesLateIsOne: a version that is disabled by us is known as
// such, whatever happened to the rotation meanwhile.
func TestRetire_ASuccessThatArrivesLateIsOne(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		s.start()
		op := s.rotate()
		var out atomic.Bool
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "set-enabled" {
				out.Store(true)
				<-time.After(11 * time.Minute) // until the key was watched
			}
			return nil
		})
		for !out.Load() {
			s.pass(time.Second)
		}
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
		s.azure.Outside(keyID)
		s.pass(10 * time.Minute)
		s.want(op, rotator.StatePropagating)
		s.wantVersions("+++")
		s.pass(2 * time.Minute)
		s.wantVersions("-++")
		if got := s.operation(op); len(got.Retired) != 1 || len(s.events(rotator.EventVersionDisabled)) != 1 {
			t.Errorf("the vault disabled a version for %s, which says %v (%s)\n%s", op, got.Retired, got.State, s.log())
		}
	})
}

// firstVersion is the one that the key of the estate has from the beginning.
const firstVersion = "00000000000000000000000000000001"
