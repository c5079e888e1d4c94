package kind

import (
	"cmp"
	"net/http"
	"time"

	"cmkd/rotator"
)

// backupVault is the Backup vault, of Data Protection.
//
// Properties, the update, which is a PUT of the whole vault whose answer shows the old key, and
// that a versionless key takes effect within an hour: facts-evidence.md section 4, recording
// dataprotection.backup-vault-cmk.2025. A vault is switched to a customer's key before it
// protects anything, and never back.
func backupVault() *Declaration {
	const (
		encryption        = "properties.securitySettings.encryptionSettings"
		state        Path = encryption + ".state"
		keyURI       Path = encryption + ".keyVaultProperties.keyUri"
		identity     Path = encryption + ".kekIdentity.identityId"
		storage      Path = "properties.storageSettings"
		guarded      Path = "properties.isVaultProtectedByResourceGuard"
		score        Path = "properties.secureScore"
		level        Path = "properties.bcdrSecurityLevel"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "backup-vault", Type: "Microsoft.DataProtection/backupVaults", APIVersion: "2025-07-01", Noun: "the vault",
		Traits: rotator.Traits{
			Window: time.Hour, Best: rotator.EvidenceInferred, WriteRole: "Backup Contributor",
			Revoked: "backups and restores fail",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: encryption, URI: keyURI, Witness: storage, Setting: true, Silent: true,
			Owner: &Owner{At: state, Customer: "Enabled", Microsoft: "Disabled"},
			Updates: []Update{{
				Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPut,
				Whole: []Path{provisioning, guarded, score, level},
			}},
		}},
		BlindSpots: []rotator.BlindSpot{{
			What: "recovery points", Why: "backup jobs wrap them anew: the version before is needed until a job of every protected item has ended after the change",
		}},
		State:    provisioning,
		Identity: readsBy(identity, func(text string) string { return cmp.Or(text, ownIdentity) }),
		Facts:    []Path{state, keyURI, provisioning},
		Properties: []Property{
			{state, "whether the key is a customer's"},
			{keyURI, "the key; without a version it follows"},
			{identity, "the identity that reads the key; missing: the vault's own"},
			{storage, "there in every vault: by it a document is known to be whole"},
			{guarded, "read-only: not sent back with an update"},
			{score, "read-only: not sent back with an update"},
			{level, "read-only: not sent back with an update"},
			{identityTypes, "whether the vault still has its own identity"},
			{identityUsers, "whether it still has a user-assigned one"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: what it was told, inferred by time; denial: shown nowhere, and no delay is documented",
		Limits: []string{
			"an update sends the whole vault as it was read just before: what somebody else changes in that moment is lost",
			"no property tells of a denial and no delay is documented: that a revocation took effect is not inferred by time, but by what you set as its window",
			"protects nothing while its identity is off, however shortly",
		},
		Sources: []string{"facts-evidence.md §4", "more-recordings/dataprotection.backup-vault-cmk.2025.jsonl"},
	}
}
