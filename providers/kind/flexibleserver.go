package kind

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// Where a flexible server of PostgreSQL or MySQL has its key (recordings
// postgresql.flexible-server-cmk.2024-11 and mysql.flexible-server-cmk.2024-06).
const (
	dataEncryption        = "properties.dataEncryption"
	primaryKey       Path = dataEncryption + ".primaryKeyURI"
	primaryIdentity  Path = dataEncryption + ".primaryUserAssignedIdentityId"
	geoKey           Path = dataEncryption + ".geoBackupKeyURI"
	geoIdentity      Path = dataEncryption + ".geoBackupUserAssignedIdentityId"
	encryptionType   Path = dataEncryption + ".type"
	serverState      Path = "properties.state"
	serverRole       Path = "properties.replicationRole"
	primaryKeyStatus Path = dataEncryption + ".primaryEncryptionKeyStatus"
	federatedPrimary Path = dataEncryption + ".primaryFederatedIdentityClientId"
)

const (
	// flexibleRewrap is for how long the version before is needed once another is named.
	flexibleRewrap = 2 * time.Hour
	// dayAtMost is the most that Key Vault's page names for a service to follow its key, and
	// serves those whose own pages say nothing (azure/facts-services.md A0).
	dayAtMost = 24 * time.Hour
)

// postgresqlFlexible is the flexible server of PostgreSQL.
//
// A change names all of the block (recording postgresql.flexible-server-cmk.2024-11).
// Two hours for which the old version is kept, and within the hour Inaccessible:
// facts-services.md A10. How soon a versionless identifier is followed is not said there;
// a day is the most that Key Vault's page names (facts-services.md A0).
func postgresqlFlexible() *Declaration {
	d := flexibleServer("Microsoft.DBforPostgreSQL/flexibleServers", "2024-11-01-preview", federatedPrimary)
	d.Name = "postgresql-flexible"
	d.Traits.Revocation = time.Hour
	d.Status = []StatusAt{{At: serverState, Read: inaccessible}, {At: primaryKeyStatus, Read: keyValidity}}
	d.Uses[0].Slow = dayAtMost
	d.Properties = append(d.Properties,
		Property{primaryKeyStatus, "whether the server can use its key: Valid, Invalid; Unknown right after a change"},
		Property{federatedPrimary, "sent back with an update"},
	)
	d.Evidence = "version: what it was told, inferred by time; denial: confirmed by the state Inaccessible or the status Invalid of the key"
	d.Sources = []string{"facts-services.md A10", "more-recordings/postgresql.flexible-server-cmk.2024-11.jsonl"}
	return d
}

// mysqlFlexible is the flexible server of MySQL.
//
// The same block without a status (recording mysql.flexible-server-cmk.2024-06); within ten
// minutes Inaccessible, a word that the model does not have; after a recovery the key is to
// be validated again: facts-services.md A11.
func mysqlFlexible() *Declaration {
	d := flexibleServer("Microsoft.DBforMySQL/flexibleServers", "2024-02-01-preview")
	d.Name = "mysql-flexible"
	d.Traits.Revocation = time.Hour
	d.Status = []StatusAt{{At: serverState, Read: inaccessible}}
	d.Uses[0].Slow = dayAtMost
	d.MayBlind = append(d.MayBlind, versionlessMySQL)
	d.Blind = func(doc document) []rotator.BlindSpot {
		if ref, _ := doc.keyAt(primaryKey); ref.key != "" && !ref.versioned {
			return []rotator.BlindSpot{versionlessMySQL}
		}
		return nil
	}
	d.Evidence = "version: what it was told, inferred by time; denial: confirmed by the state Inaccessible"
	d.Limits = append(d.Limits, "after a key is back the server may need its key validated again, by a person (Azure portal)")
	d.Sources = []string{"facts-services.md A11", "more-recordings/mysql.flexible-server-cmk.2024-06.jsonl"}
	return d
}

// versionlessMySQL is what nobody documents of a server that names no version.
var versionlessMySQL = rotator.BlindSpot{
	What: "the version in use", Why: "no page says that a MySQL server follows an identifier without a version",
}

// flexibleServer is what both have in common; more is what an update names beside.
func flexibleServer(typ, version string, more ...Path) *Declaration {
	all := append([]Path{encryptionType, primaryIdentity, geoIdentity}, more...) // an update names all of the block
	kept, geoKept := append(slices.Clone(all), geoKey), append(slices.Clone(all), primaryKey)
	return &Declaration{
		Type: typ, APIVersion: version, Noun: "the server",
		Traits: rotator.Traits{
			Window: flexibleRewrap, Best: rotator.EvidenceInferred, WriteRole: "Contributor",
			Revoked: "the server refuses connections and becomes Inaccessible",
			Takes:   []rotator.KeyDemand{{Sizes: rsaSizes, Ops: wrapOps}},
		},
		Bindings: []rotator.Binding{rotator.BindingFollows, rotator.BindingPinned},
		Uses: []UseAt{
			{
				Path: dataEncryption, URI: primaryKey, Witness: serverRole, Setting: true,
				Owner: &Owner{At: encryptionType, Customer: "AzureKeyVault", Microsoft: "SystemManaged"},
				Updates: []Update{
					{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: kept},
				},
			},
			{
				Path: geoKey, URI: geoKey, Witness: serverRole, Setting: true, Slow: dayAtMost,
				Updates: []Update{
					{Action: rotator.ActionRepin, Binding: rotator.BindingPinned, Method: http.MethodPatch, Kept: geoKept},
				},
			},
		},
		BlindSpots: []rotator.BlindSpot{{What: "backups", Why: "a restore names the version that the server had when the backup was made"}},
		State:      serverState, Rests: []string{"Ready", "Stopped", "Disabled", "Inaccessible"},
		Identity: readsBy(primaryIdentity, func(text string) string { return text }),
		Facts:    []Path{encryptionType, primaryKey, geoKey, serverState},
		Properties: []Property{
			{encryptionType, "whether the key is a customer's; the whole block is missing if it is Microsoft's"},
			{primaryKey, "the key; without a version it follows"},
			{primaryIdentity, "the identity that reads the key; sent back with an update"},
			{geoKey, "the key of the geo-redundant backup, in the paired region; missing if there is none"},
			{geoIdentity, "sent back with an update"},
			{serverRole, "there in every server: by it a document is known to be whole"},
			{identityTypes, "whether the server still has a user-assigned identity"},
			{identityUsers, "whether it still has the one that reads the key"},
			{serverState, "whether an update is under way; Inaccessible: the server lost its key"},
			{location, regionUse},
		},
		Limits: []string{
			"the version in use is not reported: a server that names one is on it two hours after it was told",
			"replicas, restored servers and the geo-redundant backup have keys of their own: list each server",
		},
	}
}

// inaccessible reads the state of a server: Inaccessible is the loss of its key
// (facts-services.md A10, A11); no other state says anything of it.
func inaccessible(text string) (rotator.Access, string) {
	if strings.EqualFold(text, "Inaccessible") {
		return rotator.AccessDenied, text
	}
	return rotator.AccessUnknown, ""
}

// keyValidity reads the status of a key (recording postgresql.flexible-server-cmk.2024-11
// for Valid and Unknown; Invalid: facts-services.md A10).
func keyValidity(text string) (rotator.Access, string) {
	switch {
	case strings.EqualFold(text, "Valid"):
		return rotator.AccessAllowed, ""
	case strings.EqualFold(text, "Invalid"):
		return rotator.AccessDenied, text
	}
	return rotator.AccessUnknown, ""
}
