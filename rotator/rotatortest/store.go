// Package rotatortest has what tests of the engine need: a store in memory, a
// vault and services that behave, and can be told to misbehave. It is for tests
// only.
package rotatortest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cmkd/rotator"
	"cmkd/store"
)

// Store keeps everything in memory. It passes the suite of store/storetest, but
// is durable only as long as it lives: a test that "restarts" the engine hands
// the same store to the next one.
type Store struct {
	mu       sync.Mutex
	before   func(*rotator.Change) error
	after    func(*rotator.Change)
	keys     map[string]rotator.KeyState
	ops      map[rotator.OperationID]rotator.Operation
	trackers map[rotator.OperationID]map[uint32]rotator.Tracker
	events   []rotator.Event
	last     store.Hash // of the last event
	alerts   map[string]rotator.Alert
	silences map[string]rotator.Silence
	timings  map[[3]string]rotator.Timing
	space    rotator.Space
	spaceErr error
}

// instance is that of every store: none outlives its test.
const instance = "0123456789abcdef"

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{
		last: store.Genesis(instance),
		keys: map[string]rotator.KeyState{}, ops: map[rotator.OperationID]rotator.Operation{},
		trackers: map[rotator.OperationID]map[uint32]rotator.Tracker{},
		alerts:   map[string]rotator.Alert{}, silences: map[string]rotator.Silence{}, timings: map[[3]string]rotator.Timing{},
	}
}

var _ rotator.Store = (*Store)(nil)

// Hook has before asked before each commit, which it may refuse, and after told
// of each one that was stored. Either may be nil.
func (s *Store) Hook(before func(*rotator.Change) error, after func(*rotator.Change)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// clone copies a record deeply, as a database would.
func clone[T any](v T) T {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var c T
	if err := json.Unmarshal(data, &c); err != nil {
		panic(err)
	}
	return c
}

// Commit implements [rotator.Store].
func (s *Store) Commit(ctx context.Context, c *rotator.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		if err := s.before(c); err != nil {
			return err
		}
	}
	if err := s.accept(c); err != nil {
		return err
	}
	for _, k := range c.Keys {
		s.keys[strings.ToLower(string(k.ID))] = clone(k)
	}
	for _, op := range c.Operations {
		s.ops[op.ID] = clone(op)
	}
	for _, t := range c.Trackers {
		s.put(t)
	}
	for i := range c.Events {
		s.record(&c.Events[i])
	}
	s.note(c)
	if s.after != nil {
		s.after(c)
	}
	return nil
}

// note stores what belongs to the book.
func (s *Store) note(c *rotator.Change) {
	for _, a := range c.Alerts {
		s.alerts[a.ID] = clone(a)
	}
	for _, silence := range c.Silences {
		s.silences[silence.ID] = clone(silence)
	}
	for _, t := range c.Timings {
		s.timings[[3]string{t.Kind, t.Region, string(t.Change)}] = clone(t)
	}
	for _, id := range c.Forget.Alerts {
		delete(s.alerts, id)
	}
	for _, id := range c.Forget.Silences {
		delete(s.silences, id)
	}
}

// SetSpace sets how much room there is.
func (s *Store) SetSpace(space rotator.Space) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.space = space
}

// LoseSpace lets the store not know how much room there is, until it is called with
// nil.
func (s *Store) LoseSpace(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spaceErr = err
}

// Space implements [rotator.SpaceReporter].
func (s *Store) Space() (rotator.Space, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.space, s.spaceErr
}

