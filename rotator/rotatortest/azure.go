package rotatortest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cmkd/rotator"
)

// Clock is the time of the process, or of the synctest bubble around it.
type Clock struct{}

// Now implements [rotator.Clock].
func (Clock) Now() time.Time { return time.Now() }

// After implements [rotator.Clock].
func (Clock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Fault is what happens to a call to the vault instead of its answer.
type Fault struct {
	Err *rotator.Error
	// AfterEffect is true if the call has its effect all the same.
	AfterEffect bool
	// Late, if not nil, is called between the effect and the answer, which is none of a
	// fault then.
	Late func()
}

// Azure is a vault and the resources that depend on its keys, of all kinds
// given.
type Azure struct {
	Clock rotator.Clock
	// Lags, if not nil, reports whether a list shows a version as it was before it was
	// enabled or disabled last.
	Lags func(rotator.Version) bool
	// ReadLag is how long a list of versions does not show a new one.
	ReadLag time.Duration
	// Size is that of the keys in bits.
	Size int

	mu       sync.Mutex
	fail     func(call, of string) *Fault
	versions map[rotator.KeyID][]rotator.Version
	// before is how a version was before it was enabled or disabled last, by key and version.
	before   map[string]rotator.Version
	made     int
	deps     map[string]*Resource
	calls    map[string]int
	policies map[rotator.KeyID]rotator.RotationPolicy
}

// Resource is a dependent with its behaviour.
type Resource struct {
	ID   string
	Kind string
	// Use is the one that every dependent has, More are the others.
	Use
	More   []*Use
	Region string
	// Blind are what cannot be seen of it.
	Blind []string
	// NoAccess is true if the service does not tell about access.
	NoAccess bool
	// Deaf is true if it accepts updates and goes on as before.
	Deaf bool
	// Denied is true if it has no access to its key, whatever the key is like.
	Denied bool
	// Needs is a version that it needs beside those that it shows; nobody sees it.
	Needs string
	// Gone, Forbidden, Problem: what a look meets.
	Gone, Forbidden bool
	Problem         *rotator.Problem
}

// Uses returns all uses of the resource.
func (r *Resource) Uses() []*Use { return append([]*Use{&r.Use}, r.More...) }

// Use is one place where a resource names a key, with its behaviour.
type Use struct {
	Path    string
	Key     rotator.KeyID
	Binding rotator.Binding
	// Hidden is true if the service does not tell which version it uses.
	Hidden bool
	// Delay is how long it takes to follow a new version, and to lose or regain
	// access; negative means never.
	Delay time.Duration
	// Pinned is the version it names.
	Pinned string
	// Held are versions that it holds, Hold is how long it holds one that it was
	// told to leave.
	Held []string
	Hold time.Duration
	// Was is the key that Held are of, if the use was given another since.
	Was rotator.KeyID
	// Previous is true if it needs the version before, too, until it is told another one.
	Previous bool
	// Setting is true if what it shows is only what it was told.
	Setting bool
	// Microsoft is true if it was given a key of Microsoft's, and the service says so.
	Microsoft bool
	// Shown is what keeps the use from being seen; empty if it is seen.
	Shown Blank

	told time.Time
	left []left
}

// Blank is what an answer shows in the place of a use.
type Blank string

// What an answer may show.
const (
	BlankNull    Blank = "null"    // nothing, of a document that is whole otherwise
	BlankGarbage Blank = "garbage" // what cannot be read
	BlankCut     Blank = "cut"     // the answer ends before it
)

// left is a version that a use was told to leave, and until when it holds it.
type left struct {
	version string
	until   time.Time
}

// complete fills in what was not said of a use.
func (a *Azure) complete(u *Use, r *Resource, n int) {
	u.Path, u.Key = cmp.Or(u.Path, fmt.Sprintf("uses.%d", n)), cmp.Or(u.Key, r.Key)
	u.Binding = cmp.Or(u.Binding, rotator.BindingFollows)
	if u.Binding != rotator.BindingFollows && u.Pinned == "" {
		u.Pinned = a.current(u.Key).ID
	}
}

// name has a use name another version.
func (u *Use) name(version string, now time.Time) {
	if version != u.Pinned && u.Hold > 0 {
		u.left = append(u.left, left{u.Pinned, now.Add(u.Hold)})
	}
	u.Pinned = version
}

// held returns the versions that a use still needs beside the one it is on.
func (u *Use) held(now time.Time) []string {
	all := slices.Clone(u.Held)
	for _, l := range u.left {
		if now.Before(l.until) && l.version != u.Pinned {
			all = append(all, l.version)
		}
	}
	return all
}

// NewAzure returns an empty Azure.
func NewAzure() *Azure {
	return &Azure{
		Clock: Clock{}, Size: 3072, versions: map[rotator.KeyID][]rotator.Version{}, before: map[string]rotator.Version{}, deps: map[string]*Resource{}, calls: map[string]int{},
		policies: map[rotator.KeyID]rotator.RotationPolicy{},
	}
}

// FailWith has f asked before each call: "create", "versions", "set-enabled",
// "tag", "policy", "version", "observe", "apply", "subscriptions" or "find", and what it concerns.
func (a *Azure) FailWith(f func(call, of string) *Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = f
}

// AddKey adds a key with one version.
func (a *Azure) AddKey(id rotator.KeyID) rotator.Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.make(id, "")
}

