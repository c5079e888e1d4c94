package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

// TestUpdate_NobodyWantsItAnyMore when its turn comes, as the dependent was excluded or
// taken out, or the rotation was cancelled, while the update waited for a free call.
func TestUpdate_NobodyWantsItAnyMore(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"excluded", "taken out", "cancelled"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(s *estate) {
				s.unlisted = true
				s.azure.Remove(cosmosID)
				s.limits = engine.Limits{Calls: 1}
				for _, id := range []string{storageID, otherKeys} {
					s.azure.AddResource(rotatortest.Resource{ID: id, Kind: "follower", Use: rotatortest.Use{Key: keyID, Binding: rotator.BindingPinned}})
				}
				s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "follower"}, {ID: otherKeys, Kind: "follower"}}
				gate, made := make(chan struct{}), atomic.Bool{}
				s.azure.FailWith(func(call, of string) *rotatortest.Fault {
					switch {
					case call == "create":
						made.Store(true)
					case call == "observe" && of == otherKeys && made.Load():
						<-gate
					}
					return nil
				})
				s.start()
				op := s.rotate()
				s.pass(30 * time.Second)
				before := s.azure.Needs(storageID)[0]
				if n := s.azure.Calls("apply"); n != 0 || len(s.events(rotator.EventDependentUpdated)) == 0 {
					s.t.Fatalf("%d updates\n%s", n, s.log())
				}
				key := s.key
				key.Dependents = s.key.Dependents[1:]
				switch how {
				case "excluded":
					key.Dependents = append([]rotator.Dependent{{ID: storageID, Kind: "follower", Excluded: "do not touch"}}, key.Dependents...)
					s.reload(key)
				case "taken out":
					s.reload(key)
				case "cancelled":
					s.cancel(op)
				}
				s.pass(30 * time.Second)
				close(gate)
				s.pass(10 * time.Minute)
				if after := s.azure.Needs(storageID)[0]; after != before {
					s.t.Errorf("it is told another version all the same\n%s", s.log())
				}
			})
		})
	}
}

// TestUpdate_IsNotRepeatedForWhatPasses through a dependent and is not brought to the target.
func TestUpdate_IsNotRepeatedForWhatPasses(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.onlyPinned()
		s.azure.Change(storageID, func(r *rotatortest.Resource) {
			r.Deaf = true
			r.More = append(r.More, &rotatortest.Use{Path: "volumes", Key: keyID, Binding: rotator.BindingPinned, Pinned: firstVersion})
		})
		var n atomic.Int32
		for _, x := range s.azure.Services() {
			s.services = append(s.services, passing{x}) // the last of a kind counts
		}
		s.start()
		s.pass(time.Minute)
		s.azure.FailWith(func(call, _ string) *rotatortest.Fault {
			if call == "apply" && n.Add(1) > 100 {
				return &rotatortest.Fault{Err: refused(rotator.CodeForbidden, true)}
			}
			return nil
		})
		op := s.rotate()
		s.pass(10 * time.Second)
		if n := s.azure.Calls("apply"); n > 3 {
			t.Errorf("%d updates in ten seconds; %s %v", n, s.tracker(op, storageID).State, s.tracker(op, storageID).Detail.Problem)
		}
	})
}

// passing is a kind one of whose uses only passes through it.
type passing struct{ rotator.Service }

func (p passing) Observe(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	o, err := p.Service.Observe(ctx, d, ask)
	for i := range o.Uses {
		if o.Uses[i].Path == "volumes" {
			o.Uses[i].Passing = true
		}
	}
	return o, err
}
