package storetest

import (
	"testing"

	"cmkd/rotator"
)

func standingChecks() []check {
	return []check{
		{"come by key and dependent", standingOrder},
		{"are of a key whatever its case", standingCase},
		{"are replaced, the later of one change stays", standingReplace},
		{"are forgotten, also if the same change brings them", standingForget},
		{"of no key are none", func(t *testing.T, s rotator.Store) { none(t, s) }},
	}
}

func standings(t *testing.T, s rotator.Store, name string) []rotator.Standing {
	t.Helper()
	all, err := s.Standings(t.Context(), keyID(name))
	if err != nil {
		t.Fatalf("standings: %v", err)
	}
	return all
}

// none holds that key a has no standings.
func none(t *testing.T, s rotator.Store) {
	t.Helper()
	if all := standings(t, s, "a"); len(all) != 0 {
		t.Errorf("%d standings, want none: %+v", len(all), all)
	}
}

func standingOrder(t *testing.T, s rotator.Store) {
	var ofA, ofAA []rotator.Standing
	for _, dependent := range []string{"/b", "/a/b", "/a"} {
		commit(t, s, &rotator.Change{Standings: []rotator.Standing{standing(keyID("a"), dependent), standing(keyID("aa"), dependent)}})
	}
	for _, dependent := range []string{"/a", "/b", "/a/b"} { // the length of a name stands before it
		ofA, ofAA = append(ofA, standing(keyID("a"), dependent)), append(ofAA, standing(keyID("aa"), dependent))
	}
	same(t, "standings of a", standings(t, s, "a"), ofA)
	same(t, "standings of aa", standings(t, s, "aa"), ofAA)
}

func standingCase(t *testing.T, s rotator.Store) {
	commit(t, s, &rotator.Change{Standings: []rotator.Standing{standing(keyID("A"), "/X")}})
	second := standing(keyID("a"), "/x")
	commit(t, s, &rotator.Change{Standings: []rotator.Standing{second}})
	same(t, "standings", standings(t, s, "A"), []rotator.Standing{second})
}

func standingReplace(t *testing.T, s rotator.Store) {
	first, later := standing(keyID("a"), "/x"), standing(keyID("a"), "/x")
	later.Since, later.Held = at(3), nil
	commit(t, s, &rotator.Change{Standings: []rotator.Standing{first}})
	commit(t, s, &rotator.Change{Standings: []rotator.Standing{first, later}})
	same(t, "standings", standings(t, s, "a"), []rotator.Standing{later})
}

func standingForget(t *testing.T, s rotator.Store) {
	commit(t, s, &rotator.Change{Standings: []rotator.Standing{standing(keyID("a"), "/x"), standing(keyID("b"), "/x")}})
	commit(t, s, &rotator.Change{
		Standings: []rotator.Standing{standing(keyID("a"), "/y")},
		Forget:    rotator.Forget{Standings: []rotator.StandingID{{KeyID: keyID("A"), Dependent: "/X"}, {KeyID: keyID("a"), Dependent: "/y"}}},
	})
	none(t, s)
	same(t, "standings of b", standings(t, s, "b"), []rotator.Standing{standing(keyID("b"), "/x")})
}
