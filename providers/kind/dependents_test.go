package kind_test

import (
	"slices"
	"testing"
	"time"

	"cmkd/providers/azuresim"
	"cmkd/providers/kind"
	"cmkd/rotator"
)

// dependents calls f for each kind that scenarios have no words of their own for, in each
// way in which it names its key.
func dependents(t *testing.T, f func(t *testing.T, d *kind.Declaration, e *estate, binding rotator.Binding)) {
	for _, d := range kind.All() {
		if !slices.Contains(azuresim.DependentKinds(), d.Name) {
			continue
		}
		for _, binding := range d.Bindings {
			t.Run(d.Name+" "+string(binding), func(t *testing.T) {
				t.Parallel()
				e := newEstate(t)
				if binding == rotator.BindingPinned {
					e.do(t, azuresim.Action{Do: "pin", Resource: e.ids[d.Name], Version: "latest"})
				}
				f(t, d, e, binding)
			})
		}
	}
}

func (e *estate) do(t *testing.T, a azuresim.Action) {
	t.Helper()
	if err := e.sim.Do(a); err != nil {
		t.Fatal(err)
	}
}

// on reports whether everything that a resource says of its key fits a version.
func on(o *rotator.Observation, key rotator.KeyID, version string) bool {
	for u := range o.UsesOf(key) {
		if u.Version != version && (u.Version != "" || u.Binding != rotator.BindingFollows) {
			return false
		}
	}
	return o.Names(key)
}

// inUse is the version that the simulated Azure knows to be in use.
func (e *estate) inUse(t *testing.T, name string) string {
	t.Helper()
	for _, n := range e.sim.Needs("contoso-prod", "payments") {
		if n.Resource == e.ids[name] && n.Why == azuresim.NeedInUse {
			return n.Version
		}
	}
	return ""
}

// A resource that follows takes a new version by itself, one that is pinned stays until it
// is told; a follower that can be nudged takes it at once.
func TestDependents_TakeANewVersion(t *testing.T) {
	t.Parallel()
	dependents(t, func(t *testing.T, d *kind.Declaration, e *estate, binding rotator.Binding) {
		before, after := e.rotate(t)
		if o := e.observe(t, d.Name); o.Binding(e.key) != binding || !on(&o, e.key, before.ID) || o.Problem != nil {
			t.Fatalf("before: %+v", o)
		}
		e.clock.Advance(max(d.Traits.Window, 24*time.Hour))
		want := after.ID
		if binding == rotator.BindingPinned {
			want = before.ID
		}
		if o := e.observe(t, d.Name); !on(&o, e.key, want) || e.inUse(t, d.Name) != want {
			t.Fatalf("a day later: %+v; in truth %q, want %s", o, e.inUse(t, d.Name), want)
		}
		action := updateFor(d, binding)
		if action == "" {
			return
		}
		_, last := e.rotate(t)
		for range 2 { // once more changes nothing
			if err := e.kinds[d.Name].Apply(t.Context(), e.dependent(d.Name), action, e.key, last); err != nil {
				t.Fatal(err)
			}
		}
		if o := e.observe(t, d.Name); o.Binding(e.key) != binding || !on(&o, e.key, last.ID) || e.inUse(t, d.Name) != last.ID {
			t.Errorf("told: %+v; in truth %q, want %s", o, e.inUse(t, d.Name), last.ID)
		}
	})
}

// An update that fails says so, and leaves the resource where it was.
func TestDependents_AnUpdateFails(t *testing.T) {
	t.Parallel()
	dependents(t, func(t *testing.T, d *kind.Declaration, e *estate, binding rotator.Binding) {
		action := updateFor(d, binding)
		if action == "" {
			return // it is told nothing
		}
		before, after := e.rotate(t)
		for _, method := range []string{"-patch", "-put"} {
			e.sim.AddFault(azuresim.Fault{Do: "fail-operation", Match: azuresim.Match{Operation: d.Name + method}, Code: "KeyVaultAccessForbidden", Message: "no access"})
		}
		err := e.kinds[d.Name].Apply(t.Context(), e.dependent(d.Name), action, e.key, after)
		if err == nil {
			t.Fatal("it says that it was done")
		}
		if o := e.observe(t, d.Name); !on(&o, e.key, before.ID) || e.inUse(t, d.Name) != before.ID {
			t.Errorf("got %+v; in truth %q, want %s", o, e.inUse(t, d.Name), before.ID)
		}
	})
}

// A resource that shows that it lost its key shows that it is back.
func TestDependents_LoseTheirKeyAndRecover(t *testing.T) {
	t.Parallel()
	dependents(t, func(t *testing.T, d *kind.Declaration, e *estate, _ rotator.Binding) {
		versions, err := e.vault.Versions(t.Context(), e.key)
		if err != nil {
			t.Fatal(err)
		}
		enable := func(on bool) {
			for _, v := range versions {
				if _, err := e.vault.SetEnabled(t.Context(), e.key, v.ID, on); err != nil {
					t.Fatal(err)
				}
			}
			e.clock.Advance(2 * time.Hour)
		}
		enable(false)
		lost := e.observe(t, d.Name)
		enable(true)
		back := e.observe(t, d.Name)
		switch {
		case showsDenial(d) && (lost.Access != rotator.AccessDenied || back.Access == rotator.AccessDenied):
			t.Errorf("lost: %+v; back: %+v", lost, back)
		case !showsDenial(d) && (lost.Access != rotator.AccessUnknown || back.Access != rotator.AccessUnknown):
			t.Errorf("it shows more than it can: %+v; %+v", lost, back)
		}
	})
}

// A resource without the identity that reads its key is doomed, whatever it still does.
func TestDependents_TheirIdentityIsGone(t *testing.T) {
	t.Parallel()
	dependents(t, func(t *testing.T, d *kind.Declaration, e *estate, _ rotator.Binding) {
		e.do(t, azuresim.Action{Do: "set-property", Resource: e.ids[d.Name], Properties: map[string]any{
			"identity": map[string]any{"type": "None", "userAssignedIdentities": nil},
		}})
		if o := e.observe(t, d.Name); o.Problem == nil || o.Problem.Code != rotator.ReasonIdentityGone {
			t.Errorf("got %+v", o.Problem)
		}
	})
}

// A server of which both keys are one is told both: the second update does not send what was
// there before the first.
func TestDependents_TwoUsesOfOneDocument(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"postgresql-flexible", "mysql-flexible"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			before, after := e.rotate(t)
			pinned := string(e.key) + "/" + before.ID
			e.do(t, azuresim.Action{Do: "set-property", Resource: e.ids[name], Properties: map[string]any{"properties": map[string]any{
				"dataEncryption": map[string]any{"primaryKeyURI": pinned, "geoBackupKeyURI": pinned},
			}}})
			if err := e.kinds[name].Apply(t.Context(), e.dependent(name), rotator.ActionRepin, e.key, after); err != nil {
				t.Fatal(err)
			}
			o := e.observe(t, name)
			if n := len(o.Uses); n != 2 || !on(&o, e.key, after.ID) {
				t.Errorf("got %+v", o.Uses)
			}
		})
	}
}
