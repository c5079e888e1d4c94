package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/rotatortest"
)

// asking tells of access only if it is asked, as a storage account's probe does.
type asking struct{ rotator.Service }

// Observe implements [rotator.Service].
func (a asking) Observe(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	o, err := a.Service.Observe(ctx, d, ask)
	if !ask.Access {
		o.Access, o.AccessCode, o.AccessEvidence = rotator.AccessUnknown, "", rotator.EvidenceNone
	}
	return o, err
}

// TestProbed_LostAccessFreezes has a dependent that shows its access only when probed lose it with the new version.
func TestProbed_LostAccessFreezes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Kind = "probed" })
		s.services = []rotator.Service{asking{s.azure.Service("probed", rotator.Traits{Window: time.Hour, Revocation: time.Hour, Best: rotator.EvidenceConfirmed, CheapAccess: true, Missing: []string{"KeyDisabled"}})}}
		s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "probed"}}
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Microsoft = true })
		s.key.Soak = 2 * time.Hour
		s.start()
		s.pass(8 * time.Hour)
		op := s.rotate()
		s.pass(10 * time.Minute)
		s.want(op, rotator.StatePropagating)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(3 * time.Hour)
		if !strings.Contains(s.firing(), "frozen-by-cmkd") {
			t.Errorf("%s firing %s\n%s", s.operation(op).State, s.firing(), s.log())
		}
	})
}

// TestProbed_DeniedGoesOnBeingDenied has a dependent that shows its access only when probed lose it in the soak.
func TestProbed_DeniedGoesOnBeingDenied(t *testing.T) {
	t.Parallel()
	inBubble(t, func(s *estate) {
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Kind = "probed" })
		s.services = []rotator.Service{asking{s.azure.Service("probed", rotator.Traits{Window: time.Hour, Revocation: time.Hour, Best: rotator.EvidenceConfirmed, CheapAccess: true, Missing: []string{"KeyDisabled"}})}}
		s.key.Dependents = []rotator.Dependent{{ID: storageID, Kind: "probed"}}
		s.azure.Change(cosmosID, func(r *rotatortest.Resource) { r.Microsoft = true })
		s.key.Soak = 2 * time.Hour
		s.start()
		op := s.rotate()
		s.pass(time.Hour)
		s.want(op, rotator.StateSoaking)
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = true })
		s.pass(3 * time.Hour)
		for _, e := range s.events(rotator.EventAlertResolved) {
			t.Errorf("%s %s, and it has none", e.At, e.Message)
		}
		s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Denied = false })
		s.pass(30 * time.Minute)
		if got := s.firing(); strings.Contains(got, "access-lost") {
			t.Errorf("fires still: %s", got)
		}
	})
}
