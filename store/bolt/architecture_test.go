package bolt

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// TestBuckets_architecture holds that ARCHITECTURE.md lists exactly the buckets
// that a file of the newest schema has, in no particular order.
func TestBuckets_architecture(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(text), "Buckets: ")
	list, _, ends := strings.Cut(list, ". ")
	if !ok || !ends {
		t.Fatal(`ARCHITECTURE.md has no sentence that begins with "Buckets: "`)
	}
	var listed []string
	for _, name := range quoted.FindAllStringSubmatch(list, -1) {
		listed = append(listed, name[1])
	}
	want := buckets(len(migrations()) + 1)
	slices.Sort(want)
	slices.Sort(listed)
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("the buckets of the code and of ARCHITECTURE.md: %s", diff)
	}
}
