package azuresim

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"cmkd/providers/azuresim/kql"
)

// maxAudited is how many entries of clients are kept.
const maxAudited = 10000

// auditEntry is one line of a vault's audit log (facts §2).
type auditEntry struct {
	at                time.Time
	vault             *vault
	operation, target string // KeyWrap; the identifier that was asked for
	id                string // of what was answered, with the version; empty where it was refused
	objectID, appID   string
	status            int
}

// auditNames are the names of operations in the log (facts §2; those beyond
// KeyWrap, KeyUnwrap, KeyGet, KeyCreate and KeyUpdate are not verified).
func auditNames() map[string]string {
	return map[string]string{
		"key-get": "KeyGet", "key-create": "KeyCreate", "key-update": "KeyUpdate", "key-wrap": "KeyWrap",
		"key-unwrap": "KeyUnwrap", "key-rotate": "KeyRotate", "key-delete": "KeyDelete",
		"key-list-versions": "KeyListVersions", "key-encrypt": "KeyEncrypt", "key-decrypt": "KeyDecrypt",
		"key-sign": "KeySign", "key-verify": "KeyVerify", "deleted-key-recover": "KeyRecover",
	}
}

// audit notes what a client did.
func (s *Server) audit(c *call, parts []string, status int) {
	name, ok := auditNames()[c.operation]
	if !ok {
		return
	}
	target, id := "https://"+c.host+"/keys/"+parts[1]+"/", ""
	if len(parts[2]) == 32 {
		target += parts[2]
	}
	if status < http.StatusBadRequest {
		id = c.answered
	}
	s.audited = append(s.audited, auditEntry{
		at: c.now, vault: c.vault, operation: name, target: target, id: id,
		objectID: c.caller.objectID, appID: c.caller.id, status: status,
	})
	if len(s.audited) > maxAudited {
		s.audited = slices.Clone(s.audited[len(s.audited)-maxAudited/2:])
	}
}

// routeLog finds the operation of a request to Log Analytics [examples
// loganalytics-v1].
func (s *Server) routeLog(c *call) func(*call) *answer {
	c.operation, c.bucket = "log-query", c.caller.id+"|"+c.host
	return func(c *call) *answer {
		parts := strings.Split(strings.Trim(c.path, "/"), "/")
		scope, workspace := c.path, ""
		if r := s.workspaceOf(parts[min(2, len(parts)-1)]); r != nil {
			scope, workspace = r.id.path(), fold(r.id.path())
		}
		switch {
		case !c.caller.known() || !c.isFor("https://api.loganalytics.io"):
			return problem(http.StatusUnauthorized, "AuthorizationRequiredError", "Valid authentication was not provided")
		case len(parts) != 4 || parts[3] != "query" || c.method != http.MethodPost:
			return notSimulatedAt(c)
		case !s.may(c.caller, "Microsoft.OperationalInsights/workspaces/query/read", scope, false):
			return problem(http.StatusForbidden, "InsufficientAccessError",
				"The provided credentials have insufficient access to perform the requested operation")
		}
		return s.logQuery(c, workspace)
	}
}

