package engine_test

import (
	"slices"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// attest has a person say that a dependent of payments needs the old version no more.
func (s *estate) attest(dependent, actor string) (rotator.Attestation, error) {
	return s.engine.Attest(s.t.Context(), rotator.AttestRequest{
		Key: "payments", Dependent: dependent, Actor: actor, Reason: "looked at it", Until: s.clock.Now().Add(30 * 24 * time.Hour),
	})
}

// wantObjection checks what the guard says to a person who retires.
func (s *estate) wantObjection(actor string, want rotator.Reason) {
	s.t.Helper()
	_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: actor})
	if e := rotator.AsError(err); err == nil || e.Reason != want {
		s.t.Fatalf("retire: %v (%s), want %s\n%s", err, e.Reason, want, s.log())
	}
}

// TestBlindSpot_BlocksUntilAttested: what cannot be seen holds a retirement, also one that
// a person asks for, until another person attests.
func TestBlindSpot_BlocksUntilAttested(t *testing.T) {
	t.Parallel()
	for _, retire := range []rotator.Retire{rotator.RetireAuto, rotator.RetireManual} {
		inBubble(t, func(s *estate) {
			s.uses()
			s.blind()
			s.key.Retire = retire
			s.start()
			op := s.rotate()
			s.pass(5 * time.Hour)
			s.want(op, rotator.StateRetiring)
			s.wantVersions("++")
			s.wantObjection("carol", rotator.ReasonBlindSpot)
			if a, err := s.attest("storage", "bob"); err != nil || a.ID != "a-1" || !slices.Equal(a.BlindSpots, []string{"backups"}) || a.Binding != rotator.BindingFollows {
				t.Fatalf("attestation %+v, %v", a, err)
			}
			s.pass(time.Minute)
			if retire == rotator.RetireManual {
				s.want(op, rotator.StateRetiring)
				s.wantObjection("bob", rotator.ReasonAttestedByRetirer)
				s.retire()
			}
			s.ends(op)
			s.wantVersions("-+")
		})
	}
}

// TestBlindSpot_OfLater: an attestation says nothing of what could be seen when it was
// made.
func TestBlindSpot_OfLater(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.blind()
		s.key.Retire = rotator.RetireManual
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.attests("storage", "bob")
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Blind = []string{"backups", "nodes"} })
		s.wantObjection("carol", rotator.ReasonBlindSpot)
		s.want(op, rotator.StateRetiring)
	})
}

// TestUnseen_BlocksUntilAttested: who is excluded, and what cmkd cannot read, holds a
// retirement until a person attests.
func TestUnseen_BlocksUntilAttested(t *testing.T) {
	t.Parallel()
	for _, unseen := range []rotator.Dependent{
		{ID: "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/registries/reg", Kind: "follower", Name: "reg", Excluded: "cannot be followed"},
		{ID: "the tape library", Kind: rotator.KindManual, Name: "reg"},
	} {
		inBubble(t, func(s *estate) {
			s.uses()
			s.key.Dependents = append(s.key.Dependents, unseen)
			s.start()
			op := s.rotate()
			s.pass(5 * time.Hour)
			s.want(op, rotator.StateRetiring)
			s.wantVersions("++")
			s.wantObjection("carol", rotator.ReasonNotAttested)
			s.attests("reg", "bob")
			s.pass(time.Minute)
			s.ends(op)
			s.wantVersions("-+")
		})
	}
}

// TestInferred_WaitsForAPerson: that the documented time has passed retires nothing by
// itself, and a person may say that it is enough, or another that it was looked at.
func TestInferred_WaitsForAPerson(t *testing.T) {
	t.Parallel()
	for name, consent := range map[string]func(s *estate){
		"retires": func(s *estate) { s.retire() },
		"attests": func(s *estate) {
			s.attests("cosmos", "bob")
			s.pass(time.Minute)
		},
	} {
		inBubble(t, func(s *estate) {
			s.start()
			op := s.rotate()
			s.pass(14 * 24 * time.Hour)
			got := s.want(op, rotator.StateRetiring)
			s.wantVersions("++")
			if got.Doubt == nil || got.Doubt.Code != rotator.ReasonDependentInferred || !got.AwaitsRetirement() {
				t.Fatalf("%s: doubt %v", name, got.Doubt)
			}
			s.restart(time.Minute)
			consent(s)
			s.ends(op)
			s.wantVersions("-+")
		})
	}
}

