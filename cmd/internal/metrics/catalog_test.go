package metrics_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"cmkd/cmd/internal/metrics"
	"cmkd/rotator"

	"github.com/prometheus/prometheus/promql/parser"
)

// fed returns metrics of a daemon in which everything happened once, so that every
// series is there that can be.
func fed() *metrics.Metrics {
	e := &engine{
		beat: now, receivers: []rotator.ReceiverStatus{{Name: "ops"}},
		summary: rotator.Summary{Kinds: map[string]map[rotator.TrackerState]int{"storage": {}}},
		alerts:  []rotator.AlertStatus{{Alert: rotator.Alert{Rule: rotator.RulePropagationStalled, Severity: rotator.SeverityWarning}}},
	}
	m := metrics.New(metrics.Options{
		Engine: e, Clock: &clock{now}, Version: "v1", Revision: "abc",
		Space: func() (used, free, total uint64, err error) { return 1 << 20, 1 << 40, 1 << 41, nil },
	})
	m.Event(event(rotator.EventStateChanged, "kind", "rotation", "to", "completed"))
	m.Took("storage", rotator.KindRotation, time.Hour)
	m.Call(metrics.Call{Provider: "vault", Method: "GET", Status: 200, Duration: time.Second})
	m.Stepped(time.Millisecond)
	return m
}

// labelSet is a set of names of labels.
type labelSet map[string]bool

func set(names ...string) labelSet {
	s := labelSet{}
	for _, n := range names {
		s[n] = true
	}
	return s
}

func (s labelSet) union(others ...labelSet) labelSet {
	all := maps.Clone(s)
	for _, o := range others {
		maps.Copy(all, o)
	}
	return all
}

func (s labelSet) without(names ...string) labelSet {
	rest := maps.Clone(s)
	for _, n := range names {
		delete(rest, n)
	}
	return rest
}

func (s labelSet) names() []string { return slices.Sorted(maps.Keys(s)) }

// catalog has the labels of every series by its name.
type catalog map[string]labelSet

var promql = parser.NewParser(parser.Options{})

// catalogOf reads the catalog off a scrape. Prometheus itself adds the labels of the
// target, and the series up.
func catalogOf(t *testing.T, m *metrics.Metrics) catalog {
	t.Helper()
	target := set("job", "instance")
	c := catalog{"up": target, "ALERTS": set("alertname", "alertstate", "severity").union(target)}
	_, p := scrape(t, m)
	for series := range p {
		metric, err := promql.ParseMetric(series)
		if err != nil {
			t.Fatalf("%s: %v", series, err)
		}
		labels := target.union()
		for name := range metric.Map() {
			labels[name] = true
		}
		name := metric.Get("__name__")
		c[name] = labels.without("__name__").union(c[name])
	}
	return c
}

// labels returns the labels of what an expression gives. It is an error to use a
// series, or a label of it, that does not exist.
func (c catalog) labels(expr parser.Expr) (labelSet, error) {
	switch e := expr.(type) {
	case *parser.VectorSelector:
		return c.selector(e)
	case *parser.MatrixSelector:
		return c.labels(e.VectorSelector)
	case *parser.SubqueryExpr:
		return c.labels(e.Expr)
	case *parser.ParenExpr:
		return c.labels(e.Expr)
	case *parser.UnaryExpr:
		return c.labels(e.Expr)
	case *parser.AggregateExpr:
		return c.aggregation(e)
	case *parser.Call:
		return c.call(e)
	case *parser.BinaryExpr:
		return c.binary(e)
	case *parser.NumberLiteral, *parser.StringLiteral:
		return labelSet{}, nil
	default:
		return nil, fmt.Errorf("%s: the test does not know %T", expr, expr)
	}
}

func (c catalog) selector(e *parser.VectorSelector) (labelSet, error) {
	labels, ok := c[e.Name]
	if !ok {
		return nil, fmt.Errorf("there is no series %q", e.Name)
	}
	for _, m := range e.LabelMatchers {
		if m.Name != "__name__" && !labels[m.Name] {
			return nil, fmt.Errorf("%s has no label %s, only %v", e.Name, m.Name, labels.names())
		}
	}
	return labels, nil
}

