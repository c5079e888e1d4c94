package kind

import (
	"cmp"
	"context"
	"strings"

	"cmkd/rotator"
)

// suspect is a resource of which the list does not tell whether it uses a key: for one
// that it goes through, for what is below it, or for what cannot be read.
type suspect struct {
	found rotator.Found
	via   string
}

// Find implements [rotator.Finder]: it lists the kind's type. What a list does not tell
// is looked at for itself; so is another resource through which a key is used, once. One
// that cannot be looked at keeps the others from nothing: the first such error comes with
// what was found.
func (r *Resource) Find(ctx context.Context, subscription string, key rotator.KeyID) (found []rotator.Found, err error) {
	var suspects []suspect
	err = r.list(ctx, subscription, func(doc document) {
		o := r.decode(doc)
		f := rotator.Found{Dependent: r.dependent(doc), Unknown: illegible(&o)}
		s := suspect{found: f}
		if r.via != nil {
			s.via = doc.text(r.Declaration.via().At)
		}
		switch {
		case uses(&o, key):
			found = append(found, rotator.Found{Dependent: f.Dependent})
		case f.Unknown != nil || s.via != "" || r.Children != nil:
			suspects = append(suspects, s)
		}
	})
	if err != nil && rotator.AsError(err).Reason == missingRegistration {
		return nil, nil // nobody can have one in this subscription
	}
	through := map[string]bool{}
	for i := range suspects {
		ours, why := r.suspected(ctx, &suspects[i], key, through)
		if ours {
			found = append(found, suspects[i].found)
		}
		if why != nil {
			err = cmp.Or(err, wrap("search", &suspects[i].found.Dependent, why))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return found, err
}

// missingRegistration is the code of Azure Resource Manager for a provider that was never
// used in a subscription (facts-evidence.md section 6).
const missingRegistration rotator.Reason = "MissingSubscriptionRegistration"

// suspected looks at a suspect and reports whether it uses the key, or may do so.
func (r *Resource) suspected(ctx context.Context, s *suspect, key rotator.KeyID, through map[string]bool) (bool, error) {
	if s.found.Unknown != nil {
		ours, err := r.resolveDoubt(ctx, &s.found, key)
		if err != nil || ours || s.found.Unknown != nil {
			return err == nil, err
		}
	}
	if s.via != "" {
		if ours, err := r.usesThrough(ctx, s.via, key, through); err != nil || ours {
			return ours, err
		}
	}
	if r.Children == nil {
		return false, nil
	}
	var o rotator.Observation
	err := r.children(ctx, s.found.ID, func(child document, u *UseAt) {
		use, _ := u.decode(child, &o)
		o.Uses = append(o.Uses, use)
	})
	switch rotator.CodeOf(err) {
	case "":
	case rotator.CodeNotFound: // gone meanwhile
		return false, nil
	case rotator.CodeForbidden:
		s.found.Unknown = rotator.ProblemOf(rotator.AsError(err))
		return true, nil
	default:
		return false, err
	}
	if ours := uses(&o, key); ours {
		return true, nil
	}
	s.found.Unknown = illegible(&o)
	return s.found.Unknown != nil, nil
}

// illegible returns what of a resource's uses cannot be read; nil if nothing. A use that
// is absent is none: nobody said that the resource has it.
func illegible(o *rotator.Observation) *rotator.Problem {
	for i := range o.Uses {
		if u := &o.Uses[i]; u.Unknown != nil && !u.Absent() {
			return u.Unknown
		}
	}
	return nil
}

// resolveDoubt reads a resource of which a list did not tell whether it uses the key, and
// reports whether it does. If that does not tell either, it stays unknown.
func (r *Resource) resolveDoubt(ctx context.Context, f *rotator.Found, key rotator.KeyID) (ours bool, err error) {
	o, err := r.Observe(ctx, &f.Dependent, rotator.Ask{Key: key})
	switch rotator.CodeOf(err) {
	case "":
		f.Unknown = illegible(&o)
		if uses(&o, key) {
			f.Unknown = nil
			return true, nil
		}
		return false, nil
	case rotator.CodeNotFound: // gone meanwhile
		f.Unknown = nil
		return false, nil
	case rotator.CodeForbidden:
		return false, nil
	default:
		return false, err
	}
}

func (r *Resource) dependent(doc document) rotator.Dependent {
	return rotator.Dependent{ID: doc.text("id"), Kind: r.Name, Name: doc.text("name"), Discovered: true}
}

// usesThrough reports whether a resource uses a key through another, which is read once:
// seen holds what was found.
func (r *Resource) usesThrough(ctx context.Context, id string, key rotator.KeyID, seen map[string]bool) (bool, error) {
	if found, known := seen[strings.ToLower(id)]; known {
		return found, nil
	}
	other, _, err := r.via.read(ctx, id)
	if err != nil && rotator.CodeOf(err) != rotator.CodeNotFound {
		return false, err
	}
	o := r.via.decode(other)
	seen[strings.ToLower(id)] = err == nil && (uses(&o, key) || illegible(&o) != nil)
	return seen[strings.ToLower(id)], nil
}
