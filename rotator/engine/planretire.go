package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cmkd/rotator"
)

// PlanRetirement says what the guard would say now if actor asked for the retirement of
// the previous versions of a key, and on what each part of that rests. It looks at
// everything afresh and changes nothing.
func (e *Engine) PlanRetirement(ctx context.Context, name, actor string) (rotator.RetirementPlan, error) {
	p := planner{e}
	key, search, err := p.begin(name, rotator.KindRotation)
	if err != nil {
		return rotator.RetirementPlan{}, err
	}
	op, err := p.retirable(ctx, &key)
	if err != nil {
		return rotator.RetirementPlan{}, err
	}
	g, err := (&operationView{e: e, op: op}).stored(ctx)
	if err != nil {
		return rotator.RetirementPlan{}, err
	}
	if g.trackers, err = e.o.Store.Trackers(ctx, op.ID, 0, 0); err != nil {
		return rotator.RetirementPlan{}, err
	}
	g.versions, g.listErr = p.listVersions(ctx, &key)
	p.observeAll(ctx, g)
	p.searchAll(ctx, g, &search)
	plan := rotator.RetirementPlan{
		Key: key.Name, KeyID: key.ID, Operation: op.ID, State: op.State, Target: op.Target.ID, Previous: op.Previous,
		Inventory: op.Inventory, Probation: longest(g.trackers, e.traits), Late: lateOf(g.trackers, e.traits),
		Dependents: make([]rotator.Proof, 0, len(g.trackers)),
	}
	for i := range g.trackers {
		if t := &g.trackers[i]; !t.Detail.Removed {
			plan.Dependents = append(plan.Dependents, p.proof(g, t))
		}
	}
	op.Retirer = ""
	plan.Doubts = slices.Concat(notOnlyInferred(g), notRolledBack(g))
	op.Retirer = actor
	plan.Objections = slices.Concat(p.refused(g), objections(g))
	plan.Needed = needed(g)
	plan.Previous = slices.DeleteFunc(slices.Clone(op.Previous), func(id string) bool {
		v, listed := rotator.FindVersion(g.versions, id)
		return listed && !v.Enabled || slices.ContainsFunc(plan.Needed, func(n rotator.NeededVersion) bool { return n.Version == id })
	})
	return plan, nil
}

// refused returns why a retirement could not be asked for now, whatever the guard says.
func (p planner) refused(g *guardView) (all []rotator.Objection) {
	for _, f := range p.e.book.Load().freezes {
		if f.Concerns(g.op.KeyID, true) {
			why := f.Problem()
			all = append(all, rotator.Objection{Check: why.Code, Message: "the key is " + why.Message, Hint: why.Hint})
		}
	}
	switch g.op.State {
	case rotator.StateRetiring:
	case rotator.StateSoaking:
		all = append(all, rotator.Objection{Check: rotator.ReasonSoak, Message: "the rotation soaks"})
	default:
		all = append(all, rotator.Objection{Check: rotator.ReasonSoak, Message: "the rotation is " + string(g.op.State) + ", and the soak time has not begun"})
	}
	return all
}

// retirable returns the rotation of a key that has versions to retire.
func (p planner) retirable(ctx context.Context, key *rotator.Key) (*rotator.Operation, error) {
	live, err := p.e.o.Store.Operations(ctx, rotator.OperationFilter{KeyID: key.ID, Live: true})
	if err != nil {
		return nil, err
	}
	for i := range live {
		op := &live[i]
		if op.Kind == rotator.KindRotation && op.Target.ID != "" && len(op.Retired) < len(op.Previous) {
			return op, nil
		}
	}
	return nil, rotator.Errorf(rotator.CodeConflict, "no rotation of %s has an old version that could go", key.Name).
		WithHint("cmkd history %s shows the past ones", key.Name)
}

// observeAll looks at each dependent of an operation afresh.
func (p planner) observeAll(ctx context.Context, g *guardView) {
	var all errgroup.Group
	all.SetLimit(p.e.o.Limits.Calls)
	for i := range g.trackers {
		t := &g.trackers[i]
		if t.State == rotator.TrackerExcluded {
			continue
		}
		all.Go(func() error {
			d := &t.Detail.Dependent
			r := p.plainly(ctx, &task{kind: taskObserve, keyID: g.op.KeyID, target: g.op.Target.ID, dependent: d, access: true})
			*t, _ = decide(*t, look{op: g.op, traits: p.e.traits[d.Kind], seen: r.observation, err: r.err, require: g.require, now: g.now})
			return nil
		})
	}
	_ = all.Wait() // the functions return no error: each is in its place
}

