package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/rotator"
)

const twoSets = `
disk_encryption_sets: [{name: fab-des, key: fab-kv/data, auto_rotate: true, disks: 1, pace: {first_check: 30m}}]`

// heldUnknown rotates and waits: the dependent never counts as done.
func heldUnknown(wait time.Duration) func(s *setting) {
	return func(s *setting) {
		s.rotate()
		s.pass(wait)
		s.holds()
		for _, tr := range s.op().Trackers {
			if tr.State.Settled() {
				s.t.Errorf("%s is %s, %s", tr.Detail.Dependent.Name, tr.State, tr.Evidence)
			}
		}
		s.do(3, "status")
	}
}

// holdsFor rotates and waits: the previous version stays enabled, and status names why.
func holdsFor(wait time.Duration, words ...string) func(s *setting) {
	return func(s *setting) {
		s.rotate()
		s.pass(wait)
		s.holds()
		text := s.do(3, "status", "data")
		for _, word := range words {
			if !strings.Contains(text, word) {
				s.t.Errorf("nobody is told of %q:\n%s", word, text)
			}
		}
	}
}

// TestSiblings are inputs of the same kinds as those of TestCases.
func TestSiblings(t *testing.T) {
	auto := func(ids ...string) string {
		return "retire: auto\nsoak: 10m\ndependents:\n  - id: " + strings.Join(ids, "\n  - id: ")
	}
	runCases(t, []testCase{
		{
			name:     "cosmos-absent: a key that is not shown any more is unknown",
			scenario: "cosmosdb_accounts: [{name: fabcos, key: fab-kv/data, pace: {stuck: true}}]\nevents: [{at: 8h, do: set-property, resource: fabcos, properties: {properties: {keyVaultKeyUri: null}}}]",
			key:      auto(resource(cosmosType, "fabcos")), run: heldUnknown(40 * time.Hour),
		},
		{
			name:     "set-absent: a set that shows no key",
			scenario: "disk_encryption_sets: [{name: fab-des, key: fab-kv/data, auto_rotate: true, disks: 1, pace: {stuck: true}}]\nevents: [{at: 30m, do: set-property, resource: fab-des, properties: {properties: {activeKey: null}}}]",
			key:      auto(resource(setType, "fab-des")), run: heldUnknown(4 * time.Hour),
		},
		{
			name: "empty-body: an answer without a body shows nothing",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {stuck: true}}]
faults: [{name: lie, match: {operation: storage-get}, when: {after: 6h}, do: empty-body}]`,
			key: auto(resource(storageType, "fabst")), run: heldUnknown(40 * time.Hour),
		},
		{
			name: "foreign: another resource's document shows nothing",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {stuck: true}}, {name: fabother, containers: [data]}]
faults: [{name: lie, match: {operation: storage-get}, when: {after: 6h}, do: foreign}]`,
			key: auto(resource(storageType, "fabst")), run: heldUnknown(40 * time.Hour),
		},
		{
			name: "scope: an encryption scope is a use of its account",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {first_check: 1h}, scopes: [{name: ledger, key: fab-kv/data, version: latest}]}]
faults: [{name: lock, match: {operation: "encryption-scope-*", method: PATCH}, do: status, status: 409, code: ScopeLocked, message: locked}, {name: lock2, match: {operation: "encryption-scope-*", method: PUT}, do: status, status: 409, code: ScopeLocked, message: locked}]`,
			key: auto(resource(storageType, "fabst")), run: holdsFor(30*time.Hour, "fabst"),
		},
		{
			name: "etcd-pinned: an etcd that nobody moved",
			scenario: twoSets + `
managed_clusters: [{name: fab-aks, disk_encryption_set: fab-des, kms_key: fab-kv/data, kms_version: latest}]`,
			key: "retire: auto\nsoak: 10m\ndependents:\n  - id: " + resource(clusterType, "fab-aks"), run: holdsFor(12*time.Hour, "azureKeyVaultKms"),
		},
		{
			name: "unlisted-cosmos: an account that nobody listed is only seen",
			scenario: twoSets + `
cosmosdb_accounts: [{name: fabcos, key: fab-kv/data, pace: {stuck: true}}]`,
			key: auto(resource(setType, "fab-des")), run: holdsFor(30*time.Hour, "fabcos"),
		},
		{
			name: "blind-search: what may not be listed is named and holds",
			scenario: twoSets + `
