package bolt

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"cmkd/rotator"
	"cmkd/store"
)

// group is how many transitions share a transaction, as under load.
const group = 1000

// fill commits operation 1 with n trackers, in pieces.
func fill(tb testing.TB, s *Store, n int) rotator.Operation {
	tb.Helper()
	c := operationWith(1, n)
	all := c.Trackers
	c.Trackers = nil
	for len(all) > 0 {
		k := min(len(all), 10_000)
		c.Trackers, all = all[:k], all[k:]
		if len(all) > 0 {
			c.Operations[0].Trackers = nil
		} else {
			c.Operations[0].Trackers = map[rotator.TrackerState]int{rotator.TrackerPropagating: n}
		}
		mustCommit(tb, s, c)
		c = &rotator.Change{Operations: c.Operations}
		c.Operations[0].Revision++
	}
	return c.Operations[0] // the next revision
}

// transitions makes one group: neighbours, the operation that they belong to,
// and an event that says so.
func transitions(o rotator.Operation, round, n int) *rotator.Change {
	now := start().Add(time.Duration(round) * time.Second)
	o.Due = now.Add(time.Minute)
	c := &rotator.Change{
		Operations: []rotator.Operation{o}, Trackers: make([]rotator.Tracker, 0, group),
		Events: []rotator.Event{{At: now, Type: rotator.EventTrackerChanged, Key: o.Key, Operation: o.ID, Message: "looked"}},
	}
	for i := range min(group, n) {
		c.Trackers = append(c.Trackers, rotator.Tracker{
			Operation: o.ID, Number: uint32((round*group + i) % n), State: rotator.TrackerPropagating,
			Looks: round, Due: o.Due, Since: start(), Seen: now,
		})
	}
	return c
}

// BenchmarkCommit measures durable tracker transitions, a thousand a
// transaction, beside a loop that puts the same bytes into bbolt and does
// nothing else. The two take turns, so that a change of the disk's mood hits
// both.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("trackers=%d", n), func(b *testing.B) { benchmarkCommit(b, n) })
	}
}

func benchmarkCommit(b *testing.B, n int) {
	s := newStore(b)
	o := fill(b, s, n)
	peer := newPeer(b, s)
	before := s.Stats()
	ours, bare := make([]time.Duration, b.N), make([]time.Duration, b.N)
	runtime.GC()
	b.ResetTimer()
	for round := range b.N {
		c := transitions(o, round, n)
		begin := time.Now()
		mustCommit(b, s, c)
		ours[round] = time.Since(begin)
		o.Revision++

		puts := peer.puts(b, s, c)
		begin = time.Now()
		peer.commit(b, puts)
		bare[round] = time.Since(begin)
	}
	after := s.Stats()
	moved := float64(b.N * group)
	b.ReportMetric(moved/sum(ours).Seconds(), "transitions/s")
	b.ReportMetric(sum(bare).Seconds()/sum(ours).Seconds(), "of-bare")
	// The totals are at the mercy of a few slow waits for the disk.
	b.ReportMetric(median(bare).Seconds()/median(ours).Seconds(), "of-bare-median")
	b.ReportMetric(float64(after.Fsyncs-before.Fsyncs)/moved*1000, "fsyncs/1000")
	b.ReportMetric(float64(after.Written-before.Written)/moved, "bytes/transition")
	b.ReportMetric(0, "ns/op")
}

func sum(ds []time.Duration) (total time.Duration) {
	for _, d := range ds {
		total += d
	}
	return total
}

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}

// peer is a bare bbolt file that begins as a copy of the store.
type peer struct{ db *bbolt.DB }

type put struct {
	bucket     string
	key, value []byte
	remove     bool
	// read is set if the record is read before it is written, as a program has to
	// that does not keep the state of its trackers in memory.
	read bool
}

