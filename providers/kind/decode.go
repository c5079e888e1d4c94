package kind

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cmkd/rotator"
)

// uses reports whether a use shows a key, also by an older version that still
// wraps some of the data.
func uses(o *rotator.Observation, key rotator.KeyID) bool { return o.Names(key) || o.Holds(key, "") }

// namesAny reports whether a use names a key of a customer's, whichever.
func namesAny(o *rotator.Observation) bool {
	return slices.ContainsFunc(o.Uses, func(u rotator.Use) bool { return u.Key != "" })
}

// complain keeps the first problem, which is the one nearest to the key.
func complain(o *rotator.Observation, p *rotator.Problem) {
	if o.Problem == nil {
		o.Problem = p
	}
}

// decode reads a resource's document as the declaration says. Uses through
// another resource are not in it.
func (d *Declaration) decode(doc document) rotator.Observation {
	o := rotator.Observation{Region: region(doc.text(location)), BlindSpots: slices.Clone(d.BlindSpots), Facts: map[string]string{}}
	if d.Blind != nil {
		o.BlindSpots = append(o.BlindSpots, d.Blind(doc)...)
	}
	for name, value := range doc.facts(d.Facts...) {
		o.Facts[d.FactPrefix+name] = value
	}
	for _, in := range d.usesIn(doc) {
		u := in.at
		if u.Via != nil && doc.text(u.Via.At) != "" {
			continue // seen by a look at the other
		}
		use, _ := u.decode(in.doc, &o)
		switch {
		case use.Unknown != nil:
		case doc.text(d.State) == "":
			use.Unknown = missing(d.State)
		case use.Microsoft && strings.EqualFold(doc.text(d.State), creating):
			use = rotator.Use{Path: use.Path, Unknown: notYet(u.Path)}
		}
		o.Uses = append(o.Uses, use)
	}
	for _, f := range d.Faults {
		if code := doc.text(f.Code); code != "" {
			complain(&o, &rotator.Problem{Code: rotator.Reason(code), Message: doc.text(f.Message), Class: f.Class, Hint: f.Hint})
		}
	}
	d.identify(doc, &o)
	d.access(doc, &o)
	d.provisioned(&o, doc.text(d.State))
	return o
}

// useIn is a use and the part of a document that its paths are in.
type useIn struct {
	at  *UseAt
	doc document
}

// usesIn returns the uses that a document has, or should have: of a list each element.
func (d *Declaration) usesIn(doc document) (all []useIn) {
	for i := range d.Uses {
		u := &d.Uses[i]
		var whole rotator.Use
		elements := doc.list(u.List)
		if u.List == "" || len(elements) == 0 || u.Owner != nil && (u.absent(doc) || !u.customers(doc, &whole)) {
			all = append(all, useIn{u, doc})
			continue
		}
		for _, element := range elements {
			one := *u
			one.Path, one.Owner, one.element = u.Path+"["+Path(element.text(u.Name))+"]", nil, true
			all = append(all, useIn{&one, element})
		}
	}
	return all
}

// access reads what the service says of its access to the key.
func (d *Declaration) access(doc document, o *rotator.Observation) {
	for _, s := range d.Status {
		if o.Access != rotator.AccessUnknown || !namesAny(o) {
			return
		}
		o.Access, o.AccessCode = s.Read(doc.text(s.At))
		if o.Access != rotator.AccessUnknown {
			o.AccessEvidence = rotator.EvidenceConfirmed
		}
	}
}

// creating is the provisioningState of a resource that is being made. A registry that will
// be under a customer's key says meanwhile that it is not (azure/facts-services.md A1).
const creating = "Creating"

// notYet is the problem of a resource that is being made.
func notYet(path Path) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonUnreadableKey, Message: string(path) + " says nothing yet: the resource is being made", Hint: "wait until it is there",
	}
}

