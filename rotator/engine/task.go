package engine

import (
	"context"
	"sync/atomic"
	"time"

	"cmkd/rotator"
)

type taskKind string

const (
	taskVersions   taskKind = "list versions"
	taskCreate     taskKind = "create version"
	taskSetEnabled taskKind = "enable or disable version"
	taskObserve    taskKind = "observe"
	taskApply      taskKind = "apply"
	taskFind       taskKind = "find dependents"
	taskWhere      taskKind = "list subscriptions"
	taskPolicy     taskKind = "read rotation policy"
	taskInspect    taskKind = "read version"
	taskRehearse   taskKind = "rehearse rotation"
	taskNotify     taskKind = "notify"
)

// counts reports whether a task counts against the limit on calls. The others may
// take long, and have a goroutine each.
func (k taskKind) counts() bool {
	switch k {
	case taskApply, taskRehearse, taskNotify, taskFind:
		return false
	default:
		return true
	}
}

// holds reports whether the operation waits for a task before it goes on. Looks and
// updates are counted by tracker, and a search keeps nobody waiting but the guard.
func (k taskKind) holds() bool {
	switch k {
	case taskObserve, taskApply, taskFind, taskWhere:
		return false
	default:
		return true
	}
}

// task is a call to the outside world. A task is handed out only after the
// change that intends it was committed.
type task struct {
	kind      taskKind
	operation rotator.OperationID
	// key is the short name; the id is that of the operation or the key.
	key   string
	keyID rotator.KeyID

	// For a dependent.
	tracker   uint32
	dependent *rotator.Dependent
	access    bool
	target    string // version that the dependent is to be on

	// notify is what to tell a receiver.
	notify *notice

	// effect is what the task is to change, or where it is to search; nil for a
	// look. Looks are many, and are kept small.
	*effect
}

// effect is what only few tasks have.
type effect struct {
	// For a dependent.
	action rotator.Action
	// For the vault, and for an update of a dependent.
	version *rotator.Version
	method  rotator.Method
	tag     string
	attempt int // of a search, its number
	enable  bool
	// refused is why the call is not to be made after all.
	refused *rotator.Error

	subscription string
	// inspect are versions to read.
	inspect []string
	// searches is true for a rehearsal that looks for unlisted dependents, too.
	searches bool
}

// result is what came of a task.
type result struct {
	*task
	versions    []rotator.Version
	version     rotator.Version
	observation *rotator.Observation
	found       []rotator.Found
	gaps        []gap    // what was not looked at
	where       []string // the subscriptions to search
	policy      rotator.RotationPolicy
	outlook     outlook
	// applyErr is what came of the update of a taskApply, whose err is that of
	// the look that follows.
	applyErr *rotator.Error
	err      *rotator.Error
}

// world is what tasks act on.
type world struct {
	vault    rotator.Vault
	services map[string]rotator.Service
	finders  []finder
	lister   rotator.Lister // nil if nobody says where to search
	// plan says what a rotation of a key would do, and searches for unlisted dependents
	// if it is to.
	plan func(ctx context.Context, key string, search bool) (rotator.Plan, error)
}

func newWorld(o *Options) *world {
	w := &world{vault: o.Vault, services: map[string]rotator.Service{}, lister: o.Lister}
	for _, s := range o.Services {
		w.services[s.Kind()] = s
		if f, ok := s.(rotator.Finder); ok {
			w.finders = append(w.finders, finder{f, s.Kind()})
		}
	}
	return w
}

// taskTimeout bounds a task by the wall, so that a hung call ends. An update of
// a dependent includes a long-running operation.
func taskTimeout(k taskKind) time.Duration {
	switch k {
	case taskApply, taskRehearse:
		return 30 * time.Minute
	case taskFind:
		return 10 * time.Minute // thousands of resources, at the pace that Azure allows
	case taskNotify:
		return 6 * time.Minute // a hook may take five
	default:
		return time.Minute
	}
}

