package kind

import (
	"strings"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// What the resource's own identity is called where a service names the one that reads a
// key, beside the ids of user-assigned ones.
const (
	// ownIdentity is the system-assigned one.
	ownIdentity = "SystemAssigned"
	// anyIdentity is whichever the resource has.
	anyIdentity = "any"
)

// Where every resource has its identities (azure/facts.md section 4).
const (
	identityTypes Path = "identity.type"
	identityUsers Path = "identity.userAssignedIdentities"
	// identityClient is within a user-assigned identity.
	identityClient Path = "clientId"
)

// IdentityAt says by which identity a resource reads its key. One that it does not have any
// more goes unnoticed for as long as the service remembers what it unwrapped, up to three
// months (azure/facts-services.md A1).
type IdentityAt struct {
	// At names it, empty if nothing does.
	At Path
	// Types are the types of the identities that the resource has, Users its user-assigned ones.
	Types, Users Path
	// Client is true if At names a user-assigned identity by its client id, and not by its id.
	Client bool
	// Read returns the id of a user-assigned identity, [ownIdentity] or [anyIdentity]; empty
	// if it is one of the service's, which nobody can take away.
	Read func(text string) string
}

// readsBy says which of a resource's identities reads the key.
func readsBy(at Path, read func(text string) string) *IdentityAt {
	return &IdentityAt{At: at, Types: identityTypes, Users: identityUsers, Read: read}
}

// identify complains if the resource has the identity no more by which it reads a key that
// one of its uses names.
func (d *Declaration) identify(doc document, o *rotator.Observation) {
	if d.Identity == nil || !namesAny(o) {
		return
	}
	if p := d.Identity.gone(doc); p != nil {
		complain(o, p)
	}
}

// gone returns the problem that the identity is none of the resource's; nil if it is, or if
// the document does not tell.
func (i *IdentityAt) gone(doc document) *rotator.Problem {
	types := doc.text(i.Types)
	if types == "" || hasType(types, "UserAssigned") && doc.object(i.Users) == nil && i.Users != "" {
		return nil
	}
	has, message := false, "the resource has no identity any more by which it could read its key"
	switch want := i.Read(doc.text(i.At)); want {
	case "":
		return nil
	case anyIdentity:
		has = !strings.EqualFold(types, "None")
	case ownIdentity:
		has = hasType(types, ownIdentity)
		message = "the system-assigned identity by which the resource reads its key is gone"
	default:
		for id, user := range doc.object(i.Users) {
			if i.Client {
				id = document{user}.text(identityClient)
			}
			if id == "" {
				return nil // it cannot be told from another
			}
			has = has || strings.EqualFold(id, want)
		}
		message = "the identity by which the resource reads its key is not assigned to it any more: " + want
	}
	if has {
		return nil
	}
	return &rotator.Problem{Code: rotator.ReasonIdentityGone, Message: message, Hint: rotator.InfoOf(rotator.ReasonIdentityGone).Next}
}

// hasType says whether a type of identity is among some, as in "SystemAssigned, UserAssigned".
func hasType(types, one string) bool {
	for has := range strings.SplitSeq(types, ",") {
		if strings.EqualFold(strings.TrimSpace(has), one) {
			return true
		}
	}
	return false
}

// clientID reads a client id; what is none says nothing.
func clientID(text string) string {
	if !arm.IsGUID(text) {
		return ""
	}
	return text
}
