package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"cmkd/rotator"
)

// freezeRoutes are for operators, both of them: a freeze gives nobody a right, and to end
// one lets go on what operators may ask for anyway. Whoever ends that of another is named
// in the audit trail, with a reason.
func (s *Server) freezeRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/freezes", role: RoleViewer, public: true, endpoint: gives(s.freezes),
			summary: "The freezes that hold, oldest first",
		},
		{
			method: http.MethodPost, path: "/v1/freezes", role: RoleOperator, endpoint: takes(s.freeze),
			summary: "Stop every write but those of revocations and reinstatements",
			detail:  "Of one vault, of one key, or of all. What is under way goes on observing; what waits goes on by itself when the freeze ends.",
		},
		{
			method: http.MethodDelete, path: "/v1/freezes/{id}", role: RoleOperator, endpoint: takes(s.endFreeze),
			summary: "End a freeze",
		},
	}
}

func (s *Server) freezes(r *http.Request) ([]rotator.Freeze, error) {
	freezes, err := s.o.Engine.Freezes(r.Context())
	return some(freezes), err
}

func (s *Server) freeze(r *http.Request, body FreezeRequest) (rotator.Freeze, error) {
	return s.o.Engine.Freeze(r.Context(), rotator.FreezeRequest{
		Vault: body.Vault, Key: body.Key, Until: body.Until, For: body.For.Duration, Actor: actor(r), Reason: body.Reason,
	})
}

func (s *Server) endFreeze(r *http.Request, body CommandRequest) (rotator.Freeze, error) {
	return s.o.Engine.EndFreeze(r.Context(), r.PathValue("id"), actor(r), body.Reason)
}

// Freezes returns the freezes that hold.
func (c *Client) Freezes(ctx context.Context) (freezes []rotator.Freeze, err error) {
	return freezes, c.get(ctx, "/v1/freezes", nil, &freezes)
}

// Freeze stops every write but those of revocations and reinstatements.
func (c *Client) Freeze(ctx context.Context, r FreezeRequest) (f rotator.Freeze, err error) {
	return f, c.post(ctx, "/v1/freezes", r, &f)
}

// EndFreeze ends a freeze.
func (c *Client) EndFreeze(ctx context.Context, id string, r CommandRequest) (f rotator.Freeze, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return f, fmt.Errorf("make the request: %w", err)
	}
	return f, c.exchange(ctx, http.MethodDelete, "/v1/freezes/"+url.PathEscape(id), body, &f)
}