// TestAttestation_Ends: one that ended, or was taken back, does not count; nor does it
// come back.
func TestAttestation_Ends(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *estate, a rotator.Attestation){
		"by its time": func(s *estate, _ rotator.Attestation) { s.pass(31 * 24 * time.Hour) },
		"taken back": func(s *estate, a rotator.Attestation) {
			if _, err := s.engine.WithdrawAttestation(s.t.Context(), a.ID, "bob", "was wrong"); err != nil {
				s.t.Fatal(err)
			}
			if _, err := s.engine.WithdrawAttestation(s.t.Context(), a.ID, "bob", ""); rotator.CodeOf(err) != rotator.CodeConflict {
				s.t.Errorf("taken back twice: %v", err)
			}
		},
		"contradicted by the version in use": func(s *estate, _ rotator.Attestation) {
			old := s.azure.List(keyID)[0].ID
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding, r.Pinned = rotator.BindingPinned, old })
			s.look()
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Binding = rotator.BindingFollows })
			s.pass(3 * time.Hour)
		},
		"contradicted by a version that is held": func(s *estate, _ rotator.Attestation) {
			old := s.azure.List(keyID)[0].ID
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Held = []string{old} })
			s.look()
			s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Held = nil })
			s.pass(3 * time.Hour)
		},
	} {
		inBubble(t, func(s *estate) {
			s.uses()
			s.blind()
			s.key.Retire = rotator.RetireManual
			s.start()
			s.rotate()
			s.pass(5 * time.Hour)
			a, err := s.attest("storage", "bob")
			if err != nil {
				t.Fatal(err)
			}
			end(s, a)
			if err := s.retiresAs("carol"); rotator.AsError(err).Reason != rotator.ReasonBlindSpot {
				t.Errorf("%s: retire: %v\n%s", name, err, s.log())
			}
			s.wantVersions("++")
		})
	}
}

// look has the guard look at everything, whatever it says.
func (s *estate) look() {
	_, _ = s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "carol"})
	s.pass(time.Minute)
}

func TestAttestation_Refused(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = 2 * time.Hour })
		s.start()
		soon := s.clock.Now().Add(24 * time.Hour)
		ask := func(change func(r *rotator.AttestRequest)) error {
			r := rotator.AttestRequest{Key: "payments", Dependent: "storage", Actor: "bob", Reason: "looked", Until: soon}
			change(&r)
			_, err := s.engine.Attest(s.t.Context(), r)
			return err
		}
		wantError(t, ask(func(*rotator.AttestRequest) {}), rotator.CodeConflict, "nothing to attest")
		s.rotate()
		s.pass(10 * time.Minute)
		wantError(t, ask(func(*rotator.AttestRequest) {}), rotator.CodeRefused, "uses version")
		wantError(t, ask(func(r *rotator.AttestRequest) { r.Key = "other" }), rotator.CodeNotFound, "other")
		wantError(t, ask(func(r *rotator.AttestRequest) { r.Dependent = "other" }), rotator.CodeNotFound, "other")
		wantError(t, ask(func(r *rotator.AttestRequest) { r.Reason = " " }), rotator.CodeInvalid, "--reason")
		wantError(t, ask(func(r *rotator.AttestRequest) { r.Until = s.clock.Now() }), rotator.CodeInvalid, "--until")
		wantError(t, ask(func(r *rotator.AttestRequest) { r.Until = soon.AddDate(2, 0, 0) }), rotator.CodeInvalid, "--until")
		_, err := s.engine.WithdrawAttestation(s.t.Context(), "a-9", "bob", "")
		wantError(t, err, rotator.CodeNotFound, "a-9")
	})
}

// TestAttestation_SurvivesARestart: and is of the versions that it was made for.
func TestAttestation_SurvivesARestart(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.uses()
		s.blind()
		s.key.Retire = rotator.RetireManual
		s.start()
		s.rotate()
		s.pass(5 * time.Hour)
		s.attests("storage", "bob")
		s.restart(time.Minute)
		s.retire()
		s.wantVersions("-+")
		s.ends(s.last())
		s.rotate()
		s.pass(5 * time.Hour)
		s.wantObjection("carol", rotator.ReasonBlindSpot) // of the version before it says nothing
		if all, err := s.engine.Attestations(s.t.Context(), "payments"); err != nil || len(all) != 1 || all[0].Reason != "looked at it" {
			t.Errorf("attestations %+v, %v", all, err)
		}
	})
}

