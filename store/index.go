package store

import (
	"encoding/binary"
	"fmt"
	"strings"

	"cmkd/rotator"
)

// The types of due entry, in the order in which entries of one moment come.
const (
	dueKey       = 1
	dueOperation = 2
)

// OperationKey returns the key of an operation.
func OperationKey(id rotator.OperationID) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(id))
}

// DecodeOperationKey reads what OperationKey wrote.
func DecodeOperationKey(key []byte) (rotator.OperationID, error) {
	if len(key) != 8 {
		return 0, fmt.Errorf("operation key of %d bytes: %w", len(key), ErrDamaged)
	}
	return rotator.OperationID(binary.BigEndian.Uint64(key)), nil
}

// SequenceKey returns the key of the last id that may have been handed out of a
// sequence.
func SequenceKey(seq rotator.Sequence) []byte { return []byte(seq) }

// EncodeSequence returns that id as a value.
func EncodeSequence(last uint64) []byte {
	return seal(binary.BigEndian.AppendUint64(appendFrame(nil), last))
}

// DecodeSequence reads what EncodeSequence wrote.
func DecodeSequence(value []byte) (uint64, error) {
	b, err := unseal(value)
	if err != nil || len(b) < 8 {
		return 0, orDamaged(err)
	}
	return binary.BigEndian.Uint64(b), nil
}

// EventKey returns the key of an event.
func EventKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// KeyName returns the identifier of a key as records of it are kept under it: in
// lower case, as Key Vault compares it.
func KeyName(id rotator.KeyID) string { return strings.ToLower(string(id)) }

// KeyPrefix returns what the entries of one key's operations begin with in the
// index of operations by key.
func KeyPrefix(name []byte) []byte { return appendName(nil, string(name)) }

// ByKey returns the entry of an operation in the index of operations by key.
func ByKey(name []byte, id rotator.OperationID) []byte {
	return binary.BigEndian.AppendUint64(KeyPrefix(name), uint64(id))
}

// DueOfKey returns the due entry of a key.
func DueOfKey(due uint64, name string) []byte {
	return append(append(binary.BigEndian.AppendUint64(nil, due), dueKey), name...)
}

// DueOfOperation returns the due entry of an operation.
func DueOfOperation(due uint64, id rotator.OperationID) []byte {
	dst := append(binary.BigEndian.AppendUint64(nil, due), dueOperation)
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// DueAt returns the encoded time of a due entry.
func DueAt(entry []byte) uint64 {
	if len(entry) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(entry)
}

// DecodeDue reads a due entry.
func DecodeDue(entry []byte) (item rotator.DueItem, err error) {
	if len(entry) < 10 {
		return item, fmt.Errorf("due entry of %d bytes: %w", len(entry), ErrDamaged)
	}
	item.At = DecodeTime(DueAt(entry))
	switch rest := entry[9:]; entry[8] {
	case dueKey:
		item.Key = string(rest)
	case dueOperation:
		item.Operation, err = DecodeOperationKey(rest)
	default:
		err = fmt.Errorf("due entry of type %d: %w", entry[8], ErrDamaged)
	}
	return item, err
}
