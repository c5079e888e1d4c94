package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// image returns the bytes of a closed store with a few hundred pages.
func image(t *testing.T) []byte {
	t.Helper()
	s := newStore(t)
	for id := range rotator.OperationID(3) {
		mustCommit(t, s, operationWith(id+1, 300))
	}
	checkAndClose(t, s)
	b, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cmkd.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpen_Damaged(t *testing.T) {
	t.Parallel()
	whole := image(t)
	h, err := readHeader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	page, used := int(h.pageSize), int(h.pages)*int(h.pageSize)
	root := int(h.root) * page
	cut := func(n int) func(b []byte) []byte { return func(b []byte) []byte { return b[:n] } }
	zero := func(from, to int) func(b []byte) []byte {
		return func(b []byte) []byte { clear(b[from:to]); return b }
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":                      cut(0),
		"one byte":                   cut(1),
		"half a header page":         cut(page / 2),
		"one header page":            cut(page),
		"two header pages":           cut(2 * page),
		"some pages":                 cut(5 * page),
		"half of it":                 cut(used / 2),
		"in the middle of a page":    cut(used/2 + 100),
		"one byte short of its end":  cut(used - 1),
		"both header pages zeroed":   zero(0, 2*page),
		"root page zeroed":           zero(root, root+page),
		"all but the headers zeroed": zero(2*page, len(whole)),
		"another kind of file":       func([]byte) []byte { return bytes.Repeat([]byte("not a store\n"), 5000) },
		"a little text":              func([]byte) []byte { return []byte("hello") },
		"root page of another type":  func(b []byte) []byte { b[root+8] = 0x40; return b },
		"root page that is a branch": func(b []byte) []byte { b[root+8] = branchPage; return b },
		"root page with many keys":   func(b []byte) []byte { b[root+10], b[root+11] = 0xff, 0xff; return b },
		"root page that overflows":   func(b []byte) []byte { b[root+15] = 0x7f; return b },
		"wrong magic in both": func(b []byte) []byte {
			b[pageHeader], b[page+pageHeader] = 0, 0
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, damage(bytes.Clone(whole)))
			_, err := Open(path, Options{})
			wantError(t, err, rotator.CodeInternal, "store "+path+" is damaged", "restore a backup")
			_, err = VerifyFile(t.Context(), path, Options{})
			wantError(t, err, rotator.CodeInternal, "store "+path+" is damaged", "restore a backup")
		})
	}
}

// TestOpen_OneHeader spoils one header page: bbolt writes them in turn, so that
// a power cut leaves the other.
func TestOpen_OneHeader(t *testing.T) {
	t.Parallel()
	whole := image(t)
	for i := range 2 {
		t.Run(fmt.Sprint("header ", i), func(t *testing.T) {
			t.Parallel()
			b := bytes.Clone(whole)
			b[i*os.Getpagesize()+pageHeader+20] ^= 0x10
			var notices []string
			s, err := Open(write(t, b), Options{Notice: func(m string) { notices = append(notices, m) }})
			if err != nil {
				t.Fatal(err)
			}
			if len(notices) != 1 {
				t.Errorf("notices %q, want one", notices)
			}
			mustCommit(t, s, operationWith(9, 1))
			checkAndClose(t, s)
		})
	}
}

// TestDamage_Anywhere flips bytes and zeroes pages at random. Whatever they hit,
// nothing panics, and either something reports it or nothing that was stored
// has changed.
func TestDamage_Anywhere(t *testing.T) {
	t.Parallel()
	whole := image(t)
	h, err := readHeader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	page, used := int(h.pageSize), int(h.pages)*int(h.pageSize)
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for i := range 150 {
		b := bytes.Clone(whole[:used+page])
		at := 2*page + random.IntN(used-2*page)
		what := fmt.Sprintf("round %d: byte %d of page %d", i, at%page, at/page)
		if i%4 == 0 {
			what = fmt.Sprintf("round %d: page %d zeroed", i, at/page)
			clear(b[at/page*page:][:page])
		} else {
			b[at] ^= byte(1 + random.IntN(255))
		}
		if err := survey(t, b); err != nil {
			found++
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%s: %v is not reported as damage", what, err)
			}
		}
	}
	// Most pages of the image are in use, so most damage must be found.
	if found < 50 {
		t.Errorf("only %d of 150 damages were found", found)
	}
}

