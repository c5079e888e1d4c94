package kind

import (
	"cmp"
	"net/http"

	"cmkd/rotator"
)

// kustoCluster is the cluster of Azure Data Explorer.
//
// Properties, that an empty version follows, and that nothing shows the version in use:
// facts-evidence.md section 5. That the block is null at rest and of empty texts while a
// cluster is made, and that the answer spells its type Clusters: recording kusto.cluster.2022.
// How soon a version is followed, or a lost key felt, no page says; a day is the most that Key
// Vault's page names for following (facts-services.md A0).
func kustoCluster() *Declaration {
	const (
		keyvault          = "properties.keyVaultProperties"
		vault        Path = keyvault + ".keyVaultUri"
		name         Path = keyvault + ".keyName"
		version      Path = keyvault + ".keyVersion"
		identity     Path = keyvault + ".userIdentity"
		federated    Path = keyvault + ".federatedIdentityClientId"
		endpoint     Path = "properties.uri"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "kusto-cluster", Type: "Microsoft.Kusto/clusters", APIVersion: "2025-02-14", Noun: "the cluster",
		Traits: rotator.Traits{
			Window: dayAtMost, Best: rotator.EvidenceInferred, WriteRole: "Contributor",
			Revoked: "the cluster suspends itself",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: keyvault, Vault: vault, Name: name, Version: version, Witness: endpoint, Setting: true, Silent: true,
			Updates: []Update{
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: []Path{vault, name, identity, federated}},
			},
		}},
		State:    provisioning,
		Identity: readsBy(identity, func(text string) string { return cmp.Or(text, ownIdentity) }),
		Facts:    []Path{vault, name, version, provisioning},
		Properties: []Property{
			{vault, "the key's vault; sent back with an update"},
			{name, "the key's name; sent back with an update"},
			{version, "empty: follows; a version: pinned"},
			{identity, "the identity that reads the key, missing: the cluster's own; sent back with an update"},
			{federated, "sent back with an update"},
			{endpoint, "there in every cluster that is made: by it a document is known to be whole"},
			{identityTypes, "whether the cluster still has its own identity"},
			{identityUsers, "whether it still has a user-assigned one"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: what it was told, inferred by time; denial: shown nowhere, and no delay is documented",
		Limits: []string{
			"no property tells of a denial and no delay is documented: that a revocation took effect is not inferred by time, but by what you set as its window",
			"is no trusted service of a vault's firewall: a vault that shuts out public networks shuts it out, too",
			"followers of its databases have keys of their own: list each cluster",
		},
		Sources: []string{"facts-evidence.md §5", "facts-services.md A0", "recordings/kusto.cluster.2022.jsonl"},
	}
}
