package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
	"cmkd/rotator/rotatortest"
)

// ruleCase says how one rule is made to fire, and how it is mended.
type ruleCase struct {
	// prepare changes the estate before the daemon starts.
	prepare func(s *estate)
	// trouble begins the trouble. It returns when the condition is the case: the
	// alert has to fire within a poll interval of that.
	trouble func(s *estate) time.Time
	poll    time.Duration
	// id is that of the alert, or those in order; also are ids of alerts that begin with
	// it and end by themselves within half an hour.
	id, also string
	mend     func(s *estate)
	// mended is how long it may take until it is over.
	mended time.Duration
}

// once returns the trouble that begins at once.
func once(f func(s *estate)) func(s *estate) time.Time {
	return func(s *estate) time.Time {
		f(s)
		return s.clock.Now()
	}
}

// rotating begins a rotation, and then the trouble.
func rotating(f func(s *estate)) func(s *estate) time.Time {
	return once(func(s *estate) {
		s.rotate()
		s.pass(time.Minute)
		f(s)
	})
}

func change(f func(*rotatortest.Resource)) func(s *estate) {
	return func(s *estate) { s.azure.Change(storageID, f) }
}

var broken = &rotator.Problem{Code: "KeyVaultAccessError", Message: "the service cannot wrap its key", Hint: "grant it the role"}

