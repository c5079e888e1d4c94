package store

import (
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
	case reflect.Int64:
		v.SetInt(int64(*n) * 1_000_003)
	case reflect.Slice:
		v.Set(reflect.ValueOf([]string{"one", fmt.Sprint(*n)}))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"a": "b", fmt.Sprint(*n): ""}))
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
