package azuresim

import (
	"slices"
	"strings"
	"time"
)

// over lays the values that a scenario gives over the default of a kind.
func (p Pace) over(fallback Pace) Pace {
	p.Check.Duration = p.Check.or(fallback.Check.Duration)
	p.Rewrap.Duration = p.Rewrap.or(fallback.Rewrap.Duration)
	p.DenyAfter.Duration = p.DenyAfter.or(fallback.DenyAfter.Duration)
	p.RecoverAfter.Duration = p.RecoverAfter.or(fallback.RecoverAfter.Duration)
	p.FirstCheck.Duration = p.FirstCheck.or(p.Check.Duration)
	return p
}

// watch lets a service look after its key from the moment now: Storage once a
// day, disk encryption sets every hour (facts §1). Eager kinds are woken by
// the key instead.
func (s *Server) watch(r *resource, first time.Time) {
	if r.kind.eager || r.kind.adopt == nil || r.pace.Check.Duration <= 0 {
		return
	}
	if jitter := r.pace.Jitter.Duration; jitter > 0 {
		first = first.Add(time.Duration(s.mint.number(uint64(jitter), "jitter", r.id.path())))
	}
	s.agenda.add(first, func(at time.Time) { s.look(r, at) })
}

// look is one check of a service, and plans the next.
func (s *Server) look(r *resource, now time.Time) {
	if r.gone {
		return
	}
	if !r.pace.Stuck && s.follows(r) {
		s.follow(r, now)
	}
	if r.kind.spare != nil {
		s.settle(r, now) // what became of the other keys nobody tells it
	}
	s.agenda.add(now.Add(r.pace.Check.Duration), func(at time.Time) { s.look(r, at) })
}

// follows says whether a resource takes new versions by itself.
func (s *Server) follows(r *resource) bool {
	if r.kind.follows != nil {
		return r.kind.follows(r.doc)
	}
	return r.link.key != "" && r.link.pinned == ""
}

// follow takes the newest usable version into use, if the service can read it.
func (s *Server) follow(r *resource, now time.Time) {
	k := s.keyOf(r)
	if k == nil || s.shutOut(r, k) || k.vault.deleted {
		return
	}
	if v := k.state.current(now); v != nil && v.id != r.inUse {
		s.use(r, v.id, now)
	}
}

// use makes a version the one in use. The one before wraps the rest of the data
// until re-wrapping is done.
func (s *Server) use(r *resource, id string, now time.Time) {
	before := link{key: r.inKey, pinned: r.inUse}
	r.inKey, r.inUse = r.link.key, id
	r.usage = append(r.usage, usage{key: r.inKey, version: id, since: now})
	if before.pinned != "" && before != (link{key: r.inKey, pinned: id}) {
		s.leave(r, before, now)
	}
	if r.kind.adopt != nil {
		r.before, r.changed = clone(r.doc), now
		r.remember(r.before, now)
		if r.indexed == nil {
			r.indexed = r.before
		}
		r.kind.adopt(s, r, id, now)
		s.relink(r)
	}
	s.settle(r, now)
}

// leave is what becomes of a version when another is in use: data is re-wrapped
// after a while, unless the kind has its own way.
func (s *Server) leave(r *resource, before link, now time.Time) {
	rewrap := r.pace.Rewrap.Duration
	switch {
	case r.kind.leave != nil:
		r.kind.leave(s, r, before, now)
	case rewrap > 0 && s.hasData(r):
		r.older = append(r.older, held{link: before, why: NeedRewrap})
		s.agenda.add(now.Add(rewrap), func(at time.Time) { s.rewrapped(r, before, at) })
	}
	s.file(r)
}

// hasData says whether there is anything to re-wrap: a disk encryption set
// without disks has no previousKeys [recording compute.disk-encryption-set-update].
func (s *Server) hasData(r *resource) bool {
	return r.kind.hasData == nil || r.kind.hasData(s, r)
}

// rewrapped ends the use of an older version.
func (s *Server) rewrapped(r *resource, before link, now time.Time) {
	r.older = slices.DeleteFunc(r.older, func(h held) bool { return h.link == before && h.why == NeedRewrap })
	s.file(r)
	s.settle(r, now)
}

