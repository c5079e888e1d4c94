package control

import (
	"net/http"

	"cmkd/rotator"
)

// routes is the whole API.
func (s *Server) routes() []route {
	var all []route
	for _, some := range [][]route{s.keyRoutes(), s.operationRoutes(), s.alertRoutes(), s.freezeRoutes(), s.daemonRoutes()} {
		all = append(all, some...)
	}
	return all
}

// limitOf is the parameter that bounds a list.
func limitOf() parameter {
	return parameter{name: "limit", form: formLimit, what: "at most so many", fallback: defaultLimit}
}

func (s *Server) keyRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/v1/keys", role: RoleViewer, public: true, endpoint: gives(s.keys), summary: "Keys, by name", query: []parameter{
			{name: "after", form: formText, what: "only those whose name follows this one, for paging"},
			{name: "limit", form: formLimit, what: "at most so many; all if it is missing"},
		}},
		{method: http.MethodGet, path: "/v1/keys/{name}", role: RoleViewer, public: true, endpoint: gives(s.key), summary: "One key"},
		{
			method: http.MethodPost, path: "/v1/keys/{name}/plan", role: RoleViewer, endpoint: gives(s.plan),
			summary: "What an operation would do; changes nothing",
			detail:  "Observes every dependent afresh, which may take a while.",
			query: []parameter{{
				name: "kind", form: formText, what: "what to plan; a rotation if it is missing",
				values: []string{string(rotator.KindRotation), string(rotator.KindRevocation)},
			}},
		},
		{
			method: http.MethodPost, path: "/v1/keys/{name}/plan-retirement", role: RoleViewer, endpoint: gives(s.planRetirement),
			summary: "What the retirement guard would say now, and on what that rests; changes nothing",
			detail:  "Observes every dependent afresh and searches for those that nobody listed, which may take a while.",
		},
		{method: http.MethodPost, path: "/v1/keys/{name}/rotate", role: RoleOperator, endpoint: takes(s.rotate), summary: "Begin a rotation"},
		{
			method: http.MethodPost, path: "/v1/keys/{name}/revoke", role: RoleOperator, endpoint: takes(s.revoke),
			summary: "Begin a revocation", detail: "confirm must repeat the name of the key.",
		},
		{
			method: http.MethodPost, path: "/v1/keys/{name}/reinstate", role: RoleOperator, endpoint: takes(s.reinstate),
			summary: "Begin the reinstatement of a revoked key",
		},
		{
			method: http.MethodPost, path: "/v1/keys/{name}/retire", role: RoleOperator, endpoint: takes(s.retire),
			summary: "Disable the previous versions, if the guard agrees",
			detail:  "Observes every dependent afresh and answers when the guard has spoken; refused is its first objection.",
		},
		{
			method: http.MethodPost, path: "/v1/keys/{name}/attest", role: RoleApprover, endpoint: takes(s.attest),
			summary: "Take a person's word that a dependent does not need the previous version any more",
			detail:  "It stands in for what cannot be seen, and counts for whoever retires if that is another person.",
		},
		{
			method: http.MethodGet, path: "/v1/attestations", role: RoleViewer, public: true, endpoint: gives(s.attestations),
			summary: "The attestations, also those that have ended",
			query:   []parameter{{name: "key", form: formText, what: "only of this key"}},
		},
		{
			method: http.MethodDelete, path: "/v1/attestations/{id}", role: RoleApprover, endpoint: takes(s.withdraw),
			summary: "Take an attestation back",
		},
	}
}

