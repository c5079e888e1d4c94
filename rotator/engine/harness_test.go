package engine_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/engine"
	"cmkd/rotator/rotatortest"
)

const (
	keyID        = rotator.KeyID("https://contoso.vault.azure.net/keys/payments")
	subscription = "00000000-0000-0000-0000-000000000000"
	storageID    = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/followers/storage"
	cosmosID     = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Test/silents/cosmos"
)

// estate is an engine with its world, inside a synctest bubble: time passes as
// soon as everybody waits for it.
type estate struct {
	t     *testing.T
	azure *rotatortest.Azure
	store *rotatortest.Store
	// vault is what the engine sees of it, all of azure if nil.
	vault rotator.Vault
	key   rotator.Key
	also  []rotator.Key // configured beside key
	// services are kinds beside those of azure, or in their place; lister says what is to be
	// searched, azure if nil.
	services []rotator.Service
	lister   rotator.Lister
	clock    *skewed
	// alerting has the receiver told, see [estate.listen].
	alerting engine.Alerting
	limits   engine.Limits
	// unlisted has the world keep what the key does not list, see [estate.furnish].
	unlisted bool
	engine   *engine.Engine
	stop     func()
}

// skewed is a clock that can be set, while Azure's goes on rightly.
type skewed struct{ by atomic.Int64 }

func (c *skewed) Now() time.Time {
	return time.Now().Round(0).Add(time.Duration(c.by.Load()))
}
func (c *skewed) After(d time.Duration) <-chan time.Time { return time.After(d) }
func (c *skewed) jump(d time.Duration)                   { c.by.Add(int64(d)) }

// inBubble runs a test on virtual time with a key that has one version, one
// dependent that tells its version and follows within 20 minutes, and one that
// does not tell.
func inBubble(t *testing.T, f func(*estate)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &estate{
			t: t, azure: rotatortest.NewAzure(), store: rotatortest.NewStore(), clock: &skewed{},
			key: rotator.Key{
				Name: "payments", ID: keyID, Retire: rotator.RetireAuto, Soak: time.Hour,
				Dependents: []rotator.Dependent{{ID: storageID, Kind: "follower"}, {ID: cosmosID, Kind: "silent"}},
			},
		}
		s.azure.AddKey(keyID)
		s.azure.AddResource(rotatortest.Resource{ID: storageID, Kind: "follower", Use: rotatortest.Use{Key: keyID, Delay: 20 * time.Minute}})
		s.azure.AddResource(rotatortest.Resource{ID: cosmosID, Kind: "silent", Use: rotatortest.Use{Key: keyID, Hidden: true, Delay: 10 * time.Minute}})
		s.pass(time.Hour)
		f(s)
		if s.stop != nil {
			s.stop()
		}
	})
}

// furnish takes those of the two dependents out of the world that the key does not list
// when the engine first starts: a search would find them.
func (s *estate) furnish() {
	for _, id := range []string{storageID, cosmosID} {
		if s.engine == nil && !s.unlisted && !slices.ContainsFunc(s.key.Dependents, func(d rotator.Dependent) bool { return d.Same(id) }) {
			s.azure.Remove(id)
		}
	}
}

// start starts the engine on the store as it is.
func (s *estate) start() *estate {
	s.t.Helper()
	s.furnish()
	s.engine = engine.New(engine.Options{
		Store: s.store, Vault: cmp.Or[rotator.Vault](s.vault, s.azure), Services: slices.Concat(s.azure.Services(), s.services), Clock: s.clock, Keys: slices.Concat([]rotator.Key{s.key}, s.also),
		Lister:   cmp.Or[rotator.Lister](s.lister, s.azure),
		Alerting: s.alerting, Limits: s.limits,
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.engine.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("engine: %v", err)
		}
		s.stop = nil
	}
	synctest.Wait()
	return s
}

// restart stops the engine, lets time pass, and starts another one.
func (s *estate) restart(pause time.Duration) {
	s.t.Helper()
	s.stop()
	s.pass(pause)
	s.start()
}

// reload has the engine take over other keys.
func (s *estate) reload(keys ...rotator.Key) {
	s.t.Helper()
	if err := s.engine.Reload(s.t.Context(), keys, s.alerting); err != nil {
		s.t.Fatalf("reload: %v", err)
	}
}

// status returns what is known of a key.
func (s *estate) status(name string) rotator.KeyStatus {
	s.t.Helper()
	status, err := s.engine.Key(s.t.Context(), name)
	if err != nil {
		s.t.Fatalf("key %s: %v", name, err)
	}
	return status
}

