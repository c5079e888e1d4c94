package memory

import (
	"cmp"
	"iter"
	"slices"
)

// table is a map that is read in the order of its keys. Most keys are added at the
// end, where that costs nothing.
type table[K cmp.Ordered, V any] struct {
	order  []K
	values map[K]V
}

func (t *table[K, V]) get(k K) (V, bool) {
	v, ok := t.values[k]
	return v, ok
}

func (t *table[K, V]) put(k K, v V) {
	if t.values == nil {
		t.values = map[K]V{}
	}
	if _, ok := t.values[k]; !ok {
		i, _ := slices.BinarySearch(t.order, k)
		t.order = slices.Insert(t.order, i, k)
	}
	t.values[k] = v
}

func (t *table[K, V]) delete(k K) {
	if _, ok := t.values[k]; !ok {
		return
	}
	delete(t.values, k)
	i, _ := slices.BinarySearch(t.order, k)
	t.order = slices.Delete(t.order, i, i+1)
}

// from yields the records from a key on.
func (t *table[K, V]) from(k K) iter.Seq2[K, V] {
	i, _ := slices.BinarySearch(t.order, k)
	return func(yield func(K, V) bool) {
		for _, k := range t.order[i:] {
			if !yield(k, t.values[k]) {
				return
			}
		}
	}
}

// backward yields the records from the last one on.
func (t *table[K, V]) backward() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range slices.Backward(t.order) {
			if !yield(k, t.values[k]) {
				return
			}
		}
	}
}
