package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// The documented limits on making keys within pace (azure/facts.md section 2).
const (
	pace           = 10 * time.Second
	softwareLimit  = 10
	hsmLimit       = 5
	subscriptionBy = 5 // times a vault's
)

// rush is many keys that are due at once.
type rush struct {
	*estate
	keys []rotator.Key

	mu      sync.Mutex
	created []time.Time
	// listed counts the lists of versions by key.
	listed map[string]int
}

// rushInto has so many keys in each of the vaults due at 01:21, when no key is
// watched, and waits until they are watched again. Each takes the vault a second to make.
func (s *estate) rushInto(each int, hosts ...string) *rush {
	s.t.Helper()
	r := &rush{estate: s, listed: map[string]int{}}
	r.queue(each, hosts...)
	s.pass(4*time.Minute - time.Second)
	return r
}

// queue has so many keys in each of the vaults due, and waits until they are.
func (r *rush) queue(each int, hosts ...string) {
	s := r.estate
	s.t.Helper()
	for _, host := range hosts {
		for i := range each {
			key := rotator.Key{
				Name: fmt.Sprintf("%s-%02d", host, i), ID: rotator.KeyID(fmt.Sprintf("https://%s/keys/key%02d", host, i)),
				Retire: rotator.RetireOff, Schedule: schedule(s.t, "21 1 1 1 *", rotator.MisfireCatchUp),
			}
			s.azure.AddKey(key.ID)
			r.keys = append(r.keys, key)
		}
	}
	s.start()
	s.reload(r.keys...)
	s.pass(20*time.Minute + 40*time.Second)
	s.azure.FailWith(r.record)
	s.pass(20 * time.Second)
}

func (r *rush) record(call, of string) *rotatortest.Fault {
	if call == "create" {
		<-time.After(time.Second)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch call {
	case "create":
		r.created = append(r.created, time.Now())
	case "versions":
		r.listed[of]++
	}
	return nil
}

// most returns how many versions were made at most within pace.
func (r *rush) most() (most int) {
	for i, from := range r.created {
		n := slices.IndexFunc(r.created[i:], func(at time.Time) bool { return at.Sub(from) >= pace })
		if n < 0 {
			n = len(r.created) - i
		}
		most = max(most, n)
	}
	return most
}

// vaults returns the host names of so many vaults.
func vaults(n int) (hosts []string) {
	for i := range n {
		hosts = append(hosts, fmt.Sprintf("vault%02d.vault.azure.net", i))
	}
	return hosts
}

// TestVault_WaitingForAPlaceCostsNoCall: who waits looks when the turn comes near, and
// not before.
func TestVault_WaitingForAPlaceCostsNoCall(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		r := s.rushInto(60, vaults(1)...)
		calls := len(r.created) + s.azure.Calls("tag")
		most := 0
		for _, n := range r.listed {
			calls, most = calls+n, max(most, n)
		}
		if most > 1 {
			t.Errorf("the versions of one key were listed %d times, want once", most)
		}
		const preflight, each = 1, 4
		if allowed := len(r.keys) * (preflight + each); calls > allowed {
			t.Errorf("%d calls for %d keys, want at most %d", calls, len(r.keys), allowed)
		}
	})
}

// TestVault_WhoeverIsFarFromTheTurnDoesNotLook: in the first moment no more keys look
// than the vault serves in a minute, and no dependent of another.
func TestVault_WhoeverIsFarFromTheTurnDoesNotLook(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		r := &rush{estate: s, listed: map[string]int{}}
		r.queue(300, vaults(1)...)
		s.pass(2 * time.Second)
		if n, inAMinute := len(r.listed), 60+softwareLimit; n > inAMinute {
			t.Errorf("%d keys were looked at in the first moment, want at most %d", n, inAMinute)
		}
	})
}

// TestVault_APersonIsServedBeforeTheSchedule, also if all others came before.
func TestVault_APersonIsServedBeforeTheSchedule(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.AddKey("https://vault00.vault.azure.net/keys/asked")
		r := &rush{estate: s, listed: map[string]int{}, keys: []rotator.Key{
			{Name: "asked", ID: "https://vault00.vault.azure.net/keys/asked", Retire: rotator.RetireOff},
		}}
		r.queue(300, vaults(1)...)
		s.pass(2 * time.Second)
		id := s.rotateKey("asked")
		s.pass(2*pace + 2*time.Second)
		s.completes(id)
	})
}

