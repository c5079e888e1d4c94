package simtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cmkd/rotator"
)

// slot is a place in the configuration: a key with what may be said of it.
type slot struct {
	// uris are the key that the slot is for, and another one that may be put under its
	// name; names are two names for it.
	uris  [2]rotator.KeyID
	names [2]string
	deps  [2][]rotator.Dependent

	// What the configuration says now: whether it has the key, by which name and
	// identifier, and the rest.
	in        bool
	uri, name int
	retire    rotator.Retire
	scheduled bool
	schedule  rotator.Schedule
	soak      time.Duration
	twoPerson bool
	discover  discover
	method    rotator.Method
	// left are the dependents that the configuration does not have.
	left map[string]bool
}

// discover says where a key is searched for dependents that nobody listed.
type discover int

// What a configuration says of it, most often nothing.
const (
	discoverAll discover = iota
	discoverHere
	discoverOff
	_ // as often as not, it says nothing
	discovers
)

// estate is all that an operator may configure.
type estate struct {
	slots []*slot
	// known are the dependents that were ever configured for a key.
	known map[rotator.KeyID]map[string]bool
}

func newEstate(w *world, rng *rand.Rand) *estate {
	e := &estate{known: map[rotator.KeyID]map[string]bool{}}
	for n := range 1 + rng.IntN(3) {
		e.slots = append(e.slots, newSlot(w, rng, n))
	}
	return e
}

func newSlot(w *world, rng *rand.Rand, n int) *slot {
	base := fmt.Sprintf("key%d", n)
	s := &slot{
		names: [2]string{base, base + "-renamed"}, in: true, left: map[string]bool{}, scheduled: rng.IntN(3) > 0,
		schedule: anySchedule(rng), retire: anyRetire(rng), soak: time.Duration(rng.IntN(3)) * 20 * time.Minute,
		twoPerson: rng.IntN(4) == 0, discover: discover(rng.IntN(int(discovers)) * rng.IntN(2)),
		method: []rotator.Method{rotator.MethodAuto, rotator.MethodCreate}[rng.IntN(2)],
	}
	for u := range s.uris {
		s.uris[u] = rotator.KeyID(fmt.Sprintf("https://vault%d.vault.azure.net/keys/%s-%d", rng.IntN(2), base, u))
		w.AddKey(s.uris[u])
		for r := range rng.IntN(4) {
			d := w.addResource(s.uris[u], r)
			s.deps[u], s.left[d.ID] = append(s.deps[u], d), rng.IntN(8) == 0
		}
	}
	return s
}

// anySchedule draws a schedule without jitter, which would depend on the key's name.
func anySchedule(rng *rand.Rand) rotator.Schedule {
	spec := []string{"0 */3 * * *", "30 4 * * *", "15 * * * *"}[rng.IntN(3)]
	misfire := []rotator.Misfire{rotator.MisfireCatchUp, rotator.MisfireSkip, rotator.MisfireAlert}[rng.IntN(3)]
	s, err := rotator.ParseSchedule(spec, "", 0, misfire, "")
	if err != nil {
		panic(err) // each of them is right
	}
	return s
}

func anyRetire(rng *rand.Rand) rotator.Retire {
	return []rotator.Retire{rotator.RetireAuto, rotator.RetireAuto, rotator.RetireManual, rotator.RetireOff}[rng.IntN(4)]
}

// id is the key that the slot's name stands for now.
func (s *slot) id() rotator.KeyID { return s.uris[s.uri] }

// key is what the configuration says of the slot.
func (s *slot) key() rotator.Key {
	k := rotator.Key{
		Name: s.names[s.name], ID: s.id(), Retire: s.retire, Soak: s.soak, TwoPerson: s.twoPerson, Method: s.method,
	}
	if s.scheduled {
		k.Schedule = s.schedule
	}
	switch s.discover {
	case discoverHere:
		k.Discover = []string{subscription}
	case discoverOff:
		k.Undiscovered = true
	default:
	}
	for _, d := range s.deps[s.uri] {
		if !s.left[d.ID] {
			k.Dependents = append(k.Dependents, d)
		}
	}
	return k
}

// dependent draws one of its dependents, listed or not; nil if it has none.
func (s *slot) dependent(rng *rand.Rand) *rotator.Dependent {
	deps := s.deps[s.uri]
	if len(deps) == 0 {
		return nil
	}
	return &deps[rng.IntN(len(deps))]
}

// keys is the configuration.
func (e *estate) keys() []rotator.Key {
	var all []rotator.Key
	for _, s := range e.slots {
		if !s.in {
			continue
		}
		k := s.key()
		all = append(all, k)
		if e.known[k.ID] == nil {
			e.known[k.ID] = map[string]bool{}
		}
		for _, d := range k.Dependents {
			e.known[k.ID][d.ID] = true
		}
	}
	return all
}

// resources returns whatever uses a key, listed or not.
func (e *estate) resources(id rotator.KeyID) (all []rotator.Dependent) {
	for _, s := range e.slots {
		for u := range s.uris {
			if s.uris[u].Same(id) {
				all = append(all, s.deps[u]...)
			}
		}
	}
	return all
}

// configured returns what the configuration says of a key, by its identifier.
func (e *estate) configured(id rotator.KeyID) (rotator.Key, bool) {
	for _, s := range e.slots {
		if s.in && s.id().Same(id) {
			return s.key(), true
		}
	}
	return rotator.Key{}, false
}

// lists reports whether a key has a dependent that is listed and not excluded.
func lists(k *rotator.Key, id string) bool {
	return slices.ContainsFunc(k.Dependents, func(d rotator.Dependent) bool { return d.Same(id) && d.Excluded == "" })
}
