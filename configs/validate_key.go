package configs

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// owners remembers who took a name, a key or a resource first.
type owners map[string]string

// take returns the path that took the name before, empty if none did.
func (o owners) take(name, path string) string {
	if before, taken := o[name]; taken {
		return before
	}
	o[name] = path
	return ""
}

func (v *validator) validateKeys() {
	if len(v.config.Keys) == 0 && !v.bad["keys"] {
		v.warn("keys", "no keys: there is nothing to do", "add the first key under keys:")
	}
	names, uris, resources := owners{}, owners{}, owners{}
	for i := range v.config.Keys {
		k := &v.config.Keys[i]
		at := fmt.Sprintf("keys[%d]", i)
		v.required(k, at)
		v.unique(names, k.Name, at+".name", "the name "+quote(k.Name), "each key needs its own")
		v.unique(uris, sameKey(k.URI), at+".uri", "the key "+k.URI, "list its dependents under one entry")
		v.validateKey(k, at)
		labels, manual := owners{}, owners{}
		for j := range k.Dependents {
			d := &k.Dependents[j]
			under := fmt.Sprintf("%s.dependents[%d]", at, j)
			v.required(d, under)
			v.unique(resources, strings.ToLower(d.ID), under+".id", quote(d.ID),
				"a dependent belongs to one key: remove one")
			v.unique(manual, strings.ToLower(d.Manual), under+".manual", quote(d.Manual), "one attestation would stand in for both: give it another name")
			v.validateDependent(k, d, under, labels)
		}
	}
}

func (v *validator) unique(taken owners, name, at, what, hint string) {
	if name == "" {
		return
	}
	if before := taken.take(name, at); before != "" {
		v.problem(at, fmt.Sprintf("%s is taken by %s on line %d", what, before, v.placeOf(before).line), hint)
	}
}

func (v *validator) validateKey(k *Key, at string) {
	if cloud := vaultCloud(k.URI); cloud != "" && cloud != v.config.Azure.Cloud {
		v.problem(at+".uri",
			fmt.Sprintf("%s is in the cloud %s, azure.cloud is %s", quote(k.URI), cloud, v.config.Azure.Cloud),
			"one daemon serves one cloud")
	}
	if why := v.config.Roles.alone(); k.TwoPerson && why != "" {
		v.problem(at+".two_person", "no revocation could ever be approved: "+why, "name them in roles.approvers")
	}
	if k.Retire == "off" && k.Soak != v.config.Defaults.Soak {
		v.warn(at+".soak", "has no effect while retire is off", "remove it")
	}
	v.repeated(k.Discover.In, at+".discover")
	v.validateDiscover(k, at)
	v.validateWindows(k.Windows, at+".windows")
	v.validateSchedule(k, at)
}

// validateDiscover complains of a retirement that will never come.
func (v *validator) validateDiscover(k *Key, at string) {
	if !k.Discover.Off || k.Retire == "off" {
		return
	}
	v.warn(v.written(at, "discover", "retire"), "no version is ever retired, though retire is "+k.Retire+
		": discover is off, so that nobody knows what else uses the key",
		"set retire to off, or name the subscriptions to search")
}

func (v *validator) repeated(ids []string, at string) {
	seen := map[string]bool{}
	for i, id := range ids {
		if id = strings.ToLower(id); seen[id] {
			v.warn(fmt.Sprintf("%s[%d]", at, i), quote(id)+" is listed twice", "remove one")
		}
		seen[id] = true
	}
}

func (v *validator) validateDependent(k *Key, d *Dependent, at string, labels owners) {
	if d.Name != "" {
		v.unique(labels, strings.ToLower(d.Name), at+".name", "the name "+quote(d.Name),
			"names are unique among a key's dependents")
	} else if before := labels.take(strings.ToLower(cmp.Or(d.Manual, path.Base(d.ID))), at+".id"); before != "" && d.ID != "" {
		v.warn(at+".id", fmt.Sprintf("has the same last part as %s", before), "give it a name to tell them apart")
	}
	if window := v.window(d); d.Poll > 0 && window > 0 && d.Poll > window {
		v.problem(v.written(at, "poll", "window"),
			fmt.Sprintf("looking every %s cannot tell what happens within %s", d.Poll, window),
			"make poll shorter than the window")
	}
	if d.Exclude != "" {
		return // what it could do no longer matters
	}
	v.validateTraits(k, d, at)
	if v.checks.CheckSettings != nil && d.Kind != "" {
		if err := v.checks.CheckSettings(d.Kind, d.Settings); err != nil {
			v.problem(at+".settings", onOneLine(err.Error()), "")
		}
	}
}

// written returns the first of the fields that was written, else the first.
func (v *validator) written(at string, fields ...string) string {
	for _, f := range fields {
		if v.has(at + "." + f) {
			return at + "." + f
		}
	}
	return at + "." + fields[0]
}

// validateTraits complains of what is asked of a dependent and can never be.
func (v *validator) validateTraits(k *Key, d *Dependent, at string) {
	traits := v.traits(d.Kind)
	if traits.Evidence == "" {
		return
	}
	levels := []string{"inferred", "observed", "confirmed"}
	if slices.Index(levels, traits.Evidence) < slices.Index(levels, k.Require) {
		v.problem(at, fmt.Sprintf("require is %s, but %s never shows more than %s: the rotation could not complete",
			k.Require, d.Kind, traits.Evidence),
			"set the key's require to "+traits.Evidence+", or exclude the dependent")
	}
	if d.Recreate && !traits.Recreate {
		v.problem(at+".recreate", d.Kind+" takes new versions without being re-created", "remove it")
	}
	if v.has(at+".nudge") && d.Nudge != "never" && !traits.Nudge {
		v.problem(at+".nudge", d.Kind+" cannot be made to re-read its key", "remove it")
	}
}
