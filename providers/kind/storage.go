package kind

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cmkd/rotator"
)

// storagePaths are the properties of a storage account that cmkd relies on.
// Source: recording storage.customer-managed-key.2025 (api-version 2023-05-01);
// the lower-case keyvaultproperties is what the service really sends.
type storagePaths struct {
	KeySource, VaultURI, KeyName, KeyVersion string
	CurrentKey, RotatedAt                    string
	Services, Identity                       string
	State, BlobEndpoint, Location            string
}

func newStoragePaths() storagePaths {
	return storagePaths{
		KeySource:    "properties.encryption.keySource",
		VaultURI:     "properties.encryption.keyvaultproperties.keyvaulturi",
		KeyName:      "properties.encryption.keyvaultproperties.keyname",
		KeyVersion:   "properties.encryption.keyvaultproperties.keyversion",
		CurrentKey:   "properties.encryption.keyvaultproperties.currentVersionedKeyIdentifier",
		RotatedAt:    "properties.encryption.keyvaultproperties.lastKeyRotationTimestamp",
		Services:     "properties.encryption.services",
		Identity:     "properties.encryption.identity",
		State:        "properties.provisioningState",
		BlobEndpoint: "properties.primaryEndpoints.blob",
		Location:     "location",
	}
}

// The values of keySource.
const (
	keySourceVault   = "Microsoft.Keyvault"
	keySourceStorage = "Microsoft.Storage"
)

// probeContainer is the setting that names the container to look at.
const probeContainer = "probe_container"

