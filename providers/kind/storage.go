package kind

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"cmkd/rotator"
)

// probeContainer is the setting that names the container to look at.
const probeContainer = "probe_container"

// storage is the storage account.
//
// Paths: recording storage.customer-managed-key.2025 (api-version 2023-05-01);
// the lower-case keyvaultproperties is what the service really sends. Once a day,
// nudge, 403 of the data plane: facts.md sections 1 and 4, Storage. The form of
// an update: the same recording, and example StorageAccountEnableCMK. Encryption
// scopes: facts-evidence.md section 3.
func storage() *Declaration {
	const (
		encryption         = "properties.encryption"
		keyvault           = encryption + ".keyvaultproperties"
		keySource     Path = encryption + ".keySource"
		services      Path = encryption + ".services"
		identity      Path = encryption + ".identity"
		keyIdentity   Path = identity + ".userAssignedIdentity"
		vault         Path = keyvault + ".keyvaulturi"
		name          Path = keyvault + ".keyname"
		version       Path = keyvault + ".keyversion"
		current       Path = keyvault + ".currentVersionedKeyIdentifier"
		rotatedAt     Path = keyvault + ".lastKeyRotationTimestamp"
		provisioning  Path = "properties.provisioningState"
		blobEndpoint  Path = "properties.primaryEndpoints.blob"
		lastEnabledAt      = "lastEnabledTime" // read-only
	)
	kept, readOnly := []Path{keySource, vault, name, services, identity}, []string{lastEnabledAt}
	return &Declaration{
		Name: "storage", Type: "Microsoft.Storage/storageAccounts", APIVersion: "2023-05-01", Noun: "the account",
		Traits: rotator.Traits{
			Window: 24 * time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, CanNudge: true, CheapAccess: true, Missing: []string{keyNotFound}, WriteRole: "Storage Account Contributor",
			Revoked: "blob reads and writes fail for everyone (403)",
			Takes:   []rotator.KeyDemand{{Sizes: rsaSizes, Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{{
			Path: encryption, Vault: vault, Name: name, Version: version, Current: current, RotatedAt: rotatedAt,
			Owner: &Owner{At: keySource, Customer: "Microsoft.Keyvault", Microsoft: "Microsoft.Storage"},
			Updates: []Update{
				{Action: rotator.ActionNudge, Binding: rotator.BindingFollows, Method: http.MethodPatch, Versionless: true, Kept: kept, ReadOnly: readOnly},
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: kept, ReadOnly: readOnly},
			},
		}},
		Children: encryptionScopes(),
		Identity: readsBy(keyIdentity, func(text string) string { return cmp.Or(text, ownIdentity) }),
		State:    provisioning,
		Probe:    &Probe{At: blobEndpoint, Look: probeBlobs},
		Facts:    []Path{keySource, vault, name, version, current, rotatedAt, provisioning},
		Settings: []Setting{{probeContainer, "a container that the daemon may list, by which a revocation is seen", checkContainer}},
		Properties: []Property{
			{keySource, "whether the key is a customer's"},
			{vault, "the key's vault"},
			{name, "the key's name"},
			{version, "empty or missing: follows; a version: pinned"},
			{current, "the version in use"},
			{rotatedAt, "when it was switched to"},
			{services, "sent back with an update"},
			{identity, "sent back with an update"},
			{keyIdentity, "the identity that reads the key; missing: the account's own"},
			{identityTypes, "whether the account still has its own"},
			{identityUsers, "whether the account still has a user-assigned one"},
			{provisioning, "whether an update is under way"},
			{scopeSource, "of a scope: whether its key is a customer's"},
			{scopeURI, "of a scope: its key; without a version it follows"},
			{scopeCurrent, "of a scope: the version in use"},
			{scopeRotatedAt, "of a scope: when it was switched to"},
			{blobEndpoint, "the address of the access probe"},
			{location, regionUse},
		},
		Calls: []CallInfo{
			{http.MethodGet, "/subscriptions/…/storageAccounts/…/encryptionScopes", "2023-05-01", "observe, once the account itself is on the version wanted; find"},
			{http.MethodPatch, "/subscriptions/…/storageAccounts/…/encryptionScopes/…", "2023-05-01", "nudge, re-pin"},
			{http.MethodGet, "https://ACCOUNT.blob…/CONTAINER?restype=container&comp=list&include=metadata&maxresults=1", blobVersion, "access, if " + probeContainer + " is set"},
		},
		Permissions: []Permission{
			{blobRole, "the account or the container", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", "access probe"},
		},
		Evidence: "version: confirmed (currentVersionedKeyIdentifier); denial: confirmed by the data plane's 403, with " + probeContainer,
		Limits: []string{
			"checks the vault once a day; a nudge makes it look at once",
			"without " + probeContainer + " a revocation is inferred by time",
			"a probe shows the access of its container's scope only",
			"the document has no etag: an update is preceded by a read, not conditional",
		},
		Sources: []string{"facts.md §1, §4 Storage", "recordings/storage.customer-managed-key.2025.jsonl", "examples/storage-2021-06-01"},
	}
}

// The properties of an encryption scope (facts-evidence.md section 3, recordings
// storage.encryption-scope-cmk.2025 and -list.2024). A scope that is disabled needs its
// key all the same. They cannot be deleted.
const (
	scopeSource    Path = "properties.source"
	scopeURI       Path = "properties.keyVaultProperties.keyUri"
	scopeCurrent   Path = "properties.keyVaultProperties.currentVersionedKeyIdentifier"
	scopeRotatedAt Path = "properties.keyVaultProperties.lastKeyRotationTimestamp"
)

// encryptionScopes are scopes of an account, each under a key of its own: the account
// says nothing of them.
func encryptionScopes() *Children {
	kept := []Path{scopeSource}
	return &Children{
		Collection: "encryptionScopes", Type: "Microsoft.Storage/storageAccounts/encryptionScopes",
		Use: UseAt{
			URI: scopeURI, Current: scopeCurrent, RotatedAt: scopeRotatedAt,
			Owner: &Owner{At: scopeSource, Customer: "Microsoft.Keyvault", Microsoft: "Microsoft.Storage"},
			Updates: []Update{
				{Action: rotator.ActionNudge, Binding: rotator.BindingFollows, Method: http.MethodPatch, Versionless: true, Kept: kept},
				{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: kept},
			},
		},
	}
}

// probeBlobs lists one blob of the container that the operator named.
func probeBlobs(ctx context.Context, r *Resource, d *rotator.Dependent, doc document, o *rotator.Observation) error {
	container := d.Settings[probeContainer]
	if r.deps.Blob == nil || container == "" {
		return nil
	}
	seen, err := r.deps.Blob.Look(ctx, d.ID, doc.text(r.Probe.At), container)
	if err != nil {
		return wrap("probe", d, err)
	}
	o.Access, o.AccessCode, o.AccessEvidence = seen.Access, seen.Code, rotator.EvidenceConfirmed
	o.At = earlier(o.At, seen.At)
	o.Facts["probe."+probeContainer] = container
	return nil
}
