package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/rotator"
)

func someTime() time.Time { return time.Date(2025, 3, 30, 0, 59, 59, 123456789, time.UTC) }

func someTracker() rotator.Tracker {
	return rotator.Tracker{
		Operation: 17, Number: 258, State: rotator.TrackerDone, Evidence: rotator.EvidenceConfirmed,
		Failures: 3, Looks: 65536, Due: someTime(), Since: time.Unix(-1, 1).UTC(),
	}
}

func someEvent() rotator.Event {
	return rotator.Event{
		Seq: 42, At: someTime(), Type: rotator.EventStateChanged, Key: "payments", Operation: 17,
		Dependent: "/subscriptions/s", Actor: "amelie", Message: "soaking", Data: map[string]string{"to": "b", "from": "a"},
	}
}

// TestFormat pins what is on disk: these bytes must be readable for ever.
func TestFormat(t *testing.T) {
	t.Parallel()
	tr, e := someTracker(), someEvent()
	key := AppendTrackerKey(nil, tr.Operation, tr.Number)
	value, err := AppendTracker(nil, &tr)
	if err != nil {
		t.Fatal(err)
	}
	silence := shelve(t, &rotator.Change{Silences: []rotator.Silence{
		{ID: "s-1", Key: "payments", Actor: "amelie", Created: someTime(), Until: someTime()},
	}})[ShelfSilences].Value
	op, err := hexOf(EncodeOperation(&rotator.Operation{ID: 1, Key: "k", KeyID: "https://v/keys/K", Revision: 2, Due: time.Unix(1, 0)}))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ got, want string }{
		"tracker key":    {hex.EncodeToString(key), "000000000000001100000102"},
		"tracker":        {hex.EncodeToString(value), goldenTracker},
		"due of a key":   {hex.EncodeToString(DueOfKey(5, "k")), "0000000000000005016b"},
		"due of an op":   {hex.EncodeToString(DueOfOperation(5, 6)), "0000000000000005020000000000000006"},
		"by key":         {hex.EncodeToString(ByKey([]byte("k"), 6)), "00016b0000000000000006"},
		"genesis":        {Genesis("0123").String(), "1be2e452b46d7a0d9656bbb1f768e8248eba1b75baed65f5d99eafa948899a6a"},
		"link":           {Link(Genesis("0123"), &e).String(), goldenLink},
		"alert key":      {string(shelve(t, change())[ShelfAlerts].Key), "needs-action/op-1"},
		"standing key":   {hex.EncodeToString(StandingKey("k", "X")), "00016b" + "000178"},
		"timing key":     {hex.EncodeToString(TimingKey("aks", "eu", "rotation")), "0003616b730002657500" + "08726f746174696f6e"},
		"silence":        {hex.EncodeToString(silence[:frameSize]) + string(silence[frameSize:]), goldenSilence},
		"operation head": {op[2*frameSize : 2*(frameSize+opHeader+18)], goldenOperation},
	} {
		if test.got != test.want {
			t.Errorf("%s is\n%s, want\n%s", name, test.got, test.want)
		}
	}
}

const (
	goldenTracker = "01040300000000030001000098316ed6aff8a3157fffffffc46536010000000000000000dfcb94c1"
	goldenLink    = "c75bd1b255185490f99655eb7b41a065426192c981818fc3e7994ecc32c1c6db"
	goldenSilence = `01b26d0e41{"id":"s-1","key":"payments","actor":"amelie","created":"2025-03-30T00:59:59.123456789Z",` +
		`"until":"2025-03-30T00:59:59.123456789Z"}`
	goldenOperation = "0000000000000002800000003b9aca00010010" + // the identifier: 16 bytes
		"68747470733a2f2f762f6b6579732f6b" // https://v/keys/k
)

func hexOf(value []byte, _ OperationHead, err error) (string, error) {
	return hex.EncodeToString(value), err
}

