package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// tracker is a [rotator.Tracker] with what the engine makes of it.
type tracker rotator.Tracker

// look is one look at a dependent: what was asked for and what came of it.
type look struct {
	now    time.Time
	op     *rotator.Operation
	traits rotator.Traits
	// require is the weakest evidence that counts as done.
	require rotator.Evidence
	seen    *rotator.Observation
	// err is why nothing was seen; seen is then nil.
	err *rotator.Error
	// room, if given, is where the new large part is made; the caller copies it if
	// it keeps it. Most looks show nothing new.
	room *rotator.TrackerDetail
	// applied is the update that was carried out before the look, if any, and
	// applyErr what came of it.
	applied  rotator.Action
	applyErr *rotator.Error
	// shut is true if the target is known to be disabled: nobody is sent there.
	shut bool
	// opened is when the target was last changed, by the vault's clock, as far as is known:
	// it may have been disabled until then.
	opened time.Time
	// freeze stops updates, nil if none does.
	freeze *rotator.Freeze
	// revoked tells since when no version of another key can be used, because cmkd revoked it.
	revoked func(rotator.KeyID) (since time.Time, is bool)
	// was is the problem of the tracker before the look.
	was *rotator.Problem
}

// settling is how long after an update of ours a 404 or an old answer proves
// nothing (azure/facts.md section 2: reads may lag, a GET may answer 404 for
// some seconds).
const settling = 2 * time.Minute

// unanswered is after how many failures in a row a dependent counts as one that does
// not answer.
const unanswered = 3

// decide is the whole tracker state machine: from a tracker and a look at its
// dependent it makes the new tracker and, if an update of the dependent is
// called for, names it. It is pure. The tracker is then in TrackerApplying, and
// the update may be carried out once that is committed.
func decide(from rotator.Tracker, l look) (rotator.Tracker, rotator.Action) {
	d := l.room
	if d == nil {
		d = &rotator.TrackerDetail{}
	}
	*d = *from.Detail
	from.Detail = d
	from.Looks++
	l.was = d.Problem
	to, action := tracker(from).step(l)
	return rotator.Tracker(to), action
}

// step decides on a tracker whose large part may be changed in place.
func (t tracker) step(l look) (tracker, rotator.Action) {
	d := t.Detail
	if l.applied != "" && l.applyErr == nil {
		d.Applied, d.AppliedVersion, d.AppliedAction = l.now, l.op.Target.ID, l.applied
		d.Refused, d.Refusal, d.AppliedTo = 0, nil, d.Known
	}
	if l.err != nil {
		return t.unseen(l), ""
	}
	t.Seen = l.seen.At
	d.Blind = blindSpots(l.seen)
	d.Last, d.Version, d.Via, d.Problem = l.seen, l.seen.Furthest(l.op.KeyID, l.op.Target.ID), l.seen.Via(), nil
	d.Others = others(l.seen, l.op.KeyID, d.Version)
	if l.seen.Region != "" {
		d.Region = l.seen.Region
	}
	if l.seen.Access != rotator.AccessUnknown {
		d.Allowed = l.seen.Access == rotator.AccessAllowed
	}
	if b := l.seen.Binding(l.op.KeyID); b != "" {
		d.Binding = b
	}
	p := l.seen.Unknown(d.Known)
	switch {
	case p != nil && d.Dependent.Discovered && len(d.Known) == 0 && l.seen.None():
		return t.left(l), "" // nobody lists it, and a whole document shows no key
	case p != nil:
		return t.untold(p, l), ""
	}
	t.Failures = 0
	d.Known, d.Window = remembered(d.Known, l.seen.KnownUses()), l.seen.Window(l.op.KeyID)
	if l.applied != "" && l.applyErr == nil {
		d.Applied = l.seen.At
	}
	if needs := previousOf(l.seen, l.op.KeyID); len(needs) > 0 && !slices.Contains(needs, l.op.Target.ID) {
		d.Needs = remembered(d.Needs, needs) // what it is told next leaves these behind
	}
	switch {
	case l.op.Kind == rotator.KindRevocation:
		return t.accessLook(l, rotator.AccessDenied), ""
	case l.op.Kind == rotator.KindReinstatement:
		return t.accessLook(l, rotator.AccessAllowed), ""
	case l.op.State == rotator.StatePending:
		return t.preflightLook(l), ""
	case d.Dependent.Discovered:
		return t.unlistedLook(l), ""
	default:
		return t.versionLook(l)
	}
}

// blindSpots names what cannot be seen of a dependent.
func blindSpots(o *rotator.Observation) (names []string) {
	for _, b := range o.BlindSpots {
		names = append(names, b.What)
	}
	return names
}

