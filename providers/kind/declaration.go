package kind

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cmkd/rotator"
)

// Path names a property of a resource's document: names joined by dots, from
// the root, or from an element of a list where a comment says so.
type Path string

var (
	// wrapOps are the key operations by which services wrap their own keys: their role
	// gives them get, wrap and unwrap (azure/facts.md section 2).
	wrapOps = []string{"wrapKey", "unwrapKey"}
	// encryptOps are those of the etcd of a cluster (azure/facts-services.md A2).
	encryptOps = []string{"encrypt", "decrypt"}
	// rsaSizes are those that disks (azure/facts-evidence.md) and Storage ("Customer-managed
	// keys for Azure Storage encryption", learn.microsoft.com) take.
	rsaSizes = []int{2048, 3072, 4096}
)

// Declaration is one kind of resource: everything that tells it from others, as
// data, with small functions where a service has ways of its own. The shared
// code asks the declaration and never which kind it is.
type Declaration struct {
	Name       string // of the kind, as in the configuration
	Type       string // of the resource, as in Azure Resource Manager
	APIVersion string
	Noun       string // what a person calls one, with its article
	Traits     rotator.Traits
	// Bindings are the ways in which a resource of the kind can name its key.
	Bindings []rotator.Binding

	// Uses are the places where the resource names a key.
	Uses []UseAt
	// Children are resources below it, each with a use of its own.
	Children *Children
	// BlindSpots may use the key, and are not looked at or not shown by Azure; Blind
	// returns those that a document tells of. MayBlind are those that Blind and More may
	// return, by how they begin.
	BlindSpots []rotator.BlindSpot
	MayBlind   []rotator.BlindSpot
	Blind      func(doc document) []rotator.BlindSpot
	// More adds what takes further calls to see: uses through others, and blind spots.
	More func(ctx context.Context, r *Resource, d *rotator.Dependent, doc document, ask rotator.Ask, o *rotator.Observation) error
	// State is the resource's provisioningState; Rests are the words in it by which nothing
	// is under way, if not Succeeded.
	State Path
	Rests []string
	// Identity is by which identity the resource reads its key, nil if that is not shown.
	Identity *IdentityAt
	// Faults are complaints of the service about its key.
	Faults []FaultAt
	// Status are the places where the service says whether it can use its key; the first
	// that knows counts.
	Status []StatusAt
	// Probe sees whether the service can use its key at the price of more calls.
	Probe *Probe
	// Facts are kept raw with an observation, named with FactPrefix before them.
	Facts      []Path
	FactPrefix string
	Settings   []Setting

	// Properties describes every property relied on. What follows is for
	// people, too: see [Declaration.AllCalls] and [Declaration.AllPermissions]
	// for what every kind has of these.
	Properties []Property
	// Further are those that the functions read, of other documents.
	Further     []Property
	Calls       []CallInfo
	Permissions []Permission
	Evidence    string // how the version in use, and a denial, are known
	Limits      []string
	Sources     []string
}

// UseAt says where one use of a key is found, and how it names the key: by an
// identifier (URI), by its parts (Vault, Name, Version), or through another
// resource (Via).
type UseAt struct {
	Path Path // the part of the document that makes the use
	URI  Path
	Vault, Name,
	Version Path
	Via *Via
	// List is where a document has a list of keys of which any one serves: each is a use,
	// called Path[NAME] by its key, and Vault, Name and Version are within an element.
	List    Path
	element bool // of a list

	// Owner says whose key it is, where the service says so in words.
	Owner *Owner
	// Witness is there in every document of a resource. Where it is, a use may be
	// absent, as of a resource that never had it; without a witness the use is always
	// there, and a document that does not show it does not tell.
	Witness Path
	// Current is where the service reports the identifier in use. Without it
	// the version that the use names is the one in use, unless Hidden.
	Current   Path
	RotatedAt Path // when it was switched to
	Hidden    bool // the service does not tell the version in use
	// Follows is a flag by which a use that names a version follows its key.
	Follows Path
	// Setting, Previous and ByHand are as in [rotator.Use], of a use that names a
	// version; Slow is [rotator.Use.Window] of one that follows.
	Setting, Previous bool
	ByHand            string
	Slow              time.Duration
	// Silent uses that follow do not tell their version.
	Silent bool
	// Fixed uses keep the version that they name for life; one that names none
	// follows its key, and the service does not tell the version.
	Fixed bool
	Held  []HeldAt
	// Updates are how the use is told another version, one an action.
	Updates []Update
}

// Children are the resources of one collection below a resource of the kind. They are
// listed, and not shown by the resource itself.
type Children struct {
	Collection, Type string
	// Use is that of each; its paths are in the child's document, its Path is the
	// collection.
	Use UseAt
}

// Owner is a property that says whose key it is: the customer's or Microsoft's.
type Owner struct {
	At                  Path
	Customer, Microsoft string
}

