package kind

import (
	"cmkd/rotator"
)

// netAppAccount is the account of Azure NetApp Files.
//
// Properties, that no version is named anywhere, and the words of the status: facts-evidence.md
// section 5. Whose key it is: recording netapp.account-cmk.2024. How soon a version is followed,
// or a lost key felt, no page says; a day is the most that Key Vault's page names for following
// (facts-services.md A0).
func netAppAccount() *Declaration {
	const (
		encryption        = "properties.encryption"
		keyvault          = encryption + ".keyVaultProperties"
		keySource    Path = encryption + ".keySource"
		vault        Path = keyvault + ".keyVaultUri"
		name         Path = keyvault + ".keyName"
		status       Path = keyvault + ".status"
		identity     Path = encryption + ".identity.userAssignedIdentity"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "netapp-account", Type: "Microsoft.NetApp/netAppAccounts", APIVersion: "2024-07-01", Noun: "the account",
		Traits: rotator.Traits{
			Window: dayAtMost, Best: rotator.EvidenceInferred, WriteRole: "Contributor",
			Revoked: "volumes under the key cannot be read",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows},
		Uses: []UseAt{{
			Path: encryption, Vault: vault, Name: name, Hidden: true,
			Owner: &Owner{At: keySource, Customer: "Microsoft.KeyVault", Microsoft: "Microsoft.NetApp"},
		}},
		BlindSpots: []rotator.BlindSpot{{What: "volumes", Why: "each says for itself whether it is under the account's key (encryptionKeySource), and they are not looked at"}},
		State:      provisioning,
		Identity:   readsBy(identity, func(text string) string { return text }),
		Facts:      []Path{keySource, vault, name, status, provisioning},
		Properties: []Property{
			{keySource, "whether the key is a customer's"},
			{vault, "the key's vault"},
			{name, "the key's name; no version is named anywhere: the account follows"},
			{status, "Created, InUse, Deleted, Error or Updating: shown, and taken for no evidence"},
			{identity, "the identity that reads the key"},
			{identityTypes, "whether the account still has a user-assigned identity"},
			{identityUsers, "whether it still has the one that reads the key"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: shown nowhere, inferred by time; denial: shown nowhere, and no delay is documented",
		Limits: []string{
			"no property tells of a denial and no delay is documented: that a revocation took effect is not inferred by time, but by what you set as its window",
			"another key is given by the service's own changeKeyVault, which cmkd does not call",
			"the account's documents have passwords of directories: cmkd keeps none of them",
		},
		Sources: []string{"facts-evidence.md §5", "facts-services.md A0", "recordings/netapp.account-cmk.2024.jsonl"},
	}
}
