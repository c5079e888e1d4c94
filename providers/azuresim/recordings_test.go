package azuresim_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cmkd/providers/azuresim"
)

// exchange is one line of a recording.
type exchange struct {
	Request struct {
		Method, URL string
		Body        string
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    string
	}
}

// recordingFiles returns the files of the first folder of recordings and of the
// second, or skips where they are not.
func recordingFiles(t *testing.T) (files, more []string) {
	t.Helper()
	folder := os.Getenv("CMKD_RECORDINGS")
	if folder == "" {
		folder = "../../../shared/azure/recordings"
		var err error
		if more, err = filepath.Glob("../../../shared/azure/more-recordings/*.jsonl"); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Skipf("no recordings in %s", folder)
	}
	return files, more
}

// set makes a set of names.
func set(names ...string) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		out[name] = true
	}
	return out
}

// Of the second folder some recordings are driven. The others are of types that are not
// simulated, or whose answers nobody has compared yet (see [supported]), by name, so that a new
// recording is missed by nobody.
var (
	driven = set(
		"compute.disk-encryption-set-snapshot.2023", "compute.restore-point-cmk.2024",
		"compute.restore-point-encryption.2024", "containerservice.kms-platform-key.2025",
		"storage.encryption-scope-cmk.2025", "storage.encryption-scope-list.2024",
	)
	notDriven = set(
		"appconfiguration.identity.2024",
		"arm.error-bodies.2024",
		"cognitiveservices.encryption.2020",
		"compute.os-disk-security-encryption.2023",
		"containerregistry.encryption-with-cmk.2020-12",
		"containerregistry.geo-replication.2023",
		"databricks.managed-disk-cmk-create.2024",
		"databricks.managed-disk-cmk-update.2024",
		"databricks.managed-disk-cmk-update.2026",
		"databricks.root-dbfs-cmk.2021",
		"dataprotection.backup-vault-cmk.2025",
		"elasticsan.cmk-system-identity.2024",
		"eventgrid.storage-queue-subscription.2022",
		"eventgrid.system-topic-identity.2022",
		"eventhubs.namespace-byok.2020",
		"keyvault.error-bodies.2024",
		"keyvault.public-network-access.2023",
		"keyvault.secret-listsecretversions.2022",
		"keyvault.secret-soft-delete.2023",
		"keyvault.secret.2023",
		"kusto.cluster.2022",
		"loganalytics.cluster-update-key.2024",
		"loganalytics.query-basicqueryfailure.2023",
		"loganalytics.query-batch-failure.2023",
		"loganalytics.query-multipleworkspaces.2023",
		"loganalytics.query-partialerror.2023",
		"mysql.flexible-server-cmk.2024-06",
		"netapp.account-cmk.2024",
		"netappfiles.renew-credentials-fails.2024",
		"postgresql.flexible-server-cmk.2024-11",
		"search.admin-key.2023",
		"sql.db-copy-per-db-cmk.2023",
		"sql.tde-byok.2020",
		"storage.access-keys.2024",
		"storage.encryption-key-type.2024",
		"storage.queue-messages.2024",
		"storage.shared-key-access.2024",
	)
)

// mustRecordings returns the recordings, or skips where they are not.
func mustRecordings(t *testing.T) map[string][]exchange {
	t.Helper()
	files, more := recordingFiles(t)
	for _, file := range more {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		switch {
		case driven[name]:
			files = append(files, file)
		case !notDriven[name]:
			t.Errorf("recording %s: neither driven nor listed as not driven", name)
		}
	}
	out := map[string][]exchange{}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(f)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			var x exchange
			// Some recordings hold bodies as objects; they are no concern here.
			if json.Unmarshal(scanner.Bytes(), &x) == nil {
				out[strings.TrimSuffix(filepath.Base(file), ".jsonl")] = append(out[strings.TrimSuffix(filepath.Base(file), ".jsonl")], x)
			}
		}
		f.Close()
	}
	return out
}

