package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cmkd/rotator"
	"cmkd/store"
)

// BenchmarkEngine measures whole rotations: the engine looks at every dependent
// through a service that answers at once, decides, and commits into bbolt. Each
// rotation moves every tracker three times (seen by the preflight, propagating,
// done) and writes the evidence and a line of the audit trail for each. A
// transition is a tracker's state committed. The bytes of each commit are then
// put into a bare bbolt file, grouped the same.
func BenchmarkEngine(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("trackers=%d", n), func(b *testing.B) { benchmarkEngine(b, n) })
	}
}

func benchmarkEngine(b *testing.B, n int) {
	s := newStore(b)
	recorder := &recorder{Store: s}
	world := newInstant(n)
	engine := startEngine(b, recorder, world)
	var ours, bare time.Duration
	moved := 0
	before := s.Stats()
	b.ResetTimer()
	for b.Loop() {
		peer := newPeer(b, s) // as the store is before the rotation
		recorder.changes = nil
		runtime.GC()
		begin := time.Now()
		until(b, engine, rotate(b, engine), func(op *rotator.Operation) bool { return op.State == rotator.StateCompleted })
		ours += time.Since(begin)
		for i := range recorder.changes {
			moved += len(recorder.changes[i].Trackers)
			puts := peer.allPuts(b, &recorder.changes[i])
			begin := time.Now()
			peer.commit(b, puts)
			bare += time.Since(begin)
		}
	}
	after := s.Stats()
	b.ReportMetric(float64(moved)/ours.Seconds(), "transitions/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
	b.ReportMetric(float64(after.Fsyncs-before.Fsyncs)/float64(moved)*1000, "fsyncs/1000")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkEngine_Live measures what 100,000 dependents under way cost in
// memory, configuration included, and how long a daemon takes that finds them at
// its start.
func BenchmarkEngine_Live(b *testing.B) {
	const n = 100_000
	path := filepath.Join(b.TempDir(), "live.db")
	var perTracker float64
	world := newInstant(n)
	world.stuck = true
	for i := range world.key.Dependents {
		world.key.Dependents[i].Poll = 0
	}
	func() {
		s := openAt(b, path)
		ctx, stop := context.WithCancel(b.Context())
		engine, done := runEngine(ctx, s, world)
		until(b, engine, rotate(b, engine), func(op *rotator.Operation) bool { return op.Trackers[rotator.TrackerPropagating] == n })
		with := heapInUse()
		stop()
		<-done
		runtime.KeepAlive(engine)
		keys := len(world.key.Dependents)
		perTracker = float64(with-heapInUse())/n + float64(world.configured)/float64(keys)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}()
	b.ResetTimer()
	for b.Loop() {
		s := openAt(b, path)
		ctx, stop := context.WithCancel(b.Context())
		engine, done := runEngine(ctx, s, world)
		for engine.Summary().Trackers[rotator.TrackerPropagating] != n {
			<-time.After(time.Millisecond)
		}
		b.StopTimer()
		stop()
		<-done
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(perTracker, "B/tracker")
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/start")
}

func openAt(b *testing.B, path string) *Store {
	b.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func startEngine(b *testing.B, s rotator.Store, w *instant) *rotator.Engine {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	engine, done := runEngine(ctx, s, w)
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return engine
}

func runEngine(ctx context.Context, s rotator.Store, w *instant) (*rotator.Engine, chan error) {
	engine := rotator.NewEngine(rotator.Options{
		Store: s, Vault: w, Services: []rotator.Service{w}, Clock: realClock{}, Keys: []rotator.Key{w.key},
		Limits: rotator.Limits{Calls: 4096},
	})
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	return engine, done
}

func rotate(b *testing.B, e *rotator.Engine) rotator.OperationID {
	b.Helper()
	op, err := e.Rotate(b.Context(), rotator.Request{Key: "bench", Actor: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	return op.ID
}

func until(b *testing.B, e *rotator.Engine, id rotator.OperationID, reached func(*rotator.Operation) bool) {
	b.Helper()
	for {
		ops, err := e.Operations(b.Context(), rotator.OperationFilter{ID: id})
		if err != nil {
			b.Fatal(err)
		}
		if reached(&ops[0]) {
			return
		}
		if ops[0].State.Final() {
			b.Fatalf("rotation is %s: %v", ops[0].State, ops[0].Problem)
		}
		<-time.After(time.Millisecond)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// recorder keeps what was committed.
type recorder struct {
	*Store
	changes []rotator.Change
}

func (r *recorder) Commit(ctx context.Context, c *rotator.Change) error {
	err := r.Store.Commit(ctx, c)
	r.changes = append(r.changes, *c)
	return err
}

// allPuts returns what the store writes for c, whose events have their place in
// the chain already.
func (p *peer) allPuts(b *testing.B, c *rotator.Change) []put {
	b.Helper()
	prepared, err := prepare(c)
	if err != nil {
		b.Fatal(err)
	}
	var puts []put
	for _, k := range prepared.keys {
		puts = append(puts, put{bucket: bucketKeys, key: store.KeyPrefix([]byte(k.name)), value: k.value})
	}
	for _, o := range prepared.operations {
		puts = append(puts,
			put{bucket: bucketOperations, key: store.OperationKey(o.id), value: o.value},
			put{bucket: bucketDue, key: store.DueOfOperation(o.head.Due, o.id)})
	}
	for _, e := range prepared.hot {
		puts = append(puts, put{bucket: bucketTrackers, key: e.key, value: e.value})
	}
	for _, e := range prepared.cold {
		puts = append(puts, put{bucket: bucketDetails, key: e.key, value: e.value})
	}
	for i := range c.Events {
		value, err := store.EncodeEvent(&c.Events[i])
		if err != nil {
			b.Fatal(err)
		}
		puts = append(puts, put{bucket: bucketEvents, key: store.EventKey(c.Events[i].Seq), value: value})
	}
	return puts
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// instant is a vault with one key and a service with n dependents, each of which
// switches at the second look after a new version was made.
type instant struct {
	key        rotator.Key
	configured uint64 // bytes that the configuration takes
	stuck      bool
	newest     atomic.Pointer[made]
	old        atomic.Pointer[made]
	looks      []atomic.Int32 // since the newest version was made
}

func newInstant(n int) *instant {
	before := heapInUse()
	w := &instant{looks: make([]atomic.Int32, n)}
	w.key = rotator.Key{Name: "bench", ID: "https://bench.vault.azure.net/keys/bench", Retire: rotator.RetireOff}
	for i := range n {
		w.key.Dependents = append(w.key.Dependents, rotator.Dependent{
			ID: fmt.Sprintf("/subscriptions/00000000-0000-0000-0000-%012d/resourceGroups/production-westeurope/providers/"+
				"Microsoft.Storage/storageAccounts/contoso%08d", i/1000, i), Kind: "instant", Poll: time.Millisecond,
		})
	}
	w.configured = heapInUse() - before
	w.add()
	return w
}

// made is a version with what a look at a dependent on it shows, made once so
// that the benchmark does not measure its own simulation.
type made struct {
	rotator.Version
	seen rotator.Observation
}

func (w *instant) add() rotator.Version {
	n := int64(1)
	if v := w.newest.Load(); v != nil {
		n = v.Created.Unix() + 1
	}
	v := &made{Version: rotator.Version{ID: fmt.Sprintf("%032x", n), Enabled: true, PurgeProtected: true, Created: time.Unix(n, 0)}}
	v.seen = rotator.Observation{
		At: time.Now(), Key: w.key.ID, Binding: rotator.BindingFollows, Version: v.ID,
		Facts: map[string]string{
			"currentVersionedKeyIdentifier": w.key.ID.WithVersion(v.ID), "lastKeyRotationTimestamp": "2026-06-20T04:47:52.9788262Z",
		},
	}
	for i := range w.looks {
		w.looks[i].Store(0)
	}
	w.old.Store(w.newest.Swap(v))
	return v.Version
}

func (w *instant) Kind() string           { return "instant" }
func (w *instant) Traits() rotator.Traits { return rotator.Traits{Window: 100 * 365 * 24 * time.Hour} }

func (w *instant) Observe(_ context.Context, d *rotator.Dependent, _ rotator.Ask) (rotator.Observation, error) {
	i, err := strconv.Atoi(d.ID[len(d.ID)-8:])
	if err != nil {
		return rotator.Observation{}, err
	}
	version := w.newest.Load()
	if looks := w.looks[i].Add(1); w.old.Load() != nil && (looks == 1 || w.stuck) {
		version = w.old.Load()
	}
	return version.seen, nil
}

func (w *instant) Apply(context.Context, *rotator.Dependent, rotator.Action, rotator.KeyID, rotator.Version) error {
	return nil
}

func (w *instant) Versions(context.Context, rotator.KeyID) ([]rotator.Version, error) {
	return []rotator.Version{w.newest.Load().Version}, nil
}

func (w *instant) Create(context.Context, rotator.KeyID, rotator.Method, string) (rotator.Version, error) {
	return w.add(), nil
}

func (w *instant) Tag(context.Context, rotator.KeyID, rotator.Version, string) error { return nil }

func (w *instant) SetEnabled(context.Context, rotator.KeyID, string, bool) (rotator.Version, error) {
	return rotator.Version{}, nil
}
