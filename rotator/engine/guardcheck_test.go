package engine

import (
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
)

// TestGuard_Checks are the cases of the guard that hardly come about, one by one: each is a
// rotation to which nothing is to be said but for one thing.
func TestGuard_Checks(t *testing.T) {
	t.Parallel()
	const (
		key       = rotator.KeyID("https://contoso.vault.azure.net/keys/payments")
		old, next = "v1", "v2"
	)
	now := time.Date(2026, 1, 12, 8, 0, 0, 0, time.UTC)
	problem := &rotator.Problem{Code: rotator.ReasonExcluded, Message: "leaves in May"}
	for _, tt := range []struct {
		name  string
		spoil func(g *guardView, t *rotator.Tracker)
		check rotator.Reason // of the only objection, empty for none
		says  string
	}{
		{"all is well", func(*guardView, *rotator.Tracker) {}, "", ""},
		{"the evidence that is demanded now is more than there is", func(g *guardView, t *rotator.Tracker) {
			g.require, t.Evidence = rotator.EvidenceConfirmed, rotator.EvidenceObserved
		}, rotator.ReasonDependentNotSettled, "is only observed, and confirmed is demanded"},
		{"one was not looked at again", func(g *guardView, _ *rotator.Tracker) {
			g.stale = map[uint32]bool{7: true}
		}, rotator.ReasonDependentNotSeenAfresh, "one was not observed again yet"},
		{"one that is not on the target was not looked at again", func(g *guardView, t *rotator.Tracker) {
			g.stale, t.State = map[uint32]bool{7: true}, rotator.TrackerUnreachable
		}, rotator.ReasonDependentUnreachable, "storage one cannot be read"},
		{"one is only inferred", func(_ *guardView, t *rotator.Tracker) {
			t.Evidence = rotator.EvidenceInferred
		}, rotator.ReasonDependentInferred, "storage one is only inferred"},
		{"it was rolled back", func(g *guardView, _ *rotator.Tracker) {
			g.op.Rollback = &rotator.Problem{Message: "one says KeyDisabled"}
		}, rotator.ReasonRolledBack, "one says KeyDisabled"},
		{"nobody looks at one, which has blind spots", func(_ *guardView, t *rotator.Tracker) {
			t.State, t.Detail.Blind, t.Detail.Problem = rotator.TrackerExcluded, []string{"backups"}, problem
		}, rotator.ReasonNotAttested, "nobody looks at storage one: leaves in May"},
		{"nobody looks at one, and nobody says why", func(_ *guardView, t *rotator.Tracker) {
			t.State = rotator.TrackerExcluded
		}, rotator.ReasonNotAttested, "nobody looks at storage one"},
		{"one is not listed any more", func(_ *guardView, t *rotator.Tracker) {
			t.State, t.Detail.Removed = rotator.TrackerExcluded, true
		}, "", ""},
		{"the new version is not in the list", func(g *guardView, _ *rotator.Tracker) {
			g.versions = g.versions[:1]
		}, rotator.ReasonTargetMissing, "does not list the new version v2"},
		{"there is a newer one", func(g *guardView, _ *rotator.Tracker) {
			g.versions = append(g.versions, rotator.Version{ID: "v3", Enabled: true, Created: now})
		}, rotator.ReasonTargetSuperseded, "version v3 is newer than v2"},
		{"the versions were not asked for", func(g *guardView, _ *rotator.Tracker) { g.versions = nil }, "", ""},
		{"an unlisted one left", func(_ *guardView, t *rotator.Tracker) {
			t.State, t.Detail.Dependent.Discovered = rotator.TrackerLeft, true
		}, "", ""},
		{"an unlisted one is excluded", func(_ *guardView, t *rotator.Tracker) {
			t.State, t.Detail.Dependent.Discovered = rotator.TrackerExcluded, true
		}, rotator.ReasonNotAttested, "nobody looks at storage one"},
		{"an unlisted one has trouble of its own", func(_ *guardView, t *rotator.Tracker) {
			t.Detail.Dependent.Discovered, t.Detail.Problem = true, problem
		}, rotator.ReasonDependentDiscovered, "a search found it; leaves in May"},
		{"more was not searched than is named", func(g *guardView, _ *rotator.Tracker) {
			g.op.Inventory.More = 3
		}, rotator.ReasonInventoryIncomplete, "not checked for unlisted dependents: 3 more"},
		{"nobody is known to have looked, and the soak began", func(g *guardView, t *rotator.Tracker) {
			g.soak, t.Seen = time.Hour, time.Time{}
		}, "", ""},
		{"a blind spot, attested", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Blind = []string{"backups"}
			g.attestations = attests(key, now, func(*rotator.Attestation) {})
		}, "", ""},
		{"a blind spot, attested before its binding was told", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Blind = []string{"backups"}
			g.attestations = attests(key, now, func(a *rotator.Attestation) { a.Binding = "" })
		}, "", ""},
		{"a blind spot, attested for one whose binding is not told", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Blind, t.Detail.Binding = []string{"backups"}, ""
			g.attestations = attests(key, now, func(*rotator.Attestation) {})
		}, "", ""},
		{"a blind spot, attested for another binding", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Blind = []string{"backups"}
			g.attestations = attests(key, now, func(a *rotator.Attestation) { a.Binding = rotator.BindingPinned })
		}, rotator.ReasonBlindSpot, "cannot be seen whole: backups"},
		{"a blind spot, attested before it was one", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Blind = []string{"backups"}
			g.attestations = attests(key, now, func(a *rotator.Attestation) { a.BlindSpots = nil })
		}, rotator.ReasonBlindSpot, "cannot be seen whole: backups"},
		{"a blind spot, attested for other versions", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Blind = []string{"backups"}
			g.attestations = attests(key, now, func(a *rotator.Attestation) { a.Versions = []string{"v0"} })
		}, rotator.ReasonBlindSpot, "cannot be seen whole: backups"},
		{"a blind spot, attested until now", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Blind = []string{"backups"}
			g.attestations = attests(key, now, func(a *rotator.Attestation) { a.Until = now })
		}, rotator.ReasonBlindSpot, "cannot be seen whole: backups"},
		{"whoever retires attested", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Blind, g.op.Retirer = []string{"backups"}, "alice"
			g.attestations = attests(key, now, func(*rotator.Attestation) {})
		}, rotator.ReasonAttestedByRetirer, "alice attested for one (a-1), and wants to retire"},
		{"whoever retires attested for one that nobody looks at", func(g *guardView, t *rotator.Tracker) {
			t.State, g.op.Retirer = rotator.TrackerExcluded, "alice"
			g.attestations = attests(key, now, func(*rotator.Attestation) {})
		}, rotator.ReasonAttestedByRetirer, "alice attested for one (a-1), and wants to retire"},
		{"whoever retires attested that it is needed no more", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Needs, g.op.Retirer = []string{"v1"}, "alice"
			g.attestations = attests(key, now, func(*rotator.Attestation) {})
		}, rotator.ReasonAttestedByRetirer, "alice attested for one (a-1), and wants to retire"},
		{"another one attested that it is needed no more", func(g *guardView, t *rotator.Tracker) {
			t.Detail.Needs, g.op.Retirer = []string{"v1"}, "bob"
			g.attestations = attests(key, now, func(*rotator.Attestation) {})
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &guardView{
				op:         &rotator.Operation{ID: 1, Key: "payments", KeyID: key, Target: rotator.Version{ID: next}, Previous: []string{old}, Settled: now},
				trackers:   []rotator.Tracker{{Number: 7, State: rotator.TrackerDone, Evidence: rotator.EvidenceConfirmed, Seen: now}},
				versions:   []rotator.Version{{ID: old, Enabled: true, Created: now.Add(-2 * time.Hour)}, {ID: next, Enabled: true, Created: now.Add(-time.Hour)}},
				configured: true, require: rotator.EvidenceInferred, now: now, last: lastOf,
			}
			one := &g.trackers[0]
			one.Detail = &rotator.TrackerDetail{Version: next, Binding: rotator.BindingFollows, Dependent: rotator.Dependent{ID: "/one", Name: "one", Kind: "storage"}}
			tt.spoil(g, one)
			got := objections(g)
			if tt.check == "" && len(got) > 0 || tt.check != "" && (len(got) != 1 || got[0].Check != tt.check || !strings.Contains(got[0].Message, tt.says)) {
				t.Errorf("objects %+v, want %q: %q", got, tt.check, tt.says)
			}
			person := tt.check == "" || tt.check == rotator.ReasonDependentInferred || tt.check == rotator.ReasonRolledBack
			if doubtful(got) != person {
				t.Errorf("a person may decide: %t, want %t", !person, person)
			}
		})
	}
}

// attests are what alice said of the dependent.
func attests(key rotator.KeyID, now time.Time, change func(*rotator.Attestation)) []*rotator.Attestation {
	a := &rotator.Attestation{
		ID: "a-1", KeyID: key, Dependent: "/one", Versions: []string{"v1"}, Binding: rotator.BindingFollows, BlindSpots: []string{"backups"},
		Actor: "alice", Made: now, Until: now.Add(time.Hour),
	}
	change(a)
	return []*rotator.Attestation{a}
}
