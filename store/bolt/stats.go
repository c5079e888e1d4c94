package bolt

import (
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// Stats are a store's work since it was opened, and its size.
type Stats struct {
	// Commits counts transactions, Changes what the callers of Commit handed in:
	// their ratio is what grouping saves.
	Commits, Changes uint64
	// Fsyncs counts the waits for the disk: two for each transaction. Growing the
	// file, by 16 MB at a time, adds one, which is not counted.
	Fsyncs uint64
	// Written is the bytes of pages written.
	Written uint64
	// Size is the length of the file, Used the part of it in use.
	Size, Used int64
}

type counters struct{ commits, changes atomic.Uint64 }

func (c *counters) add(changes int) {
	c.commits.Add(1)
	c.changes.Add(uint64(changes))
}

// Stats returns what the store did so far; a closed store has no size.
func (s *Store) Stats() Stats {
	r := Stats{Commits: s.counts.commits.Load(), Changes: s.counts.changes.Load()}
	r.Fsyncs = 2 * r.Commits
	_ = s.use(func() error {
		bolt := s.db.Stats()
		page := uint64(s.db.Info().PageSize)
		// Each commit writes a header page besides those it allocated.
		r.Written = uint64(bolt.TxStats.GetPageAlloc()) + r.Commits*page
		free := int64(bolt.FreePageN+bolt.PendingPageN) * int64(page)
		if info, err := s.file.Stat(); err == nil {
			r.Size = info.Size()
		}
		return s.db.View(func(tx *bbolt.Tx) error {
			r.Used = tx.Size() - free
			return nil
		})
	})
	return r
}
