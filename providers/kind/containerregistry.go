package kind

import (
	"net/http"
	"time"

	"cmkd/rotator"
)

// containerRegistry is the container registry.
//
// Paths and the form of an update: recording containerregistry.encryption-with-cmk.2025.
// Within an hour, the identity that is remembered for months, what a revocation does:
// facts-services.md A1.
func containerRegistry() *Declaration {
	const (
		encryption        = "properties.encryption"
		keyvault          = encryption + ".keyVaultProperties"
		status       Path = encryption + ".status"
		keyURI       Path = keyvault + ".keyIdentifier"
		current      Path = keyvault + ".versionedKeyIdentifier"
		rotatedAt    Path = keyvault + ".lastKeyRotationTimestamp"
		identity     Path = keyvault + ".identity"
		provisioning Path = "properties.provisioningState"
	)
	kept := []Path{status, identity}
	return &Declaration{
		Name: "container-registry", Type: "Microsoft.ContainerRegistry/registries", APIVersion: "2023-11-01-preview", Noun: "the registry",
		Traits: rotator.Traits{
			Window: time.Hour,
			Best:   rotator.EvidenceConfirmed, CanNudge: true, WriteRole: "Contributor",
			Revoked: "pull, push and everything else that needs the registry's data fails",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: encryption, URI: keyURI, Current: current, RotatedAt: rotatedAt,
			Owner: &Owner{At: status, Customer: "enabled", Microsoft: "disabled"},
			Updates: []Update{
				{Action: rotator.ActionNudge, Binding: rotator.BindingFollows, Method: http.MethodPatch, Versionless: true, Kept: kept},
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: kept},
			},
		}},
		State:    provisioning,
		Identity: &IdentityAt{At: identity, Types: identityTypes, Users: identityUsers, Client: true, Read: clientID},
		Facts:    []Path{status, keyURI, current, rotatedAt, provisioning},
		Properties: []Property{
			{status, "whether the key is a customer's; says disabled while a registry is made, whatever it will be"},
			{keyURI, "the key; without a version it follows"},
			{current, "the version in use"},
			{rotatedAt, "when it was switched to; missing until the first time"},
			{identity, "the client id of the identity that reads the key; sent back with an update"},
			{identityTypes, "whether the registry still has a user-assigned identity"},
			{identityUsers, "whether it still has the one that reads the key, by its client id"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: confirmed (versionedKeyIdentifier); denial: shown nowhere, and no delay is documented",
		Limits: []string{
			"no property tells of a denial and no delay is documented: that a revocation took effect is not inferred by time, but by what you set as its window (windows, or on the dependent); without one the revocation is told of as stalled",
			"goes on for up to three months without the identity that reads its key, and fails then: cmkd complains as soon as the identity is gone",
			"a vault firewall that is switched on later stops the switch to new versions until the key is set again; the registry blames a permission then",
			"replicas in other regions are under the same key and the same vault",
		},
		Sources: []string{
			"facts.md §4 Container registry", "facts-services.md A1", "recordings/containerregistry.encryption-with-cmk.2025.jsonl",
			"more-recordings/containerregistry.encryption-with-cmk.2020-12.jsonl", "examples/containerregistry-2021-08-01-preview",
		},
	}
}
