package rotatortest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// Services returns the kinds: "follower" tells its version, "silent" does not.
func (a *Azure) Services() []rotator.Service {
	takes := []rotator.KeyDemand{{Sizes: []int{2048, 3072, 4096}, Ops: []string{"wrapKey", "unwrapKey"}}}
	return []rotator.Service{
		a.Service("follower", rotator.Traits{Window: time.Hour, Revocation: time.Hour, Best: rotator.EvidenceConfirmed, CanNudge: true, Missing: []string{codeKeyDisabled}, Takes: takes}),
		a.Service("silent", rotator.Traits{Window: 24 * time.Hour, Revocation: time.Hour, Best: rotator.EvidenceInferred, Missing: []string{codeKeyDisabled}, Takes: takes}),
	}
}

// Service returns a kind of the given traits.
func (a *Azure) Service(kind string, traits rotator.Traits) rotator.Service {
	return &service{a, kind, traits}
}

type service struct {
	a      *Azure
	kind   string
	traits rotator.Traits
}

func (s *service) Kind() string           { return s.kind }
func (s *service) Traits() rotator.Traits { return s.traits }

func (s *service) Observe(_ context.Context, d *rotator.Dependent, _ rotator.Ask) (o rotator.Observation, err error) {
	err = s.a.call("observe", d.ID, func() error {
		r := s.a.deps[strings.ToLower(d.ID)]
		switch {
		case r == nil || r.Gone:
			return rotator.Errorf(rotator.CodeNotFound, "%s does not exist", d.ID).WithHint("remove it from the configuration")
		case r.Forbidden:
			return rotator.Errorf(rotator.CodeForbidden, "%s may not be read", d.ID).WithHint("grant Reader on %s", d.ID)
		}
		o = s.a.look(r)
		return nil
	})
	return o, err
}

// look says what is to be seen of a resource now.
func (a *Azure) look(r *Resource) rotator.Observation {
	now := a.Clock.Now()
	o := rotator.Observation{At: now, Region: r.Region, Problem: r.Problem, Facts: map[string]string{"kind": r.Kind}}
	if !r.NoAccess {
		o.Access, o.AccessEvidence = rotator.AccessAllowed, rotator.EvidenceConfirmed
	}
	for _, what := range r.Blind {
		o.BlindSpots = append(o.BlindSpots, rotator.BlindSpot{What: what, Why: "nobody shows it"})
	}
	for _, u := range r.Uses() {
		if u.Shown != BlankCut {
			o.Uses = append(o.Uses, a.see(u, now))
		}
		if !r.NoAccess && (r.Denied || a.denied(u, now)) {
			o.Access, o.AccessCode = rotator.AccessDenied, codeKeyDisabled
		}
	}
	if r.Denied {
		o.AccessCode = "IdentityGone"
	}
	if a.lacks(r, now) {
		o.Access, o.AccessCode, o.AccessEvidence = rotator.AccessDenied, codeKeyDisabled, rotator.EvidenceConfirmed
	}
	return o
}

// codeKeyDisabled is how the services say that a version of their key is what they lack.
const codeKeyDisabled = "KeyDisabled"

// lacks reports whether a resource has noticed that a version is disabled which it needs
// and does not show.
func (a *Azure) lacks(r *Resource, now time.Time) bool {
	v, ok := rotator.FindVersion(a.versions[r.Key], r.Needs)
	return ok && !v.Enabled && now.Sub(v.Updated) >= r.Delay
}

