// Package memory keeps the engine's records in memory, in the encoding of package
// store. It does what a store on disk does but for surviving the process: tests,
// simulations and demonstrations run on it, and [Store.Reopen] shows what would be
// found after a crash.
package memory

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"

	"cmkd/rotator"
	"cmkd/store"
)

// Options are how a store is made. The zero value is good.
type Options struct {
	// Instance is the store's identifier; empty stands for one made at random.
	Instance string
	// Space, if set, tells how much room there is. Otherwise there is plenty.
	Space func() (rotator.Space, error)
}

// Store is a store in memory. It implements [rotator.Store].
type Store struct {
	options Options

	mu     sync.RWMutex
	closed bool
	// state is that of the next store, too, if this one is opened anew.
	state *state
}

var _ rotator.Store = (*Store)(nil)

// state is what would be in the file of a store on disk: values in the encoding of
// package store, and the indexes over them.
type state struct {
	keys       table[string, []byte]
	operations table[rotator.OperationID, operation]
	trackers   map[rotator.OperationID]*table[uint32, tracker]
	// due has the entries of package store, which sort by time.
	due table[string, struct{}]
	// events are by sequence number, from 1; last is the hash of the last one.
	events []event
	last   store.Hash

	shelves map[store.Shelf]*table[string, []byte]
	// ids are the last ones handed out.
	ids map[rotator.Sequence]uint64
}

type operation struct {
	head  store.OperationHead
	value []byte
}

// tracker is a hot and a cold value.
type tracker struct{ hot, cold []byte }

type event struct {
	head  store.EventHead
	value []byte
}

// New makes an empty store.
func New(o Options) *Store {
	if o.Instance == "" {
		id := make([]byte, 8)
		_, _ = rand.Read(id) // it never fails
		o.Instance = hex.EncodeToString(id)
	}
	return &Store{options: o, state: &state{
		trackers: map[rotator.OperationID]*table[uint32, tracker]{}, last: store.Genesis(o.Instance),
		ids: map[rotator.Sequence]uint64{}, shelves: map[store.Shelf]*table[string, []byte]{},
	}}
}

// Reopen closes the store and returns one with what was committed, as a process
// would find it that starts after this one was stopped or killed.
func (s *Store) Reopen() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return &Store{options: s.options, state: s.state}
}

// Close lets every later call fail with CodeUnavailable. Closing twice is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Instance implements [rotator.Store].
func (s *Store) Instance() string { return s.options.Instance }

// plenty is the room of a store that was not told of any: there is no disk that could
// become full.
const plenty = 1 << 40

// Space implements [rotator.Store].
func (s *Store) Space() (rotator.Space, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return rotator.Space{}, errClosed()
	case s.options.Space != nil:
		return s.options.Space()
	default:
		return rotator.Space{Free: plenty, Total: plenty}, nil
	}
}

func errClosed() error {
	return rotator.Errorf(rotator.CodeUnavailable, "the store in memory is closed")
}

// view runs f while nothing changes.
func (s *Store) view(ctx context.Context, f func(*state) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed()
	}
	return f(s.state)
}
