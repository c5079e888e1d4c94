package rotatortest

import (
	"context"
	"sync"

	"cmkd/rotator"
	"cmkd/store/memory"
)

// Store is a store in memory that can be told to fail. It is durable only as long as
// it lives: a test that "restarts" the engine hands the same store to the next one.
type Store struct {
	*memory.Store
	committing sync.Mutex // held while a commit is under way, hooks included

	mu       sync.Mutex
	before   func(*rotator.Change) error
	after    func(*rotator.Change)
	space    rotator.Space
	spaceErr error
	idErr    error
}

var _ rotator.Store = (*Store)(nil)

// instance is that of every store: none outlives its test.
const instance = "0123456789abcdef"

// NewStore returns an empty store.
func NewStore() *Store {
	s := &Store{space: rotator.Space{Free: 1 << 40, Total: 1 << 40}}
	s.Store = memory.New(memory.Options{Instance: instance, Space: s.room})
	return s
}

// Hook has before asked before each commit, which it may refuse, and after told
// of each one that was stored. Either may be nil.
func (s *Store) Hook(before func(*rotator.Change) error, after func(*rotator.Change)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
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

// LoseIDs lets the store hand out no ids, until it is called with nil.
func (s *Store) LoseIDs(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idErr = err
}

// NextIDs implements [rotator.Store].
func (s *Store) NextIDs(ctx context.Context, seq rotator.Sequence, n int) (first uint64, err error) {
	s.mu.Lock()
	err = s.idErr
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return s.Store.NextIDs(ctx, seq, n)
}

func (s *Store) room() (rotator.Space, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.space, s.spaceErr
}

// Stage implements [rotator.Store].
func (s *Store) Stage(c *rotator.Change) (commit func(context.Context) error, err error) {
	staged, err := s.Store.Stage(c)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		return s.hooked(c, func() error { return staged(ctx) })
	}, nil
}

// hooked commits between the hooks.
func (s *Store) hooked(c *rotator.Change, commit func() error) error {
	s.committing.Lock()
	defer s.committing.Unlock()
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(c); err != nil {
			return err
		}
	}
	if err := commit(); err != nil {
		return err
	}
	if after != nil {
		after(c)
	}
	return nil
}
