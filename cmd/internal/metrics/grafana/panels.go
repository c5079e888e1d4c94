package grafana

import "fmt"

// The parts of expressions that stand in many panels. Within an expression @ is the
// daemons that one chose.
const (
	troubled    = `state=~"stalled|needs-action|unreachable"`
	propagation = `cmkd_propagation_seconds_%s{@,kind=~"$kind",change="$change"}`
)

// quantile is how long the fastest took of what a histogram counts: the half for
// 0.5.
func quantile(q, by, seconds, counted, window string) string {
	return fmt.Sprintf("histogram_quantile(%s, sum by (%s, le) (%s(%s[%s])))", q, by, counted, seconds, window)
}

// latency is a quantile of what lasted how long just now.
func latency(q, by, histogram string) string {
	return quantile(q, by, histogram+"_seconds_bucket{@}", "rate", "$__rate_interval")
}

// propagated is how long dependents of a kind took within a window.
func propagated(q, window string) string {
	return quantile(q, "kind", fmt.Sprintf(propagation, "bucket"), "increase", window)
}

// rate is how often something is counted, by a label.
func rate(by, counter string) string {
	return fmt.Sprintf("sum by (%s) (rate(%s[$__rate_interval]))", by, counter)
}

// rows is the whole dashboard. Panels stand side by side as long as there is room.
func rows() []row {
	return []row{
		{"What needs somebody", needsSomebody()},
		{"Operations", operations()},
		{"Propagation", propagations()},
		{"Azure", azure()},
		{"Store and loop", storeAndLoop()},
	}
}

func needsSomebody() []panel {
	return []panel{
		{
			title: "Critical alerts", kind: stat, w: 4, h: 4, marks: []mark{{"red", 1}},
			about:   "Alerts of severity critical that the daemon has firing and that nobody silenced. `cmkd alert list` says what to do.",
			queries: []query{{`sum(cmkd_alerts{@,severity="critical"})`, ""}},
		},
		{
			title: "Warnings", kind: stat, w: 4, h: 4, marks: []mark{{"orange", 1}},
			about:   "Alerts of severity warning that the daemon has firing and that nobody silenced.",
			queries: []query{{`sum(cmkd_alerts{@,severity="warning"})`, ""}},
		},
		{
			title: "Dependents in trouble", kind: stat, w: 4, h: 4, marks: []mark{{"orange", 1}}, none: "0",
			about:   "Dependents of operations under way that are stalled, need action, or cannot be read.",
			queries: []query{{"sum(cmkd_trackers{@," + troubled + "})", ""}},
		},
		{
			title: "Operations waiting for a person", kind: stat, w: 4, h: 4, marks: []mark{{"orange", 1}},
			about:   "`cmkd status` lists them first.",
			queries: []query{{"sum(cmkd_operations_needing_action{@})", ""}},
		},
		{
			title: "Store", kind: stat, w: 4, h: 4, texts: []text{{"0", "can be written", "green"}, {"1", "BLOCKED", "red"}},
			about:   "Whether changes can be stored. If not, the daemon does nothing.",
			queries: []query{{"max(cmkd_store_blocked{@})", ""}},
		},
		{
			title: "Engine's last step", kind: stat, w: 4, h: 4, unit: "s", whole: true, marks: []mark{{"orange", 30}, {"red", 60}},
			about:   "How long ago the engine began a step, where it is longest. More than a minute means that it stands still.",
			queries: []query{{"max(cmkd_loop_heartbeat_age_seconds{@})", ""}},
		},
		{
			title: "Alerts firing", kind: table, w: 10, h: 7, none: "none", worst: "firing",
			about:   "By rule, without the silenced ones. The name of a rule leads to its section in docs/alerts.md.",
			queries: []query{{"sum by (instance, rule, severity) (cmkd_alerts{@}) > 0", ""}},
			columns: []column{
				{of: "severity", shown: coloured(text{"critical", "critical", "red"}, text{"warning", "warning", "orange"}, text{"info", "info", "blue"})},
				{of: "rule"}, {of: "instance", title: "daemon"}, {of: "Value", title: "firing"},
			},
		},
		{
			title: "Receivers", kind: table, w: 8, h: 7, none: "none configured", worst: "failures",
			about: "What each receiver is owed, and how often in a row it could not be told.",
			queries: []query{
				{"sum by (instance, receiver) (cmkd_receiver_pending{@})", ""},
				{"sum by (instance, receiver) (cmkd_receiver_failures{@})", ""},
			},
			columns: []column{
				{of: "receiver"}, {of: "instance", title: "daemon"}, {of: "Value #A", title: "pending"},
				{of: "Value #B", title: "failures", shown: marked(mark{"orange", 1}, mark{"red", 3})},
			},
		},
		{
			title: "Daemons", kind: table, w: 6, h: 7,
			about:   "What runs, and by which clock it lives. A clock other than real is simulated.",
			queries: []query{{"sum by (instance, version, clock) (cmkd_build_info{@})", ""}},
			columns: []column{
				{of: "instance", title: "daemon"}, {of: "version"},
				{of: "clock", shown: coloured(text{"real", "real", "green"}, text{"(.+)", "simulated: $1", "purple"})},
				{of: "Value", shown: hidden()},
			},
		},
		{
			title: "Alerts", kind: stacked, w: 12, h: 6, about: "Firing alerts by severity, those held back by a silence, and the freezes that stop every write.",
			queries: []query{{"sum by (severity) (cmkd_alerts{@})", "{{severity}}"}, {"sum(cmkd_alerts_silenced{@})", "silenced"}, {"sum(cmkd_freezes{@})", "freezes"}},
			colours: []colour{{"critical", "red"}, {"warning", "orange"}, {"info", "blue"}, {"silenced", grey}},
		},
		{
			title: "Schedule lag", kind: lines, w: 12, h: 6, unit: "s", marks: []mark{{"orange", 900}},
			about:   "How long the most overdue scheduled rotation has been due without having begun. A few seconds at most while all is well.",
			queries: []query{{"cmkd_schedule_lag_seconds{@}", "{{instance}}"}},
		},
	}
}

