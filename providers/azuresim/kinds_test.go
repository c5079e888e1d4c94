package azuresim_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A new kind is one file and one line of the table: no shared code asks which
// kind it has before it.
func TestKinds_SharedCodeAsksNoName(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	asks := regexp.MustCompile(`kind\.name [!=]= kind|switch [a-z.]*kind\.name|case kind[A-Z]`)
	for _, file := range files {
		if strings.HasPrefix(file, "kind_") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := asks.FindString(string(text)); found != "" {
			t.Errorf("%s asks for a kind by name: %s", file, found)
		}
	}
}
