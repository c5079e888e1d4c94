package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

// caseHead begins the scenario of a case; the versions of the key are filled in.
const caseHead = `
start: 2026-01-05T08:00:00Z
seed: 7
speed: 60
clients:
  - {id: 11111111-2222-3333-4444-555555555555, secret: demo-secret, name: cmkd}
subscriptions:
  - {id: 0a1b2c3d-0000-4000-8000-000000000001, name: Fabrikam}
vaults:
  - {name: fab-kv, purge_protection: true, keys: [{name: data, versions: [%s]}]}
`

const caseConfiguration = `
store: %[1]s/cmkd.db
socket: %[1]s/cmkd.sock
azure: {credential: environment}
keys:
  - name: data
    uri: https://fab-kv.vault.azure.net/keys/data
%[2]s
`

// setting is a simulation with one key, and a daemon beside it.
type setting struct {
	pair
	client *control.Client
	first  string // the version that there was before
}

// resource is the id of a resource of a case.
func resource(typ, name string) string {
	return "/subscriptions/" + subscription + "/resourceGroups/contoso/providers/" + typ + "/" + name
}

const (
	storageType   = "Microsoft.Storage/storageAccounts"
	cosmosType    = "Microsoft.DocumentDB/databaseAccounts"
	setType       = "Microsoft.Compute/diskEncryptionSets"
	clusterType   = "Microsoft.ContainerService/managedClusters"
	groupType     = "Microsoft.ContainerInstance/containerGroups"
	registryType  = "Microsoft.ContainerRegistry/registries"
	oneOldVersion = "{age: 90d}"
)

// begin starts both.
func begin(t *testing.T, binary, versions, scenario, key string) *setting {
	t.Helper()
	s := &setting{pair: pair{t: t, dir: t.TempDir(), binary: binary}}
	s.write("estate.yaml", fmt.Sprintf(caseHead, versions)+scenario)
	s.write("cmkd.yaml", fmt.Sprintf(caseConfiguration, s.dir, indent(key)))
	s.simulate("--scenario", "estate.yaml")
	s.start(s.info.Environment, "run", "--config", filepath.Join(s.dir, "cmkd.yaml"), "--simulated-clock", s.info.SimulatedClock)
	s.client = control.NewClient(filepath.Join(s.dir, "cmkd.sock"))
	t.Cleanup(s.client.Close)
	s.until("the daemon has read the key", func() bool {
		k, err := s.client.Key(t.Context(), "data")
		s.first = k.Current.ID
		return err == nil && s.first != ""
	})
	return s
}

// indent puts the settings of a key where they belong.
func indent(key string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n    ")
}

// do runs a command against the daemon and returns what it prints.
func (s *setting) do(want int, args ...string) string {
	s.t.Helper()
	return s.cmkd(want, append([]string{"--socket", filepath.Join(s.dir, "cmkd.sock")}, args...)...)
}

// rotate begins a rotation, and waits until its version is made.
func (s *setting) rotate() {
	s.t.Helper()
	s.do(0, "rotate", "data", "--reason", "case")
	s.until("the version is made", func() bool { return s.op().Target.ID != "" })
}