func ruleCases(t *testing.T) map[rotator.Rule]ruleCase {
	daily := schedule(t, "0 3 * * *", rotator.MisfireAlert)
	mendProblem := change(func(r *rotatortest.Resource) { r.Problem, r.Delay = nil, time.Minute })
	return map[rotator.Rule]ruleCase{
		rotator.RulePropagationStalled: {
			trouble: func(s *estate) time.Time {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
				return s.operation(s.rotateNow()).Target.Created.Add(time.Hour) // the window of its kind
			},
			poll: time.Minute, id: "propagation-stalled/op-1/follower",
			mend: change(func(r *rotatortest.Resource) { r.Delay = time.Minute }), mended: 2 * time.Minute,
		},
		rotator.RuleNeedsAction: {
			trouble: rotating(change(func(r *rotatortest.Resource) { r.Problem, r.Delay = broken, -1 })),
			poll:    time.Minute, id: "needs-action/op-1/KeyVaultAccessError", mend: mendProblem, mended: 5 * time.Minute,
		},
		rotator.RuleAutoRotationError: {
			trouble: rotating(change(func(r *rotatortest.Resource) {
				r.Delay = -1
				r.Problem = &rotator.Problem{Code: "KeyVaultKeyNotFound", Message: "not found", Class: rotator.ClassAutoRotation}
			})),
			poll: time.Minute, id: "auto-rotation-error/op-1/KeyVaultKeyNotFound", mend: mendProblem, mended: 5 * time.Minute,
		},
		rotator.RuleUnreachable: {
			trouble: rotating(change(func(r *rotatortest.Resource) { r.Gone = true })),
			poll:    time.Minute, id: "dependent-unreachable/op-1/not-found",
			mend: change(func(r *rotatortest.Resource) { r.Gone = false }), mended: 5 * time.Minute,
		},
		rotator.RulePermissionLost: {
			trouble: rotating(change(func(r *rotatortest.Resource) { r.Forbidden = true })),
			poll:    time.Minute, id: "permission-lost/op-1/forbidden",
			mend: change(func(r *rotatortest.Resource) { r.Forbidden = false }), mended: 5 * time.Minute,
		},
		rotator.RuleOperationFailed: {
			trouble: once(func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = true })
				s.rotate()
			}),
			poll: time.Second, id: "operation-failed/contoso.vault.azure.net/payments/op-1",
			mend: func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Gone = false })
				s.rotate()
			},
			mended: time.Second,
		},
		rotator.RuleScheduleMissed: {
			prepare: func(s *estate) { s.key.Schedule = daily },
			trouble: once(func(s *estate) {
				s.stop()
				s.pass(24 * time.Hour)
				s.start()
			}),
			poll: time.Second, id: "schedule-missed/contoso.vault.azure.net/payments/schedule-missed",
			mend: func(s *estate) { s.rotate() }, mended: time.Second,
		},
		rotator.RulePreflightFailing: {
			prepare: func(s *estate) {
				s.key.Schedule = schedule(s.t, "0 3 5 1 *", rotator.MisfireCatchUp)
				s.alerting.PreflightAhead = 365 * 24 * time.Hour
			},
			trouble: once(change(func(r *rotatortest.Resource) { r.Gone = true })),
			poll:    time.Hour + 10*time.Minute, id: "preflight-failing/contoso.vault.azure.net/payments/not-found",
			mend: change(func(r *rotatortest.Resource) { r.Gone = false }), mended: 20 * time.Minute,
		},
		rotator.RuleVersionExpiring: {
			prepare: func(s *estate) {
				s.alerting.ExpiryAhead = 30 * 24 * time.Hour
				s.azure.Expire(keyID, s.clock.Now().Add(33*24*time.Hour))
			},
			trouble: func(s *estate) time.Time { return s.azure.List(keyID)[0].Expires.Add(-s.alerting.ExpiryAhead) },
			poll:    10 * time.Minute, id: "version-expiring/contoso.vault.azure.net/payments",
			mend: func(s *estate) { s.rotate() }, mended: time.Minute,
		},
		rotator.RuleRolledBack: {
			prepare: func(s *estate) { s.key.Soak = 0 },
			trouble: func(s *estate) time.Time {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs, r.Delay = firstVersion, 10*time.Minute })
				s.rotateNow()
				for s.enabled()[0] == '+' {
					s.pass(time.Second)
				}
				return s.clock.Now().Add(10 * time.Minute)
			},
			poll: time.Minute + 10*time.Second, id: "frozen-by-cmkd/daemon/f-1 retirement-rolled-back/op-1/retirement-rolled-back",
			also: "access-lost/op-1/access-denied",
			mend: func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Needs = "" })
				s.unfreeze("f-1")
				s.pass(30 * time.Minute)
				s.retire()
			},
			mended: 2 * time.Hour,
		},
		rotator.RuleVersionExpired: {
			prepare: func(s *estate) { s.azure.Expire(keyID, s.clock.Now().Add(time.Hour)) },
			trouble: func(s *estate) time.Time { return s.azure.List(keyID)[0].Expires },
			poll:    5 * time.Minute, id: "version-expired/contoso.vault.azure.net/payments/" + firstVersion,
			mend: func(s *estate) { s.rotate() }, mended: time.Hour + 5*time.Minute,
		},
		rotator.RulePolicyConflict: {
			prepare: func(s *estate) { s.key.Schedule = schedule(s.t, "0 3 5 1 *", rotator.MisfireCatchUp) },
			trouble: once(func(s *estate) {
				s.azure.SetPolicy(keyID, rotator.RotationPolicy{Rotate: "P90D after creation"})
			}),
			poll: 6*time.Hour + 10*time.Minute, id: "policy-conflict/contoso.vault.azure.net/payments",
			mend: func(s *estate) { s.azure.SetPolicy(keyID, rotator.RotationPolicy{}) }, mended: 6*time.Hour + 10*time.Minute,
		},
		rotator.RuleRevocationStalled: {
			trouble: func(s *estate) time.Time {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
				id := s.revoke("alice")
				s.pass(time.Second)
				return s.operation(id).Effect.Add(time.Hour) // as its kind documents
			},
			poll: time.Minute, id: "revocation-stalled/op-1/follower",
			mend: change(func(r *rotatortest.Resource) { r.Delay = time.Minute }), mended: 2 * time.Minute,
		},
		rotator.RuleRevocationUndone: {
			trouble: func(s *estate) time.Time {
				s.revoke("alice")
				s.pass(2 * time.Hour)
				s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, true)
				return s.clock.Now()
			},
			poll: time.Minute, id: "revocation-undone/op-1/revocation-undone",
			mend: func(s *estate) { s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, false) }, mended: time.Minute,
		},
		rotator.RuleRetirementBlocked: {
			prepare: func(s *estate) {
				s.key.Discover = []string{subscription}
				s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Key += "-other" })
			},
			trouble: func(s *estate) time.Time {
				s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
					if call == "find" {
						return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
					}
					return nil
				})
				op := s.rotateNow()
				for s.operation(op).State != rotator.StateRetiring {
					s.pass(time.Minute)
				}
				return s.clock.Now()
			},
			poll: time.Minute, id: "retirement-blocked/op-1/inventory-incomplete",
			mend: func(s *estate) { s.azure.FailWith(nil) }, mended: 16 * time.Minute,
		},
		rotator.RuleKeyUnusable: {
			trouble: once(func(s *estate) { s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, false) }),
			poll:    10 * time.Minute, id: "key-unusable/contoso.vault.azure.net/payments/current-version-disabled",
			mend: func(s *estate) { s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, true) }, mended: 10 * time.Minute,
		},
		rotator.RuleVersionTampered: {
			prepare: func(s *estate) { s.azure.Outside(keyID); s.pass(time.Hour) },
			trouble: once(func(s *estate) { s.azure.Enable(keyID, firstVersion, false) }),
			poll:    5 * time.Minute, id: "version-tampered/contoso.vault.azure.net/payments/" + firstVersion,
			mend: func(s *estate) { s.azure.Enable(keyID, firstVersion, true) }, mended: 5 * time.Minute,
		},
		rotator.RuleUsedTampered: {
			trouble: func(s *estate) time.Time {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 })
				s.key.Dependents[0].Window = 12 * time.Hour
				s.reload(s.key)
				s.rotate()
				s.pass(15 * time.Minute)
				s.azure.Enable(keyID, firstVersion, false)
				return s.clock.Now()
			},
			poll: 5 * time.Minute, id: "used-version-tampered/contoso.vault.azure.net/payments/" + firstVersion,
			mend: func(s *estate) { s.azure.Enable(keyID, firstVersion, true) }, mended: 5 * time.Minute,
		},
		rotator.RuleDrift: {
			prepare: func(s *estate) { s.azure.Outside(keyID); s.pass(time.Hour) },
			trouble: once(change(func(r *rotatortest.Resource) {
				r.Binding, r.Pinned = rotator.BindingPinned, "00000000000000000000000000000002"
			})),
			poll: 6 * time.Hour, id: "drift/contoso.vault.azure.net/payments/binding-changed",
			mend: change(func(r *rotatortest.Resource) { r.Binding = rotator.BindingFollows }), mended: time.Hour,
		},
		rotator.RuleAccessLost: {
			trouble: once(change(func(r *rotatortest.Resource) { r.Denied = true })),
			poll:    6 * time.Hour, id: "access-lost/contoso.vault.azure.net/payments/access-denied",
			mend: change(func(r *rotatortest.Resource) { r.Denied = false }), mended: time.Hour,
		},
		rotator.RuleStoreNearFull: {
			trouble: once(func(s *estate) { s.store.SetSpace(rotator.Space{Used: 1 << 20, Free: 1 << 20, Total: 1 << 40}) }),
			poll:    time.Minute, id: "store-near-full/daemon",
			mend: func(s *estate) { s.store.SetSpace(rotator.Space{Used: 1 << 20, Free: 1 << 39, Total: 1 << 40}) }, mended: time.Minute,
		},
		rotator.RuleStoreBlocked: {
			trouble: once(func(s *estate) {
				s.store.Hook(func(*rotator.Change) error { return rotator.ErrStoreFull }, nil)
				_, _ = s.engine.Rotate(s.t.Context(), rotator.Request{Key: "payments", Actor: "alice"})
			}),
			poll: time.Second, id: "store-blocked/daemon",
			mend: func(s *estate) { s.store.Hook(nil, nil) }, mended: 3 * time.Minute,
		},
		rotator.RuleFrozenByDaemon: {
			trouble: rotating(func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = -1 }) // gets no access back
				for _, enabled := range []bool{false, true} {
					s.azure.Enable(keyID, s.azure.List(keyID)[0].ID, enabled)
				}
			}),
			poll: time.Minute, id: "access-lost/op-1/access-denied frozen-by-cmkd/daemon/f-1",
			mend: func(s *estate) {
				s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Delay = time.Minute })
				s.unfreeze("f-1")
			},
			mended: 16 * time.Minute,
		},
		rotator.RuleFreezeLasting: {
			trouble: func(s *estate) time.Time {
				made := s.freeze(rotator.FreezeRequest{}).Made
				s.pass(alerting.FreezeLong - time.Minute)
				return made.Add(alerting.FreezeLong)
			},
			poll: time.Minute, id: "freeze-lasting/daemon/f-1",
			mend: func(s *estate) { s.unfreeze("f-1") }, mended: time.Minute,
		},
		rotator.RuleClockJumped: {
			trouble: once(func(s *estate) { s.clock.jump(-5 * time.Minute) }),
			poll:    10 * time.Second, id: "clock-jumped/daemon",
			mend: func(*estate) {}, mended: time.Hour + time.Minute,
		},
	}
}

