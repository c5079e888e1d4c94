// Package kind holds the kinds of dependents: for each, where an Azure resource
// says which key and version it uses, how it is told another, and how a
// revocation shows. A kind is one [Declaration], one file a kind; [All] is their
// table. What all kinds share is here, in sighting.go (reading a document),
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

// Observe implements [rotator.Service].
func (r *Resource) Observe(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (rotator.Observation, error) {
	s, err := r.look(ctx, d, ask)
	if err != nil {
		return rotator.Observation{}, err
	}
	return s.observation(ask.Key), nil
}

// look reads a resource, and what else its kind is seen by.
func (r *Resource) look(ctx context.Context, d *rotator.Dependent, ask rotator.Ask) (Sighting, error) {
	doc, resp, err := r.read(ctx, d.ID)
	if err != nil {
		return Sighting{}, wrap("observe", d, err)
	}
	s := r.decode(doc)
	s.At = resp.Date
	if r.via != nil {
		if err := r.lookThrough(ctx, d, doc, ask, &s); err != nil {
			return Sighting{}, err
		}
	}
	if ask.Access && r.Probe != nil && s.named() {
		if err := r.Probe.Look(ctx, r, d, doc, &s); err != nil {
			return Sighting{}, err
		}
	}
	return s, nil
}

// Find implements [rotator.Finder]: it lists the kind's type. Whatever uses its
// key through another resource is kept until the list is read.
func (r *Resource) Find(ctx context.Context, subscription string, key rotator.KeyID) ([]rotator.Dependent, error) {
	var found []rotator.Dependent
	var through []document
	err := r.list(ctx, subscription, func(doc document) {
		switch {
		case r.decode(doc).names(key):
			found = append(found, r.dependent(doc))
		case r.via != nil && doc.text(r.Declaration.via().At) != "":
			through = append(through, doc)
		}
	})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, doc := range through {
		uses, err := r.usesThrough(ctx, doc, key, seen)
		if err != nil {
			return nil, err
		}
		if uses {
			found = append(found, r.dependent(doc))
		}
	}
	return found, nil
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
	return doc, resp, err
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
		each(doc)
		return nil
	}, arm.CallOptions{Kind: r.Name})
	return err
}

func unreadable(path string, err error) error {
	return &rotator.Error{Code: rotator.CodeInternal, Reason: rotator.ReasonUnreadableAnswer, NoEffect: true, Message: "decode an element of " + path, Err: err}
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
