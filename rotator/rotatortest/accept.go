package rotatortest

import (
	"fmt"

	"cmkd/rotator"
	"cmkd/store"
)

// accept refuses the changes that a store on disk refuses.
func (s *Store) accept(c *rotator.Change) error {
	if err := encodable(c); err != nil {
		return err
	}
	ops := make(map[rotator.OperationID]rotator.Operation, len(c.Operations))
	for _, op := range c.Operations {
		last, ok := ops[op.ID]
		if !ok {
			last = s.ops[op.ID]
		}
		if op.Revision != last.Revision+1 {
			e := rotator.Errorf(rotator.CodeConflict, "%s is at revision %d, %d does not follow", op.ID, last.Revision, op.Revision)
			e.Err = rotator.ErrConflict
			return e
		}
		if last.Revision > 0 && !last.KeyID.Same(op.KeyID) {
			return rotator.Errorf(rotator.CodeInvalid, "%s belongs to key %q, not %q", op.ID, last.KeyID, op.KeyID)
		}
		ops[op.ID] = op
	}
	return s.acceptTrackers(c.Trackers, ops)
}

// acceptTrackers refuses trackers of no operation, and new ones without detail.
func (s *Store) acceptTrackers(trackers []rotator.Tracker, ops map[rotator.OperationID]rotator.Operation) error {
	type id struct {
		op     rotator.OperationID
		number uint32
	}
	detailed := map[id]bool{}
	for _, t := range trackers {
		if t.Detail != nil {
			detailed[id{t.Operation, t.Number}] = true
		}
	}
	for _, t := range trackers {
		_, own := ops[t.Operation]
		if _, stored := s.ops[t.Operation]; !own && !stored {
			return rotator.Errorf(rotator.CodeInvalid, "%s does not exist, so it has no trackers", t.Operation)
		}
		if _, stored := s.trackers[t.Operation][t.Number]; !stored && !detailed[id{t.Operation, t.Number}] {
			return rotator.Errorf(rotator.CodeInvalid, "tracker %d of %s is new and has no detail", t.Number, t.Operation)
		}
	}
	return nil
}

// encodable refuses what cannot be put into bytes.
func encodable(c *rotator.Change) error {
	for _, refuse := range []func(*rotator.Change) error{encodableState, encodableTrackers, encodableBook} {
		if err := refuse(c); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return nil
}

func encodableState(c *rotator.Change) error {
	for i := range c.Keys {
		if _, _, err := store.EncodeKey(&c.Keys[i]); err != nil {
			return err
		}
	}
	for i := range c.Operations {
		if _, _, err := store.EncodeOperation(&c.Operations[i]); err != nil {
			return err
		}
	}
	for i := range c.Events {
		if err := store.CheckEvent(&c.Events[i]); err != nil {
			return err
		}
	}
	return nil
}

func encodableTrackers(c *rotator.Change) error {
	for i := range c.Trackers {
		t := &c.Trackers[i]
		if _, err := store.AppendTracker(nil, t); err != nil {
			return err
		}
		if t.Detail == nil {
			continue
		}
		if _, err := store.EncodeDetail(t.Detail); err != nil {
			return fmt.Errorf("tracker %d of %s: %w", t.Number, t.Operation, err)
		}
	}
	return nil
}

func encodableBook(c *rotator.Change) error {
	for i := range c.Alerts {
		if _, _, err := store.EncodeAlert(&c.Alerts[i]); err != nil {
			return err
		}
	}
	for i := range c.Silences {
		if _, _, err := store.EncodeSilence(&c.Silences[i]); err != nil {
			return err
		}
	}
	for i := range c.Timings {
		if _, _, err := store.EncodeTiming(&c.Timings[i]); err != nil {
			return err
		}
	}
	return nil
}
