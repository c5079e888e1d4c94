package storetest

import (
	"fmt"
	"time"

	"cmkd/rotator"
)

// at returns a moment some hours after the tests' beginning of time, with
// nanoseconds, which a store must keep.
func at(hours float64) time.Time {
	start := time.Date(2025, 3, 30, 0, 59, 59, 123456789, time.UTC)
	return start.Add(time.Duration(hours * float64(time.Hour)))
}

func key(name string) rotator.KeyState {
	return rotator.KeyState{
		Name: name, ID: rotator.KeyID("https://contoso.vault.azure.net/keys/" + name),
		Spec: "0 3 1 * *", LastFired: at(-1), Seen: at(0),
		Current:   version("0123456789abcdef0123456789abcdef"),
		Unretired: []string{"a", "b"}, Searched: []string{"one"},
		RolledBack: []string{"a"}, Compromised: []string{"c"},
		Problem: &rotator.Problem{Code: "c", Message: "m", Hint: "<h> & \u2028", Class: rotator.CodeForbidden},
		Failed:  3, Missed: at(-2), Preflight: problem(), PreflightAt: at(-0.5),
		Policy: rotator.RotationPolicy{Rotate: "P90D after creation", Expiry: "P1Y"}, PolicyAt: at(-0.25),
		Versions: []rotator.Version{version("v1"), version("v0")}, Effects: []rotator.Effect{{Version: "v1", Enable: true, At: at(-0.2)}},
		Tampered: []rotator.Tampering{{Version: "v0", Change: rotator.TamperMade, Seen: at(-0.1), At: at(-0.3), Why: "is weaker", Mended: at(-0.05), Enabled: true}},
		Observed: at(-0.4), Changed: at(-0.6), Drift: []rotator.Drifted{{
			Change: rotator.ReasonKeyLeft, Class: rotator.CodeForbidden, Affected: []rotator.Affected{{ID: "/subscriptions/s/a", Kind: "storage", Name: "a"}}, Count: 2, Message: "left",
		}},
		InUse: []rotator.InUse{{Version: "v1", Affected: []rotator.Affected{{ID: "/subscriptions/s/a", Kind: "storage", Name: "a"}}, Count: 2, Expired: at(-0.7)}},
		Ahead: []rotator.Problem{*problem()},
	}
}

func version(id string) rotator.Version {
	return rotator.Version{
		ID: id, Created: at(-100), Updated: at(-99), Enabled: true, Expires: at(9000), NotBefore: at(-98),
		PurgeProtected: true, HSM: true, Type: "RSA", Size: 3072, Ops: "unwrapKey wrapKey", Exportable: true, Operation: "i/op-1",
	}
}

func problem() *rotator.Problem {
	return &rotator.Problem{Code: "c", Message: "m", Hint: "h", Class: rotator.ClassAutoRotation}
}

// operation is a live one at revision 1, with something in every field.
func operation(id rotator.OperationID, name string) rotator.Operation {
	return rotator.Operation{
		ID: id, Kind: rotator.KindRotation, Key: name, KeyID: keyID(name),
		State: rotator.StatePropagating, Cause: rotator.CauseOperator, Actor: "amelie", Reason: "Schlüssel erneuern",
		Created: at(0), Since: at(0.5), Due: at(float64(id)), Wake: at(0.8),
		Base:    []string{"v1", "v0"},
		Attempt: rotator.Attempt{Number: 2, Method: rotator.MethodRotate, At: at(0.1), Uncertain: at(0.2)},
		Target:  version("v2"), Adopted: true,
		Previous: []string{"v1"}, Retired: []string{"v1"}, Retire: rotator.RetireAuto, Doubt: problem(), Overdue: true, Retirer: "bo",
		Settled: at(0.3), Verify: at(0.4), Searched: at(0.5), Versions: []string{"v1"}, Changed: []string{"v1"},
		Effect: at(0.6), Approvals: []rotator.Approval{{Actor: "bo", At: at(0.7), Reason: "ticket"}}, Revocation: 7,
		CancelledBy: "cy", Waiting: rotator.Wait{For: rotator.WaitRetry, Version: "v1", Problem: problem()}, Problem: problem(), Needs: problem(), Compromised: true, Accepted: "v1", RetiredAt: at(1.5), Probation: at(3), RolledBack: at(2.5), Rollback: problem(), Restoring: true, Held: problem(),
		Failures: 3, Revision: 1, Unlisted: 1,
		Inventory: rotator.Inventory{Off: true, Subscriptions: 3, Unchecked: []rotator.Unchecked{{Kind: "storage", Subscription: "s", Problem: *problem()}}, More: 4},
	}
}

