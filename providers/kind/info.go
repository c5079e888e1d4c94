package kind

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cmkd/rotator"
)

// Info is what people are told of a kind: what it is, how it names its key, what is known of
// it and how, and what cmkd needs of Azure for it.
type Info struct {
	Kind       string            `json:"kind"`
	Type       string            `json:"type"`
	APIVersion string            `json:"api_version"`
	Bindings   []rotator.Binding `json:"bindings"`
	// Evidence is how the version in use, and a denial, are known; Best is the best that there is.
	Best     rotator.Evidence `json:"best"`
	Evidence string           `json:"evidence"`
	// Window is how long a new version may take, Revocation how long it takes until a denial
	// can show; zero if nothing documents it.
	Window     time.Duration `json:"window"`
	Revocation time.Duration `json:"revocation"`
	// Late is when a denial may show later all the same; empty if never.
	Late    string `json:"late,omitempty"`
	Revoked string `json:"revoked"`
	Nudge   bool   `json:"nudge"`
	// Maturity is "recorded" if real traffic with Azure shows the kind, else "experimental:"
	// and what is missing.
	Maturity string    `json:"maturity"`
	Takes    []string  `json:"takes,omitempty"`
	Uses     []UseInfo `json:"uses"`
	// Blind is what may need an old version and is not seen: a person attests.
	Blind []rotator.BlindSpot `json:"blind,omitempty"`
	// Denial is by what a denial is seen, Missing by which codes a retirement is rolled back.
	Denial      string        `json:"denial"`
	Missing     []string      `json:"missing,omitempty"`
	Calls       []CallInfo    `json:"calls"`
	Properties  []Property    `json:"properties"`
	Permissions []Permission  `json:"permissions"`
	Settings    []SettingInfo `json:"settings,omitempty"`
	Limits      []string      `json:"limits,omitempty"`
	Sources     []string      `json:"sources"`
}

// UseInfo is what people are told of one use of a key.
type UseInfo struct {
	Use     string           `json:"use"`
	NamedBy string           `json:"named_by"`
	Version string           `json:"version"`
	Best    rotator.Evidence `json:"best,omitempty"`
	// After is how long it takes until what is only inferred is.
	After time.Duration `json:"after,omitempty"`
	Held  string        `json:"held,omitempty"`
	By    string        `json:"changed_by"`
}

// SettingInfo is what people are told of a setting that only its kind knows.
type SettingInfo struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

// Infos returns what people are told of every kind.
func Infos() []Info {
	all := make([]Info, 0, len(All()))
	for _, d := range All() {
		all = append(all, d.Info())
	}
	return all
}

// Info returns what people are told of the kind.
func (d *Declaration) Info() Info {
	info := Info{
		Kind: d.Name, Type: d.Type, APIVersion: d.APIVersion, Bindings: d.Bindings, Best: d.Traits.Best, Evidence: d.Evidence,
		Window: d.Traits.Window, Revocation: d.Traits.Revocation, Late: d.Traits.Late, Revoked: d.Traits.Revoked, Nudge: d.Traits.CanNudge,
		Maturity: "recorded", Blind: slices.Concat(d.BlindSpots, d.MayBlind), Denial: d.denial(), Missing: d.Traits.Missing,
		Calls: d.AllCalls(), Properties: slices.Concat(d.Properties, d.Further), Permissions: d.AllPermissions(), Limits: d.Limits, Sources: d.Sources,
	}
	if d.Traits.Experimental != "" {
		info.Maturity = "experimental: " + d.Traits.Experimental
	}
	for _, demand := range d.Traits.Takes {
		info.Takes = append(info.Takes, takes(demand))
	}
	for _, s := range d.Settings {
		info.Settings = append(info.Settings, SettingInfo{s.Name, s.Doc})
	}
	for i := range d.Uses {
		info.Uses = append(info.Uses, d.useInfo(&d.Uses[i], string(d.Uses[i].Path)))
	}
	if d.Children != nil {
		info.Uses = append(info.Uses, d.useInfo(&d.Children.Use, "each of "+d.Children.Collection))
	}
	return info
}

// useInfo returns what people are told of a use.
func (d *Declaration) useInfo(u *UseAt, use string) UseInfo {
	if u.Via != nil {
		as := "as of the " + u.Via.Noun
		return UseInfo{Use: use, NamedBy: "the " + u.Via.Noun + " at " + string(u.Via.At), Version: as, Held: as, By: as}
	}
	if u.List != "" {
		use = "each of " + use
	}
	info := UseInfo{Use: use, NamedBy: string(cmp.Or(u.URI, u.Name)), By: d.changedBy(u)}
	if info.Version, info.Best = u.shown(); info.Best == rotator.EvidenceInferred {
		info.After = max(d.Traits.Window, u.Slow)
	}
	for _, h := range u.Held {
		info.Held = string(h.List)
	}
	if u.Previous {
		info.Held = "the version before, until it is told yet another one; not shown, cmkd keeps to that"
	}
	return info
}

// shown says where the version in use is seen, and how good that is.
func (u *UseAt) shown() (where string, best rotator.Evidence) {
	silent := "; silent if it names none"
	switch {
	case u.Hidden:
		return "silent", rotator.EvidenceInferred
	case u.Setting:
		return "setting: " + string(cmp.Or(u.URI, u.Version)) + silent, rotator.EvidenceInferred
	case u.Current != "":
		return "state: " + string(u.Current), rotator.EvidenceConfirmed
	case u.Fixed:
		return "state, for life: " + string(cmp.Or(u.Version, u.URI)) + silent, rotator.EvidenceConfirmed
	default:
		return "state: " + string(cmp.Or(u.URI, u.Version)), rotator.EvidenceConfirmed
	}
}

// changedBy says how the use comes to a new version.
func (d *Declaration) changedBy(u *UseAt) string {
	var all []string
	for _, update := range u.Updates {
		all = append(all, string(update.Action))
	}
	switch {
	case u.ByHand != "":
		return "a person, who is told how; by itself if it follows"
	case len(all) == 0:
		return "itself"
	case u.Fixed:
		return strings.Join(all, ", ") + ", with consent"
	case !slices.Contains(d.Bindings, rotator.BindingFollows):
		return strings.Join(all, ", ")
	default:
		return "itself if it follows; " + strings.Join(all, ", ")
	}
}

// denial says by what it is seen that a resource cannot use its key.
func (d *Declaration) denial() string {
	switch {
	case d.Status != nil:
		var places []string
		for _, s := range d.Status {
			places = append(places, string(s.At))
		}
		return strings.Join(places, ", ") + ", a state of the service: confirmed"
	case d.Traits.Revocation == 0:
		return "nothing; no delay is documented, so that only a window of the configuration makes it inferred"
	case d.Probe != nil && d.Traits.CheapAccess:
		return "a call on its data plane where the configuration names a container: confirmed; else by time: inferred"
	case d.Probe != nil:
		return "the power state of its machines: confirmed if all are off that ran before; else by time: inferred"
	default:
		return "time: inferred; it does not show"
	}
}

// takes says what a service demands of a key.
func takes(d rotator.KeyDemand) string {
	what := "an RSA key"
	sizes := make([]string, len(d.Sizes))
	for i, size := range d.Sizes {
		sizes[i] = strconv.Itoa(size)
	}
	if len(sizes) > 0 {
		what += " of " + strings.Join(sizes, ", ") + " bits"
	}
	what += " that allows " + strings.Join(d.Ops, ", ")
	if d.Use != "" {
		what += fmt.Sprintf(", for %s", d.Use)
	}
	return what
}
