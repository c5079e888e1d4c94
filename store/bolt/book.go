package bolt

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// bookEntry is a record of the book to put, or to forget if its value is nil.
type bookEntry struct {
	bucket     string
	key, value []byte
}

// prepareBook leaves forgetting for the end: it holds for what the same change
// brings, too.
func (p *prepared) prepareBook(c *rotator.Change) error {
	for i := range c.Alerts {
		if err := p.enter(bucketAlerts)(store.EncodeAlert(&c.Alerts[i])); err != nil {
			return err
		}
	}
	for i := range c.Silences {
		if err := p.enter(bucketSilences)(store.EncodeSilence(&c.Silences[i])); err != nil {
			return err
		}
	}
	for i := range c.Timings {
		if err := p.enter(bucketTimings)(store.EncodeTiming(&c.Timings[i])); err != nil {
			return err
		}
	}
	for _, id := range c.Forget.Alerts {
		p.book = append(p.book, bookEntry{bucket: bucketAlerts, key: store.AlertKey(id)})
	}
	for _, id := range c.Forget.Silences {
		p.book = append(p.book, bookEntry{bucket: bucketSilences, key: store.SilenceKey(id)})
	}
	return nil
}

// enter returns what takes an encoded record for a bucket.
func (p *prepared) enter(bucket string) func(key, value []byte, err error) error {
	return func(key, value []byte, err error) error {
		if err != nil {
			return err
		}
		p.book = append(p.book, bookEntry{bucket: bucket, key: key, value: value})
		return nil
	}
}

func (w *writer) putBook(entries []bookEntry) error {
	for _, e := range entries {
		b := bucket(w.tx, e.bucket)
		if e.value == nil {
			if err := b.Delete(e.key); err != nil {
				return fmt.Errorf("forget %q of the %s: %w", e.key, e.bucket, err)
			}
			continue
		}
		if e.bucket == bucketSilences {
			want(w.newest, rotator.SequenceSilences, rotator.SilenceNumber(string(e.key)))
		}
		if err := b.Put(e.key, e.value); err != nil {
			return fmt.Errorf("put %q into the %s: %w", e.key, e.bucket, err)
		}
	}
	return nil
}

// Book returns alerts, silences and timings, as of one moment.
func (s *Store) Book(ctx context.Context) (b rotator.Book, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		b, err = readBook(ctx, tx)
		return err
	})
	if err != nil {
		return rotator.Book{}, fmt.Errorf("read the book: %w", err)
	}
	return b, nil
}

// readBook reads every record of the book and makes sure that it belongs where
// it is.
func readBook(ctx context.Context, tx *bbolt.Tx) (b rotator.Book, err error) {
	t := &ticker{ctx: ctx}
	b.Alerts, err = readAll(tx, bucketAlerts, t, store.DecodeAlert,
		func(a *rotator.Alert) []byte { return store.AlertKey(a.ID) })
	if err != nil {
		return b, err
	}
	b.Silences, err = readAll(tx, bucketSilences, t, store.DecodeSilence,
		func(s *rotator.Silence) []byte { return store.SilenceKey(s.ID) })
	if err != nil {
		return b, err
	}
	b.Timings, err = readAll(tx, bucketTimings, t, store.DecodeTiming,
		func(t *rotator.Timing) []byte { return store.TimingKey(t.Kind, t.Region, t.Change) })
	store.SortTimings(b.Timings)
	return b, err
}

func readAll[T any](tx *bbolt.Tx, name string, t *ticker, decode func([]byte) (T, error), keyOf func(*T) []byte) (all []T, err error) {
	err = bucket(tx, name).ForEach(func(k, v []byte) error {
		record, err := decode(v)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", name, k, err)
		}
		if key := keyOf(&record); !bytes.Equal(key, k) {
			return damagef("%s: %q is stored under %q", name, key, k)
		}
		all = append(all, record)
		return t.tick()
	})
	return all, err
}

// book reads what [Store.Book] would.
func (c *checker) book() error {
	schema, err := readSchema(c.tx)
	if err != nil || schema < schemaBook {
		return err
	}
	_, err = readBook(c.tick.ctx, c.tx)
	return err
}
