package store

import (
	"encoding/binary"
	"fmt"

	"cmkd/rotator"
)

// The sizes of the hot part of a tracker.
const (
	TrackerKeySize   = 8 + 4
	TrackerValueSize = 40
)

// AppendTrackerKey appends the key of a tracker: those of one operation are
// neighbours, by number.
func AppendTrackerKey(dst []byte, op rotator.OperationID, number uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, uint64(op)), number)
}

// DecodeTrackerKey reads what AppendTrackerKey wrote.
func DecodeTrackerKey(key []byte) (rotator.OperationID, uint32, error) {
	if len(key) != TrackerKeySize {
		return 0, 0, fmt.Errorf("tracker key of %d bytes: %w", len(key), ErrDamaged)
	}
	return rotator.OperationID(binary.BigEndian.Uint64(key)), binary.BigEndian.Uint32(key[8:]), nil
}

// AppendTracker appends the hot part of a tracker, TrackerValueSize bytes.
func AppendTracker(dst []byte, t *rotator.Tracker) ([]byte, error) {
	value, err := appendTracker(dst, t)
	if err != nil {
		return nil, fmt.Errorf("tracker %d of %s: %w", t.Number, t.Operation, err)
	}
	sum := castagnoli(value[len(dst):])
	return binary.BigEndian.AppendUint32(value, sum), nil
}

func appendTracker(dst []byte, t *rotator.Tracker) ([]byte, error) {
	state, ok := stateNumber(t.State)
	if !ok {
		return nil, rotator.Errorf(rotator.CodeInvalid, "tracker state %q is not known to the store", t.State)
	}
	evidence, ok := evidenceNumber(t.Evidence)
	if !ok {
		return nil, rotator.Errorf(rotator.CodeInvalid, "evidence %q is not known to the store", t.Evidence)
	}
	failures, err := count32("failures", t.Failures)
	if err != nil {
		return nil, err
	}
	looks, err := count32("looks", t.Looks)
	if err != nil {
		return nil, err
	}
	dst = append(dst, codecVersion, state, evidence, 0)
	dst = binary.BigEndian.AppendUint32(dst, failures)
	dst = binary.BigEndian.AppendUint32(dst, looks)
	return appendTrackerTimes(dst, t)
}

func appendTrackerTimes(dst []byte, t *rotator.Tracker) ([]byte, error) {
	due, err := EncodeTime(t.Due)
	if err != nil {
		return nil, err
	}
	since, err := EncodeTime(t.Since)
	if err != nil {
		return nil, err
	}
	seen, err := EncodeTime(t.Seen)
	if err != nil {
		return nil, err
	}
	dst = binary.BigEndian.AppendUint64(dst, due)
	dst = binary.BigEndian.AppendUint64(dst, since)
	return binary.BigEndian.AppendUint64(dst, seen), nil
}

// DecodeTracker fills in the hot part of a tracker from its value.
func DecodeTracker(value []byte, t *rotator.Tracker) error {
	if err := checkVersion(value, TrackerValueSize); err != nil {
		return err
	}
	body := value[:TrackerValueSize-4]
	if binary.BigEndian.Uint32(value[len(body):]) != castagnoli(body) {
		return fmt.Errorf("checksum differs: %w", ErrDamaged)
	}
	var known, proven bool
	if t.State, known = stateOf(value[1]); !known {
		return fmt.Errorf("tracker state number %d: %w", value[1], ErrDamaged)
	}
	if t.Evidence, proven = evidenceOf(value[2]); !proven {
		return fmt.Errorf("evidence number %d: %w", value[2], ErrDamaged)
	}
	t.Failures = int(binary.BigEndian.Uint32(value[4:]))
	t.Looks = int(binary.BigEndian.Uint32(value[8:]))
	t.Due = DecodeTime(binary.BigEndian.Uint64(value[12:]))
	t.Since = DecodeTime(binary.BigEndian.Uint64(value[20:]))
	t.Seen = DecodeTime(binary.BigEndian.Uint64(value[28:]))
	return nil
}

// stateNumber numbers the tracker states. The numbers are on disk: new states
// take new ones, none is ever given again.
func stateNumber(s rotator.TrackerState) (byte, bool) {
	switch s {
	case rotator.TrackerWaiting:
		return 1, true
	case rotator.TrackerApplying:
		return 2, true
	case rotator.TrackerPropagating:
		return 3, true
	case rotator.TrackerDone:
		return 4, true
	case rotator.TrackerStalled:
		return 5, true
	case rotator.TrackerNeedsAction:
		return 6, true
	case rotator.TrackerUnreachable:
		return 7, true
	case rotator.TrackerExcluded:
		return 8, true
	case rotator.TrackerLeft:
		return 9, true
	default:
		return 0, false
	}
}

func stateOf(n byte) (rotator.TrackerState, bool) {
	for _, s := range [...]rotator.TrackerState{
		rotator.TrackerWaiting, rotator.TrackerApplying, rotator.TrackerPropagating, rotator.TrackerDone,
		rotator.TrackerStalled, rotator.TrackerNeedsAction, rotator.TrackerUnreachable, rotator.TrackerExcluded, rotator.TrackerLeft,
	} {
		if m, _ := stateNumber(s); m == n {
			return s, true
		}
	}
	return "", false
}

// evidenceNumber numbers the levels of evidence, under the same rule as
// stateNumber.
func evidenceNumber(e rotator.Evidence) (byte, bool) {
	switch e {
	case rotator.EvidenceNone:
		return 0, true
	case rotator.EvidenceInferred:
		return 1, true
	case rotator.EvidenceObserved:
		return 2, true
	case rotator.EvidenceConfirmed:
		return 3, true
	default:
		return 0, false
	}
}

func evidenceOf(n byte) (rotator.Evidence, bool) {
	for _, e := range [...]rotator.Evidence{
		rotator.EvidenceNone, rotator.EvidenceInferred, rotator.EvidenceObserved, rotator.EvidenceConfirmed,
	} {
		if m, _ := evidenceNumber(e); m == n {
			return e, true
		}
	}
	return "", false
}
