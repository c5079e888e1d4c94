package kind

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// Apply implements [rotator.Service]: one read, and one update of each use that the
// action is for, unless it is where it should be already; then the operation that an
// update may have begun is followed to its end.
func (r *Resource) Apply(ctx context.Context, d *rotator.Dependent, action rotator.Action, key rotator.KeyID, version rotator.Version) error {
	if r.via != nil {
		return r.applyThrough(ctx, d, action, key, version)
	}
	if how := r.updateBy(action); how == nil {
		return r.unsupported(action)
	} else if how.Consent && !d.Recreate {
		return refuse(d, action, "the operator did not consent", "set recreate: true on the dependent, or deploy it anew with version "+version.ID)
	}
	places, o, err := r.places(ctx, d)
	if err != nil {
		return wrap("read", d, err)
	}
	var fits bool
	var first error
	for i := 0; i < len(places); i++ {
		p := &places[i]
		how := p.at.update(action)
		if how == nil {
			continue
		}
		if err := expect(d, &o, &p.use, key, how.Binding); err != nil {
			first = cmp.Or(first, err)
			continue
		}
		fits = true
		wrote, err := r.apply(ctx, d, p, how, version)
		if err != nil {
			return err
		}
		if wrote && i+1 < len(places) && places[i+1].id == p.id {
			if places, o, err = r.places(ctx, d); err != nil { // the next one sends what is there now
				return wrap("read", d, err)
			}
		}
	}
	if fits {
		return nil
	}
	return first
}

// place is a use and the document that it is in.
type place struct {
	id    string
	whole document
	useIn
	use   rotator.Use
	names string // the version that it names, empty for none
}

// places reads a resource, and what is below it, and returns its uses.
func (r *Resource) places(ctx context.Context, d *rotator.Dependent) ([]place, rotator.Observation, error) {
	doc, _, err := r.read(ctx, d.ID)
	if err != nil {
		return nil, rotator.Observation{}, err
	}
	o := r.decode(doc)
	var all []place
	add := func(id string, whole document, in useIn) {
		use, names := in.at.decode(in.doc, &o)
		all = append(all, place{id, whole, in, use, names})
	}
	for _, in := range r.usesIn(doc) {
		add(d.ID, doc, in)
	}
	if r.Children == nil {
		return all, o, nil
	}
	err = r.children(ctx, d.ID, func(child document, u *UseAt) { add(child.text("id"), child, useIn{u, child}) })
	return all, o, err
}

// apply updates one use, unless it is there already, and reports whether it wrote.
func (r *Resource) apply(ctx context.Context, d *rotator.Dependent, p *place, how *Update, version rotator.Version) (wrote bool, err error) {
	wanted := version.ID
	if how.Versionless {
		wanted = ""
	}
	if strings.EqualFold(p.use.Version, version.ID) && strings.EqualFold(p.names, wanted) {
		return false, nil
	}
	if how.Lost != nil {
		if lost := how.Lost(p.whole); len(lost) > 0 {
			return false, refuse(d, how.Action, "Azure does not return its secrets, which would be lost: "+strings.Join(lost, ", "),
				"deploy it anew from its template, with version "+version.ID)
		}
	}
	return true, wrap(how.verb(), d, r.write(ctx, how, p.id, p.whole, p.change(p.whole, how, p.use.Key, wanted)))
}

// update returns how the use is told a version by an action; nil for not at all.
func (u *UseAt) update(action rotator.Action) *Update {
	for i := range u.Updates {
		if u.Updates[i].Action == action {
			return &u.Updates[i]
		}
	}
	return nil
}

// updateBy returns how a use of the kind is told a version by an action; nil if none is.
func (d *Declaration) updateBy(action rotator.Action) *Update {
	for i := range d.Uses {
		if how := d.Uses[i].update(action); how != nil {
			return how
		}
	}
	return nil
}

func (u *Update) verb() string {
	if u.Action == rotator.ActionRecreate {
		return string(u.Action)
	}
	return "update"
}

// change returns what is sent to make a use name a version; none for the key
// alone.
func (in *useIn) change(doc document, how *Update, key rotator.KeyID, version string) any {
	u := in.at
	if how.Body != nil {
		return how.Body(doc, version)
	}
	body := map[string]any{}
	if how.Whole != nil {
		body = doc.writable(how.Whole)
	}
	for _, path := range how.Kept {
		if doc.blank(path) {
			continue
		}
		value := doc.at(path).root
		dropFrom(value, how.ReadOnly)
		put(body, path, value)
	}
	switch {
	case u.List != "": // it is a part of the whole
		element, _ := in.doc.root.(map[string]any)
		put(element, u.Version, version)
	case u.URI != "" && version == "":
		put(body, u.URI, string(key))
	case u.URI != "":
		put(body, u.URI, key.WithVersion(version))
	default:
		put(body, u.Version, version)
	}
	return body
}

// writable is the document without what is read-only in every document of Azure Resource
// Manager, and without some more.
func (d document) writable(readOnly []Path) map[string]any {
	body, _ := d.root.(map[string]any)
	stripIdentity(d.object("identity"))
	for _, path := range append([]Path{"id", "name", "type", "systemData", "etag"}, readOnly...) {
		object, name := body, string(path)
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			object, name = d.object(path[:i]), name[i+1:]
		}
		drop(object, name)
	}
	return body
}

// dropFrom removes properties from the objects within an object.
func dropFrom(value any, names []string) {
	object, _ := value.(map[string]any)
	for _, one := range object {
		if fields, ok := one.(map[string]any); ok {
			drop(fields, names...)
		}
	}
}

// write sends a change of a resource that was read as doc and follows the
// operation that it may start.
func (r *Resource) write(ctx context.Context, how *Update, id string, doc document, change any) error {
	o := arm.CallOptions{Kind: r.Name, Role: r.Declaration.Traits.WriteRole, IfMatch: doc.text("etag")}
	_, err := r.deps.ARM.Write(ctx, how.Method, strings.TrimSuffix(id, "/"), r.APIVersion, change, nil, o)
	return err
}

// expect returns why an update of a use must not be made: it names another key by
// now, or in another way than the action is for, or the resource is busy.
func expect(d *rotator.Dependent, o *rotator.Observation, use *rotator.Use, key rotator.KeyID, binding rotator.Binding) error {
	switch {
	case use.Key == "" || !use.Key.Same(key):
		return changed("%s uses %s by now, not %s", d.DisplayName(), orNone(string(use.Key)), key)
	case use.Binding != binding:
		return changed("%s names its key as %s by now, not as %s", d.DisplayName(), orNone(string(use.Binding)), binding)
	case o.Updating:
		return changed("%s has another update under way", d.DisplayName())
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none of ours"
	}
	return s
}

func changed(format string, args ...any) error {
	return &rotator.Error{
		Code: rotator.CodeConflict, NoEffect: true, Message: fmt.Sprintf(format, args...),
		Hint: "it is observed again before the next attempt",
	}
}

func refuse(d *rotator.Dependent, action rotator.Action, why, hint string) error {
	return &rotator.Error{
		Code: rotator.CodeRefused, NoEffect: true, Hint: hint,
		Message: fmt.Sprintf("%s is not %sd: %s", d.DisplayName(), action, why),
	}
}

// unsupported is the error of an action that a kind does not know.
func (r *Resource) unsupported(action rotator.Action) error {
	return &rotator.Error{
		Code: rotator.CodeInvalid, NoEffect: true,
		Message: fmt.Sprintf("a %s cannot be updated by %s", r.Name, action),
	}
}
