package engine

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"cmkd/rotator"
)

// planner looks at everything afresh for a plan.
type planner struct{ e *Engine }

// PlanRotation says what Rotate would do, from fresh reads, and changes nothing. It also
// searches for dependents that nobody listed, which do not stop a rotation.
func (e *Engine) PlanRotation(ctx context.Context, name string) (rotator.Plan, error) {
	p, err := planner{e}.rehearsal(ctx, name)
	if err == nil {
		planner{e}.search(ctx, &p)
	}
	return planFreeze(p, e.book.Load().freezes, e.o.Clock.Now()), err
}

// rehearsal is the plan of a rotation, whatever is frozen: a freeze is shown by itself,
// and may be over when the rotation is due.
func (p planner) rehearsal(ctx context.Context, name string) (rotator.Plan, error) {
	key, plan, err := p.begin(name, rotator.KindRotation)
	if err != nil {
		return rotator.Plan{}, err
	}
	versions, listErr := p.listVersions(ctx, &key)
	op := rotator.Operation{Kind: rotator.KindRotation, State: rotator.StatePending, Key: key.Name, KeyID: key.ID}
	l := &live{op: op, versions: versions, listErr: listErr}
	if problem := preflight(l); problem != nil {
		plan.Problems = append(plan.Problems, *problem)
	}
	newest, _ := rotator.Newest(versions, nil)
	plan.Steps = append(plan.Steps,
		fmt.Sprintf("make a new version of %s after %s (%s)", key.ID, newest.ID, methodText(key.Method)),
		fmt.Sprintf("follow %d dependents until each is known to use it", len(key.Dependents)),
		retireText(&key, newest.ID))
	plan.Dependents = p.planDependents(ctx, &key, &op, p.rotationEffect)
	plan.Warnings = p.expired(plan.Dependents, versions)
	return collect(plan), nil
}

// expired warns of expired versions that dependents are on. One that does not tell its
// version is taken to be on the newest.
func (p planner) expired(dependents []rotator.PlannedDependent, versions []rotator.Version) (all []rotator.Problem) {
	newest, _ := rotator.Newest(versions, nil)
	now := p.e.o.Clock.Now()
	for _, v := range versions {
		if v.Expires.IsZero() || now.Before(v.Expires) {
			continue
		}
		use := rotator.InUse{Version: v.ID, Expired: v.Expires}
		for i := range dependents {
			if d := &dependents[i]; d.Version == v.ID || d.Version == "" && d.Binding == rotator.BindingFollows && v.ID == newest.ID {
				use.Count++
				use.Affected = append(use.Affected, rotator.Affected{ID: d.Dependent.ID, Kind: d.Dependent.Kind, Name: d.Dependent.DisplayName()})
			}
		}
		switch {
		case use.Count > 0:
			all = append(all, rotator.Problem{Code: rotator.ReasonVersionExpired, Message: use.String()})
		case v.ID == newest.ID:
			all = append(all, rotator.Problem{Code: rotator.ReasonVersionExpired, Message: "version " + v.ID + " expired on " + use.Expires()})
		}
	}
	return all
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
	p.Dependents = look.planDependents(ctx, &key, &op, look.revocationEffect)
	p.Problems = append(p.Problems, unreadable(&p)...)
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

// collect adds the dependents' problems to those of the plan.
func collect(p rotator.Plan) rotator.Plan {
	for i := range p.Dependents {
		if d := &p.Dependents[i]; d.Problem != nil && d.Dependent.Excluded == "" {
			problem := *d.Problem
			problem.Message = d.Dependent.Kind + " " + d.Dependent.DisplayName() + ": " + problem.Message
			p.Problems = append(p.Problems, problem)
		}
	}
	return p
}

// unreadable returns the problems of dependents that cannot be read: they do not
// stop a revocation, but what becomes of them cannot be seen.
func unreadable(p *rotator.Plan) (all []rotator.Problem) {
	return collect(rotator.Plan{Dependents: p.Dependents}).Problems
}

// planDependents looks at every dependent and says what would happen to it.
func (p planner) planDependents(
	ctx context.Context, key *rotator.Key, op *rotator.Operation, effect func(*rotator.Tracker) string,
) []rotator.PlannedDependent {
	planned := make([]rotator.PlannedDependent, len(key.Dependents))
	var g errgroup.Group
	g.SetLimit(p.e.o.Limits.Calls)
	for i := range key.Dependents {
		g.Go(func() error {
			planned[i] = p.planDependent(ctx, key, op, &key.Dependents[i], effect)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each problem is in its place
	return planned
}

func (p planner) planDependent(
	ctx context.Context, key *rotator.Key, op *rotator.Operation, d *rotator.Dependent, effect func(*rotator.Tracker) string,
) rotator.PlannedDependent {
	planned := rotator.PlannedDependent{Dependent: *d}
	if d.Excluded != "" {
		planned.Effect = "is left out: " + d.Excluded
		return planned
	}
	r := p.plainly(ctx, &task{kind: taskObserve, keyID: key.ID, dependent: d, access: true})
	t := rotator.Tracker{Detail: &rotator.TrackerDetail{Dependent: *d}}
	preflight := *op
	preflight.Kind, preflight.State = rotator.KindRotation, rotator.StatePending
	t, _ = decide(t, look{op: &preflight, traits: p.e.traits[d.Kind], seen: r.observation, err: r.err, now: p.e.o.Clock.Now()})
	planned.Binding, planned.Version, planned.Problem, planned.Via = t.Detail.Binding, t.Detail.Version, t.Detail.Problem, t.Detail.Via
	planned.Effect = effect(&t)
	return planned
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