// keyChanged tells the dependents of a key that something about it changed.
func (s *Server) keyChanged(k *key, now time.Time) {
	s.planRotation(k, now)
	s.planExpiry(k, now)
	for _, r := range slices.Clone(s.byKey[fold(k.uri(nil))]) {
		if r.kind.eager && !r.pace.Stuck && s.follows(r) {
			s.agenda.add(now.Add(r.pace.Check.Duration), func(at time.Time) {
				if !r.gone && !r.pace.Stuck && s.follows(r) {
					s.follow(r, at)
				}
			})
		}
		s.settle(r, now)
	}
}

// planExpiry lets services notice the moment at which a version expires.
func (s *Server) planExpiry(k *key, now time.Time) {
	for _, v := range k.state.versions {
		if v.exp <= now.Unix() {
			continue
		}
		if k.expiries == nil {
			k.expiries = map[int64]bool{}
		}
		if k.expiries[v.exp] {
			continue
		}
		k.expiries[v.exp] = true
		s.agenda.add(time.Unix(v.exp, 0).UTC(), func(at time.Time) {
			for _, r := range slices.Clone(s.byKey[fold(k.uri(nil))]) {
				s.settle(r, at)
			}
		})
	}
}

// why returns what keeps a service from using its key at the moment now.
func (s *Server) why(r *resource, now time.Time) denial {
	list := r.holds()
	if len(list) == 0 {
		list = []held{{link: link{key: r.link.key}}}
	}
	for _, h := range list {
		if why := s.whyNot(r, h.link, now); why != deniedNot {
			if r.kind.spare != nil && r.kind.spare(s, r, now) {
				return deniedNot
			}
			return why
		}
	}
	return deniedNot
}

// whyNot returns what keeps a service from using one version at the moment now, or
// any if it names none.
func (s *Server) whyNot(r *resource, l link, now time.Time) denial {
	if l.key == "" {
		return deniedNot
	}
	k := s.keyAt(l.key)
	switch {
	case k == nil:
		return s.absent(l)
	case k.vault.deleted:
		return deniedVault
	case s.shutOut(r, k):
		return deniedForbidden
	case !k.state.exists || k.state.deleted != nil:
		return deniedDeleted
	}
	if l.pinned == "" {
		return deniedNot
	}
	v := k.state.find(l.pinned)
	if v == nil || !v.enabled {
		return deniedDisabled
	}
	// An expired version still unwraps in the vault, but disks stop
	// (facts-evidence §4, §6).
	if r.kind.expires && v.exp != 0 && now.Unix() >= v.exp && s.quirk(quirkExpiredDisks) == "stop" {
		return deniedDisabled
	}
	return deniedNot
}

// absent is what a service feels whose key is not there: nothing, if its vault never
// was in the estate.
func (s *Server) absent(l link) denial {
	host, _, _ := strings.Cut(strings.TrimPrefix(l.key, "https://"), "/")
	switch {
	case s.vaults[host] != nil:
		return deniedDeleted
	case slices.ContainsFunc(s.made, func(v *vault) bool { return v.host == host }):
		return deniedVault
	}
	return deniedNot
}

// settle compares what a service can do with what it should be able to, and
// plans the change with the service's delay. A plan that a later change of the
// key made pointless is dropped.
func (s *Server) settle(r *resource, now time.Time) {
	if r.kind.atStart {
		return
	}
	want := s.why(r, now)
	if (want == deniedNot) == (r.denied == deniedNot) {
		r.turn++
		r.planned, r.denied = want, want
		return
	}
	if (want == deniedNot) == (r.planned == deniedNot) && r.planned != r.denied {
		return // planned already
	}
	delay := r.pace.DenyAfter.Duration
	if want == deniedNot {
		delay = r.pace.RecoverAfter.Duration
	}
	r.turn++
	r.planned = want
	turn := r.turn
	s.agenda.add(now.Add(delay), func(at time.Time) {
		if r.turn == turn && !r.gone {
			s.turn(r, s.why(r, at), at)
		}
	})
}

// turn ends a service's access to its key, or gives it back.
func (s *Server) turn(r *resource, to denial, now time.Time) {
	r.turn++
	r.remember(clone(r.doc), now)
	r.denied, r.planned, r.deniedAt = to, to, now
	if r.kind.turned != nil {
		r.kind.turned(s, r, now)
	}
}
