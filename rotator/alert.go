package rotator

import (
	"context"
	"slices"
	"time"
)

// Severity is how soon somebody has to look at an alert.
type Severity string

// The severities, worst first.
const (
	SeverityCritical Severity = "critical" // wake somebody
	SeverityWarning  Severity = "warning"  // during working hours
	SeverityInfo     Severity = "info"     // good to know
)

var severityRank = map[Severity]int{SeverityInfo: 1, SeverityWarning: 2, SeverityCritical: 3}

// Rank orders severities: the worst has the greatest; the empty one has zero.
func (s Severity) Rank() int { return severityRank[s] }

// AtLeast reports whether s is as bad as least; the empty severity is the least.
func (s Severity) AtLeast(least Severity) bool { return severityRank[s] >= severityRank[least] }

// Alert is one condition that needs somebody, for as long as it lasts. However
// many dependents one cause affects within one operation, it is one alert.
type Alert struct {
	// ID is made of what the alert is about, so that the same condition always has
	// the same one: rule/scope[/cause], for instance
	// propagation-stalled/op-17/storage or policy-conflict/contoso.vault.azure.net/payments.
	// It goes by the identifier of a key: its short name may change meanwhile.
	ID       string   `json:"id"`
	Rule     Rule     `json:"rule"`
	Severity Severity `json:"severity"`
	// Key is the short name of the key concerned, empty if it is the daemon itself.
	Key       string      `json:"key,omitempty"`
	KeyID     KeyID       `json:"key_id,omitempty"`
	Operation OperationID `json:"operation,omitempty"`
	// Cause tells apart the alerts of one rule and scope: the code of a problem, or
	// the kind of the dependents.
	Cause string `json:"cause,omitempty"`
	// Summary is a sentence: what is wrong with what.
	Summary string `json:"summary"`
	// Affected are the dependents concerned, at most [AffectedMost]; Count is how
	// many there are.
	Affected []Affected `json:"affected,omitempty"`
	Count    int        `json:"count,omitempty"`
	// Hint is the next step as the problem itself tells it, for instance a role to
	// grant; empty if it tells none.
	Hint string `json:"hint,omitempty"`
	// Next is the next command to type.
	Next string `json:"next,omitempty"`

	// Starts is when the condition was first seen, by the daemon's clock. Ends is
	// when it was seen to be over; zero while the alert is firing.
	Starts time.Time `json:"starts"`
	Ends   time.Time `json:"ends,omitzero"`
	// Until is when an alert ends by itself that tells of a moment rather than of a
	// condition, for instance of a clock that jumped.
	Until time.Time `json:"until,omitzero"`
	// Told is what each receiver was told, by its name.
	Told map[string]Delivery `json:"told,omitempty"`
}

// AffectedMost is how many dependents an alert names.
const AffectedMost = 20

// Affected is a dependent that an alert is about.
type Affected struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Firing reports whether the condition lasts.
func (a *Alert) Firing() bool { return a.Ends.IsZero() }

// Delivery is what one receiver was told of one alert. It is the outbox: what a
// receiver was not told yet is tried until it was.
type Delivery struct {
	// Fired and Resolved are when it was told so; zero if it was not yet.
	Fired    time.Time `json:"fired,omitzero"`
	Resolved time.Time `json:"resolved,omitzero"`
	// Failures counts the attempts that failed since; Next is when to try again.
	Failures int       `json:"failures,omitempty"`
	Next     time.Time `json:"next,omitzero"`
	// Problem is why the last attempt failed.
	Problem string `json:"problem,omitempty"`
}

// Silence keeps alerts from being delivered for a while. They are still shown.
type Silence struct {
	// ID is s-1 and so on.
	ID string `json:"id"`
	// Alert is the id of an alert; Rule and Key select alerts by these. All that
	// are given must match, and at least one is given.
	Alert string `json:"alert,omitempty"`
	Rule  Rule   `json:"rule,omitempty"`
	Key   string `json:"key,omitempty"`
	// KeyID is what Key stands for, also if it is called otherwise meanwhile.
	KeyID KeyID `json:"key_id,omitempty"`

	Actor   string    `json:"actor"`
	Reason  string    `json:"reason,omitempty"`
	Created time.Time `json:"created"`
	// Until is when it ends; somebody may have ended it earlier than planned.
	Until time.Time `json:"until"`
}

