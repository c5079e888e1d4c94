package bolt

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// The buckets.
const (
	bucketMeta       = "meta"
	bucketKeys       = "keys"
	bucketOperations = "operations"
	bucketLive       = "live"
	bucketByKey      = "by_key"
	bucketTrackers   = "trackers"
	bucketDetails    = "details"
	bucketDue        = "due"
	bucketEvents     = "events"
	bucketSequences  = "sequences"
)

// The entries of the meta bucket.
const (
	metaSchema   = "schema"
	metaInstance = "instance"
	metaHead     = "head" // sequence number 8, hash 32 of the last event
)

const headSize = 8 + len(store.Hash{})

// schemaBook is the first schema with alerts, silences and timings, schemaStatements that
// with attestations, freezes and standings.
const (
	schemaBook       = 2
	schemaStatements = 5
)

// schemaKeyID is the first schema that keeps keys by their identifiers.
const schemaKeyID = 4

// schemaSequences is the first schema whose file says which ids may have been handed out.
const schemaSequences = 3

// buckets returns what a file of a schema version has: one that is only read,
// such as an old backup, is not migrated.
func buckets(schema int) []string {
	names := []string{
		bucketMeta, bucketKeys, bucketOperations, bucketLive, bucketByKey,
		bucketTrackers, bucketDetails, bucketDue, bucketEvents,
	}
	if schema >= schemaBook {
		names = append(names, "alerts", "silences", "timings")
	}
	if schema >= schemaStatements {
		names = append(names, "attestations", "freezes", "standings")
	}
	if schema >= schemaSequences {
		names = append(names, bucketSequences)
	}
	return names
}

func bucket(tx *bbolt.Tx, name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }

// migration takes a file from one schema version to the next. It must not rely
// on the buckets' names above, which describe the newest schema.
type migration struct {
	what string
	run  func(tx *bbolt.Tx) error
}

// migrations lists the steps since version 1: the first leads to version 2. A
// step is never changed once released.
func migrations() []migration {
	return []migration{
		{what: "make room for alerts, silences and timings", run: addBook},
		{what: "note the ids that were given", run: addSequences},
		{what: "keep keys by their identifiers", run: keepByID},
		{what: "make room for attestations, freezes and standings", run: addStatements},
	}
}

// addBook leads to schema 2.
func addBook(tx *bbolt.Tx) error {
	for _, name := range [...]string{"alerts", "silences", "timings"} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return nil
}

// addStatements leads to schema 5.
func addStatements(tx *bbolt.Tx) error {
	for _, name := range [...]string{"attestations", "freezes", "standings"} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return nil
}