func operations() []panel {
	return []panel{
		{title: "Keys", kind: plain, w: 4, h: 8, about: "Configured keys.", queries: []query{{"sum(cmkd_keys{@})", ""}}},
		{
			title: "Under way", kind: stacked, w: 10, h: 8,
			about:   "Operations by kind. A revocation in effect is one until its key is reinstated.",
			queries: []query{{"sum by (kind) (cmkd_operations{@})", "{{kind}}"}},
			colours: []colour{{"rotation", "blue"}, {"revocation", "red"}, {"reinstatement", "green"}},
		},
		{
			title: "Ended", kind: bars, w: 10, h: 8, about: "Operations that ended, by kind and outcome.",
			queries: []query{{"sum by (kind, outcome) (increase(cmkd_operations_total{@}[$__rate_interval])) > 0", "{{kind}} {{outcome}}"}},
		},
		{
			title: "Dependents by state", kind: stacked, w: 14, h: 8,
			about:   "Dependents of operations under way. What needs somebody is red and orange.",
			queries: []query{{"sum by (state) (cmkd_trackers{@})", "{{state}}"}},
			colours: []colour{
				{"stalled", "orange"}, {"needs-action", "red"}, {"unreachable", "dark-red"}, {"applying", "purple"},
				{"propagating", "blue"}, {"waiting", "light-blue"}, {"done", "green"}, {"left", "dark-green"}, {"excluded", grey},
			},
		},
		{
			title: "Dependents not done, by kind", kind: table, w: 10, h: 8, none: "no operation under way", worst: "in trouble",
			about: "Those that are stalled, need action or cannot be read come first.",
			queries: []query{
				{"sum by (kind) (cmkd_trackers{@," + troubled + "})", ""},
				{`sum by (kind) (cmkd_trackers{@,state=~"waiting|applying|propagating"})`, ""},
				{`sum by (kind) (cmkd_trackers{@,state="done"})`, ""},
			},
			columns: []column{
				{of: "kind"}, {of: "Value #A", title: "in trouble", shown: marked(mark{"orange", 1})},
				{of: "Value #B", title: "on their way"}, {of: "Value #C", title: "done"},
			},
		},
	}
}

func propagations() []panel {
	return []panel{
		{
			title: "How long dependents took ($change)", kind: heatmap, w: 14, h: 9, unit: "s",
			about:   "Each column shows how many dependents took how long to follow, as far as it was seen and not only inferred.",
			queries: []query{{fmt.Sprintf("sum by (le) (increase("+propagation+"[$__rate_interval]))", "bucket"), "{{le}}"}},
		},
		{
			title: "By kind, in the time shown ($change)", kind: table, w: 10, h: 9, none: "nothing seen", worst: "p90",
			about: "p50: half were at least as fast. p90: nine of ten were. `cmkd timings` shows the same by region, for as long as the store has existed.",
			queries: []query{
				{fmt.Sprintf("sum by (kind) (increase("+propagation+"[$__range])) > 0", "count"), ""},
				{propagated("0.5", "$__range") + " >= 0", ""}, {propagated("0.9", "$__range") + " >= 0", ""}, {propagated("0.99", "$__range") + " >= 0", ""},
			},
			columns: []column{
				{of: "kind"}, {of: "Value #A", title: "dependents", shown: wholeNumber()}, {of: "Value #B", title: "p50", shown: inUnit("s")},
				{of: "Value #C", title: "p90", shown: inUnit("s")}, {of: "Value #D", title: "p99", shown: inUnit("s")},
			},
		},
		{
			title: "p50 over a day, by kind ($change)", kind: lines, w: 12, h: 8, unit: "s",
			about:   "Half of the dependents that followed within the last day took no longer.",
			queries: []query{{propagated("0.5", "1d"), "{{kind}}"}},
		},
		{
			title: "p90 over a day, by kind ($change)", kind: lines, w: 12, h: 8, unit: "s", marks: []mark{{"yellow", 3600}, {"orange", 86400}},
			about:   "Nine of ten dependents that followed within the last day took no longer. The lines are an hour and a day, the documented windows.",
			queries: []query{{propagated("0.9", "1d"), "{{kind}}"}},
		},
	}
}