// HeldAt says where older versions are listed that still wrap some of the data.
type HeldAt struct {
	List Path
	URI  Path // within an element of List
}

// FaultAt says where a service complains. There is no fault without a code.
type FaultAt struct {
	Code, Message Path
	Class         rotator.Code
	Hint          string
}

// StatusAt says where a service tells whether it can use its key, and reads it.
type StatusAt struct {
	At   Path
	Read func(text string) (rotator.Access, string)
}

// Probe looks whether a resource can use its key. At is what the probe reads of
// the resource's document.
type Probe struct {
	At   Path
	Look func(ctx context.Context, r *Resource, d *rotator.Dependent, doc document, o *rotator.Observation) error
}

// Update is how a use with a binding is told a version: by a document that
// holds what is Kept of the resource and the new identifier, or by what Body
// makes of the whole resource.
type Update struct {
	Action  rotator.Action
	Binding rotator.Binding
	Method  string
	// Versionless updates name the key without a version: the service takes the
	// newest.
	Versionless bool
	// Kept is sent back as it was read, without the properties in ReadOnly.
	Kept     []Path
	ReadOnly []string
	// Whole is what a service takes that knows no update of a part: the document goes back as
	// it was read, without what is read-only, which is named here. What is not named, and new,
	// goes back, too.
	Whole []Path
	// Body may change the document; version is what the resource is to name.
	Body func(doc document, version string) any
	// Consent is needed of the operator if the update does harm.
	Consent bool
	// Lost names what the update would destroy; then it is refused.
	Lost func(doc document) []string
}

// Property is a property of Azure's that a kind relies on.
type Property struct {
	Path Path   `json:"path"`
	Use  string `json:"use"`
}

// CallInfo is a call that a kind makes.
type CallInfo struct {
	Method     string `json:"method"`
	Path       string `json:"path"`
	APIVersion string `json:"api_version"`
	When       string `json:"when"`
}

// Setting is a setting of a dependent that only its kind knows.
type Setting struct {
	Name, Doc string
	check     func(value string) error
}

// Permission is what the daemon's identity must be granted.
type Permission struct {
	Role  string `json:"role"`
	Scope string `json:"scope"`
	// Action is the least one, for a custom role.
	Action string `json:"action"`
	When   string `json:"when"`
}

// updates returns the updates of all uses.
func (d *Declaration) updates() (all []Update) {
	for _, u := range d.Uses {
		all = append(all, u.Updates...)
	}
	return all
}

// via returns through which resource the kind uses its key, nil if by itself.
func (d *Declaration) via() *Via {
	for _, u := range d.Uses {
		if u.Via != nil {
			return u.Via
		}
	}
	return nil
}

// AllCalls returns the calls that every kind makes, those of its own, and those
// of the kind through which it uses its key.
func (d *Declaration) AllCalls() []CallInfo {
	collection, observe := "/subscriptions/…/providers/"+d.Type, "observe"
	updates := d.updates()
	if len(updates) > 0 || d.via() != nil {
		observe += "; before an update"
	}
	calls := []CallInfo{{http.MethodGet, collection + "/…", d.APIVersion, observe}}
	for i, u := range updates {
		if i > 0 && u.Method == updates[i-1].Method {
			calls[len(calls)-1].When += ", " + string(u.Action)
			continue
		}
		when := string(u.Action)
		if u.Whole != nil {
			when += ", with the whole document as it was read just before"
		}
		if u.Consent {
			when += ", with the operator's consent"
		}
		calls = append(calls, CallInfo{u.Method, collection + "/…", d.APIVersion, when})
	}
	if in, below := d.parentType(); below != "" {
		calls = append(calls, CallInfo{http.MethodGet, "/subscriptions/…/providers/" + in, d.APIVersion, "find"})
		collection = "/subscriptions/…/providers/" + in + "/…/" + below
	}
	calls = append(calls, CallInfo{http.MethodGet, collection, d.APIVersion, "find"})
	calls = append(calls, d.Calls...)
	if via := d.via(); via != nil {
		calls = append(calls, via.To.AllCalls()...)
	}
	return calls
}

// AllPermissions returns what every kind needs, what this one needs beside, and
// what the kind needs through which it uses its key.
func (d *Declaration) AllPermissions() []Permission {
	all := []Permission{{"Reader", d.Noun, d.Type + "/read", "always"}}
	var actions []string
	for _, u := range d.updates() {
		actions = append(actions, string(u.Action))
	}
	if len(actions) > 0 {
		all = append(all, Permission{d.Traits.WriteRole, d.Noun, d.Type + "/write", strings.Join(actions, " or ")})
	}
	all = append(all, d.Permissions...)
	if via := d.via(); via != nil {
		all = append(all, via.To.AllPermissions()...)
	}
	return all
}
