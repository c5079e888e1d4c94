package rotator

import "testing"

// TestSamePerson goes by the uid where both have one.
func TestSamePerson(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"bob (uid 1000)", "bob (uid 1000)", true},
		{"bob (uid 1000)", "uid 1000", true},
		{"robert (uid 1000)", "bob (uid 1000)", true},
		{"bob (uid 1000)", "bob (uid 1001)", false},
		{"uid 10", "uid 1", false},
		{"uid 1000", "page", false},
		{"page", "page", true},
		{"my uid 1000", "uid 1000", false},
	} {
		if got := SamePerson(tt.a, tt.b); got != tt.same {
			t.Errorf("%q and %q: %t", tt.a, tt.b, got)
		}
	}
}
