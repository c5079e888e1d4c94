package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cmkd/cmd/internal/control"
	"cmkd/rotator"
)

func (a *app) statusCmd() *cobra.Command {
	var watching bool
	c := &cobra.Command{
		Use:   "status [KEY | OPERATION]",
		Short: "Say what needs you, what is under way and what comes next",
		Long: `Without an argument: all keys, what needs somebody first. With a key: the key and
its latest operation. With an operation: each dependent with its state, how that is
known (confirmed by the service, observed in the vault's log, or inferred from the
time that passed), and what holds it up.

The exit code is 3 if something needs you.

--watch follows an operation until it ends, or shows the overview again and again.`,
		Example: `  cmkd status
  cmkd status payments
  cmkd status op-17 --watch
  cmkd status -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completesFirst(keysAndOperations),
		RunE: func(c *cobra.Command, args []string) error {
			client := a.client()
			defer client.Close()
			if len(args) == 0 {
				return a.statusAll(c.Context(), client, watching)
			}
			// Not a plain number: that may be the name of a key.
			if id, err := rotator.ParseOperationID(args[0]); err == nil {
				return a.statusOperation(c.Context(), client, id, watching)
			}
			return a.statusKey(c.Context(), client, args[0], watching)
		},
	}
	c.Flags().BoolVar(&watching, "watch", false, "go on showing it; Ctrl-C ends that")
	return c
}

func (a *app) statusOperation(ctx context.Context, client *control.Client, id rotator.OperationID, watching bool) error {
	if watching {
		return a.follow(ctx, client, id, 0)
	}
	m, err := look(ctx, client, id)
	if err != nil {
		return err
	}
	if err := a.print(m.op, func() error { a.printOperation(&m); return nil }); err != nil {
		return err
	}
	return needing(m.op.NeedsYou())
}

// keyReport is a key with its latest operation, for programs.
type keyReport struct {
	rotator.KeyStatus
	Operation *rotator.OperationStatus `json:"latest_operation,omitempty"`
	// Attestations are those about the key, also those that have ended.
	Attestations []rotator.Attestation `json:"attestations,omitempty"`
}

func (a *app) statusKey(ctx context.Context, client *control.Client, name string, watching bool) error {
	key, err := client.Key(ctx, name)
	if err != nil {
		return err
	}
	if watching && key.Last != nil {
		return a.follow(ctx, client, key.Last.ID, 0)
	}
	summary, err := client.Summary(ctx)
	if err != nil {
		return err
	}
	r := keyReport{KeyStatus: key}
	if r.Attestations, err = client.Attestations(ctx, key.Name); err != nil {
		return err
	}
	if key.Last != nil {
		op, err := client.Operation(ctx, key.Last.ID)
		if err != nil {
			return err
		}
		r.Operation = &op
	}
	if err := a.print(r, func() error {
		a.printKey(&r, summary.Now)
		if r.Operation != nil {
			a.say("")
			a.printOperation(&moment{op: *r.Operation, now: summary.Now, simulated: summary.SimulatedClock})
		}
		return nil
	}); err != nil {
		return err
	}
	return needing(key.NeedsYou())
}

// overview is everything at a moment, for programs.
type overview struct {
	Summary control.Summary     `json:"summary"`
	Keys    []rotator.KeyStatus `json:"keys"`
}

// first returns what needs somebody first, nil if nothing does.
func (o *overview) first() *rotator.Problem {
	for i := range o.Keys {
		if p := o.Keys[i].NeedsYou(); p != nil {
			return p
		}
	}
	for i := range o.Summary.Freezes {
		if p := o.Summary.Freezes[i].NeedsYou(); p != nil {
			return p
		}
	}
	if o.Summary.Blocked != "" {
		return &rotator.Problem{Message: o.Summary.Blocked}
	}
	return nil
}

func (a *app) statusAll(ctx context.Context, client *control.Client, watching bool) error {
	for {
		o, err := seeAll(ctx, client)
		if err != nil {
			return err
		}
		if err := a.print(o, func() error { a.printOverview(o, watching); return nil }); err != nil {
			return err
		}
		if !watching {
			return needing(o.first())
		}
		if err := rest(ctx, nil); err != nil {
			return nil //nolint:nilerr // Ctrl-C is how it ends
		}
	}
}

func seeAll(ctx context.Context, client *control.Client) (o overview, err error) {
	if o.Keys, err = client.Keys(ctx); err != nil {
		return o, err
	}
	o.Summary, err = client.Summary(ctx)
	slices.SortStableFunc(o.Keys, func(x, y rotator.KeyStatus) int { return urgency(&x) - urgency(&y) })
	return o, err
}

// urgency sorts keys: what needs somebody first, then what is under way.
func urgency(k *rotator.KeyStatus) int {
	live := k.Last != nil && !k.Last.State.Final()
	switch p := k.NeedsYou(); {
	case p != nil && p.Code != rotator.ReasonAwaitsApproval && p.Code != rotator.ReasonAwaitsRetirement:
		return 0
	case p != nil:
		return 1
	case live:
		return 2
	default:
		return 3
	}
}

func (a *app) printOverview(o overview, again bool) {
	if _, ok := a.terminal(); ok && again {
		a.out.printf("\x1b[H\x1b[2J") // a fresh screen
	}
	s := &o.Summary
	if line := alertLine(s); line != "" {
		a.say("%s", a.bold(line))
	}
	a.say("%s", a.bold(headline(s)))
	for _, line := range frozenLines(s.Freezes) {
		a.say("%s", a.bold(line))
	}
	if s.SimulatedClock != "" {
		a.say("SIMULATED CLOCK %s, now %s", clean(s.SimulatedClock), stamp(s.Now))
	}
	if s.Blocked != "" {
		a.say("%s nothing can be stored: %s", a.shade("failed"), clean(s.Blocked))
	}
	if len(o.Keys) == 0 {
		a.say("No key is configured yet: cmkd config init shows how.")
		return
	}
	a.say("")
	g := newGrid(a.out, "key", "state", "dependents", "version", "age", "next rotation", "needs you")
	for i := range o.Keys {
		k := &o.Keys[i]
		g.add(clean(k.Name), a.keyState(k), dependents(k), short(k.Current.ID), age(k.Current.Created, s.Now), nextOf(k, s.Now), need(k))
	}
	g.render()
}

// alertLine says how many alerts fire; empty if none does.
func alertLine(s *control.Summary) string {
	var parts []string
	total := 0
	for _, severity := range []rotator.Severity{rotator.SeverityCritical, rotator.SeverityWarning, rotator.SeverityInfo} {
		if n := s.Alerts[severity]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, severity))
			total += n
		}
	}
	if s.Silenced > 0 {
		parts = append(parts, fmt.Sprintf("%d silenced", s.Silenced))
	}
	if len(parts) == 0 {
		return ""
	}
	return count(total+s.Silenced, "alert") + ": " + strings.Join(parts, ", ") + "; cmkd alert list"
}

// headline says how things are in a sentence.
func headline(s *control.Summary) string {
	parts := []string{count(s.Keys, "key")}
	for _, kind := range []rotator.OperationKind{rotator.KindRotation, rotator.KindRevocation, rotator.KindReinstatement} {
		if n := s.Live[kind]; n > 0 {
			parts = append(parts, count(n, string(kind))+" under way")
		}
	}
	if s.NeedsAction > 0 {
		verb := "need"
		if s.NeedsAction == 1 {
			verb = "needs"
		}
		parts = append(parts, fmt.Sprintf("%d %s you", s.NeedsAction, verb))
	}
	if !s.Next.IsZero() {
		when := ahead(s.Next, s.Now)
		if s.NextFrozen && s.Next.Before(s.Now) {
			when = "waits for the end of a freeze"
		}
		parts = append(parts, "next rotation "+when+" ("+clean(s.NextKey)+")")
	}
	return strings.Join(parts, ", ")
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func age(created, now time.Time) string {
	if created.IsZero() {
		return "-"
	}
	return span(max(now.Sub(created), 0))
}

func (a *app) keyState(k *rotator.KeyStatus) string {
	state := a.plainState(k)
	if len(k.Freezes) > 0 {
		state += ", FROZEN (" + clean(k.Freezes[0].ID) + ")"
	}
	return state
}

func (a *app) plainState(k *rotator.KeyStatus) string {
	switch {
	case k.Last == nil || k.Last.State.Final():
		return "idle"
	case k.Last.State == rotator.StateEffective:
		return a.shade("effective") + " (revoked, " + k.Last.ID.String() + ")"
	default:
		return a.shade(string(k.Last.State)) + " (" + k.Last.ID.String() + ")"
	}
}

// dependents counts the dependents of a key by state, while something is under
// way.
func dependents(k *rotator.KeyStatus) string {
	if k.Last == nil || k.Last.State.Final() || len(k.Last.Trackers) == 0 {
		return fmt.Sprint(len(k.Dependents))
	}
	return counts(k.Last.Trackers)
}

func counts(trackers map[rotator.TrackerState]int) string {
	var parts []string
	for _, state := range rotator.TrackerStates() {
		if n := trackers[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, stateWord(state)))
		}
	}
	return strings.Join(parts, ", ")
}

// need says why a key needs somebody, and what to do about it.
func need(k *rotator.KeyStatus) string {
	if p := k.NeedsYou(); p != nil {
		return clean(p.String())
	}
	return ""
}

// needing ends a command with an exit code of its own if somebody is needed: all was said.
func needing(p *rotator.Problem) error {
	if p == nil {
		return nil
	}
	return &outcomeError{code: exitNeedsAction}
}
