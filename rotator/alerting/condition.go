// Package alerting has the rules: pure propositions over the nouns of rotator that
// tell which alerts are due now, and the prose about each rule. Whether an alert
// is new, goes on or is over is the engine's business.
package alerting

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
)

// Patience is how many failures in a row of one call are worth an alert if the
// error may pass by itself: in sum about half a minute.
const Patience = 5

// Lasting reports whether a problem will not pass by itself.
func Lasting(p *rotator.Problem, failures int) bool {
	if p == nil {
		return false
	}
	return failures >= Patience || !p.Class.Passes()
}

// OfOperation returns the alerts that an operation is worth.
func OfOperation(op *rotator.Operation, trackers []rotator.Tracker) []rotator.Alert {
	if op.State.Final() {
		return nil
	}
	found := alertSet{op: op}
	found.ofOperation()
	if op.State != rotator.StatePending && op.State != rotator.StateAwaitingApproval && op.Troubled() > 0 {
		for i := range trackers {
			if trackers[i].State.Troubled() {
				found.ofTracker(&trackers[i])
			}
		}
	}
	return found.all()
}

// alertSet gathers the alerts of one operation, one for each rule and cause.
type alertSet struct {
	op     *rotator.Operation
	alerts []*gathered
	// recent is the one asked for last: of a hundred thousand dependents in trouble,
	// most are in the same.
	recent *gathered
}

// gathered is an alert in the making.
type gathered struct {
	rotator.Alert
	code rotator.Reason
	last *rotator.Tracker // nil if it is not about dependents
}

// add returns the alert of a rule and cause, made if it is the first of them.
func (s *alertSet) add(rule rotator.Rule, code rotator.Reason) *gathered {
	if r := s.recent; r != nil && r.Rule == rule && r.code == code {
		return r
	}
	cause := causeOf(code)
	id := ID(rule, s.op.ID.String(), cause)
	i := slices.IndexFunc(s.alerts, func(g *gathered) bool { return g.ID == id })
	if i < 0 {
		i = len(s.alerts)
		s.alerts = append(s.alerts, &gathered{code: code, Alert: rotator.Alert{
			ID: id, Rule: rule, Severity: SeverityOf(rule), Key: s.op.Key, KeyID: s.op.KeyID, Operation: s.op.ID, Cause: cause,
			Next: "cmkd status " + s.op.ID.String(),
		}})
	}
	s.recent = s.alerts[i]
	s.recent.code = code
	return s.recent
}

// all returns the alerts.
func (s *alertSet) all() []rotator.Alert {
	var all []rotator.Alert
	for _, g := range s.alerts {
		if g.last != nil {
			g.Summary = s.summary(&g.Alert, g.last)
		}
		all = append(all, g.Alert)
	}
	return all
}

// ID makes the id of an alert of what it is about: rule/scope[/cause].
func ID(rule rotator.Rule, scope, cause string) string {
	id := string(rule) + "/" + scope
	if cause != "" {
		id += "/" + cause
	}
	return id
}

// ScopeOfKey is the scope of what is about a key: its vault and its name there, for
// instance contoso.vault.azure.net/payments.
func ScopeOfKey(id rotator.KeyID) string { return id.Host() + "/" + strings.ToLower(id.Name()) }

// causeOf makes a cause of a code, which may be anything that a service answers:
// people type it, and a store takes no id of any length.
func causeOf(code rotator.Reason) string {
	const most = 64
	cause := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		default:
			return '-'
		}
	}, string(code))
	return cause[:min(len(cause), most)]
}

