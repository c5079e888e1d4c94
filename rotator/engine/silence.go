package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// silence begins a silence.
func (c alerts) silence(r rotator.SilenceRequest) (*rotator.Silence, error) {
	if err := c.checkSilence(&r); err != nil {
		return nil, err
	}
	id, err := c.store.NextIDs(context.Background(), rotator.SequenceSilences, 1)
	if err != nil {
		return nil, err
	}
	s := &rotator.Silence{
		ID: rotator.SequenceSilences.ID(id), Alert: r.Alert, Rule: r.Rule, Key: r.Key,
		Actor: r.Actor, Reason: r.Reason, Created: c.now, Until: c.now.Add(r.For),
	}
	if key := c.keys[r.Key]; key != nil {
		s.KeyID = key.ID
	}
	c.alarm.silences[s.ID] = s
	c.draft.notedOfSilence(s, rotator.EventSilenced, r.Actor, r.Reason, fmt.Sprintf("alerts about %s are silenced until %s", subjectOf(s), s.Until.UTC().Format("2006-01-02 15:04 MST")))
	return s, nil
}

func (c alerts) checkSilence(r *rotator.SilenceRequest) error {
	switch {
	case r.Alert == "" && r.Rule == "" && r.Key == "":
		return rotator.Errorf(rotator.CodeInvalid, "nothing is named that is to be silenced").WithHint("name an alert, a rule or a key")
	case r.For <= 0 || r.For > silenceMost:
		return rotator.Errorf(rotator.CodeInvalid, "a silence lasts at most %d days and more than nothing, not %s", int(silenceMost.Hours()/24), r.For).WithHint("for instance --for 2h")
	case r.Rule != "" && alerting.SeverityOf(r.Rule) == "":
		return rotator.Errorf(rotator.CodeInvalid, "there is no rule %q", r.Rule).WithHint("cmkd alert rules lists them")
	case r.Key != "" && c.keys[r.Key] == nil:
		return rotator.Errorf(rotator.CodeNotFound, "no key %q is configured", r.Key).WithHint("cmkd status lists the keys")
	case r.Alert != "" && !slices.ContainsFunc(c.alarm.all(), func(a *rotator.Alert) bool { return a.ID == r.Alert }):
		return rotator.Errorf(rotator.CodeNotFound, "there is no alert %q", r.Alert).WithHint("cmkd alert list lists them")
	}
	return nil
}

// endSilence ends a silence now; the alerts it held back are told.
func (c alerts) endSilence(id, actor, reason string) (*rotator.Silence, error) {
	s := c.alarm.silences[id]
	switch {
	case s == nil:
		return nil, rotator.Errorf(rotator.CodeNotFound, "there is no silence %q", id).WithHint("cmkd silence list lists them")
	case !c.now.Before(s.Until):
		return nil, rotator.Errorf(rotator.CodeConflict, "silence %s has ended already", id)
	}
	s.Until = c.now
	c.draft.notedOfSilence(s, rotator.EventSilenceEnded, actor, reason, "the silence "+s.ID+" about "+subjectOf(s)+" was ended")
	return s, nil
}

// renamed lets silences of a key go on that is called otherwise now.
func (c alerts) renamed(key *rotator.Key) {
	for _, id := range slices.Sorted(maps.Keys(c.alarm.silences)) {
		if s := *c.alarm.silences[id]; s.KeyID.Same(key.ID) {
			s.Key, c.alarm.silences[id] = key.Name, &s
			c.draft.silenceChanged(&s)
		}
	}
}

// identify gives alerts and silences the identifier of their key that are of a cmkd
// which knew keys by their names.
func (c alerts) identify() {
	named, seen := map[string]rotator.KeyID{}, map[string]time.Time{}
	for _, key := range slices.Sorted(maps.Keys(c.states)) {
		state := c.states[key]
		if id := named[state.Name]; id == "" || state.Seen.After(seen[state.Name]) {
			named[state.Name], seen[state.Name] = state.ID, state.Seen // others had the name before
		}
	}
	called := map[string]string{}
	for _, a := range c.alarm.all() {
		if a.KeyID != "" || named[a.Key] == "" {
			continue
		}
		old, now := a, *a
		now.KeyID = named[a.Key]
		if old.Operation == 0 || old.Rule == rotator.RuleOperationFailed {
			now.ID = alerting.ID(a.Rule, alerting.ScopeOfKey(now.KeyID), a.Cause)
			c.draft.alertDropped(old)
			called[old.ID] = now.ID
		}
		c.alarm.drop(old)
		c.alarm.put(&now)
		c.draft.alertChanged(&now)
	}
	for _, id := range slices.Sorted(maps.Keys(c.alarm.silences)) {
		s := *c.alarm.silences[id]
		if s.KeyID == "" {
			s.KeyID = named[s.Key]
		}
		s.Alert = cmp.Or(called[s.Alert], s.Alert)
		if s != *c.alarm.silences[id] {
			c.alarm.silences[id] = &s
			c.draft.silenceChanged(&s)
		}
	}
}

// subjectOf says what is silenced.
func subjectOf(s *rotator.Silence) string {
	var parts []string
	if s.Alert != "" {
		parts = append(parts, "alert "+s.Alert)
	}
	if s.Rule != "" {
		parts = append(parts, "rule "+string(s.Rule))
	}
	if s.Key != "" {
		parts = append(parts, "key "+s.Key)
	}
	return strings.Join(parts, ", ")
}
