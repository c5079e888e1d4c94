package kind

import (
	"context"
	"regexp"
	"strings"
	"time"

	"cmkd/rotator"
)

// cosmosDBPaths are the properties of a Cosmos DB account that cmkd relies on.
// Sources: recording cosmosdb.key-vault-key-uri.2021 (keyVaultKeyUri,
// defaultIdentity), azure/facts.md section 4 (customerManagedKeyStatus).
type cosmosDBPaths struct {
	KeyURI, Status, Identity, State, Location string
}

func newCosmosDBPaths() cosmosDBPaths {
	return cosmosDBPaths{
		KeyURI:   "properties.keyVaultKeyUri",
		Status:   "properties.customerManagedKeyStatus",
		Identity: "properties.defaultIdentity",
		State:    "properties.provisioningState",
		Location: "location",
	}
}

func cosmosDBInfo() Info {
	p := newCosmosDBPaths()
	return Info{
		Kind: "cosmosdb", Type: "Microsoft.DocumentDB/databaseAccounts", APIVersion: "2023-09-15",
		Traits: rotator.Traits{
			Window: 24 * time.Hour, Revocation: time.Hour,
			Best: rotator.EvidenceInferred, WriteRole: "DocumentDB Account Contributor",
			Revoked: "the data plane answers 403; only deleting the account and refreshing its identity remain possible",
		},
		Bindings: []rotator.Binding{rotator.BindingFollows},
		Properties: []Property{
			{p.KeyURI, "the key, versionless"},
			{p.Status, "whether the account can use its key; the code in parentheses at the end says why not"},
			{p.Identity, "the identity that reads the key"},
			{p.State, "whether an update is under way"},
			{p.Location, regionUse},
		},
		Calls: []CallInfo{
			{"GET", "/subscriptions/…/providers/Microsoft.DocumentDB/databaseAccounts/…", "2023-09-15", "observe"},
			{"GET", "/subscriptions/…/providers/Microsoft.DocumentDB/databaseAccounts", "2023-09-15", "find"},
		},
		Permissions: []Permission{{"Reader", "the account", "Microsoft.DocumentDB/databaseAccounts/read", "always"}},
		Evidence:    "version: never reported, inferred by time (the vault's audit log can show it); denial: confirmed by customerManagedKeyStatus",
		Limits: []string{
			"the version in use is not visible, and nothing makes the account look at its key at once",
			"backups need the version that was current when they were made, still enabled",
		},
		Sources: []string{"facts.md §1, §4 Cosmos DB", "recordings/cosmosdb.key-vault-key-uri.2021.jsonl", "examples/cosmosdb-2021-10-15"},
	}
}

type cosmosDB struct {
	caller
	paths cosmosDBPaths
}

var (
	_ rotator.Service = (*cosmosDB)(nil)
	_ rotator.Finder  = (*cosmosDB)(nil)
)

func newCosmosDB(d Deps) *cosmosDB {
	return &cosmosDB{caller: caller{d.ARM, cosmosDBInfo()}, paths: newCosmosDBPaths()}
}

// Observe implements [rotator.Service]. Access costs no call of its own.
func (s *cosmosDB) Observe(ctx context.Context, d *rotator.Dependent, _ rotator.Ask) (rotator.Observation, error) {
	doc, resp, err := s.read(ctx, d.ID)
	if err != nil {
		return rotator.Observation{}, wrap("observe", d, err)
	}
	o := s.paths.observe(doc)
	o.At = resp.Date
	return o, nil
}

// observe reads the account's document.
func (p cosmosDBPaths) observe(doc document) rotator.Observation {
	o := rotator.Observation{Region: region(doc.text(p.Location)), Facts: doc.facts(p.KeyURI, p.Status, p.Identity, p.State)}
	ref, problem := doc.keyAt(p.KeyURI)
	if problem != nil {
		complain(&o, problem)
	}
	if ref.key != "" {
		o.Key, o.Binding = ref.key, rotator.BindingFollows
		if ref.versioned {
			// Never seen; that it would be in use is not said.
			o.Binding = rotator.BindingPinned
		}
		o.Access, o.AccessCode = keyStatus(doc.text(p.Status))
		if o.Access != rotator.AccessUnknown {
			o.AccessEvidence = rotator.EvidenceConfirmed
		}
	}
	state(&o, doc.text(p.State))
	return o
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

// Apply implements [rotator.Service]: there is nothing to apply.
func (s *cosmosDB) Apply(_ context.Context, _ *rotator.Dependent, action rotator.Action, _ rotator.KeyID, _ rotator.Version) error {
	return s.unsupported(action)
}

// Find implements [rotator.Finder].
func (s *cosmosDB) Find(ctx context.Context, subscription string, key rotator.KeyID) ([]rotator.Dependent, error) {
	return s.find(ctx, subscription, key, s.paths.observe)
}
