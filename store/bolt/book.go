package bolt

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// putShelved puts records on their shelves, and takes others off.
func (w *writer) putShelved(all []store.Shelved) error {
	for i := range all {
		r := &all[i]
		b := bucket(w.tx, string(r.Shelf))
		if r.Value == nil {
			if err := b.Delete(r.Key); err != nil {
				return fmt.Errorf("forget %q of the %s: %w", r.Key, r.Shelf, err)
			}
			continue
		}
		if seq, n := r.Numbered(); seq != "" {
			want(w.newest, seq, n)
		}
		if err := b.Put(r.Key, r.Value); err != nil {
			return fmt.Errorf("put %q into the %s: %w", r.Key, r.Shelf, err)
		}
	}
	return nil
}

// Book returns what is on the shelves of the book, as of one moment.
func (s *Store) Book(ctx context.Context) (b rotator.Book, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		t := &ticker{ctx: ctx}
		b, err = store.ReadBook(func(shelf store.Shelf, read func(key, value []byte) error) error {
			b := bucket(tx, string(shelf))
			if b == nil {
				return nil // a file of an older schema, which is only read
			}
			return b.ForEach(func(k, v []byte) error {
				if err := read(k, v); err != nil {
					return err
				}
				return t.tick()
			})
		})
		return err
	})
	if err != nil {
		return rotator.Book{}, fmt.Errorf("read the book: %w", err)
	}
	return b, nil
}

// Standings returns the standings of the dependents of a key, by dependent.
func (s *Store) Standings(ctx context.Context, key rotator.KeyID) (all []rotator.Standing, err error) {
	prefix := store.StandingsOf(key)
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		t := &ticker{ctx: ctx}
		c := bucket(tx, string(store.ShelfStandings)).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			standing, err := store.DecodeStanding(v)
			if err != nil {
				return err
			}
			all = append(all, standing)
			if err := t.tick(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the standings of %s: %w", key, err)
	}
	return all, nil
}

// shelved reads everything on the shelves that a file has, and makes sure that it
// belongs where it is.
func (c *checker) shelved() error {
	for _, shelf := range store.Shelves() {
		b := bucket(c.tx, string(shelf))
		if b == nil {
			continue // a file of an older schema
		}
		err := b.ForEach(func(k, v []byte) error {
			if err := store.CheckShelved(&store.Shelved{Shelf: shelf, Key: k, Value: v}); err != nil {
				return err
			}
			return c.tick.tick()
		})
		if err != nil {
			return err
		}
	}
	return nil
}
