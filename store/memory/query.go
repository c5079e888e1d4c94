package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/store"
)

// Keys implements [rotator.Reader].
func (s *Store) Keys(ctx context.Context) (keys []rotator.KeyState, err error) {
	err = s.view(ctx, func(s *state) error {
		keys, err = decodeAll(&s.keys, store.DecodeKey)
		return err
	})
	return result(keys, "read keys", err)
}

// result drops what was read before an error and says what was being read.
func result[T any](records []T, doing string, err error) ([]T, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return records, nil
}

func decodeAll[T any](t *table[string, []byte], decode func([]byte) (T, error)) ([]T, error) {
	var all []T
	for k, value := range t.from("") {
		record, err := decode(value)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", k, err)
		}
		all = append(all, record)
	}
	return all, nil
}

// Operations implements [rotator.Reader].
func (s *Store) Operations(ctx context.Context, f rotator.OperationFilter) (ops []rotator.Operation, err error) {
	err = s.view(ctx, func(s *state) error {
		for id, stored := range s.candidates(f) {
			if f.Before != 0 && id >= f.Before || f.KeyID != "" && string(stored.head.Key) != store.KeyName(f.KeyID) || f.Live && !stored.head.Live {
				continue
			}
			o, err := store.DecodeOperation(stored.value)
			if err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			if ops = append(ops, o); len(ops) == f.Limit {
				break
			}
		}
		return nil
	})
	return result(ops, "read operations", err)
}

// candidates yields the operations that a filter may select, newest first.
func (s *state) candidates(f rotator.OperationFilter) iter.Seq2[rotator.OperationID, operation] {
	if f.ID == 0 {
		return s.operations.backward()
	}
	return func(yield func(rotator.OperationID, operation) bool) {
		if o, ok := s.operations.get(f.ID); ok {
			yield(f.ID, o)
		}
	}
}

// Trackers implements [rotator.Reader].
func (s *Store) Trackers(ctx context.Context, op rotator.OperationID, from uint32, limit int) (ts []rotator.Tracker, err error) {
	err = s.view(ctx, func(s *state) error {
		all := s.trackers[op]
		if all == nil {
			return nil
		}
		for number, stored := range all.from(from) {
			t, err := decodeTracker(op, number, stored)
			if err != nil {
				return fmt.Errorf("tracker %d: %w", number, err)
			}
			if ts = append(ts, t); len(ts) == limit {
				break
			}
		}
		return nil
	})
	return result(ts, "read trackers of "+op.String(), err)
}

// Progress returns the small parts of one operation's trackers by number.
func (s *Store) Progress(ctx context.Context, op rotator.OperationID) (ts []rotator.Tracker, err error) {
	err = s.view(ctx, func(s *state) error {
		all := s.trackers[op]
		if all == nil {
			return nil
		}
		for number, stored := range all.from(0) {
			t := rotator.Tracker{Operation: op, Number: number}
			if err := store.DecodeTracker(stored.hot, &t); err != nil {
				return fmt.Errorf("tracker %d: %w", number, err)
			}
			ts = append(ts, t)
		}
		return nil
	})
	return result(ts, "read progress of "+op.String(), err)
}

func decodeTracker(op rotator.OperationID, number uint32, stored tracker) (t rotator.Tracker, err error) {
	t.Operation, t.Number = op, number
	if err := store.DecodeTracker(stored.hot, &t); err != nil {
		return t, err
	}
	t.Detail, err = store.DecodeDetail(stored.cold)
	return t, err
}

// Events implements [rotator.Reader].
func (s *Store) Events(ctx context.Context, f rotator.EventFilter) (events []rotator.Event, err error) {
	since := store.EncodeBound(f.Since)
	err = s.view(ctx, func(s *state) error {
		events, err = s.scan(f, since)
		return err
	})
	return result(events, "read events", err)
}

func (s *state) scan(f rotator.EventFilter, since uint64) (events []rotator.Event, err error) {
	rest := s.events[min(f.After, uint64(len(s.events))):]
	next := slices.All(rest)
	if f.Last {
		next = slices.Backward(rest)
	}
	for _, e := range next {
		if f.Key != "" && string(e.head.Key) != f.Key || f.Operation != 0 && e.head.Operation != f.Operation || e.head.At < since {
			continue
		}
		decoded, err := store.DecodeEvent(e.value)
		if err != nil {
			return nil, err
		}
		if events = append(events, decoded); len(events) == f.Limit {
			break
		}
	}
	if f.Last {
		slices.Reverse(events)
	}
	return events, nil
}

// Due implements [rotator.Reader].
func (s *Store) Due(ctx context.Context, until time.Time, limit int) (items []rotator.DueItem, err error) {
	last := store.EncodeBound(until)
	err = s.view(ctx, func(s *state) error {
		for entry := range s.due.from("") {
			if store.DueAt([]byte(entry)) > last {
				break
			}
			item, err := store.DecodeDue([]byte(entry))
			if err != nil {
				return err
			}
			if items = append(items, item); len(items) == limit {
				break
			}
		}
		return nil
	})
	return result(items, "read due index", err)
}

// Book implements [rotator.Reader].
func (s *Store) Book(ctx context.Context) (b rotator.Book, err error) {
	err = s.view(ctx, func(s *state) (err error) {
		b, err = store.ReadBook(func(shelf store.Shelf, read func(key, value []byte) error) error {
			for key, value := range s.onShelf(shelf, "") {
				if err := read([]byte(key), value); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
	if err != nil {
		return rotator.Book{}, fmt.Errorf("read the book: %w", err)
	}
	return b, nil
}

// onShelf yields the records of a shelf from a key on.
func (s *state) onShelf(shelf store.Shelf, key string) iter.Seq2[string, []byte] {
	if t := s.shelves[shelf]; t != nil {
		return t.from(key)
	}
	return func(func(string, []byte) bool) {}
}

// Standings implements [rotator.Reader].
func (s *Store) Standings(ctx context.Context, key rotator.KeyID) (all []rotator.Standing, err error) {
	err = s.view(ctx, func(s *state) error {
		prefix := string(store.StandingsOf(key))
		for k, value := range s.onShelf(store.ShelfStandings, prefix) {
			if !strings.HasPrefix(k, prefix) {
				break
			}
			standing, err := store.DecodeStanding(value)
			if err != nil {
				return err
			}
			all = append(all, standing)
		}
		return nil
	})
	return result(all, "read standings", err)
}