// logQuery answers for a workspace on the table AzureDiagnostics, in the subset of package kql.
func (s *Server) logQuery(c *call, workspace string) *answer {
	var r struct {
		Query    string `json:"query"`
		Timespan string `json:"timespan"`
	}
	if json.Unmarshal(c.body, &r) != nil {
		return problem(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties")
	}
	q, err := kql.Parse(r.Query, "AzureDiagnostics", c.now)
	if bad, ok := errors.AsType[*kql.Error](err); ok && bad.Code == kql.CodeNotSimulated {
		return unsimulated(bad.Text)
	}
	if err != nil {
		return problem(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties: %s", err)
	}
	from := c.now.Add(-24 * time.Hour)
	if start, ok := moveISO(c.now, r.Timespan, -1); ok {
		from = start
	}
	return reply(http.StatusOK, doc{"tables": []any{logTable(q.Run(s.logRows(workspace, from, c.now)))}})
}

// logTable lays rows out by columns, in the order of their names.
func logTable(rows []doc) doc {
	names := map[string]bool{}
	for _, row := range rows {
		for name := range row {
			names[name] = true
		}
	}
	columns, cells := []any{}, []any{}
	order := slices.Sorted(maps.Keys(names))
	for _, name := range order {
		kind := "string"
		switch rows[0][name].(type) {
		case int:
			kind = "long"
		case float64:
			kind = "real"
		}
		if strings.HasSuffix(name, "TimeGenerated") {
			kind = "datetime"
		}
		columns = append(columns, doc{"name": name, "type": kind})
	}
	for _, row := range rows {
		line := make([]any, 0, len(order))
		for _, name := range order {
			line = append(line, row[name])
		}
		cells = append(cells, line)
	}
	return doc{"name": "PrimaryResult", "columns": columns, "rows": cells}
}

// logRows are the entries of a span that have arrived in a workspace by now: those of clients,
// and those of services, which unwrap with the version in use every hour and
// wrap when they switch.
func (s *Server) logRows(workspace string, from, now time.Time) []doc {
	until := now.Add(-s.scenario.AuditLag.or(5 * time.Minute))
	entries := slices.Clone(s.audited)
	for _, r := range s.selectedAll(func(r *resource) bool { return r.link.key != "" && !r.kind.silent }) {
		entries = append(entries, s.serviceEntries(r, from, until)...)
	}
	entries = slices.DeleteFunc(entries, func(e auditEntry) bool {
		return e.at.Before(from) || e.at.After(until) || !s.logs(e.vault, e.at, workspace)
	})
	slices.SortStableFunc(entries, func(a, b auditEntry) int { return a.at.Compare(b.at) })
	rows := make([]doc, 0, len(entries))
	for _, e := range entries {
		rows = append(rows, e.row(s.quirk(quirkAuditResult)))
	}
	return rows
}

// serviceEntries are what a service did to its key in a span.
func (s *Server) serviceEntries(r *resource, from, until time.Time) []auditEntry {
	k := s.keyOf(r)
	if k == nil {
		return nil
	}
	entry := func(at time.Time, operation, version string) auditEntry {
		e := auditEntry{
			at: at, vault: k.vault, operation: operation, target: k.uri(nil) + "/" + version, id: k.uri(nil) + "/" + version,
			objectID: s.mint.guid("principal", r.identity().id.path()), appID: s.mint.guid("app", r.kind.typ), status: http.StatusOK,
		}
		if v := k.state.find(version); v == nil || !v.enabled {
			e.status, e.id = http.StatusForbidden, ""
		}
		return e
	}
	var out []auditEntry
	offset := time.Duration(s.mint.number(uint64(time.Hour), "unwrap", r.id.path()))
	for at := from.Truncate(time.Hour).Add(offset); !at.After(until); at = at.Add(time.Hour) {
		if version := r.linkAt(at).pinned; version != "" {
			out = append(out, entry(at, cmp.Or(r.kind.crypts, "KeyUnwrap"), version))
		}
	}
	writes := "KeyWrap"
	if r.kind.crypts == "KeyDecrypt" {
		writes = "KeyEncrypt"
	}
	for _, u := range r.usage {
		out = append(out, entry(u.since, writes, u.version))
	}
	return out
}

// row is the entry in the columns of AzureDiagnostics (facts §2), with the
// ResultType of refused calls. id_s is what was answered, also where the request
// named no version; refused calls have none (facts-evidence §1).
func (e auditEntry) row(refused string) doc {
	result := "Success"
	if e.status >= http.StatusBadRequest {
		result = refused
	}
	return doc{
		"TimeGenerated": stampZ(e.at), "ResourceProvider": "MICROSOFT.KEYVAULT", "Category": "AuditEvent",
		"ResourceId": strings.ToUpper(e.vault.scope("")), "Resource": strings.ToUpper(e.vault.spec.Name),
		"OperationName": e.operation, "ResultType": result, "httpStatusCode_d": float64(e.status),
		"CallerIPAddress": "20.40.0.1", "identity_claim_oid_g": e.objectID, "identity_claim_appid_g": e.appID,
		"id_s": e.id, "requestUri_s": e.target + "?api-version=7.4",
	}
}
