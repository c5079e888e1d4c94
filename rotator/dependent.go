package rotator

import (
	"regexp"
	"strings"
	"time"
)

// Binding is how a dependent names its key.
type Binding string

// The bindings. The empty binding means unknown.
const (
	// BindingFollows names the key without a version; the service adopts new
	// versions by itself.
	BindingFollows Binding = "follows"
	// BindingPinned names a version and can be told another one.
	BindingPinned Binding = "pinned"
	// BindingFixed names a version and must be re-created for another one.
	BindingFixed Binding = "fixed"
)

// Nudge says when cmkd may make a dependent re-read its key. It needs write
// permission on the resource.
type Nudge string

// The nudge policies.
const (
	NudgeNever       Nudge = "never" // the default
	NudgeWhenStalled Nudge = "when-stalled"
	NudgeAlways      Nudge = "always"
)

// KindManual is the kind of what cmkd cannot read: a person attests that it does not
// need the old versions of its key any more.
const KindManual = "manual"

// Dependent is a resource whose data key is wrapped by a key.
type Dependent struct {
	// ID is the Azure resource id. Ids compare without regard to case.
	ID string `json:"id"`
	// Kind is the service, for instance "storage".
	Kind string `json:"kind"`
	// Name is what people call it; by default the last segment of ID.
	Name  string `json:"name,omitempty"`
	Nudge Nudge  `json:"nudge,omitempty"`
	// Recreate is the operator's consent to re-create a fixed dependent.
	Recreate bool `json:"recreate,omitempty"`
	// Window overrides the kind's window; zero means the kind's own.
	Window time.Duration `json:"window,omitempty"`
	// Poll overrides how often it is looked at; zero derives it from Window.
	Poll time.Duration `json:"poll,omitempty"`
	// Excluded is the reason for which the operator leaves it out.
	Excluded string `json:"excluded,omitempty"`
	// Discovered is true if nobody listed it: a search found it.
	Discovered bool `json:"discovered,omitempty"`
	// Settings are the kind's own, decoded by the kind.
	Settings map[string]string `json:"settings,omitempty"`
}

// Unseen reports whether nobody looks at the dependent: it is of [KindManual] or left out.
func (d *Dependent) Unseen() bool { return d.Excluded != "" || d.Kind == KindManual }

// DisplayName returns the name that people call the dependent.
func (d *Dependent) DisplayName() string {
	if d.Name != "" {
		return d.Name
	}
	return d.ID[strings.LastIndexByte(d.ID, '/')+1:]
}

// ShellName returns the name as it is written in a command.
func (d *Dependent) ShellName() string {
	name := d.DisplayName()
	if shellSafe.MatchString(name) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

var shellSafe = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@/-]*$`)

// Subscription returns the id of the subscription that the dependent is in, empty if its
// own id does not tell.
func (d *Dependent) Subscription() string {
	parts := strings.SplitN(d.ID, "/", 4)
	if len(parts) < 3 || parts[0] != "" || !strings.EqualFold(parts[1], "subscriptions") {
		return ""
	}
	return parts[2]
}

// Same reports whether two dependents are one resource.
func (d *Dependent) Same(id string) bool { return strings.EqualFold(d.ID, id) }
