package bolt

import (
	"testing"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// TestNextIDs_Reserves writes once for many ids.
func TestNextIDs_Reserves(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for range idsAhead {
		if _, err := s.NextIDs(t.Context(), rotator.SequenceOperations, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Stats().Commits; got != 1 {
		t.Errorf("%d transactions for %d ids, want 1", got, idsAhead)
	}
	mustCommit(t, s, operationWith(1, 1)) // an id that was handed out costs nothing more
	if got := s.Stats().Commits; got != 2 {
		t.Errorf("%d transactions", got)
	}
}

// TestMigrations_CountIDs finds the ids that were given before the file said so: those
// of records, and those of which only the log tells.
func TestMigrations_CountIDs(t *testing.T) {
	t.Parallel()
	event := rotator.Event{At: start(), Type: rotator.EventSilenced, Message: "m", Data: map[string]string{"silence": "s-41"}}
	for name, test := range map[string]struct {
		change             *rotator.Change
		operation, silence uint64
	}{
		"nothing":              {&rotator.Change{}, 1, 1},
		"records":              {&rotator.Change{Operations: operationWith(7, 0).Operations, Silences: someBook().Silences}, 8, 3},
		"a forgotten silence":  {&rotator.Change{Silences: someBook().Silences, Events: []rotator.Event{event}}, 1, 42},
		"a forgotten rotation": {&rotator.Change{Events: []rotator.Event{{At: start(), Operation: 17}}}, 18, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			mustCommit(t, s, test.change)
			checkAndClose(t, s)
			forge(t, s.Path(), func(tx *bbolt.Tx) error {
				for _, name := range []string{bucketSequences, "attestations", "freezes", "standings"} {
					if err := tx.DeleteBucket([]byte(name)); err != nil {
						return err
					}
				}
				return putSchema(tx, 2)
			})
			s = mustOpen(t, s.Path())
			defer checkAndClose(t, s)
			for seq, want := range map[rotator.Sequence]uint64{rotator.SequenceOperations: test.operation, rotator.SequenceSilences: test.silence} {
				if got, err := s.NextIDs(t.Context(), seq, 1); err != nil || got != want {
					t.Errorf("the next of %s is %d, %v, want %d", seq, got, err, want)
				}
			}
		})
	}
}

// TestCheck_FindsIDsThatWouldComeAgain lowers the mark below the records.
func TestCheck_FindsIDsThatWouldComeAgain(t *testing.T) {
	t.Parallel()
	for seq, what := range map[rotator.Sequence]string{
		rotator.SequenceOperations: "op-1 has an id", rotator.SequenceSilences: "silences s-1 has an id",
	} {
		t.Run(string(seq), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			mustCommit(t, s, operationWith(1, 1))
			mustCommit(t, s, someBook())
			checkAndClose(t, s)
			forge(t, s.Path(), func(tx *bbolt.Tx) error {
				return bucket(tx, bucketSequences).Put(store.SequenceKey(seq), store.EncodeSequence(0))
			})
			s = mustOpen(t, s.Path())
			defer s.Close()
			wantError(t, s.Check(t.Context()), rotator.CodeInternal, what, "restore a backup")
		})
	}
}
