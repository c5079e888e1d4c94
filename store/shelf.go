package store

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"cmkd/rotator"
)

// A shelf is where records of one type stand that are few, or written seldom: those of
// a [rotator.Book], and standings. [Shelves] is the table of them; a backend knows them
// by it and by nothing else. Their values are JSON after the frame, their keys what
// identifies them, so that a store can tell whether a record sits where it belongs.

// Shelf names the records of one type. The names are on disk.
type Shelf string

// The shelves.
const (
	ShelfAlerts       Shelf = "alerts"
	ShelfSilences     Shelf = "silences"
	ShelfTimings      Shelf = "timings"
	ShelfAttestations Shelf = "attestations"
	ShelfFreezes      Shelf = "freezes"
	ShelfStandings    Shelf = "standings"
)

// Shelved is a record to put on a shelf, or to take off if its value is nil.
type Shelved struct {
	Shelf      Shelf
	Key, Value []byte
}

// shelf is how the records of one type are kept.
type shelf struct {
	name Shelf
	// numbered is the sequence that their ids are of, if they have such ids.
	numbered rotator.Sequence
	put      func(c *rotator.Change, to *[]Shelved) error
	forget   func(f *rotator.Forget) [][]byte
	// check decodes a record, and returns the key that it belongs under.
	check func(value []byte) (key []byte, err error)
	// read adds a record to a book; nil if the book has none of it.
	read func(b *rotator.Book, value []byte) error
}

func shelves() []shelf {
	return []shelf{
		shelfOf(ShelfAlerts, "", func(c *rotator.Change) []rotator.Alert { return c.Alerts }, checkAlert,
			func(a *rotator.Alert) []byte { return []byte(a.ID) },
			func(b *rotator.Book) *[]rotator.Alert { return &b.Alerts }, func(f *rotator.Forget) [][]byte { return ids(f.Alerts) }),
		shelfOf(ShelfSilences, rotator.SequenceSilences, func(c *rotator.Change) []rotator.Silence { return c.Silences }, checkSilence,
			func(s *rotator.Silence) []byte { return []byte(s.ID) },
			func(b *rotator.Book) *[]rotator.Silence { return &b.Silences }, func(f *rotator.Forget) [][]byte { return ids(f.Silences) }),
		shelfOf(ShelfTimings, "", func(c *rotator.Change) []rotator.Timing { return c.Timings }, checkTiming,
			func(t *rotator.Timing) []byte { return TimingKey(t.Kind, t.Region, t.Change) },
			func(b *rotator.Book) *[]rotator.Timing { return &b.Timings }, func(*rotator.Forget) [][]byte { return nil }),
		shelfOf(ShelfAttestations, rotator.SequenceAttestations, func(c *rotator.Change) []rotator.Attestation { return c.Attestations }, checkAttestation,
			func(a *rotator.Attestation) []byte { return []byte(a.ID) },
			func(b *rotator.Book) *[]rotator.Attestation { return &b.Attestations }, func(f *rotator.Forget) [][]byte { return ids(f.Attestations) }),
		shelfOf(ShelfFreezes, rotator.SequenceFreezes, func(c *rotator.Change) []rotator.Freeze { return c.Freezes }, checkFreeze,
			func(f *rotator.Freeze) []byte { return []byte(f.ID) },
			func(b *rotator.Book) *[]rotator.Freeze { return &b.Freezes }, func(f *rotator.Forget) [][]byte { return ids(f.Freezes) }),
		shelfOf(ShelfStandings, "", func(c *rotator.Change) []rotator.Standing { return c.Standings }, checkStanding,
			func(s *rotator.Standing) []byte { return StandingKey(s.KeyID, s.Dependent) }, nil, standingKeys),
	}
}

// Shelves names all shelves.
func Shelves() (names []Shelf) {
	for _, s := range shelves() {
		names = append(names, s.name)
	}
	return names
}

func shelfOf[T any](
	name Shelf, numbered rotator.Sequence, records func(*rotator.Change) []T, check func(*T) error, keyOf func(*T) []byte,
	in func(*rotator.Book) *[]T, forget func(*rotator.Forget) [][]byte,
) shelf {
	s := shelf{name: name, numbered: numbered, forget: forget}
	s.put = func(c *rotator.Change, to *[]Shelved) error {
		all := records(c)
		for i := range all {
			if err := check(&all[i]); err != nil {
				return err
			}
			key := keyOf(&all[i])
			value, err := encodeBody(&all[i])
			if err != nil {
				return fmt.Errorf("%s %q: %w", name, key, err)
			}
			*to = append(*to, Shelved{name, key, value})
		}
		return nil
	}
	s.check = func(value []byte) ([]byte, error) {
		record, err := decodeBody[T](value)
		return keyOf(&record), err
	}
	if in != nil {
		s.read = func(b *rotator.Book, value []byte) error {
			record, err := decodeBody[T](value)
			if err == nil {
				*in(b) = append(*in(b), record)
			}
			return err
		}
	}
	return s
}