func (s *Server) operationRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/operations", role: RoleViewer, public: true, endpoint: gives(s.operations),
			summary: "Operations, newest first",
			query: []parameter{
				{name: "key", form: formText, what: "only of this key"},
				{name: "live", form: formFlag, what: "only those under way"},
				{name: "before", form: formOperation, what: "continue below this id"},
				limitOf(),
			},
		},
		{
			method: http.MethodGet, path: "/v1/operations/{id}", role: RoleViewer, public: true, endpoint: gives(s.operation),
			summary: "One operation with its dependents",
			query: []parameter{{
				name: "limit", form: formLimit,
				what: "at most so many dependents, what needs somebody first; all without it. total says how many there are",
			}},
		},
		{
			method: http.MethodPost, path: "/v1/operations/{id}/cancel", role: RoleOperator, endpoint: takes(s.cancel),
			summary: "End an operation; what it did is not undone",
		},
		{
			method: http.MethodPost, path: "/v1/operations/{id}/approve", role: RoleApprover, endpoint: takes(s.approve),
			summary: "Consent to what another person asked for",
		},
		{
			method: http.MethodGet, path: "/v1/events", role: RoleViewer, public: true, endpoint: streams(s.events, s.follow),
			summary: "The audit trail",
			detail: "With Accept: text/event-stream the answer does not end: each event is sent when it is committed, " +
				"with its number as id. Last-Event-ID continues.",
			query: []parameter{
				{name: "after", form: formNumber, what: "continue after this number"},
				{name: "key", form: formText, what: "only of this key"},
				{name: "operation", form: formOperation, what: "only of this operation"},
				{name: "since", form: formTime, what: "only from this time on"},
				{name: "last", form: formFlag, what: "the newest rather than the oldest"},
				limitOf(),
			},
		},
	}
}

func (s *Server) alertRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/alerts", role: RoleViewer, public: true, endpoint: gives(s.alerts),
			summary: "The alerts that fire, and those whose end was not delivered yet, worst first",
			query: []parameter{
				{name: "key", form: formText, what: "only of this key; not found if it is not configured and nothing is known of it"},
				{name: "firing", form: formFlag, what: "only those that are not over"},
			},
		},
		{
			method: http.MethodGet, path: "/v1/rules", role: RoleViewer, public: true, endpoint: gives(s.rules),
			summary: "What is to be said of each rule that raises alerts",
		},
		{
			method: http.MethodGet, path: "/v1/silences", role: RoleViewer, public: true, endpoint: gives(s.silences),
			summary: "The silences, also those that ended lately",
		},
		{
			method: http.MethodPost, path: "/v1/silences", role: RoleOperator, endpoint: takes(s.silence),
			summary: "Hold alerts back for a while",
			detail:  "They are still shown. All of alert, rule and key that are given must match, and at least one is given.",
		},
		{
			method: http.MethodDelete, path: "/v1/silences/{id}", role: RoleOperator, endpoint: takes(s.endSilence),
			summary: "End a silence before its time",
		},
		{
			method: http.MethodGet, path: "/v1/receivers", role: RoleViewer, public: true, endpoint: gives(s.receivers),
			summary: "How the deliveries of alerts go",
		},
		{
			method: http.MethodPost, path: "/v1/receivers/test", role: RoleOperator, endpoint: takes(s.testReceivers),
			summary: "Send a test alert", detail: "Sent once to each receiver, or to the one that is named, and never repeated.",
		},
		{
			method: http.MethodGet, path: "/v1/timings", role: RoleViewer, public: true, endpoint: gives(s.timings),
			summary: "How long changes were seen to take, by kind, region and change",
		},
	}
}

func (s *Server) daemonRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/v1/summary", role: RoleViewer, public: true, endpoint: gives(s.summary), summary: "The daemon in numbers"},
		{
			method: http.MethodGet, path: "/v1/health", role: RoleViewer, endpoint: gives(s.health),
			summary: "Whether the daemon works", detail: "The status is 200 if it is ready, 503 if not.",
		},
		{
			method: http.MethodGet, path: "/v1/metrics", role: RoleViewer, endpoint: raw("text/plain", s.metrics),
			summary: "The metrics, in the text format of Prometheus",
		},
		{method: http.MethodPost, path: "/v1/backup", role: RoleOperator, endpoint: takes(s.backup), summary: "Copy the store to a new file"},
		{
			method: http.MethodGet, path: "/v1/audit/verify", role: RoleViewer, endpoint: gives(s.verify),
			summary: "Check the audit trail's hash chain",
		},
		{
			method: http.MethodPost, path: "/v1/reload", role: RoleOperator, endpoint: gives(s.reload),
			summary: "Read the configuration again", detail: "A configuration with a problem is refused and the old one stays.",
		},
		{method: http.MethodGet, path: "/v1/version", role: RoleViewer, public: true, endpoint: gives(s.version), summary: "What the daemon is"},
		{
			method: http.MethodGet, path: "/v1/openapi.json", role: RoleViewer, public: true, endpoint: raw("application/json", s.openapi),
			summary: "This document",
		},
	}
}