// ofOperation judges what the operation itself waits for.
func (s *alertSet) ofOperation() {
	op, p := s.op, s.op.Problem
	switch {
	case op.Held == nil:
	case op.Target.ID == "":
		s.preflight(op.Held)
	case op.Held.Class == rotator.CodeForbidden:
		s.problem(rotator.RulePermissionLost, op.Held, "cmkd may not retire the previous version of "+op.Key)
	default:
		s.problem(rotator.RuleRetirementBlocked, op.Held, "the previous version of "+op.Key+" stays enabled")
	}
	if op.Rollback != nil {
		a := s.add(rotator.RuleRolledBack, rotator.ReasonRolledBack)
		a.Summary, a.Hint = "the previous version of "+op.Key+" is needed after all: "+op.Rollback.Message, op.Rollback.Hint
	}
	if op.Overdue && op.AwaitsRetirement() {
		a := s.add(rotator.RuleRetirementBlocked, rotator.ReasonAwaitsRetirement)
		a.Summary = "the previous version of " + op.Key + " waits for a person to say that it may go"
		a.Hint, a.Next = "look at what is known of each dependent first: cmkd status "+op.ID.String(), "cmkd retire "+op.Key
		if op.Doubt != nil {
			a.Summary += ": " + op.Doubt.Message
		}
	}
	switch {
	case op.State == rotator.StateAwaitingApproval:
		a := s.add(rotator.RuleRevocationStalled, rotator.Reason(rotator.StateAwaitingApproval))
		a.Summary = fmt.Sprintf("the %s of %s, asked for by %s, waits for a second person", op.Kind, op.Key, op.Actor)
		a.Hint, a.Next = "cmkd plan "+op.Key+" --revoke shows what it breaks", "cmkd approve "+op.ID.String()
	case p == nil, p.Code == rotator.ReasonSoak: // that passes by itself
	case p.Code == rotator.ReasonRevocationUndone:
		s.problem(rotator.RuleRevocationUndone, p, "the revocation of "+op.Key+" was undone")
	case !Lasting(p, op.Failures):
	case op.State == rotator.StatePending:
		s.preflight(p)
	case p.Class == rotator.CodeForbidden:
		s.problem(rotator.RulePermissionLost, p, fmt.Sprintf("cmkd may not go on with the %s of %s", op.Kind, op.Key))
	case op.Kind != rotator.KindRotation:
		s.problem(rotator.RuleRevocationStalled, p, fmt.Sprintf("the %s of %s does not get on", op.Kind, op.Key))
	case op.State == rotator.StateRetiring:
		s.problem(rotator.RuleRetirementBlocked, p, "the previous version of "+op.Key+" stays enabled")
	default:
		s.problem(rotator.RuleNeedsAction, p, "the rotation of "+op.Key+" does not get on")
	}
}

func (s *alertSet) preflight(p *rotator.Problem) {
	a := s.problem(rotator.RulePreflightFailing, p, "the rotation of "+s.op.Key+" cannot begin")
	a.Next = "cmkd rotate " + s.op.Key + " --dry-run"
}

func (s *alertSet) problem(rule rotator.Rule, p *rotator.Problem, what string) *gathered {
	a := s.add(rule, p.Code)
	a.Summary, a.Hint = what+": "+p.Message, hint(p, s.op.Key, s.op.ID)
	return a
}

// hint is the next step as the problem tells it, or else as is to be said of its
// reason.
func hint(p *rotator.Problem, key string, op rotator.OperationID) string {
	return cmp.Or(p.Hint, rotator.InfoOf(p.Code).NextFor(key, op))
}

// ofTracker judges one dependent.
func (s *alertSet) ofTracker(t *rotator.Tracker) {
	rule, cause := ruleOfTracker(s.op, t)
	if rule == "" {
		return
	}
	a := s.add(rule, cause)
	a.Count++
	d := &t.Detail.Dependent
	if len(a.Affected) < rotator.AffectedMost {
		a.Affected = append(a.Affected, rotator.Affected{ID: d.ID, Kind: d.Kind, Name: d.DisplayName()})
	}
	if p := t.Detail.Problem; p != nil && a.Hint == "" {
		a.Hint = p.Hint
	}
	a.last = t
}

func ruleOfTracker(op *rotator.Operation, t *rotator.Tracker) (rule rotator.Rule, cause rotator.Reason) {
	p := t.Detail.Problem
	cause = rotator.Reason(t.Detail.Dependent.Kind)
	// What may pass by itself is no cause: the alert would be another one with each
	// answer of Azure.
	if p != nil && p.Code != "" && !p.Class.Passes() {
		cause = p.Code
	}
	switch {
	case t.State == rotator.TrackerStalled && op.Kind != rotator.KindRotation:
		return rotator.RuleRevocationStalled, cause
	case t.State == rotator.TrackerStalled:
		return rotator.RulePropagationStalled, cause
	case t.State == rotator.TrackerUnreachable && p != nil && p.Class == rotator.CodeForbidden,
		t.State == rotator.TrackerNeedsAction && p != nil && p.Class == rotator.CodeForbidden:
		return rotator.RulePermissionLost, cause
	case t.State == rotator.TrackerUnreachable:
		return rotator.RuleUnreachable, cause
	case t.State == rotator.TrackerNeedsAction && p != nil && p.Class == rotator.ClassAutoRotation:
		return rotator.RuleAutoRotationError, cause
	case t.State == rotator.TrackerNeedsAction && p != nil && p.Code == rotator.ReasonAccessDenied:
		return rotator.RuleAccessLost, cause
	case t.State == rotator.TrackerNeedsAction:
		return rotator.RuleNeedsAction, cause
	default:
		return "", ""
	}
}