// TestRetirement_AwaitedForTooLong: nobody is woken when a person is needed, only when that
// lasts; a restart does not begin the wait again.
func TestRetirement_AwaitedForTooLong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.alerting.RetireAfter = 48 * time.Hour
		s.start()
		op := s.rotate()
		for got := s.operation(op); !got.AwaitsRetirement(); got = s.operation(op) {
			s.pass(time.Hour)
		}
		s.pass(46 * time.Hour)
		s.wantFiring("")
		s.restart(time.Minute)
		s.pass(2 * time.Hour)
		s.wantFiring("retirement-blocked/op-1/awaits-retirement")
		s.retire()
		s.ends(op)
		s.wantFiring("")
	})
}

// TestAttestation_WhoMayRetire on the word of whom.
func TestAttestation_WhoMayRetire(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		blind   bool
		by      []string
		retirer string
		refused bool
	}{
		"either of two who attested":      {true, []string{"bob", "carol"}, "bob", false},
		"one on whose word nothing rests": {false, []string{"bob"}, "bob", false},
		"one person of two names":         {true, []string{"bob (uid 1000)"}, "uid 1000", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				if s.uses(); tt.blind {
					s.blind()
				}
				s.key.Retire = rotator.RetireManual
				s.start()
				s.rotate()
				s.pass(5 * time.Hour)
				for _, who := range tt.by {
					s.attests("storage", who)
				}
				s.pass(time.Minute)
				if err := s.retiresAs(tt.retirer); (err != nil) != tt.refused {
					t.Errorf("%s retires: %v, versions %s", tt.retirer, err, s.enabled())
				}
			})
		})
	}
}

// TestAttestation_OfOneThatWasTakenOut keeps nobody from retiring.
func TestAttestation_OfOneThatWasTakenOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Retire = rotator.RetireManual
		s.key.Dependents[1].Excluded = "read by hand"
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Microsoft = true })
		s.start()
		op := s.rotate()
		s.pass(5 * time.Hour)
		s.attests("cosmos", "bob")
		k := s.key
		k.Dependents = k.Dependents[:1]
		s.reload(k)
		s.pass(time.Hour)
		err := s.retiresAs("bob")
		if err != nil {
			t.Errorf("%v; %s\n%s", err, s.operation(op).State, s.log())
		}
	})
}

// TestAttest_WhatHasEndedDoesNotBeginAgain sets the clock back behind the end of an attestation.
func TestAttest_WhatHasEndedDoesNotBeginAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Dependents, s.key.Soak = s.key.Dependents[:1], 0
		s.blind()
		s.start()
		op := s.rotate()
		s.pass(3 * time.Hour)
		s.freeze(rotator.FreezeRequest{Reason: "fair"})
		a, err := s.engine.Attest(s.t.Context(), rotator.AttestRequest{Key: "payments", Dependent: "storage", Actor: "bob", Reason: "looked", For: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		s.pass(2 * time.Hour)
		s.unfreeze("f-1")
		s.pass(time.Hour)
		if s.enabled() != "++" {
			t.Fatal("retired on an attestation that has ended")
		}
		_ = a
		s.clock.jump(-150 * time.Minute)
		s.pass(2 * time.Hour)
		if s.enabled() != "++" {
			t.Errorf("%s: retired on an attestation that had ended\n%s", s.operation(op).State, s.log())
		}
	})
}

// TestAttestation_ThatWasWrong has the service say that it lacks the version, and the retirement be rolled back: the same word does not do again.
func TestAttestation_ThatWasWrong(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.etcd()
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 5*time.Minute })
		s.start()
		op := s.rotate()
		s.pass(8 * time.Hour)
		s.want(op, rotator.StateRetiring)
		s.attests("storage", "bob")
		if err := s.retiresAs("carol"); err != nil {
			t.Fatal(err)
		}
		s.pass(4 * time.Hour)
		if len(s.events(rotator.EventRetirementRolledBack)) != 1 {
			t.Fatal(s.log())
		}
		s.want(op, rotator.StateRetiring)
		err := s.retiresAs("carol")
		s.pass(time.Minute)
		if s.enabled() != "++" {
			t.Errorf("%s (%v): disabled again, on a word that the service has contradicted", s.enabled(), err)
		}
	})
}
