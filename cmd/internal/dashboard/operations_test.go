package dashboard_test

import (
	"time"

	"cmkd/rotator"
)

// rotation is one on its way for 25 hours.
func rotation() rotator.OperationStatus {
	began := epoch().Add(-25 * time.Hour)
	s := rotator.OperationStatus{Operation: rotator.Operation{
		ID: 117, Kind: rotator.KindRotation, Key: "payments", KeyID: paymentID, State: rotator.StatePropagating, Cause: rotator.CauseSchedule,
		Actor: "cmkd", Created: began, Since: began.Add(43 * time.Second), Due: epoch().Add(5 * time.Minute), Base: []string{oldID},
		Target: rotator.Version{ID: newID, Created: began.Add(43 * time.Second), Enabled: true}, Previous: []string{oldID},
		Retire: rotator.RetireManual, Waiting: rotator.Wait{For: "waits for 6 of 9 dependents"},
	}, Trackers: trackers()}
	s.Operation.Trackers = map[rotator.TrackerState]int{}
	for _, t := range s.Trackers {
		s.Operation.Trackers[t.State]++
	}
	s.Blockers = []rotator.Objection{{Check: "dependent-behind", Dependent: s.Trackers[0].Detail.Dependent.ID, Message: "storage ledgerarchive still uses version 1c9f0e6b", Hint: "wait for it, or exclude it with a reason"}}
	return s
}

func tracker(n uint32, kind, provider, name string, state rotator.TrackerState, evidence rotator.Evidence) rotator.TrackerStatus {
	t := rotator.TrackerStatus{Window: time.Hour}
	t.Operation, t.Number, t.State, t.Evidence, t.Looks = 117, n, state, evidence, 12
	t.Since, t.Seen, t.Due = epoch().Add(-time.Hour), epoch().Add(-30*time.Second), epoch().Add(4*time.Minute)
	t.Detail = &rotator.TrackerDetail{
		Dependent: rotator.Dependent{ID: scope + provider + "/" + name, Kind: kind, Name: name}, Binding: rotator.BindingFollows,
		Before: oldID, Version: oldID, Region: "westeurope",
		Last: &rotator.Observation{
			At: epoch().Add(-30 * time.Second), Region: "westeurope",
			Uses: []rotator.Use{
				{Path: "properties.encryption", Key: paymentID, Binding: rotator.BindingFollows, Version: oldID},
				{Path: "properties.etcd", Key: paymentID, Binding: rotator.BindingPinned, Version: oldID, Held: []rotator.Held{{Key: paymentID, Version: newID}}},
			},
			BlindSpots: []rotator.BlindSpot{{What: "backups", Why: "they need the version that was current when they were made"}},
			Facts: map[string]string{
				"properties.encryption.keyvaultproperties.currentVersionedKeyIdentifier": paymentID.WithVersion(oldID),
				"properties.encryption.keyvaultproperties.lastKeyRotationTimestamp":      "2025-10-11T06:00:04Z",
				"properties.provisioningState":                                           "Succeeded",
			},
		},
	}
	if state == rotator.TrackerDone {
		t.Due = time.Time{}
		t.Detail.DoneAt, t.Detail.Version, t.Detail.Last.Uses[0].Version = t.Seen, newID, newID
	}
	return t
}

