package kind

import (
	"net/http"
	"time"

	"cmkd/rotator"
)

// logAnalyticsCluster is the dedicated cluster of Log Analytics.
//
// Paths, and that the parts of the key are all sent: recording
// loganalytics.cluster-update-key.2024. An empty version follows, an hour for it as for a
// revocation, what is dropped meanwhile, and that identity and key are not changed in one call:
// facts-evidence.md section 5.
func logAnalyticsCluster() *Declaration {
	const (
		keyvault          = "properties.keyVaultProperties"
		vault        Path = keyvault + ".keyVaultUri"
		name         Path = keyvault + ".keyName"
		version      Path = keyvault + ".keyVersion"
		clusterID    Path = "properties.clusterId"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "loganalytics-cluster", Type: "Microsoft.OperationalInsights/clusters", APIVersion: "2022-10-01", Noun: "the cluster",
		Traits: rotator.Traits{
			Window: time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceInferred, WriteRole: "Log Analytics Contributor",
			Revoked: "new data of its workspaces is dropped, and cannot be recovered; queries of what is not cached fail",
			Takes:   []rotator.KeyDemand{{Sizes: rsaSizes, Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: keyvault, Vault: vault, Name: name, Version: version, Witness: clusterID, Setting: true, Silent: true,
			Updates: []Update{
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: []Path{vault, name}},
			},
		}},
		State:    provisioning,
		Identity: &IdentityAt{Types: identityTypes, Read: func(string) string { return anyIdentity }},
		Facts:    []Path{vault, name, version, provisioning},
		Properties: []Property{
			{vault, "the key's vault; sent back with an update"},
			{name, "the key's name; sent back with an update"},
			{version, "empty: follows; a version: pinned"},
			{clusterID, "there in every cluster: by it a document is known to be whole"},
			{identityTypes, "whether the cluster still has an identity"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: what it was told, inferred by time; denial: shown nowhere, inferred by time; the vault's log shows both soon (a call every 6 to 60 seconds)",
		Limits: []string{
			"one that names a version loses its key when that version is disabled, as if it were revoked: new data is dropped for good",
			"tables of the Auxiliary plan are not under the key",
			"a user-assigned identity and a vault behind a private link exclude each other",
		},
		Sources: []string{"facts-evidence.md §5", "more-recordings/loganalytics.cluster-update-key.2024.jsonl"},
	}
}
