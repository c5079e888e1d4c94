package azuresim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How much of the past is kept; of what is older, the oldest that is kept
// stands for all.
const (
	maxPast    = 16  // of a resource
	maxKeyPast = 256 // of a key
)

// past is how a resource stood until a moment.
type past struct {
	until  time.Time
	doc    doc
	denied denial
	older  []held
}

// remember keeps how a resource stands, ahead of a change. The document must
// not be changed in place afterwards.
func (r *resource) remember(d doc, now time.Time) {
	r.past = append(r.past, past{until: now, doc: d, denied: r.denied, older: slices.Clone(r.older)})
	if len(r.past) > maxPast {
		r.past = slices.Clone(r.past[1:])
	}
}

// asOf returns a resource as it stood at a moment.
func (r *resource) asOf(at time.Time) *resource {
	for _, p := range r.past {
		if p.until.After(at) {
			then := *r
			then.doc, then.denied, then.older = p.doc, p.denied, p.older
			return &then
		}
	}
	return r
}

// existed says whether a resource was there at a moment.
func (r *resource) existed(at time.Time) bool {
	return !r.made.After(at) && (!r.gone || r.goneAt.After(at))
}

// listed returns what a list shows to a call of the resources in its subscription
// and, where given, its group: those that the caller may see, of now, or of some
// time ago where a fault makes lists old.
func (s *Server) listed(c *call, of *roll, ok func(*resource) bool) []*resource {
	shown := func(r *resource) bool { return ok(r) && s.visible(c, r) }
	if c.behind <= 0 {
		return selectFrom(of.sorted(), c.target, shown)
	}
	return selectFrom(s.asOf(c.now.Add(-c.behind), shown), c.target, func(*resource) bool { return true })
}

// asOf returns the resources of a moment as they stood then, also those that
// are gone since.
func (s *Server) asOf(at time.Time, ok func(*resource) bool) []*resource {
	var out []*resource
	all := append(s.selectedAll(ok), slices.DeleteFunc(slices.Clone(s.dropped), func(r *resource) bool { return !ok(r) })...)
	for _, r := range all {
		if r.existed(at) {
			out = append(out, r.asOf(at))
		}
	}
	slices.SortFunc(out, byID)
	return out
}

// asOf returns a key as it stood at a moment.
func (k *key) asOf(at time.Time) keyState {
	for _, p := range k.past {
		if p.until.After(at) {
			return p.state
		}
	}
	return k.state
}

// seenBy returns the state of a key that a call sees.
func (k *key) seenBy(c *call) keyState {
	if c.behind > 0 {
		return k.asOf(c.now.Add(-c.behind))
	}
	return k.seen(c.now, c.stale)
}

// restoreVault takes a vault back to what it held at a moment, as a restore
// from a backup does, or another vault behind the name: versions made since
// vanish, and flags are as they were.
func (s *Server) restoreVault(v *vault, at, now time.Time) {
	for _, name := range v.names(func(*key) bool { return true }) {
		k := v.keys[name]
		k.change(k.asOf(at), now)
		s.keyChanged(k, now)
	}
}

// actOnVault does what concerns the past of a vault.
func (s *Server) actOnVault(a Action, now time.Time) error {
	if a.Do == "vanish-version" {
		return s.vanish(a, now)
	}
	if a.Key != "" {
		k, err := s.findKey(a.Key)
		if err != nil {
			return err
		}
		v := k.state.choose(a.Version)
		if v == nil {
			return fmt.Errorf("find version %q of key %s: %w", a.Version, a.Key, ErrNoSuchVersion)
		}
		s.restoreVault(k.vault, v.created, now)
		return nil
	}
	for _, suffix := range []string{vaultSuffix, hsmSuffix} {
		if v := s.vaults[strings.ToLower(a.Vault)+suffix]; v != nil {
			s.restoreVault(v, now.Add(-a.Behind.Duration), now)
			return nil
		}
	}
	return fmt.Errorf("find vault %q: %w", a.Vault, ErrNoSuchVault)
}

// vanish takes one version out of a key, as if it had never been.
func (s *Server) vanish(a Action, now time.Time) error {
	k, err := s.findKey(a.Key)
	if err != nil {
		return err
	}
	v := k.state.choose(a.Version)
	if v == nil {
		return fmt.Errorf("find version %q of key %s: %w", a.Version, a.Key, ErrNoSuchVersion)
	}
	next := k.state
	next.versions = slices.DeleteFunc(slices.Clone(next.versions), func(other *version) bool { return other.id == v.id })
	next.exists = len(next.versions) > 0
	k.change(next, now)
	s.keyChanged(k, now)
	return nil
}

// past checks the actions that concern the past of a vault.
func (c *checker) past(at string, a Action) {
	switch a.Do {
	case "restore-vault":
		if a.Key == "" && (a.Vault == "" || a.Behind.Duration <= 0 && a.Behind.invalid == "") {
			c.problem(at, "restore-vault needs to know to when; add vault and behind: 24h, or key and version")
		}
		c.reference(at+".key", a.Key)
	case "vanish-version":
		if a.Key == "" {
			c.problem(at, "vanish-version needs a key; add key: vault/key")
		}
		c.reference(at+".key", a.Key)
	}
}