// trackers are one of every state and evidence, what needs somebody first.
func trackers() []rotator.TrackerStatus {
	const storage, sets = "Microsoft.Storage/storageAccounts", "Microsoft.Compute/diskEncryptionSets"
	stalled := tracker(0, "storage", storage, "ledgerarchive", rotator.TrackerStalled, "")
	stalled.Detail.Dependent.Name, stalled.Window, stalled.Deadline = hostile, 24*time.Hour, epoch().Add(-time.Hour)
	stalled.Looks = 102
	fixed := tracker(1, "container-group", "Microsoft.ContainerInstance/containerGroups", "score-batch", rotator.TrackerNeedsAction, "")
	fixed.Detail.Binding, fixed.Deadline = rotator.BindingFixed, epoch().Add(-time.Hour)
	fixed.Detail.Problem = &rotator.Problem{Code: "must-be-recreated", Message: "names its key version for good and has to be deployed anew", Hint: "deploy it with key version " + newID + ", or set recreate: true for it"}
	gone := tracker(2, "cosmosdb", "Microsoft.DocumentDB/databaseAccounts", "sessions-db", rotator.TrackerUnreachable, "")
	gone.Detail.Last, gone.Failures = nil, 5
	gone.Detail.Problem = &rotator.Problem{Code: "AuthorizationFailed", Message: "cmkd may not read it", Hint: "az role assignment create --role Reader --scope …"}
	running := tracker(3, "disk-encryption-set", sets, "vm-prod-des", rotator.TrackerPropagating, "")
	running.Deadline, running.Expected, running.Latest = epoch().Add(35*time.Minute), epoch().Add(12*time.Minute), epoch().Add(27*time.Minute)
	slow := tracker(4, "storage", storage, "trainingdata", rotator.TrackerPropagating, "")
	slow.Window, slow.Deadline, slow.Expected, slow.Latest = 48*time.Hour, epoch().Add(23*time.Hour), epoch().Add(2*time.Hour), epoch().Add(9*time.Hour)
	waiting := tracker(5, "storage", storage, "coldcopies", rotator.TrackerWaiting, "")
	waiting.Detail.Last, waiting.Looks, waiting.Seen = nil, 0, time.Time{}
	confirmed := tracker(6, "cosmosdb", "Microsoft.DocumentDB/databaseAccounts", "features-db", rotator.TrackerDone, rotator.EvidenceConfirmed)
	observed := tracker(7, "event-hubs", "Microsoft.EventHub/namespaces", "ingest", rotator.TrackerDone, rotator.EvidenceObserved)
	inferred := tracker(8, "container-registry", "Microsoft.ContainerRegistry/registries", "mlimages", rotator.TrackerDone, rotator.EvidenceInferred)
	inferred.Detail.Last.Uses[0].Version, inferred.Detail.Version = "", ""
	inferred.Detail.Blind, inferred.Attested = []string{"replicas"}, new(attested())
	confirmed.Detail.Blind = []string{"backups"}
	left := tracker(9, "storage", storage, "decommissioned", rotator.TrackerExcluded, "")
	left.Detail.Dependent.Excluded = "deleted by the end of the month, CHG-1234"
	return []rotator.TrackerStatus{stalled, fixed, gone, running, slow, waiting, confirmed, observed, inferred, left}
}

// revocation is one in effect.
func revocation() rotator.OperationStatus {
	s := rotator.OperationStatus{Operation: rotator.Operation{
		ID: 116, Kind: rotator.KindRevocation, Key: "hr-records", KeyID: "https://contoso-prod.vault.azure.net/keys/hr-records", State: rotator.StateEffective,
		Cause: rotator.CauseOperator, Actor: "anna", Reason: "offboarding of a processor, CHG-4690", Created: epoch().Add(-3 * 24 * time.Hour),
		Since: epoch().Add(-70 * time.Hour), Effect: epoch().Add(-71 * time.Hour), Versions: []string{oldID}, Changed: []string{oldID},
		Approvals: []rotator.Approval{{Actor: "boris", At: epoch().Add(-71*time.Hour - 30*time.Minute), Reason: "confirmed by phone"}}, Trackers: map[rotator.TrackerState]int{rotator.TrackerDone: 1},
	}}
	t := tracker(0, "storage", "Microsoft.Storage/storageAccounts", "hrdata", rotator.TrackerDone, rotator.EvidenceConfirmed)
	t.Operation, t.Detail.Version, t.Detail.Last.Uses[0].Version = 16, oldID, oldID
	t.Detail.Last.Access, t.Detail.Last.AccessCode, t.Detail.Last.AccessEvidence = rotator.AccessDenied, "KeyVaultAccessTokenCannotBeAcquired", rotator.EvidenceConfirmed
	s.Trackers = []rotator.TrackerStatus{t}
	return s
}

// finished is an older operation.
func finished(id rotator.OperationID, n int) rotator.OperationStatus {
	began := epoch().Add(-time.Duration(n+5) * 26 * time.Hour)
	s := rotator.OperationStatus{Operation: rotator.Operation{
		ID: id, Kind: rotator.KindRotation, Key: []string{"payments", "warehouse", "models"}[n%3], KeyID: paymentID, State: rotator.StateCompleted,
		Cause: rotator.CauseSchedule, Actor: "cmkd", Created: began, Since: began.Add(25 * time.Hour), Finished: began.Add(25 * time.Hour),
		Trackers: map[rotator.TrackerState]int{rotator.TrackerDone: 4},
	}}
	if n%5 == 3 {
		s.State, s.Problem = rotator.StateFailed, &rotator.Problem{Code: "key-disabled", Message: "the key's current version is disabled", Hint: "enable it in the vault"}
	}
	return s
}
