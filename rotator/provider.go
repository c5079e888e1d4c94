package rotator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Clock tells the time. The engine reads it once per step and hands the value
// on.
type Clock interface {
	Now() time.Time
	// After delivers one value after d has passed on this clock.
	After(d time.Duration) <-chan time.Time
}

// Vault is what the engine needs of Key Vault and Managed HSM. Every error is
// an *[Error] in its chain; the methods never retry by themselves.
type Vault interface {
	// Versions lists all versions of the key in no particular order. The list
	// may lag a write by up to a minute. A deleted key is CodeNotFound with a
	// hint how to recover it.
	Versions(ctx context.Context, key KeyID) ([]Version, error)
	// Create makes a new version by method (rotate or create), once. tag is put
	// on it as [TagOperation] where the method can; the returned version says
	// by Operation whether it was. An error without NoEffect leaves open whether
	// a version was made.
	Create(ctx context.Context, key KeyID, method Method, tag string) (Version, error)
	// Tag puts [TagOperation] on a version and leaves its other tags. It can be
	// repeated.
	Tag(ctx context.Context, key KeyID, version Version, tag string) error
	// SetEnabled enables or disables a version and returns it as the vault
	// describes it afterwards. It can be repeated.
	SetEnabled(ctx context.Context, key KeyID, version string, enabled bool) (Version, error)
}

// PolicyReader is a [Vault] that can tell its own rotation policy.
type PolicyReader interface {
	// RotationPolicy returns the policy of the key; zero if it has none.
	RotationPolicy(ctx context.Context, key KeyID) (RotationPolicy, error)
}

// VersionReader is a [Vault] that can tell of one version what a list does not.
type VersionReader interface {
	// Version returns a version with its type, size and operations.
	Version(ctx context.Context, key KeyID, version string) (Version, error)
}

// Ask says what an observation is for.
type Ask struct {
	// Key is the key of the operation.
	Key KeyID
	// Target is the version that the dependent is to be on, empty if there is none yet.
	// While a use is seen on another one, what takes further calls may be left out.
	Target string
	// Access demands to see whether the dependent can use its key, which may
	// take calls of its own.
	Access bool
}

// Action is an update of a dependent.
type Action string

// The actions.
const (
	ActionNudge    Action = "nudge"     // re-read the key now
	ActionRepin    Action = "re-pin"    // name another version
	ActionRecreate Action = "re-create" // deploy anew with another version
)

// Traits are the documented properties of a kind.
type Traits struct {
	// Window is the documented time within which a dependent switches to a new
	// version.
	Window time.Duration
	// Revocation is the documented time within which a revocation or a
	// reinstatement takes effect; zero if none is documented, and then time alone proves
	// neither.
	Revocation time.Duration
	// Best is the best evidence that can be had of the version in use.
	Best Evidence
	// CanNudge is true if ActionNudge works.
	CanNudge bool
	// CheapAccess is true if it takes at most one call more to see whether a dependent can
	// use its key.
	CheapAccess bool
	// Missing are the codes of the service by which it says that a version of its key is
	// what it lacks.
	Missing []string
	// Late says when it shows that a dependent lacks a version, if that may be later than
	// Revocation, for instance "when it is started again"; else empty.
	Late string
	// Revoked says in half a sentence what a dependent can no longer do once its
	// key is revoked, for instance "VMs shut down".
	Revoked string
	// WriteRole is the Azure role to grant for Apply, for hints.
	WriteRole string
	// Takes is what the service demands of a key.
	Takes []KeyDemand
	// Experimental is what no real traffic shows of the kind; empty if it is seen to be as
	// cmkd takes it to be.
	Experimental string
}

// KeyDemand is what a service demands of the versions of a key. Each service wraps its own
// key by an RSA key, whether in an HSM or not.
type KeyDemand struct {
	// Use is the path of the use that the demand is about, empty for each.
	Use string
	// Sizes are those that an RSA key may have, in bits; any if empty.
	Sizes []int
	// Ops are the key operations that the service calls, for instance "wrapKey".
	Ops []string
}