func ids(names []string) (keys [][]byte) {
	for _, name := range names {
		keys = append(keys, []byte(name))
	}
	return keys
}

// Shelve encodes what a change puts on shelves and takes off them. Taking off comes at
// the end: it holds for what the same change brings, too.
func Shelve(c *rotator.Change) (all []Shelved, err error) {
	for _, s := range shelves() {
		if err := s.put(c, &all); err != nil {
			return nil, err
		}
	}
	for _, s := range shelves() {
		for _, key := range s.forget(&c.Forget) {
			all = append(all, Shelved{Shelf: s.name, Key: key})
		}
	}
	return all, nil
}

// Numbered returns the sequence and the number that the id of a record is of, zero if
// it is of none.
func (r *Shelved) Numbered() (rotator.Sequence, uint64) {
	for _, s := range shelves() {
		if s.name == r.Shelf && s.numbered != "" {
			return s.numbered, s.numbered.Number(string(r.Key))
		}
	}
	return "", 0
}

// CheckShelved returns why a record does not belong where it is.
func CheckShelved(r *Shelved) error {
	for _, s := range shelves() {
		if s.name != r.Shelf {
			continue
		}
		key, err := s.check(r.Value)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", r.Shelf, r.Key, err)
		}
		if !bytes.Equal(key, r.Key) {
			return fmt.Errorf("%s: %q is stored under %q: %w", r.Shelf, key, r.Key, ErrDamaged)
		}
	}
	return nil
}

// ReadBook makes a book of the records that each hands out: those of one shelf at a
// time, in the order of their keys.
func ReadBook(each func(shelf Shelf, read func(key, value []byte) error) error) (b rotator.Book, err error) {
	for _, s := range shelves() {
		if s.read == nil {
			continue
		}
		err := each(s.name, func(key, value []byte) error {
			if err := CheckShelved(&Shelved{s.name, key, value}); err != nil {
				return err
			}
			return s.read(&b, value)
		})
		if err != nil {
			return b, err
		}
	}
	sortTimings(b.Timings)
	return b, nil
}

func checkAttestation(a *rotator.Attestation) error {
	if err := cmp.Or(checkID("attestation", "id", a.ID), checkOf("attestation "+a.ID, a.KeyID, a.Dependent)); err != nil {
		return err
	}
	return wrapTimes("attestation "+a.ID, checkTimes(a.Made, a.Until))
}

func checkFreeze(f *rotator.Freeze) error {
	if err := checkID("freeze", "id", f.ID); err != nil {
		return err
	}
	return wrapTimes("freeze "+f.ID, checkTimes(f.Made, f.Until))
}

func checkStanding(s *rotator.Standing) error {
	if err := checkOf("standing", s.KeyID, s.Dependent); err != nil {
		return err
	}
	times := checkTimes(s.Since)
	if o := s.Last; o != nil && times == nil {
		times = checkTimes(o.At)
	}
	return wrapTimes("standing of "+s.Dependent, times)
}

// checkOf refuses a record that names no dependent of a key.
func checkOf(record string, key rotator.KeyID, dependent string) error {
	return cmp.Or(checkID(record, "key", string(key)), checkID(record, "dependent", dependent))
}

func wrapTimes(record string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", record, err)
}

// StandingKey returns the key of a standing; those of one key stand together, after
// [StandingsOf] it.
func StandingKey(key rotator.KeyID, dependent string) []byte {
	return appendName(StandingsOf(key), strings.ToLower(dependent))
}

// StandingsOf returns what the keys of all standings of a key begin with.
func StandingsOf(key rotator.KeyID) []byte {
	return appendName(nil, strings.ToLower(string(key)))
}

func standingKeys(f *rotator.Forget) (keys [][]byte) {
	for _, s := range f.Standings {
		keys = append(keys, StandingKey(s.KeyID, s.Dependent))
	}
	return keys
}

// DecodeStanding reads the record of a standing.
func DecodeStanding(value []byte) (rotator.Standing, error) {
	return decodeBody[rotator.Standing](value)
}
