package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// rehearsal is all that is looked at before a rotation changes anything. The preflight, a
// plan and the look a day ahead judge by the same.
type rehearsal struct {
	key string
	id  rotator.KeyID
	// versions is a fresh list, listErr why there is none.
	versions []rotator.Version
	listErr  *rotator.Error
	// material is the newest version with its type, size and operations; without them if
	// the vault does not tell.
	material rotator.Version
	// current is the version in use, likewise.
	current rotator.Version
	// accepted is a version that a person takes for a model of the next one.
	accepted string
	trackers []rotator.Tracker
	// seen is the last observation of a tracker, nil if there is none.
	seen   func(*rotator.Tracker) *rotator.Observation
	traits map[string]rotator.Traits
	now    time.Time
}

// objections returns what stands in the way, in the order in which it is to be mended.
func (r *rehearsal) objections() (all []rotator.Problem) {
	for _, check := range []func(*rehearsal) []rotator.Problem{versionsListed, newestUsable, notWeaker, purgeProtected, keyFits, dependentsReady} {
		all = append(all, check(r)...)
	}
	return all
}

// versionsListed objects if nobody knows the versions of the key.
func versionsListed(r *rehearsal) []rotator.Problem {
	switch {
	case r.listErr != nil:
		return []rotator.Problem{*rotator.ProblemOf(r.listErr)}
	case len(r.versions) == 0:
		return []rotator.Problem{{Code: rotator.ReasonNoVersion, Message: "key " + string(r.id) + " has no version"}}
	}
	return nil
}

// newestUsable objects if the newest version is disabled.
func newestUsable(r *rehearsal) []rotator.Problem {
	if len(r.versions) == 0 || r.material.Enabled {
		return nil
	}
	if r.current.ID != "" && r.current.ID != r.material.ID {
		return []rotator.Problem{{
			Code: rotator.ReasonCurrentVersionDisabled, Message: "the newest version " + r.material.ID + ", which somebody else made, is disabled",
			Hint: "a version is made like the newest: find out who made it, and enable it if it is fit for use, or make another one in the vault",
		}}
	}
	return []rotator.Problem{{
		Code: rotator.ReasonCurrentVersionDisabled, Message: "the current version " + r.material.ID + " is disabled",
		Hint: "enable it, or if it was revoked: cmkd reinstate " + r.key,
	}}
}

// notWeaker objects if the newest version is weaker than the one in use: the next one is made
// like it.
func notWeaker(r *rehearsal) []rotator.Problem {
	why := ""
	if r.current.ID != "" && r.current.ID != r.material.ID && len(r.versions) > 0 && r.accepted != r.material.ID {
		current := r.current
		current.Ops = r.asked(current.Ops)
		why = r.material.Weaker(current)
	}
	if why == "" {
		return nil
	}
	return []rotator.Problem{{
		Code: rotator.ReasonKeyUnfit, Message: "the newest version " + r.material.ID + ", which somebody else made, " + why + ": the next one would be made like it",
		Hint: "make a version in the vault that is as strong as " + r.current.ID + ", with az keyvault key create: cmkd follows it; or if it is meant to be so: cmkd rotate " + r.key + " --accept " + r.material.ID,
	}}
}

// asked returns those of some key operations that a dependent calls.
func (r *rehearsal) asked(ops string) string {
	var all []string
	for op := range strings.SplitSeq(ops, ",") {
		wants := func(d rotator.KeyDemand) bool { return slices.Contains(d.Ops, op) }
		if slices.ContainsFunc(r.trackers, func(t rotator.Tracker) bool {
			return slices.ContainsFunc(r.traits[t.Detail.Dependent.Kind].Takes, wants)
		}) {
			all = append(all, op)
		}
	}
	return strings.Join(all, ",")
}

// purgeProtected objects if somebody could destroy the key.
func purgeProtected(r *rehearsal) []rotator.Problem {
	if len(r.versions) == 0 || r.material.PurgeProtected {
		return nil
	}
	return []rotator.Problem{{
		Code: rotator.ReasonNoPurgeProtection, Message: "vault " + r.id.Host() + " has no purge protection, which every service demands of it",
		Hint: "az keyvault update --name VAULT --enable-purge-protection true",
	}}
}

// keyFits objects to each kind of dependent whose service cannot use the key: the next
// version is made like the newest.
func keyFits(r *rehearsal) (all []rotator.Problem) {
	type misfit struct{ kind, why string }
	count, first := map[misfit]int{}, map[misfit]string{}
	var found []misfit
	for i := range r.trackers {
		t := &r.trackers[i]
		d := &t.Detail.Dependent
		if t.State == rotator.TrackerExcluded || d.Discovered {
			continue
		}
		for n := range r.traits[d.Kind].Takes {
			demand := &r.traits[d.Kind].Takes[n]
			why := demand.Lacks(r.material)
			if why == "" || !r.demanded(t, demand) {
				continue
			}
			m := misfit{d.Kind, why}
			if count[m]++; count[m] == 1 {
				found, first[m] = append(found, m), d.DisplayName()
			}
		}
	}
	for _, m := range found {
		what := m.kind + " " + first[m]
		if n := count[m] - 1; n > 0 {
			what += fmt.Sprintf(" (and %d more)", n)
		}
		all = append(all, rotator.Problem{
			Code: rotator.ReasonKeyUnfit, Message: what + " cannot use version " + r.material.ID + ": it " + m.why,
			Hint: "make a version that fits in the vault, or bring the dependent to another key",
		})
	}
	return all
}

