package azuresim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Quirk is a way of Azure on which the facts are silent or contradict each
// other. A client must cope with every value: which one holds is drawn by the
// seed, unless the scenario sets it under quirks.
type Quirk struct {
	Name string
	// Values are what it can be; Value is what it is.
	Values []string
	Value  string
	// Source says where the facts leave it open.
	Source string
}

// String is the quirk as a scenario sets it, with its source.
func (q Quirk) String() string { return fmt.Sprintf("quirk %s: %s (%s)", q.Name, q.Value, q.Source) }

// The quirks.
const (
	quirkCopyTags     = "copy_tags"
	quirkDisabled     = "disabled_version"
	quirkExpiredSign  = "expired_sign"
	quirkExpiredDisks = "expired_disks"
	quirkGraphLag     = "graph_lag"
	quirkMachines     = "machines_start"
	quirkNoKeyList    = "unknown_key_versions"
	quirkSettle       = "settle_after_delete"
	quirkSetPurge     = "set_needs_purge_protection"
	quirkAuditResult  = "audit_refused"
)

// Words of quirks.
const (
	quirkYes     = "true"
	quirkNo      = "false"
	quirkRefused = "refused"
)

// quirkTable returns what the facts leave open, in the order of names.
func quirkTable() []Quirk {
	return []Quirk{
		{
			Name: quirkAuditResult, Values: []string{"Success", "Forbidden"},
			Source: "facts-evidence §1: ResultType of a refused call is Success in real rows, Forbidden in some",
		},
		{
			Name: quirkCopyTags, Values: []string{quirkYes, quirkNo},
			Source: "facts §2: rotate takes no tags; whether the new version has those of the old one is not said",
		},
		{
			Name: quirkDisabled, Values: []string{quirkRefused, "protects"},
			Source: "facts-evidence §6: encrypt, verify and wrap with a disabled version are allowed" +
				" (azure-sdk-for-python#45342) or refused (the EKM proxy's page)",
		},
		{
			Name: quirkExpiredDisks, Values: []string{"stop", "run"},
			Source: "facts-evidence §4: machines stop when the key of their disks expires; facts-services A3: they" +
				" stayed up (azure-docs#123768)",
		},
		{
			Name: quirkExpiredSign, Values: []string{"allowed", quirkRefused},
			Source: "facts-evidence §6: of an expired version decrypt, unwrap and verify go on, wrap and encrypt are" +
				" refused; sign is not named",
		},
		{
			Name: quirkGraphLag, Values: []string{"0s", "1m", "1h", "never"},
			Source: "facts §3: the index is minutes behind at times; design §5: or hours, or for good where a service" +
				" changes by itself",
		},
		{
			Name: quirkMachines, Values: []string{quirkYes, quirkNo},
			Source: "facts §4: machines are usable again when the key is back; whether they start by themselves is" +
				" not said",
		},
		{
			Name: quirkSetPurge, Values: []string{quirkYes, quirkNo},
			Source: "facts §2: purge protection is a prerequisite of every service; a disk encryption set asks for less" +
				" (terraform-provider-azurerm#20250)",
		},
		{
			Name: quirkSettle, Values: []string{"0s", "5s"},
			Source: "facts §2: after a delete or a recover the next GET may answer 404 for some seconds",
		},
		{
			Name: quirkNoKeyList, Values: []string{"empty", "not-found"},
			Source: "no source says what the list of versions of an unknown key is; a managed HSM says not found" +
				" [recording keyvault.hsm-rotate]",
		},
	}
}

// drawQuirks decides the quirks of a scenario.
func drawQuirks(s *Scenario) []Quirk {
	table := quirkTable()
	for i, q := range table {
		table[i].Value = q.Values[mint{s.Seed}.number(uint64(len(q.Values)), "quirk", q.Name)]
		if set, ok := s.Quirks[q.Name]; ok {
			table[i].Value = fmt.Sprint(set)
		}
	}
	return table
}

// Quirks tells how the open questions are answered here.
func (s *Server) Quirks() []Quirk { return slices.Clone(s.quirks) }

// quirk returns the value of a quirk.
func (s *Server) quirk(name string) string {
	for _, q := range s.quirks {
		if q.Name == name {
			return q.Value
		}
	}
	return ""
}

// never is how long the index of Resource Graph is behind for good.
const never = time.Duration(-1)

// graphLag is how far Resource Graph is behind: what the scenario says, or the
// quirk.
func (s *Server) graphLag() time.Duration {
	if lag := s.scenario.GraphLag.Duration; lag > 0 {
		return lag
	}
	lag, err := time.ParseDuration(s.quirk(quirkGraphLag))
	if err != nil {
		return never
	}
	return lag
}

// quirks checks names and values.
func (c *checker) quirks() {
	names := []string{}
	known := map[string]Quirk{}
	for _, q := range quirkTable() {
		names = append(names, q.Name)
		known[q.Name] = q
	}
	given := []string{}
	for name := range c.scenario.Quirks {
		given = append(given, name)
	}
	slices.Sort(given)
	for _, name := range given {
		at := "$.quirks." + name
		q, ok := known[name]
		switch value := fmt.Sprint(c.scenario.Quirks[name]); {
		case !ok:
			c.problem(at, "unknown quirk %q; use one of %s", name, strings.Join(names, ", "))
		case !slices.Contains(q.Values, value):
			c.problem(at, "quirk %s cannot be %q; use %s", name, value, strings.Join(q.Values, " or "))
		}
	}
}
