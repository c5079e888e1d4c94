package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

const (
	pinnedScenario = `
dependents:
  - {kind: container-registry, name: contosoregistry, resource_group: rg, key: contoso-prod/payments, version: latest}
  - {kind: backup-vault, name: contoso-backups, resource_group: rg, key: contoso-prod/payments, version: latest, tags: {team: one}, properties: {featureSettings: {one: 1}}}
  - {kind: eventhubs-namespace, name: contoso-hub, resource_group: rg, key: contoso-prod/payments, version: latest, tags: {team: one}, properties: {alternateName: hub}}
`
	pinnedConfiguration = `
    # What is only inferred is not retired without a person.
      - {id: %[2]s/Microsoft.ContainerRegistry/registries/contosoregistry, window: 30m, poll: 30s}
      - {id: %[2]s/Microsoft.DataProtection/backupVaults/contoso-backups, window: 10m, poll: 30s}
      - {id: %[2]s/Microsoft.EventHub/namespaces/contoso-hub, window: 10m, poll: 30s}
`
)

// TestCrash_Writes kills the daemon at random moments while it tells pinned dependents a new
// version, by updates of a part and of the whole document, whose answers are lost now and then:
// each is on the version in the end, and has all else that it had.
func TestCrash_Writes(t *testing.T) {
	t.Parallel()
	s := newEstateOf(t, scenario+pinnedScenario, strings.Replace(configuration, "retire: auto", "retire: off", 1)+pinnedConfiguration)
	s.binary, s.keeps = build(t), true
	for _, operation := range []string{"container-registry-patch", "backup-vault-put", "eventhubs-namespace-put"} {
		s.sim.AddFault(azuresim.Fault{
			Match: azuresim.Match{Operation: operation}, When: azuresim.When{Probability: 0.3}, Do: "timeout-after-effect", Delay: azuresim.For(20 * time.Millisecond),
		})
		s.sim.AddFault(azuresim.Fault{
			Match: azuresim.Match{Operation: operation}, When: azuresim.When{Probability: 0.2}, Do: "drop", Delay: azuresim.For(time.Millisecond),
		})
	}
	killAtRandom(t, s, 200*time.Millisecond, 2500*time.Millisecond)
	versions := s.sim.Versions("contoso-prod", "payments")
	newest := versions[len(versions)-1].ID
	for id, want := range map[string][]string{
		"Microsoft.ContainerRegistry/registries/contosoregistry": {newest},
		"Microsoft.DataProtection/backupVaults/contoso-backups":  {newest, `map[team:one]`, `featureSettings:map[one:1]`, "retentionDurationInDays:14", "GeoRedundant"},
		"Microsoft.EventHub/namespaces/contoso-hub":              {newest, `map[team:one]`, "alternateName:hub", "kafkaEnabled:true"},
	} {
		doc, ok := s.sim.Resource("/subscriptions/" + subscription + "/resourceGroups/rg/providers/" + id)
		text := fmt.Sprint(doc)
		for _, part := range want {
			if !ok || !strings.Contains(text, part) {
				t.Errorf("%s has no %s any more: %s", id, part, text)
			}
		}
	}
}