// see says what is to be seen of a use now.
func (a *Azure) see(u *Use, now time.Time) rotator.Use {
	switch {
	case u.Shown == BlankNull:
		return rotator.Use{Path: u.Path, Unknown: &rotator.Problem{Code: rotator.ReasonKeyNotShown, Message: u.Path + " is missing"}}
	case u.Shown != "":
		return rotator.Use{Path: u.Path, Unknown: &rotator.Problem{Code: rotator.ReasonUnreadableKey, Message: u.Path + " is garbage"}}
	case u.Microsoft:
		return rotator.Use{Path: u.Path, Microsoft: true}
	}
	seen := rotator.Use{Path: u.Path, Key: u.Key, Binding: u.Binding, Previous: u.Previous, Setting: u.Setting}
	if !u.Hidden {
		seen.Version = a.version(u, now)
	}
	for _, version := range u.held(now) {
		seen.Held = append(seen.Held, rotator.Held{Key: cmp.Or(u.Was, u.Key), Version: version})
	}
	return seen
}

// denied reports whether a use has noticed that its version is disabled, or not yet
// that it is enabled again.
func (a *Azure) denied(u *Use, now time.Time) bool {
	v, _ := rotator.FindVersion(a.versions[u.Key], a.version(u, now))
	if u.Delay < 0 || now.Sub(v.Updated) < u.Delay {
		return v.Enabled && v.Updated.After(v.Created)
	}
	return !v.Enabled
}

// version returns the version in use: that named, or the newest that has had time
// to be noticed.
func (a *Azure) version(u *Use, now time.Time) string {
	if u.Binding != rotator.BindingFollows {
		return u.Pinned
	}
	used := a.versions[u.Key][0]
	for _, v := range a.versions[u.Key] {
		noticed := u.Delay >= 0 && now.Sub(v.Created) >= u.Delay
		if (noticed || !u.told.IsZero() && !v.Created.After(u.told)) && !v.Created.Before(used.Created) {
			used = v
		}
	}
	return used.ID
}

// Apply implements [rotator.Service]: an update reaches each use of the key that it
// can be for.
func (s *service) Apply(_ context.Context, d *rotator.Dependent, action rotator.Action, key rotator.KeyID, v rotator.Version) error {
	return s.a.call("apply", d.ID, func() error {
		r := s.a.deps[strings.ToLower(d.ID)]
		for _, u := range r.Uses() {
			switch {
			case r.Deaf || !u.Key.Same(key):
			case action == rotator.ActionNudge:
				u.told = s.a.Clock.Now()
			case u.Binding == rotator.BindingPinned, u.Binding == rotator.BindingFixed && action == rotator.ActionRecreate:
				u.name(v.ID, s.a.Clock.Now())
			}
		}
		return nil
	})
}

// Home is a subscription that is listed even if nothing is in it.
const Home = "00000000-0000-0000-0000-000000000000"

// Subscriptions implements [rotator.Lister]: [Home], and those that have resources.
func (a *Azure) Subscriptions(context.Context) (all []string, err error) {
	err = a.call("subscriptions", "", func() error {
		all = []string{Home}
		for _, r := range a.deps {
			d := rotator.Dependent{ID: r.ID}
			all = append(all, d.Subscription())
		}
		slices.Sort(all)
		all = slices.Compact(all)
		return nil
	})
	return all, err
}

// Find implements [rotator.Finder].
func (s *service) Find(_ context.Context, subscription string, key rotator.KeyID) (found []rotator.Found, err error) {
	err = s.a.call("find", subscription, func() error {
		for _, r := range s.a.deps {
			f := rotator.Found{Dependent: rotator.Dependent{ID: r.ID, Kind: r.Kind}}
			switch {
			case r.Kind != s.kind || r.Gone || !strings.EqualFold(f.Subscription(), subscription):
			case slices.ContainsFunc(r.Uses(), func(u *Use) bool { return u.Key == key && !u.Microsoft && u.Shown == "" }):
				found = append(found, f)
			case slices.ContainsFunc(r.Uses(), func(u *Use) bool { return u.Shown == BlankGarbage }):
				f.Unknown = &rotator.Problem{Code: rotator.ReasonUnreadableKey, Message: "its key is garbage"}
				found = append(found, f)
			}
		}
		return nil
	})
	return found, err
}