// next returns the operation's following revision, finished if final.
func next(o rotator.Operation, final bool) rotator.Operation {
	o.Revision++
	if final {
		o.State, o.Due, o.Finished = rotator.StateCompleted, time.Time{}, at(3)
	}
	return o
}

func detail(n uint32) *rotator.TrackerDetail {
	id := fmt.Sprintf("/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a%d", n)
	return &rotator.TrackerDetail{
		Dependent: rotator.Dependent{
			ID: id, Kind: "storage", Name: "a", Nudge: rotator.NudgeWhenStalled, Recreate: true, Window: time.Hour,
			Poll: time.Minute, Excluded: "on purpose", Discovered: true, Settings: map[string]string{"container": "c"},
		},
		Binding: rotator.BindingFollows, Before: "v1", Version: "v1", Via: []string{"/subscriptions/s/set", "/subscriptions/s/other"},
		Region: "westeurope", Applied: at(1), AppliedVersion: "v2", AppliedAction: rotator.ActionRepin, Removed: true, DoneAt: at(2), Problem: problem(),
		Known: []string{"properties.activeKey", "properties.etcd"}, BoundBefore: rotator.BindingPinned, Window: 8 * time.Hour, Blind: []string{"backups"}, Refused: 4, Refusal: &rotator.Problem{Code: "ScopeLocked", Message: "locked", Hint: "unlock", Class: rotator.CodeRefused}, Needs: []string{"v0"},
		KnownBefore: []string{"properties.activeKey"}, AppliedTo: []string{"properties.etcd"},
		Allowed: true, Others: []string{"v3"}, NeedsYet: []string{"v4"},
		Last: &rotator.Observation{
			At: at(1), Uses: uses(), BlindSpots: []rotator.BlindSpot{{What: "backups", Why: "nobody sees them"}},
			Partial: true, Updating: true, Access: rotator.AccessDenied, AccessCode: "403",
			AccessEvidence: rotator.EvidenceObserved, Problem: problem(), Region: "westeurope",
			Facts: map[string]string{"k": "v"},
		},
	}
}

// uses are two, one of them with something in every field.
func uses() []rotator.Use {
	return []rotator.Use{
		{
			Path: "properties.activeKey", Key: keyID("a"), Binding: rotator.BindingFollows, Version: "v1", RotatedAt: at(0.9),
			Held: []rotator.Held{{Key: keyID("a"), Version: "v0"}, {Key: keyID("b"), Version: "v9"}}, Via: "/subscriptions/s/set",
			Microsoft: true, Unknown: problem(), Setting: true, Previous: true, ByHand: "az aks update", Window: 8 * time.Hour, Passing: true,
		},
		{Path: "properties.etcd", Key: keyID("b"), Binding: rotator.BindingPinned},
	}
}

func tracker(op rotator.OperationID, n uint32) rotator.Tracker {
	return rotator.Tracker{
		Operation: op, Number: n, State: rotator.TrackerPropagating, Failures: 1, Looks: 2 + int(n),
		Due: at(1 + float64(n)), Since: at(0.5), Seen: at(0.75), Detail: detail(n),
	}
}

func event(message string) rotator.Event {
	return rotator.Event{
		At: at(1), Type: rotator.EventTrackerChanged, Key: "payments", Operation: 1, Dependent: "/subscriptions/s",
		Actor: "cmkd", Message: message, Data: map[string]string{"from": "waiting", "to": "done"},
	}
}