// deadline is a bound that tasks started together share: one timer serves a
// thousand looks.
type deadline struct {
	ctx    context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func newDeadline(ctx context.Context, k taskKind, tasks int) *deadline {
	d := &deadline{}
	d.ctx, d.cancel = context.WithTimeout(ctx, taskTimeout(k))
	d.left.Store(int64(tasks))
	return d
}

// done takes one task off the bound; the last one releases it.
func (d *deadline) done() {
	if d.left.Add(-1) == 0 {
		d.cancel()
	}
}

// gate looks once more, when a call is about to be made, whether somebody still wants it, and
// no freeze stops it: it was intended before, and may have waited.
func gate(c *state, t *task) {
	if t.kind == taskApply && !(observing{c}).wanted(t) {
		t.refused = &rotator.Error{Code: rotator.CodeConflict, NoEffect: true, Message: "the update is not wanted any more"}
		return
	}
	if f := (freezing{c}).stopping(t); f != nil {
		t.refused = frozen(t.key, f)
	}
}

// do carries out one task.
func (w *world) do(ctx context.Context, t *task) *result {
	r := &result{task: t}
	var err error
	if t.effect != nil && t.refused != nil && t.kind != taskApply {
		r.err = t.refused
		return r
	}
	switch t.kind {
	case taskVersions:
		r.versions, err = w.vault.Versions(ctx, t.keyID)
	case taskCreate:
		r.version, err = w.create(ctx, t)
	case taskSetEnabled:
		r.version, err = w.vault.SetEnabled(ctx, t.keyID, t.version.ID, t.enable)
	case taskFind:
		r.found, r.gaps = w.find(ctx, t.subscription, t.keyID)
	case taskWhere:
		r.where, err = w.where(ctx)
	case taskObserve:
		r.observation, err = w.observe(ctx, t)
	case taskPolicy:
		r.policy, err = w.vault.(rotator.PolicyReader).RotationPolicy(ctx, t.keyID)
	case taskInspect:
		r.versions, err = w.inspect(ctx, t)
	case taskRehearse:
		r.outlook, err = w.rehearse(ctx, t)
	case taskNotify:
		err = t.notify.receiver.Notifier.Notify(ctx, t.notify.Notification)
	case taskApply:
		if t.refused != nil {
			r.applyErr = t.refused
		} else if err := w.services[t.dependent.Kind].Apply(ctx, t.dependent, t.action, t.keyID, *t.version); err != nil {
			r.applyErr = rotator.AsError(err)
		}
		r.observation, err = w.observe(ctx, t)
	}
	if err != nil {
		r.err = rotator.AsError(err)
	}
	return r
}

func (w *world) observe(ctx context.Context, t *task) (*rotator.Observation, error) {
	s, ok := w.services[t.dependent.Kind]
	if !ok {
		return nil, rotator.Errorf(rotator.CodeInvalid, "kind %q of %s is not supported", t.dependent.Kind, t.dependent.ID)
	}
	o, err := s.Observe(ctx, t.dependent, rotator.Ask{Key: t.keyID, Target: t.target, Access: t.access})
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// create makes a version and tags it where making it could not. A version
// without the tag is recognised too, so a failed tag is no failure.
func (w *world) create(ctx context.Context, t *task) (rotator.Version, error) {
	v, err := w.vault.Create(ctx, t.keyID, t.method, t.tag)
	if err != nil {
		return rotator.Version{}, err
	}
	if v.Operation != t.tag && w.vault.Tag(ctx, t.keyID, v, t.tag) == nil {
		v.Operation = t.tag
	}
	return v, nil
}

// inspect reads of versions what a list does not tell.
func (w *world) inspect(ctx context.Context, t *task) (all []rotator.Version, err error) {
	for _, id := range t.inspect {
		v, err := w.vault.(rotator.VersionReader).Version(ctx, t.keyID, id)
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}
