package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"cmkd/rotator"
)

// TimingKey returns the key of a timing. Each part stands after its length, so
// that no two timings share a key.
func TimingKey(kind, region string, change rotator.OperationKind) []byte {
	return appendName(appendName(appendName(nil, kind), region), string(change))
}

func checkAlert(a *rotator.Alert) error {
	if err := checkID("alert", "id", a.ID); err != nil {
		return err
	}
	if !severityKnown(a.Severity) {
		return rotator.Errorf(rotator.CodeInvalid, "alert %s: severity %q is not known to the store", a.ID, a.Severity)
	}
	times := []time.Time{a.Starts, a.Ends, a.Until}
	for _, d := range a.Told {
		times = append(times, d.Fired, d.Resolved, d.Next)
	}
	if err := checkTimes(times...); err != nil {
		return fmt.Errorf("alert %s: %w", a.ID, err)
	}
	return nil
}

func severityKnown(s rotator.Severity) bool {
	return s == rotator.SeverityCritical || s == rotator.SeverityWarning || s == rotator.SeverityInfo
}

func checkSilence(s *rotator.Silence) error {
	if err := checkID("silence", "id", s.ID); err != nil {
		return err
	}
	if s.Alert == "" && s.Rule == "" && s.Key == "" {
		// It would hold back everything, and nobody can have meant that.
		return rotator.Errorf(rotator.CodeInvalid, "silence %s names no alert, rule or key", s.ID)
	}
	if err := checkTimes(s.Created, s.Until); err != nil {
		return fmt.Errorf("silence %s: %w", s.ID, err)
	}
	return nil
}

func checkTiming(t *rotator.Timing) error {
	if err := checkID("timing", "kind", t.Kind); err != nil {
		return err
	}
	if err := checkID("timing", "change", string(t.Change)); err != nil {
		return err
	}
	if err := checkText("timing", "region", t.Region); err != nil {
		return err
	}
	if len(t.Histogram) == 0 {
		return rotator.Errorf(rotator.CodeInvalid, "timing of %s in %q: it has no histogram", t.Kind, t.Region)
	}
	return nil
}

// sortTimings puts timings into the order of a [rotator.Book], which is not that
// of their keys.
func sortTimings(timings []rotator.Timing) {
	slices.SortFunc(timings, func(a, b rotator.Timing) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Change, b.Change))
	})
}

// checkID refuses what cannot be a key, or part of one.
func checkID(record, field, id string) error {
	if id == "" {
		return rotator.Errorf(rotator.CodeInvalid, "%s without %s cannot be stored", record, field)
	}
	return checkText(record, field, id)
}

// checkText refuses text that JSON would not give back as it is: the record
// would no longer belong to its key.
func checkText(record, field, text string) error {
	if len(text) > maxName {
		return rotator.Errorf(rotator.CodeInvalid, "%s %s of %d bytes is longer than %d", record, field, len(text), maxName)
	}
	if !utf8.ValidString(text) {
		return rotator.Errorf(rotator.CodeInvalid, "%s %s %q is not UTF-8", record, field, text)
	}
	return nil
}

func checkTimes(times ...time.Time) error {
	for _, t := range times {
		if _, err := EncodeTime(t); err != nil {
			return err
		}
	}
	return nil
}

func encodeBody(v any) ([]byte, error) {
	value, err := appendJSON(appendFrame(nil), v)
	if err != nil {
		return nil, err
	}
	return seal(value), nil
}

func decodeBody[T any](value []byte) (record T, err error) {
	b, err := unseal(value)
	if err != nil {
		return record, err
	}
	err = decodeJSON(b, &record)
	return record, err
}