// decode reads the use, and the version by which it names its key, empty for none.
// What cannot be read of it is unknown. What else it shows goes into the observation.
func (u *UseAt) decode(doc document, o *rotator.Observation) (use rotator.Use, version string) {
	use.Path = string(u.Path)
	ref := u.identifier(doc, &use)
	if ref.key != "" {
		use.Key, use.Binding = ref.key, u.binding(doc, ref)
		u.current(doc, &use, ref, o)
		if ref.versioned {
			use.Setting, use.Previous, use.ByHand = u.Setting, u.Previous, u.ByHand
		} else {
			use.Window = u.Slow
		}
	}
	u.held(doc, &use, o)
	if use.Unknown != nil && !use.Absent() {
		complain(o, use.Unknown)
	}
	return use, ref.version
}

// identifier reads how the use names its key; empty if it names none of a
// customer's, or none that can be read.
func (u *UseAt) identifier(doc document, use *rotator.Use) keyRef {
	if p := u.mistyped(doc); p != nil {
		use.Unknown = p
		return keyRef{}
	}
	switch {
	case u.absent(doc), u.Via != nil:
		use.Unknown = u.notShown(doc)
		return keyRef{}
	case u.Owner != nil && !u.customers(doc, use):
		return keyRef{}
	case u.URI != "":
		ref, problem := doc.keyAt(u.URI)
		if ref.key == "" && problem == nil {
			problem = missing(u.URI)
		}
		use.Unknown = problem
		return ref
	}
	ref, err := keyOf(doc.text(u.Vault), doc.text(u.Name), doc.text(u.Version))
	if err != nil {
		use.Unknown = unreadableKey(u.Vault, err)
	}
	return ref
}

// mistyped is the problem of a document in which something is of another type than it
// is to be: what cannot be read is not absent.
func (u *UseAt) mistyped(doc document) *rotator.Problem {
	texts := []Path{u.URI, u.Vault, u.Name, u.Version, u.Current}
	if u.Via != nil {
		texts = append(texts, u.Via.At)
	}
	for _, at := range texts {
		if _, is := doc.at(at).root.(string); at != "" && doc.has(at) && !is {
			return strange(at, "is no text")
		}
	}
	if _, is := doc.at(u.Follows).root.(bool); u.Follows != "" && doc.has(u.Follows) && !is {
		return strange(u.Follows, "is neither true nor false")
	}
	return nil
}

func strange(at Path, what string) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonUnreadableKey, Message: string(at) + " " + what,
		Hint: "look at the resource with az resource show; cmkd does not guess which key and version it uses",
	}
}

// absent reports whether the document has nothing where the use would be: of one that may
// be absent the whole part that makes it.
func (u *UseAt) absent(doc document) bool {
	at := u.Path
	switch {
	case u.Witness != "":
	case u.Owner != nil:
		at = u.Owner.At
	case u.URI != "":
		at = u.URI
	}
	return !u.element && !doc.has(at)
}

// notShown is what is unknown of a use that is absent.
func (u *UseAt) notShown(doc document) *rotator.Problem {
	p := missing(u.Path)
	if u.Witness != "" && doc.has(u.Witness) {
		p.Code = rotator.ReasonKeyNotShown
	}
	return p
}

// missing is the problem of a document without a property that every resource has.
func missing(path Path) *rotator.Problem {
	return &rotator.Problem{
		Code: rotator.ReasonUnreadableKey, Message: string(path) + " is missing",
		Hint: "look at the resource with az resource show; cmkd does not take absence for evidence",
	}
}

// customers reports whether the service says in words that the key is a customer's.
func (u *UseAt) customers(doc document, use *rotator.Use) bool {
	owner, _ := doc.at(u.Owner.At).scalar()
	switch {
	case strings.EqualFold(owner, u.Owner.Customer):
		return true
	case u.Owner.Microsoft != "" && strings.EqualFold(owner, u.Owner.Microsoft):
		use.Microsoft = true
	default:
		use.Unknown = &rotator.Problem{
			Code: rotator.ReasonUnknownKeySource, Message: fmt.Sprintf("%s is %q", u.Owner.At, owner), Hint: "look at the encryption settings of the resource",
		}
	}
	return false
}

