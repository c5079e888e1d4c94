package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// unfit makes the newest version as somebody else did.
func unfit(f func(*rotator.Version)) func(*estate) {
	return func(s *estate) { s.azure.OutsideAs(keyID, f) }
}

// denying lets calls fail for good.
func denying(calls ...string) func(*estate) {
	return func(s *estate) {
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if slices.Contains(calls, call) {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
	}
}

// TestRehearsal_OneForAll: what stands in the way of a rotation is said by the plan, by the
// preflight, which changes nothing then, and the day before.
func TestRehearsal_OneForAll(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(s *estate)
		code  rotator.Reason
		says  string
	}{
		{"an elliptic curve", unfit(func(v *rotator.Version) { v.Type, v.Size = "EC", 0 }), rotator.ReasonKeyUnfit, "follower storage cannot use version"},
		{"a size that no service takes", unfit(func(v *rotator.Version) { v.Size = 1024 }), rotator.ReasonKeyUnfit, "has 1024 bits"},
		{"no unwrapping", unfit(func(v *rotator.Version) { v.Ops = "encrypt,wrapKey" }), rotator.ReasonKeyUnfit, "may not be used for unwrapKey"},
		{"disabled", unfit(func(v *rotator.Version) { v.Enabled = false }), rotator.ReasonCurrentVersionDisabled, "is disabled"},
		{"not protected from purging", unfit(func(v *rotator.Version) { v.PurgeProtected = false }), rotator.ReasonNoPurgeProtection, "purge protection"},
		{"a list that may not be read", denying("versions"), refused(rotator.CodeForbidden, true).Reason, "went wrong"},
		{"a dependent that is gone", change(func(r *rotatortest.Resource) { r.Gone = true }), "not-found", "follower storage: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			right := func(t *testing.T, where string, p *rotator.Problem) {
				t.Helper()
				if p == nil || tt.code != "" && p.Code != tt.code || !strings.Contains(p.Message, tt.says) {
					t.Errorf("%s says %v, want %s with %q", where, p, tt.code, tt.says)
				}
			}
			t.Run("plan", func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(s *estate) {
					tt.spoil(s)
					s.start()
					p, err := s.engine.PlanRotation(s.t.Context(), "payments")
					if err != nil || len(p.Problems) == 0 {
						t.Fatalf("got %+v, %v", p, err)
					}
					right(t, "the plan", &p.Problems[0])
				})
			})
			t.Run("preflight", func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(s *estate) {
					tt.spoil(s)
					s.start()
					op := s.rotate()
					s.pass(5 * time.Second)
					right(t, "the preflight", s.want(op, rotator.StateFailed).Problem)
					if s.azure.Calls("create") != 0 {
						t.Error("a version was made")
					}
				})
			})
			t.Run("day before", func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(s *estate) {
					s.key.Schedule = schedule(t, "0 3 5 1 *", rotator.MisfireCatchUp)
					s.alerting.PreflightAhead = 365 * 24 * time.Hour
					tt.spoil(s)
					s.start()
					s.pass(time.Hour)
					right(t, "the day before", s.status("payments").Preflight)
				})
			})
		})
	}
}

// TestRehearsal_Live says that another operation is under way, and not that of one that
// makes way.
func TestRehearsal_Live(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Retire = rotator.RetireManual
		s.start()
		problems := func() []rotator.Problem {
			p, err := s.engine.PlanRotation(s.t.Context(), "payments")
			if err != nil {
				t.Fatal(err)
			}
			return p.Problems
		}
		s.rotate()
		s.pass(time.Minute)
		if all := problems(); len(all) != 1 || !strings.Contains(all[0].Message, "op-1") {
			t.Errorf("under way: %v", all)
		}
		s.pass(48 * time.Hour)
		if all := problems(); len(all) != 0 {
			t.Errorf("waits for its retirement alone: %v", all)
		}
	})
}

