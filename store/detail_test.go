package store

import (
	"encoding/hex"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmkd/rotator"
)

// fillAll sets every field of a struct, so that a field which somebody adds and
// forgets to encode is found.
func fillAll(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(*n), 5).UTC()))
			return
		}
		for _, field := range v.Fields() {
			fillAll(field, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(v.Elem(), n)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) * 1_000_003)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(uint64(*n % 256))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillAll(v.Index(0), n)
		fillAll(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			name, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fillAll(name, n)
			fillAll(value, n)
			v.SetMapIndex(name, value)
		}
	default:
		panic("the test does not know how to fill a " + v.Kind().String())
	}
}

func TestDetail_KeepsEveryField(t *testing.T) {
	t.Parallel()
	var d rotator.TrackerDetail
	n := 0
	fillAll(reflect.ValueOf(&d).Elem(), &n)
	value, err := EncodeDetail(&d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeDetail(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&d, got); diff != "" {
		t.Errorf("decoded differs (-want +got):\n%s", diff)
	}
}

// oldDetail is a record from before details had a region and problems a class,
// singleDetail one from before observations had several uses, seenDetail one
// from before refusals were counted, appliedDetail one from before it was kept what a dependent
// uses and needs beside, newDetail one of today:
// all must be readable for ever.
const (
	oldDetail = "01c3e6dd6ac18000122f737562736372697074696f6e732f732f610773746f7261676501610c7768656e2d7374616c6c65640080" +
		"c0e285e3680000000109636f6e7461696e6572016307666f6c6c6f777302763102763298316ed6aff8a31502763298316ed6aff8a315" +
		"018680000163016d016801c7800098316ed6aff8a3151068747470733a2f2f762f6b6579732f6b000276320102763100000000000000" +
		"000007616c6c6f7765640000018680000164016e01690364657301016b017603736574"
	singleDetail = "017266a271c18000122f737562736372697074696f6e732f732f610773746f7261676501610c7768656e2d7374616c6c65640080c0" +
		"e285e3680000000109636f6e7461696e6572016307666f6c6c6f777302763102763298316ed6aff8a31502763298316ed6aff8a31501" +
		"9080000163016d016809666f7262696464656e01e0800098316ed6aff8a3151068747470733a2f2f762f6b6579732f6b000276320102" +
		"763100000000000000000007616c6c6f7765640000019480000164016e01690d6175746f2d726f746174696f6e0364657301016b0176" +
		"0a776573746575726f7065037365740b6e6f7274686575726f7065"
	neededDetail = "0158226343c18000122f737562736372697074696f6e732f732f610773746f7261676501610c7768656e2d7374616c6c65640080c0" +
		"e285e3680000000109636f6e7461696e6572016307666f6c6c6f777302763102763298316ed6aff8a31502763298316ed6aff8a315" +
		"019080000163016d016809666f7262696464656e018a820098316ed6aff8a3150000000000000000000000000007616c6c6f776564" +
		"0000019480000164016e01690d6175746f2d726f746174696f6e0001016b01760a776573746575726f706504c38000017010687474" +
		"70733a2f2f762f6b6579732f6b00027632000000000000000002000276311068747470733a2f2f762f6b6579732f6c027630036465" +
		"7300000000000000ac800001711068747470733a2f2f762f6b6579732f6b0670696e6e656400000000000000000000000000000000" +
		"00009d80000172000000000000000000000000000100010102617a80c0e285e36801a0800001730000000000000000000000000000" +
		"018780000165016f016a000000000000018480000177017901037365740b6e6f7274686575726f706501056f74686572056e756467" +
		"65010201700576696120710670696e6e6564808094ae98c606010177030186800001780179000001027630"
	newDetail = "01e5a92a14c18000122f737562736372697074696f6e732f732f610773746f7261676501610c7768656e2d7374616c6c65640080" +
		"c0e285e3680000000109636f6e7461696e6572016307666f6c6c6f777302763102763298316ed6aff8a31502763298316ed6aff8a315" +
		"019080000163016d016809666f7262696464656e018a820098316ed6aff8a3150000000000000000000000000007616c6c6f77656400" +
		"00019480000164016e01690d6175746f2d726f746174696f6e0001016b01760a776573746575726f706504c380000170106874747073" +
		"3a2f2f762f6b6579732f6b00027632000000000000000002000276311068747470733a2f2f762f6b6579732f6c027630036465730000" +
		"0000000000ac800001711068747470733a2f2f762f6b6579732f6b0670696e6e65640000000000000000000000000000000000009d80" +
		"000172000000000000000000000000000100010102617a80c0e285e36801a08000017300000000000000000000000000000187800001" +
		"65016f016a000000000000018480000177017901037365740b6e6f7274686575726f706501056f74686572056e756467650102017005" +
		"76696120710670696e6e6564808094ae98c6060101770301868000017801790000010276300000010102763301027634"
	appliedDetail = "01480721fbc18000122f737562736372697074696f6e732f732f610773746f7261676501610c7768656e2d7374616c6c65640080c0" +
		"e285e3680000000109636f6e7461696e6572016307666f6c6c6f777302763102763298316ed6aff8a31502763298316ed6aff8a315" +
		"019080000163016d016809666f7262696464656e018a820098316ed6aff8a3150000000000000000000000000007616c6c6f776564" +
		"0000019480000164016e01690d6175746f2d726f746174696f6e0001016b01760a776573746575726f706504c38000017010687474" +
		"70733a2f2f762f6b6579732f6b00027632000000000000000002000276311068747470733a2f2f762f6b6579732f6c027630036465" +
		"7300000000000000ac800001711068747470733a2f2f762f6b6579732f6b0670696e6e656400000000000000000000000000000000" +
		"00009d80000172000000000000000000000000000100010102617a80c0e285e36801a0800001730000000000000000000000000000" +
		"018780000165016f016a000000000000018480000177017901037365740b6e6f7274686575726f706501056f74686572056e756467" +
		"65010201700576696120710670696e6e6564808094ae98c6060101770301868000017801790000010276300000"
	seenDetail = "016a397701c18000122f737562736372697074696f6e732f732f610773746f7261676501610c7768656e2d7374616c6c65640080c0" +
		"e285e3680000000109636f6e7461696e6572016307666f6c6c6f777302763102763298316ed6aff8a31502763298316ed6aff8a315" +
		"019080000163016d016809666f7262696464656e018a820098316ed6aff8a3150000000000000000000000000007616c6c6f776564" +
		"0000019480000164016e01690d6175746f2d726f746174696f6e0001016b01760a776573746575726f706504c38000017010687474" +
		"70733a2f2f762f6b6579732f6b00027632000000000000000002000276311068747470733a2f2f762f6b6579732f6c027630036465" +
		"7300000000000000ac800001711068747470733a2f2f762f6b6579732f6b0670696e6e656400000000000000000000000000000000" +
		"00009d80000172000000000000000000000000000100010102617a80c0e285e36801a0800001730000000000000000000000000000" +
		"018780000165016f016a000000000000018480000177017901037365740b6e6f7274686575726f706501056f74686572056e756467" +
		"65010201700576696120710670696e6e6564808094ae98c606010177"
	usesDetail = "0147dd88a7c18000122f737562736372697074696f6e732f732f610773746f7261676501610c7768656e2d7374616c6c65640080c0e2" +
		"85e3680000000109636f6e7461696e6572016307666f6c6c6f777302763102763298316ed6aff8a31502763298316ed6aff8a3150190" +
		"80000163016d016809666f7262696464656e01b8810098316ed6aff8a3150000000000000000000000000007616c6c6f776564000001" +
		"9480000164016e01690d6175746f2d726f746174696f6e0001016b01760a776573746575726f706502bc800001701068747470733a2f" +
		"2f762f6b6579732f6b00027632000000000000000002000276311068747470733a2f2f762f6b6579732f6c02763003646573a5800001" +
		"711068747470733a2f2f762f6b6579732f6b0670696e6e656400000000000000000000000184800001770179037365740b6e6f727468" +
		"6575726f706501056f74686572056e7564676501"
)

func someDetail() *rotator.TrackerDetail {
	return &rotator.TrackerDetail{
		Dependent: rotator.Dependent{
			ID: "/subscriptions/s/a", Kind: "storage", Name: "a", Nudge: rotator.NudgeWhenStalled, Window: time.Hour,
			Settings: map[string]string{"container": "c"},
		},
		Binding: rotator.BindingFollows, Before: "v1", Version: "v2", Applied: someTime(), AppliedVersion: "v2", AppliedAction: rotator.ActionNudge, Removed: true, DoneAt: someTime(),
		Problem: &rotator.Problem{Code: "c", Message: "m", Hint: "h", Class: rotator.CodeForbidden},
		Last: &rotator.Observation{
			At: someTime(), Access: rotator.AccessAllowed, Partial: true,
			Uses: []rotator.Use{
				{
					Path: "p", Key: "https://v/keys/k", Version: "v2",
					Held: []rotator.Held{{Key: "https://v/keys/k", Version: "v1"}, {Key: "https://v/keys/l", Version: "v0"}}, Via: "des",
				},
				{Path: "q", Key: "https://v/keys/k", Binding: rotator.BindingPinned},
				{Path: "r", Microsoft: true, Setting: true, Previous: true, ByHand: "az", Window: time.Hour, Passing: true},
				{Path: "s", Unknown: &rotator.Problem{Code: "e", Message: "o", Hint: "j"}},
			},
			BlindSpots: []rotator.BlindSpot{{What: "w", Why: "y"}},
			Problem:    &rotator.Problem{Code: "d", Message: "n", Hint: "i", Class: rotator.ClassAutoRotation},
			Facts:      map[string]string{"k": "v"}, Region: "westeurope",
		},
		Via: []string{"set", "other"}, Region: "northeurope", Known: []string{"p", "via q"}, BoundBefore: rotator.BindingPinned, Window: 8 * time.Hour, Blind: []string{"w"},
		Refused: 3, Refusal: &rotator.Problem{Code: "x", Message: "y"}, Needs: []string{"v0"},
		Allowed: true, Others: []string{"v3"}, NeedsYet: []string{"v4"},
	}
}

// someApplied is what appliedDetail says: what it uses and needs beside was not kept.
func someApplied() *rotator.TrackerDetail {
	d := someDetail()
	d.Allowed, d.Others, d.NeedsYet = false, nil, nil
	return d
}

// someSeen is what seenDetail says: refusals of updates were not counted.
func someSeen() *rotator.TrackerDetail {
	d := someApplied()
	d.Refused, d.Refusal, d.Needs = 0, nil, nil
	return d
}

// someUses is what usesDetail says: that a use is unknown, or Microsoft's, was not kept.
func someUses() *rotator.TrackerDetail {
	d := someSeen()
	d.Known, d.BoundBefore, d.Window, d.Blind, d.Last.Partial, d.Last.Uses = nil, "", 0, nil, false, d.Last.Uses[:2]
	return d
}

// someSingle is what singleDetail says: the dependent had one use, without a name.
func someSingle() *rotator.TrackerDetail {
	d := someUses()
	d.AppliedAction, d.Removed, d.Via, d.Last.BlindSpots = "", false, d.Via[:1], nil
	d.Last.Uses = d.Last.Uses[:1]
	d.Last.Uses[0].Path, d.Last.Uses[0].Held = "", d.Last.Uses[0].Held[:1]
	return d
}

// someNeeded is someDetail as it was before the uses were kept that an update was for.
func someNeeded() *rotator.TrackerDetail {
	d := someApplied()
	d.KnownBefore, d.AppliedTo = nil, nil
	return d
}

// TestDetail_Format pins what is on disk, and what was.
func TestDetail_Format(t *testing.T) {
	t.Parallel()
	value, err := EncodeDetail(someDetail())
	if got := hex.EncodeToString(value); err != nil || got != newDetail {
		t.Errorf("a detail is\n%s, %v, want\n%s", got, err, newDetail)
	}
	before := someSingle()
	before.Region, before.Last.Region, before.Problem.Class, before.Last.Problem.Class = "", "", "", ""
	for text, want := range map[string]*rotator.TrackerDetail{oldDetail: before, singleDetail: someSingle(), usesDetail: someUses(), seenDetail: someSeen(), neededDetail: someNeeded(), appliedDetail: someApplied(), newDetail: someDetail()} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeDetail(b)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got)\n%s", text, err, d)
		}
	}
}

