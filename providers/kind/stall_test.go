package kind_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cmkd/providers/kind"
	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

const (
	stallKey = rotator.KeyID("https://contoso.vault.azure.net/keys/payments")
	stallID  = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Test/resources/one"
)

// TestKinds_FailureToSwitchIsNoticed lets a dependent of every kind, in every way
// in which it can name its key, fail to take a new version and to lose access, and
// measures from the end of the kind's own window to the alert: at most one poll
// interval. A kind whose service does not tell the version cannot be seen to fail:
// it is done when its window is over, inferred; where the operator demands better
// evidence, that it cannot be had is noticed as soon.
func TestKinds_FailureToSwitchIsNoticed(t *testing.T) {
	t.Parallel()
	for _, info := range kind.All() {
		if len(info.Bindings) == 0 {
			t.Errorf("%s: no binding, so that no failure to switch is tried", info.Name)
		}
		for _, binding := range info.Bindings {
			t.Run(info.Name+"/"+string(binding), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { failToSwitch(t, info, binding) })
			})
		}
		t.Run(info.Name+"/revoked", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { failToLoseAccess(t, info) })
		})
	}
}

// poll is how often a dependent with a window is looked at: see rotator/window.go.
func poll(window time.Duration) time.Duration {
	return min(max(window/60, 15*time.Second), 15*time.Minute)
}

func failToSwitch(t *testing.T, info *kind.Declaration, binding rotator.Binding) {
	w := newWorld(t, info, rotatortest.Resource{
		Deaf: true, Use: rotatortest.Use{Binding: binding, Delay: -1, Hidden: info.Traits.Best == rotator.EvidenceInferred},
	})
	began, within := w.rotate(), poll(info.Traits.Window)
	if binding != rotator.BindingFollows {
		within += time.Minute // it is told first, accepts, and goes on as before: from then on the window counts
	}
	w.wantAlert(rotator.RulePropagationStalled, began.Add(info.Traits.Window), within)
}

func failToLoseAccess(t *testing.T, info *kind.Declaration) {
	w := newWorld(t, info, rotatortest.Resource{Use: rotatortest.Use{Delay: -1}})
	_, err := w.engine.Revoke(t.Context(), rotator.RevokeRequest{
		Request: rotator.Request{Key: "payments", Actor: "alice"}, Confirm: "payments",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	window := cmp.Or(info.Traits.Revocation, info.Traits.Window) // where no time is documented it is only looked at as often
	w.wantAlert(rotator.RuleRevocationStalled, w.operation().Effect.Add(window), poll(window))
}

// world is an engine with one dependent of a kind, on virtual time.
type world struct {
	t      *testing.T
	azure  *rotatortest.Azure
	engine *engine.Engine
}

func newWorld(t *testing.T, info *kind.Declaration, r rotatortest.Resource) *world {
	w := &world{t: t, azure: rotatortest.NewAzure()}
	w.azure.Size = 2048 // which every service takes
	w.azure.AddKey(stallKey)
	r.ID, r.Kind, r.Key = stallID, info.Name, stallKey
	w.azure.AddResource(r)
	key := rotator.Key{Name: "payments", ID: stallKey, Dependents: []rotator.Dependent{{ID: stallID, Kind: info.Name, Recreate: true}}}
	if r.Hidden {
		key.Require = rotator.EvidenceConfirmed
	}
	w.engine = engine.New(engine.Options{
		Store: rotatortest.NewStore(), Vault: w.azure, Services: []rotator.Service{w.azure.Service(info.Name, info.Traits)},
		Clock: rotatortest.Clock{}, Keys: []rotator.Key{key},
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.engine.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	w.pass(time.Minute)
	return w
}

func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (w *world) operation() rotator.Operation {
	w.t.Helper()
	ops, err := w.engine.Operations(w.t.Context(), rotator.OperationQuery{Limit: 1})
	if err != nil || len(ops) == 0 {
		w.t.Fatalf("no operation (%v)", err)
	}
	return ops[0]
}

// rotate begins a rotation and returns when its version was made.
func (w *world) rotate() time.Time {
	w.t.Helper()
	if _, err := w.engine.Rotate(w.t.Context(), rotator.Request{Key: "payments", Actor: "alice"}); err != nil {
		w.t.Fatal(err)
	}
	w.pass(time.Second)
	op := w.operation()
	if op.Target.Created.IsZero() {
		w.t.Fatalf("no version was made: %+v", op)
	}
	return op.Target.Created
}

// wantAlert checks that an alert of the rule fires within so long after a moment,
// and none before.
func (w *world) wantAlert(rule rotator.Rule, after time.Time, within time.Duration) {
	w.t.Helper()
	w.pass(time.Until(after) - 2*time.Second)
	if got := w.rules(); len(got) != 0 {
		w.t.Fatalf("%v fires before the window is over", got)
	}
	w.pass(within + 4*time.Second)
	if got := w.rules(); !slices.Equal(got, []rotator.Rule{rule}) {
		w.t.Fatalf("%v fires %s after the window was over, want %s; %+v", got, within, rule, w.operation())
	}
}

func (w *world) rules() (rules []rotator.Rule) {
	w.t.Helper()
	alerts, err := w.engine.Alerts(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range alerts {
		rules = append(rules, a.Rule)
	}
	return rules
}
