package kind

import (
	"cmp"
	"net/http"
	"time"

	"cmkd/rotator"
)

// elasticSan is the volume group of an Elastic SAN, which names the key of its volumes. There is
// no list but in its SAN.
//
// As Storage it looks for a new version once a day, reports the one in use, and needs the one
// before for 24 hours: facts-evidence.md sections 1 and 5, recording
// elasticsan.cmk-system-identity.2024. The identity, and what an update takes: template reference
// Microsoft.ElasticSan/elasticSans/volumegroups and the model of its patch. Whether an update
// makes it look at once is not documented: it is not nudged.
func elasticSan() *Declaration {
	const (
		encryption   Path = "properties.encryption"
		settings          = "properties.encryptionProperties"
		keyvault          = settings + ".keyVaultProperties"
		vault        Path = keyvault + ".keyVaultUri"
		name         Path = keyvault + ".keyName"
		version      Path = keyvault + ".keyVersion"
		current      Path = keyvault + ".currentVersionedKeyIdentifier"
		rotatedAt    Path = keyvault + ".lastKeyRotationTimestamp"
		identity     Path = settings + ".identity"
		keyIdentity  Path = identity + ".userAssignedIdentity"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "elastic-san", Type: "Microsoft.ElasticSan/elasticSans/volumeGroups", APIVersion: "2024-06-01-preview", Noun: "the volume group",
		Traits: rotator.Traits{
			Window: 24 * time.Hour, Best: rotator.EvidenceConfirmed, WriteRole: "Contributor",
			Revoked: "its volumes cannot be read or written",
			Takes:   []rotator.KeyDemand{{Sizes: rsaSizes, Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: settings, Vault: vault, Name: name, Version: version, Current: current, RotatedAt: rotatedAt,
			Owner: &Owner{At: encryption, Customer: "EncryptionAtRestWithCustomerManagedKey", Microsoft: "EncryptionAtRestWithPlatformKey"},
			Updates: []Update{
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: []Path{encryption, vault, name, identity}},
			},
		}},
		BlindSpots: []rotator.BlindSpot{{What: "volumes", Why: "they may need the version before for 24 hours after the switch"}},
		State:      provisioning,
		Identity:   readsBy(keyIdentity, func(text string) string { return cmp.Or(text, ownIdentity) }),
		Facts:      []Path{encryption, vault, name, version, current, rotatedAt, provisioning},
		Properties: []Property{
			{encryption, "whether the key is a customer's; sent back with an update"},
			{vault, "the key's vault; sent back with an update"},
			{name, "the key's name; sent back with an update"},
			{version, "missing: follows; a version: pinned"},
			{current, "the version in use"},
			{rotatedAt, "when it was switched to"},
			{identity, "sent back with an update"},
			{keyIdentity, "the identity that reads the key; missing: the volume group's own"},
			{identityTypes, "whether the volume group still has its own"},
			{identityUsers, "whether it still has a user-assigned one"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: confirmed (currentVersionedKeyIdentifier); denial: shown nowhere, and no delay is documented",
		Limits: []string{
			"checks the vault once a day, and is not nudged",
			"no property tells of a denial and no delay is documented: that a revocation took effect is not inferred by time, but by what you set as its window",
		},
		Sources: []string{
			"facts-evidence.md §1, §5", "more-recordings/elasticsan.cmk-system-identity.2024.jsonl",
			"template reference Microsoft.ElasticSan/elasticSans/volumegroups@2024-05-01 (learn.microsoft.com)",
		},
	}
}