func newPeer(b *testing.B, s *Store) *peer {
	b.Helper()
	path := filepath.Join(b.TempDir(), "peer.db")
	if _, err := s.Backup(b.Context(), path); err != nil {
		b.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapSize,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return &peer{db: db}
}

// puts returns what the store wrote for c, read back from it.
func (p *peer) puts(b *testing.B, s *Store, c *rotator.Change) []put {
	b.Helper()
	prepared, err := prepare(c)
	if err != nil {
		b.Fatal(err)
	}
	var puts []put
	for _, o := range prepared.operations {
		before := bound(b, p.db, o.id)
		puts = append(puts,
			put{bucket: bucketOperations, key: store.OperationKey(o.id), value: o.value},
			put{bucket: bucketDue, key: store.DueOfOperation(before, o.id), remove: true},
			put{bucket: bucketDue, key: store.DueOfOperation(o.head.Due, o.id)})
	}
	for _, e := range prepared.hot {
		puts = append(puts, put{bucket: bucketTrackers, key: e.key, value: e.value})
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		key, value := bucket(tx, bucketEvents).Cursor().Last()
		head := bucket(tx, bucketMeta).Get([]byte(metaHead))
		puts = append(puts,
			put{bucket: bucketEvents, key: append([]byte(nil), key...), value: append([]byte(nil), value...)},
			put{bucket: bucketMeta, key: []byte(metaHead), value: append([]byte(nil), head...)})
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return puts
}

func bound(b *testing.B, db *bbolt.DB, id rotator.OperationID) (due uint64) {
	b.Helper()
	if err := db.View(func(tx *bbolt.Tx) error {
		head, err := store.DecodeOperationHead(bucket(tx, bucketOperations).Get(store.OperationKey(id)))
		due = head.Due
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return due
}

func (p *peer) commit(b *testing.B, puts []put) {
	b.Helper()
	err := p.db.Update(func(tx *bbolt.Tx) error {
		var last *bbolt.Bucket
		var name string
		for _, put := range puts {
			if put.bucket != name {
				name, last = put.bucket, bucket(tx, put.bucket)
				last.FillPercent = 1
			}
			if put.read && len(last.Get(put.key)) > len(put.value)+1000 {
				b.Fatal("a record shrank")
			}
			if put.remove {
				if err := last.Delete(put.key); err != nil {
					return err
				}
				continue
			}
			if err := last.Put(put.key, put.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCommit_Callers measures small changes by many callers, who share
// transactions: a single transition each, as when nothing groups them before.
func BenchmarkCommit_Callers(b *testing.B) {
	for _, callers := range []int{2, 16, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := newStore(b)
			fill(b, s, 100_000)
			before := s.Stats()
			b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
			begin := time.Now()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					c := &rotator.Change{Trackers: []rotator.Tracker{{
						Operation: 1, Number: uint32(i % 100_000), State: rotator.TrackerPropagating, Looks: i, Due: start(),
					}}}
					if err := rotator.Commit(b.Context(), s, c); err != nil {
						b.Error(err)
						return
					}
				}
			})
			after := s.Stats()
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "transitions/s")
			b.ReportMetric(float64(after.Fsyncs-before.Fsyncs)/float64(b.N)*1000, "fsyncs/1000")
		})
	}
}

// BenchmarkOpen measures a cold start with 100,000 trackers: open, then read
// all that is live.
func BenchmarkOpen(b *testing.B) {
	const n = 100_000
	s := newStore(b)
	fill(b, s, n)
	checkAndClose(b, s)
	var opened time.Duration
	b.ResetTimer()
	for range b.N {
		begin := time.Now()
		s := mustOpen(b, s.Path())
		opened += time.Since(begin)
		ops, err := s.Operations(b.Context(), rotator.OperationFilter{Live: true})
		if err != nil || len(ops) != 1 {
			b.Fatalf("%d operations, %v", len(ops), err)
		}
		ts, err := s.Trackers(b.Context(), ops[0].ID, 0, 0)
		if err != nil || len(ts) != n {
			b.Fatalf("%d trackers, %v", len(ts), err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(opened.Milliseconds())/float64(b.N), "open-ms")
}
