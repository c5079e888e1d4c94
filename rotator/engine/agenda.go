package engine

import (
	"container/heap"
	"time"

	"cmkd/rotator"
)

// agendaItem is a reason to look at something at a time. An item may be out of
// date: whoever takes it compares it with the record, and does nothing if there
// is nothing to do.
type agendaItem struct {
	at int64 // unix nanoseconds
	// operation is set for an operation; otherwise key is: to fire its schedule,
	// or if watch, to read its versions. The others concern the daemon.
	operation rotator.OperationID
	key       string
	watch     bool
	chores    bool
	post      bool
	// thaw is for when a freeze ends.
	thaw bool
	// room is for when a place in a vault is free.
	room bool
}

// stored reports whether the item is of the store's due index.
func (i *agendaItem) stored() bool { return !i.watch && !i.chores && !i.post && !i.room && !i.thaw }

// agenda holds the near future, earliest first.
type agenda []agendaItem

func (a agenda) Len() int { return len(a) }

func (a agenda) Less(i, j int) bool {
	switch {
	case a[i].at != a[j].at:
		return a[i].at < a[j].at
	case a[i].operation != a[j].operation:
		return a[i].operation < a[j].operation
	default:
		return a[i].key < a[j].key
	}
}

func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements [heap.Interface].
func (a *agenda) Push(x any) { *a = append(*a, x.(agendaItem)) }

// Pop implements [heap.Interface].
func (a *agenda) Pop() any {
	last := len(*a) - 1
	item := (*a)[last]
	*a = (*a)[:last]
	return item
}

func (a *agenda) add(item agendaItem) { heap.Push(a, item) }

// only returns an agenda of the items that are to be kept.
func (a agenda) only(keep func(*agendaItem) bool) (kept agenda) {
	for i := range a {
		if keep(&a[i]) {
			kept.add(a[i])
		}
	}
	return kept
}

// take removes the items that are due, in order.
func (a *agenda) take(now time.Time) (due []agendaItem) {
	for len(*a) > 0 && (*a)[0].at <= now.UnixNano() {
		item := heap.Pop(a).(agendaItem)
		if n := len(due); n == 0 || due[n-1] != item {
			due = append(due, item)
		}
	}
	return due
}

// next returns when the earliest item is due, zero if there is none.
func (a agenda) next() time.Time {
	if len(a) == 0 {
		return time.Time{}
	}
	return time.Unix(0, a[0].at)
}
