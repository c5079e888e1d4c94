package memory

import (
	"bytes"

	"cmkd/rotator"
	"cmkd/store"
)

// admit refuses a change that does not follow what is stored.
func (s *state) admit(e *encoded) error {
	own := make(map[rotator.OperationID]store.OperationHead, len(e.operations))
	for _, o := range e.operations {
		last, ok := own[o.id]
		if !ok {
			stored, _ := s.operations.get(o.id)
			last = stored.head
		}
		if o.head.Revision != last.Revision+1 {
			e := rotator.Errorf(rotator.CodeConflict, "%s is at revision %d, %d does not follow", o.id, last.Revision, o.head.Revision)
			e.Err = rotator.ErrConflict
			return e
		}
		if last.Revision > 0 && !bytes.Equal(last.Key, o.head.Key) {
			return rotator.Errorf(rotator.CodeInvalid, "%s belongs to key %q, not %q", o.id, last.Key, o.head.Key)
		}
		own[o.id] = o.head
	}
	return s.admitTrackers(e, own)
}

// admitTrackers refuses what could not be read back whole: trackers of no operation,
// and new ones without detail.
func (s *state) admitTrackers(e *encoded, own map[rotator.OperationID]store.OperationHead) error {
	type id struct {
		operation rotator.OperationID
		number    uint32
	}
	detailed := map[id]bool{}
	for _, t := range e.trackers {
		if t.cold != nil {
			detailed[id{t.operation, t.number}] = true
		}
	}
	for _, t := range e.trackers {
		_, brought := own[t.operation]
		if _, stored := s.operations.get(t.operation); !stored && !brought {
			return rotator.Errorf(rotator.CodeInvalid, "%s does not exist, so it has no trackers", t.operation)
		}
		if !detailed[id{t.operation, t.number}] && !s.hasTracker(t.operation, t.number) {
			return rotator.Errorf(rotator.CodeInvalid, "tracker %d of %s is new and has no detail", t.number, t.operation)
		}
	}
	return nil
}

func (s *state) hasTracker(op rotator.OperationID, number uint32) bool {
	all := s.trackers[op]
	if all == nil {
		return false
	}
	_, ok := all.get(number)
	return ok
}
