package bolt

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cmkd/rotator"
)

// update writes the golden store of today's schema: -update. One that exists is
// never written again, for it is what older daemons left behind.
var update = flag.Bool("update", false, "write the golden store of today's schema")

// goldenSchema is the schema of the golden store with something in every record.
const goldenSchema = 2

func goldenAt(minutes int) time.Time {
	return time.Date(2025, 3, 30, 0, 59, 59, 123456789, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// goldenChanges is what was committed into the golden store, in this order. What is
// in the file does not change with the code: a field that records gain later is unset
// in it.
func goldenChanges() []*rotator.Change {
	var all []*rotator.Change
	for i, o := range goldenOperations() {
		o.ID, o.Revision = rotator.OperationID(i+1), 1
		c := &rotator.Change{Keys: []rotator.KeyState{goldenKey(o.Key)}, Trackers: goldenTrackers(o.ID)}
		o.Trackers = map[rotator.TrackerState]int{}
		for _, t := range c.Trackers {
			o.Trackers[t.State]++
		}
		c.Operations = []rotator.Operation{o}
		c.Events = []rotator.Event{{
			At: goldenAt(i), Type: rotator.EventOperationCreated, Key: o.Key, Operation: o.ID, Dependent: "/subscriptions/s/a",
			Actor: "amelie", Message: "Schlüssel <&> \u2028 began", Data: map[string]string{"state": string(o.State), "cause": "operator"},
		}}
		if !o.State.Final() { // it has come some way
			second := o
			second.Revision = 2
			c.Operations = append(c.Operations, second)
		}
		all = append(all, c)
	}
	return append(all, goldenBook(), &rotator.Change{
		Events: []rotator.Event{{Type: rotator.EventDaemonStopped, Actor: "cmkd", Message: "no time, broken \xff text"}},
		Forget: rotator.Forget{Alerts: []string{"forgotten"}, Silences: []string{"s-9"}},
	})
}

func goldenKey(name string) rotator.KeyState {
	return rotator.KeyState{
		Name: name, ID: goldenID(name),
		NextRotation: goldenAt(len(name)), Spec: "0 3 1 * * Europe/Berlin", LastFired: goldenAt(-1), Current: goldenVersion("2"),
		Seen: goldenAt(1), Operation: 1, Unretired: []string{"v0", "v1"}, Problem: goldenProblem("key"), Failed: 3,
		Missed: goldenAt(-2), Preflight: goldenProblem("preflight"), PreflightAt: goldenAt(-3),
		Policy: rotator.RotationPolicy{Rotate: "P90D after creation", Expiry: "P1Y"}, PolicyAt: goldenAt(-4),
	}
}

func goldenVersion(digit string) rotator.Version {
	return rotator.Version{
		ID: strings.Repeat(digit, 32), Created: goldenAt(-10), Updated: goldenAt(-9), Enabled: true, Expires: goldenAt(9000),
		NotBefore: goldenAt(-8), PurgeProtected: true, Operation: "i/op-1",
	}
}

func goldenProblem(code rotator.Reason) *rotator.Problem {
	return &rotator.Problem{Code: code, Message: "m <&>", Hint: "h", Class: rotator.CodeForbidden}
}

// goldenOperations has a live and a final one of each kind, and every final state.
func goldenOperations() []rotator.Operation {
	due, none := goldenAt(100), time.Time{}
	return []rotator.Operation{
		goldenOperation(rotator.KindRotation, rotator.StatePropagating, "payments", due),
		goldenOperation(rotator.KindRotation, rotator.StateCompleted, "payments", none),
		goldenOperation(rotator.KindRotation, rotator.StateFailed, "orders", none),
		goldenOperation(rotator.KindRevocation, rotator.StateEffective, "orders", due),
		goldenOperation(rotator.KindRevocation, rotator.StateCancelled, "orders", none),
		goldenOperation(rotator.KindReinstatement, rotator.StateRecovering, "archive", due),
		goldenOperation(rotator.KindReinstatement, rotator.StateRecovered, "archive", none),
		goldenOperation(rotator.KindRotation, rotator.StateRetiring, "archive", due.Add(time.Hour)),
	}
}

func goldenOperation(kind rotator.OperationKind, state rotator.OperationState, key string, due time.Time) rotator.Operation {
	o := rotator.Operation{
		Kind: kind, Key: key, KeyID: goldenID(key), State: state,
		Cause: rotator.CauseOperator, Actor: "amelie", Reason: "Schlüssel erneuern", Created: goldenAt(0), Since: goldenAt(1),
		Wake: due, Due: due, Base: []string{"v1", "v0"},
		Attempt: rotator.Attempt{Number: 2, Method: rotator.MethodRotate, At: goldenAt(2), Uncertain: goldenAt(3)},
		Target:  goldenVersion("3"), Adopted: true, Previous: []string{"v1"}, Retired: []string{"v0"}, Retire: rotator.RetireAuto,
		Retirer: "bo", Settled: goldenAt(4), Verify: goldenAt(5), Searched: goldenAt(6), Versions: []string{"v1"},
		Changed: []string{"v1"}, Effect: goldenAt(7), Approvals: []rotator.Approval{{Actor: "bo", At: goldenAt(8)}},
		Revocation: 4, CancelledBy: "cy", Waiting: rotator.Wait{For: "for the soak time"}, Problem: goldenProblem("op"), Held: goldenProblem("held"),
		Failures: 3,
	}
	if state.Final() {
		o.Finished = goldenAt(50)
	}
	return o
}

// goldenTrackers has every state, and every evidence.
func goldenTrackers(op rotator.OperationID) []rotator.Tracker {
	evidence := []rotator.Evidence{rotator.EvidenceNone, rotator.EvidenceInferred, rotator.EvidenceObserved, rotator.EvidenceConfirmed}
	states := []rotator.TrackerState{
		rotator.TrackerStalled, rotator.TrackerNeedsAction, rotator.TrackerUnreachable, rotator.TrackerApplying,
		rotator.TrackerPropagating, rotator.TrackerWaiting, rotator.TrackerDone, rotator.TrackerExcluded,
	}
	var all []rotator.Tracker
	for i, state := range states {
		all = append(all, rotator.Tracker{
			Operation: op, Number: uint32(i), State: state, Evidence: evidence[i%4], Failures: i, Looks: 7 * i,
			Due: goldenAt(i), Since: goldenAt(i + 1), Seen: goldenAt(i + 2), Detail: goldenDetail(i),
		})
	}
	all[5].Due, all[5].Detail = time.Time{}, &rotator.TrackerDetail{Dependent: rotator.Dependent{ID: "/s", Kind: "manual"}}
	return all
}

func goldenDetail(n int) *rotator.TrackerDetail {
	return &rotator.TrackerDetail{
		Dependent: rotator.Dependent{
			ID: fmt.Sprintf("/subscriptions/s/storageAccounts/a%d", n), Kind: "storage", Name: "a", Nudge: rotator.NudgeAlways,
			Recreate: true, Window: time.Hour, Poll: time.Minute, Excluded: "on purpose", Discovered: true,
			Settings: map[string]string{"container": "c", "blob": "b"},
		},
		Binding: rotator.BindingPinned, Before: "v1", Version: "v2", Via: "/subscriptions/s/set", Region: "westeurope",
		Applied: goldenAt(1), AppliedVersion: "v2", DoneAt: goldenAt(2), Problem: goldenProblem("tracker"),
		Last: &rotator.Observation{
			At: goldenAt(3), Key: "https://contoso.vault.azure.net/keys/a", Binding: rotator.BindingFixed, Version: "v1",
			Previous: []string{"v0"}, RotatedAt: goldenAt(4), Updating: true, Access: rotator.AccessDenied, AccessCode: "403",
			AccessEvidence: rotator.EvidenceObserved, Problem: goldenProblem("observation"), Via: "/subscriptions/s/set",
			Region: "westeurope", Facts: map[string]string{"k": "v"},
		},
	}
}

// goldenBook has alerts that fire and that are over, and some of everything else.
func goldenBook() *rotator.Change {
	alert := func(id string, ends time.Time) rotator.Alert {
		return rotator.Alert{
			ID: id, Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityCritical, Key: "payments", Operation: 1,
			Cause: "storage", Summary: "hängt <&>", Affected: []rotator.Affected{{ID: "/s/a", Kind: "storage", Name: "a"}}, Count: 2,
			Hint: "h", Next: "cmkd status", Starts: goldenAt(1), Ends: ends, Until: goldenAt(9), Told: map[string]rotator.Delivery{
				"ops": {Fired: goldenAt(2), Resolved: goldenAt(3), Failures: 4, Next: goldenAt(5), Problem: "refused"}, "pager": {},
			},
		}
	}
	silence := func(id string) rotator.Silence {
		return rotator.Silence{
			ID: id, Alert: "a", Rule: rotator.RuleNeedsAction, Key: "payments", Actor: "amelie", Reason: "known",
			Created: goldenAt(1), Until: goldenAt(600),
		}
	}
	return &rotator.Change{
		Alerts:   []rotator.Alert{alert("forgotten", time.Time{}), alert("propagation-stalled/op-1/storage", time.Time{}), alert("store-blocked/daemon", goldenAt(5))},
		Silences: []rotator.Silence{silence("s-2"), silence("s-7"), silence("s-9")},
		Timings: []rotator.Timing{
			{Kind: "storage", Change: rotator.KindRevocation, Histogram: []byte{1}},
			{Kind: "storage", Region: "westeurope", Change: rotator.KindRotation, Histogram: []byte{0x1c, 0x84, 0x93, 0x14, 0, 0xff}},
		},
	}
}

func goldenPath(schema int, ext string) string {
	return filepath.Join("testdata", fmt.Sprintf("schema-%d.%s", schema, ext))
}

// golden returns the path of a copy of the store that a cmkd of an older schema left
// behind.
func golden(t *testing.T, schema int) string {
	t.Helper()
	f, err := os.Open(goldenPath(schema, "db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, b)
}

// TestGolden_Update writes the golden store with -update, with its log's report beside
// it.
func TestGolden_Update(t *testing.T) {
	t.Parallel()
	schema := len(migrations()) + 1
	if !*update {
		t.Skip("without -update nothing is written")
	}
	if _, err := os.Stat(goldenPath(schema, "db.gz")); err == nil || schema != goldenSchema {
		t.Fatalf("the golden store of schema %d is written once, by the code of its time", goldenSchema)
	}
	s := newStore(t)
	for _, c := range goldenChanges() {
		mustCommit(t, s, c)
	}
	checkAndClose(t, s)
	report, err := VerifyFile(t.Context(), s.Path(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	about, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if _, err := z.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for ext, b := range map[string][]byte{"db.gz": zipped.Bytes(), "json": append(about, '\n')} {
		if err := os.WriteFile(goldenPath(schema, ext), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGolden opens and migrates the store that an older cmkd left behind, and finds
// every record.
func TestGolden(t *testing.T) {
	t.Parallel()
	path := golden(t, goldenSchema)
	var want LogReport
	about, err := os.ReadFile(goldenPath(goldenSchema, "json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(about, &want); err != nil {
		t.Fatal(err)
	}
	if got, err := VerifyFile(t.Context(), path, Options{}); err != nil || got != want {
		t.Fatalf("as it was left: %+v, %v, want %+v", got, err, want)
	}
	for range 2 { // the second time nothing is migrated
		s := mustOpen(t, path)
		if got, err := s.VerifyLog(t.Context()); err != nil || got != want {
			t.Errorf("log %+v, %v, want %+v", got, err, want)
		}
		wantGolden(t, s)
		checkAndClose(t, s)
	}
}

// wantGolden compares everything that can be read with what was committed.
func wantGolden(t *testing.T, s *Store) {
	t.Helper()
	var want, got rotator.Change
	keys := map[string]rotator.KeyState{}
	for _, c := range goldenChanges() {
		for _, k := range c.Keys {
			keys[k.Name] = k
		}
		if n := len(c.Operations); n > 0 {
			want.Operations = append([]rotator.Operation{c.Operations[n-1]}, want.Operations...)
		}
		want.Trackers = append(want.Trackers, c.Trackers...)
		want.Events = append(want.Events, c.Events...)
		want.Alerts, want.Silences, want.Timings = append(want.Alerts, c.Alerts...), append(want.Silences, c.Silences...), append(want.Timings, c.Timings...)
	}
	for _, name := range []string{"archive", "orders", "payments"} {
		want.Keys = append(want.Keys, keys[name])
	}
	want.Alerts, want.Silences = want.Alerts[1:], want.Silences[:2] // the others were forgotten
	want.Events[len(want.Events)-1].Message = "no time, broken \ufffd text"
	var due []rotator.DueItem
	for _, k := range []string{"orders", "archive", "payments"} {
		due = append(due, rotator.DueItem{At: keys[k].NextRotation, Key: string(goldenID(k))})
	}
	for _, id := range []rotator.OperationID{1, 4, 6, 8} {
		due = append(due, rotator.DueItem{At: want.Operations[len(want.Operations)-int(id)].Due, Operation: id})
	}

	ctx := t.Context()
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	got.Keys, err = s.Keys(ctx)
	fail(err)
	got.Operations, err = s.Operations(ctx, rotator.OperationFilter{})
	fail(err)
	for i := range rotator.OperationID(len(got.Operations)) {
		ts, err := s.Trackers(ctx, i+1, 0, 0)
		fail(err)
		got.Trackers = append(got.Trackers, ts...)
	}
	got.Events, err = s.Events(ctx, rotator.EventFilter{})
	fail(err)
	book, err := s.Book(ctx)
	fail(err)
	got.Alerts, got.Silences, got.Timings = book.Alerts, book.Silences, book.Timings
	opts := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(rotator.Event{}, "Seq", "Prev", "Hash")}
	if d := cmp.Diff(want, got, opts...); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	for _, live := range []bool{true, false} {
		ops, err := s.Operations(ctx, rotator.OperationFilter{KeyID: goldenID("archive"), Live: live})
		fail(err)
		if len(ops) != map[bool]int{true: 2, false: 3}[live] {
			t.Errorf("%d operations of a key, live only %t", len(ops), live)
		}
	}
	items, err := s.Due(ctx, goldenAt(1e6), 0)
	fail(err)
	if d := cmp.Diff(due, items); d != "" {
		t.Errorf("due (-want +got):\n%s", d)
	}
}

func goldenID(name string) rotator.KeyID {
	return rotator.KeyID("https://contoso.vault.azure.net/keys/" + name)
}
