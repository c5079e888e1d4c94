package rotator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The alert rules are pure: from what is known of an operation, a key or the
// daemon they tell which alerts are due now. Whether one of them is new, goes on
// or is over is not their business, see [core.reconcile].

// patience is how many failures in a row of one call are worth an alert if the
// error may pass by itself: in sum about half a minute.
const patience = 5

// lasting reports whether a problem will not pass by itself.
func lasting(p *Problem, failures int) bool {
	if p == nil {
		return false
	}
	return failures >= patience || !retryable(&Error{Code: p.Class})
}

// operationConditions returns the alerts that an operation is worth.
func operationConditions(op *Operation, trackers []Tracker) []Alert {
	if op.State.Final() {
		return nil
	}
	found := alertSet{op: op}
	found.ofOperation()
	if op.State != StatePending && op.State != StateAwaitingApproval && op.troubled() > 0 {
		for i := range trackers {
			if trackers[i].State.troubled() {
				found.ofTracker(&trackers[i])
			}
		}
	}
	return found.all()
}

func (o *Operation) troubled() int {
	return o.Trackers[TrackerStalled] + o.Trackers[TrackerNeedsAction] + o.Trackers[TrackerUnreachable]
}

// alertSet gathers the alerts of one operation, one for each rule and cause.
type alertSet struct {
	op     *Operation
	alerts []*gathered
	// recent is the one asked for last: of a hundred thousand dependents in trouble,
	// most are in the same.
	recent *gathered
}

// gathered is an alert in the making.
type gathered struct {
	Alert
	code string
	last *Tracker // nil if it is not about dependents
}

// add returns the alert of a rule and cause, made if it is the first of them.
func (s *alertSet) add(rule Rule, code string) *gathered {
	if r := s.recent; r != nil && r.Rule == rule && r.code == code {
		return r
	}
	cause := causeOf(code)
	id := alertID(rule, s.op.ID.String(), cause)
	i := slices.IndexFunc(s.alerts, func(g *gathered) bool { return g.ID == id })
	if i < 0 {
		i = len(s.alerts)
		s.alerts = append(s.alerts, &gathered{code: code, Alert: Alert{
			ID: id, Rule: rule, Severity: severityOf(rule), Key: s.op.Key, Operation: s.op.ID, Cause: cause,
			Next: "cmkd status " + s.op.ID.String(),
		}})
	}
	s.recent = s.alerts[i]
	s.recent.code = code
	return s.recent
}

// all returns the alerts.
func (s *alertSet) all() []Alert {
	var all []Alert
	for _, g := range s.alerts {
		if g.last != nil {
			g.Summary = s.summary(&g.Alert, g.last)
		}
		all = append(all, g.Alert)
	}
	return all
}

func alertID(rule Rule, scope, cause string) string {
	id := string(rule) + "/" + scope
	if cause != "" {
		id += "/" + cause
	}
	return id
}

// causeOf makes a cause of a code, which may be anything that a service answers:
// people type it, and a store takes no id of any length.
func causeOf(code string) string {
	const most = 64
	cause := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		default:
			return '-'
		}
	}, code)
	return cause[:min(len(cause), most)]
}

// ofOperation judges what the operation itself waits for.
func (s *alertSet) ofOperation() {
	op, p := s.op, s.op.Problem
	switch {
	case op.Held == nil:
	case op.Target.ID == "":
		s.preflight(op.Held)
	case op.Held.Class == CodeForbidden:
		s.problem(RulePermissionLost, op.Held, "cmkd may not retire the previous version of "+op.Key)
	default:
		s.problem(RuleRetirementBlocked, op.Held, "the previous version of "+op.Key+" stays enabled")
	}
	switch {
	case op.State == StateAwaitingApproval:
		a := s.add(RuleRevocationStalled, string(StateAwaitingApproval))
		a.Summary = fmt.Sprintf("the %s of %s, asked for by %s, waits for a second person", op.Kind, op.Key, op.Actor)
		a.Hint, a.Next = "cmkd plan "+op.Key+" --revoke shows what it breaks", "cmkd approve "+op.ID.String()
	case p == nil, p.Code == checkSoak: // that passes by itself
	case p.Code == codeRevocationUndone:
		s.problem(RuleRevocationUndone, p, "the revocation of "+op.Key+" was undone")
	case !lasting(p, op.Failures):
	case op.State == StatePending:
		s.preflight(p)
	case p.Class == CodeForbidden:
		s.problem(RulePermissionLost, p, fmt.Sprintf("cmkd may not go on with the %s of %s", op.Kind, op.Key))
	case op.Kind != KindRotation:
		s.problem(RuleRevocationStalled, p, fmt.Sprintf("the %s of %s does not get on", op.Kind, op.Key))
	case op.State == StateRetiring:
		s.problem(RuleRetirementBlocked, p, "the previous version of "+op.Key+" stays enabled")
	default:
		s.problem(RuleNeedsAction, p, "the rotation of "+op.Key+" does not get on")
	}
}

