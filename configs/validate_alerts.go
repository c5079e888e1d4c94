package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (v *validator) validateAlerts() {
	a := &v.config.Alerts
	v.validateRepeat(a.Repeat, "alerts.repeat")
	names := owners{}
	for i := range a.Receivers {
		r := &a.Receivers[i]
		at := fmt.Sprintf("alerts.receivers[%d]", i)
		v.required(r, at)
		v.unique(names, r.Name, at+".name", "the name "+quote(r.Name), "each receiver needs its own")
		v.validateReceiver(r, at)
	}
}

// leastRepeat keeps a receiver from being told of the same again and again.
const leastRepeat = Duration(time.Minute)

func (v *validator) validateRepeat(repeat Duration, at string) {
	if repeat > 0 && repeat < leastRepeat && v.has(at) {
		v.problem(at, quote(repeat.String())+" is too often", fmt.Sprintf("0s for never, or at least %s", leastRepeat))
	}
}

func (v *validator) validateReceiver(r *Receiver, at string) {
	if v.bad[at] {
		return
	}
	v.validateRepeat(r.Repeat, at+".repeat")
	v.validateWays(r, at)
	v.validateFilters(r, at)
	if r.Alertmanager != nil {
		v.required(r.Alertmanager, at+".alertmanager")
		if v.has(at+".repeat") && r.Repeat != v.config.Alerts.Repeat {
			v.warn(at+".repeat", "has no effect on an Alertmanager, which itself decides when it tells people again",
				"remove it, and set repeat_interval there")
		}
		v.repeated(r.Alertmanager.URLs, at+".alertmanager.urls")
	}
	if r.Shoutrrr != nil {
		v.required(r.Shoutrrr, at+".shoutrrr")
	}
	if r.Exec != nil {
		v.validateExec(r.Exec, at+".exec")
	}
}

// validateWays sees to it that a receiver is told in exactly one way.
func (v *validator) validateWays(r *Receiver, at string) {
	var ways []string
	for _, way := range []struct {
		name  string
		given bool
	}{{"alertmanager", r.Alertmanager != nil}, {"shoutrrr", r.Shoutrrr != nil}, {"exec", r.Exec != nil}} {
		if way.given {
			ways = append(ways, way.name)
		}
	}
	switch {
	case len(ways) == 0:
		v.problem(at, "does not say how to tell it", "add one of alertmanager, shoutrrr and exec")
	case len(ways) > 1:
		v.problem(at+"."+ways[1], "is given beside "+ways[0], "make two receivers of it")
	}
}

// validateFilters checks what a receiver wants to be told of.
func (v *validator) validateFilters(r *Receiver, at string) {
	v.repeated(r.Rules, at+".rules")
	for i, rule := range r.Rules {
		if v.checks.CheckRule != nil && rule != "" && !v.checks.CheckRule(rule) {
			v.problem(fmt.Sprintf("%s.rules[%d]", at, i), "there is no rule "+quote(rule), "docs/alerts.md lists the rules")
		}
	}
	v.repeated(r.Keys, at+".keys")
	names, whole := v.keyNames()
	for i, key := range r.Keys {
		if key == "" || !whole || names[key] {
			continue
		}
		hint := suggest(key, slices.Sorted(maps.Keys(names)))
		if hint == "" {
			hint = "name a key that is listed under keys:"
		}
		v.problem(fmt.Sprintf("%s.keys[%d]", at, i), "there is no key "+quote(key), hint)
	}
}

// keyNames returns the names of the configured keys; whole is false if one of
// them could not be read.
func (v *validator) keyNames() (names map[string]bool, whole bool) {
	names, whole = map[string]bool{}, !v.bad["keys"]
	for _, k := range v.config.Keys {
		names[k.Name] = true
		whole = whole && k.Name != ""
	}
	return names, whole
}

func (v *validator) validateExec(e *Exec, at string) {
	v.required(e, at)
	if len(e.Command) == 0 || v.bad[at+".command[0]"] {
		return
	}
	if !strings.HasPrefix(e.Command[0], "/") {
		v.problem(at+".command[0]", "the program is not an absolute path", "no shell looks it up: begin it with /")
		return
	}
	if message, hint := checkPath(e.Command[0]); message != "" {
		v.problem(at+".command[0]", "the program "+message, hint)
	}
}
