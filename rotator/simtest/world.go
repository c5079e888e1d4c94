package simtest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// start is when every run begins.
var start = time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)

const (
	subscription = "00000000-0000-0000-0000-000000000000"
	// lagMost is how long a list of versions may lag a write, as documented.
	lagMost = 60 * time.Second
	// windowFollower and windowSilent are how long the kinds may take.
	windowFollower, windowSilent = time.Hour, 2 * time.Hour
)

// world is Azure on a clock of its own, with faults drawn from the seed.
type world struct {
	*rotatortest.Azure
	now time.Time
	rng *rand.Rand
	// trouble is how many of a thousand calls go wrong; none once the world heals.
	trouble int
	faults  int
	// made are the versions made for each operation, by tag.
	made map[string][]time.Time
	// ails are the resources that something is wrong with.
	ails map[string]bool
	// tampered are the versions that somebody else disabled or enabled, by key and version,
	// as long as cmkd has not written to them since.
	tampered map[string]tampering
	// disabled are the versions that were ever disabled, by key and version; vanished are
	// gone.
	disabled map[string]bool
	vanished []vanished
	// pinned is when somebody pinned a resource last, repinned when that was to be seen, lies the version that one needs for good.
	pinned   map[string]time.Time
	repinned map[string]time.Time
	// basis is what it was on before somebody pinned it the first time since a rotation: to be
	// there again is no drift.
	basis map[string]string
	lies  map[string]string
}

// vanished is a version that is not in its vault any more, until it is put back.
type vanished struct {
	key     rotator.KeyID
	version rotator.Version
}

// tampering is what somebody did to a version.
type tampering struct {
	key     rotator.KeyID
	version string
	enabled bool
	at      time.Time
	// seen is true if cmkd has to notice: the key is configured.
	seen bool
}

// Now implements [rotator.Clock]. It is Azure's clock, which nobody sets.
func (w *world) Now() time.Time { return w.now }

// After implements [rotator.Clock]. Nothing in a simulation waits.
func (w *world) After(time.Duration) <-chan time.Time { panic("the simulation has no timers") }

func newWorld(rng *rand.Rand) *world {
	w := &world{
		Azure: rotatortest.NewAzure(), now: start.Add(-24 * time.Hour), rng: rng, trouble: rng.IntN(4) * 25,
		made: map[string][]time.Time{}, ails: map[string]bool{}, tampered: map[string]tampering{}, disabled: map[string]bool{}, pinned: map[string]time.Time{}, repinned: map[string]time.Time{}, basis: map[string]string{}, lies: map[string]string{},
	}
	w.Clock = w
	w.ReadLag = time.Duration(rng.Int64N(int64(lagMost)))
	w.Lags = func(v rotator.Version) bool { return w.now.Sub(v.Updated) < w.ReadLag && w.rng.IntN(2) == 0 }
	w.FailWith(w.fault)
	return w
}

// fault draws what happens to a call instead of its answer.
func (w *world) fault(call, _ string) *rotatortest.Fault {
	if w.trouble == 0 || w.rng.IntN(1000) >= w.trouble {
		return nil
	}
	w.faults++
	e := &rotator.Error{Code: rotator.CodeUnavailable, Message: "the service is unavailable"}
	f := &rotatortest.Fault{Err: e}
	switch w.rng.IntN(8) {
	case 0, 1: // nobody knows
		f.AfterEffect = true
	case 2:
		e.Code, e.NoEffect, e.RetryAfter = rotator.CodeThrottled, true, time.Duration(1+w.rng.IntN(60))*time.Second
	case 3:
		e.NoEffect = true
	case 4:
		e.Code, e.NoEffect = rotator.CodeConflict, true
	case 5:
		e.Code, e.Reason, e.NoEffect = rotator.CodeForbidden, "ForbiddenByRbac", true
	default: // it looks the same, and changed nothing
	}
	e.Message += " for " + call
	return f
}

// Create implements [rotator.Vault], and counts the versions made for each operation.
func (w *world) Create(ctx context.Context, key rotator.KeyID, method rotator.Method, tag string) (rotator.Version, error) {
	w.apart(key)
	before := len(w.List(key))
	v, err := w.Azure.Create(ctx, key, method, tag)
	if len(w.List(key)) > before {
		w.made[tag] = append(w.made[tag], w.now)
	}
	return v, err
}

// Outside makes a version as somebody else would.
func (w *world) Outside(key rotator.KeyID) rotator.Version {
	w.apart(key)
	return w.Azure.Outside(key)
}

