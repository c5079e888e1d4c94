// Package kind holds the kinds of dependents: for each, where an Azure
// resource says which key and version it uses, how it is told another, and how
// a revocation shows. One file a kind; registry.go lists them.
//
// Each kind keeps the properties that it relies on in one value of its own
// paths type, named from azure/facts.md section 4 and the recordings. A kind
// says only what Azure says: a version that the service does not report is
// empty, a key that cannot be parsed is a problem.
package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// caller is what the kinds have in common: reading, writing and listing their
// own type of resource.
type caller struct {
	arm  *arm.Client
	info Info
}

// Kind implements [rotator.Service].
func (c caller) Kind() string { return c.info.Kind }

// Traits implements [rotator.Service].
func (c caller) Traits() rotator.Traits { return c.info.Traits }

func (c caller) options() arm.CallOptions {
	return arm.CallOptions{Kind: c.info.Kind, Role: c.info.Traits.WriteRole}
}

// check parses a dependent's id and sees that it is of the kind's type.
func (c caller) check(id string) (arm.ResourceID, error) {
	r, err := arm.ParseResourceID(id)
	if err != nil {
		return r, err
	}
	if !r.Is(c.info.Type) {
		return r, &rotator.Error{
			Code: rotator.CodeInvalid, NoEffect: true,
			Message: fmt.Sprintf("%s is a %s, not a %s", id, r.FullType(), c.info.Type),
			Hint:    "correct the kind or the id of the dependent in the configuration",
		}
	}
	return r, nil
}

// read reads a resource of the kind.
func (c caller) read(ctx context.Context, id string) (document, arm.Response, error) {
	var doc document
	r, err := c.check(id)
	if err != nil {
		return doc, arm.Response{}, err
	}
	o := c.options()
	o.Role = "" // reading takes Reader only
	resp, err := c.arm.Get(ctx, r.String(), c.info.APIVersion, &doc, o)
	return doc, resp, err
}

// update sends a change of a resource that was read as doc and follows the
// operation that it may start.
func (c caller) update(ctx context.Context, method, id string, doc document, change any) error {
	o := c.options()
	o.IfMatch = doc.text("etag")
	_, err := c.arm.Write(ctx, method, strings.TrimSuffix(id, "/"), c.info.APIVersion, change, nil, o)
	return err
}

// find lists the resources of the kind's type in a subscription that use a key.
func (c caller) find(ctx context.Context, subscription string, key rotator.KeyID, decode func(document) rotator.Observation) ([]rotator.Dependent, error) {
	if err := arm.CheckSubscription(subscription); err != nil {
		return nil, err
	}
	var found []rotator.Dependent
	path := "/subscriptions/" + subscription + "/providers/" + c.info.Type
	o := c.options()
	o.Role = ""
	_, err := c.arm.List(ctx, path, c.info.APIVersion, func(raw json.RawMessage) error {
		var doc document
		if err := json.Unmarshal(raw, &doc); err != nil {
			return unreadable(path, err)
		}
		if uses(decode(doc), key) {
			found = append(found, c.dependent(doc))
		}
		return nil
	}, o)
	return found, err
}

func unreadable(path string, err error) error {
	return &rotator.Error{Code: rotator.CodeInternal, Reason: "UnreadableAnswer", NoEffect: true, Message: "decode an element of " + path, Err: err}
}

// uses reports whether an observation shows a key in use, also by older
// versions that still wrap some of the data.
func uses(o rotator.Observation, key rotator.KeyID) bool { return o.Key != "" && o.Key.Same(key) }

func (c caller) dependent(doc document) rotator.Dependent {
	return rotator.Dependent{ID: doc.text("id"), Kind: c.info.Kind, Name: doc.text("name"), Discovered: true}
}

// expect returns why an update must not be made: the resource uses another key
// by now, or names it in another way than the action is for.
func expect(o rotator.Observation, d *rotator.Dependent, key rotator.KeyID, binding rotator.Binding) error {
	switch {
	case o.Key == "" || !o.Key.Same(key):
		return changed("%s uses %s by now, not %s", d.DisplayName(), orNone(string(o.Key)), key)
	case o.Binding != binding:
		return changed("%s names its key as %s by now, not as %s", d.DisplayName(), orNone(string(o.Binding)), binding)
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
		Hint: "it is looked at again before the next attempt",
	}
}

// unsupported is the error of an action that a kind does not know.
func (c caller) unsupported(action rotator.Action) error {
	return &rotator.Error{
		Code: rotator.CodeInvalid, NoEffect: true,
		Message: fmt.Sprintf("a %s cannot be updated by %s", c.info.Kind, action),
	}
}

// state fills in what the resource's provisioningState tells.
func state(o *rotator.Observation, value string) {
	switch {
	case value == "", strings.EqualFold(value, "Succeeded"):
	case strings.EqualFold(value, "Failed"), strings.EqualFold(value, "Canceled"):
		complain(o, &rotator.Problem{
			Code: "Provisioning" + value, Message: "the last update of the resource ended as " + value,
			Hint: "see the activity log of the resource",
		})
	default:
		o.Updating = true
	}
}

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

// complain keeps the first problem, which is the one nearest to the key.
func complain(o *rotator.Observation, p *rotator.Problem) {
	if o.Problem == nil {
		o.Problem = p
	}
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