// remembered adds the uses that are known now to those that were known before.
func remembered(before, now []string) []string {
	for _, name := range now {
		if !slices.Contains(before, name) {
			before = append(slices.Clip(before), name)
		}
	}
	return before
}

// untold handles a look at which the dependent did not show which keys it is under:
// that is no answer, neither that it uses the key nor that it does not. One that is
// done was seen there, and it takes more than one such look to doubt that.
func (t tracker) untold(p *rotator.Problem, l look) tracker {
	t.Failures++
	t.Detail.Problem = p
	switch {
	case t.State.Settled() && t.Failures < alerting.Patience:
		t.Due = l.now.Add(backoff(t.Failures))
		return t
	case l.op.Kind != rotator.KindRotation && !l.op.Effect.IsZero():
		return t.pending(l)
	default:
		return t.block(rotator.TrackerNeedsAction, p, l)
	}
}

// enterTracker puts a tracker into a state and schedules its next look.
func enterTracker(t rotator.Tracker, s rotator.TrackerState, now, due time.Time) rotator.Tracker {
	return rotator.Tracker(tracker(t).enter(s, now, due))
}

// enter puts the tracker into a state and schedules its next look.
func (t tracker) enter(s rotator.TrackerState, now, due time.Time) tracker {
	if t.State != s {
		t.State, t.Since = s, now
	}
	if !s.Settled() {
		t.Evidence = rotator.EvidenceNone
	}
	t.Due = due
	return t
}

// block puts the tracker into a state that waits for a person.
func (t tracker) block(s rotator.TrackerState, p *rotator.Problem, l look) tracker {
	t.Detail.Problem = p
	return t.enter(s, l.now, nextOnGrid(l.now, max(unreachablePoll, t.poll(l))))
}

func (t tracker) poll(l look) time.Duration {
	d := t.Detail
	if l.op.Kind != rotator.KindRotation {
		return pollOf(&d.Dependent, accessWindow(d, l.traits))
	}
	return pollOf(&d.Dependent, windowOf(d, l.traits))
}

// done puts the tracker into its end state with evidence; the moment of the
// first evidence stands.
func (t tracker) done(e rotator.Evidence, l look) tracker { return t.end(rotator.TrackerDone, e, l) }

// left puts the tracker into the end state of a dependent that shows each of its uses,
// none of which is under the key.
func (t tracker) left(l look) tracker {
	t.Detail.Problem = otherKey(l.seen, l.op)
	return t.end(rotator.TrackerLeft, rotator.EvidenceConfirmed, l)
}

func (t tracker) end(s rotator.TrackerState, e rotator.Evidence, l look) tracker {
	if t.State != s || t.Detail.DoneAt.IsZero() {
		t.Detail.DoneAt = l.seen.At
	}
	t = t.enter(s, l.now, time.Time{})
	t.Evidence = e
	return t
}

// unseen handles a look at which nothing was seen.
func (t tracker) unseen(l look) tracker {
	t.Failures++
	own := !t.Detail.Applied.IsZero() && l.now.Sub(t.Detail.Applied) < settling
	switch {
	case l.err.Code == rotator.CodeForbidden, l.err.Code == rotator.CodeInvalid, l.err.Code == rotator.CodeNotFound && !own:
		t.Detail.Last = nil
		return t.block(rotator.TrackerUnreachable, rotator.ProblemOf(l.err), l)
	case l.err.Code == rotator.CodeThrottled:
		t.Failures--
		t.Due = l.now.Add(max(l.err.RetryAfter, time.Second))
	default:
		t.Due = l.now.Add(max(backoff(t.Failures), l.err.RetryAfter))
		if t.Failures >= unanswered && !t.blocked() {
			t.Detail.Problem = rotator.ProblemOf(l.err)
		}
	}
	if t.missed() && !t.deadline(l).IsZero() && l.now.After(t.deadline(l)) {
		return t.enter(rotator.TrackerStalled, l.now, t.Due)
	}
	return t
}

// blocked reports whether the tracker waits for a person, for a reason that stands
// until the dependent is seen again.
func (t *tracker) blocked() bool {
	return t.State == rotator.TrackerNeedsAction || t.State == rotator.TrackerUnreachable
}

// missed reports whether a look at which nothing was seen counts against the
// dependent. One that is done was seen there: it takes more than a missed answer to
// doubt that.
func (t *tracker) missed() bool {
	switch t.State {
	case rotator.TrackerNeedsAction, rotator.TrackerUnreachable:
		return false
	case rotator.TrackerDone, rotator.TrackerLeft:
		return t.Failures >= alerting.Patience
	default:
		return true
	}
}