func (s *alertSet) preflight(p *Problem) {
	a := s.problem(RulePreflightFailing, p, "the rotation of "+s.op.Key+" cannot begin")
	a.Next = "cmkd rotate " + s.op.Key + " --dry-run"
}

func (s *alertSet) problem(rule Rule, p *Problem, what string) *gathered {
	a := s.add(rule, p.Code)
	a.Summary, a.Hint = what+": "+p.Message, p.Hint
	return a
}

// ofTracker judges one dependent.
func (s *alertSet) ofTracker(t *Tracker) {
	rule, cause := ruleOfTracker(s.op, t)
	if rule == "" {
		return
	}
	a := s.add(rule, cause)
	a.Count++
	d := &t.Detail.Dependent
	if len(a.Affected) < AffectedMost {
		a.Affected = append(a.Affected, Affected{ID: d.ID, Kind: d.Kind, Name: d.DisplayName()})
	}
	if p := t.Detail.Problem; p != nil && a.Hint == "" {
		a.Hint = p.Hint
	}
	a.last = t
}

func ruleOfTracker(op *Operation, t *Tracker) (rule Rule, cause string) {
	p := t.Detail.Problem
	cause = t.Detail.Dependent.Kind
	if p != nil && p.Code != "" {
		cause = p.Code
	}
	switch {
	case t.State == TrackerStalled && op.Kind != KindRotation:
		return RuleRevocationStalled, cause
	case t.State == TrackerStalled:
		return RulePropagationStalled, cause
	case t.State == TrackerUnreachable && p != nil && p.Class == CodeForbidden,
		t.State == TrackerNeedsAction && p != nil && p.Class == CodeForbidden:
		return RulePermissionLost, cause
	case t.State == TrackerUnreachable:
		return RuleUnreachable, cause
	case t.State == TrackerNeedsAction && p != nil && p.Class == ClassAutoRotation:
		return RuleAutoRotationError, cause
	case t.State == TrackerNeedsAction:
		return RuleNeedsAction, cause
	default:
		return "", ""
	}
}

// summary says what is wrong with one dependent, or with how many.
func (s *alertSet) summary(a *Alert, last *Tracker) string {
	who := last.Detail.Dependent.Kind + " " + last.Detail.Dependent.DisplayName()
	has := "has"
	if a.Count > 1 {
		who, has = fmt.Sprintf("%d dependents", a.Count), "have"
	}
	why := ""
	if p := last.Detail.Problem; p != nil {
		why = ": " + p.Message
		if a.Count > 1 {
			why = ", for instance: " + p.Message
		}
	}
	switch a.Rule {
	case RulePropagationStalled:
		return fmt.Sprintf("%s %s not taken the new version of %s within the window%s", who, has, s.op.Key, why)
	case RuleRevocationStalled:
		return fmt.Sprintf("%s %s not shown the effect of the %s of %s in time%s", who, has, s.op.Kind, s.op.Key, why)
	case RuleUnreachable:
		return fmt.Sprintf("%s of %s cannot be read%s", who, s.op.Key, why)
	case RulePermissionLost:
		return fmt.Sprintf("cmkd has no permission for %s of %s%s", who, s.op.Key, why)
	case RuleAutoRotationError:
		return fmt.Sprintf("%s of %s could not take the new version%s", who, s.op.Key, why)
	default:
		return fmt.Sprintf("%s of %s need%s somebody%s", who, s.op.Key, singular(a.Count), why)
	}
}

func singular(n int) string {
	if n == 1 {
		return "s"
	}
	return ""
}

// keyView is all that the rules look at of a key.
type keyView struct {
	key   *Key
	state *KeyState
	// busy is true if an operation is under way; it matters to a preflight only.
	busy bool
	now  time.Time
	// expiryAhead is how long before its expiry a version is worth an alert; zero
	// means never.
	expiryAhead time.Duration
}