// Lacks returns what a version lacks of what is demanded, as the end of a sentence; empty
// if nothing that is known of it.
func (d *KeyDemand) Lacks(v Version) string {
	switch family := strings.TrimSuffix(strings.ToUpper(v.Type), "-HSM"); {
	case v.Type == "":
		return ""
	case family != "RSA":
		return "is of type " + v.Type + ", and an RSA key is needed"
	case v.Size > 0 && len(d.Sizes) > 0 && !slices.Contains(d.Sizes, v.Size):
		return fmt.Sprintf("has %d bits, which the service does not take", v.Size)
	}
	for _, op := range d.Ops {
		if v.Ops != "" && !slices.Contains(strings.Split(v.Ops, ","), op) {
			return "may not be used for " + op
		}
	}
	return ""
}

// Service is one kind of dependent. The methods never retry by themselves; each
// error is an *[Error] in its chain.
type Service interface {
	// Kind is the name of the kind, for instance "storage".
	Kind() string
	Traits() Traits
	// Observe reads the dependent.
	Observe(ctx context.Context, d *Dependent, ask Ask) (Observation, error)
	// Apply updates the dependent to use version of key, and returns when the
	// update was accepted and has ended. It reads before it writes, changes
	// nothing if nothing is to be changed, and fails with CodeConflict when the
	// resource changed in between.
	Apply(ctx context.Context, d *Dependent, action Action, key KeyID, version Version) error
}

// Finder is a [Service] that can search for dependents.
type Finder interface {
	// Find returns the dependents of key in a subscription, and those resources of
	// which it cannot be told whether they are. What is left out is not: a search that
	// did not see everything is an error, and what it found until then comes with it.
	Find(ctx context.Context, subscription string, key KeyID) ([]Found, error)
}

// Lister says where to search for dependents.
type Lister interface {
	// Subscriptions returns the ids of the subscriptions that the daemon's identity
	// sees. One that is left out may exist all the same: the identity has no role in it.
	Subscriptions(ctx context.Context) ([]string, error)
}

// Found is what a search found.
type Found struct {
	Dependent
	// Unknown is why it cannot be told whether it uses the key; nil if it does.
	Unknown *Problem
}

// Inventory says how much was searched for dependents that nobody listed. The zero value
// is that of no search.
type Inventory struct {
	// Off is true if the configuration says not to search.
	Off bool `json:"off,omitempty"`
	// Subscriptions is in how many it was searched.
	Subscriptions int `json:"subscriptions,omitempty"`
	// Unchecked is what could not be looked at: at most [UncheckedMost] of it, and More
	// counts the rest.
	Unchecked []Unchecked `json:"unchecked,omitempty"`
	More      int         `json:"more,omitempty"`
}

// UncheckedMost bounds what is kept of what a search could not look at.
const UncheckedMost = 20

// Complete reports whether a search, if there was one, saw everything it was to see.
func (i *Inventory) Complete() bool { return !i.Off && len(i.Unchecked) == 0 }

// Same reports whether two searches saw as much.
func (i *Inventory) Same(o *Inventory) bool {
	return i.Off == o.Off && i.Subscriptions == o.Subscriptions && i.More == o.More && slices.Equal(i.Unchecked, o.Unchecked)
}

// Unchecked is what a search for dependents could not look at.
type Unchecked struct {
	// Kind is the kind of dependent that there may be, empty for every kind.
	Kind string `json:"kind,omitempty"`
	// Subscription is where, empty for those that could not be listed.
	Subscription string `json:"subscription,omitempty"`
	// Problem is why, with what to grant.
	Problem Problem `json:"problem"`
}

// String names what was not looked at, and why.
func (u *Unchecked) String() string {
	what, where := "dependents of any kind", "in subscription "+u.Subscription
	if u.Kind != "" {
		what = "those of kind " + u.Kind
	}
	if u.Subscription == "" {
		where = "in subscriptions that could not be listed"
	}
	return what + " " + where + ": " + u.Problem.Message
}