// preflightLook checks, before anything is changed, that the dependent is as
// the configuration says and healthy.
func (t tracker) preflightLook(l look) tracker {
	o := l.seen
	t.Detail.Before, t.Detail.BoundBefore, t.Detail.KnownBefore = t.Detail.Version, t.Detail.Binding, t.Detail.Known
	before := t.Detail.Needs
	t.Detail.Needs = neededOnceTold(before, previousOf(o, l.op.KeyID))
	t.Detail.NeedsYet = slices.DeleteFunc(slices.Clone(before), func(v string) bool { return slices.Contains(t.Detail.Needs, v) })
	switch {
	case o.Problem != nil:
		return t.block(rotator.TrackerNeedsAction, o.Problem, l)
	case !o.Names(l.op.KeyID):
		return t.block(rotator.TrackerNeedsAction, otherKey(o, l.op), l)
	case o.Access == rotator.AccessDenied:
		return t.block(rotator.TrackerNeedsAction, deniedNow(o), l)
	default:
		return t.enter(rotator.TrackerWaiting, l.now, time.Time{})
	}
}

func otherKey(o *rotator.Observation, op *rotator.Operation) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonOtherKey, Message: fmt.Sprintf("uses %s, not %s", keysOf(o), op.KeyID),
		Hint: "correct the dependents of key " + op.Key + " in the configuration, or exclude this one with a reason",
	}
}

// keysOf names the keys that a dependent uses.
func keysOf(o *rotator.Observation) string {
	var keys []string
	for i := range o.Uses {
		if key := string(o.Uses[i].Key); key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return cmp.Or(strings.Join(keys, " and "), "no customer-managed key")
}

func deniedNow(o *rotator.Observation) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonAccessDenied, Message: "has no access to its key now (" + o.AccessCode + ")",
		Hint: "restore the dependent's access to the key first",
	}
}

// versionLook compares the versions in use with the target of a rotation. The
// dependent is done when all its uses of the key are, and its evidence is the
// weakest of theirs.
func (t tracker) versionLook(l look) (tracker, rotator.Action) {
	o, key := l.seen, l.op.KeyID
	switch {
	case l.applyErr != nil && !t.onTarget(l):
		return t.applyFailed(l), ""
	case o.Access == rotator.AccessDenied && o.Names(key): // whatever it says of the version
		return t.block(rotator.TrackerNeedsAction, deniedNow(o), l), ""
	case o.Problem != nil && o.Problem.Code == rotator.ReasonIdentityGone && o.Names(key): // whatever it is on
		return t.block(rotator.TrackerNeedsAction, o.Problem, l), ""
	case t.onTarget(l) && t.Detail.BoundBefore == rotator.BindingFollows && l.pinned(t.Detail.KnownBefore):
		return t.block(rotator.TrackerNeedsAction, pinnedMeanwhile(), l), ""
	case t.onTarget(l) && !o.Settings(key):
		return t.done(rotator.EvidenceConfirmed, l), ""
	case !o.Names(key) && !o.Holds(key, l.op.Target.ID) && !o.Partial:
		return t.left(l), ""
	case o.Problem != nil:
		return t.block(rotator.TrackerNeedsAction, o.Problem, l), ""
	case l.silent():
		return t.inferLook(l)
	case o.Updating:
		return t.pending(l), ""
	case l.byHand() != nil:
		return t.block(rotator.TrackerNeedsAction, l.byHand(), l), ""
	case l.behind(rotator.BindingPinned) && t.Detail.BoundBefore == rotator.BindingFollows && l.pinned(t.Detail.KnownBefore):
		return t.block(rotator.TrackerNeedsAction, pinnedMeanwhile(), l), ""
	case l.behind(rotator.BindingPinned) && t.told(rotator.ActionRepin, l) && !t.Detail.DoneAt.IsZero():
		return t.block(rotator.TrackerNeedsAction, pinnedAgain(l.op.Target.ID), l), ""
	case l.behind(rotator.BindingPinned) && !t.told(rotator.ActionRepin, l):
		return t.tell(rotator.ActionRepin, l)
	case l.behind(rotator.BindingFixed):
		return t.fixed(l)
	default:
		return t.nudgeOrWait(l)
	}
}

// pinnedMeanwhile is the problem of a dependent that followed its key when the rotation
// began: that it be written to was not part of the plan.
func pinnedMeanwhile() *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonBindingChanged, Message: "followed its key when the rotation began, and names a version for good now",
		Hint: "find out who pinned it; let it follow its key again, or cancel and rotate anew",
	}
}

// pinnedAgain is the problem of a dependent that was told the target, was on it, and names
// another version: cmkd does not quarrel with whoever did that.
func pinnedAgain(target string) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonVersionChanged, Message: "was on version " + target + ", and names another one again",
		Hint: "find out who told it; tell it version " + target + ", or cancel and rotate anew",
	}
}