// supported says whether the answer to a request is compared. Those of the kinds that came after
// the managed cluster are not yet.
func supported(x exchange) bool {
	u, err := url.Parse(x.Request.URL)
	if err != nil || strings.Contains(x.Request.Body, "REDACTED") {
		return false
	}
	path := strings.ToLower(u.Path)
	switch {
	case strings.HasSuffix(u.Host, ".vault.azure.net"), strings.HasSuffix(u.Host, ".managedhsm.azure.net"):
		return strings.HasPrefix(path, "/keys") && !strings.Contains(path, "/restore") && !strings.Contains(path, "random") || strings.HasPrefix(path, "/deletedkeys")
	case strings.Contains(path, "microsoft.authorization"), strings.Contains(path, "deletedvaults"), strings.Contains(path, "upgradeprofiles"):
		return false
	case u.Host != "management.azure.com":
		return false
	}
	for _, typ := range []string{
		"microsoft.storage/storageaccounts/", "microsoft.documentdb/databaseaccounts/",
		"microsoft.compute/diskencryptionsets/", "microsoft.compute/disks/", "microsoft.compute/snapshots/",
		"microsoft.compute/restorepointcollections/",
		"microsoft.containerinstance/containergroups", "microsoft.containerservice/managedclusters/", "microsoft.keyvault/vaults/",
	} {
		if strings.Contains(path, "/providers/"+typ) {
			return true
		}
	}
	return strings.Contains(path, "/microsoft.compute/locations/") && strings.Contains(path, "/operations/") ||
		strings.Contains(path, "/locations/") && (strings.Contains(path, "diskoperations") || strings.Contains(path, "containerinstance/locations") ||
			strings.Contains(path, "documentdb/locations") || strings.Contains(path, "containerservice/locations"))
}

// replayer sends a recording's requests to a simulator and keeps track of what
// gets other names there.
type replayer struct {
	*estate
	t        *testing.T
	rename   map[string]string // recorded text → simulated
	compared int
	found    map[string]bool // differences
}