// rotateNow begins a rotation and waits until its version is made.
func (s *estate) rotateNow() rotator.OperationID {
	id := s.rotate()
	s.pass(time.Second)
	return id
}

// TestRules has every rule fire within one poll interval of its condition, once,
// and end once it is mended; in between the receiver is told of exactly that, also
// over a restart.
func TestRules(t *testing.T) {
	t.Parallel()
	cases := ruleCases(t)
	for _, info := range alerting.Rules() {
		if _, ok := cases[info.Rule]; !ok {
			t.Errorf("rule %s has no test", info.Rule)
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(cases)) {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) { fireAndMend(s, cases[rule]) })
		})
	}
}

// settlingTime is how long a condition may take to be committed and published once
// it was seen.
const settlingTime = 2 * time.Second

func fireAndMend(s *estate, c ruleCase) {
	receiver := s.listen()
	s.key.Dependents = s.key.Dependents[:1]
	s.store.SetSpace(rotator.Space{Used: 1 << 20, Free: 1 << 39, Total: 1 << 40})
	if c.prepare != nil {
		c.prepare(s)
	}
	s.start()
	s.pass(11 * time.Minute)
	s.wantFiring("")
	since := c.trouble(s)
	want := strings.TrimSpace(c.also + " " + c.id)
	for s.firing() != want && s.clock.Now().Before(since.Add(c.poll+settlingTime)) {
		s.pass(time.Second)
	}
	s.wantFiring(want)
	if now := s.clock.Now(); now.Before(since) {
		s.t.Errorf("fires %s before the condition is the case", since.Sub(now))
	}
	s.pass(time.Minute)
	s.wantHeard(receiver, each("firing ", c.id+" "+c.also)...)
	if c.id != "store-blocked/daemon" { // which a restart would not survive
		s.restart(time.Minute)
	}
	s.pass(30 * time.Minute)
	s.wantFiring(c.id)
	s.wantHeard(receiver, each("resolved ", c.also)...)
	c.mend(s)
	for begin := s.clock.Now(); s.firing() != "" && s.clock.Now().Before(begin.Add(c.mended+settlingTime)); {
		s.pass(time.Second)
	}
	s.wantFiring("")
	s.pass(time.Minute)
	s.wantHeard(receiver, each("resolved ", c.id)...)
}

