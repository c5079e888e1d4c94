package kind

import (
	"net/http"

	"cmkd/rotator"
)

// cognitiveAccount is the account of Azure AI services, Azure OpenAI among them.
//
// Properties, that a version is named for good, that a rotation encrypts nothing anew, and what
// a revocation does and does not: facts-services.md A9. Whose key it is, the form of an update
// and its answer 202: recordings cognitiveservices.encryption.2020 and .2025; none has a
// customer's key. How soon another version is used no page says; a day is the most that Key
// Vault's page names (facts-services.md A0).
func cognitiveAccount() *Declaration {
	const (
		encryption        = "properties.encryption"
		keyvault          = encryption + ".keyVaultProperties"
		keySource    Path = encryption + ".keySource"
		vault        Path = keyvault + ".keyVaultUri"
		name         Path = keyvault + ".keyName"
		version      Path = keyvault + ".keyVersion"
		identity     Path = keyvault + ".identityClientId"
		tier         Path = "sku.name"
		endpoint     Path = "properties.endpoint"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "cognitive-account", Type: "Microsoft.CognitiveServices/accounts", APIVersion: "2023-05-01", Noun: "the account",
		Traits: rotator.Traits{
			Window: dayAtMost, Best: rotator.EvidenceInferred, WriteRole: "Cognitive Services Contributor",
			Revoked: "fine-tuning, downloads of files and new deployments fail; deployments that are there go on serving",
			Takes:   []rotator.KeyDemand{{Sizes: []int{2048}, Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingPinned},
		Uses: []UseAt{{
			Path: encryption, Vault: vault, Name: name, Version: version, Witness: endpoint, Setting: true,
			Owner: &Owner{At: keySource, Customer: "Microsoft.KeyVault", Microsoft: "Microsoft.CognitiveServices"},
			Updates: []Update{
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: []Path{keySource, vault, name, identity, tier}},
			},
		}},
		BlindSpots: []rotator.BlindSpot{{What: "data of before", Why: "a rotation encrypts nothing anew: what was encrypted under a version may need it"}},
		State:      provisioning,
		Identity: &IdentityAt{
			At: identity, Types: identityTypes, Users: identityUsers, Client: true,
			Read: func(text string) string {
				if text == "" {
					return ownIdentity
				}
				return clientID(text)
			},
		},
		Facts: []Path{keySource, vault, name, version, provisioning},
		Properties: []Property{
			{keySource, "whether the key is a customer's; sent back with an update"},
			{vault, "the key's vault; sent back with an update"},
			{name, "the key's name; sent back with an update"},
			{version, "the version, named for good"},
			{identity, "the client id of the identity that reads the key, missing: the account's own; sent back with an update"},
			{tier, "sent back with an update, as the recorded one has it"},
			{endpoint, "there in every account: by it a document is known to be whole"},
			{identityTypes, "whether the account still has its own identity"},
			{identityUsers, "whether it still has a user-assigned one, by its client id"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: what it was told, inferred by time; denial: shown nowhere, and no delay is documented",
		Limits: []string{
			"that deployments serve does not say that the account has its key: they go on without it",
			"no property tells of a denial and no delay is documented: that a revocation took effect is not inferred by time, but by what you set as its window",
			"the old version stays needed for what was encrypted under it, as far as anybody documents: attest what you know",
		},
		Sources: []string{"facts-services.md A9", "recordings/cognitiveservices.encryption.2025.jsonl", "more-recordings/cognitiveservices.encryption.2020.jsonl"},
	}
}
