package engine_test

import (
	"context"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

const clusterID = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/clusters/aks"

// findable is a kind that can be searched for.
type findable interface {
	rotator.Service
	rotator.Finder
}

// through is a kind that uses its key through another resource.
type through struct {
	findable
	other string
}

func (s through) Observe(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	o, err := s.findable.Observe(ctx, d, ask)
	for i := range o.Uses {
		o.Uses[i].Via = s.other
	}
	return o, err
}

// TestVia_OutlivesWhatItWasLookedAtThrough deletes a cluster, listed or not, whose disk
// encryption set stays, on the old version: it is nobody's but the search's then.
func TestVia_OutlivesWhatItWasLookedAtThrough(t *testing.T) {
	t.Parallel()
	for name, listed := range map[string]bool{"found": false, "listed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.unlisted = true
				s.azure.Remove(cosmosID)
				s.azure.Remove(storageID)
				s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned}})
				s.azure.AddResource(rotatortest.Resource{ID: clusterID, Kind: "cluster", Deaf: listed, Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned}})
				s.azure.AddResource(rotatortest.Resource{ID: otherKeys, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: time.Minute}})
				s.key.Dependents = []rotator.Dependent{{ID: otherKeys, Kind: "follower"}}
				if listed {
					s.key.Dependents = append(s.key.Dependents, rotator.Dependent{ID: clusterID, Kind: "cluster"})
				}
				cluster := s.azure.Service("cluster", rotator.Traits{Window: time.Hour, Revocation: time.Hour, Best: rotator.EvidenceConfirmed}).(findable)
				s.services = []rotator.Service{through{cluster, storageID}}
				s.start()
				first := s.azure.Needs(storageID)[0]
				s.rotate()
				s.pass(4 * time.Hour)
				s.wantEnabled(first, "nobody listed all that is on it")
				s.azure.Remove(clusterID)
				s.pass(time.Hour)
				if listed {
					s.key.Dependents = s.key.Dependents[:1]
					s.reload(s.key)
				}
				s.pass(24 * time.Hour)
				s.wantEnabled(first, "the set of disks is on it still, and the last search found that")
			})
		})
	}
}
