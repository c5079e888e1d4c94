package kind

import (
	"cmp"
	"net/http"

	"cmkd/rotator"
)

// mlWorkspace is the workspace of Azure Machine Learning.
//
// Properties: examples machinelearning-2021-07-01; that a version is named for good, and that an
// update takes the identifier and nothing else, to a version of a key in the same vault; that the
// service keeps a Cosmos DB, a Search and a storage account under the same key in a group of its
// own, unless the metadata is on Microsoft's side: facts-services.md A5. How soon another version
// is used no page says; a day is the most that Key Vault's page names (facts-services.md A0).
func mlWorkspace() *Declaration {
	const (
		encryption        = "properties.encryption"
		status       Path = encryption + ".status"
		keyID        Path = encryption + ".keyVaultProperties.keyIdentifier"
		identity     Path = encryption + ".identity.userAssignedIdentity"
		discovery    Path = "properties.discoveryUrl"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "ml-workspace", Type: "Microsoft.MachineLearningServices/workspaces", APIVersion: "2025-12-01", Noun: "the workspace",
		Traits: rotator.Traits{
			Window: dayAtMost, Best: rotator.EvidenceInferred, WriteRole: "Contributor",
			Revoked:      "the workspace's metadata cannot be read; its storage account, registry and vault have keys of their own",
			Takes:        []rotator.KeyDemand{{Ops: wrapOps}},
			Experimental: "no traffic of it is recorded; its document is that of the official examples, its update that of a model",
		},
		Bindings: []rotator.Binding{rotator.BindingPinned},
		Uses: []UseAt{{
			Path: encryption, URI: keyID, Witness: discovery, Setting: true,
			Owner:   &Owner{At: status, Customer: "Enabled", Microsoft: "Disabled"},
			Updates: []Update{{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch}},
		}},
		Blind:    provisionedGroup,
		MayBlind: []rotator.BlindSpot{{What: "the group of the service", Why: "a Cosmos DB, a Search and a storage account in it are under the same key, and are not looked at"}},
		State:    provisioning,
		Identity: readsBy(identity, func(text string) string { return cmp.Or(text, ownIdentity) }),
		Facts:    []Path{status, keyID, provisioning},
		Properties: []Property{
			{status, "whether the key is a customer's"},
			{keyID, "the key and its version, named for good"},
			{identity, "the identity that reads the key; missing: the workspace's own"},
			{discovery, "there in every workspace: by it a document is known to be whole"},
			{identityTypes, "whether the workspace still has its own"},
			{identityUsers, "whether it still has a user-assigned one"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Further: []Property{
			{serviceSide, "true if the metadata is on Microsoft's side, so that there is no group of the service"},
		},
		Evidence: "version: what it was told, inferred by time; denial: shown nowhere, and no delay is documented",
		Limits: []string{
			"an update takes a version of a key in the same vault only",
			"its storage account, registry, vault and attached clusters have keys of their own: list these as dependents, too",
			"disks of its computes are under Microsoft's keys whatever happens",
			"no property tells of a denial and no delay is documented: that a revocation took effect is not inferred by time, but by what you set as its window",
		},
		Sources: []string{"facts-services.md A5", "examples/machinelearning-2021-07-01"},
	}
}

const serviceSide Path = "properties.enableServiceSideCMKEncryption"

// provisionedGroup names the group in which the service keeps what is under the same key.
func provisionedGroup(doc document) []rotator.BlindSpot {
	if doc.flag(serviceSide) || !doc.has("properties.encryption") {
		return nil
	}
	return []rotator.BlindSpot{{
		What: "the group of the service", Why: "a Cosmos DB, a Search and a storage account in it are under the same key, and are not looked at",
	}}
}
