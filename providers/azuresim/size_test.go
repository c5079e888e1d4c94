package azuresim_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"cmkd/providers/azuresim"
)

// declared is an estate of n resources of all kinds and n/10 keys, each written
// out as a tool would.
func declared(n int) []byte {
	var b strings.Builder
	b.WriteString(header + "vaults:\n")
	keys := max(n/10, 1)
	for i := range max(keys/30, 1) {
		fmt.Fprintf(&b, "  - name: vault-%d\n    keys:\n", i)
		for j := range min(keys, 30) {
			fmt.Fprintf(&b, "      - {name: key-%d, versions: [{age: 90d}, {age: 1d}]}\n", j)
		}
	}
	key := func(i int) string {
		return fmt.Sprintf("vault-%d/key-%d", i%max(keys/30, 1), i%min(keys, 30))
	}
	scope := func(i int) string {
		if i%7 != 0 {
			return ""
		}
		return fmt.Sprintf(", scopes: [{name: tenant, key: %s}]", key(i))
	}
	section := func(name string, count int, line func(i int) string) {
		fmt.Fprintf(&b, "%s:\n", name)
		for i := range count {
			fmt.Fprintf(&b, "  - {%s}\n", line(i))
		}
	}
	section("storage_accounts", n*7/10, func(i int) string {
		return fmt.Sprintf("name: account%d, key: %s, pace: {check: 3h}%s", i, key(i), scope(i))
	})
	section("cosmosdb_accounts", n/20, func(i int) string { return fmt.Sprintf("name: cosmos-%d, key: %s", i, key(i)) })
	section("disk_encryption_sets", n/20, func(i int) string {
		return fmt.Sprintf("name: set-%d, key: %s, auto_rotate: true, disks: 2", i, key(i))
	})
	section("virtual_machines", n/20, func(i int) string { return fmt.Sprintf("name: machine-%d, disk_encryption_set: set-%d", i, i) })
	section("snapshots", n/20, func(i int) string { return fmt.Sprintf("name: snapshot-%d, disk_encryption_set: set-%d", i, i) })
	section("restore_points", n/20, func(i int) string {
		return fmt.Sprintf("name: point, collection: points-%d, virtual_machine: machine-%d, disk_encryption_set: set-%d", i, i, i)
	})
	section("managed_clusters", n/50, func(i int) string {
		return fmt.Sprintf("name: cluster-%d, disk_encryption_set: set-%d, pools: [{name: work, ephemeral: true, nodes: 3}]", i, i)
	})
	section("container_groups", n/20, func(i int) string { return fmt.Sprintf("name: group-%d, key: %s, version: latest", i, key(i)) })
	return []byte(b.String())
}

func mustNew(tb testing.TB, text []byte) *azuresim.Server {
	tb.Helper()
	scenario, err := azuresim.ParseScenario("large.yaml", text)
	if err != nil {
		tb.Fatal(err)
	}
	sim, err := azuresim.New(scenario, azuresim.Options{Clock: azuresim.NewManualClock(scenario.Epoch())})
	if err != nil {
		tb.Fatal(err)
	}
	return sim
}

// walk lists all storage accounts, page after page, and returns how many there are.
func (e *estate) walk() (n int) {
	next := "https://management.azure.com/subscriptions/" + subID + "/providers/" + storageType + "?api-version=2023-05-01"
	for next != "" {
		page := e.get(next)
		list, _ := page["value"].([]any)
		n += len(list)
		next = str(page, "nextLink")
	}
	return n
}

func estateOf(tb testing.TB, sim *azuresim.Server) *estate {
	return &estate{tb: tb, sim: sim, http: &http.Client{Transport: sim.Transport()}, tokens: map[string]string{}}
}

// allocated returns how many bytes do allocates: what it costs, on any machine.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What an estate of four times the size costs may be four times as much, and not
// sixteen: reading it, building it, listing it, and a rotation of a key.
func TestSize_CostsGrowWithTheEstateAndNotFaster(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(text []byte, n int) func()
	}{
		{"read and build", func(text []byte, _ int) func() { return func() { mustNew(t, text) } }},
		{"list", func(text []byte, n int) func() {
			e := estateOf(t, mustNew(t, text))
			return func() {
				if got := e.walk(); got != n*7/10 {
					t.Fatalf("listed %d, want %d", got, n*7/10)
				}
			}
		}},
		{"disks of all sets", func(text []byte, n int) func() {
			e := estateOf(t, mustNew(t, text))
			return func() {
				for i := range n / 20 {
					url := strings.Replace(arm("Microsoft.Compute/diskEncryptionSets", fmt.Sprintf("set-%d", i), "2021-04-01"),
						"?", "/associatedResources?", 1)
					if list, _ := e.get(url)["value"].([]any); len(list) != 4 {
						t.Fatalf("%d things stand on set %d, want two disks, a machine's, and a snapshot", len(list), i)
					}
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const small, large = 500, 2000
			of := func(n int) uint64 { return allocated(c.do(declared(n), n)) }
			if a, b := of(small), of(large); b > 6*a {
				t.Errorf("%d resources cost %d bytes, %d cost %d", small, a, large, b)
			}
		})
	}
}

func BenchmarkNew10000(b *testing.B) {
	text := declared(10000)
	for b.Loop() {
		mustNew(b, text)
	}
}

func BenchmarkList7000(b *testing.B) {
	e := estateOf(b, mustNew(b, declared(10000)))
	for b.Loop() {
		e.walk()
	}
}

func BenchmarkRotateUnder10000(b *testing.B) {
	scenario, err := azuresim.ParseScenario("large.yaml", declared(10000))
	if err != nil {
		b.Fatal(err)
	}
	clock := azuresim.NewManualClock(scenario.Epoch())
	sim, err := azuresim.New(scenario, azuresim.Options{Clock: clock})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for i := range 30 {
			if err := sim.Do(azuresim.Action{Do: "rotate-key", Key: fmt.Sprintf("vault-%d/key-%d", i, i)}); err != nil {
				b.Fatal(err)
			}
		}
		clock.Advance(48 * 3600e9)
		sim.Versions("vault-0", "key-0") // moves it
	}
}