// TestVault_NoVaultWaitsForAnother: while five vaults use up what their subscription
// may make, a key in a sixth is made within the next ten seconds.
func TestVault_NoVaultWaitsForAnother(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		late := rotator.Key{
			Name: "late", ID: "https://zzz.vault.azure.net/keys/late", Retire: rotator.RetireOff,
			Schedule: schedule(t, "22 1 1 1 *", rotator.MisfireCatchUp),
		}
		s.azure.AddKey(late.ID)
		r := &rush{estate: s, listed: map[string]int{}, keys: []rotator.Key{late}}
		r.queue(100, vaults(subscriptionBy)...)
		s.pass(time.Minute + 2*pace)
		if got := len(s.azure.List(late.ID)); got != 2 {
			t.Errorf("the key of the sixth vault has %d versions, want 2", got)
		}
	})
}

// TestVault_MakesVersionsAtTheDocumentedPace, neither faster nor slower. Vaults of
// which nobody knows the subscription are taken to be in one.
func TestVault_MakesVersionsAtTheDocumentedPace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		each   int
		hosts  []string
		limit  int
		within time.Duration
	}{
		"software keys":                      {60, vaults(1), softwareLimit, time.Minute},
		"keys of an HSM":                     {20, []string{"contoso.managedhsm.azure.net"}, hsmLimit, 40 * time.Second},
		"two vaults":                         {30, vaults(2), 2 * softwareLimit, 30 * time.Second},
		"twenty vaults, of one subscription": {5, vaults(20), subscriptionBy * softwareLimit, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				r := s.rushInto(c.each, c.hosts...)
				if len(r.created) != len(r.keys) {
					t.Fatalf("%d versions were made within 4 minutes, want %d", len(r.created), len(r.keys))
				}
				const moment = 5 * time.Second // to look, to make the last one, to commit
				if took := r.created[len(r.created)-1].Sub(r.due()); took > c.within+moment {
					t.Errorf("it took %s to make %d versions, want at most %s", took, len(r.keys), c.within+moment)
				}
				if most := r.most(); most > c.limit {
					t.Errorf("%d versions were made within %s, want at most %d", most, pace, c.limit)
				}
			})
		})
	}
}

// due returns when the keys were due.
func (r *rush) due() time.Time { return r.created[0].Truncate(time.Minute) }

// TestRotation_OfTwoVersionsOfOneSecond follows the one that the services take for the
// newer: the vault's times do not tell.
func TestRotation_OfTwoVersionsOfOneSecond(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.key.Retire = rotator.RetireAuto
		s.start()
		var other rotator.Version
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "tag" && other.ID == "" {
				other = s.azure.Outside(keyID)
			}
			return nil
		})
		op := s.rotate()
		s.pass(28 * time.Hour)
		got := s.completes(op)
		if got.Target.ID != other.ID {
			t.Errorf("the target is %s, the services follow %s\n%s", got.Target.ID, other.ID, s.log())
		}
		s.wantVersions("--+")
	})
}

// TestRotation_OfASecondInWhichTheKeyWasMade never takes the version that was there before
// for a newer one, though its dependents are still on it.
func TestRotation_OfASecondInWhichTheKeyWasMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.start()
		before := s.azure.AddKey("https://young.vault.azure.net/keys/young")
		young := rotator.Key{Name: "young", ID: "https://young.vault.azure.net/keys/young", Retire: rotator.RetireOff}
		id := strings.Replace(storageID, "storage", "young", 1)
		s.azure.AddResource(rotatortest.Resource{ID: id, Kind: "follower", Use: rotatortest.Use{Key: young.ID, Delay: 20 * time.Minute}})
		young.Dependents = []rotator.Dependent{{ID: id, Kind: "follower"}}
		s.reload(s.key, young)
		op := s.rotateKey("young")
		s.pass(2 * time.Hour)
		if got := s.completes(op); got.Target.ID == before.ID {
			t.Errorf("the target is %s, which was there before\n%s", before.ID, s.log())
		}
	})
}
