package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"cmkd/rotator"
)

func bookChecks() []check {
	return []check{
		{"returns everything as it was given", bookRoundTrip},
		{"is empty at first", func(t *testing.T, s rotator.Store) { same(t, "book", book(t, s), rotator.Book{}) }},
		{"comes by id, and by kind, region and change", bookOrder},
		{"tells apart timings that look alike", bookTimingsAlike},
		{"replaces what is there", bookReplace},
		{"keeps the later of two records of one change", bookLater},
		{"forgets", bookForget},
		{"forgets what does not exist", bookForgetNothing},
		{"forgets what the same change brings", bookForgetOwn},
		{"changes nothing when the change conflicts", bookAtomic},
		{"takes no record that could not be found again", bookInvalid},
		{"keeps no reference to what it is given", bookNoAliasIn},
		{"hands out nothing shared", bookNoAliasOut},
		{"is the same for what was staged", bookStaged},
	}
}

func bookRoundTrip(t *testing.T, s rotator.Store) {
	c := pages("payments")
	commit(t, s, c)
	same(t, "book", book(t, s), bookOf(c))
}

// bookOrder stores records in another order than they come in.
func bookOrder(t *testing.T, s rotator.Store) {
	for _, id := range []string{"b", "a/b", "a", "a-b", "B"} {
		commit(t, s, &rotator.Change{Alerts: []rotator.Alert{alert(id)}, Silences: []rotator.Silence{silence(id)}})
	}
	commit(t, s, &rotator.Change{Timings: []rotator.Timing{
		timing("zz", "eu", rotator.KindRotation), timing("storage", "uk", rotator.KindRotation),
		timing("storage", "europe", rotator.KindRotation), timing("storage", "europe", rotator.KindRevocation),
		timing("storage", "", rotator.KindRotation),
	}})
	var want rotator.Book
	for _, id := range []string{"B", "a", "a-b", "a/b", "b"} {
		want.Alerts, want.Silences = append(want.Alerts, alert(id)), append(want.Silences, silence(id))
	}
	want.Timings = []rotator.Timing{
		timing("storage", "", rotator.KindRotation), timing("storage", "europe", rotator.KindRevocation),
		timing("storage", "europe", rotator.KindRotation), timing("storage", "uk", rotator.KindRotation),
		timing("zz", "eu", rotator.KindRotation),
	}
	same(t, "book", book(t, s), want)
}

func bookTimingsAlike(t *testing.T, s rotator.Store) {
	c := &rotator.Change{Timings: []rotator.Timing{
		timing("a", "b/c", rotator.KindRotation), timing("a/b", "c", rotator.KindRotation),
		timing("ab", "", rotator.KindRotation), timing("ab", "c", rotator.KindRotation), timing("abc", "", rotator.KindRotation),
	}}
	commit(t, s, c)
	same(t, "timings", book(t, s).Timings, c.Timings)
}

// bookReplace gives each record other content, of which some is left out.
func bookReplace(t *testing.T, s rotator.Store) {
	commit(t, s, pages("payments"))
	commit(t, s, pages("orders"))
	c := pages("payments")
	a, silence, timing := &c.Alerts[0], &c.Silences[0], &c.Timings[0]
	attestation, freeze := &c.Attestations[0], &c.Freezes[0]
	a.Ends, a.Affected, a.Hint, a.Told = time.Time{}, nil, "", map[string]rotator.Delivery{"pager": {Fired: at(9)}}
	silence.Until, silence.Reason = at(2), ""
	timing.Histogram = []byte{7}
	attestation.Void, attestation.BlindSpots, freeze.Until = nil, nil, time.Time{}
	commit(t, s, c)
	other := pages("orders")
	same(t, "book", book(t, s), rotator.Book{
		Alerts:       []rotator.Alert{other.Alerts[0], *a},
		Silences:     []rotator.Silence{other.Silences[0], *silence},
		Timings:      []rotator.Timing{other.Timings[0], *timing},
		Attestations: []rotator.Attestation{other.Attestations[0], *attestation},
		Freezes:      []rotator.Freeze{other.Freezes[0], *freeze},
	})
}