// Silences reports whether the silence holds an alert back at a time.
func (s *Silence) Silences(a *Alert, now time.Time) bool {
	return now.Before(s.Until) && (s.Alert == "" || s.Alert == a.ID) && (s.Rule == "" || s.Rule == a.Rule) &&
		(s.KeyID == "" && (s.Key == "" || s.Key == a.Key) || s.KeyID != "" && s.KeyID.Same(a.KeyID))
}

// Receiver is whoever is told of alerts.
type Receiver struct {
	// Name is unique among the receivers, and stays: the outbox goes by it.
	Name string
	// Kind says how it is told, for instance "alertmanager".
	Kind     string
	Notifier Notifier
	// Repeat is how often it is told again of an alert that goes on; zero never.
	Repeat time.Duration
	// Beginning, if not zero, marks a receiver that keeps alerts by itself, as
	// Alertmanager does: it tells nobody of the end of what it never saw begin, so it
	// is told of the beginning that long before the end, even if both are past; and
	// what it is not told of again it takes to be over, so that a silence that begins
	// later does not end the repetition.
	Beginning time.Duration
	// Severity is the least severity it wants; Rules and Keys, if not empty, are
	// those that it wants.
	Severity Severity
	Rules    []Rule
	Keys     []string
}

// Wants reports whether the receiver is to be told of an alert.
func (r *Receiver) Wants(a *Alert) bool {
	return a.Severity.AtLeast(r.Severity) && (len(r.Rules) == 0 || slices.Contains(r.Rules, a.Rule)) &&
		(len(r.Keys) == 0 || slices.Contains(r.Keys, a.Key))
}

// Notifier tells one receiver.
type Notifier interface {
	// Notify tells of alerts, firing and resolved ones. It returns nil once the
	// receiver has taken all of them; it may be called again with the same ones.
	// It never retries by itself.
	Notify(ctx context.Context, n Notification) error
}

// Notification is what a receiver is told at once.
type Notification struct {
	// Alerts are as they are now, worst first, without Told.
	Alerts []Alert
	// Now is the daemon's time.
	Now time.Time
	// Instance names the store, so that several daemons can be told apart.
	Instance string
	// Test is true if somebody only tries the receiver out.
	Test bool
}

// Book is all that a store keeps beside keys, operations and events.
type Book struct {
	Alerts   []Alert   // by id
	Silences []Silence // by id
	Timings  []Timing  // by kind, region and change
	// Attestations and Freezes are by id.
	Attestations []Attestation
	Freezes      []Freeze
}

// AlertStatus is an alert with what else a person wants to know of it.
type AlertStatus struct {
	Alert
	// Silence is the id of the silence that holds it back, if any.
	Silence string `json:"silence,omitempty"`
	// Title, Meaning, Causes are the rule's, see [alerting.RuleInfo].
	Title   string   `json:"title"`
	Meaning string   `json:"meaning"`
	Causes  []string `json:"causes,omitempty"`
	// Why is why its cause happens, if that is a reason of cmkd's own; see
	// [ReasonInfo].
	Why string `json:"why,omitempty"`
}

// ReceiverStatus is how the deliveries to one receiver go.
type ReceiverStatus struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Pending counts the alerts that it was not told of yet.
	Pending int `json:"pending"`
	// Failures counts the attempts that failed since the last success, Problem is
	// why the last one did.
	Failures int    `json:"failures,omitempty"`
	Problem  string `json:"problem,omitempty"`
	// Last is when it was last told something; zero if never since the start.
	Last time.Time `json:"last,omitzero"`
}

// TestResult is what came of trying out a receiver.
type TestResult struct {
	Receiver string `json:"receiver"`
	Kind     string `json:"kind"`
	// Problem is why it failed, nil if it did not.
	Problem *Problem `json:"problem,omitempty"`
}

// SilenceRequest asks to hold alerts back.
type SilenceRequest struct {
	// Alert, Rule and Key are as in [Silence].
	Alert string `json:"alert,omitempty"`
	Rule  Rule   `json:"rule,omitempty"`
	Key   string `json:"key,omitempty"`
	// For is how long.
	For    time.Duration `json:"for"`
	Actor  string        `json:"-"`
	Reason string        `json:"reason,omitempty"`
}