// demanded reports whether a dependent uses the key in the way that the demand is about.
func (r *rehearsal) demanded(t *rotator.Tracker, d *rotator.KeyDemand) bool {
	if d.Use == "" {
		return true
	}
	o := r.seen(t)
	if o == nil {
		return false
	}
	for u := range o.UsesOf(r.id) {
		if u.Path == d.Use {
			return true
		}
	}
	return false
}

// dependentsReady objects to each dependent that is not as the configuration says, or not
// well.
func dependentsReady(r *rehearsal) (all []rotator.Problem) {
	for i := range r.trackers {
		t := &r.trackers[i]
		if (t.State == rotator.TrackerNeedsAction || t.State == rotator.TrackerUnreachable) && !t.Detail.Dependent.Discovered {
			p := *t.Detail.Problem
			p.Message = t.Detail.Dependent.Kind + " " + t.Detail.Dependent.DisplayName() + ": " + p.Message
			all = append(all, p)
		}
	}
	return all
}

// warnings returns what is wrong and does not stop a rotation, which may mend it.
func (r *rehearsal) warnings() (all []rotator.Problem) {
	all = r.expired()
	if r.now.Before(r.material.NotBefore) {
		all = append(all, rotator.Problem{
			Code: rotator.ReasonVersionNotValidYet, Message: "the current version " + r.material.ID + " is not valid before " + r.material.NotBefore.UTC().Format("2006-01-02 15:04 MST"),
		})
	}
	return all
}

// expired warns of expired versions that dependents are on. One that does not tell its
// version is taken to be on the newest.
func (r *rehearsal) expired() (all []rotator.Problem) {
	for _, v := range r.versions {
		if v.Expires.IsZero() || r.now.Before(v.Expires) {
			continue
		}
		use := rotator.InUse{Version: v.ID, Expired: v.Expires}
		for i := range r.trackers {
			if d := r.trackers[i].Detail; d.Version == v.ID || d.Version == "" && d.Binding == rotator.BindingFollows && v.ID == r.material.ID {
				use.Count++
				use.Affected = append(use.Affected, rotator.Affected{ID: d.Dependent.ID, Kind: d.Dependent.Kind, Name: d.Dependent.DisplayName()})
			}
		}
		switch {
		case use.Count > 0:
			all = append(all, rotator.Problem{Code: rotator.ReasonVersionExpired, Message: use.String()})
		case v.ID == r.material.ID:
			all = append(all, rotator.Problem{Code: rotator.ReasonVersionExpired, Message: "version " + v.ID + " expired on " + use.Expires()})
		}
	}
	return all
}

// vaultRole is what the daemon's identity needs on a key (azure/facts.md section 2).
const vaultRole = "Key Vault Crypto Officer"

// unchecked returns what a rotation needs and nobody can see without changing something,
// or that could not be seen.
func (r *rehearsal) unchecked() []rotator.NotChecked {
	all := []rotator.NotChecked{{
		What: "that cmkd may make a version of the key and disable one",
		Why:  "a vault shows it only by doing it; the role is " + vaultRole,
	}}
	if len(r.versions) > 0 && r.material.Type == "" {
		all = append(all, rotator.NotChecked{What: "that the key's type, size and operations fit its dependents", Why: "the vault does not let cmkd read version " + r.material.ID})
	}
	updates, unseen, untried := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range r.trackers {
		t := &r.trackers[i]
		d := &t.Detail.Dependent
		if t.State == rotator.TrackerExcluded || d.Discovered {
			continue
		}
		if r.traits[d.Kind].Experimental != "" {
			untried[d.Kind]++
		}
		if writes(t, r.traits[d.Kind]) {
			updates[d.Kind]++
		}
		if o := r.seen(t); o == nil || o.Access == rotator.AccessUnknown {
			unseen[d.Kind]++
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(untried)) {
		all = append(all, rotator.NotChecked{
			What: fmt.Sprintf("that Azure is as cmkd takes it to be for %s of kind %s, which is experimental", dependents(untried[kind]), kind),
			Why:  r.traits[kind].Experimental,
		})
	}
	for _, kind := range slices.Sorted(maps.Keys(updates)) {
		all = append(all, rotator.NotChecked{
			What: fmt.Sprintf("that cmkd may update %s of kind %s", dependents(updates[kind]), kind),
			Why:  "Azure shows it only by doing it; the role is " + r.traits[kind].WriteRole,
		})
	}
	for _, kind := range slices.Sorted(maps.Keys(unseen)) {
		all = append(all, rotator.NotChecked{
			What: fmt.Sprintf("that %s of kind %s can use the key now", dependents(unseen[kind]), kind),
			Why:  "what was read does not show it",
		})
	}
	return all
}

// writes reports whether a rotation may have to update a dependent.
func writes(t *rotator.Tracker, traits rotator.Traits) bool {
	d := t.Detail
	switch d.Binding {
	case rotator.BindingPinned:
		return true
	case rotator.BindingFixed:
		return d.Dependent.Recreate
	default:
		return traits.CanNudge && (d.Dependent.Nudge == rotator.NudgeAlways || d.Dependent.Nudge == rotator.NudgeWhenStalled)
	}
}

func dependents(n int) string {
	if n == 1 {
		return "1 dependent"
	}
	return fmt.Sprintf("%d dependents", n)
}

// brief names what was not checked, for an event.
func brief(all []rotator.NotChecked) string {
	what := make([]string, len(all))
	for i := range all {
		what[i] = all[i].What
	}
	return strings.Join(what, "; ")
}