func bookLater(t *testing.T, s rotator.Store) {
	c, later := pages("payments"), pages("payments")
	later.Alerts[0].Summary, later.Silences[0].Reason, later.Timings[0].Histogram = "later", "later", []byte{9}
	later.Attestations[0].Reason, later.Freezes[0].Reason = "later", "later"
	commit(t, s, &rotator.Change{
		Alerts:       append(c.Alerts, later.Alerts...),
		Silences:     append(c.Silences, later.Silences...),
		Timings:      append(c.Timings, later.Timings...),
		Attestations: append(c.Attestations, later.Attestations...),
		Freezes:      append(c.Freezes, later.Freezes...),
	})
	same(t, "book", book(t, s), bookOf(later))
}

// bookForget removes an alert and a silence that have the same id, one at a time.
func bookForget(t *testing.T, s rotator.Store) {
	a, b := alert("a"), alert("b")
	c := &rotator.Change{Alerts: []rotator.Alert{a, b}, Silences: []rotator.Silence{silence("a"), silence("b")}}
	commit(t, s, c)
	commit(t, s, &rotator.Change{Forget: rotator.Forget{Alerts: []string{"a"}}})
	same(t, "after an alert is forgotten", book(t, s), rotator.Book{Alerts: []rotator.Alert{b}, Silences: c.Silences})
	commit(t, s, &rotator.Change{Forget: rotator.Forget{Silences: []string{"a", "b"}}})
	same(t, "after the silences are forgotten", book(t, s), rotator.Book{Alerts: []rotator.Alert{b}})
	commit(t, s, &rotator.Change{Alerts: []rotator.Alert{a}})
	same(t, "after the alert came again", book(t, s), rotator.Book{Alerts: []rotator.Alert{a, b}})
}

func bookForgetNothing(t *testing.T, s rotator.Store) {
	commit(t, s, &rotator.Change{Forget: rotator.Forget{Alerts: []string{"a"}, Silences: []string{"s"}}})
	commit(t, s, pages("payments"))
	before := read(t, s)
	nothing := []string{"", "a", "Payments", "payments ", "payments/x", "\xff"}
	commit(t, s, &rotator.Change{Forget: rotator.Forget{Alerts: nothing, Silences: nothing}})
	same(t, "store", read(t, s), before)
}

func bookForgetOwn(t *testing.T, s rotator.Store) {
	commit(t, s, &rotator.Change{
		Alerts: []rotator.Alert{alert("a"), alert("b")}, Silences: []rotator.Silence{silence("a"), silence("b")},
		Forget: rotator.Forget{Alerts: []string{"a"}, Silences: []string{"b"}},
	})
	same(t, "book", book(t, s), rotator.Book{Alerts: []rotator.Alert{alert("b")}, Silences: []rotator.Silence{silence("a")}})
}

func bookAtomic(t *testing.T, s rotator.Store) {
	commit(t, s, change(1, "payments", 0))
	before := read(t, s)
	bad := pages("orders")
	bad.Alerts = append(bad.Alerts, pages("payments").Alerts...)
	bad.Alerts[1].Summary = "another"
	bad.Forget = rotator.Forget{Alerts: []string{"payments"}, Silences: []string{"payments"}}
	bad.Operations = []rotator.Operation{operation(1, "payments")} // revision 1 again
	if err := rotator.Commit(t.Context(), s, bad); !errors.Is(err, rotator.ErrConflict) {
		t.Fatalf("commit: %v, want ErrConflict", err)
	}
	same(t, "store", read(t, s), before)
}

