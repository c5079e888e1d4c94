// Package kind holds the kinds of dependents: for each, where an Azure resource
// says which key and version it uses, how it is told another, and how a
// revocation shows. A kind is one [Declaration], one file a kind; [All] is their
// table. What all kinds share is here, in decode.go (reading a document),
// update.go (changing a resource) and via.go (a key that is used through another
// resource).
//
// The properties of a kind are named from azure/facts.md section 4 and the
// recordings. A kind says only what Azure says: a version that the service does
// not report is empty, a key that cannot be parsed is a problem.
package kind

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// Deps are what the kinds need.
type Deps struct {
	// ARM is required.
	ARM *arm.Client
	// Blob looks at the data plane of Storage; without it access to a storage
	// account stays unknown.
	Blob *BlobProbe
}

// Resource serves the dependents of one kind, as its declaration says.
type Resource struct {
	*Declaration
	deps Deps
	via  *Resource // of the kind through which the key is used; nil for none
}

var (
	_ rotator.Service = (*Resource)(nil)
	_ rotator.Finder  = (*Resource)(nil)
)

// New returns a service for the kind that is declared.
func New(d *Declaration, deps Deps) *Resource {
	r := &Resource{Declaration: d, deps: deps}
	if via := d.via(); via != nil {
		r.via = New(via.To, deps)
	}
	return r
}

// Kind implements [rotator.Service].
func (r *Resource) Kind() string { return r.Name }

// Traits implements [rotator.Service].
func (r *Resource) Traits() rotator.Traits { return r.Declaration.Traits }

// Observe implements [rotator.Service]: it reads the resource, and what else its
// kind is seen by.
func (r *Resource) Observe(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	doc, resp, err := r.read(ctx, d.ID)
	if err != nil {
		return rotator.Observation{}, wrap("observe", d, err)
	}
	o := r.decode(doc)
	o.At = resp.Date
	if r.via != nil {
		if err := r.lookThrough(ctx, d, doc, ask, &o); err != nil {
			return rotator.Observation{}, err
		}
	}
	if err := r.lookFurther(ctx, d, doc, ask, &o); err != nil {
		return rotator.Observation{}, wrap("observe", d, err)
	}
	if ask.Access && r.Probe != nil && namesAny(&o) {
		if err := r.Probe.Look(ctx, r, d, doc, &o); err != nil {
			return rotator.Observation{}, err
		}
	}
	return o, nil
}

// lookFurther adds what the resource itself does not show, unless it is seen already
// that it is not where it is to be.
func (r *Resource) lookFurther(ctx context.Context, d *rotator.Dependent, doc document, ask rotator.Ask, o *rotator.Observation) error {
	if r.Children == nil && r.More == nil {
		return nil
	}
	if o.Partial = o.Partial || behind(o, ask); o.Partial {
		return nil
	}
	if r.Children != nil {
		if err := r.children(ctx, d.ID, func(child document, u *UseAt) {
			use, _ := u.decode(child, o)
			o.Uses = append(o.Uses, use)
		}); err != nil {
			return err
		}
		r.identify(doc, o)
	}
	if r.More != nil {
		return r.More(ctx, r, d, doc, ask, o)
	}
	return nil
}

// behind reports whether a use of the key is on another version than it is to be on.
func behind(o *rotator.Observation, ask rotator.Ask) bool {
	if ask.Target == "" {
		return false
	}
	for u := range o.UsesOf(ask.Key) {
		if u.Known() && u.Version != "" && u.Version != ask.Target {
			return true
		}
	}
	return false
}

// check parses a dependent's id and sees that it is of the kind's type.
func (r *Resource) check(id string) (arm.ResourceID, error) {
	parsed, err := arm.ParseResourceID(id)
	if err != nil {
		return parsed, err
	}
	if !parsed.Is(r.Type) {
		return parsed, &rotator.Error{
			Code: rotator.CodeInvalid, NoEffect: true,
			Message: fmt.Sprintf("%s is a %s, not a %s", id, parsed.FullType(), r.Type),
			Hint:    "correct the kind or the id of the dependent in the configuration",
		}
	}
	return parsed, nil
}