func azure() []panel {
	throttled, asked := rate("provider", "cmkd_api_throttled_total{@}"), rate("provider", `cmkd_api_requests_total{@,code!="429"}`)
	return []panel{
		{
			title: "Requests", kind: lines, w: 8, h: 8, unit: "reqps", about: "Requests by resource provider; vault and blob are data planes.",
			queries: []query{{rate("provider", "cmkd_api_requests_total{@}"), "{{provider}}"}},
		},
		{
			title: "Answers that are not 2xx", kind: lines, w: 8, h: 8, unit: "reqps",
			about:   "By HTTP status; error means that no answer came. A 404 or 304 may be what was asked for.",
			queries: []query{{rate("provider, code", `cmkd_api_requests_total{@,code!~"2.."}`) + " > 0", "{{provider}} {{code}}"}},
		},
		{
			title: "Throttled share", kind: lines, w: 8, h: 8, unit: "percentunit", marks: []mark{{"orange", 0.2}},
			about:   "Calls that Azure refused with 429, or that were held back because it had asked to wait, among all that were wanted.",
			queries: []query{{throttled + " / (" + throttled + " + " + asked + ")", "{{provider}}"}},
		},
		{
			title: "Duration of requests, p50", kind: lines, w: 12, h: 7, unit: "s", about: "By resource provider.",
			queries: []query{{latency("0.5", "provider", "cmkd_api_request"), "{{provider}}"}},
		},
		{
			title: "Duration of requests, p99", kind: lines, w: 12, h: 7, unit: "s", about: "By resource provider.",
			queries: []query{{latency("0.99", "provider", "cmkd_api_request"), "{{provider}}"}},
		},
	}
}

func storeAndLoop() []panel {
	// halfAndMost are two lines for a daemon.
	halfAndMost := func(histogram string) []query {
		return []query{{latency("0.5", "instance", histogram), "{{instance}} p50"}, {latency("0.99", "instance", histogram), "{{instance}} p99"}}
	}
	return []panel{
		{
			title: "Commits", kind: lines, w: 8, h: 8, unit: "ops", about: "Changes given to the store, by what came of them.",
			queries: []query{{rate("outcome", "cmkd_store_commits_total{@}"), "{{outcome}}"}},
			colours: []colour{{"stored", "green"}, {"failed", "red"}, {"full", "dark-red"}, {"conflict", "orange"}},
		},
		{
			title: "Duration of commits", kind: lines, w: 8, h: 8, unit: "s", about: "Encoding a change and making it durable.",
			queries: halfAndMost("cmkd_store_commit"),
		},
		{
			title: "Free space", kind: lines, w: 8, h: 8, unit: "percentunit", below: "red", marks: []mark{{"green", 0.05}},
			about:   "On the file system of the store.",
			queries: []query{{"cmkd_store_free_bytes{@} / cmkd_store_capacity_bytes{@}", "{{instance}}"}},
		},
		{
			title: "Records stored", kind: lines, w: 8, h: 8, unit: "ops", about: "By kind of record.",
			queries: []query{{rate("record", "cmkd_store_records_total{@}"), "{{record}}"}},
		},
		{
			title: "Steps of the loop", kind: lines, w: 8, h: 8, unit: "s", about: "How long a step took, without the wait for the next.",
			queries: halfAndMost("cmkd_loop_step"),
		},
		{
			title: "Events", kind: stacked, w: 8, h: 8, unit: "ops", about: "Written to the audit trail, by type.",
			queries: []query{{rate("type", "cmkd_events_total{@}") + " > 0", "{{type}}"}},
		},
		{
			title: "Size of the store", kind: lines, w: 8, h: 7, unit: "bytes", about: "The file of the store.",
			queries: []query{{"cmkd_store_bytes{@}", "{{instance}}"}},
		},
		{
			title: "Memory", kind: lines, w: 8, h: 7, unit: "bytes", about: "Resident, and the live heap.",
			queries: []query{
				{`process_resident_memory_bytes{job="cmkd",@}`, "{{instance}} resident"}, {`go_memstats_heap_alloc_bytes{job="cmkd",@}`, "{{instance}} heap"},
			},
		},
		{
			title: "Processor", kind: lines, w: 8, h: 7, about: "Cores in use.",
			queries: []query{{`rate(process_cpu_seconds_total{job="cmkd",@}[$__rate_interval])`, "{{instance}}"}},
		},
	}
}
