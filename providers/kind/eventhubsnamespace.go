package kind

import (
	"net/http"
	"time"

	"cmkd/rotator"
)

// eventHubsNamespace is the namespace of Event Hubs.
//
// It has a list of up to three keys, each with its version, which is empty if it follows; the
// list comes back in another order than it was sent in. Keys are polled every five minutes, and
// the namespace stops only when all of them are gone. An update is a PUT of the whole namespace,
// answered by 200 without an operation; its answer leaves the keys' identities out:
// facts-services.md A7, recordings eventhubs.namespace-byok.2020 and
// eventhubs.namespace-encryption.2025. That a version is in use within an hour of a poll is an
// assumption.
func eventHubsNamespace() *Declaration {
	const (
		encryption        = "properties.encryption"
		keySource    Path = encryption + ".keySource"
		keys         Path = encryption + ".keyVaultProperties"
		vault        Path = "keyVaultUri"
		name         Path = "keyName"
		version      Path = "keyVersion"
		endpoint     Path = "properties.serviceBusEndpoint"
		metric       Path = "properties.metricId"
		created      Path = "properties.createdAt"
		updated      Path = "properties.updatedAt"
		status       Path = "properties.status"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "eventhubs-namespace", Type: "Microsoft.EventHub/namespaces", APIVersion: "2024-05-01-preview", Noun: "the namespace",
		Traits: rotator.Traits{
			Window: time.Hour, Best: rotator.EvidenceInferred, WriteRole: "Contributor",
			Revoked: "nothing as long as one of its keys can be used; then sending and receiving fail",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: keys, List: keys, Vault: vault, Name: name, Version: version, Witness: endpoint, Setting: true, Silent: true,
			Owner: &Owner{At: keySource, Customer: "Microsoft.KeyVault"},
			Updates: []Update{{
				Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPut,
				Whole: []Path{provisioning, endpoint, metric, created, updated, status},
			}},
		}},
		State:    provisioning,
		Identity: &IdentityAt{Types: identityTypes, Read: func(string) string { return anyIdentity }},
		Facts:    []Path{keySource, provisioning, status},
		Properties: []Property{
			{keySource, "that the keys are a customer's; missing if they are Microsoft's"},
			{keys, "the keys, of which any one serves"},
			{vault, "of a key: its vault"},
			{name, "of a key: its name"},
			{version, "of a key: empty if it follows, else the version that it is pinned to"},
			{endpoint, "there in every namespace: by it a document is known to be whole; read-only"},
			{metric, "read-only: not sent back with an update"},
			{created, "read-only: not sent back with an update"},
			{updated, "read-only: not sent back with an update"},
			{status, "shown; read-only"},
			{identityTypes, "whether the namespace still has an identity"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: what it was told, inferred by time; denial: shown nowhere, and no delay is documented",
		Limits: []string{
			"with several keys a revocation of one of them ends nothing: cmkd says which key serves on",
			"an update sends the whole namespace as it was read just before: what somebody else changes in that moment is lost",
			"no property tells of a denial and no delay is documented: that a revocation took effect is not inferred by time, but by what you set as its window",
		},
		Sources: []string{"facts-services.md A7", "recordings/eventhubs.namespace-encryption.2025.jsonl", "more-recordings/eventhubs.namespace-byok.2020.jsonl"},
	}
}
