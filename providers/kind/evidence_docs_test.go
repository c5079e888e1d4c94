package kind_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cmkd/providers/kind"
	"cmkd/rotator"
)

// TestDocs_Evidence holds that docs/evidence.md says what the kinds declare.
func TestDocs_Evidence(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "evidence.md")
	want := evidence(kind.Infos())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/evidence.md differs from the code (%v): go test ./providers/kind -run TestDocs -update", err)
	}
}

const evidenceIntro = `# What cmkd knows of each kind, and how

Made from the kinds (` + "`go test ./providers/kind -run TestDocs -update`" + `); a test keeps it equal.

- **state**: the service reports the version in use. Seen on the new version it is *confirmed*.
- **setting**: the resource shows the version that it was told, and not whether the service did it. At most
  *inferred*, once the documented time has passed.
- **silent**: the resource follows its key and shows no version. *Inferred*, once the documented time has passed.
- **held**: a version that is needed beside the one in use. It blocks the retirement as long as it is shown.
- **blind**: may need an old version, and nobody shows it. It blocks the retirement until a person attests:
  ` + "`cmkd attest KEY DEPENDENT --reason … --until …`" + `, by another person than the one who retires.

A dependent is done when all its uses are, and its evidence is the weakest of theirs. What is only inferred retires
nothing by itself. A property that is missing, cannot be read or belongs to another resource is *unknown*: neither done
nor left. ` + "`cmkd plan KEY --retire`" + ` prints all of this for the dependents of a key.

`

// evidence renders what is known of each kind.
func evidence(kinds []kind.Info) string {
	var b strings.Builder
	b.WriteString(evidenceIntro)
	for i := range kinds {
		k := &kinds[i]
		fmt.Fprintf(&b, "## %s\n\n%s.\n\n", k.Kind, strings.TrimSuffix(k.Evidence, "."))
		b.WriteString("| use | named by | version in use | at best | held | changed by |\n|---|---|---|---|---|---|\n")
		for _, u := range k.Uses {
			best := cmp.Or(string(u.Best), u.By)
			if u.After > 0 {
				best += " after " + hours(u.After)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | *%s* | %s | %s |\n", u.Use, u.NamedBy, u.Version, best, cmp.Or(u.Held, "–"), u.By)
		}
		for _, spot := range k.Blind {
			fmt.Fprintf(&b, "\n- **blind, to be attested**: %s: %s.", spot.What, spot.Why)
		}
		fmt.Fprintf(&b, "\n- **a denial** is seen by %s.", k.Denial)
		if k.Revocation > 0 {
			fmt.Fprintf(&b, "\n- **a denial can show** within %s", hours(k.Revocation))
		} else {
			b.WriteString("\n- **when a denial can show** is not documented")
		}
		if k.Late != "" {
			fmt.Fprintf(&b, "; it may show later, %s", k.Late)
		}
		b.WriteString(". Once revoked: " + k.Revoked + ".")
		if len(k.Missing) > 0 {
			fmt.Fprintf(&b, "\n- **a retirement is rolled back** in probation if the service says `%s`.", strings.Join(k.Missing, "` or `"))
		} else {
			b.WriteString("\n- **a retirement is not rolled back** by what it says: it has no code of its own for a version that is missing.")
		}
		b.WriteString("\n\n")
	}
	fmt.Fprintf(&b, "## %s\n\nNothing is read: a person attests. So it is with every dependent that is excluded.\n", rotator.KindManual)
	return b.String()
}

// declared holds that what cannot be seen of a resource is told of in the docs.
func declared(t *testing.T, name string, o *rotator.Observation) {
	t.Helper()
	var may []rotator.BlindSpot
	for _, d := range kind.All() {
		may = append(may, append(d.BlindSpots, d.MayBlind...)...) // also through another
	}
	for _, b := range o.BlindSpots {
		told := false
		for _, m := range may {
			told = told || b.What == m.What || strings.HasSuffix(m.What, "…") && strings.HasPrefix(b.What, strings.TrimSuffix(m.What, "…"))
		}
		if !told {
			t.Errorf("%s: blind spot %q is not declared", name, b.What)
		}
	}
}
