package azuresim

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"cmkd/providers/azuresim/kql"
)

// graphRequest is a query to Resource Graph [examples resourcegraph-2021-03-01].
type graphRequest struct {
	Subscriptions []string `json:"subscriptions"`
	Query         string   `json:"query"`
	Options       struct {
		Top       int    `json:"$top"`
		Skip      int    `json:"$skip"`
		SkipToken string `json:"$skipToken"`
		Format    string `json:"resultFormat"`
	} `json:"options"`
}

// maxGraphRows is how many rows a page holds at most (facts §3).
const maxGraphRows = 1000

// graphQuery answers a query in a small subset of KQL; see package kql. What it
// does not know it refuses as not simulated, and what is none as a bad query, so
// that nobody relies on it by mistake. The index lags behind by the scenario's graph_lag, or the quirk of that
// name (facts §3: minutes behind at times).
func (s *Server) graphQuery(c *call) *answer {
	if c.method != http.MethodPost {
		return s.notSimulated(c)
	}
	var r graphRequest
	if err := json.Unmarshal(c.body, &r); err != nil || r.Query == "" {
		return graphProblem("InvalidRequest", "Query is missing or the request is not valid JSON.")
	}
	wait, ok := s.graphQuota(c).take(c.now)
	if !ok && s.scenario.EnforceLimits {
		a := problem(http.StatusTooManyRequests, "RateLimiting",
			"Please provide below info when asking for support.")
		return graphHeaders(a.set("Retry-After", strconv.Itoa(int(wait.Seconds())+1)), 0)
	}
	query, err := kql.Parse(r.Query, "Resources", c.now)
	if err != nil {
		if bad, ok := errors.AsType[*kql.Error](err); ok {
			if bad.Code == kql.CodeNotSimulated {
				return unsimulated(bad.Text)
			}
			return graphProblem(bad.Code, bad.Text)
		}
		return graphProblem("InvalidQuery", err.Error())
	}
	rows := query.Run(s.graphRows(c, r.Subscriptions))
	a := graphPage(r, rows)
	return graphHeaders(a, s.graphQuota(c).left(c.now))
}

// graphQuota allows 15 queries in 5 seconds (facts §3).
func (s *Server) graphQuota(c *call) *bucket {
	return s.bucketNamed("graph|"+c.caller.id, 15, 3)
}

func graphHeaders(a *answer, left int) *answer {
	return a.set("X-Ms-User-Quota-Remaining", strconv.Itoa(left)).
		set("X-Ms-User-Quota-Resets-After", "00:00:05")
}

func graphProblem(code, message string) *answer {
	return reply(http.StatusBadRequest, doc{"error": doc{
		"code": "BadRequest", "message": "Please provide below info when asking for support.",
		"details": []any{doc{"code": code, "message": message}},
	}})
}

// graphPage cuts a page out of the rows.
func graphPage(r graphRequest, rows []doc) *answer {
	top := r.Options.Top
	if top <= 0 || top > maxGraphRows {
		top = maxGraphRows
	}
	start := r.Options.Skip
	if from, err := strconv.Atoi(readMarker(r.Options.SkipToken)); err == nil {
		start = from
	}
	start = min(max(start, 0), len(rows))
	end := min(start+top, len(rows))
	data := make([]any, 0, end-start)
	for _, row := range rows[start:end] {
		data = append(data, row)
	}
	d := doc{
		"totalRecords": len(rows), "count": len(data), "data": data, "facets": []any{}, "resultTruncated": "false",
	}
	if end < len(rows) {
		d["$skipToken"] = writeMarker(strconv.Itoa(end))
	}
	return reply(http.StatusOK, d)
}

// graphRows are all resources as the index has them: types in lower case, the
// group and the subscription as columns [recording resourcegraph.gallery].
func (s *Server) graphRows(c *call, subscriptions []string) []doc {
	view := &call{sim: s, now: c.now, query: map[string][]string{"api-version": {"2999-01-01"}}}
	var rows []doc
	for _, r := range s.indexed(c, func(r *resource) bool {
		if r.id.above != "" || !s.visible(c, r) {
			return false
		}
		return len(subscriptions) == 0 || slices.ContainsFunc(subscriptions, func(sub string) bool {
			return strings.EqualFold(sub, r.id.subscription)
		})
	}) {
		rows = append(rows, s.graphRow(r, r.view(view)))
	}
	return rows
}

// indexed returns the resources as the index has them: of some time ago, or
// without what services changed by themselves.
func (s *Server) indexed(c *call, ok func(*resource) bool) []*resource {
	lag := s.graphLag()
	if lag != never {
		return s.asOf(c.now.Add(-lag-c.behind), ok)
	}
	list := s.asOf(c.now.Add(-c.behind), ok)
	for i, r := range list {
		if r.indexed != nil {
			then := *r
			then.doc, then.denied, then.older = r.indexed, deniedNot, nil
			list[i] = &then
		}
	}
	return list
}

func (s *Server) graphRow(r *resource, d doc) doc {
	row := doc{
		"id": r.id.path(), "name": r.id.name, "type": strings.ToLower(r.kind.typ), "tenantId": s.tenant,
		"kind": text(d, "kind"), "location": r.location(), "resourceGroup": strings.ToLower(r.id.group),
		"subscriptionId": r.id.subscription, "managedBy": "", "sku": d["sku"], "plan": nil,
		"properties": d["properties"], "tags": d["tags"], "identity": d["identity"], "zones": nil,
		"extendedLocation": nil,
	}
	return row
}
