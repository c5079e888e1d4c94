package kind

import (
	"regexp"
	"strings"
	"time"

	"cmkd/rotator"
)

// cosmosDB is the Cosmos DB account.
//
// Paths: recording cosmosdb.key-vault-key-uri.2021 (keyVaultKeyUri,
// defaultIdentity), facts.md section 4, Cosmos DB (customerManagedKeyStatus). An
// identifier with a version was never seen; that it would be in use is not said.
func cosmosDB() *Declaration {
	const (
		keyURI       Path = "properties.keyVaultKeyUri"
		status       Path = "properties.customerManagedKeyStatus"
		identity     Path = "properties.defaultIdentity"
		provisioning Path = "properties.provisioningState"
		offer        Path = "properties.databaseAccountOfferType"
	)
	return &Declaration{
		Name: "cosmosdb", Type: "Microsoft.DocumentDB/databaseAccounts", APIVersion: "2023-09-15", Noun: "the account",
		Traits: rotator.Traits{
			Window: 24 * time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceInferred, Missing: []string{"4003", "4005"}, WriteRole: "DocumentDB Account Contributor",
			Revoked: "the data plane answers 403; only deleting the account and refreshing its identity remain possible",
			Takes:   []rotator.KeyDemand{{Ops: wrapOps}},
		},
		Bindings:   []rotator.Binding{rotator.BindingFollows},
		Uses:       []UseAt{{Path: keyURI, URI: keyURI, Witness: offer, Hidden: true}},
		BlindSpots: []rotator.BlindSpot{{What: "backups", Why: "they need the version that was current when they were made, still enabled"}},
		State:      provisioning,
		Identity:   readsBy(identity, cosmosIdentity),
		Status:     []StatusAt{{At: status, Read: keyStatus}},
		Facts:      []Path{keyURI, status, identity, provisioning},
		Properties: []Property{
			{keyURI, "the key, versionless; never there if the key is Microsoft's"},
			{offer, "always there: by it a document is known to be whole"},
			{status, "whether the account can use its key; the code in parentheses at the end says why not"},
			{identity, "the identity that reads the key"},
			{identityTypes, "whether the account still has its own"},
			{identityUsers, "whether the account still has a user-assigned one"},
			{provisioning, "whether an update is under way"},
			{location, regionUse},
		},
		Evidence: "version: never reported, inferred by time (the vault's audit log can show it); denial: confirmed by customerManagedKeyStatus",
		Limits:   []string{"the version in use is not visible, and nothing makes the account look at its key at once"},
		Sources:  []string{"facts.md §1, §4 Cosmos DB", "recordings/cosmosdb.key-vault-key-uri.2021.jsonl", "examples/cosmosdb-2021-10-15"},
	}
}

// cosmosIdentity reads defaultIdentity: FirstPartyIdentity, SystemAssignedIdentity or
// UserAssignedIdentity=ID, with &FederatedClientId=… across tenants (azure/facts.md section 4,
// Cosmos DB).
func cosmosIdentity(text string) string {
	name, id, _ := strings.Cut(text, "=")
	switch {
	case strings.EqualFold(name, "SystemAssignedIdentity"):
		return ownIdentity
	case strings.EqualFold(name, "UserAssignedIdentity"):
		id, _, _ = strings.Cut(id, "&")
		return id
	}
	return ""
}

// How the text of customerManagedKeyStatus begins (azure/facts.md section 4,
// Cosmos DB).
const (
	statusAllowed = "Access to the configured customer managed key confirmed."
	statusDenied  = "Access to your account is currently revoked"
)

// statusCode finds the code in parentheses at the end of the text, and the codes
// that mean a denial.
var (
	statusCode = regexp.MustCompile(`\((\d{3,5})\)[\s.]*$`)
	deniedCode = regexp.MustCompile(`^40(0\d|1[0-7])$`)
)

// keyStatus reads customerManagedKeyStatus. Whatever is not documented is
// unknown.
func keyStatus(text string) (rotator.Access, string) {
	text = strings.TrimSpace(text)
	code := ""
	if m := statusCode.FindStringSubmatch(text); m != nil {
		code = m[1]
	}
	switch {
	case hasPrefixFold(text, statusAllowed) && code == "":
		return rotator.AccessAllowed, ""
	case hasPrefixFold(text, statusAllowed):
		return rotator.AccessUnknown, code
	case deniedCode.MatchString(code), hasPrefixFold(text, statusDenied):
		return rotator.AccessDenied, code
	}
	return rotator.AccessUnknown, code
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