func (u *UseAt) binding(doc document, ref keyRef) rotator.Binding {
	switch {
	case u.Fixed && ref.versioned:
		return rotator.BindingFixed
	case u.Follows != "" && doc.flag(u.Follows):
		return rotator.BindingFollows
	case ref.versioned:
		return rotator.BindingPinned
	case u.Follows != "":
		return "" // an identifier that must have a version has none
	}
	return rotator.BindingFollows
}

// current reads the version in use.
func (u *UseAt) current(doc document, use *rotator.Use, ref keyRef, o *rotator.Observation) {
	switch {
	case u.Hidden, (u.Fixed || u.Silent || u.Slow > 0) && !ref.versioned:
	case u.Current == "" && ref.version == "" && use.Unknown == nil:
		use.Unknown = &rotator.Problem{
			Code: rotator.ReasonVersionNotNamed, Message: string(u.URI) + " names no version", Hint: "look at the resource with az resource show",
		}
	case u.Current == "":
		use.Version, use.RotatedAt = ref.version, doc.stamp(u.RotatedAt)
	default:
		u.reported(doc, use, o)
	}
}

// reported reads the version in use where the service reports it apart from the
// setting.
func (u *UseAt) reported(doc document, use *rotator.Use, o *rotator.Observation) {
	current, problem := doc.keyAt(u.Current)
	switch {
	case problem != nil:
		use.Unknown = problem
	case current.version == "":
		use.Unknown = &rotator.Problem{
			Code: rotator.ReasonVersionNotShown, Message: string(u.Current) + " names no version",
			Hint: "look at the resource with az resource show; cmkd does not guess which version it uses",
		}
	case !current.key.Same(use.Key):
		// Seen only while the resource is given another key: until then it needs this one.
		use.Held = append(use.Held, rotator.Held{Key: current.key, Version: current.version})
		complain(o, &rotator.Problem{
			Code: rotator.ReasonKeyMismatch, Message: fmt.Sprintf("it is set to %s and still uses %s", use.Key, current.key),
			Hint: "wait, or nudge it",
		})
	default:
		use.Version, use.RotatedAt = current.version, doc.stamp(u.RotatedAt)
	}
}

// held reads the versions that still wrap some of the data.
func (u *UseAt) held(doc document, use *rotator.Use, o *rotator.Observation) {
	for _, h := range u.Held {
		var uris []string
		if _, is := doc.at(h.List).root.([]any); doc.has(h.List) && !is {
			use.Unknown = cmp.Or(use.Unknown, strange(h.List, "is no list"))
		}
		for _, element := range doc.list(h.List) {
			if ref, problem := element.keyAt(h.URI); ref.version != "" {
				use.Held = append(use.Held, rotator.Held{Key: ref.key, Version: ref.version})
			} else {
				use.Unknown = cmp.Or(use.Unknown, problem, strange(h.List, "has an element that names no version"))
			}
			uris = append(uris, element.text(h.URI))
		}
		if len(uris) > 0 {
			o.Facts[h.List.fact()] = strings.Join(uris, " ")
		}
	}
}

// provisioned fills in what the resource's provisioningState tells.
func (d *Declaration) provisioned(o *rotator.Observation, value string) {
	rests := func(word string) bool { return strings.EqualFold(value, word) }
	switch {
	case value == "", rests("Succeeded"), slices.ContainsFunc(d.Rests, rests):
	case strings.EqualFold(value, "Failed"), strings.EqualFold(value, "Canceled"):
		complain(o, &rotator.Problem{
			Code: rotator.ReasonProvisioningFailed, Message: "the last update of the resource ended as " + value,
			Hint: "see the activity log of the resource",
		})
	default:
		o.Updating = true
	}
}

// location is where every resource says where it is.
const location Path = "location"

// regionUse is what every kind uses its location for.
const regionUse = "where it is: propagation times are learned by region"

// region brings the two ways in which Azure writes a location to one: "West
// Europe" and "westeurope" (the recordings show both, and other cases). A text
// that names no region is left out.
func region(location string) string {
	const most = 64
	name := strings.ToLower(strings.ReplaceAll(location, " ", ""))
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	if len(name) > most || strings.ContainsFunc(name, odd) {
		return ""
	}
	return name
}
