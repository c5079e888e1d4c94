package bolt

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// step is a migration that adds a bucket.
func step(name string) migration {
	return migration{what: "add " + name, run: func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte(name))
		return err
	}}
}

// after returns the migrations that there are, and more.
func after(steps ...migration) []migration { return append(migrations(), steps...) }

func TestMigrations(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	mustCommit(t, s, operationWith(1, 2))
	checkAndClose(t, s)
	var notices []string
	o := Options{Notice: func(m string) { notices = append(notices, m) }}

	newest := len(migrations()) + 1
	t.Log("a step that fails leaves the store as it was")
	broken := migration{what: "fail", run: func(*bbolt.Tx) error { return errors.New("on purpose") }}
	_, err := open(s.Path(), o, after(step("new"), broken))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("migrate to schema %d, fail: on purpose", newest+2)) {
		t.Fatalf("open: %v", err)
	}
	checkAndClose(t, mustOpen(t, s.Path()))

	t.Log("steps run once, after a backup")
	for range 2 {
		newer, err := open(s.Path(), o, after(step("new"), step("newer")))
		if err != nil {
			t.Fatal(err)
		}
		checkAndClose(t, newer)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], fmt.Sprintf("from schema %d to %d", newest, newest+2)) {
		t.Errorf("notices %q", notices)
	}
	for _, name := range []string{fmt.Sprintf(".before-schema-%d", newest+2), fmt.Sprintf(".before-schema-%d.1", newest+2)} {
		copied := mustOpen(t, s.Path()+name)
		if ops, err := copied.Operations(t.Context(), rotator.OperationFilter{}); err != nil || len(ops) != 1 {
			t.Errorf("copy %s has %d operations, %v", name, len(ops), err)
		}
		checkAndClose(t, copied)
	}

	t.Log("an older cmkd refuses it")
	_, err = Open(s.Path(), o)
	wantError(t, err, rotator.CodeInternal, s.Path()+fmt.Sprintf(" has schema %d, this cmkd knows up to %d", newest+2, newest), "later one")
	_, err = VerifyFile(t.Context(), s.Path(), o)
	wantError(t, err, rotator.CodeInternal, fmt.Sprintf("has schema %d", newest+2), "later one")
}

// TestMigrations_FromSchema1 opens a store from before there were alerts, as the last
// cmkd that wrote that schema left it after committing operationWith(1, 3) and
// operationWith(2, 1).
func TestMigrations_FromSchema1(t *testing.T) {
	t.Parallel()
	path := golden(t, 1)

	t.Log("it can be verified as it is")
	before, err := VerifyFile(t.Context(), path, Options{})
	if err != nil || before.Events != 2 {
		t.Fatalf("verify: %+v, %v", before, err)
	}

	t.Log("everything is found after the migration")
	newest := len(migrations()) + 1
	copied := fmt.Sprintf("%s.before-schema-%d", path, newest)
	var notices []string
	s, err := Open(path, Options{Notice: func(m string) { notices = append(notices, m) }})
	if err != nil {
		t.Fatal(err)
	}
	defer checkAndClose(t, s)
	if len(notices) != 1 || !strings.Contains(notices[0], fmt.Sprintf("from schema 1 to %d; %s is a copy from before", newest, copied)) {
		t.Errorf("notices %q", notices)
	}
	if after, err := s.VerifyLog(t.Context()); err != nil || after != before {
		t.Errorf("log %+v, %v, want %+v", after, err, before)
	}
	wantChanges(t, s, unidentified(operationWith(1, 3)), unidentified(operationWith(2, 1)))

	t.Log("there is room for alerts")
	if book, err := s.Book(t.Context()); err != nil || len(book.Alerts)+len(book.Silences)+len(book.Timings) != 0 {
		t.Errorf("book %+v, %v, want an empty one", book, err)
	}
	mustCommit(t, s, someBook())
	wantBook(t, s, someBook())

	t.Log("the copy from before has the old schema")
	wantSchema(t, copied, 1)
	if kept, err := VerifyFile(t.Context(), copied, Options{}); err != nil || kept != before {
		t.Errorf("verify the copy: %+v, %v, want %+v", kept, err, before)
	}
}

// unidentified returns a change as that file has it, whose key has no identifier: its
// state is nobody's, and is not kept.
func unidentified(c *rotator.Change) *rotator.Change {
	c.Keys = nil
	for i := range c.Operations {
		c.Operations[i].KeyID = ""
	}
	return c
}

// wantChanges checks that a store has the operations, trackers and keys of these
// changes.
func wantChanges(t *testing.T, s *Store, changes ...*rotator.Change) {
	t.Helper()
	for _, c := range changes {
		id := c.Operations[0].ID
		ops, err := s.Operations(t.Context(), rotator.OperationFilter{ID: id})
		if d := cmp.Diff(c.Operations, ops); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", id, err, d)
		}
		ts, err := s.Trackers(t.Context(), id, 0, 0)
		if d := cmp.Diff(c.Trackers, ts); err != nil || d != "" {
			t.Errorf("trackers of %s: %v\n%s", id, err, d)
		}
		keys, err := s.Keys(t.Context())
		if d := cmp.Diff(c.Keys, keys); err != nil || d != "" {
			t.Errorf("keys: %v\n%s", err, d)
		}
	}
}

func wantSchema(t *testing.T, path string, want int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bbolt.Tx) error {
		if got, err := readSchema(tx); err != nil || got != want {
			t.Errorf("%s has schema %d, %v, want %d", path, got, err, want)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestOpen_MissingBucket removes each bucket in turn.
func TestOpen_MissingBucket(t *testing.T) {
	t.Parallel()
	for _, name := range buckets(len(migrations()) + 1) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			mustCommit(t, s, someBook())
			checkAndClose(t, s)
			forge(t, s.Path(), func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(name)) })
			_, err := Open(s.Path(), Options{})
			wantError(t, err, rotator.CodeInternal, `it has no bucket "`+name+`"`, "restore a backup")
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%v is not reported as damage", err)
			}
		})
	}
}
