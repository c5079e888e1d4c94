package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// kinds is a daemon's knowledge, enough for the tests.
func kinds() Checks {
	traits := map[string]Traits{
		"storage":             {Evidence: "confirmed", Nudge: true, Window: 24 * time.Hour},
		"cosmosdb":            {Evidence: "observed", Window: 24 * time.Hour},
		"disk-encryption-set": {Evidence: "confirmed", Nudge: true, Window: time.Hour},
		"container-group":     {Evidence: "confirmed", Recreate: true, Window: time.Hour},
	}
	types := map[string]string{
		"microsoft.storage/storageaccounts": "storage", "microsoft.documentdb/databaseaccounts": "cosmosdb",
		"microsoft.compute/diskencryptionsets":        "disk-encryption-set",
		"microsoft.containerinstance/containergroups": "container-group",
	}
	return Checks{
		Now: func() time.Time { return time.Date(2026, time.January, 5, 8, 0, 0, 0, time.UTC) },
		KindOf: func(id string) (string, bool) {
			parts := strings.Split(strings.ToLower(id), "/")
			if len(parts) < 9 {
				return "", false
			}
			kind, ok := types[parts[6]+"/"+parts[7]]
			return kind, ok
		},
		CheckKind: func(kind string) bool { return traits[kind].Evidence != "" },
		CheckRule: func(rule string) bool {
			return slices.Contains([]string{"propagation-stalled", "revocation-stalled", "revocation-undone"}, rule)
		},
		CheckSettings: func(kind string, settings map[string]string) error {
			for name := range settings {
				if kind != "storage" || name != "probe_container" {
					return fmt.Errorf("%s has no setting %q", kind, name)
				}
			}
			return nil
		},
		CheckSchedule: func(spec, _ string) error {
			if spec == "@yearly" {
				return errors.New("once a year is too seldom")
			}
			return nil
		},
		Traits: func(kind string) Traits { return traits[kind] },
	}
}

// MustParse returns the configuration in text.
func MustParse(tb testing.TB, text string) *Config {
	tb.Helper()
	c, err := Parse("cmkd.yaml", []byte(text), kinds())
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// golden compares got with the file of that name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-update rewrites it):\n%s", name, diff)
	}
}

// TestParse_Wrong holds each fixture against the message beside it.
func TestParse_Wrong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/config.*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		what := strings.TrimSuffix(strings.TrimPrefix(file, "testdata/config."), ".yaml")
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c, err := Load(file, kinds())
			var got strings.Builder
			var problems Errors
			switch {
			case errors.As(err, &problems):
				got.WriteString(err.Error() + "\n")
			case err != nil:
				t.Fatalf("%T is not Errors: %v", err, err)
			default:
				for _, w := range c.Warnings() {
					got.WriteString("warning: " + w.String() + "\n")
				}
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".err", got.String())
		})
	}
}

func TestExamples(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"cmkd.yaml": Example(), "minimal.yaml": Minimal()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if w := MustParse(t, text).Warnings(); len(w) > 0 {
				t.Errorf("warnings: %v", w)
			}
			onDisk, err := Load("examples/"+name, kinds())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(MustParse(t, text), onDisk, cmpopts.IgnoreUnexported(Config{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMarshal_ReadsBack also shows that every default is filled in.
func TestMarshal_ReadsBack(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"cmkd": Example(), "minimal": Minimal(), "empty": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := MustParse(t, text)
			printed, err := Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse("printed", printed, kinds())
			if err != nil {
				t.Fatalf("%v\n%s", err, printed)
			}
			if diff := cmp.Diff(c, again, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			golden(t, "testdata/printed."+name+".golden", string(printed))
		})
	}
}
