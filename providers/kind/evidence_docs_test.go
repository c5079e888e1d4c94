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
	want := evidence(kind.All())
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
func evidence(kinds []*kind.Declaration) string {
	var b strings.Builder
	b.WriteString(evidenceIntro)
	for _, k := range kinds {
		fmt.Fprintf(&b, "## %s\n\n%s.\n\n", k.Name, strings.TrimSuffix(k.Evidence, "."))
		b.WriteString("| use | named by | version in use | at best | held | changed by |\n|---|---|---|---|---|---|\n")
		for i := range k.Uses {
			useRow(&b, k, &k.Uses[i], string(k.Uses[i].Path))
		}
		if k.Children != nil {
			useRow(&b, k, &k.Children.Use, "each of `"+k.Children.Collection+"`")
		}
		for _, spot := range append(k.BlindSpots, k.MayBlind...) {
			fmt.Fprintf(&b, "\n- **blind, to be attested**: %s: %s.", spot.What, spot.Why)
		}
		fmt.Fprintf(&b, "\n- **a denial** is seen by %s.", denial(k))
		fmt.Fprintf(&b, "\n- **a denial can show** within %s", hours(k.Traits.Revocation))
		if k.Traits.Late != "" {
			fmt.Fprintf(&b, "; it may show later, %s", k.Traits.Late)
		}
		b.WriteString(". Once revoked: " + k.Traits.Revoked + ".")
		if len(k.Traits.Missing) > 0 {
			fmt.Fprintf(&b, "\n- **a retirement is rolled back** in probation if the service says `%s`.", strings.Join(k.Traits.Missing, "` or `"))
		} else {
			b.WriteString("\n- **a retirement is not rolled back** by what it says: it has no code of its own for a version that is missing.")
		}
		b.WriteString("\n\n")
	}
	fmt.Fprintf(&b, "## %s\n\nNothing is read: a person attests. So it is with every dependent that is excluded.\n", rotator.KindManual)
	return b.String()
}

// useRow renders one use.
func useRow(b *strings.Builder, k *kind.Declaration, u *kind.UseAt, use string) {
	if u.Via != nil {
		fmt.Fprintf(b, "| `%s` | the %s at `%s` | as of that | as of that | as of that | as of that |\n", u.Path, u.Via.Noun, u.Via.At)
		return
	}
	named := string(cmp.Or(u.URI, u.Name))
	version, best := versionOf(u)
	if best == rotator.EvidenceInferred {
		window := max(k.Traits.Window, u.Slow)
		best += rotator.Evidence(" after " + hours(window))
	}
	held := "–"
	for _, h := range u.Held {
		held = "`" + string(h.List) + "`"
	}
	if u.Previous {
		held = "the version before, until it is told yet another one; not shown, cmkd keeps to that"
	}
	if !strings.Contains(use, "`") {
		use = "`" + use + "`"
	}
	fmt.Fprintf(b, "| %s | `%s` | %s | *%s* | %s | %s |\n", use, named, version, best, held, changedBy(k, u))
}

// versionOf says where the version in use is seen, and how good that is.
func versionOf(u *kind.UseAt) (string, rotator.Evidence) {
	switch {
	case u.Hidden:
		return "silent", rotator.EvidenceInferred
	case u.Setting:
		return fmt.Sprintf("setting: `%s`; silent if it names none", cmp.Or(u.URI, u.Version)), rotator.EvidenceInferred
	case u.Current != "":
		return fmt.Sprintf("state: `%s`", u.Current), rotator.EvidenceConfirmed
	case u.Fixed:
		return fmt.Sprintf("state, for life: `%s`; silent if it names none", cmp.Or(u.Version, u.URI)), rotator.EvidenceConfirmed
	default:
		return fmt.Sprintf("state: `%s`", cmp.Or(u.URI, u.Version)), rotator.EvidenceConfirmed
	}
}

// changedBy says how the use comes to a new version.
func changedBy(k *kind.Declaration, u *kind.UseAt) string {
	var all []string
	for _, update := range u.Updates {
		all = append(all, string(update.Action))
	}
	switch {
	case u.ByHand != "":
		return "a person, who is told how; by itself if it follows"
	case len(all) == 0:
		return "itself"
	case u.Fixed:
		return strings.Join(all, ", ") + ", with consent"
	default:
		return "itself if it follows; " + strings.Join(all, ", ")
	}
}

// denial says how it is seen that a resource cannot use its key.
func denial(k *kind.Declaration) string {
	switch {
	case k.Status != nil:
		var places []string
		for _, s := range k.Status {
			places = append(places, fmt.Sprintf("`%s`", s.At))
		}
		return strings.Join(places, ", ") + ", a state of the service: *confirmed*"
	case k.Traits.Revocation == 0:
		return "nothing; no delay is documented, so that only a window of the configuration makes it *inferred*"
	case k.Probe != nil && k.Traits.CheapAccess:
		return "a call on its data plane where the configuration names a container: *confirmed*; else by time: *inferred*"
	case k.Probe != nil:
		return "the power state of its machines: *confirmed* if all are off that ran before; else by time: *inferred*"
	default:
		return "time: *inferred*; it does not show"
	}
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