// AddResource adds a dependent on the current version of its key.
func (a *Azure) AddResource(r Resource) *Resource {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, u := range r.Uses() {
		a.complete(u, &r, n)
	}
	a.deps[strings.ToLower(r.ID)] = &r
	return &r
}

// Remove takes a resource out of the world.
func (a *Azure) Remove(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.deps, strings.ToLower(id))
}

// Change changes a resource under the lock.
func (a *Azure) Change(id string, f func(*Resource)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a.deps[strings.ToLower(id)])
}

// Needs returns the versions that a resource really uses or holds now.
func (a *Azure) Needs(id string) (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.Clock.Now()
	for _, u := range a.deps[strings.ToLower(id)].Uses() {
		if !u.Microsoft {
			all = append(append(all, a.version(u, now)), u.held(now)...)
		}
	}
	return all
}

// Slow has a resource take so long from now on, and never go back to a version that
// it has left.
func (a *Azure) Slow(id string, delay time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, u := range a.deps[strings.ToLower(id)].Uses() {
		used := a.version(u, a.Clock.Now())
		if v, ok := rotator.FindVersion(a.versions[u.Key], used); ok && v.Created.After(u.told) {
			u.told = v.Created
		}
		u.Delay = delay
	}
}

// Outside makes a version as somebody else would.
func (a *Azure) Outside(key rotator.KeyID) rotator.Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.make(key, "")
}

// Enable enables or disables a version as somebody else would.
func (a *Azure) Enable(key rotator.KeyID, version string, enabled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set(key, version, enabled)
}

// OutsideAs makes a version as somebody else would, and as f says.
func (a *Azure) OutsideAs(key rotator.KeyID, f func(*rotator.Version)) rotator.Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.make(key, "")
	v := &a.versions[key][len(a.versions[key])-1]
	f(v)
	return *v
}

// Vanish takes a version out of the vault, as the restoring of an old backup would.
func (a *Azure) Vanish(key rotator.KeyID, version string) (gone rotator.Version) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.versions[key] = slices.DeleteFunc(slices.Clone(a.versions[key]), func(v rotator.Version) bool {
		if v.ID == version {
			gone = v
		}
		return v.ID == version
	})
	return gone
}

// PutBack puts a version back that vanished.
func (a *Azure) PutBack(key rotator.KeyID, v rotator.Version) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.versions[key] = append(a.versions[key], v)
	slices.SortFunc(a.versions[key], func(x, y rotator.Version) int {
		return cmp.Or(x.Created.Compare(y.Created), strings.Compare(x.ID, y.ID))
	})
}

// Version implements [rotator.VersionReader].
func (a *Azure) Version(_ context.Context, key rotator.KeyID, version string) (v rotator.Version, err error) {
	err = a.call("version", version, func() error {
		var ok bool
		if v, ok = rotator.FindVersion(a.versions[key], version); !ok {
			return rotator.Errorf(rotator.CodeNotFound, "version %s does not exist", version)
		}
		return nil
	})
	return v, err
}

// Expire gives the newest version of a key an expiry.
func (a *Azure) Expire(key rotator.KeyID, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	newest := a.current(key)
	for i := range a.versions[key] {
		if v := &a.versions[key][i]; v.ID == newest.ID {
			v.Expires = at
		}
	}
}

// SetPolicy gives a key a rotation policy.
func (a *Azure) SetPolicy(key rotator.KeyID, p rotator.RotationPolicy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.policies[key] = p
}