func (c catalog) aggregation(e *parser.AggregateExpr) (labelSet, error) {
	inner, err := c.labels(e.Expr)
	if err != nil {
		return nil, err
	}
	for _, name := range e.Grouping {
		if !inner[name] {
			return nil, fmt.Errorf("%s: there is no label %s, only %v", e, name, inner.names())
		}
	}
	switch {
	case e.Op == parser.TOPK || e.Op == parser.BOTTOMK:
		return inner, nil
	case e.Without:
		return inner.without(e.Grouping...), nil
	default:
		return set(e.Grouping...), nil
	}
}

func (c catalog) call(e *parser.Call) (labelSet, error) {
	all := labelSet{}
	for _, arg := range e.Args {
		labels, err := c.labels(arg)
		if err != nil {
			return nil, err
		}
		all = all.union(labels)
	}
	switch e.Func.Name {
	case "histogram_quantile":
		if !all["le"] {
			return nil, fmt.Errorf("%s: what it is given has no le, only %v", e, all.names())
		}
		return all.without("le"), nil
	case "absent":
		return set("job"), nil
	default:
		return all, nil
	}
}

func (c catalog) binary(e *parser.BinaryExpr) (labelSet, error) {
	left, err := c.labels(e.LHS)
	if err != nil {
		return nil, err
	}
	right, err := c.labels(e.RHS)
	if err != nil {
		return nil, err
	}
	if e.VectorMatching == nil { // one is a number
		return left.union(right), nil
	}
	match := e.VectorMatching
	for _, name := range match.MatchingLabels {
		if !left[name] || !right[name] {
			return nil, fmt.Errorf("%s: one side has no label %s", e, name)
		}
	}
	switch {
	case e.Op == parser.LOR:
		return left.union(right), nil
	case e.Op.IsSetOperator(), match.Card == parser.CardManyToOne:
		if !match.On && !maps.Equal(left, right) {
			return nil, fmt.Errorf("%s: %v never matches %v", e, left.names(), right.names())
		}
		return left.union(set(match.Include...)), nil
	case match.On:
		return set(match.MatchingLabels...), nil
	case !maps.Equal(left, right):
		return nil, fmt.Errorf("%s: %v never matches %v", e, left.names(), right.names())
	default:
		return left, nil
	}
}

// check parses an expression and returns the labels of what it gives.
func (c catalog) check(text string) (labelSet, error) {
	expr, err := promql.ParseExpr(text)
	if err != nil {
		return nil, err
	}
	return c.labels(expr)
}

// TestCatalog holds that the other tests see what is wrong.
func TestCatalog(t *testing.T) {
	c := catalogOf(t, fed())
	for text, ok := range map[string]bool{
		`sum by (kind) (cmkd_trackers{state="stalled"})`: true,
		`cmkd_tracker`:                      false,
		`cmkd_trackers{phase="stalled"}`:    false,
		`sum by (provider) (cmkd_trackers)`: false,
		`histogram_quantile(0.9, sum by (kind, le) (rate(cmkd_propagation_seconds_bucket[5m])))`: true,
		`histogram_quantile(0.9, sum by (kind) (rate(cmkd_propagation_seconds_bucket[5m])))`:     false,
		`cmkd_store_free_bytes / cmkd_store_capacity_bytes`:                                      true,
		`cmkd_store_free_bytes / cmkd_receiver_pending`:                                          false,
		`cmkd_receiver_pending > on (kind) cmkd_store_free_bytes`:                                false,
		`rate(cmkd_propagation_seconds[5m])`:                                                     false, // a histogram has no series of its own
		`sum(cmkd_alerts`:                                                                        false,
	} {
		if _, err := c.check(text); (err == nil) != ok {
			t.Errorf("%s: %v, want it to be right: %t", text, err, ok)
		}
	}
}
