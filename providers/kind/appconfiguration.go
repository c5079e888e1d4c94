package kind

import (
	"net/http"
	"time"

	"cmkd/rotator"
)

// appConfiguration is the store of App Configuration.
//
// Properties, both ways of naming the key, an hour for everything, and that a versionless
// identifier is stored with a slash at its end: facts-evidence.md section 5 (a public page of
// 2020, and recording appconfiguration.cmk). That the block is there, and its key null, in a
// store without a customer's key: recording appconfiguration.identity.2024.
func appConfiguration() *Declaration {
	const (
		encryption        = "properties.encryption"
		keyvault          = encryption + ".keyVaultProperties"
		keyURI       Path = keyvault + ".keyIdentifier"
		identity     Path = keyvault + ".identityClientId"
		provisioning Path = "properties.provisioningState"
	)
	return &Declaration{
		Name: "app-configuration", Type: "Microsoft.AppConfiguration/configurationStores", APIVersion: "2024-05-01", Noun: "the store",
		Traits: rotator.Traits{
			Window: time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceInferred, WriteRole: "Contributor",
			Revoked: "every access to the store's data is refused",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: keyvault, URI: keyURI, Witness: encryption, Setting: true, Silent: true,
			Updates: []Update{
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: []Path{identity}},
			},
		}},
		BlindSpots: []rotator.BlindSpot{{What: "the isolated backup", Why: "data and key are in one for up to 24 hours"}},
		State:      provisioning,
		Identity:   &IdentityAt{At: identity, Types: identityTypes, Users: identityUsers, Client: true, Read: clientID},
		Facts:      []Path{keyURI, provisioning},
		Properties: []Property{
			{encryption, "there in every store: by it a document is known to be whole"},
			{keyURI, "the key; without a version, which is an empty one behind the last slash, it follows; missing if the key is Microsoft's"},
			{identity, "the client id of the identity that reads the key; sent back with an update"},
			{identityTypes, "whether the store still has a user-assigned identity"},
			{identityUsers, "whether it still has the one that reads the key, by its client id"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: what it was told, inferred by time; denial: shown nowhere, inferred by time",
		Limits: []string{
			"the version in use is not reported: whoever follows, or was told another one, is on it within an hour",
			"is no trusted service of a vault's firewall: a vault that shuts out public networks shuts it out, too",
		},
		Sources: []string{"facts-evidence.md §5", "more-recordings/appconfiguration.identity.2024.jsonl"},
	}
}
