package grafana

import (
	"cmp"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// kind is how a panel shows what it asks for.
type kind string

// The kinds of panel.
const (
	stat    kind = "stat"    // a number on the colour that its marks give it
	plain   kind = "plain"   // a number without a colour
	lines   kind = "lines"   // a line for each series
	stacked kind = "stacked" // areas on one another
	bars    kind = "bars"    // bars on one another, with their sums
	table   kind = "table"   // a row for each series
	heatmap kind = "heatmap" // the buckets of a histogram over time
)

// grey is for what does not count.
const grey = "#808080"

// row is a group of panels under a title.
type row struct {
	title  string
	panels []panel
}

// panel is one panel. What is zero is left to Grafana.
type panel struct {
	title, about string
	kind         kind
	// w and h are its size: a row is 24 wide.
	w, h int
	// unit is Grafana's name of one; "none" if empty.
	unit    string
	queries []query
	// below is the colour of what is below all marks; green if empty.
	below string
	marks []mark
	// whole leaves out the decimals.
	whole bool
	// none is shown where there is nothing.
	none string
	// texts replace values.
	texts []text
	// colours are those of series.
	colours []colour
	// columns are those of a table, from left to right; worst is the one by which it
	// is sorted, the greatest first.
	columns []column
	worst   string
}

// query is an expression, in which @ is the daemons that one chose, and what its
// series are called.
type query struct{ expr, legend string }

// mark is a value from which on a colour holds.
type mark struct {
	colour string
	from   float64
}

// text is shown instead of a value, or of what a pattern in parentheses matches.
type text struct{ value, text, colour string }

// colour is that of a series.
type colour struct{ series, colour string }

// column is one of a table.
type column struct {
	// of is a label or a value.
	of string
	// title is of if it is empty.
	title string
	shown []property
}

// property is how a column is shown otherwise than the others.
type property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}

func coloured(texts ...text) []property {
	return []property{{"mappings", mappings(texts)}, {"custom.cellOptions", object{"type": "color-text"}}}
}

func marked(marks ...mark) []property {
	return []property{{"thresholds", thresholds("", marks)}, {"custom.cellOptions", object{"type": "color-background", "mode": "basic"}}}
}

func hidden() []property { return []property{{"custom.hidden", true}} }

func wholeNumber() []property { return []property{{"decimals", 0}} }

func inUnit(unit string) []property { return []property{{"unit", unit}} }

// prometheus is the data source that one chooses.
func prometheus() object { return object{"type": "prometheus", "uid": "${datasource}"} }

// promql is an expression for the daemons that one chose.
func promql(expr string) string { return strings.ReplaceAll(expr, "@", `instance=~"$instance"`) }

// json is the panel as Grafana wants it, but for its place.
func (p *panel) json() object {
	o := object{
		"title": p.title, "description": p.about, "datasource": prometheus(), "targets": p.targets(),
		"fieldConfig": object{"defaults": p.defaults(), "overrides": p.overrides()},
	}
	switch p.kind {
	case stat, plain:
		o["type"], o["options"] = "stat", p.statOptions()
	case lines, stacked, bars:
		o["type"], o["options"] = "timeseries", p.seriesOptions()
	case table:
		o["type"], o["options"], o["transformations"] = "table", p.tableOptions(), p.transformations()
	case heatmap:
		o["type"], o["options"] = "heatmap", p.heatmapOptions()
	}
	return o
}

func (p *panel) targets() (all []object) {
	for i, q := range p.queries {
		t := object{
			"refId": string(rune('A' + i)), "datasource": prometheus(), "expr": promql(q.expr),
			"editorMode": "code", "format": "time_series",
		}
		switch p.kind {
		case table:
			t["format"], t["instant"], t["range"] = "table", true, false
		case stat, plain:
			t["instant"], t["range"] = true, false
		case heatmap:
			t["format"], t["range"] = "heatmap", true
		default:
			t["range"] = true
		}
		if q.legend != "" {
			t["legendFormat"] = q.legend
		}
		all = append(all, t)
	}
	return all
}

// defaults are how values are shown.
func (p *panel) defaults() object {
	if p.kind == heatmap {
		return object{"custom": object{
			"hideFrom": object{"legend": false, "tooltip": false, "viz": false}, "scaleDistribution": object{"type": "linear"},
		}}
	}
	d := object{"color": object{"mode": "thresholds"}, "thresholds": thresholds(p.below, p.marks)}
	if p.none != "" {
		d["noValue"] = p.none
	}
	if p.whole {
		d["decimals"] = 0
	}
	switch p.kind {
	case table:
		d["custom"] = object{"align": "auto", "cellOptions": object{"type": "auto"}, "filterable": false}
	case stat, plain:
		d["unit"], d["mappings"] = cmp.Or(p.unit, "none"), mappings(p.texts)
	default:
		d["unit"], d["color"], d["min"], d["custom"] = cmp.Or(p.unit, "none"), object{"mode": "palette-classic"}, 0, p.drawn()
		if p.unit == "percentunit" {
			d["max"] = 1
		}
	}
	return d
}