// SetEnabled implements [rotator.Vault].
func (w *world) SetEnabled(ctx context.Context, key rotator.KeyID, version string, enabled bool) (rotator.Version, error) {
	v, err := w.Azure.SetEnabled(ctx, key, version, enabled)
	delete(w.tampered, string(key)+version)
	if now, ok := rotator.FindVersion(w.List(key), version); ok && !now.Enabled {
		w.disabled[string(key)+version] = true
	}
	return v, err
}

// vanish takes a version out of the vault that is not the newest, as the restoring of an
// old backup would, or puts back the one that is gone; it returns what happened.
func (w *world) vanish(key rotator.KeyID) string {
	if n := slices.IndexFunc(w.vanished, func(v vanished) bool { return v.key == key }); n >= 0 {
		v := w.vanished[n]
		w.PutBack(v.key, v.version)
		w.vanished = slices.Delete(w.vanished, n, n+1)
		return v.version.ID + " is back"
	}
	all := w.List(key)
	if len(all) < 2 {
		return "none can vanish"
	}
	v := all[w.rng.IntN(len(all)-1)]
	w.vanished = append(w.vanished, vanished{key, w.Vanish(key, v.ID)})
	return v.ID + " vanishes"
}

// tamper turns a version around as somebody else would.
func (w *world) tamper(key rotator.KeyID, v rotator.Version, seen bool) {
	at := string(key) + v.ID
	if _, again := w.tampered[at]; again {
		delete(w.tampered, at) // as it was
	} else {
		w.tampered[at] = tampering{key, v.ID, !v.Enabled, w.now, seen}
	}
	w.Enable(key, v.ID, !v.Enabled)
	w.disabled[at] = w.disabled[at] || v.Enabled
}

// repin pins the first use of a resource to a version.
func (w *world) repin(id, version string) {
	was := w.Needs(id)[0]
	w.pinned[id] = w.now
	if w.basis[id] == "" {
		w.basis[id] = was
	}
	w.Change(id, func(r *rotatortest.Resource) {
		switch {
		case r.Delay < 0, w.ails[id]: // it takes no other version, or nobody sees what it is on
			delete(w.repinned, id)
		case was != version || r.Binding != rotator.BindingPinned:
			w.repinned[id] = w.now // else nothing has changed
		}
		r.Binding, r.Pinned = rotator.BindingPinned, version
	})
}

// lie has a resource need the version that it is on for good.
func (w *world) lie(key rotator.KeyID, id string) (version string) {
	w.Change(id, func(r *rotatortest.Resource) { version = r.Needs })
	if version == "" {
		version = w.Needs(id)[0]
	}
	w.lies[id] = version
	w.Change(id, func(r *rotatortest.Resource) { r.Needs = version })
	return version
}

// apart lets no two versions of a key be made in one second: which of them is the
// newest nobody could say.
func (w *world) apart(key rotator.KeyID) {
	if newest, ok := rotator.Newest(w.List(key), nil); ok && newest.Created.Equal(w.now.Truncate(time.Second)) {
		w.now = w.now.Add(time.Second)
	}
}

// missing is how a service says that it lacks a version of its key.
var missing = []string{"KeyDisabled"}

// services are the kinds, with searches in a fixed order.
func (w *world) services() []rotator.Service {
	return []rotator.Service{
		finder{w.Service("follower", rotator.Traits{Window: windowFollower, Revocation: time.Hour, Best: rotator.EvidenceConfirmed, CanNudge: true, Missing: missing})},
		finder{w.Service("silent", rotator.Traits{Window: windowSilent, Revocation: time.Hour, Best: rotator.EvidenceInferred, Missing: missing})},
	}
}

type finder struct{ rotator.Service }

// Find implements [rotator.Finder].
func (f finder) Find(ctx context.Context, subscription string, key rotator.KeyID) ([]rotator.Found, error) {
	found, err := f.Service.(rotator.Finder).Find(ctx, subscription, key)
	slices.SortFunc(found, func(a, b rotator.Found) int { return strings.Compare(a.ID, b.ID) })
	return found, err
}

// addResource makes a dependent of a key, with a behaviour drawn from the seed.
func (w *world) addResource(key rotator.KeyID, n int) rotator.Dependent {
	d := rotator.Dependent{
		ID:   fmt.Sprintf("/subscriptions/%s/resourceGroups/rg/providers/Test/resources/%s-%d", subscription, key.Name(), n),
		Kind: "follower",
	}
	r := rotatortest.Resource{ID: d.ID, Use: rotatortest.Use{Key: key, Delay: w.minutes(1, 50)}, NoAccess: w.rng.IntN(4) == 0}
	switch w.rng.IntN(8) {
	case 0, 1:
		d.Kind, r.Hidden = "silent", true
	case 2:
		r.Binding = rotator.BindingPinned
	case 3:
		r.Binding, d.Recreate = rotator.BindingFixed, w.rng.IntN(3) > 0
	case 4:
		d.Nudge = rotator.NudgeAlways
	default:
	}
	r.Kind = d.Kind
	if w.rng.IntN(8) == 0 {
		r.Blind = []string{"backups"}
	}
	for range max(0, w.rng.IntN(5)-2) { // three in five have one use only
		r.More = append(r.More, w.anyUse())
	}
	w.AddResource(r)
	return d
}

