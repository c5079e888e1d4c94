package azuresim

import (
	"container/heap"
	"time"
)

// agenda holds what the simulated services will do by themselves, by time.
// Entries of the same moment run in the order in which they were made, so that
// one seed gives one history.
type agenda struct {
	entries entryHeap
	count   int
	now     time.Time // the moment of the entry in progress, or the last
}

// entry is one thing to do; do receives the moment for which it was planned,
// not the later one at which somebody looked.
type entry struct {
	at    time.Time
	order int
	do    func(at time.Time)
}

// add plans do for the moment at.
func (a *agenda) add(at time.Time, do func(at time.Time)) {
	a.count++
	heap.Push(&a.entries, entry{at: at, order: a.count, do: do})
}

// advance does everything that is due by now.
func (a *agenda) advance(now time.Time) {
	for len(a.entries) > 0 && !a.entries[0].at.After(now) {
		e := heap.Pop(&a.entries).(entry)
		a.now = e.at
		e.do(e.at)
	}
	a.now = now
}

// entryHeap implements [heap.Interface].
type entryHeap []entry

// Len is how many entries wait.
func (h entryHeap) Len() int { return len(h) }

// Less puts the earlier moment first, then the earlier made.
func (h entryHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].order < h[j].order
}

// Swap exchanges two entries.
func (h entryHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push appends an entry.
func (h *entryHeap) Push(x any) { *h = append(*h, x.(entry)) }

// Pop removes the last entry.
func (h *entryHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
