package kind

import (
	"net/http"

	"cmkd/rotator"
)

// eventHubsNamespace is the namespace of Event Hubs: facts-services.md A7, recordings
// eventhubs.namespace-byok.2020 and eventhubs.namespace-encryption.2025.
func eventHubsNamespace() *Declaration {
	d := namespace("eventhubs-namespace", "Microsoft.EventHub/namespaces", "2024-05-01-preview")
	d.Sources = []string{"facts-services.md A7", "recordings/eventhubs.namespace-encryption.2025.jsonl", "more-recordings/eventhubs.namespace-byok.2020.jsonl"}
	return d
}

// serviceBusNamespace is the namespace of Service Bus, of which the documentation says that it is
// as that of Event Hubs, without a poll interval (facts-services.md A7). The block and the
// api-version: the template reference.
func serviceBusNamespace() *Declaration {
	d := namespace("servicebus-namespace", "Microsoft.ServiceBus/namespaces", "2024-01-01")
	d.Traits.Experimental = "no traffic of it is recorded; what is known is that it has the block of Event Hubs, and behaves as that"
	d.Sources = []string{"facts-services.md A7", "template reference Microsoft.ServiceBus/namespaces@2024-01-01 (learn.microsoft.com)"}
	return d
}

// namespace is a namespace of a messaging service.
//
// It has a list of up to three keys, each with its version, which is empty if it follows; the
// list comes back in another order than it was sent in. Keys are polled every five minutes, and
// the namespace stops only when all of them are gone. An update is a PUT of the whole namespace,
// answered by 200 without an operation; its answer leaves the keys' identities out. How soon after
// a poll a version is in use no page says; a day is the most that Key Vault's page names
// (facts-services.md A0).
func namespace(name, typ, apiVersion string) *Declaration {
	const (
		encryption        = "properties.encryption"
		keySource    Path = encryption + ".keySource"
		keys         Path = encryption + ".keyVaultProperties"
		vault        Path = "keyVaultUri"
		keyName      Path = "keyName"
		version      Path = "keyVersion"
		endpoint     Path = "properties.serviceBusEndpoint"
		metric       Path = "properties.metricId"
		created      Path = "properties.createdAt"
		updated      Path = "properties.updatedAt"
		status       Path = "properties.status"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: name, Type: typ, APIVersion: apiVersion, Noun: "the namespace",
		Traits: rotator.Traits{
			Window: dayAtMost, Best: rotator.EvidenceInferred, WriteRole: "Contributor",
			Revoked: "nothing as long as one of its keys can be used; then sending and receiving fail",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: keys, List: keys, Vault: vault, Name: keyName, Version: version, Witness: endpoint, Setting: true, Silent: true,
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
			{keyName, "of a key: its name"},
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
	}
}
