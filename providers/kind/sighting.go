package kind

import (
	"fmt"
	"strings"
	"time"

	"cmkd/rotator"
)

// Sighting is what was seen of a resource at a moment: its uses of keys, what
// cannot be seen, and what the service says of itself.
type Sighting struct {
	At         time.Time
	Region     string
	Uses       []Use
	BlindSpots []BlindSpot
	Updating   bool

	Access         rotator.Access
	AccessCode     string
	AccessEvidence rotator.Evidence
	Problem        *rotator.Problem
	Facts          map[string]string
}

// Use is one place where a resource names a key.
type Use struct {
	Path    Path // where, in the document
	Key     rotator.KeyID
	Binding rotator.Binding
	Version string // in use; empty where the service does not tell
	// Named is the version by which the use names its key; empty for none.
	Named     string
	RotatedAt time.Time // when Version was switched to, if the service tells
	Held      []Held
	Via       string // the resource that was looked at, if it is another

	at *UseAt
}

// Held is a version that still wraps some of the data of a use. It may be one of
// another key, if the use was given another.
type Held struct {
	Key     rotator.KeyID
	Version string
}

// BlindSpot is something that may use the key and is not seen.
type BlindSpot struct {
	What string
	Why  string
}

// observation fills in what the engine knows today: one use, and the versions
// that it holds of its own key or of the one that was asked for.
func (s Sighting) observation(asked rotator.KeyID) rotator.Observation {
	o := rotator.Observation{
		At: s.At, Region: s.Region, Updating: s.Updating, Problem: s.Problem, Facts: s.Facts,
		Access: s.Access, AccessCode: s.AccessCode, AccessEvidence: s.AccessEvidence,
	}
	if len(s.Uses) == 0 {
		return o
	}
	u := s.Uses[0]
	o.Key, o.Binding, o.Version, o.RotatedAt, o.Via = u.Key, u.Binding, u.Version, u.RotatedAt, u.Via
	for _, h := range u.Held {
		if h.Key.Same(u.Key) || h.Key.Same(asked) {
			o.Previous = append(o.Previous, h.Version)
		}
	}
	return o
}

// names reports whether a use shows a key, also by an older version that still
// wraps some of the data.
func (s Sighting) names(key rotator.KeyID) bool {
	for _, u := range s.Uses {
		if u.Key != "" && u.Key.Same(key) {
			return true
		}
		for _, h := range u.Held {
			if h.Key.Same(key) {
				return true
			}
		}
	}
	return false
}

// named reports whether the resource itself names a key.
func (s Sighting) named() bool { return len(s.Uses) > 0 && s.Uses[0].Key != "" }

// complain keeps the first problem, which is the one nearest to the key.
func (s *Sighting) complain(p *rotator.Problem) {
	if s.Problem == nil {
		s.Problem = p
	}
}

// decode reads a resource's document as the declaration says. Uses through
// another resource are not in it.
func (d *Declaration) decode(doc document) Sighting {
	s := Sighting{Region: region(doc.text(location)), BlindSpots: d.BlindSpots, Facts: map[string]string{}}
	for name, value := range doc.facts(d.Facts...) {
		s.Facts[d.FactPrefix+name] = value
	}
	for i := range d.Uses {
		d.Uses[i].decode(doc, &s)
	}
	for _, f := range d.Faults {
		if code := doc.text(f.Code); code != "" {
			s.complain(&rotator.Problem{Code: rotator.Reason(code), Message: doc.text(f.Message), Class: f.Class, Hint: f.Hint})
		}
	}
	if d.Status != nil && s.named() {
		s.Access, s.AccessCode = d.Status.Read(doc.text(d.Status.At))
		if s.Access != rotator.AccessUnknown {
			s.AccessEvidence = rotator.EvidenceConfirmed
		}
	}
	s.state(doc.text(d.State))
	return s
}