faults: [{name: deny, match: {operation: "cosmosdb-list*"}, do: forbidden}]`,
			key: auto(resource(setType, "fab-des")), run: holdsFor(6*time.Hour, "cosmosdb"),
		},
		{
			name:     "tampered: a version in use that somebody disables",
			scenario: twoSets,
			key:      auto(resource(setType, "fab-des")),
			run: func(s *setting) {
				s.pass(30 * time.Minute)
				s.cmkd(0, "simulate", "do", "disable-version", "--key", "fab-kv/data", "--version", s.first)
				s.pass(10 * time.Minute)
				if !slices.ContainsFunc(s.alerts(), func(a rotator.AlertStatus) bool { return a.Severity == rotator.SeverityCritical }) {
					s.t.Errorf("no critical alert: %v", s.alerts())
				}
				s.do(3, "status")
				s.do(3, "plan", "data")
			},
		},
		{
			name:     "vanished: a version that the vault does not list any more",
			versions: "{age: 90d}, {age: 30d}",
			scenario: twoSets,
			key:      auto(resource(setType, "fab-des")),
			run: func(s *setting) {
				s.pass(30 * time.Minute)
				s.cmkd(0, "simulate", "do", "vanish-version", "--key", "fab-kv/data", "--version", s.first)
				s.pass(10 * time.Minute)
				text := s.do(3, "status")
				if !strings.Contains(text, "does not list version") || strings.Contains(text, "disabled") {
					s.t.Errorf("status says\n%s", text)
				}
			},
		},
		{
			name:     "two-outside: two versions between two lists are both accounted for",
			scenario: twoSets,
			key:      auto(resource(setType, "fab-des")),
			run: func(s *setting) {
				s.pass(30 * time.Minute)
				s.cmkd(0, "simulate", "do", "create-version", "--key", "fab-kv/data")
				s.cmkd(0, "simulate", "do", "create-version", "--key", "fab-kv/data")
				s.pass(8 * time.Hour)
				if enabled := listEnabled(s.t, s.info); len(enabled) != 1 || s.enabled(s.first) {
					s.t.Errorf("enabled are %v\n%s", enabled, s.do(0, "status", "data"))
				}
			},
		},
		{
			name:     "frozen: nothing is written while a person says so",
			scenario: twoSets,
			key:      auto(resource(setType, "fab-des")),
			run: func(s *setting) {
				s.rotate()
				s.do(0, "freeze", "--reason", "case", "--until", "12h")
				s.pass(6 * time.Hour)
				s.holds()
				if text := s.do(0, "status"); !strings.Contains(text, "FROZEN") {
					s.t.Errorf("status says\n%s", text)
				}
				s.pass(8 * time.Hour)
				if s.enabled(s.first) {
					s.t.Errorf("after the freeze:\n%s", s.do(0, "status", "data"))
				}
			},
		},
		{
			name: "policy: what a policy refuses waits for a person",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, version: latest, containers: [data]}]
faults: [{name: lock, match: {operation: "storage-*", method: PATCH}, do: status, status: 403, code: RequestDisallowedByPolicy, message: no}]`,
			key: "dependents:\n  - id: " + resource(storageType, "fabst"),
			run: func(s *setting) {
				s.rotate()
				s.pass(time.Hour)
				if n := s.faults()[0].Hit; n == 0 || n > 20 {
					s.t.Errorf("%d writes", n)
				}
				s.do(3, "status")
			},
		},
		{
			name: "conflict: a service that is always busy is not written to each second",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, version: latest, containers: [data]}]
faults: [{name: busy, match: {operation: "storage-*", method: PATCH}, do: status, status: 503, code: ServiceUnavailable, message: no}]`,
			key: "dependents:\n  - id: " + resource(storageType, "fabst"),
			run: func(s *setting) {
				s.rotate()
				s.pass(30 * time.Minute)
				if n := s.faults()[0].Hit; n == 0 || n > 20 {
					s.t.Errorf("%d writes", n)
				}
				if p := s.op().Trackers[0].Detail.Problem; p == nil {
					s.t.Error("nobody is told")
				}
			},
		},
		{
			name:     "repinned: who is pinned back after completion is seen within an hour",
			scenario: "storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {first_check: 1h}}]",
			key:      "retire: off\ndependents:\n  - id: " + resource(storageType, "fabst"),
			run: func(s *setting) {
				s.rotate()
				s.pass(4 * time.Hour)
				s.do(0, "status")
				s.cmkd(0, "simulate", "do", "pin", "--resource", "fabst", "--version", "previous")
				s.pass(65 * time.Minute)
				s.alarmed(rotator.RuleDrift)
				s.do(3, "status")
			},
		},
		{
			name:     "rolled-back: a version that is lacked after its retirement is enabled again",
			scenario: "cosmosdb_accounts: [{name: fabcos, key: fab-kv/data, pace: {stuck: true, deny_after: 20m, recover_after: 20m}}]",
			key:      "retire: auto\nsoak: 10m\ndependents:\n  - id: " + resource(cosmosType, "fabcos"),
			run: func(s *setting) {
				s.rotate()
				s.pass(26 * time.Hour)
				s.do(0, "attest", "data", "fabcos", "--reason", "wrong", "--until", "7d")
				s.until("it is retired", func() bool { return s.op().State == rotator.StateProbation })
				s.pass(40 * time.Minute)
				if !s.enabled(s.first) {
					s.t.Errorf("the version that the account needs stays disabled:\n%s", s.do(3, "status", "data"))
				}
				s.alarmed(rotator.RuleRolledBack)
				s.pass(24 * time.Hour)
				s.holds()
			},
		},
	})
}
