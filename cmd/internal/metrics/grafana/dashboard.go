package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// width is that of a row.
const width = 24

// JSON returns the dashboard as Grafana imports it.
func JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(dashboard()); err != nil {
		return nil, fmt.Errorf("encode the dashboard: %w", err)
	}
	return b.Bytes(), nil
}

func dashboard() object {
	return object{
		"title": "cmkd", "uid": "cmkd", "tags": []string{"cmkd"}, "schemaVersion": 39, "version": 1,
		"description": "Rotations and revocations of customer-managed keys: what needs somebody, how far the dependents are, " +
			"how Azure, the store and the engine do.",
		"editable": true, "graphTooltip": 1, "timezone": "browser", "refresh": "30s", "weekStart": "", "liveNow": false, "fiscalYearStartMonth": 0,
		"time":        object{"from": "now-24h", "to": "now"},
		"annotations": object{"list": annotations()},
		"links":       []any{},
		"templating":  object{"list": variables()},
		"panels":      placed(rows()),
	}
}

// annotations are what is marked in all panels.
func annotations() []object {
	return []object{
		{
			"name": "Annotations & Alerts", "type": "dashboard", "builtIn": 1, "enable": true, "hide": true,
			"datasource": object{"type": "grafana", "uid": "-- Grafana --"}, "iconColor": "rgba(0, 211, 255, 1)",
		},
		{
			"name": "Daemon started", "enable": true, "datasource": prometheus(), "iconColor": "purple", "step": "1m",
			"expr":        promql(`changes(process_start_time_seconds{job="cmkd",@}[1m]) > 0`),
			"titleFormat": "cmkd started", "textFormat": "{{instance}}",
		},
	}
}

// variables are what one chooses at the top.
func variables() []object {
	changes := []object{}
	for i, change := range []string{"rotation", "revocation", "reinstatement"} {
		changes = append(changes, object{"selected": i == 0, "text": change, "value": change})
	}
	return []object{
		{
			"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0,
			"multi": false, "includeAll": false, "options": []any{}, "regex": "", "current": object{}, "skipUrlSync": false,
		},
		valuesOf("instance", "daemon", "cmkd_build_info"),
		valuesOf("kind", "kind", "cmkd_propagation_seconds_count"),
		{
			"name": "change", "label": "change", "type": "custom", "query": "rotation,revocation,reinstatement", "multi": false,
			"includeAll": false, "hide": 0, "skipUrlSync": false, "current": changes[0], "options": changes,
		},
	}
}

// valuesOf is a variable with the values that a label has in a metric.
func valuesOf(label, title, metric string) object {
	definition := fmt.Sprintf("label_values(%s, %s)", metric, label)
	return object{
		"name": label, "label": title, "type": "query", "datasource": prometheus(), "definition": definition,
		"query": object{"query": definition, "refId": label}, "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*",
		"current": object{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}},
		"hide":    0, "options": []any{}, "regex": "", "skipUrlSync": false,
	}
}

// placed numbers the panels and puts them side by side, in a new line where there
// is no room, each row under its title.
func placed(rows []row) (all []object) {
	y := 0
	for _, r := range rows {
		all = append(all, object{
			"id": len(all) + 1, "type": "row", "title": r.title, "collapsed": false, "panels": []any{},
			"gridPos": object{"x": 0, "y": y, "w": width, "h": 1},
		})
		y++
		x, h := 0, 0
		for _, p := range r.panels {
			if x+p.w > width {
				x, y, h = 0, y+h, 0
			}
			o := p.json()
			o["id"], o["gridPos"] = len(all)+1, object{"x": x, "y": y, "w": p.w, "h": p.h}
			all = append(all, o)
			x, h = x+p.w, max(h, p.h)
		}
		y += h
	}
	return all
}