// drawn is how series are drawn.
func (p *panel) drawn() object {
	d := object{
		"drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false,
		"stacking": object{"mode": "none", "group": "A"}, "lineInterpolation": "linear", "thresholdsStyle": object{"mode": "off"},
	}
	if len(p.marks) > 0 {
		d["thresholdsStyle"] = object{"mode": "dashed"}
	}
	switch p.kind {
	case stacked:
		d["stacking"], d["fillOpacity"], d["lineInterpolation"] = object{"mode": "normal", "group": "A"}, 30, "stepAfter"
	case bars:
		d["stacking"], d["fillOpacity"], d["drawStyle"] = object{"mode": "normal", "group": "A"}, 70, "bars"
	default: // plain lines
	}
	return d
}

// overrides are what holds for one series or column alone.
func (p *panel) overrides() []object {
	all := []object{}
	override := func(name string, shown []property) {
		all = append(all, object{"matcher": object{"id": "byName", "options": name}, "properties": shown})
	}
	for _, c := range p.colours {
		override(c.series, []property{{"color", object{"mode": "fixed", "fixedColor": c.colour}}})
	}
	for _, c := range p.columns {
		if c.shown != nil {
			override(cmp.Or(c.title, c.of), c.shown)
		}
	}
	return all
}

// thresholds are the marks with what is below them.
func thresholds(below string, marks []mark) object {
	steps := []object{{"color": cmp.Or(below, "green"), "value": nil}}
	for _, m := range marks {
		steps = append(steps, object{"color": m.colour, "value": m.from})
	}
	return object{"mode": "absolute", "steps": steps}
}

// mappings are texts for values; those for patterns come last.
func mappings(texts []text) []object {
	all := []object{}
	values := object{}
	var patterns []object
	for i, t := range texts {
		result := object{"text": t.text, "color": t.colour, "index": i}
		if strings.HasPrefix(t.value, "(") {
			patterns = append(patterns, object{"type": "regex", "options": object{"pattern": t.value, "result": result}})
		} else {
			values[t.value] = result
		}
	}
	if len(values) > 0 {
		all = append(all, object{"type": "value", "options": values})
	}
	return append(all, patterns...)
}

func (p *panel) statOptions() object {
	o := object{
		"colorMode": "background", "graphMode": "none", "justifyMode": "center", "textMode": "auto", "orientation": "auto", "wideLayout": true,
		"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	if p.kind == plain {
		o["colorMode"] = "none"
	}
	return o
}

func (p *panel) seriesOptions() object {
	calcs := []string{"lastNotNull", "max"}
	if p.kind == bars {
		calcs = []string{"sum"}
	}
	return object{
		"legend":  object{"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": calcs},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	}
}

func (p *panel) tableOptions() object {
	by := []object{}
	if p.worst != "" {
		by = append(by, object{"displayName": p.worst, "desc": true})
	}
	return object{
		"showHeader": true, "cellHeight": "sm", "sortBy": by,
		"footer": object{"show": false, "reducer": []string{"sum"}, "countRows": false, "fields": ""},
	}
}

// transformations put the columns of a table in order.
func (p *panel) transformations() []object {
	var all []object
	if len(p.queries) > 1 {
		all = append(all, object{"id": "merge", "options": object{}})
	}
	index, titles := map[string]int{}, map[string]string{}
	for i, c := range p.columns {
		index[c.of] = i
		if c.title != "" {
			titles[c.of] = c.title
		}
	}
	return append(all, object{"id": "organize", "options": object{
		"excludeByName": object{"Time": true}, "indexByName": index, "renameByName": titles,
	}})
}

func (p *panel) heatmapOptions() object {
	return object{
		"calculate": false, "cellGap": 1, "cellValues": object{"unit": "none"}, "exemplars": object{"color": "rgba(255,0,255,0.7)"},
		"color":        object{"mode": "scheme", "scheme": "Blues", "fill": "dark-blue", "exponent": 0.5, "reverse": false, "scale": "exponential", "steps": 64},
		"filterValues": object{"le": 1e-9}, "legend": object{"show": true}, "rowsFrame": object{"layout": "auto"},
		"tooltip": object{"mode": "single", "yHistogram": true, "showColorScale": false},
		"yAxis":   object{"axisPlacement": "left", "unit": p.unit, "reverse": false},
	}
}
