package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

// alertsPatience is how long a scrape waits for the alerts, which may wait for the
// store. Prometheus itself gives up after ten seconds, unless told otherwise.
const alertsPatience = 5 * time.Second

// state tells what is the case at the time of a scrape.
type state struct {
	o     Options
	rules []alerting.RuleInfo

	build, operations, needing, keys, trackers, lag, heartbeat *prometheus.Desc
	alerts, silenced, pending, failures, freezes               *prometheus.Desc
	blocked, used, free, capacity                              *prometheus.Desc

	// expect is told of every kind whose dependents are under way.
	expect func(kind string)
	// unread counts what could not be found out; what is unknown is not shown.
	unread *prometheus.CounterVec
}

func newState(o Options, r prometheus.Registerer, expect func(kind string)) *state {
	s := &state{o: o, rules: alerting.Rules(), expect: expect}
	s.build = prometheus.NewDesc("cmkd_build_info",
		"1, labelled by what runs and by the clock it lives by: real, or what a simulated one simulates.", nil, buildInfo(o))
	s.operations = desc("cmkd_operations", "Operations under way, by kind; revocations in effect are among them.", "kind")
	s.needing = desc("cmkd_operations_needing_action", "Operations under way that wait for a person.")
	s.keys = desc("cmkd_keys", "Configured keys.")
	s.trackers = desc("cmkd_trackers", "Dependents of operations under way, by where they stand and by their kind.", "state", "kind")
	s.lag = desc("cmkd_schedule_lag_seconds", "How long the most overdue scheduled rotation has been due without having begun; 0 if none is, or if it waits for the end of a freeze.")
	s.heartbeat = desc("cmkd_loop_heartbeat_age_seconds", "Time since the engine last began a step, which is some seconds at most while all is well.")
	s.alerts = desc("cmkd_alerts", "Alerts that are firing and not silenced, by rule and severity.", "rule", "severity")
	s.silenced = desc("cmkd_alerts_silenced", "Alerts that are firing and held back by a silence.")
	s.pending = desc("cmkd_receiver_pending", "Alerts that a receiver has not been told of yet.", "receiver")
	s.failures = desc("cmkd_receiver_failures", "Attempts to tell a receiver that failed since the last that did not.", "receiver")
	s.freezes = desc("cmkd_freezes", "Freezes that hold, by what they stop: everything, vault, key, or scheduled for what nobody asks for.", "scope")
	s.blocked = desc("cmkd_store_blocked", "1 if nothing can be stored, and therefore nothing is done; otherwise 0.")
	s.used = desc("cmkd_store_bytes", "Size of the store.")
	s.free = desc("cmkd_store_free_bytes", "Bytes free on the store's file system.")
	s.capacity = desc("cmkd_store_capacity_bytes", "Size of the store's file system.")
	s.unread = register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cmkd_scrape_failures_total",
		Help: "Scrapes in which something could not be found out and was left out, by what: alerts, or space of the store.",
	}, []string{"part"}))
	for _, part := range []string{"alerts", "space"} {
		s.unread.WithLabelValues(part)
	}
	return s
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.build, s.operations, s.needing, s.keys, s.trackers, s.lag, s.heartbeat,
		s.alerts, s.silenced, s.pending, s.failures, s.freezes, s.blocked, s.used, s.free, s.capacity,
	} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *state) Collect(out chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	show(s.build, 1)
	s.engine(show)
	s.alerting(show)
	for _, r := range s.o.Engine.Receivers() {
		show(s.pending, float64(r.Pending), r.Name)
		show(s.failures, float64(r.Failures), r.Name)
	}
	s.space(show)
}

// shower shows one value.
type shower func(d *prometheus.Desc, v float64, labels ...string)

// engine shows the engine in numbers.
func (s *state) engine(show shower) {
	now, sum := s.o.Clock.Now(), s.o.Engine.Summary()
	show(s.keys, float64(sum.Keys))
	frozen := map[string]int{}
	for i := range sum.Freezes {
		frozen[scopeOf(&sum.Freezes[i])]++
	}
	for _, scope := range freezeScopes {
		show(s.freezes, float64(frozen[scope]), scope)
	}
	show(s.needing, float64(sum.NeedsAction))
	for _, kind := range operationKinds {
		show(s.operations, float64(sum.Live[kind]), string(kind))
	}
	for kind, states := range sum.Kinds {
		s.expect(kind)
		for _, state := range rotator.TrackerStates() {
			show(s.trackers, float64(states[state]), string(state), kind)
		}
	}
	var lag time.Duration
	if !sum.Next.IsZero() && !sum.NextFrozen {
		lag = max(0, now.Sub(sum.Next))
	}
	show(s.lag, lag.Seconds())
	if beat := s.o.Engine.Heartbeat(); !beat.IsZero() {
		show(s.heartbeat, max(0, now.Sub(beat)).Seconds())
	}
	show(s.blocked, truth(sum.Blocked != ""))
}

// freezeScopes are what freezes stop.
var freezeScopes = []string{"everything", "vault", "key", "scheduled"}

func scopeOf(f *rotator.Freeze) string {
	switch {
	case f.Scheduled:
		return "scheduled"
	case f.KeyID != "":
		return "key"
	case f.Vault != "":
		return "vault"
	default:
		return "everything"
	}
}

// alerting shows the alerts, with a 0 for each rule that raised none: a series
// that comes and goes is hard to alert on.
func (s *state) alerting(show shower) {
	ctx, cancel := context.WithTimeout(context.Background(), alertsPatience)
	defer cancel()
	alerts, err := s.o.Engine.Alerts(ctx)
	if err != nil {
		s.unread.WithLabelValues("alerts").Inc()
		return
	}
	type row struct {
		rule     rotator.Rule
		severity rotator.Severity
	}
	firing, silenced := map[row]int{}, 0
	for _, r := range s.rules {
		firing[row{r.Rule, r.Severity}] = 0
	}
	for i := range alerts {
		switch a := &alerts[i]; {
		case !a.Firing():
		case a.Silence != "":
			silenced++
		default:
			firing[row{a.Rule, a.Severity}]++
		}
	}
	for r, n := range firing {
		show(s.alerts, float64(n), string(r.rule), string(r.severity))
	}
	show(s.silenced, float64(silenced))
}

// space shows how full the disk of the store is.
func (s *state) space(show shower) {
	if s.o.Space == nil {
		return
	}
	used, free, total, err := s.o.Space()
	if err != nil {
		s.unread.WithLabelValues("space").Inc()
		return
	}
	show(s.used, float64(used))
	show(s.free, float64(free))
	show(s.capacity, float64(total))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
