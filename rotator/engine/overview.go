package engine

import (
	"container/heap"
	"time"

	"cmkd/rotator"
)

// overview is the engine in numbers. It is kept up to date with each change: to
// count a hundred thousand keys anew for each commit would cost more than the
// commit.
type overview struct {
	live     map[rotator.OperationKind]int
	trackers stateCounts
	// needing counts for each key that needs somebody for how many reasons: itself, and
	// what is under way. troubled are those that do for themselves.
	needing  map[string]int
	troubled map[string]bool
	counted  map[rotator.OperationID]counted
	next     nextRotations
}

// counted is what one operation adds to the numbers.
type counted struct {
	kind     rotator.OperationKind
	trackers stateCounts
	// needs is the key that needs somebody for the operation, empty if it does not.
	needs string
}

func newOverview() overview {
	return overview{
		live: map[rotator.OperationKind]int{}, counted: map[rotator.OperationID]counted{},
		needing: map[string]int{}, troubled: map[string]bool{},
	}
}

// see brings the numbers up to date with an operation.
func (o *overview) see(op *rotator.Operation) {
	if old, ok := o.counted[op.ID]; ok {
		o.add(old, -1)
		delete(o.counted, op.ID)
	}
	if op.State.Final() {
		return
	}
	c := counted{kind: op.Kind}
	if op.NeedsYou() != nil {
		c.needs = canonical(op.KeyID)
	}
	for state, n := range op.Trackers {
		c.trackers[stateIndex(state)] += n
	}
	o.counted[op.ID] = c
	o.add(c, 1)
}

func (o *overview) add(c counted, by int) {
	o.live[c.kind] += by
	for i, n := range c.trackers {
		o.trackers[i] += by * n
	}
	if c.needs != "" {
		o.need(c.needs, by)
	}
}

func (o *overview) need(key string, by int) {
	if o.needing[key] += by; o.needing[key] == 0 {
		delete(o.needing, key)
	}
}

// seeKey brings the numbers up to date with what is wrong with a key; configured is false if it is not under
// management any more.
func (o *overview) seeKey(id string, state *rotator.KeyState, configured bool) {
	troubled := configured && state.Trouble() != nil
	switch {
	case troubled == o.troubled[id]:
	case troubled:
		o.troubled[id] = true
		o.need(id, 1)
	default:
		delete(o.troubled, id)
		o.need(id, -1)
	}
}

// summary returns the numbers; state looks up a key by its canonical id.
func (o *overview) summary(states map[string]*rotator.KeyState) rotator.Summary {
	s := rotator.Summary{Live: map[rotator.OperationKind]int{}, Trackers: map[rotator.TrackerState]int{}, NeedsAction: len(o.needing)}
	for kind, n := range o.live {
		if n != 0 {
			s.Live[kind] = n
		}
	}
	for i, state := range rotator.TrackerStates() {
		if o.trackers[i] != 0 {
			s.Trackers[state] = o.trackers[i]
		}
	}
	if first := o.next.first(states); first != nil {
		s.Next, s.NextKey = first.NextRotation, first.Name
	}
	return s
}

// nextRotations are the next times of keys, earliest first. A time that is not the
// key's any more is passed over when it comes to the front.
type nextRotations []nextRotation

type nextRotation struct {
	at time.Time
	id string
}

// Len implements [heap.Interface].
func (n nextRotations) Len() int { return len(n) }

// Less implements [heap.Interface].
func (n nextRotations) Less(i, j int) bool {
	return n[i].at.Before(n[j].at) || n[i].at.Equal(n[j].at) && n[i].id < n[j].id
}

// Swap implements [heap.Interface].
func (n nextRotations) Swap(i, j int) { n[i], n[j] = n[j], n[i] }

// Push implements [heap.Interface].
func (n *nextRotations) Push(x any) { *n = append(*n, x.(nextRotation)) }

// Pop implements [heap.Interface].
func (n *nextRotations) Pop() any {
	last := len(*n) - 1
	x := (*n)[last]
	*n = (*n)[:last]
	return x
}

// see notes the next time of a key.
func (n *nextRotations) see(id string, at time.Time) {
	if !at.IsZero() {
		heap.Push(n, nextRotation{at, id})
	}
}

// first returns the key that is rotated next, nil if none is.
func (n *nextRotations) first(states map[string]*rotator.KeyState) *rotator.KeyState {
	for len(*n) > 0 {
		x := (*n)[0]
		if s := states[x.id]; s != nil && s.NextRotation.Equal(x.at) {
			return s
		}
		heap.Pop(n)
	}
	return nil
}
