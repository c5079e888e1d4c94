package kind

import (
	"net/http"
	"time"

	"cmkd/rotator"
)

// diskEncryptionSet is the set of keys for managed disks.
//
// Paths: recordings compute.disk-encryption-set*.jsonl, examples
// GetInformationAboutADiskEncryptionSetWithAutoKeyRotationError and
// UpdateADiskEncryptionSetWithRotationToLatestKeyVersionEnabledInProgress.
// Within an hour, shut-down of machines, previousKeys: facts.md sections 1 and 4,
// Disk encryption sets. The form of an update: recording
// compute.disk-encryption-set.2020 and example UpdateADiskEncryptionSet.
func diskEncryptionSet() *Declaration {
	const (
		keyURL         Path = "properties.activeKey.keyUrl"
		sourceVault    Path = "properties.activeKey.sourceVault.id"
		follows        Path = "properties.rotationToLatestKeyVersionEnabled"
		rotatedAt      Path = "properties.lastKeyRotationTimestamp"
		previous       Path = "properties.previousKeys"
		previousURL    Path = "keyUrl" // within an element of previousKeys
		errorCode      Path = "properties.autoKeyRotationError.code"
		errorMessage   Path = "properties.autoKeyRotationError.message"
		encryptionType Path = "properties.encryptionType"
		provisioning   Path = "properties.provisioningState"
		one                 = "/subscriptions/…/providers/Microsoft.Compute/diskEncryptionSets/…"
	)
	kept, machine := []Path{sourceVault, encryptionType, follows}, newMachinePaths()
	return &Declaration{
		Name: "disk-encryption-set", Type: "Microsoft.Compute/diskEncryptionSets", APIVersion: "2023-04-02", Noun: "the set",
		Traits: rotator.Traits{
			Window: time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, CanNudge: true, WriteRole: "Contributor",
			Revoked: "VMs with disks of the set shut down",
			Takes:   []rotator.KeyDemand{{Sizes: rsaSizes, Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: "properties.activeKey", URI: keyURL, Follows: follows, RotatedAt: rotatedAt,
			Held: []HeldAt{{previous, previousURL}},
			Updates: []Update{
				{Action: rotator.ActionNudge, Binding: rotator.BindingFollows, Method: http.MethodPatch, Kept: kept},
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: kept},
			},
		}},
		State:    provisioning,
		Identity: &IdentityAt{Types: identityTypes, Read: func(string) string { return anyIdentity }},
		Faults: []FaultAt{{
			Code: errorCode, Message: errorMessage, Class: rotator.ClassAutoRotation,
			Hint: "auto-rotation is off: give the set an identity that may use the key, then update the set to switch it on again",
		}},
		More: restored,
		MayBlind: []rotator.BlindSpot{
			{What: "restore points", Why: "they cannot be listed, are not shown, or there are too many collections to look into"},
			{What: "restore point …", Why: "it holds copies of disks of the set, and nobody shows which version wraps them; or it does not show which set they are under"},
		},
		Probe: &Probe{Look: probeMachines},
		Facts: []Path{keyURL, follows, rotatedAt, errorCode, encryptionType, provisioning},
		Properties: []Property{
			{identityTypes, "whether the set still has an identity"},
			{keyURL, "the key and the version in use"},
			{sourceVault, "sent back with an update"},
			{follows, "true: follows, else pinned"},
			{rotatedAt, "when the version was switched to"},
			{previous, "versions that still wrap disks"},
			{previousURL, "such a version, in an element of previousKeys"},
			{errorCode, "auto-rotation is off since"},
			{errorMessage, "why it is off"},
			{encryptionType, "sent back with an update"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
			{machine.ManagedBy, "of a disk: the machine that it is attached to"},
			{machine.ManagedByExtended, "of a shared disk: all of them"},
			{machine.Statuses, "of a machine: its states"},
			{machine.StatusCode, "a state, in an element of statuses; PowerState/… counts"},
		},
		Further: []Property{
			{restorePoints, "of a restore point collection: its points"},
			{restoreName, "of a restore point: what it is called"},
			{restoreOS + "." + restoreSet, "of a restore point: the set that its copy of the system disk is under"},
			{restoreData + "." + restoreSet, "the same of its data disks"},
		},
		Calls: []CallInfo{
			{http.MethodGet, "/subscriptions/…/providers/Microsoft.Compute/restorePointCollections", restoreVersion, "observe, once the set itself is on the version wanted"},
			{http.MethodGet, "/subscriptions/…/restorePointCollections/…?$expand=restorePoints", restoreVersion, "the same, for up to 50 collections"},
			{http.MethodGet, one + "/associatedResources", "2023-04-02", "access"},
			{http.MethodGet, "/subscriptions/…/providers/Microsoft.Compute/disks/…", "2023-04-02", "access, for each disk"},
			{http.MethodGet, "/subscriptions/…/virtualMachines/…?$expand=instanceView", machineVersion, "access, for each machine until one is seen running"},
		},
		Permissions: []Permission{
			{"Reader", "the subscription", "Microsoft.Compute/restorePointCollections/read, Microsoft.Compute/restorePointCollections/restorePoints/read", "observe; without it restore points are a blind spot"},
			{"Reader", "the disks and the machines", "Microsoft.Compute/disks/read, Microsoft.Compute/virtualMachines/read", "access"},
		},
		Evidence: "version: confirmed (activeKey.keyUrl); denial: confirmed when every machine with a disk of the set is seen off",
		Limits: []string{
			"copies in restore points are under the set, and nobody shows by which version: each is a blind spot; those in other subscriptions are not looked for",
			"a machine that is off by itself looks like a denied one",
			"a set without an attached disk shows no denial",
			"after an autoKeyRotationError auto-rotation stays off until the set is updated",
			"the document has no etag: an update is preceded by a read, not conditional",
		},
		Sources: []string{
			"facts.md §1, §4 Disk encryption sets", "recordings/compute.disk-encryption-set*.jsonl", "examples/compute-disk-2021-04-01",
			"managedBy: model Disk of azure-sdk-for-go's compute 2021-03-01",
			"PowerState/stopped and /deallocated are common knowledge: the recordings show PowerState/running",
		},
	}
}
