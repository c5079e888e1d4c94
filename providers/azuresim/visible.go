package azuresim

import (
	"net/http"
	"slices"
	"strings"
)

// filters says whether a list that the caller may not read as a whole is
// answered with what they may read. Lists of resources and of groups are. How a
// list of one type in a subscription behaves for somebody with a role on one
// group alone is not documented (facts do not say, nor do public reports that
// were found): by the scenario's partial_lists, or by the seed, for each type
// and subscription either the readable ones or 403.
func (s *Server) filters(c *call) bool {
	of := func(ok func(r *resource) bool) bool {
		return slices.ContainsFunc(s.selected(c.target, ok), func(r *resource) bool { return s.mayRead(c, r) })
	}
	switch {
	case c.method == http.MethodPost && c.operation == "graph-query":
		return s.hasScope(c.caller)
	case c.method != http.MethodGet:
		return false
	case c.operation == "resource-list":
		return of(func(*resource) bool { return true })
	case c.operation == "resource-group-list":
		return slices.ContainsFunc(s.groupsOf(c.target.subscription), func(g *group) bool { return s.mayReadGroup(c, g) })
	case c.kind != nil && c.target.name == "" && c.target.typ != "":
		return s.partial(c) && of(func(r *resource) bool { return r.kind == c.kind })
	}
	return false
}

// partial says whether a list by type is cut down or refused.
func (s *Server) partial(c *call) bool {
	switch s.scenario.PartialLists {
	case "filter":
		return true
	case "refuse":
		return false
	}
	return s.mint.number(2, "partial list", strings.ToLower(c.target.subscription), c.kind.typ) == 0
}

// hasScope says whether a client has a role on something that is not
// everywhere: Resource Graph then shows what they may read (documentation of
// Resource Graph: no results without access, rather than an error).
func (s *Server) hasScope(who *client) bool {
	now := s.moment()
	return slices.ContainsFunc(s.access.grants, func(g *grant) bool {
		return strings.EqualFold(g.principal, who.objectID) && g.counts(now) && g.scope != "/"
	})
}

// visible says whether a resource belongs into what the caller sees of a list.
func (s *Server) visible(c *call, r *resource) bool { return !c.partial || s.mayRead(c, r) }

// groupsOf returns the resource groups of a subscription in the order of their
// names.
func (s *Server) groupsOf(subscription string) []*group {
	var out []*group
	for _, g := range s.groups {
		if strings.EqualFold(g.subscription, subscription) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *group) int { return strings.Compare(fold(a.name), fold(b.name)) })
	return out
}

func (s *Server) mayReadGroup(c *call, g *group) bool {
	return s.may(c.caller, "Microsoft.Resources/subscriptions/resourceGroups/read", g.id(), false)
}

func (g *group) id() string { return "/subscriptions/" + g.subscription + "/resourceGroups/" + g.name }