// decode adds the use to a sighting, if the document has it.
func (u *UseAt) decode(doc document, s *Sighting) {
	if u.Via != nil {
		return
	}
	use := Use{Path: u.Path, at: u}
	ref := u.identifier(doc, s)
	if ref.key != "" {
		use.Key, use.Named, use.Binding = ref.key, ref.version, u.binding(doc, ref)
		u.current(doc, &use, s)
	}
	if u.Fixed && ref.key != "" && !ref.versioned {
		s.complain(&rotator.Problem{Code: rotator.ReasonVersionNotNamed, Message: string(u.Version) + " is empty", Hint: u.Unversioned})
	}
	u.held(doc, &use, s)
	if use.Key != "" || len(use.Held) > 0 {
		s.Uses = append(s.Uses, use)
	}
}

// identifier reads how the use names its key; empty if it names none of a
// customer's.
func (u *UseAt) identifier(doc document, s *Sighting) keyRef {
	if u.URI != "" {
		ref, problem := doc.keyAt(u.URI)
		if problem != nil {
			s.complain(problem)
		}
		return ref
	}
	if !u.there(doc, s) {
		return keyRef{}
	}
	ref, err := keyOf(doc.text(u.Vault), doc.text(u.Name), doc.text(u.Version))
	if err != nil {
		s.complain(unreadableKey(u.Vault, err))
	}
	return ref
}

// there reports whether the document names a key of a customer's by its parts.
func (u *UseAt) there(doc document, s *Sighting) bool {
	if u.Owner == nil {
		return len(doc.object(u.Path)) > 0
	}
	switch owner := doc.text(u.Owner.At); {
	case strings.EqualFold(owner, u.Owner.Customer):
		return true
	case strings.EqualFold(owner, u.Owner.Microsoft), owner == "" && doc.text(u.Vault) == "" && doc.text(u.Name) == "":
	default:
		s.complain(&rotator.Problem{
			Code: rotator.ReasonUnknownKeySource, Message: string(u.Owner.At) + " is " + owner, Hint: "look at the encryption settings of the resource",
		})
	}
	return false
}

func (u *UseAt) binding(doc document, ref keyRef) rotator.Binding {
	switch {
	case u.Fixed:
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
func (u *UseAt) current(doc document, use *Use, s *Sighting) {
	switch {
	case u.Hidden:
	case u.Current == "":
		use.Version, use.RotatedAt = use.Named, doc.stamp(u.RotatedAt)
	default:
		u.reported(doc, use, s)
	}
}

// reported reads the version in use where the service reports it apart from the
// setting.
func (u *UseAt) reported(doc document, use *Use, s *Sighting) {
	current, problem := doc.keyAt(u.Current)
	switch {
	case problem != nil:
		s.complain(problem)
	case current.key == "":
	case !current.key.Same(use.Key):
		// Seen only while the resource is given another key.
		s.complain(&rotator.Problem{
			Code: rotator.ReasonKeyMismatch, Message: fmt.Sprintf("it is set to %s and still uses %s", use.Key, current.key),
			Hint: "wait, or nudge it",
		})
	default:
		use.Version, use.RotatedAt = current.version, doc.stamp(u.RotatedAt)
	}
}

// held reads the versions that still wrap some of the data.
func (u *UseAt) held(doc document, use *Use, s *Sighting) {
	for _, h := range u.Held {
		var uris []string
		for _, element := range doc.list(h.List) {
			ref, problem := element.keyAt(h.URI)
			if problem != nil {
				s.complain(problem)
			}
			if ref.version != "" {
				use.Held = append(use.Held, Held{ref.key, ref.version})
			}
			uris = append(uris, element.text(h.URI))
		}
		if len(uris) > 0 {
			s.Facts[h.List.fact()] = strings.Join(uris, " ")
		}
	}
}

// state fills in what the resource's provisioningState tells.
func (s *Sighting) state(value string) {
	switch {
	case value == "", strings.EqualFold(value, "Succeeded"):
	case strings.EqualFold(value, "Failed"), strings.EqualFold(value, "Canceled"):
		s.complain(&rotator.Problem{
			Code: rotator.ReasonProvisioningFailed, Message: "the last update of the resource ended as " + value,
			Hint: "see the activity log of the resource",
		})
	default:
		s.Updating = true
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