// listen adds a receiver that wants to hear everything.
func (s *estate) listen() *rotatortest.Receiver {
	r := &rotatortest.Receiver{}
	s.alerting.Receivers = append(s.alerting.Receivers, rotator.Receiver{Name: "ops", Kind: "test", Notifier: r})
	return r
}

// firing returns the ids of the alerts that fire, separated by blanks.
func (s *estate) firing() string {
	s.t.Helper()
	alerts, err := s.engine.Alerts(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, a := range alerts {
		if a.Firing() {
			ids = append(ids, a.ID)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// wantFiring checks which alerts fire.
func (s *estate) wantFiring(want string) {
	s.t.Helper()
	if got := s.firing(); got != want {
		s.t.Fatalf("alerts firing: %q, want %q\n%s", got, want, s.log())
	}
}

// pass lets time pass.
func (s *estate) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *estate) rotate() rotator.OperationID {
	s.t.Helper()
	return s.rotateKey("payments")
}

// rotateKey begins a rotation of a key by its name.
func (s *estate) rotateKey(name string) rotator.OperationID {
	s.t.Helper()
	op, err := s.engine.Rotate(s.t.Context(), rotator.Request{Key: name, Actor: "alice", Reason: "test"})
	if err != nil {
		s.t.Fatalf("rotate: %v", err)
	}
	return op.ID
}

// cancel has a person cancel an operation.
func (s *estate) cancel(op rotator.OperationID) {
	s.t.Helper()
	if _, err := s.engine.Cancel(s.t.Context(), rotator.OperationRequest{Operation: op, Actor: "alice"}); err != nil {
		s.t.Fatal(err)
	}
}

// retire has a person say that the previous version of payments may go.
func (s *estate) retire() {
	s.t.Helper()
	if _, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: "carol", Reason: "looked"}); err != nil {
		s.t.Fatalf("retire: %v\n%s", err, s.log())
	}
}

// completes checks that a rotation is over; one that waits for a person because of what is
// only inferred is given its person.
func (s *estate) completes(id rotator.OperationID) rotator.OperationStatus {
	s.t.Helper()
	if op := s.operation(id); op.State == rotator.StateRetiring && op.Doubt != nil {
		s.retire()
	}
	return s.ends(id)
}

// ends checks that an operation is over, after its probation if it is in one.
func (s *estate) ends(id rotator.OperationID) rotator.OperationStatus {
	s.t.Helper()
	if op := s.operation(id); op.State == rotator.StateProbation {
		s.pass(op.Probation.Sub(s.clock.Now()) + time.Minute)
	}
	return s.want(id, rotator.StateCompleted)
}

func (s *estate) operation(id rotator.OperationID) rotator.OperationStatus {
	s.t.Helper()
	op, err := s.engine.Operation(s.t.Context(), id, 0)
	if err != nil {
		s.t.Fatalf("operation %s: %v", id, err)
	}
	return op
}

// last returns the newest operation: the ids of those that a crash cut off are not used.
func (s *estate) last() rotator.OperationID {
	s.t.Helper()
	ops, err := s.engine.Operations(s.t.Context(), rotator.OperationQuery{Limit: 1})
	if err != nil || len(ops) == 0 {
		s.t.Fatalf("no operation: %v\n%s", err, s.log())
	}
	return ops[0].ID
}

// want checks the state of an operation.
func (s *estate) want(id rotator.OperationID, state rotator.OperationState) rotator.OperationStatus {
	s.t.Helper()
	op := s.operation(id)
	if op.State != state {
		s.t.Fatalf("%s is %s, want %s (waiting: %s; problem: %v)\n%s", id, op.State, state, op.WaitingText(), op.Problem, s.log())
	}
	return op
}

// tracker returns a dependent's tracker.
func (s *estate) tracker(id rotator.OperationID, dependent string) rotator.TrackerStatus {
	s.t.Helper()
	for _, t := range s.operation(id).Trackers {
		if t.Detail.Dependent.Same(dependent) {
			return t
		}
	}
	s.t.Fatalf("%s has no tracker for %s", id, dependent)
	return rotator.TrackerStatus{}
}

func (s *estate) wantTracker(id rotator.OperationID, dependent string, state rotator.TrackerState, e rotator.Evidence) {
	s.t.Helper()
	if t := s.tracker(id, dependent); t.State != state || t.Evidence != e {
		s.t.Fatalf("tracker of %s is %s (%s), want %s (%s); problem: %v\n%s", dependent, t.State, t.Evidence, state, e, t.Detail.Problem, s.log())
	}
}

// enabled returns which of the versions, in the order they were made, are
// enabled, like "-+".
func (s *estate) enabled() string {
	var b strings.Builder
	for _, v := range s.azure.List(keyID) {
		if v.Enabled {
			b.WriteByte('+')
		} else {
			b.WriteByte('-')
		}
	}
	return b.String()
}

func (s *estate) wantVersions(want string) {
	s.t.Helper()
	if got := s.enabled(); got != want {
		s.t.Fatalf("versions are %s, want %s\n%s", got, want, s.log())
	}
}

func (s *estate) events(t rotator.EventType) (found []rotator.Event) {
	s.t.Helper()
	all, err := s.store.Events(s.t.Context(), rotator.EventFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range all {
		if e.Type == t {
			found = append(found, e)
		}
	}
	return found
}

func (s *estate) log() string {
	all, _ := s.store.Events(context.Background(), rotator.EventFilter{})
	var b strings.Builder
	for _, e := range all {
		b.WriteString(e.At.Format("15:04:05 ") + string(e.Type) + " " + e.Message + "\n")
	}
	return b.String()
}

// wantError checks an error's class and that its text or hint names something.
func wantError(t *testing.T, err error, code rotator.Code, mentions string) {
	t.Helper()
	var e *rotator.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want one of code %s", err, code)
	}
	if e.Code != code || !strings.Contains(e.Error()+" "+e.Hint, mentions) {
		t.Fatalf("error is %s: %v (hint %q), want %s mentioning %q", e.Code, e, e.Hint, code, mentions)
	}
}

func refused(code rotator.Code, noEffect bool) *rotator.Error {
	return &rotator.Error{Code: code, Message: "the call went wrong", NoEffect: noEffect}
}

func contains(s, part string) bool { return strings.Contains(s, part) }

// told is a clock that shows what it is told.
type told struct{ now *time.Time }

func (c told) Now() time.Time                         { return *c.now }
func (c told) After(d time.Duration) <-chan time.Time { return time.After(d) }

// drive makes a reactor of a key. step lets time pass, by Azure's clock too, and somebody
// set the daemon's clock by jump meanwhile, which an engine cannot be shown on virtual
// time.
func drive(t *testing.T, azure *rotatortest.Azure, store *rotatortest.Store, key rotator.Key) (r *engine.Reactor, step func(passed, jump time.Duration)) {
	t.Helper()
	now := time.Now().Round(0)
	truth := now
	azure.Clock = told{&truth}
	r, err := engine.NewReactor(engine.Options{
		Store: store, Vault: azure, Services: azure.Services(), Lister: azure, Keys: []rotator.Key{key},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	return r, func(passed, jump time.Duration) {
		t.Helper()
		now, truth = now.Add(passed+jump), truth.Add(passed)
		err := r.Pass(now, jump)
		for busy := true; busy && err == nil; {
			busy = false
			if c := r.Take(); c != nil {
				busy, err = true, rotator.Commit(t.Context(), store, c)
				err = errors.Join(err, r.Committed(nil))
			}
			for r.Waiting() > 0 {
				busy, err = true, errors.Join(err, r.Answered(r.Do(t.Context(), r.Begin(0))))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// attests has somebody attest for a dependent of payments.
func (s *estate) attests(dependent, actor string) {
	s.t.Helper()
	if _, err := s.attest(dependent, actor); err != nil {
		s.t.Fatal(err)
	}
}

// retiresAs has somebody say that the previous version may go, and returns what is answered.
func (s *estate) retiresAs(actor string) error {
	_, err := s.engine.Retire(s.t.Context(), rotator.Request{Key: "payments", Actor: actor, Reason: "looked"})
	return err
}

// blind has the storage account use the key in backups that nobody sees.
func (s *estate) blind() {
	s.azure.Change(storageID, func(r *rotatortest.Resource) { r.Blind = []string{"backups"} })
}

// hangs has the first call of a kind last so long, and then come to a fault, if one is given. What
// it returns waits until the call is out.
func (s *estate) hangs(call string, lasts time.Duration, then *rotatortest.Fault) (untilOut func()) {
	var out atomic.Bool
	s.azure.FailWith(func(c, _ string) *rotatortest.Fault {
		if c != call || out.Swap(true) {
			return nil
		}
		<-time.After(lasts)
		return then
	})
	return func() {
		s.t.Helper()
		for n := 0; !out.Load(); n++ {
			if n > 20000 {
				s.t.Fatalf("no call %q\n%s", call, s.log())
			}
			s.pass(100 * time.Millisecond)
		}
	}
}