// summary says what is wrong with one dependent, or with how many.
func (s *alertSet) summary(a *rotator.Alert, last *rotator.Tracker) string {
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
	case rotator.RulePropagationStalled:
		return fmt.Sprintf("%s %s not taken the new version of %s within the window%s", who, has, s.op.Key, why)
	case rotator.RuleRevocationStalled:
		return fmt.Sprintf("%s %s not shown the effect of the %s of %s in time%s", who, has, s.op.Kind, s.op.Key, why)
	case rotator.RuleAccessLost:
		return fmt.Sprintf("%s of %s %s no access to the key%s", who, s.op.Key, has, why)
	case rotator.RuleUnreachable:
		return fmt.Sprintf("%s of %s cannot be read%s", who, s.op.Key, why)
	case rotator.RulePermissionLost:
		return fmt.Sprintf("cmkd has no permission for %s of %s%s", who, s.op.Key, why)
	case rotator.RuleAutoRotationError:
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

// KeyView is all that the rules look at of a key.
type KeyView struct {
	Key   *rotator.Key
	State *rotator.KeyState
	// Busy is true if an operation is under way.
	Busy bool
	Now  time.Time
	// expiryAhead is how long before its expiry a version is worth an alert; zero
	// means never.
	ExpiryAhead time.Duration
	// Revoked is true while the key is revoked: it is then meant to be disabled.
	Revoked bool
}

// ofTampering tells of what somebody else did to versions. That the current one is
// disabled is told as that the key cannot be used.
func (v *KeyView) ofTampering(add func(rule rotator.Rule, code rotator.Reason, next, format string, args ...any) *rotator.Alert) {
	for i := range v.State.Tampered {
		t := &v.State.Tampered[i]
		unusable := v.State.Problem != nil && v.State.Problem.Code == rotator.ReasonCurrentVersionDisabled && t.Version == v.State.Current.ID
		if t.Change == rotator.TamperDisabled && (v.Revoked || unusable) {
			continue
		}
		rule, what := rotator.RuleVersionTampered, ""
		if v.State.Uses(t.Version) {
			rule, what = rotator.RuleUsedTampered, ", and a dependent uses it"
		}
		a := add(rule, rotator.Reason(t.Version), "cmkd events --key "+v.State.Name, "%s: %s%s", v.State.Name, t, what)
		a.Hint = "look into the vault's audit log for who did it"
	}
}

// ofDrift tells of what changed of dependents without an operation.
func (v *KeyView) ofDrift(add func(rotator.Rule, rotator.Reason, string, string, ...any) *rotator.Alert) {
	for i := range v.State.Drift {
		d := &v.State.Drift[i]
		rule := rotator.RuleDrift
		switch {
		case d.Change == rotator.ReasonAccessDenied:
			rule = rotator.RuleAccessLost
		case d.Class == rotator.ClassAutoRotation:
			rule = rotator.RuleAutoRotationError
		case d.Class == rotator.CodeForbidden:
			rule = rotator.RulePermissionLost
		case d.Class == rotator.CodeNotFound, d.Change == rotator.ReasonNotObserved:
			rule = rotator.RuleUnreachable
		}
		who, such := d.Affected[0].Kind+" "+d.Affected[0].Name, ""
		if d.Count > 1 {
			such = fmt.Sprintf(" (and %d more)", d.Count-1)
		}
		a := add(rule, d.Change, "cmkd events --key "+v.State.Name, "%s of %s %s%s", who, v.State.Name, d.Message, such)
		a.Affected, a.Count = slices.Clone(d.Affected), d.Count
		a.Hint = rotator.InfoOf(d.Change).NextFor(v.State.Name, 0)
	}
}

// OfKey returns the alerts that a key is worth, apart from those of its
// operation.
func OfKey(v *KeyView) (found []rotator.Alert) {
	s := v.State
	add := func(rule rotator.Rule, code rotator.Reason, next, format string, args ...any) *rotator.Alert {
		cause := causeOf(code)
		found = append(found, rotator.Alert{
			ID: ID(rule, ScopeOfKey(s.ID), cause), Rule: rule, Severity: SeverityOf(rule), Key: s.Name, KeyID: s.ID, Cause: cause,
			Next: next, Summary: fmt.Sprintf(format, args...),
		})
		return &found[len(found)-1]
	}
	status := "cmkd status " + s.Name
	if p := s.Problem; p != nil {
		rule, what := rotator.RuleKeyUnusable, "key "+s.Name+" cannot be used"
		switch {
		case p.Class == rotator.CodeForbidden:
			rule, what = rotator.RulePermissionLost, "cmkd may not read key "+s.Name
		case p.Code == rotator.ReasonVaultUnreachable, p.Code == rotator.ReasonWatchBehind:
			rule, what = rotator.RuleUnreachable, "key "+s.Name+" cannot be read"
		}
		add(rule, p.Code, status, "%s: %s", what, p.Message).Hint = hint(p, s.Name, s.Operation)
	}
	if !s.Missed.IsZero() {
		add(rotator.RuleScheduleMissed, rotator.ReasonScheduleMissed, status, "no rotation of %s began at %s", s.Name, s.Missed.Format(time.RFC3339))
	}
	if s.Failed != 0 {
		add(rotator.RuleOperationFailed, rotator.Reason(s.Failed.String()), "cmkd status "+s.Failed.String(), "%s of key %s failed", s.Failed, s.Name).Operation = s.Failed
	}
	if p := s.Preflight; p != nil && !v.Busy {
		a := add(rotator.RulePreflightFailing, p.Code, "cmkd rotate "+s.Name+" --dry-run",
			"the rotation of %s on %s could not begin: %s", s.Name, s.NextRotation.Format(time.RFC3339), p.Message)
		a.Hint = hint(p, s.Name, s.Operation)
	}
	v.ofTampering(add)
	v.ofDrift(add)
	v.ofExpiry(add)
	if left, soon := v.expiring(); soon && (left > 0 || !s.Uses(s.Current.ID)) {
		add(rotator.RuleVersionExpiring, "", "cmkd rotate "+s.Name, "version %s of key %s %s on %s, and no rotation is scheduled before",
			s.Current.ID, s.Name, expires(left), s.Current.Expires.Format(time.RFC3339))
	}
	if v.Key.Schedule.Spec() != "" && s.Policy.Rotate != "" {
		add(rotator.RulePolicyConflict, "", status, "the vault makes a new version of %s %s by itself, beside the schedule %s",
			s.Name, s.Policy.Rotate, strings.TrimSpace(v.Key.Schedule.Spec()))
	}
	return found
}

// ofExpiry tells of versions in use that have expired, or will soon.
func (v *KeyView) ofExpiry(add func(rotator.Rule, rotator.Reason, string, string, ...any) *rotator.Alert) {
	s := v.State
	next := func(version string) string {
		if version == s.Current.ID {
			return "cmkd rotate " + s.Name
		}
		return "cmkd status " + s.Name
	}
	for i := range s.InUse {
		use := &s.InUse[i]
		if !use.Expired.IsZero() {
			a := add(rotator.RuleVersionExpired, rotator.Reason(use.Version), next(use.Version), "%s: %s", s.Name, use)
			a.Affected, a.Count = slices.Clone(use.Affected), use.Count
			continue
		}
		version, _ := rotator.FindVersion(s.Versions, use.Version)
		left := version.Expires.Sub(v.Now)
		moving := v.Busy && left > 24*time.Hour // what is under way tells of those that do not follow
		// The current one is told of whether or not it is in use.
		if version.ID == s.Current.ID || v.ExpiryAhead <= 0 || version.Expires.IsZero() || left > v.ExpiryAhead || moving {
			continue
		}
		a := add(rotator.RuleVersionExpiring, rotator.Reason(use.Version), next(use.Version), "version %s of key %s is in use still, and expires on %s",
			version.ID, s.Name, version.Expires.Format(time.RFC3339))
		a.Affected, a.Count = slices.Clone(use.Affected), use.Count
	}
}

func expires(left time.Duration) string {
	if left <= 0 {
		return "expired"
	}
	return "expires"
}

// expiring reports whether the current version expires soon, with no rotation
// scheduled at least a day before.
func (v *KeyView) expiring() (left time.Duration, soon bool) {
	at := v.State.Current.Expires
	if v.ExpiryAhead <= 0 || at.IsZero() {
		return 0, false
	}
	left = at.Sub(v.Now)
	next := v.State.NextRotation
	inTime := !next.IsZero() && next.After(v.Now) && next.Before(at.Add(-24*time.Hour))
	return left, left <= v.ExpiryAhead && !inTime
}

// nearFull reports whether less is free than a store needs to go on in peace.
func nearFull(s rotator.Space) bool {
	const least = 256 << 20
	return s.Total > 0 && (s.Free < least || s.Free < s.Total/50)
}

// OfSpace returns the alert of a disk that is nearly full.
func OfSpace(s rotator.Space) []rotator.Alert {
	if !nearFull(s) {
		return nil
	}
	return []rotator.Alert{{
		ID: ID(rotator.RuleStoreNearFull, ScopeDaemon, ""), Rule: rotator.RuleStoreNearFull, Severity: SeverityOf(rotator.RuleStoreNearFull),
		Summary: fmt.Sprintf("%d MiB of %d MiB are free on the disk of the store, which takes %d MiB", s.Free>>20, s.Total>>20, s.Used>>20),
		Next:    "df -h",
	}}
}

// ScopeDaemon is the scope of alerts that concern the daemon itself.
const ScopeDaemon = "daemon"