// RotationPolicy implements [rotator.PolicyReader].
func (a *Azure) RotationPolicy(_ context.Context, key rotator.KeyID) (p rotator.RotationPolicy, err error) {
	err = a.call("policy", string(key), func() error {
		p = a.policies[key]
		return nil
	})
	return p, err
}

// Calls returns how often a call was made.
func (a *Azure) Calls(call string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[call]
}

// List returns the versions of a key in the order they were made.
func (a *Azure) List(key rotator.KeyID) []rotator.Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.versions[key])
}

func (a *Azure) make(key rotator.KeyID, tag string) rotator.Version {
	a.made++
	v := rotator.Version{
		ID: fmt.Sprintf("%032x", a.made), Created: a.Clock.Now().Truncate(time.Second).UTC(), Enabled: true,
		PurgeProtected: true, Operation: tag, Type: "RSA", Size: a.Size, Ops: "unwrapKey,wrapKey",
	}
	v.Updated = v.Created
	a.versions[key] = append(a.versions[key], v)
	return v
}

func (a *Azure) current(key rotator.KeyID) rotator.Version {
	v, _ := rotator.Newest(a.versions[key], nil)
	return v
}

func (a *Azure) set(key rotator.KeyID, version string, enabled bool) (rotator.Version, bool) {
	for i := range a.versions[key] {
		if v := &a.versions[key][i]; v.ID == version {
			if v.Enabled != enabled {
				a.before[string(key)+v.ID] = *v
				v.Enabled, v.Updated = enabled, a.Clock.Now().Truncate(time.Second).UTC()
			}
			return *v, true
		}
	}
	return rotator.Version{}, false
}

// call counts a call and carries it out, or not, as the fault says.
func (a *Azure) call(name, of string, effect func() error) error {
	a.mu.Lock()
	fail := a.fail
	a.mu.Unlock()
	var f *Fault
	if fail != nil {
		f = fail(name, of) // may wait, so not under the lock
	}
	if f != nil && f.Late != nil {
		defer f.Late() // the answer is under way, and may be old when it comes
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[name]++
	if f == nil || f.Late != nil {
		return effect()
	}
	if f.AfterEffect {
		_ = effect() // the answer is lost
	}
	return f.Err
}

// Versions implements [rotator.Vault].
func (a *Azure) Versions(_ context.Context, key rotator.KeyID) (all []rotator.Version, err error) {
	err = a.call("versions", string(key), func() error {
		all = slices.DeleteFunc(slices.Clone(a.versions[key]), func(v rotator.Version) bool {
			return a.Clock.Now().Sub(v.Created) < a.ReadLag
		})
		for i := range all {
			if before, changed := a.before[string(key)+all[i].ID]; changed && a.Lags != nil && a.Lags(all[i]) {
				all[i] = before
			}
			all[i].Type, all[i].Size, all[i].Ops = "", 0, "" // a list does not tell
		}
		slices.Reverse(all)
		if len(all) == 0 {
			return rotator.Errorf(rotator.CodeNotFound, "key %s does not exist", key).WithHint("check the uri of the key")
		}
		return nil
	})
	return all, err
}

// Create implements [rotator.Vault].
func (a *Azure) Create(_ context.Context, key rotator.KeyID, method rotator.Method, tag string) (v rotator.Version, err error) {
	err = a.call("create", string(method), func() error {
		if method == rotator.MethodRotate {
			tag = ""
		}
		v = a.make(key, tag)
		return nil
	})
	return v, err
}

// Tag implements [rotator.Vault].
func (a *Azure) Tag(_ context.Context, key rotator.KeyID, v rotator.Version, tag string) error {
	return a.call("tag", v.ID, func() error {
		for i := range a.versions[key] {
			if a.versions[key][i].ID == v.ID {
				a.versions[key][i].Operation = tag
			}
		}
		return nil
	})
}

// SetEnabled implements [rotator.Vault].
func (a *Azure) SetEnabled(_ context.Context, key rotator.KeyID, version string, enabled bool) (v rotator.Version, err error) {
	err = a.call("set-enabled", version, func() error {
		var ok bool
		if v, ok = a.set(key, version, enabled); !ok {
			return rotator.Errorf(rotator.CodeNotFound, "version %s does not exist", version)
		}
		return nil
	})
	return v, err
}
