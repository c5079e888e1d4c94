package kind_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmkd/providers/kind"
	"cmkd/rotator"
)

var update = flag.Bool("update", false, "write docs/azure.md anew")

// TestDocs holds that docs/azure.md says what the code does.
func TestDocs(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "azure.md")
	want := document(kind.Infos())
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/azure.md differs from the code: go test ./providers/kind -run TestDocs -update")
	}
}

const intro = `# What cmkd asks of Azure

Made from the code (` + "`go test ./providers/kind -run TestDocs -update`" + `); a test keeps it equal. Sources
named "recording" are real HTTP exchanges with Azure, "example" the official examples of its
API specifications, "facts" the project's collection of documented facts.

## Key Vault and Managed HSM

Over azkeys, data plane only. Grant *Key Vault Crypto Officer* on each key (Managed HSM: *Managed HSM
Crypto User*): list versions, rotate or create, update. A rotation costs one list before and one before
the old version is retired, the call itself, one update for the tag, and one to disable the old version.
Every ten minutes the versions of each key are listed once, so that a version made by someone else is found.
Every six hours the rotation policy of each key is read (keyrotationpolicies/read), so that
a vault that rotates beside the schedule is noticed.

`

// document renders the kinds.
func document(kinds []kind.Info) string {
	var b strings.Builder
	b.WriteString(intro)
	for i := range kinds {
		k := &kinds[i]
		fmt.Fprintf(&b, "## %s\n\n`%s`, api-version %s.\n\n", k.Kind, k.Type, k.APIVersion)
		if k.Maturity != "recorded" {
			fmt.Fprintf(&b, "**%s.**\n\n", k.Maturity)
		}
		fmt.Fprintf(&b, "- Binding: %s.\n", join(k.Bindings))
		fmt.Fprintf(&b, "- Best evidence of the version in use: **%s**. %s\n", k.Best, k.Evidence)
		fmt.Fprintf(&b, "- Window: %s for a new version, %s for a revocation.\n", hours(k.Window), hours(k.Revocation))
		fmt.Fprintf(&b, "- Once revoked: %s.\n", k.Revoked)
		for _, demand := range k.Takes {
			fmt.Fprintf(&b, "- Takes %s.\n", demand)
		}
		if k.Nudge {
			b.WriteString("- Can be nudged.\n")
		}
		b.WriteString("\n| call | path | api-version | when |\n|---|---|---|---|\n")
		for _, c := range k.Calls {
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", c.Method, c.Path, c.APIVersion, c.When)
		}
		b.WriteString("\n| property | used for |\n|---|---|\n")
		for _, p := range k.Properties {
			fmt.Fprintf(&b, "| `%s` | %s |\n", p.Path, p.Use)
		}
		b.WriteString("\n| role | scope | least action | when |\n|---|---|---|---|\n")
		for _, p := range k.Permissions {
			fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", p.Role, p.Scope, p.Action, p.When)
		}
		list(&b, "Settings", k.Settings, func(s kind.SettingInfo) string { return "`" + s.Name + "`: " + s.Doc })
		list(&b, "Blind spots", k.Blind, func(s rotator.BlindSpot) string { return s.What + ": " + s.Why })
		list(&b, "Limits", k.Limits, func(s string) string { return s })
		list(&b, "Sources", k.Sources, func(s string) string { return s })
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "## %s\n\nNothing is read: a person looks, and attests. What to look at in services that cmkd does not read yet:\n\n", rotator.KindManual)
	b.WriteString("| service | type | look at | told a new version by | beware |\n|---|---|---|---|---|\n")
	for _, m := range kind.AllByHand() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", m.Service, m.Type, m.Look, m.How, m.Beware)
	}
	return b.String()
}

func list[T any](b *strings.Builder, title string, all []T, text func(T) string) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", title)
	for _, one := range all {
		fmt.Fprintf(b, "- %s\n", text(one))
	}
}

func join[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = string(one)
	}
	return strings.Join(texts, ", ")
}

// hours is a time that is documented.
func hours(d time.Duration) string {
	if d == 0 {
		return "not documented"
	}
	return fmt.Sprintf("%g h", d.Hours())
}
