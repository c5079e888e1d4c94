package storetest

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestFixtures_LeaveNoFieldOut makes sure that a field which somebody adds to a record is among
// what a store must keep.
func TestFixtures_LeaveNoFieldOut(t *testing.T) {
	t.Parallel()
	// Finished is for operations that are not live, Text for those that are shown; the log
	// fills in the others.
	unset := []string{"Operation.Finished", "Wait.Text", "Event.Seq", "Event.Prev", "Event.Hash", "Tracker.Evidence"}
	c := change(1, "payments", 1)
	for _, record := range []any{c.Keys[0], c.Operations[0], c.Trackers[0], c.Events[0], c.Alerts[0], c.Silences[0], c.Timings[0], c.Attestations[0], c.Freezes[0], c.Standings[0]} {
		for _, field := range zeroFields(reflect.ValueOf(record)) {
			if !slices.Contains(unset, field) {
				t.Errorf("the fixtures leave out %s", field)
			}
		}
	}
}

// zeroFields names the fields of a struct, and of those in it, that are unset.
func zeroFields(v reflect.Value) (names []string) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return zeroFields(v.Elem())
	case v.Kind() == reflect.Slice && v.Len() > 0:
		return zeroFields(v.Index(0))
	case v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]():
		return nil
	}
	for field, value := range v.Fields() {
		if name := v.Type().Name() + "." + field.Name; value.IsZero() {
			names = append(names, name)
		} else {
			names = append(names, zeroFields(value)...)
		}
	}
	return names
}
