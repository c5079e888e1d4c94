package rotator

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// silence begins a silence.
func (c *core) silence(r SilenceRequest) (*Silence, error) {
	if err := c.checkSilence(&r); err != nil {
		return nil, err
	}
	id, err := c.store.NextIDs(context.Background(), SequenceSilences, 1)
	if err != nil {
		return nil, err
	}
	s := &Silence{
		ID: SilenceID(id), Alert: r.Alert, Rule: r.Rule, Key: r.Key,
		Actor: r.Actor, Reason: r.Reason, Created: c.now, Until: c.now.Add(r.For),
	}
	c.alarm.silences[s.ID] = s
	c.silenceEvent(s, EventSilenced, r.Actor, fmt.Sprintf("alerts about %s are silenced until %s", s.subject(), s.Until.UTC().Format("2006-01-02 15:04 MST")))
	return s, nil
}

func (c *core) checkSilence(r *SilenceRequest) error {
	switch {
	case r.Alert == "" && r.Rule == "" && r.Key == "":
		return Errorf(CodeInvalid, "nothing is named that is to be silenced").WithHint("name an alert, a rule or a key")
	case r.For <= 0 || r.For > silenceMost:
		return Errorf(CodeInvalid, "a silence lasts at most %d days and more than nothing, not %s", int(silenceMost.Hours()/24), r.For).WithHint("for instance --for 2h")
	case r.Rule != "" && severityOf(r.Rule) == "":
		return Errorf(CodeInvalid, "there is no rule %q", r.Rule).WithHint("cmkd alert rules lists them")
	case r.Key != "" && c.keys[r.Key] == nil:
		return Errorf(CodeNotFound, "no key %q is configured", r.Key).WithHint("cmkd status lists the keys")
	case r.Alert != "" && !slices.ContainsFunc(c.alarm.all(), func(a *Alert) bool { return a.ID == r.Alert }):
		return Errorf(CodeNotFound, "there is no alert %q", r.Alert).WithHint("cmkd alert list lists them")
	}
	return nil
}

// endSilence ends a silence now; the alerts it held back are told.
func (c *core) endSilence(id, actor string) (*Silence, error) {
	s := c.alarm.silences[id]
	switch {
	case s == nil:
		return nil, Errorf(CodeNotFound, "there is no silence %q", id).WithHint("cmkd silence list lists them")
	case !c.now.Before(s.Until):
		return nil, Errorf(CodeConflict, "silence %s has ended already", id)
	}
	s.Until = c.now
	c.silenceEvent(s, EventSilenceEnded, actor, "the silence "+s.ID+" about "+s.subject()+" was ended")
	return s, nil
}

func (c *core) silenceEvent(s *Silence, t EventType, actor, message string) {
	c.alarm.quieted[s.ID] = s
	c.alarm.published = false
	c.hard = true
	c.change.Events = append(c.change.Events, Event{
		At: c.now, Type: t, Key: s.Key, Actor: actor, Message: message,
		Data: map[string]string{"silence": s.ID, "reason": s.Reason},
	})
	c.postSoon(c.now)
}

// subject says what is silenced.
func (s *Silence) subject() string {
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
