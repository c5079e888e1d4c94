package notify_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"cmkd/providers/notify"
	"cmkd/rotator"
)

// TestDocs holds that docs/alerts.md names every field that a program gets.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rows, found := strings.Cut(string(text), "**exec** gives")
	if !found {
		t.Fatal("docs/alerts.md does not say what a program gets")
	}
	rows, _, _ = strings.Cut(rows, "\n## ")
	for _, of := range []reflect.Type{
		reflect.TypeFor[notify.ExecInput](), reflect.TypeFor[notify.ExecAlert](), reflect.TypeFor[rotator.Affected](),
	} {
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(rows, "`"+name+"`") {
				t.Errorf("%s: %q is not explained", of, name)
			}
		}
	}
}
