package kind

import (
	"context"
	"maps"
	"slices"

	"cmkd/rotator"
)

// Via is a use of a key through another resource.
type Via struct {
	At   Path // where the resource names the other by its id
	To   *Declaration
	Noun string // what a person calls the other
}

// lookThrough looks at the other resource, if one is named, and adds what it shows.
func (r *Resource) lookThrough(ctx context.Context, d *rotator.Dependent, doc document, ask rotator.Ask, o *rotator.Observation) error {
	other, err := r.resolve(doc, d)
	if err != nil || other == nil {
		return err
	}
	return r.observeThrough(ctx, d, other, ask, o)
}

// observeThrough adds what another resource shows, through which a dependent uses its
// key: what it says of the key comes before what the resource says of itself.
func (r *Resource) observeThrough(ctx context.Context, d, other *rotator.Dependent, ask rotator.Ask, o *rotator.Observation) error {
	through, err := r.via.Observe(ctx, other, ask)
	if err != nil {
		return wrap("observe", d, err)
	}
	for i := range through.Uses {
		through.Uses[i].Via = other.ID
	}
	through.Uses, through.Partial = append(through.Uses, o.Uses...), through.Partial || o.Partial
	through.Access, through.AccessCode, through.AccessEvidence = worstAccess(o, &through)
	through.At = earlier(through.At, o.At)
	through.BlindSpots = append(slices.Clip(through.BlindSpots), o.BlindSpots...)
	through.Updating = through.Updating || o.Updating
	if o.Problem != nil {
		complain(&through, o.Problem)
	}
	maps.Copy(through.Facts, o.Facts)
	*o = through
	return nil
}

// worstAccess is the access of a dependent that uses its key through several resources: of
// those seen before, and of one more.
func worstAccess(before, more *rotator.Observation) (rotator.Access, string, rotator.Evidence) {
	first := !slices.ContainsFunc(before.Uses, func(u rotator.Use) bool { return u.Via != "" })
	if before.Access == rotator.AccessDenied || !first && more.Access != rotator.AccessDenied && before.Access != rotator.AccessAllowed {
		return before.Access, before.AccessCode, before.AccessEvidence
	}
	return more.Access, more.AccessCode, more.AccessEvidence
}

// resolve returns the other resource, nil if none is named.
func (r *Resource) resolve(doc document, d *rotator.Dependent) (*rotator.Dependent, error) {
	via := r.Declaration.via()
	id := doc.text(via.At)
	if id == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	return r.throughAt(id, d)
}

// throughAt returns the other resource of an id.
func (r *Resource) throughAt(id string, d *rotator.Dependent) (*rotator.Dependent, error) {
	parsed, err := r.via.check(id)
	if err != nil {
		return nil, wrap("resolve the "+r.Declaration.via().Noun+" of", d, err)
	}
	other := *d
	other.ID, other.Kind, other.Name = parsed.String(), r.via.Name, parsed.Name
	return &other, nil
}

// applyThrough updates the other resource.
func (r *Resource) applyThrough(ctx context.Context, d *rotator.Dependent, action rotator.Action, key rotator.KeyID, version rotator.Version) error {
	doc, _, err := r.read(ctx, d.ID)
	if err != nil {
		return wrap("read", d, err)
	}
	noun := r.Declaration.via().Noun
	other, err := r.resolve(doc, d)
	if err != nil {
		return err
	}
	if other == nil {
		return changed("%s has no %s by now", d.DisplayName(), noun)
	}
	return wrap("update the "+noun+" of", d, r.via.Apply(ctx, other, action, key, version))
}