// searchAll searches for dependents that nobody listed.
func (p planner) searchAll(ctx context.Context, g *guardView, plan *rotator.Plan) {
	for i := range g.trackers {
		d := g.trackers[i].Detail
		plan.Dependents = append(plan.Dependents, rotator.PlannedDependent{Dependent: d.Dependent, Via: d.Via})
	}
	p.search(ctx, plan)
	g.op.Inventory = plan.Inventory
	for _, u := range plan.Unlisted {
		known := slices.ContainsFunc(g.trackers, func(t rotator.Tracker) bool { return t.Detail.Dependent.Same(u.Dependent.ID) && !t.Detail.Removed })
		if !known {
			g.trackers = append(g.trackers, rotator.Tracker{
				State: rotator.TrackerNeedsAction, Detail: &rotator.TrackerDetail{Dependent: u.Dependent, Problem: u.Problem},
			})
		}
	}
}

// proof says what is known of a dependent, and on what that rests.
func (p planner) proof(g *guardView, t *rotator.Tracker) rotator.Proof {
	d := t.Detail
	proof := rotator.Proof{
		Dependent: d.Dependent, State: t.State, Evidence: t.Evidence, Binding: d.Binding, Problem: d.Problem, Attestation: g.attested(t), Rests: []string{},
	}
	if t.State != rotator.TrackerExcluded && d.Last != nil && t.Failures == 0 {
		proof.At = t.Seen
		proof.Rests = rests(g, t, windowOf(d, p.e.traits[d.Dependent.Kind]))
	}
	if a := proof.Attestation; a != nil {
		proof.Rests = append(proof.Rests, fmt.Sprintf("%s by %s, until %s: %s", a.ID, a.Actor, a.Until.UTC().Format("2006-01-02 15:04 MST"), a.Reason))
	}
	return proof
}

// rests says what an observation of a dependent shows of the versions that it needs.
func rests(g *guardView, t *rotator.Tracker, window time.Duration) (all []string) {
	o, says := t.Detail.Last, func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for i := range o.Uses {
		u := &o.Uses[i]
		at := cmp.Or(u.Path, "the resource")
		if u.Via != "" {
			at += " of " + u.Via[strings.LastIndexByte(u.Via, '/')+1:]
		}
		switch {
		case u.Absent() && !slices.Contains(t.Detail.Known, u.Name()):
			says("%s: is not there, and was never seen", at)
		case u.Unknown != nil:
			says("%s: unknown: %s", at, u.Unknown.Message)
		case u.Microsoft:
			says("%s: the service names a key of Microsoft's", at)
		case !u.Key.Same(g.op.KeyID):
			says("%s: the service names another key, %s", at, u.Key)
		case u.Version != "" && u.Setting:
			says("%s: was told version %s; the service does not report whether it did it", at, u.Version)
		case u.Version != "":
			says("%s: the service reports version %s", at, u.Version)
		default:
			end, ends := g.op.Target.Created.Add(window), "ended"
			if o.At.Before(end) {
				ends = "ends"
			}
			whose := "documented"
			if t.Detail.Dependent.Window > 0 {
				whose = "configured"
			}
			says("%s: follows the key and tells no version; the %s %s %s at %s", at, whose, lasting(window), ends, end.UTC().Format("2006-01-02 15:04 MST"))
		}
		for _, h := range u.Held {
			says("%s: holds version %s", at, h.Version)
		}
	}
	switch o.Access {
	case rotator.AccessAllowed:
		says("it can use its key now")
	case rotator.AccessDenied:
		says("it cannot use its key now (%s)", o.AccessCode)
	default:
		says("whether it can use its key now does not show")
	}
	for _, b := range o.BlindSpots {
		says("cannot be seen: %s (%s)", b.What, b.Why)
	}
	return all
}

// lasting writes a span without the parts that are zero.
func lasting(d time.Duration) string {
	text := d.Round(time.Second).String()
	if d >= time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	if d >= time.Hour {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
