package azuresim

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// compare compares two servers in all that they know.
func compare(t *testing.T, what string, d, e *driver) {
	t.Helper()
	if want, got := dump(d.sim), dump(e.sim); want != got {
		t.Fatalf("%s: not the same:\n%s", what, difference(want, got))
	}
}

// difference returns the first lines that differ.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			from := max(i-5, 0)
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i, strings.Join(a[from:i+1], "\n     "), b[i])
		}
	}
	return fmt.Sprintf("%d lines and %d", len(a), len(b))
}

// dump writes all that a server knows, by reflection: what others add to it is
// compared, too.
func dump(s *Server) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	for _, v := range s.vaults { // past states are dropped when somebody reads
		for _, k := range v.keys {
			k.seen(s.now, false)
		}
	}
	for _, r := range s.resources {
		if r.kind.name == kindMachine {
			machineOf(r)
		}
	}
	slices.SortFunc(s.agenda.entries, func(a, b entry) int { return a.order - b.order })
	s.agenda.now = s.now
	w := &dumper{seen: map[uintptr]int{}}
	w.value("", reflect.ValueOf(s).Elem())
	for i := range s.agenda.entries { // back into a heap
		for j := i; j > 0 && s.agenda.entries.Less(j, (j-1)/2); j = (j - 1) / 2 {
			s.agenda.entries.Swap(j, (j-1)/2)
		}
	}
	return w.b.String()
}

type dumper struct {
	b    strings.Builder
	seen map[uintptr]int
}

// opaque are what is no state: functions, tables, caches.
func opaque(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[kind](), reflect.TypeFor[forge](), reflect.TypeFor[index](), reflect.TypeFor[Scenario]():
		return true
	}
	return t.Kind() == reflect.Func || strings.HasPrefix(t.PkgPath(), "sync") || t.PkgPath() == "regexp" || t.PkgPath() == "crypto/rsa"
}

func (w *dumper) value(at string, v reflect.Value) {
	switch {
	case v.IsValid() && v.Type() == reflect.TypeFor[time.Time]():
		fmt.Fprintf(&w.b, "%s %d.%d\n", at, v.Field(1).Int(), v.Field(0).Uint()&(1<<30-1))
		return
	case !v.IsValid() || opaque(v.Type()), at == ".clock", at == ".journal", at == ".log":
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		w.pointer(at, v)
	case reflect.Interface:
		w.value(at, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			w.value(at+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.value(fmt.Sprintf("%s[%d]", at, i), v.Index(i))
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, key := range keys {
			w.value(fmt.Sprintf("%s[%v]", at, key), v.MapIndex(key))
		}
	default:
		fmt.Fprintf(&w.b, "%s %v\n", at, v)
	}
}

func (w *dumper) pointer(at string, v reflect.Value) {
	if v.IsNil() || opaque(v.Type().Elem()) {
		return
	}
	if n, ok := w.seen[v.Pointer()]; ok {
		fmt.Fprintf(&w.b, "%s = #%d\n", at, n)
		return
	}
	w.seen[v.Pointer()] = len(w.seen)
	w.value(at, v.Elem())
}