func bookInvalid(t *testing.T, s rotator.Store) {
	commit(t, s, change(1, "payments", 0))
	before := read(t, s)
	late := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, spoil := range map[string]func(c *rotator.Change){
		"an alert without id":              func(c *rotator.Change) { c.Alerts[0].ID = "" },
		"an alert whose id is no text":     func(c *rotator.Change) { c.Alerts[0].ID = "\xff" },
		"an unknown severity":              func(c *rotator.Change) { c.Alerts[0].Severity = "dreadful" },
		"an alert without severity":        func(c *rotator.Change) { c.Alerts[0].Severity = "" },
		"an alert of the year 9999":        func(c *rotator.Change) { c.Alerts[0].Starts = late },
		"a delivery in the year 9999":      func(c *rotator.Change) { c.Alerts[0].Told = map[string]rotator.Delivery{"ops": {Next: late}} },
		"a silence without id":             func(c *rotator.Change) { c.Silences[0].ID = "" },
		"a silence of everything":          func(c *rotator.Change) { c.Silences[0] = rotator.Silence{ID: "s-1", Until: at(1)} },
		"a silence until the year 9999":    func(c *rotator.Change) { c.Silences[0].Until = late },
		"an attestation without key":       func(c *rotator.Change) { c.Attestations[0].KeyID = "" },
		"a freeze without id":              func(c *rotator.Change) { c.Freezes[0].ID = "" },
		"a standing without dependent":     func(c *rotator.Change) { c.Standings[0].Dependent = "" },
		"a timing without kind":            func(c *rotator.Change) { c.Timings[0].Kind = "" },
		"a timing without change":          func(c *rotator.Change) { c.Timings[0].Change = "" },
		"a timing without histogram":       func(c *rotator.Change) { c.Timings[0].Histogram = nil },
		"a timing whose region is no text": func(c *rotator.Change) { c.Timings[0].Region = "\xff" },
	} {
		c := change(2, "orders", 0)
		spoil(c)
		if err := rotator.Commit(t.Context(), s, c); rotator.CodeOf(err) != rotator.CodeInvalid {
			t.Errorf("%s: %v (%s), want CodeInvalid", name, err, rotator.CodeOf(err))
		}
		same(t, "store after "+name, read(t, s), before)
	}
}

func bookNoAliasIn(t *testing.T, s rotator.Store) {
	c := pages("payments")
	commit(t, s, c)
	before := read(t, s)
	scribbleBook(bookOf(c))
	same(t, "store", read(t, s), before)
}

func bookNoAliasOut(t *testing.T, s rotator.Store) {
	commit(t, s, pages("payments"))
	before, b := read(t, s), book(t, s)
	scribbleBook(b)
	same(t, "store", read(t, s), before)
}

// scribbleBook changes whatever could be shared.
func scribbleBook(b rotator.Book) {
	b.Alerts[0].Affected[0].Name, b.Alerts[0].Told["ops"] = "x", rotator.Delivery{}
	b.Alerts[0].Told["x"] = rotator.Delivery{Failures: 1}
	b.Timings[0].Histogram[0] ^= 0xff
	b.Alerts[0].Summary, b.Silences[0].Reason, b.Timings[0].Kind = "x", "x", "x"
	b.Attestations[0].Versions[0], b.Attestations[0].BlindSpots[0], b.Attestations[0].Void.Message = "x", "x", "x"
	b.Freezes[0].Reason = "x"
}

func bookStaged(t *testing.T, s rotator.Store) {
	commit(t, s, &rotator.Change{Alerts: []rotator.Alert{alert("old")}})
	before := read(t, s)
	c := pages("payments")
	c.Forget.Alerts = []string{"old"}
	staged := must[func(context.Context) error](t)(s.Stage(c))
	same(t, "store while nothing is committed", read(t, s), before)
	if err := staged(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "book", book(t, s), bookOf(c))
	wantUnstageable(t, s, "an alert without id", &rotator.Change{Alerts: []rotator.Alert{{}}})
}
