package metrics_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cmkd/cmd/internal/metrics/metricstest"
)

const dashboardFile = "../../../configs/grafana/cmkd.json"

// panel is a panel of Grafana's.
type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ UID string }
	Targets                  []struct{ Expr, LegendFormat string }
	Transformations          []struct {
		Options struct{ IndexByName map[string]int }
	}
}

// dashboard is a dashboard of Grafana's.
type dashboard struct {
	Panels      []panel
	Annotations struct {
		List []struct{ Name, Expr, TextFormat string }
	}
}

func readDashboard(t *testing.T) (d dashboard, text string) {
	t.Helper()
	raw, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	return d, string(raw)
}

// promqlOf writes an expression as Grafana sends it.
func promqlOf(expr string) string {
	return strings.NewReplacer("$__rate_interval", "4m", "$__range", "1d", "$instance", ".*", "$kind", ".*", "$change", "rotation").Replace(expr)
}

var ofLegend = regexp.MustCompile(`{{(\w+)}}`)

// TestDashboard_uses_what_exists holds that every expression can be parsed, and
// uses only series and labels that the daemon shows.
func TestDashboard_uses_what_exists(t *testing.T) {
	d, text := readDashboard(t)
	c := catalogOf(t, fed())
	checked := 0
	check := func(where, expr, legend string, columns map[string]int) {
		checked++
		labels, err := c.check(promqlOf(expr))
		if err != nil {
			t.Errorf("%s: %s: %v", where, expr, err)
			return
		}
		for _, found := range ofLegend.FindAllStringSubmatch(legend, -1) {
			if !labels[found[1]] {
				t.Errorf("%s: the legend names %s, which the expression does not give, only %v", where, found[1], labels.names())
			}
		}
		for column := range columns {
			if !strings.HasPrefix(column, "Value") && !labels[column] {
				t.Errorf("%s: there is no column %s, only %v", where, column, labels.names())
			}
		}
	}
	for _, p := range d.Panels {
		columns := map[string]int{}
		for _, tr := range p.Transformations {
			maps.Copy(columns, tr.Options.IndexByName)
		}
		for _, target := range p.Targets {
			check(p.Title, target.Expr, target.LegendFormat, columns)
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			check(a.Name, a.Expr, a.TextFormat, nil)
		}
	}
	if n := strings.Count(text, `"expr":`); n != checked {
		t.Errorf("%d of %d expressions were checked", checked, n)
	}
	variables := regexp.MustCompile(`"definition": "label_values\((\w+), (\w+)\)"`).FindAllStringSubmatch(text, -1)
	if n := strings.Count(text, `"definition":`); n != len(variables) {
		t.Errorf("%d of %d variables are understood", len(variables), n)
	}
	for _, v := range variables {
		if !c[v[1]][v[2]] {
			t.Errorf("a variable lists %s of %s, which has only %v", v[2], v[1], c[v[1]].names())
		}
	}
}

// TestDashboard_shows_everything holds that no metric was forgotten.
func TestDashboard_shows_everything(t *testing.T) {
	_, text := readDashboard(t)
	for name := range catalogOf(t, fed()) {
		family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "cmkd_") && family != "cmkd_scrape_failures_total" && !strings.Contains(text, family) {
			t.Errorf("%s is on no panel", family)
		}
	}
}

// TestDashboard_layout holds what Grafana does not complain of but people would.
func TestDashboard_layout(t *testing.T) {
	d, _ := readDashboard(t)
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s: the id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}") {
			t.Errorf("%q lacks a title, a description, a query, or the data source that one chooses", p.Title)
		}
		if g := p.GridPos; g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("%s does not fit: %+v", p.Title, g)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
	if d.Panels[0].Title != "What needs somebody" {
		t.Errorf("the first row is %q", d.Panels[0].Title)
	}
}

// TestPromtool_dashboard lets promtool read the expressions of the dashboard: an
// older Prometheus must understand them, too.
func TestPromtool_dashboard(t *testing.T) {
	d, _ := readDashboard(t)
	var all []map[string]string
	for _, p := range d.Panels {
		for i, target := range p.Targets {
			all = append(all, map[string]string{"record": fmt.Sprintf("panel_%d_%d", p.ID, i), "expr": promqlOf(target.Expr)})
		}
	}
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": all}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	out := metricstest.Promtool(t, dir, "", "check", "rules", "rules.json")
	if want := fmt.Sprintf("%d rules found", len(all)); !strings.Contains(out, want) {
		t.Errorf("promtool says %q, want %q", out, want)
	}
}