// each puts a word before each of the ids.
func each(word, ids string) (all []string) {
	for id := range strings.FieldsSeq(ids) {
		all = append(all, word+id)
	}
	return all
}

func (s *estate) wantHeard(r *rotatortest.Receiver, want ...string) {
	s.t.Helper()
	got := r.Heard()
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		s.t.Fatalf("the receiver heard %q, want %q\n%s", got, want, s.log())
	}
}

// TestRules_SilentWhileAllIsWell rotates on schedule, retires, revokes and
// reinstates a healthy key, stops and starts in between, and hears nothing.
func TestRules_SilentWhileAllIsWell(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		receiver := s.listen()
		s.alerting.PreflightAhead, s.alerting.ExpiryAhead = 24*time.Hour, 30*24*time.Hour
		s.key.Schedule = schedule(t, "0 3 1 * *", rotator.MisfireAlert)
		s.key.Discover = []string{subscription}
		s.store.SetSpace(rotator.Space{Used: 1 << 20, Free: 1 << 39, Total: 1 << 40})
		s.azure.SetPolicy(keyID, rotator.RotationPolicy{Expiry: "P1Y"})
		s.azure.Expire(keyID, s.clock.Now().Add(60*24*time.Hour))
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Delay = 30 * time.Minute })
		s.start()
		for range 65 {
			s.pass(24 * time.Hour)
			if id := s.status("payments").Operation; id != 0 {
				if op := s.operation(id); op.AwaitsRetirement() {
					s.retire()
				}
			}
			s.wantFiring("")
		}
		s.restart(time.Minute)
		s.wantVersions("---+")
		s.revoke("alice")
		s.pass(3 * time.Hour)
		s.reinstate()
		s.pass(3 * time.Hour)
		s.wantFiring("")
		s.wantHeard(receiver)
	})
}

// TestRules_AreExplained holds that nobody is woken without being told what to do.
func TestRules_AreExplained(t *testing.T) {
	t.Parallel()
	for _, r := range alerting.Rules() {
		if r.Title == "" || r.Meaning == "" || len(r.Causes) == 0 || len(r.Steps) == 0 || r.Resolves == "" || !r.Severity.AtLeast(rotator.SeverityInfo) {
			t.Errorf("rule %s is not explained: %+v", r.Rule, r)
		}
	}
}