// alert has something in every field.
func alert(id string) rotator.Alert {
	return rotator.Alert{
		ID: id, Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityWarning, Key: "payments", KeyID: "https://contoso.vault.azure.net/keys/payments", Operation: 1,
		Cause: "storage", Summary: "Schlüssel <hängt> & wartet", Count: 2, Hint: "h", Next: "cmkd status payments",
		Affected: []rotator.Affected{{ID: "/subscriptions/s/a", Kind: "storage", Name: "a"}},
		Starts:   at(1), Ends: at(2), Until: at(3),
		Told: map[string]rotator.Delivery{
			"ops":   {Fired: at(1.1), Resolved: at(2.1), Failures: 3, Next: at(2.2), Problem: "refused"},
			"pager": {},
		},
	}
}

// silence has something in every field.
func silence(id string) rotator.Silence {
	return rotator.Silence{
		ID: id, Alert: "a", Rule: rotator.RuleNeedsAction, Key: "payments", KeyID: "https://contoso.vault.azure.net/keys/payments", Actor: "amelie", Reason: "known",
		Created: at(1), Until: at(5),
	}
}

func timing(kind, region string, change rotator.OperationKind) rotator.Timing {
	return rotator.Timing{Kind: kind, Region: region, Change: change, Histogram: []byte{0x1c, 0x84, 0x93, 0x14, 0, 0xff}}
}

// attestation, freeze and standing have something in every field.
func attestation(id string) rotator.Attestation {
	return rotator.Attestation{
		ID: id, KeyID: keyID("a"), Key: "payments", Dependent: "/subscriptions/s/a", Versions: []string{"v1", "v2"}, Binding: rotator.BindingFollows,
		BlindSpots: []string{"backups"}, Actor: "amelie", Reason: "looked", Made: at(1), Until: at(5), Void: problem(),
	}
}

func freeze(id string) rotator.Freeze {
	return rotator.Freeze{
		ID: id, Vault: "contoso.vault.azure.net", KeyID: keyID("a"), Key: "payments", Actor: "amelie", Reason: "audit", Made: at(1), Until: at(5), Scheduled: true,
	}
}

func standing(key rotator.KeyID, dependent string) rotator.Standing {
	return rotator.Standing{
		KeyID: key, Dependent: dependent, Kind: "storage", Last: detail(0).Last, Since: at(1), Known: []string{"properties.encryption"}, Unlisted: true, Held: []rotator.Held{{Key: key, Version: "v0"}},
		Drift: []rotator.Drift{{Change: rotator.ReasonVersionChanged, Use: "properties.encryption", From: "v1", To: "v0", Message: "went", Class: rotator.CodeForbidden, Since: at(1)}},
	}
}

// pages is a record of one name on each shelf.
func pages(name string) *rotator.Change {
	return &rotator.Change{
		Alerts: []rotator.Alert{alert(name)}, Silences: []rotator.Silence{silence(name)},
		Timings:      []rotator.Timing{timing(name, "westeurope", rotator.KindRotation)},
		Attestations: []rotator.Attestation{attestation(name)}, Freezes: []rotator.Freeze{freeze(name)},
		Standings: []rotator.Standing{standing(keyID(name), "/subscriptions/s/"+name)},
	}
}

// bookOf is the book that a change alone makes.
func bookOf(c *rotator.Change) rotator.Book {
	return rotator.Book{
		Alerts: c.Alerts, Silences: c.Silences, Timings: c.Timings, Attestations: c.Attestations, Freezes: c.Freezes,
	}
}

// change is an operation with trackers, its key, an event and pages of the book.
func change(id rotator.OperationID, name string, numbers ...uint32) *rotator.Change {
	c := pages(name)
	c.Keys, c.Operations = []rotator.KeyState{key(name)}, []rotator.Operation{operation(id, name)}
	c.Events = []rotator.Event{event("began")}
	c.Keys[0].NextRotation, c.Keys[0].Operation = at(100), id
	for _, n := range numbers {
		c.Trackers = append(c.Trackers, tracker(id, n))
	}
	c.Operations[0].Trackers = count(c.Trackers)
	return c
}

func count(ts []rotator.Tracker) map[rotator.TrackerState]int {
	counts := make(map[rotator.TrackerState]int)
	for i := range ts {
		counts[ts[i].State]++
	}
	return counts
}

// keyID returns the identifier of a key.
func keyID(name string) rotator.KeyID {
	return rotator.KeyID("https://contoso.vault.azure.net/keys/" + name)
}