// read reads a resource of the kind. It takes the role Reader only.
func (r *Resource) read(ctx context.Context, id string) (document, arm.Response, error) {
	var doc document
	parsed, err := r.check(id)
	if err != nil {
		return doc, arm.Response{}, err
	}
	resp, err := r.deps.ARM.Get(ctx, parsed.String(), r.APIVersion, &doc, arm.CallOptions{Kind: r.Name})
	if err == nil {
		err = r.genuine(doc, parsed.String())
	}
	return doc, resp, err
}

// genuine returns why a document is not that of the resource of the kind that was
// asked for, of any where no id is given: a proxy, a cache or a fault may answer with
// nothing, with something else, or with an error that looks like a success.
func (r *Resource) genuine(doc document, id string) error {
	shown := doc.text("id")
	parsed, err := arm.ParseResourceID(shown)
	reason, what := rotator.ReasonForeignAnswer, "the answer is of "+shown
	switch typ := doc.text("type"); {
	case shown == "" || typ == "" || len(doc.object("properties")) == 0:
		reason, what = rotator.ReasonUnreadableAnswer, "the answer is no document of a resource"
	case err != nil:
		reason, what = rotator.ReasonUnreadableAnswer, "the answer is of "+strconv.Quote(shown)
	case !parsed.Is(r.Type) || !strings.EqualFold(typ, r.Type):
		what += ", a " + typ
	case id == "" || strings.EqualFold(parsed.String(), id):
		return nil
	}
	return &rotator.Error{
		Code: rotator.CodeUnavailable, Reason: reason, NoEffect: true, Message: what,
		Hint: "check proxies between this machine and Azure; if there are none, report it",
	}
}

// list reads all resources of the kind's type in a subscription.
func (r *Resource) list(ctx context.Context, subscription string, each func(document)) error {
	if err := arm.CheckSubscription(subscription); err != nil {
		return err
	}
	in, below := r.parentType()
	if below == "" {
		return r.listAt(ctx, "/subscriptions/"+subscription+"/providers/"+r.Type, func(doc document) error {
			if err := r.genuine(doc, ""); err != nil {
				return err
			}
			each(doc)
			return nil
		})
	}
	var parents []string
	err := r.listAt(ctx, "/subscriptions/"+subscription+"/providers/"+in, func(doc document) error {
		id, err := arm.ParseResourceID(doc.text("id"))
		if err != nil || !id.Is(in) {
			return unreadable(in, fmt.Errorf("%q is no %s", doc.text("id"), in))
		}
		parents = append(parents, id.String())
		return nil
	})
	for _, parent := range parents {
		why := r.listAt(ctx, parent+"/"+below, func(doc document) error {
			if err := r.genuine(doc, ""); err != nil {
				return err
			}
			each(doc)
			return nil
		})
		if rotator.CodeOf(why) != rotator.CodeNotFound { // else it is gone meanwhile
			err = cmp.Or(err, why)
		}
	}
	return err
}

// parentType returns the type that resources of the kind are in, and their collection there;
// below is empty if they are in a resource group.
func (d *Declaration) parentType() (in, below string) {
	if strings.Count(d.Type, "/") < 2 {
		return "", ""
	}
	i := strings.LastIndexByte(d.Type, '/')
	return d.Type[:i], d.Type[i+1:]
}

// listAt reads a list.
func (r *Resource) listAt(ctx context.Context, path string, each func(document) error) error {
	_, err := r.deps.ARM.List(ctx, path, r.APIVersion, func(raw json.RawMessage) error {
		var doc document
		if err := json.Unmarshal(raw, &doc); err != nil {
			return unreadable(path, err)
		}
		return each(doc)
	}, arm.CallOptions{Kind: r.Name})
	return err
}

func unreadable(path string, err error) error {
	return &rotator.Error{Code: rotator.CodeUnavailable, Reason: rotator.ReasonUnreadableAnswer, NoEffect: true, Message: "decode an element of " + path, Err: err}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// wrap names the dependent in an error and keeps its class.
func wrap(verb string, d *rotator.Dependent, err error) error {
	if err == nil {
		return nil
	}
	var e *rotator.Error
	if errors.As(err, &e) && strings.Contains(e.Message, d.DisplayName()) {
		return err
	}
	return fmt.Errorf("%s %s: %w", verb, d.DisplayName(), err)
}
