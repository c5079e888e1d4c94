package store

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"cmkd/rotator"
)

// ErrDamaged is wrapped by the errors of decoding: the bytes are not what was
// written.
var ErrDamaged = errors.New("record is damaged")

// codecVersion is the version byte that this package writes. Decoders accept it
// and everything older.
const codecVersion = 1

// maxName bounds the names that become part of a key, well under what any
// backend allows.
const maxName = 1024

const (
	frameSize = 1 + 4       // version, checksum
	opHeader  = 8 + 8 + 1   // revision, due, live
	evHeader  = 8 + 8       // at, operation
	signBit   = 1 << 63     // orders times before 1970 first
	secondMax = 9223372036  // beyond it nanoseconds overflow 64 bits: the year 2262
	secondMin = -9223372036 // the year 1677
)

// castagnoli is the polynomial that processors compute in hardware.
func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// EncodeTime returns t as an integer that sorts like it; 0 is the zero time.
func EncodeTime(t time.Time) (uint64, error) {
	if t.IsZero() {
		return 0, nil
	}
	if s := t.Unix(); s <= secondMin || s >= secondMax {
		return 0, rotator.Errorf(rotator.CodeInvalid, "time %s is out of range", t.UTC().Format(time.RFC3339))
	}
	return uint64(t.UnixNano()) ^ signBit, nil
}

// EncodeBound is EncodeTime for the bound of a search, which may lie beyond
// every time that can be stored.
func EncodeBound(t time.Time) uint64 {
	n, err := EncodeTime(t)
	switch {
	case err == nil:
		return n
	case t.Unix() < 0:
		return 1
	default:
		return math.MaxUint64
	}
}

// DecodeTime returns the time that n stands for, in UTC.
func DecodeTime(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n^signBit)).UTC()
}

// appendFrame begins a value: the version and room for the checksum.
func appendFrame(dst []byte) []byte { return append(dst, codecVersion, 0, 0, 0, 0) }

// seal fills in the checksum.
func seal(value []byte) []byte {
	binary.BigEndian.PutUint32(value[1:], castagnoli(value[frameSize:]))
	return value
}

// unseal checks version and checksum and returns what follows them.
func unseal(value []byte) ([]byte, error) {
	if err := checkVersion(value, frameSize); err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(value[1:]) != castagnoli(value[frameSize:]) {
		return nil, fmt.Errorf("checksum differs: %w", ErrDamaged)
	}
	return value[frameSize:], nil
}

func checkVersion(value []byte, size int) error {
	if len(value) < size {
		return fmt.Errorf("%d bytes are too few: %w", len(value), ErrDamaged)
	}
	if value[0] == 0 || value[0] > codecVersion {
		return fmt.Errorf("version %d is not known here: %w", value[0], ErrDamaged)
	}
	return nil
}

func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, rotator.Errorf(rotator.CodeInvalid, "encode record: %s", err)
	}
	return append(dst, b...), nil
}

func decodeJSON(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// appendName appends a name after its length, so that no name is a prefix of
// another one.
func appendName(dst []byte, name string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(name))), name...)
}

// cutName splits a name off the front of b.
func cutName(b []byte) (name, rest []byte, err error) {
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return nil, nil, fmt.Errorf("name is cut off: %w", ErrDamaged)
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	return b[2:n], b[n:], nil
}

func checkName(name string) error {
	if len(name) > maxName {
		return rotator.Errorf(rotator.CodeInvalid, "key name of %d bytes is longer than %d", len(name), maxName)
	}
	return nil
}

