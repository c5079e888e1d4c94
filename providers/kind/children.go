package kind

import (
	"context"
	"encoding/json"
	"strings"

	"cmkd/providers/arm"
	"cmkd/rotator"
)

// children lists the resources below one, and hands each to each with its use. What is
// below another resource, or of another type, is no answer.
func (r *Resource) children(ctx context.Context, id string, each func(child document, u *UseAt)) error {
	path := strings.TrimSuffix(id, "/") + "/" + r.Children.Collection
	_, err := r.deps.ARM.List(ctx, path, r.APIVersion, func(raw json.RawMessage) error {
		var doc document
		if err := json.Unmarshal(raw, &doc); err != nil {
			return unreadable(path, err)
		}
		name := doc.text("name")
		if !strings.EqualFold(doc.text("id"), path+"/"+name) || name == "" || !strings.EqualFold(doc.text("type"), r.Children.Type) {
			return &rotator.Error{
				Code: rotator.CodeUnavailable, Reason: rotator.ReasonForeignAnswer, NoEffect: true,
				Message: "the list of " + path + " has " + doc.text("id"),
			}
		}
		u := r.Children.Use
		u.Path = Path(r.Children.Collection + "/" + name)
		each(doc, &u)
		return nil
	}, arm.CallOptions{Kind: r.Name})
	return err
}
