package kind

import (
	"context"
	"maps"
	"slices"
	"strings"

	"cmkd/rotator"
)

// Via is a use of a key through another resource.
type Via struct {
	At   Path // where the resource names the other by its id
	To   *Declaration
	Noun string // what a person calls the other
}

// lookThrough looks at the other resource and adds what it shows: what it says
// of the key comes before what the resource says of itself.
func (r *Resource) lookThrough(ctx context.Context, d *rotator.Dependent, doc document, ask rotator.Ask, o *rotator.Observation) error {
	other, err := r.resolve(doc, d)
	if err != nil || other == nil {
		return err
	}
	through, err := r.via.Observe(ctx, other, ask)
	if err != nil {
		return wrap("observe", d, err)
	}
	for i := range through.Uses {
		through.Uses[i].Via = other.ID
	}
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

// resolve returns the other resource, nil if none is named.
func (r *Resource) resolve(doc document, d *rotator.Dependent) (*rotator.Dependent, error) {
	via := r.Declaration.via()
	id := doc.text(via.At)
	if id == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	parsed, err := r.via.check(id)
	if err != nil {
		return nil, wrap("resolve the "+via.Noun+" of", d, err)
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

// usesThrough reports whether a resource uses a key through another, which is
// read once: seen holds what was found.
func (r *Resource) usesThrough(ctx context.Context, doc document, key rotator.KeyID, seen map[string]bool) (bool, error) {
	id := doc.text(r.Declaration.via().At)
	if found, known := seen[strings.ToLower(id)]; known {
		return found, nil
	}
	other, _, err := r.via.read(ctx, id)
	if err != nil && rotator.CodeOf(err) != rotator.CodeNotFound {
		return false, err
	}
	o := r.via.decode(other)
	seen[strings.ToLower(id)] = err == nil && uses(&o, key)
	return seen[strings.ToLower(id)], nil
}