// EncodeKey returns a key's state as a value, and its due time.
func EncodeKey(k *rotator.KeyState) (value []byte, due uint64, err error) {
	if k.Name == "" {
		return nil, 0, rotator.Errorf(rotator.CodeInvalid, "a key without a name cannot be stored")
	}
	if k.ID == "" {
		return nil, 0, rotator.Errorf(rotator.CodeInvalid, "key %s without an identifier cannot be stored", k.Name)
	}
	if err := cmp.Or(checkName(k.Name), checkName(string(k.ID))); err != nil {
		return nil, 0, err
	}
	if due, err = EncodeTime(k.NextRotation); err != nil {
		return nil, 0, fmt.Errorf("key %s: %w", k.Name, err)
	}
	value = binary.BigEndian.AppendUint64(appendFrame(nil), due)
	if value, err = appendJSON(value, k); err != nil {
		return nil, 0, fmt.Errorf("key %s: %w", k.Name, err)
	}
	return seal(value), due, nil
}

// KeyDue returns the due time of an encoded key without decoding the rest.
func KeyDue(value []byte) (uint64, error) {
	b, err := unseal(value)
	if err != nil || len(b) < 8 {
		return 0, orDamaged(err)
	}
	return binary.BigEndian.Uint64(b), nil
}

// DecodeKey reads what EncodeKey wrote.
func DecodeKey(value []byte) (k rotator.KeyState, err error) {
	b, err := unseal(value)
	if err != nil || len(b) < 8 {
		return k, orDamaged(err)
	}
	return k, decodeJSON(b[8:], &k)
}

// OperationHead is what a store needs of an operation without decoding it.
type OperationHead struct {
	Revision uint64
	// Due is the encoded due time, see [EncodeTime].
	Due  uint64
	Live bool
	// Key is the identifier of the operation's key, see [KeyName]. In a head that was
	// read it points into the value.
	Key []byte
}

// EncodeOperation returns an operation as a value, and its head.
func EncodeOperation(o *rotator.Operation) (value []byte, head OperationHead, err error) {
	if o.ID == 0 {
		return nil, head, rotator.Errorf(rotator.CodeInvalid, "operation ids count from 1")
	}
	if err = cmp.Or(checkName(o.Key), checkName(string(o.KeyID))); err != nil {
		return nil, head, fmt.Errorf("%s: %w", o.ID, err)
	}
	key := KeyName(o.KeyID)
	head = OperationHead{Revision: o.Revision, Live: !o.State.Final(), Key: []byte(key)}
	if head.Due, err = EncodeTime(o.Due); err != nil {
		return nil, head, fmt.Errorf("%s: %w", o.ID, err)
	}
	value = binary.BigEndian.AppendUint64(appendFrame(nil), head.Revision)
	value = binary.BigEndian.AppendUint64(value, head.Due)
	value = append(value, boolByte(head.Live))
	value = appendName(value, key)
	if value, err = appendJSON(value, o); err != nil {
		return nil, head, fmt.Errorf("%s: %w", o.ID, err)
	}
	return seal(value), head, nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// DecodeOperationHead reads the head of an encoded operation.
func DecodeOperationHead(value []byte) (OperationHead, error) {
	head, _, err := cutOperation(value)
	return head, err
}

func cutOperation(value []byte) (head OperationHead, rest []byte, err error) {
	b, err := unseal(value)
	if err != nil || len(b) < opHeader {
		return head, nil, orDamaged(err)
	}
	head.Revision = binary.BigEndian.Uint64(b)
	head.Due = binary.BigEndian.Uint64(b[8:])
	head.Live = b[16] != 0
	head.Key, rest, err = cutName(b[opHeader:])
	return head, rest, err
}

// DecodeOperation reads what EncodeOperation wrote.
func DecodeOperation(value []byte) (o rotator.Operation, err error) {
	_, rest, err := cutOperation(value)
	if err != nil {
		return o, err
	}
	return o, decodeJSON(rest, &o)
}

func orDamaged(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("value is cut off: %w", ErrDamaged)
}

// count32 narrows a counter, which is never negative and never near the limit.
func count32(what string, n int) (uint32, error) {
	if n < 0 || n > math.MaxUint32 {
		return 0, rotator.Errorf(rotator.CodeInvalid, "%s is out of range: %d", what, n)
	}
	return uint32(n), nil
}