func TestDetail_ReadsWhatLacksLaterFieldsAndPassesOverNewOnes(t *testing.T) {
	t.Parallel()
	w := &fieldWriter{b: appendFrame(nil)}
	w.group(func() { w.str("/subscriptions/1"); w.str("storage") })
	older, err := DecodeDetail(seal(w.b))
	if err != nil || older.Dependent.Kind != "storage" || older.Version != "" {
		t.Errorf("older record: %+v, %v", older, err)
	}
	full, err := EncodeDetail(&rotator.TrackerDetail{Version: "v"})
	if err != nil {
		t.Fatal(err)
	}
	newer, err := DecodeDetail(seal(append(full, "a later field"...)))
	if err != nil || newer.Version != "v" {
		t.Errorf("newer record: %+v, %v", newer, err)
	}
}

func TestEvent_KeepsEveryField(t *testing.T) {
	t.Parallel()
	var e rotator.Event
	n := 0
	e.Seq, e.Operation = 7, 9
	for _, f := range []any{&e.At, &e.Type, &e.Key, &e.Dependent, &e.Actor, &e.Message, &e.Data, &e.Prev, &e.Hash} {
		fillAll(reflect.ValueOf(f).Elem(), &n)
	}
	if v := reflect.ValueOf(e); slices.ContainsFunc(slices.Collect(fields(v)), reflect.Value.IsZero) {
		t.Fatal("the test leaves a field out")
	}
	value, err := EncodeEvent(&e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeEvent(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Errorf("decoded differs (-want +got):\n%s", diff)
	}
}

func fields(v reflect.Value) iter.Seq[reflect.Value] {
	return func(yield func(reflect.Value) bool) {
		for _, field := range v.Fields() {
			if !yield(field) {
				return
			}
		}
	}
}