// anyUse draws a use of its own binding and delay.
func (w *world) anyUse() *rotatortest.Use {
	u := &rotatortest.Use{Delay: w.minutes(1, 50)}
	switch w.rng.IntN(5) {
	case 0:
		u.Hidden = true
	case 1:
		u.Binding = rotator.BindingPinned
	case 2:
		u.Binding, u.Hold = rotator.BindingPinned, w.minutes(1, 40)
	case 3:
		u.Binding = rotator.BindingFixed
	default:
	}
	return u
}

func (w *world) minutes(least, most int) time.Duration {
	return time.Duration(least+w.rng.IntN(most-least+1)) * time.Minute
}

// ail lets something be wrong with a resource, or mends it.
func (w *world) ail(d *rotator.Dependent) string {
	if w.ails[d.ID] {
		w.mend(d.ID)
		return "mended"
	}
	w.ails[d.ID] = true
	switch n := w.rng.IntN(6); {
	case n == 0:
		w.Change(d.ID, func(r *rotatortest.Resource) { r.Gone = true })
		return "gone"
	case n == 1:
		w.Change(d.ID, func(r *rotatortest.Resource) { r.Forbidden = true })
		return "forbidden"
	case n == 2:
		w.Change(d.ID, func(r *rotatortest.Resource) {
			r.Problem = &rotator.Problem{Code: "broken", Message: "says that it is broken"}
		})
		return "broken"
	case n <= 4:
		blank := []rotatortest.Blank{rotatortest.BlankNull, rotatortest.BlankGarbage, rotatortest.BlankCut}[w.rng.IntN(3)]
		w.Change(d.ID, func(r *rotatortest.Resource) {
			uses := r.Uses()
			if len(uses) > 1 {
				blank = rotatortest.BlankGarbage // that one of several is missing is known only to who saw it before
			}
			uses[w.rng.IntN(len(uses))].Shown = blank
		})
		return "shows " + string(blank)
	default:
		w.Slow(d.ID, -1)
		return "stalled"
	}
}

// silent reports whether a use of a resource does not tell its version.
func (w *world) silent(id string) (silent bool) {
	w.Change(id, func(r *rotatortest.Resource) {
		silent = slices.ContainsFunc(r.Uses(), func(u *rotatortest.Use) bool { return u.Hidden })
	})
	return silent
}

// empty reports whether a use of a resource is shown as nothing in a document that is whole
// otherwise: whoever never saw it cannot know better.
func (w *world) empty(id string) (empty bool) {
	w.Change(id, func(r *rotatortest.Resource) {
		empty = slices.ContainsFunc(r.Uses(), func(u *rotatortest.Use) bool { return u.Shown == rotatortest.BlankNull })
	})
	return empty
}

// gone reports whether a resource is not there now: nothing can see it, and it needs
// nothing.
func (w *world) gone(id string) (gone bool) {
	w.Change(id, func(r *rotatortest.Resource) { gone = r.Gone })
	return gone
}

// mend makes a resource healthy.
func (w *world) mend(id string) {
	delete(w.ails, id)
	w.Change(id, func(r *rotatortest.Resource) {
		r.Gone, r.Forbidden, r.Problem = false, false, nil
		for _, u := range r.Uses() {
			u.Shown = ""
		}
	})
	w.Slow(id, w.minutes(1, 30))
}

// heal ends all faults.
func (w *world) heal() {
	w.trouble = 0
	ids := make([]string, 0, len(w.ails))
	for id := range w.ails {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		w.mend(id)
	}
	for len(w.vanished) > 0 {
		w.vanish(w.vanished[0].key)
	}
	for _, at := range slices.Sorted(maps.Keys(w.tampered)) {
		if t := w.tampered[at]; !t.enabled { // whoever did so is asked to mend it
			w.Enable(t.key, t.version, true)
			delete(w.tampered, at)
		}
	}
}

// blind are what cannot be seen of a resource.
func (w *world) blind(id string) (all []string) {
	w.Change(id, func(r *rotatortest.Resource) { all = r.Blind })
	return all
}