// survey uses a store in every way and returns the first error; without one,
// the content has to be whole.
func survey(t *testing.T, b []byte) error {
	t.Helper()
	path := write(t, b)
	defer os.Remove(path)
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	for id := range rotator.OperationID(3) {
		ts, err := s.Trackers(t.Context(), id+1, 0, 0)
		if err != nil {
			return err
		}
		if len(ts) != 300 || ts[299].Detail.Binding != rotator.BindingFollows {
			return s.Check(t.Context())
		}
	}
	if _, err := s.Operations(t.Context(), rotator.OperationFilter{}); err != nil {
		return err
	}
	if err := rotator.Commit(t.Context(), s, operationWith(4, 10)); err != nil {
		return err
	}
	return s.Check(t.Context())
}

// TestDamage_WhileOpen cuts the file off under a running store.
func TestDamage_WhileOpen(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, write(t, image(t)))
	if err := os.Truncate(s.Path(), 2*int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	_, err := s.Trackers(t.Context(), 2, 0, 0)
	wantError(t, err, rotator.CodeInternal, "is damaged", "restore a backup")
	wantError(t, s.Check(t.Context()), rotator.CodeInternal, "is damaged", "restore a backup")
	err = rotator.Commit(t.Context(), s, operationWith(2, 1))
	wantError(t, err, rotator.CodeInternal, s.Path(), "restore a backup")
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// forge changes a closed store through bbolt, as somebody with its tools could.
func forge(t *testing.T, path string, f func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// logOf makes a store with nine events and returns it, closed.
func logOf(t *testing.T) string {
	t.Helper()
	s := newStore(t)
	for i := range 9 {
		mustCommit(t, s, &rotator.Change{Events: []rotator.Event{{At: start(), Type: rotator.EventApproved, Message: fmt.Sprint("event ", i+1)}}})
	}
	checkAndClose(t, s)
	return s.Path()
}

// rewrite replaces event n by what edit makes of it; its hash is computed anew
// if rehash is set.
func rewrite(tx *bbolt.Tx, n uint64, rehash bool, edit func(e *rotator.Event)) error {
	b := bucket(tx, bucketEvents)
	e, err := store.DecodeEvent(b.Get(store.EventKey(n)))
	if err != nil {
		return err
	}
	edit(&e)
	if rehash {
		prev, err := store.ParseHash(e.Prev)
		if err != nil {
			return err
		}
		e.Hash = store.Link(prev, &e).String()
	}
	v, err := store.EncodeEvent(&e)
	if err != nil {
		return err
	}
	return b.Put(store.EventKey(n), v)
}

func TestVerifyLog_Finds(t *testing.T) {
	t.Parallel()
	edit := func(e *rotator.Event) { e.Actor = "nobody" }
	for name, test := range map[string]struct {
		forge func(tx *bbolt.Tx) error
		seq   uint64
		what  string
	}{
		"an edited event":     {func(tx *bbolt.Tx) error { return rewrite(tx, 4, false, edit) }, 4, "was edited"},
		"one with a new hash": {func(tx *bbolt.Tx) error { return rewrite(tx, 4, true, edit) }, 5, "does not follow"},
		"an edited last":      {func(tx *bbolt.Tx) error { return rewrite(tx, 9, true, edit) }, 9, "was edited"},
		"a deleted event":     {func(tx *bbolt.Tx) error { return bucket(tx, bucketEvents).Delete(store.EventKey(4)) }, 4, "is missing"},
		"a deleted first":     {func(tx *bbolt.Tx) error { return bucket(tx, bucketEvents).Delete(store.EventKey(1)) }, 1, "is missing"},
		"a deleted last":      {func(tx *bbolt.Tx) error { return bucket(tx, bucketEvents).Delete(store.EventKey(9)) }, 9, "truncated"},
		"an emptied log":      {emptyLog, 1, "is missing"},
		"swapped events":      {swapEvents, 3, "out of order"},
		"an added event":      {addEvent, 10, "should not exist"},
		"garbage": {func(tx *bbolt.Tx) error {
			return bucket(tx, bucketEvents).Put(store.EventKey(2), []byte("garbage"))
		}, 2, "cannot be read"},
		"another instance": {func(tx *bbolt.Tx) error {
			return bucket(tx, bucketMeta).Put([]byte(metaInstance), []byte("ffff"))
		}, 1, "does not follow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := logOf(t)
			forge(t, path, test.forge)
			_, err := VerifyFile(t.Context(), path, Options{})
			wantError(t, err, rotator.CodeInternal, test.what, "restore a backup")
			wantSeq(t, err, test.seq)
			// What the quick check at start does not see, VerifyLog does.
			s, err := Open(path, Options{})
			if err != nil {
				wantSeq(t, err, test.seq)
				return
			}
			defer s.Close()
			_, err = s.VerifyLog(t.Context())
			wantSeq(t, err, test.seq)
		})
	}
}

func wantSeq(t *testing.T, err error, seq uint64) {
	t.Helper()
	var d *DamageError
	if !errors.As(err, &d) || d.Seq != seq {
		t.Errorf("error %v, want damage of event %d", err, seq)
	}
}

func emptyLog(tx *bbolt.Tx) error {
	if err := tx.DeleteBucket([]byte(bucketEvents)); err != nil {
		return err
	}
	_, err := tx.CreateBucket([]byte(bucketEvents))
	return err
}

func swapEvents(tx *bbolt.Tx) error {
	b := bucket(tx, bucketEvents)
	third, fourth := bytes.Clone(b.Get(store.EventKey(3))), bytes.Clone(b.Get(store.EventKey(4)))
	return errors.Join(b.Put(store.EventKey(3), fourth), b.Put(store.EventKey(4), third))
}

// addEvent appends an event whose chain is right, but not to the head.
func addEvent(tx *bbolt.Tx) error {
	last, err := readHead(tx)
	if err != nil {
		return err
	}
	e := rotator.Event{Seq: 10, At: start(), Type: rotator.EventApproved, Prev: last.hash.String()}
	e.Hash = store.Link(last.hash, &e).String()
	v, err := store.EncodeEvent(&e)
	if err != nil {
		return err
	}
	return bucket(tx, bucketEvents).Put(store.EventKey(10), v)
}

func TestVerifyLog_Report(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	empty, err := s.VerifyLog(t.Context())
	if err != nil || empty.Events != 0 || empty.Head != store.Genesis(s.Instance()).String() {
		t.Errorf("empty log: %+v, %v", empty, err)
	}
	c := &rotator.Change{Events: []rotator.Event{{At: start()}, {At: start().AddDate(1, 0, 0)}}}
	mustCommit(t, s, c)
	want := LogReport{Instance: s.Instance(), Events: 2, Head: c.Events[1].Hash, First: c.Events[0].At, Last: c.Events[1].At}
	if got, err := s.VerifyLog(t.Context()); err != nil || got != want {
		t.Errorf("report %+v, %v, want %+v", got, err, want)
	}
}

func TestCheck_Finds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		forge func(tx *bbolt.Tx) error
		what  string
	}{
		"a lost due entry":  {func(tx *bbolt.Tx) error { return dropFirst(tx, bucketDue) }, "is not in the index due"},
		"a lost live entry": {func(tx *bbolt.Tx) error { return dropFirst(tx, bucketLive) }, "is not in the index live"},
		"a lost key entry":  {func(tx *bbolt.Tx) error { return dropFirst(tx, bucketByKey) }, "is not in the index by_key"},
		"a lost detail":     {func(tx *bbolt.Tx) error { return dropFirst(tx, bucketDetails) }, "disagree"},
		"a lost tracker":    {func(tx *bbolt.Tx) error { return dropFirst(tx, bucketTrackers) }, "disagree"},
		"a lost operation":  {func(tx *bbolt.Tx) error { return dropFirst(tx, bucketOperations) }, "does not exist"},
		"a stray due entry": {func(tx *bbolt.Tx) error {
			return bucket(tx, bucketDue).Put(store.DueOfOperation(1, 77), nil)
		}, "has 3 entries, the records make 2"},
		"wrong counts": {func(tx *bbolt.Tx) error {
			return errors.Join(dropFirst(tx, bucketTrackers), dropFirst(tx, bucketDetails))
		}, "counts its trackers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			mustCommit(t, s, operationWith(1, 3))
			checkAndClose(t, s)
			forge(t, s.Path(), test.forge)
			s = mustOpen(t, s.Path())
			defer s.Close()
			wantError(t, s.Check(t.Context()), rotator.CodeInternal, test.what, "restore a backup")
		})
	}
}

func dropFirst(tx *bbolt.Tx, name string) error {
	b := bucket(tx, name)
	k, _ := b.Cursor().First()
	return b.Delete(k)
}
