package store

import (
	"bytes"
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

func someAttestation() *rotator.Attestation {
	return &rotator.Attestation{
		ID: "a-1", KeyID: "https://v/keys/k", Dependent: "/x", Versions: []string{"v1"}, Actor: "amelie", Reason: "r", Made: someTime(), Until: someTime(),
	}
}

func someFreeze() *rotator.Freeze {
	return &rotator.Freeze{ID: "f-1", Vault: "v", Actor: "amelie", Reason: "r", Made: someTime(), Until: someTime()}
}

func someStanding() *rotator.Standing {
	return &rotator.Standing{KeyID: "https://v/keys/k", Dependent: "/x", Since: someTime(), Last: &rotator.Observation{At: someTime()}}
}

// change is one with a record on each shelf.
func change() *rotator.Change {
	return &rotator.Change{
		Alerts: []rotator.Alert{*someAlert()}, Silences: []rotator.Silence{*someSilence()}, Timings: []rotator.Timing{*someTiming()},
		Attestations: []rotator.Attestation{*someAttestation()}, Freezes: []rotator.Freeze{*someFreeze()}, Standings: []rotator.Standing{*someStanding()},
	}
}

// shelve returns the records of a change by their shelves.
func shelve(tb testing.TB, c *rotator.Change) map[Shelf]Shelved {
	tb.Helper()
	all, err := Shelve(c)
	if err != nil {
		tb.Fatal(err)
	}
	by := map[Shelf]Shelved{}
	for _, r := range all {
		by[r.Shelf] = r
	}
	return by
}

func TestShelves_KeepEveryField(t *testing.T) {
	t.Parallel()
	a, m := filled[rotator.Alert](), filled[rotator.Timing]()
	a.Severity = rotator.SeverityInfo
	c := &rotator.Change{
		Alerts: []rotator.Alert{*a}, Silences: []rotator.Silence{*filled[rotator.Silence]()}, Timings: []rotator.Timing{*m},
		Attestations: []rotator.Attestation{*filled[rotator.Attestation]()}, Freezes: []rotator.Freeze{*filled[rotator.Freeze]()},
		Standings: []rotator.Standing{*filled[rotator.Standing]()},
	}
	by := shelve(t, c)
	if len(by) != len(Shelves()) {
		t.Errorf("%d shelves have a record, want each of %v", len(by), Shelves())
	}
	for _, r := range by {
		if err := CheckShelved(&r); err != nil {
			t.Error(err)
		}
		r.Key = append(r.Key, 'x')
		if err := CheckShelved(&r); err == nil {
			t.Errorf("a record of the %s belongs under %q", r.Shelf, r.Key)
		}
	}
	book, err := ReadBook(func(shelf Shelf, read func(key, value []byte) error) error {
		return read(by[shelf].Key, by[shelf].Value)
	})
	want := rotator.Book{Alerts: c.Alerts, Silences: c.Silences, Timings: c.Timings, Attestations: c.Attestations, Freezes: c.Freezes}
	if d := cmp.Diff(want, book); err != nil || d != "" {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	standing, err := DecodeStanding(by[ShelfStandings].Value)
	if d := cmp.Diff(c.Standings[0], standing); err != nil || d != "" {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
}

// TestStandingKey: the standings of a key stand together, whatever its case, and apart
// from those of a key whose name begins in the same way.
func TestStandingKey(t *testing.T) {
	t.Parallel()
	of := StandingsOf("https://v/keys/K")
	if !bytes.HasPrefix(StandingKey("https://v/keys/k", "/x"), of) || bytes.HasPrefix(StandingKey("https://v/keys/kk", "/x"), of) {
		t.Errorf("standings of a key begin with %q", of)
	}
}

func filled[T any]() *T {
	v, n := new(T), 0
	fillAll(reflect.ValueOf(v).Elem(), &n)
	return v
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
	sortTimings(got)
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
		_, err := Shelve(&rotator.Change{Alerts: []rotator.Alert{*a}})
		return err
	}
	silence := func(spoil func(s *rotator.Silence)) error {
		s := someSilence()
		spoil(s)
		_, err := Shelve(&rotator.Change{Silences: []rotator.Silence{*s}})
		return err
	}
	timing := func(spoil func(m *rotator.Timing)) error {
		m := someTiming()
		spoil(m)
		_, err := Shelve(&rotator.Change{Timings: []rotator.Timing{*m}})
		return err
	}
	attestation := func(spoil func(a *rotator.Attestation)) error {
		a := someAttestation()
		spoil(a)
		_, err := Shelve(&rotator.Change{Attestations: []rotator.Attestation{*a}})
		return err
	}
	freeze := func(spoil func(f *rotator.Freeze)) error {
		f := someFreeze()
		spoil(f)
		_, err := Shelve(&rotator.Change{Freezes: []rotator.Freeze{*f}})
		return err
	}
	standing := func(spoil func(s *rotator.Standing)) error {
		s := someStanding()
		spoil(s)
		_, err := Shelve(&rotator.Change{Standings: []rotator.Standing{*s}})
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
		{"attestation without id", attestation(func(a *rotator.Attestation) { a.ID = "" })},
		{"attestation a-1 without key", attestation(func(a *rotator.Attestation) { a.KeyID = "" })},
		{"attestation a-1 without dependent", attestation(func(a *rotator.Attestation) { a.Dependent = "" })},
		{"attestation a-1: " + outOfRange, attestation(func(a *rotator.Attestation) { a.Made = late })},
		{outOfRange, attestation(func(a *rotator.Attestation) { a.Until = late })},
		{"freeze without id", freeze(func(f *rotator.Freeze) { f.ID = "" })},
		{"freeze f-1: " + outOfRange, freeze(func(f *rotator.Freeze) { f.Made = late })},
		{outOfRange, freeze(func(f *rotator.Freeze) { f.Until = late })},
		{"standing without key", standing(func(s *rotator.Standing) { s.KeyID = "" })},
		{"standing dependent of 1025 bytes", standing(func(s *rotator.Standing) { s.Dependent = long })},
		{"standing of /x: " + outOfRange, standing(func(s *rotator.Standing) { s.Since = late })},
		{outOfRange, standing(func(s *rotator.Standing) { s.Last = &rotator.Observation{At: late} })},
	} {
		if rotator.CodeOf(test.err) != rotator.CodeInvalid || !strings.Contains(test.err.Error(), test.text) {
			t.Errorf("error %v, want CodeInvalid with %q", test.err, test.text)
		}
	}
}
