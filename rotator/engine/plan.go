package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cmkd/rotator"
)

// planner looks at everything afresh for a plan.
type planner struct{ e *Engine }

// PlanRotation says what Rotate would do, from fresh reads, and changes nothing. It also
// searches for dependents that nobody listed, which do not stop a rotation.
func (e *Engine) PlanRotation(ctx context.Context, name string) (rotator.Plan, error) {
	look := planner{e}
	p, err := look.ahead(ctx, name, true)
	if err != nil {
		return p, err
	}
	if err := look.underWay(ctx, &p); err != nil {
		return p, err
	}
	return planFreeze(p, e.book.Load().freezes), nil
}

// ahead is the plan of a rotation, whatever is frozen or under way: both may be over when
// it begins.
func (p planner) ahead(ctx context.Context, name string, search bool) (rotator.Plan, error) {
	plan, err := p.rotation(ctx, name)
	if err == nil && search {
		p.search(ctx, &plan)
	}
	return plan, err
}

// rotation is the plan of a rotation, whatever is frozen or under way.
func (p planner) rotation(ctx context.Context, name string) (rotator.Plan, error) {
	key, plan, err := p.begin(name, rotator.KindRotation)
	if err != nil {
		return rotator.Plan{}, err
	}
	r := &rehearsal{
		key: key.Name, id: key.ID, traits: p.e.traits, now: p.e.o.Clock.Now(),
		seen: func(t *rotator.Tracker) *rotator.Observation { return t.Detail.Last },
	}
	r.versions, r.listErr = p.listVersions(ctx, &key)
	r.material = p.material(ctx, &key, r.versions)
	state := p.e.stateOf(key.ID)
	r.current = state.Known(state.Current)
	if err := p.makeWay(ctx, &state); err != nil {
		return rotator.Plan{}, err
	}
	newest := r.material.ID
	plan.Steps = append(plan.Steps,
		fmt.Sprintf("make a new version of %s after %s (%s)", key.ID, newest, methodText(key.Method)),
		fmt.Sprintf("follow %d dependents until each is known to use it", len(key.Dependents)),
		retireText(&key, strings.Join(previousTo(newest, r.versions, &state), ", ")))
	op := rotator.Operation{Kind: rotator.KindRotation, State: rotator.StatePending, Key: key.Name, KeyID: key.ID}
	plan.Dependents, r.trackers = p.planDependents(ctx, &key, &op, p.rotationEffect)
	plan.Problems, plan.Warnings, plan.NotChecked = r.objections(), r.warnings(), r.unchecked()
	return plan, nil
}

// makeWay adds what a rotation under way leaves enabled that only waits for somebody to
// retire: it ends when another one begins.
func (p planner) makeWay(ctx context.Context, state *rotator.KeyState) error {
	ops, err := p.e.o.Store.Operations(ctx, rotator.OperationFilter{KeyID: state.ID, Live: true})
	for i := range ops {
		if op := &ops[i]; op.Kind == rotator.KindRotation && op.AwaitsRetirement() {
			state.Unretired = unretired(state.Unretired, op)
		}
	}
	return err
}

// material is the newest version, with what a list does not tell of it, as far as the
// vault lets it be read.
func (p planner) material(ctx context.Context, key *rotator.Key, versions []rotator.Version) rotator.Version {
	newest, ok := rotator.Newest(versions, nil)
	if _, reads := p.e.o.Vault.(rotator.VersionReader); !ok || !reads {
		return newest
	}
	r := p.plainly(ctx, &task{kind: taskInspect, keyID: key.ID, effect: &effect{inspect: []string{newest.ID}}})
	for _, v := range r.versions {
		newest = newest.With(v)
	}
	return newest
}

// underWay adds to the plan of a rotation the operation that does not make way for it.
func (p planner) underWay(ctx context.Context, plan *rotator.Plan) error {
	live, err := p.e.o.Store.Operations(ctx, rotator.OperationFilter{KeyID: plan.KeyID, Live: true})
	if err != nil {
		return err
	}
	for i := range live {
		if op := &live[i]; !op.AwaitsRetirement() && op.State != rotator.StateAwaitingApproval {
			plan.Problems = append([]rotator.Problem{*rotator.ProblemOf(underWay(plan.Key, op))}, plan.Problems...)
		}
	}
	return nil
}

// PlanRevocation says what Revoke would do and break, from fresh reads.
func (e *Engine) PlanRevocation(ctx context.Context, name string) (rotator.Plan, error) {
	look := planner{e}
	key, p, err := look.begin(name, rotator.KindRevocation)
	if err != nil {
		return rotator.Plan{}, err
	}
	versions, listErr := look.listVersions(ctx, &key)
	if listErr != nil {
		p.Problems = append(p.Problems, *rotator.ProblemOf(listErr))
	}
	if key.TwoPerson {
		p.Steps = append(p.Steps, "wait for the approval of a second person")
	}
	for _, v := range enabledNewestFirst(versions) {
		p.Steps = append(p.Steps, "disable version "+v.ID)
	}
	p.Steps = append(p.Steps, fmt.Sprintf("watch %d dependents until none has access, and the key from then on", len(key.Dependents)))
	op := rotator.Operation{Kind: rotator.KindRevocation, State: rotator.StateDisabling, Key: key.Name, KeyID: key.ID}
	var trackers []rotator.Tracker
	p.Dependents, trackers = look.planDependents(ctx, &key, &op, look.revocationEffect)
	p.Problems = append(p.Problems, dependentsReady(&rehearsal{trackers: trackers})...) // they stop nothing, but what becomes of them is not seen
	look.search(ctx, &p)
	return p, nil
}