// Book implements [rotator.Store].
func (s *Store) Book(ctx context.Context) (b rotator.Book, err error) {
	if err := ctx.Err(); err != nil {
		return b, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.alerts)) {
		b.Alerts = append(b.Alerts, clone(s.alerts[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(s.silences)) {
		b.Silences = append(b.Silences, clone(s.silences[id]))
	}
	keys := slices.SortedFunc(maps.Keys(s.timings), func(a, b [3]string) int { return slices.Compare(a[:], b[:]) })
	for _, k := range keys {
		b.Timings = append(b.Timings, clone(s.timings[k]))
	}
	return b, nil
}

func (s *Store) put(t rotator.Tracker) {
	all := s.trackers[t.Operation]
	if all == nil {
		all = map[uint32]rotator.Tracker{}
		s.trackers[t.Operation] = all
	}
	stored := clone(t)
	if t.Detail == nil {
		stored.Detail = all[t.Number].Detail
	}
	all[t.Number] = stored
}

// record gives an event its place in the log.
func (s *Store) record(e *rotator.Event) {
	prev := s.last
	stored := store.CleanEvent(e)
	stored.Seq, stored.Prev = uint64(len(s.events)+1), prev.String()
	hash := store.Link(prev, &stored)
	stored.Hash = hash.String()
	s.events = append(s.events, clone(stored))
	s.last = hash
	e.Seq, e.Prev, e.Hash = stored.Seq, stored.Prev, stored.Hash
}

// Keys implements [rotator.Store].
func (s *Store) Keys(ctx context.Context) ([]rotator.KeyState, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]rotator.KeyState, 0, len(s.keys))
	for _, name := range slices.Sorted(maps.Keys(s.keys)) {
		all = append(all, clone(s.keys[name]))
	}
	return all, nil
}

// Operations implements [rotator.Store].
func (s *Store) Operations(ctx context.Context, f rotator.OperationFilter) ([]rotator.Operation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []rotator.Operation
	ids := slices.Sorted(maps.Keys(s.ops))
	slices.Reverse(ids)
	for _, id := range ids {
		op := s.ops[id]
		switch {
		case f.ID != 0 && f.ID != id, f.KeyID != "" && !f.KeyID.Same(op.KeyID), f.Live && op.State.Final(), f.Before != 0 && id >= f.Before:
			continue
		case f.Limit > 0 && len(all) == f.Limit:
			return all, nil
		}
		all = append(all, clone(op))
	}
	return all, nil
}

// Trackers implements [rotator.Store].
func (s *Store) Trackers(ctx context.Context, op rotator.OperationID, from uint32, limit int) ([]rotator.Tracker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []rotator.Tracker
	for _, number := range slices.Sorted(maps.Keys(s.trackers[op])) {
		if number >= from && (limit <= 0 || len(all) < limit) {
			all = append(all, clone(s.trackers[op][number]))
		}
	}
	return all, nil
}

// Events implements [rotator.Store].
func (s *Store) Events(ctx context.Context, f rotator.EventFilter) ([]rotator.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []rotator.Event
	for _, e := range s.events {
		if e.Seq > f.After && (f.Key == "" || f.Key == e.Key) && (f.Operation == 0 || f.Operation == e.Operation) && !e.At.Before(f.Since) {
			all = append(all, clone(e))
		}
	}
	if f.Limit > 0 && len(all) > f.Limit {
		if f.Last {
			return all[len(all)-f.Limit:], nil
		}
		return all[:f.Limit], nil
	}
	return all, nil
}

// Due implements [rotator.Store].
func (s *Store) Due(ctx context.Context, until time.Time, limit int) ([]rotator.DueItem, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []rotator.DueItem
	for id, k := range s.keys {
		if !k.NextRotation.IsZero() && !k.NextRotation.After(until) {
			all = append(all, rotator.DueItem{At: k.NextRotation, Key: id})
		}
	}
	for _, op := range s.ops {
		if !op.State.Final() && !op.Due.IsZero() && !op.Due.After(until) {
			all = append(all, rotator.DueItem{At: op.Due, Operation: op.ID})
		}
	}
	slices.SortFunc(all, func(a, b rotator.DueItem) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Key, b.Key))
	})
	if limit > 0 {
		all = all[:min(limit, len(all))]
	}
	return all, nil
}

// Instance implements [rotator.Store].
func (s *Store) Instance() string { return instance }
