package azuresim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// rotationPolicy is the vault-side policy of a key (facts §2).
type rotationPolicy struct {
	actions          []lifetimeAction
	expiry           string // ISO 8601
	created, updated time.Time
}

// lifetimeAction is one action of a policy.
type lifetimeAction struct {
	Trigger struct {
		AfterCreate  string `json:"timeAfterCreate,omitempty"`
		BeforeExpiry string `json:"timeBeforeExpiry,omitempty"`
	} `json:"trigger"`
	Action struct {
		Type string `json:"type"`
	} `json:"action"`
}

// isoDuration matches a duration of ISO 8601 without weeks and fractions.
var isoDuration = regexp.MustCompile(`^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// addISO adds a duration of ISO 8601 to t.
func addISO(t time.Time, duration string) (time.Time, bool) { return moveISO(t, duration, 1) }

func moveISO(t time.Time, duration string, sign int) (time.Time, bool) {
	m := isoDuration.FindStringSubmatch(strings.ToUpper(duration))
	if m == nil {
		return t, false
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v * sign }
	t = t.AddDate(n(1), n(2), n(3))
	clock := time.Duration(n(4))*time.Hour + time.Duration(n(5))*time.Minute + time.Duration(n(6))*time.Second
	return t.Add(clock), true
}

// getPolicy answers with the policy. A key without one has a Notify action
// thirty days before expiry (unverified).
func (s *Server) getPolicy(c *call, name, _ string) *answer {
	k, state, ok := s.live(c, name)
	if !ok {
		return s.notFound(c, name, "")
	}
	p := state.policy
	if p == nil {
		notify := lifetimeAction{}
		notify.Trigger.BeforeExpiry, notify.Action.Type = "P30D", "Notify"
		v := state.find("")
		p = &rotationPolicy{actions: []lifetimeAction{notify}, created: v.created, updated: v.created}
	}
	return reply(http.StatusOK, policyDoc(c, k, p))
}

// policyDoc is the policy as it is sent; a managed HSM leaves the host out of
// the id and writes the types in lower case [recordings keyvault.key-rotation,
// keyvault.hsm-rotate].
func policyDoc(c *call, k *key, p *rotationPolicy) doc {
	id := k.uri(nil) + "/rotationpolicy"
	if c.vault.spec.HSM {
		id = "keys/" + k.name + "/rotationpolicy"
	}
	actions := make([]lifetimeAction, 0, len(p.actions))
	for _, action := range p.actions {
		if kind := strings.ToLower(action.Action.Type); c.vault.spec.HSM || kind == "" {
			action.Action.Type = kind
		} else {
			action.Action.Type = strings.ToUpper(kind[:1]) + kind[1:]
		}
		actions = append(actions, action)
	}
	attributes := doc{"created": p.created.Unix(), "updated": p.updated.Unix()}
	if p.expiry != "" {
		attributes["expiryTime"] = p.expiry
	}
	return doc{"id": id, "lifetimeActions": actions, "attributes": attributes}
}

// setPolicy replaces the policy.
func (s *Server) setPolicy(c *call, name, _ string) *answer {
	var r struct {
		Actions    []lifetimeAction `json:"lifetimeActions"`
		Attributes struct {
			Expiry string `json:"expiryTime"`
		} `json:"attributes"`
	}
	if json.Unmarshal(c.body, &r) != nil {
		return problem(http.StatusBadRequest, "BadParameter", "The request body is not valid JSON.")
	}
	k := c.vault.key(name)
	if k == nil || !k.state.exists || k.state.deleted != nil {
		return s.notFound(c, name, "")
	}
	for _, action := range r.Actions {
		if !longEnough(action.Trigger.AfterCreate) || !longEnough(action.Trigger.BeforeExpiry) {
			return problem(http.StatusBadRequest, "BadParameter", "The rotation policy is invalid.")
		}
	}
	p := &rotationPolicy{actions: r.Actions, expiry: r.Attributes.Expiry, created: c.now, updated: c.now}
	if old := k.state.policy; old != nil {
		p.created = old.created
	}
	s.usePolicy(k, p, c.now)
	return reply(http.StatusOK, policyDoc(c, k, p))
}

// longEnough says whether a trigger is absent or at least seven days, the
// minimum (facts §2).
func longEnough(duration string) bool {
	if duration == "" {
		return true
	}
	var zero time.Time
	end, ok := addISO(zero, duration)
	return ok && end.Sub(zero) >= 7*24*time.Hour
}

// usePolicy sets a policy and plans what it does.
func (s *Server) usePolicy(k *key, p *rotationPolicy, now time.Time) {
	next := k.state
	next.policy = p
	k.change(next, now)
	s.planRotation(k, now)
}

// planRotation puts the next rotation by the vault itself on the agenda.
func (s *Server) planRotation(k *key, now time.Time) {
	p, newest := k.state.policy, k.state.find("")
	if p == nil || newest == nil {
		return
	}
	for _, action := range p.actions {
		if !strings.EqualFold(action.Action.Type, "rotate") {
			continue
		}
		due, ok := rotationDue(action, newest)
		if !ok {
			continue
		}
		// A policy that would rotate at once, again and again, rotates daily.
		if earliest := newest.created.Add(24 * time.Hour); due.Before(earliest) && !newest.created.Before(s.epoch) {
			due = earliest
		}
		if due.Before(now) {
			due = now
		}
		s.agenda.add(due, func(at time.Time) {
			// A newer version or another policy has made its own plan.
			if k.state.policy == p && k.state.deleted == nil && k.state.find("").id == newest.id {
				s.rotate(k, at)
			}
		})
	}
}

// rotationDue returns when an action applies to a version.
func rotationDue(action lifetimeAction, v *version) (time.Time, bool) {
	if action.Trigger.AfterCreate != "" {
		return addISO(v.created, action.Trigger.AfterCreate)
	}
	if v.exp == 0 {
		return time.Time{}, false
	}
	return moveISO(time.Unix(v.exp, 0).UTC(), action.Trigger.BeforeExpiry, -1)
}
