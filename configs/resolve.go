package configs

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// resolve fills in what keys and dependents leave out: a dependent takes it
// from its key, a key from the defaults. So does a receiver from alerts.
func (v *validator) resolve() {
	for i := range v.config.Alerts.Receivers {
		v.resolveReceiver(&v.config.Alerts.Receivers[i], fmt.Sprintf("alerts.receivers[%d]", i))
	}
	for i := range v.config.Keys {
		k := &v.config.Keys[i]
		path := fmt.Sprintf("keys[%d]", i)
		v.resolveKey(k, path)
		for j := range k.Dependents {
			v.resolveDependent(k, &k.Dependents[j], fmt.Sprintf("%s.dependents[%d]", path, j))
		}
	}
}

// execTimeout is how long a program that tells of alerts may run.
const execTimeout = 30 * time.Second

func (v *validator) resolveReceiver(r *Receiver, path string) {
	inherit(v, path+".repeat", &r.Repeat, v.config.Alerts.Repeat)
	inherit(v, path+".severity", &r.Severity, "info")
	if r.Exec != nil {
		inherit(v, path+".exec.timeout", &r.Exec.Timeout, Duration(execTimeout))
	}
}

func (v *validator) resolveKey(k *Key, path string) {
	from := v.config.Defaults
	inherit(v, path+".timezone", &k.Timezone, from.Timezone)
	inherit(v, path+".jitter", &k.Jitter, from.Jitter)
	inherit(v, path+".misfire", &k.Misfire, from.Misfire)
	inherit(v, path+".retire", &k.Retire, from.Retire)
	inherit(v, path+".method", &k.Method, from.Method)
	inherit(v, path+".soak", &k.Soak, from.Soak)
	inherit(v, path+".require", &k.Require, from.Require)
	inherit(v, path+".on_tamper", &k.OnTamper, from.OnTamper)
	inherit(v, path+".nudge", &k.Nudge, from.Nudge)
	if !v.usable(path + ".discover") {
		k.Discover = Discover{Off: from.Discover.Off, In: slices.Clone(from.Discover.In)}
	}
}

func (v *validator) resolveDependent(k *Key, d *Dependent, path string) {
	v.findKind(d, path)
	inherit(v, path+".nudge", &d.Nudge, k.Nudge)
	if traits := v.traits(d.Kind); !v.has(path+".nudge") && traits.Evidence != "" && !traits.Nudge {
		// A key's nudge is for those of its dependents that can be nudged.
		d.Nudge = "never"
	}
	inherit(v, path+".window", &d.Window, v.kindWindow(k, d.Kind))
}

// kindWindow returns the window of a kind: the key's or the file's; zero if nobody told.
// The kind's own is none that an operator vouches for.
func (v *validator) kindWindow(k *Key, kind string) Duration {
	if w, ok := k.Windows[kind]; ok {
		return w
	}
	return v.config.Windows[kind]
}

// window is how long a dependent may take: what somebody said, or what its kind documents.
func (v *validator) window(d *Dependent) Duration {
	return cmp.Or(d.Window, Duration(v.traits(d.Kind).Window))
}

// kindManual is the kind of what cmkd cannot read.
const kindManual = "manual"

func (v *validator) findKind(d *Dependent, path string) {
	switch {
	case v.bad[path] || v.bad[path+".id"] || v.bad[path+".manual"] || v.bad[path+".kind"]:
		return
	case d.ID == "" && d.Manual == "":
		v.problem(path+".id", "missing", "add it, or manual with a name for what cmkd cannot read")
		return
	case d.ID != "" && d.Manual != "":
		v.problem(path+".manual", "is in the place of an id", "leave out one of the two; for a resource that cmkd cannot read: kind: manual")
		return
	case d.Manual != "" || d.GivenKind != "":
		d.Kind = kindManual
	}
	if d.Kind == kindManual || v.checks.KindOf == nil {
		return
	}
	kind, ok := v.checks.KindOf(d.ID)
	if ok {
		d.Kind = kind
	} else if d.Exclude == "" {
		v.problem(path+".id", quote(d.ID)+" is not of a kind that cmkd can follow",
			"remove it, or keep it on record: kind: manual, or exclude with a reason; both are attested for before a version is retired")
	}
}

func (v *validator) traits(kind string) Traits {
	if v.checks.Traits == nil || kind == "" {
		return Traits{}
	}
	return v.checks.Traits(kind)
}

// usable reports whether a path was written, and rightly so.
func (v *validator) usable(path string) bool { return v.has(path) && !v.bad[path] }

func inherit[T any](v *validator, path string, to *T, from T) {
	if !v.usable(path) {
		*to = from
	}
}