func newReplayer(t *testing.T, list []exchange) *replayer {
	t.Helper()
	vaults := map[string]bool{}
	protected := false
	for _, x := range list {
		protected = protected || strings.Contains(x.Request.Body+x.Response.Body, `"enablePurgeProtection":true`)
		if u, err := url.Parse(x.Request.URL); err == nil && (strings.HasSuffix(u.Host, "vault.azure.net") || strings.HasSuffix(u.Host, "managedhsm.azure.net")) {
			vaults[u.Host] = true
		}
	}
	// The oldest recording does not show its vault; waits are left out.
	yaml := "subscriptions: [{id: 00000000-0000-0000-0000-000000000000, name: Recorded}]\n" +
		"quirks: {set_needs_purge_protection: false, settle_after_delete: 0s}\nvaults:\n  - {name: placeholder}\n"
	for _, host := range slices.Sorted(maps.Keys(vaults)) {
		name, _, _ := strings.Cut(host, ".")
		yaml += fmt.Sprintf("  - {name: %s, hsm: %v, retention_days: 7, purge_protection: %v}\n", name, strings.Contains(host, "managedhsm"), protected)
	}
	scenario, err := azuresim.ParseScenario("recording.yaml", []byte("tenant: "+tenantID+"\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	clock := azuresim.NewManualClock(scenario.Epoch())
	sim, err := azuresim.New(scenario, azuresim.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	e := &estate{tb: t, sim: sim, clock: clock, tokens: map[string]string{}}
	e.http = httpClient(sim)
	return &replayer{estate: e, t: t, rename: map[string]string{}, found: map[string]bool{}}
}

// play sends one request and compares the answers.
func (p *replayer) play(x exchange) {
	target, body := p.renamed(x.Request.URL), p.renamed(x.Request.Body)
	u, _ := url.Parse(x.Request.URL)
	if u.Host == "management.azure.com" {
		p.prepare(x, u)
	}
	var headers []string
	if x.Response.Status != 401 {
		headers = []string{"Authorization", "Bearer " + p.token(target)}
	}
	got, err := p.send(x.Request.Method, target, body, headers...)
	p.compared++
	label := p.label(x, u)
	if err != nil {
		p.found[label+" "+err.Error()] = true
		return
	}
	if got.status != x.Response.Status {
		p.found[fmt.Sprintf("%s status %d, recorded %d: %.160s", label, got.status, x.Response.Status, got.body)] = true
		return
	}
	for _, name := range []string{"azure-asyncoperation", "location", "www-authenticate", "content-type"} {
		if (x.Response.Headers[name] == "") != (got.header.Get(name) == "") {
			p.found[label+" header "+name+": "+got.header.Get(name)+" / "+x.Response.Headers[name]] = true
		}
		if name == "content-type" && x.Response.Headers[name] != got.header.Get(name) && x.Response.Headers[name] != "" {
			p.found[label+" content-type "+got.header.Get(name)] = true
		}
	}
	p.learn(x, got)
	var want, have any
	if json.Unmarshal([]byte(x.Response.Body), &want) == nil {
		if json.Unmarshal(got.body, &have) != nil {
			p.found[label+" no JSON"] = true
			return
		}
		p.shape(label, "", want, have)
	}
}

// stranger says whether a request polls a machine's operation, which the
// recording does not show beginning.
func (p *replayer) stranger(x exchange) bool {
	return strings.Contains(x.Request.URL, "Microsoft.Compute/locations/") && strings.Contains(x.Request.URL, "/operations/") &&
		p.renamed(x.Request.URL) == x.Request.URL
}

func (p *replayer) label(x exchange, u *url.URL) string {
	parts := strings.Split(u.Path, "/")
	kind := "vault-data"
	for i, part := range parts {
		if strings.EqualFold(part, "providers") && i+2 < len(parts) {
			kind = parts[i+2]
			if strings.EqualFold(kind, "locations") && i+4 < len(parts) {
				kind = parts[i+1] + "/" + parts[i+4]
			}
		}
	}
	if kind == "vault-data" {
		kind = "/" + parts[1] + "/" + parts[len(parts)-1]
		if len(parts) > 4 {
			kind = "/" + parts[1] + "/*/*/" + parts[4]
		} else if len(parts) == 4 && len(parts[3]) == 32 {
			kind = "/" + parts[1] + "/*/*"
		} else if len(parts) == 3 {
			kind = "/" + parts[1] + "/*"
		}
	}
	return x.Request.Method + " " + kind
}

func (p *replayer) renamed(s string) string {
	for _, from := range slices.SortedFunc(maps.Keys(p.rename), func(a, b string) int { return len(b) - len(a) }) {
		s = strings.ReplaceAll(s, from, p.rename[from])
	}
	return s
}

// prepare makes what the recording shows as already there, and ends operations
// that it shows as ended.
func (p *replayer) prepare(x exchange, u *url.URL) {
	if strings.Contains(x.Response.Body, `"status": "Succeeded"`) || strings.Contains(x.Response.Body, `"status":"Succeeded"`) {
		p.clock.Advance(time.Minute)
	}
	// The recording does not show how the account of a scope was made.
	if account, _, ok := strings.Cut(u.Path, "/encryptionScopes"); ok {
		if _, there := p.sim.Resource(account); !there {
			_ = p.sim.Do(azuresim.Action{Do: "add-resource", Properties: map[string]any{"id": account, "location": "eastus"}})
		}
	}
	var d map[string]any
	if json.Unmarshal([]byte(p.renamed(x.Response.Body)), &d) != nil {
		return
	}
	id, _ := d["id"].(string)
	if _, ok := p.sim.Resource(id); ok || x.Response.Status != 200 || !strings.Contains(id, "/providers/") {
		if !ok && x.Request.Method == "PUT" {
			p.group(u)
		}
		return
	}
	if x.Request.Method == "GET" || x.Request.Method == "PATCH" || x.Request.Method == "DELETE" ||
		x.Request.Method == "PUT" && strings.Contains(id, "KeyVault/vaults") {
		_ = p.sim.Do(azuresim.Action{Do: "add-resource", Properties: d})
	}
	p.group(u)
}

func (p *replayer) group(u *url.URL) {
	parts := strings.Split(u.Path, "/")
	if len(parts) > 4 {
		target := "https://management.azure.com" + strings.Join(parts[:5], "/") + "?api-version=2021-04-01"
		_, _ = p.send("PUT", target, `{"location":"eastus"}`, "Authorization", "Bearer "+p.token(target))
	}
}

// learn notes what the simulator calls what the recording calls otherwise: key
// versions and operations.
func (p *replayer) learn(x exchange, got reply) {
	var want, have map[string]any
	if json.Unmarshal([]byte(x.Response.Body), &want) == nil && json.Unmarshal(got.body, &have) == nil {
		if a, b := str(want, "key.kid"), str(have, "key.kid"); a != "" && b != "" {
			p.rename[a[strings.LastIndexByte(a, '/')+1:]] = b[strings.LastIndexByte(b, '/')+1:]
		}
		if a, b := str(want, "nextLink"), str(have, "nextLink"); a != "" && b != "" {
			p.rename[strings.Replace(a, ":443", "", 1)] = b
			p.rename[a] = b
		}
	}
	for _, name := range []string{"azure-asyncoperation", "location"} {
		if a, b := x.Response.Headers[name], got.header.Get(name); a != "" && b != "" {
			p.rename[a] = b
		}
	}
}

// shape compares names and types.
func (p *replayer) shape(label, path string, want, have any) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := have.(map[string]any)
		if !ok {
			p.found[fmt.Sprintf("%s %s is %T", label, path, have)] = true
			return
		}
		for name, value := range want {
			if got, ok := object[name]; ok {
				p.shape(label, path+"."+name, value, got)
			} else {
				p.found[fmt.Sprintf("%s %s.%s missing", label, path, name)] = true
			}
		}
		for name := range object {
			if _, ok := want[name]; !ok {
				p.found[fmt.Sprintf("%s %s.%s too much", label, path, name)] = true
			}
		}
	case []any:
		list, ok := have.([]any)
		if !ok || (len(want) == 0) != (len(list) == 0) {
			p.found[fmt.Sprintf("%s %s: %d entries, recorded %d", label, path, len(list), len(want))] = true
			return
		}
		if len(want) > 0 {
			p.shape(label, path+"[]", want[0], list[0])
		}
	default:
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", have) {
			p.found[fmt.Sprintf("%s %s is %T, recorded %T", label, path, have, want)] = true
		}
	}
}