func storageInfo() Info {
	p := newStoragePaths()
	const path = "/subscriptions/…/providers/Microsoft.Storage/storageAccounts/…"
	return Info{
		Kind: "storage", Type: "Microsoft.Storage/storageAccounts", APIVersion: "2023-05-01",
		Traits: rotator.Traits{
			Window: 24 * time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceConfirmed, CanNudge: true, WriteRole: "Storage Account Contributor",
			Revoked: "blob reads and writes fail for everyone (403)",
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Properties: []Property{
			{p.KeySource, "whether the key is a customer's"},
			{p.VaultURI, "the key's vault"},
			{p.KeyName, "the key's name"},
			{p.KeyVersion, "empty or missing: follows; a version: pinned"},
			{p.CurrentKey, "the version in use"},
			{p.RotatedAt, "when it was switched to"},
			{p.Services, "sent back with an update"},
			{p.Identity, "sent back with an update"},
			{p.State, "whether an update is under way"},
			{p.BlobEndpoint, "the address of the access probe"},
			{p.Location, regionUse},
		},
		Calls: []CallInfo{
			{"GET", path, "2023-05-01", "observe; before an update"},
			{"PATCH", path, "2023-05-01", "nudge, re-pin"},
			{"GET", "/subscriptions/…/providers/Microsoft.Storage/storageAccounts", "2023-05-01", "find"},
			{"GET", "https://ACCOUNT.blob…/CONTAINER?restype=container&comp=list&include=metadata&maxresults=1", blobVersion, "access, if " + probeContainer + " is set"},
		},
		Settings: []Setting{{probeContainer, "a container that the daemon may list, by which a revocation is seen", checkContainer}},
		Permissions: []Permission{
			{"Reader", "the account", "Microsoft.Storage/storageAccounts/read", "always"},
			{"Storage Account Contributor", "the account", "Microsoft.Storage/storageAccounts/write", "nudge or re-pin"},
			{blobRole, "the account or the container", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", "access probe"},
		},
		Evidence: "version: confirmed (currentVersionedKeyIdentifier); denial: confirmed by the data plane's 403, with " + probeContainer,
		Limits: []string{
			"checks the vault once a day; a nudge makes it look at once",
			"without " + probeContainer + " a revocation is inferred by time",
			"encryption scopes with a key of their own are not looked at",
			"the document has no etag: an update is preceded by a read, not conditional",
		},
		Sources: []string{"facts.md §1, §4 Storage", "recordings/storage.customer-managed-key.2025.jsonl", "examples/storage-2021-06-01"},
	}
}

type storage struct {
	caller
	paths storagePaths
	blob  *BlobProbe
}

var (
	_ rotator.Service = (*storage)(nil)
	_ rotator.Finder  = (*storage)(nil)
)

func newStorage(d Deps) *storage {
	return &storage{caller: caller{d.ARM, storageInfo()}, paths: newStoragePaths(), blob: d.Blob}
}

// Observe implements [rotator.Service].
func (s *storage) Observe(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	doc, resp, err := s.read(ctx, d.ID)
	if err != nil {
		return rotator.Observation{}, wrap("observe", d, err)
	}
	o := s.paths.observe(doc)
	o.At = resp.Date
	if ask.Access && o.Key != "" && s.blob != nil && d.Settings[probeContainer] != "" {
		seen, err := s.blob.Look(ctx, d.ID, doc.text(s.paths.BlobEndpoint), d.Settings[probeContainer])
		if err != nil {
			return rotator.Observation{}, wrap("probe", d, err)
		}
		o.Access, o.AccessCode, o.AccessEvidence = seen.Access, seen.Code, rotator.EvidenceConfirmed
		o.At = earlier(o.At, seen.At)
		o.Facts["probe."+probeContainer] = d.Settings[probeContainer]
	}
	return o, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// observe reads the account's document.
func (p storagePaths) observe(doc document) rotator.Observation {
	o := rotator.Observation{Region: region(doc.text(p.Location)), Facts: doc.facts(p.KeySource, p.VaultURI, p.KeyName, p.KeyVersion, p.CurrentKey, p.RotatedAt, p.State)}
	switch source := doc.text(p.KeySource); {
	case strings.EqualFold(source, keySourceVault):
		p.key(doc, &o)
	case strings.EqualFold(source, keySourceStorage), source == "" && doc.text(p.VaultURI) == "" && doc.text(p.KeyName) == "":
	default:
		complain(&o, &rotator.Problem{Code: "UnknownKeySource", Message: p.KeySource + " is " + source, Hint: "look at the account's encryption settings"})
	}
	state(&o, doc.text(p.State))
	return o
}

func (p storagePaths) key(doc document, o *rotator.Observation) {
	set, err := keyOf(doc.text(p.VaultURI), doc.text(p.KeyName), doc.text(p.KeyVersion))
	if err != nil {
		complain(o, unreadableKey(p.VaultURI, err))
	}
	if set.key == "" {
		return
	}
	o.Key, o.Binding = set.key, rotator.BindingFollows
	if set.versioned {
		o.Binding = rotator.BindingPinned
	}
	current, problem := doc.keyAt(p.CurrentKey)
	switch {
	case problem != nil:
		complain(o, problem)
	case current.key == "":
	case !current.key.Same(set.key):
		// Seen only while the account is given another key.
		complain(o, &rotator.Problem{
			Code: "KeyMismatch", Message: fmt.Sprintf("the account is set to %s and still uses %s", set.key, current.key),
			Hint: "wait, or nudge the account",
		})
	default:
		o.Version, o.RotatedAt = current.version, doc.stamp(p.RotatedAt)
	}
}

// Apply implements [rotator.Service]: one read, and one PATCH of the encryption
// settings unless the account is on the version already.
func (s *storage) Apply(ctx context.Context, d *rotator.Dependent, action rotator.Action, key rotator.KeyID, version rotator.Version) error {
	binding, keyVersion := rotator.BindingFollows, ""
	switch action {
	case rotator.ActionNudge:
	case rotator.ActionRepin:
		binding, keyVersion = rotator.BindingPinned, version.ID
	default:
		return s.unsupported(action)
	}
	doc, _, err := s.read(ctx, d.ID)
	if err != nil {
		return wrap("read", d, err)
	}
	o := s.paths.observe(doc)
	if err := expect(o, d, key, binding); err != nil {
		return err
	}
	if strings.EqualFold(o.Version, version.ID) && strings.EqualFold(doc.text(s.paths.KeyVersion), keyVersion) {
		return nil
	}
	return wrap("update", d, s.update(ctx, http.MethodPatch, d.ID, doc, s.paths.change(doc, keyVersion)))
}

// change returns the PATCH that names the same key with a version, or without,
// in the form of recording storage.customer-managed-key.2025 and example
// StorageAccountEnableCMK. What the account says of services and identity is
// sent back as it is.
func (p storagePaths) change(doc document, keyVersion string) map[string]any {
	encryption := map[string]any{
		"keySource": keySourceVault,
		"keyvaultproperties": map[string]any{
			"keyname": doc.text(p.KeyName), "keyvaulturi": doc.text(p.VaultURI), "keyversion": keyVersion,
		},
	}
	if services := doc.object(p.Services); len(services) > 0 {
		for _, one := range services {
			if fields, ok := one.(map[string]any); ok {
				drop(fields, "lastEnabledTime") // read-only
			}
		}
		encryption["services"] = services
	}
	if identity := doc.object(p.Identity); len(identity) > 0 {
		encryption["identity"] = identity
	}
	return map[string]any{"properties": map[string]any{"encryption": encryption}}
}

// Find implements [rotator.Finder].
func (s *storage) Find(ctx context.Context, subscription string, key rotator.KeyID) ([]rotator.Dependent, error) {
	return s.find(ctx, subscription, key, s.paths.observe)
}
