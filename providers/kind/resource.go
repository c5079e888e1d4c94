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
	if ask.Access && r.Probe != nil && namesAny(&o) {
		if err := r.Probe.Look(ctx, r, d, doc, &o); err != nil {
			return rotator.Observation{}, err
		}
	}
	return o, nil
}

// Find implements [rotator.Finder]: it lists the kind's type. What a list does not tell
// is read for itself; so is the other resource through which a key is used, once.
func (r *Resource) Find(ctx context.Context, subscription string, key rotator.KeyID) ([]rotator.Found, error) {
	var found []rotator.Found
	var doubtful []rotator.Found
	var through []document
	err := r.list(ctx, subscription, func(doc document) {
		o := r.decode(doc)
		f := rotator.Found{Dependent: r.dependent(doc), Unknown: illegible(&o)}
		switch {
		case uses(&o, key):
			f.Unknown = nil
			found = append(found, f)
		case f.Unknown != nil:
			doubtful = append(doubtful, f)
		case r.via != nil && doc.text(r.Declaration.via().At) != "":
			through = append(through, doc)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, f := range doubtful {
		ours, err := r.resolveDoubt(ctx, &f, key)
		if err != nil {
			return nil, err
		}
		if ours || f.Unknown != nil {
			found = append(found, f)
		}
	}
	seen := map[string]bool{}
	for _, doc := range through {
		uses, err := r.usesThrough(ctx, doc, key, seen)
		if err != nil {
			return nil, err
		}
		if uses {
			found = append(found, rotator.Found{Dependent: r.dependent(doc)})
		}
	}
	return found, nil
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
	path := "/subscriptions/" + subscription + "/providers/" + r.Type
	_, err := r.deps.ARM.List(ctx, path, r.APIVersion, func(raw json.RawMessage) error {
		var doc document
		if err := json.Unmarshal(raw, &doc); err != nil {
			return unreadable(path, err)
		}
		if err := r.genuine(doc, ""); err != nil {
			return err
		}
		each(doc)
		return nil
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