// onTarget reports whether the service itself says that it uses the target, and
// nothing but the target, of this key.
func (t tracker) onTarget(l look) bool { return l.seen.On(l.op.KeyID, l.op.Target.ID) }

// behind reports whether a use that names the key in this way is not known to be
// on the target.
func (l *look) behind(b rotator.Binding) bool {
	for u := range l.seen.UsesOf(l.op.KeyID) {
		if u.Binding == b && u.Version != l.op.Target.ID {
			return true
		}
	}
	return false
}

// pinned reports whether one of some uses names its version for good; if none are given,
// any.
func (l *look) pinned(among []string) bool {
	for u := range l.seen.UsesOf(l.op.KeyID) {
		if u.Binding == rotator.BindingPinned && !u.Passing && (len(among) == 0 || slices.Contains(among, u.Name())) {
			return true
		}
	}
	return false
}

// anew reports whether a use is behind that was not known when the last update was accepted.
func (l *look) anew(b rotator.Binding, before []string) bool {
	for u := range l.seen.UsesOf(l.op.KeyID) {
		if u.Binding == b && !u.Passing && u.Version != l.op.Target.ID && len(before) > 0 && !slices.Contains(before, u.Name()) {
			return true
		}
	}
	return false
}

// byHand is the problem of a use that is behind, and that cmkd cannot tell the target.
func (l *look) byHand() *rotator.Problem {
	for u := range l.seen.UsesOf(l.op.KeyID) {
		if u.ByHand != "" && u.Version != l.op.Target.ID {
			return &rotator.Problem{
				Code: rotator.ReasonUpdateByHand, Message: u.Path + " names version " + u.Version + ", and cmkd does not change it",
				Hint: strings.NewReplacer("KEY_ID", l.op.KeyID.WithVersion(l.op.Target.ID)).Replace(u.ByHand),
			}
		}
	}
	return nil
}

// silent reports whether all that is left are uses that follow the key without
// telling their version, or that tell no more than what they were told.
func (l *look) silent() bool {
	for u := range l.seen.UsesOf(l.op.KeyID) {
		if u.Version != l.op.Target.ID && (u.Version != "" || u.Binding != rotator.BindingFollows) {
			return false
		}
	}
	return !l.seen.Partial && !l.seen.Holds(l.op.KeyID, l.op.Target.ID)
}

// inferLook handles a service that does not tell which version it uses: the
// documented time passes, by Azure's own clock, with nothing that contradicts.
func (t tracker) inferLook(l look) (tracker, rotator.Action) {
	o := l.seen
	switch {
	case l.op.Target.ID == "": // there is nothing to follow yet
		return t.pending(l), ""
	case o.At.Before(t.windowEnd(l)), o.Updating, l.shut:
		return t.nudgeOrWait(l)
	case rotator.EvidenceInferred.AtLeast(l.require):
		return t.done(rotator.EvidenceInferred, l), ""
	default:
		return t.pending(l), ""
	}
}

// windowEnd is when the documented time has passed, by Azure's clock.
func (t tracker) windowEnd(l look) time.Time {
	start := later(l.op.Target.Created, l.opened)
	if t.Detail.AppliedVersion == l.op.Target.ID {
		start = later(start, t.Detail.Applied)
	}
	return start.Add(windowOf(t.Detail, l.traits))
}

// deadline is when the tracker counts as stalled; zero if it never does.
func (t tracker) deadline(l look) time.Time {
	switch {
	case l.op.Kind == rotator.KindRotation && l.op.Target.ID != "":
		return t.windowEnd(l)
	case l.op.Kind != rotator.KindRotation && !l.op.Effect.IsZero():
		return l.op.Effect.Add(accessWindow(t.Detail, l.traits))
	default:
		return time.Time{}
	}
}

// pending keeps the tracker waiting, stalled once its window is over.
func (t tracker) pending(l look) tracker {
	state := rotator.TrackerPropagating
	if end := t.deadline(l); !end.IsZero() && !l.seen.At.Before(end) {
		state = rotator.TrackerStalled
	}
	due := nextOnGrid(l.now, t.poll(l))
	if end := t.deadline(l); state == rotator.TrackerPropagating && end.After(l.now) && end.Before(due) {
		due = end // so that the end of the window is seen when it comes
	}
	return t.enter(state, l.now, due)
}

// turn is the order in which the updates of one dependent take place, where its
// uses need several.
var turn = map[rotator.Action]int{rotator.ActionRepin: 1, rotator.ActionRecreate: 2, rotator.ActionNudge: 3}