func TestTracker_RoundTrip(t *testing.T) {
	t.Parallel()
	want := someTracker()
	value, err := AppendTracker([]byte("before"), &want)
	if err != nil || len(value) != len("before")+TrackerValueSize {
		t.Fatalf("%d bytes, %v", len(value), err)
	}
	got := rotator.Tracker{Operation: want.Operation, Number: want.Number}
	if err := DecodeTracker(value[len("before"):], &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTracker_States(t *testing.T) {
	t.Parallel()
	for _, s := range rotator.TrackerStates() {
		n, ok := stateNumber(s)
		if back, known := stateOf(n); !ok || !known || back != s {
			t.Errorf("state %s has number %d, which is %s", s, n, back)
		}
	}
}

func TestTracker_Refuses(t *testing.T) {
	t.Parallel()
	for text, spoil := range map[string]func(tr *rotator.Tracker){
		`tracker 258 of op-17: tracker state "odd" is not known`: func(tr *rotator.Tracker) { tr.State = "odd" },
		`evidence "odd" is not known`:                            func(tr *rotator.Tracker) { tr.Evidence = "odd" },
		"failures is out of range: -1":                           func(tr *rotator.Tracker) { tr.Failures = -1 },
		"looks is out of range: 4294967296":                      func(tr *rotator.Tracker) { tr.Looks = 1 << 32 },
		"time 2300-01-01T00:00:00Z is out of range":              func(tr *rotator.Tracker) { tr.Seen = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		tr := someTracker()
		spoil(&tr)
		if _, err := AppendTracker(nil, &tr); rotator.CodeOf(err) != rotator.CodeInvalid || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q", err, text)
		}
	}
}

func TestTime_Order(t *testing.T) {
	t.Parallel()
	times := []time.Time{
		{}, time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(-1, 0), time.Unix(0, -1), time.Unix(0, 0),
		time.Unix(0, 1), someTime(), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	var encoded []uint64
	for _, at := range times {
		n, err := EncodeTime(at)
		if err != nil || !DecodeTime(n).Equal(at) {
			t.Errorf("%s came back as %s, %v", at, DecodeTime(n), err)
		}
		encoded = append(encoded, n)
	}
	if !slices.IsSorted(encoded) {
		t.Errorf("not sorted: %x", encoded)
	}
	if EncodeBound(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) < encoded[7] || EncodeBound(time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)) > encoded[1] {
		t.Error("a bound beyond all times is not beyond them")
	}
}

// TestValues_Flipped flips each byte of each kind of value: nothing decodes.
func TestValues_Flipped(t *testing.T) {
	t.Parallel()
	tr, e := someTracker(), someEvent()
	hot, err1 := AppendTracker(nil, &tr)
	key, _, err2 := EncodeKey(&rotator.KeyState{Name: "k", ID: "https://v/keys/k"})
	op, _, err3 := EncodeOperation(&rotator.Operation{ID: 1})
	detail, err4 := EncodeDetail(&rotator.TrackerDetail{})
	ev, err5 := EncodeEvent(&e)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	type flipped struct {
		value  []byte
		decode func(b []byte) error
	}
	values := map[string]flipped{
		"tracker":   {hot, func(b []byte) error { return DecodeTracker(b, new(rotator.Tracker)) }},
		"key":       {key, func(b []byte) error { _, err := DecodeKey(b); return err }},
		"operation": {op, func(b []byte) error { _, err := DecodeOperation(b); return err }},
		"detail":    {detail, func(b []byte) error { _, err := DecodeDetail(b); return err }},
		"event":     {ev, func(b []byte) error { _, err := DecodeEvent(b); return err }},
	}
	for shelf, r := range shelve(t, change()) {
		values[string(shelf)] = flipped{r.Value, func(b []byte) error { return CheckShelved(&Shelved{shelf, r.Key, b}) }}
	}
	for name, test := range values {
		if err := test.decode(test.value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range test.value {
			b := bytes.Clone(test.value)
			b[i] ^= 0x41
			if err := test.decode(b); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s with byte %d flipped: %v", name, i, err)
			}
			if err := test.decode(test.value[:i]); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s cut to %d: %v", name, i, err)
			}
		}
	}
}

// TestLink_Fields changes each field: each counts, and none can be moved into
// its neighbour.
func TestLink_Fields(t *testing.T) {
	t.Parallel()
	seen := map[Hash]string{}
	for name, change := range map[string]func(e *rotator.Event){
		"nothing":   func(*rotator.Event) {},
		"seq":       func(e *rotator.Event) { e.Seq++ },
		"time":      func(e *rotator.Event) { e.At = e.At.Add(1) },
		"type":      func(e *rotator.Event) { e.Type += "p"; e.Key = e.Key[1:] },
		"key":       func(e *rotator.Event) { e.Key = "x" },
		"operation": func(e *rotator.Event) { e.Operation++ },
		"dependent": func(e *rotator.Event) { e.Dependent += "a"; e.Actor = e.Actor[1:] },
		"actor":     func(e *rotator.Event) { e.Actor = "bo" },
		"message":   func(e *rotator.Event) { e.Message = "" },
		"value":     func(e *rotator.Event) { e.Data["to"] = "c" },
		"name":      func(e *rotator.Event) { e.Data["x"] = ""; delete(e.Data, "to") },
		"no data":   func(e *rotator.Event) { e.Data = nil },
	} {
		e := someEvent()
		change(&e)
		hash := Link(Hash{}, &e)
		if other, ok := seen[hash]; ok {
			t.Errorf("changing %s and %s gives the same hash", name, other)
		}
		seen[hash] = name
	}
	e := someEvent()
	plain := Link(Hash{}, &e)
	e.Prev, e.Hash, e.At = "x", "y", e.At.In(time.FixedZone("z", 3600))
	if Link(Hash{}, &e) != plain {
		t.Error("prev, hash or the zone count")
	}
}

func FuzzDecode(f *testing.F) {
	tr, e := someTracker(), someEvent()
	hot, _ := AppendTracker(nil, &tr)
	ev, _ := EncodeEvent(&e)
	op, _, _ := EncodeOperation(&rotator.Operation{ID: 1, Key: "k", KeyID: "https://v/keys/K"})
	for _, seed := range [][]byte{nil, hot, ev, op, DueOfKey(1, "k"), {codecVersion}} {
		f.Add(seed)
	}
	for _, r := range shelve(f, change()) {
		f.Add(r.Value)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > frameSize && b[0] == codecVersion {
			b = seal(bytes.Clone(b)) // past the checksum
		}
		_ = DecodeTracker(b, new(rotator.Tracker))
		_, _ = DecodeKey(b)
		_, _ = KeyDue(b)
		_, _ = DecodeDetail(b)
		_, _ = DecodeDue(b)
		_, _ = DecodeEventHead(b)
		_, _, _ = DecodeTrackerKey(b)
		_, _ = ParseHash(string(b))
		for _, shelf := range Shelves() {
			_ = CheckShelved(&Shelved{Shelf: shelf, Value: b})
		}
		if book, err := ReadBook(func(_ Shelf, read func(key, value []byte) error) error { _ = read(nil, b); return nil }); err == nil {
			_, _ = Shelve(&rotator.Change{Alerts: book.Alerts})
		}
		if e, err := DecodeEvent(b); err == nil {
			if _, err := EncodeEvent(&e); err != nil {
				t.Errorf("event %+v was decoded and cannot be encoded: %v", e, err)
			}
		}
		if o, err := DecodeOperation(b); err == nil && o.ID != 0 && len(o.Key) <= maxName {
			_, _, _ = EncodeOperation(&o)
		}
	})
}
