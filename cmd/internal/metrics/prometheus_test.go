package metrics_test

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"cmkd/cmd/internal/metrics/metricstest"
	"cmkd/rotator/alerting"
)

func trim(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// TestPrometheus_Scrapes lets a real Prometheus scrape, evaluate the rules as they
// are shipped, and fire.
func TestPrometheus_Scrapes(t *testing.T) {
	m := fed() // one alert is firing
	server := httptest.NewServer(m.Handler())
	defer server.Close()
	p := metricstest.StartPrometheus(t, strings.TrimPrefix(server.URL, "http://"), rulesDir+"/cmkd.rules.yml")

	p.Until("the target is up", func() bool {
		all := p.Targets()
		if len(all) == 0 {
			return false // not read yet
		}
		if len(all) != 1 || all[0].Labels["job"] != "cmkd" || all[0].LastError != "" {
			t.Fatalf("targets are %+v", all)
		}
		return all[0].Health == "up"
	})
	for query, want := range map[string]string{
		`cmkd_operations_total{kind="rotation",outcome="completed"}`:                    "1",
		`cmkd_propagation_seconds_bucket{kind="storage",change="rotation",le="3600.0"}`: "1", // as OpenMetrics writes it
		`count(cmkd_alerts)`: strconv.Itoa(len(alerting.Rules())),
		`cmkd_build_info{version="v1",revision="abc",clock="real"}`: "1",
	} {
		p.Until(query, func() bool {
			got := p.Query(query)
			return len(got) == 1 && got[0].Value == want
		})
	}
	p.Until("CmkdAlert fires", func() bool {
		_, ok := p.Firing("CmkdAlert")
		return ok
	})
	a, _ := p.Firing("CmkdAlert")
	if a.Labels["rule"] != "propagation-stalled" || a.Labels["severity"] != "warning" ||
		a.Annotations["runbook_url"] != "docs/alerts.md#propagation-stalled" {
		t.Errorf("the alert is %+v", a)
	}
	p.Until("the ratio is recorded", func() bool {
		got := p.Query("job_instance:cmkd_store_free:ratio")
		return len(got) == 1 && got[0].Value == "0.5"
	})
	// Before the target was found, it was absent.
	p.Until("nothing else is wrong", func() bool { return len(p.Alerts()) == 1 })
}