// initialise fills a new file.
func initialise(tx *bbolt.Tx, schema int) error {
	for _, name := range buckets(schema) {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	instance := hex.EncodeToString(id)
	if err := bucket(tx, bucketMeta).Put([]byte(metaInstance), []byte(instance)); err != nil {
		return err
	}
	if err := putHead(tx, logHead{hash: store.Genesis(instance)}); err != nil {
		return err
	}
	return putSchema(tx, schema)
}

func putSchema(tx *bbolt.Tx, schema int) error {
	return bucket(tx, bucketMeta).Put([]byte(metaSchema), binary.BigEndian.AppendUint32(nil, uint32(schema)))
}

func readSchema(tx *bbolt.Tx) (int, error) {
	meta := bucket(tx, bucketMeta)
	if meta == nil {
		return 0, damagef("it is not a store of cmkd: it has no bucket %q", bucketMeta)
	}
	v := meta.Get([]byte(metaSchema))
	if len(v) != 4 {
		return 0, damagef("it has no schema version")
	}
	return int(binary.BigEndian.Uint32(v)), nil
}

// migrate takes the file to the newest schema in one transaction, after a backup
// beside it.
func (s *Store) migrate(o Options, steps []migration) error {
	var schema int
	if err := s.db.View(func(tx *bbolt.Tx) (err error) {
		schema, err = readSchema(tx)
		return err
	}); err != nil {
		return err
	}
	newest := len(steps) + 1
	switch {
	case schema == newest:
		return nil
	case schema > newest:
		return tooNew(s.path, schema, newest)
	case schema < 1:
		return damagef("its schema version is %d", schema)
	}
	backup, err := s.backupBefore(newest)
	if err != nil {
		return fmt.Errorf("back up before the migration: %w", err)
	}
	if err := s.db.Update(func(tx *bbolt.Tx) error { return runMigrations(tx, schema, steps) }); err != nil {
		return err
	}
	o.Notice(fmt.Sprintf("store %s was migrated from schema %d to %d; %s is a copy from before", s.path, schema, newest, backup))
	return nil
}

func tooNew(path string, schema, newest int) error {
	return rotator.Errorf(rotator.CodeInternal, "store %s has schema %d, this cmkd knows up to %d", path, schema, newest).
		WithHint("run the version of cmkd that wrote it, or a later one; going back needs the backup made before its migration")
}

func runMigrations(tx *bbolt.Tx, schema int, steps []migration) error {
	for _, step := range steps[schema-1:] {
		if err := step.run(tx); err != nil {
			return fmt.Errorf("migrate to schema %d, %s: %w", schema+1, step.what, err)
		}
		schema++
	}
	return putSchema(tx, schema)
}

// backupBefore copies the file beside itself under a free name: an earlier
// attempt's copy may be there.
func (s *Store) backupBefore(schema int) (string, error) {
	base := fmt.Sprintf("%s.before-schema-%d", s.path, schema)
	name := base
	for i := 1; ; i++ {
		_, err := writeBeside(name, func(temp *os.File) error { return s.copyTo(temp) })
		if err == nil || !errors.Is(err, fs.ErrExist) || i > 99 {
			return name, err
		}
		name = fmt.Sprintf("%s.%d", base, i)
	}
}

// logHead is the last event's number and hash.
type logHead struct {
	seq  uint64
	hash store.Hash
}

func putHead(tx *bbolt.Tx, h logHead) error {
	v := append(binary.BigEndian.AppendUint64(make([]byte, 0, headSize), h.seq), h.hash[:]...)
	return bucket(tx, bucketMeta).Put([]byte(metaHead), v)
}

func readHead(tx *bbolt.Tx) (h logHead, err error) {
	v := bucket(tx, bucketMeta).Get([]byte(metaHead))
	if len(v) != headSize {
		return h, damagef("the head of its event log is missing")
	}
	h.seq = binary.BigEndian.Uint64(v)
	copy(h.hash[:], v[8:])
	return h, nil
}

func readInstance(tx *bbolt.Tx) (string, error) {
	id := bucket(tx, bucketMeta).Get([]byte(metaInstance))
	if len(id) == 0 {
		return "", damagef("it has no instance id")
	}
	return string(id), nil
}

// quickCheck looks at what can be seen at once: buckets, instance, and that the
// event log ends where its head says. It returns the instance.
func quickCheck(tx *bbolt.Tx) (string, error) {
	schema, err := readSchema(tx)
	if err != nil {
		return "", err
	}
	for _, name := range buckets(schema) {
		if bucket(tx, name) == nil {
			return "", damagef("it has no bucket %q", name)
		}
	}
	instance, err := readInstance(tx)
	if err != nil {
		return "", err
	}
	head, err := readHead(tx)
	if err != nil {
		return "", err
	}
	return instance, checkEnd(tx, instance, head)
}

// checkEnd compares the last event with the head.
func checkEnd(tx *bbolt.Tx, instance string, head logHead) error {
	k, v := bucket(tx, bucketEvents).Cursor().Last()
	if k == nil {
		if head.seq != 0 || head.hash != store.Genesis(instance) {
			return damagedEvent(1, "is missing: the log is empty, its head says %d events", head.seq)
		}
		return nil
	}
	if want := store.EventKey(head.seq); !bytes.Equal(k, want) {
		return endDiffers(binary.BigEndian.Uint64(k), head.seq)
	}
	e, err := store.DecodeEvent(v)
	if err != nil {
		return damagedEvent(head.seq, "cannot be read: %s", err)
	}
	if e.Hash != head.hash.String() {
		return damagedEvent(head.seq, "was edited: its hash is not the one in the log's head")
	}
	return nil
}

func endDiffers(last, head uint64) error {
	if last < head {
		return damagedEvent(last+1, "is missing: the log was truncated, its head says %d events", head)
	}
	return damagedEvent(head+1, "should not exist: the log's head says %d events", head)
}
