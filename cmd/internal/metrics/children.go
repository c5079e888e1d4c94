package metrics

import "sync"

// children keeps the children of a metric that were resolved once: to find one by
// the text of its labels takes longer than to count. There are as many as there are
// combinations of labels, which are few.
type children[K comparable, V any] struct {
	resolve func(K) V

	mu    sync.RWMutex
	known map[K]V
}

func newChildren[K comparable, V any](resolve func(K) V) *children[K, V] {
	return &children[K, V]{resolve: resolve, known: map[K]V{}}
}

// of returns the child for k.
func (c *children[K, V]) of(k K) V {
	c.mu.RLock()
	v, ok := c.known[k]
	c.mu.RUnlock()
	if ok {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok = c.known[k]; !ok {
		v = c.resolve(k)
		c.known[k] = v
	}
	return v
}
