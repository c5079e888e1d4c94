package metrics_test

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"cmkd/cmd/internal/metrics/metricstest"
	"cmkd/providers/kind"
	"cmkd/rotator"
	"cmkd/rotator/alerting"
)

const rulesDir = "../../../configs/prometheus"

// rule is a recording or an alerting rule.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

// ruleTest is a test of promtool's.
type ruleTest struct {
	Name        string
	InputSeries []struct{ Series string } `yaml:"input_series"`
	Alerts      []struct {
		Name string `yaml:"alertname"`
		Want []any  `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
	Exprs []struct {
		Expr string
		Want []any `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

func read(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	read(t, rulesDir+"/cmkd.rules.yml", &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func ruleTests(t *testing.T) []ruleTest {
	t.Helper()
	var file struct{ Tests []ruleTest }
	read(t, rulesDir+"/cmkd.rules.test.yml", &file)
	return file.Tests
}

func TestPromtool_metrics(t *testing.T) {
	text, _ := scrape(t, fed())
	if out := metricstest.Promtool(t, ".", text, "check", "metrics"); out != "" {
		t.Errorf("promtool check metrics says:\n%s", out)
	}
}

func TestPromtool_rules(t *testing.T) {
	metricstest.Promtool(t, rulesDir, "", "check", "rules", "--lint-fatal", "cmkd.rules.yml")
	metricstest.Promtool(t, rulesDir, "", "test", "rules", "cmkd.rules.test.yml")
}

// recorded adds what the recording rules make to a catalog.
func recorded(t *testing.T, c catalog, all []rule) catalog {
	t.Helper()
	c = maps.Clone(c)
	for _, r := range all {
		if r.Record == "" {
			continue
		}
		labels, err := c.check(r.Expr)
		if err != nil {
			t.Errorf("%s: %v", r.Record, err)
		}
		for name := range r.Labels {
			labels = labels.union(set(name))
		}
		c[r.Record] = labels
	}
	return c
}

var ofLabel = regexp.MustCompile(`\$labels\.(\w+)`)

func TestRules_use_what_exists(t *testing.T) {
	all := rules(t)
	c := recorded(t, catalogOf(t, fed()), all)
	for _, r := range all {
		if r.Alert == "" {
			continue
		}
		labels, err := c.check(r.Expr)
		if err != nil {
			t.Errorf("%s: %v", r.Alert, err)
			continue
		}
		for _, text := range []string{r.Annotations["summary"], r.Annotations["description"], r.Annotations["runbook_url"], r.Labels["severity"]} {
			if text == "" {
				t.Errorf("%s lacks a severity, a summary, a description or a runbook", r.Alert)
			}
			for _, found := range ofLabel.FindAllStringSubmatch(text, -1) {
				if !labels[found[1]] {
					t.Errorf("%s: %q names a label that the expression does not give, only %v", r.Alert, text, labels.names())
				}
			}
		}
	}
}

// TestRules_runbooks holds that the links of the rules lead somewhere.
func TestRules_runbooks(t *testing.T) {
	section := func(alert, file, heading string) {
		text, err := os.ReadFile("../../../docs/" + file)
		if err != nil || !strings.Contains(string(text), "\n"+heading+"\n") {
			t.Errorf("%s: docs/%s has no section %q: %v", alert, file, heading, err)
		}
	}
	for _, r := range rules(t) {
		switch url := r.Annotations["runbook_url"]; {
		case r.Alert == "":
		case url == "docs/alerts.md#{{ $labels.rule }}":
			for _, info := range alerting.Rules() {
				section(r.Alert, "alerts.md", "## "+string(info.Rule))
			}
		case url == "docs/metrics.md#"+strings.ToLower(r.Alert):
			section(r.Alert, "metrics.md", "### "+r.Alert)
		default:
			t.Errorf("%s: the runbook %q is not one of ours", r.Alert, url)
		}
	}
}

// TestRules_are_tested holds that every alert is seen firing and silent, that every
// recording rule is asked for its value, and that the tests feed on series that the
// daemon shows.
func TestRules_are_tested(t *testing.T) {
	all := rules(t)
	c := catalogOf(t, fed())
	fires, silent, asked := map[string]bool{}, map[string]bool{}, ""
	for _, test := range ruleTests(t) {
		for _, in := range test.InputSeries {
			metric, err := promql.ParseMetric(in.Series)
			if err != nil {
				t.Errorf("%s: %s: %v", test.Name, in.Series, err)
				continue
			}
			labels := labelSet{}
			for name := range metric.Map() {
				labels[name] = true
			}
			if want := c[metric.Get("__name__")]; !maps.Equal(labels.without("__name__"), want) {
				t.Errorf("%s: %s: the daemon shows it with %v", test.Name, in.Series, want.names())
			}
		}
		for _, a := range test.Alerts {
			fires[a.Name] = fires[a.Name] || len(a.Want) > 0
			silent[a.Name] = silent[a.Name] || len(a.Want) == 0
		}
		for _, e := range test.Exprs {
			if len(e.Want) > 0 {
				asked += e.Expr + "\n"
			}
		}
	}
	for _, r := range all {
		switch {
		case r.Alert != "" && (!fires[r.Alert] || !silent[r.Alert]):
			t.Errorf("%s: seen firing: %t, seen silent: %t", r.Alert, fires[r.Alert], silent[r.Alert])
		case r.Record != "" && !strings.Contains(asked, r.Record):
			t.Errorf("%s: nobody asks for its value", r.Record)
		}
	}
}

// TestRules_windows holds that the rules have the documented windows, and that the
// histogram has bounds there, without which nobody could tell what is beyond them.
func TestRules_windows(t *testing.T) {
	_, p := scrape(t, fed())
	windows, slow := map[string]string{}, ""
	for _, r := range rules(t) {
		if r.Alert == "CmkdPropagationSlow" {
			slow = r.Expr
		}
		if r.Record == "cmkd:propagation_window_seconds" || r.Record == "cmkd:effect_window_seconds" {
			windows[r.Labels["kind"]+"/"+r.Labels["change"]] = r.Expr
		}
	}
	seconds := func(d time.Duration) string {
		bound := trim(d.Seconds())
		if p[`cmkd_propagation_seconds_bucket{change="rotation",kind="storage",le="`+bound+`"}`] == "" {
			t.Errorf("cmkd_propagation_seconds has no bound at %s", d)
		}
		return "vector(" + bound + ")"
	}
	for _, info := range kind.All() {
		for window, want := range map[string]time.Duration{
			info.Name + "/" + string(rotator.KindRotation): info.Traits.Window,
			"/" + string(rotator.KindRevocation):           info.Traits.Revocation,
			"/" + string(rotator.KindReinstatement):        info.Traits.Revocation,
		} {
			switch {
			case want == 0: // none is documented, and none is exceeded
				if !regexp.MustCompile(`kind!~"[^"]*\b` + info.Name + `\b`).MatchString(slow) {
					t.Errorf("%s: CmkdPropagationSlow alarms for what nobody documents", info.Name)
				}
			case windows[window] != seconds(want):
				t.Errorf("%s: the rules say %s, %s documents %s", window, windows[window], info.Name, seconds(want))
			}
		}
	}
}
