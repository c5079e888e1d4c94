package store

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/rotator"
)

func someAlert() *rotator.Alert {
	return &rotator.Alert{
		ID: "needs-action/op-1", Rule: rotator.RuleNeedsAction, Severity: rotator.SeverityWarning, Starts: someTime(),
		Told: map[string]rotator.Delivery{"ops": {Fired: someTime()}},
	}
}

func someSilence() *rotator.Silence {
	return &rotator.Silence{ID: "s-1", Rule: rotator.RuleNeedsAction, Actor: "amelie", Created: someTime(), Until: someTime()}
}

func someTiming() *rotator.Timing {
	return &rotator.Timing{Kind: "storage", Region: "westeurope", Change: rotator.KindRotation, Histogram: []byte{0, 0xff}}
}

func TestBook_KeepsEveryField(t *testing.T) {
	t.Parallel()
	a := filled[rotator.Alert]()
	a.Severity = rotator.SeverityInfo
	key, value, err := EncodeAlert(a)
	keeps(t, "alert", a, err, string(key) == a.ID, value, DecodeAlert)
	s := filled[rotator.Silence]()
	key, value, err = EncodeSilence(s)
	keeps(t, "silence", s, err, string(key) == s.ID, value, DecodeSilence)
	m := filled[rotator.Timing]()
	key, value, err = EncodeTiming(m)
	keeps(t, "timing", m, err, string(key) == string(TimingKey(m.Kind, m.Region, m.Change)), value, DecodeTiming)
}

func filled[T any]() *T {
	v, n := new(T), 0
	fillAll(reflect.ValueOf(v).Elem(), &n)
	return v
}

func keeps[T any](t *testing.T, what string, want *T, err error, ownKey bool, value []byte, decode func([]byte) (T, error)) {
	t.Helper()
	if err != nil || !ownKey {
		t.Fatalf("%s: %v, under its own key: %t", what, err, ownKey)
	}
	got, err := decode(value)
	if d := cmp.Diff(*want, got); err != nil || d != "" {
		t.Errorf("%s: %v (-want +got)\n%s", what, err, d)
	}
}

// TestTimingKey_IsOfOneTiming moves letters between the parts.
func TestTimingKey_IsOfOneTiming(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, parts := range [][3]string{
		{"a", "b", "c"}, {"ab", "", "c"}, {"", "ab", "c"}, {"a", "", "bc"}, {"a", "bc", ""}, {"abc", "", ""}, {"", "", "abc"},
		{"a\x00\x01b", "c", ""}, {"a", "b\x00\x01c", ""}, {"a\x00", "\x01b", "c"}, {"a/b", "c", "d"}, {"a", "b/c", "d"},
	} {
		key := string(TimingKey(parts[0], parts[1], rotator.OperationKind(parts[2])))
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %s have the same key", parts, other)
		}
		seen[key] = fmt.Sprintf("%q", parts)
	}
}

func TestSortTimings(t *testing.T) {
	t.Parallel()
	var want []rotator.Timing
	for _, kind := range []string{"aks-cluster", "b", "storage"} {
		for _, region := range []string{"", "northeurope", "uksouth"} {
			for _, change := range []rotator.OperationKind{rotator.KindReinstatement, rotator.KindRevocation, rotator.KindRotation} {
				want = append(want, rotator.Timing{Kind: kind, Region: region, Change: change})
			}
		}
	}
	got := append([]rotator.Timing(nil), want...)
	for i := range got { // an order far from the one wanted: 10 and 27 have no common divisor
		got[i] = want[i*10%len(want)]
	}
	SortTimings(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBook_Refuses(t *testing.T) {
	t.Parallel()
	late, long := time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC), strings.Repeat("x", maxName+1)
	alert := func(spoil func(a *rotator.Alert)) error {
		a := someAlert()
		spoil(a)
		_, _, err := EncodeAlert(a)
		return err
	}
	silence := func(spoil func(s *rotator.Silence)) error {
		s := someSilence()
		spoil(s)
		_, _, err := EncodeSilence(s)
		return err
	}
	timing := func(spoil func(m *rotator.Timing)) error {
		m := someTiming()
		spoil(m)
		_, _, err := EncodeTiming(m)
		return err
	}
	const outOfRange = "time 2263-01-01T00:00:00Z is out of range"
	for _, test := range []struct {
		text string
		err  error
	}{
		{"alert without id", alert(func(a *rotator.Alert) { a.ID = "" })},
		{"alert id of 1025 bytes is longer than 1024", alert(func(a *rotator.Alert) { a.ID = long })},
		{`alert id "\xff" is not UTF-8`, alert(func(a *rotator.Alert) { a.ID = "\xff" })},
		{`alert needs-action/op-1: severity "" is not known`, alert(func(a *rotator.Alert) { a.Severity = "" })},
		{`severity "odd" is not known`, alert(func(a *rotator.Alert) { a.Severity = "odd" })},
		{"alert needs-action/op-1: " + outOfRange, alert(func(a *rotator.Alert) { a.Starts = late })},
		{outOfRange, alert(func(a *rotator.Alert) { a.Ends = late })},
		{outOfRange, alert(func(a *rotator.Alert) { a.Until = late })},
		{outOfRange, alert(func(a *rotator.Alert) { a.Told["x"] = rotator.Delivery{Fired: late} })},
		{outOfRange, alert(func(a *rotator.Alert) { a.Told["x"] = rotator.Delivery{Resolved: late} })},
		{outOfRange, alert(func(a *rotator.Alert) { a.Told["x"] = rotator.Delivery{Next: late} })},
		{"silence without id", silence(func(s *rotator.Silence) { s.ID = "" })},
		{"silence id of 1025 bytes", silence(func(s *rotator.Silence) { s.ID = long })},
		{"silence s-1 names no alert, rule or key", silence(func(s *rotator.Silence) { s.Rule = "" })},
		{"silence s-1: " + outOfRange, silence(func(s *rotator.Silence) { s.Created = late })},
		{outOfRange, silence(func(s *rotator.Silence) { s.Until = late })},
		{"timing without kind", timing(func(m *rotator.Timing) { m.Kind = "" })},
		{"timing without change", timing(func(m *rotator.Timing) { m.Change = "" })},
		{"timing region of 1025 bytes", timing(func(m *rotator.Timing) { m.Region = long })},
		{`timing of storage in "westeurope": it has no histogram`, timing(func(m *rotator.Timing) { m.Histogram = nil })},
	} {
		if rotator.CodeOf(test.err) != rotator.CodeInvalid || !strings.Contains(test.err.Error(), test.text) {
			t.Errorf("error %v, want CodeInvalid with %q", test.err, test.text)
		}
	}
}
