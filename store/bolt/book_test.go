package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// someBook has two of each, in the order in which a book has them.
func someBook() *rotator.Change {
	c := &rotator.Change{}
	for i, id := range []string{"needs-action/op-1", "propagation-stalled/op-1/storage"} {
		c.Alerts = append(c.Alerts, rotator.Alert{
			ID: id, Rule: rotator.RuleNeedsAction, Severity: rotator.SeverityWarning, Key: "payments", Operation: 1,
			Summary: "waits", Starts: start(), Told: map[string]rotator.Delivery{"ops": {Fired: start()}},
		})
		c.Silences = append(c.Silences, rotator.Silence{
			ID: fmt.Sprint("s-", i+1), Alert: id, Actor: "amelie", Created: start(), Until: start().Add(time.Hour),
		})
		c.Timings = append(c.Timings, rotator.Timing{
			Kind: "storage", Region: []string{"northeurope", "westeurope"}[i], Change: rotator.KindRotation, Histogram: []byte{0, 1, 2},
		})
	}
	return c
}

func wantBook(t *testing.T, s *Store, c *rotator.Change) {
	t.Helper()
	book, err := s.Book(t.Context())
	want := rotator.Book{Alerts: c.Alerts, Silences: c.Silences, Timings: c.Timings}
	if d := cmp.Diff(want, book); err != nil || d != "" {
		t.Errorf("book: %v (-want +got)\n%s", err, d)
	}
}

// TestBook_Damage spoils a record of each kind: the file opens, for the rest is
// whole, and whoever reads the record is told which one it is.
func TestBook_Damage(t *testing.T) {
	t.Parallel()
	flip := func(name string, key []byte) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			v := append([]byte(nil), bucket(tx, name).Get(key)...)
			v[len(v)/2] ^= 1
			return bucket(tx, name).Put(key, v)
		}
	}
	move := func(name string, from, to []byte) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			b := bucket(tx, name)
			v := append([]byte(nil), b.Get(from)...)
			return errors.Join(b.Delete(from), b.Put(to, v))
		}
	}
	timing := store.TimingKey("storage", "westeurope", rotator.KindRotation)
	for name, test := range map[string]struct {
		forge func(tx *bbolt.Tx) error
		what  string
	}{
		"a flipped bit of an alert":  {flip("alerts", []byte("needs-action/op-1")), `alerts: "needs-action/op-1": checksum differs`},
		"a flipped bit of a silence": {flip("silences", []byte("s-2")), `silences: "s-2": checksum differs`},
		"a flipped bit of a timing":  {flip("timings", timing), `timings: "\x00\astorage\x00\nwesteurope\x00\brotation": checksum differs`},
		"an alert under another id":  {move("alerts", []byte("needs-action/op-1"), []byte("needs-action/op-2")), `"needs-action/op-1" is stored under "needs-action/op-2"`},
		"a silence under another id": {move("silences", []byte("s-1"), []byte("s-3")), `"s-1" is stored under "s-3"`},
		"a timing under another key": {
			move("timings", timing, store.TimingKey("storage", "westeurope", rotator.KindRevocation)), `is stored under "\x00\astorage`,
		},
		"an empty alert": {func(tx *bbolt.Tx) error { return bucket(tx, "alerts").Put([]byte("x"), nil) }, `"x": 0 bytes are too few`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			mustCommit(t, s, operationWith(1, 1))
			mustCommit(t, s, someBook())
			checkAndClose(t, s)
			forge(t, s.Path(), test.forge)
			_, err := VerifyFile(t.Context(), s.Path(), Options{})
			wantError(t, err, rotator.CodeInternal, test.what, "restore a backup")
			s = mustOpen(t, s.Path())
			defer s.Close()
			wantError(t, s.Check(t.Context()), rotator.CodeInternal, test.what, "restore a backup")
			_, err = s.Book(t.Context())
			wantError(t, err, rotator.CodeInternal, test.what, "restore a backup")
			if _, err := s.Backup(t.Context(), filepath.Join(t.TempDir(), "copy")); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("backup: %v, want one that reports the damage", err)
			}
		})
	}
}

// TestBook_Backup finds the book in a copy.
func TestBook_Backup(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, someBook())
	path := filepath.Join(t.TempDir(), "copy")
	if _, err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	restored := mustOpen(t, path)
	defer checkAndClose(t, restored)
	wantBook(t, restored, someBook())
}
