package memory

import (
	"context"
	"fmt"

	"cmkd/rotator"
)

// NextIDs implements [rotator.Store].
func (s *Store) NextIDs(ctx context.Context, seq rotator.Sequence, n int) (first uint64, err error) {
	if err := rotator.CheckIDs(seq, n); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("hand out ids: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed()
	}
	last := s.state.ids[seq]
	s.state.ids[seq] = last + uint64(n)
	return last + 1, nil
}

// used notes the id of a record: it is not handed out any more.
func (s *state) used(seq rotator.Sequence, id uint64) { s.ids[seq] = max(s.ids[seq], id) }
