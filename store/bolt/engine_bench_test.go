package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/store"
)

// BenchmarkEngine measures whole rotations under load: two keys are rotated again
// and again at once. The engine looks at every dependent through a service that
// answers at once, decides, and commits into bbolt. Each rotation moves every
// tracker three times (seen by the preflight, propagating, done) and writes the
// evidence and a line of the audit trail for each. A transition is a tracker's
// state committed. The bytes of each commit are then put into a bare bbolt file,
// grouped the same.
func BenchmarkEngine(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("trackers=%d", n), func(b *testing.B) { benchmarkEngine(b, n) })
	}
}

func benchmarkEngine(b *testing.B, n int) {
	const keys = 2
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as the daemon does
	rounds := max(1, 100_000/n)                       // so that the small one runs for a while, too
	s := newStore(b)
	recorder := &recorder{Store: s}
	world := newInstant(n, keys)
	engine := startEngine(b, recorder, world)
	world.rotateAll(b, engine, 1) // the first one makes room in memory and file
	var ours, bare time.Duration
	moved := 0
	before := s.Stats()
	b.ResetTimer()
	for b.Loop() {
		peer := newPeer(b, s) // as the store is before the rotations
		recorder.commits = nil
		runtime.GC()
		begin := time.Now()
		world.rotateAll(b, engine, rounds)
		ours += time.Since(begin)
		for i := range recorder.commits {
			moved += len(recorder.commits[i].trackers)
			puts := recorder.commits[i].puts(b, s)
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

// rotateAll rotates every key so many times, all keys at once.
func (w *instant) rotateAll(b *testing.B, e *engine.Engine, rounds int) {
	b.Helper()
	var g errgroup.Group
	for i := range w.keys {
		g.Go(func() error {
			for range rounds {
				if _, err := e.Rotate(b.Context(), rotator.Request{Key: w.keys[i].Name, Actor: "bench"}); err != nil {
					return err
				}
				<-w.ended[w.keys[i].Name]
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkEngine_Live measures what 100,000 dependents under way cost in
// memory, configuration included, and how long a daemon takes that finds them at
// its start.
func BenchmarkEngine_Live(b *testing.B) {
	const n = 100_000
	path := filepath.Join(b.TempDir(), "live.db")
	var perTracker float64
	world := newInstant(n, 1)
	world.stuck = true
	for i := range world.keys[0].Dependents {
		world.keys[0].Dependents[i].Poll = 0
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
		perTracker = float64(with-heapInUse())/n + float64(world.configured)/n
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

func startEngine(b *testing.B, s rotator.Store, w *instant) *engine.Engine {
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

func runEngine(ctx context.Context, s rotator.Store, w *instant) (*engine.Engine, chan error) {
	engine := engine.New(engine.Options{
		Store: s, Vault: w, Services: []rotator.Service{w}, Clock: realClock{}, Keys: w.keys,
		Limits: engine.Limits{Calls: 512, RotationsPerVault: 100, Making: 1 << 20}, Observe: w.heard,
	})
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx) }()
	return engine, done
}

func rotate(b *testing.B, e *engine.Engine) rotator.OperationID {
	b.Helper()
	op, err := e.Rotate(b.Context(), rotator.Request{Key: "bench0", Actor: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	return op.ID
}

func until(b *testing.B, e *engine.Engine, id rotator.OperationID, reached func(*rotator.Operation) bool) {
	b.Helper()
	for {
		ops, err := e.Operations(b.Context(), rotator.OperationQuery{Before: id + 1, Limit: 1})
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

// recorder keeps which records each commit wrote, but not the records: they would
// be a burden on the garbage collector that no daemon has.
type recorder struct {
	*Store
	commits []commitShape
}

type commitShape struct {
	keys       []string
	operations []rotator.OperationID
	trackers   []trackerShape
	firstEvent uint64
	events     int
}

type trackerShape struct {
	operation rotator.OperationID
	number    uint32
	detail    bool
}

func (r *recorder) Stage(c *rotator.Change) (func(context.Context) error, error) {
	commit, err := r.Store.Stage(c)
	if err != nil {
		return nil, err
	}
	shape := shapeOf(c)
	return func(ctx context.Context) error {
		if err := commit(ctx); err != nil {
			return err
		}
		if len(c.Events) > 0 {
			shape.firstEvent = c.Events[0].Seq
		}
		r.commits = append(r.commits, shape)
		return nil
	}, nil
}

func shapeOf(c *rotator.Change) commitShape {
	shape := commitShape{events: len(c.Events), trackers: make([]trackerShape, len(c.Trackers))}
	for i := range c.Keys {
		shape.keys = append(shape.keys, c.Keys[i].Name)
	}
	for i := range c.Operations {
		shape.operations = append(shape.operations, c.Operations[i].ID)
	}
	for i := range c.Trackers {
		t := &c.Trackers[i]
		shape.trackers[i] = trackerShape{t.Operation, t.Number, t.Detail != nil}
	}
	return shape
}

// puts returns the records of a commit as they stand in the store: under the same
// keys and of the same size as they were written, if not always the same bytes.
func (c *commitShape) puts(b *testing.B, s *Store) (puts []put) {
	b.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		add := func(name string, key []byte) {
			value := bucket(tx, name).Get(key)
			puts = append(puts, put{bucket: name, key: key, value: append([]byte(nil), value...), read: name == bucketTrackers})
		}
		for _, name := range c.keys {
			add(bucketKeys, []byte(name))
		}
		for _, id := range c.operations {
			add(bucketOperations, store.OperationKey(id))
			puts = append(puts, put{bucket: bucketDue, key: store.DueOfOperation(1, id)})
		}
		for _, t := range c.trackers {
			add(bucketTrackers, store.AppendTrackerKey(nil, t.operation, t.number))
		}
		for _, t := range c.trackers {
			if t.detail {
				add(bucketDetails, store.AppendTrackerKey(nil, t.operation, t.number))
			}
		}
		for i := range c.events {
			add(bucketEvents, store.EventKey(c.firstEvent+uint64(i)))
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return puts
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// instant is a vault with some keys and a service with n dependents, each of
// which has switched when it is looked at for the first time.
type instant struct {
	keys       []rotator.Key
	ended      map[string]chan struct{} // by key
	configured uint64                   // bytes that the configuration takes
	stuck      bool
	versions   map[rotator.KeyID]*keyVersions
}

type keyVersions struct {
	newest, old atomic.Pointer[made]
}

// made is a version with what a look at a dependent on it shows, made once so
// that the benchmark does not measure its own simulation.
type made struct {
	rotator.Version
	seen rotator.Observation
}

func newInstant(n, keys int) *instant {
	before := heapInUse()
	w := &instant{
		ended: map[string]chan struct{}{}, versions: map[rotator.KeyID]*keyVersions{},
	}
	for k := range keys {
		name := fmt.Sprintf("bench%d", k)
		key := rotator.Key{Name: name, ID: rotator.KeyID("https://bench.vault.azure.net/keys/" + name), Retire: rotator.RetireOff}
		first, last := k*n/keys, (k+1)*n/keys
		for i := first; i < last; i++ {
			key.Dependents = append(key.Dependents, rotator.Dependent{
				ID: fmt.Sprintf("/subscriptions/00000000-0000-0000-0000-%012d/resourceGroups/production-westeurope/providers/"+
					"Microsoft.Storage/storageAccounts/contoso%08d", i/1000, i), Kind: "instant", Poll: time.Millisecond,
			})
		}
		w.keys = append(w.keys, key)
		w.ended[name] = make(chan struct{}, 1)
		w.versions[key.ID] = &keyVersions{}
		w.add(key.ID)
	}
	w.configured = heapInUse() - before
	return w
}

// heard tells whoever waits that a rotation is over.
func (w *instant) heard(e rotator.Event) {
	if e.Type == rotator.EventStateChanged && e.Data["to"] == string(rotator.StateCompleted) {
		w.ended[e.Key] <- struct{}{}
	}
}

func (w *instant) add(key rotator.KeyID) rotator.Version {
	k := w.versions[key]
	n := int64(1)
	if v := k.newest.Load(); v != nil {
		n = v.Created.Unix() + 1
	}
	v := &made{Version: rotator.Version{ID: fmt.Sprintf("%032x", n), Enabled: true, PurgeProtected: true, Created: time.Unix(n, 0)}}
	v.seen = rotator.Observation{
		At: time.Now(), Uses: []rotator.Use{{Path: "properties.encryption", Key: key, Binding: rotator.BindingFollows, Version: v.ID}},
		Facts: map[string]string{
			"currentVersionedKeyIdentifier": key.WithVersion(v.ID), "lastKeyRotationTimestamp": "2026-06-20T04:47:52.9788262Z",
		},
	}
	k.old.Store(k.newest.Swap(v))
	return v.Version
}

func (w *instant) Kind() string           { return "instant" }
func (w *instant) Traits() rotator.Traits { return rotator.Traits{Window: 100 * 365 * 24 * time.Hour} }

func (w *instant) Observe(_ context.Context, _ *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	k := w.versions[ask.Key]
	if w.stuck && k.old.Load() != nil {
		return k.old.Load().seen, nil
	}
	return k.newest.Load().seen, nil
}

func (w *instant) Apply(context.Context, *rotator.Dependent, rotator.Action, rotator.KeyID, rotator.Version) error {
	return nil
}

func (w *instant) Versions(_ context.Context, key rotator.KeyID) ([]rotator.Version, error) {
	return []rotator.Version{w.versions[key].newest.Load().Version}, nil
}

func (w *instant) Create(_ context.Context, key rotator.KeyID, _ rotator.Method, _ string) (rotator.Version, error) {
	return w.add(key), nil
}

func (w *instant) Tag(context.Context, rotator.KeyID, rotator.Version, string) error { return nil }

func (w *instant) SetEnabled(context.Context, rotator.KeyID, string, bool) (rotator.Version, error) {
	return rotator.Version{}, nil
}