func (s *setting) op() rotator.OperationStatus {
	s.t.Helper()
	k := s.key()
	if k.Last == nil {
		return rotator.OperationStatus{}
	}
	op, err := s.client.Operation(s.t.Context(), k.Last.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return op
}

func (s *setting) key() rotator.KeyStatus {
	s.t.Helper()
	k, err := s.client.Key(s.t.Context(), "data")
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

// pass lets simulated time pass, so slowly that the daemon does everything in it that it
// would do.
func (s *setting) pass(d time.Duration) {
	s.t.Helper()
	step := min(max(d/24, 30*time.Minute), 2*time.Hour)
	for ; d > 0; d -= step {
		s.cmkd(0, "simulate", "jump", min(d, step).String())
		s.settled()
	}
}

// settled waits until the daemon has seen the time pass, and has nothing to tell for a
// while.
func (s *setting) settled() {
	s.t.Helper()
	now := s.now().Now
	last, calm := uint64(0), 0
	s.until("the daemon is calm", func() bool {
		sum, err := s.client.Summary(s.t.Context())
		if err != nil || sum.Now.Before(now) {
			return false
		}
		events, err := s.client.Events(s.t.Context(), rotator.EventFilter{Last: true, Limit: 1})
		switch {
		case err != nil || len(events) == 0:
		case events[0].Seq != last:
			last, calm = events[0].Seq, 0
		default:
			calm++
		}
		return calm == 15
	})
}

// enabled reports whether a version is enabled in the vault, whatever the daemon says.
func (s *setting) enabled(version string) bool {
	s.t.Helper()
	return slices.Contains(listEnabled(s.t, s.info), version)
}

func (s *setting) alerts() (all []rotator.AlertStatus) {
	s.t.Helper()
	all, err := s.client.Alerts(context.WithoutCancel(s.t.Context()), control.AlertFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// alarmed fails the test unless an alert of one of the rules fires.
func (s *setting) alarmed(rules ...rotator.Rule) {
	s.t.Helper()
	all := s.alerts()
	if !slices.ContainsFunc(all, func(a rotator.AlertStatus) bool { return slices.Contains(rules, a.Rule) }) {
		text, _ := json.Marshal(all)
		s.t.Errorf("no alert of %v, but %s", rules, text)
	}
}

// holds fails the test unless the previous version is enabled and the rotation not over.
func (s *setting) holds() {
	s.t.Helper()
	if op := s.op(); op.State.Final() || !s.enabled(s.first) {
		s.t.Errorf("the rotation is %s, the previous version enabled: %t", op.State, s.enabled(s.first))
	}
}

// TestCases are the inputs that the first version got wrong, through the outside: the
// simulation and the daemon are processes, commands are typed, and whether a version is
// enabled is asked of the vault.
func TestCases(t *testing.T) {
	runCases(t, []testCase{
		{
			name: "absent: a property that is not shown is unknown",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {stuck: true}}]
events: [{at: 8h, do: set-property, resource: fabst, properties: {properties: {encryption: null}}}]`,
			key: "retire: auto\nsoak: 10m\ndependents:\n  - id: " + resource(storageType, "fabst"),
			run: func(s *setting) {
				s.rotate()
				s.pass(40 * time.Hour)
				s.holds()
				if tr := s.op().Trackers[0]; tr.State.Settled() || tr.Detail.Problem == nil {
					s.t.Errorf("the account is %s", tr.State)
				}
				s.alarmed(rotator.RulePropagationStalled, rotator.RuleNeedsAction)
				s.do(3, "status")
			},
		},
		{
			name: "etcd: a cluster uses more than its disks",
			scenario: `
disk_encryption_sets: [{name: fab-des, key: fab-kv/data, auto_rotate: true, disks: 1, pace: {first_check: 30m}}]
managed_clusters: [{name: fab-aks, disk_encryption_set: fab-des, kms_key: fab-kv/data, kms_version: latest}]`,
			key: "retire: auto\nsoak: 1h\ndependents:\n  - id: " + resource(clusterType, "fab-aks"),
			run: func(s *setting) {
				s.rotate()
				s.pass(6 * time.Hour)
				s.holds()
				if text := s.do(3, "status", "data"); !strings.Contains(text, "azureKeyVaultKms") {
					s.t.Errorf("nobody names the etcd:\n%s", text)
				}
			},
		},
		{
			name:     "time: what is only inferred retires nothing",
			scenario: "cosmosdb_accounts: [{name: fabcos, key: fab-kv/data, pace: {stuck: true}}]",
			key:      "retire: auto\ndependents:\n  - id: " + resource(cosmosType, "fabcos"),
			run: func(s *setting) {
				s.rotate()
				s.pass(44 * time.Hour)
				s.holds()
				if text := s.do(3, "status"); !strings.Contains(text, "cmkd attest data fabcos") {
					s.t.Errorf("nobody is told what to do:\n%s", text)
				}
			},
		},
		{
			name: "unlisted: what nobody listed is found, held and never written to",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {first_check: 1h}}, {name: fabother, key: fab-kv/data, version: latest, containers: [data]}]`,
			key: "retire: auto\ndependents:\n  - id: " + resource(storageType, "fabst"),
			run: func(s *setting) {
				s.rotate()
				s.pass(30 * time.Hour)
				s.holds()
				if text := s.do(3, "status", "data"); !strings.Contains(text, "fabother") {
					s.t.Errorf("nobody names the account:\n%s", text)
				}
				if text := s.do(5, "retire", "data"); !strings.Contains(text, "fabother") {
					s.t.Errorf("the refusal does not name the account:\n%s", text)
				}
			},
		},
		{
			name: "lock: what a lock refuses is not tried again and again",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, version: latest, containers: [data]}]
faults: [{name: lock, match: {operation: "storage-*", method: PATCH}, do: status, status: 409, code: ScopeLocked, message: locked}]`,
			key: "dependents:\n  - id: " + resource(storageType, "fabst"),
			run: func(s *setting) {
				s.rotate()
				s.pass(30 * time.Minute)
				if n := s.faults()[0].Hit; n == 0 || n > 20 {
					s.t.Errorf("%d writes", n)
				}
				if events, err := s.client.Events(s.t.Context(), rotator.EventFilter{Operation: s.op().ID, Limit: 1000}); err != nil || len(events) > 20 {
					s.t.Errorf("%d events (%v)", len(events), err)
				}
				if tr := s.op().Trackers[0]; tr.State != rotator.TrackerNeedsAction || tr.Detail.Problem == nil || tr.Detail.Problem.Code != "ScopeLocked" {
					s.t.Errorf("the account is %s: %s", tr.State, tr.Detail.Problem)
				}
				s.do(3, "status")
			},
		},
		{
			name: "probe: a plan sees that access is denied now",
			scenario: `
storage_accounts: [{name: fabledger, key: fab-kv/data, containers: [data], pace: {deny_after: 5m}}]
events: [{at: 5m, do: revoke-access, resource: fabledger}]`,
			key: "dependents:\n  - id: " + resource(storageType, "fabledger") + "\n    settings: {probe_container: data}",
			run: func(s *setting) {
				s.pass(36 * time.Minute)
				if text := s.do(3, "plan", "data"); strings.Contains(text, "Nothing stands in the way") || !strings.Contains(text, "access") {
					s.t.Errorf("the plan says\n%s", text)
				}
				s.pass(7 * time.Hour)
				s.alarmed(rotator.RuleAccessLost)
				s.do(3, "status")
			},
		},
		{
			name: "drift: who goes back is seen within an hour",
			scenario: `
disk_encryption_sets: [{name: fab-des, key: fab-kv/data, auto_rotate: true, disks: 1, pace: {first_check: 30m}}]
events: [{at: 12h, do: pin, resource: fab-des, version: previous}]`,
			key: "retire: off\ndependents:\n  - id: " + resource(setType, "fab-des"),
			run: func(s *setting) {
				s.pass(2 * time.Hour)
				s.rotate()
				s.pass(9 * time.Hour)
				s.do(0, "status")
				s.pass(2*time.Hour + 30*time.Minute)
				s.alarmed(rotator.RuleDrift)
				if text := s.do(3, "status"); !strings.Contains(text, "fab-des") {
					s.t.Errorf("nobody names the set:\n%s", text)
				}
				s.pass(18 * time.Hour)
				s.alarmed(rotator.RuleDrift)
			},
		},
		{
			name: "follows: a container group without a version follows",
			scenario: `
container_groups: [{name: fab-batch, key: fab-kv/data}]
events: [{at: 1m, do: set-property, resource: fab-batch, properties: {properties: {encryptionProperties: {keyVersion: ""}}}}]`,
			key: "dependents:\n  - id: " + resource(groupType, "fab-batch"),
			run: func(s *setting) {
				s.pass(5 * time.Minute)
				s.rotate()
				s.pass(5 * time.Minute)
				if tr := s.op().Trackers[0]; tr.Detail.Binding != rotator.BindingFollows {
					s.t.Errorf("the group is %s, %s: %s", tr.State, tr.Detail.Binding, tr.Detail.Problem)
				}
			},
		},
		{
			name:     "expired: critical as long as a use is on it",
			versions: "{age: 400d, expires: -7d}",
			scenario: "storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {first_check: 6h}}]",
			key:      "dependents:\n  - id: " + resource(storageType, "fabst"),
			run: func(s *setting) {
				s.pass(30 * time.Minute)
				critical := func() bool {
					return slices.ContainsFunc(s.alerts(), func(a rotator.AlertStatus) bool {
						return a.Severity == rotator.SeverityCritical && strings.Contains(a.Summary, "expired")
					})
				}
				if !critical() {
					s.t.Errorf("no critical alert, but %v\n%s", s.alerts(), s.do(3, "status", "data", "-o", "json"))
				}
				s.do(3, "status")
				if text := s.do(0, "plan", "data"); !strings.Contains(text, "expired") {
					s.t.Errorf("the plan says nothing of it:\n%s", text)
				}
				s.rotate()
				s.pass(2 * time.Hour)
				if !critical() {
					s.t.Errorf("the account is on the expired version, but the alert is gone: %v", s.alerts())
				}
				s.pass(30 * time.Hour)
				if critical() {
					s.t.Errorf("nothing is on the expired version any more, but %v", s.alerts())
				}
			},
		},
		{
			name:     "undone: what was undone is proven anew",
			scenario: "storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {deny_after: 30m, recover_after: 10m}}]",
			key:      "dependents:\n  - id: " + resource(storageType, "fabst") + "\n    settings: {probe_container: data}",
			run: func(s *setting) {
				effective := func() bool { return s.op().State == rotator.StateEffective }
				s.do(0, "revoke", "data", "--confirm", "data", "--reason", "case")
				s.pass(2 * time.Hour)
				s.until("it is effective", effective)
				s.cmkd(0, "simulate", "do", "enable-version", "--key", "fab-kv/data", "--version", s.first)
				s.pass(time.Hour)
				if effective() {
					s.t.Errorf("effective, with a version enabled and the blobs readable\n%s", s.do(0, "events", "--last", "40"))
				}
				s.alarmed(rotator.RuleRevocationUndone)
				s.cmkd(0, "simulate", "do", "disable-version", "--key", "fab-kv/data", "--version", s.first)
				s.pass(10 * time.Minute)
				if effective() {
					s.t.Error("effective ten minutes after it was disabled again, with the blobs readable for thirty")
				}
				s.pass(3 * time.Hour)
				s.until("it is effective again", effective)
			},
		},
		{
			name: "registry: what cannot be followed is held until attested",
			scenario: `
storage_accounts: [{name: fabst, key: fab-kv/data, containers: [data], pace: {first_check: 1h}}]`,
			key: "retire: auto\ndependents:\n  - id: " + resource(storageType, "fabst") +
				"\n  - id: " + resource(registryType, "fabreg") + "\n    exclude: cannot be followed",
			run: func(s *setting) {
				s.rotate()
				s.pass(30 * time.Hour)
				s.holds()
				if text := s.do(3, "status", "data"); !strings.Contains(text, "cmkd attest data fabreg") {
					s.t.Errorf("nobody is told to attest:\n%s", text)
				}
				s.do(0, "attest", "data", "fabreg", "--reason", "looked at it", "--until", "7d")
				s.pass(time.Hour)
				if s.enabled(s.first) {
					s.t.Errorf("attested, but the previous version is enabled:\n%s", s.do(3, "status", "data"))
				}
			},
		},
	})
}

// testCase is a scenario without its head, the settings of the key, and what is done.
type testCase struct {
	name, versions, scenario, key string
	run                           func(s *setting)
}

func runCases(t *testing.T, cases []testCase) {
	t.Helper()
	binary := build(t)
	for _, c := range cases {
		t.Run(strings.SplitN(c.name, ":", 2)[0], func(t *testing.T) {
			t.Parallel()
			t.Log(c.name)
			if c.versions == "" {
				c.versions = oneOldVersion
			}
			c.run(begin(t, binary, c.versions, c.scenario, c.key))
		})
	}
}
