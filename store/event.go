package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"cmkd/rotator"
)

// Hash is a link of the event log's chain.
type Hash [sha256.Size]byte

// String returns the hash in hex, as events carry it.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String wrote.
func ParseHash(s string) (h Hash, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("%q is not a SHA-256 in hex: %w", s, ErrDamaged)
	}
	copy(h[:], b)
	return h, nil
}

// Genesis is the hash before the first event of a store: it ties the log to the
// instance, so that a log cannot be passed off as another store's.
func Genesis(instance string) Hash { return sha256.Sum256([]byte(instance)) }

// Link returns the hash of an event that follows prev: the SHA-256 of the 32
// bytes of prev and the event's canonical encoding. That encoding never
// changes: whoever wants to check an exported log needs nothing else.
//
//	sequence number, 8 bytes
//	time: seconds since 1970, 8 bytes; nanoseconds within the second, 4 bytes
//	type, key
//	operation, 8 bytes
//	dependent, actor, message
//	number of data, 8 bytes; each datum's name and value, by name
//
// Integers are big-endian, strings stand after their length in 8 bytes, and
// Prev and Hash themselves are left out. A field that events gain later is
// appended only when it is set, so that the hashes of older events stand.
func Link(prev Hash, e *rotator.Event) Hash {
	return LinkCanonical(prev, e.Seq, AppendCanonical(make([]byte, 0, 512), e))
}

// chainRoom is where the canonical encoding has what depends on an event's place
// in the chain: prev, and the sequence number.
const chainRoom = sha256.Size + 8

// AppendCanonical appends what [LinkCanonical] needs of an event, which can be
// made before the event's place in the chain is known.
func AppendCanonical(dst []byte, e *rotator.Event) []byte {
	b := append(dst, make([]byte, chainRoom)...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(e.At.Nanosecond()))
	b = appendString(b, string(e.Type))
	b = appendString(b, e.Key)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Operation))
	b = appendString(b, e.Dependent)
	b = appendString(b, e.Actor)
	b = appendString(b, e.Message)
	b = binary.BigEndian.AppendUint64(b, uint64(len(e.Data)))
	for _, name := range slices.Sorted(maps.Keys(e.Data)) {
		b = appendString(appendString(b, name), e.Data[name])
	}
	return b
}

// LinkCanonical is [Link] for an event that AppendCanonical has encoded; it
// fills in the place.
func LinkCanonical(prev Hash, seq uint64, canonical []byte) Hash {
	copy(canonical, prev[:])
	binary.BigEndian.PutUint64(canonical[sha256.Size:], seq)
	return sha256.Sum256(canonical)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint64(dst, uint64(len(s))), s...)
}

// CleanEvent returns a copy of e that JSON carries unchanged. JSON replaces
// bytes that are not UTF-8; were they hashed as given, the event would later
// look edited.
func CleanEvent(e *rotator.Event) rotator.Event {
	c := *e
	c.At = e.At.UTC()
	c.Type = rotator.EventType(clean(string(c.Type)))
	for _, s := range []*string{&c.Key, &c.Dependent, &c.Actor, &c.Message} {
		*s = clean(*s)
	}
	cloned := false
	for name, value := range e.Data {
		if utf8.ValidString(name) && utf8.ValidString(value) {
			continue
		}
		if !cloned {
			c.Data, cloned = maps.Clone(e.Data), true
		}
		delete(c.Data, name)
		c.Data[clean(name)] = clean(value)
	}
	return c
}

func clean(s string) string { return strings.ToValidUTF8(s, string(utf8.RuneError)) }

// EventHead is what a filter needs of an event without decoding it.
type EventHead struct {
	// At is the encoded time, see [EncodeTime].
	At        uint64
	Operation rotator.OperationID
	// Key points into the value.
	Key []byte
}

// EncodeEvent returns an event as a value.
func EncodeEvent(e *rotator.Event) ([]byte, error) { return AppendEvent(nil, e) }

// AppendEvent appends an event as a value.
func AppendEvent(dst []byte, e *rotator.Event) ([]byte, error) {
	start := len(dst)
	if err := checkName(e.Key); err != nil {
		return nil, fmt.Errorf("event %s: %w", e.Type, err)
	}
	at, err := EncodeTime(e.At)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.Type, err)
	}
	value := binary.BigEndian.AppendUint64(appendFrame(dst), at)
	value = binary.BigEndian.AppendUint64(value, uint64(e.Operation))
	value = appendName(value, e.Key)
	w := &fieldWriter{b: value}
	w.event(e)
	seal(w.b[start:])
	return w.b, w.err
}

// event writes what the head does not hold.
func (w *fieldWriter) event(e *rotator.Event) {
	w.uint(e.Seq)
	w.str(string(e.Type))
	w.str(e.Dependent)
	w.str(e.Actor)
	w.str(e.Message)
	w.pairs(e.Data)
	w.str(e.Prev)
	w.str(e.Hash)
}

func (r *fieldReader) event(e *rotator.Event) {
	e.Seq = r.uint()
	e.Type = rotator.EventType(r.str())
	e.Dependent = r.str()
	e.Actor = r.str()
	e.Message = r.str()
	e.Data = r.pairs()
	e.Prev = r.str()
	e.Hash = r.str()
}

// DecodeEventHead reads the head of an encoded event. It leaves the checksum to
// [DecodeEvent], for a filter passes over many events.
func DecodeEventHead(value []byte) (EventHead, error) {
	head, _, err := cutEvent(value)
	return head, err
}

func cutEvent(value []byte) (head EventHead, rest []byte, err error) {
	if err := checkVersion(value, frameSize+evHeader); err != nil {
		return head, nil, err
	}
	b := value[frameSize:]
	head.At = binary.BigEndian.Uint64(b)
	head.Operation = rotator.OperationID(binary.BigEndian.Uint64(b[8:]))
	head.Key, rest, err = cutName(b[evHeader:])
	return head, rest, err
}

// DecodeEvent reads what EncodeEvent wrote.
func DecodeEvent(value []byte) (e rotator.Event, err error) {
	if _, err := unseal(value); err != nil {
		return e, err
	}
	head, rest, err := cutEvent(value)
	if err != nil {
		return e, err
	}
	e.At, e.Operation, e.Key = DecodeTime(head.At), head.Operation, string(head.Key)
	r := &fieldReader{b: rest}
	r.event(&e)
	return e, r.err
}

// CheckEvent reports whether an event can be encoded, apart from what the store
// sets.
func CheckEvent(e *rotator.Event) error {
	if err := checkName(e.Key); err != nil {
		return fmt.Errorf("event %s: %w", e.Type, err)
	}
	if _, err := EncodeTime(e.At); err != nil {
		return fmt.Errorf("event %s: %w", e.Type, err)
	}
	return nil
}