// known is a line of the table of differences.
type known struct {
	pattern string
	used    bool
}

// mustKnown reads the table of reviewed differences.
func mustKnown(t *testing.T) []*known {
	t.Helper()
	data, err := os.ReadFile("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []*known
	for line := range strings.Lines(string(data)) {
		pattern, reason, ok := strings.Cut(strings.TrimSpace(line), " # ")
		switch {
		case strings.HasPrefix(line, "#"):
		case !ok || reason == "":
			t.Fatalf("difference without a reason: %s", line)
		default:
			list = append(list, &known{pattern: pattern})
		}
	}
	return list
}

// reviewed says whether a difference is in the table.
func reviewed(list []*known, difference string) bool {
	for _, k := range list {
		if matches(k.pattern, difference) {
			k.used = true
			return true
		}
	}
	return false
}

// matches compares with a glob of * and ?.
func matches(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return matches(pattern[1:], s) || s != "" && matches(pattern, s[1:])
	case s == "":
		return false
	default:
		return (pattern[0] == '?' || pattern[0] == s[0]) && matches(pattern[1:], s[1:])
	}
}

// TestRecordings_SimulatorAnswersAlike sends recorded requests to the simulator
// and compares status, headers and the shape of the answer with what Azure
// sent.
func TestRecordings_SimulatorAnswersAlike(t *testing.T) {
	recordings := mustRecordings(t)
	table := mustKnown(t)
	var compared, skipped int
	for _, name := range slices.Sorted(maps.Keys(recordings)) {
		t.Run(name, func(t *testing.T) {
			p := newReplayer(t, recordings[name])
			for _, x := range recordings[name] {
				if !supported(x) || p.stranger(x) {
					skipped++
					continue
				}
				p.play(x)
			}
			compared += p.compared
			for _, difference := range slices.Sorted(maps.Keys(p.found)) {
				if !reviewed(table, difference) {
					t.Error(difference)
				}
			}
		})
	}
	for _, k := range table {
		if !k.used && os.Getenv("CMKD_RECORDINGS") == "" {
			t.Errorf("testdata/differences.txt: nothing matches %q any more; remove the line", k.pattern)
		}
	}
	t.Logf("recordings: simulator: %d exchanges compared, %d skipped (services that are not simulated, or not compared yet)", compared, skipped)
}
