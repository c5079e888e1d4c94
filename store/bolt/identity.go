package bolt

import (
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// keepByID leads to schema 3, in which a key is its identifier: before, its records
// went by its short name, so a rename lost them.
func keepByID(tx *bbolt.Tx) error {
	keys, err := keysByName(tx)
	if err != nil {
		return err
	}
	if err := emptied(tx, "keys", "by_key"); err != nil {
		return err
	}
	for _, k := range keys {
		value, due, err := store.EncodeKey(&k)
		if err != nil {
			return err
		}
		if err := tx.Bucket([]byte("keys")).Put([]byte(store.KeyName(k.ID)), value); err != nil {
			return err
		}
		if due == 0 {
			continue
		}
		if err := tx.Bucket([]byte("due")).Put(store.DueOfKey(due, store.KeyName(k.ID)), nil); err != nil {
			return err
		}
	}
	return operationsByID(tx)
}

// keysByName reads the keys of schema 2 and takes them out of the due index. Of
// several names of one key the one read from the vault last stays, with all that
// is to be retired.
func keysByName(tx *bbolt.Tx) (map[string]rotator.KeyState, error) {
	keys := map[string]rotator.KeyState{}
	err := tx.Bucket([]byte("keys")).ForEach(func(name, value []byte) error {
		k, err := store.DecodeKey(value)
		if err != nil {
			return fmt.Errorf("key %s: %w", name, err)
		}
		due, err := store.KeyDue(value)
		if err != nil {
			return fmt.Errorf("key %s: %w", name, err)
		}
		if due != 0 {
			if err := tx.Bucket([]byte("due")).Delete(store.DueOfKey(due, string(name))); err != nil {
				return err
			}
		}
		if k.ID == "" {
			return nil // nobody's: every release has stored the identifier
		}
		keys[store.KeyName(k.ID)] = joined(keys[store.KeyName(k.ID)], k)
		return nil
	})
	return keys, err
}

// joined returns what is known of one key from two records of it.
func joined(a, b rotator.KeyState) rotator.KeyState {
	if a.ID == "" {
		return b
	}
	if a.Seen.After(b.Seen) {
		a, b = b, a
	}
	b.Unretired = both(b.Unretired, a.Unretired)
	b.RolledBack = both(b.RolledBack, a.RolledBack)
	b.Compromised = both(b.Compromised, a.Compromised)
	return b
}

func both(these, those []string) []string {
	for _, v := range those {
		if !slices.Contains(these, v) {
			these = append(these, v)
		}
	}
	return these
}

func emptied(tx *bbolt.Tx, names ...string) error {
	for _, name := range names {
		if err := tx.DeleteBucket([]byte(name)); err != nil {
			return fmt.Errorf("delete bucket %s: %w", name, err)
		}
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return nil
}

// operationsByID encodes every operation anew, whose head named its key by its
// short name.
func operationsByID(tx *bbolt.Tx) error {
	operations, byKey := tx.Bucket([]byte("operations")), tx.Bucket([]byte("by_key"))
	var anew []entry
	err := operations.ForEach(func(id, value []byte) error {
		o, err := store.DecodeOperation(value)
		if err != nil {
			return fmt.Errorf("operation %x: %w", id, err)
		}
		fresh, head, err := store.EncodeOperation(&o)
		if err != nil {
			return err
		}
		anew = append(anew, entry{key: store.OperationKey(o.ID), value: fresh})
		return byKey.Put(store.ByKey(head.Key, o.ID), nil)
	})
	if err != nil {
		return err
	}
	for _, e := range anew { // not while the bucket is walked
		if err := operations.Put(e.key, e.value); err != nil {
			return err
		}
	}
	return nil
}