// TestRehearsal_NotChecked is told in the plan and in the record of the rotation: what
// nobody can see without changing something, and what the vault does not let be seen.
func TestRehearsal_NotChecked(t *testing.T) {
	t.Parallel()
	const hidden = "key's type, size and operations"
	for name, tt := range map[string]struct {
		spoil  func(*estate)
		hidden bool
	}{
		"all readable":                {func(*estate) {}, false},
		"a version may not be read":   {denying("version"), true},
		"the vault has no such thing": {func(s *estate) { s.vault = struct{ rotator.Vault }{s.azure} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				tt.spoil(s)
				s.start()
				p, err := s.engine.PlanRotation(s.t.Context(), "payments")
				if err != nil || len(p.Problems) != 0 {
					t.Fatalf("got %+v, %v", p.Problems, err)
				}
				said := make([]string, len(p.NotChecked))
				for i, n := range p.NotChecked {
					said[i] = n.What + " (" + n.Why + ")"
				}
				text := strings.Join(said, "\n")
				if !strings.Contains(text, "may make a version") || strings.Contains(text, hidden) != tt.hidden {
					t.Errorf("the plan did not check:\n%s", text)
				}
				op := s.rotate()
				s.pass(10 * time.Second)
				s.want(op, rotator.StatePropagating)
				if log := s.log(); !strings.Contains(log, "not checked: that cmkd may make a version") || strings.Contains(log, hidden) != tt.hidden {
					t.Errorf("the record:\n%s", log)
				}
			})
		})
	}
}

// TestRehearsal_PassingRefusal of a read of the version is no answer: it is tried again.
func TestRehearsal_PassingRefusal(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.Type = "EC" })
		s.failing("version")
		s.start()
		op := s.rotate()
		s.pass(10 * time.Second)
		s.want(op, rotator.StatePending)
		s.azure.FailWith(nil)
		s.pass(20 * time.Minute)
		if got := s.want(op, rotator.StateFailed).Problem; got == nil || got.Code != rotator.ReasonKeyUnfit {
			t.Errorf("problem is %v", got)
		}
	})
}

// TestRehearsal_Ahead warns, before a scheduled rotation, of what does not stop it, once
// for each thing, and no longer when it is mended.
func TestRehearsal_Ahead(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Schedule = schedule(t, "0 3 5 1 *", rotator.MisfireCatchUp)
		s.alerting.PreflightAhead = 365 * 24 * time.Hour
		s.azure.OutsideAs(keyID, func(v *rotator.Version) { v.NotBefore = s.clock.Now().Add(90 * time.Minute) })
		s.azure.AddResource(rotatortest.Resource{ID: unlistedID, Kind: "follower", Use: rotatortest.Use{Key: keyID}})
		s.start()
		next := s.status("payments").NextRotation
		over := s.freeze(rotator.FreezeRequest{Key: "payments", Until: next.Add(-time.Hour)})
		holds := s.freeze(rotator.FreezeRequest{Key: "payments", Until: next.Add(time.Hour)})
		ahead := func() (codes []string) {
			for _, p := range s.status("payments").Ahead {
				codes = append(codes, string(p.Code))
				if strings.Contains(p.Message, over.ID) {
					t.Errorf("of a freeze that is over by then: %s", p.Message)
				}
			}
			return codes
		}
		s.pass(70 * time.Minute)
		if got := strings.Join(ahead(), " "); got != "version-not-valid-yet dependent-discovered frozen" {
			t.Errorf("ahead: %s\n%s", got, s.log())
		}
		finds := s.azure.Calls("find")
		if _, err := s.engine.EndFreeze(s.t.Context(), holds.ID, "alice", "done"); err != nil {
			t.Fatal(err)
		}
		s.pass(2 * time.Hour)
		if got := strings.Join(ahead(), " "); got != "dependent-discovered" {
			t.Errorf("two hours later: %s", got)
		}
		if n := len(s.events(rotator.EventPreflightWarned)); n != 3 {
			t.Errorf("%d events, want one for each warning\n%s", n, s.log())
		}
		if n := s.azure.Calls("find"); n != finds {
			t.Errorf("searched again each hour: %d after %d", n, finds)
		}
		s.key.Schedule = rotator.Schedule{}
		s.reload(s.key)
		s.pass(11 * time.Minute)
		if got := ahead(); len(got) != 0 {
			t.Errorf("of a rotation that does not come: %v", got)
		}
	})
}

// TestRehearsal_OfAnExperimentalKind says so: that Azure is as cmkd takes it to be nobody has seen.
func TestRehearsal_OfAnExperimentalKind(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.services = []rotator.Service{s.azure.Service("novel", rotator.Traits{Window: time.Hour, Best: rotator.EvidenceConfirmed, Experimental: "no traffic of it is recorded"})}
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Kind = "novel" })
		s.key.Dependents[0].Kind = "novel"
		s.start()
		p, err := s.engine.PlanRotation(s.t.Context(), "payments")
		want := rotator.NotChecked{
			What: "that Azure is as cmkd takes it to be for 1 dependent of kind novel, which is experimental", Why: "no traffic of it is recorded",
		}
		if err != nil || !slices.Contains(p.NotChecked, want) {
			t.Errorf("not checked: %+v, %v", p.NotChecked, err)
		}
	})
}