const (
	// codeVaultUnreachable is the problem of a key whose vault has not answered for
	// some time.
	codeVaultUnreachable = "vault-unreachable"
	codeRevocationUndone = "revocation-undone"
)

// keyConditions returns the alerts that a key is worth, apart from those of its
// operation.
func keyConditions(v *keyView) (found []Alert) {
	s := v.state
	add := func(rule Rule, code, next, format string, args ...any) *Alert {
		cause := causeOf(code)
		found = append(found, Alert{
			ID: alertID(rule, s.Name, cause), Rule: rule, Severity: severityOf(rule), Key: s.Name, Cause: cause,
			Next: next, Summary: fmt.Sprintf(format, args...),
		})
		return &found[len(found)-1]
	}
	status := "cmkd status " + s.Name
	if p := s.Problem; p != nil {
		rule, what := RuleKeyUnusable, "key "+s.Name+" cannot be used"
		switch {
		case p.Code == scheduleMissed:
			rule, what = RuleScheduleMissed, "a scheduled rotation of "+s.Name+" did not take place"
		case p.Class == CodeForbidden:
			rule, what = RulePermissionLost, "cmkd may not read key "+s.Name
		case p.Code == codeVaultUnreachable:
			rule, what = RuleUnreachable, "key "+s.Name+" cannot be read"
		}
		add(rule, p.Code, status, "%s: %s", what, p.Message).Hint = p.Hint
	}
	if !s.Missed.IsZero() && (s.Problem == nil || s.Problem.Code != scheduleMissed) {
		add(RuleScheduleMissed, scheduleMissed, status, "no rotation of %s began at %s", s.Name, s.Missed.Format(time.RFC3339))
	}
	if s.Failed != 0 {
		add(RuleOperationFailed, s.Failed.String(), "cmkd status "+s.Failed.String(), "%s of key %s failed", s.Failed, s.Name).Operation = s.Failed
	}
	if p := s.Preflight; p != nil && !v.busy {
		a := add(RulePreflightFailing, p.Code, "cmkd rotate "+s.Name+" --dry-run",
			"the rotation of %s on %s could not begin: %s", s.Name, s.NextRotation.Format(time.RFC3339), p.Message)
		a.Hint = p.Hint
	}
	if left, soon := v.expiring(); soon {
		add(RuleVersionExpiring, "", "cmkd rotate "+s.Name, "version %s of key %s %s on %s, and no rotation is scheduled before",
			s.Current.ID, s.Name, expires(left), s.Current.Expires.Format(time.RFC3339))
	}
	if v.key.Schedule.Spec() != "" && s.Policy.Rotate != "" {
		add(RulePolicyConflict, "", status, "the vault makes a new version of %s %s by itself, beside the schedule %s",
			s.Name, s.Policy.Rotate, strings.TrimSpace(v.key.Schedule.Spec()))
	}
	return found
}

func expires(left time.Duration) string {
	if left <= 0 {
		return "expired"
	}
	return "expires"
}

// expiring reports whether the current version expires soon, with no rotation
// scheduled at least a day before.
func (v *keyView) expiring() (left time.Duration, soon bool) {
	at := v.state.Current.Expires
	if v.expiryAhead <= 0 || at.IsZero() {
		return 0, false
	}
	left = at.Sub(v.now)
	next := v.state.NextRotation
	inTime := !next.IsZero() && next.After(v.now) && next.Before(at.Add(-24*time.Hour))
	return left, left <= v.expiryAhead && !inTime
}

// nearFull reports whether less is free than a store needs to go on in peace.
func nearFull(s Space) bool {
	const least = 256 << 20
	return s.Total > 0 && (s.Free < least || s.Free < s.Total/50)
}

// spaceCondition returns the alert of a disk that is nearly full.
func spaceCondition(s Space) []Alert {
	if !nearFull(s) {
		return nil
	}
	return []Alert{{
		ID: alertID(RuleStoreNearFull, scopeDaemon, ""), Rule: RuleStoreNearFull, Severity: severityOf(RuleStoreNearFull),
		Summary: fmt.Sprintf("%d MiB of %d MiB are free on the disk of the store, which takes %d MiB", s.Free>>20, s.Total>>20, s.Used>>20),
		Next:    "df -h",
	}}
}

// scopeDaemon is the scope of alerts that concern the daemon itself.
const scopeDaemon = "daemon"
