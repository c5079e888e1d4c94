package azuresim

import "net/http"

// graphQuery refuses for now: Resource Graph is not permitted in many tenants,
// and clients have to do without it there.
func (s *Server) graphQuery(c *call) *answer {
	return problem(http.StatusForbidden, "AuthorizationFailed",
		"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or"+
			" the scope is invalid. If access was recently granted, please refresh your credentials.",
		c.caller.id, c.caller.objectID, c.action(), c.path)
}