func (p planner) begin(name string, kind rotator.OperationKind) (rotator.Key, rotator.Plan, error) {
	key, ok := (*p.e.keys.Load())[name]
	if !ok {
		return rotator.Key{}, rotator.Plan{}, rotator.Errorf(rotator.CodeNotFound, "no key %q is configured", name).WithHint("cmkd status lists the keys")
	}
	return key, rotator.Plan{Kind: kind, Key: key.Name, KeyID: key.ID}, nil
}

// plainly carries out a task by itself.
func (p planner) plainly(ctx context.Context, t *task) *result {
	bound := newDeadline(ctx, t.kind, 1)
	defer bound.done()
	return p.e.world.do(bound.ctx, t)
}

func (p planner) listVersions(ctx context.Context, key *rotator.Key) ([]rotator.Version, *rotator.Error) {
	r := p.plainly(ctx, &task{kind: taskVersions, keyID: key.ID})
	return r.versions, r.err
}

// planDependents looks at every dependent and says what would happen to it.
func (p planner) planDependents(
	ctx context.Context, key *rotator.Key, op *rotator.Operation, effect func(*rotator.Tracker) string,
) ([]rotator.PlannedDependent, []rotator.Tracker) {
	planned, trackers := make([]rotator.PlannedDependent, len(key.Dependents)), make([]rotator.Tracker, len(key.Dependents))
	var g errgroup.Group
	g.SetLimit(p.e.o.Limits.Calls)
	for i := range key.Dependents {
		g.Go(func() error {
			planned[i], trackers[i] = p.planDependent(ctx, key, op, &key.Dependents[i], effect)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each problem is in its place
	return planned, trackers
}

func (p planner) planDependent(
	ctx context.Context, key *rotator.Key, op *rotator.Operation, d *rotator.Dependent, effect func(*rotator.Tracker) string,
) (rotator.PlannedDependent, rotator.Tracker) {
	planned := rotator.PlannedDependent{Dependent: *d}
	t := rotator.Tracker{Detail: &rotator.TrackerDetail{Dependent: *d}}
	if d.Excluded != "" {
		planned.Effect = "is left out: " + d.Excluded
		t.State = rotator.TrackerExcluded
		return planned, t
	}
	r := p.plainly(ctx, &task{kind: taskObserve, keyID: key.ID, dependent: d, access: true})
	preflight := *op
	preflight.Kind, preflight.State = rotator.KindRotation, rotator.StatePending
	t, _ = decide(t, look{op: &preflight, traits: p.e.traits[d.Kind], seen: r.observation, err: r.err, now: p.e.o.Clock.Now()})
	planned.Binding, planned.Version, planned.Problem, planned.Via = t.Detail.Binding, t.Detail.Version, t.Detail.Problem, t.Detail.Via
	planned.Effect = effect(&t)
	return planned, t
}

func methodText(m rotator.Method) string {
	if m == rotator.MethodCreate {
		return "create with the current version's parameters"
	}
	return "rotate, by the vault's own policy"
}

func retireText(key *rotator.Key, old string) string {
	switch key.Retire {
	case rotator.RetireAuto:
		return fmt.Sprintf("disable version %s once all have been on the new one for %s and the guard agrees", old, key.Soak)
	case rotator.RetireOff:
		return "leave version " + old + " enabled"
	default:
		return fmt.Sprintf("after %s wait for: cmkd retire %s, which disables version %s if the guard agrees", key.Soak, key.Name, old)
	}
}

// rotationEffect says what a rotation does to a dependent.
func (p planner) rotationEffect(t *rotator.Tracker) string {
	d := &t.Detail.Dependent
	traits := p.e.traits[d.Kind]
	how := string(traits.Best)
	switch {
	case t.Detail.Problem != nil:
		return "stops the rotation before it begins"
	case t.Detail.Binding == rotator.BindingPinned:
		return "is told the new version; " + how
	case t.Detail.Binding == rotator.BindingFixed && d.Recreate:
		return "is re-created with the new version; " + how
	case t.Detail.Binding == rotator.BindingFixed:
		return "needs somebody to deploy it anew"
	case d.Nudge == rotator.NudgeAlways && traits.CanNudge:
		return "is made to re-read its key at once; " + how
	default:
		return fmt.Sprintf("follows by itself within %s; %s", windowOf(t.Detail, traits).Round(time.Second), how)
	}
}

// revocationEffect says what a revocation breaks.
func (p planner) revocationEffect(t *rotator.Tracker) string {
	traits := p.e.traits[t.Detail.Dependent.Kind]
	breaks := traits.Revoked
	if breaks == "" {
		breaks = "loses access to its key"
	}
	return fmt.Sprintf("%s, within about %s", breaks, accessWindow(t.Detail, traits).Round(time.Second))
}
