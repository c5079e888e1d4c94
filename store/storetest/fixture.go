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
		Current: rotator.Version{
			ID: "0123456789abcdef0123456789abcdef", Created: at(-100), Enabled: true,
			Expires: at(9000), PurgeProtected: true, Operation: "i/op-1",
		},
		Unretired: []string{"a", "b"},
		Problem:   &rotator.Problem{Code: "c", Message: "m", Hint: "<h> & \u2028"},
	}
}

// operation is a live one at revision 1, with something in every field.
func operation(id rotator.OperationID, name string) rotator.Operation {
	return rotator.Operation{
		ID: id, Kind: rotator.KindRotation, Key: name, KeyID: rotator.KeyID("https://contoso.vault.azure.net/keys/" + name),
		State: rotator.StatePropagating, Cause: rotator.CauseOperator, Actor: "amelie", Reason: "Schlüssel erneuern",
		Created: at(0), Since: at(0.5), Due: at(float64(id)),
		Base:    []string{"v1", "v0"},
		Attempt: rotator.Attempt{Number: 2, Method: rotator.MethodRotate, At: at(0.1), Uncertain: at(0.2)},
		Target:  rotator.Version{ID: "v2", Created: at(0.1), Enabled: true}, Adopted: true,
		Previous: []string{"v1"}, Retired: []string{"v1"}, Retire: rotator.RetireAuto, Retirer: "bo",
		Settled: at(0.3), Verify: at(0.4), Searched: at(0.5), Versions: []string{"v1"}, Changed: []string{"v1"},
		Effect: at(0.6), Approvals: []rotator.Approval{{Actor: "bo", At: at(0.7)}}, Revocation: 7,
		CancelledBy: "cy", Waiting: "for the soak time", Problem: &rotator.Problem{Code: "c", Message: "m"},
		Failures: 3, Revision: 1,
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
			ID: id, Kind: "storage", Name: "a", Nudge: rotator.NudgeWhenStalled, Window: time.Hour,
			Settings: map[string]string{"container": "c"},
		},
		Binding: rotator.BindingFollows, Before: "v1", Version: "v1", Applied: at(1), AppliedVersion: "v2",
		Last: &rotator.Observation{At: at(1), Version: "v1", Previous: []string{"v0"}, Facts: map[string]string{"k": "v"}},
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

// change is an operation with trackers, its key and an event.
func change(id rotator.OperationID, name string, numbers ...uint32) *rotator.Change {
	c := &rotator.Change{
		Keys:       []rotator.KeyState{key(name)},
		Operations: []rotator.Operation{operation(id, name)},
		Events:     []rotator.Event{event("began")},
	}
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
